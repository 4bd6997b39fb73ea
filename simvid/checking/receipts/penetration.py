"""Penetration: things are not inside each other, by the contact table and by the shapes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.assets.pieces import Collider
from simvid.checking.receipts import limits
from simvid.checking.receipts.evidence import Array, Curve, Evidence, Finding, Mask, nothing
from simvid.checking.receipts.solids import bounding_sphere, depth_in, half_size, hull_faces, surface_points
from simvid.trajectory import pose_matrices

Pair = tuple[int, int]
"""Two part indices, the smaller first."""
MOST_CURVES = 6


@dataclass(frozen=True, eq=False)
class Solid:
    """A collider of a part, with what is asked of it often."""

    part: int
    collider: Collider
    faces: tuple[Array, Array] | None
    points: Array
    middle: Array
    """In the part's frame [m], [3]."""
    radius: float
    box: tuple[Array, Array]
    """Lowest and highest corner in the part's frame [m]."""

    @staticmethod
    def of(part: int, collider: Collider) -> Solid:
        """Of a part's collider."""
        pose = np.asarray(collider.pose, np.float64)
        middle, radius = bounding_sphere(collider)
        faces = hull_faces(collider) if collider.kind == "convex" else None
        points = surface_points(collider) @ pose[:3, :3].T + pose[:3, 3]
        placed = pose[:3, :3] @ middle + pose[:3, 3]
        if collider.mesh is not None or collider.kind == "box":
            corners = collider.mesh.vertices if collider.mesh is not None else _corners(collider.dimensions)
            at = corners @ pose[:3, :3].T + pose[:3, 3]
            box = (at.min(axis=0), at.max(axis=0))
        else:
            box = (placed - radius, placed + radius)
        return Solid(part, collider, faces, points, placed, radius, box)

    def depth(self, points: Array) -> Array:
        """Of points in the part's frame [N, 3] in the solid [m]."""
        pose = np.asarray(self.collider.pose, np.float64)
        return depth_in(self.collider, (points - pose[:3, 3]) @ pose[:3, :3], self.faces)


def _corners(half: tuple[float, ...]) -> Array:
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    return np.asarray(signs * np.array(half))


def solids_of(e: Evidence) -> list[Solid]:
    """All colliders of a scene, those of robots' links too."""
    links = {
        name: link
        for robot in e.assets.robots
        for name, link in zip(robot.part_names, robot.links, strict=True)
    }  # fmt: skip
    found = []
    for k, part in enumerate(e.parts):
        link = links.get(part.part.name)
        found += [Solid.of(k, collider) for collider in (link.colliders if link is not None else part.colliders)]
    return found


def penetration(e: Evidence) -> Finding:
    """No two rigid parts are deeper inside each other than contacts give way: how deep, and for how long.

    The depth of a pair is the larger of what the contact table says and of how deep points on one surface lie in the
    other's colliders, as they stand at the frame. Left out are parts of one thing, parts that a joint or an attachment
    ties (while it does, and until they are out of each other), parts that were inside each other from the start (held
    things are), and the inside of exact meshes, which only the contact table knows.
    """
    depths, thin = pair_depths(e)
    if not depths:
        return nothing("penetration", "no two rigid things come near each other")
    worst: tuple[float, Pair, float, float] | None = None
    longest_s = max(limits.DEEP_S, 1.5 * e.frame_s)
    for pair, depth in depths.items():
        gentle = max(limits.DEEP_M, limits.DEEP_SHARE * thin[pair])
        most = max(limits.THROUGH_M, limits.THROUGH_SHARE * thin[pair])
        lasted = longest(depth > gentle) * e.frame_s
        share = max(float(depth.max()) / most, lasted / longest_s)
        if worst is None or share > worst[0]:
            worst = (share, pair, lasted, most)
    assert worst is not None, "there are pairs"
    _, pair, lasted, most = worst
    depth = depths[pair]
    names = " and ".join(e.name(k) for k in pair)
    frame = int(np.argmax(depth))
    deeper = max(limits.DEEP_M, limits.DEEP_SHARE * thin[pair])
    record = e.law(
        "penetration", {"deepest_m": float(depth.max()), "deep_s": lasted},
        {"deepest_m": most, "deep_s": longest_s}, part=names, time_s=e.time(frame),
        note=f"they are up to {depth.max() * 1000:.3g} mm inside each other, and more than {deeper * 1000:.3g} mm for "
        f"{lasted:.3g} s",
    )  # fmt: skip
    largest = sorted(depths, key=lambda p: -float(depths[p].max()))[:MOST_CURVES]
    series = {" and ".join(e.name(k) for k in p): depths[p] * 1000 for p in largest}
    return Finding(record, (Curve("Deepest penetration", "mm", series),))


def longest(where: Mask) -> int:
    """Longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], where.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def pair_depths(e: Evidence) -> tuple[dict[Pair, Array], dict[Pair, float]]:
    """Depth of every pair that ever touches or overlaps [m], [T], and half the size of the thinner one."""
    solids = solids_of(e)
    sizes = np.full(len(e.parts), np.inf)
    for solid in solids:
        sizes[solid.part] = min(sizes[solid.part], half_size(solid.collider))
    tied = _tied(e)
    depths: dict[Pair, Array] = {}
    t = e.touches
    for frame, a, b, depth in zip(t.frame.tolist(), t.a.tolist(), t.b.tolist(), t.depth.tolist(), strict=True):
        if a not in e.soft and b not in e.soft and _apart(e, a, b, tied):
            row = depths.setdefault((a, b), np.zeros(e.count))
            row[frame] = max(row[frame], depth)
    for a, b, frames, depth in _overlaps(e, solids, tied):
        if depth.max() > 0:
            pair = (min(a, b), max(a, b))
            row = depths.setdefault(pair, np.zeros(e.count))
            row[frames] = np.maximum(row[frames], depth)
    started = {p for p, row in depths.items() if row[0] > limits.DEEP_M}
    kept = {p: _loose(row, tied.get(p)) for p, row in depths.items() if p not in started}
    return kept, {(a, b): float(min(sizes[a], sizes[b])) for a, b in kept}


def _tied(e: Evidence) -> dict[Pair, Mask]:
    """Frames in which a joint or an attachment ties a pair, [T]."""
    torn = {tie.name: tie.time_s for tie in e.trajectory.ties if tie.kind == "break"}
    index = {part.part.name: k for k, part in enumerate(e.parts)}
    spans = [(a, b, 0.0, np.inf, f"{e.name(a)}.joint") for a, b in e.groups.tied]
    spans += [
        (index[tie.a], index[tie.b], tie.start_s, np.inf if tie.end_s is None else tie.end_s, tie.name)
        for tie in e.assets.scene.attachments
    ]
    times, found = np.arange(e.count) * e.frame_s + 1e-9, dict[Pair, Mask]()
    for a, b, start, end, name in spans:
        frames = (times >= start) & (times < min(end, torn.get(name, np.inf)))
        pair = (min(a, b), max(a, b))
        found[pair] = found.get(pair, np.zeros(e.count, np.bool_)) | frames
    return found


def _loose(depth: Array, tied: Mask | None) -> Array:
    """Depths of a pair, without those while it is tied, and after that until both are out of each other."""
    if tied is None:
        return depth
    kept, left_out = depth.copy(), False
    for t in range(len(depth)):
        left_out = bool(tied[t]) or (left_out and depth[t] > limits.DEEP_M)
        kept[t] = 0.0 if left_out else depth[t]
    return kept


def _apart(e: Evidence, a: int, b: int, tied: dict[Pair, Mask]) -> bool:
    """Whether two parts should not be inside each other at some time, and one of them can move."""
    one, two = e.parts[a].part, e.parts[b].part
    always = tied.get((min(a, b), max(a, b)))
    if one.instance == two.instance or (always is not None and always.all()):
        return False
    return not all(p.fixed for p in (one, two))


def _overlaps(
    e: Evidence, solids: list[Solid], tied: dict[Pair, Mask]
) -> Iterator[tuple[int, int, NDArray[np.int64], Array]]:
    """Parts a and b, frames, and depth in each, of all pairs of solids whose spheres meet."""
    if len(solids) < 2:
        return
    matrices = pose_matrices(e.trajectory.poses)
    where = np.array([s.part for s in solids])
    middles = np.stack([s.middle for s in solids])
    placed = matrices[:, where]
    world = np.einsum("tsij,sj->tsi", placed[..., :3, :3], middles) + placed[..., :3, 3]
    radii = np.array([s.radius for s in solids])
    allowed = _allowed(e, where, solids, tied)
    met: dict[tuple[int, int], list[int]] = {}
    for t in range(e.count):
        gap = ((world[t, :, None] - world[t, None]) ** 2).sum(axis=2)
        close = allowed & ((gap < (radii[:, None] + radii[None]) ** 2) | np.isinf(radii)[:, None])
        for i, j in zip(*(x.tolist() for x in np.nonzero(close)), strict=True):
            met.setdefault((i, j), []).append(t)
    for (i, j), frames in met.items():
        one, two, at = solids[i], solids[j], np.array(frames, np.int64)
        relative = np.linalg.inv(matrices[at, one.part]) @ matrices[at, two.part]
        near = _reaches(one, two, relative) & _reaches(two, one, np.linalg.inv(relative))
        if near.any():
            yield one.part, two.part, at[near], _depth(one, two, relative[near])


def _reaches(one: Solid, two: Solid, relative: Array) -> Mask:
    """Whether the sphere round ``two`` meets the box round ``one``, in each frame; poses of two's part in one's."""
    if np.isinf(one.radius) or np.isinf(two.radius):
        return np.ones(len(relative), np.bool_)
    middle = relative[:, :3, :3] @ two.middle + relative[:, :3, 3]
    off = middle - np.clip(middle, *one.box)
    return np.asarray((off * off).sum(axis=1) < two.radius**2)


def _allowed(e: Evidence, where: NDArray[np.int64], solids: list[Solid], tied: dict[Pair, Mask]) -> Mask:
    """Which ordered pairs of solids are looked at: points of the second in the first, [S, S]."""
    apart = np.zeros((len(e.parts), len(e.parts)), np.bool_)
    for a in range(len(e.parts)):
        for b in range(a + 1, len(e.parts)):
            apart[a, b] = apart[b, a] = _apart(e, a, b, tied)
    knows = np.array([s.collider.kind != "mesh" for s in solids])
    has = np.array([len(s.points) > 0 for s in solids])
    return np.asarray(apart[np.ix_(where, where)] & knows[:, None] & has[None])


def _depth(one: Solid, two: Solid, relative: Array) -> Array:
    """How deep the deepest point of ``two`` lies in ``one`` [m], >= 0; poses [F, 4, 4] of two's part in one's."""
    if one.collider.kind == two.collider.kind == "sphere":
        gap = np.linalg.norm(relative[:, :3, :3] @ two.middle + relative[:, :3, 3] - one.middle, axis=1)
        return np.asarray(np.maximum(one.radius + two.radius - gap, 0.0))
    points = two.points @ relative[:, :3, :3].transpose(0, 2, 1) + relative[:, None, :3, 3]
    inside: Mask = np.ones(points.shape[:2], np.bool_)
    if np.isfinite(one.radius):
        inside = np.asarray(((points > one.box[0]) & (points < one.box[1])).all(axis=2))
    depth = np.zeros(points.shape[:2])
    depth[inside] = one.depth(points[inside])
    return np.asarray(np.maximum(depth.max(axis=1), 0.0))
