"""``simvid evaluate CLIP``: refinements beside true pictures of the same motion, cameras and light."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from simvid import cli, registry
from simvid.clip import Clip
from simvid.clips.records import CoarseRecord
from simvid.errors import ClipError
from simvid.frames import Frame
from simvid.jobs.evaluation.clip_cases import _rendered, clip_cases
from simvid.jobs.refine_clip import refine_clip
from simvid.refining.identity import IdentityRefiner


@pytest.fixture(autouse=True)
def _no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The perceptual figures are left out, which is quick."""
    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def refined(flying_clip: Clip, tmp_path: Path) -> Clip:
    """A clip with a refinement, and beside it another of the same motion that says it was path-traced."""
    shutil.copytree(flying_clip.path, tmp_path / "clip")
    return refine_clip(Clip.open(tmp_path / "clip"), "identity", seed=1, force=True)[0]


def traced(clip: Clip, name: str, change: Callable[[dict[str, Any]], None] = lambda tree: None) -> Path:
    folder = clip.path.parent / name
    shutil.copytree(clip.path, folder)
    tree = json.loads((folder / "clip.json").read_text())
    for camera in tree["cameras"]:
        camera["renderer"]["backend"] = "pathtrace"
    change(tree)
    (folder / "clip.json").write_text(json.dumps(tree))
    return folder


def test_a_clip_beside_its_path_traced_twin(refined: Clip, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ClipError, match=r"no path-traced clip .* simvid render .* --renderer pathtrace"):
        clip_cases(refined)
    twin = traced(refined, "twin")
    out = refined.path.parent / "found"
    name = refined.record.refined[0].name
    given = ["evaluate", str(refined.path), "--refined", name, "--out", str(out)]
    assert cli.main(given) == 0
    found = json.loads((out / "evaluation.json").read_text())
    assert list(found["per_clip"]) == ["front", "side"]
    assert found["mean"][name]["figures"]["ssim"] == pytest.approx(1)
    assert found["mean"][name]["figures"]["flow_warp_ratio"] == pytest.approx(1)
    assert found["refiners"][name]["backend"] == "identity"
    assert (out / "videos" / "side.mp4").is_file()
    assert "## Cost" not in (out / "evaluation.md").read_text(), "nothing was refined"
    assert cli.main([*given, "--reference", str(twin)]) == 0
    capsys.readouterr()
    traced(refined, "other_twin")
    assert cli.main(given) == 6
    assert "several path-traced clips" in capsys.readouterr().err


def test_a_refinement_with_the_name_of_a_row_has_one_of_its_own(refined: Clip) -> None:
    text = (refined.path / "clip.json").read_text().replace("refined/identity/", "refined/coarse/")
    tree = json.loads(text)
    tree["refined"][0]["name"] = "coarse"
    (refined.path / "clip.json").write_text(json.dumps(tree))
    (refined.path / "refined" / "identity").rename(refined.path / "refined" / "coarse")
    traced(refined, "twin")
    out = refined.path.parent / "found"
    assert cli.main(["evaluate", str(refined.path), "--refined", "coarse", "--out", str(out), "--videos", "0"]) == 0
    found = json.loads((out / "evaluation.json").read_text())
    assert list(found["mean"]) == ["coarse", "coarse (refined)", "true"]
    assert list(found["refiners"]) == ["coarse (refined)"]


def test_references_of_something_else_are_refused(refined: Clip, tmp_path: Path) -> None:
    def fewer(tree: dict[str, Any]) -> None:
        tree["cameras"] = tree["cameras"][:1]

    with pytest.raises(ClipError, match=r"expected the camera 'side' .* got front"):
        clip_cases(refined, traced(refined, "fewer", fewer))
    twin = Clip.open(traced(refined, "twin"))
    object.__setattr__(twin, "trajectory", replace(twin.trajectory, poses=twin.trajectory.poses + np.eye(7)[0] * 0.01))
    with pytest.raises(ClipError, match="its parts move otherwise"):
        _rendered(refined, twin, "front")
    front = twin.cameras["front"]
    moved = front.world_from_camera.copy()
    moved[:, :3, 3] += 0.01
    elsewhere = {"K": front.K * np.array([1.01, 1.01, 1])[:, None], "world_from_camera": moved}
    for name, array in elsewhere.items():
        object.__setattr__(twin, "cameras", {"front": replace(front, **{name: array})})
        with pytest.raises(ClipError, match=r"camera 'front' is not that of .* expected 4 frames of 64 x 48 px"):
            _rendered(refined, twin, "front")
    shots = tmp_path / "shots"
    for camera in ("front", "side"):
        (shots / camera).mkdir(parents=True)
        for t, picture in enumerate(refined.frames(camera, labels=()).rgb):
            Image.fromarray(255 - picture).save(shots / camera / f"{t:03d}.png")
    cases = clip_cases(refined, shots)
    assert np.array_equal(cases[1].true(), 255 - cases[1].coarse())
    Image.new("RGB", (8, 8)).save(shots / "front" / "001.png")
    with pytest.raises(ClipError, match=r"001\.png: expected 64 x 48 px, got 8 x 8"):
        clip_cases(refined, shots)
    (shots / "front" / "001.png").write_bytes(b"no picture")
    with pytest.raises(ClipError, match=r"001\.png: cannot be read"):
        clip_cases(refined, shots)
    (shots / "front" / "001.png").unlink()
    with pytest.raises(ClipError, match=r"expected 4 pictures \(\*.png\) or a clip, got 3"):
        clip_cases(refined, shots)
    shutil.rmtree(shots / "front")
    with pytest.raises(ClipError, match="a folder of pictures for each camera; 'front' has none"):
        clip_cases(refined, shots)


class Lit(IdentityRefiner):
    """Gives its frames back, and wants looks as light."""

    looks_are_light = True

    def refine(self, frames: Iterable[Frame], *, look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        return (frame.rgb for frame in frames)


@pytest.fixture
def lit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An entry of it."""
    monkeypatch.setattr(registry, "BUILT_IN", {**registry.BUILT_IN, "refining": {
        **registry.BUILT_IN["refining"], "lit": "simvid.refining.identity:LitForTests"}})  # fmt: skip
    monkeypatch.setattr("simvid.refining.identity.LitForTests", Lit, raising=False)
    (tmp_path / "lit.yaml").write_text("# For tests.\nbackend: lit\n")
    return str(tmp_path / "lit.yaml")


def under(look: str | None, lights: list[Any]) -> Callable[[dict[str, Any]], None]:
    return lambda tree: tree["scene"].update(look=look, lights=lights)


def test_true_pictures_are_in_the_light_of_the_refinement(
    refined: Clip, lit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, sunset = refine_clip(refined, lit, look="sunset")
    plain = clip.refinement("identity")
    command = rf"simvid render {clip.path} --renderer pathtrace --set look=sunset --set 'lights=\[\]'"
    own = traced(clip, "own_light")
    with pytest.raises(ClipError, match=f"no path-traced clip of this motion and light .* {command}"):
        clip_cases(clip, None, [sunset])
    with pytest.raises(ClipError, match=f"own_light: look: expected sunset, got None; .* {command}"):
        clip_cases(clip, own, [sunset])
    dimmed = traced(clip, "dimmed", under("sunset", [{"sky": {"strength": 0.5}}]))
    with pytest.raises(ClipError, match=r"dimmed: lights: expected \[\], got \[\{.sky.: \{.strength.: 0.5"):
        clip_cases(clip, dimmed, [sunset])
    with pytest.raises(ClipError, match=f"expected a clip, as pictures alone do not tell .* {command}"):
        clip_cases(clip, clip.path / "cameras", [sunset])
    traced(clip, "sunset", under("sunset", []))
    cases = clip_cases(clip, None, [sunset])
    assert [case.look for case in cases] == ["sunset", "sunset"]
    for case in cases:
        assert np.array_equal(case.coarse(), clip.refined("lit-sunset", case.name)), "what was refined"
        assert np.abs(case.coarse().astype(int) - clip.frames(case.name, labels=()).rgb).mean() > 8
    for case in clip_cases(clip, None, [plain]):
        assert np.array_equal(case.coarse(), clip.frames(case.name, labels=()).rgb)
    with pytest.raises(ClipError, match=r"lit-sunset \(look sunset\) was not made from .* compare one after the other"):
        clip_cases(clip, None, [plain, sunset])
    odd = sunset.model_copy(update={"look": "noir"})
    with pytest.raises(ClipError, match="has the look 'noir', which no true picture can have"):
        clip_cases(clip, None, [odd])
    given = ["evaluate", str(clip.path), "--refined", "lit-sunset", "--out", str(clip.path.parent / "found"), "--json"]
    assert cli.main([*given, "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["look"] == "sunset"
    assert found["mean"]["lit-sunset"]["figures"] == found["mean"]["coarse"]["figures"]
    assert cli.main([*given, "--reference", str(own)]) == 6


def test_true_pictures_show_the_same_things_through_the_same_lenses(refined: Clip) -> None:
    def blue(tree: dict[str, Any]) -> None:
        tree["scene"]["bodies"][0]["look"] = {"base_color": [0.1, 0.2, 0.9]}

    def brighter(tree: dict[str, Any]) -> None:
        tree["scene"]["cameras"][0]["sensor"] = {"exposure_ev": 1.0}

    name = refined.scene.bodies[0].name
    for change, key in ((blue, rf"bodies\.{name}\.look"), (brighter, r"cameras\.front\.sensor")):
        other = traced(refined, change.__name__, change)
        with pytest.raises(ClipError, match=rf"{change.__name__}: {key}.*: not as in .* make them with"):
            clip_cases(refined, other)
        with pytest.raises(ClipError, match="no path-traced clip"):
            clip_cases(refined)
    traced(refined, "twin", lambda tree: tree["scene"].update(name="twin", labels=["depth"], render="pathtrace"))
    assert len(clip_cases(refined)) == 2


def test_labels_that_were_drawn_again_in_the_same_light_change_no_picture(refined: Clip, lit: str) -> None:
    """The clip's own frames are read, and nothing is drawn."""
    traced(refined, "twin")
    plain = refined.refinement("identity")
    same = CoarseRecord(look=None, renderer=refined.record.cameras[0].renderer)
    record = plain.model_copy(update={"coarse": same})
    for case in clip_cases(refined, None, [record, plain]):
        assert np.array_equal(case.coarse(), refined.frames(case.name, labels=()).rgb)


def test_a_path_traced_clip_is_not_its_own_truth(refined: Clip) -> None:
    with pytest.raises(ClipError, match="no path-traced clip"):
        clip_cases(Clip.open(traced(refined, "itself")))
