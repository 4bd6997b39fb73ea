"""The sRGB transfer curve (IEC 61966-2-1), both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def srgb_to_linear(srgb: NDArray[Any]) -> NDArray[np.float32]:
    """Linear light in [0, 1] of sRGB values in [0, 1], any shape."""
    s = np.asarray(srgb, np.float32)
    return np.where(s <= 0.04045, s / 12.92, ((np.maximum(s, 0.0) + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_to_srgb(linear: NDArray[Any]) -> NDArray[np.float32]:
    """SRGB values in [0, 1] of linear light in [0, 1], any shape."""
    x = np.maximum(np.asarray(linear, np.float32), 0.0)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)


def srgb_bytes_to_linear16() -> NDArray[np.uint16]:
    """Table from an sRGB byte to linear light in 0..65535, uint16 [256]."""
    return np.round(srgb_to_linear(np.arange(256) / 255.0) * 65535.0).astype(np.uint16)
