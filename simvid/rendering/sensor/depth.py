"""What a stereo or structured-light depth sensor in the camera's place would measure; see ``simvid.scene.DepthSensor``.

Barron & Malik 2013 ("Intrinsic scene properties from a single RGB-D image", sec. 5) for noise: depth is looked up a
little beside the pixel, its disparity d = f b / z gets noise and is rounded, and z = f b / d. Hence the error of z
grows as sigma_z = z^2 / (f b) sigma_d (Khoshelham & Elberink 2012, "Accuracy and resolution of Kinect depth data", eq.
11). f is fx of K; a lens with distortion is taken to be rectified.

What is missing follows from the geometry: the second eye, the baseline to the right, sees a point d px farther left.
Where another point with a larger disparity is seen at the same place, it hides the first: the shadow beside every
edge, f b (1 / z_near - 1 / z_far) wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.camera_path import CameraPath
from simvid.lens import picture_rays
from simvid.rendering.sensor.noise import generator
from simvid.scene import DepthSensor

HIDES_PX = 1.0
"""A point hides another whose disparity is smaller by more than this."""


@dataclass(frozen=True, eq=False)
class DepthMeter:
    """Measures the frames of one camera."""

    sensor: DepthSensor
    camera: CameraPath
    seed: int

    def measure(self, depth: NDArray[np.float32], normals: NDArray[np.float32], frame: int) -> NDArray[np.float32]:
        """Noisy depth.

        Args:
            depth: true z [m], +inf without a surface, [H, W].
            normals: unit, camera frame, 0 where undefined, [H, W, 3].
            frame: the same frame always gets the same noise.

        Returns:
            z [m], NaN where nothing is measured, float32 [H, W]; NaN everywhere under a fisheye or an
            orthographic lens, through which no such sensor looks.
        """
        sensor, camera = self.sensor, self.camera
        if camera.lens.kind != "pinhole":
            return np.full(depth.shape, np.nan, np.float32)
        rng = generator(self.seed, f"depth sensor {camera.name}", frame)
        scale = float(camera.K[0, 0]) * sensor.baseline_m
        true = scale / depth.astype(np.float64)
        seen = self._facing(normals) & (depth >= sensor.min_m) & (depth <= sensor.max_m) & ~hidden(true)
        beside = rng.standard_normal((2, *depth.shape)) * sensor.lateral_noise_px
        disparity = _shifted(true, beside) + sensor.disparity_noise_px * rng.standard_normal(depth.shape)
        if sensor.disparity_step_px > 0:
            disparity = np.round(disparity / sensor.disparity_step_px) * sensor.disparity_step_px
        with np.errstate(divide="ignore"):
            z = scale / disparity
        seen &= (disparity > 0) & (z >= sensor.min_m) & (z <= sensor.max_m)
        return np.where(seen, z, np.nan).astype(np.float32)

    def _facing(self, normals: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Where the angle between the ray and the surface's normal is small enough."""
        slopes = picture_rays(self.camera)[1]
        length = np.sqrt((slopes * slopes).sum(axis=-1) + 1)
        along = (normals[..., :2] * slopes).sum(axis=-1) + normals[..., 2]
        with np.errstate(invalid="ignore"):  # no ray outside the circle of a fisheye
            return np.asarray(-along / length > math.cos(math.radians(self.sensor.grazing_deg)))


def hidden(disparity: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Points [H, W] that the second eye does not see, because a nearer one is in front of them or its picture ends.

    The second eye sees a pixel's point at column u - d. Between two neighbouring pixels of one surface the picture of
    the second eye is filled; a step of more than a pixel is an edge.
    """
    height, width = disparity.shape
    finite = np.where(np.isfinite(disparity), disparity, 0.0)
    at = np.arange(width) + 0.5 - finite
    nearest = np.zeros((height, width))
    rows = np.broadcast_to(np.arange(height)[:, None], disparity.shape)
    for part in (0.0, -0.5, 0.5):
        column = np.floor(at + part).astype(np.int64)
        inside = (column >= 0) & (column < width)
        np.maximum.at(nearest, (rows[inside], column[inside]), finite[inside])
    own = np.floor(at).astype(np.int64)
    outside = (own < 0) | (own >= width)
    found = np.take_along_axis(nearest, np.clip(own, 0, width - 1), axis=1) > finite + HIDES_PX
    return np.asarray(found | outside)


def _shifted(picture: NDArray[np.float64], by_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of the pixels that hold the places beside each pixel's centre; by_px is (down, right), [2, H, W]."""
    height, width = picture.shape
    row = np.clip(np.floor(np.arange(height)[:, None] + 0.5 + by_px[0]), 0, height - 1).astype(np.int64)
    column = np.clip(np.floor(np.arange(width) + 0.5 + by_px[1]), 0, width - 1).astype(np.int64)
    return np.asarray(picture[row, column])
