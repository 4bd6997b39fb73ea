"""The kernels of contact: who is near, free obstacles' impacts, what nodes and particles keep of their speed."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the MPM solver, which is loaded only when it is asked for

from simvid.physics.mpm.warp_colliders import Obstacles, Pieces, after_contact, belt_speed, distance
from simvid.physics.mpm.warp_grid import EDGE, NODES, Grid, inside, place
from simvid.physics.mpm.warp_splines import corner
from simvid.physics.mpm.warp_stress import IDENTITY
from simvid.physics.mpm.warp_structs import Fields, Free, Matter, Six, State, Wrench

wp.set_module_options({"enable_backward": False, "optimization_level": 2})

SPRING = wp.constant(wp.float32(0.25))
"""Stiffness of contact over (lambda + 2 mu) times a particle's edge."""


@wp.func
def skewed(r: wp.vec3) -> wp.mat33:
    """The matrix of r x."""
    return wp.mat33(0.0, -r[2], r[1], r[2], 0.0, -r[0], -r[1], r[0], 0.0)


@wp.func
def massive(m: wp.float32, r: wp.vec3) -> Six:
    """Mass matrix of a mass at r from the origin: m G^T G with G = [1, -r x]."""
    S = skewed(r)
    cross, low = m * wp.transpose(S), m * (S * wp.transpose(S))
    G = Six()
    for a in range(3):
        G[a, a] = m
        for c in range(3):
            G[a, c + 3] = cross[a, c]
            G[c + 3, a] = cross[a, c]
            G[a + 3, c + 3] = low[a, c]
    return G


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


@wp.func
def solved(A: Six, b: Wrench) -> Wrench:
    """u of A u = b, by elimination; A is positive definite."""
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
    return u


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
    u = solved(A, b)
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
        wall = free.velocity[o] + wp.cross(free.spin[o], r) + belt_speed(obstacles, o, x, d.normal)
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
            wall = free.velocity[o] + wp.cross(free.spin[o], r) + belt_speed(obstacles, o, x, d.normal)
            after = after_contact(v, wall, d.normal, pieces.friction[k], pieces.sticky[k])
            reckon(sums, o, b, matter.mass[p] * (v - after), r, x, d.normal)
            x = x - d.depth * d.normal
            state.x[p] = x
            state.v[p] = after
        elif push != 0 and d.depth < 0.5 * size:
            pressed = spring * (0.5 * size - d.depth)
            r = x - wp.transform_get_translation(obstacles.pose[o])
            relative = state.v[p] - free.velocity[o] - wp.cross(free.spin[o], r)
            relative = relative - belt_speed(obstacles, o, x, d.normal)
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
