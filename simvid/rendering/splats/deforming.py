"""Gaussians on deformable bodies: carried by their particles, stretched and turned as F says.

The mean goes where ``simvid.deforming.binding`` takes it, the covariance becomes A = F A0 F^T (Xie et al. 2024,
"PhysGaussian"), the normal goes along F^-T, and the directions from which spherical harmonics are looked up turn back
by the rotation of F's polar decomposition. Stretches are held within ``STRETCH``: where the particles' map is torn or
crumpled, a Gaussian must not become a spike. Captures of what flows (clay, snow) have been stretched without end where
they have come apart: beyond ``FLOWN`` their Gaussians grow round again, of the volume that F leaves them. Those of a
mesh lie side by side on its surface and have to stretch with it: round ones would leave gaps.

The columns of M = F Q S, with the Gaussian's axes Q and scales S, are made orthogonal by rotations from the right
(one-sided Jacobi; Hestenes 1958): their lengths are then the new scales and their directions the new axes. A part that
moves rigidly keeps its axes in their order, so that the local z axis of flat Gaussians stays their normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from simvid.assets.parts import PartAssets
from simvid.deforming.binding import TORN, Binding, bind
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import Array, Floats, Ints, SplatArrays
from simvid.rendering.splats.appearance import Appearance
from simvid.trajectory import ParticleMotion

STRETCH = (0.1, 4.0)
"""Least and largest principal stretch of a Gaussian."""
FLOWN = (1.5, 3.0)
"""Largest principal stretch of what flows at which Gaussians begin to grow round, and at which they are."""
FLOWING = frozenset({"plastic", "snow"})
"""Kinds of deformable bodies that yield."""
SWEEPS = 8
"""Of Jacobi's rotations, at most; three or four are enough."""


def torn_captures(parts: Sequence[PartAssets]) -> frozenset[int]:
    """Indices of parts that are captures of what flows: their Gaussians grow round where they are stretched far."""
    return frozenset(
        k
        for k, part in enumerate(parts)
        if part.deformable is not None
        and part.deformable.kind in FLOWING
        and any(visual.capture is not None for visual in part.visuals)
    )


class DeformingSplats:
    """The Gaussians of one deformable part.

    Attributes:
        part: index of the part.
        first, last: their rows among all.
        turns: rotation of F's polar decomposition at each, float32 [last - first, 3, 3].
    """

    def __init__(self, motion: ParticleMotion, appearance: Appearance, *, flows: bool = False) -> None:
        """``flows``: it is one of ``torn_captures``."""
        self.part = motion.part
        self.first, self.last = (int(row) for row in appearance.starts[motion.part : motion.part + 2])
        rows = slice(self.first, self.last)
        splats = appearance.gaussians
        self._motion, self._when = motion, np.nan
        self._rest = motion.rest.astype(np.float64)
        binding: Binding = bind(splats.means[rows].astype(np.float64), self._rest, motion.form)
        self._local = _Local(
            splats.means[rows], splats.quats[rows], splats.scales[rows], appearance.normals[rows],
            appearance.points[rows], appearance.radius_m[rows], binding.neighbours, binding.weights,
            binding.spacing_m, flows,
        )  # fmt: skip
        self.turns: Floats = np.tile(np.eye(3, dtype=np.float32), (self.last - self.first, 1, 1))

    def pose(self, when: float, out: SplatArrays, workers: Workers) -> bool:
        """Write the part's rows for a time into the arrays of all; whether anything moved since the last time."""
        if when == self._when:
            return False
        positions, deformation = self._motion.at(when)
        if not np.isnan(self._when):
            before = self._motion.at(self._when)
            if np.array_equal(before[0], positions) and np.array_equal(before[1], deformation):
                self._when = when
                return False
        self._when = when
        particles = _Particles(self._rest, positions.astype(np.float64), deformation.astype(np.float64))

        def some(start: int, stop: int) -> None:
            _deform(self._local, particles, out, self.turns, self.first, np.empty((4, 3, 3)), start, stop)

        if self.last > self.first:
            workers.run(some, self.last - self.first, least=1024)
        return True


class _Local(NamedTuple):
    """As in ``Appearance``, at rest, and what each Gaussian is bound to."""

    means: Floats
    quats: Floats
    scales: Floats
    normals: Floats
    points: Floats
    radius: Floats
    neighbours: Ints
    weights: Array
    spacing: float
    flows: bool


class _Particles(NamedTuple):
    rest: Array
    positions: Array
    deformation: Array


@inlined
def _blend(local: _Local, p: _Particles, i: int, point: Floats, place: Array, m: Array) -> None:
    """Row ``place[0]`` gets where ``point`` is, and ``m[0]`` the blended F; as ``binding.carried``."""
    first = local.neighbours[i, 0]
    size = 0.0
    for a in range(3):
        for b in range(3):
            size += p.deformation[first, a, b] * p.deformation[first, a, b]
            m[0, a, b] = 0.0
    reach = local.spacing * max(np.sqrt(size / 3.0), 1.0)
    total = 0.0
    for a in range(3):
        place[3, 0, a] = 0.0
    for n in range(local.neighbours.shape[1]):
        k = local.neighbours[i, n]
        off = 0.0
        for a in range(3):
            wanted = p.positions[first, a]
            for b in range(3):
                wanted += p.deformation[first, a, b] * (p.rest[k, b] - p.rest[first, b])
            off += (p.positions[k, a] - wanted) ** 2
        share = (np.sqrt(off) / reach - TORN[0]) / (TORN[1] - TORN[0])
        w = local.weights[i, n] * min(max(1.0 - share, 0.0), 1.0)
        if w <= 0.0:
            continue
        total += w
        for a in range(3):
            x = p.positions[k, a]
            for b in range(3):
                f = p.deformation[k, a, b]
                x += f * (point[i, b] - p.rest[k, b])
                m[0, a, b] += w * f
            place[3, 0, a] += w * x
    for a in range(3):
        place[3, 0, a] /= total
        for b in range(3):
            m[0, a, b] /= total


@inlined
def _orthogonal(m: Array, k: int, v: int) -> None:
    """Turn the columns of ``m[k]`` by a rotation from the right until they are square to each other; into ``m[v]``."""
    for a in range(3):
        for b in range(3):
            m[v, a, b] = 1.0 if a == b else 0.0
    for _ in range(SWEEPS):
        turned = False
        for pair in range(3):
            p = 0 if pair < 2 else 1
            q = 1 if pair == 0 else 2
            alpha = m[k, 0, p] ** 2 + m[k, 1, p] ** 2 + m[k, 2, p] ** 2
            beta = m[k, 0, q] ** 2 + m[k, 1, q] ** 2 + m[k, 2, q] ** 2
            gamma = m[k, 0, p] * m[k, 0, q] + m[k, 1, p] * m[k, 1, q] + m[k, 2, p] * m[k, 2, q]
            if gamma * gamma <= 1e-16 * alpha * beta or gamma == 0.0:
                continue
            turned = True
            zeta = (beta - alpha) / (2.0 * gamma)
            t = (1.0 if zeta >= 0.0 else -1.0) / (abs(zeta) + np.sqrt(1.0 + zeta * zeta))
            c = 1.0 / np.sqrt(1.0 + t * t)
            s = c * t
            for a in range(3):
                x, y = m[k, a, p], m[k, a, q]
                m[k, a, p], m[k, a, q] = c * x - s * y, s * x + c * y
                x, y = m[v, a, p], m[v, a, q]
                m[v, a, p], m[v, a, q] = c * x - s * y, s * x + c * y
        if not turned:
            break


@inlined
def _column(m: Array, k: int, a: int) -> float:
    return float(np.sqrt(m[k, 0, a] ** 2 + m[k, 1, a] ** 2 + m[k, 2, a] ** 2))


@inlined
def _complete(m: Array, k: int) -> None:
    """Make the columns of ``m[k]``, square to each other, unit and right-handed; the shortest is the cross product."""
    least = 0
    for a in range(1, 3):
        if _column(m, k, a) < _column(m, k, least):
            least = a
    p, q = (least + 1) % 3, (least + 2) % 3
    lp, lq = max(_column(m, k, p), 1e-30), max(_column(m, k, q), 1e-30)
    for a in range(3):
        m[k, a, p] /= lp
        m[k, a, q] /= lq
    for a in range(3):
        b, c = (a + 1) % 3, (a + 2) % 3
        m[k, a, least] = m[k, b, p] * m[k, c, q] - m[k, c, p] * m[k, b, q]


@inlined
def _limited(m: Array, turns: Floats, i: int, flows: bool) -> None:
    """Polar rotation of the F in ``m[0]`` into turns[i], and F with its stretches held within limits into ``m[0]``."""
    for a in range(3):
        for b in range(3):
            m[1, a, b] = m[0, a, b]
    _orthogonal(m, 1, 2)  # F V = U S
    s0 = min(max(_column(m, 1, 0), STRETCH[0]), STRETCH[1])
    s1 = min(max(_column(m, 1, 1), STRETCH[0]), STRETCH[1])
    s2 = min(max(_column(m, 1, 2), STRETCH[0]), STRETCH[1])
    if flows and max(s0, s1, s2) > FLOWN[0]:
        share = min((max(s0, s1, s2) - FLOWN[0]) / (FLOWN[1] - FLOWN[0]), 1.0)
        alike = (s0 * s1 * s2) ** (share / 3.0)
        s0, s1, s2 = s0 ** (1.0 - share) * alike, s1 ** (1.0 - share) * alike, s2 ** (1.0 - share) * alike
    _complete(m, 1)
    for a in range(3):
        for b in range(3):
            u0, u1, u2 = m[1, a, 0] * m[2, b, 0], m[1, a, 1] * m[2, b, 1], m[1, a, 2] * m[2, b, 2]
            turns[i, a, b] = u0 + u1 + u2
            m[0, a, b] = s0 * u0 + s1 * u1 + s2 * u2


@inlined
def _axis(local: _Local, i: int, column: int, row: int) -> float:
    """An entry of a Gaussian's rotation matrix."""
    w, x, y, z = local.quats[i, 0], local.quats[i, 1], local.quats[i, 2], local.quats[i, 3]
    if column == 0:
        return float((1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y))[row])
    if column == 1:
        return float((2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x))[row])
    return float((2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y))[row])


@inlined
def _put_quat(m: Array, k: int, out: Floats, row: int) -> None:
    """Quaternion of the rotation in ``m[k]`` (Shepperd 1978)."""
    a, b, c = m[k, 0, 0], m[k, 1, 1], m[k, 2, 2]
    w2, x2, y2, z2 = 1 + a + b + c, 1 + a - b - c, 1 - a + b - c, 1 - a - b + c
    wx, wy, wz = m[k, 2, 1] - m[k, 1, 2], m[k, 0, 2] - m[k, 2, 0], m[k, 1, 0] - m[k, 0, 1]
    xy, xz, yz = m[k, 0, 1] + m[k, 1, 0], m[k, 0, 2] + m[k, 2, 0], m[k, 1, 2] + m[k, 2, 1]
    best = max(w2, x2, y2, z2)
    if best == w2:
        q0, q1, q2, q3 = w2, wx, wy, wz
    elif best == x2:
        q0, q1, q2, q3 = wx, x2, xy, xz
    elif best == y2:
        q0, q1, q2, q3 = wy, xy, y2, yz
    else:
        q0, q1, q2, q3 = wz, xz, yz, z2
    length = np.sqrt(q0 * q0 + q1 * q1 + q2 * q2 + q3 * q3)
    out[row, 0], out[row, 1], out[row, 2], out[row, 3] = q0 / length, q1 / length, q2 / length, q3 / length


@inlined
def _put_normal(m: Array, local: _Local, i: int, out: SplatArrays, row: int) -> None:
    """Normal by the cofactors of F in ``m[0]``, and the radius of the disc by how they stretch its area."""
    x, y, z, n0 = 0.0, 0.0, 0.0, local.normals
    for a in range(3):
        b, c = (a + 1) % 3, (a + 2) % 3
        # column a of the cofactor matrix is the cross product of F's other columns
        x += (m[0, 1, b] * m[0, 2, c] - m[0, 2, b] * m[0, 1, c]) * n0[i, a]
        y += (m[0, 2, b] * m[0, 0, c] - m[0, 0, b] * m[0, 2, c]) * n0[i, a]
        z += (m[0, 0, b] * m[0, 1, c] - m[0, 1, b] * m[0, 0, c]) * n0[i, a]
    area = np.sqrt(x * x + y * y + z * z)
    out.radius[row] = local.radius[i] * np.sqrt(area)
    out.normals[row, 0], out.normals[row, 1], out.normals[row, 2] = x / area, y / area, z / area


@kernel
def _deform(
    local: _Local, particles: _Particles, out: SplatArrays, turns: Floats, first: int, m: Array, start: int, stop: int
) -> None:
    """``m`` is scratch, [4, 3, 3]."""
    for i in range(start, stop):
        row = first + i
        _blend(local, particles, i, local.points, m, m)
        for a in range(3):
            out.points[row, a] = m[3, 0, a]
        _blend(local, particles, i, local.means, m, m)
        for a in range(3):
            out.means[row, a] = m[3, 0, a]
        _limited(m, turns, i, local.flows)
        _put_normal(m, local, i, out, row)
        for a in range(3):
            for b in range(3):
                total = 0.0
                for c in range(3):
                    total += m[0, a, c] * _axis(local, i, b, c)
                m[1, a, b] = total * local.scales[i, b]
        _orthogonal(m, 1, 2)
        for a in range(3):
            out.scales[row, a] = max(_column(m, 1, a), 1e-9)
        _complete(m, 1)
        _put_quat(m, 1, out.quats, row)
