"""From a camera's own coordinates to its picture and back, for whatever lens a CameraPath has.

Every label that moves points between pictures goes through these two functions, so that a new kind of lens is written
once. Points are in the camera's frame (OpenCV axes, z forward); picture coordinates have pixel centres at +0.5.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.frames import CameraPath

Array: TypeAlias = NDArray[np.float64]


def project(camera: CameraPath, points: Array) -> Array:
    """Where points are in the picture.

    Args:
        camera: with its lens.
        points: in the camera's frame [m], [..., 3].

    Returns:
        (u right, v down) [px], [..., 2]; NaN for points that the lens cannot see, such as those behind the camera.
    """
    x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
    safe = np.where(z > 0, z, np.nan)
    u = camera.K[0, 0] * x / safe + camera.K[0, 2]
    v = camera.K[1, 1] * y / safe + camera.K[1, 2]
    return np.stack([u, v], axis=-1)


def unproject(camera: CameraPath, pixels: Array, z: Array) -> Array:
    """Points in the camera's frame [m], [..., 3], of z [m], [...], that are seen at picture coordinates [..., 2].

    The inverse of ``project``; NaN where z is not finite.
    """
    pixels, z = np.asarray(pixels, np.float64), np.where(np.isfinite(z), z, np.nan)
    x = (pixels[..., 0] - camera.K[0, 2]) / camera.K[0, 0]
    y = (pixels[..., 1] - camera.K[1, 2]) / camera.K[1, 1]
    return np.stack([x * z, y * z, z], axis=-1)


def pixel_centers(camera: CameraPath) -> Array:
    """Picture coordinates of all pixels, [H, W, 2]."""
    v, u = np.meshgrid(np.arange(camera.height) + 0.5, np.arange(camera.width) + 0.5, indexing="ij")
    return np.stack([u, v], axis=-1)
