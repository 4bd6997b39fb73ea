"""Commands that make no clip: validate, schema, list, show, doctor."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from simvid.clip import Clip
from simvid.errors import (
    ClipError,
)

pytestmark = pytest.mark.usefixtures("free_fall")


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
    assert set(everything) == {"scenes", "renderers", "refiners", "engines", "abilities", "formats"}
    assert all(e["summary"] for e in everything["scenes"])
    assert "identity  " in simvid_("list").out


def test_show(simvid_: Any, flying_clip: Clip, tmp_path: Path) -> None:

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
    missing = [f for f in found.values() if f["group"] in {"packages", "extras"} and not f["ok"]]
    assert ("pip install --constraint" in text) == bool(missing)


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
def test_doctor_notices_a_wrong_limit_of_the_cache(simvid_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMVID_CACHE_GB", "plenty")
    found = {f["name"]: f for f in simvid_("doctor", "--no-test", "--json").json}
    assert found["cache"]["ok"] is False
    assert "SIMVID_CACHE_GB" in found["cache"]["value"]
    monkeypatch.setenv("SIMVID_CACHE_GB", "0.5")
    assert "up to 0.5 GB" in {f["name"]: f for f in simvid_("doctor", "--no-test", "--json").json}["cache"]["value"]


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
