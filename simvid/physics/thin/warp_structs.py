"""What the kernels of thin bodies read and write, in structs of Warp. Places and speeds are of double precision: steps
are so short that a vertex moves by less than what single precision can tell."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the solver of thin bodies, which is loaded only when it is asked for

from simvid.physics.mpm.warp_structs import Six, Wrench

FREE = wp.constant(-2)
"""Of a vertex that nothing holds."""
WORLD = wp.constant(-1)
"""Of a vertex that the world holds."""


@wp.struct
class Vertices:
    """V of them."""

    x: wp.array(dtype=wp.vec3d)
    """World [m]."""
    v: wp.array(dtype=wp.vec3d)
    f: wp.array(dtype=wp.vec3d)
    """Sum of the elements' forces; emptied in each substep [N]."""
    dv: wp.array(dtype=wp.vec3d)
    """What collisions with other vertices change [m/s]."""
    given: wp.array(dtype=wp.vec3d)
    """Acceleration from outside, gravity included [m/s^2]."""
    rest: wp.array(dtype=wp.vec3d)
    mass: wp.array(dtype=wp.float64)
    radius: wp.array(dtype=wp.float64)
    friction: wp.array(dtype=wp.float64)
    body: wp.array(dtype=wp.int32)
    deep: wp.array(dtype=wp.float64)
    """Of a solid's, how deep inside it others are looked for [m]; 0 of thin bodies."""
    held: wp.array(dtype=wp.int32)
    """FREE, WORLD or the obstacle that holds it."""
    anchor: wp.array(dtype=wp.vec3d)
    """Where it is held, in that obstacle's frame or the world."""
    near: wp.array(dtype=wp.uint64)
    """Bits of the pieces that it may touch within this step."""


@wp.struct
class Elements:
    """As in ``bodies``."""

    triangles: wp.array(dtype=wp.vec3i)
    inverse: wp.array(dtype=wp.mat22d)
    area: wp.array(dtype=wp.float64)
    lame: wp.array(dtype=wp.vec2d)
    hinges: wp.array(dtype=wp.vec4i)
    weights: wp.array(dtype=wp.vec4d)
    fold: wp.array(dtype=wp.float64)
    bend: wp.array(dtype=wp.float64)
    segments: wp.array(dtype=wp.vec2i)
    length: wp.array(dtype=wp.float64)
    stretch: wp.array(dtype=wp.float64)
    corners: wp.array(dtype=wp.vec3i)
    flex: wp.array(dtype=wp.float64)
    damping: wp.vec2d
    """Relaxation times of stretch and of bending [s]."""


@wp.struct
class Crowd:
    """Vertices that may touch faces of thin bodies within this step."""

    faces: wp.array(dtype=wp.vec3i)
    middle: wp.array(dtype=wp.vec3)
    size: wp.array(dtype=wp.float32)
    """Distance of a face's farthest corner from its middle [m]."""
    count: wp.array(dtype=wp.int32)
    """Of each vertex, [V]."""
    found: wp.array2d(dtype=wp.int32)
    """[V, MOST]"""
    lost: wp.array(dtype=wp.int32)
    """[0] how many found no room."""


@wp.struct
class Rigid:
    """What obstacles feel, beside ``mpm.warp_colliders.Obstacles``; M of them."""

    push: wp.array(dtype=wp.vec3d)
    """Impulse of this substep [N s]."""
    turn: wp.array(dtype=wp.vec3d)
    """Its moment about the origin."""
    load: wp.array(dtype=wp.float64)
    """Mass of the vertices that touch it in this substep [kg]."""
    tied: wp.array2d(dtype=wp.int32)
    """Whether it holds vertices of a body, and so does not touch it, [M, bodies]."""
    share: wp.array(dtype=wp.float64)
    """How much of the relative speed one contact may take, 1 of what nothing moves."""
    A: wp.array(dtype=Six)
    """Mass matrix of the vertices that a floating one holds."""
    b: wp.array(dtype=Wrench)
    """Their momentum and its moment about the origin, as it sees them."""
