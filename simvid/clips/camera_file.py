"""``camera.npz``: where a camera stood, its lens and its shutter, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from simvid.camera_path import CameraPath, Direction, RollingShutter
from simvid.clips.arrays import read_named, write_named
from simvid.errors import ClipError
from simvid.optics import Lens, LensKind


def write_camera_file(path: Path, camera: CameraPath) -> str:
    """Write it; its digest."""
    return write_named(path, camera_arrays(camera))


def camera_arrays(camera: CameraPath) -> dict[str, NDArray[Any]]:
    """The arrays of the file.

    ``K`` [3, 3], ``world_from_camera`` [T, 4, 4], ``resolution_px`` (width, height), ``lens`` (its kind),
    ``distortion`` (coefficients in OpenCV's order, empty without), ``lens_shift`` [2]; ``readout_s`` (0 where all of a
    picture is read at once), ``readout_direction``, ``readout_lines``, ``readout_fps``.
    """
    shutter = camera.shutter
    return {
        "K": camera.K,
        "world_from_camera": camera.world_from_camera,
        "resolution_px": np.array([camera.width, camera.height], np.int64),
        "lens": np.array(camera.lens.kind),
        "distortion": np.array(camera.lens.distortion, np.float64),
        "lens_shift": np.array(camera.lens.shift, np.float64),
        "readout_s": np.array(0.0 if shutter is None else shutter.readout_s),
        "readout_direction": np.array("down" if shutter is None else shutter.direction),
        "readout_lines": np.array(1 if shutter is None else shutter.lines),
        "readout_fps": np.array(1.0 if shutter is None else shutter.fps),
    }


def read_camera_file(path: Path, name: str) -> CameraPath:
    """The camera of a file.

    Raises:
        ClipError: the file is missing, damaged, or holds no camera.
    """
    return camera_of(read_named(path), name, str(path))


def camera_of(arrays: Mapping[str, NDArray[Any]], name: str, where: str = "camera.npz") -> CameraPath:
    """The inverse of ``camera_arrays``.

    Raises:
        ClipError: an array is missing or makes no sense.
    """
    try:
        width, height = (int(n) for n in arrays["resolution_px"])
        kind, direction = str(arrays["lens"]), str(arrays["readout_direction"])
        if direction not in get_args(Direction):
            raise ValueError(f"readout_direction: expected one of {', '.join(get_args(Direction))}, got {direction!r}")
        shift = arrays["lens_shift"].tolist()
        lens = Lens(cast("LensKind", kind), tuple(arrays["distortion"].tolist()), (shift[0], shift[1]))
        readout_s, lines, fps = float(arrays["readout_s"]), int(arrays["readout_lines"]), float(arrays["readout_fps"])
        shutter = RollingShutter(readout_s, cast("Direction", direction), lines, fps) if readout_s > 0 else None
        return CameraPath(name, width, height, arrays["K"], arrays["world_from_camera"], lens, shutter)
    except KeyError as error:
        raise ClipError(f"{where}: has no array {error}; make the clip again") from error
    except (ValueError, IndexError) as error:
        raise ClipError(f"{where}: {error}; make the clip again") from error
