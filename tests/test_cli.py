"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simvid
from simvid import cli
from simvid.clip import Clip
from simvid.commands.reporting import Bars, Lines, reporter_for
from simvid.errors import (
    AssetError,
    CheckError,
    CheckWarning,
    ClipError,
    MissingExtraError,
    PhysicsError,
    RenderError,
    SceneError,
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


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def simvid_(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line in this process."""

    def call(*arguments: object) -> Result:
        before = signal.getsignal(signal.SIGTERM)
        try:
            code = cli.main([str(a) for a in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            signal.signal(signal.SIGTERM, before)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


def fresh(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run it as a user does."""
    command = [sys.executable, "-m", "simvid.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


@pytest.fixture
def broken(tmp_path: Path, flying_file: Path) -> Path:
    path = tmp_path / "broken.yaml"
    text = flying_file.read_text().replace("fps: 24", "fps: -24").replace("radius_m: 0.1", "radius: 0.1")
    path.write_text(text)
    return path


def test_help_is_quick_and_in_plain_words() -> None:
    done = fresh("--help")
    walls = []
    for _ in range(4):
        start = time.perf_counter()
        fresh("--help")
        walls.append(time.perf_counter() - start)
    assert done.returncode == 0
    assert all(f"    {name} " in done.stdout for name in COMMANDS)
    code = (
        "import time; t = time.process_time(); import simvid.cli as c; c.build_parser(); print(time.process_time() - t)"
    )
    spent = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    )
    assert spent < 0.15, "CPU seconds for the parser; a loaded machine may take longer in wall time"
    assert min(walls) < 2.0


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


def test_validate_reports_all_faults_of_all_files(
    simvid_: Any, broken: Path, flying_file: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.yaml"
    missing.write_text(flying_file.read_text().replace("box: {size_m: 0.2}", "mesh: nothing.obj"))
    done = simvid_("validate", broken, flying_file, missing, "pendulum_of_doom")
    assert done.code == 2
    assert f"{flying_file}: ok" in done.out
    for text in (
        f"{broken}:5: fps",
        f"{broken}:",
        "radius",
        "nothing.obj",
        "pendulum_of_doom",
        "3 of 4 scenes are faulty",
    ):
        assert text in done.err
    assert simvid_("validate", missing, "--syntax-only").code == 0
    results = simvid_("validate", broken, flying_file, "--json").json
    assert [r["ok"] for r in results] == [False, True]
    assert {f["line"] for f in results[0]["faults"]} >= {5}
    assert simvid_("validate", flying_file, "--set", "fps=0").code == 2


def test_validate_finds_bodies_that_start_inside_each_other(simvid_: Any, flying_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "inside.yaml"
    text = flying_file.read_text().replace("engine: free_fall", "engine: newton")
    path.write_text(text.replace("position_m: [0.3, 0.2, 0.3]", "position_m: [0.1, 0, 0.3]"))
    done = simvid_("validate", path)
    assert done.code == 2
    assert "ball" in done.err
    assert "cube" in done.err
    assert simvid_("validate", path, "--set", "bodies.cube.pose.position_m=[0.3, 0.2, 0.3]").code == 0


def test_faults_of_a_run_have_no_traceback(broken: Path, tmp_path: Path) -> None:
    done = fresh("run", broken, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{broken}:5: fps" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    loud = fresh("run", broken, "--debug")
    assert "Traceback" in loud.stderr
    assert loud.returncode != 0


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


def test_ctrl_c_is_130_and_leaves_nothing(flying_file: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time; from simvid import cli, registry\n"
        "registry.BUILT_IN['physics']['free_fall'] = 'simvid.testing.free_fall:FreeFall'\n"
        "from simvid.testing import free_fall\n"
        "def slow(self, assets, progress):\n"
        "    print('here', flush=True)\n"
        "    for _ in range(3000): time.sleep(0.02)\n"
        "free_fall.FreeFall.simulate = slow\n"
        "sys.exit(cli.main(['run', sys.argv[1], '--out', sys.argv[2]]))"
    )
    for how, wanted in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        out = tmp_path / how.name
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(flying_file), str(out)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == wanted
        assert "Traceback" not in errors
        assert ("stopped" in errors) == (how == signal.SIGINT)
        assert [p for p in out.rglob("*") if p.is_file()] == []


def test_a_closed_pipe_is_quiet() -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "simvid.cli", "schema"], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == ""


def test_schema_is_json_schema(simvid_: Any, tmp_path: Path) -> None:
    done = simvid_("schema")
    assert json.loads(done.out)["properties"]["cameras"]
    simvid_("schema", "--output", tmp_path / "scene.schema.json")
    assert (tmp_path / "scene.schema.json").read_text() == done.out


def test_lists(simvid_: Any, root: Path) -> None:
    for shelf in ("scenes", "renderers", "refiners"):
        names = simvid_("list", shelf, "--quiet").out.split()
        assert names == sorted(p.stem for p in (root / shelf).rglob("*.yaml"))
    assert "newton" in simvid_("list", "engines").out
    everything = simvid_("list", "--json").json
    assert set(everything) == {"scenes", "renderers", "refiners", "engines", "formats"}
    assert all(e["summary"] for e in everything["scenes"])
    assert "identity  " in simvid_("list").out


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


def test_show(simvid_: Any, flying_clip: Clip, tmp_path: Path) -> None:
    import shutil

    done = simvid_("show", flying_clip.path, "--verify")
    assert done.code == 0
    for text in (
        "flying: A ball",
        flying_clip.content_hash,
        "ball",
        "front: 64 x 48",
        "boxes_are_tight side: passed",
        "files hold what they should",
    ):
        assert text in done.out
    assert simvid_("show", flying_clip.path, "--json").json["content_hash"] == flying_clip.content_hash
    copy = shutil.copytree(flying_clip.path, tmp_path / "copy")
    data = bytearray((copy / "trajectory.npz").read_bytes())
    data[len(data) // 2] ^= 255
    (copy / "trajectory.npz").unlink()
    (copy / "trajectory.npz").write_bytes(data)
    assert simvid_("show", copy).code == 0
    ill = simvid_("show", copy, "--verify")
    assert ill.code == ClipError.exit_code
    assert "trajectory.npz" in ill.err
    assert simvid_("show", tmp_path).code == ClipError.exit_code


def test_doctor_without_the_test(simvid_: Any) -> None:
    found = {(f["group"], f["name"]): f for f in simvid_("doctor", "--no-test", "--json").json}
    assert found["packages", "numpy"]["ok"] is True
    assert found["machine", "video"]["value"].startswith("H.264 by libx264")
    assert ("self-test", "tiny clip") not in found
    assert ("extras", "genesis") in found
    text = simvid_("doctor", "--no-test").out
    assert "pip install --editable" in text or all(f["ok"] for f in found.values())


def test_doctor_notices_what_is_missing(simvid_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from simvid import doctor

    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in {"numba", "viser"} else real(name))
    done = simvid_("doctor", "--no-test")
    assert done.code == 1
    assert "to mend: numba" in done.err
    assert "pip install numba" in done.out
    assert "[view]'" in done.out


@pytest.mark.slow
def test_doctor_makes_a_tiny_clip(simvid_: Any) -> None:
    done = simvid_("doctor")
    assert done.code == 0, done.out + done.err
    assert "made and checked in" in done.out


def test_the_self_test_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    from simvid import doctor

    text = doctor.SELF_TEST.replace("ground: {}", "physics: {engine: free_fall, gravity_m_s2: [0, 0, -1]}\nground: {}")
    monkeypatch.setattr(doctor, "SELF_TEST", text)
    finding = doctor.self_test()
    assert finding.ok is False
    assert "fell" in finding.value


def test_progress_suits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import argparse

    def chosen(**options: bool) -> object:
        return reporter_for(argparse.Namespace(**{"quiet": False, "json": False, **options}))[0]._then

    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(chosen(), Lines)
    assert not isinstance(chosen(quiet=True), Lines | Bars)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(chosen(), Bars)
    assert isinstance(chosen(json=True), Lines)


def test_bars_in_a_real_terminal(flying_clip: Clip, flying_file: Path) -> None:
    """A pseudo-terminal gets bars on stderr; stdout stays clean."""
    code = (
        "import sys; from simvid import cli, registry\n"
        "registry.BUILT_IN['physics']['free_fall'] = 'simvid.testing.free_fall:FreeFall'\n"
        "sys.exit(cli.main(['simulate', sys.argv[1], '--out', sys.argv[2], '--force']))"
    )
    master, slave = pty.openpty()
    command = [sys.executable, "-c", code, str(flying_file), str(flying_clip.path.parent / "bars")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=slave, text=True, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(slave)
        text = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # how Linux says that the other side has closed
                break
            if not chunk:
                break
            text += chunk
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(master)
    assert process.returncode == 0, text
    assert b"physics" in text
    assert "━".encode() in text
    assert "━" not in out
    assert out.startswith("clip ")


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
    ],
)
def test_wrong_arguments_are_told(simvid_: Any, arguments: tuple[str, ...], said: str) -> None:
    done = simvid_(*arguments)
    assert done.code in {2, 6}
    assert said in done.err


def test_wrong_arguments_are_json_too(simvid_: Any) -> None:
    done = simvid_("run", "--json")
    assert done.code == 2
    assert "SCENE" in done.json["error"]
