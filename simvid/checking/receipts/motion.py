"""Motion: nothing jumps, nothing runs away, and masses are those that were asked for."""

from __future__ import annotations

import numpy as np

from simvid.checking.receipts import limits
from simvid.checking.receipts.evidence import Array, Curve, Evidence, Finding, Mask, nothing


def jumps(e: Evidence) -> Finding:
    """The way between two frames is what the speeds at both tell, (v0 + v1) dt / 2, for every part that is not soft.

    That is exact under gravity alone. A body that touches something may have turned back in between, and what
    was pushed from outside may have been so at any time in the frame: by J half a frame times J / m off.
    """
    movers = [k for k in range(len(e.parts)) if k not in e.soft and e.parts[k].part.kind != "ground"]
    if not movers or e.count < 2:
        return nothing("jumps", "no rigid body in two frames")
    tied = {k for pair in e.groups.tied for k in pair}
    touched, partner = _touched(e)
    pushed = _pushed(e)
    worst, curves = (-1.0, 0.0, 1.0, 0, movers[0]), {}
    for k in movers:
        v = e.velocities[:, k]
        off = np.linalg.norm(np.diff(e.centers[:, k], axis=0) - (v[1:] + v[:-1]) / 2 * e.frame_s, axis=1)
        speed = np.linalg.norm(v[1:], axis=1) + np.linalg.norm(v[:-1], axis=1)
        free = limits.JUMP_M + limits.JUMP_SHARE * speed * e.frame_s
        near = speed + partner[1:, k] + float(np.linalg.norm(e.gravity)) * e.frame_s
        bound = limits.TOUCHED_JUMP_M + limits.TOUCHED_SHARE * near * e.frame_s
        loose = touched[1:, k] | e.mute | (k in tied) | (e.parts[k].part.kind == "link") | (k in e.groups.drives)
        allowed = np.where(loose, bound, free) + pushed[1:, k] * e.frame_s / 2
        share = off / allowed
        t = int(np.argmax(share))
        curves[e.name(k)] = np.concatenate([[np.nan], off])
        if share[t] > worst[0]:
            worst = (float(share[t]), float(off[t]), float(allowed[t]), t + 1, k)
    _, off_worst, limit, frame, k = worst
    record = e.law(
        "jumps", {"off_m": off_worst}, {"off_m": limit}, part=e.name(k), time_s=e.time(frame),
        note=f"between frames {frame - 1} and {frame} it came {off_worst:.3g} m away from where its speed took it",
    )  # fmt: skip
    largest = dict(sorted(curves.items(), key=lambda item: -float(np.nanmax(item[1])))[:6])
    return Finding(record, (Curve("Way between frames that speeds do not tell", "m", largest),))


def _touched(e: Evidence) -> tuple[Mask, Array]:
    """Whether each part touches something in each frame, and how fast the fastest thing is that it touches."""
    t = e.touches
    touched, partner = np.zeros((e.count, len(e.parts)), np.bool_), np.zeros((e.count, len(e.parts)))
    touched[t.frame, t.a] = touched[t.frame, t.b] = True
    speed = np.linalg.norm(e.velocities, axis=2)
    for one, two in ((t.a, t.b), (t.b, t.a)):
        np.maximum.at(partner, (t.frame, one), np.maximum(speed[t.frame, two], speed[np.maximum(t.frame - 1, 0), two]))
    for k, kick in e.groups.kicks:
        if (frame := e.frame_of(kick.t_s)) < e.count:
            touched[frame, k] = True
    return touched, partner


def _pushed(e: Evidence) -> Array:
    """What acts from outside in each frame by what each part weighs [m/s], [T, B]."""
    if e.trajectory.outside is None:
        return np.zeros((e.count, len(e.parts)))
    mass = np.where(e.mass > 0, e.mass, np.inf)
    return np.asarray(np.linalg.norm(e.trajectory.outside.impulses, axis=2) / mass)


def fastest(e: Evidence) -> Finding:
    """No part and no particle is faster than 100 m/s."""
    speed = np.linalg.norm(e.velocities, axis=2)
    for k, motion in e.soft.items():
        for t in range(1, e.count):
            step = motion.positions[t].astype(np.float64) - motion.positions[t - 1]
            speed[t, k] = np.sqrt((step * step).sum(axis=1).max()) / e.frame_s
    if not speed.size:
        return nothing("speed", "there is nothing")
    frame, k = (int(i) for i in np.unravel_index(int(np.argmax(speed)), speed.shape))
    record = e.law(
        "speed", {"fastest_m_s": float(speed[frame, k])}, {"fastest_m_s": limits.MAX_SPEED_M_S}, part=e.name(k),
        time_s=e.time(frame), note="nothing in such a scene gets so fast: the simulation diverged",
    )  # fmt: skip
    order = np.argsort(-speed.max(axis=0))[:6]
    return Finding(record, (Curve("Speed", "m/s", {e.name(int(j)): speed[:, j] for j in order}),))


def masses(e: Evidence) -> Finding:
    """The trajectory's masses are those that the scene asks for."""
    told = e.trajectory.masses_kg
    known = [k for k, p in enumerate(e.parts) if p.mass is not None and len(told) and np.isfinite(told[k])]
    if not known:
        return nothing("masses", "the trajectory tells no mass of a body")
    asked = np.array([e.mass[k] for k in known])
    off = np.abs(told[known] / asked - 1)
    k = int(np.argmax(off))
    record = e.law(
        "masses", {"off_share": float(off[k])}, {"off_share": limits.MASS_SHARE}, part=e.name(known[k]),
        note=f"the scene asks for {asked[k]:.6g} kg, the engine moved {told[known[k]]:.6g} kg",
    )  # fmt: skip
    return Finding(record)
