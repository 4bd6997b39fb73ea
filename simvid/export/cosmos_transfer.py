"""Cosmos-Transfer 2.5: a folder for post-training, and one inference spec per clip and camera.

Single view: ``videos/STEM.mp4``, ``captions/STEM.json``, ``depth/STEM.mp4``, ``seg/STEM.mp4``; edge and blur are
computed by the model's own loader. With several views, ``videos/VIEW/STEM.mp4``, ``captions/VIEW/STEM.json``,
``control_input_depth/VIEW/STEM.mp4`` and ``control_input_seg/VIEW/STEM.mp4``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from simvid.export.base import Episode, Request, View, common
from simvid.export.controls import encode_views, has_robot, take_views, whole_blocks
from simvid.export.files import write_json
from simvid.scene.base import Model


class CosmosTransferSettings(Model):
    """What may be set."""

    layout: Literal["single_view", "multi_view"] = "single_view"
    min_frames: int = Field(default=93, ge=1)
    """Shorter clips are refused: post-training reads 93, 77 or 61 frames. Videos are cut to 4 k + 1."""
    crf: int = Field(default=10, ge=0, le=51)
    guidance: float = Field(default=3.0, ge=0)
    weight: float = Field(default=1.0, ge=0, le=1)
    """Of each control in the inference specs."""


class CosmosTransfer:
    """Videos with controls, to train Cosmos-Transfer on and to refine with it."""

    name: ClassVar[str] = "cosmos_transfer"
    version: ClassVar[str] = "2.5"
    summary: ClassVar[str] = "Cosmos-Transfer 2.5: post-training folder and inference specs"
    holds: ClassVar[frozenset[str]] = frozenset({"depth", "ids"})
    needs: ClassVar[frozenset[str]] = frozenset()
    packages: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[CosmosTransferSettings]] = CosmosTransferSettings

    def __init__(self, settings: CosmosTransferSettings) -> None:
        self._settings = settings

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """Videos, captions, controls, ``inference/STEM.json`` and ``sidecars/STEM.json``."""
        if self._settings.layout == "multi_view":
            names = [[v.camera for v in e.views] for e in request.episodes]
            common(names, "cameras", [e.stem for e in request.episodes], "choose with --camera")
        for episode in request.episodes:
            encoded = request.encoded(episode)
            for view in episode.views:
                self._view(folder, encoded, episode, view, request.labels)
                request.tell(f"{view.stem}: {self._frames(view)} frames")
        return {"videos": len(request.views)}

    def encode(self, episode: Episode, labels: frozenset[str], folder: Path) -> None:
        """The videos of a clip; see ``encode_views``."""
        encode_views(episode, labels, folder, self._frames, self._settings.crf)

    def _frames(self, view: View) -> int:
        return whole_blocks(view, self._settings.min_frames, "Cosmos-Transfer 2.5")

    def _places(self, episode: Episode, view: View) -> dict[str, str]:
        """What goes where, relative to the folder."""
        single = self._settings.layout == "single_view"
        stem = view.stem if single else f"{view.camera}/{episode.stem}"
        depth, seg = ("depth", "seg") if single else ("control_input_depth", "control_input_seg")
        return {
            "video": f"videos/{stem}.mp4", "caption": f"captions/{stem}.json", "depth": f"{depth}/{stem}.mp4",
            "seg": f"{seg}/{stem}.mp4", "mask": f"masks/{stem}.mp4", "sidecar": f"sidecars/{view.stem}.json",
            "spec": f"inference/{view.stem}.json",
        }  # fmt: skip

    def _view(self, folder: Path, encoded: Path, episode: Episode, view: View, labels: frozenset[str]) -> None:
        places = self._places(episode, view)
        about = take_views(encoded, view, {k: folder / p for k, p in places.items()})
        write_json(folder / places["caption"], {"caption": episode.caption})
        write_json(folder / places["sidecar"], about)
        write_json(folder / places["spec"], self._spec(episode, view, places, labels))

    def _spec(self, episode: Episode, view: View, places: Mapping[str, str], labels: frozenset[str]) -> dict[str, Any]:
        """Paths are relative to the spec's folder."""
        weight = self._settings.weight
        spec: dict[str, Any] = {
            "name": view.stem, "prompt": episode.caption, "video_path": f"../{places['video']}",
            "guidance": self._settings.guidance, "seed": view.clip.record.seed % 2**31,
            "edge": {"control_weight": weight},
        }  # fmt: skip
        if "depth" in labels:
            spec["depth"] = {"control_path": f"../{places['depth']}", "control_weight": weight}
        if "ids" in labels:
            spec["seg"] = {"control_path": f"../{places['seg']}", "control_weight": weight}
            if has_robot(view):
                spec["vis"] = {"control_weight": weight, "mask_path": f"../{places['mask']}"}
        return spec
