"""Kubric's folder, read by the rules of MOVi's own builder (challenges/movi), without TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from simvid.clip import Clip
from simvid.export.job import export
from simvid.export.kubric import Kubric
from simvid.motion import distance, world_normals
from simvid.testing.exporting import ExporterContract
from simvid.trajectory import pose_matrices

LAYERS = ("rgba", "segmentation", "forward_flow", "backward_flow", "depth", "normal", "object_coordinates")


class TestKubric(ExporterContract):
    kind = Kubric


@pytest.fixture(scope="module")
def folder(exported_clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kubric") / "out"
    export([exported_clip.path], "kubric", out)
    return out


def layer(folder: Path, name: str) -> NDArray[Any]:
    """As ``load_scene_directory`` reads it: samples as they are stored, palettes as numbers."""
    found = []
    for t in range(3):
        path = folder / f"{name}_{t:05d}.{'tiff' if name == 'depth' else 'png'}"
        if name in ("segmentation", "depth"):
            found.append(np.array(Image.open(path)))
        else:
            picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert picture is not None
            found.append(picture[..., [2, 1, 0, 3]] if picture.shape[2] == 4 else picture[..., ::-1])
    return np.stack(found)


def test_the_folder_is_complete(folder: Path) -> None:
    """As ``is_complete_dir`` counts: files by the beginning of their names."""
    for place in folder.iterdir():
        if place.is_dir():
            names = [p.name for p in place.iterdir()]
            assert {"data_ranges.json", "metadata.json", "events.json"} <= set(names)
            assert {len([n for n in names if n.startswith(key)]) for key in LAYERS} == {3}


@pytest.mark.parametrize("camera", ["front", "side"])
def test_every_value_comes_back(folder: Path, exported_clip: Clip, camera: str) -> None:
    place = folder / f"{exported_clip.path.name}_{camera}"
    frames, path = exported_clip.frames(camera), exported_clip.cameras[camera]
    assert frames.ids is not None
    assert frames.normals is not None
    assert frames.object_coords is not None
    assert frames.depth is not None
    rgba = layer(place, "rgba")
    assert (rgba[..., :3] == frames.rgb).all()
    assert (rgba[..., 3] == 255).all()
    assert (layer(place, "segmentation") == np.maximum(frames.ids - 1, 0)).all()  # part 1 is the ground
    away = np.stack([distance(path, d) for d in frames.depth])
    there = np.isfinite(away)
    depth = layer(place, "depth")
    assert depth.dtype == np.float32
    assert (depth[there] == away[there].astype(np.float32)).all()
    assert (depth[~there] == depth[there].max()).all()
    ranges = json.loads((place / "data_ranges.json").read_text())
    for name in ("forward", "backward"):
        low, high = ranges[f"{name}_flow"]["min"], ranges[f"{name}_flow"]["max"]
        flow = layer(place, f"{name}_flow")[..., :2] / 65535 * (high - low) + low
        true = np.nan_to_num(getattr(frames, f"flow_{name}"))
        assert np.abs(flow[..., ::-1] - true).max() <= (high - low) / 65535
    normals = layer(place, "normal") / 65535 * 2 - 1
    world = np.stack([world_normals(path, t, frames.normals[t]) for t in range(3)])
    assert np.abs(normals - world).max() <= 2 / 65535
    places = layer(place, "object_coordinates") / 65535
    assert np.abs(places - np.nan_to_num(frames.object_coords)).max() <= 1 / 65535


@pytest.mark.parametrize("camera", ["front", "side"])
def test_metadata_are_kubrics(folder: Path, exported_clip: Clip, camera: str) -> None:
    place = folder / f"{exported_clip.path.name}_{camera}"
    tree = json.loads((place / "metadata.json").read_text())
    path, trajectory, frames = exported_clip.cameras[camera], exported_clip.trajectory, exported_clip.frames(camera)
    assert tree["metadata"]["resolution"] == [path.width, path.height]
    assert tree["metadata"]["num_frames"] == 3
    assert [i["asset_id"] for i in tree["instances"]] == ["ball", "cube", "post"]
    assert frames.ids is not None
    for k, thing in enumerate(tree["instances"], start=1):
        assert thing["positions"] == trajectory.poses[:, k, :3].tolist()
        assert thing["quaternions"] == trajectory.poses[:, k, 3:].tolist()
        assert thing["velocities"] == trajectory.twists[:, k, :3].tolist()
        assert thing["visibility"] == (frames.ids == k + 1).sum(axis=(1, 2)).tolist()
        for t, box in zip(thing["bbox_frames"], thing["bboxes"], strict=True):
            rows, columns = np.nonzero(frames.ids[t] == k + 1)
            tight = [rows.min() / path.height, columns.min() / path.width,
                     (rows.max() + 1) / path.height, (columns.max() + 1) / path.width]  # fmt: skip
            assert np.allclose(box, tight)
        corners = np.array(thing["bboxes_3d"])
        inside = np.linalg.inv(pose_matrices(trajectory.poses[:, k]))
        local = np.einsum("tab,tcb->tca", inside[:, :3, :3], corners) + inside[:, None, :3, 3]
        assert np.allclose(local[:, 0], exported_clip.record.parts[k].box_m[0])  # type: ignore[index]
        assert np.allclose(local[:, 7], exported_clip.record.parts[k].box_m[1])  # type: ignore[index]
    assert tree["instances"][2]["is_dynamic"] is False
    camera_tree = tree["camera"]
    K, flip = np.array(camera_tree["K"]), np.diag([1, -1, -1])
    pose = np.concatenate([camera_tree["positions"], camera_tree["quaternions"]], axis=1)
    matrices = pose_matrices(pose)
    for t in range(3):
        """Kubric's projection: K after the camera along -z gives shares of the picture."""
        point = trajectory.poses[t, 1, :3]
        seen = K @ (matrices[t, :3, :3].T @ (point - matrices[t, :3, 3]))
        assert np.allclose(seen[:2] / seen[2], tree["instances"][0]["image_positions"][t])
        assert np.allclose(matrices[t, :3, :3] @ flip, path.world_from_camera[t, :3, :3])
    events = json.loads((place / "events.json").read_text())["collisions"]
    assert [(e["instances"], e["frame"]) for e in events] == [([0, 1], 0)]
    assert np.isclose(events[0]["force"], 0.5 * 24)
