"""Cameras and bodies may have the same name in a scene; formats that cannot tell them apart refuse it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from simvid.clip import Clip
from simvid.export.base import Episode, ExportError, Request, View
from simvid.export.lerobot import LeRobot, LeRobotSettings
from simvid.export.mcap import Mcap, McapSettings


def request_of(clip: Clip, label: str, *cameras: str) -> Request:
    """Of cameras that the clip need not have."""
    views = tuple(View(clip, name, f"flying_{name}", frozenset({label})) for name in cameras)
    return Request((Episode(clip, "flying", views),), frozenset({label}), lambda line: None)


def test_a_camera_named_as_a_body(exported_clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="ball: a camera, a body or the world would have the same name in /tf"):
        Mcap(McapSettings()).write(request_of(exported_clip, "poses", "side", "ball"), tmp_path)


def test_a_body_named_world(exported_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = list(exported_clip.trajectory.parts)
    parts[1] = replace(parts[1], name="world")
    renamed = replace(exported_clip.trajectory, parts=tuple(parts))
    monkeypatch.setattr(Clip, "trajectory", property(lambda self: renamed))
    with pytest.raises(ExportError, match="world: a camera, a body or the world"):
        Mcap(McapSettings()).write(request_of(exported_clip, "boxes_3d", "front"), tmp_path)


def test_a_camera_named_as_the_depth_of_another(exported_clip: Clip, tmp_path: Path) -> None:
    for cameras in (("front", "front_depth"), ("front_depth", "front")):
        request = request_of(exported_clip, "depth", *cameras)
        with pytest.raises(ExportError, match="camera front_depth and the depth of camera front would have the same"):
            LeRobot(LeRobotSettings()).encode(request.episodes[0], request.labels, tmp_path)
