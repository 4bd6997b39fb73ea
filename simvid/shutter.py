"""When each pixel of a picture is seen, and where a moving point is found by a sensor that is read line by line.

Lines that are read together are a band, seen at one instant. A point is in the picture of frame j where the band that
holds its place is the one that is read while it is there. Times are in frames: 2.25 is a quarter of the way from frame
2 to frame 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.camera_path import CameraPath
from simvid.lens import project

Array: TypeAlias = NDArray[np.float64]
Places: TypeAlias = Callable[[Array], Array]
"""World points [m], [..., 3], at their times [...]."""
_STEPS = 6


def pixel_times(camera: CameraPath, frame: int) -> Array:
    """When each pixel of a frame is read, [H, W]."""
    size = (camera.height, camera.width)
    times = np.full(size, float(frame))
    if camera.shutter is not None:
        for first, last, offset in camera.shutter.bands(camera.width, camera.height):
            times[(slice(first, last),) if camera.shutter.by_rows else (slice(None), slice(first, last))] += offset
    return times


def seen_when_read(camera: CameraPath, frame: int, places: Places) -> tuple[Array, Array]:
    """Where moving points are in a frame's picture.

    The band is found by iteration: where is the point when this band is read, and which band is that? A point that
    goes against the reading may cross from one band to the next between their instants, and be drawn by neither. It is
    given the place at which a sensor without bands would see it. One that goes with the reading may be drawn by two;
    it is given one of them.

    Args:
        camera: with a shutter.
        frame: whose picture.
        places: where the points are.

    Returns:
        (u, v) [px], [..., 2], NaN where the lens cannot see them; and z [m], [...].
    """
    shutter = camera.shutter
    assert shutter is not None, "the camera has a rolling shutter"
    bands = shutter.bands(camera.width, camera.height)
    offsets = np.array([offset for _, _, offset in bands])
    middles = np.array([(first + last) / 2 for first, last, _ in bands])
    axis = 1 if shutter.by_rows else 0

    def seen(band: NDArray[np.int64]) -> tuple[Array, Array, NDArray[np.int64]]:
        times = frame + offsets[band]
        local = _in_camera(camera, times, places(times))
        uv, z = project(camera, local), local[..., 2]
        line = np.nan_to_num(np.floor(uv[..., axis] / shutter.lines))
        return uv, z, np.clip(line, 0, len(bands) - 1).astype(np.int64)

    band: NDArray[np.int64] = np.asarray(np.full(np.shape(places(np.asarray(float(frame))))[:-1], len(bands) // 2))
    before, (uv, z, found) = band, seen(band)
    for _ in range(_STEPS):
        if (found == band).all():
            return uv, z
        before, band = band, found
        uv, z, found = seen(band)
    other_uv, other_z, _ = seen(before)
    gap = middles[before] - middles[band]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (uv[..., axis] - middles[band]) / (gap - (other_uv - uv)[..., axis])
    share = np.where((found != band) & np.isfinite(share), np.clip(share, 0, 1), 0.0)
    return uv + share[..., None] * (other_uv - uv), z + share * (other_z - z)


def _in_camera(camera: CameraPath, times: Array, points: Array) -> Array:
    """World points [..., 3] in the camera's frame at their times [...]."""
    poses = camera.poses_at(times)
    return np.asarray(np.einsum("...ba,...b->...a", poses[..., :3, :3], points - poses[..., :3, 3]))
