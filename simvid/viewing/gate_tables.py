"""How the label gate judged the refinements of many clips, as tables of HTML."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from simvid.clips.records import CameraGateRecord, ClipRecord, RefinedRecord
from simvid.notebook import table


def gate_tables(records: Sequence[ClipRecord], most: int) -> Iterator[str]:
    """Verdicts by refinement, scores by measure, and what was rejected for which reason; nothing without refinements.

    Args:
        records: of the clips.
        most: rows of a table; further ones are counted.
    """
    refined = [(r, one) for r in records for one in r.refined]
    if not refined:
        return
    yield "<h2>Label gate</h2>"
    yield table(("refinement", "accepted", "REJECTED", "not judged"), _verdicts([one for _, one in refined]), most)
    cameras = [c for _, one in refined if one.gate is not None for c in one.gate.cameras]
    if not cameras:
        yield "<p>simvid check CLIP --refined NAME judges a refinement</p>"
        return
    yield table(("measure", "median", "nearest to its limit, or beyond", "limit", "beyond it"), _scores(cameras), most)
    rejected = [
        (r.name, str(r.sample_index), one.name, c.camera, reasons(c))
        for r, one in refined
        if one.gate is not None
        for c in one.gate.cameras
        if not c.accepted
    ]
    if rejected:
        yield "<h3>Rejected</h3>" + table(("scene", "sample", "refinement", "camera", "why"), rejected, most)


def _verdicts(refined: Sequence[RefinedRecord]) -> list[tuple[str, ...]]:
    rows = []
    for name in dict.fromkeys(one.name for one in refined):
        said = [None if one.gate is None else one.gate.accepted for one in refined if one.name == name]
        rows.append((name, *(str(said.count(verdict)) for verdict in (True, False, None))))
    return rows


def _scores(cameras: Sequence[CameraGateRecord]) -> list[tuple[str, ...]]:
    """One row for each measure that has a limit."""
    rows: list[tuple[str, ...]] = []
    for name in dict.fromkeys(name for c in cameras for name in c.limits if name in c.measured):
        mine = [c for c in cameras if name in c.measured and name in c.limits]
        values = [c.measured[name] for c in mine]
        least = "least" in mine[0].limits[name]
        worst = min(mine, key=lambda c: _room(c, name))
        beyond = sum(name in c.failed for c in mine)
        said = f"{'at least' if least else 'at most'} {_limit(worst, name):.3g}"
        rows.append((name, f"{statistics.median(values):.3g}", f"{worst.measured[name]:.3g}", said, str(beyond)))
    return rows


def _limit(camera: CameraGateRecord, name: str) -> float:
    return next(iter(camera.limits[name].values()))


def _room(camera: CameraGateRecord, name: str) -> float:
    """How far a measure is on the good side of its limit."""
    sign = 1.0 if "least" in camera.limits[name] else -1.0
    return sign * (camera.measured[name] - _limit(camera, name))


def reasons(camera: CameraGateRecord) -> str:
    """Why a camera's video was rejected: ``mismatch 1.2 (at most 0.5), masks of cube``."""
    parts = []
    for name in camera.failed:
        limits = ", ".join(f"at {side} {value:.3g}" for side, value in camera.limits.get(name, {}).items())
        score = f" {camera.measured[name]:.3g}" if name in camera.measured else ""
        parts.append(f"{name}{score}" + (f" ({limits})" if limits else ""))
    for each in camera.instances:
        lost = [what for what in ("masks", "depth", "colour") if getattr(each, what) is False]
        parts += [f"{' and '.join(lost)} of {each.name}"] if lost else []
    return ", ".join(parts)
