"""How deep points lie in colliders, and points on their surface: the receipt's own eyes, without an engine."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.pieces import Collider

Array: TypeAlias = NDArray[np.float64]
MOST_POINTS = 96
"""On one convex or exact mesh."""


def depth_in(collider: Collider, points: Array, faces: tuple[Array, Array] | None = None) -> Array:
    """How deep points lie in a solid [m]: to its nearest face, > 0 inside, <= 0 outside (there any number).

    Args:
        collider: any but an exact mesh, which has no simple inside.
        points: in the collider's own frame, [N, 3].
        faces: ``hull_faces`` of a convex one, where they are known already.
    """
    d, kind = collider.dimensions, collider.kind
    if kind == "plane":
        return np.asarray(-points[:, 2])
    if kind == "box":
        return np.asarray((np.array(d) - np.abs(points)).min(axis=1))
    if kind == "sphere":
        return np.asarray(d[0] - np.linalg.norm(points, axis=1))
    if kind == "ellipsoid":
        return np.asarray((1 - np.linalg.norm(points / np.array(d), axis=1)) * min(d))
    if kind == "convex":
        normals, offsets = faces or hull_faces(collider)
        return np.asarray(-(points @ normals.T + offsets).max(axis=1))
    if kind == "mesh":
        raise ValueError("depth_in: an exact mesh has no simple inside")
    radius, half = d
    along = np.hypot(points[:, 0], points[:, 1])
    if kind == "capsule":
        beyond = points[:, 2] - np.clip(points[:, 2], -half, half)
        return np.asarray(radius - np.hypot(along, beyond))
    if kind == "cylinder":
        return np.asarray(np.minimum(radius - along, half - np.abs(points[:, 2])))
    slant = 2 * half / np.hypot(radius, 2 * half)  # cone: base below, tip above
    side = (radius * (half - points[:, 2]) / (2 * half) - along) * slant
    return np.asarray(np.minimum(side, points[:, 2] + half))


def surface_points(collider: Collider) -> Array:
    """Points on the surface, in the collider's frame [m], [N, 3]; none for a plane."""
    d, kind = collider.dimensions, collider.kind
    if collider.mesh is not None:
        vertices = collider.mesh.vertices.astype(np.float64)
        return vertices[:: max(1, -(-len(vertices) // MOST_POINTS))]
    if kind == "plane":
        return np.zeros((0, 3))
    if kind == "box":
        grid = np.stack(np.meshgrid(*([np.linspace(-1, 1, 5)] * 3), indexing="ij"), axis=-1).reshape(-1, 3)
        return np.asarray(grid[np.abs(grid).max(axis=1) == 1] * np.array(d))
    if kind in {"sphere", "ellipsoid"}:
        return np.asarray(_directions() * (np.array(d) if kind == "ellipsoid" else d[0]))
    radius, half = d
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn), np.zeros(24)], axis=1)
    if kind == "capsule":
        ends = _directions() * radius
        return np.asarray(ends + np.where(ends[:, 2:] > 0, 1, -1) * np.array([0, 0, half]))
    if kind == "cone":
        return np.concatenate([radius * ring - [0, 0, half], radius / 2 * ring, [[0, 0, half], [0, 0, -half]]])
    return np.concatenate([radius * ring + [0, 0, z] for z in (-half, 0.0, half)] + [[[0, 0, half], [0, 0, -half]]])


def bounding_sphere(collider: Collider) -> tuple[Array, float]:
    """Middle in the collider's frame [3] and radius [m]; a plane's is infinite."""
    if collider.kind == "plane":
        return np.zeros(3), float("inf")
    if collider.mesh is not None:
        vertices = collider.mesh.vertices.astype(np.float64)
        middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
        return middle, float(np.linalg.norm(vertices - middle, axis=1).max())
    d = collider.dimensions
    if collider.kind == "sphere":
        return np.zeros(3), d[0]
    if collider.kind == "capsule":
        return np.zeros(3), d[0] + d[1]
    return np.zeros(3), float(max(d) if collider.kind == "ellipsoid" else np.linalg.norm(d))


def half_size(collider: Collider) -> float:
    """Half of its smallest extent [m]; a plane's is infinite."""
    if collider.mesh is not None:
        return float(np.ptp(collider.mesh.vertices, axis=0).min() / 2)
    return float(min(collider.dimensions, default=np.inf))


@lru_cache(maxsize=1)
def _directions(count: int = 64) -> Array:
    """Evenly over the sphere, by the golden angle; the six axes among them."""
    k = np.arange(count) + 0.5
    z, turn = 1 - 2 * k / count, k * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - z * z)
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    return np.concatenate([axes, np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)])


def hull_faces(collider: Collider) -> tuple[Array, Array]:
    """Outer normals [F, 3] and offsets [F] of a convex piece: inside is n . x + d <= 0."""
    from scipy.spatial import ConvexHull

    assert collider.mesh is not None, "a convex piece has a mesh"
    equations = np.unique(ConvexHull(collider.mesh.vertices.astype(np.float64)).equations.round(12), axis=0)
    return equations[:, :3], equations[:, 3]
