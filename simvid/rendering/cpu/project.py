"""Gaussians to splats: projection, culling, colour. Sixteen Gaussians at a time.

The formulas are those of gsplat 1.5.3 (Ye et al. 2024; EWA splatting, Zwicker et al. 2001), in another order of
operations: covariances enter as factors, so that determinants of long thin splats lose no digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simvid.rendering.cpu.layout import (
    CHANNELS,
    F32,
    I32,
    LANES,
    LOG2_SCALE,
    TILE,
    Camera,
    Cloud,
    Counts,
    Projected,
    Stage,
)
from simvid.rendering.cpu.lens import LensNumbers, through
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.simd import (
    Lanes,
    as_bits,
    bits,
    floated,
    fma,
    from_bits,
    lowest_bit,
    maximum,
    minimum,
    narrowed,
    select,
    splat,
    sqrt,
    truncated,
    widened,
)
from simvid.rendering.kernels.simd_memory import (
    append_rows,
    at,
    gather,
    load,
    load_columns,
    put,
    store,
    store_many,
    transposed,
    weighted_rows,
)
from simvid.rendering.raster import ALPHA_MIN, LEAST_DETERMINANT_PX4, MOST_COLOUR, MOST_PX2, QUAT_NORMS

f32 = np.float32
i32 = np.int32

_K4, _K9, _K16 = (0.0,) * 4, (0.0,) * 9, (0.0,) * 16
_LOG2_255 = float(-np.log2(ALPHA_MIN))
_SQUARED_PER_LOG2 = float(2 * np.log(2))  # alpha = 2**-t at squared distance 2 ln(2) t
_FACTOR = float(np.sqrt(0.5 / np.log(2) / LOG2_SCALE))  # exp(-d^2 / 2) = 2**(-LOG2_SCALE (FACTOR d)^2)
_MARGIN_PX = 1e-3
_TILE_BITS = TILE.bit_length() - 1
_NOWHERE = 1 | 1 << 16
"""A rectangle of tiles from column 1, row 1 back to column 0, row 0."""


@inlined
def log2(x: Lanes) -> Lanes:
    """Binary logarithm of positive normal float32 lanes, to 2e-7: log2 m = 2/ln2 atanh((m - 1) / (m + 1))."""
    one = splat(f32(1))
    pattern = as_bits(x)
    exponent = (pattern - splat(i32(0x3F3504F3))) >> splat(i32(23))  # so that the mantissa is in [sqrt(1/2), sqrt(2))
    mantissa = from_bits(pattern - (exponent << splat(i32(23))))
    s = (mantissa - one) / (mantissa + one)
    s2 = s * s
    series = fma(s2, splat(f32(2.885390082 / 9)), splat(f32(2.885390082 / 7)))
    series = fma(s2, series, splat(f32(2.885390082 / 5)))
    series = fma(s2, series, splat(f32(2.885390082 / 3)))
    series = fma(s2, series, splat(f32(2.885390082)))
    return fma(s, series, floated(exponent))


@inlined
def _camera_point(cloud: Cloud, camera: Camera, i: int) -> Any:
    """Means in camera axes and their differences from the camera centre in the world, float64 lanes."""
    x, y, z = load_columns(cloud.means, 3 * i, 3)
    x64, y64, z64 = widened(x), widened(y), widened(z)
    r, t, c = camera.rotation, camera.translation, camera.centre
    px = fma(splat(r[0]), x64, fma(splat(r[1]), y64, fma(splat(r[2]), z64, splat(t[0]))))
    py = fma(splat(r[3]), x64, fma(splat(r[4]), y64, fma(splat(r[5]), z64, splat(t[1]))))
    pz = fma(splat(r[6]), x64, fma(splat(r[7]), y64, fma(splat(r[8]), z64, splat(t[2]))))
    return px, py, pz, narrowed(x64 - splat(c[0])), narrowed(y64 - splat(c[1])), narrowed(z64 - splat(c[2]))


@inlined
def _along_axes(cloud: Cloud, i: int, jx: Lanes, jy: Lanes, jz: Lanes) -> Any:
    """A world direction (jx, jy, jz) dotted with the Gaussians' three scaled axes."""
    w, x, y, z = load_columns(cloud.quats, 4 * i, 4)
    sx, sy, sz = load_columns(cloud.scales, 3 * i, 3)
    one, two = splat(f32(1)), splat(f32(2))
    norm = fma(w, w, fma(x, x, fma(y, y, z * z)))
    sound = (norm >= splat(f32(QUAT_NORMS[0]))) & (norm <= splat(f32(QUAT_NORMS[1])))
    s = two / select(sound, norm, splat(f32(np.nan)))  # no rotation, and no covariance
    xs, ys, zs = x * s, y * s, z * s
    wx, wy, wz = w * xs, w * ys, w * zs
    xx, xy, xz, yy, yz, zz = x * xs, x * ys, x * zs, y * ys, y * zs, z * zs
    first = fma(jx, one - (yy + zz), fma(jy, xy + wz, jz * (xz - wy)))
    second = fma(jx, xy - wz, fma(jy, one - (xx + zz), jz * (yz + wx)))
    third = fma(jx, xz + wy, fma(jy, yz - wx, jz * (one - (xx + yy))))
    return first * sx, second * sy, third * sz


@inlined
def _jacobian_row(rotation: Any, axis: int, focal: float, slope: Lanes, depth: Lanes) -> Any:
    """World gradient of a pixel coordinate: focal / z (row ``axis`` of the rotation - slope * its third row)."""
    r = rotation
    scale = splat(f32(focal)) / depth
    x = (splat(f32(r[3 * axis])) - slope * splat(f32(r[6]))) * scale
    y = (splat(f32(r[3 * axis + 1])) - slope * splat(f32(r[7]))) * scale
    z = (splat(f32(r[3 * axis + 2])) - slope * splat(f32(r[8]))) * scale
    return x, y, z


@inlined
def _covariance(cloud: Cloud, camera: Camera, i: int, x: Lanes, y: Lanes, z: Lanes) -> Any:
    """Blurred 2-D covariance (xx, xy, yy) and its determinant, by Cauchy-Binet from the 2 x 3 factor."""
    limits = camera.limits
    slope_x = minimum(maximum(x / z, splat(f32(limits[0]))), splat(f32(limits[1])))
    slope_y = minimum(maximum(y / z, splat(f32(limits[2]))), splat(f32(limits[3])))
    jx, jy, jz = _jacobian_row(camera.rotation, 0, camera.focal[0], slope_x, z)
    a0, a1, a2 = _along_axes(cloud, i, jx, jy, jz)
    jx, jy, jz = _jacobian_row(camera.rotation, 1, camera.focal[1], slope_y, z)
    b0, b1, b2 = _along_axes(cloud, i, jx, jy, jz)
    return _squared(a0, a1, a2, b0, b1, b2, camera.blur)


@inlined
def _squared(a0: Lanes, a1: Lanes, a2: Lanes, b0: Lanes, b1: Lanes, b2: Lanes, blur_px2: float) -> Any:
    xx = fma(a0, a0, fma(a1, a1, a2 * a2))
    xy = fma(a0, b0, fma(a1, b1, a2 * b2))
    yy = fma(b0, b0, fma(b1, b1, b2 * b2))
    m0, m1, m2 = a0 * b1 - a1 * b0, a0 * b2 - a2 * b0, a1 * b2 - a2 * b1
    blur = splat(f32(blur_px2))
    determinant = fma(m0, m0, fma(m1, m1, fma(m2, m2, blur * (xx + yy + blur))))
    return xx + blur, xy, yy + blur, determinant


@inlined
def _lens_row(rotation: Any, scale: Lanes, by_x: Lanes, by_y: Lanes, slope_x: Lanes, slope_y: Lanes) -> Any:
    """World gradient of a pixel coordinate whose derivatives by the slopes are ``by_x`` and ``by_y``."""
    r = rotation
    along = fma(by_x, slope_x, by_y * slope_y)
    x = fma(by_x, splat(f32(r[0])), fma(by_y, splat(f32(r[3])), -along * splat(f32(r[6])))) * scale
    y = fma(by_x, splat(f32(r[1])), fma(by_y, splat(f32(r[4])), -along * splat(f32(r[7])))) * scale
    z = fma(by_x, splat(f32(r[2])), fma(by_y, splat(f32(r[5])), -along * splat(f32(r[8])))) * scale
    return x, y, z


@inlined
def _lens_projection(cloud: Cloud, camera: Camera, lens: LensNumbers, i: int, x: Lanes, y: Lanes, z: Lanes) -> Any:
    """Mean and covariance through a lens that is no plain pinhole."""
    u, v, g_xx, g_xy, g_yy, slope_x, slope_y, scale = through(lens, x, y, z)
    fx, fy = splat(f32(camera.focal[0])), splat(f32(camera.focal[1]))
    jx, jy, jz = _lens_row(camera.rotation, fx * scale, g_xx, g_xy, slope_x, slope_y)
    a0, a1, a2 = _along_axes(cloud, i, jx, jy, jz)
    jx, jy, jz = _lens_row(camera.rotation, fy * scale, g_xy, g_yy, slope_x, slope_y)
    b0, b1, b2 = _along_axes(cloud, i, jx, jy, jz)
    xx, xy, yy, determinant = _squared(a0, a1, a2, b0, b1, b2, camera.blur)
    mean_x = fma(fx, u, splat(f32(camera.principal[0])))
    mean_y = fma(fy, v, splat(f32(camera.principal[1])))
    return xx, xy, yy, determinant, mean_x, mean_y


@inlined
def _first_and_last(centre: Lanes, extent: Lanes, size: int) -> Any:
    """First and last pixel whose centre is within the extent, cut to the picture; last < first if there is none."""
    zero, one, half = splat(f32(0)), splat(f32(1)), splat(f32(0.5))
    top = splat(f32(size))
    low = minimum(maximum(centre - extent - half, zero), top)
    whole = floated(truncated(low))
    low = select(whole < low, whole + one, whole)
    high = minimum(maximum(centre + extent + half, zero), top)
    return truncated(low), truncated(high) - splat(i32(1))


@inlined
def _basis(x: Lanes, y: Lanes, z: Lanes) -> Any:
    """The sixteen real spherical harmonics of degree 0 to 3 at a unit direction (as ``spherical_harmonics.basis``)."""
    xx, yy, zz, xy = x * x, y * y, z * z, x * y
    five = fma(splat(f32(5)), zz, splat(f32(-1)))  # 4 zz - xx - yy on the unit sphere
    c1, c2 = splat(f32(0.48860251190292)), splat(f32(1.0925484305920792))
    c3, c4 = splat(f32(-0.5900435899266435)), splat(f32(-0.4570457994644658))
    three = splat(f32(3))
    return (
        splat(f32(0.28209479177387814)),
        -c1 * y,
        c1 * z,
        -c1 * x,
        c2 * xy,
        -c2 * (y * z),
        fma(splat(f32(0.9461746957575601)), zz, splat(f32(-0.3153915652525201))),
        -c2 * (x * z),
        splat(f32(0.5462742152960396)) * (xx - yy),
        c3 * y * fma(three, xx, -yy),
        splat(f32(2.890611442640554)) * xy * z,
        c4 * y * five,
        splat(f32(0.3731763325901154)) * z * fma(splat(f32(5)), zz, -three),
        c4 * x * five,
        splat(f32(1.445305721320277)) * z * (xx - yy),
        c3 * x * fma(three, -yy, xx),
    )


@inlined
def _store_basis(cloud: Cloud, i: int, x: Lanes, y: Lanes, z: Lanes, stage: F32) -> None:
    """Harmonics of each Gaussian's view direction in its owner's frame: row k of ``stage`` belongs to lane k."""
    if len(cloud.rotations):
        r = load(cloud.owners, i) * splat(i32(9))
        m = cloud.rotations
        k1, k2, k3 = r + splat(i32(1)), r + splat(i32(2)), r + splat(i32(3))
        k4, k5, k6 = r + splat(i32(4)), r + splat(i32(5)), r + splat(i32(6))
        k7, k8 = r + splat(i32(7)), r + splat(i32(8))
        tx = fma(gather(m, r), x, fma(gather(m, k3), y, gather(m, k6) * z))
        ty = fma(gather(m, k1), x, fma(gather(m, k4), y, gather(m, k7) * z))
        tz = fma(gather(m, k2), x, fma(gather(m, k5), y, gather(m, k8) * z))
        x, y, z = tx, ty, tz
    inverse = splat(f32(1)) / sqrt(fma(x, x, fma(y, y, z * z)))
    store_many(stage, 0, transposed(_basis(x * inverse, y * inverse, z * inverse)))


@inlined
def _colour(cloud: Cloud, coefficients: int, i: int, lane: int, stage: F32) -> Any:
    """Red, green, blue of one Gaussian before the offset of one half."""
    sh, start, first = cloud.sh, 3 * coefficients * (i + lane), LANES * lane
    if coefficients == 16:
        return weighted_rows(sh, start, stage, first, _K16)
    if coefficients == 9:
        return weighted_rows(sh, start, stage, first, _K9)
    if coefficients == 4:
        return weighted_rows(sh, start, stage, first, _K4)
    flat = f32(0.28209479177387814)
    return flat * at(sh, start), flat * at(sh, start + 1), flat * at(sh, start + 2)


@inlined
def _fill_channels(cloud: Cloud, counts: Counts, i: int, lane: int, r: int, records: Any, stage: Any) -> bool:
    """Write a record's channels: colour from the harmonics, if there are any, then the features.

    Says whether the colour can be drawn; NaN cannot.
    """
    channel, drawable = r + CHANNELS, True
    if counts.coefficients > 0:
        red, green, blue = _colour(cloud, counts.coefficients, i, lane, stage)
        half, zero, most = f32(0.5), f32(0), f32(MOST_COLOUR)
        drawable = red <= most and green <= most and blue <= most
        put(records, channel, max(zero, half + red))
        put(records, channel + 1, max(zero, half + green))
        put(records, channel + 2, max(zero, half + blue))
        channel += 3
    start = counts.features * (i + lane)
    for k in range(counts.features):
        put(records, channel + k, at(cloud.features, start + k))
    return drawable


@inlined
def _count_tiles(starts: Any, columns: int, low: int, high: int) -> None:
    """Add one over a rectangle of tiles, as four corners of a table that is summed up later (Crow 1984, backwards)."""
    x0, y0 = low & 0xFFFF, low >> 16
    x1, y1 = (high & 0xFFFF) + 1, (high >> 16) + 1
    row = columns + 1
    put(starts, y0 * row + x0, at(starts, y0 * row + x0) + 1)
    put(starts, y0 * row + x1, at(starts, y0 * row + x1) - 1)
    put(starts, y1 * row + x0, at(starts, y1 * row + x0) - 1)
    put(starts, y1 * row + x1, at(starts, y1 * row + x1) + 1)


@inlined
def _geometry(cloud: Cloud, camera: Camera, lens: LensNumbers | None, i: int, x: Lanes, y: Lanes, z: Lanes) -> Any:
    """Which of sixteen Gaussians touch a pixel, their records' first ten fields, and their tiles."""
    opacity = load(cloud.opacities, i)
    if lens is None:
        xx, xy, yy, determinant = _covariance(cloud, camera, i, x, y, z)
        mean_x = fma(splat(f32(camera.focal[0])), x / z, splat(f32(camera.principal[0])))
        mean_y = fma(splat(f32(camera.focal[1])), y / z, splat(f32(camera.principal[1])))
    else:
        xx, xy, yy, determinant, mean_x, mean_y = _lens_projection(cloud, camera, lens, i, x, y, z)
    peak = log2(opacity)
    reach = (peak + splat(f32(_LOG2_255))) * splat(f32(_SQUARED_PER_LOG2))
    margin = splat(f32(_MARGIN_PX))
    x0, x1 = _first_and_last(mean_x, sqrt(reach * xx) + margin, camera.width)
    y0, y1 = _first_and_last(mean_y, sqrt(reach * yy) + margin, camera.height)
    most = splat(f32(MOST_PX2))
    seen = (opacity >= splat(f32(ALPHA_MIN))) & (opacity < splat(f32(np.inf))) & (x0 <= x1) & (y0 <= y1)
    seen = seen & (determinant >= splat(f32(LEAST_DETERMINANT_PX4))) & (determinant <= most)
    seen = seen & (xx <= most) & (yy <= most)
    factor = splat(f32(_FACTOR))
    v_y = factor / sqrt(yy)
    u_x = factor * sqrt(yy / determinant)
    slope_y = xy / yy
    tile = splat(i32(_TILE_BITS))
    low = (x0 >> tile) | ((y0 >> tile) << splat(i32(16)))
    high = (x1 >> tile) | ((y1 >> tile) << splat(i32(16)))
    peak = peak * splat(f32(1 / LOG2_SCALE))
    zero = splat(f32(0))
    owner = from_bits(load(cloud.owners, i))
    fields = (
        u_x,
        -u_x * slope_y,
        mean_x,
        v_y,
        mean_y,
        peak,
        z,
        owner,
        slope_y,
        xy / xx,
        zero,
        zero,
        zero,
        zero,
        zero,
        zero,
    )
    return seen, fields, low, high


@inlined
def _project_group(  # noqa: PLR0913, PLR0917  parts of one kernel
    cloud: Cloud,
    camera: Camera,
    lens: LensNumbers | None,
    counts: Counts,
    i: int,
    n: int,
    out: Projected,
    starts: Any,
    stage: Stage,
) -> int:
    """Project Gaussians i to i + 15 and append the visible ones at record n; returns the next free record."""
    x64, y64, z64, dx, dy, dz = _camera_point(cloud, camera, i)
    ahead = (z64 >= splat(camera.near)) & (z64 <= splat(camera.far))
    if bits(ahead) == 0:
        return n
    x, y, z = narrowed(x64), narrowed(y64), narrowed(z64)
    seen, fields, low, high = _geometry(cloud, camera, lens, i, x, y, z)
    rest = bits(seen & ahead)
    if rest == 0:
        return n
    append_rows(out.records, n * counts.stride, counts.stride, seen & ahead, transposed(fields))
    if counts.coefficients > 1:
        _store_basis(cloud, i, dx, dy, dz, stage.basis)
    store(stage.ints, 0, as_bits(z))
    store(stage.ints, LANES, low)
    store(stage.ints, 2 * LANES, high)
    while rest != 0:
        lane = lowest_bit(rest)
        rest &= rest - 1
        first, last = np.int64(at(stage.ints, LANES + lane)), np.int64(at(stage.ints, 2 * LANES + lane))
        put(out.keys, n, at(stage.ints, lane))
        if _fill_channels(cloud, counts, i, lane, n * counts.stride, out.records, stage.basis):
            put(out.rects, n, first | (last << 32))
            _count_tiles(starts, counts.columns, first, last)
        else:
            put(out.rects, n, _NOWHERE)
        n += 1
    return n


@kernel
def project(  # noqa: PLR0913, PLR0917  plain arrays and numbers, as kernels want them
    cloud: Cloud,
    camera: Camera,
    lens: LensNumbers | None,
    counts: Counts,
    span: tuple[int, int],
    n: int,
    out: Projected,
    starts: I32,
    stage: Stage,
) -> int:
    """Project Gaussians span[0] to span[1] - 1, a multiple of sixteen, and write the visible ones from record n on.

    ``starts`` [(columns + 1) * (rows + 1)] counts tiles in the corner form of ``_count_tiles``. Returns the record
    after the last one written. With ``lens`` None, a plain pinhole, the kernel knows nothing of lenses.
    """
    for i in range(span[0], span[1], LANES):
        n = _project_group(cloud, camera, lens, counts, i, n, out, starts, stage)
    return n
