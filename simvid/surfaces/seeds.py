"""Surface points to follow through a clip, drawn from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.assets.solidity import welded
from simvid.deforming.skins import Skin
from simvid.mesh import Mesh
from simvid.tracks import Queries
from simvid.trajectory import Trajectory, pose_matrices

Array = NDArray[np.float64]
PER_INSTANCE = 32
MOST = 4096
"""Points in all; instances get fewer where there are many."""
CLEAR = 0.5
"""Gaussians of a capture below this opacity are no surface."""


def seeded_queries(assets: SceneAssets, trajectory: Trajectory, seed: int) -> Queries:
    """Points on each instance but the ground, at frame 0: 32 each, fewer where that would be over 4096 in all.

    On meshes they are spread evenly over the area (Osada et al. 2002, "Shape distributions", eq. 1). On captures they
    are the centres of Gaussians of opacity 0.5 or more. Points on closed meshes have normals.
    """
    owners: dict[int, list[int]] = {}
    for k, part in enumerate(trajectory.parts):
        if part.kind != "ground":
            owners.setdefault(part.instance_id, []).append(k)
    each = max(1, min(PER_INSTANCE, MOST // max(len(owners), 1)))
    rows = []
    for instance, parts in sorted(owners.items()):
        rng = np.random.default_rng([seed, instance])
        rows.append(_instance([(k, assets.parts[k]) for k in parts], each, rng))
    ids = np.concatenate([np.zeros(0, np.int32), *(r[0] for r in rows)])
    local = np.concatenate([np.zeros((0, 6)), *(r[1] for r in rows)])
    poses = pose_matrices(trajectory.poses[0])[ids - 1]
    points = np.einsum("kab,kb->ka", poses[:, :3, :3], local[:, :3]) + poses[:, :3, 3]
    normals = np.einsum("kab,kb->ka", poses[:, :3, :3], local[:, 3:])
    for motion in trajectory.particles:
        mine = ids == motion.part + 1
        if mine.any():
            points[mine], turned = Skin(motion, local[mine, :3], local[mine, 3:]).at(0)
            normals[mine] = np.nan if turned is None else turned
    return Queries(ids, np.zeros(len(ids), np.int32), points, normals)


def _instance(
    parts: list[tuple[int, PartAssets]], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int32], Array]:
    """Part ids [K], and points and normals [K, 6] in the parts' frames."""
    pieces: list[tuple[int, Mesh | Array, float]] = []
    for k, part in parts:
        for visual in part.visuals:
            if visual.mesh is not None:
                pieces.append((k + 1, visual.mesh, float(_areas(visual.mesh).sum())))
            elif visual.capture is not None:
                capture = visual.capture
                centers = capture.means[capture.opacities >= CLEAR].astype(np.float64)
                size = np.ptp(centers, axis=0) if len(centers) else np.zeros(3)
                pieces.append((k + 1, centers, float(2 * (size * np.roll(size, 1)).sum())))
    pieces = [p for p in pieces if p[2] > 0]
    if not pieces:
        return np.zeros(0, np.int32), np.zeros((0, 6))
    weights = np.array([p[2] for p in pieces])
    chosen = np.sort(rng.choice(len(pieces), size=count, p=weights / weights.sum()))
    rows = [_on(pieces[c][1], int(n), rng) for c, n in zip(*np.unique(chosen, return_counts=True), strict=True)]
    return np.array([pieces[c][0] for c in chosen], np.int32), np.concatenate(rows)


def _on(piece: Mesh | Array, count: int, rng: np.random.Generator) -> Array:
    """Points on a mesh or among centres, with normals, [count, 6]."""
    if not isinstance(piece, Mesh):
        return np.concatenate([piece[rng.integers(len(piece), size=count)], np.full((count, 3), np.nan)], axis=1)
    areas = _areas(piece)
    faces = piece.faces[rng.choice(len(areas), size=count, p=areas / areas.sum())]
    a, b, c = (piece.vertices[faces[:, n]].astype(np.float64) for n in range(3))
    root, share = np.sqrt(rng.random((count, 1))), rng.random((count, 1))
    points = (1 - root) * a + root * (1 - share) * b + root * share * c
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return np.concatenate([points, normals if is_closed(piece) else np.full((count, 3), np.nan)], axis=1)


def _areas(mesh: Mesh) -> Array:
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    return np.asarray(
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    )


def is_closed(mesh: Mesh) -> bool:
    """Whether a mesh has an inside and its faces look out of it: each edge is run once in each direction.

    Corners at the same place count as one.
    """
    places, faces = welded(mesh)
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    there, back = np.sort(starts * len(places) + ends), np.sort(ends * len(places) + starts)
    corners = places[faces].astype(np.float64)
    volume = np.einsum("fa,fa->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    return bool((there == back).all() and (np.diff(there) > 0).all() and volume > 0)
