"""The gate on a refinement of a clip: the verdict goes into ``clip.json``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from simvid.checking.gate.of_clip import gate_frames, robots_of
from simvid.checking.gate.scores import ClipScores, GateFrame, Scorer
from simvid.checking.gate.verdict import InstanceVerdict, Verdict, judge
from simvid.checking.probe.files import shipped_limits, shipped_nets
from simvid.clip import Clip
from simvid.clips.records import CameraGateRecord, ClipRecord, GateRecord, InstanceGateRecord, RefinedRecord
from simvid.clips.stage_store import StageStore
from simvid.errors import ClipError
from simvid.jobs.changed_record import changed_record
from simvid.jobs.coarse import drawn_of_clip, pass_of_refinement
from simvid.progress import SILENCE, Reporter

LEAST_PX = 32
"""Smaller pictures are not judged: next to nothing could be wrong with them."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A clip with its verdict, and the scores of each camera."""

    clip: Clip
    gate: GateRecord
    scores: Mapping[str, ClipScores]


def judge_clip(
    clip: Clip,
    refined: str | None = None,
    *,
    rejected_seeds: tuple[int, ...] | None = None,
    reporter: Reporter = SILENCE,
) -> Judged:
    """Judge all cameras of a refinement, and write the verdict into the clip's record.

    Args:
        clip: with depth and ids.
        refined: which refinement; None is the only one.
        rejected_seeds: tried before, for the record; None keeps those that are recorded.
        reporter: told how it goes on.

    Raises:
        ClipError: no such refinement, it is too small or was replaced meanwhile, a label is missing, or a file is
            damaged.
        AssetError: the probe is damaged.
        MissingExtraError: torch or safetensors is not installed.
    """
    record = clip.refinement(refined)
    _check_sizes(clip, record)
    again = pass_of_refinement(clip, record)
    nets, limits, robots = shipped_nets(), shipped_limits(), robots_of(clip)
    scores: dict[str, ClipScores] = {}
    cameras = []
    for camera in record.cameras:
        coarse = None if again is None else drawn_of_clip(clip, camera, _store(clip), again, reporter).path
        stage, started = f"judging {record.name} {camera}", time.perf_counter()
        reporter.begin(stage, clip.frame_count)
        frames = _told(gate_frames(clip, camera, record.name, coarse), stage, reporter)
        scores[camera] = Scorer(nets, robots).scores(frames)
        reporter.end(stage, time.perf_counter() - started, False)
        cameras.append(_camera(clip, camera, judge(scores[camera], limits, robots)))
    if rejected_seeds is None:
        rejected_seeds = () if record.gate is None else record.gate.rejected_seeds
    gate = GateRecord(
        accepted=all(camera.accepted for camera in cameras), weights_sha256=limits.weights_sha256,
        cameras=tuple(cameras), rejected_seeds=rejected_seeds,
    )  # fmt: skip
    return Judged(_recorded(clip, record, gate), gate, scores)


def _check_sizes(clip: Clip, record: RefinedRecord) -> None:
    for camera in record.cameras:
        width, height = clip.cameras[camera].width, clip.cameras[camera].height
        if min(width, height) < LEAST_PX:
            raise ClipError(
                f"{clip.path}: expected pictures of {LEAST_PX} px or more, got {width} x {height} px of camera "
                f"{camera!r}; the gate can tell nothing from them"
            )


def _store(clip: Clip) -> StageStore:
    return StageStore(clip.path.resolve().parent)


def _told(frames: Iterable[GateFrame], stage: str, reporter: Reporter) -> Iterator[GateFrame]:
    for k, frame in enumerate(frames):
        yield frame
        reporter.advance(stage, k + 1)


def _recorded(clip: Clip, record: RefinedRecord, gate: GateRecord) -> Clip:
    """The clip with the verdict in its record."""

    def judged(now: ClipRecord) -> ClipRecord:
        found = {r.name: r.model_copy(update={"gate": record.gate}) for r in now.refined}
        if found.get(record.name) != record:
            raise ClipError(f"{clip.path}: refinement {record.name!r} vanished or was replaced while it was judged; "
                            "run again")  # fmt: skip
        refined = tuple(r.model_copy(update={"gate": gate}) if r.name == record.name else r for r in now.refined)
        return now.model_copy(update={"refined": refined})

    return changed_record(clip.path, judged)


def _camera(clip: Clip, camera: str, verdict: Verdict) -> CameraGateRecord:
    frame, u, v = verdict.worst
    names = {part.instance_id: part.instance for part in clip.trajectory.parts}
    return CameraGateRecord(
        camera=camera, accepted=verdict.accepted, measured=_rounded(verdict.measured),
        limits={name: limit.model_dump(exclude_none=True) for name, limit in verdict.limits.items()},
        failed=verdict.failed, worst_frame=frame, worst_px=(u, v),
        instances=tuple(_instance(names[each.instance], each) for each in verdict.instances),
    )  # fmt: skip


def _instance(name: str, each: InstanceVerdict) -> InstanceGateRecord:
    return InstanceGateRecord(
        instance_id=each.instance, name=name, frames=each.frames, masks=each.masks, depth=each.depth,
        colour=each.colour, measured=_rounded(each.measured),
    )  # fmt: skip


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in values.items()}
