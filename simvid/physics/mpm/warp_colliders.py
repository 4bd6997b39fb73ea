"""Contact as Warp functions: signed distances of pieces, and what an obstacle leaves of a node's velocity."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the MPM solver, which is loaded only when it is asked for

from simvid.physics.mpm.colliders import KINDS

wp.set_module_options({"enable_backward": False, "optimization_level": 2})

PLANE = wp.constant(KINDS.index("plane"))
BOX = wp.constant(KINDS.index("box"))
SPHERE = wp.constant(KINDS.index("sphere"))
CAPSULE = wp.constant(KINDS.index("capsule"))
CYLINDER = wp.constant(KINDS.index("cylinder"))
VOLUME = wp.constant(KINDS.index("volume"))
FAR = wp.constant(wp.float32(1e9))


@wp.struct
class Pieces:
    """All pieces of all obstacles, K of them."""

    kind: wp.array(dtype=wp.int32)
    obstacle: wp.array(dtype=wp.int32)
    dimensions: wp.array(dtype=wp.vec3)
    pose: wp.array(dtype=wp.transform)
    """obstacle_from_piece"""
    friction: wp.array(dtype=wp.float32)
    sticky: wp.array(dtype=wp.int32)
    center: wp.array(dtype=wp.vec3)
    radius: wp.array(dtype=wp.float32)
    """Of a ball around the piece, in its frame."""
    first: wp.array(dtype=wp.int32)
    """Place of its first voxel."""
    shape: wp.array(dtype=wp.vec3i)
    low: wp.array(dtype=wp.vec3)
    spacing: wp.array(dtype=wp.float32)
    voxels: wp.array(dtype=wp.float32)


@wp.struct
class Obstacles:
    """State of the obstacles, M of them."""

    pose: wp.array(dtype=wp.transform)
    """world_from_obstacle, from the grid's origin."""
    velocity: wp.array(dtype=wp.vec3)
    spin: wp.array(dtype=wp.vec3)
    mass: wp.array(dtype=wp.float32)
    """0 where nothing moves it."""
    inertia: wp.array(dtype=wp.mat33)
    belt: wp.array(dtype=wp.vec3)
    """Speed of its surface against itself, in its axes, in the place that the others give."""
    belt_low: wp.array(dtype=wp.vec3)
    belt_high: wp.array(dtype=wp.vec3)
    belt_middle: wp.array(dtype=wp.vec3)
    belt_reach: wp.array(dtype=wp.float32)


@wp.struct
class Distance:
    """Signed distance to a surface [m] and the unit normal, out of it."""

    depth: wp.float32
    normal: wp.vec3


@wp.func
def rounded(q: wp.vec3) -> Distance:
    """Of an axis-aligned solid from its per-axis distances q with signs kept apart: outside |max(q, 0)|, inside max."""
    out = Distance()
    outside = wp.vec3(wp.max(q[0], 0.0), wp.max(q[1], 0.0), wp.max(q[2], 0.0))
    length = wp.length(outside)
    if length > 0.0:
        out.depth = length
        out.normal = outside / length
    else:
        axis = wp.argmax(q)
        out.depth = q[axis]
        out.normal[axis] = 1.0
    return out


@wp.func
def box_distance(x: wp.vec3, half: wp.vec3) -> Distance:
    """Quilez, "3D distance functions"."""
    d = rounded(wp.vec3(wp.abs(x[0]) - half[0], wp.abs(x[1]) - half[1], wp.abs(x[2]) - half[2]))
    d.normal = wp.vec3(
        wp.where(x[0] < 0.0, -d.normal[0], d.normal[0]),
        wp.where(x[1] < 0.0, -d.normal[1], d.normal[1]),
        wp.where(x[2] < 0.0, -d.normal[2], d.normal[2]),
    )
    return d


@wp.func
def ball_distance(x: wp.vec3, radius: wp.float32) -> Distance:
    """Of a ball at the origin."""
    d = Distance()
    length = wp.length(x)
    d.depth = length - radius
    d.normal = wp.vec3(0.0, 0.0, 1.0)
    if length > 1.0e-9:
        d.normal = x / length
    return d


@wp.func
def cylinder_distance(x: wp.vec3, radius: wp.float32, half: wp.float32) -> Distance:
    """Along z: the box in (distance from the axis, height)."""
    r = wp.sqrt(x[0] * x[0] + x[1] * x[1])
    d = rounded(wp.vec3(r - radius, -FAR, wp.abs(x[2]) - half))
    side = d.normal[0]
    out = wp.vec3(1.0, 0.0, 0.0)
    if r > 1.0e-9:
        out = wp.vec3(x[0] / r, x[1] / r, 0.0)
    d.normal = side * out + wp.vec3(0.0, 0.0, wp.where(x[2] < 0.0, -d.normal[2], d.normal[2]))
    return d


@wp.func
def voxel(pieces: Pieces, k: wp.int32, i: wp.int32, j: wp.int32, l: wp.int32) -> wp.float32:
    """Value at a point of a lattice."""
    n = pieces.shape[k]
    return pieces.voxels[pieces.first[k] + (i * n[1] + j) * n[2] + l]


@wp.func
def volume_distance(pieces: Pieces, k: wp.int32, x: wp.vec3) -> Distance:
    """Trilinear, with its exact gradient; outside the lattice far away."""
    d = Distance()
    d.depth = FAR
    d.normal = wp.vec3(0.0, 0.0, 1.0)
    q = (x - pieces.low[k]) / pieces.spacing[k]
    n = pieces.shape[k]
    i, j, l = wp.int32(wp.floor(q[0])), wp.int32(wp.floor(q[1])), wp.int32(wp.floor(q[2]))
    if i < 0 or j < 0 or l < 0 or i >= n[0] - 1 or j >= n[1] - 1 or l >= n[2] - 1:
        return d
    u, v, w = q[0] - wp.float32(i), q[1] - wp.float32(j), q[2] - wp.float32(l)
    a = voxel(pieces, k, i, j, l)
    b = voxel(pieces, k, i, j, l + 1)
    c = voxel(pieces, k, i, j + 1, l)
    e = voxel(pieces, k, i, j + 1, l + 1)
    f = voxel(pieces, k, i + 1, j, l)
    g = voxel(pieces, k, i + 1, j, l + 1)
    h = voxel(pieces, k, i + 1, j + 1, l)
    m = voxel(pieces, k, i + 1, j + 1, l + 1)
    ab, ce, fg, hm = a + w * (b - a), c + w * (e - c), f + w * (g - f), h + w * (m - h)
    near, far = ab + v * (ce - ab), fg + v * (hm - fg)
    d.depth = near + u * (far - near)
    gz = (1.0 - u) * ((1.0 - v) * (b - a) + v * (e - c)) + u * ((1.0 - v) * (g - f) + v * (m - h))
    gy = (1.0 - u) * (ce - ab) + u * (hm - fg)
    gradient = wp.vec3(far - near, gy, gz)
    if wp.length(gradient) > 1.0e-9:
        d.normal = wp.normalize(gradient)
    return d


@wp.func
def distance(pieces: Pieces, k: wp.int32, pose: wp.transform, x: wp.vec3) -> Distance:
    """To piece k with pose world_from_piece, world axes."""
    local = wp.transform_point(wp.transform_inverse(pose), x)
    kind, size = pieces.kind[k], pieces.dimensions[k]
    d = Distance()
    if kind == PLANE:
        d.depth = local[2]
        d.normal = wp.vec3(0.0, 0.0, 1.0)
    elif kind == BOX:
        d = box_distance(local, size)
    elif kind == SPHERE:
        d = ball_distance(local, size[0])
    elif kind == CAPSULE:
        d = ball_distance(local - wp.vec3(0.0, 0.0, wp.clamp(local[2], -size[1], size[1])), size[0])
    elif kind == CYLINDER:
        d = cylinder_distance(local, size[0], size[1])
    else:
        d = volume_distance(pieces, k, local)
    d.normal = wp.transform_vector(pose, d.normal)
    return d


@wp.func
def belt_speed(obstacles: Obstacles, o: wp.int32, x: wp.vec3, normal: wp.vec3) -> wp.vec3:
    """What a running surface adds to the velocity of the wall at a place, along the surface."""
    u = obstacles.belt[o]
    if wp.length_sq(u) == 0.0:
        return u
    a, b = obstacles.belt_low[o], obstacles.belt_high[o]
    if x[0] < a[0] or x[1] < a[1] or x[2] < a[2] or x[0] > b[0] or x[1] > b[1] or x[2] > b[2]:
        return wp.vec3()
    if wp.length(x - obstacles.belt_middle[o]) > obstacles.belt_reach[o]:
        return wp.vec3()
    u = wp.transform_vector(obstacles.pose[o], u)
    return u - wp.dot(u, normal) * normal


@wp.func
def after_contact(v: wp.vec3, wall: wp.vec3, normal: wp.vec3, friction: wp.float32, sticky: wp.int32) -> wp.vec3:
    """Velocity that a wall with velocity ``wall`` leaves of v: no approach, Coulomb friction, or none at all."""
    if sticky != 0:
        return wall
    relative = v - wall
    closing = wp.dot(relative, normal)
    if closing >= 0.0:
        return v
    slip = relative - closing * normal
    speed = wp.length(slip)
    if speed <= -friction * closing:
        return wall
    return wall + slip * (1.0 + friction * closing / speed)
