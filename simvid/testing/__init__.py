"""Contracts and helpers that the author of a plug-in uses in tests."""
