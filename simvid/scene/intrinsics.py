"""Lenses of the scene language in numbers. Imported when a camera is used; reading a scene alone needs no numpy."""

import math

import numpy as np
from numpy.typing import NDArray

from simvid.optics import Lens as Optics
from simvid.optics import LensKind, bend, check_picture, reach
from simvid.scene.cameras import Camera
from simvid.scene.lenses import Lens


def optics_of(lens: Lens | None) -> Optics:
    """A lens of a scene."""
    if lens is None:
        return Optics()
    if lens.orthographic is not None:
        return Optics("orthographic")
    coefficients = tuple(lens.value.model_dump().values())
    kind: LensKind = "fisheye" if lens.fisheye is not None else "pinhole"
    return Optics(kind, coefficients if any(coefficients) else ())


def camera_matrix(camera: Camera) -> NDArray[np.float64]:
    """K [px] (orthographic: [px/m]), float64 [3, 3].

    ``fov_y_deg`` is twice the angle between the line of sight and the ray to the middle of the lower border, distortion
    included: f = (H / 2) / b with b where the lens puts the slope tan(fov / 2). Without distortion that is
    f = H / (2 tan(fov / 2)) (Hartley & Zisserman 2004, eq. 6.4). NaN where the lens folds before that ray.
    """
    width, height = camera.resolution_px
    parallel = None if camera.lens is None else camera.lens.orthographic
    if camera.focal_px is not None:
        fx, fy = camera.focal_px
    elif parallel is not None:
        fx = fy = height / parallel.height_m
    else:
        fx = fy = height / (2 * _below(optics_of(camera.lens), math.tan(math.radians(camera.fov_y_deg) / 2)))
    cx, cy = camera.center_px or (width / 2, height / 2)
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def _below(optics: Optics, slope: float) -> float:
    """Where a lens puts a slope straight down."""
    if optics.plain:
        return slope
    return float(bend(optics, np.array([0.0, slope]))[0][1]) if slope <= reach(optics) else math.nan


def picture_fault(camera: Camera) -> tuple[str, str] | None:
    """What is expected of a camera's lens, and what it does instead; None for a sound one."""
    K = camera_matrix(camera)
    if not np.isfinite(K).all() or K[0, 0] <= 0:
        return "a lens that sees as far as fov_y_deg / 2 from the line of sight", "one that folds before"
    try:
        check_picture(optics_of(camera.lens), K, *camera.resolution_px)
    except ValueError as error:
        return "a distortion that does not fold inside the picture", str(error).partition("; ")[0]
    return None
