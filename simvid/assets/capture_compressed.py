"""SuperSplat's compressed .ply (PlayCanvas engine, ``gsplat-compressed-data``): chunks of 256, 16 bytes a Gaussian.

Positions and log scales are stored in 11, 10 and 11 bits between the bounds of their chunk, rotations as the three
smallest quaternion parts in 10 bits each, colour and opacity in 8 bits, higher harmonics in 8 bits between -4 and 4.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simvid.assets.cache import write_atomically
from simvid.assets.capture_fields import LARGEST_LOGIT, RawCapture
from simvid.assets.capture_ply import element_rows, rest_count
from simvid.assets.ply import PlyElement, PlyHeader
from simvid.errors import AssetError
from simvid.gaussians import SH_C0

CHUNK = 256
_AXES = ("x", "y", "z")
_CHANNELS = ("r", "g", "b")
_BITS = (11, 10, 11)

Floats = NDArray[np.float32]
Words = NDArray[np.uint32]


def read_compressed_ply(path: Path, header: PlyHeader, content: bytes) -> RawCapture:
    """Read the ``chunk``, ``vertex`` and, if there is one, ``sh`` elements.

    Raises:
        AssetError: an element or property is missing, or the counts do not fit together.
    """
    chunk, vertex, sh = (header.element(n) for n in ("chunk", "vertex", "sh"))
    if chunk is None or vertex is None or vertex.count == 0:
        raise AssetError(
            f"{path}: expected a compressed capture with Gaussians, got no vertex element, or an empty one"
        )
    wanted = -(-vertex.count // CHUNK)
    if chunk.count != wanted:
        raise AssetError(f"{path}: expected {wanted} chunks for {vertex.count:,} Gaussians, got {chunk.count}")
    bounds = element_rows(path, header, content, chunk)
    packed = element_rows(path, header, content, vertex)
    _require(path, bounds.dtype, [f"{e}_{a}" for e in ("min", "max") for a in _AXES])
    _require(path, bounds.dtype, [f"{e}_scale_{a}" for e in ("min", "max") for a in _AXES])
    _require(path, packed.dtype, [f"packed_{n}" for n in ("position", "rotation", "scale", "color")])
    which = np.arange(vertex.count) // CHUNK

    def between(low: list[str], high: list[str], share: Floats) -> Floats:
        start = np.stack([bounds[n] for n in low], axis=1).astype(np.float32)[which]
        end = np.stack([bounds[n] for n in high], axis=1).astype(np.float32)[which]
        return (start + share * (end - start)).astype(np.float32)

    color = _split(packed["packed_color"], (8, 8, 8, 8))
    rgb = color[:, :3]
    if "min_r" in (bounds.dtype.names or ()):
        _require(path, bounds.dtype, [f"{e}_{c}" for e in ("min", "max") for c in _CHANNELS])
        rgb = between([f"min_{c}" for c in _CHANNELS], [f"max_{c}" for c in _CHANNELS], rgb)
    opacity = np.clip(color[:, 3].astype(np.float64), 1e-12, 1 - 1e-12)
    logits = np.clip(np.log(opacity) - np.log1p(-opacity), -LARGEST_LOGIT, LARGEST_LOGIT)
    harmonics = ((rgb - 0.5) / SH_C0)[:, None, :].astype(np.float32)
    if sh is not None:
        harmonics = np.concatenate([harmonics, _higher_harmonics(path, header, content, sh, vertex.count)], axis=1)
    return RawCapture(
        between([f"min_{a}" for a in _AXES], [f"max_{a}" for a in _AXES], _split(packed["packed_position"], _BITS)),
        _unpack_rotation(packed["packed_rotation"]),
        between(
            [f"min_scale_{a}" for a in _AXES], [f"max_scale_{a}" for a in _AXES], _split(packed["packed_scale"], _BITS)
        ),
        logits.astype(np.float32),
        harmonics,
    )


def _higher_harmonics(path: Path, header: PlyHeader, content: bytes, sh: PlyElement, count: int) -> Floats:
    """SH coefficients beyond the first, [count, K - 1, 3]."""
    if sh.count != count:
        raise AssetError(f"{path}: expected {count:,} rows of sh, got {sh.count:,}")
    rest = rest_count(path, sh)
    rows = element_rows(path, header, content, sh)
    if not rest:
        return np.zeros((count, 0, 3), np.float32)
    flat = np.stack([_sh_value(rows[f"f_rest_{k}"]) for k in range(rest)], axis=1)
    return flat.reshape(count, 3, rest // 3).transpose(0, 2, 1)


def _require(path: Path, dtype: np.dtype[np.void], names: list[str]) -> None:
    missing = [n for n in names if n not in (dtype.names or ())]
    if missing:
        raise AssetError(f"{path}: the property {missing[0]!r} of a compressed capture is missing")


def _split(words: Words, bits: tuple[int, ...]) -> Floats:
    """Fields of a word, highest first, as shares of their largest value, [N, len(bits)]."""
    shares = []
    shift = 32
    for width in bits:
        shift -= width
        top = (1 << width) - 1
        shares.append(((words >> np.uint32(shift)) & np.uint32(top)).astype(np.float32) / np.float32(top))
    return np.stack(shares, axis=1)


def _sh_value(byte: NDArray[np.uint8]) -> Floats:
    share = (byte.astype(np.float32) + 0.5) / 256
    share[byte == 0], share[byte == 255] = 0.0, 1.0
    return ((share - 0.5) * 8).astype(np.float32)


def _unpack_rotation(words: Words) -> Floats:
    """Quaternions (w, x, y, z): two bits name the largest part, the others follow in order."""
    small = (_split(words << np.uint32(2), (10, 10, 10)) - 0.5) * np.float32(np.sqrt(2))
    largest = np.sqrt(np.maximum(0.0, 1.0 - np.einsum("nk,nk->n", small, small)))
    place = (words >> np.uint32(30)).astype(np.int64)
    quats = np.empty((len(words), 4), np.float32)
    for k in range(4):
        rows = place == k
        quats[rows] = np.insert(small[rows], k, largest[rows], axis=1)
    return quats


def morton_order(means: Floats) -> NDArray[np.int64]:
    """Order along a Z curve of ten bits an axis, so that a chunk's Gaussians lie close together, [N]."""
    low, high = means.min(axis=0), means.max(axis=0)
    cell = ((means - low) / np.maximum(high - low, 1e-30) * 1023).astype(np.uint64)
    code = np.zeros(len(means), np.uint64)
    for bit in range(10):
        for axis in range(3):
            code |= ((cell[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return np.argsort(code, kind="stable")


def write_compressed_ply(path: Path, raw: RawCapture) -> None:
    """Write the compressed format; Gaussians come out in ``morton_order``.

    Raises:
        OSError: the file cannot be written.
    """
    order = morton_order(raw.means) if len(raw.means) else np.zeros(0, np.int64)
    count = len(order)
    rgb = raw.sh[order, 0] * SH_C0 + 0.5
    starts = np.arange(0, count, CHUNK)
    lows, highs, shares = [], [], []
    for field in (raw.means[order], np.clip(raw.log_scales[order], -20, 20), rgb):
        low, high = (f.reduceat(field, starts) if count else field for f in (np.minimum, np.maximum))
        wide = np.maximum(high - low, 1e-20)
        which = np.arange(count) // CHUNK
        lows.append(low)
        highs.append(high)
        shares.append((field - low[which]) / wide[which])
    opacity = 1.0 / (1.0 + np.exp(-raw.logits[order].astype(np.float64)))
    packed = np.stack(
        [
            _join(shares[0], _BITS),
            _pack_rotation(raw.quats[order]),
            _join(shares[1], _BITS),
            _join(np.concatenate([shares[2], opacity[:, None]], axis=1), (8, 8, 8, 8)),
        ],
        axis=1,
    )
    bounds = np.concatenate([lows[0], highs[0], lows[1], highs[1], lows[2], highs[2]], axis=1)
    rest = raw.sh[order, 1:].transpose(0, 2, 1).reshape(count, -1)
    # the reader puts a byte's value in the middle of its 1/32 wide step
    sh_bytes = np.clip(np.floor((rest / 8 + 0.5) * 256), 0, 255).astype(np.uint8)
    write_atomically(
        path,
        _header(len(bounds), count, rest.shape[1])
        + b"".join([bounds.astype("<f4").tobytes(), packed.astype("<u4").tobytes(), sh_bytes.tobytes()]),
    )


def _header(chunks: int, count: int, rest: int) -> bytes:
    names = [f"{e}_{a}" for e in ("min", "max") for a in _AXES]
    names += [f"{e}_scale_{a}" for e in ("min", "max") for a in _AXES]
    names += [f"{e}_{c}" for e in ("min", "max") for c in _CHANNELS]
    lines = ["ply", "format binary_little_endian 1.0", f"element chunk {chunks}"]
    lines += [*(f"property float {n}" for n in names), f"element vertex {count}"]
    lines += [f"property uint packed_{n}" for n in ("position", "rotation", "scale", "color")]
    if rest:
        lines += [f"element sh {count}", *(f"property uchar f_rest_{k}" for k in range(rest))]
    return ("\n".join([*lines, "end_header"]) + "\n").encode()


def _join(shares: NDArray[np.floating], bits: tuple[int, ...]) -> Words:
    word = np.zeros(len(shares), np.uint32)
    for k, width in enumerate(bits):
        top = (1 << width) - 1
        value = np.clip(np.round(shares[:, k] * top), 0, top).astype(np.uint32)
        word = (word << np.uint32(width)) | value
    return word


def _pack_rotation(quats: Floats) -> Words:
    unit = quats / np.linalg.norm(quats, axis=1, keepdims=True)
    place = np.argmax(np.abs(unit), axis=1)
    rows = np.arange(len(unit))
    unit = unit * np.where(unit[rows, place] < 0, -1.0, 1.0)[:, None]
    small = unit[np.arange(4)[None] != place[:, None]].reshape(-1, 3)
    top = place.astype(np.uint32) << np.uint32(30)
    return np.asarray(_join(small / np.sqrt(2) + 0.5, (10, 10, 10)) | top, np.uint32)
