"""The coarse pass that a refiner is given: under another look, or with labels that the clip lacks; nothing moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import simvid
from simvid import registry
from simvid.checking.gate.of_clip import gate_frames
from simvid.clip import Clip
from simvid.clips.arrays import ArrayFile
from simvid.clips.stage_store import STORE, StageStore
from simvid.errors import ClipError, SceneError, SimvidError
from simvid.frames import LABEL_ARRAYS, Frame, arrays_of
from simvid.jobs.backends import refiner_of, renderer_of
from simvid.jobs.coarse import (
    LOOKS,
    coarse_pass,
    drawn_of_clip,
    labels_for,
    light_numbers,
    pass_of_refinement,
)
from simvid.jobs.gate_clip import judge_clip
from simvid.jobs.preflight import prepared
from simvid.jobs.refine_clip import refine_clip
from simvid.progress import SILENCE
from simvid.refining.base import ClipContext
from simvid.refining.identity import IdentityRefiner
from simvid.rendering.light.presets import LOOKS as PRESETS

READS = ("depth", "ids", "flow_backward", "albedo", "light_diffuse", "surface_albedo")


class Lit(IdentityRefiner):
    """Gives its frames back, wants looks as light, and reads more than scenes ask for."""

    reads = READS
    looks_are_light = True
    seen: Frame | None = None
    told: ClipContext | None = None

    def in_clip(self, context: ClipContext) -> Lit:
        Lit.told = context
        return self

    def refine(self, frames: Iterable[Frame], *, look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        def pictures() -> Iterator[NDArray[np.uint8]]:
            for frame in frames:
                Lit.seen = frame
                yield frame.rgb

        assert look == "as_rendered", "the light has done the rest"
        return pictures()


@pytest.fixture(autouse=True)
def _lit(free_fall: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "BUILT_IN", {**registry.BUILT_IN, "refining": {
        **registry.BUILT_IN["refining"], "lit": "simvid.refining.identity:LitForTests"}})  # fmt: skip
    monkeypatch.setattr("simvid.refining.identity.LitForTests", Lit, raising=False)


@pytest.fixture
def entry(tmp_path: Path) -> str:
    path = tmp_path / "lit.yaml"
    path.write_text("# For tests.\nbackend: lit\n")
    return str(path)


SMALL = {"cameras": [{"name": "front", "resolution_px": [48, 32],
                      "pose": {"look_from_m": [0, -1.6, 0.7], "look_at_m": [0, 0, 0.3]}}]}  # fmt: skip


@pytest.fixture(scope="module")
def plain(free_fall: None, flying_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """A clip with a sun of its own and few labels."""
    labels = {"labels": ["depth", "ids", "flow", "occlusion"]}
    return simvid.run(simvid.load_scene(flying_file, {**SMALL, **labels}), tmp_path_factory.mktemp("plain"))


def coarse_of(clip: Clip, look: str | None) -> list[Path]:
    """Folders of frames in the store, newest last."""
    return sorted((clip.path.parent / STORE).glob("frames-*"), key=lambda p: p.stat().st_mtime_ns)


def test_a_look_is_light_and_moves_nothing(plain: Clip, entry: str) -> None:
    clip, record = refine_clip(plain, entry, look="sunset")
    assert record.name == "lit-sunset"
    assert record.look == "sunset"
    assert record.coarse is not None
    assert (record.coarse.look, record.coarse.renderer.entry) == ("sunset", "cpu")
    own, sunset = clip.frames("front"), clip.refined("lit-sunset")
    assert np.abs(sunset.astype(int) - own.rgb).mean() > 8, "another light"
    drawn = coarse_of(clip, "sunset")[-1]
    for name in ("depth", "ids", "flow_backward"):
        assert np.array_equal(ArrayFile(drawn / f"{name}.npz").stack(), getattr(own, name), equal_nan=True), name
    assert clip.arrays("front") == plain.arrays("front")
    assert clip.scene.look is None
    assert clip.verify() == []
    again, _ = refine_clip(clip, entry, look="kitchen")
    assert not np.array_equal(again.refined("lit-kitchen"), sunset)


def test_the_gate_knows_a_scene_s_own_look_from_one_that_was_asked_for(
    flying_file: Path, tmp_path: Path, entry: str
) -> None:
    """A look that was asked for takes the place of the scene's lights, its own stands beside them."""
    sun = [{"sun": {"direction": [-0.4, 0.3, -1]}}]
    scene = simvid.load_scene(flying_file, {**SMALL, "labels": [], "look": "studio", "lights": sun})
    clip = simvid.run(scene, tmp_path)
    assert len(clip.scene.lights) == 1
    for look, lights in (("studio", ()), ("as_rendered", clip.scene.lights)):
        clip, record = refine_clip(clip, entry, look=look)
        again = pass_of_refinement(clip, record)
        assert again is not None
        assert again.assets.scene.look == "studio"
        assert again.assets.scene.lights == lights


def test_the_gate_compares_with_what_was_refined(plain: Clip, entry: str) -> None:
    """Not with the clip's own light: nothing was changed but that."""
    clip, record = refine_clip(plain, entry, look="night_lab", force=True)
    again = pass_of_refinement(clip, record)
    assert again is not None
    drawn = drawn_of_clip(clip, "front", StageStore(clip.path.parent), again, SILENCE)
    told = list(gate_frames(clip, "front", record.name, drawn.path))
    assert len(told) == clip.frame_count
    assert all(np.array_equal(frame.refined, frame.coarse) for frame in told)
    own = next(gate_frames(clip, "front", record.name))
    assert np.abs(own.refined.astype(int) - own.coarse.astype(int)).mean() > 10
    assert judge_clip(clip, record.name).gate.accepted
    assert pass_of_refinement(clip, record.model_copy(update={"coarse": None})) is None


def test_labels_that_the_clip_lacks_are_drawn(plain: Clip, entry: str) -> None:
    clip, record = refine_clip(plain, entry)
    assert record.coarse is not None
    assert record.coarse.look is None
    assert Lit.seen is not None
    assert Lit.seen.labels.keys() >= set(READS)
    assert np.array_equal(clip.refined("lit"), clip.frames("front").rgb), "the same light, the same pictures"
    assert clip.arrays("front") == plain.arrays("front")


def test_a_run_draws_once_what_it_can(flying_file: Path, tmp_path: Path, entry: str) -> None:
    """Labels that the refiner alone reads come with the frames, and do not get into the clip."""
    asked = {**SMALL, "labels": ["depth"], "refine": {"refiner": entry}}
    clip = simvid.run(simvid.load_scene(flying_file, asked), tmp_path)
    assert clip.arrays("front") == ("rgb", "depth", "depth_expected")
    assert {p.stem for p in (clip.path / "cameras/front/labels").iterdir()} == {"depth"}
    assert clip.refinement("lit").coarse is None
    assert len(coarse_of(clip, None)) == 1
    assert clip.verify() == []
    same, known = refine_clip(clip, entry)
    assert (same, known) == (clip, clip.refinement("lit")), "what the run made is known, though not drawn alike"
    with pytest.raises(ClipError, match="made with other settings"):
        refine_clip(clip, entry, seed=clip.record.seed + 1)
    lit = simvid.run(
        simvid.load_scene(flying_file, {**asked, "refine": {"refiner": entry, "look": "office"}}), tmp_path
    )
    made = lit.refinement("lit-office").coarse
    assert made is not None
    assert made.look == "office"
    assert np.array_equal(lit.frames("front").rgb, clip.frames("front").rgb), "the clip's own frames keep their light"
    clip, _ = refine_clip(clip, entry, look="office")
    assert np.array_equal(clip.refined("lit-office"), lit.refined("lit-office"))
    assert clip.refinement("lit-office").keys == lit.refinement("lit-office").keys, "run and refine share their results"


def test_the_refiner_is_told_the_light_of_what_it_sees(plain: Clip, entry: str) -> None:
    numbers = {}
    for look in ("as_rendered", "night_lab"):
        refine_clip(plain, entry, look=look, force=True)
        assert Lit.told is not None
        assert Lit.told.light is not None
        numbers[look] = np.array(Lit.told.light)
    assert numbers["as_rendered"].shape == (11,)
    assert numbers["as_rendered"][4:7].mean() > 2 * numbers["night_lab"][4:7].mean(), "a sun against dim lamps"
    scene = plain.scene.model_copy(update={"render": "cpu"})
    path = plain.cameras["front"]
    assert np.allclose(light_numbers(scene, renderer_of(scene), path), numbers["as_rendered"])


def test_unknown_looks_are_listed(plain: Clip, entry: str, flying_file: Path, tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"no look 'sunst'\n  hint: did you mean 'sunset'\? known: as_ren"):
        refine_clip(plain, entry, look="sunst")
    scene = simvid.load_scene(flying_file, {"refine": {"refiner": entry, "look": "noir"}})
    with pytest.raises(SceneError, match=r"refine\.look: the refiner 'lit' knows no look 'noir'"):
        simvid.run(scene, tmp_path)
    with pytest.raises(SceneError, match="refiners: expected a name on the shelf, got 'bundld'"):
        refine_clip(plain, "bundld")


def test_labels_for_arrays() -> None:
    assert labels_for(READS) == ("depth", "ids", "flow", "albedo", "light_diffuse", "surfaces")
    everything = [name for arrays in LABEL_ARRAYS.values() for name in arrays]
    assert arrays_of(labels_for(everything)) == set(everything)
    with pytest.raises(SimvidError, match="the refiner reads 'smell', which no label brings"):
        labels_for(["smell"])


def test_the_looks_are_those_of_scenes() -> None:
    assert set(LOOKS) == set(PRESETS)


def test_a_scene_s_own_lights_give_way(flying_file: Path) -> None:
    lit = [{"sun": {"direction": [0, 0, -1], "strength": 9}}]
    assets = prepared(simvid.load_scene(flying_file, {"lights": lit, "look": "studio"}))
    changed = coarse_pass(assets, READS, "sunset").assets.scene
    assert (changed.look, changed.lights) == ("sunset", ())
    kept = coarse_pass(assets, READS, None).assets.scene
    assert (kept.look, kept.lights) == ("studio", assets.scene.lights)


def test_splats_draw_what_a_path_tracer_cannot(flying_file: Path) -> None:
    pytest.importorskip("mitsuba")
    assets = prepared(simvid.load_scene(flying_file, {"render": "pathtrace"}))
    assert coarse_pass(assets, READS, None).renderer.record.entry == "cpu"
    assert coarse_pass(assets, ("depth",), None).renderer.record.entry == "pathtrace"


def test_splats_drawn_for_a_path_traced_clip_are_found_again(plain: Clip, entry: str) -> None:
    """Colour alone the path tracer could draw, but that is not what was refined."""
    pytest.importorskip("mitsuba")
    clip, record = refine_clip(plain, entry, force=True)
    scene = {**clip.record.scene, "render": "pathtrace"}
    again = pass_of_refinement(Clip(clip.path, clip.record.model_copy(update={"scene": scene})), record)
    assert again is not None
    assert record.coarse is not None
    assert again.renderer.record == record.coarse.renderer


def test_a_misspelt_backend_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("# Mine.\nbackend: idntity\n")
    with pytest.raises(SceneError, match=r"mine.yaml:2: backend: expected .* got 'idntity'\n  hint: did you mean 'id"):
        refiner_of("mine.yaml", tmp_path)
