"""Parts thinner than a pixel pass between the centres of pixels: sound ids of them pass, planted errors are caught.

A rod of 0.3 px lies on the picture's diagonal, before a wall. Splats show it a pixel wider, as their low-pass does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.checking.base import Subject
from simvid.checking.support import ids_match_surfaces, surfaces
from simvid.clips.arrays import ArrayWriter
from simvid.clips.camera_file import write_camera_file
from simvid.clips.digests import file_record
from simvid.rendering.camera import camera_path
from simvid.rotations import quat_from_euler_deg
from simvid.scene import Camera, CameraPose
from simvid.testing.staging import Prop, box_mesh, matte, staged

Cut: TypeAlias = Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[Any]]
SIZE, AWAY_M = 64, 1.0
PIXEL_M = 2 * AWAY_M * np.tan(np.radians(25)) / SIZE
ROD, WALL = 1, 2
BEHIND_M = 0.2
ROWS, COLUMNS = np.indices((SIZE, SIZE))


def filmed(folder: Path, cut: Cut, ahead_m: float = BEHIND_M) -> Subject:
    """The rod is so far ahead of the wall, behind it if that is negative; ``cut`` draws it into the wall's ids."""
    pose = CameraPose(look_from_m=(0, -AWAY_M, 0), look_at_m=(0, 0, 0))
    camera = Camera(name="front", resolution_px=(SIZE, SIZE), fov_y_deg=50, pose=pose)
    # the diagonal's neighbour meets no centre: it is half a pixel away from those of both sides
    beside = np.array([PIXEL_M / 2, 0, 0, *quat_from_euler_deg((0, 45, 0))])
    rod = Prop("rod", (matte(box_mesh((0.5, 0.3 * PIXEL_M, 0.3 * PIXEL_M))),), beside)
    wall = Prop("wall", (matte(box_mesh((3, 0.1, 3))),), np.array([0, ahead_m + 0.05, 0, 1, 0, 0, 0]))
    assets, trajectory = staged([rod, wall], [camera])
    path = camera_path(camera, assets.scene, trajectory)
    folder.mkdir()
    writers = {name: ArrayWriter(folder / f"{name}.npz") for name in ("ids", "depth")}
    touched = (np.abs(COLUMNS - ROWS) <= 1) & (np.abs(COLUMNS + ROWS + 1 - SIZE) < 24)  # 0.5 m are 34 px
    for _ in range(trajectory.frame_count):
        ids = cut(np.full((SIZE, SIZE), WALL, np.int32), touched)
        writers["ids"].append(np.ascontiguousarray(ids, np.int32))
        writers["depth"].append(np.where(ids == ROD, AWAY_M, AWAY_M + ahead_m).astype(np.float32))
    write_camera_file(folder / "camera.npz", path)
    files = {}
    for name, writer in writers.items():
        writer.close()
        files[f"{name}.npz"] = file_record(folder / f"{name}.npz", "array", writer.digest)
    return Subject("front", folder, files, assets, trajectory)


def as_drawn(wall: NDArray[Any], touched: NDArray[np.bool_]) -> NDArray[Any]:
    """The rod, a pixel wide to each side of where it passes."""
    return np.where(touched, ROD, wall)


def test_a_rod_between_the_centres_is_no_error(tmp_path: Path) -> None:
    subject = filmed(tmp_path / "front", as_drawn)
    assert not (surfaces(subject, 0)[1] == ROD).any()
    check = ids_match_surfaces(subject)
    assert check.passed is True, check.line()
    assert check.measured["wrong_share"] == 0


@pytest.mark.parametrize("cut", [
    lambda wall, touched: np.where(np.roll(touched, 5, axis=1), ROD, wall),
    lambda wall, touched: np.where(np.abs(COLUMNS - ROWS) <= 5, ROD, wall),
    lambda wall, touched: np.where(np.abs(COLUMNS - ROWS) <= 1, ROD, wall),
    lambda wall, touched: np.where(touched.T[::-1], ROD, wall),
], ids=["beside", "far too wide", "too long", "along the other diagonal"])  # fmt: skip
def test_errors_of_a_thin_part_are_caught(cut: Cut, tmp_path: Path) -> None:
    check = ids_match_surfaces(filmed(tmp_path / "front", cut))
    assert check.passed is False
    assert check.measured["wrong_share"] > check.limits["wrong_share"]


def test_a_thin_part_behind_another_does_not_show(tmp_path: Path) -> None:
    check = ids_match_surfaces(filmed(tmp_path / "front", as_drawn, ahead_m=-0.01))
    assert check.passed is False, "a centimetre behind the wall"
