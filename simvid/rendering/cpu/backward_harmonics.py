"""Colour backwards: from gradients by colours to gradients by spherical harmonics and by the direction of view."""

from __future__ import annotations

from typing import Any

import numpy as np

from simvid.rendering.cpu.backward_layout import BackwardStage, Gradients
from simvid.rendering.cpu.layout import F32, LANES, Camera, Cloud
from simvid.rendering.cpu.project import _basis
from simvid.rendering.kernels.jit import inlined
from simvid.rendering.kernels.simd import Lanes, fma, narrowed, splat, sqrt, widened
from simvid.rendering.kernels.simd_memory import at, gather, put, store, store_many, transposed
from simvid.rendering.kernels.simd_sums import load_strided

f32 = np.float32
i32 = np.int32


@inlined
def _scaled(factor: float, x: Lanes) -> Lanes:
    return splat(f32(factor)) * x


@inlined
def _by_direction(g: Any, x: Lanes, y: Lanes, z: Lanes) -> Any:
    """Gradient by the direction of the harmonics weighted with g: derivatives of ``cpu_project._basis`` by x, y, z."""
    zero = splat(f32(0))
    xx_yy = x * x - y * y
    five, fifteen = fma(_scaled(5, z), z, splat(f32(-1))), fma(_scaled(15, z), z, splat(f32(-3)))
    g1, g2, g3 = _scaled(-0.48860251190292, g[1]), _scaled(0.48860251190292, g[2]), _scaled(-0.48860251190292, g[3])
    g4, g5 = _scaled(1.0925484305920792, g[4]), _scaled(-1.0925484305920792, g[5])
    g6, g7 = _scaled(2 * 0.9461746957575601, g[6]), _scaled(-1.0925484305920792, g[7])
    g8 = _scaled(2 * 0.5462742152960396, g[8])
    g9, g15 = _scaled(3 * -0.5900435899266435, g[9]), _scaled(3 * -0.5900435899266435, g[15])
    g10, g12 = _scaled(2.890611442640554, g[10]), _scaled(0.3731763325901154, g[12])
    g11, g13 = _scaled(-0.4570457994644658, g[11]), _scaled(-0.4570457994644658, g[13])
    g14 = _scaled(1.445305721320277, g[14])
    two_z, ten_z = z + z, _scaled(10, z)
    by_x = g3 + fma(g4, y, fma(g7, z, g8 * x))
    by_x = by_x + fma(g10 * y, z, fma(g13, five, fma(g14 * two_z, x, zero)))
    by_x = by_x + fma(g15, xx_yy, (g9 + g9) * x * y)
    by_y = g1 + fma(g4, x, fma(g5, z, -(g8 * y)))
    by_y = by_y + fma(g10 * x, z, fma(g11, five, -(g14 * two_z * y)))
    by_y = by_y + fma(g9, xx_yy, -((g15 + g15) * x * y))
    by_z = g2 + fma(g5, y, fma(g6, z, g7 * x))
    by_z = by_z + fma(g10 * x, y, fma(g14, xx_yy, fma(g12, fifteen, ten_z * fma(g11, y, g13 * x))))
    return by_x, by_y, by_z


@inlined
def _directions(cloud: Cloud, camera: Camera, indices: Lanes) -> Any:
    """Unit directions from the camera to sixteen Gaussians, and one over their distances."""
    three, one, two = indices * splat(i32(3)), splat(i32(1)), splat(i32(2))
    centre = camera.centre
    x = narrowed(widened(gather(cloud.means, three)) - splat(centre[0]))
    y = narrowed(widened(gather(cloud.means, three + one)) - splat(centre[1]))
    z = narrowed(widened(gather(cloud.means, three + two)) - splat(centre[2]))
    inverse = splat(f32(1)) / sqrt(fma(x, x, fma(y, y, z * z)))
    return x * inverse, y * inverse, z * inverse, inverse


@inlined
def _coefficients(
    i: int, lane: int, count: int, colours: Any, cloud: Cloud, stage: BackwardStage, out: Gradients
) -> None:
    """Gradients by one Gaussian's harmonics, and by the values of the basis functions."""
    red, green, blue = colours
    start = 3 * count * i
    for k in range(count):
        c, value = start + 3 * k, at(stage.basis, LANES * lane + k)
        put(stage.by_basis, LANES * lane + k,
            at(cloud.sh, c) * red + at(cloud.sh, c + 1) * green + at(cloud.sh, c + 2) * blue)  # fmt: skip
        put(out.sh, c, at(out.sh, c) + value * red)
        put(out.sh, c + 1, at(out.sh, c + 1) + value * green)
        put(out.sh, c + 2, at(out.sh, c + 2) + value * blue)


@inlined
def _colour_gradient(records: F32, channel: int, totals: F32, line: int) -> Any:
    """Gradients by red, green, blue before they were held above zero."""
    zero = f32(0)
    red = at(totals, line) if at(records, channel) > zero else zero
    green = at(totals, line + 1) if at(records, channel + 1) > zero else zero
    blue = at(totals, line + 2) if at(records, channel + 2) > zero else zero
    return red, green, blue


@inlined
def harmonics_backward(
    cloud: Cloud,
    camera: Camera,
    count: int,
    lanes: Any,
    records: Any,
    totals: Any,
    stage: BackwardStage,
    out: Gradients,
) -> Any:
    """Gradients of sixteen Gaussians' harmonics; returns those by their means, three vectors.

    ``count`` is the number of coefficients; ``lanes`` are the Gaussians' numbers and how many of them are real;
    ``records`` is the array of records, where the first of them has its channels, and the stride; ``totals`` likewise,
    for the lines.
    """
    indices, valid = lanes
    x, y, z, inverse = _directions(cloud, camera, indices)
    store_many(stage.basis, 0, transposed(_basis(x, y, z)))
    for lane in range(valid):
        colours = _colour_gradient(records[0], records[1] + lane * records[2], totals[0], totals[1] + lane * totals[2])
        if colours[0] == f32(0) and colours[1] == f32(0) and colours[2] == f32(0):  # unseen, or not to be drawn
            store(stage.by_basis, LANES * lane, splat(f32(0)))
            continue
        _coefficients(np.int64(at(stage.indices, lane)), lane, count, colours, cloud, stage, out)
    x_, y_, z_ = _by_direction(transposed(load_strided(stage.by_basis, 0, LANES)), x, y, z)
    along = fma(x_, x, fma(y_, y, z_ * z))
    return (x_ - along * x) * inverse, (y_ - along * y) * inverse, (z_ - along * z) * inverse
