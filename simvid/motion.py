"""Where the surface seen at each pixel is at another frame: flow between any two frames, occlusion, scene flow.

Nothing is estimated from pictures. The surface point seen at a pixel of frame i is the pixel's ray at its depth; a
``SurfaceMotion`` says where that point is at frame j, and the lens where it is seen from there. Pixels with id 0 but a
depth (scenery) stand still in the world. Pixels without a surface (sky) have no motion: NaN. A point at infinity would
move under a turning camera, but no label of this library speaks of points that no part owns, and readers of flow files
treat the sky as invalid.

Frames may be read line by line (a rolling shutter): then each pixel speaks of its own line's time, and a point is
looked for at the line that sees it (``simvid.shutter``). Between frames things move as ``poses_between`` says.

This is plain numpy for any lens; renderers have faster ways for pinhole cameras.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.frames import CameraPath
from simvid.lens import pixel_centers, project, unproject_picture
from simvid.shutter import Places, pixel_times, seen_when_read
from simvid.trajectory import Trajectory, pose_matrices

Array: TypeAlias = NDArray[np.float64]
Ids: TypeAlias = NDArray[np.int32]
When: TypeAlias = float | Array
"""A frame, a time between frames, or one of each point, [...]."""
NEARER = 0.99
"""A pixel whose depth is under this share of a point's own z hides it (nearer by more than 1 %)."""
LEAST = 0.02
"""Least bilinear weight of a pixel that can show a point."""


class SurfaceMotion(Protocol):
    """What moves surfaces: rigid parts here, particles of deformable bodies in ``simvid.deforming.motion``."""

    def __call__(self, points: Array, ids: Ids, i: When, j: When) -> Array:
        """Where surface points of frame i are at frame j.

        Args:
            points: in the world [m], [..., 3]; may be NaN.
            ids: the part that each belongs to, 0 for what stands still, [...].
            i, j: frames, or times between them.

        Returns:
            In the world [m], [..., 3].
        """
        ...

    def rest(self, points: Array, ids: Ids, at: When) -> Array:
        """Coordinates that a surface point keeps through the clip: where it is in its part's frame, undeformed.

        Args:
            points: in the world at that time [m], [..., 3]; may be NaN.
            ids: the part that each belongs to, 0 for what stands still, [...].
            at: a frame, a time between frames, or one of each point.

        Returns:
            In the frame of the part (of the world, for 0) [m], [..., 3].
        """
        ...


@dataclass(frozen=True, eq=False)
class RigidMotion:
    """Points fixed to rigid parts: x_j = T_part(j) T_part(i)^-1 x_i with T = world_from_part."""

    trajectory: Trajectory

    def __call__(self, points: Array, ids: Ids, i: When, j: When) -> Array:
        """See ``SurfaceMotion``."""
        if not (isinstance(i, int) and isinstance(j, int)):
            (turn, place), (turn_j, place_j) = (part_poses(self.trajectory, ids, at) for at in (i, j))
            local = np.einsum("...ba,...b->...a", turn, points - place)
            return np.asarray(np.einsum("...ab,...b->...a", turn_j, local) + place_j)
        maps = part_maps(self.trajectory, i, j)[ids]
        moved = np.einsum("...ab,...b->...a", maps[..., :3], points)
        return np.asarray(moved + maps[..., 3])

    def rest(self, points: Array, ids: Ids, at: When) -> Array:
        """See ``SurfaceMotion``."""
        turns, places = part_poses(self.trajectory, ids, at)
        return np.asarray(np.einsum("...a,...ab->...b", points - places, turns))


def motion_of(trajectory: Trajectory) -> SurfaceMotion:
    """How the surfaces of a trajectory move. All labels and checks ask here."""
    if not trajectory.particles:
        return RigidMotion(trajectory)
    from simvid.deforming.motion import deforming_motion

    return deforming_motion(trajectory)


def part_poses(trajectory: Trajectory, ids: Ids, at: When) -> tuple[Array, Array]:
    """Turn [..., 3, 3] and place [m] [..., 3] of the part of each point at its time; those of the world for id 0."""
    if np.ndim(at) == 0:
        poses = np.concatenate([np.eye(4)[None], pose_matrices(trajectory.poses_at(at))])[ids]
        return poses[..., :3, :3], poses[..., :3, 3]
    times, which = np.unique(np.broadcast_to(np.asarray(at, np.float64), ids.shape), return_inverse=True)
    still = np.broadcast_to(np.eye(4), (len(times), 1, 4, 4))
    poses = np.concatenate([still, pose_matrices(trajectory.poses_at(times))], axis=1)[which.reshape(ids.shape), ids]
    return poses[..., :3, :3], poses[..., :3, 3]


def part_maps(trajectory: Trajectory, i: int, j: int) -> Array:
    """World maps from frame i to frame j of points fixed to each part, float64 [B + 1, 3, 4] by part id; 0 stays."""
    old, new = pose_matrices(trajectory.poses[i]), pose_matrices(trajectory.poses[j])
    maps = np.concatenate([np.eye(4)[None], new @ rigid_inverse(old)])
    still = np.concatenate([[True], (trajectory.poses[i] == trajectory.poses[j]).all(axis=-1)])
    maps[still] = np.eye(4)
    return np.ascontiguousarray(maps[:, :3])


def rigid_inverse(matrices: Array) -> Array:
    """Inverse of rigid matrices [..., 4, 4], exact to rounding."""
    inverse = np.zeros_like(matrices)
    rotation = np.swapaxes(matrices[..., :3, :3], -1, -2)
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3] = -np.einsum("...ij,...j->...i", rotation, matrices[..., :3, 3])
    inverse[..., 3, 3] = 1.0
    return inverse


def to_world(camera: CameraPath, frame: When, points: Array) -> Array:
    """Points of a camera's frame [..., 3] in the world [m]."""
    if not isinstance(frame, int):
        poses = camera.poses_at(frame)
        return np.asarray(np.einsum("...ab,...b->...a", poses[..., :3, :3], points) + poses[..., :3, 3])
    pose = camera.world_from_camera[frame]
    return np.asarray(points @ pose[:3, :3].T + pose[:3, 3])


def to_camera(camera: CameraPath, frame: When, points: Array) -> Array:
    """World points [..., 3] in a camera's frame [m]."""
    if not isinstance(frame, int):
        poses = camera.poses_at(frame)
        return np.asarray(np.einsum("...ba,...b->...a", poses[..., :3, :3], points - poses[..., :3, 3]))
    pose = camera.world_from_camera[frame]
    return np.asarray((points - pose[:3, 3]) @ pose[:3, :3])


def picture_to_world(camera: CameraPath, frame: int, points: Array) -> Array:
    """What each pixel sees, [H, W, 3] in the camera's frame [m], in the world at the time when its line is read."""
    return to_world(camera, frame if camera.shutter is None else pixel_times(camera, frame), points)


def surface_points(camera: CameraPath, frame: int, depth: NDArray[np.float32]) -> Array:
    """World points [m] of what each pixel sees, when its line is read, [H, W, 3]; NaN without a depth."""
    return picture_to_world(camera, frame, unproject_picture(camera, depth))


def seen_at(camera: CameraPath, frame: int, points: Array | Places) -> tuple[Array, Array]:
    """Where world points are in a frame's picture.

    Args:
        camera: with its lens and shutter.
        frame: whose picture.
        points: in the world [m], [..., 3]; or a function that says where they are at times [...] between frames.

    Returns:
        (u, v) [px], [..., 2], NaN where the lens cannot see them; and z [m], [...].
    """
    if camera.shutter is not None:
        return seen_when_read(camera, frame, points if callable(points) else lambda _: np.asarray(points))
    local = to_camera(camera, frame, points(np.asarray(float(frame))) if callable(points) else points)
    return project(camera, local), local[..., 2]


def carried(
    camera: CameraPath, depth: NDArray[np.float32], ids: Ids, motion: SurfaceMotion, frames: tuple[int, int]
) -> tuple[Array, Array]:
    """Where what each pixel of frame i sees is in frame j, as ``seen_at``; [H, W, 2] and [H, W]."""
    i, j = frames
    points = surface_points(camera, i, depth)
    if camera.shutter is None:
        return seen_at(camera, j, motion(points, ids, i, j))
    start = pixel_times(camera, i)
    return seen_at(camera, j, lambda when: motion(points, ids, start, when))


def flow_between(
    depth: NDArray[np.float32], ids: Ids, camera: CameraPath, motion: SurfaceMotion, frames: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where the surface seen at each pixel of one frame is in another.

    Args:
        depth: median z [m] of frame i, +inf without a surface, [H, W].
        ids: part id of each pixel of frame i, [H, W].
        camera: with its lens and poses.
        motion: how surfaces move.
        frames: (i, j), any two frames.

    Returns:
        Displacement (u right, v down) [px], float32 [H, W, 2], NaN without a surface or where the lens cannot see the
        point from frame j; and z [m] of the point in camera j, float32 [H, W], NaN without a surface.
    """
    uv, z = carried(camera, depth, ids, motion, frames)
    return (uv - pixel_centers(camera)).astype(np.float32), z.astype(np.float32)


def shown(uv: Array, z: Array, ids: Ids, target_depth: NDArray[np.float32], target_ids: Ids) -> NDArray[np.bool_]:
    """Whether a picture shows surface points, by its depth and ids.

    A point is shown when at least one of the four pixels around its place has the same part id and a depth that is not
    nearer than the point by more than 1 %. (Four pixels, because one alone would call slanted surfaces and moving edges
    hidden by its half-pixel offset; those with less than 2 % of the bilinear weight do not count.)

    Args:
        uv: places in the picture [px], [..., 2]; NaN is not shown.
        z: of the points in the camera's frame [m], [...].
        ids: part of each point, [...].
        target_depth: median z [m], [H, W].
        target_ids: [H, W].

    Returns:
        bool [...].
    """
    height, width = target_ids.shape
    u, v = uv[..., 0], uv[..., 1]
    with np.errstate(invalid="ignore"):
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height) & (z > 0)
    u, v = np.where(inside, u, 0.5) - 0.5, np.where(inside, v, 0.5) - 0.5
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    found = np.zeros(inside.shape, np.bool_)
    for x in (left, left + 1):
        for y in (top, top + 1):
            share = (1 - np.abs(u - x)) * (1 - np.abs(v - y))
            whole = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (share > LEAST)
            at = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
            found |= whole & (target_ids[at] == ids) & (target_depth[at] >= NEARER * np.where(inside, z, 0))
    return np.asarray(found & inside)


def hidden(
    displacement: NDArray[np.float32],
    z: NDArray[np.float32],
    ids: Ids,
    target_depth: NDArray[np.float32],
    target_ids: Ids,
) -> NDArray[np.bool_]:
    """Whether the surface point seen at each pixel is not shown by the target frame, or outside of it; bool [H, W].

    Pixels without a surface are not hidden: there is nothing to hide. Arguments as ``flow_between`` and ``shown``.
    """
    height, width = ids.shape
    v, u = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    uv = np.stack([u, v], axis=-1) + displacement.astype(np.float64)
    return np.asarray(~shown(uv, z.astype(np.float64), ids, target_depth, target_ids) & ~np.isnan(z))


def scene_flow(
    depth: NDArray[np.float32], ids: Ids, camera: CameraPath, motion: SurfaceMotion, frames: tuple[int, int]
) -> NDArray[np.float32]:
    """Displacement [m] of the surface seen at each pixel from frame i to j, along the axes of camera i.

    It is motion in the world: a moving camera adds nothing to it. Under a rolling shutter it is from the time when the
    pixel's line is read to j - i frames later. Arguments as ``flow_between``; float32 [H, W, 3], NaN
    without a surface.
    """
    i, j = frames
    points = surface_points(camera, i, depth)
    if camera.shutter is None:
        moved = motion(points, ids, i, j) - points
        return (moved @ camera.world_from_camera[i, :3, :3]).astype(np.float32)
    start = pixel_times(camera, i)
    moved = motion(points, ids, start, start + (j - i)) - points
    turned = np.einsum("...ba,...b->...a", camera.poses_at(start)[..., :3, :3], moved)
    return np.asarray(turned, np.float32)


def distance(camera: CameraPath, depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean distance [m] from the camera of what each pixel sees, from z [m], [H, W]; +inf without a surface."""
    points = unproject_picture(camera, depth)
    length = np.linalg.norm(points, axis=-1)
    return np.where(np.isfinite(depth), length, np.inf).astype(np.float32)


def world_normals(camera: CameraPath, frame: int, normals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normals of a camera's frame [H, W, 3] along the axes of the world; 0 stays 0."""
    if camera.shutter is None:
        return (normals @ camera.world_from_camera[frame, :3, :3].T).astype(np.float32)
    turns = camera.poses_at(pixel_times(camera, frame))[..., :3, :3]
    return np.asarray(np.einsum("...ab,...b->...a", turns, normals), np.float32)
