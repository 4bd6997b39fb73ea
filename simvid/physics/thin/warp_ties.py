"""The kernels of vertices that the world or an obstacle holds."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the solver of thin bodies, which is loaded only when it is asked for

from simvid.physics.mpm.warp_colliders import Obstacles
from simvid.physics.mpm.warp_contact import massive, reckon, solved
from simvid.physics.mpm.warp_structs import Six, Wrench
from simvid.physics.thin.warp_structs import WORLD, Rigid, Vertices

wp.set_module_options({"enable_backward": False, "optimization_level": 2})

RETURN = wp.constant(wp.float64(0.2))
"""Share of the way back to its place that a vertex goes in one substep, where what holds it floats."""


@wp.func
def wall_speed(obstacles: Obstacles, o: wp.int32, r: wp.vec3):
    """Of obstacle o at r from its origin."""
    return wp.vec3d(obstacles.velocity[o] + wp.cross(obstacles.spin[o], r))


@wp.kernel
def weigh_ties(vertices: Vertices, obstacles: Obstacles, rigid: Rigid, dt: wp.array(dtype=wp.float64)) -> None:
    """Sum up the masses and momenta that floating obstacles hold, as ``mpm.warp_outside`` does of particles."""
    i = wp.tid()
    o = vertices.held[i]
    if o < 0:
        return
    if obstacles.mass[o] <= 0.0:
        return
    r = wp.transform_vector(obstacles.pose[o], wp.vec3(vertices.anchor[i]))
    v = vertices.v[i] + vertices.dv[i] - wp.float64(0.5) * dt[0] * vertices.given[i]
    m = wp.float32(vertices.mass[i])
    lin = m * wp.vec3(v - wall_speed(obstacles, o, r))
    ang = wp.cross(r, lin)
    wp.atomic_add(rigid.A, o, massive(m, r))
    wp.atomic_add(rigid.b, o, Wrench(lin[0], lin[1], lin[2], ang[0], ang[1], ang[2]))


@wp.kernel
def meet_ties(obstacles: Obstacles, rigid: Rigid) -> None:
    """A floating obstacle and all that it holds get one velocity together, so that it may be far lighter."""
    o = wp.tid()
    A = rigid.A[o]
    m = obstacles.mass[o]
    if m <= 0.0 or A[0, 0] <= 0.0:
        return
    turn = wp.quat_to_matrix(wp.transform_get_rotation(obstacles.pose[o]))
    inertia = turn * obstacles.inertia[o] * wp.transpose(turn)
    for i in range(3):
        A[i, i] += m
        for j in range(3):
            A[i + 3, j + 3] += inertia[i, j]
    u = solved(A, rigid.b[o])
    obstacles.velocity[o] = obstacles.velocity[o] + wp.vec3(u[0], u[1], u[2])
    obstacles.spin[o] = obstacles.spin[o] + wp.vec3(u[3], u[4], u[5])
    rigid.A[o] = Six()
    rigid.b[o] = Wrench()


@wp.func
def hang(
    vertices: Vertices, obstacles: Obstacles, pulls: wp.array3d(dtype=wp.float32), origin: wp.vec3d, v: wp.vec3d,
    i: wp.int32, step: wp.float64, late: wp.vec3d,
):  # fmt: skip
    """Vertex i goes with the world or the obstacle that holds it, which feels it.

    What brings it back to its place is a move alone, without momentum.
    """
    o = vertices.held[i]
    if o == WORLD:
        vertices.x[i] = vertices.anchor[i]
        vertices.v[i] = wp.vec3d()
        return
    pose = obstacles.pose[o]
    place = wp.transform_point(pose, wp.vec3(vertices.anchor[i]))
    r = place - wp.transform_get_translation(pose)
    wall = wall_speed(obstacles, o, r)
    back = wp.vec3d(place) + origin - vertices.x[i]
    if obstacles.mass[o] > 0.0:
        back = RETURN * back
    reckon(pulls, o, vertices.body[i], wp.vec3(vertices.mass[i] * (v - wall)), r, place, wp.vec3(0.0, 0.0, 1.0))
    vertices.x[i] = vertices.x[i] + step * wall + back
    vertices.v[i] = wall + late
