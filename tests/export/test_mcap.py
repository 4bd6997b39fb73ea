"""MCAP, read back by mcap and its protobuf decoder; videos by PyAV."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import av
import numpy as np
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

from simvid.clip import Clip
from simvid.export.boxes import box_rows
from simvid.export.job import Choice, export
from simvid.export.mcap import Mcap
from simvid.testing.exporting import JOINTS, ExporterContract


class TestMcap(ExporterContract):
    kind = Mcap


def test_every_message_comes_back(exported_clip: Clip, tmp_path: Path) -> None:
    export([exported_clip.path], "mcap", tmp_path / "out")
    found: dict[str, list[Any]] = defaultdict(list)
    times: dict[str, list[int]] = defaultdict(list)
    with (tmp_path / "out" / f"{exported_clip.path.name}.mcap").open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        for _, channel, message, decoded in reader.iter_decoded_messages():
            found[channel.topic].append(decoded)
            times[channel.topic].append(message.log_time)
        (attachment,) = reader.iter_attachments()
    assert json.loads(attachment.data)["content_hash"] == exported_clip.content_hash
    wanted = [0, 41666667, 83333333]
    assert set(times) == {"/tf", "/joint_states", "/joint_targets", "/scene"} | {
        f"/{c}/{what}" for c in ("front", "side") for what in ("calibration", "video", "depth", "ids", "boxes")
    }
    assert all(t == wanted for t in times.values())
    trajectory, robot = exported_clip.trajectory, exported_clip.trajectory.robots[0]
    for t in range(3):
        frames = {x.child_frame_id: x for x in found["/tf"][t].transforms}
        for k, part in enumerate(trajectory.parts):
            x = frames[part.name]
            pose = [x.translation.x, x.translation.y, x.translation.z,
                    x.rotation.w, x.rotation.x, x.rotation.y, x.rotation.z]  # fmt: skip
            assert pose == trajectory.poses[t, k].tolist()
        joints = found["/joint_states"][t].joints
        assert [j.name for j in joints] == [f"arm.{n}" for n in JOINTS]
        assert [j.position for j in joints] == robot.positions[t].tolist()
        assert [j.velocity for j in joints] == robot.velocities[t].tolist()
        assert [j.position for j in found["/joint_targets"][t].joints] == robot.targets[t].tolist()
        entities = {e.id: e for e in found["/scene"][t].entities}
        box = np.array(exported_clip.record.parts[1].box_m)
        cube = entities["ball"].cubes[0]
        assert np.allclose([cube.size.x, cube.size.y, cube.size.z], box[1] - box[0])
        (contact,) = entities["contacts"].metadata
        assert contact.key == "ball cube"
        assert [float(v) for v in contact.value.split(",")] == trajectory.contacts.impulse_n_s[t].tolist()
    for camera in ("front", "side"):
        check_camera(exported_clip, camera, found, tmp_path)


def check_camera(clip: Clip, camera: str, found: dict[str, list[Any]], folder: Path) -> None:
    frames, path = clip.frames(camera), clip.cameras[camera]
    assert frames.depth is not None
    assert frames.ids is not None
    decoder: Any = av.CodecContext.create("h264", "r")
    pictures = []
    for message in found[f"/{camera}/video"]:
        assert message.format == "h264"
        assert message.data[:4] == b"\0\0\0\1"
        pictures += [f.to_ndarray(format="rgb24") for f in decoder.decode(av.Packet(message.data))]
    pictures += [f.to_ndarray(format="rgb24") for f in decoder.decode(None)]
    assert len(pictures) == 3
    from simvid.export.base import View

    rows = box_rows(View(clip, camera, "x"))
    for t in range(3):
        assert np.abs(pictures[t].astype(int) - frames.rgb[t]).mean() < 8
        depth, ids = found[f"/{camera}/depth"][t], found[f"/{camera}/ids"][t]
        assert (np.frombuffer(depth.data, "<f4").reshape(depth.height, depth.width) == frames.depth[t]).all()
        assert (np.frombuffer(ids.data, "<u2").reshape(ids.height, ids.width) == frames.ids[t]).all()
        assert (depth.step, depth.encoding, ids.encoding) == (4 * path.width, "32FC1", "16UC1")
        K = np.array(found[f"/{camera}/calibration"][t].K).reshape(3, 3)
        assert np.allclose(K + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]), path.K)
        boxes = found[f"/{camera}/boxes"][t]
        seen = [r for r in rows[t] if r["x_min"]]
        assert [x.text for x in boxes.texts] == [r["instance"] for r in seen]
        for loop, row in zip(boxes.points, seen, strict=True):
            assert (loop.points[0].x, loop.points[2].y) == (float(row["x_min"]) - 0.5, float(row["y_max"]) - 0.5)


def test_labels_may_be_left_out(exported_clip: Clip, tmp_path: Path) -> None:
    export([exported_clip.path], "mcap", tmp_path / "out", choice=Choice(("side",), ()))
    with (tmp_path / "out" / f"{exported_clip.path.name}.mcap").open("rb") as file:
        topics = {c.topic for _, c, _ in make_reader(file).iter_messages()}
    assert topics == {"/tf", "/joint_states", "/joint_targets", "/side/calibration", "/side/video"}
