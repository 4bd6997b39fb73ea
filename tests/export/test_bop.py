"""BOP, read by the rules of its format page; poses, models, masks and depth must agree with each other.

``bop_toolkit_lib`` is on no package index; where it is installed, its own loaders read the same files.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from pycocotools.coco import COCO

from simvid.clip import Clip
from simvid.export.bop import Bop
from simvid.export.bop_models import diameter
from simvid.export.job import export
from simvid.testing.exporting import ExporterContract

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:pycocotools")  # its own


class TestBop(ExporterContract):
    kind = Bop


@pytest.fixture(scope="module")
def dataset(exported_clip: Clip, second_clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bop") / "out"
    export([exported_clip.path, second_clip.path], "bop", out)
    return out


def read(path: Path) -> NDArray[Any]:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None, path
    return np.asarray(picture)


def tree(path: Path) -> Any:
    return json.loads(path.read_text())


def test_every_value_comes_back(dataset: Path, exported_clip: Clip, second_clip: Clip) -> None:
    wanted = [(c, n) for c in (exported_clip, second_clip) for n in ("front", "side")]
    scenes = sorted((dataset / "train_pbr").iterdir())
    assert [s.name for s in scenes] == ["000000", "000001", "000002", "000003"]
    for scene, (clip, camera) in zip(scenes, wanted, strict=True):
        cameras, poses, infos = (tree(scene / f"scene_{n}.json") for n in ("camera", "gt", "gt_info"))
        path, frames = clip.cameras[camera], clip.frames(camera)
        assert frames.depth is not None
        assert frames.ids is not None
        assert set(cameras) == set(poses) == set(infos) == {str(t) for t in range(clip.frame_count)}
        for t in range(clip.frame_count):
            assert (read(scene / f"rgb/{t:06d}.png")[..., ::-1] == frames.rgb[t]).all()
            depth = read(scene / f"depth/{t:06d}.png") * cameras[str(t)]["depth_scale"] / 1000
            known = np.isfinite(frames.depth[t]) & (frames.depth[t] < 6.5535)
            assert ((depth > 0) == known).all()
            assert np.abs(depth - frames.depth[t])[known].max() < 5.1e-5
            K = np.array(cameras[str(t)]["cam_K"]).reshape(3, 3)
            assert np.allclose(K[:2, 2] + 0.5, path.K[:2, 2])
            world = np.hstack([np.array(cameras[str(t)]["cam_R_w2c"]).reshape(3, 3),
                               np.array(cameras[str(t)]["cam_t_w2c"])[:, None] / 1000])  # fmt: skip
            assert np.allclose(world, path.camera_from_world[t, :3])
            for n, (pose, info) in enumerate(zip(poses[str(t)], infos[str(t)], strict=True)):
                check_object(dataset, scene, clip.frame(camera, t), (t, n), pose, info, K)


def check_object(
    dataset: Path, scene: Path, frame: Any, place: tuple[int, int], pose: Any, info: Any, K: NDArray[np.float64]
) -> None:
    t, n = place
    whole = read(scene / f"mask/{t:06d}_{n:06d}.png") == 255
    seen = read(scene / f"mask_visib/{t:06d}_{n:06d}.png") == 255
    part = n + 2  # the ground is part 1
    assert (whole == frame.amodal_mask(part)).all()
    assert (seen == (frame.ids == part)).all()
    assert (info["px_count_all"], info["px_count_visib"]) == (whole.sum(), seen.sum())
    assert info["visib_fract"] == seen.sum() / whole.sum()
    rows, columns = np.nonzero(whole)
    assert info["bbox_obj"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    mesh: Any = trimesh.load(dataset / f"models/obj_{pose['obj_id']:06d}.ply", process=False)
    rotation = np.array(pose["cam_R_m2c"]).reshape(3, 3)
    points = mesh.vertices @ rotation.T + np.array(pose["cam_t_m2c"])
    places = points @ K.T
    places = places[:, :2] / places[:, 2:]
    low, high = places.min(axis=0), places.max(axis=0)
    box = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
    inside = np.array([*np.maximum(low, 0), *np.minimum(high, [whole.shape[1] - 1, whole.shape[0] - 1])])
    assert np.abs(box - inside).max() < 1.1  # the model, projected, is where the mask is
    centre = points.mean(axis=0)[2] / 1000
    assert abs(np.median(frame.depth[seen]) - centre) < 0.3


def test_pycocotools_reads_the_masks_and_boxes(dataset: Path, exported_clip: Clip, second_clip: Clip) -> None:
    scenes = sorted((dataset / "train_pbr").iterdir())
    clips = [(c, n) for c in (exported_clip, second_clip) for n in ("front", "side")]
    ignored = []
    for scene, (clip, camera) in zip(scenes, clips, strict=True):
        coco = COCO(str(scene / "scene_gt_coco.json"))
        assert coco.getCatIds() == [1, 2, 3]
        infos, poses = tree(scene / "scene_gt_info.json"), tree(scene / "scene_gt.json")
        for t in range(clip.frame_count):
            (picture,) = coco.loadImgs([t])
            assert (read(scene / picture["file_name"]).shape) == (picture["height"], picture["width"], 3)
            every = zip(poses[str(t)], infos[str(t)], strict=True)
            wanted = [(pose["obj_id"], about) for pose, about in every if about["px_count_visib"]]
            found: list[Any] = [*coco.loadAnns(coco.getAnnIds(imgIds=[t]))]
            assert [a["category_id"] for a in found] == [obj_id for obj_id, _ in wanted]
            for one, (obj_id, about) in zip(found, wanted, strict=True):
                part = obj_id + 1  # here every body is an object of its own, after the ground
                assert (coco.annToMask(one) == (clip.frame(camera, t).ids == part)).all()
                assert (one["bbox"], one["area"]) == (about["bbox_obj"], about["px_count_visib"])
                assert one["ignore"] == (about["visib_fract"] < 0.1)
                ignored.append(one["ignore"])
    assert ignored.count(False) > 10


def test_models(dataset: Path) -> None:
    infos = tree(dataset / "models/models_info.json")
    assert tree(dataset / "dataset_info.json")["objects"] == {"1": "ball", "2": "cube", "3": "post"}
    assert np.isclose(infos["2"]["diameter"], 200 * np.sqrt(3))
    assert np.isclose(infos["3"]["size_z"], 500)
    for number, info in infos.items():
        mesh: Any = trimesh.load(dataset / f"models/obj_{int(number):06d}.ply", process=False)
        assert np.allclose(mesh.bounds[0], [info[f"min_{a}"] for a in "xyz"], atol=1e-5)
        assert np.allclose(mesh.bounds.sum(axis=0), 0, atol=1e-4)
        outward = np.einsum("ij,ij->i", mesh.vertex_normals, mesh.vertices)
        assert (outward > 0).all()
        head = (dataset / f"models/obj_{int(number):06d}.ply").read_text()[:300]
        assert "format ascii 1.0" in head
        assert "property float nz" in head


def test_the_diameter_is_that_of_all_pairs() -> None:
    points = np.random.default_rng(0).normal(size=(60, 3))
    every = np.linalg.norm(points[:, None] - points[None], axis=-1).max()
    assert np.isclose(diameter(points), every)
    assert np.isclose(diameter(points * [1, 1, 0]), np.linalg.norm((points[:, None] - points)[..., :2], axis=-1).max())


def toolkit() -> Any:
    """Its module of loaders."""
    try:
        return importlib.import_module("bop_toolkit_lib.inout")
    except ImportError:
        pytest.skip("bop_toolkit_lib is not installed (it is on no package index)")


def test_the_toolkit_reads_it(dataset: Path, exported_clip: Clip) -> None:
    inout, scene = toolkit(), dataset / "train_pbr/000000"
    cameras, poses = (getattr(inout, f"load_scene_{n}")(str(scene / f"scene_{n}.json")) for n in ("camera", "gt"))
    path = exported_clip.cameras["front"]
    assert list(cameras) == list(poses) == list(range(exported_clip.frame_count))
    for t, camera in cameras.items():
        world = path.camera_from_world[t]
        assert np.allclose(camera["cam_R_w2c"], world[:3, :3])
        assert np.allclose(camera["cam_t_w2c"][:, 0] / 1000, world[:3, 3])
        assert np.allclose(camera["cam_K"][:2, :2], path.K[:2, :2])
        for pose, kept in zip(poses[t], tree(scene / "scene_gt.json")[str(t)], strict=True):
            assert pose["obj_id"] == kept["obj_id"]
            assert (pose["cam_R_m2c"].ravel() == kept["cam_R_m2c"]).all()  # which the tests above compare with the clip
            assert (pose["cam_t_m2c"].ravel() == kept["cam_t_m2c"]).all()
    for model in sorted((dataset / "models").glob("*.ply")):
        mesh: Any = trimesh.load(model, process=False)
        loaded = inout.load_ply(str(model))
        assert np.allclose(loaded["pts"], mesh.vertices)
        assert np.allclose(loaded["normals"], mesh.vertex_normals, atol=1e-4)
        assert (loaded["faces"] == mesh.faces).all()


def test_the_toolkit_reads_its_pictures(dataset: Path, exported_clip: Clip) -> None:
    inout, scene = toolkit(), dataset / "train_pbr/000000"
    if not hasattr(inout, "load_depth"):
        pytest.skip("this bop_toolkit_lib has no loaders of pictures")
    about, frames = inout.load_cam_params(str(dataset / "camera.json")), exported_clip.frames("front")
    assert about["im_size"] == (frames.rgb.shape[2], frames.rgb.shape[1])
    for t in range(exported_clip.frame_count):
        depth = inout.load_depth(str(scene / f"depth/{t:06d}.png")) * about["depth_scale"] / 1000
        assert frames.depth is not None
        assert np.abs(depth - frames.depth[t])[depth > 0].max() < 5.1e-5
        assert (inout.load_im(str(scene / f"rgb/{t:06d}.png")) == frames.rgb[t]).all()
