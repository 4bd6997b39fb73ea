"""Lens: how slopes of rays become places in the picture. Pinhole with distortion, fisheye, orthographic.

A point (x, y, z) of the camera's frame has the slopes (a, b) = (x / z, y / z). A lens bends them, and K makes pixels
of the result: u = fx a' + cx, v = fy b' + cy. Under an orthographic lens a, b are x and y themselves, and fx, fy are in
pixels per metre.

Distortion of a pinhole: the rational radial and tangential model of OpenCV ("Camera Calibration and 3D Reconstruction",
after Brown 1966 and Claus & Fitzgibbon 2005). Fisheye: Kannala & Brandt 2006, eq. 6, with OpenCV's coefficients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
LensKind: TypeAlias = Literal["pinhole", "fisheye", "orthographic"]
COEFFICIENTS: dict[str, tuple[str, ...]] = {
    "pinhole": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "fisheye": ("k1", "k2", "k3", "k4"),
    "orthographic": (),
}
"""Distortion coefficients of each kind, in OpenCV's order."""
WIDEST_RAD = math.radians(89.9)
"""Rays farther than this from the line of sight are not seen: their z would be zero."""
_STEPS = 4096
_DIRECTIONS = 32
_NEWTON_STEPS = 30
_LEAST_DETERMINANT = 1e-4


@dataclass(frozen=True)
class Lens:
    """A kind of lens and its distortion.

    Attributes:
        kind: which formula.
        distortion: coefficients in the order of ``COEFFICIENTS``; empty is none.
        shift: added to the slopes before they are bent: the picture as seen from beside the middle of an aperture,
            sheared so that one distance stays in place (depth of field). Not for orthographic lenses.

    Raises:
        ValueError: a wrong number of coefficients, or values that are not finite.
    """

    kind: LensKind = "pinhole"
    distortion: tuple[float, ...] = ()
    shift: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if self.kind not in COEFFICIENTS:
            raise ValueError(f"Lens.kind: expected one of {', '.join(COEFFICIENTS)}, got {self.kind!r}")
        names = COEFFICIENTS[self.kind]
        if len(self.distortion) not in (0, len(names)):
            wanted = f"{len(names)} coefficients ({', '.join(names)})" if names else "no coefficients"
            raise ValueError(f"Lens.distortion: a {self.kind} lens has {wanted}, got {len(self.distortion)}")
        if not all(math.isfinite(c) for c in (*self.distortion, *self.shift)):
            raise ValueError(f"Lens: expected finite numbers, got {self.distortion} and shift {self.shift}")
        if self.kind == "orthographic" and self.shift != (0.0, 0.0):
            raise ValueError("Lens.shift: an orthographic lens has no aperture; expected (0, 0)")

    @property
    def plain(self) -> bool:
        """A pinhole without distortion: K says all."""
        return self.kind == "pinhole" and not any(self.distortion) and self.shift == (0.0, 0.0)

    @property
    def coefficients(self) -> tuple[float, ...]:
        """The distortion with zeros where none is given."""
        return self.distortion or (0.0,) * len(COEFFICIENTS[self.kind])


def bend(lens: Lens, slopes: Array) -> tuple[Array, Array]:
    """Slopes (or metres, under an orthographic lens) to places in the picture before K is applied.

    Args:
        lens: its shift is not looked at.
        slopes: [..., 2].

    Returns:
        Places [..., 2] and their derivatives by the slopes [..., 2, 2].
    """
    a, b = slopes[..., 0], slopes[..., 1]
    if lens.kind == "orthographic":
        return slopes + 0.0, np.broadcast_to(np.eye(2), (*slopes.shape, 2)).copy()
    r2 = a * a + b * b
    if lens.kind == "fisheye":
        scale, across = _fisheye_scale(lens, r2)
        return slopes * scale[..., None], _matrix(scale + across * a * a, across * a * b, scale + across * b * b)
    k1, k2, p1, p2, k3, k4, k5, k6 = lens.coefficients
    over, under = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)), 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    radial = over / under
    growth = (k1 + r2 * (2 * k2 + 3 * r2 * k3) - radial * (k4 + r2 * (2 * k5 + 3 * r2 * k6))) / under
    bent = [
        a * radial + 2 * p1 * a * b + p2 * (r2 + 2 * a * a),
        b * radial + p1 * (r2 + 2 * b * b) + 2 * p2 * a * b,
    ]
    mixed = 2 * (a * b * growth + p1 * a + p2 * b)
    return np.stack(bent, axis=-1), _matrix(
        radial + 2 * a * a * growth + 2 * p1 * b + 6 * p2 * a,
        mixed,
        radial + 2 * b * b * growth + 6 * p1 * b + 2 * p2 * a,
    )


def _fisheye_scale(lens: Lens, r2: Array) -> tuple[Array, Array]:
    """theta_d / r, and (d theta_d / dr - theta_d / r) / r^2."""
    r = np.sqrt(np.maximum(r2, 1e-18))
    theta = np.arctan(r)
    bent, growth = _bent_angle(lens, theta)
    scale = bent / r
    return scale, (growth / (1 + r2) - scale) / np.maximum(r2, 1e-18)


def _bent_angle(lens: Lens, theta: Array) -> tuple[Array, Array]:
    """theta_d = theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8) and its derivative."""
    k1, k2, k3, k4 = lens.coefficients
    t2 = theta * theta
    return (
        theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4)))),
        1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4))),
    )


def _matrix(xx: Array, xy: Array, yy: Array) -> Array:
    return np.stack([np.stack([xx, xy], axis=-1), np.stack([xy, yy], axis=-1)], axis=-2)


@lru_cache(maxsize=256)
def _reach(kind: LensKind, distortion: tuple[float, ...]) -> tuple[Array, Array]:
    """Radii [M] from 0 to where the lens folds, and how far from the middle they are bent without tangential terms."""
    lens = Lens(kind, distortion)
    radii = np.tan(np.linspace(0, WIDEST_RAD, _STEPS))
    angles = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    with np.errstate(all="ignore"):  # poles of the rational model give infinity; they end the reach below
        bent, jacobian = bend(lens, radii[:, None, None] * around)
        determinant = jacobian[..., 0, 0] * jacobian[..., 1, 1] - jacobian[..., 0, 1] * jacobian[..., 1, 0]
        if kind == "fisheye":
            sound = (_bent_angle(lens, np.arctan(radii))[1] > _LEAST_DETERMINANT)[:, None]
        else:
            sound = determinant > _LEAST_DETERMINANT
        along = np.einsum("mki,ki->mk", bent, around)
        rising = np.diff(along, axis=0, prepend=-1.0) > 0
    good = (sound & rising & np.isfinite(along)).all(axis=1)
    count = len(good) if good.all() else int(np.argmin(good))
    return radii[:count], along[:count].mean(axis=1)


def reach(lens: Lens) -> float:
    """Largest slope radius that the lens can see: beyond it the picture would fold back, or z be zero. inf if any."""
    if lens.kind == "orthographic" or (lens.kind == "pinhole" and not any(lens.distortion)):
        return math.inf
    return float(_reach(lens.kind, lens.distortion)[0][-1])


def folds(lens: Lens) -> bool:
    """Whether the lens folds before a right angle."""
    return math.isfinite(reach(lens)) and reach(lens) < math.tan(WIDEST_RAD) * 0.999


def unbend(lens: Lens, bent: Array) -> Array:
    """The inverse of ``bend`` by at most 30 steps of Newton's method; NaN for what no ray within ``reach`` gives."""
    bent = np.asarray(bent, np.float64)
    if math.isinf(reach(lens)):
        return bent + 0.0
    radii, along = _reach(lens.kind, lens.distortion)
    distance = np.sqrt((bent * bent).sum(axis=-1))
    guess = np.interp(distance, along, radii)
    with np.errstate(all="ignore"):  # the middle has no direction, and NaN stays NaN
        direction = np.where(distance[..., None] > 0, bent / distance[..., None], 0.0)
        if lens.kind == "fisheye":
            theta = np.arctan(guess)
            for _ in range(_NEWTON_STEPS):
                value, growth = _bent_angle(lens, theta)
                before, theta = theta, np.clip(theta - (value - distance) / growth, 0, math.atan(radii[-1]))
                if np.nanmax(np.abs(theta - before), initial=0.0) < 1e-15:
                    break
            far = np.abs(_bent_angle(lens, theta)[0] - distance) > 1e-11
            return np.where(far[..., None], np.nan, direction * np.tan(theta)[..., None])
        slopes = direction * guess[..., None]
        for _ in range(_NEWTON_STEPS):
            value, jacobian = bend(lens, slopes)
            step = _solved(jacobian, bent - value)
            slopes = slopes + step
            size = np.sqrt((slopes * slopes).sum(axis=-1, keepdims=True))
            slopes = np.where(size > radii[-1], slopes * (radii[-1] / size), slopes)
            if np.nanmax(np.abs(step), initial=0.0) < 1e-13:
                break
        left = np.abs(bend(lens, slopes)[0] - bent).max(axis=-1)
        return np.where((left < 1e-11)[..., None], slopes, np.nan)


def _solved(matrices: Array, right: Array) -> Array:
    """Solutions of 2 x 2 systems."""
    a, b, c, d = (matrices[..., i, j] for i in (0, 1) for j in (0, 1))
    x, y = right[..., 0], right[..., 1]
    return np.asarray(np.stack([d * x - b * y, a * y - c * x], axis=-1) / (a * d - b * c)[..., None])


def check_picture(lens: Lens, K: Array, width: int, height: int) -> None:
    """Refuse intrinsics that make no picture, and distortions that fold inside it.

    Raises:
        ValueError: saying which, and what to change.
    """
    if K.shape != (3, 3):
        raise ValueError(f"K: expected shape (3, 3), got {K.shape}")
    if not np.isfinite(K).all() or K[0, 0] <= 0 or K[1, 1] <= 0:
        raise ValueError(f"K: focal lengths must be finite and > 0 px, got {K.tolist()}")
    if K[0, 1] != 0 or K[1, 0] != 0 or K[2].tolist() != [0, 0, 1]:
        raise ValueError(f"K: expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], got {K.tolist()}")
    if lens.plain or lens.kind == "orthographic" or (lens.kind == "fisheye" and not folds(lens)):
        return
    bent = (border(width, height) - K[:2, 2]) / K[[0, 1], [0, 1]]
    lost = np.isnan(unbend(lens, bent)).any(axis=-1)
    if lost.any():
        angle = math.degrees(math.atan(reach(lens)))
        u, v = border(width, height)[int(np.argmax(lost))]
        raise ValueError(
            f"distortion: the picture folds over at {angle:.1f} degrees from the line of sight, inside the picture "
            f"(the border at pixel ({u:.0f}, {v:.0f}) has no ray); expected smaller coefficients or a narrower picture"
        )


def border(width: int, height: int, count: int = 33) -> Array:
    """Points along the border of a picture [px], [4 count, 2]."""
    t = np.linspace(0, 1, count)
    zero, one = np.zeros(count), np.ones(count)
    sides = [(t, zero), (t, one), (zero, t), (one, t)]
    return np.concatenate([np.stack([x * width, y * height], axis=-1) for x, y in sides])


def widest_slope(lens: Lens, K: Array, width: int, height: int) -> float:
    """Largest slope radius inside a picture widened by 15 %, within the lens's reach; where Jacobians are held."""
    bent = (border(width, height) - K[:2, 2]) / K[[0, 1], [0, 1]]
    slopes = unbend(lens, bent)
    if np.isnan(slopes).any():
        return reach(lens)
    return min(reach(lens), 1.3 * float(np.sqrt((slopes * slopes).sum(axis=-1).max())))
