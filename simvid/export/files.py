"""Small files that formats are made of: PNG with 8 or 16 bits, TIFF with floats, JSON, PLY."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_COLOR_TYPE = {1: 0, 3: 2, 4: 6}
PALETTE_TYPE = 3
LEVEL = 3


def png_bytes(picture: NDArray[Any], palette: NDArray[np.uint8] | None = None) -> bytes:
    """A PNG (W3C, third edition): uint8 or uint16, [H, W] or [H, W, 1, 3 or 4]; equal pictures give equal bytes.

    Args:
        picture: the samples.
        palette: colours [N, 3] that uint8 samples [H, W] are numbers of.

    Raises:
        ValueError: another type or shape.
    """
    samples = picture if picture.ndim == 3 else picture[..., None]
    if picture.dtype not in (np.uint8, np.uint16) or samples.ndim != 3 or samples.shape[2] not in _COLOR_TYPE:
        raise ValueError(
            f"png: expected uint8 or uint16 [H, W] or [H, W, 1, 3 or 4], got {picture.dtype} {picture.shape}"
        )
    height, width, channels = samples.shape
    rows = np.ascontiguousarray(samples.astype(samples.dtype.newbyteorder(">"))).reshape(height, -1).view(np.uint8)
    step = channels * samples.dtype.itemsize
    filtered = np.zeros((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 1  # each byte is stored as the difference to the pixel on its left
    filtered[:, 1:] = rows
    filtered[:, 1 + step :] -= rows[:, :-step]
    kind = PALETTE_TYPE if palette is not None else _COLOR_TYPE[channels]
    head = struct.pack(">IIBBBBB", width, height, 8 * samples.dtype.itemsize, kind, 0, 0, 0)
    extra = b"" if palette is None else _chunk(b"PLTE", np.ascontiguousarray(palette, np.uint8).tobytes())
    data = _chunk(b"IDAT", zlib.compress(filtered.tobytes(), LEVEL))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + extra + data + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path: Path, picture: NDArray[Any], palette: NDArray[np.uint8] | None = None) -> None:
    """Write ``png_bytes``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(picture, palette))


def write_float_tiff(path: Path, values: NDArray[np.float32]) -> None:
    """One channel of float32 [H, W]."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(values, np.float32)).save(path, format="TIFF")


def write_json(path: Path, tree: Any, indent: int | None = 1) -> None:
    """JSON without NaN."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=indent, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def write_jpeg(path: Path, picture: NDArray[np.uint8], quality: int) -> None:
    """An sRGB picture with full chroma."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, format="JPEG", quality=quality, subsampling=0)
