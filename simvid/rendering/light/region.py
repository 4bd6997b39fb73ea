"""The part of the world in which shadows matter."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.frames import CameraPath
from simvid.gaussians import Gaussians
from simvid.lens import pixel_size_m
from simvid.trajectory import ParticleMotion, Trajectory, pose_matrices

Array: TypeAlias = NDArray[np.float64]
FARTHEST = 6.0
"""Parts farther from the camera than this many times the usual distance get no shadow."""


def shadow_region(assets: SceneAssets, trajectory: Trajectory, camera: CameraPath) -> tuple[Array, float, float]:
    """A ball around what is near the camera at any frame.

    It is the same for all frames, or shadows would shimmer. A part that flies off does not stretch it: what is farther
    from the camera than six times the median distance of the parts is left out.

    Returns:
        Centre [m] [3], radius [m], and the size of a pixel at the nearest part [m].
    """
    boxes = [(k, bounds) for k, part in enumerate(assets.parts) if (bounds := part_bounds(part)) is not None]
    if not boxes:
        return camera.world_from_camera[0, :3, 3].copy(), 1.0, 0.01
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    eyes = camera.world_from_camera[:, :3, 3]
    bending = {motion.part: motion for motion in trajectory.particles}
    corners = np.stack(
        [_around(bending[k]) if k in bending else _corners(bounds, trajectory.poses[:, k]) for k, bounds in boxes]
    )  # [P, T, 8, 3]
    distance = np.linalg.norm(corners.mean(axis=2) - eyes, axis=-1)  # [P, T]
    usual = float(np.median(distance.min(axis=1)))
    near = distance <= FARTHEST * usual
    limit = FARTHEST * usual
    for p in range(len(boxes)):
        for t in np.flatnonzero(near[p]):
            inside = np.clip(corners[p, t], eyes[t] - limit, eyes[t] + limit)
            low, high = np.minimum(low, inside.min(axis=0)), np.maximum(high, inside.max(axis=0))
    center, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    gap = np.linalg.norm(np.maximum(np.abs(corners - eyes[None, :, None]).min(axis=2), 0), axis=-1)
    nearest = max(float(gap.min()), usual / 10)
    pixel = float(pixel_size_m(camera, np.array([0, 0, nearest])))
    return center, radius * 1.02, pixel


def usual_pixel(camera: CameraPath, places: Array) -> float:
    """Median size of a pixel [m] at places [m], one for each frame, [T, 3]."""
    away = np.linalg.norm(places - camera.world_from_camera[:, :3, 3], axis=1)
    return float(pixel_size_m(camera, np.array([0, 0, max(float(np.median(away)), 1e-3)])))


def part_bounds(part: PartAssets) -> Array | None:
    """Lowest and highest corner of what is seen of a part, in its frame [m], [2, 3]; None for the ground."""
    points = [v.mesh.vertices for v in part.visuals if v.mesh is not None]
    points += [_core(v.capture) for v in part.visuals if v.capture is not None]
    if not points:
        return None
    stacked = np.concatenate(points).astype(np.float64)
    return np.stack([stacked.min(axis=0), stacked.max(axis=0)])


def _core(capture: Gaussians) -> NDArray[np.float32]:
    """Lowest and highest place of the bulk of a capture [m], [2, 3]: captures have stray Gaussians far away."""
    seen = capture.opacities >= min(0.3, float(capture.opacities.max(initial=0.0)))
    means, reach = capture.means[seen], 3 * capture.scales[seen].max(axis=1, keepdims=True)
    if not len(means):
        return np.zeros((1, 3), np.float32)
    return np.stack([np.percentile(means - reach, 2, axis=0), np.percentile(means + reach, 98, axis=0)])


def _around(motion: ParticleMotion) -> Array:
    """Corners of a box around the particles at every frame, [T, 8, 3]."""
    low, high = motion.positions.min(axis=1), motion.positions.max(axis=1)
    margin = 0.05 * float((high - low).max())
    both = np.stack([low - margin, high + margin], axis=1).astype(np.float64)
    return np.stack([both[:, [x, y, z], [0, 1, 2]] for x in (0, 1) for y in (0, 1) for z in (0, 1)], axis=1)


def _corners(bounds: Array, poses: Array) -> Array:
    """Corners of a box at every frame, [T, 8, 3]."""
    low, high = bounds
    local = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    matrices = pose_matrices(poses)
    return np.asarray(np.einsum("tij,kj->tki", matrices[:, :3, :3], local) + matrices[:, None, :3, 3])
