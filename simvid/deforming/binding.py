"""Points that go with particles: which particles each is bound to, and where that takes it.

A point X at rest is bound to the K nearest particles with weights w_p(X) that fade to zero where the next particle
comes as near, so that the map

    x(X) = sum_p w_p (x_p + F_p (X - X_p)),    F(X) = sum_p w_p F_p

is continuous. It is a blend of the particles' own first-order maps (moving least squares of order one with given
gradients; Mueller et al. 2004; Xie et al. 2024, "PhysGaussian", eq. 6), so a map that is affine comes out exactly.

Where a body has torn, a particle that is no longer where the nearest one's map would have it does not count: its weight
fades between ``TORN`` spacings of that map's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.trajectory import ParticleForm

Array: TypeAlias = NDArray[np.float64]
NEIGHBOURS: dict[ParticleForm, int] = {"solid": 12, "sheet": 8, "line": 4, "loose": 8}
"""Particles that a point is bound to."""
TORN = (1.0, 2.0)
"""How far off a neighbour may be to count wholly, and from where on not at all [spacings times stretch]."""


@dataclass(frozen=True, eq=False)
class Binding:
    """N points and the K particles that each goes with.

    Attributes:
        points: at rest [m], float64 [N, 3].
        neighbours: indices of particles, the nearest first, int32 [N, K].
        weights: they sum to 1, float64 [N, K].
        spacing_m: usual distance of neighbouring particles at rest.
    """

    points: Array
    neighbours: NDArray[np.int32]
    weights: Array
    spacing_m: float

    def __len__(self) -> int:
        return len(self.points)


def bind(points: Array, rest: Array, form: ParticleForm, spacing_m: float | None = None) -> Binding:
    """Bind points to particles.

    Args:
        points: at rest [m], [N, 3].
        rest: particles [m], [P, 3].
        form: of the particles.
        spacing_m: of the particles; measured where not given.
    """
    from scipy.spatial import cKDTree

    return bind_in(points, cKDTree(rest), form, spacing_of(rest, form) if spacing_m is None else spacing_m)


def bind_in(points: Array, tree: object, form: ParticleForm, spacing_m: float) -> Binding:
    """As ``bind``, in a tree of particles (``scipy.spatial.cKDTree``) that is at hand."""
    count = min(NEIGHBOURS[form], tree.n)  # type: ignore[attr-defined]
    ask = min(count + 1, tree.n)  # type: ignore[attr-defined]
    distances, found = tree.query(points, k=ask)  # type: ignore[attr-defined]
    distances, found = np.reshape(distances, (len(points), ask)), np.reshape(found, (len(points), ask))
    reach = distances[:, -1:] if ask > count else 1.5 * distances[:, -1:] + 1e-12
    weights = fading(distances[:, :count] / np.maximum(reach, 1e-30))
    weights /= weights.sum(axis=1, keepdims=True)
    return Binding(np.asarray(points, np.float64), found[:, :count].astype(np.int32), weights, spacing_m)


def fading(share: Array) -> Array:
    """1 at 0, 0 at 1 and beyond but for a trace, so that what is all at the edge still counts alike."""
    return np.asarray(np.maximum(1 - share * share, 0.0) ** 3 + 1e-9)


def spacing_of(rest: Array, form: ParticleForm = "solid") -> float:
    """How far particles are from their neighbours [m]; 1 for a single one.

    That is the median distance to the nearest other one; for loose particles, which stand on no grid, to the six
    nearest.
    """
    from scipy.spatial import cKDTree

    if len(rest) < 2:
        return 1.0
    count = min(6, len(rest) - 1) if form == "loose" else 1
    return float(np.median(cKDTree(rest).query(rest, k=count + 1)[0][:, 1:].mean(axis=1)))


def carried(binding: Binding, rest: Array, positions: Array, deformation: Array) -> tuple[Array, Array]:
    """Where points are, and F there. This is the plain twin of the renderer's kernel.

    Args:
        binding: of the points.
        rest, positions: of the particles [m], [P, 3].
        deformation: F of the particles, [P, 3, 3].

    Returns:
        [N, 3] and [N, 3, 3].
    """
    near, w = binding.neighbours, torn_weights(binding, rest, positions, deformation)
    offsets = binding.points[:, None] - rest[near]
    f = deformation[near]
    places = positions[near] + np.einsum("nkij,nkj->nki", f, offsets)
    return np.einsum("nk,nki->ni", w, places), np.einsum("nk,nkij->nij", w, f)


def torn_weights(binding: Binding, rest: Array, positions: Array, deformation: Array) -> Array:
    """Weights less those of particles from which the body is torn off, [N, K]; they sum to 1."""
    near = binding.neighbours
    first = near[:, :1]
    f = deformation[first[:, 0]]
    wanted = positions[first] + np.einsum("nij,nkj->nki", f, rest[near] - rest[first])
    off = np.linalg.norm(positions[near] - wanted, axis=-1)
    stretch = np.maximum(np.linalg.norm(f, axis=(1, 2)) / np.sqrt(3.0), 1.0)[:, None]
    share = (off / (binding.spacing_m * stretch) - TORN[0]) / (TORN[1] - TORN[0])
    w = binding.weights * np.clip(1 - share, 0.0, 1.0)
    return np.asarray(w / w.sum(axis=1, keepdims=True))
