"""Crops that the probe learns from: path-traced or coarse pictures, changed in light and colour, with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simvid.calibrating.pair_frames import PairFrames

CROP_PX = 128
COARSE, MIXED = 0.25, 0.15
"""Shares of crops from coarse pictures, and from mixtures of both."""
PASTED = 0.35
"""Share of crops with a thing more, which is pasted in with its labels."""
LEAST_PX, MOST_PX = 40, 5000
"""Size of what is pasted."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A crop: rgb float32 0 to 1 [H, W, 3], depth [H, W] (+inf is sky), normals [H, W, 3], ids int32 [H, W]."""

    rgb: NDArray[np.float32]
    depth: NDArray[np.float32]
    normals: NDArray[np.float32]
    ids: NDArray[np.int32]


def draw(pairs: Sequence[PairFrames], rng: np.random.Generator) -> Sample:
    """One crop of a random frame of a random pair."""
    sample = _cropped(pairs[int(rng.integers(len(pairs)))], rng)
    if rng.uniform() < PASTED:
        sample = pasted(sample, _cropped(pairs[int(rng.integers(len(pairs)))], rng), rng)
    return replace(sample, rgb=recoloured(sample.rgb, rng))


def _cropped(pair: PairFrames, rng: np.random.Generator) -> Sample:
    """At full size, or from twice the area at half the size; mirrored half of the time."""
    t, share = int(rng.integers(pair.record.frames)), rng.uniform()
    stride = int(rng.integers(1, 3)) if min(pair.record.height, pair.record.width) >= 2 * CROP_PX else 1
    size = CROP_PX * stride
    y, x = (int(rng.integers(0, n - size + 1)) for n in (pair.record.height, pair.record.width))
    place = np.s_[y : y + size, x : x + size]
    coarse, true = (pair.arrays[name][t][place].astype(np.float32) / 255 for name in ("coarse", "target"))
    mix = 0.0 if share < COARSE else float(rng.uniform()) if share < COARSE + MIXED else 1.0
    rgb = (1 - mix) * coarse + mix * true
    if stride > 1:
        rgb = rgb.reshape(CROP_PX, stride, CROP_PX, stride, 3).mean(axis=(1, 3))
    depth, normals, ids = (pair.decoded(name, t)[place][::stride, ::stride] for name in ("depth", "normals", "ids"))
    sample = Sample(rgb.astype(np.float32), depth, normals, ids)
    return mirrored(sample) if rng.integers(2) else sample


def mirrored(sample: Sample) -> Sample:
    """Left and right exchanged."""
    normals = sample.normals[:, ::-1].copy()
    normals[..., 0] *= -1
    return Sample(sample.rgb[:, ::-1], sample.depth[:, ::-1], normals, sample.ids[:, ::-1])


def pasted(sample: Sample, other: Sample, rng: np.random.Generator) -> Sample:
    """With one thing of another crop in front of what is there; the same where that has none of a fitting size."""
    ids, sizes = np.unique(other.ids, return_counts=True)
    fit = ids[(sizes >= LEAST_PX) & (sizes <= MOST_PX) & (ids > 1)]
    if not len(fit):
        return sample
    mask = other.ids == rng.choice(fit)
    shift = tuple(int(n) for n in rng.integers(-CROP_PX // 2, CROP_PX // 2, 2))
    v, u = np.nonzero(mask)
    to_v, to_u = v + shift[0], u + shift[1]
    inside = (to_v >= 0) & (to_v < CROP_PX) & (to_u >= 0) & (to_u < CROP_PX)
    source, place = (v[inside], u[inside]), (to_v[inside], to_u[inside])
    near, far = sample.depth[place], other.depth[source]
    if not len(near) or not np.isfinite(far).all():
        return sample
    least = float(near.min()) if np.isfinite(near).any() else float(far.max())
    arrays = {name: getattr(sample, name).copy() for name in ("rgb", "depth", "normals", "ids")}
    arrays["rgb"][place], arrays["normals"][place] = other.rgb[source], other.normals[source]
    arrays["depth"][place] = far * np.float32(rng.uniform(0.85, 0.99) * least / far.max())
    arrays["ids"][place] = int(sample.ids.max()) + 1
    return Sample(**arrays)


def recoloured(rgb: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Another exposure, white balance, contrast and saturation; a little blur or noise now and then."""
    gain = 1.5 ** rng.uniform(-1, 1) * 1.15 ** rng.uniform(-1, 1, 3)
    changed = np.clip(rgb, 0, 1) ** (1.3 ** rng.uniform(-1, 1)) * gain
    grey = changed.mean(axis=-1, keepdims=True)
    changed = grey + (changed - grey) * rng.uniform(0.5, 1.5)
    if rng.uniform() < 0.2:
        from scipy.ndimage import gaussian_filter

        changed = gaussian_filter(changed, (sigma := rng.uniform(0.3, 1.0), sigma, 0))
    if rng.uniform() < 0.3:
        changed = changed + rng.normal(0, rng.uniform(0.005, 0.03), rgb.shape)
    return np.asarray(np.clip(changed, 0, 1), np.float32)
