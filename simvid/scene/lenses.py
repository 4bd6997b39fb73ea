"""Lenses of cameras."""

from simvid.scene.base import Model, Number, OneOf, Positive


class Pinhole(Model):
    """Straight lines stay straight, but for OpenCV's distortion: radial k1, k2, k3 over k4, k5, k6; tangential p1, p2.

    The coefficients are those that OpenCV's calibration gives.
    """

    k1: Number = 0.0
    k2: Number = 0.0
    p1: Number = 0.0
    p2: Number = 0.0
    k3: Number = 0.0
    k4: Number = 0.0
    k5: Number = 0.0
    k6: Number = 0.0


class Fisheye(Model):
    """The distance from the middle grows with the angle t from the line of sight (Kannala and Brandt 2006).

    It is f t (1 + k1 t^2 + k2 t^4 + k3 t^6 + k4 t^8), as in OpenCV's fisheye module. All zeros is equidistant.
    """

    k1: Number = 0.0
    k2: Number = 0.0
    k3: Number = 0.0
    k4: Number = 0.0


class Orthographic(Model):
    """All lines of sight are parallel: things have the same size at any distance."""

    height_m: Positive
    """Height of what the picture shows [m]; takes the place of fov_y_deg."""


class Lens(OneOf):
    """Exactly one kind of lens."""

    pinhole: Pinhole | None = None
    fisheye: Fisheye | None = None
    orthographic: Orthographic | None = None
