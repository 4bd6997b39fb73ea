"""KITTI and Middlebury / Sintel files, read back by OpenCV and by the layouts of their devkits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.export.flo import Flo, raw
from simvid.export.job import export
from simvid.export.kitti import Kitti, depth_code, flow_code
from simvid.testing.exporting import ExporterContract


class TestKitti(ExporterContract):
    kind = Kitti


class TestFlo(ExporterContract):
    kind = Flo


def read(path: Path) -> NDArray[Any]:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None, path
    return np.asarray(picture)


def kitti_flow(path: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """As the devkit's ``flow_read`` has it."""
    rgb = read(path)[..., ::-1].astype(float)
    return (rgb[..., :2] - 2**15) / 64, rgb[..., 2] > 0


def test_kitti_reads_every_value(exported_clip: Clip, tmp_path: Path) -> None:
    export([exported_clip.path], "kitti", tmp_path / "out")
    for camera in ("front", "side"):
        frames, stem = exported_clip.frames(camera), f"{exported_clip.path.name}_{camera}"
        assert frames.flow_forward is not None
        assert frames.depth is not None
        assert frames.occluded_forward is not None
        for t in range(3):
            name = f"{stem}/{t:06d}_10.png"
            assert (read(tmp_path / "out/image_2" / name)[..., ::-1] == frames.rgb[t]).all()
            depth, there = read(tmp_path / "out/depth" / name) / 256, np.isfinite(frames.depth[t])
            assert ((depth > 0) == (there & (frames.depth[t] < 256))).all()
            assert np.abs(depth - frames.depth[t])[depth > 0].max() <= 1 / 512
            if t == 2:
                assert not (tmp_path / "out/flow_occ" / name).exists()
                continue
            flow, known = kitti_flow(tmp_path / "out/flow_occ" / name)
            assert (known == np.isfinite(frames.flow_forward[t]).all(axis=-1)).all()
            assert np.abs(flow - frames.flow_forward[t])[known].max() <= 1 / 128
            _, seen = kitti_flow(tmp_path / "out/flow_noc" / name)
            assert (seen == (known & ~frames.occluded_forward[t])).all()
            assert seen.sum() < known.sum()
        words = (tmp_path / "out/calib" / f"{stem}.txt").read_text().split()
        K = np.array(words[1:], float).reshape(3, 4)
        assert np.allclose(K[:, :3] + [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]], exported_clip.cameras[camera].K)


def test_kitti_channels_are_in_order(tmp_path: Path) -> None:
    """u = 1, v = -2: R = 2^15 + 64, G = 2^15 - 128."""
    flow = np.full((2, 3, 2), [1.0, -2.0], np.float32)
    flow[0, 0] = np.nan
    flow[0, 1] = [512.1, 0]
    code = flow_code(flow)
    assert code[1, 1].tolist() == [2**15 + 64, 2**15 - 128, 1]
    assert code[0, 0].tolist() == code[0, 1].tolist() == [0, 0, 0]
    assert depth_code(np.array([[np.inf, 300, 1, 1e-4]], np.float32)).tolist() == [[0, 0, 256, 0]]


def test_flo_reads_every_value(exported_clip: Clip, tmp_path: Path) -> None:
    export([exported_clip.path], "flo", tmp_path / "out")
    root = tmp_path / "out" / "training"
    for camera in ("front", "side"):
        frames, stem = exported_clip.frames(camera), f"{exported_clip.path.name}_{camera}"
        path = exported_clip.cameras[camera]
        assert frames.flow_forward is not None
        assert frames.depth is not None
        assert frames.occluded_forward is not None
        for t in range(3):
            name = f"{stem}/frame_{t + 1:04d}"
            assert (read(root / "clean" / f"{name}.png")[..., ::-1] == frames.rgb[t]).all()
            data = np.fromfile(root / "depth" / f"{name}.dpt", "<f4")
            assert (data[0], data[1:3].view("<i4").tolist()) == (202021.25, [path.width, path.height])
            assert (data[3:].reshape(frames.depth[t].shape) == frames.depth[t]).all()
            cam = (root / "camdata_left" / f"{name}.cam").read_bytes()
            assert np.frombuffer(cam[:4], "<f4")[0] == np.float32(202021.25)
            K, pose = np.frombuffer(cam[4:76], "<f8").reshape(3, 3), np.frombuffer(cam[76:], "<f8").reshape(3, 4)
            assert (K[0, 2], K[0, 0]) == (path.K[0, 2] - 0.5, path.K[0, 0])
            assert (pose == path.camera_from_world[t, :3]).all()
            if t == 2:
                assert not (root / "flow" / f"{name}.flo").exists()
                continue
            flow = cv2.readOpticalFlow(str(root / "flow" / f"{name}.flo"))
            known = np.isfinite(frames.flow_forward[t]).all(axis=-1)
            assert (flow[known] == frames.flow_forward[t][known]).all()
            assert (np.abs(flow[~known]) > 1e9).all()
            assert ((read(root / "invalid" / f"{name}.png") == 255) == ~known).all()
            assert ((read(root / "occlusions" / f"{name}.png") == 255) == frames.occluded_forward[t]).all()


def test_flo_header() -> None:
    assert raw(np.zeros((2, 3, 2), np.float32))[:12] == b"PIEH\x03\0\0\0\x02\0\0\0"
