"""Cameras as other programs describe them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.export.base import ExportError, View
from simvid.frames import CameraPath


def integer_centers(K: NDArray[np.float64]) -> NDArray[np.float64]:
    """K for pixel centres at whole numbers (OpenCV, BOP, KITTI, COCO) instead of at +0.5."""
    moved = K.copy()
    moved[:2, 2] -= 0.5
    return moved


def pinhole(view: View, name: str) -> CameraPath:
    """The camera, where K says all about it.

    Raises:
        ExportError: it has another lens.
    """
    path = view.path
    if not path.lens.plain:
        raise ExportError(
            f"{view.clip.path}: camera {view.camera!r} has a {path.lens.kind} lens with distortion "
            f"{path.lens.distortion}; {name} has pinholes alone, webdataset and hdf5 hold any lens"
        )
    return path
