"""3DGS .ply captures (Kerbl et al. 2023, the reference implementation's ``save_ply``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.cache import write_atomically
from simvid.assets.capture_fields import RawCapture
from simvid.assets.ply import PlyElement, PlyHeader
from simvid.errors import AssetError

_REST_COUNTS = (0, 9, 24, 45)


def read_3dgs_ply(path: Path, header: PlyHeader, content: bytes) -> RawCapture:
    """Read the ``vertex`` element; further properties and elements are passed over.

    Raises:
        AssetError: a property is missing, or the count of f_rest is that of no SH degree.
    """
    vertex = header.element("vertex")
    if vertex is None or vertex.count == 0:
        raise AssetError(f"{path}: expected Gaussians, got a PLY file with no vertex element, or an empty one")
    rows = element_rows(path, header, content, vertex)
    rest = rest_count(path, vertex)

    def columns(*names: str) -> NDArray[np.float32]:
        missing = [n for n in names if n not in (rows.dtype.names or ())]
        if missing:
            raise AssetError(
                f"{path}: the property {missing[0]!r} is missing; a 3DGS capture has x, y, z, f_dc_*, opacity, "
                "scale_* and rot_* (a file with faces is a mesh: use  shape: {mesh: …})"
            )
        return np.stack([rows[n].astype(np.float32) for n in names], axis=1)

    dc = columns("f_dc_0", "f_dc_1", "f_dc_2")[:, None, :]
    sh = dc
    if rest:
        flat = columns(*(f"f_rest_{k}" for k in range(rest)))
        sh = np.concatenate([dc, flat.reshape(len(rows), 3, rest // 3).transpose(0, 2, 1)], axis=1)
    return RawCapture(
        columns("x", "y", "z"),
        columns("rot_0", "rot_1", "rot_2", "rot_3"),
        columns("scale_0", "scale_1", "scale_2"),
        columns("opacity")[:, 0],
        sh,
    )


def element_rows(path: Path, header: PlyHeader, content: bytes, element: PlyElement) -> NDArray[np.void]:
    """The rows of one element of fixed width as a structured array that shares the file's bytes.

    Raises:
        AssetError: it, or an element before it, holds lists or names a property twice; or the file ends within it.
    """
    offset = header.size
    try:
        for before in header.elements[: header.elements.index(element)]:
            offset += before.count * before.dtype.itemsize
        dtype = element.dtype
    except ValueError as error:
        raise AssetError(f"{path}: expected rows of numbers in a capture; {error}") from error
    if offset + element.count * dtype.itemsize > len(content):
        raise AssetError(f"{path}: the file ends within its {element.name} data; it is cut off or damaged")
    rows: NDArray[np.void] = np.frombuffer(content, dtype, element.count, offset)
    return rows


def rest_count(path: Path, element: PlyElement) -> int:
    """Number of f_rest properties: 0, 9, 24 or 45.

    Raises:
        AssetError: another number.
    """
    count = sum(p.name.startswith("f_rest_") for p in element.properties)
    if count not in _REST_COUNTS:
        raise AssetError(f"{path}: expected 0, 9, 24 or 45 f_rest properties (SH degree 0 to 3), got {count}")
    return count


def write_3dgs_ply(path: Path, raw: RawCapture) -> None:
    """Write float32 little-endian PLY with the reference implementation's names and order.

    Raises:
        OSError: the file cannot be written.
    """
    rest = 3 * (raw.sh.shape[1] - 1)
    names = [
        *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"),
        *(f"f_rest_{k}" for k in range(rest)),
        *("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
    ]
    count = len(raw.means)
    fields: list[NDArray[Any]] = [
        raw.means,
        np.zeros((count, 3), np.float32),
        raw.sh[:, 0],
        raw.sh[:, 1:].transpose(0, 2, 1).reshape(count, rest),
        raw.logits[:, None],
        raw.log_scales,
        raw.quats,
    ]
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    lines += [*(f"property float {name}" for name in names), "end_header\n"]
    table = np.concatenate(fields, axis=1).astype("<f4")
    write_atomically(path, "\n".join(lines).encode() + table.tobytes())
