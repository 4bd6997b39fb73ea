"""The kernel of solids: forces of tetrahedra, which keep momentum and spin."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the solver of thin bodies, which is loaded only when it is asked for

from simvid.physics.thin.warp_structs import Vertices

wp.set_module_options({"enable_backward": False, "optimization_level": 2})

ZERO = wp.constant(wp.float64(0.0))
HALF = wp.constant(wp.float64(0.5))
ONE = wp.constant(wp.float64(1.0))
TWO = wp.constant(wp.float64(2.0))
MOST_TURNS = wp.constant(20)
"""Of a rotation towards that of F in one substep; it starts from that of the last."""
TURNED = wp.constant(wp.float64(1.0e-8))
"""A turn that is none [rad]."""
CURVED = wp.constant(wp.float64(1.0e-2))
"""Least minors of H for Newton's way."""


@wp.struct
class Solids:
    """As ``tetrahedra.Tetrahedra``; N of them."""

    corners: wp.array(dtype=wp.vec4i)
    inverse: wp.array(dtype=wp.mat33d)
    volume: wp.array(dtype=wp.float64)
    lame: wp.array(dtype=wp.vec2d)
    law: wp.array(dtype=wp.int32)
    turn: wp.array(dtype=wp.quatd)
    """Rotation of F in the last substep."""
    damping: wp.float64
    """Relaxation time [s]."""


@wp.func
def follow(q: wp.quatd, F0: wp.vec3d, F1: wp.vec3d, F2: wp.vec3d):
    """The rotation R nearest to F = [F0 F1 F2], from one near to it; a proper one also where F is inside out.

    tr(R^T F) grows by g . w - w . H w / 2 where R turns on by w, with g = sum r_i x F_i, M = R F^T and H = tr(M) - M:
    Newton's way where that has a top, else the step of Mueller et al. 2016, "A robust method to extract the rotational
    part of deformations".
    """
    r = q
    for _ in range(MOST_TURNS):
        R = wp.quat_to_matrix(r)
        a, b = wp.vec3d(R[0, 0], R[1, 0], R[2, 0]), wp.vec3d(R[0, 1], R[1, 1], R[2, 1])
        c = wp.vec3d(R[0, 2], R[1, 2], R[2, 2])
        g = wp.cross(a, F0) + wp.cross(b, F1) + wp.cross(c, F2)
        M = wp.outer(a, F0) + wp.outer(b, F1) + wp.outer(c, F2)
        along = M[0, 0] + M[1, 1] + M[2, 2]
        H = wp.diag(wp.vec3d(along, along, along)) - HALF * (M + wp.transpose(M))
        minor = H[0, 0] * H[1, 1] - H[0, 1] * H[1, 0]
        omega = g / (wp.abs(along) + wp.float64(1.0e-9))
        if H[0, 0] > CURVED and minor > CURVED and wp.determinant(H) > CURVED:
            better = wp.inverse(H) * g
            if wp.length(better) < ONE:
                omega = better
        angle = wp.length(omega)
        if angle < TURNED:
            break
        r = wp.normalize(wp.quat_from_axis_angle(omega / angle, angle) * r)
    return r


@wp.kernel
def solids(vertices: Vertices, elements: Solids) -> None:  # noqa: PLR0915  one law after the other
    """Forces -V P D^-T of the first stress P of Piola and Kirchhoff, and of a viscous one, F S with
    S = tau (lambda tr(dE/dt) + 2 mu dE/dt) of Green's strain E."""
    t = wp.tid()
    c = elements.corners[t]
    d = elements.inverse[t]
    x, u = vertices.x[c[0]], vertices.v[c[0]]
    e0, e1, e2 = vertices.x[c[1]] - x, vertices.x[c[2]] - x, vertices.x[c[3]] - x
    w0, w1, w2 = vertices.v[c[1]] - u, vertices.v[c[2]] - u, vertices.v[c[3]] - u
    F0 = e0 * d[0, 0] + e1 * d[1, 0] + e2 * d[2, 0]
    F1 = e0 * d[0, 1] + e1 * d[1, 1] + e2 * d[2, 1]
    F2 = e0 * d[0, 2] + e1 * d[1, 2] + e2 * d[2, 2]
    G0 = w0 * d[0, 0] + w1 * d[1, 0] + w2 * d[2, 0]
    G1 = w0 * d[0, 1] + w1 * d[1, 1] + w2 * d[2, 1]
    G2 = w0 * d[0, 2] + w1 * d[1, 2] + w2 * d[2, 2]
    lam, mu = elements.lame[t][0], elements.lame[t][1]
    C0, C1, C2 = wp.cross(F1, F2), wp.cross(F2, F0), wp.cross(F0, F1)
    J = wp.dot(F0, C0)
    P0, P1, P2 = wp.vec3d(), wp.vec3d(), wp.vec3d()
    if elements.law[t] == 0:
        q = follow(elements.turn[t], F0, F1, F2)
        elements.turn[t] = q
        R = wp.quat_to_matrix(q)
        press = lam * (J - ONE)
        P0 = TWO * mu * (F0 - wp.vec3d(R[0, 0], R[1, 0], R[2, 0])) + press * C0
        P1 = TWO * mu * (F1 - wp.vec3d(R[0, 1], R[1, 1], R[2, 1])) + press * C1
        P2 = TWO * mu * (F2 - wp.vec3d(R[0, 2], R[1, 2], R[2, 2])) + press * C2
    else:
        m, k = mu * wp.float64(4.0) / wp.float64(3.0), lam + mu * wp.float64(5.0) / wp.float64(6.0)
        square = wp.dot(F0, F0) + wp.dot(F1, F1) + wp.dot(F2, F2)
        pull = m * (ONE - ONE / (square + ONE))
        press = k * (J - ONE) - wp.float64(0.75) * m
        P0, P1, P2 = pull * F0 + press * C0, pull * F1 + press * C1, pull * F2 + press * C2
    tau = elements.damping
    s00, s11, s22 = wp.dot(F0, G0), wp.dot(F1, G1), wp.dot(F2, G2)
    s01 = tau * mu * (wp.dot(F0, G1) + wp.dot(F1, G0))
    s12 = tau * mu * (wp.dot(F1, G2) + wp.dot(F2, G1))
    s20 = tau * mu * (wp.dot(F2, G0) + wp.dot(F0, G2))
    wide = tau * lam * (s00 + s11 + s22)
    two = TWO * tau * mu
    P0 = P0 + F0 * (wide + two * s00) + F1 * s01 + F2 * s20
    P1 = P1 + F0 * s01 + F1 * (wide + two * s11) + F2 * s12
    P2 = P2 + F0 * s20 + F1 * s12 + F2 * (wide + two * s22)
    volume = -elements.volume[t]
    f0 = volume * (P0 * d[0, 0] + P1 * d[0, 1] + P2 * d[0, 2])
    f1 = volume * (P0 * d[1, 0] + P1 * d[1, 1] + P2 * d[1, 2])
    f2 = volume * (P0 * d[2, 0] + P1 * d[2, 1] + P2 * d[2, 2])
    wp.atomic_add(vertices.f, c[1], f0)
    wp.atomic_add(vertices.f, c[2], f1)
    wp.atomic_add(vertices.f, c[3], f2)
    wp.atomic_add(vertices.f, c[0], -f0 - f1 - f2)
