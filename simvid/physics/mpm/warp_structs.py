"""What the kernels of a substep read and write, in structs of Warp."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the MPM solver, which is loaded only when it is asked for

SUMS = wp.constant(15)
"""Sums kept for each obstacle and body: 0-2 impulse on the obstacle [N s], 3-5 its moment about the obstacle's origin,
6 sum of |impulse|, 7-9 of the places, 10 deepest particle [m], 11 1 where something touched, 12-14 sum of |impulse|
times the normal out of the obstacle."""
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
