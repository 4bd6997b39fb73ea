"""The kernels of what holds thin bodies together: membranes, hinges, springs, bends. All keep momentum and spin."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the solver of thin bodies, which is loaded only when it is asked for

from simvid.physics.thin.warp_structs import Elements, Vertices

wp.set_module_options({"enable_backward": False, "optimization_level": 2})

HALF = wp.constant(wp.float64(0.5))
ONE = wp.constant(wp.float64(1.0))
TINY = wp.constant(wp.float64(1.0e-15))


@wp.kernel
def membrane(vertices: Vertices, elements: Elements) -> None:
    """Forces of triangles: S = lambda tr(E) + 2 mu E of Green's strain E + tau dE/dt, force -A F S D^-T."""
    t = wp.tid()
    c = elements.triangles[t]
    i, j, k = c[0], c[1], c[2]
    d = elements.inverse[t]
    one, two = vertices.x[j] - vertices.x[i], vertices.x[k] - vertices.x[i]
    fast, slow = vertices.v[j] - vertices.v[i], vertices.v[k] - vertices.v[i]
    F0, F1 = one * d[0, 0] + two * d[1, 0], one * d[0, 1] + two * d[1, 1]
    G0, G1 = fast * d[0, 0] + slow * d[1, 0], fast * d[0, 1] + slow * d[1, 1]
    tau = elements.damping[0]
    a = HALF * (wp.dot(F0, F0) - ONE) + tau * wp.dot(F0, G0)
    b = HALF * (wp.dot(F1, F1) - ONE) + tau * wp.dot(F1, G1)
    s = HALF * (wp.dot(F0, F1) + tau * (wp.dot(F0, G1) + wp.dot(F1, G0)))
    lam, twice = elements.lame[t][0] * (a + b), elements.lame[t][1] + elements.lame[t][1]
    P0 = F0 * (lam + twice * a) + F1 * (twice * s)
    P1 = F0 * (twice * s) + F1 * (lam + twice * b)
    area = elements.area[t]
    fj = -area * (P0 * d[0, 0] + P1 * d[0, 1])
    fk = -area * (P0 * d[1, 0] + P1 * d[1, 1])
    wp.atomic_add(vertices.f, j, fj)
    wp.atomic_add(vertices.f, k, fk)
    wp.atomic_add(vertices.f, i, -fj - fk)


@wp.kernel
def hinges(vertices: Vertices, elements: Elements) -> None:
    """Forces of folds: energy c/2 (|s| - b)^2 with s = sum K_i x_i; along s, so that they turn nothing."""
    e = wp.tid()
    c, K = elements.hinges[e], elements.weights[e]
    s, speed = wp.vec3d(), wp.vec3d()
    for q in range(4):
        s += K[q] * vertices.x[c[q]]
        speed += K[q] * vertices.v[c[q]]
    size = wp.length(s)
    if size < TINY:
        return
    along = s / size
    b = elements.bend[e]
    if b != wp.float64(0.0):
        edge = vertices.x[c[1]] - vertices.x[c[0]]
        normal = wp.cross(edge, vertices.x[c[2]] - vertices.x[c[3]])
        b = wp.where(wp.dot(normal, along) < wp.float64(0.0), -b, b)
    pull = -elements.fold[e] * (size - b + elements.damping[1] * wp.dot(speed, along))
    for q in range(4):
        wp.atomic_add(vertices.f, c[q], pull * K[q] * along)


@wp.kernel
def springs(vertices: Vertices, elements: Elements) -> None:
    """Forces of segments: E A (l/L - 1 + tau dl/dt / L) along them."""
    s = wp.tid()
    ends = elements.segments[s]
    d = vertices.x[ends[1]] - vertices.x[ends[0]]
    long, rest = wp.length(d), elements.length[s]
    if long < TINY:
        return
    along = d / long
    rate = wp.dot(vertices.v[ends[1]] - vertices.v[ends[0]], along)
    pull = elements.stretch[s] * (long / rest - ONE + elements.damping[0] * rate / rest) * along
    wp.atomic_add(vertices.f, ends[0], pull)
    wp.atomic_add(vertices.f, ends[1], -pull)


@wp.func
def across(a: wp.vec3d, along: wp.vec3d):
    """What of a is not along a unit vector."""
    return a - wp.dot(a, along) * along


@wp.kernel
def bends(vertices: Vertices, elements: Elements) -> None:
    """Forces of corners of lines: energy E I / (2 L) |t2 - t1|^2 of the unit tangents t."""
    k = wp.tid()
    c = elements.corners[k]
    one, two = vertices.x[c[1]] - vertices.x[c[0]], vertices.x[c[2]] - vertices.x[c[1]]
    l1, l2 = wp.length(one), wp.length(two)
    if l1 < TINY or l2 < TINY:
        return
    t1, t2 = one / l1, two / l2
    u = t2 - t1
    size = wp.length(u)
    if size < TINY:
        return
    turning = (
        across(vertices.v[c[2]] - vertices.v[c[1]], t2) / l2 - across(vertices.v[c[1]] - vertices.v[c[0]], t1) / l1
    )
    moment = elements.flex[k] * (u + elements.damping[1] * (wp.dot(u, turning) / (size * size)) * u)
    first, last = across(moment, t1) / l1, across(moment, t2) / l2
    wp.atomic_add(vertices.f, c[0], -first)
    wp.atomic_add(vertices.f, c[1], first + last)
    wp.atomic_add(vertices.f, c[2], -last)
