"""Meshes of the primitive shapes: centred on the part's frame, axis +z, outward faces and normals, texture coordinates.

Texture coordinates count tiles: one unit is ``tile_m`` metres along the surface. Around round shapes the number of
tiles is rounded to a whole one, so that a seamless texture shows no seam.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simvid.mesh import Mesh

PLANE_HALF_SIZE_M = 10.0
_PARAMETERS = {
    "box": "half extents (x, y, z)", "sphere": "(radius,)", "capsule": "(radius, half length)",
    "cylinder": "(radius, half length)", "cone": "(radius, half height)", "ellipsoid": "radii (x, y, z)",
    "plane": "() or half extents (x, y)",
}  # fmt: skip
_COUNTS = {
    "box": (3,),
    "sphere": (1,),
    "capsule": (2,),
    "cylinder": (2,),
    "cone": (2,),
    "ellipsoid": (3,),
    "plane": (0, 2),
}

Array = NDArray[np.float64]


def primitive_mesh(kind: str, dimensions: Sequence[float], segments: int = 48, *, tile_m: float = 1.0) -> Mesh:
    """A closed triangle mesh of a primitive (the plane is an open square).

    Args:
        kind: box, sphere, capsule, cylinder, cone, ellipsoid or plane.
        dimensions: [m], as in ``Collider``: box half extents; sphere (radius,); capsule, cylinder and cone (radius,
            half length along z); ellipsoid radii; plane () or half extents (x, y).
        segments: corners around round shapes.
        tile_m: metres per texture tile.

    Raises:
        ValueError: unknown kind, wrong or non-positive dimensions, or fewer than 3 segments.
    """
    if kind not in _COUNTS:
        raise ValueError(f"kind: expected one of {', '.join(_COUNTS)}, got {kind!r}")
    sizes = [float(d) for d in dimensions]
    if len(sizes) not in _COUNTS[kind] or not all(np.isfinite(d) and d > 0 for d in sizes):
        raise ValueError(f"{kind}: expected {_PARAMETERS[kind]} in metres, all > 0; got {tuple(sizes)}")
    if segments < 3 or not tile_m > 0:
        raise ValueError(f"expected segments >= 3 and tile_m > 0, got {segments} and {tile_m}")
    if kind == "box":
        return _box(sizes, tile_m)
    if kind == "plane":
        return _plane(sizes or [PLANE_HALF_SIZE_M] * 2, tile_m)
    if kind == "ellipsoid":
        return _ellipsoid(np.array(sizes), segments, tile_m)
    profiles = {"sphere": _arc_profile, "capsule": _arc_profile, "cylinder": _cylinder_profile, "cone": _cone_profile}
    profile, slopes = profiles[kind](sizes, segments)
    return _revolved(profile, slopes, segments, tile_m)


def bowl_mesh(radius_m: float, thickness_m: float, segments: int = 64, *, tile_m: float = 1.0) -> Mesh:
    """A hemispherical shell that opens upwards, with a flat rim at z = 0; its frame is at the sphere's centre.

    Args:
        radius_m: inner radius [m].
        thickness_m: of the wall [m].
        segments: corners around.
        tile_m: metres per texture tile.

    Raises:
        ValueError: a size that is not positive, or fewer than 3 segments.
    """
    if not (radius_m > 0 and thickness_m > 0 and np.isfinite(radius_m + thickness_m)):
        raise ValueError(f"expected radius_m > 0 and thickness_m > 0, got {radius_m} and {thickness_m}")
    if segments < 3 or not tile_m > 0:
        raise ValueError(f"expected segments >= 3 and tile_m > 0, got {segments} and {tile_m}")
    outer, inner = radius_m + thickness_m, radius_m
    polar = np.linspace(0.0, np.pi / 2, max(4, segments // 4) + 1)
    down = np.stack([np.sin(polar), -np.cos(polar)], axis=1)
    down[-1] = [1.0, 0.0]  # exactly, so that the rim closes
    rim = np.array([[outer, 0.0], [inner, 0.0]])
    return _revolved(
        np.concatenate([outer * down, rim, inner * down[::-1]]),
        np.concatenate([down, [[0.0, 1.0], [0.0, 1.0]], -down[::-1]]),
        segments,
        tile_m,
    )


def _box(half: list[float], tile: float) -> Mesh:
    """Six faces with their own corners; u and v run along the two other axes."""
    vertices, normals, uvs = [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            u, v = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
            if axis != 2:
                u, v = (v, u) if axis == 0 else (u, v)
            normal = sign * np.eye(3)[axis]
            u = u if np.dot(np.cross(u, v), normal) > 0 else -u
            size = np.array([abs(u) @ half, abs(v) @ half])
            square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size
            vertices.append(square[:, :1] * u + square[:, 1:] * v + normal * half[axis])
            normals.append(np.tile(normal, (4, 1)))
            uvs.append((square + size) / tile)
    quads = np.arange(24).reshape(6, 4)
    return _mesh(np.concatenate(vertices), _split(quads), np.concatenate(normals), np.concatenate(uvs))


def _plane(half: list[float], tile: float) -> Mesh:
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array(half)
    vertices = np.concatenate([square, np.zeros((4, 1))], axis=1)
    return _mesh(vertices, _split(np.arange(4)[None]), np.tile([0.0, 0.0, 1.0], (4, 1)), square / tile)


def _arc_profile(sizes: list[float], segments: int) -> tuple[Array, Array]:
    """Outline (radius, z) and normals of a sphere or capsule, from the lower pole to the upper one."""
    radius, half = sizes[0], sizes[1] if len(sizes) > 1 else 0.0
    polar = np.linspace(0.0, np.pi / 2, max(2, segments // 4) + 1)
    low = np.stack([np.sin(polar), -np.cos(polar)], axis=1)
    high = low[::-1] * [1.0, -1.0]
    if half == 0.0:
        high = high[1:]
    normals = np.concatenate([low, high])
    shift = np.concatenate([np.full(len(low), -half), np.full(len(high), half)])
    return radius * normals + np.stack([np.zeros_like(shift), shift], axis=1), normals


def _cylinder_profile(sizes: list[float], _: int) -> tuple[Array, Array]:
    radius, half = sizes
    points = np.array([[0, -half], [radius, -half], [radius, -half], [radius, half], [radius, half], [0, half]])
    return points, np.array([[0.0, -1], [0, -1], [1, 0], [1, 0], [0, 1], [0, 1]])


def _cone_profile(sizes: list[float], segments: int) -> tuple[Array, Array]:
    radius, half = sizes
    slope = np.array([2 * half, radius]) / np.hypot(2 * half, radius)
    side = np.linspace(0.0, 1.0, max(4, segments // 4) + 1)[:, None]
    points = np.concatenate([[[0.0, -half], [radius, -half]], (1 - side) * [radius, -half] + side * [0.0, half]])
    return points, np.concatenate([[[0.0, -1.0], [0.0, -1.0]], np.tile(slope, (len(side), 1))])


def _ellipsoid(radii: Array, segments: int, tile: float) -> Mesh:
    unit = _revolved(*_arc_profile([1.0], segments), segments, tile / float(radii.mean()))
    normals = unit.vertices / radii
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    assert unit.uvs is not None
    return _mesh(unit.vertices * radii, unit.faces, normals, unit.uvs)


def _revolved(profile: Array, slopes: Array, segments: int, tile: float) -> Mesh:
    """Turn an outline (radius, z) [P, 2] with normals [P, 2] about z. Outlines run with the solid on their left."""
    count = len(profile)
    angle = np.linspace(0.0, 2 * np.pi, segments + 1)
    angle[-1] = 0.0  # the seam's two columns coincide bit for bit
    around = np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def swept(outline: Array) -> Array:
        ring = outline[:, None, :1] * around[None]
        return np.concatenate([ring, np.broadcast_to(outline[:, None, 1:], (count, segments + 1, 1))], axis=2)

    tiles = max(1, round(2 * np.pi * float(profile[:, 0].max()) / tile))
    along = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(profile, axis=0), axis=1))) / tile
    u = np.broadcast_to(np.linspace(0.0, tiles, segments + 1), (count, segments + 1))
    uvs = np.stack([u, np.broadcast_to(along[:, None], u.shape)], axis=2)
    low = (np.arange(count - 1)[:, None] * (segments + 1) + np.arange(segments)).reshape(-1)
    quads = np.stack([low, low + 1, low + segments + 2, low + segments + 1], axis=1)
    vertices = swept(profile).reshape(-1, 3)
    faces = _split(quads)
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    faces = faces[area > 1e-12 * area.max()]  # quads at a pole or on a sharp edge have nothing to show
    return _mesh(vertices, faces, swept(slopes).reshape(-1, 3), uvs.reshape(-1, 2))


def _split(quads: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _mesh(vertices: Array, faces: NDArray[np.integer], normals: Array, uvs: NDArray[np.floating]) -> Mesh:
    return Mesh(
        np.ascontiguousarray(vertices, np.float32),
        np.ascontiguousarray(faces, np.int32),
        np.ascontiguousarray(normals, np.float32),
        np.ascontiguousarray(uvs, np.float32),
    )
