"""The fast rasterizer and its backward pass: project, sort into tiles, blend; sixteen lanes at a time."""
