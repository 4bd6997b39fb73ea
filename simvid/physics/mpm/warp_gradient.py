"""The kernels of the differentiable solver: each substep has arrays of its own, which the backward pass reads again.

Elastic solids on a grid that is there everywhere, and planes. The laws are those of ``warp_stress``. Contact is that of
nodes alone, which sets in smoothly, as weights grow from nothing, but up to a cell early; to wait for the particles as
``warp_contact.approach`` does is a jump in time that derivatives do not see.
"""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the MPM solver, which is loaded only when it is asked for

from simvid.physics.mpm.warp_colliders import after_contact
from simvid.physics.mpm.warp_splines import corner, weights
from simvid.physics.mpm.warp_stress import NEO_HOOKEAN, fixed_corotated, neo_hookean

wp.set_module_options({"enable_backward": True, "optimization_level": 2})
MOST_PLANES = 6
PLANES = wp.constant(MOST_PLANES)


@wp.struct
class Step:
    """Particles before a substep."""

    x: wp.array(dtype=wp.vec3)
    v: wp.array(dtype=wp.vec3)
    C: wp.array(dtype=wp.mat33)
    F: wp.array(dtype=wp.mat33)


@wp.struct
class Nodes:
    """The grid of a substep."""

    momentum: wp.array3d(dtype=wp.vec3)
    mass: wp.array3d(dtype=wp.float32)
    velocity: wp.array3d(dtype=wp.vec3)


@wp.struct
class Stuff:
    """What particles are made of."""

    young: wp.array(dtype=wp.float32)
    poisson: wp.array(dtype=wp.float32)
    mass: wp.array(dtype=wp.float32)
    volume: wp.array(dtype=wp.float32)
    model: wp.array(dtype=wp.int32)


@wp.struct
class Planes:
    """Solid where normal . x < offset."""

    normal: wp.array(dtype=wp.vec3)
    offset: wp.array(dtype=wp.float32)
    friction: wp.array(dtype=wp.float32)
    sticky: wp.array(dtype=wp.int32)


@wp.kernel
def give(step: Step, stuff: Stuff, nodes: Nodes, spacing: wp.float32, dt: wp.float32) -> None:
    """Particles to grid, stress from F."""
    p = wp.tid()
    x, F = step.x[p], step.F[p]
    young, nu = stuff.young[p], stuff.poisson[p]
    mu = young / (2.0 * (1.0 + nu))
    lam = young * nu / ((1.0 + nu) * (1.0 - 2.0 * nu))
    tau = wp.mat33()
    if stuff.model[p] == NEO_HOOKEAN:
        tau = neo_hookean(F, mu, lam)
    else:
        tau = fixed_corotated(F, mu, lam)
    m = stuff.mass[p]
    affine = m * step.C[p] - (4.0 * dt * stuff.volume[p] / (spacing * spacing)) * tau
    first = corner(x, spacing)
    f = x / spacing - first
    wx, wy, wz = weights(f[0]), weights(f[1]), weights(f[2])
    for i in range(3):
        for j in range(3):
            for k in range(3):
                w = wx[i] * wy[j] * wz[k]
                away = (wp.vec3(wp.float32(i), wp.float32(j), wp.float32(k)) - f) * spacing
                a, b, c = wp.int32(first[0]) + i, wp.int32(first[1]) + j, wp.int32(first[2]) + k
                wp.atomic_add(nodes.momentum, a, b, c, w * (m * step.v[p] + affine * away))
                wp.atomic_add(nodes.mass, a, b, c, w * m)


@wp.kernel
def move(nodes: Nodes, planes: Planes, gravity: wp.vec3, spacing: wp.float32, dt: wp.float32) -> None:
    """Momentum becomes velocity, after gravity and the planes."""
    a, b, c = wp.tid()
    m = nodes.mass[a, b, c]
    if m > 0.0:
        x = spacing * wp.vec3(wp.float32(a), wp.float32(b), wp.float32(c))
        v = nodes.momentum[a, b, c] / m + dt * gravity
        for n in range(PLANES):  # unrolled: Warp has no gradients of what a loop of unknown length changes
            if n < planes.offset.shape[0]:
                if wp.dot(planes.normal[n], x) - planes.offset[n] <= 1.0e-3 * spacing:
                    v = after_contact(v, wp.vec3(), planes.normal[n], planes.friction[n], planes.sticky[n])
        nodes.velocity[a, b, c] = v


@wp.kernel
def take(step: Step, after: Step, nodes: Nodes, spacing: wp.float32, dt: wp.float32) -> None:
    """Grid to particles."""
    p = wp.tid()
    x = step.x[p]
    first = corner(x, spacing)
    f = x / spacing - first
    wx, wy, wz = weights(f[0]), weights(f[1]), weights(f[2])
    v, C = wp.vec3(), wp.mat33()
    for i in range(3):
        for j in range(3):
            for k in range(3):
                w = wx[i] * wy[j] * wz[k]
                away = wp.vec3(wp.float32(i), wp.float32(j), wp.float32(k)) - f
                g = nodes.velocity[wp.int32(first[0]) + i, wp.int32(first[1]) + j, wp.int32(first[2]) + k]
                v = v + w * g
                C = C + (4.0 * w / spacing) * wp.outer(g, away)
    after.v[p] = v
    after.x[p] = x + dt * v
    after.C[p] = C
    after.F[p] = step.F[p] + dt * (C * step.F[p])
