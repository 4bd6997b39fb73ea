"""Clips with the label ``traced``, and refiners that read it: made, kept, checked, or refused before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simvid
from simvid.clip import Clip
from simvid.clips.arrays import ArrayFile
from simvid.clips.records import Backend
from simvid.clips.stage_store import StageStore
from simvid.errors import SceneError
from simvid.jobs.backends import refiner_of
from simvid.jobs.coarse import Asked, coarse_pass, drawn_of_clip, pass_of_clip
from simvid.jobs.preflight import prepared
from simvid.jobs.refine_clip import refine_clip
from simvid.jobs.stage_inputs import Inputs, render_inputs
from simvid.progress import Silence
from simvid.refining.conditions import reading
from simvid.rendering.base import RenderSettings
from simvid.rendering.traced import tracer_of, tracer_version
from simvid.testing.refiners import tiny_entry

pathtrace = pytest.importorskip("simvid.rendering.pathtrace.tracer")
pytestmark = pytest.mark.usefixtures("free_fall")
SMALL = {"cameras": [{"name": "front", "resolution_px": [48, 32],
                      "pose": {"look_from_m": [0, -1.6, 0.7], "look_at_m": [0, 0, 0.3]}}]}  # fmt: skip
WAY_OUT = "; or leave the label out, and refine with a refiner that does not read it"


@pytest.fixture(scope="module")
def clip(free_fall: None, flying_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    scene = simvid.load_scene(flying_file, {**SMALL, "labels": ["depth", "traced"]})
    return simvid.run(scene, tmp_path_factory.mktemp("traced"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The entry of a refiner whose weights read it."""
    return str(tiny_entry(tmp_path_factory.mktemp("reader"), **reading(traced=True)))


def blurred(**changes: Any) -> dict[str, Any]:
    front = {**SMALL["cameras"][0], "shutter": {"angle_deg": 180}}
    return {"cameras": [front], **changes}


def test_a_clip_holds_it_and_is_sound(clip: Clip, simvid_: Any) -> None:
    assert clip.arrays("front") == ("rgb", "depth", "depth_expected", "traced")
    assert (clip.path / "cameras/front/traced.npz").is_file()
    frames = clip.frames("front")
    assert frames.traced is not None
    assert frames.traced.shape == frames.rgb.shape
    assert 0 < np.abs(frames.traced.astype(int) - frames.rgb).mean() < 20, "the same scene by other light"
    assert clip.record.cameras[0].tracer == tracer_version(("traced",))
    done = simvid_("check", clip.path, "--json", "-q")
    assert done.code == 0, done.err
    assert clip.verify() == []


def test_a_refiner_that_reads_it_is_given_it(clip: Clip, flying_file: Path, reader: str, tmp_path: Path) -> None:
    assert "traced" in refiner_of(reader, Path()).use.reads
    asked = {**SMALL, "labels": ["depth"], "refine": {"refiner": reader}}
    made = simvid.run(simvid.load_scene(flying_file, asked), tmp_path)
    assert made.arrays("front") == ("rgb", "depth", "depth_expected")
    assert made.refinement("tiny").coarse is None
    assert made.record.cameras[0].tracer, "it was drawn for the refiner"
    assert np.array_equal(made.frames("front").rgb, clip.frames("front").rgb)


class NoWork(Silence):
    """Lets nothing be done that is not done already."""

    def advance(self, stage: str, done: int) -> None:
        raise AssertionError(stage)


def test_a_look_is_traced_anew_by_each_camera(flying_file: Path, reader: str, tmp_path: Path) -> None:
    """The clip's motion under the look's light; the record says by what."""
    front = SMALL["cameras"][0]
    side = {**front, "name": "side", "pose": {"look_from_m": [-1.6, 0, 0.7], "look_at_m": [0, 0, 0.3]}}
    clip = simvid.run(simvid.load_scene(flying_file, {"cameras": [front, side], "labels": ["depth"]}), tmp_path)
    clip, record = refine_clip(clip, reader, look="sunset")
    again = pass_of_clip(clip, refiner_of(reader, Path()), Asked("sunset", "as_rendered"))
    assert again is not None
    assert record.coarse == again.record
    assert (again.record.look, again.record.tracer) == ("sunset", tracer_version(("traced",)))
    tracer = tracer_of(RenderSettings(), clip.record.seed)
    for camera, path in clip.cameras.items():
        stage = drawn_of_clip(clip, camera, StageStore(tmp_path), again, NoWork())
        (found,) = ArrayFile(stage.path / "traced.npz").read([0])
        assert np.array_equal(found, next(tracer.frames(again.assets, clip.trajectory, path, ())).rgb), camera


def test_a_path_traced_scene_is_drawn_by_splats_for_it(flying_file: Path) -> None:
    assets = prepared(simvid.load_scene(flying_file, {"render": "pathtrace"}))
    assert coarse_pass(assets, ("depth", "traced"), None).renderer.record.entry == "cpu"


def test_a_scene_that_cannot_be_traced_is_told_so_before_any_work(
    flying_file: Path, reader: str, tmp_path: Path, simvid_: Any
) -> None:
    own = simvid.load_scene(flying_file, blurred(labels=["traced"]))
    with pytest.raises(SceneError, match=r"render: label 'traced': .*cameras\[0\]\.shutter \(front\): ") as caught:
        simvid.run(own, tmp_path)
    assert str(caught.value).endswith(WAY_OUT)
    read = simvid.load_scene(flying_file, blurred(refine={"refiner": reader}))
    with pytest.raises(SceneError, match=r"refine: label 'traced': .*cameras\[0\]\.shutter \(front\): ") as caught:
        simvid.run(read, tmp_path)
    assert str(caught.value).endswith(WAY_OUT)
    assert list(tmp_path.iterdir()) == []
    done = simvid_("validate", flying_file, "--set", "cameras[0].shutter.angle_deg=180", "--set", "labels=[traced]")
    assert done.code == 2
    assert "label 'traced': " in done.err
    prepared(simvid.load_scene(flying_file, blurred(labels=["depth"])))


def test_its_tracer_and_the_scene_s_seed_count(flying_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For pictures with it alone: those without are found in the store as before."""

    def inputs(label: str, seed: int = 5) -> Inputs:
        scene = simvid.load_scene(flying_file, {**SMALL, "labels": [label], "seed": seed})
        return render_inputs(prepared(scene), "front", Backend(backend="cpu", version="1"), "a" * 64)

    before = {label: inputs(label) for label in ("depth", "traced")}
    assert inputs("depth", 6) == before["depth"]
    assert inputs("traced", 6) != before["traced"]
    monkeypatch.setattr(pathtrace.PathTracer, "version", lambda tracer: "another")
    assert inputs("depth") == before["depth"]
    assert inputs("traced") != before["traced"]
