"""Particles of elastic, plastic, granular, snow and liquid bodies that start inside a rigid part: refused.

Contact would press them out in the first steps, with energy that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.errors import SceneError
from simvid.physics.influences import Place
from simvid.physics.mpm.colliders import Obstacle
from simvid.physics.newton.obstacles import obstacles_of
from simvid.physics.newton.world import World
from simvid.physics.soft_materials import SUPPORTED
from simvid.physics.watch import OVERLAP_M, part_place

Array = NDArray[np.float64]
SHARE = 0.25
"""Of a particle's spacing: its place may be this deep in something, or ``OVERLAP_M`` if that is more. Bodies end half a
spacing beyond their outermost particles, so they may start three quarters of one deep: what stands for a mesh or a
round wall is measured no finer."""
REACH = 2.0
"""Cells of the lattice that stands for a mesh, over the particles' spacing."""


def check_soft_start(assets: SceneAssets, world: World) -> None:
    """Refuse particles inside rigid parts, but for those that are held, or tied to that part, from the start on.

    Args:
        assets: with its deformable parts.
        world: of ``rigid_view(assets)``, at t = 0.

    Raises:
        SceneError: one line for each pair, with how many, how deep, and what to do.
    """
    soft = [p for p in assets.parts if p.deformable is not None and p.deformable.kind in SUPPORTED]
    if not soft:
        return
    finest = min(p.deformable.spacing_m for p in soft if p.deformable is not None)
    things = obstacles_of(world, REACH * finest)
    lines: list[str] = []
    for part in soft:
        points, spacing = _free(assets, part)
        for thing, k in zip(things.obstacles, things.parts, strict=True):
            other = assets.parts[int(k)]
            if len(points) and not _tied(assets, part, other):
                lines += _line(assets, part, other, thing, points, spacing)
    if lines:
        raise SceneError("\n".join(lines))


def _free(assets: SceneAssets, part: PartAssets) -> tuple[Array, float]:
    """Where its particles are that nothing holds from the start on, world [P, 3], and their spacing."""
    body = part.deformable
    assert body is not None, "a deformable part"
    points = body.rest.astype(np.float64) @ part.pose[:3, :3].T + part.pose[:3, 3]
    for force in assets.scene.forces:
        hold = force.hold
        if hold is not None and not hold.start_s and (not hold.bodies or part.part.instance in hold.bodies):
            points = points[~Place.of(hold.region).holds(points)]
    return points, body.spacing_m


def _tied(assets: SceneAssets, one: PartAssets, two: PartAssets) -> bool:
    """Whether an attachment ties them from the start on: they do not collide then."""
    return any(
        not tie.start_s and tie.a == one.part.name and tie.b == two.part.name for tie in assets.scene.attachments
    )


def _line(
    assets: SceneAssets, part: PartAssets, other: PartAssets, thing: Obstacle, points: Array, spacing: float
) -> Iterator[str]:
    """What is wrong between a deformable body and a rigid part, if anything is."""
    allowed = max(OVERLAP_M, SHARE * spacing)
    depth, ways = depths(thing, points)
    inside = depth > allowed
    if not inside.any():
        return
    deepest = int(np.argmax(depth))
    way = ways[deepest] * (depth[deepest] + spacing / 2)
    one, two = part.part.name, other.part.name
    remedy = f"move {one!r} out of it, or give it a shape that leaves room"
    if (depths(thing, points + way)[0] <= allowed).all():
        remedy = f"move {one!r} by [{', '.join(f'{x:.3g}' for x in np.round(way, 4) + 0.0)}] m"
    yield (
        f"{part_place(assets, part.part)}: {int(inside.sum())} of {len(points)} particles of {one!r} start inside "
        f"{two!r}, up to {1000 * depth[deepest]:.3g} mm deep (at most {1000 * allowed:.3g} mm is allowed): {remedy}"
    )


def depths(thing: Obstacle, points: Array) -> tuple[Array, Array]:
    """How deep points [P, 3] lie in an obstacle at its first pose [m], [P], and the way out, world, [P, 3]."""
    from simvid.physics.mpm.warp_volumes import distances

    turn = thing.pose[:3, :3]
    local = (points - thing.pose[:3, 3]) @ turn
    depth, ways = np.full(len(points), -np.inf), np.zeros_like(points)
    for piece in thing.pieces:
        away, normals = distances(piece, local)
        deeper = -away > depth
        depth[deeper], ways[deeper] = -away[deeper], normals[deeper] @ turn.T
    return depth, ways
