"""First frames of samples: as the clip's own, without its physics."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import simvid
from simvid.cli import main
from simvid.errors import SceneError
from simvid.generating.sampling import brief, first_frame, first_frames, sheet
from simvid.parsing import parse_scene
from simvid.scene import Scene

VARY = """\
randomize:
  bodies.ball.pose.position_m[0]: {sequence: [0, 0.2]}
  bodies.cube.shape.box.size_m: {sequence: [0.2, 0.22, 0.1]}
"""


@pytest.fixture(scope="module")
def varied(free_fall: None, flying_file: Path) -> Scene:
    return parse_scene(flying_file.read_text() + VARY, "varied.yaml")


def test_the_first_frame_is_that_of_the_clip(varied: Scene, tmp_path: Path) -> None:
    clip = simvid.run(varied, tmp_path, sample_index=1, until="rendering")
    one = first_frame(varied, 1, "side")
    assert one.picture is not None
    rgb = clip.frame("side", 0).rgb.astype(int)
    assert np.abs(one.picture - rgb).mean() < 0.5, "how fine splats are depends on the whole clip, so not to the bit"
    assert (
        one.values
        == clip.record.sampled
        == {"bodies.ball.pose.position_m[0]": 0.2, "bodies.cube.shape.box.size_m": 0.22}
    )
    other = first_frame(varied, 0, "side")
    assert other.picture is not None
    assert np.abs(other.picture - rgb).mean() > 1.5


def test_a_body_on_keyframes_is_where_its_path_begins(free_fall: None, flying_file: Path) -> None:
    flying, mass = flying_file.read_text(), "randomize: {bodies.cube.mass_kg: {uniform: [1, 2]}}"
    moved = flying.replace(
        "velocity_m_s: [0.5, 0, 1]", "motion: {keyframes: [{t_s: 0, pose: {position_m: [0.2, 0, 0.5]}}]}"
    )
    plain = flying.replace("position_m: [0, 0, 0.3]", "position_m: [0.2, 0, 0.5]")
    pictures = [first_frame(parse_scene(t + mass, "s.yaml"), 0).picture for t in (moved, plain)]
    assert pictures[0] is not None
    assert pictures[1] is not None
    assert np.array_equal(pictures[0], pictures[1])


def test_a_sample_that_cannot_be_is_told_and_the_others_are_drawn(free_fall: None, flying_file: Path) -> None:
    inside = parse_scene(
        flying_file.read_text()
        + VARY
        + "  cameras.front.pose.look_from_m: {sequence: [[0, -1.6, 0.7], [-0.4, 0.3, 0.2]]}\n",
        "s.yaml",
    )
    made = first_frames(inside, range(2))
    assert made[0].picture is not None
    assert made[1].picture is None
    assert "post" in made[1].reason
    assert sheet("two", made).ndim == 3


def test_the_command(free_fall: None, flying_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, picture = tmp_path / "s.yaml", tmp_path / "sheet.png"
    file.write_text(flying_file.read_text() + VARY)
    assert main(["sample", str(file), "--count", "3", "--first", "1", "-o", str(picture), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [s["sample"] for s in told["samples"]] == [1, 2, 3]
    assert told["samples"][0]["values"]["bodies.cube.shape.box.size_m"] == 0.22
    before = picture.read_bytes()
    assert before.startswith(b"\x89PNG")
    assert main(["sample", str(file), "--count", "2", "--camera", "nope", "-o", str(picture)]) == SceneError.exit_code
    assert "none of these 2 samples can be: camera: expected one of front, side, got 'nope'" in capsys.readouterr().err
    assert picture.read_bytes() == before, "an earlier sheet is still there"
    plain = tmp_path / "plain.yaml"
    plain.write_text(flying_file.read_text())
    assert main(["sample", str(plain)]) == SceneError.exit_code
    assert "randomizes nothing" in capsys.readouterr().err


def test_values_in_brief() -> None:
    assert brief({"a": [0.123456, "x", 3], "b": None}) == "{a: [0.1235, x, 3], b: null}"
