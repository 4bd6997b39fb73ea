"""OpenEXR sequences, read back by OpenEXR."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from simvid.clip import Clip
from simvid.export.exr import AXES, Exr, channels, linear
from simvid.export.job import export
from simvid.frames import Frame
from simvid.testing.exporting import ExporterContract


class TestExr(ExporterContract):
    kind = Exr


def test_openexr_reads_every_value(exported_clip: Clip, tmp_path: Path) -> None:
    written = export([exported_clip.path], "exr", tmp_path / "out")
    assert set(written["labels"]) == Exr.holds & {
        "alpha", "depth", "depth_surface", "depth_sensor", "ids", "normals", "object_coords", "flow", "scene_flow",
        "occlusion",
    }  # fmt: skip
    for camera in ("front", "side"):
        lookup = exported_clip.trajectory.instance_ids()
        for t in range(3):
            frame = exported_clip.frame(camera, t)
            path = tmp_path / "out" / f"{exported_clip.path.name}_{camera}" / f"frame_{t:05d}.exr"
            with OpenEXR.File(str(path), separate_channels=True) as file:
                planes = {name: channel.pixels for name, channel in file.channels().items()}
                header = dict(file.header())
            assert frame.ids is not None
            wanted: dict[str, Any] = {
                "alpha.A": frame.alpha, "depth.Z": frame.depth, "depth_expected.Z": frame.depth_expected,
                "depth_surface.Z": frame.depth_surface, "depth_sensor.Z": frame.depth_sensor,
                "part.id": frame.ids, "instance.id": lookup[frame.ids],
                "occluded.forward": frame.occluded_forward, "occluded.backward": frame.occluded_backward,
            }  # fmt: skip
            for layer, values in (("normal", frame.normals), ("object_coords", frame.object_coords),
                                  ("scene_flow", frame.scene_flow)):  # fmt: skip
                assert values is not None
                wanted |= {f"{layer}.{axis}": values[..., k] for k, axis in enumerate(AXES)}
            for layer, values in (("flow", frame.flow_forward), ("flowbw", frame.flow_backward)):
                assert values is not None
                wanted |= {f"{layer}.{axis}": values[..., k] for k, axis in enumerate("uv")}
            for name, values in wanted.items():
                assert np.array_equal(planes[name], values, equal_nan=values.dtype.kind == "f"), name
            assert planes["part.id"].dtype == np.uint32
            assert set(planes) == {*wanted, "R", "G", "B", "A"}
            back = np.stack([planes[c].astype(np.float64) for c in "RGB"], axis=-1)
            srgb = np.where(back <= 0.0031308, 12.92 * back, 1.055 * back ** (1 / 2.4) - 0.055)
            assert (np.rint(srgb * 255) == frame.rgb).all()
            assert header["simvid.content_hash"] == exported_clip.content_hash
            pose = json.loads(header["simvid.world_from_camera"])
            assert (np.array(pose) == exported_clip.cameras[camera].world_from_camera[t]).all()


def test_traced_pictures_are_linear_light_as_the_others() -> None:
    codes = np.arange(256, dtype=np.uint8)[:, None, None] // np.array([1, 2, 4], np.uint8)
    found = channels(Frame(np.zeros_like(codes), traced=codes), np.zeros(1, np.int32))
    assert "traced" in Exr.holds
    assert set(found) == {"R", "G", "B", "traced.R", "traced.G", "traced.B"}
    for k, name in enumerate("RGB"):
        assert found[f"traced.{name}"].dtype == np.float16
        np.testing.assert_array_equal(found[f"traced.{name}"], linear(codes)[..., k])


def test_every_byte_survives_as_half() -> None:
    codes = np.arange(256, dtype=np.uint8)
    light = linear(codes).astype(np.float64)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert (np.rint(srgb * 255) == codes).all()
