"""Solids as linear tetrahedra: two hyperelastic laws from Young's modulus and Poisson's ratio.

``fixed_corotated`` is mu sum (s_i - 1)^2 + lambda / 2 (J - 1)^2 of the principal stretches s_i and J = det F (Stomakhin
et al. 2012); ``neo_hookean`` the stable one of Smith, de Goes & Kim 2018, "Stable Neo-Hookean flesh simulation",
mu' / 2 (I - 3) + lambda' / 2 (J - a)^2 - mu' / 2 ln(I + 1) with I = tr F^T F, mu' = 4/3 mu, lambda' = lambda + 5/6 mu
and a = 1 + 3/4 mu' / lambda', which is linear elasticity at small strains. Both are finite inside out, and push back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError

Array = NDArray[np.float64]
Ints = NDArray[np.int32]
LAWS = ("fixed_corotated", "neo_hookean")
"""By number in ``Tetrahedra.law``."""
SLIVER = 1e-3
"""Least volume of a tetrahedron over that of the cube of its longest edge."""


@dataclass(frozen=True, eq=False)
class Tetrahedra:
    """N tetrahedra that resist all strain.

    Attributes:
        corners: vertices, right-handed, [N, 4].
        inverse: inverse of the matrix whose columns are the three edges from the first corner at rest [1/m], [N, 3, 3].
        volume_m3: at rest, [N].
        lame_pa: lambda and mu [Pa], [N, 2].
        law: number in ``LAWS``, [N].
    """

    corners: Ints
    inverse: Array
    volume_m3: Array
    lame_pa: Array
    law: Ints

    @property
    def surface(self) -> Ints:
        """Triangles of one tetrahedron alone, seen from outside counter-clockwise, [S, 3]."""
        return surface_of(self.corners)

    @property
    def edges(self) -> Ints:
        """Pairs of vertices, each once, [E, 2]."""
        pairs = [self.corners[:, [a, b]] for a in range(4) for b in range(a + 1, 4)]
        return np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0).astype(np.int32)


def none() -> Tetrahedra:
    """Of bodies that are thin."""
    return Tetrahedra(
        np.zeros((0, 4), np.int32), np.zeros((0, 3, 3)), np.zeros(0), np.zeros((0, 2)), np.zeros(0, np.int32)
    )


def tetrahedra(
    rest: Array, corners: Ints, young_modulus_pa: float, poisson_ratio: float, law: str = "fixed_corotated"
) -> Tetrahedra:
    """Elements at rest.

    Args:
        rest: undeformed places [m], [V, 3].
        corners: of right-handed tetrahedra, [N, 4].
        young_modulus_pa: stress over strain when pulled.
        poisson_ratio: at least 0, less than 0.5.
        law: one of ``LAWS``.

    Raises:
        PhysicsError: a number that is none, no tetrahedra, one that is flat or inside out.
    """
    if not (math.isfinite(young_modulus_pa) and young_modulus_pa > 0):
        raise PhysicsError(f"young_modulus_pa: expected more than 0 [Pa], got {young_modulus_pa:g}")
    if not 0 <= poisson_ratio < 0.5:
        raise PhysicsError(f"poisson_ratio: expected 0 <= nu < 0.5, got {poisson_ratio:g}")
    if law not in LAWS:
        raise PhysicsError(f"law: expected one of {', '.join(LAWS)}, got {law!r}")
    corners = np.ascontiguousarray(corners, np.int32)
    if not len(corners):
        raise PhysicsError("tetrahedra: expected some, got none")
    x = np.asarray(rest, np.float64)[corners]
    edges = np.stack([x[:, k] - x[:, 0] for k in (1, 2, 3)], axis=-1)
    volume = np.linalg.det(edges) / 6
    longest = np.max([np.linalg.norm(x[:, a] - x[:, b], axis=1) for a in range(4) for b in range(a)], axis=0)
    bad = ~(volume > SLIVER * longest**3)
    if bad.any():
        k = int(np.argmax(bad))
        raise PhysicsError(
            f"tetrahedra: expected right-handed ones with a volume, got {volume[k]:.3g} m^3 with edges of up to "
            f"{longest[k]:.3g} m at element {k} ({int(bad.sum())} of {len(bad)}): repair the mesh"
        )
    mu = young_modulus_pa / (2 * (1 + poisson_ratio))
    lam = young_modulus_pa * poisson_ratio / ((1 + poisson_ratio) * (1 - 2 * poisson_ratio))
    count = len(corners)
    return Tetrahedra(
        corners, np.linalg.inv(edges).astype(np.float64), np.asarray(volume), np.tile([lam, mu], (count, 1)),
        np.full(count, LAWS.index(law), np.int32),
    )  # fmt: skip


def lumped(corners: Ints, volume: Array, count: int) -> Array:
    """A quarter of each tetrahedron's volume to each corner, [V]."""
    out = np.zeros(count)
    for k in range(4):
        np.add.at(out, corners[:, k], volume / 4)
    return out


def surface_of(corners: Ints) -> Ints:
    """Triangles of one right-handed tetrahedron alone, outwards, [S, 3]."""
    faces = np.concatenate([corners[:, f] for f in ([0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3])])
    key = np.sort(faces, axis=1)
    _, first, count = np.unique(key, axis=0, return_index=True, return_counts=True)
    return np.asarray(faces[np.sort(first[count == 1])], np.int32)


def gradients(t: Tetrahedra, x: Array) -> Array:
    """F of each tetrahedron at places x [V, 3], [N, 3, 3]."""
    c = x[t.corners]
    return np.asarray(np.stack([c[:, k] - c[:, 0] for k in (1, 2, 3)], axis=-1) @ t.inverse)


def energy(t: Tetrahedra, x: Array) -> float:
    """Of all at places x [V, 3], [J]."""
    if not len(t.corners):
        return 0.0
    f = gradients(t, x)
    lam, mu = t.lame_pa.T
    volume = np.linalg.det(f)
    square = (f * f).sum(axis=(1, 2))
    stretch = np.linalg.svd(f, compute_uv=False)
    stretch[:, 2] *= np.where(volume < 0, -1.0, 1.0)
    corotated = mu * ((stretch - 1) ** 2).sum(axis=1) + lam / 2 * (volume - 1) ** 2
    m, k, a = stable_moduli(lam, mu)
    stable = m / 2 * (square - 3) + k / 2 * (volume - a) ** 2 - m / 2 * np.log(square + 1)
    at_rest = k / 2 * (1 - a) ** 2 - m / 2 * math.log(4)
    return float((t.volume_m3 * np.where(t.law == 0, corotated, stable - at_rest)).sum())


def stable_moduli(lam: Array, mu: Array) -> tuple[Array, Array, Array]:
    """mu', lambda' and a of the stable Neo-Hookean law (Smith et al. 2018, section 3.4)."""
    m, k = 4 / 3 * mu, lam + 5 / 6 * mu
    return m, k, 1 + 0.75 * m / k


def fastest(t: Tetrahedra, masses: Array) -> float:
    """Bound on the squared frequency [1/s^2]: the highest of an element with its share of the vertices' masses."""
    if not len(t.corners):
        return 0.0
    total = lumped(t.corners, 4 * t.volume_m3, len(masses))
    shares = masses[t.corners] * t.volume_m3[:, None] / total[t.corners]
    rows = np.concatenate([t.inverse.reshape(-1, 9), t.lame_pa, shares], axis=1)
    scale = np.abs(rows).max(axis=0)
    kinds = np.unique(np.round(rows / np.maximum(scale, 1e-300), 6), axis=0, return_index=True)[1]
    grad = np.concatenate([-t.inverse[kinds].sum(axis=1, keepdims=True), t.inverse[kinds]], axis=1)  # of hat functions
    b = np.zeros((len(kinds), 6, 12))
    for k in range(3):
        b[:, k, k::3] = grad[:, :, k]
    for row, (i, j) in enumerate(((0, 1), (1, 2), (2, 0)), start=3):
        b[:, row, i::3], b[:, row, j::3] = grad[:, :, j], grad[:, :, i]
    law = np.zeros((len(kinds), 6, 6))
    lam, mu = t.lame_pa[kinds].T
    law[:, :3, :3] = lam[:, None, None]
    for k in range(3):
        law[:, k, k] += 2 * mu
        law[:, 3 + k, 3 + k] = mu
    stiff = np.einsum("tai,tab,tbj,t->tij", b, law, b, t.volume_m3[kinds], optimize=True)
    root = np.repeat(1 / np.sqrt(shares[kinds]), 3, axis=1)
    return float(np.linalg.eigvalsh(stiff * root[:, :, None] * root[:, None, :])[:, -1].max())
