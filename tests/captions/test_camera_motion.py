"""How a camera's motion is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simvid.camera_path import CameraPath
from simvid.captions.relations import camera_motion


def look_at(place: Any, target: Any) -> Any:
    """world_from_camera of an upright camera."""
    forward = (target - place) / np.linalg.norm(target - place)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = place
    return pose


def moved(poses: list[Any]) -> CameraPath:
    K = np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])
    return CameraPath("c", 64, 48, K, np.stack(poses))


@pytest.mark.parametrize(
    ("places", "targets", "words"),
    [
        ([(0, -2, 0), (0, -2, 0)], [(0, 0, 0), (0, 0, 0)], "stands still"),
        ([(0, -2, 0), (0, -2, 0)], [(0, 0, 0), (1, 0, 0)], "turns right"),
        ([(0, -2, 0), (0, -2, 0)], [(0, 0, 0), (-1, 0, 0)], "turns left"),
        ([(0, -2, 0), (0, -2, 0)], [(0, 0, 0), (0, 0, 1)], "tilts up"),
        ([(0, -2, 0), (0, -1, 0)], [(0, 0, 0), (0, 0, 0)], "moves forward"),
        ([(0, -2, 0), (0, -3, 0)], [(0, 0, 0), (0, 0, 0)], "moves back"),
        ([(0, -2, 0), (1, -2, 0)], [(0, 0, 0), (1, 0, 0)], "moves right"),
        ([(0, -2, 0), (0, -2, 1)], [(0, 0, 0), (0, 0, 1)], "moves up"),
        ([(0, -2, 0), (1, -1.7, 0)], [(0, 0, 0), (0, 0, 0)], "circles to the right"),
        ([(0, -2, 0), (-1, -1.7, 0)], [(0, 0, 0), (0, 0, 0)], "circles to the left"),
    ],
)
def test_camera_motion(places: Any, targets: Any, words: str) -> None:
    poses = [look_at(np.array(p, float), np.array(t, float)) for p, t in zip(places, targets, strict=True)]
    assert camera_motion(moved(poses)).words == words


@pytest.mark.parametrize("sweep_deg", [30, 90, 170, 200, 270, 350, 360, 720])
def test_an_orbit_circles_however_far(sweep_deg: float) -> None:
    for sign, words in ((1, "circles to the right"), (-1, "circles to the left")):
        turns = sign * np.radians(np.linspace(0, sweep_deg, 25))
        places = 1.5 * np.stack([np.cos(turns), np.sin(turns), np.full(25, 0.4)], axis=1)
        found = camera_motion(moved([look_at(place, np.array([0, 0, 0.2])) for place in places]))
        assert found.words == words
        assert found.way_m == pytest.approx(1.5 * np.radians(sweep_deg), rel=0.02)
        around = [look_at(np.zeros(3), place) for place in places]
        assert camera_motion(moved(around)).words == ("turns left" if sign > 0 else "turns right")


@pytest.mark.parametrize(
    ("way", "turn", "words"),
    [((0, 0.8, 0), (0, 0, 0), "moves there and back"), ((0, 0, 0), (1, 0, 0), "turns there and back")],
)
def test_a_camera_that_returns_went_there_and_back(way: Any, turn: Any, words: str) -> None:
    shares = np.sin(np.linspace(0, np.pi, 25))[:, None]
    places, targets = np.array([0, -2, 0.5]) + shares * way, shares * turn
    found = camera_motion(moved([look_at(p, t) for p, t in zip(places, targets, strict=True)]))
    assert found.words == words
    assert np.allclose(found.moved_m, 0)
    assert found.way_m == pytest.approx(2 * np.linalg.norm(way), rel=0.01)
