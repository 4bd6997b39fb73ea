"""The kernels of contact of solids with each other and with cloth and rope.

Unlike cloth, a solid has an inside, so places near it have a signed distance: the sign is that of the nearest face, and
of several at an edge that of the one the way to it is steepest on. Points, which are vertices and the middles of edges,
meet the nearest face of another body: what would be inside by the end of the substep
loses just so much of its approach that it is not, with Coulomb's friction; both sides get equal and opposite impulses.
All contacts are solved at once, each as if all others at its vertices approached as it does: it divides by the sum of
its row of J M^-1 J^T, so that none gives more than it may (mass splitting, Tonge et al. 2012).
"""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the solver of thin bodies, which is loaded only when it is asked for

from simvid.physics.mpm.warp_colliders import Obstacles
from simvid.physics.thin.warp_structs import FREE, WORLD, Crowd, Vertices
from simvid.physics.thin.warp_touch import HALF, ONE, ZERO, beyond_face, near_face, on_face, parting

wp.set_module_options({"enable_backward": False, "optimization_level": 2})

TINY = wp.constant(wp.float64(1.0e-9))
EQUAL = wp.constant(wp.float64(1.0e-6))
"""Distances that differ by less than this share are those of one edge or corner."""
FACING = wp.constant(wp.float64(0.35))
"""Least cosine between the way that a solid's point faces and the face that it meets; of a cube's corner it is 0.58."""


@wp.struct
class Points:
    """P points of V vertices, that may touch faces of other bodies before the next look."""

    ends: wp.array(dtype=wp.vec2i)
    """A vertex twice, or the ends of the edge whose middle it is."""
    normal: wp.array(dtype=wp.vec3d)
    """Of solids, outwards: unit normals of the faces around a vertex, weighted by their angles, [V]."""
    count: wp.array(dtype=wp.int32)
    found: wp.array2d(dtype=wp.int32)
    """[P, MOST]"""
    lost: wp.array(dtype=wp.int32)
    """[0] how many found no room."""
    face: wp.array2d(dtype=wp.int32)
    """The faces that it meets in this substep, of two bodies at most, or -1, [P, 2] as the next five."""
    out: wp.array2d(dtype=wp.vec3d)
    """Unit, from the face to the point."""
    gap: wp.array2d(dtype=wp.float64)
    at: wp.array2d(dtype=wp.vec3d)
    """Weights of the face's corners at its nearest point."""
    slide: wp.array2d(dtype=wp.vec3d)
    """Speed of the point over the face [m/s]."""
    push: wp.array2d(dtype=wp.float64)
    """What of that has to go [m/s]; 0 or less of what does not touch."""
    load: wp.array(dtype=wp.float64)
    """Sum of the weights of all contacts of a vertex, [V]."""


@wp.func
def angle_at(a: wp.vec3d, b: wp.vec3d, c: wp.vec3d):
    """Of a triangle at a [rad]."""
    one, two = b - a, c - a
    return wp.atan2(wp.length(wp.cross(one, two)), wp.dot(one, two))


@wp.kernel
def turn_out(vertices: Vertices, crowd: Crowd, normal: wp.array(dtype=wp.vec3d)) -> None:
    """Normals of the vertices of solids, from empty ones."""
    f = crowd.faces[wp.tid()]
    if vertices.deep[f[0]] <= ZERO:
        return
    a, b, c = vertices.x[f[0]], vertices.x[f[1]], vertices.x[f[2]]
    n = wp.normalize(wp.cross(b - a, c - a))
    wp.atomic_add(normal, f[0], angle_at(a, b, c) * n)
    wp.atomic_add(normal, f[1], angle_at(b, c, a) * n)
    wp.atomic_add(normal, f[2], angle_at(c, a, b) * n)


@wp.func
def place_of(vertices: Vertices, ends: wp.vec2i):
    """Of a point."""
    return HALF * (vertices.x[ends[0]] + vertices.x[ends[1]])


@wp.kernel
def look(
    vertices: Vertices, crowd: Crowd, points: Points, grid: wp.uint64, widest: wp.float32, reach: wp.float64
) -> None:
    """Which faces each point may touch before the next look: of other bodies, and one of the two is a solid."""
    p = wp.tid()
    ends = points.ends[p]
    i = ends[0]
    x = place_of(vertices, ends)
    found = wp.int32(0)
    query = wp.hash_grid_query(grid, wp.vec3(x), widest)
    k = wp.int32(0)
    while wp.hash_grid_query_next(query, k):
        f = crowd.faces[k]
        deep = wp.max(vertices.deep[i], vertices.deep[f[0]])
        if vertices.body[i] == vertices.body[f[0]] or deep <= ZERO:
            continue
        far = vertices.radius[i] + vertices.radius[f[0]] + deep + reach
        if not near_face(vertices, crowd, k, x, far):
            continue
        if found < points.found.shape[1]:
            points.found[p, found] = k
            found += 1
        else:
            wp.atomic_add(points.lost, 0, 1)
    points.count[p] = found


@wp.func
def face_normal(vertices: Vertices, f: wp.vec3i):
    """Unit, out of a solid."""
    a = vertices.x[f[0]]
    return wp.normalize(wp.cross(vertices.x[f[1]] - a, vertices.x[f[2]] - a))


@wp.func
def way_out(vertices: Vertices, f: wp.vec3i, w: wp.vec3d, off: wp.vec3d):
    """Unit normal out of a solid at the point of a face with weights w, and the signed distance [m] of what is ``off``
    from there. Of faces that are equally near, at an edge or a corner, f must be that which ``off`` is steepest on."""
    n = face_normal(vertices, f)
    height, away = wp.dot(off, n), wp.length(off)
    if (w[0] > ZERO and w[1] > ZERO and w[2] > ZERO) or away <= TINY:
        return n, height
    sign = wp.where(height >= ZERO, ONE, -ONE)
    return (sign / away) * off, sign * away


@wp.func
def steeper(vertices: Vertices, f: wp.vec3i, off: wp.vec3d, g: wp.vec3i, other: wp.vec3d):
    """Whether faces f and g of a solid are equally near, and the way from f, ``off``, is steeper than that from g."""
    if vertices.deep[f[0]] <= ZERO or wp.abs(wp.length(off) - wp.length(other)) > EQUAL * wp.length(off) + TINY:
        return False
    return wp.abs(wp.dot(off, face_normal(vertices, f))) > wp.abs(wp.dot(other, face_normal(vertices, g)))


@wp.func
def nearer(vertices: Vertices, f: wp.vec3i, off: wp.vec3d, g: wp.vec3i, other: wp.vec3d):
    """Whether face f, ``off`` from a point, is nearer by its surface than g, ``other`` from it; of faces of one solid
    that are equally near, whether the way from f is steeper."""
    if vertices.body[f[0]] == vertices.body[g[0]]:
        if steeper(vertices, f, off, g, other):
            return True
        if steeper(vertices, g, other, f, off):
            return False
    return wp.length(off) - vertices.radius[f[0]] < wp.length(other) - vertices.radius[g[0]]


@wp.func
def meets(vertices: Vertices, points: Points, ends: wp.vec2i, f: wp.vec3i, w: wp.vec3d, off: wp.vec3d):
    """Unit normal from a face to a point, and the signed distance [m]. A face of cloth or rope has no sides: what
    touches it is a solid, whose own normal says where its inside is."""
    if vertices.deep[f[0]] > ZERO:
        return way_out(vertices, f, w, off)
    up = -points.normal[ends[0]] - points.normal[ends[1]]
    away = wp.length(off)
    sign = wp.where(wp.dot(off, up) >= ZERO, ONE, -ONE)
    n = wp.normalize(up)
    if away > TINY:
        n = (sign / away) * off
    return n, sign * away


@wp.func
def nearest(vertices: Vertices, crowd: Crowd, points: Points, p: wp.int32, x: wp.vec3d, but: wp.int32):
    """The nearest face, by its surface, of all bodies but one."""
    best = wp.int32(-1)
    way = wp.vec3d()
    for q in range(points.count[p]):
        k = points.found[p, q]
        f = crowd.faces[k]
        if vertices.body[f[0]] != but:
            off = beyond_face(vertices.x, f, x)
            if best >= 0:
                if not nearer(vertices, f, off, crowd.faces[best], way):
                    continue
            best = k
            way = off
    return best


@wp.func
def speed(vertices: Vertices, i: wp.int32):
    """Of a vertex [m/s]."""
    return vertices.v[i] + vertices.dv[i]


@wp.func
def approach(vertices: Vertices, ends: wp.vec2i, f: wp.vec3i, w: wp.vec3d):
    """Speed of a point over that of a face [m/s], what impulses have changed so far included."""
    own = HALF * (speed(vertices, ends[0]) + speed(vertices, ends[1]))
    return own - w[0] * speed(vertices, f[0]) - w[1] * speed(vertices, f[1]) - w[2] * speed(vertices, f[2])


@wp.kernel
def find(vertices: Vertices, crowd: Crowd, points: Points) -> None:
    """What each point may meet in this substep."""
    p = wp.tid()
    points.face[p, 0] = -1
    points.face[p, 1] = -1
    if points.count[p] == 0:
        return
    ends = points.ends[p]
    x = place_of(vertices, ends)
    but = wp.int32(-1)
    for c in range(2):
        k = nearest(vertices, crowd, points, p, x, but)
        if k < 0:
            return
        f = crowd.faces[k]
        but = vertices.body[f[0]]
        w = on_face(x, vertices.x[f[0]], vertices.x[f[1]], vertices.x[f[2]], f[1] == f[2])
        off = x - w[0] * vertices.x[f[0]] - w[1] * vertices.x[f[1]] - w[2] * vertices.x[f[2]]
        n, away = meets(vertices, points, ends, f, w, off)
        if -away > wp.max(vertices.deep[ends[0]], vertices.deep[f[0]]):
            continue
        own = points.normal[ends[0]] + points.normal[ends[1]]
        if wp.length(own) > TINY and wp.dot(n, own) > -FACING * wp.length(own):
            continue
        points.face[p, c] = k
        points.at[p, c] = w
        points.out[p, c] = n
        points.gap[p, c] = away - vertices.radius[ends[0]] - vertices.radius[f[0]]


@wp.kernel
def weigh(vertices: Vertices, crowd: Crowd, points: Points, dt: wp.array(dtype=wp.float64)) -> None:
    """Which points come too fast, and how many of those meet each vertex, from empty loads."""
    p = wp.tid()
    ends = points.ends[p]
    for c in range(2):
        points.push[p, c] = ZERO
        k = points.face[p, c]
        if k >= 0:
            f = crowd.faces[k]
            w = points.at[p, c]
            slide = approach(vertices, ends, f, w)
            points.slide[p, c] = slide
            points.push[p, c] = parting(points.gap[p, c], dt[0]) - wp.dot(slide, points.out[p, c])
            if points.push[p, c] > ZERO:
                for j in range(3):
                    wp.atomic_add(points.load, f[j], w[j])
                wp.atomic_add(points.load, ends[0], HALF)
                wp.atomic_add(points.load, ends[1], HALF)


@wp.func
def gives_way(vertices: Vertices, obstacles: Obstacles, i: wp.int32):
    """1 over the mass of a vertex; 0 of one that is held by what nothing moves."""
    held = vertices.held[i]
    if held == FREE:
        return ONE / vertices.mass[i]
    if held == WORLD:
        return ZERO
    return wp.where(obstacles.mass[held] > 0.0, ONE / vertices.mass[i], ZERO)


@wp.kernel
def press(vertices: Vertices, crowd: Crowd, obstacles: Obstacles, points: Points) -> None:
    """The impulses, to ``dv``. Vertices that something holds get theirs too, and hand it on to that."""
    p = wp.tid()
    ends = points.ends[p]
    for c in range(2):
        if points.push[p, c] > ZERO:
            f = crowd.faces[points.face[p, c]]
            n = points.out[p, c]
            w = points.at[p, c]
            mobile = HALF * points.load[ends[0]] * gives_way(vertices, obstacles, ends[0])
            mobile += HALF * points.load[ends[1]] * gives_way(vertices, obstacles, ends[1])
            for j in range(3):
                mobile += w[j] * points.load[f[j]] * gives_way(vertices, obstacles, f[j])
            if mobile > ZERO:
                push = points.push[p, c] / mobile
                slip = points.slide[p, c] - wp.dot(points.slide[p, c], n) * n
                fast = wp.length(slip)
                impulse = push * n
                mu = wp.max(vertices.friction[ends[0]], vertices.friction[f[0]])
                if fast > TINY:
                    impulse = impulse - wp.min(mu * push / fast, ONE / mobile) * slip
                for j in range(2):
                    wp.atomic_add(vertices.dv, ends[j], (HALF / vertices.mass[ends[j]]) * impulse)
                for j in range(3):
                    wp.atomic_add(vertices.dv, f[j], -(w[j] / vertices.mass[f[j]]) * impulse)
