"""Cosmos 3 transfer: one JSON-Lines record per clip, camera and control for fine-tuning, and inference specs.

Paths are relative to the folder of ``data.jsonl``. Edge and blur are computed by the model's own loader.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from simvid.export.base import Episode, ExportError, Request, View
from simvid.export.controls import KINDS, encode_views, take_views, whole_blocks
from simvid.export.files import write_json
from simvid.scene.base import Model

LONGEST_S = 61.0
GUIDANCE = {"seg": 2.0}


class Cosmos3Settings(Model):
    """What may be set."""

    min_frames: int = Field(default=61, ge=1)
    """Shorter clips are refused: windows of fewer frames than asked for are dropped by the loader, silently."""
    crf: int = Field(default=10, ge=0, le=51)
    weight: float = Field(default=1.0, ge=0, le=1)
    """Of the control in the inference specs."""


class Cosmos3:
    """Videos with controls for Cosmos 3."""

    name: ClassVar[str] = "cosmos3"
    version: ClassVar[str] = "sft-2026.08"
    summary: ClassVar[str] = "Cosmos 3 transfer: JSON-Lines for fine-tuning and inference specs"
    holds: ClassVar[frozenset[str]] = frozenset({"depth", "ids"})
    needs: ClassVar[frozenset[str]] = frozenset()
    packages: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[Cosmos3Settings]] = Cosmos3Settings

    def __init__(self, settings: Cosmos3Settings) -> None:
        self._settings = settings

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``data.jsonl``, ``videos/``, ``depth/``, ``seg/``, ``sidecars/``, ``specs/``."""
        records: list[dict[str, Any]] = []
        for episode in request.episodes:
            encoded = request.encoded(episode)
            for view in episode.views:
                records += self._view(folder, encoded, episode, view, request.labels)
                request.tell(f"{view.stem}: {self._frames(view)} frames")
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (folder / "data.jsonl").write_text(lines, encoding="utf-8")
        return {"videos": len(request.views), "records": len(records)}

    def encode(self, episode: Episode, labels: frozenset[str], folder: Path) -> None:
        """The videos of a clip; see ``encode_views``."""
        encode_views(episode, labels, folder, self._frames, self._settings.crf)

    def _frames(self, view: View) -> int:
        frames = whole_blocks(view, self._settings.min_frames, "Cosmos 3")
        if frames / view.fps > LONGEST_S:
            raise ExportError(f"{view.clip.path}: Cosmos 3 takes videos up to {LONGEST_S:g} s, this has "
                              f"{frames / view.fps:.1f} s; make it shorter, or take cosmos_transfer")  # fmt: skip
        return frames

    def _view(
        self, folder: Path, encoded: Path, episode: Episode, view: View, labels: frozenset[str]
    ) -> Iterator[dict[str, Any]]:
        frames = self._frames(view)
        places = {kind: folder / kind / f"{view.stem}.mp4" for kind in KINDS}
        places["video"] = folder / f"videos/{view.stem}.mp4"
        write_json(folder / f"sidecars/{view.stem}.json", take_views(encoded, view, places))
        kinds = [k for k, label in (("depth", "depth"), ("seg", "ids")) if label in labels]
        for kind in ("edge", "blur", *kinds):
            control = f"{kind}/{view.stem}.mp4" if kind in kinds else None
            write_json(folder / f"specs/{view.stem}_{kind}.json", self._spec(episode, view, kind, control))
            yield self._record(episode, view, frames, kind, control)

    def _record(self, episode: Episode, view: View, frames: int, kind: str, control: str | None) -> dict[str, Any]:
        window = {"start_frame": 0, "end_frame": frames - 1, "temporal_interval": 1, "caption": episode.caption,
                  "caption_json": json.dumps(_caption(episode, view, frames), ensure_ascii=False)}  # fmt: skip
        record: dict[str, Any] = {
            "uuid": f"{view.stem}_{kind}", "duration": frames / view.fps, "width": view.width, "height": view.height,
            "framerate": view.fps, "nb_frames": frames, "vision_path": f"videos/{view.stem}.mp4", "control_type": kind,
            "t2w_windows": [window],
        }  # fmt: skip
        return record if control is None else {**record, "control_path": control}

    def _spec(self, episode: Episode, view: View, kind: str, control: str | None) -> dict[str, Any]:
        hint: dict[str, Any] = {"weight": self._settings.weight}
        if control is not None:
            hint["control_path"] = f"../{control}"
        return {
            "model_mode": "video2video", "name": f"{view.stem}_{kind}", "prompt": episode.caption,
            "vision_path": f"../videos/{view.stem}.mp4", "seed": view.clip.record.seed % 2**31, "guidance": 3.0,
            "control_guidance": GUIDANCE.get(kind, 1.5), "shift": 10.0, kind: hint,
        }  # fmt: skip


def _caption(episode: Episode, view: View, frames: int) -> dict[str, Any]:
    """The fields that Cosmos 3 was trained with, from the simulator."""
    parts = episode.clip.trajectory.parts
    names = dict.fromkeys(p.instance for p in parts if p.kind != "ground")
    moving = not (view.path.world_from_camera == view.path.world_from_camera[:1]).all()
    return {
        "subjects": list(names), "background_setting": str(episode.clip.record.scene.get("look") or "plain studio"),
        "cinematography": "moving camera" if moving else "static camera", "actions": episode.caption,
        "temporal_caption": episode.caption, "resolution": f"{view.width}x{view.height}",
        "aspect_ratio": f"{view.width / view.height:.3f}", "duration": frames / view.fps, "fps": view.fps,
    }  # fmt: skip
