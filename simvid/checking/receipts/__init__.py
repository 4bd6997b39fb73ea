"""Receipts: whether a trajectory obeyed the laws of physics, from what is stored of it and its scene alone."""
