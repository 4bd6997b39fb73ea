"""Niantic's .spz, versions 2 and 3 (github.com/nianticlabs/spz): gzip over columns of small integers.

A file holds x right, y up, z back; 3DGS .ply files hold x right, y down, z forward. Reading and writing turn between
the two by half a turn about x.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simvid.assets.cache import write_atomically
from simvid.assets.capture_fields import LARGEST_LOGIT, RawCapture
from simvid.errors import AssetError
from simvid.gaussians import SH_COEFFICIENTS

MAGIC = 0x5053474E
MOST_GAUSSIANS = 100_000_000
_HEADER = struct.Struct("<IIIBBBB")
_COLOR_SCALE = 0.15
_TURN_BYTES = {2: 3, 3: 4}
"""Bytes of a rotation in each version."""
_LONGEST_EXTENSION = 1 << 20
_DEFLATE_LIMIT = 1032  # zlib's largest possible ratio
_TURN = np.array([1.0, -1.0, -1.0], np.float32)
_TURN_SH = np.array([1, -1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1], np.float32)
"""Signs of the harmonics under half a turn about x: those odd in (y, z) change."""

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


def read_spz(path: Path, content: bytes) -> RawCapture:
    """Read a version 2 or 3 file.

    Raises:
        AssetError: not gzip or not SPZ, another version, cut off, or promising more than the file can hold.
    """
    version, count, degree, fraction, data = _unzipped(path, content)
    rest, turn = SH_COEFFICIENTS[degree] - 1, _TURN_BYTES[version]
    widths = np.cumsum([9, 1, 3, 3, turn]) * count
    position, alpha, color, scale, rotation, harmonics = np.split(data, widths)
    alphas = np.clip(alpha.astype(np.float64) / 255, 1e-12, 1 - 1e-12)
    logits = np.clip(np.log(alphas) - np.log1p(-alphas), -LARGEST_LOGIT, LARGEST_LOGIT)
    dc = (color.reshape(count, 1, 3).astype(np.float32) / 255 - 0.5) / _COLOR_SCALE
    higher = (harmonics.reshape(count, rest, 3).astype(np.float32) - 128) / 128
    unpack = _unpack_smallest_three if version == 3 else _unpack_xyz
    return RawCapture(
        _unpack_fixed(position.reshape(count, 3, 3), fraction) * _TURN,
        unpack(rotation.reshape(count, turn)) * np.array([1, *_TURN], np.float32),
        (scale.reshape(count, 3) / np.float32(16) - np.float32(10)).astype(np.float32),
        logits.astype(np.float32),
        np.asarray(np.concatenate([dc, higher], axis=1) * _TURN_SH[: rest + 1, None], np.float32),
    )


def _unzipped(path: Path, content: bytes) -> tuple[int, int, int, int, Bytes]:
    """Version, number of Gaussians, SH degree, fractional bits and the columns; nothing large before it is checked."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        head = stream.decompress(content, _HEADER.size)
        if len(head) < _HEADER.size:
            raise AssetError(f"{path}: cut off within its header")
        magic, version, count, degree, fraction, _, _ = _HEADER.unpack(head)
        if magic != MAGIC:
            raise AssetError(f"{path}: expected an SPZ file (NGSP within gzip), got {head[:4]!r}")
        if version not in _TURN_BYTES:
            raise AssetError(f"{path}: expected SPZ version 2 or 3, got {version}; save it again as version 3 or .ply")
        if degree > 3 or fraction > 23:
            raise AssetError(
                f"{path}: expected SH degree 0 to 3 and up to 23 fractional bits, got {degree}, {fraction}"
            )
        promised = count * (16 + _TURN_BYTES[version] + 3 * (SH_COEFFICIENTS[degree] - 1))
        if not 0 < count <= MOST_GAUSSIANS or promised > _DEFLATE_LIMIT * len(content):
            raise AssetError(
                f"{path}: promises {count:,} Gaussians, more than {len(content):,} bytes can hold, or none"
            )
        data = np.frombuffer(stream.decompress(stream.unconsumed_tail, promised), np.uint8)
        stream.decompress(stream.unconsumed_tail, _LONGEST_EXTENSION)  # on to the checksum
    except zlib.error as error:
        raise AssetError(f"{path}: its gzip data is damaged ({error})") from error
    if len(data) < promised or not stream.eof:
        raise AssetError(
            f"{path}: promises {promised:,} bytes for {count:,} Gaussians, holds {len(data):,}; it is cut off"
        )
    return version, count, degree, fraction, data


def _unpack_fixed(data: Bytes, fraction: int) -> Floats:
    """24-bit signed fixed point, little-endian, [N, 3, 3 bytes] -> [N, 3]."""
    wide = np.zeros((*data.shape[:2], 4), np.uint8)
    wide[..., 1:] = data
    return (wide.view("<i4")[..., 0] >> 8).astype(np.float32) / np.float32(1 << fraction)


def _unpack_xyz(data: Bytes) -> Floats:
    """Version 2: x, y, z in a byte each, w >= 0 from unit length; returned as (w, x, y, z)."""
    xyz = data.astype(np.float32) / 127.5 - 1
    w = np.sqrt(np.maximum(0.0, 1 - np.einsum("nk,nk->n", xyz, xyz)))
    return np.concatenate([w[:, None], xyz], axis=1).astype(np.float32)


def _unpack_smallest_three(data: Bytes) -> Floats:
    """Version 3: two bits name the largest of (x, y, z, w), the others have a sign and nine bits; as (w, x, y, z)."""
    word = np.ascontiguousarray(data).view("<u4")[:, 0]
    largest = (word >> np.uint32(30)).astype(np.int64)
    xyzw = np.zeros((len(word), 4), np.float32)
    for axis in (3, 2, 1, 0):
        small = largest != axis
        size = (word & np.uint32(511)).astype(np.float32) / 511 * np.float32(np.sqrt(0.5))
        sign = np.where((word >> np.uint32(9)) & np.uint32(1), -1.0, 1.0)
        xyzw[small, axis] = (size * sign)[small]
        word = np.where(small, word >> np.uint32(10), word)
    rows = np.arange(len(word))
    xyzw[rows, largest] = np.sqrt(np.maximum(0.0, 1 - np.einsum("nk,nk->n", xyzw, xyzw)))
    return np.roll(xyzw, 1, axis=1)


def write_spz(path: Path, raw: RawCapture, *, version: int = 3, fraction: int = 12) -> None:
    """Write a version 2 or 3 file; positions have a step of 2^-fraction and reach 2^(23 - fraction).

    Raises:
        ValueError: another version, or positions out of reach.
        OSError: the file cannot be written.
    """
    if version not in (2, 3):
        raise ValueError(f"version: expected 2 or 3, got {version}")
    reach = 2.0 ** (23 - fraction)
    count = len(raw.means)
    if count and not float(np.abs(raw.means).max()) < reach:
        raise ValueError(
            f"positions reach {np.abs(raw.means).max():.4g}; SPZ with {fraction} fractional bits holds {reach:g}"
        )
    degree = SH_COEFFICIENTS.index(raw.sh.shape[1])
    fixed = np.round(raw.means.astype(np.float64) * _TURN * (1 << fraction)).astype("<i4")
    sh = raw.sh * _TURN_SH[: raw.sh.shape[1], None]
    alpha = 255 / (1 + np.exp(-raw.logits.astype(np.float64)))
    quats = raw.quats * np.array([1, *_TURN], np.float32)
    pack = _pack_smallest_three if version == 3 else _pack_xyz
    columns = [
        np.ascontiguousarray(fixed).view(np.uint8).reshape(count, 3, 4)[..., :3],
        _byte(alpha),
        _byte(sh[:, 0] * (_COLOR_SCALE * 255) + 127.5),
        _byte((raw.log_scales + 10) * 16),
        pack(quats / np.linalg.norm(quats, axis=1, keepdims=True)),
        _byte(sh[:, 1:] * 128 + 128),
    ]
    data = _HEADER.pack(MAGIC, version, count, degree, fraction, 0, 0) + b"".join(c.tobytes() for c in columns)
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    write_atomically(path, packer.compress(data) + packer.flush())


def _byte(values: NDArray[np.floating]) -> Bytes:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _pack_xyz(quats: NDArray[np.floating]) -> Bytes:
    positive = quats * np.where(quats[:, :1] < 0, -1.0, 1.0)
    return _byte((positive[:, 1:] + 1) * 127.5)


def _pack_smallest_three(quats: NDArray[np.floating]) -> Bytes:
    xyzw = np.roll(quats, -1, axis=1)
    rows = np.arange(len(xyzw))
    largest = np.argmax(np.abs(xyzw), axis=1)
    xyzw = xyzw * np.where(xyzw[rows, largest] < 0, -1.0, 1.0)[:, None]
    word = np.zeros(len(xyzw), np.uint32)
    for axis in range(4):
        size = np.clip(np.round(np.abs(xyzw[:, axis]) * (511 / np.sqrt(0.5))), 0, 511).astype(np.uint32)
        part = size | ((xyzw[:, axis] < 0).astype(np.uint32) << np.uint32(9))
        word = np.where(largest != axis, (word << np.uint32(10)) | part, word)
    word = word | (largest.astype(np.uint32) << np.uint32(30))
    return np.ascontiguousarray(word.astype("<u4")).view(np.uint8).reshape(-1, 4)
