"""Edges, figures of pairs of pictures and over time, and features of a network trained on photographs."""
