"""The kernels of particles that meet faces of cloth, rope and bodies of elements, with impulses that both sides get.

A particle is a ball of half its edge. Where it would be inside a face by the end of the substep, both lose just so much
of their approach that it is not, with Coulomb's friction. All contacts are solved at once, each as if all that meet its
vertices approached as it does: it divides by the sum of its row of J M^-1 J^T. Then no contact gives more than it may
(the iteration cannot overshoot), and what many particles press on a light cloth goes over whole in one substep. As mass
that is split among contacts in Tonge et al. 2012, "Mass splitting for jitter-free parallel rigid body simulation".
"""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the solvers of particles, which are loaded only when they are asked for

from simvid.physics.mpm.warp_colliders import Obstacles
from simvid.physics.mpm.warp_contact import reckon
from simvid.physics.mpm.warp_structs import Matter, State
from simvid.physics.thin.warp_solid_touch import TINY, gives_way, nearer, way_out
from simvid.physics.thin.warp_structs import Crowd, Vertices
from simvid.physics.thin.warp_touch import BACK, HALF, ONE, ZERO, beyond_face, near_face, on_face, parting

wp.set_module_options({"enable_backward": False, "optimization_level": 2})

FLAT = wp.constant(wp.float64(0.2))
"""Mean of unit normals that is shorter than this says nothing of sides: the cloth is folded there."""
BESIDE = wp.constant(wp.float64(-0.3))
"""Cosine between a particle's two contacts, at most: the second is on its other side."""


@wp.struct
class Meeting:
    """P particles among F faces of V vertices."""

    origin: wp.vec3d
    """Of the particles' places, world."""
    rim: wp.array(dtype=wp.int32)
    """1 of a vertex on the border of a sheet, and of a rope's, [V]."""
    normal: wp.array(dtype=wp.vec3d)
    """Sum of the areas of the faces around a vertex [m^2], [V]."""
    friction: wp.array(dtype=wp.float64)
    """Of each body of particles."""
    count: wp.array(dtype=wp.int32)
    found: wp.array2d(dtype=wp.int32)
    """Faces that a particle may meet before the next look, [P, MOST]."""
    lost: wp.array(dtype=wp.int32)
    """[0] how many found no room."""
    last: wp.array(dtype=wp.int32)
    """Face that a particle was nearest to, or -1, [P]."""
    side: wp.array(dtype=wp.int32)
    """On which side of it: 1, -1, or 0 where there are none, [P]."""
    face: wp.array2d(dtype=wp.int32)
    """The faces that it meets in this substep, or -1, [P, 2] as the next two."""
    out: wp.array2d(dtype=wp.vec3d)
    """Unit, from the face to the particle."""
    gap: wp.array2d(dtype=wp.float64)
    load: wp.array(dtype=wp.float64)
    """Sum of the weights of all contacts of a vertex, [V]."""


@wp.kernel
def face_up(vertices: Vertices, crowd: Crowd, meeting: Meeting) -> None:
    """Normals of vertices, from empty ones."""
    f = crowd.faces[wp.tid()]
    if f[1] != f[2]:
        a = vertices.x[f[0]]
        area = HALF * wp.cross(vertices.x[f[1]] - a, vertices.x[f[2]] - a)
        for k in range(3):
            wp.atomic_add(meeting.normal, f[k], area)


@wp.kernel
def unload(meeting: Meeting) -> None:
    """Nobody meets the vertices."""
    meeting.load[wp.tid()] = ZERO


@wp.func
def half_edge(matter: Matter, p: wp.int32):
    """Radius of a particle [m]."""
    return HALF * wp.float64(wp.pow(matter.volume[p], 1.0 / 3.0))


@wp.kernel
def look(
    state: State, matter: Matter, vertices: Vertices, crowd: Crowd, meeting: Meeting, grid: wp.uint64,
    widest: wp.float32, reach: wp.float32,
) -> None:  # fmt: skip
    """Which faces each particle may meet before the next look: they come closer than ``reach`` beside both radii."""
    p = wp.tid()
    x = wp.vec3d(state.x[p]) + meeting.origin
    half = half_edge(matter, p)
    found = wp.int32(0)
    query = wp.hash_grid_query(grid, wp.vec3(x), widest)
    k = wp.int32(0)
    while wp.hash_grid_query_next(query, k):
        f = crowd.faces[k]
        if not near_face(vertices, crowd, k, x, half + vertices.radius[f[0]] + vertices.deep[f[0]] + wp.float64(reach)):
            continue
        if found < meeting.found.shape[1]:
            meeting.found[p, found] = k
            found += 1
        else:
            wp.atomic_add(meeting.lost, 0, 1)
    meeting.count[p] = found
    if found == 0:
        meeting.last[p] = -1


@wp.func
def nearest(vertices: Vertices, crowd: Crowd, meeting: Meeting, p: wp.int32, x: wp.vec3d, n: wp.vec3d, every: bool):
    """The nearest face, by its surface; with ``every`` false of those that are not on the side of n."""
    best = wp.int32(-1)
    way = wp.vec3d()
    for q in range(meeting.count[p]):
        k = meeting.found[p, q]
        f = crowd.faces[k]
        off = beyond_face(vertices.x, f, x)
        if not every and wp.dot(off, n) > BESIDE * wp.length(off):
            continue
        if best >= 0:
            if not nearer(vertices, f, off, crowd.faces[best], way):
                continue
        best = k
        way = off
    return best


@wp.func
def weights_on(vertices: Vertices, f: wp.vec3i, x: wp.vec3d):
    """Of the corners of a face at its point nearest to x."""
    return on_face(x, vertices.x[f[0]], vertices.x[f[1]], vertices.x[f[2]], f[1] == f[2])


@wp.func
def mean_of(values: wp.array(dtype=wp.vec3d), f: wp.vec3i, w: wp.vec3d):
    """With weights."""
    return w[0] * values[f[0]] + w[1] * values[f[1]] + w[2] * values[f[2]]


@wp.func
def at_rim(meeting: Meeting, f: wp.vec3i, w: wp.vec3d):
    """Whether a point of a face lies on the border of the sheet, where it has no sides."""
    inner = wp.int32(0)
    for k in range(3):
        if w[k] > ZERO and meeting.rim[f[k]] == 0:
            inner += 1
    return inner == 0 and (w[0] <= ZERO or w[1] <= ZERO or w[2] <= ZERO)


@wp.func
def akin(f: wp.vec3i, g: wp.vec3i):
    """Whether faces share a corner."""
    for a in range(3):
        for b in range(3):
            if f[a] == g[b]:
                return True
    return False


@wp.func
def unit(a: wp.vec3d):
    """Of length 1; zero stays."""
    return wp.where(wp.length(a) > ZERO, a / wp.max(wp.length(a), wp.float64(1.0e-30)), a)


@wp.func
def side_of(
    vertices: Vertices, crowd: Crowd, meeting: Meeting, p: wp.int32, k: wp.int32, w: wp.vec3d, off: wp.vec3d,
    thick: wp.float64,
):  # fmt: skip
    """Whether the particle is where it came from: 1, or -1 where its centre has got through the face; and the normal.

    What was nearest to it, or one beside that, tells where it came from; a particle that is clear of the cloth again is
    where it is. Solids have an outside, which needs no memory.
    """
    f = crowd.faces[k]
    if vertices.deep[f[0]] > ZERO:
        out, height = way_out(vertices, f, w, off)
        return out, wp.where(height < ZERO, -ONE, ONE)
    up = w[0] * unit(meeting.normal[f[0]]) + w[1] * unit(meeting.normal[f[1]]) + w[2] * unit(meeting.normal[f[2]])
    before, last = meeting.side[p], meeting.last[p]
    meeting.last[p] = k
    meeting.side[p] = 0
    away = wp.length(off)
    if wp.length(up) < FLAT or at_rim(meeting, f, w):
        return wp.where(away > TINY, off / wp.max(away, TINY), up), ONE
    now = wp.where(wp.dot(off, up) >= ZERO, 1, -1)
    side = now
    if last >= 0 and before != 0 and away < thick:
        if akin(f, crowd.faces[last]):
            side = before
    meeting.side[p] = side
    if away <= TINY:
        return wp.float64(side) * wp.normalize(up), ONE
    through = wp.where(side == now, ONE, -ONE)
    return through * off / away, through


@wp.kernel
def find(
    state: State, matter: Matter, vertices: Vertices, crowd: Crowd, meeting: Meeting, dt: wp.array(dtype=wp.float64)
) -> None:
    """What each particle meets in this substep, and how many meet each vertex."""
    p = wp.tid()
    meeting.face[p, 0] = -1
    meeting.face[p, 1] = -1
    if meeting.count[p] == 0:
        return
    x, v = wp.vec3d(state.x[p]) + meeting.origin, wp.vec3d(state.v[p])
    half = half_edge(matter, p)
    n = wp.vec3d()
    for c in range(2):
        k = nearest(vertices, crowd, meeting, p, x, n, c == 0)
        if k < 0:
            return
        f = crowd.faces[k]
        w = weights_on(vertices, f, x)
        off = x - mean_of(vertices.x, f, w)
        away, thick = wp.length(off), half + vertices.radius[f[0]]
        sign = ONE
        if c == 0 or vertices.deep[f[0]] > ZERO:
            n, sign = side_of(vertices, crowd, meeting, p, k, w, off, thick)
        else:
            n = unit(off)
        if sign < ZERO and away > vertices.deep[f[0]] and vertices.deep[f[0]] > ZERO:
            continue
        gap = sign * away - thick
        closing = wp.dot(v - mean_of(vertices.v, f, w), n)
        if closing < wanted_speed(vertices, f, gap, half, dt[0]):
            meeting.face[p, c] = k
            meeting.out[p, c] = n
            meeting.gap[p, c] = gap
            for j in range(3):
                wp.atomic_add(meeting.load, f[j], w[j])


@wp.func
def wanted_speed(vertices: Vertices, f: wp.vec3i, gap: wp.float64, half: wp.float64, step: wp.float64):
    """Of parting, at least [m/s]; out of cloth and rope by half a particle at most, however fast that is."""
    if vertices.deep[f[0]] > ZERO or gap >= ZERO:
        return parting(gap, step)
    return BACK * wp.min(-gap, half) / step


@wp.func
def impulse_on(
    state: State, matter: Matter, vertices: Vertices, crowd: Crowd, obstacles: Obstacles, meeting: Meeting,
    p: wp.int32, c: wp.int32, contacts: wp.int32, sums: wp.array3d(dtype=wp.float32), step: wp.float64,
):  # fmt: skip
    """What contact c gives particle p [N s]; the face gets the opposite."""
    k = meeting.face[p, c]
    if k < 0:
        return wp.vec3d()
    f = crowd.faces[k]
    n = meeting.out[p, c]
    gap = meeting.gap[p, c]
    b = matter.body[p]
    w = weights_on(vertices, f, wp.vec3d(state.x[p]) + meeting.origin)
    mobile = wp.float64(contacts) / wp.float64(matter.mass[p])
    for i in range(3):
        mobile += w[i] * meeting.load[f[i]] * gives_way(vertices, obstacles, f[i])
    relative = wp.vec3d(state.v[p]) - mean_of(vertices.v, f, w)
    closing = wp.dot(relative, n)
    slip = relative - closing * n
    fast = wp.length(slip)
    press = (wanted_speed(vertices, f, gap, half_edge(matter, p), step) - closing) / mobile
    impulse = press * n
    mu = wp.max(vertices.friction[f[0]], meeting.friction[b])
    if fast > TINY:
        impulse = impulse - wp.min(mu * press / fast, ONE / mobile) * slip
    for j in range(3):
        wp.atomic_add(vertices.dv, f[j], -(w[j] / vertices.mass[f[j]]) * impulse)
    body = vertices.body[f[0]]
    reckon(sums, body, b, -wp.vec3(impulse), state.x[p], state.x[p], wp.vec3(n))
    sums[body, b, 10] = wp.max(sums[body, b, 10], wp.float32(-gap))
    return impulse


@wp.kernel
def push(
    state: State, matter: Matter, vertices: Vertices, crowd: Crowd, obstacles: Obstacles, meeting: Meeting,
    sums: wp.array3d(dtype=wp.float32), dt: wp.array(dtype=wp.float64),
) -> None:  # fmt: skip
    """The impulses: on particles at once, on vertices to ``dv``. ``sums`` takes what each thin body felt.

    Vertices that something holds get theirs too, and hand it on to that.
    """
    p = wp.tid()
    contacts = wp.where(meeting.face[p, 0] >= 0, 1, 0) + wp.where(meeting.face[p, 1] >= 0, 1, 0)
    if contacts > 0:
        one = impulse_on(state, matter, vertices, crowd, obstacles, meeting, p, 0, contacts, sums, dt[0])
        two = impulse_on(state, matter, vertices, crowd, obstacles, meeting, p, 1, contacts, sums, dt[0])
        state.v[p] = state.v[p] + wp.vec3((one + two) / wp.float64(matter.mass[p]))
