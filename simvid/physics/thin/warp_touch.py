"""The kernels of contact and motion of thin bodies: with obstacles, with each other, obstacles that are pushed.

Contacts act on speeds: a vertex that would be closer than its radius by the end of the substep loses just so much of
its approach that it is not, with Coulomb's friction for the impulse that this takes. So nothing bounces, nothing
creeps, and at rest nothing is inside anything.
"""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the solver of thin bodies, which is loaded only when it is asked for

from simvid.physics.mpm.warp_colliders import Obstacles, Pieces, belt_speed, distance
from simvid.physics.mpm.warp_contact import reckon
from simvid.physics.thin.warp_structs import FREE, Crowd, Rigid, Vertices
from simvid.physics.thin.warp_ties import hang, wall_speed

wp.set_module_options({"enable_backward": False, "optimization_level": 2})

ZERO = wp.constant(wp.float64(0.0))
HALF = wp.constant(wp.float64(0.5))
ONE = wp.constant(wp.float64(1.0))
BACK = wp.constant(wp.float64(0.2))
"""Share of a penetration that goes in one substep ..."""
BACK_M_S = wp.constant(wp.float64(0.5))
"""... but no faster than this [m/s]."""
RELAXED = wp.constant(wp.float64(0.3))
"""Share of an impulse between vertices and faces: several act on one vertex at once."""
LEVER = wp.constant(wp.float64(3.5))
"""How much more easily a free body turns away from a push than its mass says: a ball's 1 + 5/2."""


@wp.kernel
def survey(vertices: Vertices, measures: wp.array(dtype=wp.float64)) -> None:
    """[0] the largest speed squared."""
    i = wp.tid()
    wp.atomic_max(measures, 0, wp.length_sq(vertices.v[i]))


@wp.kernel
def survey_edges(
    vertices: Vertices, edges: wp.array(dtype=wp.vec2i), length: wp.array(dtype=wp.float64),
    measures: wp.array(dtype=wp.float64),
) -> None:  # fmt: skip
    """[1] the largest stretch."""
    e = wp.tid()
    wp.atomic_max(measures, 1, wp.length(vertices.x[edges[e][1]] - vertices.x[edges[e][0]]) / length[e])


@wp.kernel
def look_around(
    vertices: Vertices, pieces: Pieces, obstacles: Obstacles, rigid: Rigid, origin: wp.vec3d, reach: wp.float32,
    step: wp.float32,
) -> None:  # fmt: skip
    """Which pieces each vertex may touch within a step."""
    i = wp.tid()
    x = wp.vec3(vertices.x[i] - origin)
    r = wp.float32(vertices.radius[i]) + reach
    vertices.near[i] = around(pieces, obstacles, rigid, vertices.body[i], x, r, step)


@wp.kernel
def look_around_edges(
    vertices: Vertices, edges: wp.array(dtype=wp.vec2i), near: wp.array(dtype=wp.uint64), pieces: Pieces,
    obstacles: Obstacles, rigid: Rigid, origin: wp.vec3d, reach: wp.float32, step: wp.float32,
) -> None:  # fmt: skip
    """The same of the middles of edges."""
    e = wp.tid()
    a, b = edges[e][0], edges[e][1]
    x = wp.vec3(HALF * (vertices.x[a] + vertices.x[b]) - origin)
    r = wp.float32(vertices.radius[a]) + reach
    near[e] = around(pieces, obstacles, rigid, vertices.body[a], x, r, step)


@wp.func
def around(
    pieces: Pieces, obstacles: Obstacles, rigid: Rigid, body: wp.int32, x: wp.vec3, r: wp.float32, step: wp.float32
):
    """Bits of the pieces that come closer to a place than r within a step."""
    near = wp.uint64(0)
    for k in range(pieces.kind.shape[0]):
        o = pieces.obstacle[k]
        if rigid.tied[o, body] != 0:
            continue
        pose = obstacles.pose[o] * pieces.pose[k]
        arm = wp.length(pieces.center[k]) + wp.length(wp.transform_get_translation(pieces.pose[k]))
        far = r + step * (
            wp.length(obstacles.velocity[o]) + wp.length(obstacles.spin[o]) * wp.min(arm + pieces.radius[k], 1.0e6)
        )
        away = wp.length(x - wp.transform_point(pose, pieces.center[k]))
        if away - pieces.radius[k] < far:
            if distance(pieces, k, pose, x).depth < far:
                near = near | (wp.uint64(1) << wp.uint64(k))
    return near


@wp.kernel
def kick(vertices: Vertices, dt: wp.array(dtype=wp.float64)) -> None:
    """What forces leave of speeds, before contacts."""
    i = wp.tid()
    vertices.v[i] = vertices.v[i] + dt[0] * (vertices.f[i] / vertices.mass[i] + vertices.given[i])
    vertices.f[i] = wp.vec3d()
    vertices.dv[i] = wp.vec3d()


@wp.func
def inverse_mass(vertices: Vertices, i: wp.int32):
    """0 of what is held."""
    return wp.where(vertices.held[i] == FREE, ONE / vertices.mass[i], ZERO)


@wp.func
def on_face(x: wp.vec3d, a: wp.vec3d, b: wp.vec3d, c: wp.vec3d, segment: bool):
    """Weights of the corners a, b, c of a face at its point nearest to x (Ericson 2004, "Real-Time Collision
    Detection", 5.1.5), or on the segment a b."""
    ab, ac, ap = b - a, c - a, x - a
    if segment:
        t = wp.clamp(wp.dot(ap, ab) / wp.dot(ab, ab), ZERO, ONE)
        return wp.vec3d(ONE - t, t, ZERO)
    d1, d2 = wp.dot(ab, ap), wp.dot(ac, ap)
    if d1 <= ZERO and d2 <= ZERO:
        return wp.vec3d(ONE, ZERO, ZERO)
    bp = x - b
    d3, d4 = wp.dot(ab, bp), wp.dot(ac, bp)
    if d3 >= ZERO and d4 <= d3:
        return wp.vec3d(ZERO, ONE, ZERO)
    vc = d1 * d4 - d3 * d2
    if vc <= ZERO and d1 >= ZERO and d3 <= ZERO:
        t = d1 / (d1 - d3)
        return wp.vec3d(ONE - t, t, ZERO)
    cp = x - c
    d5, d6 = wp.dot(ab, cp), wp.dot(ac, cp)
    if d6 >= ZERO and d5 <= d6:
        return wp.vec3d(ZERO, ZERO, ONE)
    vb = d5 * d2 - d1 * d6
    if vb <= ZERO and d2 >= ZERO and d6 <= ZERO:
        t = d2 / (d2 - d6)
        return wp.vec3d(ONE - t, ZERO, t)
    va = d3 * d6 - d5 * d4
    if va <= ZERO and d4 - d3 >= ZERO and d5 - d6 >= ZERO:
        t = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        return wp.vec3d(ZERO, ONE - t, t)
    total = va + vb + vc
    return wp.vec3d(va / total, vb / total, vc / total)


@wp.func
def beyond_face(places: wp.array(dtype=wp.vec3d), f: wp.vec3i, x: wp.vec3d):
    """From the nearest point of a face to x."""
    a, b, c = places[f[0]], places[f[1]], places[f[2]]
    w = on_face(x, a, b, c, f[1] == f[2])
    return x - w[0] * a - w[1] * b - w[2] * c


@wp.func
def near_face(vertices: Vertices, crowd: Crowd, k: wp.int32, x: wp.vec3d, far: wp.float64):
    """Whether face k comes as near to a point as ``far`` [m]; a ball around the face rules out most of them."""
    if wp.length(wp.vec3(x) - crowd.middle[k]) > crowd.size[k] + wp.float32(far):
        return False
    return wp.length(beyond_face(vertices.x, crowd.faces[k], x)) <= far


@wp.func
def parting(gap: wp.float64, step: wp.float64):
    """Least speed of parting [m/s]: what is apart may just meet, what is inside gets out bit by bit."""
    return wp.where(gap < ZERO, wp.min(BACK * (-gap / step), BACK_M_S), -gap / step)


@wp.kernel
def measure_faces(vertices: Vertices, crowd: Crowd) -> None:
    """Middles and sizes of faces."""
    k = wp.tid()
    f = crowd.faces[k]
    a, b, c = vertices.x[f[0]], vertices.x[f[1]], vertices.x[f[2]]
    middle = (a + b + c) / wp.float64(3.0)
    crowd.middle[k] = wp.vec3(middle)
    crowd.size[k] = wp.float32(wp.max(wp.max(wp.length(a - middle), wp.length(b - middle)), wp.length(c - middle)))


@wp.kernel
def look_for_company(vertices: Vertices, crowd: Crowd, grid: wp.uint64, widest: wp.float32, reach: wp.float32) -> None:
    """Which faces each vertex of cloth and rope may touch within a step; its own and neighbours at rest are none."""
    i = wp.tid()
    x = vertices.x[i]
    crowd.count[i] = 0
    if vertices.deep[i] > ZERO:
        return
    found = wp.int32(0)
    query = wp.hash_grid_query(grid, wp.vec3(x), widest)
    k = wp.int32(0)
    while wp.hash_grid_query_next(query, k):
        f = crowd.faces[k]
        if f[0] == i or f[1] == i or f[2] == i:
            continue
        thick = vertices.radius[i] + vertices.radius[f[0]]
        if not near_face(vertices, crowd, k, x, thick + wp.float64(reach)):
            continue
        if vertices.body[i] == vertices.body[f[0]]:
            if wp.length(beyond_face(vertices.rest, f, vertices.rest[i])) < wp.float64(2.0) * thick:
                continue
        if found < crowd.found.shape[1]:
            crowd.found[i, found] = k
            found += 1
        else:
            wp.atomic_add(crowd.lost, 0, 1)
    crowd.count[i] = found


@wp.kernel
def mingle(vertices: Vertices, crowd: Crowd, dt: wp.array(dtype=wp.float64)) -> None:
    """Impulses between vertices and the faces they touch, to ``dv``; equal and opposite."""
    i = wp.tid()
    for q in range(crowd.count[i]):
        f = crowd.faces[crowd.found[i, q]]
        x = vertices.x[i]
        one, two, three = vertices.x[f[0]], vertices.x[f[1]], vertices.x[f[2]]
        w = on_face(x, one, two, three, f[1] == f[2])
        off = x - w[0] * one - w[1] * two - w[2] * three
        away = wp.length(off)
        gap = away - vertices.radius[i] - vertices.radius[f[0]]
        if away < wp.float64(1.0e-9):
            continue
        n = off / away
        relative = vertices.v[i] - w[0] * vertices.v[f[0]] - w[1] * vertices.v[f[1]] - w[2] * vertices.v[f[2]]
        closing = wp.dot(relative, n)
        wanted = parting(gap, dt[0])
        if closing >= wanted:
            continue
        a, b, c = inverse_mass(vertices, f[0]), inverse_mass(vertices, f[1]), inverse_mass(vertices, f[2])
        mobile = inverse_mass(vertices, i) + w[0] * w[0] * a + w[1] * w[1] * b + w[2] * w[2] * c
        if mobile <= ZERO:
            continue
        slip = relative - closing * n
        fast = wp.length(slip)
        push = RELAXED * (wanted - closing) / mobile
        hold = wp.min(wp.max(vertices.friction[i], vertices.friction[f[0]]) * push, RELAXED * fast / mobile)
        impulse = push * n
        if fast > wp.float64(1.0e-12):
            impulse = impulse - (hold / fast) * slip
        wp.atomic_add(vertices.dv, i, impulse * inverse_mass(vertices, i))
        wp.atomic_add(vertices.dv, f[0], -w[0] * a * impulse)
        wp.atomic_add(vertices.dv, f[1], -w[1] * b * impulse)
        wp.atomic_add(vertices.dv, f[2], -w[2] * c * impulse)


@wp.func
def felt(
    rigid: Rigid, sums: wp.array3d(dtype=wp.float32), o: wp.int32, body: wp.int32, push: wp.vec3d, r: wp.vec3,
    x: wp.vec3, normal: wp.vec3,
):  # fmt: skip
    """Let obstacle o feel an impulse at r from its origin."""
    wp.atomic_add(rigid.push, o, push)
    wp.atomic_add(rigid.turn, o, wp.cross(wp.vec3d(r), push))
    reckon(sums, o, body, wp.vec3(push), r, x, normal)


@wp.func
def beside(
    vertices: Vertices, pieces: Pieces, obstacles: Obstacles, rigid: Rigid, sums: wp.array3d(dtype=wp.float32),
    local: wp.vec3, v: wp.vec3d, i: wp.int32, k: wp.int32, step: wp.float64,
):  # fmt: skip
    """What piece k leaves of the speed v of vertex i."""
    o = pieces.obstacle[k]
    pose = obstacles.pose[o]
    d = distance(pieces, k, pose * pieces.pose[k], local)
    n = wp.vec3d(d.normal)
    gap = wp.float64(d.depth) - vertices.radius[i]
    r = local - wp.transform_get_translation(pose)
    relative = v - wall_speed(obstacles, o, r) - wp.vec3d(belt_speed(obstacles, o, local, d.normal))
    closing = wp.dot(relative, n)
    wanted = parting(gap, step)
    if closing >= wanted:
        return v
    share, m, body = rigid.share[o], vertices.mass[i], vertices.body[i]
    push = share * (wanted - closing)
    slip = relative - closing * n
    fast = wp.length(slip)
    change = push * n
    mu = wp.max(vertices.friction[i], wp.float64(pieces.friction[k]))
    if fast > wp.float64(1.0e-12):
        change = change - wp.min(mu * push / fast, share) * slip
    felt(rigid, sums, o, body, -m * change, r, local, d.normal)
    sums[o, body, 10] = wp.max(sums[o, body, 10], wp.float32(-gap))
    wp.atomic_add(rigid.load, o, m)
    return v + change


@wp.kernel
def span(
    vertices: Vertices, edges: wp.array(dtype=wp.vec2i), shares: wp.array(dtype=wp.float64),
    near: wp.array(dtype=wp.uint64), pieces: Pieces, obstacles: Obstacles, rigid: Rigid,
    sums: wp.array3d(dtype=wp.float32), origin: wp.vec3d, dt: wp.array(dtype=wp.float64),
) -> None:  # fmt: skip
    """Impulses of pieces on the middles of edges, to ``dv``: what is sharp does not come through between vertices.

    Vertices keep a body's surface outside, edges its middle alone: where things are round, vertices do all of it. Of
    each impulse that would stop an edge it gives the edge's share alone, since a vertex has several edges.
    """
    e = wp.tid()
    bits = near[e]
    if bits == wp.uint64(0):
        return
    a, b = edges[e][0], edges[e][1]
    light, other = inverse_mass(vertices, a), inverse_mass(vertices, b)
    mobile = HALF * HALF * (light + other)
    if mobile <= ZERO:
        return
    taken = wp.where(light > ZERO, HALF, ZERO) + wp.where(other > ZERO, HALF, ZERO)
    local = wp.vec3(HALF * (vertices.x[a] + vertices.x[b]) - origin)
    late = HALF * dt[0] * HALF * (vertices.given[a] + vertices.given[b])
    v = HALF * (vertices.v[a] + vertices.v[b]) - late
    for k in range(pieces.kind.shape[0]):
        if (bits >> wp.uint64(k)) & wp.uint64(1) == wp.uint64(0):
            continue
        o = pieces.obstacle[k]
        pose = obstacles.pose[o]
        d = distance(pieces, k, pose * pieces.pose[k], local)
        n = wp.vec3d(d.normal)
        gap = wp.float64(d.depth)
        r = local - wp.transform_get_translation(pose)
        relative = v - wall_speed(obstacles, o, r) - wp.vec3d(belt_speed(obstacles, o, local, d.normal))
        closing = wp.dot(relative, n)
        wanted = parting(gap, dt[0])
        if closing >= wanted:
            continue
        part = shares[e] * rigid.share[o]
        push = part * (wanted - closing) / mobile
        slip = relative - closing * n
        fast = wp.length(slip)
        impulse = push * n
        mu = wp.max(vertices.friction[a], wp.float64(pieces.friction[k]))
        if fast > wp.float64(1.0e-12):
            impulse = impulse - wp.min(mu * push / fast, part / mobile) * slip
        wp.atomic_add(vertices.dv, a, HALF * light * impulse)
        wp.atomic_add(vertices.dv, b, HALF * other * impulse)
        felt(rigid, sums, o, vertices.body[a], -taken * impulse, r, local, d.normal)
        wp.atomic_add(rigid.load, o, shares[e] / mobile)


@wp.kernel
def move(
    vertices: Vertices,
    pieces: Pieces,
    obstacles: Obstacles,
    rigid: Rigid,
    sums: wp.array3d(dtype=wp.float32),
    pulls: wp.array3d(dtype=wp.float32),
    origin: wp.vec3d,
    dt: wp.array(dtype=wp.float64),
) -> None:
    """What obstacles and anchors leave of speeds, then the move itself.

    Speeds are those at the ends of steps; the way within a step is that of v - dt/2 g, so that free fall is exact, and
    that is what contacts stop.
    """
    i = wp.tid()
    late = HALF * dt[0] * vertices.given[i]
    v = vertices.v[i] + vertices.dv[i] - late
    if vertices.held[i] != FREE:
        hang(vertices, obstacles, pulls, origin, v, i, dt[0], late)
        return
    near = vertices.near[i]
    if near != wp.uint64(0):
        local = wp.vec3(vertices.x[i] - origin)
        for k in range(pieces.kind.shape[0]):
            if (near >> wp.uint64(k)) & wp.uint64(1) != wp.uint64(0):
                v = beside(vertices, pieces, obstacles, rigid, sums, local, v, i, k, dt[0])
    vertices.v[i] = v + late
    vertices.x[i] = vertices.x[i] + dt[0] * v


@wp.kernel
def carry(obstacles: Obstacles, rigid: Rigid, gravity: wp.vec3, dt: wp.array(dtype=wp.float64)) -> None:
    """Obstacles move by their velocities; free ones take the impulses of this substep and gravity first."""
    o = wp.tid()
    step = wp.float32(dt[0])
    pose = obstacles.pose[o]
    q = wp.transform_get_rotation(pose)
    m = obstacles.mass[o]
    if m > 0.0:
        turn = wp.quat_to_matrix(q)
        inverse = turn * wp.inverse(obstacles.inertia[o]) * wp.transpose(turn)
        obstacles.velocity[o] = obstacles.velocity[o] + wp.vec3(rigid.push[o]) / m + step * gravity
        obstacles.spin[o] = obstacles.spin[o] + inverse * wp.vec3(rigid.turn[o])
        rigid.share[o] = wp.float64(m) / (wp.float64(m) + LEVER * rigid.load[o])
    rigid.push[o] = wp.vec3d()
    rigid.turn[o] = wp.vec3d()
    rigid.load[o] = ZERO
    w = obstacles.spin[o]
    angle = step * wp.length(w)
    if angle > 0.0:
        q = wp.normalize(wp.quat_from_axis_angle(wp.normalize(w), angle) * q)
    obstacles.pose[o] = wp.transform(wp.transform_get_translation(pose) + step * obstacles.velocity[o], q)
