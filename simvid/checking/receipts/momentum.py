"""Momentum: what moves freely changes its momentum by gravity, contacts, kicks and recorded forces alone; what touches
nothing keeps its spin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.checking.receipts import limits
from simvid.checking.receipts.evidence import UNRECORDED, Array, Curve, Evidence, Finding, Mask, nothing
from simvid.checking.receipts.groups import Group


def momentum(e: Evidence) -> Finding:
    """m dv = m g dt + contact impulses + kicks, over stretches of 0.1 s, for every free group.

    The speed of deformable bodies is a difference of positions, as it was in the middle between two frames; of the
    contacts in the frames at both ends of a stretch half counts then, and as much again is allowed.
    """
    if e.mute:
        return nothing("momentum", UNRECORDED)
    groups = [g for g in e.groups.groups if not g.held]
    if not groups or e.count < 3:
        return nothing("momentum", "nothing moves freely" if not groups else "fewer than three frames")
    worst = (-1.0, 0.0, 1.0, 0, groups[0], np.zeros(3))
    curves: dict[str, Array] = {}
    for group in groups:
        off, allowed, residual, ends = _unexplained(e, group)
        share = off / allowed
        k = int(np.argmax(share))
        curves[_named(e, group)] = _at_frames(e.count, off, ends)
        if share[k] > worst[0]:
            worst = (float(share[k]), float(off[k]), float(allowed[k]), int(ends[k]), group, residual[k])
    _, off_worst, limit, end, group, residual_worst = worst
    record = e.law(
        "momentum", {"unexplained_m_s": off_worst}, {"unexplained_m_s": limit},
        part=_named(e, group), time_s=e.time(end), note=_why(e, group, end, residual_worst),
    )  # fmt: skip
    largest = dict(sorted(curves.items(), key=lambda item: -float(np.nanmax(item[1])))[:6])
    return Finding(record, (Curve("Change of speed that nothing explains, over 0.1 s", "m/s", largest),))


def _named(e: Evidence, group: Group) -> str:
    names = [e.name(k) for k in group.members]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} tied to it"


def _unexplained(e: Evidence, group: Group) -> tuple[Array, Array, Array, NDArray[np.int64]]:
    """Of each stretch: unexplained change of speed, what is allowed [m/s], it as a vector, and its last frame."""
    mask = group.mask(len(e.parts))
    mass = e.mass[mask]
    total = float(mass.sum())
    pushed, size = e.impulses(mask)
    for part, kick in e.groups.kicks:
        if mask[part] and (frame := e.frame_of(kick.t_s)) < e.count:
            pushed[frame] += kick.impulse_n_s
            size[frame] += float(np.linalg.norm(kick.impulse_n_s))
    pushed[1:] += total * e.gravity * e.frame_s
    n = max(1, round(limits.WINDOW_S / e.frame_s))
    if any(k in e.soft for k in group.members):
        center = np.einsum("b,tbk->tk", mass, e.centers[:, mask]) / total
        speed = np.diff(center, axis=0) / e.frame_s  # [T - 1], at the middles
        n = min(n, len(speed) - 1)
        change = speed[n:] - speed[:-n]  # from the middle before frame k + 1 to that before k + n + 1
        inner = _sums(pushed, n - 1)[2:-1] if n > 1 else np.zeros((len(change), 3))
        explained = (inner[: len(change)] + (pushed[1:-n] + pushed[1 + n :]) / 2) / total
        slack = (size[1:-n] + size[1 + n :]) / 2 / total
        force = _sums(size[:, None], n + 1)[1:, 0] / total
        ends = np.arange(n + 1, e.count)
    else:
        n = min(n, e.count - 1)
        speed = np.einsum("b,tbk->tk", mass, e.velocities[:, mask]) / total
        change = speed[n:] - speed[:-n]
        explained = _sums(pushed, n)[1:] / total
        slack = np.zeros(len(change))
        force = _sums(size[:, None], n)[1:, 0] / total
        ends = np.arange(n, e.count)
    residual = change - explained
    allowed = limits.KICK_M_S + limits.KICK_SHARE * force + slack
    return np.linalg.norm(residual, axis=1), np.asarray(allowed), np.asarray(residual), ends.astype(np.int64)


def _sums(values: Array, n: int) -> Array:
    """Sums over n rows in a row, [T - n + 1, ...]; row k begins at row k."""
    total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    return np.asarray(total[n:] - total[: len(total) - n])


def _at_frames(count: int, values: Array, ends: NDArray[np.int64]) -> Array:
    out = np.full(count, np.nan)
    out[ends] = values
    return out


def _why(e: Evidence, group: Group, end: int, residual: Array) -> str:
    """In words; a body that does not fall is named as such."""
    span = max(1, round(limits.WINDOW_S / e.frame_s)) * e.frame_s
    fallen = e.gravity * span
    lifted = float(np.linalg.norm(residual + fallen)) < 0.2 * float(np.linalg.norm(fallen))
    still = float(np.linalg.norm(e.velocities[end, group.members[0]])) < 0.05
    text = f"gravity, contacts and kicks leave {np.linalg.norm(residual):.3g} m/s in {span:.3g} s unexplained"
    if lifted and still:
        return f"{text}: it hangs in the air, with nothing under it"
    if lifted:
        return f"{text}: it does not fall as it should, or what carries it is not in the contact table"
    way = ", ".join(f"{x:.2f}" for x in residual)
    return f"{text}: something pushed it by [{way}] m/s that is in no record"


def spin(e: Evidence) -> Finding:
    """Free rigid bodies: angular momentum about the centre stays, but for what contacts can do."""
    if e.mute:
        return nothing("spin", UNRECORDED)
    singles = [g.members[0] for g in e.groups.groups if not g.held and len(g.members) == 1]
    singles = [k for k in singles if k not in e.soft]
    if not singles or e.count < 2:
        return nothing("spin", "no rigid body moves freely")
    worst = (-1.0, 0.0, 1.0, 0, singles[0])
    curves = {}
    for k in singles:
        off, allowed = _spin_off(e, k)
        share = off / allowed
        t = int(np.argmax(share))
        curves[e.name(k)] = np.concatenate([[np.nan], share])
        if share[t] > worst[0]:
            worst = (float(share[t]), float(off[t]), float(allowed[t]), t + 1, k)
    _, off_worst, limit, frame, k = worst
    record = e.law(
        "spin", {"unexplained_n_m_s": off_worst}, {"unexplained_n_m_s": limit}, part=e.name(k), time_s=e.time(frame),
        note="its angular momentum changed by more than its contacts could do: something turned it",
    )  # fmt: skip
    largest = dict(sorted(curves.items(), key=lambda item: -float(np.nanmax(item[1])))[:6])
    return Finding(record, (Curve("Unexplained change of angular momentum", "share of the limit", largest),))


def _spin_off(e: Evidence, k: int) -> tuple[Array, Array]:
    """Of each frame from 1 on: change of angular momentum, and what contacts and limits allow [N m s]."""
    mass = e.parts[k].mass
    assert mass is not None, "it is free"
    turn = e.rotations[:, k]
    inertia = turn @ np.asarray(mass.inertia_kg_m2, np.float64) @ turn.transpose(0, 2, 1)
    momentum_now = np.einsum("tij,tj->ti", inertia, e.trajectory.twists[:, k, 3:])
    change = np.linalg.norm(np.diff(momentum_now, axis=0), axis=1)
    mask: Mask = np.arange(len(e.parts)) == k
    _, size = e.impulses(mask)
    for part, kick in e.groups.kicks:
        if part == k and (frame := e.frame_of(kick.t_s)) < e.count:
            size[frame] += float(np.linalg.norm(kick.impulse_n_s))
    largest = float(np.linalg.eigvalsh(mass.inertia_kg_m2)[-1])
    if e.trajectory.outside is not None:  # forces act at the centre, ties at arm's length: their moments are known
        size -= np.linalg.norm(e.trajectory.outside.impulses[:, k], axis=1)
        change = np.maximum(change - e.trajectory.outside.turns[1:, k], 0.0)
    reach = size[1:] * (_reach(e, k) + np.sqrt(largest / mass.mass_kg))
    length = np.linalg.norm(momentum_now, axis=1)
    return change, limits.SPIN_SHARE * np.maximum(length[1:], length[:-1]) + limits.SPIN_RAD_S * largest + reach


def _reach(e: Evidence, k: int) -> float:
    """Farthest contact point from the centre of mass [m]."""
    t = e.touches
    rows = (t.a == k) | (t.b == k)
    if not rows.any():
        return 0.0
    return float(np.linalg.norm(t.point[rows] - e.centers[t.frame[rows], k], axis=1).max())
