"""3-D boxes of parts: their corners in the part, the camera and the picture; and poses seen from a camera."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.deforming.binding import spacing_of
from simvid.frames import CameraPath
from simvid.lens import project
from simvid.motion import rigid_inverse
from simvid.trajectory import ParticleMotion, Trajectory, pose_matrices

Array: TypeAlias = NDArray[np.float64]
CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
"""Order of the corners of a box: 0 is the lowest along all axes of the part, z changes fastest, 7 the highest."""


def camera_poses(trajectory: Trajectory, camera: CameraPath) -> Array:
    """camera_from_part of all parts at all frames, [T, B, 4, 4]."""
    return np.asarray(rigid_inverse(camera.world_from_camera)[:, None] @ pose_matrices(trajectory.poses))


def box_arrays(trajectory: Trajectory, camera: CameraPath, boxes_m: Array) -> dict[str, NDArray[np.generic]]:
    """The boxes of all parts that have one. That of a deformable part is at each frame around what it is then.

    Args:
        trajectory, camera: where parts and camera are.
        boxes_m: lowest and highest corner of each part in its frame, NaN without, [B, 2, 3].

    Returns:
        ``part_id`` int32 [P]; ``corners_part_m`` float64 [P, 8, 3], at rest; ``corners_camera_m`` float64 [T, P, 8, 3];
        ``corners_px`` float32 [T, P, 8, 2], NaN where the lens cannot see a corner.
    """
    boxed = np.flatnonzero(np.isfinite(boxes_m).all(axis=(1, 2)))
    corners = box_corners(boxes_m[boxed])
    poses = camera_poses(trajectory, camera)[:, boxed]
    now = box_corners(boxes_at_m(trajectory, boxes_m)[:, boxed])
    seen = np.einsum("tpab,tpcb->tpca", poses[..., :3, :3], now) + poses[..., None, :3, 3]
    return {
        "part_id": (boxed + 1).astype(np.int32),
        "corners_part_m": corners,
        "corners_camera_m": seen,
        "corners_px": project(camera, seen).astype(np.float32),
    }


def box_corners(boxes_m: Array) -> Array:
    """Corners [..., 8, 3] of boxes given by their lowest and highest corner, [..., 2, 3]."""
    low, high = boxes_m[..., :1, :], boxes_m[..., 1:, :]
    return np.asarray(low + (high - low) * CORNERS)


def boxes_at_m(trajectory: Trajectory, boxes_m: Array) -> Array:
    """Lowest and highest corner of each part at each frame, along the axes of its pose [m], [T, B, 2, 3].

    Args:
        trajectory: where the parts are.
        boxes_m: at rest, NaN without, [B, 2, 3]. What has none has none at any frame.
    """
    found = np.repeat(boxes_m[None], trajectory.frame_count, axis=0)
    for motion in trajectory.particles:
        if np.isfinite(boxes_m[motion.part]).all():
            found[:, motion.part] = np.stack(particle_boxes_m(motion, trajectory), axis=1)
    return found


def particle_boxes_m(motion: ParticleMotion, trajectory: Trajectory) -> tuple[Array, Array]:
    """Lowest and highest corner of a deformable part at each frame, along the axes of its pose [m], both [T, 3].

    Around its particles, with half a spacing on all sides.
    """
    poses = pose_matrices(trajectory.poses[:, motion.part])
    away = motion.positions - poses[:, None, :3, 3]
    local = np.einsum("tab,tpa->tpb", poses[:, :3, :3], away)
    margin = spacing_of(motion.rest.astype(np.float64), motion.form) / 2
    return local.min(axis=1) - margin, local.max(axis=1) + margin
