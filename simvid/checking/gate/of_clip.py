"""Frames of a clip as the gate reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from simvid.checking.gate.scores import GateFrame
from simvid.clip import Clip
from simvid.clips.arrays import ArrayFile
from simvid.errors import ClipError

NEEDED = ("depth", "ids")
MOTION = ("flow_backward", "occluded_backward")


def gate_frames(clip: Clip, camera: str, refined: str, coarse: Path | None = None) -> Iterator[GateFrame]:
    """One frame after another. Flow that was not stored is computed, the same, from depth and ids.

    Args:
        clip, camera, refined: what is judged.
        coarse: folder of the frames that were refined, where those are not the clip's own (another look): a gate that
            compared with the clip's light would call every change of light a violation.

    Raises:
        ClipError: no such camera or refinement, the clip lacks labels, or a file is damaged.
    """
    record = clip.refinement(refined)
    if camera not in record.cameras:
        raise ClipError(f"{clip.path}: refinement {record.name!r} has no camera {camera!r}; it has {record.cameras}")
    stored = clip.arrays(camera)
    if missing := [name for name in NEEDED if name not in stored]:
        raise ClipError(f"{clip.path}: the gate reads depth and ids, and camera {camera!r} has no "
                        f"{' and no '.join(missing)}; make the clip with  --labels depth,ids")  # fmt: skip
    flows = all(name in stored for name in MOTION)
    instances = clip.trajectory.instance_ids()
    pictures = ArrayFile(clip.path / "refined" / record.name / f"{camera}.npz").read(range(clip.frame_count))
    before = None if coarse is None else ArrayFile(coarse / "rgb.npz").read(range(clip.frame_count))
    frames = clip.stream(camera, labels=(*NEEDED, *(MOTION if flows else ())))
    for k, (frame, picture) in enumerate(zip(frames, pictures, strict=True)):
        assert frame.depth is not None, "it was asked for"
        assert frame.ids is not None, "it was asked for"
        flow, hidden = frame.flow_backward, frame.occluded_backward
        if flow is None or hidden is None:
            flow, hidden = clip.flow(camera, k, max(k - 1, 0))
        if k == 0:
            flow = np.full_like(flow, np.nan)
        rgb = frame.rgb if before is None else next(before)
        yield GateFrame(picture, rgb, frame.depth, instances[frame.ids].astype(np.int32), flow, hidden)


def robots_of(clip: Clip) -> tuple[int, ...]:
    """Instances that are robots."""
    return tuple(sorted({part.instance_id for part in clip.trajectory.parts if part.kind == "link"}))
