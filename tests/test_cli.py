"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simvid
from simvid import cli
from simvid.clip import Clip
from simvid.errors import (
    AssetError,
    CheckError,
    CheckWarning,
    ClipError,
    MissingExtraError,
    PhysicsError,
    RenderError,
    SceneError,
    SimvidError,
)
from simvid.frames import BUFFER_LABELS, LABELS, arrays_of

pytestmark = pytest.mark.usefixtures("free_fall")
COMMANDS = (
    "run",
    "simulate",
    "render",
    "refine",
    "check",
    "validate",
    "schema",
    "list",
    "show",
    "view",
    "log",
    "overlay",
    "report",
    "train",
    "doctor",
)


def test_help_names_every_command(simvid_: Any) -> None:
    done = simvid_("--help")
    assert done.code == 0
    assert all(f"    {name} " in done.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(simvid_: Any, name: str) -> None:
    done = simvid_(name, "--help")
    assert done.code == 0
    assert f"  simvid {name}" in done.out.partition("example:")[2]
    assert {"--json", "--quiet", "--debug"} <= set(done.out.replace(",", " ").split())


def test_version(simvid_: Any) -> None:
    assert simvid_("--version").out == f"simvid {simvid.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run"], ["run", "a", "--frames", "many"], ["list", "things"]])
def test_wrong_arguments_are_2(simvid_: Any, arguments: list[str]) -> None:
    done = simvid_(*arguments)
    assert done.code == 2
    assert "usage: simvid" in done.err


def test_run_says_where_everything_is(simvid_: Any, flying_file: Path, tmp_path: Path, flying_clip: Clip) -> None:
    done = simvid_("run", flying_file, "--out", tmp_path)
    assert done.code == 0
    words = dict(line.split(None, 1) for line in done.out.splitlines())
    assert words["clip"] == str(tmp_path / flying_clip.path.name)
    assert flying_clip.content_hash in done.out
    for name in ("contact_sheet.png", "cameras/front/rgb.mp4", "cameras/side/labels/", "refined/identity/side.mp4"):
        assert str(tmp_path / flying_clip.path.name / name) in done.out
    assert "rendering front" in done.err
    assert "physics 0." in words["time"] + done.out
    again = simvid_("run", flying_file, "--out", tmp_path)
    assert "nothing has changed" in again.err
    assert flying_clip.content_hash in again.out


def test_run_as_json_and_quiet(simvid_: Any, flying_file: Path, tmp_path: Path, flying_clip: Clip) -> None:
    done = simvid_("run", flying_file, "--out", tmp_path, "--json", "--quiet")
    assert done.err == ""
    result = done.json
    assert result["content_hash"] == flying_clip.content_hash
    assert result["frames"] == 4
    assert result["was_there"] is False
    assert {"assets", "physics", "rendering front", "refining side", "writing"} <= set(result["stages_s"])
    for path in (*result["videos"].values(), result["contact_sheet"], *result["labels"]["front"],
                 *result["refined"]["identity"].values()):  # fmt: skip
        assert Path(path).is_file()
    quiet = simvid_("run", flying_file, "--out", tmp_path, "--quiet")
    assert quiet.out == f"{result['clip']}\n"
    assert simvid_("run", flying_file, "--out", tmp_path, "--json").json["was_there"] is True


def test_options_reach_the_scene(simvid_: Any, flying_file: Path, tmp_path: Path) -> None:
    done = simvid_(
        "run", flying_file, "--out", tmp_path, "--frames", 3, "--set", "cameras.front.fov_y_deg=60",
        "--set", "labels=[depth]",
        "--renderer", "cpu", "--refiner", "identity", "--look", "as_rendered", "--json", "-q",
    )  # fmt: skip
    clip = Clip.open(done.json["clip"])
    assert clip.frame_count == 3
    assert clip.scene.cameras[0].fov_y_deg == 60
    assert clip.arrays("front") == ("rgb", "depth", "depth_expected")
    assert not (clip.path / "contacts.csv").exists()
    assert not (clip.path / "cameras/front/boxes.csv").exists()


def test_simulate_render_and_refine_step_by_step(
    simvid_: Any, flying_file: Path, tmp_path: Path, flying_clip: Clip
) -> None:
    first = simvid_("simulate", flying_file, "--out", tmp_path, "--json", "-q").json
    assert first["videos"] == {}
    assert (Path(first["clip"]) / "trajectory.npz").is_file()
    second = simvid_("render", first["clip"], "--json", "-q").json
    assert Path(second["clip"]).parent == tmp_path
    assert second["refined"] == {}
    done = simvid_("refine", second["clip"], "--refiner", "identity")
    assert done.code == 0
    assert f"{second['clip']}/refined/identity/front.mp4" in done.out
    clip = Clip.open(second["clip"])
    assert clip.verify() == []
    for name in ("cameras/front/ids.npz", "refined/identity/side.npz"):
        assert clip.record.files[name].digest == flying_clip.record.files[name].digest
    assert simvid_("refine", second["clip"], "--json", "-q").json["refined"] == "identity"


def test_rendering_a_clip_with_another_renderer_keeps_its_motion(
    simvid_: Any, flying_clip: Clip, tmp_path: Path
) -> None:
    done = simvid_("render", flying_clip.path, "--renderer", "reference", "--out", tmp_path, "--set", "labels=[ids]",
                   "--json", "-q")  # fmt: skip
    assert done.code == 0, done.err
    clip = Clip.open(done.json["clip"])
    assert clip.record.cameras[0].renderer.backend == "reference"
    assert clip.record.files["trajectory.npz"].digest == flying_clip.record.files["trajectory.npz"].digest


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SceneError("no"), 2), (AssetError("no"), 3), (PhysicsError("no"), 4), (RenderError("no"), 5),
        (ClipError("no"), 6),
        (MissingExtraError("torch", "refine", "it"), 7), (KeyboardInterrupt(), 130), (RuntimeError("oh"), 70),
    ],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_exit_codes(simvid_: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("simvid.commands.schema.main", fail)
    done = simvid_("schema", "--json")
    assert done.code == code
    assert done.json["exit_code"] == code
    assert done.json["error"] in done.err
    assert "Traceback" not in done.err
    if not isinstance(error, KeyboardInterrupt):
        with pytest.raises(type(error)):
            cli.main(["schema", "--debug"])


def test_all_labels(simvid_: Any, flying_file: Path, tmp_path: Path) -> None:
    done = simvid_("run", flying_file, "--out", tmp_path, "--labels", "all", "--frames", 2, "--json", "-q")
    assert done.code == 0
    clip = Clip.open(done.json["clip"])
    every = set(LABELS) - BUFFER_LABELS
    assert set(clip.scene.labels) == every
    assert set(clip.arrays("front")) | {"depth_sensor"} == {"rgb", *arrays_of(every)}, "no camera has a depth sensor"
    assert {c["passed"] for c in done.json["checks"]} <= {True, None}
    assert len(done.json["checks"]) == 12
    again = simvid_("render", clip.path, "--labels", "depth, ids", "--json", "-q")
    assert Clip.open(again.json["clip"]).arrays("side") == ("rgb", "depth", "depth_expected", "ids")
    wrong = simvid_("run", flying_file, "--labels", "depth,idz")
    assert wrong.code == 2
    assert "got 'depth,idz'\n  hint: did you mean 'ids'?" in wrong.err


def test_wrong_labels_are_told(
    simvid_: Any, flying_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renderer with a fault in its flow: the clip is there, and whoever made it knows."""
    from simvid.rendering import motion, renderer

    def off(*arguments: Any) -> Any:
        shift, z = sound(*arguments)
        return shift + np.float32(0.3), z

    sound = motion.flow
    monkeypatch.setattr(renderer, "flow", off)
    call = ("run", flying_file, "--out", tmp_path, "--frames", 2)
    done = simvid_(*call)
    assert done.code == CheckError.exit_code == 8
    line = "self-check flow_follows_pose front: FAILED; static_median_px 0.424 (at most 0.1), moving_median_px 0.424"
    assert f"simvid: {line}" in done.err
    assert "FAILED: flow_follows_pose front" in done.out
    path = next(tmp_path.glob("flying-*"))
    failed = Clip.open(path).failed_checks
    assert {c.name for c in failed} == {"flow_follows_pose", "flow_returns"}
    shown = simvid_("show", path)
    assert shown.code == 0
    assert f"    {line.removeprefix('self-check ')}" in shown.out
    assert simvid_(*call).code == 8, "it is told again where nothing is run"
    with pytest.warns(CheckWarning) as caught:
        simvid.run(flying_file, tmp_path, frames=2)
    assert [str(w.message).split("; ")[0] for w in caught] == [f"{path}: {c.name} {c.camera}: FAILED" for c in failed]


def test_the_common_options_stand_before_or_after_the_command(simvid_: Any) -> None:
    for arguments in (("--json", "list", "scenes"), ("list", "scenes", "--json")):
        assert simvid_(*arguments).json["scenes"]
    for arguments in (("--debug", "run", "nosuch"), ("run", "nosuch", "--debug")):
        with pytest.raises(SceneError):
            simvid_(*arguments)
    assert simvid_("run", "nosuch").code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "pendulum", "--frmes", "3"), "unknown argument --frmes; did you mean --frames?"),
        (("run", "pendulum", "--renderer", "foo"), "--renderer: expected a name on the shelf, got 'foo'"),
        (("run", "pendulum", "--refiner", "idntity"), "did you mean 'identity'?"),
        (("run", "pendulum", "--sample", "3"), "--sample: expected none, as pendulum randomizes nothing, got 3"),
        (("run", "pendulum", "--out", ""), "--out: expected a folder, got nothing"),
        (("schema", "--output", "/"), "expected a place with a name of its own"),
        (("validate", "/"), "expected a .yaml file, got the folder '/'"),
        (("rnu", "pendulum"), "got 'rnu'; did you mean run?"),
        (("list", "scens"), "expected one of scenes, renderers, refiners, engines, formats, got 'scens'; did you mean"),
        (("run", "pendulum", "--look", "sunset"), "hint: --refiner bundled draws under that light"),
        (("evaluate", "none"), "none/clip.json: missing"),
        (("generate", "table_top", "--count", "1", "--out", "/nowhere", "--shard", "2/2"), "expected i/n"),
        (("pairs", "--out", "/nowhere", "--count", "1", "--family", "no"), "family: expected one of drop"),
        (("pairs", "--out", "/nowhere", "--count", "1", "--family", "jely"), "got 'jely'; did you mean jelly?"),
        (("pairs", "--out", "/nowhere", "--count", "1", "--frames", "1"), "a whole number from 2 to 16, got '1'"),
        (("pairs", "--out", "/nowhere", "--count", "1", "--size", "17"), "a whole number from 32 to 8192, got '17'"),
        (("pairs", "--out", "/nowhere", "--count", "1", "--seed", "-1"), "a whole number from 0 on, got '-1'"),
        (("evaluate", "--refiner", "bundled", "--seed", "x"), "--seed: expected a whole number, got 'x'"),
        (("sample", "table_top", "-o", "sheet.jpg"), "--output: expected a file that ends in .png, got sheet.jpg"),
    ],
)
def test_wrong_arguments_are_told(simvid_: Any, arguments: tuple[str, ...], said: str) -> None:
    done = simvid_(*arguments)
    assert done.code in {2, 6}
    assert said in done.err


def test_the_help_says_what_force_takes_away(simvid_: Any) -> None:
    assert "its other refinements, their verdicts and its captions go" in " ".join(simvid_("run", "--help").out.split())


def test_the_help_lists_every_exit_code(simvid_: Any) -> None:
    kinds: list[type[SimvidError]] = [SimvidError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    codes = {kind.exit_code for kind in kinds} | {0, cli.INTERRUPTED, cli.TERMINATED, cli.INTERNAL}
    listed = simvid_("--help").out.partition("exit codes:")[2]
    assert {int(code) for code in re.findall(r"(?:^|  )(\d+) ", listed, flags=re.M)} == codes


def test_wrong_arguments_are_json_too(simvid_: Any) -> None:
    done = simvid_("run", "--json")
    assert done.code == 2
    assert "SCENE" in done.json["error"]


@pytest.mark.parametrize(("options", "told"), [((), True), (("--quiet",), False)])
def test_quiet_says_no_warnings(tmp_path: Path, options: tuple[str, ...], told: bool) -> None:
    (tmp_path / "a.obj").write_text(
        "mtllib look.mtl\nusemtl painted\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 1 4 3\n"
    )
    (tmp_path / "look.mtl").write_text("newmtl painted\nmap_Kd missing.png\n")
    (tmp_path / "s.yaml").write_text(
        "simvid: 1\nduration_s: 0.5\nbodies: [{name: a, shape: {mesh: {path: a.obj}}, pose: {position_m: [0, 0, 2]}}]\n"
        "cameras: [{name: c, pose: {look_from_m: [3, 0, 1], look_at_m: [0, 0, 0]}}]\n"
    )
    command = [sys.executable, "-m", "simvid.cli", "validate", str(tmp_path / "s.yaml"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ("missing.png" in done.stderr) == told
