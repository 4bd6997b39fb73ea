"""From a camera's own coordinates to its picture and back, for whatever lens a CameraPath has.

Every label that moves points between pictures goes through these functions, so that a new kind of lens is written
once (its formulas are in ``optics``). Points are in the camera's frame (OpenCV axes, z forward); picture coordinates
have pixel centres at +0.5. Depth is z under every lens.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.camera_path import CameraPath
from simvid.optics import Lens, bend, reach, unbend

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
    lens, K = camera.lens, camera.K
    safe = np.where(z > 0, z, np.nan)
    if lens.plain:
        return np.stack([K[0, 0] * x / safe + K[0, 2], K[1, 1] * y / safe + K[1, 2]], axis=-1)
    if lens.kind == "orthographic":
        slopes = np.stack([x, y], axis=-1) + np.where(z > 0, 0.0, np.nan)[..., None]
    else:
        slopes = np.stack([x / safe + lens.shift[0], y / safe + lens.shift[1]], axis=-1)
        beyond = (slopes * slopes).sum(axis=-1) > reach(lens) ** 2
        slopes = np.where(beyond[..., None], np.nan, slopes)
    return np.asarray(bend(lens, slopes)[0] * K[[0, 1], [0, 1]] + K[:2, 2])


def unproject(camera: CameraPath, pixels: Array, z: Array) -> Array:
    """Points in the camera's frame [m], [..., 3], of z [m], [...], that are seen at picture coordinates [..., 2].

    The inverse of ``project``; NaN where z is not finite, and outside the image circle of a fisheye.
    """
    z = np.where(np.isfinite(z), z, np.nan)
    origins, slopes = rays(camera, pixels)
    xy = origins + slopes * z[..., None]
    return np.concatenate([xy, np.where(np.isnan(xy[..., 0]), np.nan, z)[..., None]], axis=-1)


def rays(camera: CameraPath, pixels: Array) -> tuple[Array, Array]:
    """The lines of sight at picture coordinates [..., 2]: points (x0 + z a, y0 + z b, z) of the camera's frame.

    Returns:
        Origins (x0, y0) [m], [..., 2], and slopes (a, b), [..., 2]; NaN where no ray meets the picture.
    """
    lens, K = camera.lens, camera.K
    bent = (np.asarray(pixels, np.float64) - K[:2, 2]) / K[[0, 1], [0, 1]]
    zero = np.zeros_like(bent)
    if lens.kind == "orthographic":
        return bent, zero
    return zero, unbend(lens, bent) - np.array(lens.shift)


def picture_rays(camera: CameraPath) -> tuple[Array, Array]:
    """``rays`` through the centres of all pixels, [H, W, 2] each; kept for the cameras used last. Not to be written."""
    lens = replace(camera.lens, shift=(0.0, 0.0))
    origins, slopes = _picture_rays(lens, camera.K.astype(np.float64).tobytes(), camera.width, camera.height)
    return origins, slopes - np.array(camera.lens.shift) if any(camera.lens.shift) else slopes


@lru_cache(maxsize=6)
def _picture_rays(lens: Lens, K: bytes, width: int, height: int) -> tuple[Array, Array]:
    camera = CameraPath("", width, height, np.frombuffer(K).reshape(3, 3), np.eye(4)[None], lens)
    found = rays(camera, pixel_centers(camera))
    for array in found:
        array.flags.writeable = False
    return found


def unproject_picture(camera: CameraPath, depth: NDArray[np.floating]) -> Array:
    """Points in the camera's frame [m] that all pixels of a picture see, [H, W, 3], from their z [m], [H, W].

    NaN where there is no depth, or no ray.
    """
    origins, slopes = picture_rays(camera)
    z = np.where(np.isfinite(depth), depth, np.nan).astype(np.float64)
    xy = origins + slopes * z[..., None]
    return np.concatenate([xy, np.where(np.isnan(xy[..., 0]), np.nan, z)[..., None]], axis=-1)


def pixel_size_m(camera: CameraPath, points: Array) -> Array:
    """Width of what a pixel shows at points of the camera's frame [m], [...]: the least where a lens is uneven."""
    points, focal = np.asarray(points, np.float64), float(camera.K[1, 1])
    if camera.lens.kind == "orthographic":
        return np.full(points.shape[:-1], 1 / focal)
    if camera.lens.kind == "fisheye":
        return np.asarray(np.sqrt((points * points).sum(axis=-1)) / focal)
    return np.asarray(points[..., 2] / focal)


def pixel_centers(camera: CameraPath) -> Array:
    """Picture coordinates of all pixels, [H, W, 2]."""
    v, u = np.meshgrid(np.arange(camera.height) + 0.5, np.arange(camera.width) + 0.5, indexing="ij")
    return np.stack([u, v], axis=-1).astype(np.float64, copy=False)


def parallel(camera: CameraPath) -> bool:
    """Whether all lines of sight are parallel, as under an orthographic lens."""
    return camera.lens.kind == "orthographic"


def fov_y_rad(camera: CameraPath) -> float:
    """Angle between the lines of sight at the middle of the upper and lower border [rad]; 0 if they are parallel."""
    ends = np.array([[camera.width / 2, 0.0], [camera.width / 2, float(camera.height)]])
    slopes = rays(camera, ends)[1][:, 1]
    return float(math.atan(slopes[1]) - math.atan(slopes[0]))
