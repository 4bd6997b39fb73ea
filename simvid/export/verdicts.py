"""What the gate, the self-checks and the laws of physics said of clips, for their export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

from simvid.clip import Clip
from simvid.clips.records import CameraGateRecord
from simvid.export.base import ExportError, Tell

Rejected: TypeAlias = Literal["refuse", "leave_out", "keep"]
"""What becomes of refined pictures that the gate rejected: the export is refused, without them, or has them too."""
REJECTED: tuple[Rejected, ...] = get_args(Rejected)
LISTED = 5


def gate_of(clip: Clip, refined: str | None, cameras: Sequence[str]) -> dict[str, Any] | None:
    """The gate's verdict on refined pictures of some cameras, and which instances' labels hold; None as rendered."""
    if refined is None:
        return None
    judged = _judged(clip, refined, cameras)
    if judged is None:
        return {"verdict": "not judged", "cameras": []}
    return {
        "verdict": "accepted" if all(camera.accepted for camera in judged) else "rejected",
        "cameras": [
            {
                "camera": camera.camera, "accepted": camera.accepted, "failed": list(camera.failed),
                "instances": [
                    i.model_dump(include={"instance_id", "name", "masks", "depth", "colour"}) for i in camera.instances
                ],
            }
            for camera in judged
        ],
    }  # fmt: skip


def faults_of(clip: Clip) -> dict[str, list[str]]:
    """The self-checks that failed and the laws that were broken, by name and place; empty for a sound clip."""
    return {
        "failed_checks": [f"{check.name} {check.camera}" for check in clip.failed_checks],
        "broken_laws": [f"{law.name} {law.part}".strip() for law in clip.broken_laws],
    }


def without_rejected(
    clips: Sequence[Clip], refined: str | None, cameras: Sequence[str], rejected: Rejected, tell: Tell
) -> list[Clip]:
    """The clips to export, by what the gate said of their refined pictures; what was never judged stays.

    Args:
        clips: all of them.
        refined: the refinement whose pictures are written; None takes the rendered ones, which no gate judges.
        cameras: those that are exported; empty is all.
        rejected: what becomes of rejected ones.
        tell: told of each that is left out.

    Raises:
        ExportError: some were rejected and are to be refused, or all were and are to be left out.
        ClipError: a clip has no such refinement.
    """
    if rejected not in REJECTED:
        raise ExportError(f"--rejected: expected one of {', '.join(REJECTED)}, got {rejected!r}")
    if refined is None or rejected == "keep":
        return list(clips)
    bad = [clip for clip in clips if not all(c.accepted for c in _judged(clip, refined, cameras) or ())]
    if bad and (rejected == "refuse" or len(bad) == len(clips)):
        raise ExportError(_refusal(bad, len(clips), refined))
    for clip in bad:
        tell(f"{clip.path}: left out, as the gate rejected its refinement {refined!r}")
    return [clip for clip in clips if clip not in bad]


def _judged(clip: Clip, refined: str, cameras: Sequence[str]) -> tuple[CameraGateRecord, ...] | None:
    gate = clip.refinement(refined).gate
    return None if gate is None else tuple(c for c in gate.cameras if not cameras or c.camera in cameras)


def _refusal(bad: Sequence[Clip], count: int, refined: str) -> str:
    named = ", ".join(str(clip.path) for clip in bad[:LISTED])
    more = f" and {len(bad) - LISTED} more" if len(bad) > LISTED else ""
    ways = ["export the rendered pictures (without --refined)", "refine again (simvid refine CLIP --retries 3)"]
    if len(bad) < count:
        ways.append("leave these clips out (simvid export --rejected leave_out)")
    ways.append("have them as they are (simvid export --rejected keep)")
    return (f"--refined {refined}: the gate rejected it in {len(bad)} of {count} clips, {named}{more}: labels do not "
            f"hold in these pictures (docs/gate.md); {', or '.join(ways)}")  # fmt: skip
