"""Gaussians of a scene: made from its assets, posed, deformed, chosen by what a camera can see."""
