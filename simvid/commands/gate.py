"""``simvid check CLIP --refined NAME``: does refined video still show what the labels say?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from simvid.clip import Clip
from simvid.clips.folders import new_file
from simvid.clips.records import CameraGateRecord, GateRecord, InstanceGateRecord
from simvid.commands.reporting import reporter_for
from simvid.errors import GateError

if TYPE_CHECKING:
    from simvid.checking.gate.scores import ClipScores

MOST_INSTANCES = 20


def judge(arguments: argparse.Namespace) -> int:
    """Judge a refinement; ``GateError``'s code if it is rejected."""
    from simvid.jobs.gate_clip import judge_clip

    clip = Clip.open(arguments.source)
    times, shown = reporter_for(arguments)
    with shown:
        judged = judge_clip(clip, arguments.refined, reporter=times)
    charts = write_charts(judged.clip, arguments.refined, judged.scores)
    if arguments.json:
        tree = judged.gate.model_dump(mode="json")
        print(json.dumps({"clip": str(clip.path), "refined": arguments.refined, **tree,
                          "charts": [str(path) for path in charts]}, indent=1))  # fmt: skip
    elif arguments.quiet:
        print("accepted" if judged.gate.accepted else "rejected")
    else:
        print("\n".join(lines(judged.gate)))
        for path in charts:
            print(f"{'scores':<15} {path}")
    return 0 if judged.gate.accepted else GateError.exit_code


def write_charts(clip: Clip, refined: str, scores: Mapping[str, ClipScores]) -> list[Path]:
    """A page of charts for each camera, beside the refined video."""
    from simvid.viewing.gate_charts import gate_charts

    record = clip.refinement(refined)
    assert record.gate is not None, "it was judged"
    made = []
    for camera in record.gate.cameras:
        path = clip.path / "refined" / record.name / f"{camera.camera}_gate.svg"
        with new_file(path) as work:
            work.write_text(gate_charts(camera, scores[camera.camera], clip.fps))
        made.append(path)
    return made


def lines(gate: GateRecord) -> Iterator[str]:
    """The verdict, for people."""
    yield f"{'verdict':<15} {'accepted' if gate.accepted else 'REJECTED'}"
    if gate.rejected_seeds:
        yield f"{'rejected seeds':<15} {', '.join(map(str, gate.rejected_seeds))}"
    for camera in gate.cameras:
        yield from _camera_lines(camera)


def _camera_lines(camera: CameraGateRecord) -> Iterator[str]:
    yield f"camera {camera.camera}: {'accepted' if camera.accepted else 'REJECTED'}"
    for name, value in camera.measured.items():
        limit = camera.limits.get(name, {})
        said = ", ".join(f"at {word} {bound:g}" for word, bound in limit.items())
        yield f"  {name:<20} {value:9.4f}  {said}{'  BEYOND' if name in camera.failed else ''}"
    u, v = camera.worst_px
    yield f"  worst place: frame {camera.worst_frame}, pixel ({u}, {v})"
    broken = [each for each in camera.instances if False in (each.masks, each.depth, each.colour)]
    yield f"  labels hold for {len(camera.instances) - len(broken)} of {len(camera.instances)} instances judged"
    for each in broken[:MOST_INSTANCES]:
        yield f"    {each.name} ({each.instance_id}): {_said(each)}"
    if len(broken) > MOST_INSTANCES:
        yield f"    and {len(broken) - MOST_INSTANCES} more"


def _said(each: InstanceGateRecord) -> str:
    """Which labels of an instance do not hold."""
    wrong = [name for name in ("masks", "depth", "colour") if getattr(each, name) is False]
    return f"{', '.join(wrong)} {'does' if len(wrong) == 1 and wrong[0] != 'masks' else 'do'} not hold"
