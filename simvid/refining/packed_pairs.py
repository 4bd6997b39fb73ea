"""Arrays of training pairs as lossless WebP pictures, for small sets that travel with the code and can be looked at.

Frames lie one below the other. Channels lie in threes side by side, as red, green and blue. A 16-bit number is two
channels: its high and its low byte; all high bytes come first. About a sixth of the size of plain arrays.
"""

from __future__ import annotations

import io
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
ENDING = ".webp"
MOST_PX = 16383
"""Largest side of a WebP picture [px]."""


def pack(array: Array) -> bytes:
    """The picture of an array uint8 or float16, [T, H, W] or [T, H, W, C].

    Raises:
        ValueError: another type, or too large for a picture.
    """
    from PIL import Image

    if array.dtype not in (np.uint8, np.float16) or array.ndim not in (3, 4):
        raise ValueError(f"pack: expected uint8 or float16 [T, H, W] or [T, H, W, C], got {array.dtype} {array.shape}")
    planes = _bytes(array if array.ndim == 4 else array[..., None])
    t, h, w, c = planes.shape
    groups = -(-c // 3)
    if max(t * h, groups * w) > MOST_PX:
        raise ValueError(f"pack: a picture has {MOST_PX} px at most, got {groups * w} x {t * h}")
    threes = np.zeros((t, h, w, 3 * groups), np.uint8)
    threes[..., :c] = planes
    sheet = np.moveaxis(threes.reshape(t, h, w, groups, 3), 3, 2).reshape(t * h, groups * w, 3)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "WEBP", lossless=True, quality=100, method=6)
    return buffer.getvalue()


def unpack(content: bytes, dtype: Any, shape: tuple[int, ...]) -> Array:
    """The array again, bit by bit.

    Args:
        content: of the picture.
        dtype, shape: of the array.

    Raises:
        ValueError: it is no picture, or not that of such an array.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("WEBP",)) as picture:
            sheet = np.asarray(picture.convert("RGB"))
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a WebP picture ({error})") from error
    t, h, w = shape[:3]
    channels = int(np.prod(shape[3:], dtype=int))
    c = channels * np.dtype(dtype).itemsize
    groups = -(-c // 3)
    if sheet.shape != (t * h, groups * w, 3):
        raise ValueError(f"expected a picture of {groups * w} x {t * h} px for an array {shape}, got "
                         f"{sheet.shape[1]} x {sheet.shape[0]}")  # fmt: skip
    planes = np.moveaxis(sheet.reshape(t, h, groups, w, 3), 3, 2).reshape(t, h, w, 3 * groups)[..., :c]
    if np.dtype(dtype) == np.uint8:
        return np.ascontiguousarray(planes).reshape(shape)
    number = planes[..., :channels].astype(np.uint16) << 8 | planes[..., channels:]
    return np.ascontiguousarray(number).view(np.float16).reshape(shape)


def _bytes(array: Array) -> NDArray[np.uint8]:
    """[T, H, W, C] as bytes, high ones first."""
    if array.dtype == np.uint8:
        return array
    number = np.ascontiguousarray(array).view(np.uint16)
    return np.concatenate([number >> 8, number & 255], axis=-1).astype(np.uint8)
