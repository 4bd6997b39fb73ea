"""Grasps with two parallel fingers, sampled on a body's surface: antipodal pairs, filtered by width and approach.

A pair of points is antipodal if the line between them lies in the friction cones of both (Nguyen, Constructing
Force-Closure Grasps, 1988); sampled on the mesh as in Dex-Net 1 (Mahler et al. 2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets
from simvid.assets.primitives import primitive_mesh

Array = NDArray[np.float64]
SAMPLES = 400
"""Points of the surface that are tried."""
TURNS = 12
"""Directions of approach for each pair, evenly about the line between the fingers."""
SLACK_M = 0.004
"""The gripper opens at least so much wider than what it grasps."""
TOP_COS, SIDE_COS = float(np.cos(np.radians(25))), float(np.sin(np.radians(25)))
EDGE_M = 1e-6
HAND_M = 0.1
"""Two hands want this much room on a body."""


@dataclass(frozen=True, eq=False)
class Grasp:
    """Two fingers on a body, in the world.

    Attributes:
        center: middle between the fingers [m], [3].
        closing: unit, along which the fingers move, [3].
        approach: unit, the way the hand comes, [3].
        width_m: between the two points.
        cost: small is good.
    """

    center: Array
    closing: Array
    approach: Array
    width_m: float
    cost: float


@dataclass(frozen=True, eq=False)
class Pairs:
    """Antipodal pairs of points in a part's frame: N middles [N, 3], unit lines [N, 3], widths [N]."""

    middles: Array
    lines: Array
    widths: Array


def surface(part: PartAssets) -> Array:
    """Triangles of what a part collides with, in its frame, [F, 3, 3]."""
    found = []
    for collider in part.colliders:
        if collider.kind == "plane":
            continue
        mesh = collider.mesh or primitive_mesh(collider.kind, collider.dimensions, 24)
        points = mesh.vertices.astype(np.float64) @ collider.pose[:3, :3].T + collider.pose[:3, 3]
        found.append(points[mesh.faces])
    return np.concatenate(found) if found else np.zeros((0, 3, 3))


def antipodal_pairs(triangles: Array, friction: float, rng: np.random.Generator) -> Pairs:
    """Sample points evenly on a surface, look through the body along the inward normal, keep what is antipodal.

    Args:
        triangles: outward by the right-hand rule, [F, 3, 3].
        friction: coefficient; its cone limits the angle at the far point.
        rng: for the samples.
    """
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    double = np.linalg.norm(cross, axis=1)
    keep = double > 1e-14
    triangles, cross, double = triangles[keep], cross[keep], double[keep]
    if not len(triangles):
        return Pairs(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))
    normals = cross / double[:, None]
    chosen = rng.choice(len(triangles), SAMPLES, p=double / double.sum())
    u, v = rng.uniform(0, 1, (2, SAMPLES))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    a, b, c = triangles[chosen].transpose(1, 0, 2)
    points = a + u[:, None] * (b - a) + v[:, None] * (c - a)
    inward = -normals[chosen]
    found: list[Pairs] = []
    for last in (False, True):
        distance, hit = _hits(points + inward * EDGE_M, inward, triangles, last=last)
        opposite = (normals[np.maximum(hit, 0)] * inward).sum(axis=1)
        good = (hit >= 0) & (opposite > np.cos(np.arctan(friction))) & (distance > 1e-3)
        found.append(Pairs(points[good] + inward[good] * (distance[good, None] / 2), inward[good], distance[good]))
    one, two = found
    other = np.ones(len(two.widths), bool)
    if len(one.widths) == len(two.widths):
        other = two.widths > one.widths + EDGE_M
    return Pairs(*(np.concatenate([getattr(one, n), getattr(two, n)[other]]) for n in ("middles", "lines", "widths")))


def _hits(origins: Array, rays: Array, triangles: Array, *, last: bool) -> tuple[Array, NDArray[np.int64]]:
    """Nearest (or last) way out of the surface, and the triangle there (-1 for none), by Moller and Trumbore (1997).

    The nearest way out of a cup's wall is into the cup: a grasp of its rim. The last one is across the whole cup.
    """
    e1, e2 = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    best, which = np.full(len(origins), np.inf), np.full(len(origins), -1)
    normals = np.cross(e1, e2)
    for k, (origin, ray) in enumerate(zip(origins, rays, strict=True)):
        p = np.cross(ray, e2)
        det = (e1 * p).sum(axis=1)
        safe = np.where(np.abs(det) > 1e-14, det, np.inf)
        t = origin - triangles[:, 0]
        u = (t * p).sum(axis=1) / safe
        q = np.cross(t, e1)
        v = (q @ ray) / safe
        s = (e2 * q).sum(axis=1) / safe
        out = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9) & (s > EDGE_M) & (normals @ ray > 0)
        if out.any():
            which[k] = int(np.argmax(np.where(out, s, -np.inf)) if last else np.argmin(np.where(out, s, np.inf)))
            best[k] = s[which[k]]
    return best, which


def candidates(
    pairs: Pairs, pose: Array, *, widest_m: float, approach: str, near_z: float | None, away: Array | None = None
) -> list[Grasp]:
    """Grasps of a body where it stands, best first.

    Cheap are those near the body's middle (or the wanted height), from above, and with fingers level.

    Args:
        pairs: in the body's frame.
        pose: world_from_part, [4, 4].
        widest_m: what the gripper opens to.
        approach: top, side or any.
        near_z: world height to prefer [m]; None is the middle of the pairs.
        away: where another hand is, to keep ``HAND_M`` away from [m], [3].
    """
    fits = pairs.widths <= widest_m - SLACK_M
    middles = pairs.middles[fits] @ pose[:3, :3].T + pose[:3, 3]
    lines = pairs.lines[fits] @ pose[:3, :3].T
    if not len(middles):
        return []
    center = (middles.min(axis=0) + middles.max(axis=0)) / 2
    if near_z is not None:
        center[2] = near_z
    size = float(np.linalg.norm(np.ptp(middles, axis=0))) + 0.02
    found = []
    for middle, line, width in zip(middles, lines, pairs.widths[fits], strict=True):
        for way in _approaches(line):
            down = -float(way[2])
            if (approach == "top" and down < TOP_COS) or (approach == "side" and abs(down) > SIDE_COS) or down < -0.3:
                continue
            steep = abs(down) if approach == "side" else 1 - down
            crowd = 0.0 if away is None else max(0.0, 1 - float(np.linalg.norm(middle - away)) / HAND_M)
            cost = 2 * crowd + float(np.linalg.norm(middle - center)) / size + 0.8 * steep + 0.3 * abs(float(line[2]))
            found.append(Grasp(middle, line, way, float(width), cost))
    return sorted(found, key=lambda g: g.cost)


def _approaches(line: Array) -> Iterator[Array]:
    """Unit directions across a line, evenly, beginning with the one that points most downwards."""
    down = np.array([0.0, 0.0, -1.0])
    first = down - line * float(line @ down)
    if np.linalg.norm(first) < 1e-6:
        first = np.cross(line, [1.0, 0.0, 0.0])
    first /= np.linalg.norm(first)
    side = np.cross(line, first)
    for k in range(TURNS):
        angle = 2 * np.pi * k / TURNS
        yield np.cos(angle) * first + np.sin(angle) * side
