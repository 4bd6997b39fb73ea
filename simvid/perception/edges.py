"""Canny's edges, for control videos and for the comparison of edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

GREY = np.array([0.299, 0.587, 0.114])
"""Shares of red, green and blue in grey (Rec. 601)."""
LOW, HIGH = 100.0, 200.0
"""Thresholds on |gx| + |gy| of 8-bit grey pictures that the annotators of ControlNet and Cosmos use."""


def rgb_edges(rgb: NDArray[np.uint8], low: float = LOW, high: float = HIGH) -> NDArray[np.bool_]:
    """Edges of one picture, uint8 [H, W, 3] to bool [H, W]."""
    return canny(np.round(rgb @ GREY), low, high)


def canny(grey: NDArray[Any], low: float, high: float) -> NDArray[np.bool_]:
    """Canny 1986 with Sobel gradients, thinning across the edge in four directions, and hysteresis; bool [H, W]."""
    from scipy.ndimage import label, sobel

    picture = grey.astype(np.float64)
    gx, gy = sobel(picture, axis=1, mode="nearest"), sobel(picture, axis=0, mode="nearest")
    size = np.abs(gx) + np.abs(gy)
    padded = np.pad(size, 1)
    height, width = size.shape
    direction = np.round(np.arctan2(gy, gx) / (np.pi / 4)).astype(int) % 4
    thin = np.zeros(size.shape, np.bool_)
    for k, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        behind = padded[1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
        thin |= (direction == k) & (size > behind) & (size >= ahead)
    groups, count = label(thin & (size > low), np.ones((3, 3)))
    strong = np.zeros(count + 1, np.bool_)
    strong[np.unique(groups[thin & (size > high)])] = True
    strong[0] = False
    return np.asarray(strong[groups])
