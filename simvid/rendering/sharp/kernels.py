"""Compiled loops: the nearest triangle under each sample, its colour and its normal, and their means over pixels.

A ray is (x0 + z a, y0 + z b, z). A lens has either one centre (x0 = y0 = 0) or parallel rays (a = b = 0), so what tells
on which side of an edge a ray passes (see ``simvid.surfaces.zbuffer``) is linear in the two numbers s, t that differ
from ray to ray: a, b or x0, y0. It is worked out once per triangle; the samples take a few sums each.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.types import ONE, ZERO, Array, Floats, Ints
from simvid.rendering.sharp.meshes import Posed
from simvid.rendering.sharp.textures import Atlas


class Samples(NamedTuple):
    """Some lines of samples: their rays, and the nearest triangle under each.

    Attributes:
        line: of a plain pinhole, 1 / fx, 1 / fy, cx, cy [samples].
        table: of other lenses, s, t of all samples of the picture, float64 [H, W, 2]; empty for plain pinholes.
        parallel: whether s, t are x0, y0.
        top: line of the picture that is the first one here.
        z: [m], +inf without a triangle, [lines, W].
        face: its row + 1, 0 without, [lines, W].
    """

    line: Array
    table: Array
    parallel: bool
    top: int
    z: Floats
    face: Ints


@inlined
def _ray(samples: Samples, row: int, col: int) -> tuple[float, float]:
    """s, t of a sample of the picture."""
    if samples.table.shape[0] > 0:
        return samples.table[row, col, 0], samples.table[row, col, 1]
    line = samples.line
    return (col + 0.5 - line[2]) * line[0], (row + 0.5 - line[3]) * line[1]


@inlined
def _edge(p: Any, q: Any, parallel: bool) -> tuple[float, float, float]:
    """Factors of s, t and 1 in the edge function of p, q: d . (p x q) + (o x d) . (q - p)."""
    z = p[0] * q[1] - p[1] * q[0]
    if parallel:
        return p[1] - q[1], q[0] - p[0], z
    return p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], z


@inlined
def _corners(mesh: Posed, face: int) -> Any:
    """The corners of a triangle."""
    v, p, q, r = mesh.vertices, mesh.faces[face, 0], mesh.faces[face, 1], mesh.faces[face, 2]
    return (v[p, 0], v[p, 1], v[p, 2]), (v[q, 0], v[q, 1], v[q, 2]), (v[r, 0], v[r, 1], v[r, 2])


@kernel
def nearest_rows(samples: Samples, mesh: Posed, windows: Ints, near_m: float, start: int, stop: int) -> None:
    """The nearest triangle under each sample of some rows; its readable twin is ``draw_nearest`` of the z-buffer.

    Args:
        samples: their z and face are changed in place.
        mesh: the triangles.
        windows: x0, y0, x1, y1 in which they may be seen, [F, 4].
        near_m: nothing nearer is seen.
        start, stop: lines of the samples.
    """
    parallel, first, z, face = samples.parallel, samples.top, samples.z, samples.face
    for f in range(len(mesh.faces)):
        top, bottom = max(windows[f, 1], first + start), min(windows[f, 3], first + stop)
        left, right = windows[f, 0], windows[f, 2]
        if top >= bottom or left >= right:
            continue
        a, b, c = _corners(mesh, f)
        if samples.table.shape[0] == 0 and min(a[2], b[2], c[2]) > near_m:
            line = samples.line
            x0, x1 = _span(a[0] / a[2], b[0] / b[2], c[0] / c[2], line[0], line[2])
            y0, y1 = _span(a[1] / a[2], b[1] / b[2], c[1] / c[2], line[1], line[3])
            left, right, top, bottom = max(left, x0), min(right, x1), max(top, y0), min(bottom, y1)
        e0, e1, e2 = _edge(a, b, parallel), _edge(b, c, parallel), _edge(c, a, parallel)
        n0, n1, n2 = e0[0] + e1[0] + e2[0], e0[1] + e1[1] + e2[1], e0[2] + e1[2] + e2[2]
        # z is one over this under one centre, and this itself under parallel rays
        g0, g1, g2 = _plane(a, b, c, n0, n1, n2, parallel)
        for row in range(top, bottom):
            for col in range(left, right):
                s, t = _ray(samples, row, col)
                u = e0[0] * s + e0[1] * t + e0[2]
                v = e1[0] * s + e1[1] * t + e1[2]
                w = e2[0] * s + e2[1] * t + e2[2]
                if (u >= 0.0 and v >= 0.0 and w >= 0.0) or (u <= 0.0 and v <= 0.0 and w <= 0.0):
                    at = g0 * s + g1 * t + g2
                    if not parallel:
                        at = 1.0 / at
                    if at >= near_m and at < z[row - first, col]:
                        z[row - first, col] = at
                        face[row - first, col] = f + 1


@inlined
def _span(a: float, b: float, c: float, step: float, middle: float) -> tuple[int, int]:
    """The samples, first and last + 1, whose centres lie between three slopes, with room for rounding."""
    low, high = min(a, b, c) / step + middle - 0.5, max(a, b, c) / step + middle - 0.5
    return int(np.ceil(max(low - 1e-3, -1e6))), int(np.floor(min(high + 1e-3, 1e6))) + 1


@inlined
def _plane(a: Any, b: Any, c: Any, n0: float, n1: float, n2: float, parallel: bool) -> tuple[float, float, float]:
    """Factors of s, t and 1 in one over z under one centre, in z under parallel rays; NaN for a triangle on edge."""
    if not parallel:
        inside = n0 * a[0] + n1 * a[1] + n2 * a[2]
        return n0 / inside, n1 / inside, n2 / inside
    ux, uy, uz, vx, vy, vz = b[0] - a[0], b[1] - a[1], b[2] - a[2], c[0] - a[0], c[1] - a[1], c[2] - a[2]
    x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    return -x / z, -y / z, (x * a[0] + y * a[1] + z * a[2]) / z


@inlined
def _weights(samples: Samples, row: int, col: int, mesh: Posed, face: int) -> tuple[float, float, float]:
    """Barycentric coordinates of the place where a ray meets the plane of a triangle: edge functions over their sum."""
    parallel, (s, t) = samples.parallel, _ray(samples, row, col)
    a, b, c = _corners(mesh, face)
    e0, e1, e2 = _edge(a, b, parallel), _edge(b, c, parallel), _edge(c, a, parallel)
    u = e0[0] * s + e0[1] * t + e0[2]
    v = e1[0] * s + e1[1] * t + e1[2]
    w = e2[0] * s + e2[1] * t + e2[2]
    total = u + v + w
    if total == 0.0:
        return 1.0, 0.0, 0.0
    return v / total, w / total, u / total


@inlined
def _uv(mesh: Posed, face: int, w: Any) -> tuple[float, float]:
    """Texture coordinates at barycentric coordinates."""
    p, q, r = mesh.faces[face, 0], mesh.faces[face, 1], mesh.faces[face, 2]
    u = w[0] * mesh.uvs[p, 0] + w[1] * mesh.uvs[q, 0] + w[2] * mesh.uvs[r, 0]
    v = w[0] * mesh.uvs[p, 1] + w[1] * mesh.uvs[q, 1] + w[2] * mesh.uvs[r, 1]
    return u, v


@inlined
def _texel(atlas: Atlas, level: int, u: float, v: float) -> Any:
    """Bilinear colour of a level at texture coordinates; it repeats."""
    first, h, w = atlas.levels[level, 0], atlas.levels[level, 1], atlas.levels[level, 2]
    fx, fy = (u - np.floor(u)) * w - 0.5, (1.0 - (v - np.floor(v))) * h - 0.5
    cx, cy = np.floor(fx), np.floor(fy)
    s, t = np.float32(fx - cx), np.float32(fy - cy)
    x0, y0 = (int(cx) + w) % w, (int(cy) + h) % h
    x1, y1 = (x0 + 1) % w, (y0 + 1) % h
    k0, k1, k2, k3 = first + y0 * w + x0, first + y0 * w + x1, first + y1 * w + x0, first + y1 * w + x1
    scale = np.float32(1 / 65535)
    w0, w1, w2, w3 = (ONE - s) * (ONE - t) * scale, s * (ONE - t) * scale, (ONE - s) * t * scale, s * t * scale
    x = atlas.texels
    return (
        w0 * x[k0, 0] + w1 * x[k1, 0] + w2 * x[k2, 0] + w3 * x[k3, 0],
        w0 * x[k0, 1] + w1 * x[k1, 1] + w2 * x[k2, 1] + w3 * x[k3, 1],
        w0 * x[k0, 2] + w1 * x[k1, 2] + w2 * x[k2, 2] + w3 * x[k3, 2],
    )


@inlined
def _painted(samples: Samples, row: int, col: int, mesh: Posed, face: int, atlas: Atlas, w: Any) -> Any:
    """Texture of a triangle under a sample, in the copy whose texels are about as large as the sample."""
    which = mesh.texture[face]
    u, v = _uv(mesh, face, w)
    beside, below = col + (-1 if col else 1), row + (-1 if row else 1)
    ua, va = _uv(mesh, face, _weights(samples, row, beside, mesh, face))
    ub, vb = _uv(mesh, face, _weights(samples, below, col, mesh, face))
    level, last = atlas.first[which], atlas.first[which + 1] - 1
    h, width = atlas.levels[level, 1], atlas.levels[level, 2]
    area = abs((ua - u) * (vb - v) - (va - v) * (ub - u)) * h * width
    if area > 1.0:
        level = min(level + int(np.log2(area) / 2 + 0.5), last)
    return _texel(atlas, level, u, v)


@inlined
def _facing(samples: Samples, row: int, col: int, mesh: Posed, face: int, w: Any) -> Any:
    """Unit normal under a sample, turned to the camera."""
    p, q, r = mesh.faces[face, 0], mesh.faces[face, 1], mesh.faces[face, 2]
    n, v = mesh.normals, mesh.vertices
    x = w[0] * n[p, 0] + w[1] * n[q, 0] + w[2] * n[r, 0]
    y = w[0] * n[p, 1] + w[1] * n[q, 1] + w[2] * n[r, 1]
    z = w[0] * n[p, 2] + w[1] * n[q, 2] + w[2] * n[r, 2]
    if x * x + y * y + z * z < 1e-6:
        ax, ay, az = v[q, 0] - v[p, 0], v[q, 1] - v[p, 1], v[q, 2] - v[p, 2]
        bx, by, bz = v[r, 0] - v[p, 0], v[r, 1] - v[p, 1], v[r, 2] - v[p, 2]
        x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    length = np.sqrt(x * x + y * y + z * z)
    if length == 0.0:
        return ZERO, ZERO, ZERO
    s, t = _ray(samples, row, col)
    if (z if samples.parallel else x * s + y * t + z) > 0.0:
        length = -length
    return np.float32(x / length), np.float32(y / length), np.float32(z / length)


@kernel
def average_rows(
    samples: Samples, mesh: Posed, atlas: Atlas, ground: Any, side: int, out: Any, start: int, stop: int
) -> None:
    """Means of albedo, normal and what is opaque over pixels of ``side`` x ``side`` samples.

    Args:
        samples: as ``nearest_rows`` leaves them.
        mesh, atlas: the triangles and their textures.
        ground: z of the ground, +inf without [H, W]; its albedo [H, W, 3]; its normal in the camera's frame [3].
        side: samples along the edge of a pixel.
        out: albedo and normals, float32 [H, W, 3] each, and share of what is opaque, [H, W].
        start, stop: lines of pixels, from the samples' first one on.
    """
    first, z, face = samples.top // side, samples.z, samples.face
    depth, plain, up = ground
    albedo, normals, opaque = out
    share = np.float32(1.0 / (side * side))
    for row in range(first + start, first + stop):
        for col in range(depth.shape[1]):
            r, g, b, x, y, t, clear = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
            for i in range(row * side, row * side + side):
                for j in range(col * side, col * side + side):
                    k = face[i - samples.top, j] - 1
                    if k < 0 or z[i - samples.top, j] > depth[row, col]:
                        if depth[row, col] < np.inf:
                            r, g, b = r + plain[row, col, 0], g + plain[row, col, 1], b + plain[row, col, 2]
                            x, y, t = x + up[0], y + up[1], t + up[2]
                        continue
                    w = _weights(samples, i, j, mesh, k)
                    p, q, s = mesh.faces[k, 0], mesh.faces[k, 1], mesh.faces[k, 2]
                    c = mesh.color
                    w0, w1, w2 = np.float32(w[0]), np.float32(w[1]), np.float32(w[2])
                    cr = w0 * c[p, 0] + w1 * c[q, 0] + w2 * c[s, 0]
                    cg = w0 * c[p, 1] + w1 * c[q, 1] + w2 * c[s, 1]
                    cb = w0 * c[p, 2] + w1 * c[q, 2] + w2 * c[s, 2]
                    if mesh.texture[k] >= 0:
                        tr, tg, tb = _painted(samples, i, j, mesh, k, atlas, w)
                        cr, cg, cb = cr * tr, cg * tg, cb * tb
                    r, g, b = r + cr, g + cg, b + cb
                    clear += ONE - mesh.opaque[k]
                    nx, ny, nz = _facing(samples, i, j, mesh, k, w)
                    x, y, t = x + nx, y + ny, t + nz
            opaque[row, col] = ONE - clear * share
            albedo[row, col, 0], albedo[row, col, 1], albedo[row, col, 2] = r * share, g * share, b * share
            normals[row, col, 0], normals[row, col, 1], normals[row, col, 2] = x * share, y * share, t * share
