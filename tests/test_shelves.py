"""Every entry of every shelf parses, and every scene runs its first three frames with every label."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import simvid
from simvid.catalogue import entries, load_entry
from simvid.registry import load
from simvid.rendering.splat_renderer import SplatRenderer

ROOT = Path(__file__).resolve().parent.parent
SCENES = sorted((ROOT / "scenes").rglob("*.yaml"))
SHELVES: tuple[tuple[Literal["renderers", "refiners"], Literal["rendering", "refining"]], ...] = (
    ("renderers", "rendering"),
    ("refiners", "refining"),
)


def test_the_shelves_are_full() -> None:
    assert len(SCENES) >= 8
    assert {e.name for e in entries("scenes")} == {p.stem for p in SCENES}


def test_backend_entries_are_what_a_real_backend_can_be_told() -> None:
    seen = 0
    for shelf, group in SHELVES:
        for path in sorted((ROOT / shelf).rglob("*.yaml")):
            entry = load_entry(shelf, path.stem)
            kind = load(group, entry.backend)
            model = SplatRenderer.Settings if hasattr(kind, "rasterize") else kind.Settings
            assert isinstance(entry.settings_as(model), model)
            seen += 1
    assert seen >= 3


@pytest.mark.slow
@pytest.mark.parametrize("path", SCENES, ids=lambda p: p.stem)
def test_scene_runs_three_frames(path: Path, tmp_path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > 30, "the first comment says what to see"
    clip = simvid.run(simvid.load_scene(path), tmp_path, frames=3)
    for camera in clip.scene.views:
        frames = clip.frames(camera.name)
        assert len(frames) == 3
        assert frames.depth is not None
        assert frames.ids is not None
        assert len(np.unique(frames.ids)) >= 3, "the camera sees at least two things"
        assert np.isfinite(frames.depth[frames.ids > 0]).all()
    assert clip.verify() == []
