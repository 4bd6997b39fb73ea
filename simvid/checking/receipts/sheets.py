"""Cloth and rope among particles: no particle goes through a cloth, none is deep inside cloth or rope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.checking.receipts import limits
from simvid.checking.receipts.evidence import Array, Curve, Evidence, Finding, nothing
from simvid.trajectory import ParticleMotion

INSTANTS = 9
"""Of a frame at which the side is looked at; between frames all moves straight."""


def through_cloth(e: Evidence) -> Finding:
    """At most one percent of a body's particles end on the other side of a cloth than they began, and contacts with
    cloth and rope are no deeper than half a particle.

    Going round its border is none of it: what counts is how often a particle's way crosses its triangles.
    """
    grains = {k: m for k, m in e.soft.items() if m.form in ("solid", "loose")}
    thin = {k: m for k, m in e.soft.items() if m.form in ("sheet", "line")}
    if not grains or not thin:
        return nothing("through_cloth", "no particles together with cloth or rope")
    worst, series = (-1.0, 0, 0, 0.0, 0.0, 0.0, 0), {}
    for k, motion in grains.items():
        body = e.parts[k].deformable
        if body is None:
            continue
        allowed = limits.THIN_DEPTH_SPACINGS * body.spacing_m
        for other, sheet in thin.items():
            shares = _gone_through(motion, sheet)
            depth, at = _deepest(e, k, other)
            share = max(float(shares.max()) / limits.PARTICLE_SHARE, depth / allowed)
            frame = int(np.argmax(shares)) if float(shares.max()) > 0 else at
            series[f"{e.name(k)} through {e.name(other)}"] = shares
            if share > worst[0]:
                worst = (share, k, other, float(shares.max()), depth, allowed, frame)
    _, k, other, gone, depth, allowed, frame = worst
    record = e.law(
        "through_cloth", {"through_share": gone, "deepest_m": depth},
        {"through_share": limits.PARTICLE_SHARE, "deepest_m": allowed}, part=f"{e.name(k)} and {e.name(other)}",
        time_s=e.time(frame),
        note=f"{gone:.1%} of the particles of {e.name(k)!r} went through {e.name(other)!r}, and they were up to "
        f"{depth * 1000:.3g} mm inside each other",
    )  # fmt: skip
    return Finding(record, (Curve("Particles that have gone through", "share", series),))


def _deepest(e: Evidence, a: int, b: int) -> tuple[float, int]:
    """The deepest contact of two parts [m], and its frame."""
    t = e.touches
    rows = np.flatnonzero(((t.a == a) & (t.b == b)) | ((t.a == b) & (t.b == a)))
    if not len(rows):
        return 0.0, 0
    row = rows[int(np.argmax(t.depth[rows]))]
    return max(float(t.depth[row]), 0.0), int(t.frame[row])


def _gone_through(motion: ParticleMotion, sheet: ParticleMotion) -> Array:
    """Share of particles that have crossed the sheet an odd number of times, by frame, [T]; zero of ropes."""
    count = len(motion.positions)
    out = np.zeros(count)
    if sheet.triangles is None:
        return out
    crossed = np.zeros(motion.positions.shape[1], np.int64)
    x, y = motion.positions.astype(np.float64), sheet.positions.astype(np.float64)
    for t in range(1, count):
        crossed += crossings(x[t - 1], x[t], y[t - 1], y[t], sheet.triangles)
        out[t] = (crossed % 2).mean()
    return out


def crossings(
    x0: Array, x1: Array, y0: Array, y1: Array, triangles: NDArray[np.integer]
) -> NDArray[np.int64]:  # fmt: skip
    """How many triangles each particle crosses while it goes straight from x0 to x1 and the vertices from y0 to y1.

    Args:
        x0, x1: particles [m], [P, 3].
        y0, y1: vertices [m], [V, 3].
        triangles: [F, 3].
    """
    from scipy.spatial import cKDTree

    a0, a1 = y0[triangles], y1[triangles]  # [F, 3, 3]
    middle = (a0 + a1).mean(axis=1) / 2
    reach = max(float(np.linalg.norm((a - middle[:, None]), axis=2).max()) for a in (a0, a1))
    way = np.linalg.norm(x1 - x0, axis=1) / 2
    near = cKDTree(middle).query_ball_point((x0 + x1) / 2, reach + way)
    lengths = np.array([len(n) for n in near])
    if not lengths.any():
        return np.zeros(len(x0), np.int64)
    p = np.repeat(np.arange(len(x0)), lengths)
    f = np.concatenate([np.array(n, np.int64) for n in near if n])
    side = np.stack([_side(x0[p], x1[p], a0[f], a1[f], s)[0] for s in np.linspace(0, 1, INSTANTS)])
    flips = np.zeros(len(x0), np.int64)
    for k in range(INSTANTS - 1):
        turned = np.flatnonzero((side[k] < 0) != (side[k + 1] < 0))
        if not len(turned):
            continue
        one, two = side[k, turned], side[k + 1, turned]
        s = (k + one / (one - two)) / (INSTANTS - 1)
        pt, ft = p[turned], f[turned]
        inside = _side(x0[pt], x1[pt], a0[ft], a1[ft], s[:, None])[1]
        np.add.at(flips, pt, inside.astype(np.int64))
    return flips


def _side(x0: Array, x1: Array, a0: Array, a1: Array, s: float | Array) -> tuple[Array, NDArray[np.bool_]]:
    """At an instant s of 0 to 1: six volumes between particles and triangles [m^3], and whether they are over them."""
    x = (1 - s) * x0 + s * x1
    corners = [(1 - s) * a0[:, k] + s * a1[:, k] for k in range(3)]
    n = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    over = np.ones(len(x), np.bool_)
    for k in range(3):
        a, b = corners[k], corners[(k + 1) % 3]
        over &= (np.cross(b - a, x - a) * n).sum(axis=1) >= 0
    return np.asarray(((x - corners[0]) * n).sum(axis=1)), over
