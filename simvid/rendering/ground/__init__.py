"""The endless ground behind the splats."""
