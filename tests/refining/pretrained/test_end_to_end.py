"""A clip refined by a tiny random pipeline through the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simvid.cli import main
from simvid.clip import Clip

ENTRY = """\
# A tiny random pipeline.
backend: {backend}
settings: {{model: {model}, weights_licence: made up, steps: 2, guidance: 1.0, dtype: float32, device: cpu, threads: 1}}
"""


@pytest.mark.parametrize(
    ("backend", "family"),
    [("wan_vace", "wan_vace"), ("wan_v2v", "wan"), ("animatediff", "stable_diffusion"), ("ltx2", "ltx2")],
)
def test_simvid_refine(
    backend: str, family: str, saved: Callable[[str], str], flying_clip: Clip, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = shutil.copytree(flying_clip.path, tmp_path / "clip")
    entry = tmp_path / "tiny.yaml"
    text, beside = ENTRY.format(backend=backend, model=saved(family)), Path(saved(family)).parent
    if backend == "animatediff":
        nets = f"motion_adapter: {beside}/motion_adapter, controlnets: [{{model: {beside}/controlnet, control: edges}}]"
        text = text.replace("threads: 1", f"threads: 1, {nets}")
    entry.write_text(text)
    command = ["refine", str(path), "--refiner", str(entry), "--look", "sunset", "--json", "-q"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["refined"] == "tiny-sunset"
    clip = Clip.open(path)
    (record,) = (r for r in clip.record.refined if r.name == "tiny-sunset")
    assert record.refiner.settings["weights_licence"] == "made up"
    assert record.refiner.backend == backend
    for camera in ("front", "side"):
        refined, coarse = clip.refined("tiny-sunset", camera), clip.frames(camera, labels=()).rgb
        assert refined.shape == coarse.shape
        assert not np.array_equal(refined, coarse)
        assert Path(told["videos"][camera]).is_file()
    assert clip.verify() == []
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["content_hash"] == told["content_hash"], "found, not made again"


def test_a_wrong_checkpoint_is_one_line(
    saved: Callable[[str], str], flying_clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = tmp_path / "tiny.yaml"
    entry.write_text(ENTRY.format(backend="wan_vace", model=saved("wan")))
    assert main(["refine", str(flying_clip.path), "--refiner", str(entry), "-q"]) == 3
    assert "runs WanVACEPipeline, but this folder holds a WanPipeline" in capsys.readouterr().err
