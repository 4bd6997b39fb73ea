"""Kernels of what acts on particles from outside: fields, winds, and grips that hold particles or carry them along."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the MPM solver, which is loaded only when it is asked for

from simvid.physics.influences import KINDS
from simvid.physics.mpm.warp_contact import massive, skewed, solved
from simvid.physics.mpm.warp_grid import EDGE, NODES, Grid, inside, place
from simvid.physics.mpm.warp_splines import corner, weights
from simvid.physics.mpm.warp_structs import Fields, Matter, Six, State, Wrench

wp.set_module_options({"enable_backward": False, "optimization_level": 2})

ACCELERATION = wp.constant(KINDS.index("acceleration"))
ATTRACT = wp.constant(KINDS.index("attract"))
SPRING = wp.constant(KINDS.index("spring"))
WIND = wp.constant(KINDS.index("wind"))
VORTEX = wp.constant(KINDS.index("vortex"))
FULL = wp.constant(wp.float32(0.95))
"""Share of a cell's volume that is matter from which on it is the inside of a body, however uneven its particles."""
HELD = wp.constant(wp.float32(9.0 / 128.0))
"""Share of a node's mass that is held where the face of what is held runs 3/4 of a cell before it (the integral of the
spline from 3/4 to 3/2).

A body bends as if it were clamped a quarter of a cell behind the last plane of held nodes, as the spline of the next
plane reaches over it: in a bar under tension the first free node moves by 5/4 of its distance times the strain. So it
is clamped within half a cell of that face."""


@wp.struct
class Influences:
    """K fields and winds, as ``simvid.physics.influences.Influence`` has them, from the grid's origin."""

    kind: wp.array(dtype=wp.int32)
    on: wp.array(dtype=wp.float32)
    """Share of the step in which each acts."""
    vector: wp.array(dtype=wp.vec3)
    center: wp.array(dtype=wp.vec3)
    axis: wp.array(dtype=wp.vec3)
    strength: wp.array(dtype=wp.float32)
    radius: wp.array(dtype=wp.float32)
    pressure: wp.array(dtype=wp.float32)
    low: wp.array(dtype=wp.vec3)
    high: wp.array(dtype=wp.vec3)
    middle: wp.array(dtype=wp.vec3)
    reach: wp.array(dtype=wp.float32)
    acts: wp.array2d(dtype=wp.int32)
    """Whether each acts on each body, [K, bodies]."""
    filled: wp.array(dtype=wp.float32)
    """Share of each node's cell that is matter."""
    given: wp.array2d(dtype=wp.float32)
    """Impulse [N s] and work [J] of all of them on each body, [bodies, 4]."""


@wp.struct
class Grips:
    """G frames that particles are held in."""

    grip: wp.array(dtype=wp.int32)
    """Of each particle, -1 for none."""
    local: wp.array(dtype=wp.vec3)
    """Place of each held particle in its grip's frame."""
    pose: wp.array(dtype=wp.transform)
    velocity: wp.array(dtype=wp.vec3)
    spin: wp.array(dtype=wp.vec3)
    held: wp.array2d(dtype=wp.float32)
    """Mass that each grip holds at each node [kg], [nodes, G]."""
    sums: wp.array2d(dtype=wp.float32)
    """Impulse on the grip and its moment about the grip's origin, [G, 6]."""
    mass: wp.array(dtype=wp.float32)
    """Of a free body that carries it, with its centre of mass at the origin; 0 where nothing moves it."""
    inertia: wp.array(dtype=wp.mat33)
    A: wp.array(dtype=Six)
    b: wp.array(dtype=Wrench)


@wp.func
def within(f: Influences, k: wp.int32, x: wp.vec3) -> wp.bool:
    """Whether a place is in the region of influence k."""
    a, b = f.low[k], f.high[k]
    return (
        x[0] >= a[0] and x[1] >= a[1] and x[2] >= a[2] and x[0] <= b[0] and x[1] <= b[1] and x[2] <= b[2]
        and wp.length(x - f.middle[k]) <= f.reach[k]
    )  # fmt: skip


@wp.func
def value(f: Influences, k: wp.int32, x: wp.vec3) -> wp.vec3:
    """Acceleration, or velocity of the air, at a place; as ``Influence.at``."""
    kind = f.kind[k]
    if kind == ACCELERATION or kind == WIND:
        return f.vector[k]
    way = f.center[k] - x
    if kind == VORTEX:
        across = wp.dot(way, f.axis[k]) * f.axis[k] - way
        square = wp.max(wp.length_sq(across), f.radius[k] * f.radius[k])
        return f.vector[k] + (f.strength[k] * f.radius[k] * f.radius[k] / square) * wp.cross(f.axis[k], across)
    far = wp.length(way)
    size = f.strength[k]
    if far > f.radius[k]:
        size = 0.0
    if kind == SPRING:
        return (size / f.radius[k]) * way
    return (size / wp.max(far, 1.0e-9)) * way


@wp.kernel
def clear_outside(grid: Grid, f: Influences, grips: Grips) -> None:
    """Nodes without anything."""
    i = wp.tid()
    if i < grid.count[0] * NODES:
        if f.filled.shape[0] > 0:
            f.filled[i] = 0.0
        for g in range(grips.held.shape[1]):
            grips.held[i, g] = 0.0


@wp.kernel
def accelerate(state: State, matter: Matter, f: Influences, dt: wp.array(dtype=wp.float32)) -> None:
    """Fields give particles speed."""
    p = wp.tid()
    x = state.x[p]
    gained = wp.vec3()
    for k in range(f.kind.shape[0]):
        if f.on[k] > 0.0 and f.kind[k] <= SPRING and f.acts[k, matter.body[p]] != 0 and within(f, k, x):
            gained = gained + (f.on[k] * dt[0]) * value(f, k, x)
    reckon_push(f, matter.body[p], matter.mass[p] * gained, state.v[p] + 0.5 * gained)
    state.v[p] = state.v[p] + gained


@wp.func
def reckon_push(f: Influences, body: wp.int32, push: wp.vec3, v: wp.vec3):
    """Add an impulse, given at a mean velocity, to the sums."""
    if wp.length_sq(push) > 0.0:
        for a in range(3):
            wp.atomic_add(f.given, body, a, push[a])
        wp.atomic_add(f.given, body, 3, wp.dot(push, v))


@wp.kernel
def spread(state: State, matter: Matter, grid: Grid, f: Influences, grips: Grips) -> None:
    """Volume of all particles, and mass of held ones, to the nodes."""
    p = wp.tid()
    x = state.x[p]
    airy = f.filled.shape[0] > 0
    grip = wp.int32(-1)
    if grips.held.shape[1] > 0:
        grip = grips.grip[p]
    if (not airy and grip < 0) or not inside(grid, x):
        return
    h = grid.spacing
    first = corner(x, h)
    q = x / h - first
    wx, wy, wz = weights(q[0]), weights(q[1]), weights(q[2])
    share = matter.volume[p] / (h * h * h)
    for i in range(3):
        for j in range(3):
            for k in range(3):
                a, b, c = wp.int32(first[0]) + i, wp.int32(first[1]) + j, wp.int32(first[2]) + k
                n = node_at(grid, a, b, c)
                if n >= 0:
                    w = wx[i] * wy[j] * wz[k]
                    if airy:
                        wp.atomic_add(f.filled, n, w * share)
                    if grip >= 0:
                        wp.atomic_add(grips.held, n, grip, w * matter.mass[p])


@wp.func
def node_at(grid: Grid, a: wp.int32, b: wp.int32, c: wp.int32) -> wp.int32:
    """Place of a node by its indices in the domain, -1 where there is none."""
    if a < 0 or b < 0 or c < 0:
        return -1
    slot = grid.slot[(a // EDGE * grid.blocks[1] + b // EDGE) * grid.blocks[2] + c // EDGE]
    if slot < 0:
        return -1
    return slot * NODES + (a % EDGE) * 16 + (b % EDGE) * 4 + c % EDGE


@wp.func
def matter_at(grid: Grid, f: Influences, a: wp.int32, b: wp.int32, c: wp.int32) -> wp.float32:
    """0 outside of bodies, 1 inside."""
    n = node_at(grid, a, b, c)
    if n < 0:
        return 0.0
    return wp.min(f.filled[n], FULL) / FULL


@wp.kernel
def blow(grid: Grid, f: Influences, dt: wp.array(dtype=wp.float32), bodies: wp.int32) -> None:
    """Winds push on the surfaces that face them.

    With phi the share of matter, its rise along the wind's direction u, summed over the cells of a convex body, is
    the area that it shows to the wind: the integral of max(0, u . grad phi). Differences are taken against the wind, so
    that each step from 0 to 1 counts in full. Within the step the drag is solved exactly along its direction.
    """
    i = wp.tid()
    if i >= grid.count[0] * NODES:
        return
    node = grid.node[i]
    m = node[3]
    if m <= 0.0:
        return
    x = place(grid, i // NODES, i % NODES)
    h = grid.spacing
    a, b, c = wp.int32(wp.round(x[0] / h)), wp.int32(wp.round(x[1] / h)), wp.int32(wp.round(x[2] / h))
    v = wp.vec3(node[0], node[1], node[2])
    here = wp.min(f.filled[i], FULL) / FULL
    for k in range(f.kind.shape[0]):
        if f.on[k] <= 0.0 or f.kind[k] < WIND or not within(f, k, x):
            continue
        hit = wp.float32(0.0)
        for body in range(bodies):
            if f.acts[k, body] != 0:
                if bodies > 1:
                    hit += grid.shares[i, body] / m
                else:
                    hit = wp.float32(1.0)
        w = value(f, k, x) - v
        speed = wp.length(w)
        if hit <= 0.0 or speed <= 0.0:
            continue
        sx, sy, sz = wp.int32(wp.sign(w[0])), wp.int32(wp.sign(w[1])), wp.int32(wp.sign(w[2]))
        rise = (
            wp.abs(w[0]) * (here - matter_at(grid, f, a - sx, b, c))
            + wp.abs(w[1]) * (here - matter_at(grid, f, a, b - sy, c))
            + wp.abs(w[2]) * (here - matter_at(grid, f, a, b, c - sz))
        ) / speed
        if rise > 0.0:
            rate = f.pressure[k] * hit * rise * h * h * speed / m * f.on[k] * dt[0]
            change = w * (rate / (1.0 + rate))
            for body in range(bodies):
                if f.acts[k, body] != 0:
                    part = wp.float32(1.0)
                    if bodies > 1:
                        part = grid.shares[i, body] / (m * hit)
                    reckon_push(f, body, part * m * change, v + 0.5 * change)
            v = v + change
    grid.node[i] = wp.vec4(v[0], v[1], v[2], m)


@wp.func
def holds(grips: Grips, i: wp.int32, g: wp.int32, m: wp.float32) -> wp.bool:
    """Whether grip g holds node i, which has mass m: the held region comes close to it."""
    return grips.held[i, g] > HELD * m


@wp.kernel
def weigh_grips(grid: Grid, grips: Grips) -> None:
    """Sum up the mass and momentum of the nodes that free bodies hold, about their centres of mass."""
    i = wp.tid()
    if i >= grid.count[0] * NODES:
        return
    node = grid.node[i]
    m = node[3]
    if m <= 0.0:
        return
    for g in range(grips.held.shape[1]):
        if grips.mass[g] > 0.0 and holds(grips, i, g, m):
            r = place(grid, i // NODES, i % NODES) - wp.transform_get_translation(grips.pose[g])
            weigh_one(grips, g, m, r, wp.vec3(node[0], node[1], node[2]))


@wp.func
def weigh_one(grips: Grips, g: wp.int32, m: wp.float32, r: wp.vec3, v: wp.vec3):
    """Add a mass at r with velocity v to what grip g holds."""
    lin = m * v
    ang = skewed(r) * lin
    wp.atomic_add(grips.A, g, massive(m, r))
    wp.atomic_add(grips.b, g, Wrench(lin[0], lin[1], lin[2], ang[0], ang[1], ang[2]))


@wp.kernel
def weigh_held(state: State, matter: Matter, grips: Grips) -> None:
    """The same of held particles, with the velocities that the grid gave them."""
    p = wp.tid()
    g = grips.grip[p]
    if g >= 0:
        if grips.mass[g] > 0.0:
            r = wp.transform_point(grips.pose[g], grips.local[p]) - wp.transform_get_translation(grips.pose[g])
            weigh_one(grips, g, matter.mass[p], r, state.v[p])


@wp.kernel
def fall_grips(grips: Grips, fields: Fields, dt: wp.array(dtype=wp.float32)) -> None:
    """Gravity on free bodies, as on the nodes."""
    g = wp.tid()
    if grips.mass[g] > 0.0:
        grips.velocity[g] = grips.velocity[g] + dt[0] * fields.gravity[0]


@wp.kernel
def meet_grips(grips: Grips) -> None:
    """A free body and all that it holds get one velocity together, so that however light it is nothing swings up."""
    g = wp.tid()
    m = grips.mass[g]
    if m <= 0.0:
        return
    turn = wp.quat_to_matrix(wp.transform_get_rotation(grips.pose[g]))
    inertia = turn * grips.inertia[g] * wp.transpose(turn)
    A = grips.A[g]
    lin, ang = m * grips.velocity[g], inertia * grips.spin[g]
    for i in range(3):
        A[i, i] += m
        for j in range(3):
            A[i + 3, j + 3] += inertia[i, j]
    u = solved(A, grips.b[g] + Wrench(lin[0], lin[1], lin[2], ang[0], ang[1], ang[2]))
    grips.velocity[g] = wp.vec3(u[0], u[1], u[2])
    grips.spin[g] = wp.vec3(u[3], u[4], u[5])
    grips.A[g] = Six()
    grips.b[g] = Wrench()


@wp.kernel
def hold(grid: Grid, grips: Grips) -> None:
    """Nodes that a grip holds move with it, and it gets what that takes."""
    i = wp.tid()
    if i >= grid.count[0] * NODES:
        return
    node = grid.node[i]
    m = node[3]
    if m <= 0.0:
        return
    v = wp.vec3(node[0], node[1], node[2])
    for g in range(grips.held.shape[1]):
        if holds(grips, i, g, m):
            r = place(grid, i // NODES, i % NODES) - wp.transform_get_translation(grips.pose[g])
            after = grips.velocity[g] + wp.cross(grips.spin[g], r)
            give_grip(grips, g, m * (v - after), r)
            v = after
    grid.node[i] = wp.vec4(v[0], v[1], v[2], m)


@wp.func
def give_grip(grips: Grips, g: wp.int32, push: wp.vec3, r: wp.vec3):
    """Add an impulse to a grip's sums."""
    moment = wp.cross(r, push)
    for a in range(3):
        wp.atomic_add(grips.sums, g, a, push[a])
        wp.atomic_add(grips.sums, g, 3 + a, moment[a])


@wp.kernel
def move_grips(grips: Grips, dt: wp.array(dtype=wp.float32)) -> None:
    """Grips go on with their velocities."""
    g = wp.tid()
    pose, w = grips.pose[g], grips.spin[g]
    q = wp.transform_get_rotation(pose)
    angle = dt[0] * wp.length(w)
    if angle > 0.0:
        q = wp.normalize(wp.quat_from_axis_angle(wp.normalize(w), angle) * q)
    grips.pose[g] = wp.transform(wp.transform_get_translation(pose) + dt[0] * grips.velocity[g], q)


@wp.kernel
def carry(state: State, matter: Matter, grips: Grips) -> None:
    """Held particles are where their grip has them."""
    p = wp.tid()
    g = grips.grip[p]
    if g < 0:
        return
    pose = grips.pose[g]
    x = wp.transform_point(pose, grips.local[p])
    r = x - wp.transform_get_translation(pose)
    v, w = grips.velocity[g] + wp.cross(grips.spin[g], r), grips.spin[g]
    give_grip(grips, g, matter.mass[p] * (state.v[p] - v), r)
    state.x[p] = x
    state.v[p] = v
    state.C[p] = wp.mat33(0.0, -w[2], w[1], w[2], 0.0, -w[0], -w[1], w[0], 0.0)


@wp.kernel
def probe(
    f: Influences, x: wp.array(dtype=wp.vec3), out: wp.array(dtype=wp.vec3), inside_it: wp.array(dtype=wp.int32)
) -> None:
    """The first influence at places, and whether they are in its region; for comparing with ``Influence``."""
    i = wp.tid()
    out[i] = value(f, 0, x[i])
    inside_it[i] = wp.where(within(f, 0, x[i]), 1, 0)
