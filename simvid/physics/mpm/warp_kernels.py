"""The kernels of one substep: clear, give, move the grid, take; ``warp_contact`` has those of obstacles."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the MPM solver, which is loaded only when it is asked for

from simvid.physics.mpm.warp_grid import EDGE, LEFT, NODES, Grid, inside, place
from simvid.physics.mpm.warp_splines import corner, weights
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
from simvid.physics.mpm.warp_structs import Fields, Matter, State

wp.set_module_options({"enable_backward": False, "optimization_level": 2})


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
