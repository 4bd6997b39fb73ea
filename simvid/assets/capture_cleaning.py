"""Captures made fit for physics: faint and stray Gaussians left out, the ground under them made level or cut away."""

from __future__ import annotations

from dataclasses import fields
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.errors import AssetError
from simvid.gaussians import Gaussians

Array: TypeAlias = NDArray[np.float64]
NEIGHBOUR = 8
"""A Gaussian is as lonely as this neighbour of it is far."""
LONELY = 10.0
"""Strays are so many times as lonely as the median."""
HUGE = 0.25
"""Strays are also those wider than this share of the capture."""
TRIES = 600
"""Planes tried."""
SEEN = 20_000
"""Centres looked at."""
THICK = 0.01
"""Half the thickness of the ground, as a share of the capture's size."""
LEAST = 0.1
"""Share of the centres that must lie in the ground for there to be one."""
TILTED_DEG = 35.0
"""Farthest that the ground may lean."""


def kept(gaussians: Gaussians, rows: NDArray[np.bool_]) -> Gaussians:
    """Some of the Gaussians."""
    return Gaussians(**{f.name: getattr(gaussians, f.name)[rows] for f in fields(Gaussians)})


def without_faint(gaussians: Gaussians, least: float) -> Gaussians:
    """Without Gaussians of an opacity below ``least``.

    Raises:
        AssetError: none is left.
    """
    rows = gaussians.opacities >= least
    if not rows.any():
        most = float(gaussians.opacities.max())
        raise AssetError(f"min_opacity: expected at most {most:.3g}, the capture's largest, got {least:g}")
    return kept(gaussians, rows)


def without_strays(gaussians: Gaussians) -> Gaussians:
    """Without what floats far from all else and what is as wide as a quarter of the whole.

    Raises:
        AssetError: none is left.
    """
    from scipy.spatial import cKDTree

    means = gaussians.means.astype(np.float64)
    if len(means) <= NEIGHBOUR:
        return gaussians
    away = cKDTree(means).query(means, k=NEIGHBOUR + 1)[0][:, -1]
    low, high = np.percentile(means, [2, 98], axis=0)
    size = float((high - low).max())
    near = away <= LONELY * max(float(np.median(away)), 1e-12)
    rows = near & (gaussians.scales.max(axis=1) <= HUGE * max(size, 1e-12))
    if not rows.any():
        raise AssetError(
            f"drop_strays leaves nothing of the capture: all of its {len(means)} Gaussians are alone, or wider than "
            f"{HUGE:.0%} of the whole; leave it out"
        )
    return kept(gaussians, rows)


def ground_plane(centers: Array, up: Array, seed: int = 0) -> tuple[Array, float]:
    """The plane that most centres lie in, about square to ``up``: by random triples (Fischler & Bolles 1981, RANSAC).

    Args:
        centers: [N, 3].
        up: unit, [3].
        seed: of the triples.

    Returns:
        Unit normal n along ``up``, and d: the plane is n x = d.

    Raises:
        AssetError: no such plane holds a tenth of the centres.
    """
    rng = np.random.default_rng(seed)
    some = centers if len(centers) <= SEEN else centers[rng.choice(len(centers), SEEN, replace=False)]
    thick = THICK * float(np.ptp(some, axis=0).max())
    best, most = None, 0
    for _ in range(TRIES):
        a, b, c = some[rng.choice(len(some), 3, replace=False)]
        normal = np.cross(b - a, c - a)
        length = float(np.linalg.norm(normal))
        if length < 1e-12 or abs(normal @ up) < np.cos(np.radians(TILTED_DEG)) * length:
            continue
        normal = normal / length * np.sign(normal @ up)
        count = int(np.count_nonzero(np.abs(some @ normal - a @ normal) < thick))
        if count > most:
            best, most = (normal, float(a @ normal)), count
    if best is None or most < LEAST * len(some):
        raise AssetError(
            f"ground: expected a level plane that holds a tenth of the capture, found one with {most / len(some):.1%}; "
            "leave ground out, or turn the capture with up and pose"
        )
    inside = some[np.abs(some @ best[0] - best[1]) < thick]
    middle = inside.mean(axis=0)
    normal = np.linalg.svd(inside - middle, full_matrices=False)[2][2]
    normal *= np.sign(normal @ best[0])
    return normal, float(normal @ middle)


def on_ground(gaussians: Gaussians, how: Literal["level", "cut"], up: Array) -> tuple[Gaussians, Array]:
    """A capture whose ground is level.

    Args:
        gaussians: the capture.
        how: ``cut`` also takes the ground and what is below it away.
        up: of the capture's axes, unit, [3].

    Returns:
        The Gaussians, not moved, and the rotation that takes the ground's normal to ``up``, [3, 3].

    Raises:
        AssetError: there is no ground, or nothing above it.
    """
    opaque = gaussians.opacities >= 0.3
    clear = gaussians.means[opaque if opaque.any() else ...].astype(np.float64)
    normal, height = ground_plane(clear, up)
    axis, cosine = np.cross(normal, up), float(normal @ up)
    x = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + x + x @ x / (1 + cosine)
    if how == "level":
        return gaussians, turn
    above = gaussians.means @ normal - height
    rows = np.asarray(above > 2 * THICK * float(np.ptp(clear, axis=0).max()))
    if not rows.any():
        raise AssetError("ground: cut leaves nothing of the capture; leave it out, or say level")
    return kept(gaussians, rows), turn
