"""Thin bodies: vertices, and the elements that hold them together.

A **sheet** is a membrane of triangles with a law of St. Venant and Kirchhoff in plane stress, uniaxial stiffness E h
[N/m], and bends about its edges (Bergou et al. 2006, "A quadratic bending model for inextensible surfaces"; for sheets
that are curved at rest with their own curvature taken off). A **line** is a chain of springs of stiffness E A [N] that
bends at its vertices with E I [N m^2] (Bergou et al. 2008, "Discrete elastic rods", without twist). A **solid** is a
mesh of tetrahedra (``tetrahedra.py``): not thin, but moved and stopped in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.thin.tetrahedra import Tetrahedra, lumped, none, tetrahedra

Array = NDArray[np.float64]
Ints = NDArray[np.int32]
POISSON = 0.3
"""Of all sheets, in their plane."""
CYLINDER = 1.0
"""Of the energy CYLINDER / 2 D |s|^2 / (A_1 + A_2) of an edge between triangles of areas A_1 and A_2. On equilateral
triangles it is then that of a plate, D (k1^2 + k2^2 - 2/3 k1 k2) / 2: right for what bends about one axis, as cloth
does. With 3, as Bergou et al. have it, it is right for domes, and cylinders are three times too stiff."""


SKIN = 1e-3
"""Of a solid: how far its vertices stay from things, over the edge of a cube of six of its tetrahedra."""
DEEP = 0.5
"""Of that edge: what is deeper inside a solid is not pushed out any more."""


@dataclass(frozen=True, eq=False)
class Membrane:
    """T triangles that resist stretch.

    Attributes:
        corners: vertices, [T, 3].
        inverse: inverse of the matrix of the two edges at rest, in the triangle's plane [1/m], [T, 2, 2].
        area_m2: at rest, [T].
        lame_n_m: plane stress: E h nu / (1 - nu^2) and E h / (2 (1 + nu)) [N/m], [T, 2].
    """

    corners: Ints
    inverse: Array
    area_m2: Array
    lame_n_m: Array


@dataclass(frozen=True, eq=False)
class Hinges:
    """E edges that resist bending.

    Attributes:
        corners: the edge's two vertices and the two across it, [E, 4].
        weights: K of s = sum K_i x_i, whose length is the edge's times the angle, [E, 4].
        stiffness: c of the energy c/2 |s|^2 [N/m], [E].
        bend_m: s at rest along the mean normal, [E].
    """

    corners: Ints
    weights: Array
    stiffness: Array
    bend_m: Array


@dataclass(frozen=True, eq=False)
class Springs:
    """S segments that resist stretch: vertices [S, 2], lengths at rest [m] [S], E A [N] [S]."""

    ends: Ints
    length_m: Array
    stiffness_n: Array


@dataclass(frozen=True, eq=False)
class Bends:
    """B corners of lines: vertices [B, 3], E I over the length at rest [N m] [B]."""

    corners: Ints
    stiffness_n_m: Array


@dataclass(frozen=True, eq=False)
class Thin:
    """V vertices of one or several thin bodies.

    Attributes:
        positions, velocities: at t = 0, world, [V, 3].
        rest: where they are undeformed, [V, 3]; says which neighbours are no collision.
        masses: [kg], [V].
        radius: half the thickness, [V].
        friction: Coulomb's coefficient, [V].
        body: which body each is of, [V].
        membrane, hinges, springs, bends, solid: what holds them together.
    """

    positions: Array
    velocities: Array
    rest: Array
    masses: Array
    radius: Array
    friction: Array
    body: Ints
    membrane: Membrane
    hinges: Hinges
    springs: Springs
    bends: Bends
    solid: Tetrahedra

    def __post_init__(self) -> None:
        for name in ("positions", "velocities", "rest", "masses", "radius", "friction"):
            if not np.isfinite(getattr(self, name)).all():
                raise PhysicsError(f"Thin.{name}: expected numbers, got NaN or infinite ones")
        if len(self.masses) and not self.masses.min() > 0:
            raise PhysicsError(f"Thin.masses: expected more than 0, got {self.masses.min():g} kg")
        if len(self.radius) and not self.radius.min() > 0:
            raise PhysicsError(f"Thin.radius: expected more than 0, got {self.radius.min():g} m")

    def __len__(self) -> int:
        return len(self.masses)

    @property
    def shells(self) -> Ints:
        """Faces of cloth and rope: triangles, and segments as triangles whose last corner is twice there, [F, 3]."""
        ends = self.springs.ends
        return np.concatenate([self.membrane.corners, ends[:, [0, 1, 1]]]).astype(np.int32)

    @property
    def faces(self) -> Ints:
        """What others touch: ``shells``, then the surfaces of solids, outwards, [F, 3]."""
        return np.concatenate([self.shells, self.solid.surface])

    @property
    def deep(self) -> Array:
        """How deep inside a solid others are looked for [m]; 0 at vertices of cloth and rope, [V]."""
        out, nodes = np.zeros(len(self)), np.unique(self.solid.corners)
        out[nodes] = DEEP * self.radius[nodes] / SKIN
        return out


def _positive(name: str, value: float, unit: str, zero: bool = False) -> None:
    if not (math.isfinite(value) and (value > 0 or (zero and value == 0))):
        wanted = "0 or more" if zero else "more than 0"
        raise PhysicsError(f"{name}: expected {wanted} [{unit}], got {value:g}")


def sheet(
    rest: Array,
    triangles: Ints,
    masses: Array,
    *,
    stretch_n_m: float,
    bend_n_m: float,
    thickness_m: float,
    friction: float = 0.5,
) -> Thin:
    """A cloth, at rest.

    Args:
        rest: undeformed places [m], [V, 3].
        triangles: [T, 3].
        masses: [kg], [V].
        stretch_n_m: E h: force per width at a strain of one.
        bend_n_m: moment per width and curvature.
        thickness_m: what keeps layers apart.
        friction: Coulomb's coefficient.

    Raises:
        PhysicsError: a number that is none, a triangle without area, a thickness above the length of edges.
    """
    _positive("stretch_n_m", stretch_n_m, "N/m")
    _positive("bend_n_m", bend_n_m, "N m", zero=True)
    _positive("thickness_m", thickness_m, "m")
    rest = np.asarray(rest, np.float64)
    faces = np.ascontiguousarray(triangles, np.int32)
    inverse, area = _frames(rest, faces)
    edges = np.concatenate([rest[faces[:, k]] - rest[faces[:, k - 1]] for k in range(3)])
    typical = float(np.median(np.linalg.norm(edges, axis=1)))
    if thickness_m > typical:
        raise PhysicsError(
            f"thickness_m: {thickness_m:.3g} m is more than the distance of the cloth's particles ({typical:.3g} m): "
            f"its layers would push each other apart; give particle_spacing_m: {1.2 * thickness_m:.2g} or more, or a "
            "thinner cloth"
        )
    lame = stretch_n_m * np.array([POISSON / (1 - POISSON**2), 1 / (2 * (1 + POISSON))])
    return _thin(
        rest, masses, thickness_m / 2, friction,
        membrane=Membrane(faces, inverse, area, np.tile(lame, (len(faces), 1))),
        hinges=_hinges(rest, faces, area, bend_n_m),
    )  # fmt: skip


def line(
    rest: Array,
    masses: Array,
    *,
    stretch_n: float,
    bend_n_m2: float,
    radius_m: float,
    friction: float = 0.5,
) -> Thin:
    """A rope, its vertices in order, at rest; its undeformed shape is straight, whatever ``rest`` is.

    Args:
        rest: undeformed places [m], [V, 3].
        masses: [kg], [V].
        stretch_n: E A: force at a strain of one.
        bend_n_m2: E I: moment over curvature.
        radius_m: half its thickness.
        friction: Coulomb's coefficient.

    Raises:
        PhysicsError: a number that is none, vertices too far apart for the radius.
    """
    _positive("stretch_n", stretch_n, "N")
    _positive("bend_n_m2", bend_n_m2, "N m^2", zero=True)
    _positive("radius_m", radius_m, "m")
    rest = np.asarray(rest, np.float64)
    length = np.linalg.norm(np.diff(rest, axis=0), axis=1)
    if not (len(length) and length.min() > 0):
        raise PhysicsError("a rope: expected two or more vertices apart from each other")
    if length.max() > 4.001 * radius_m:
        raise PhysicsError(
            f"particle_spacing_m: {length.max():.3g} m is too coarse for a rope of radius {radius_m:.3g} m, things "
            f"would pass between its particles: give at most {4 * radius_m:.3g}"
        )
    at = np.arange(len(rest), dtype=np.int32)
    mean = (length[1:] + length[:-1]) / 2
    return _thin(
        rest, masses, radius_m, friction,
        springs=Springs(np.stack([at[:-1], at[1:]], axis=1), length, np.full(len(length), float(stretch_n))),
        bends=Bends(np.stack([at[:-2], at[1:-1], at[2:]], axis=1), bend_n_m2 / mean),
    )  # fmt: skip


def block(
    rest: Array,
    corners: Ints,
    mass_kg: float,
    *,
    young_modulus_pa: float,
    poisson_ratio: float,
    law: str = "fixed_corotated",
    friction: float = 0.5,
) -> Thin:
    """A solid, at rest.

    Args:
        rest: undeformed places [m], [V, 3].
        corners: right-handed tetrahedra, [N, 4].
        mass_kg: of the whole; each vertex gets a quarter of that of each of its tetrahedra.
        young_modulus_pa, poisson_ratio, law: as of ``tetrahedra``.
        friction: Coulomb's coefficient.

    Raises:
        PhysicsError: as ``tetrahedra``; no mass, a vertex without a tetrahedron.
    """
    _positive("mass_kg", mass_kg, "kg")
    rest = np.asarray(rest, np.float64)
    made = tetrahedra(rest, corners, young_modulus_pa, poisson_ratio, law)
    shares = lumped(made.corners, made.volume_m3, len(rest))
    if not shares.min() > 0:
        raise PhysicsError(f"a solid: expected a tetrahedron at each vertex, vertex {int(np.argmin(shares))} has none")
    edge = float(np.cbrt(6 * made.volume_m3.mean()))
    return replace(_thin(rest, mass_kg * shares / shares.sum(), SKIN * edge, friction), solid=made)


def _thin(
    rest: Array,
    masses: Array,
    radius: float,
    friction: float,
    *,
    membrane: Membrane | None = None,
    hinges: Hinges | None = None,
    springs: Springs | None = None,
    bends: Bends | None = None,
) -> Thin:
    count = len(rest)

    def corners(n: int) -> Ints:
        return np.zeros((0, n), np.int32)

    empty = np.zeros(0)
    return Thin(
        positions=rest.copy(),
        velocities=np.zeros((count, 3)),
        rest=rest,
        masses=np.array(masses, np.float64),
        radius=np.full(count, float(radius)),
        friction=np.full(count, float(friction)),
        body=np.zeros(count, np.int32),
        membrane=membrane or Membrane(corners(3), np.zeros((0, 2, 2)), empty, np.zeros((0, 2))),
        hinges=hinges or Hinges(corners(4), np.zeros((0, 4)), empty, empty),
        springs=springs or Springs(corners(2), empty, empty),
        bends=bends or Bends(corners(3), empty),
        solid=none(),
    )


def _frames(rest: Array, faces: Ints) -> tuple[Array, Array]:
    """Inverse edge matrices in the triangles' planes [T, 2, 2], and areas [T]."""
    one, two = rest[faces[:, 1]] - rest[faces[:, 0]], rest[faces[:, 2]] - rest[faces[:, 0]]
    area = np.linalg.norm(np.cross(one, two), axis=1) / 2
    if not len(area) or not area.min() > 1e-9 * area.max():
        raise PhysicsError("a cloth: expected triangles with an area, got one without: repair the mesh")
    length = np.linalg.norm(one, axis=1)
    matrix = np.zeros((len(faces), 2, 2))
    matrix[:, 0, 0] = length
    matrix[:, 0, 1] = (one * two).sum(axis=1) / length
    matrix[:, 1, 1] = 2 * area / length
    return np.asarray(np.linalg.inv(matrix), np.float64), np.asarray(area, np.float64)


def _hinges(rest: Array, faces: Ints, area: Array, bend_n_m: float) -> Hinges:
    """All edges between two triangles; edges of more have none, as of seams."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    across = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]])
    owner = np.tile(np.arange(len(faces)), 3)
    key = np.sort(edges, axis=1)
    order = np.lexsort((key[:, 1], key[:, 0]))
    same = (key[order[1:]] == key[order[:-1]]).all(axis=1)
    lone = same & ~np.append(same[1:], False) & ~np.append(False, same[:-1])
    a, b = order[:-1][lone], order[1:][lone]
    corners = np.stack([key[a, 0], key[a, 1], across[a], across[b]], axis=1).astype(np.int32)
    x = rest[corners]
    cot = {
        (i, k): _cotangent(x[:, 1 - i] - x[:, i], x[:, k] - x[:, i]) for i in (0, 1) for k in (2, 3)
    }  # of the angle at vertex i of the edge, in the triangle with vertex k
    weights = np.stack(
        [
            cot[1, 2] + cot[1, 3], cot[0, 2] + cot[0, 3], -cot[0, 2] - cot[1, 2], -cot[0, 3] - cot[1, 3],
        ], axis=1,
    )  # fmt: skip
    both = area[owner[a]] + area[owner[b]]
    s = np.einsum("ek,ekc->ec", weights, x)
    normal = mean_normal(x)
    bend = (s * normal).sum(axis=1)
    size = np.linalg.norm(x[:, 1] - x[:, 0], axis=1)
    bend[np.abs(bend) < 1e-6 * size] = 0.0
    return Hinges(corners, weights, CYLINDER * bend_n_m / both, bend)


def _cotangent(a: Array, b: Array) -> Array:
    return np.asarray((a * b).sum(axis=1) / np.linalg.norm(np.cross(a, b), axis=1))


def mean_normal(x: Array) -> Array:
    """Of both triangles of hinges with corners [E, 4, 3], unit, [E, 3]."""
    edge = x[:, 1] - x[:, 0]
    n = np.cross(edge, x[:, 2] - x[:, 0]) - np.cross(edge, x[:, 3] - x[:, 0])
    return np.asarray(n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-300))


def joined(parts: Sequence[Thin]) -> Thin:
    """Several bodies as one, in order.

    Raises:
        PhysicsError: none at all.
    """
    if not parts:
        raise PhysicsError("joined: expected thin bodies, got none")
    first = np.cumsum([0] + [len(p) for p in parts])
    bodies = np.cumsum([0] + [int(p.body.max(initial=-1)) + 1 for p in parts])

    def stacked(kind: str) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for f in fields(getattr(parts[0], kind)):
            rows = [getattr(getattr(p, kind), f.name) for p in parts]
            if f.name in {"corners", "ends"}:
                rows = [(r + at).astype(np.int32) for r, at in zip(rows, first, strict=False)]
            out[f.name] = np.concatenate(rows)
        return out

    plain = {
        n: np.concatenate([getattr(p, n) for p in parts])
        for n in ("positions", "velocities", "rest", "masses", "radius", "friction")
    }
    body = np.concatenate([p.body + at for p, at in zip(parts, bodies, strict=False)]).astype(np.int32)
    return Thin(
        **plain, body=body, membrane=Membrane(**stacked("membrane")), hinges=Hinges(**stacked("hinges")),
        springs=Springs(**stacked("springs")), bends=Bends(**stacked("bends")), solid=Tetrahedra(**stacked("solid")),
    )  # fmt: skip
