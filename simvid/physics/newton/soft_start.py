"""Elastic, plastic, granular, snow and liquid bodies that start with a rigid part inside: refused.

Contact would press their particles out in the first steps, with energy that nobody asked for. Looked at are particles
in the part, and, as something thin fits between particles, points of the part's surface in the body.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.assets.pieces import Collider
from simvid.assets.primitives import primitive_mesh
from simvid.errors import SceneError
from simvid.physics.apart import filling
from simvid.physics.influences import Place
from simvid.physics.mpm.colliders import Obstacle
from simvid.physics.newton.obstacles import obstacles_of
from simvid.physics.newton.world import World
from simvid.physics.soft_materials import SUPPORTED
from simvid.physics.watch import OVERLAP_M, part_place

Array = NDArray[np.float64]
IMMERSED, LEAST_SHARE = 0.98, 0.02
"""A part is in a body where so much of the room around this share of its surface is filled by the body's particles. On
a flat face that is 0.8 spacings deep; a corner in water that begins flush with it has seven eighths around it."""
SHARE = 0.25
"""Of a particle's spacing: its place may be this deep in something, or ``OVERLAP_M`` if that is more. Bodies end half a
spacing beyond their outermost particles, so they may start three quarters of one deep: what stands for a mesh or a
round wall is measured no finer."""
POINTS = 400
"""On the surface of a collider."""
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
                lines += list(_line(assets, part, other, thing, points, spacing)) or list(
                    _stuck(assets, part, other, _pose(world, int(k)), points, spacing)
                )
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


def _pose(world: World, part: int) -> Array:
    """world_from_part at t = 0, [4, 4]."""
    body, pose = int(world.bodies[part]), world.assets.parts[part].pose.copy()
    if body > 0:
        pose[:3, :3], pose[:3, 3] = world.d.xmat[body].reshape(3, 3), world.d.xpos[body]
    return pose


def _stuck(
    assets: SceneAssets, part: PartAssets, other: PartAssets, pose: Array, points: Array, spacing: float
) -> Iterator[str]:
    """What is wrong where a rigid part is between the particles of a body, if it is."""
    surface = [_surface(c) @ pose[:3, :3].T + pose[:3, 3] for c in _colliders(assets, other) if c.kind != "plane"]
    if not surface:
        return
    seen = np.concatenate(surface)
    turn, place = part.pose[:3, :3], part.pose[:3, 3]
    local, body = (seen - place) @ turn, (points - place) @ turn
    close = ((local > body.min(axis=0)) & (local < body.max(axis=0))).all(axis=1)
    share = float((filling(body, spacing, local[close]) >= IMMERSED).sum()) / len(seen)
    if share < LEAST_SHARE:
        return
    one, two = part.part.name, other.part.name
    yield (
        f"{part_place(assets, part.part)}: {two!r} starts inside {one!r}: {share:.0%} of its surface is between "
        f"particles of it: move {one!r} out of it, give it a shape that leaves room, or start {two!r} elsewhere"
    )


def _colliders(assets: SceneAssets, part: PartAssets) -> tuple[Collider, ...]:
    links = {name: link for robot in assets.robots for name, link in zip(robot.part_names, robot.links, strict=True)}
    link = links.get(part.part.name)
    return part.colliders if link is None else link.colliders


def _surface(collider: Collider) -> Array:
    """Points on a collider's surface, in its part's frame, [N, 3]."""
    mesh = collider.mesh or primitive_mesh(collider.kind, collider.dimensions)
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    each = np.searchsorted(np.cumsum(areas), (np.arange(POINTS) + 0.5) / POINTS * areas.sum())
    weights = np.random.default_rng(0).dirichlet((1, 1, 1), POINTS)
    spots = np.einsum("pc,pcd->pd", weights, corners[np.minimum(each, len(corners) - 1)])
    return np.asarray(spots @ collider.pose[:3, :3].T + collider.pose[:3, 3])


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
