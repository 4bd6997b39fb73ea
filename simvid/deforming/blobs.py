"""Loose particles as one body: a smooth field that is 1 inside and 0 outside, made of a flattened blob per particle.

After Yu and Turk 2013, "Reconstructing surfaces of particle-based fluids using anisotropic kernels": each particle is
moved towards the mean of its neighbours (eq. 6), and its blob is stretched as they are spread (eqs. 9 to 16), so that
flat layers are drawn flat, and rows of particles show as little as may be. What neighbours move alike is taken back, or
round things would shrink (Vollmer et al. 1999, "Improved Laplacian smoothing of noisy surface meshes").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
NEIGHBOURS = 72
"""How many the spread of a particle's neighbours is taken from, at most."""
NEAR = 3.0
"""How far they may be, in spacings."""
SPARSE = (9, 4.5)
"""Where fewer are so near, so many of the next ones count too, up to this distance."""
TOWARDS = 0.9
"""Share of the way to the mean of its neighbours that a particle is moved, less what they are moved themselves."""
FLATTEST = 5.0
"""A blob is at most so many times longer than thick."""
FEW = 5
"""With fewer neighbours a blob is a ball."""
SIZE = 1.9
"""Radius of the blob of a particle that is spread alike in all directions, in spacings."""
INSIDE = 0.638
"""What blobs of radius r that stand s apart add up to inside, over (r / s)^3: (1 - q^2)^3 integrated over a ball."""
LEVEL = 0.33
"""Of the field at the surface; there the skin of a full block lies about at its faces."""
LONE = (1.0, 0.62)
"""Radius of the blob of a particle with few neighbours, and of the drop or grain that is seen of it, in spacings: a
ball of about its share of the volume."""


@dataclass(frozen=True, eq=False)
class Blobs:
    """Blobs of the form (1 - |M (x - c)|^2)^3.

    Attributes:
        centers: c [m], [P, 3].
        maps: M [1/m], [P, 3, 3].
        reach_m: half the edges of the box around each, [P, 3].
        weights: their shares of the field, [P].
    """

    centers: Array
    maps: Array
    reach_m: Array
    weights: Array


def blobs_of(particles: Array, spacing_m: float) -> Blobs:
    """The blobs of particles [P, 3] that are ``spacing_m`` apart when they are packed."""
    from scipy.spatial import cKDTree

    count = min(NEIGHBOURS + 1, len(particles))
    distance, near = cKDTree(particles).query(particles, k=count, distance_upper_bound=SPARSE[1] * spacing_m)
    distance, near = distance.reshape(len(particles), count), near.reshape(len(particles), count)
    ninth = distance[:, min(SPARSE[0], count - 1)]
    radius = np.clip(ninth, NEAR * spacing_m, SPARSE[1] * spacing_m)[:, None]
    found = distance <= radius
    w = np.where(found, 1 - np.minimum(distance / radius, 1.0) ** 3, 0.0)
    offsets = particles[np.where(found, near, 0)] - particles[:, None]
    total = w.sum(axis=1, keepdims=True)
    mean = np.einsum("pk,pki->pi", w, offsets) / total
    spread = np.einsum("pk,pki,pkj->pij", w, offsets - mean[:, None], offsets - mean[:, None]) / total[..., None]
    many = found.sum(axis=1) - 1 >= FEW
    maps, reach = _shapes(spread, many, np.where(many, SIZE, LONE[0]) * spacing_m)
    weights = np.where(many, 1 / (INSIDE * SIZE**3), LEVEL / (1 - (LONE[1] / LONE[0]) ** 2) ** 3)
    common = np.einsum("pk,pki->pi", w, mean[np.where(found, near, 0)]) / total
    moved = np.where(many, TOWARDS, 0.0)[:, None] * (mean - common)
    return Blobs(particles + moved, maps, reach, weights)


def _shapes(spread: Array, many: NDArray[np.bool_], sizes: Array) -> tuple[Array, Array]:
    """Maps from ellipsoids of the volume of balls of these radii [P] to the unit ball, and half their boxes' edges."""
    variance, axes = np.linalg.eigh(spread)
    lengths = np.sqrt(np.maximum(variance, 0.0))
    lengths = np.maximum(lengths, lengths[:, 2:] / FLATTEST)
    lengths = np.where(many[:, None] & (lengths[:, :1] > 0), lengths, 1.0)
    lengths *= sizes[:, None] / np.cbrt(lengths.prod(axis=1, keepdims=True))
    maps = np.einsum("pik,pk,pjk->pij", axes, 1 / lengths, axes)
    return maps, np.sqrt(np.einsum("pik,pk->pi", axes**2, lengths**2))
