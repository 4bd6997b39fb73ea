"""3-D boxes of a body that deforms are those of the label ``boxes_3d``, frame by frame, in every format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.export.job import Choice, export
from simvid.surfaces.boxes import box_arrays
from simvid.trajectory import ParticleMotion, Trajectory, pose_matrices

BALL, NAME = 1, "ball"


@pytest.fixture
def melting(exported_clip: Clip, monkeypatch: pytest.MonkeyPatch) -> Clip:
    """The ball is eight particles that spread sideways and sink."""
    trajectory = exported_clip.trajectory
    rest = 0.05 * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    scale = np.array([[1, 1, 1], [1.5, 1.25, 0.75], [2, 1.5, 0.5]])
    poses = pose_matrices(trajectory.poses[:, BALL])
    places = np.einsum("tab,tpb->tpa", poses[:, :3, :3], rest * scale[:, None]) + poses[:, None, :3, 3]
    deformation = np.zeros((3, 8, 3, 3), np.float32)
    motion = ParticleMotion(NAME, BALL, trajectory.parts[BALL].instance_id, "solid", places.astype(np.float32),
                            deformation, rest)  # fmt: skip
    deformed = replace(trajectory, particles=(motion,))
    monkeypatch.setattr(Clip, "trajectory", property(lambda self: deformed))
    return exported_clip


def world_corners(clip: Clip) -> NDArray[np.float64]:
    """Of the ball, as the label has them, [T, 8, 3]."""
    trajectory: Trajectory = clip.trajectory
    boxes = np.array([np.full((2, 3), np.nan) if p.box_m is None else p.box_m for p in clip.record.parts])
    camera = clip.cameras["front"]
    label = box_arrays(trajectory, camera, boxes)
    (row,) = np.flatnonzero(label["part_id"] == BALL + 1)
    seen = np.asarray(label["corners_camera_m"], np.float64)[:, row]
    pose = camera.world_from_camera
    corners: NDArray[np.float64] = np.einsum("tab,tcb->tca", pose[:, :3, :3], seen) + pose[:, None, :3, 3]
    assert np.ptp(corners[2, :, 2]) < 0.8 * np.ptp(corners[0, :, 2])
    return corners


def test_kubric(melting: Clip, tmp_path: Path) -> None:
    export([melting.path], "kubric", tmp_path / "out", choice=Choice(("front",)))
    tree = json.loads((tmp_path / "out" / f"{melting.path.name}_front" / "metadata.json").read_text())
    (ball,) = (i for i in tree["instances"] if i["asset_id"] == NAME)
    assert np.allclose(ball["bboxes_3d"], world_corners(melting), atol=1e-9)


def test_mcap(melting: Clip, tmp_path: Path) -> None:
    export([melting.path], "mcap", tmp_path / "out", choice=Choice(("front",), ("boxes_3d",)))
    with (tmp_path / "out" / f"{melting.path.name}.mcap").open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        scenes = [m for _, c, _, m in reader.iter_decoded_messages() if c.topic == "/scene"]
    poses = pose_matrices(melting.trajectory.poses[:, BALL])
    for scene, pose, corners in zip(scenes, poses, world_corners(melting), strict=True):
        (cube,) = next(e for e in scene.entities if e.id == NAME).cubes
        local = (corners - pose[:3, 3]) @ pose[:3, :3]
        assert np.allclose(xyz(cube.size), np.ptp(local, axis=0))
        assert np.allclose(xyz(cube.pose.position), local.mean(axis=0))


def xyz(vector: Any) -> list[float]:
    return [vector.x, vector.y, vector.z]
