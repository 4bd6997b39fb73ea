"""The grid that exists where particles are: blocks of 4 x 4 x 4 nodes, found through a table of all blocks."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the MPM solver, which is loaded only when it is asked for

from simvid.physics.mpm.warp_colliders import Pieces, distance

wp.set_module_options({"enable_backward": False, "optimization_level": 2})

NODES = wp.constant(64)
EDGE = wp.constant(4)
OUTSIDE = wp.constant(2)
"""Nodes next to the border of the domain that no particle's centre cell may touch, plus one that it may travel."""
LOST, LEFT = wp.constant(0), wp.constant(1)
"""Places in ``flags``: particles that are outside (or no numbers), particles that left the blocks made for them."""


@wp.struct
class Grid:
    """Node n of slot s is at s * 64 + n.

    ``node`` holds momentum [kg m/s] and mass [kg] while particles give, then velocity [m/s] and mass.
    """

    blocks: wp.vec3i
    """Of the domain."""
    spacing: wp.float32
    slot: wp.array(dtype=wp.int32)
    """Of each block of the domain, -1 without one."""
    active: wp.array(dtype=wp.int32)
    """Block of each slot."""
    count: wp.array(dtype=wp.int32)
    near: wp.array(dtype=wp.uint64)
    """Of each slot, one bit for each piece that may reach into it."""
    touching: wp.array(dtype=wp.uint64)
    """Of each node, one bit for each piece that a particle around it touches."""
    node: wp.array(dtype=wp.vec4)
    shares: wp.array2d(dtype=wp.float32)
    """Mass of each body at each node [kg]; one column is enough where there is one body."""
    flags: wp.array(dtype=wp.int32)


@wp.func
def inside(grid: Grid, x: wp.vec3) -> wp.bool:
    """Whether a place is well within the domain; False for what is no number."""
    q = x / grid.spacing
    low = wp.float32(OUTSIDE)
    return (
        q[0] > low and q[1] > low and q[2] > low
        and q[0] < wp.float32(grid.blocks[0] * EDGE) - low - 1.0
        and q[1] < wp.float32(grid.blocks[1] * EDGE) - low - 1.0
        and q[2] < wp.float32(grid.blocks[2] * EDGE) - low - 1.0
    )  # fmt: skip


@wp.func
def place(grid: Grid, slot: wp.int32, node: wp.int32) -> wp.vec3:
    """Of a node [m] from the grid's origin."""
    block = grid.active[slot]
    x = block // (grid.blocks[1] * grid.blocks[2])
    y = (block // grid.blocks[2]) % grid.blocks[1]
    z = block % grid.blocks[2]
    return grid.spacing * wp.vec3(
        wp.float32(x * EDGE + node // 16), wp.float32(y * EDGE + (node // 4) % 4), wp.float32(z * EDGE + node % 4)
    )


@wp.kernel
def forget_blocks(grid: Grid) -> None:
    """Empty the table."""
    i = wp.tid()
    if i < grid.count[0]:
        grid.slot[grid.active[i]] = -1


@wp.kernel
def mark_blocks(x: wp.array(dtype=wp.vec3), grid: Grid) -> None:
    """Give slots to the blocks that each particle reaches, with one node around them for what it may travel."""
    p = wp.tid()
    if not inside(grid, x[p]):
        wp.atomic_add(grid.flags, LOST, 1)
        return
    q = x[p] / grid.spacing
    i, j, k = wp.int32(wp.floor(q[0] - 0.5)), wp.int32(wp.floor(q[1] - 0.5)), wp.int32(wp.floor(q[2] - 0.5))
    for a in range((i - 1) // EDGE, (i + 3) // EDGE + 1):
        for b in range((j - 1) // EDGE, (j + 3) // EDGE + 1):
            for c in range((k - 1) // EDGE, (k + 3) // EDGE + 1):
                block = (a * grid.blocks[1] + b) * grid.blocks[2] + c
                if grid.slot[block] == -1 and wp.atomic_cas(grid.slot, block, -1, -2) == -1:
                    slot = wp.atomic_add(grid.count, 0, 1)
                    if slot < grid.active.shape[0]:
                        grid.active[slot] = block
                        grid.slot[block] = slot


@wp.kernel
def find_near(grid: Grid, pieces: Pieces, pose: wp.array(dtype=wp.transform), margin: wp.float32) -> None:
    """Which pieces may reach into a block within ``margin`` [m]."""
    slot = wp.tid()
    if slot >= grid.count[0]:
        return
    center = place(grid, slot, 0) + wp.vec3(1.5, 1.5, 1.5) * grid.spacing
    reach = 2.7 * grid.spacing + margin
    bits = wp.uint64(0)
    for k in range(pieces.kind.shape[0]):
        world = pose[pieces.obstacle[k]] * pieces.pose[k]
        close = wp.length(wp.transform_point(world, pieces.center[k]) - center) < pieces.radius[k] + reach
        if close and pieces.first[k] < 0:
            close = distance(pieces, k, world, center).depth < reach
        if close:
            bits = bits | (wp.uint64(1) << wp.uint64(k))
    grid.near[slot] = bits
