"""Parts of which only a sliver is seen: sound ones pass, planted errors are caught.

They are cut by the picture's edge, or stand behind another part of nearly their outline, as the far finger of a gripper
behind the near one. Splats may be a pixel wider than the surface that they stand for. Here the pictures are the
surfaces, drawn beyond the picture's edge, grown by a pixel and cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.checking.base import FEWEST_PX, Subject, grown
from simvid.checking.support import ids_match_surfaces, surfaces
from simvid.clips.arrays import ArrayFile, ArrayWriter
from simvid.clips.camera_file import write_camera_file
from simvid.clips.digests import file_record
from simvid.clips.records import FileRecord
from simvid.rendering.camera import camera_path
from simvid.scene import Camera, CameraPose
from simvid.scene.lenses import Lens, Pinhole
from simvid.scene.sensors import Rolling, Shutter
from simvid.surfaces.draw import SurfaceArtist
from simvid.surfaces.meshes import SurfaceMeshes
from simvid.testing.staging import Prop, box_mesh, matte, staged
from simvid.trajectory import Trajectory

Cut: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
SIZE, AWAY_M, MARGIN = 96, 1.0, 4
PIXEL_M = 2 * AWAY_M * np.tan(np.radians(25)) / SIZE
POST_M = (0.2, 0.02, 0.5)
SIGHTS_PX = (-1.6, -0.8, 0.2, 1.6, 2.4, 30.0)
"""How far the post's side reaches into the picture, frame by frame; less than 0 is outside."""
CAMERAS: dict[str, dict[str, Any]] = {
    "plain": {},
    "distorted": {"lens": Lens(pinhole=Pinhole(k1=-0.05))},
    "rolling": {"shutter": Shutter(rolling=Rolling(readout_s=0.001))},
}


def filmed(folder: Path, cut: Cut = lambda ids: ids, **options: Any) -> Subject:
    """A post that comes into the picture from the left; ``cut`` plants an error in the ids [H, W] of each frame."""
    pose = CameraPose(look_from_m=(0, -AWAY_M - POST_M[1] / 2, 0), look_at_m=(0, 0, 0))
    camera = Camera(name="front", resolution_px=(SIZE, SIZE), fov_y_deg=50, pose=pose, **options)
    way = np.tile([0.0, 0, 0, 1, 0, 0, 0], (len(SIGHTS_PX), 1))
    way[:, 0] = (np.array(SIGHTS_PX) - SIZE / 2) * PIXEL_M - POST_M[0] / 2
    assets, trajectory = staged([Prop("post", (matte(box_mesh(POST_M)),), way)], [camera], frames=len(SIGHTS_PX))
    return stored(folder, assets, trajectory, camera, cut, wider_px=(1,))


def gripping(folder: Path, cut: Cut = lambda ids: ids) -> Subject:
    """A far finger (1) that is hidden behind a near one (2); of the far one a pixel is seen around the near one."""
    pose = CameraPose(look_from_m=(0, -AWAY_M - POST_M[1] / 2, 0), look_at_m=(0, 0, 0))
    camera = Camera(name="front", resolution_px=(SIZE, SIZE), fov_y_deg=50, pose=pose)
    near = Prop("near", (matte(box_mesh(POST_M)),))
    behind_m = 0.1
    outline = (AWAY_M + behind_m) / AWAY_M - 0.01
    size_m = (outline * POST_M[0], POST_M[1], outline * POST_M[2])
    far = Prop("far", (matte(box_mesh(size_m)),), np.array([0.0, behind_m, 0, 1, 0, 0, 0]))
    assets, trajectory = staged([far, near], [camera])
    return stored(folder, assets, trajectory, camera, cut, wider_px=(1, 0))


def stored(
    folder: Path, assets: SceneAssets, trajectory: Trajectory, camera: Camera, cut: Cut, *, wider_px: Sequence[int]
) -> Subject:
    """The folder of a camera that sees each part so much wider than it is; the last is in front."""
    path = camera_path(camera, assets.scene, trajectory)
    artist = SurfaceArtist(SurfaceMeshes.of(assets), trajectory, path, margin_px=MARGIN)
    inner = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    folder.mkdir()
    writers = {name: ArrayWriter(folder / f"{name}.npz") for name in ("ids", "depth")}
    for i in range(trajectory.frame_count):
        ids = np.zeros((SIZE, SIZE), np.int32)
        for k, px in enumerate(wider_px, start=1):
            ids[grown(artist.mask(i, [k]), px)[inner]] = k
        writers["depth"].append(np.where(ids > 0, np.float32(AWAY_M), np.float32(np.inf)))
        writers["ids"].append(np.ascontiguousarray(cut(ids)))
    write_camera_file(folder / "camera.npz", path)
    files: dict[str, FileRecord] = {}
    for name, writer in writers.items():
        writer.close()
        files[f"{name}.npz"] = file_record(folder / f"{name}.npz", "array", writer.digest)
    return Subject("front", folder, files, assets, trajectory)


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_sliver_at_the_edge_is_no_error(camera: str, tmp_path: Path) -> None:
    check = ids_match_surfaces(filmed(tmp_path / "front", **CAMERAS[camera]))
    assert check.passed is True, check.line()
    assert check.measured["wrong_share"] == 0


@pytest.mark.parametrize("cut", [
    np.zeros_like,
    lambda ids: np.where(np.arange(SIZE) < 4, 0, ids).astype(np.int32),
    lambda ids: np.roll(ids, 4, axis=1),
    lambda ids: np.where(np.arange(SIZE) < 3, 1, ids).astype(np.int32),
], ids=["nothing", "the edge is missing", "beside", "a post at the edge that is not there"])  # fmt: skip
def test_errors_at_the_edge_are_caught(cut: Cut, tmp_path: Path) -> None:
    check = ids_match_surfaces(filmed(tmp_path / "front", cut))
    assert check.passed is False
    assert check.measured["wrong_share"] > check.limits["wrong_share"]


def test_a_rim_around_what_hides_a_thing_is_no_error(tmp_path: Path) -> None:
    subject = gripping(tmp_path / "front")
    assert not (surfaces(subject, 0)[1] == 1).any()
    assert np.count_nonzero(ArrayFile(subject.folder / "ids.npz").stack() == 1) >= FEWEST_PX
    check = ids_match_surfaces(subject)
    assert check.passed is True, check.line()
    assert check.measured["wrong_share"] == 0


def narrower(px: int) -> Cut:
    """The near one so much narrower than it is; what it hides shows there."""
    return lambda ids: np.where((ids == 2) & grown(ids != 2, px), 1, ids).astype(np.int32)


def test_a_rim_in_what_hides_a_thing_is_no_error(tmp_path: Path) -> None:
    subject = gripping(tmp_path / "front", narrower(1))
    far, m = ArrayFile(subject.folder / "ids.npz").stack()[0] == 1, subject.artist.margin_px
    assert (far & (surfaces(subject, 0)[1][m:-m, m:-m] == 2)).any()
    check = ids_match_surfaces(subject)
    assert check.passed is True, check.line()
    assert check.measured["wrong_share"] == 0


@pytest.mark.parametrize("cut", [
    lambda ids: np.where(ids == 2, 1, ids).astype(np.int32),
    lambda ids: np.where((ids == 2) & (np.indices(ids.shape)[1] % 8 == 0), 1, ids).astype(np.int32),
    lambda ids: np.where(grown(ids > 0, 3) & (ids == 0), 1, ids).astype(np.int32),
    narrower(4),
], ids=["in place of the other", "it shines through", "its rim is wide", "far in the other"])  # fmt: skip
def test_more_than_a_rim_is_caught(cut: Cut, tmp_path: Path) -> None:
    check = ids_match_surfaces(gripping(tmp_path / "front", cut))
    assert check.passed is False
    assert check.measured["wrong_share"] > check.limits["wrong_share"]
