"""The kernels of one substep: clear, give, move the grid, touch obstacles, take, advance obstacles."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the MPM solver, which is loaded only when it is asked for

from simvid.physics.mpm.warp_colliders import Obstacles, Pieces, after_contact, distance
from simvid.physics.mpm.warp_grid import EDGE, LEFT, NODES, Grid, inside, place
from simvid.physics.mpm.warp_stress import (
    DRUCKER_PRAGER,
    FLUID,
    IDENTITY,
    SNOW,
    VON_MISES,
    Plastic,
    drucker_prager,
    elastic,
    fluid,
    snow,
    von_mises,
)

wp.set_module_options({"enable_backward": False, "optimization_level": 2})

SUMS = wp.constant(15)
"""Sums kept for each obstacle and body: 0-2 impulse on the obstacle [N s], 3-5 its moment about the obstacle's origin,
6 sum of |impulse|, 7-9 of the places, 10 deepest particle [m], 11 1 where something touched, 12-14 sum of |impulse|
times the normal out of the obstacle."""
SPRING = wp.constant(wp.float32(0.25))
"""Stiffness of contact over (lambda + 2 mu) times a particle's edge."""
Six = wp.types.matrix(shape=(6, 6), dtype=wp.float32)
Wrench = wp.types.vector(length=6, dtype=wp.float32)


@wp.struct
class State:
    """Particles, N of them."""

    x: wp.array(dtype=wp.vec3)
    """From the grid's origin [m]."""
    v: wp.array(dtype=wp.vec3)
    C: wp.array(dtype=wp.mat33)
    F: wp.array(dtype=wp.mat33)
    """Elastic deformation gradient; of fluids J^(1/3)."""
    tau: wp.array(dtype=wp.mat33)
    """Kirchhoff stress times the volume at rest [J]."""
    memory: wp.array(dtype=wp.float32)
    total: wp.array(dtype=wp.mat33)
    """Deformation gradient of the motion itself, which no return mapping shortens."""


@wp.struct
class Matter:
    """What particles are made of."""

    mass: wp.array(dtype=wp.float32)
    volume: wp.array(dtype=wp.float32)
    body: wp.array(dtype=wp.int32)
    model: wp.array(dtype=wp.int32)
    lame: wp.array(dtype=wp.vec2)
    give: wp.array(dtype=wp.vec4)


@wp.struct
class Fields:
    """Forces per mass in boxes."""

    gravity: wp.array(dtype=wp.vec3)
    low: wp.array(dtype=wp.vec3)
    high: wp.array(dtype=wp.vec3)
    vector: wp.array(dtype=wp.vec3)
    """Acceleration [m/s^2], or the speed of a wind [m/s]."""
    drag: wp.array(dtype=wp.float32)
    """0 for an acceleration, else the rate [1/s] at which the wind takes along."""


@wp.struct
class Free:
    """Equations of the obstacles that particles move, summed over the nodes that touch them."""

    A: wp.array(dtype=Six)
    b: wp.array(dtype=Wrench)
    velocity: wp.array(dtype=wp.vec3)
    """What the nodes meet, [M]."""
    spin: wp.array(dtype=wp.vec3)


@wp.func
def corner(x: wp.vec3, spacing: wp.float32) -> wp.vec3:
    """First of the three nodes along each axis, as floats."""
    q = x / spacing
    return wp.vec3(wp.floor(q[0] - 0.5), wp.floor(q[1] - 0.5), wp.floor(q[2] - 0.5))


@wp.func
def weights(f: wp.float32) -> wp.vec3:
    """Quadratic B-splines at distance f from the first of three nodes, in spacings."""
    a, b, c = 1.5 - f, f - 1.0, f - 0.5
    return wp.vec3(0.5 * a * a, 0.75 - b * b, 0.5 * c * c)


@wp.kernel
def clear(grid: Grid, bodies: wp.int32) -> None:
    """Nodes without anything."""
    i = wp.tid()
    if i < grid.count[0] * NODES:
        grid.node[i] = wp.vec4()
        if bodies > 1:
            for b in range(bodies):
                grid.shares[i, b] = 0.0


@wp.kernel
def give(state: State, matter: Matter, grid: Grid, dt: wp.array(dtype=wp.float32), bodies: wp.int32) -> None:
    """Particles to grid (Hu et al. 2018, eq. 29): mass, momentum with its affine part, and the impulse of stress."""
    p = wp.tid()
    x = state.x[p]
    if not inside(grid, x):
        return
    h, m = grid.spacing, matter.mass[p]
    first = corner(x, h)
    f = x / h - first
    wx, wy, wz = weights(f[0]), weights(f[1]), weights(f[2])
    i0, j0, k0 = wp.int32(first[0]), wp.int32(first[1]), wp.int32(first[2])
    affine = h * (m * state.C[p] - (4.0 * dt[0] / (h * h)) * state.tau[p])
    ax = wp.vec4(affine[0, 0], affine[1, 0], affine[2, 0], 0.0)
    ay = wp.vec4(affine[0, 1], affine[1, 1], affine[2, 1], 0.0)
    az = wp.vec4(affine[0, 2], affine[1, 2], affine[2, 2], 0.0)
    mv = m * state.v[p]
    base = wp.vec4(mv[0], mv[1], mv[2], m) - f[0] * ax - f[1] * ay - f[2] * az
    by, bz = grid.blocks[1], grid.blocks[2]
    for i in range(3):
        xi = i0 + i
        bi, li = (xi // EDGE) * by, (xi % EDGE) * 16
        qi = base + wp.float32(i) * ax
        for j in range(3):
            yj = j0 + j
            bj, lj = (bi + yj // EDGE) * bz, li + (yj % EDGE) * 4
            q, w = qi + wp.float32(j) * ay, wx[i] * wy[j]
            for k in range(3):
                zk = k0 + k
                slot = grid.slot[bj + zk // EDGE]
                if slot >= 0:
                    n = slot * NODES + lj + zk % EDGE
                    wp.atomic_add(grid.node, n, (w * wz[k]) * (q + wp.float32(k) * az))
                    if bodies > 1:
                        wp.atomic_add(grid.shares, n, matter.body[p], w * wz[k] * m)
                else:
                    grid.flags[LEFT] = 1


@wp.func
def forced(v: wp.vec3, x: wp.vec3, fields: Fields, dt: wp.float32) -> wp.vec3:
    """After gravity and the fields; drag is taken implicitly, so that no rate is too fast for the step."""
    v = v + dt * fields.gravity[0]
    for k in range(fields.drag.shape[0]):
        a, b = fields.low[k], fields.high[k]
        if x[0] >= a[0] and x[1] >= a[1] and x[2] >= a[2] and x[0] <= b[0] and x[1] <= b[1] and x[2] <= b[2]:
            rate = dt * fields.drag[k]
            if rate > 0.0:
                v = v + (fields.vector[k] - v) * (rate / (1.0 + rate))
            else:
                v = v + dt * fields.vector[k]
    return v


@wp.kernel
def move(grid: Grid, fields: Fields, dt: wp.array(dtype=wp.float32)) -> None:
    """Momentum becomes velocity, after the forces of this step."""
    i = wp.tid()
    if i >= grid.count[0] * NODES:
        return
    node = grid.node[i]
    m = node[3]
    if m > 0.0:
        v = forced(wp.vec3(node[0], node[1], node[2]) / m, place(grid, i // NODES, i % NODES), fields, dt[0])
        grid.node[i] = wp.vec4(v[0], v[1], v[2], m)


@wp.func
def skewed(r: wp.vec3) -> wp.mat33:
    """The matrix of r x."""
    return wp.mat33(0.0, -r[2], r[1], r[2], 0.0, -r[0], -r[1], r[0], 0.0)


@wp.kernel
def weigh(grid: Grid, pieces: Pieces, obstacles: Obstacles, free: Free, margin: wp.float32) -> None:
    """Sum up, for each free obstacle, the equations of an impact with all nodes that approach it at once.

    A node of mass m at r from the obstacle's origin that ends with its velocity along n (along all axes where friction
    or stickiness holds it) adds m G^T W G to the obstacle's mass matrix, G = [1, -r x] and W = n n^T (or 1), and
    m G^T W v to its momentum. So the answer is that of one inelastic impact, however light the obstacle.
    """
    i = wp.tid()
    if i >= grid.count[0] * NODES:
        return
    near = grid.touching[i]
    if near == wp.uint64(0):
        return
    node = grid.node[i]
    m = node[3]
    if m <= 0.0:
        return
    x = place(grid, i // NODES, i % NODES)
    v = wp.vec3(node[0], node[1], node[2])
    for k in range(pieces.kind.shape[0]):
        o = pieces.obstacle[k]
        if (near >> wp.uint64(k)) & wp.uint64(1) == wp.uint64(0) or obstacles.mass[o] <= 0.0:
            continue
        d = distance(pieces, k, obstacles.pose[o] * pieces.pose[k], x)
        if d.depth > margin:
            continue
        r = x - wp.transform_get_translation(obstacles.pose[o])
        relative = v - obstacles.velocity[o] - wp.cross(obstacles.spin[o], r)
        closing = wp.dot(relative, d.normal)
        W = wp.mat33(IDENTITY)
        if pieces.sticky[k] == 0:
            if closing >= 0.0:
                continue
            if wp.length(relative - closing * d.normal) > -pieces.friction[k] * closing:
                W = wp.outer(d.normal, d.normal)
        S = skewed(r)
        top, cross = m * W, m * (W * wp.transpose(S))
        low = m * (S * W * wp.transpose(S))
        G = Six()
        for a in range(3):
            for b in range(3):
                G[a, b] = top[a, b]
                G[a, b + 3] = cross[a, b]
                G[b + 3, a] = cross[a, b]
                G[a + 3, b + 3] = low[a, b]
        lin = top * v
        ang = S * lin
        wp.atomic_add(free.A, o, G)
        wp.atomic_add(free.b, o, Wrench(lin[0], lin[1], lin[2], ang[0], ang[1], ang[2]))


@wp.kernel
def meet(obstacles: Obstacles, free: Free) -> None:
    """Velocity after the impact that ``weigh`` summed up: (M + A) u = M u0 + b, by elimination; then empty the sums."""
    o = wp.tid()
    free.velocity[o] = obstacles.velocity[o]
    free.spin[o] = obstacles.spin[o]
    m = obstacles.mass[o]
    if m <= 0.0:
        return
    turn = wp.quat_to_matrix(wp.transform_get_rotation(obstacles.pose[o]))
    inertia = turn * obstacles.inertia[o] * wp.transpose(turn)
    A = free.A[o]
    lin, ang = m * obstacles.velocity[o], inertia * obstacles.spin[o]
    b = free.b[o] + Wrench(lin[0], lin[1], lin[2], ang[0], ang[1], ang[2])
    for i in range(3):
        A[i, i] += m
        for j in range(3):
            A[i + 3, j + 3] += inertia[i, j]
    for c in range(6):
        for r in range(c + 1, 6):
            ratio = A[r, c] / A[c, c]
            for e in range(c, 6):
                A[r, e] -= ratio * A[c, e]
            b[r] -= ratio * b[c]
    u = Wrench()
    for back in range(6):
        c = 5 - back
        rest = b[c]
        for e in range(c + 1, 6):
            rest -= A[c, e] * u[e]
        u[c] = rest / A[c, c]
    free.velocity[o] = wp.vec3(u[0], u[1], u[2])
    free.spin[o] = wp.vec3(u[3], u[4], u[5])
    free.A[o] = Six()
    free.b[o] = Wrench()


@wp.func
def reckon(
    sums: wp.array3d(dtype=wp.float32),
    o: wp.int32,
    b: wp.int32,
    push: wp.vec3,
    r: wp.vec3,
    x: wp.vec3,
    normal: wp.vec3,
):
    """Add an impulse on an obstacle to the sums."""
    moment, size = wp.cross(r, push), wp.length(push)
    for a in range(3):
        wp.atomic_add(sums, o, b, a, push[a])
        wp.atomic_add(sums, o, b, 3 + a, moment[a])
        wp.atomic_add(sums, o, b, 7 + a, size * x[a])
        wp.atomic_add(sums, o, b, 12 + a, size * normal[a])
    wp.atomic_add(sums, o, b, 6, size)
    sums[o, b, 11] = 1.0


@wp.kernel
def touch(
    grid: Grid,
    pieces: Pieces,
    obstacles: Obstacles,
    free: Free,
    sums: wp.array3d(dtype=wp.float32),
    margin: wp.float32,
    bodies: wp.int32,
) -> None:
    """Nodes inside obstacles take what contact leaves them; the obstacles get the opposite impulse."""
    i = wp.tid()
    if i >= grid.count[0] * NODES:
        return
    near = grid.touching[i]
    if near == wp.uint64(0):
        return
    grid.touching[i] = wp.uint64(0)  # ``approach`` says it anew
    node = grid.node[i]
    m = node[3]
    if m <= 0.0:
        return
    x = place(grid, i // NODES, i % NODES)
    v = wp.vec3(node[0], node[1], node[2])
    for k in range(pieces.kind.shape[0]):
        if (near >> wp.uint64(k)) & wp.uint64(1) == wp.uint64(0):
            continue
        o = pieces.obstacle[k]
        d = distance(pieces, k, obstacles.pose[o] * pieces.pose[k], x)
        if d.depth > margin:
            continue
        r = x - wp.transform_get_translation(obstacles.pose[o])
        wall = free.velocity[o] + wp.cross(free.spin[o], r)
        after = after_contact(v, wall, d.normal, pieces.friction[k], pieces.sticky[k])
        push = m * (v - after)
        v = after
        if wp.length_sq(push) > 0.0:
            for b in range(bodies):
                share = wp.float32(1.0)
                if bodies > 1:
                    share = grid.shares[i, b] / m
                if share > 0.0:
                    reckon(sums, o, b, share * push, r, x, d.normal)
    grid.node[i] = wp.vec4(v[0], v[1], v[2], m)


@wp.kernel
def take(state: State, matter: Matter, grid: Grid, dt: wp.array(dtype=wp.float32), stretches: wp.int32) -> None:
    """Grid to particles: velocity, its gradient, place, deformation, and the stress that follows."""
    p = wp.tid()
    x = state.x[p]
    if not inside(grid, x):
        return
    h, step = grid.spacing, dt[0]
    first = corner(x, h)
    f = x / h - first
    wx, wy, wz = weights(f[0]), weights(f[1]), weights(f[2])
    i0, j0, k0 = wp.int32(first[0]), wp.int32(first[1]), wp.int32(first[2])
    by, bz = grid.blocks[1], grid.blocks[2]
    sum0, sumx, sumy, sumz = wp.vec4(), wp.vec4(), wp.vec4(), wp.vec4()
    for i in range(3):
        xi = i0 + i
        bi, li = (xi // EDGE) * by, (xi % EDGE) * 16
        for j in range(3):
            yj = j0 + j
            bj, lj = (bi + yj // EDGE) * bz, li + (yj % EDGE) * 4
            w = wx[i] * wy[j]
            line0, linez = wp.vec4(), wp.vec4()
            for k in range(3):
                zk = k0 + k
                slot = wp.max(grid.slot[bj + zk // EDGE], 0)
                g = wz[k] * grid.node[slot * NODES + lj + zk % EDGE]
                line0 = line0 + g
                linez = linez + (wp.float32(k) - f[2]) * g
            line0 = w * line0
            sum0 = sum0 + line0
            sumx = sumx + (wp.float32(i) - f[0]) * line0
            sumy = sumy + (wp.float32(j) - f[1]) * line0
            sumz = sumz + w * linez
    s = 4.0 / h
    C = wp.mat33(
        s * sumx[0], s * sumy[0], s * sumz[0],
        s * sumx[1], s * sumy[1], s * sumz[1],
        s * sumx[2], s * sumy[2], s * sumz[2],
    )  # fmt: skip
    v = wp.vec3(sum0[0], sum0[1], sum0[2])
    state.v[p] = v
    state.C[p] = C
    state.x[p] = x + step * v
    if stretches != 0:
        state.total[p] = state.total[p] + step * (C * state.total[p])
    respond(state, matter, p, C, step)


@wp.func
def respond(state: State, matter: Matter, p: wp.int32, C: wp.mat33, step: wp.float32):
    """Deformation and stress of particle p after a step with velocity gradient C."""
    model, mu, lam, V = matter.model[p], matter.lame[p][0], matter.lame[p][1], matter.volume[p]
    if model == FLUID:
        J = state.memory[p]
        J = wp.min(J + step * J * wp.trace(C), 1.0)
        J = wp.max(J, 0.2)
        state.memory[p] = J
        shear = matter.give[p][0] * (C + wp.transpose(C) - (2.0 / 3.0 * wp.trace(C)) * IDENTITY)
        state.tau[p] = (V * J) * (shear - fluid(J, lam) * IDENTITY)
        return
    F = state.F[p] + step * (C * state.F[p])
    if model == VON_MISES or model == DRUCKER_PRAGER or model == SNOW:
        after = Plastic()
        if model == VON_MISES:
            after = von_mises(F, mu, lam, matter.give[p], state.memory[p])
        elif model == DRUCKER_PRAGER:
            after = drucker_prager(F, mu, lam, matter.give[p], state.memory[p])
        else:
            after = snow(F, mu, lam, matter.give[p], state.memory[p])
        state.F[p] = after.F
        state.memory[p] = after.memory
        state.tau[p] = V * after.tau
    else:
        state.F[p] = F
        state.tau[p] = V * elastic(model, F, mu, lam)


@wp.kernel
def begin(state: State, matter: Matter) -> None:
    """Stress at the start."""
    p = wp.tid()
    respond(state, matter, p, wp.mat33(), 0.0)


@wp.func
def mark_nodes(grid: Grid, x: wp.vec3, k: wp.int32):
    """Let the 27 nodes around a place know that something there touches piece k."""
    first = corner(x, grid.spacing)
    bit = wp.uint64(1) << wp.uint64(k)
    for i in range(3):
        for j in range(3):
            for l in range(3):
                a, b, c = wp.int32(first[0]) + i, wp.int32(first[1]) + j, wp.int32(first[2]) + l
                slot = grid.slot[(a // EDGE * grid.blocks[1] + b // EDGE) * grid.blocks[2] + c // EDGE]
                if slot >= 0:
                    wp.atomic_or(grid.touching, slot * NODES + (a % EDGE) * 16 + (b % EDGE) * 4 + c % EDGE, bit)


@wp.kernel
def approach(
    state: State,
    matter: Matter,
    grid: Grid,
    pieces: Pieces,
    obstacles: Obstacles,
    free: Free,
    sums: wp.array3d(dtype=wp.float32),
    dt: wp.array(dtype=wp.float32),
    push: wp.int32,
) -> None:
    """Find the particles that touch obstacles: closer to them than half a particle.

    Without that, contact would begin when the nodes inside an obstacle get mass, a whole cell too early. Particles
    whose centres got inside, through a wall thinner than the grid, go back to its surface.

    Where ``push`` is not 0, a spring a quarter as stiff as the particle itself keeps it half a particle off, with
    Coulomb's friction for what it presses. The grid's contact alone holds speeds, not places: under a load that swings,
    particles would creep into the obstacle.
    """
    p = wp.tid()
    x = state.x[p]
    if not inside(grid, x):
        return
    q = x / grid.spacing
    block = (wp.int32(q[0]) // EDGE * grid.blocks[1] + wp.int32(q[1]) // EDGE) * grid.blocks[2] + wp.int32(q[2]) // EDGE
    slot = grid.slot[block]
    if slot < 0:
        return
    near = grid.near[slot]
    if near == wp.uint64(0):
        return
    size = wp.pow(matter.volume[p], 1.0 / 3.0)
    half = 0.525 * size
    spring = SPRING * (matter.lame[p][1] + 2.0 * matter.lame[p][0]) * size * dt[0] / matter.mass[p]
    for k in range(pieces.kind.shape[0]):
        if (near >> wp.uint64(k)) & wp.uint64(1) == wp.uint64(0):
            continue
        o = pieces.obstacle[k]
        d = distance(pieces, k, obstacles.pose[o] * pieces.pose[k], x)
        if d.depth > half:
            continue
        if d.depth < 0.0:
            b = matter.body[p]
            sums[o, b, 10] = wp.max(sums[o, b, 10], -d.depth)
            sums[o, b, 11] = 1.0
            v = state.v[p]
            r = x - wp.transform_get_translation(obstacles.pose[o])
            wall = free.velocity[o] + wp.cross(free.spin[o], r)
            after = after_contact(v, wall, d.normal, pieces.friction[k], pieces.sticky[k])
            reckon(sums, o, b, matter.mass[p] * (v - after), r, x, d.normal)
            x = x - d.depth * d.normal
            state.x[p] = x
            state.v[p] = after
        elif push != 0 and d.depth < 0.5 * size:
            pressed = spring * (0.5 * size - d.depth)
            r = x - wp.transform_get_translation(obstacles.pose[o])
            relative = state.v[p] - free.velocity[o] - wp.cross(free.spin[o], r)
            slip = relative - wp.dot(relative, d.normal) * d.normal
            held = wp.min(1.0, pieces.friction[k] * pressed / wp.max(wp.length(slip), 1.0e-9))
            off = pressed * d.normal - held * slip
            reckon(sums, o, matter.body[p], -matter.mass[p] * off, r, x, d.normal)
            state.v[p] = state.v[p] + off
        mark_nodes(grid, x, k)


@wp.kernel
def advance(
    obstacles: Obstacles,
    fields: Fields,
    sums: wp.array3d(dtype=wp.float32),
    before: wp.array2d(dtype=wp.float32),
    dt: wp.array(dtype=wp.float32),
) -> None:
    """Obstacles move by their velocities; free ones take the impulses of this step and gravity first.

    ``before`` holds the sums that they took already.
    """
    o = wp.tid()
    pose = obstacles.pose[o]
    q = wp.transform_get_rotation(pose)
    m = obstacles.mass[o]
    if m > 0.0:
        new = Wrench()
        for a in range(6):
            total = wp.float32(0.0)
            for b in range(sums.shape[1]):
                total += sums[o, b, a]
            new[a] = total - before[o, a]
            before[o, a] = total
        turn = wp.quat_to_matrix(q)
        inverse = turn * wp.inverse(obstacles.inertia[o]) * wp.transpose(turn)
        obstacles.velocity[o] = obstacles.velocity[o] + wp.vec3(new[0], new[1], new[2]) / m + dt[0] * fields.gravity[0]
        obstacles.spin[o] = obstacles.spin[o] + inverse * wp.vec3(new[3], new[4], new[5])
    w = obstacles.spin[o]
    moved = wp.transform_get_translation(pose) + dt[0] * obstacles.velocity[o]
    angle = dt[0] * wp.length(w)
    if angle > 0.0:
        q = wp.normalize(wp.quat_from_axis_angle(wp.normalize(w), angle) * q)
    obstacles.pose[o] = wp.transform(moved, q)
