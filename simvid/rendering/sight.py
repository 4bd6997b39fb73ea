"""Sight: one camera at one instant, with what the kernels need of its lens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from simvid.camera_path import CameraPath
from simvid.lens import parallel, picture_rays, rays
from simvid.optics import border, reach
from simvid.rendering.kernels.types import Array, Floats

NO_RAYS = np.zeros((0, 0, 4))
"""What a plain pinhole has: its rays follow from K."""


class Bounds(NamedTuple):
    """A box around all that a camera sees: a0 z + x0 - m <= x <= a1 z + x1 + m, and so for y."""

    rows: Floats
    """a0, a1, x0, x1 [m] for x, and the same for y, [2, 4]; empty for plain pinholes, whose box follows from K."""
    stretch: np.float32
    """Margin m of a ball, over its radius."""


@dataclass(frozen=True, eq=False)
class Sight:
    """A camera at one instant.

    Attributes:
        camera: its lens, intrinsics and size; its poses are not looked at.
        pose: world_from_camera, [4, 4].
        rays: origins (x0, y0) [m] and slopes (a, b) of the rays through all pixels, [H, W, 4], see ``simvid.lens``;
            empty for plain pinholes.
    """

    camera: CameraPath
    pose: Array
    rays: Array

    @property
    def eye(self) -> Array:
        """Where the camera is [m], [3]."""
        return np.asarray(self.pose[:3, 3])

    @property
    def forward(self) -> Array:
        """The line of sight, [3]."""
        return np.asarray(self.pose[:3, 2])

    @property
    def viewpoint(self) -> Array:
        """From where light is seen to come: the camera, or a place far behind it where all rays are parallel."""
        return np.asarray(self.eye - 1e4 * self.forward) if parallel(self.camera) else self.eye

    @property
    def camera_from_world(self) -> Array:
        """Inverse of the pose, [4, 4]."""
        return np.linalg.inv(self.pose).astype(np.float64, copy=False)


def sight_of(camera: CameraPath, pose: Array) -> Sight:
    """The sight of a camera that stands at a pose."""
    if camera.lens.plain:
        return Sight(camera, pose, NO_RAYS)
    return Sight(camera, pose, np.concatenate(picture_rays(camera), axis=-1))


def window(sight: Sight, columns: tuple[int, int], rows: tuple[int, int]) -> Sight:
    """The part of a picture between two columns and two rows, as a camera of its own."""
    camera, K = sight.camera, sight.camera.K.copy()
    K[0, 2] -= columns[0]
    K[1, 2] -= rows[0]
    part = replace(camera, width=columns[1] - columns[0], height=rows[1] - rows[0], K=K, shutter=None)
    seen = NO_RAYS if camera.lens.plain else sight.rays[slice(*rows), slice(*columns)]
    return Sight(part, sight.pose, seen)


def ray_nodes(sight: Sight, every_px: int, rows: int, columns: int) -> Array:
    """Rays at every few pixels from the picture's corner on, [rows, columns, 4]; beyond its border, those of it."""
    camera = sight.camera
    if camera.lens.plain:
        return NO_RAYS
    u = np.minimum(np.arange(columns) * every_px, camera.width).astype(np.float64)
    v = np.minimum(np.arange(rows) * every_px, camera.height).astype(np.float64)
    return np.concatenate(rays(camera, np.stack(np.meshgrid(u, v), axis=-1)), axis=-1)


def bounds(sight: Sight) -> Bounds:
    """Where things can be that a camera sees; wide for a lens whose picture reaches as far as its rays do."""
    camera = sight.camera
    if camera.lens.plain:
        return Bounds(np.zeros((0, 4), np.float32), np.float32(1))
    origins, slopes = rays(camera, border(camera.width, camera.height))
    two_px = 2 / float(min(camera.K[0, 0], camera.K[1, 1]))
    rows = np.zeros((2, 4))
    if parallel(camera):
        rows[:, 2], rows[:, 3] = origins.min(axis=0) - two_px, origins.max(axis=0) + two_px
    else:
        lost = np.isnan(slopes).any()
        low, high = slopes.min(axis=0), slopes.max(axis=0)
        slack = 0.02 * (high - low) + two_px
        rows[:, 0] = -reach(camera.lens) if lost else low - slack
        rows[:, 1] = reach(camera.lens) if lost else high + slack
    return Bounds(rows.astype(np.float32), np.float32(np.sqrt(1 + np.abs(rows[:, :2]).max() ** 2)))
