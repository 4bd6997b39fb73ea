"""Small scenes with prescribed motion, built by hand: what a renderer's tests need instead of files and physics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.assets.pieces import Collider, Visual
from simvid.mesh import Mesh
from simvid.rotations import pose_matrix
from simvid.scene import Camera, Ground, Light, Look, Scene, Sky, Sun
from simvid.trajectory import Contacts, Part, Trajectory

Array: TypeAlias = NDArray[np.float64]
DEFAULT_LIGHTS = (Light(sun=Sun(direction=(-0.4, 0.3, -1.0))), Light(sky=Sky()))


@dataclass(frozen=True, eq=False)
class Prop:
    """A part with its pose at every frame.

    ``poses`` are position [m] and quaternion (w, x, y, z), [7] for a prop at rest or [T, 7].
    """

    name: str
    visuals: tuple[Visual, ...]
    poses: Array = field(default_factory=lambda: np.array([0, 0, 0, 1.0, 0, 0, 0]))
    colliders: tuple[Collider, ...] = ()


def staged(
    props: Sequence[Prop],
    cameras: Sequence[Camera],
    *,
    frames: int = 2,
    fps: float = 24.0,
    ground: Ground | None = None,
    lights: Sequence[Light] = DEFAULT_LIGHTS,
) -> tuple[SceneAssets, Trajectory]:
    """Assets and trajectory of props that move as they are told. With a ground, it is part 1 and the props follow."""
    scene = Scene(
        simvid=1, duration_s=(frames - 1) / fps, fps=fps, cameras=tuple(cameras), ground=ground, lights=tuple(lights)
    )
    parts: list[PartAssets] = []
    poses: list[Array] = []
    if ground is not None:
        plane = Collider("plane", (), np.eye(4), 0.5, 0.0)
        rest = np.array([0, 0, ground.height_m, 1.0, 0, 0, 0])
        part = Part("ground", "ground", 1, "ground", "ground", True)
        parts.append(PartAssets(part, pose_matrix(rest[:3]), (), (plane,), None))
        poses.append(np.tile(rest, (frames, 1)))
    for prop in props:
        way = np.broadcast_to(prop.poses, (frames, 7)).astype(np.float64)
        part = Part(prop.name, prop.name, len(parts) + 1, "body", prop.name, bool(prop.poses.ndim == 1))
        parts.append(PartAssets(part, pose_matrix(way[0, :3], way[0, 3:]), prop.visuals, prop.colliders, None))
        poses.append(way)
    stacked = np.stack(poses, axis=1) if poses else np.zeros((frames, 0, 7))
    trajectory = Trajectory(
        fps=fps,
        parts=tuple(p.part for p in parts),
        poses=stacked,
        twists=np.zeros((*stacked.shape[:2], 6)),
        contacts=Contacts.none(),
    )
    return SceneAssets(scene, tuple(parts), ()), trajectory


def box_mesh(size_m: Sequence[float], color: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Mesh:
    """A cuboid about the origin with its own four vertices per side, and texture coordinates over each side."""
    half = np.asarray(size_m, dtype=np.float64) / 2
    vertices, normals, faces, uvs = [], [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            a, b = (axis + 1) % 3, (axis + 2) % 3
            corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
            for u, v in corners if sign > 0 else corners[::-1]:
                corner = np.zeros(3)
                corner[axis], corner[a], corner[b] = sign, u, v
                vertices.append(corner * half)
                normals.append(np.eye(3)[axis] * sign)
                uvs.append(((u + 1) / 2, (v + 1) / 2))
            k = len(vertices) - 4
            faces += [(k, k + 1, k + 2), (k, k + 2, k + 3)]
    return Mesh(
        np.array(vertices, np.float32), np.array(faces, np.int32), np.array(normals, np.float32),
        np.array(uvs, np.float32), base_color=color,
    )  # fmt: skip


def sphere_mesh(radius_m: float, color: tuple[float, float, float] = (1.0, 1.0, 1.0), rings: int = 48) -> Mesh:
    """A sphere about the origin with smooth normals."""
    polar = np.linspace(0, np.pi, rings + 1)
    azimuth = np.linspace(0, 2 * np.pi, 2 * rings + 1)
    p, a = np.meshgrid(polar, azimuth, indexing="ij")
    normals = np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], axis=-1).reshape(-1, 3)
    row = 2 * rings + 1
    i, j = np.meshgrid(np.arange(rings), np.arange(2 * rings), indexing="ij")
    k = (i * row + j).ravel()
    faces = np.concatenate([np.stack([k, k + row, k + row + 1], 1), np.stack([k, k + row + 1, k + 1], 1)])
    uvs = np.stack([a / (2 * np.pi), 1 - p / np.pi], axis=-1).reshape(-1, 2)
    corners = normals[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    keep = area > 1e-9
    return Mesh(
        (normals * radius_m).astype(np.float32), faces[keep].astype(np.int32), normals.astype(np.float32),
        uvs.astype(np.float32), base_color=color,
    )  # fmt: skip


def checkered(mesh: Mesh, squares: int = 8, seed: int = 0) -> Mesh:
    """The mesh with a texture of randomly coloured squares over its texture coordinates."""
    colors = np.random.default_rng(seed).integers(40, 230, (squares, squares, 4)).astype(np.uint8)
    colors[..., 3] = 255
    return replace(mesh, texture=np.repeat(np.repeat(colors, 32, axis=0), 32, axis=1))


def matte(mesh: Mesh) -> Visual:
    """A visual without gloss."""
    return Visual(Look(roughness=1.0), mesh=mesh)
