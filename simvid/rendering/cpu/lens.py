"""Lenses other than a plain pinhole, for the projection kernel: where sixteen means are seen, and how that changes.

The formulas are those of ``simvid.optics``, in float32. The kernel with them is compiled only when such a lens is used.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.simd import Lanes, fma, maximum, minimum, select, splat, sqrt
from simvid.rendering.raster import RasterJob

f32 = np.float32

PINHOLE, FISHEYE, ORTHOGRAPHIC = range(3)
_KINDS = {"pinhole": PINHOLE, "fisheye": FISHEYE, "orthographic": ORTHOGRAPHIC}


class LensNumbers(NamedTuple):
    """A lens in numbers."""

    kind: int
    k: tuple[float, float, float, float, float, float]
    p: tuple[float, float]
    shift: tuple[float, float]
    limit: float
    """Slope radius beyond which the lens goes on straight."""


def lens_numbers(job: RasterJob) -> LensNumbers | None:
    """What the kernel is given: None for a plain pinhole, whose kernel knows nothing of lenses."""
    lens = job.lens
    if lens.plain:
        return None
    k: tuple[float, ...] = (0.0,) * 6
    p = (0.0, 0.0)
    if lens.kind == "pinhole":
        k1, k2, p1, p2, k3, k4, k5, k6 = lens.coefficients
        k, p = (k1, k2, k3, k4, k5, k6), (p1, p2)
    elif lens.kind == "fisheye":
        k = (*lens.coefficients, 0.0, 0.0)
    limit = min(job.slope_limit, 1e18)
    return LensNumbers(_KINDS[lens.kind], k, p, (float(lens.shift[0]), float(lens.shift[1])), float(limit))  # type: ignore[arg-type]  # six


@inlined
def arctan(x: Lanes) -> Lanes:
    """Arc tangent of lanes >= 0, to 2e-7 (Cephes' atanf: reduction at tan(pi / 8) and tan(3 pi / 8))."""
    one = splat(f32(1))
    high, middle = x > splat(f32(2.414213562373095)), x > splat(f32(0.4142135623730950))
    low = select(high, splat(f32(-1)), select(middle, x - one, x)) / select(high, x, select(middle, x + one, one))
    start = select(high, splat(f32(np.pi / 2)), select(middle, splat(f32(np.pi / 4)), splat(f32(0))))
    z = low * low
    series = fma(splat(f32(8.05374449538e-2)), z, splat(f32(-1.38776856032e-1)))
    series = fma(series, z, splat(f32(1.99777106478e-1)))
    series = fma(series, z, splat(f32(-3.33329491539e-1)))
    return start + fma(series * z, low, low)


@inlined
def _horner(x: Lanes, a: float, b: float, c: float) -> Lanes:
    """x (a + x (b + x c))."""
    return x * fma(x, fma(x, splat(f32(c)), splat(f32(b))), splat(f32(a)))


@inlined
def _fisheye(lens: LensNumbers, a: Lanes, b: Lanes) -> Any:
    k = lens.k
    one = splat(f32(1))
    r2 = maximum(fma(a, a, b * b), splat(f32(1e-12)))
    r = sqrt(r2)
    theta = arctan(r)
    t2 = theta * theta
    bent = fma(theta, t2 * (splat(f32(k[0])) + _horner(t2, k[1], k[2], k[3])), theta)
    growth = fma(t2, splat(f32(3 * k[0])) + _horner(t2, 5 * k[1], 7 * k[2], 9 * k[3]), one)
    scale = bent / r
    across = (growth / (one + r2) - scale) / r2
    return a * scale, b * scale, fma(across * a, a, scale), across * a * b, fma(across * b, b, scale)


@inlined
def _distorted(lens: LensNumbers, a: Lanes, b: Lanes) -> Any:
    k, one, two = lens.k, splat(f32(1)), splat(f32(2))
    p1, p2 = splat(f32(lens.p[0])), splat(f32(lens.p[1]))
    r2 = fma(a, a, b * b)
    under = one + _horner(r2, k[3], k[4], k[5])
    radial = (one + _horner(r2, k[0], k[1], k[2])) / under
    over = fma(r2, fma(splat(f32(3 * k[2])), r2, splat(f32(2 * k[1]))), splat(f32(k[0])))
    lower = fma(r2, fma(splat(f32(3 * k[5])), r2, splat(f32(2 * k[4]))), splat(f32(k[3])))
    growth = two * (over - radial * lower) / under
    ab, six = a * b, splat(f32(6))
    u = fma(a, radial, fma(two * p1, ab, p2 * fma(two * a, a, r2)))
    v = fma(b, radial, fma(two * p2, ab, p1 * fma(two * b, b, r2)))
    xx = fma(growth * a, a, radial) + two * p1 * b + six * p2 * a
    xy = fma(growth, ab, two * fma(p1, a, p2 * b))
    yy = fma(growth * b, b, radial) + six * p1 * b + two * p2 * a
    return u, v, xx, xy, yy


@inlined
def through(lens: LensNumbers, x: Lanes, y: Lanes, z: Lanes) -> Any:
    """Through the lens, before the focal lengths are applied.

    Returns:
        Place in the picture; its derivatives by the slopes (xx, xy, yy); the slopes at which these are taken; and one
        over the depth by which slopes grow (one, under an orthographic lens).
    """
    one, zero = splat(f32(1)), splat(f32(0))
    if lens.kind == ORTHOGRAPHIC:
        return x, y, one, zero, one, zero, zero, one
    a, b = x / z + splat(f32(lens.shift[0])), y / z + splat(f32(lens.shift[1]))
    held = minimum(one, splat(f32(lens.limit)) / sqrt(maximum(fma(a, a, b * b), splat(f32(1e-30)))))
    ca, cb = a * held, b * held
    if lens.kind == FISHEYE:
        u, v, xx, xy, yy = _fisheye(lens, ca, cb)
    else:
        u, v, xx, xy, yy = _distorted(lens, ca, cb)
    da, db = a - ca, b - cb
    u, v = u + fma(xx, da, xy * db), v + fma(xy, da, yy * db)
    return u, v, xx, xy, yy, ca - splat(f32(lens.shift[0])), cb - splat(f32(lens.shift[1])), one / z
