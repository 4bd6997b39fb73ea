"""Matter: deformable bodies keep their volume, are not inside out, stay out of solids, and move by their grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import DeformableBody
from simvid.checking.receipts import limits
from simvid.checking.receipts.evidence import Array, Curve, Evidence, Finding, nothing
from simvid.checking.receipts.penetration import Solid, solids_of
from simvid.checking.receipts.solids import half_size
from simvid.trajectory import ParticleMotion, pose_matrices

LOOKED_AT = 24
"""Frames in which particles are looked for inside solids, and crowding is counted."""


def volume(e: Evidence) -> Finding:
    """Total volume of each deformable body, over that at rest.

    Of solids the mean of det F, weighted by volume; of loose bodies how much closer their particles crowd than at the
    start; of cloth its area; of ropes their length. Of solids also how many particles are inside out.
    """
    if not e.soft:
        return nothing("volume", "no deformable body")
    worst, curves = (-1.0, 0, 0.0, 0.0, 0, 0.0), {}
    for k, motion in e.soft.items():
        body = e.parts[k].deformable
        if body is None:
            continue
        ratio, inverted = volumes(body, motion)
        curves[e.name(k)] = ratio
        change = np.nan_to_num(np.abs(ratio - 1))
        limit = min(limits.VOLUME_SHARE[body.kind] + squeeze(e, k, body), limits.MOST_SQUEEZE)
        share = max(float(change.max()) / limit, inverted / limits.INVERTED_SHARE)
        if share > worst[0]:
            worst = (share, k, float(change.max()), limit, int(np.argmax(change)), inverted)
    _, k, change_worst, limit, frame, inverted = worst
    ratio_then = curves[e.name(k)][frame]
    record = e.law(
        "volume", {"changed_share": change_worst, "inverted_share": inverted},
        {"changed_share": limit, "inverted_share": limits.INVERTED_SHARE}, part=e.name(k), time_s=e.time(frame),
        note=f"its volume is {ratio_then:.3g} of that at rest, and {inverted:.2%} of its particles are inside out",
    )  # fmt: skip
    return Finding(record, (Curve("Volume over that at rest", "", curves),))


def volumes(body: DeformableBody, motion: ParticleMotion) -> tuple[Array, float]:
    """Volume (of loose bodies room, of cloth area, of ropes length) over that at rest, [T]; largest inverted share."""
    if motion.form == "loose":
        return _crowding(motion, body.spacing_m), 0.0
    if motion.form == "line":
        lengths = np.linalg.norm(np.diff(motion.positions.astype(np.float64), axis=1), axis=2).sum(axis=1)
        rest = float(np.linalg.norm(np.diff(motion.rest.astype(np.float64), axis=0), axis=1).sum())
        return lengths / rest, 0.0
    if motion.form == "sheet" and motion.triangles is not None:
        rest_area = _area(motion.rest.astype(np.float64), motion.triangles)
        return np.array([_area(x.astype(np.float64), motion.triangles) for x in motion.positions]) / rest_area, 0.0
    share = body.volumes_m3 / body.volumes_m3.sum()
    ratio, inverted = np.empty(len(motion.positions)), 0.0
    for t, gradient in enumerate(motion.deformation):
        volume_now = np.linalg.det(gradient.astype(np.float64))
        ratio[t] = share @ volume_now
        inverted = max(inverted, float(share @ (volume_now <= 0)))
    return ratio, inverted


def squeeze(e: Evidence, k: int, body: DeformableBody) -> float:
    """Share of its volume that the load on an elastic or plastic body may take: pressure over bulk modulus.

    The pressure is that of the largest contact force of a frame on a face of the body, or of an impact at its largest
    speed, rho c v, and its weight, if that is more; c is the speed of pressure waves, sqrt((lambda + 2 mu) / rho). Of a
    body of elements the largest speed and the weight are those of all in its group, as no table holds what they do to
    each other.
    """
    model = body.material.elastic or body.material.plastic
    if model is None:
        return 0.0
    young, nu = model.young_modulus_pa, model.poisson_ratio
    bulk, wave = young / (3 * (1 - 2 * nu)), young * (1 - nu) / ((1 + nu) * (1 - 2 * nu))
    room = float(body.volumes_m3.sum())
    density, edge = float(body.masses_kg.sum()) / room, room ** (1 / 3)
    near = [k]
    if body.tetrahedra is not None:
        near = next((list(g.members) for g in e.groups.groups if k in g.members), near)
    speed = float(np.linalg.norm(e.velocities[:, near], axis=2).max())
    above = float(e.mass[near].sum()) / float(e.mass[k])
    _, pushed = e.impulses(np.arange(len(e.parts)) == k)
    force = float(pushed.max()) / e.frame_s / edge**2
    fall = np.sqrt(density * wave) * speed + above * density * float(np.linalg.norm(e.gravity)) * edge
    return float(max(force, fall) / bulk)


def _area(points: Array, triangles: np.ndarray) -> float:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def _crowding(motion: ParticleMotion, spacing: float) -> Array:
    """Room of a particle over that at the start where particles lie close, [T], NaN in frames between those looked at.

    By how many lie within two spacings of it, in the fuller half, so that drops in flight do not count. More room than
    at the start is no fault, and counts as 1.
    """
    from scipy.spatial import cKDTree

    frames = looked_at(len(motion.positions))
    mean = np.full(len(motion.positions), np.nan)
    for t in frames:
        places = motion.positions[t].astype(np.float64)
        near = np.sort(cKDTree(places).query_ball_point(places, 2 * spacing * (1 + 1e-6), return_length=True))
        mean[t] = near[len(near) // 2 :].mean()
    return np.asarray(np.minimum(mean[0] / mean, 1.0))


def looked_at(count: int) -> list[int]:
    """Up to 24 frames, evenly spread, the first and the last among them."""
    return [int(t) for t in np.unique(np.linspace(0, count - 1, min(count, LOOKED_AT)).round().astype(int))]


def particle_depth(e: Evidence) -> Finding:
    """Particles do not get into rigid parts: one percent of a body's at most, deeper than two of their spacings, or
    half-way to the middle of what is thinner. What runs through a wall is in it on its way, so all count that
    have been in one part: few are in it at a time. Left out are those that were in it from the start on, which engines
    let be where a hold or an attachment keeps them."""
    solids = [s for s in solids_of(e) if s.collider.kind != "mesh"] if e.soft else []
    if not solids:
        return nothing("particle_depth", "no deformable body" if not e.soft else "nothing rigid to be inside of")
    matrices = pose_matrices(e.trajectory.poses)
    worst, series = (-1.0, 0, 0, 0, 0.0), {}
    for k, motion in e.soft.items():
        body = e.parts[k].deformable
        if body is None:
            continue
        shares = np.full(e.count, np.nan)
        been: dict[int, NDArray[np.bool_]] = {}
        begun: dict[int, NDArray[np.bool_]] = {}
        for t in looked_at(e.count):
            _note_deep(been, motion.positions[t].astype(np.float64), solids, matrices[t], body.spacing_m)
            if not t:
                begun, been = been, {}
            been = {part: rows & ~begun[part] if part in begun else rows for part, rows in been.items()}
            other = max(been, key=lambda part: int(been[part].sum())) if been else solids[0].part
            shares[t] = deep = float(been[other].mean()) if been else 0.0
            if deep > worst[0]:
                allowed = min(_allowed(s, body.spacing_m) for s in solids if s.part == other)
                worst = (deep, k, other, t, allowed)
        series[e.name(k)] = shares
    deep, k, other, frame, allowed = worst
    record = e.law(
        "particle_depth", {"inside_share": deep}, {"inside_share": limits.PARTICLE_SHARE},
        part=f"{e.name(k)} and {e.name(other)}" if deep > 0 else e.name(k), time_s=e.time(frame),
        note=f"{deep:.1%} of its particles are or were more than {allowed * 1000:.3g} mm inside {e.name(other)!r}",
    )  # fmt: skip
    return Finding(record, (Curve("Particles inside solids", "share", series),))


def _allowed(solid: Solid, spacing: float) -> float:
    """How deep particles of a spacing [m] may be in a solid [m]."""
    thin = max(half_size(solid.collider) / 2, limits.PARTICLE_DEPTH_LEAST * spacing)
    return min(limits.PARTICLE_DEPTH_CELLS * spacing, thin)


def _note_deep(
    been: dict[int, NDArray[np.bool_]], points: Array, solids: list[Solid], matrices: Array, spacing: float
) -> None:
    """Add the particles that are deep inside a part to those that have been."""
    low, high = points.min(axis=0), points.max(axis=0)
    for solid in solids:
        pose = matrices[solid.part]
        middle = pose[:3, :3] @ solid.middle + pose[:3, 3]
        if not ((middle + solid.radius >= low) & (middle - solid.radius <= high)).all():
            continue
        near = np.flatnonzero(((points - middle) ** 2).sum(axis=1) < solid.radius**2)
        deep = solid.depth((points[near] - pose[:3, 3]) @ pose[:3, :3]) > _allowed(solid, spacing)
        if deep.any():
            been.setdefault(solid.part, np.zeros(len(points), np.bool_))[near[deep]] = True


def cfl(e: Evidence) -> Finding:
    """No particle crosses more than a cell of its grid (two spacings) in a physics step (Courant et al. 1928)."""
    if not e.soft or e.count < 2:
        return nothing("cfl", "no deformable body" if not e.soft else "a single frame")
    worst, curves = (-1.0, 0, 0), {}
    for k, motion in e.soft.items():
        body = e.parts[k].deformable
        if body is None:
            continue
        number = np.zeros(e.count)
        for t in range(1, e.count):
            step = motion.positions[t].astype(np.float64) - motion.positions[t - 1]
            speed = float(np.sqrt((step * step).sum(axis=1).max())) / e.frame_s
            number[t] = speed * e.step_s / (2 * body.spacing_m)
        curves[e.name(k)] = number
        if number.max() > worst[0]:
            worst = (float(number.max()), k, int(np.argmax(number)))
    most, k, frame = worst
    record = e.law(
        "cfl", {"cells_per_step": most}, {"cells_per_step": limits.CFL}, part=e.name(k), time_s=e.time(frame),
        note=f"particles cross {most:.3g} cells in a physics step of {e.step_s:.3g} s: take a smaller physics.step_s",
    )  # fmt: skip
    return Finding(record, (Curve("Cells that the fastest particle crosses in a physics step", "", curves),))
