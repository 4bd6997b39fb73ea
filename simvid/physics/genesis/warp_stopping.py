"""Particles in rigid bodies as a Warp kernel: put back before the surface, their speed into it taken."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of what moves particles, which is loaded only when it is asked for

from simvid.physics.mpm.warp_colliders import Obstacles, Pieces, after_contact, distance

wp.set_module_options({"enable_backward": False, "optimization_level": 2})


@wp.kernel
def stop(
    pieces: Pieces,
    obstacles: Obstacles,
    count: wp.int32,
    mass: wp.array(dtype=wp.float32),
    reach: wp.array(dtype=wp.float32),
    x: wp.array(dtype=wp.vec3),
    v: wp.array(dtype=wp.vec3),
    inside: wp.array(dtype=wp.int32),
    impulses: wp.array(dtype=wp.vec3),
    moments: wp.array(dtype=wp.vec3),
) -> None:
    """Put particles that are in a piece, or too near, back before it, and take the speed into it from them.

    Args:
        pieces, obstacles: as ``warp_colliders`` has them.
        count: of the pieces.
        mass, reach: of the particles; so far off a surface they stay.
        x, v: of the particles; changed.
        inside: set to 1 of those that were too near to something.
        impulses, moments: what each obstacle got, the latter about its origin; added to.
    """
    i = wp.tid()
    for k in range(count):
        o = pieces.obstacle[k]
        pose = obstacles.pose[o]
        d = distance(pieces, k, wp.transform_multiply(pose, pieces.pose[k]), x[i])
        if d.depth < reach[i]:
            arm = x[i] - wp.transform_get_translation(pose)
            wall = obstacles.velocity[o] + wp.cross(obstacles.spin[o], arm)
            left = after_contact(v[i], wall, d.normal, pieces.friction[k], 0)
            lost = mass[i] * (v[i] - left)
            wp.atomic_add(impulses, o, lost)
            wp.atomic_add(moments, o, wp.cross(arm, lost))
            x[i] = x[i] + (reach[i] - d.depth) * d.normal
            v[i] = left
            inside[i] = 1
