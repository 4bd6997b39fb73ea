"""Exact optical flow and occlusion, as in ``simvid.motion``, in compiled code for pinhole cameras and rigid parts.

Pixels of deformable parts go the way of ``simvid.motion``.

In the camera of frame j the surface point seen at a pixel of frame i stands at

    x_j = C_j^-1 T_part(j) T_part(i)^-1 C_i x_i

with C = world_from_camera and T = world_from_part.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.frames import CameraPath
from simvid.lens import pixel_centers
from simvid.motion import (
    LEAST,
    NEARER,
    flow_between,
    motion_of,
    part_maps,
    rigid_inverse,
    seen_at,
    surface_points,
)
from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.threads import Workers
from simvid.trajectory import Trajectory

Array: TypeAlias = NDArray[np.float64]


def part_motions(trajectory: Trajectory, camera: CameraPath, i: int, j: int) -> Array:
    """Maps from camera i to camera j coordinates of points fixed to each part, float64 [B + 1, 3, 4] by part id."""
    moved = np.tile(np.eye(4), (len(trajectory.parts) + 1, 1, 1))
    moved[:, :3] = part_maps(trajectory, i, j)
    maps = rigid_inverse(camera.world_from_camera[j]) @ moved @ camera.world_from_camera[i]
    return np.ascontiguousarray(maps[:, :3])


def flow(
    depth: NDArray[np.float32],
    ids: NDArray[np.int32],
    camera: CameraPath,
    trajectory: Trajectory,
    frames: tuple[int, int],
    workers: Workers | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where the surface seen at each pixel of one frame is in another.

    Args:
        depth: median z [m] of frame i, +inf without a surface, [H, W].
        ids: part id of each pixel of frame i, [H, W].
        camera, trajectory: how the camera and the parts move.
        frames: (i, j), any two frames.
        workers: threads.

    Returns:
        Displacement (u right, v down) [px], float32 [H, W, 2], NaN without a surface or where the point is not in
        front of camera j; and z [m] of the point in camera j, float32 [H, W], NaN without a surface.
    """
    if camera.shutter is not None or not camera.lens.plain:
        return flow_between(depth, ids, camera, motion_of(trajectory), frames)
    height, width = depth.shape
    maps = part_motions(trajectory, camera, *frames)
    out = np.empty((height, width, 2), np.float32)
    z = np.empty((height, width), np.float32)
    K = camera.K

    def rows(start: int, stop: int) -> None:
        _flow_rows(depth, ids, maps, K, out, z, start, stop)

    (workers or Workers(1)).run(rows, height, least=16)
    if trajectory.particles:
        _bent_flow(depth, ids, camera, trajectory, frames, (out, z))
    return out, z


def _bent_flow(
    depth: NDArray[np.float32],
    ids: NDArray[np.int32],
    camera: CameraPath,
    trajectory: Trajectory,
    frames: tuple[int, int],
    out: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    """Put flow and z of the pixels of deformable parts into ``out``."""
    mine = np.isin(ids, [motion.part + 1 for motion in trajectory.particles]) & np.isfinite(depth)
    i, j = frames
    points = surface_points(camera, i, depth)[mine]
    uv, z = seen_at(camera, j, motion_of(trajectory)(points, ids[mine], i, j))
    out[0][mine] = np.where((z > 0)[:, None], uv - pixel_centers(camera)[mine], np.nan)
    out[1][mine] = z


def occluded(
    displacement: NDArray[np.float32],
    z: NDArray[np.float32],
    ids: NDArray[np.int32],
    target_depth: NDArray[np.float32],
    target_ids: NDArray[np.int32],
    workers: Workers | None = None,
) -> NDArray[np.bool_]:
    """Whether the surface point seen at each pixel is hidden in the target frame.

    Hidden is a point outside the target picture, or one of which none of the four pixels around the place where it
    would be shows it: a pixel shows it when it has the same part id and a depth that is not nearer by more than 1 %.
    (Four pixels, because one alone would call slanted surfaces and moving edges hidden by its half-pixel offset; those
    with less than 2 % of the bilinear weight do not count.)
    Pixels without a surface are not hidden: there is nothing to hide.

    Args:
        displacement: flow [px], [H, W, 2].
        z: of the moved point in the target camera [m], [H, W].
        ids: part id at each pixel, [H, W].
        target_depth: median z [m] of the target frame, [H, W].
        target_ids: part ids of the target frame, [H, W].
        workers: threads.

    Returns:
        bool [H, W].
    """
    hidden = np.empty(ids.shape, np.bool_)

    def rows(start: int, stop: int) -> None:
        _occluded_rows(displacement, z, ids, target_depth, target_ids, hidden, start, stop)

    (workers or Workers(1)).run(rows, ids.shape[0], least=16)
    return hidden


@kernel
def _flow_rows(
    depth: NDArray[np.float32],
    ids: NDArray[np.int32],
    maps: Array,
    K: Array,
    out: NDArray[np.float32],
    z_out: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    for row in range(start, stop):
        for col in range(depth.shape[1]):
            d = np.float64(depth[row, col])
            if not np.isfinite(d):
                out[row, col, 0] = out[row, col, 1] = z_out[row, col] = np.nan
                continue
            u, v = col + 0.5, row + 0.5
            x, y = (u - cx) / fx * d, (v - cy) / fy * d
            k = ids[row, col]
            z = maps[k, 2, 0] * x + maps[k, 2, 1] * y + maps[k, 2, 2] * d + maps[k, 2, 3]
            z_out[row, col] = z
            if z <= 0.0:
                out[row, col, 0] = out[row, col, 1] = np.nan
                continue
            out[row, col, 0] = (
                fx * (maps[k, 0, 0] * x + maps[k, 0, 1] * y + maps[k, 0, 2] * d + maps[k, 0, 3]) / z + cx - u
            )
            out[row, col, 1] = (
                fy * (maps[k, 1, 0] * x + maps[k, 1, 1] * y + maps[k, 1, 2] * d + maps[k, 1, 3]) / z + cy - v
            )


@kernel
def _occluded_rows(
    displacement: NDArray[np.float32],
    z: NDArray[np.float32],
    ids: NDArray[np.int32],
    target_depth: NDArray[np.float32],
    target_ids: NDArray[np.int32],
    hidden: NDArray[np.bool_],
    start: int,
    stop: int,
) -> None:
    height, width = ids.shape
    for row in range(start, stop):
        for col in range(width):
            if np.isnan(z[row, col]):
                hidden[row, col] = False
                continue
            u = col + 0.5 + np.float64(displacement[row, col, 0])
            v = row + 0.5 + np.float64(displacement[row, col, 1])
            if not (0.0 <= u < width and 0.0 <= v < height):  # also true for NaN: behind the target camera
                hidden[row, col] = True
                continue
            part, nearest = ids[row, col], NEARER * z[row, col]
            y, x = int(v), int(u)  # it has a quarter of the weight at least
            if target_ids[y, x] == part and target_depth[y, x] >= nearest:
                hidden[row, col] = False
                continue
            left, top = int(np.floor(u - 0.5)), int(np.floor(v - 0.5))
            seen = False
            for y in range(max(top, 0), min(top + 2, height)):
                for x in range(max(left, 0), min(left + 2, width)):
                    share = (1.0 - abs(u - 0.5 - x)) * (1.0 - abs(v - 0.5 - y))
                    same = target_ids[y, x] == part and target_depth[y, x] >= nearest
                    if same and share > LEAST:
                        seen = True
            hidden[row, col] = not seen
