"""How fine the Gaussians of each face must be: fine where a camera comes near, coarse where none ever looks.

A face wants Gaussians ``detail_px`` pixels apart at the smallest depth at which any camera has it in view, from its
front, during the clip. Faces of a mesh that want about the same are covered together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.frames import CameraPath
from simvid.lens import parallel, pixel_size_m, project
from simvid.mesh import Mesh
from simvid.trajectory import pose_matrices

Array: TypeAlias = NDArray[np.float64]
MOST_FRAMES = 12
"""Frames looked at."""
MARGIN = 0.1
"""Of the picture's size, added around it; things move between the frames looked at."""
BEHIND = 0.25
"""Cosine by which a face may be turned away and still count as seen, for the same reason."""
FACES_PER_SIDE = 12
"""Faces longer than this share of their part are divided before they are judged."""
MOST_FACES = 400_000


@dataclass(frozen=True, eq=False)
class View:
    """A camera and where it stands at the frames looked at."""

    eyes: Array
    """[F, 3]; far behind a camera whose rays are parallel."""
    camera_from_world: Array
    """[F, 4, 4]."""
    camera: CameraPath
    frames: NDArray[np.int64]
    """[F]."""


def views_of(cameras: Sequence[CameraPath]) -> list[View]:
    """The cameras at a dozen frames spread over the clip."""
    views = []
    for camera in cameras:
        count = len(camera.world_from_camera)
        frames = np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(np.int64))
        views.append(
            View(
                _eyes(camera)[frames],
                camera.camera_from_world[frames],
                camera,
                frames,
            )
        )
    return views


def _eyes(camera: CameraPath) -> Array:
    poses = camera.world_from_camera
    return poses[:, :3, 3] - 1e4 * poses[:, :3, 2] if parallel(camera) else poses[:, :3, 3]


def finest_pixel(centers: Array, normals: Array | None, poses: Array, views: Sequence[View]) -> Array:
    """Size of a pixel [m] at each face where it is seen largest, [F]; inf for faces that are never seen.

    Args:
        centers: of the faces in the part's frame [m], [F, 3].
        normals: unit; None for faces that are seen from both sides.
        poses: of the part at every frame of the clip, [T, 7].
        views: of the cameras.
    """
    finest = np.full(len(centers), np.inf)
    for view in views:
        matrices = pose_matrices(poses[view.frames])
        camera = view.camera
        margin = MARGIN * max(camera.width, camera.height)
        before: Array | None = None
        for matrix, eye, inverse in zip(matrices, view.eyes, view.camera_from_world, strict=True):
            to_camera = inverse @ matrix
            if before is not None and np.array_equal(to_camera, before):
                continue
            before = to_camera
            points = centers @ to_camera[:3, :3].T + to_camera[:3, 3]
            u, v = project(camera, points).T
            with np.errstate(invalid="ignore"):  # NaN: the lens does not see it
                seen = (u > -margin) & (u < camera.width + margin) & (v > -margin) & (v < camera.height + margin)
            seen &= points[:, 2] > 1e-3
            if normals is not None:
                toward = (eye - matrix[:3, 3]) @ matrix[:3, :3] - centers
                cosine = np.einsum("fd,fd->f", toward, normals)
                seen &= cosine > -BEHIND * np.linalg.norm(toward, axis=1)
            finest = np.where(seen, np.minimum(finest, pixel_size_m(camera, points)), finest)
    return finest


def nearest_eye_m(centers: Array, poses: Array, views: Sequence[View]) -> Array:
    """Least distance of each face from a camera [m], [F]; arguments as those of ``finest_pixel``."""
    nearest = np.full(len(centers), np.inf)
    for view in views:
        for matrix, eye in zip(pose_matrices(poses[view.frames]), view.eyes, strict=True):
            toward = (eye - matrix[:3, 3]) @ matrix[:3, :3] - centers
            nearest = np.minimum(nearest, np.linalg.norm(toward, axis=1))
    return nearest


def toward_cameras(poses: Array, views: Sequence[View]) -> Array:
    """Unit directions from a part's origin to the cameras, in the part's frame, [M, 3]."""
    found = [np.zeros((0, 3))]
    for view in views:
        matrices = pose_matrices(poses[view.frames])
        local = np.einsum("fji,fj->fi", matrices[:, :3, :3], view.eyes - matrices[:, :3, 3])
        found.append(local / np.maximum(np.linalg.norm(local, axis=1, keepdims=True), 1e-9))
    return np.unique(np.concatenate(found).round(3), axis=0)


def divided(mesh: Mesh, longest_m: float) -> Mesh:
    """The mesh with every face whose longest edge is longer than ``longest_m`` cut in four, again and again.

    Faces that are cut do not share vertices afterwards. Stops early rather than make more than ``MOST_FACES`` faces.
    """
    for _ in range(12):
        c = mesh.vertices[mesh.faces]
        edges = np.stack([c[:, 1] - c[:, 0], c[:, 2] - c[:, 1], c[:, 0] - c[:, 2]], axis=1)
        long = np.linalg.norm(edges, axis=2).max(axis=1) > longest_m
        if not long.any() or len(mesh.faces) + 3 * int(long.sum()) > MOST_FACES:
            break
        mesh = _cut(mesh, long)
    return mesh


def _cut(mesh: Mesh, chosen: NDArray[np.bool_]) -> Mesh:
    faces = mesh.faces[chosen]
    n = len(faces)
    first = len(mesh.vertices)
    ab, bc, ca = (first + k * n + np.arange(n) for k in range(3))
    a, b, c = faces.T
    children = [np.stack(f, axis=1) for f in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]

    def middles(values: NDArray[np.float32]) -> NDArray[np.float32]:
        corners = values[faces].astype(np.float32)
        mids = [(corners[:, k] + corners[:, (k + 1) % 3]) / 2 for k in range(3)]
        return np.concatenate([values, *mids]).astype(np.float32)

    normals = mesh.normals
    if normals is not None:
        normals = middles(normals)
        normals = (normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    colors = mesh.vertex_colors
    if colors is not None:
        colors = np.round(middles(colors.astype(np.float32))).astype(np.uint8)
    return replace(
        mesh,
        vertices=middles(mesh.vertices),
        faces=np.concatenate([mesh.faces[~chosen], *children]).astype(np.int32),
        normals=normals,
        uvs=None if mesh.uvs is None else middles(mesh.uvs),
        vertex_colors=colors,
    )


def chosen_faces(mesh: Mesh, chosen: NDArray[np.bool_]) -> Mesh:
    """The mesh with some of its faces, and only the vertices that those use."""
    used, faces = np.unique(mesh.faces[chosen], return_inverse=True)
    return replace(
        mesh,
        vertices=mesh.vertices[used],
        faces=faces.reshape(-1, 3).astype(np.int32),
        normals=None if mesh.normals is None else mesh.normals[used],
        uvs=None if mesh.uvs is None else mesh.uvs[used],
        vertex_colors=None if mesh.vertex_colors is None else mesh.vertex_colors[used],
    )


def welded(vertices: NDArray[np.float32]) -> NDArray[np.int64]:
    """Number of the place at which each vertex lies, [V]: vertices closer than about 1e-5 of the size share one."""
    if not len(vertices):
        return np.zeros(0, np.int64)
    low = vertices.min(axis=0).astype(np.float64)
    step = 1e-5 * (float((vertices.max(axis=0) - low).max()) or 1.0)
    cell = np.round((vertices - low) / step).astype(np.int64)
    code = (cell[:, 0] << 40) | (cell[:, 1] << 20) | cell[:, 2]
    return np.unique(code, return_inverse=True)[1].astype(np.int64)


def face_geometry(mesh: Mesh) -> tuple[Array, Array, Array]:
    """Centres [m] [F, 3], unit normals [F, 3] and areas [m^2] [F]."""
    c = mesh.vertices[mesh.faces].astype(np.float64)
    a, b = c[:, 1] - c[:, 0], c[:, 2] - c[:, 0]
    cross = np.stack([a[:, i] * b[:, j] - a[:, j] * b[:, i] for i, j in ((1, 2), (2, 0), (0, 1))], axis=1)
    double = np.linalg.norm(cross, axis=1)
    return c.mean(axis=1), cross / np.maximum(double, 1e-30)[:, None], double / 2
