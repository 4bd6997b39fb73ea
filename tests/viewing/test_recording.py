"""The recording, read back by rerun's own reader, holds the numbers of the clip."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.clip import Clip
from simvid.errors import MissingExtraError, SimvidError
from simvid.testing.recording import Read
from simvid.trajectory import Contacts, RobotMotion
from simvid.viewing.content import Content
from simvid.viewing.looks import covered, looks_of
from simvid.viewing.recording import Recorder, camera_path, part_path, write_recording

MOST = 3000


@pytest.fixture(scope="module")
def acting_clip(flying_clip: Clip) -> Clip:
    """The same clip with a robot's numbers and some contacts."""
    clip = Clip(flying_clip.path, flying_clip.record)
    t = flying_clip.frame_count
    wave = np.arange(2.0 * t).reshape(t, 2) / 7
    robot = RobotMotion("arm", ("elbow", "wrist 2"), wave, wave + 1, wave + 2, wave + 3)
    contacts = Contacts(
        frame=np.array([1, 1], np.int32), time_s=np.zeros(2), id_a=np.array([1, 2], np.int32),
        id_b=np.array([2, 3], np.int32), point_m=np.arange(6.0).reshape(2, 3), normal=np.tile([0.0, 0, 1], (2, 1)),
        impulse_n_s=np.array([[0, 0, -2.0], [1, 0, 0]]), depth_m=np.zeros(2), event=np.zeros(2, np.uint8),
    )  # fmt: skip
    clip.__dict__["trajectory"] = replace(flying_clip.trajectory, robots=(robot,), contacts=contacts)
    return clip


@pytest.fixture(scope="module")
def read(acting_clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Read:
    path = tmp_path_factory.mktemp("recordings") / "flying.rrd"
    assert write_recording(acting_clip, path, MOST) == ""
    assert [p.name for p in path.parent.iterdir()] == ["flying.rrd"], "nothing else is left"
    return Read(path)


def test_time_is_in_frames_and_seconds(read: Read, acting_clip: Clip) -> None:
    assert read.times == {k: {round(k / acting_clip.fps, 6)} for k in range(acting_clip.frame_count)}
    assert read.recording.application_id == "simvid"
    assert read.recording.recording_id == f"flying-{acting_clip.content_hash[:16]}"


def test_parts_move_as_in_the_clip(read: Read, acting_clip: Clip) -> None:
    poses = acting_clip.trajectory.poses
    for k, part in enumerate(acting_clip.trajectory.parts):
        place, turn = (read(part_path(part.name), f"Transform3D:{n}") for n in ("translation", "quaternion"))
        frames: list[int | None] = [None] if part.fixed or part.kind == "ground" else list(range(len(poses)))
        assert sorted(place, key=str) == frames, part.name
        for frame in frames:
            expected = poses[frame or 0, k]
            assert np.allclose(place[frame], expected[:3], atol=1e-6)
            assert np.allclose(turn[frame], expected[[4, 5, 6, 3]], atol=1e-6)


def test_boxes_and_splats_hang_below_their_parts(read: Read, acting_clip: Clip) -> None:
    box = Content(acting_clip).part("cube").box_m
    assert box is not None
    assert np.allclose(read(part_path("cube") + "/box", "Boxes3D:half_sizes")[None], (box[1] - box[0]) / 2, atol=1e-6)
    assert np.allclose(read(part_path("cube") + "/box", "Boxes3D:centers")[None], box.mean(axis=0), atol=1e-6)
    assert read(part_path("cube") + "/box", "Boxes3D:class_ids")[None] == [3]
    ball = next(look for look in looks_of(acting_clip, covered(acting_clip, MOST)[1]) if look.id == 2)
    path = part_path("ball") + "/splats"
    assert np.allclose(read(path, "GaussianSplats3D:centers")[None], ball.means)
    assert np.allclose(read(path, "GaussianSplats3D:scales")[None], ball.scales)
    assert np.allclose(read(path, "GaussianSplats3D:quaternions")[None], ball.quats[:, [1, 2, 3, 0]])
    colors = np.array(read(path, "GaussianSplats3D:colors")[None], np.uint32)
    assert ((colors >> 24) == ball.colors[:, 0]).all()
    assert ((colors & 255) == np.rint(ball.opacities * 255)).all()


@pytest.mark.parametrize("name", ["front", "side"])
def test_cameras_and_what_they_saw(read: Read, acting_clip: Clip, name: str) -> None:
    from PIL import Image

    path, camera = camera_path(name), acting_clip.cameras[name]
    assert np.allclose(read(path, "Pinhole:image_from_camera")[None], camera.K.T.ravel()), "column after column"
    assert read(path, "Pinhole:resolution")[None] == [[camera.width, camera.height]]
    for index, frame in enumerate(acting_clip.stream(name)):
        pose = camera.world_from_camera[index]
        assert np.allclose(read(path, "Transform3D:translation")[index], pose[:3, 3], atol=1e-6)
        assert np.allclose(read(path, "Transform3D:mat3x3")[index], pose[:3, :3].T.ravel(), atol=1e-6)
        assert frame.depth is not None
        assert frame.ids is not None
        picture = np.asarray(Image.open(io.BytesIO(blob(read(f"{path}/rgb", "EncodedImage:blob")[index]))))
        assert (picture == frame.rgb).all()
        depth = np.frombuffer(blob(read(f"{path}/depth", "DepthImage:buffer")[index]), np.float32)
        assert (depth.reshape(frame.depth.shape) == np.where(np.isfinite(frame.depth), frame.depth, 0)).all()
        ids = np.frombuffer(blob(read(f"{path}/ids", "SegmentationImage:buffer")[index]), np.uint16)
        assert (ids.reshape(frame.ids.shape) == frame.ids).all()
        assert read(f"{path}/normals", "EncodedImage:media_type")[index] == ["image/jpeg"]
        labels = read(f"{path}/boxes", "Boxes2D:labels")[index]
        assert "post" in labels
        assert "ground" not in labels
        half = read(f"{path}/boxes", "Boxes2D:half_sizes")[index][labels.index("post")]
        rows, columns = np.nonzero(frame.ids == 4)
        assert half == [np.ptp(columns) / 2 + 0.5, np.ptp(rows) / 2 + 0.5]


def blob(value: Any) -> bytes:
    return bytes(value[0])


def test_contacts_come_and_go(read: Read, acting_clip: Clip) -> None:
    points, arrows = (
        read("world/contacts/points", "Points3D:positions"), read("world/contacts/impulses", "Arrows3D:vectors"),
    )  # fmt: skip
    expected = Content(acting_clip).contacts(1)
    assert np.allclose(points[1], expected.points)
    assert np.allclose(arrows[1], expected.arrows[:, 1] - expected.arrows[:, 0], atol=1e-6)
    assert points[0] == points[2] == arrows[3] == []
    assert [v[0] for _, v in sorted(read("contacts/count", "Scalars:scalars").items(), key=str)] == [0, 2, 0, 0]
    assert read("contacts/impulse_n_s", "Scalars:scalars")[1] == [3.0]


def test_joints_are_series(read: Read, acting_clip: Clip) -> None:
    robot = acting_clip.trajectory.robots[0]
    for what in ("positions", "targets", "velocities", "efforts"):
        rows = read(f"joints/arm/wrist\\ 2/{what}", "Scalars:scalars")
        assert [rows[k][0] for k in range(len(rows))] == pytest.approx(getattr(robot, what)[:, 1])


def test_ids_have_names_and_colours(read: Read, acting_clip: Clip) -> None:
    ((table,),) = [v.values() for (_, name), v in read.values.items() if name == "AnnotationContext:context"]
    known = {row["class_description"]["info"]["id"]: row["class_description"]["info"] for row in table[0]}
    assert [known[k]["label"] for k in range(5)] == ["scenery", "ground", "ball", "cube", "post"]
    red, green, blue = (int(v) for v in Content(acting_clip).colors[2])
    assert known[2]["color"] == red << 24 | green << 16 | blue << 8 | 255


def test_what_cannot_be_written_is_refused(flying_clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(SimvidError, match=r"ends in \.rrd"):
        write_recording(flying_clip, tmp_path / "a.mp4", MOST)
    with pytest.raises(SimvidError, match="make it first"):
        write_recording(flying_clip, tmp_path / "no" / "a.rrd", MOST)


def test_a_missing_package_names_the_extra(flying_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MissingExtraError, match=r"simvid log needs the package 'rerun-sdk': .*\[view\]"):
        Recorder(flying_clip, tmp_path / "a.rrd")
