"""Projection backwards: from gradients of splats to gradients of Gaussians. Sixteen splats at a time.

With W the factor of the inverse covariance that a record holds (W^T W = inverse(C), C = A A^T + blur, A the projected
axes), d the distance of a pixel from the splat's centre and s the derivative of the loss by log alpha,

    dL/dcentre = W^T sum(s W d),    dL/dC = W^T sum(s W d (W d)^T) W / 2,    dL/dA = W^T sum(s W d (W d)^T) (W A).

W A has no entry above one, so that long thin splats lose no digits. The rest is the chain rule through the projection
of gsplat 1.5.3 (Ye et al. 2024, appendix), with nothing through the limits of the Jacobian.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simvid.rendering.cpu.backward_harmonics import harmonics_backward
from simvid.rendering.cpu.backward_layout import (
    CHANNELS_PER_PASS,
    LINE,
    LINE_CHANNELS,
    LINE_DEPTH,
    LINE_S,
    LINE_U,
    LINE_UU,
    LINE_UV,
    LINE_V,
    LINE_VV,
    BackwardStage,
    Gradients,
    SplatGradients,
)
from simvid.rendering.cpu.layout import (
    CHANNELS,
    DEPTH,
    F32,
    LANES,
    MEAN_X,
    MEAN_Y,
    U_X,
    U_Y,
    V_Y,
    Camera,
    Cloud,
    Counts,
)
from simvid.rendering.cpu.project import _FACTOR
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.simd import Lanes, fma, maximum, minimum, select, splat, sqrt
from simvid.rendering.kernels.simd_memory import at, gather, load, put, store, store_many, transposed
from simvid.rendering.kernels.simd_sums import load_strided

f32 = np.float32
i32 = np.int32
_COUNT = np.arange(LANES).astype(np.int32)


@inlined
def _dot(a: Any, b: Any) -> Lanes:
    return fma(a[0], b[0], fma(a[1], b[1], a[2] * b[2]))


@inlined
def _combined(a: Lanes, x: Any, b: Lanes, y: Any) -> Any:
    """a x + b y of three-vectors."""
    return fma(a, x[0], b * y[0]), fma(a, x[1], b * y[1]), fma(a, x[2], b * y[2])


@inlined
def _sums(splats: SplatGradients, first: int) -> Any:
    """The seven sums of sixteen splats, over all passes."""
    totals, passes = splats.totals, splats.passes
    lines = transposed(load_strided(totals, first * passes * LINE, passes * LINE))
    s, u, v, depth = lines[LINE_S], lines[LINE_U], lines[LINE_V], lines[LINE_DEPTH]
    uu, uv, vv = lines[LINE_UU], lines[LINE_UV], lines[LINE_VV]
    for p in range(1, passes):
        lines = transposed(load_strided(totals, (first * passes + p) * LINE, passes * LINE))
        s, u, v, depth = s + lines[LINE_S], u + lines[LINE_U], v + lines[LINE_V], depth + lines[LINE_DEPTH]
        uu, uv, vv = uu + lines[LINE_UU], uv + lines[LINE_UV], vv + lines[LINE_VV]
    return s, u, v, uu, uv, vv, depth


@inlined
def _unit_quats(cloud: Cloud, indices: Lanes) -> Any:
    """Unit quaternions of sixteen Gaussians and one over the lengths they have."""
    four = indices * splat(i32(4))
    w, x = gather(cloud.quats, four), gather(cloud.quats, four + splat(i32(1)))
    y, z = gather(cloud.quats, four + splat(i32(2))), gather(cloud.quats, four + splat(i32(3)))
    inverse = splat(f32(1)) / sqrt(fma(w, w, fma(x, x, fma(y, y, z * z))))
    return (w * inverse, x * inverse, y * inverse, z * inverse), inverse


@inlined
def _axes(quats: Any) -> Any:
    """The three axes: columns of the rotation matrix."""
    w, x, y, z = quats
    one, two = splat(f32(1)), splat(f32(2))
    x2, y2, z2 = two * x, two * y, two * z
    xx, yy, zz, xy, xz, yz = x * x2, y * y2, z * z2, x * y2, x * z2, y * z2
    wx, wy, wz = w * x2, w * y2, w * z2
    first = one - (yy + zz), xy + wz, xz - wy
    second = xy - wz, one - (xx + zz), yz + wx
    third = xz + wy, yz - wx, one - (xx + yy)
    return first, second, third


@inlined
def _by_quats(quats: Any, inverse: Lanes, a: Any, b: Any, c: Any) -> Any:
    """Gradient by the quaternions of any length, from those by the three axes."""
    w, x, y, z = quats
    two = splat(f32(2))
    xy, xz, yz = a[1] + b[0], a[2] + c[0], b[2] + c[1]
    zy, xz_, yx = b[2] - c[1], c[0] - a[2], a[1] - b[0]
    gw = two * fma(x, zy, fma(y, xz_, z * yx))
    gx = two * (fma(y, xy, fma(z, xz, w * zy)) - two * x * (b[1] + c[2]))
    gy = two * (fma(x, xy, fma(z, yz, w * xz_)) - two * y * (a[0] + c[2]))
    gz = two * (fma(x, xz, fma(y, yz, w * yx)) - two * z * (a[0] + b[1]))
    along = fma(gw, w, fma(gx, x, fma(gy, y, gz * z)))
    return (
        (gw - along * w) * inverse,
        (gx - along * x) * inverse,
        (gy - along * y) * inverse,
        (gz - along * z) * inverse,
    )


@inlined
def _slope(camera: Camera, axis: int, mean: Lanes) -> Any:
    """x / z or y / z, the same held within its limits, and whether it lies there."""
    low, high = splat(f32(camera.limits[2 * axis])), splat(f32(camera.limits[2 * axis + 1]))
    slope = (mean - splat(f32(camera.principal[axis]))) / splat(f32(camera.focal[axis]))
    return slope, minimum(maximum(slope, low), high), (slope >= low) & (slope <= high)


@inlined
def _row(rotation: Any, k: int) -> Any:
    """A row of the camera's rotation in all lanes."""
    return splat(f32(rotation[3 * k])), splat(f32(rotation[3 * k + 1])), splat(f32(rotation[3 * k + 2]))


@inlined
def _by_axis(a: Any, scale: Lanes, wa: Any, m: Any, w: Any, jx: Any, jy: Any) -> Any:
    """Gradients by a projected axis (x and y), by its length and by its direction."""
    u_x, u_y, v_y = w
    p, q = fma(u_x, wa[0], u_y * wa[1]), v_y * wa[1]
    first, second = fma(m[0], p, m[1] * q), fma(m[1], p, m[2] * q)
    x, y = u_x * first, fma(u_y, first, v_y * second)
    length = fma(x, _dot(jx, a), y * _dot(jy, a))
    x, y = x * scale, y * scale
    return x, y, length, _combined(x, jx, y, jy)


@inlined
def _by_shape(camera: Camera, fields: Any, sums: Any, cloud: Cloud, indices: Lanes) -> Any:
    """Gradients by scales and quaternions, and by the two slopes times z and by z, through the covariance."""
    scaling = splat(f32(1 / _FACTOR))
    w = fields[U_X] * scaling, fields[U_Y] * scaling, fields[V_Y] * scaling
    square = scaling * scaling
    m = sums[3] * square, sums[4] * square, sums[5] * square
    z = fields[DEPTH]
    fx, fy = splat(f32(camera.focal[0])) / z, splat(f32(camera.focal[1])) / z
    _, slope_x, inside_x = _slope(camera, 0, fields[MEAN_X])
    _, slope_y, inside_y = _slope(camera, 1, fields[MEAN_Y])
    ahead = _row(camera.rotation, 2)
    jx = _combined(fx, _row(camera.rotation, 0), -fx * slope_x, ahead)
    jy = _combined(fy, _row(camera.rotation, 1), -fy * slope_y, ahead)
    quats, inverse = _unit_quats(cloud, indices)
    a, b, c = _axes(quats)
    three = indices * splat(i32(3))
    s0, s1 = gather(cloud.scales, three), gather(cloud.scales, three + splat(i32(1)))
    s2 = gather(cloud.scales, three + splat(i32(2)))
    x0, y0, l0, d0 = _by_axis(a, s0, (_dot(jx, a) * s0, _dot(jy, a) * s0), m, w, jx, jy)
    x1, y1, l1, d1 = _by_axis(b, s1, (_dot(jx, b) * s1, _dot(jy, b) * s1), m, w, jx, jy)
    x2, y2, l2, d2 = _by_axis(c, s2, (_dot(jx, c) * s2, _dot(jy, c) * s2), m, w, jx, jy)
    by_jx = fma(x0, a[0], fma(x1, b[0], x2 * c[0])), fma(x0, a[1], fma(x1, b[1], x2 * c[1])), \
        fma(x0, a[2], fma(x1, b[2], x2 * c[2]))  # fmt: skip
    by_jy = fma(y0, a[0], fma(y1, b[0], y2 * c[0])), fma(y0, a[1], fma(y1, b[1], y2 * c[1])), \
        fma(y0, a[2], fma(y1, b[2], y2 * c[2]))  # fmt: skip
    zero = splat(f32(0))
    by_x = select(inside_x, -fx * _dot(by_jx, ahead), zero)
    by_y = select(inside_y, -fy * _dot(by_jy, ahead), zero)
    by_z = -(_dot(by_jx, jx) + _dot(by_jy, jy)) / z
    return (l0, l1, l2), _by_quats(quats, inverse, d0, d1, d2), (by_x, by_y, by_z)


@inlined
def _by_point(camera: Camera, fields: Any, sums: Any, by_slopes: Any) -> Any:
    """Gradient by the means in the world, but for the one through the colour."""
    square = splat(f32(1 / (_FACTOR * _FACTOR)))
    u_x, u_y, v_y = fields[U_X], fields[U_Y], fields[V_Y]
    mean_x, mean_y = u_x * sums[1] * square, fma(u_y, sums[1], v_y * sums[2]) * square
    slope_x, _, _ = _slope(camera, 0, fields[MEAN_X])
    slope_y, _, _ = _slope(camera, 1, fields[MEAN_Y])
    x = fma(splat(f32(camera.focal[0])), mean_x, by_slopes[0]) / fields[DEPTH]
    y = fma(splat(f32(camera.focal[1])), mean_y, by_slopes[1]) / fields[DEPTH]
    z = by_slopes[2] + sums[6] - fma(slope_x, x, slope_y * y)
    right, down, ahead = _row(camera.rotation, 0), _row(camera.rotation, 1), _row(camera.rotation, 2)
    gx = fma(x, right[0], fma(y, down[0], z * ahead[0]))
    gy = fma(x, right[1], fma(y, down[1], z * ahead[1]))
    gz = fma(x, right[2], fma(y, down[2], z * ahead[2]))
    return gx, gy, gz


@inlined
def _add(array: F32, index: int, stage: F32, first: int, count: int) -> None:
    """Add ``count`` staged numbers to an array."""
    for k in range(count):
        put(array, index + k, at(array, index + k) + at(stage, first + k))


@inlined
def _add_features(i: int, skipped: int, count: int, totals: F32, line: int, out: Gradients) -> None:
    """Add the gradients of a Gaussian's features; ``skipped`` channels of its lines are colours."""
    for k in range(count):
        c = skipped + k
        value = at(totals, line + c // CHANNELS_PER_PASS * LINE + LINE_CHANNELS + c % CHANNELS_PER_PASS)
        put(out.features, count * i + k, at(out.features, count * i + k) + value)


@inlined
def _add_group(
    first: int, valid: int, rows: Any, counts: Counts, splats: SplatGradients, stage: BackwardStage, out: Gradients
) -> None:
    """Add the gradients of sixteen Gaussians, ``valid`` of them real: eleven numbers each, and their features."""
    store_many(stage.geometry, 0, transposed(rows))
    colours = 3 if counts.coefficients > 0 else 0
    for lane in range(valid):
        i, row = np.int64(at(stage.indices, lane)), LANES * lane
        _add(out.means, 3 * i, stage.geometry, row, 3)
        _add(out.quats, 4 * i, stage.geometry, row + 3, 4)
        _add(out.scales, 3 * i, stage.geometry, row + 7, 3)
        _add(out.opacities, i, stage.geometry, row + 10, 1)
        _add_features(i, colours, counts.features, splats.totals, (first + lane) * splats.passes * LINE, out)


@kernel
def project_backward(
    cloud: Cloud, camera: Camera, counts: Counts, span: tuple[int, int], splats: SplatGradients, stage: BackwardStage,
    out: Gradients,
) -> None:  # fmt: skip
    """Add the gradients of the Gaussians whose records are span[0] to span[1] - 1."""
    nothing = splat(f32(0))
    for r in range(span[0], span[1], LANES):
        valid = min(span[1] - r, LANES)
        numbers = select(load(_COUNT, 0) < splat(i32(valid)), load(splats.indices, r), splat(i32(0)))
        store(stage.indices, 0, numbers)
        fields = transposed(load_strided(splats.records, r * splats.stride, splats.stride))
        sums = _sums(splats, r)
        (l0, l1, l2), (w, i, j, k), slopes = _by_shape(camera, fields, sums, cloud, numbers)
        x, y, z = _by_point(camera, fields, sums, slopes)
        opacity = sums[0] / gather(cloud.opacities, numbers)
        if counts.coefficients > 0:
            channels = splats.records, r * splats.stride + CHANNELS, splats.stride
            lines = splats.totals, r * splats.passes * LINE + LINE_CHANNELS, splats.passes * LINE
            lanes = numbers, valid
            dx, dy, dz = harmonics_backward(cloud, camera, counts.coefficients, lanes, channels, lines, stage, out)
            x, y, z = x + dx, y + dy, z + dz
        rows = x, y, z, w, i, j, k, l0, l1, l2, opacity, nothing, nothing, nothing, nothing, nothing
        _add_group(r, valid, rows, counts, splats, stage, out)
