"""Deformable bodies that start inside each other: refused. Independent of the engine.

Particles of two bodies at one place would move as one lump of twice the density, and cloth that crosses cloth stays
crossed: neither is what anybody asked for, and no contact ever parts them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.errors import SceneError
from simvid.physics.nearness import BLOCK, between_edges, from_faces, pairs_within, pierce
from simvid.physics.soft_materials import THIN
from simvid.physics.watch import OVERLAP_M, part_place

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
INSIDE = 0.875
"""Filling of a body from which on a place is inside: what it is in the outermost layer of particles below a flat face,
half a spacing deep. So bodies whose outermost particles stand half a spacing below their faces may overlap by half the
sum of their spacings."""
SHOWN = 10
FINEST = 16
"""Points along the edge of a cloth's face at which it is looked at, at most."""


@dataclass(frozen=True, eq=False)
class _Matter:
    """A deformable body at t = 0.

    Attributes:
        name: of its part.
        place: file, line and field of the body.
        points: its particles, world [P, 3].
        middles: of the cells that it fills, world [C, 3]: its particles, but of a body of elements.
        pose: world_from_part [4, 4]; a body's particles stand on a grid along the part's axes.
        spacing: between particles [m].
        half: from the outermost particles to the surface [m].
        faces: triangles over the particles, [F, 3]; of a rope its segments, the last corner twice; none of others.
    """

    name: str
    place: str
    points: Array
    middles: Array
    pose: Array
    spacing: float
    half: float
    faces: Ints

    @property
    def thin(self) -> bool:
        return len(self.faces) > 0

    @property
    def low(self) -> Array:
        return np.asarray(self.points.min(axis=0) - self.half)

    @property
    def high(self) -> Array:
        return np.asarray(self.points.max(axis=0) + self.half)


def check_apart(assets: SceneAssets) -> None:
    """Refuse deformable bodies that start inside each other.

    Looked at are particles where the boxes around two bodies overlap, each with its nearest neighbours: what it takes
    grows with their number.

    Raises:
        SceneError: one line for each pair, with both bodies, how much, and a way out.
    """
    every = list(_matter(assets))
    lines: list[str] = []
    for one, two in combinations(every, 2):
        if (one.low < two.high).all() and (two.low < one.high).all():
            lines += _line(one, two)
    if len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"and {len(lines) - SHOWN} more pairs"]
    if lines:
        raise SceneError("\n".join(lines))


def _matter(assets: SceneAssets) -> Iterator[_Matter]:
    for part in assets.parts:
        body = part.deformable
        if body is None:
            continue
        faces = np.zeros((0, 3), np.int64)
        if body.kind in THIN:
            first = np.arange(len(body.rest) - 1)
            faces = np.stack([first, first + 1, first + 1], axis=1)
            if body.triangles is not None:
                faces = body.triangles.astype(np.int64)
        points = body.rest.astype(np.float64) @ part.pose[:3, :3].T + part.pose[:3, 3]
        half = body.radius_m if body.kind in THIN else body.spacing_m / 2
        middles = points
        if body.tetrahedra is not None:
            half, middles = 0.0, _middles(body.rest.astype(np.float64), body.tetrahedra)
            middles = middles @ part.pose[:3, :3].T + part.pose[:3, 3]
        place = part_place(assets, part.part)
        yield _Matter(part.part.name, place, points, middles, part.pose, body.spacing_m, half, faces)


def _middles(nodes: Array, tetrahedra: NDArray[np.int32]) -> Array:
    """Of the cells of a lattice, whose six tetrahedra are in a row, [C, 3]."""
    corners = nodes[tetrahedra.reshape(-1, 24)]
    return np.asarray((corners.min(axis=1) + corners.max(axis=1)) / 2)


def _line(one: _Matter, two: _Matter) -> Iterator[str]:
    """What is wrong between two bodies, if anything is."""
    if one.thin and two.thin:
        found = crossings(one, two)
        if not found:
            return
        moved, other = two, one
        what = f"{found} edges and faces of {two.name!r} start inside {one.name!r}"
        limit = f"{1000 * (one.half + two.half):.3g} mm between their middles is half the thickness of each"
    else:
        (_, found, total), moved, other = max(
            ((_inside(a, b), a, b) for a, b in ((two, one), (one, two)) if not b.thin), key=lambda row: row[0]
        )
        if not found:
            return
        kind = "points" if moved.thin else "particles"
        what = f"{found} of {total} {kind} of {moved.name!r} start inside {other.name!r}"
        limit = f"at most {500 * other.spacing:.3g} mm deep is allowed"
    field = re.search(r"bodies\[\d+\]", other.place)
    beside = f" ({field.group()})" if field else ""
    yield f"{moved.place}: {what}{beside} at t = 0 ({limit}): move {moved.name!r} by {_way_out(moved, other)} m"


def filling(body: Array, spacing_m: float, points: Array) -> Array:
    """How much of the space around places [N, 3] a body's particles [P, 3] fill, [N]; both in the axes of its grid.

    The sum of quadratic B-splines as wide as the particles' spacing: 1 within a grid of them wherever one looks, 0.5 on
    a flat face half a spacing beyond the outermost, 0 from one and a half spacings on.
    """
    from scipy.spatial import cKDTree

    out = np.zeros(len(points))
    tree = cKDTree(body)
    near = np.flatnonzero(tree.query(points, p=np.inf, distance_upper_bound=1.5 * spacing_m)[0] < np.inf)
    for first in range(0, len(near), BLOCK):
        block = near[first : first + BLOCK]
        around = cKDTree(points[block])
        pairs = around.sparse_distance_matrix(tree, 1.5 * spacing_m, p=np.inf, output_type="ndarray")
        away = np.abs(points[block][pairs["i"]] - body[pairs["j"]]) / spacing_m
        weight = np.where(away < 0.5, 0.75 - away**2, 0.5 * np.maximum(1.5 - away, 0) ** 2).prod(axis=1)
        out[block] = np.bincount(pairs["i"], weight, len(block))
    return out


def _inside(one: _Matter, two: _Matter) -> tuple[float, int, int]:
    """How many places of a body, or points of a cloth or rope, are inside a body of particles: share, count, of how
    many."""
    turn, place = two.pose[:3, :3], two.pose[:3, 3]
    points = _looked_at(one, two) if one.thin else one.points
    local, body = (points - place) @ turn, (two.middles - place) @ turn
    close = ((local > body.min(axis=0)) & (local < body.max(axis=0))).all(axis=1)
    found = int((filling(body, two.spacing, local[close]) >= INSIDE).sum())
    return found / len(points), found, len(points)


def _looked_at(sheet: _Matter, body: _Matter) -> Array:
    """Points of a cloth or rope about as dense as a body's particles, [N, 3]; on faces near it between corners too."""
    corners = sheet.points[sheet.faces]
    near = ((corners.min(axis=1) < body.high) & (corners.max(axis=1) > body.low)).all(axis=1)
    corners = corners[near]
    if not len(corners):
        return sheet.points
    longest = float(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max())
    parts = int(np.clip(np.ceil(longest / body.spacing), 1, FINEST))
    a, b = (k.ravel() for k in np.meshgrid(np.arange(parts + 1), np.arange(parts + 1)))
    weights = np.stack([a, b, parts - a - b], axis=1)[a + b <= parts] / parts
    between = weights[(weights < 1).all(axis=1)]
    return np.concatenate([sheet.points, np.einsum("wc,fck->fwk", between, corners).reshape(-1, 3)])


def crossings(one: _Matter, two: _Matter) -> int:
    """How many edges and faces of two thin bodies go through each other, or are nearer than half the thickness of each,
    together, by more than ``OVERLAP_M``, or than half of that where it is less."""
    apart = one.half + two.half
    reach = max(apart - OVERLAP_M, apart / 2)
    edges, faces, corners = zip(*(_elements(a, b) for a, b in ((one, two), (two, one))), strict=True)
    count = 0
    for i, j in _near(edges[0], edges[1], reach):
        count += int((between_edges(edges[0][i], edges[1][j]) < reach).sum())
    for a, b in ((0, 1), (1, 0)):
        for i, j in _near(edges[a], faces[b], 0.0):
            count += int(pierce(edges[a][i], faces[b][j]).sum())
        for i, j in _near(corners[a][:, None], faces[b], reach):
            count += int((from_faces(corners[a][i], faces[b][j]) < reach).sum())
    return count


def _elements(one: _Matter, two: _Matter) -> tuple[Array, Array, Array]:
    """Edges [E, 2, 3], triangles [F, 3, 3] and corners [C, 3] of a thin body in the box around another."""
    inner = one.points[one.faces]
    low, high = two.low - one.half, two.high + one.half
    faces = one.faces[((inner.min(axis=1) < high) & (inner.max(axis=1) > low)).all(axis=1)]
    edges = np.unique(np.sort(np.concatenate([faces[:, :2], faces[:, 1:], faces[:, ::2]]), axis=1), axis=0)
    edges = edges[edges[:, 0] != edges[:, 1]]
    return one.points[edges], one.points[faces], one.points[np.unique(faces)]


def _near(one: Array, two: Array, reach: float) -> Iterator[tuple[Ints, Ints]]:
    """Rows of elements [N, C, 3] and [M, D, 3] whose points may be within ``reach`` of each other."""
    if not len(one) or not len(two):
        return
    middles = [e.mean(axis=1) for e in (one, two)]
    size = sum(float(np.linalg.norm(e - m[:, None], axis=2).max()) for e, m in zip((one, two), middles, strict=True))
    yield from pairs_within(middles[0], middles[1], size + reach)


def _way_out(moved: _Matter, other: _Matter) -> str:
    """The least move along an axis, but not down, that parts the boxes around both."""
    ways = np.concatenate([other.high - moved.low, (moved.high - other.low)[:2]])
    least = int(np.argmin(ways))
    way = np.zeros(3)
    way[least % 3] = np.ceil(1000 * ways[least] - 1e-6) / 1000 * (1 if least < 3 else -1)
    return f"[{', '.join(f'{x:.4g}' for x in way + 0.0)}]"
