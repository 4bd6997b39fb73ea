"""``simvid refine``: another refinement of a clip that is there; with ``--retries``, judged by the gate."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from simvid.clip import Clip
from simvid.clips.records import GateRecord, RefinedRecord
from simvid.commands.reporting import Times, reporter_for
from simvid.commands.run import shelf_entry
from simvid.errors import GateError
from simvid.jobs.assembly import refined_name
from simvid.jobs.refine_clip import refine_clip
from simvid.scene import Refine


def main(arguments: argparse.Namespace) -> int:
    """Refine, and say where the videos are; ``GateError``'s code if the gate rejected the last try."""
    clip = Clip.open(arguments.clip)
    times, shown = reporter_for(arguments)
    gate: GateRecord | None = None
    charts: list[Path] = []
    with shown:
        if arguments.retries is None:
            clip, record = _refined(clip, arguments, arguments.seed, arguments.force, times)
        else:
            clip, record, charts = _judged(clip, arguments, times)
            gate = record.gate
    code = GateError.exit_code if gate is not None and not gate.accepted else 0
    videos = {camera: str(clip.video(camera, record.name)) for camera in record.cameras}
    if arguments.json:
        result: dict[str, Any] = {"clip": str(clip.path), "refined": record.name, "videos": videos,
                                  "stages_s": times.stages_s, "content_hash": clip.content_hash}  # fmt: skip
        if gate is not None:
            result |= {"gate": gate.model_dump(mode="json"), "charts": [str(path) for path in charts]}
        print(json.dumps(result, indent=1))
        return code
    for path in videos.values():
        print(path if arguments.quiet else f"{'refined video':<15} {path}")
    if not arguments.quiet:
        print(f"{'content hash':<15} {clip.content_hash}")
        if gate is not None:
            from simvid.commands.gate import lines

            print("\n".join((*lines(gate), *(f"{'scores':<15} {path}" for path in charts))))
    return code


def _refined(
    clip: Clip, arguments: argparse.Namespace, seed: int | None, force: bool, times: Times
) -> tuple[Clip, RefinedRecord]:
    wanted = _wanted(clip, arguments)
    return refine_clip(clip, wanted.refiner, look=wanted.look, seed=seed, force=force, reporter=times)


def _wanted(clip: Clip, arguments: argparse.Namespace) -> Refine:
    """The scene's refiner and look, but for what is asked for."""
    own = clip.scene.refine
    entry = shelf_entry("refiner", arguments.refiner) or own.refiner
    return Refine(refiner=entry, look=arguments.look or own.look)


def _tried_before(clip: Clip, arguments: argparse.Namespace, first: int) -> tuple[int, list[int]]:
    """The seed to go on with, and those from the first on that are known to be rejected.

    What the clip has is gone on with if it may be one of the tries. Where a kill left it without a verdict, nothing is
    known of those before it.
    """
    found = {r.name: r for r in clip.record.refined}.get(refined_name(_wanted(clip, arguments)))
    if found is None:
        return first, []
    rejected = () if found.gate is None else found.gate.rejected_seeds
    if not (first <= found.seed <= first + arguments.retries or first in rejected):
        return first, []
    return found.seed, [seed for seed in rejected if first <= seed < found.seed]


def _judged(clip: Clip, arguments: argparse.Namespace, times: Times) -> tuple[Clip, RefinedRecord, list[Path]]:
    """Refine with one seed after another until the gate accepts or the retries are used up; the last try stays."""
    from simvid.commands.gate import write_charts
    from simvid.jobs.gate_clip import judge_clip

    first = clip.record.seed if arguments.seed is None else arguments.seed
    seed, rejected = (first, []) if arguments.force else _tried_before(clip, arguments, first)
    begun = seed
    while True:
        clip, record = _refined(clip, arguments, seed, arguments.force or seed > begun, times)
        tried = tuple(rejected) if record.gate is None else None  # what was there and judged keeps its own
        judged = judge_clip(clip, record.name, rejected_seeds=tried, reporter=times)
        if judged.gate.accepted or seed >= first + arguments.retries:
            return (
                judged.clip,
                judged.clip.refinement(record.name),
                write_charts(judged.clip, record.name, judged.scores),
            )
        clip = judged.clip
        rejected.append(seed)
        seed += 1
