"""The energy budget: what moves gains no energy but by the work of what drives it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.assets.springs import Springs
from simvid.checking.receipts import limits
from simvid.checking.receipts.elastic import elastic_energy
from simvid.checking.receipts.evidence import UNRECORDED, Array, Curve, Evidence, Finding, Mask, nothing, rounded


@dataclass(frozen=True, eq=False)
class Budget:
    """Over the frames, [T] each, [J].

    Attributes:
        kinetic, potential, elastic: of all that is judged; height is from the start.
        hidden: kinetic energy that there may be besides, of bodies of elements.
        swing: how much springs of joints let the sum swing about the true one (a number).
        work: of each drive by name, since the start.
        kicked: frames in which an impulse of the scene acts.
    """

    kinetic: Array
    potential: Array
    elastic: Array
    hidden: Array
    swing: float
    work: dict[str, Array]
    kicked: Mask

    @property
    def unexplained(self) -> Array:
        """Energy less work: it may only fall."""
        total = self.kinetic + self.potential + self.elastic
        for done in self.work.values():
            total = total - done
        return np.asarray(total)

    @property
    def surely_low(self) -> Array:
        """Energy less work is no more than this: with what is hidden, and the most of ``limits.LOW_FRAMES`` frames."""
        from scipy.ndimage import maximum_filter1d

        return np.asarray(maximum_filter1d(self.unexplained + self.hidden, limits.LOW_FRAMES, mode="nearest"))


def energy(e: Evidence) -> tuple[Finding, dict[str, float]]:
    """Kinetic, potential and elastic energy less the work of drives never rises by more than the limits.

    Judged are free bodies and those on joints of the world; robots, keyframed bodies, what hangs on those, and what the
    script pushes at random are drives. What a drive does is mean force of a frame times how far it carried the point of
    contact; the rest of a force's work is friction's, and a loss. What forces did is in the record of what acts from
    outside.
    """
    judged = judged_parts(e)
    if e.mute and e.groups.drives:
        return nothing("energy", f"{UNRECORDED}, so the work of drives is not known"), {}
    if not judged.any():
        return nothing("energy", "nothing moves by itself"), {}
    budget = budget_of(e, judged)
    level = budget.unexplained
    soft = [e.parts[k].deformable for k in e.soft if judged[k]]
    if soft:
        level = _median_of_three(level)
    gain, frame = largest_rise(level, budget.kicked, budget.surely_low if budget.hidden.any() else level)
    mass = float(e.mass[judged].sum())
    moving = float(budget.kinetic.max())
    weight = float(np.linalg.norm(e.gravity))
    slack = mass * (weight * limits.LIFT_M + limits.DRIFT_M_S**2 / 2)
    slack += limits.GIVE_M * _largest_drive_force(e, judged)
    slack += budget.swing
    known = all(body is not None and body.tetrahedra is not None for body in soft)
    share = limits.GAIN_SHARE if known else limits.SOFT_GAIN_SHARE
    fastest = _most_energetic(e, judged, frame)
    record = e.law(
        "energy", {"gain_j": gain}, {"gain_j": share * moving + slack}, part=e.name(fastest), time_s=e.time(frame),
        note=f"the scene holds {gain:.3g} J more than before, though no drive did that work; "
        f"most of the motion is in {e.name(fastest)!r}",
    )  # fmt: skip
    series = {"kinetic": budget.kinetic, "potential": budget.potential, "energy less work": budget.unexplained}
    if budget.elastic.any():
        series["elastic"] = budget.elastic
    if budget.hidden.any():
        series["kinetic, may be hidden"] = budget.hidden
    series |= {f"work of {name}": work for name, work in list(budget.work.items())[:4]}
    return Finding(record, (Curve("Energy", "J", series),)), _summary(budget, gain)


def judged_parts(e: Evidence) -> Mask:
    """Parts whose energy is known and is their own, [B]."""
    mask = np.zeros(len(e.parts), np.bool_)
    for group in e.groups.groups:
        if not group.driven:
            mask[list(group.members)] = True
    return mask


def budget_of(e: Evidence, judged: Mask) -> Budget:
    """The budget of some parts."""
    shape = e.count
    kinetic, elastic, hidden = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for k in np.flatnonzero(judged).tolist():
        motion, body = e.soft.get(k), e.parts[k].deformable
        if motion is not None and body is not None:
            places = motion.positions.astype(np.float64)
            if body.tetrahedra is None:
                kinetic += _particle_energy(places, body.masses_kg, e.frame_s, _start(e, k))
            else:
                least, most = swing_energy(places, body.masses_kg, e.frame_s, _start(e, k), e.gravity)
                kinetic += least
                hidden += most - least
            stored = elastic_energy(body, motion)
            elastic += 0.0 if stored is None else stored
        else:
            kinetic += _rigid_energy(e, k)
    stored, swing = _springs(e, judged)
    elastic += stored
    mass = e.mass[judged]
    lifted = e.centers[:, judged] - e.centers[:1, judged]
    potential = -np.einsum("b,tbk,k->t", mass, lifted, e.gravity)
    kicked = np.zeros(shape, np.bool_)
    for part, kick in e.groups.kicks:
        if judged[part] and (frame := e.frame_of(kick.t_s)) < shape:
            kicked[frame] = True
    return Budget(kinetic, potential, elastic, hidden, swing, _work(e, judged), kicked)


def _springs(e: Evidence, judged: Mask) -> tuple[Array, float]:
    """What springs in the joints of what is judged store [J], [T], and ``Budget.swing``."""
    springs = Springs.of(e.assets)
    own, count = judged[springs.child], len(springs.child)
    stretch, speeds = np.zeros((e.count, count)), np.zeros((e.count, count))
    for t in range(e.count if own.any() else 0):
        poses, twists = e.trajectory.poses[t], e.trajectory.twists[t]
        stretch[t] = springs.stretch(poses, stretch[max(t - 1, 0)])
        speeds[t] = springs.speeds(poses, twists)
    stored = springs.energy(stretch)[:, own].sum(axis=1)
    return stored, springs.swing(stretch * own, speeds, e.step_s)


def _rigid_energy(e: Evidence, k: int) -> Array:
    mass = e.parts[k].mass
    assert mass is not None, "it is judged"
    own = np.einsum("tji,tj->ti", e.rotations[:, k], e.trajectory.twists[:, k, 3:])
    turning = np.einsum("ti,ij,tj->t", own, np.asarray(mass.inertia_kg_m2, np.float64), own) / 2
    return np.asarray(turning + mass.mass_kg * (e.velocities[:, k] ** 2).sum(axis=1) / 2)


def _start(e: Evidence, k: int) -> float:
    """Kinetic energy that a deformable body starts with, by the scene [J]."""
    part = e.parts[k]
    body, given = part.deformable, part.body
    assert body is not None, "it is deformable"
    if given is None:
        return 0.0
    arms = body.rest.astype(np.float64) @ part.pose[:3, :3].T
    speed = np.array(given.velocity_m_s) + np.cross(np.array(given.angular_velocity_rad_s), arms)
    return float(body.masses_kg @ (speed * speed).sum(axis=1) / 2)


def _particle_energy(positions: Array, masses: Array, frame_s: float, start: float) -> Array:
    """Kinetic energy of particles at the frames: the mean of that before and after, by differences over a frame.

    At the first frame what the scene gives it, so that what is pressed out of a wall in the first steps is seen.
    """
    if len(positions) < 2:
        return np.full(len(positions), start)
    between = np.empty(len(positions) - 1)
    for t in range(len(between)):
        v = (positions[t + 1] - positions[t]) / frame_s
        between[t] = masses @ (v * v).sum(axis=1) / 2
    return np.concatenate([[start], (between[1:] + between[:-1]) / 2, between[-1:]])


def swing_energy(positions: Array, masses: Array, frame_s: float, start: float, gravity: Array) -> tuple[Array, Array]:
    """Least and most kinetic energy of a body that bounces and swings [J], [T] each.

    Least: of the mean velocity of the frames before and after, which no swinging within them adds to, and which is
    exact in free fall. Most: of the mean velocity of the frame before or of that after, whichever is more, carried on
    to the frame by gravity: where a body bounces in one of them, the other has its speed. At the first frame both are
    what the scene gives.

    Args:
        positions: [m], [T, P, 3].
        masses: [kg], [P].
        frame_s: time between frames.
        start: kinetic energy at the first frame [J].
        gravity: [m/s^2], [3].
    """
    count = len(positions)
    least, most = np.full(count, start), np.full(count, start)
    if count < 2:
        return least, most

    def of(v: Array) -> float:
        return float(masses @ (v * v).sum(axis=1) / 2)

    fall, before = gravity * frame_s / 2, (positions[1] - positions[0]) / frame_s
    for t in range(1, count - 1):
        after = (positions[t + 1] - positions[t]) / frame_s
        least[t] = of((before + after) / 2)
        most[t] = max(of(before + fall), of(after - fall), least[t])
        before = after
    least[-1], most[-1] = sorted((of(before), of(before + fall)))
    return least, most


def _work(e: Evidence, judged: Mask) -> dict[str, Array]:
    """What each drive did by its contacts with what is judged, and by keyframed parents; sums since the start [J]."""
    t = e.touches
    names = dict(e.groups.drives)
    for group in e.groups.groups:
        if group.driven:
            names |= dict.fromkeys(group.members, "what hangs on drives")
    done = {name: np.zeros(e.count) for name in dict.fromkeys(names.values())}
    for k, name in names.items():
        rows = np.flatnonzero(((t.a == k) & judged[t.b]) | ((t.b == k) & judged[t.a]))
        if not len(rows):
            continue
        frames = t.frame[rows]
        moved = _moved(e, k, frames, t.point[rows]) + running(e, k, frames)
        on_other = np.where(t.a[rows] == k, -1.0, 1.0)[:, None] * t.impulse[rows]
        np.add.at(done[name], frames, (on_other * moved).sum(axis=1) / e.frame_s)
    if e.trajectory.outside is not None:
        done["forces"] = e.trajectory.outside.work[:, judged].sum(axis=1)
    return {name: np.cumsum(work) for name, work in done.items() if work.any()}


def _largest_drive_force(e: Evidence, judged: Mask) -> float:
    """Of all drives together on what is judged, by the lengths of their impulses: the largest mean of a frame [N]."""
    t = e.touches
    drive = np.zeros(len(e.parts), np.bool_)
    drive[list(e.groups.drives)] = True
    rows = (drive[t.a] & judged[t.b]) | (drive[t.b] & judged[t.a])
    force = np.zeros(e.count)
    np.add.at(force, t.frame[rows], np.linalg.norm(t.impulse[rows], axis=1))
    return float(force.max(initial=0.0)) / e.frame_s


def _moved(e: Evidence, k: int, frames: NDArray[np.int64], points: Array) -> Array:
    """How far part k carried world points in the frame before each of these frames [m], [R, 3]."""
    before = np.maximum(frames - 1, 0)
    turn, place = e.rotations[:, k], e.trajectory.poses[:, k, :3]
    to_next = np.einsum("rij,rkj->rik", turn[frames], turn[before])  # R1 R0^T
    ahead = np.einsum("rij,rj->ri", to_next, points - place[before]) + place[frames] - points
    back = np.einsum("rji,rj->ri", to_next, points - place[frames]) + place[before] - points
    return np.asarray((ahead - back) / 2)


def running(e: Evidence, k: int, frames: NDArray[np.int64]) -> Array:
    """How far the surface of a conveyor runs in the frame before each of these frames [m], [R, 3]."""
    out = np.zeros((len(frames), 3))
    for force in e.assets.scene.forces:
        belt = force.conveyor
        if belt is None or belt.body != e.name(k):
            continue
        end = np.inf if belt.end_s is None else belt.end_s
        last = frames * e.frame_s
        span = np.clip(np.minimum(end, last) - np.maximum(belt.start_s, last - e.frame_s), 0.0, None)
        out += span[:, None] * (e.rotations[frames, k] @ np.array(belt.velocity_m_s))
    return out


def largest_rise(level: Array, reset: Mask, low: Array) -> tuple[float, int]:
    """Largest rise of a level over what ``low``, at least the level itself, was lowest before, and the frame where it
    is reached; frames with ``reset`` start anew."""
    lowest, best, at = float(low[0]), 0.0, 0
    for t in range(1, len(level)):
        lowest = float(low[t]) if reset[t] else min(lowest, float(low[t]))
        if level[t] - lowest > best:
            best, at = float(level[t]) - lowest, t
    return best, at


def _median_of_three(level: Array) -> Array:
    """Without dips and peaks of one frame: an impact between two frames hides energy for one, and what turns round in
    one seems too fast there. A peak in the last frame is of one frame as far as anyone knows."""
    if len(level) < 3:
        return level
    middle = np.median(np.stack([level[:-2], level[1:-1], level[2:]]), axis=0)
    return np.concatenate([level[:1], middle, np.minimum(level[-1:], middle[-1:])])


def _most_energetic(e: Evidence, judged: Mask, frame: int) -> int:
    rows = np.flatnonzero(judged)
    speed = (e.velocities[frame, rows] ** 2).sum(axis=1)
    return int(rows[np.argmax(e.mass[rows] * speed)])


def _summary(budget: Budget, gain: float) -> dict[str, float]:
    told = {
        "kinetic_first": budget.kinetic[0], "kinetic_last": budget.kinetic[-1], "kinetic_most": budget.kinetic.max(),
        "potential_last": budget.potential[-1], "elastic_last": budget.elastic[-1],
        "elastic_most": budget.elastic.max(), "lost": budget.unexplained[0] - budget.unexplained[-1],
        "gained_unexplained": gain,
    }  # fmt: skip
    told |= {f"work of {name}": work[-1] for name, work in budget.work.items()}
    return {name: rounded(float(value)) for name, value in told.items()}
