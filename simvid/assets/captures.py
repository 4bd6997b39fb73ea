"""Gaussian captures on disk: 3DGS .ply, SuperSplat .compressed.ply, Niantic .spz.

The readers are our own. gsply 0.4.6, the one maintained library for these formats, reads sound files rightly (the
tests compare with it where it is installed), but it hides every fault behind one message, trusts what headers promise,
leaves SPZ's axes as they are and compiles for seconds at first use.

All files come out in the axes that 3DGS uses in .ply files: SPZ's are turned (its y and z point the other way).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import BinaryIO

from simvid.assets.capture_compressed import read_compressed_ply, write_compressed_ply
from simvid.assets.capture_fields import RawCapture, gaussians_from, raw_from
from simvid.assets.capture_ply import read_3dgs_ply, write_3dgs_ply
from simvid.assets.capture_spz import read_spz, write_spz
from simvid.assets.ply import read_ply_header
from simvid.errors import AssetError
from simvid.gaussians import SH_COEFFICIENTS, Gaussians

__all__ = ["CAPTURE_FORMATS", "load_capture", "save_capture"]

CAPTURE_FORMATS = (".ply", ".compressed.ply", ".spz")
LARGEST_FILE_BYTES = 8 << 30
_HEAD = 1 << 20

_log = logging.getLogger(__name__)


def load_capture(path: Path, *, owner: int = 0, max_sh_degree: int = 3) -> Gaussians:
    """Read a capture; the format is told by the content, not by the name.

    Gaussians with NaN or infinite values, or with no extent, are dropped; a warning in the log says how many.

    Args:
        path: the file.
        owner: id of the part that all Gaussians get.
        max_sh_degree: higher spherical harmonics are left out, 0 to 3.

    Returns:
        Gaussians in the file's own units and axes (those of 3DGS .ply files), opacities and scales activated,
        quaternions of unit length.

    Raises:
        AssetError: unreadable, of another format, cut off, or its header promises more than the file holds.
        ValueError: max_sh_degree outside 0..3.
    """
    if not 0 <= max_sh_degree <= 3:
        raise ValueError(f"max_sh_degree: expected 0 to 3, got {max_sh_degree}")
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            raise AssetError(f"{path}: {size / 1e9:.1f} GB; at most {LARGEST_FILE_BYTES / 1e9:.1f} GB can be read")
        with path.open("rb") as file:
            raw = _read(path, file, size)
    except OSError as error:
        raise AssetError(f"{path}: cannot be read: {error.strerror or error}") from error
    kept = SH_COEFFICIENTS[max_sh_degree]
    gaussians, dropped = gaussians_from(raw, owner=owner, coefficients=min(kept, raw.sh.shape[1]))
    if dropped:
        _log.warning("%s: left out %d of %d Gaussians that are not finite", path, dropped, dropped + len(gaussians))
    return gaussians


def _read(path: Path, file: BinaryIO, size: int) -> RawCapture:
    head = file.read(_HEAD)
    if head[:2] == b"\x1f\x8b":
        return read_spz(path, head + file.read())
    if head[:4] == b"NGSP":
        raise AssetError(f"{path}: SPZ version 4 or later is not supported; save it as SPZ version 3 or as .ply")
    if head[:3] != b"ply":
        raise AssetError(f"{path}: expected a Gaussian capture ({', '.join(CAPTURE_FORMATS)}), got {head[:8]!r}")
    header = read_ply_header(path, head)
    if header.format != "binary_little_endian":
        raise AssetError(f"{path}: expected binary_little_endian data, got {header.format}")
    if header.smallest_size > size:
        counts = ", ".join(f"{e.count:,} {e.name}" for e in header.elements)
        raise AssetError(
            f"{path}: its header promises {counts} ({header.smallest_size:,} bytes), the file has {size:,}; "
            "it is cut off or damaged"
        )
    content = head + file.read()
    if header.element("chunk") is not None:
        return read_compressed_ply(path, header, content)
    return read_3dgs_ply(path, header, content)


def save_capture(path: Path, gaussians: Gaussians) -> None:
    """Write Gaussians as a capture: 3DGS .ply, .compressed.ply (8 to 11 bits a number) or .spz (version 3).

    Owners are not stored. The compressed format sorts the Gaussians by place. The file appears whole or not at all.

    Raises:
        ValueError: the name ends in none of ``CAPTURE_FORMATS``.
        OSError: the file cannot be written.
    """
    name = path.name.lower()
    raw = raw_from(gaussians)
    if name.endswith(".compressed.ply"):
        write_compressed_ply(path, raw)
    elif name.endswith(".ply"):
        write_3dgs_ply(path, raw)
    elif name.endswith(".spz"):
        write_spz(path, raw)
    else:
        raise ValueError(f"{path}: expected a name that ends in {', '.join(CAPTURE_FORMATS)}")
