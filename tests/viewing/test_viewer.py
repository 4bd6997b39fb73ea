"""The viewer without a browser: ports, missing packages, missing meshes, and the command."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from simvid.clip import Clip
from simvid.errors import AssetError, MissingExtraError, SimvidError
from simvid.trajectory import Part
from simvid.viewing import looks
from simvid.viewing.content import Content
from simvid.viewing.part_list import SWITCHES, part_groups, parts_table
from simvid.viewing.server import Viewer, free_port


def test_a_used_port_is_refused_and_without_one_a_free_one_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SimvidError, match=rf"127.0.0.1, port {port}: .* --port"):
            free_port("127.0.0.1", port)
    assert free_port("127.0.0.1", None) >= 8080
    with pytest.raises(SimvidError, match="0 to 65535"):
        free_port("127.0.0.1", 70_000)
    with pytest.raises(SimvidError, match=r"cannot listen on nowhere\.invalid"):
        free_port("nowhere.invalid", None)


def test_a_missing_package_names_the_extra(flying_clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(MissingExtraError, match=r"simvid view needs the package 'viser': .*\[view\]"):
        Viewer(flying_clip)


def test_without_meshes_there_are_boxes_and_it_is_said(
    flying_clip: Clip, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object) -> object:
        raise AssetError("duck.obj: no such file")

    monkeypatch.setattr(looks, "prepare", gone)
    viewer = Viewer(flying_clip)
    try:
        viewer._loader.join(30)
        viewer.show(0)
        assert viewer.ready.is_set()
        assert "duck.obj: no such file" in viewer.panel._status.content
        solid = [node for node in viewer._stage._nodes["splats"] if node.name.endswith("/solid")]
        assert len(solid) == 3, "ball, cube and post"
    finally:
        viewer.close()
    assert capsys.readouterr().out == "", "viser says nothing"


def test_a_clip_without_cameras_is_shown_too(flying_clip: Clip) -> None:
    clip = Clip(flying_clip.path, flying_clip.record.model_copy(update={"cameras": ()}))
    viewer = Viewer(clip)
    try:
        viewer._loader.join(30)
        viewer.show(2)
        assert viewer.panel.camera is None
        assert len(viewer._stage._nodes["splats"]) == 3
        assert np.allclose(viewer._stage._parts[1].position, clip.trajectory.poses[2, 1, :3])
    finally:
        viewer.close()


def test_a_fault_of_the_loader_is_raised_where_someone_watches(
    flying_clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "prepare", lambda _: 1 / 0)
    viewer = Viewer(flying_clip)
    try:
        viewer._loader.join(30)
        with pytest.raises(ZeroDivisionError):
            viewer.run()
    finally:
        viewer.close()


def test_parts_are_switched_by_instance_or_by_category() -> None:
    arm = [Part(f"arm/link{k}", "arm", 2, "link", "robot") for k in range(3)]
    balls = [Part(f"ball_{k}", f"ball_{k}", 3 + k, "body", "ball") for k in range(SWITCHES)]
    ground = Part("ground", "ground", 1, "ground", "ground", fixed=True)
    few = part_groups([ground, *arm, *balls[:2]])
    assert few == {"arm": (2, 3, 4), "ball_0": (5,), "ball_1": (6,)}
    many = part_groups([ground, *arm, *balls])
    assert list(many) == ["robot", "ball"]
    assert many["ball"] == tuple(range(5, 5 + SWITCHES))


def test_the_table_of_parts_is_escaped(flying_clip: Clip) -> None:
    from dataclasses import replace

    part = replace(Content(flying_clip).parts[1], name="<script>x</script>")
    table = parts_table([part])
    assert "<script>" not in table
    assert "&lt;script&gt;" in table
    assert "and 1 more" in parts_table([part] * 201)


def test_the_command_serves_until_it_is_stopped(flying_clip: Clip) -> None:
    command = [
        sys.executable,
        "-m",
        "simvid.cli",
        "view",
        str(flying_clip.path),
        "--no-browser",
        "--json",
        "--splats",
        "2000",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    assert said["clip"] == str(flying_clip.path)
    with urllib.request.urlopen(said["url"], timeout=30) as answer:
        assert b"<html" in answer.read()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert err.strip() == "closed"
