"""How the surfaces of deformable bodies move: what all labels ask for, beside rigid parts.

A surface point x of frame i is X at rest, where the map of ``simvid.deforming.binding`` takes X to x; at frame j it is
where that frame's map takes X. X is found by Newton's method with the blended F as the derivative. Loose particles have
no such map: a point goes with the nearest particles by the weighted mean of their ways.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.deforming.binding import NEIGHBOURS, Binding, bind_in, carried, fading, spacing_of
from simvid.motion import Ids, RigidMotion, When
from simvid.trajectory import ParticleMotion, Trajectory

Array: TypeAlias = NDArray[np.float64]
STEPS = 4
"""Newton steps; each binds anew. What is left is far below a thousandth of a spacing."""
DONE = 1e-6
"""Steps shorter than this are not made [spacings]."""
KEPT = 6
"""Results kept, for labels that ask for the same points again."""


class DeformingMotion:
    """Rigid parts by their poses, deformable ones by their particles; see ``simvid.motion.SurfaceMotion``."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._rigid = RigidMotion(trajectory)
        self._bodies = {motion.part + 1: _Body(motion) for motion in trajectory.particles}

    def __call__(self, points: Array, ids: Ids, i: When, j: When) -> Array:
        """See ``SurfaceMotion``."""
        moved = self._rigid(points, ids, i, j)
        for k, body in self._bodies.items():
            mine = ids == k
            for times, rows in _by_time(mine, i, j):
                moved[rows] = body.moved(points[rows], times[0], times[1])
        return moved

    def rest(self, points: Array, ids: Ids, at: When) -> Array:
        """See ``SurfaceMotion``."""
        found = self._rigid.rest(points, ids, at)
        for k, body in self._bodies.items():
            for times, rows in _by_time(ids == k, at, 0):
                found[rows] = body.rest(points[rows], times[0])
        return found


@lru_cache(maxsize=1)
def deforming_motion(trajectory: Trajectory) -> DeformingMotion:
    """Of a trajectory; that of the last one is kept: what it has found is asked for again by the next label."""
    return DeformingMotion(trajectory)


def _by_time(mine: NDArray[np.bool_], i: When, j: When) -> list[tuple[tuple[float, float], NDArray[np.bool_]]]:
    """The rows of a mask for each pair of times."""
    if not mine.any():
        return []
    if np.ndim(i) == 0 and np.ndim(j) == 0:
        return [((float(i), float(j)), mine)]
    times = np.stack([np.broadcast_to(np.asarray(t, np.float64), mine.shape) for t in (i, j)], axis=-1)
    pairs, which = np.unique(times[mine], axis=0, return_inverse=True)
    found = []
    for n, pair in enumerate(pairs):
        rows = mine.copy()
        rows[mine] = which.reshape(-1) == n
        found.append(((float(pair[0]), float(pair[1])), rows))
    return found


class _Body:
    """One deformable body."""

    def __init__(self, motion: ParticleMotion) -> None:
        from scipy.spatial import cKDTree

        self._motion = motion
        self._at_rest = motion.rest.astype(np.float64)
        self._tree: Any = cKDTree(self._at_rest)
        self._spacing = spacing_of(self._at_rest, motion.form)
        self._kept: list[tuple[float, Array, Binding]] = []
        self._trees: dict[float, Any] = {}

    def moved(self, points: Array, i: float, j: float) -> Array:
        """Where points [N, 3] of time i are at time j; NaN stays."""
        if i == j:
            return points.copy()
        out = np.full(points.shape, np.nan)
        sound = np.isfinite(points).all(axis=-1)
        binding = self._bound(points[sound], i)
        if self._motion.form == "loose":
            near, w = binding.neighbours, binding.weights
            ways = (self._particles(j)[0] - self._particles(i)[0])[near]
            out[sound] = points[sound] + np.einsum("nk,nki->ni", w, ways)
        else:
            # what Newton's method left over goes along, so that the way back leads back
            back = carried(binding, self._at_rest, *self._particles(i))[0]
            out[sound] = carried(binding, self._at_rest, *self._particles(j))[0] + (points[sound] - back)
        return out

    def rest(self, points: Array, at: float) -> Array:
        """Where points [N, 3] of a time are at rest, in the part's frame; NaN stays."""
        out = np.full(points.shape, np.nan)
        sound = np.isfinite(points).all(axis=-1)
        binding = self._bound(points[sound], at)
        if self._motion.form == "loose":
            ways = (self._at_rest - self._particles(at)[0])[binding.neighbours]
            out[sound] = points[sound] + np.einsum("nk,nki->ni", binding.weights, ways)
        else:
            out[sound] = binding.points
        return out

    def _particles(self, when: float) -> tuple[Array, Array]:
        positions, deformation = self._motion.at(when)
        return positions.astype(np.float64), deformation.astype(np.float64)

    def _bound(self, points: Array, at: float) -> Binding:
        for when, known, binding in self._kept:
            if when == at and known.shape == points.shape and np.array_equal(known, points):
                return binding
        made = self._loose(points, at) if self._motion.form == "loose" else self._inverted(points, at)
        self._kept = [(at, points.copy(), made), *self._kept[: KEPT - 1]]
        return made

    def _loose(self, points: Array, at: float) -> Binding:
        """Bound to the nearest particles where they are, not where they were."""
        return bind_in(points, self._tree_at(at), "loose", self._spacing)

    def _inverted(self, points: Array, at: float) -> Binding:
        """Bound at rest, where the map of this time leads to the points."""
        positions, deformation = self._particles(at)
        count = min(NEIGHBOURS[self._motion.form], len(positions))
        distance, near = self._tree_at(at).query(points, k=count)
        distance, near = np.reshape(distance, (len(points), count)), np.reshape(near, (len(points), count))
        w = fading(distance / (1.2 * distance[:, -1:] + 1e-12))
        w /= w.sum(axis=1, keepdims=True)
        back = inverses(deformation)[near[:, 0]]
        x = np.einsum("nk,nki->ni", w, positions[near])
        start = np.einsum("nk,nki->ni", w, self._at_rest[near])
        start += _short(np.einsum("nij,nj->ni", back, points - x), self._spacing)
        return self._refined(start, points, positions, deformation)

    def _refined(self, start: Array, points: Array, positions: Array, deformation: Array) -> Binding:
        """Newton's method from a start, only where it still moves."""
        found = bind_in(start, self._tree, self._motion.form, self._spacing)
        left = np.arange(len(points))
        for _ in range(STEPS):
            some = Binding(found.points[left], found.neighbours[left], found.weights[left], self._spacing)
            there, f = carried(some, self._at_rest, positions, deformation)
            step = _short(np.einsum("nij,nj->ni", inverses(f), points[left] - there), self._spacing)
            moving = np.linalg.norm(step, axis=1) > DONE * self._spacing
            left = left[moving]
            if not len(left):
                break
            made = bind_in(some.points[moving] + step[moving], self._tree, self._motion.form, self._spacing)
            found.points[left], found.neighbours[left], found.weights[left] = (
                made.points, made.neighbours, made.weights,
            )  # fmt: skip
        return found

    def _tree_at(self, at: float) -> Any:
        from scipy.spatial import cKDTree

        if at not in self._trees:
            self._trees = {at: cKDTree(self._particles(at)[0]), **dict(list(self._trees.items())[:1])}
        return self._trees[at]


def inverses(f: Array) -> Array:
    """Inverse matrices [N, 3, 3], by cofactors; pseudo-inverses where one is as good as singular."""
    a, b, c = (f[..., k] for k in range(3))
    rows = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=-2)
    determinant = np.einsum("nk,nk->n", a, rows[:, 0])
    sound = np.abs(determinant) > 1e-6 * np.einsum("nij,nij->n", f, f) ** 1.5
    found = rows / np.where(sound, determinant, 1.0)[:, None, None]
    if not sound.all():
        found[~sound] = np.linalg.pinv(f[~sound])
    return np.asarray(found)


def _short(steps: Array, spacing: float) -> Array:
    """Steps no longer than two spacings: where F is as good as singular, Newton's are wild."""
    length = np.linalg.norm(steps, axis=1, keepdims=True)
    return np.asarray(steps * np.minimum(1.0, 2 * spacing / np.maximum(length, 1e-30)))
