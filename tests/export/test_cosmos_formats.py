"""Cosmos-Transfer 2.5 and Cosmos 3: counts, sizes, paths and captions as their loaders ask; controls by OpenCV."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.export.base import ExportError
from simvid.export.controls import palette
from simvid.export.cosmos3 import Cosmos3
from simvid.export.cosmos_transfer import CosmosTransfer
from simvid.export.job import export
from simvid.testing.exporting import ExporterContract

ANY = {"min_frames": 1}


class TestCosmosTransfer(ExporterContract):
    kind = CosmosTransfer
    options = ANY


class TestCosmos3(ExporterContract):
    kind = Cosmos3
    options = ANY


def decoded(path: Path) -> NDArray[np.uint8]:
    capture = cv2.VideoCapture(str(path))
    found: list[Any] = []
    while True:
        there, picture = capture.read()
        if not there:
            return np.asarray(np.stack(found)[..., ::-1], np.uint8)
        found.append(picture)


def check_depth(video: NDArray[np.uint8], clip: Clip, camera: str, about: dict[str, Any], count: int) -> None:
    """One scale for the whole clip, near is bright, and depth comes back to a step."""
    depth = clip.frames(camera, ["depth"]).depth
    assert depth is not None
    inverse = np.where(np.isfinite(depth[:count]), 1 / depth[:count], 0)
    low, high = about["inverse_low_per_m"], about["inverse_high_per_m"]
    assert (low, high) == (inverse[inverse > 0].min(), inverse.max())
    assert (video[..., 0] == video[..., 1]).all()
    assert np.abs(video[..., 0] / 255 * (high - low) + low - np.maximum(inverse, low)).max() <= (high - low) / 509
    assert video.max() == 255


def check_seg(video: NDArray[np.uint8], clip: Clip, camera: str, about: dict[str, Any]) -> None:
    ids = clip.frames(camera, ["ids"]).ids
    assert ids is not None
    parts = clip.trajectory.parts
    for k, part in enumerate(parts, start=1):
        assert ((video == about[part.instance]).all(axis=-1) == (ids[: len(video)] == k)).all()
    assert ((video == 0).all(axis=-1) == (ids[: len(video)] == 0)).all()


def test_cosmos_transfer_reads_every_value(second_clip: Clip, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export([second_clip.path], "cosmos-transfer", out, options=ANY)
    for camera in ("front", "side"):
        stem = f"{second_clip.path.name}_{camera}"
        rgb = second_clip.frames(camera, ()).rgb
        video = decoded(out / f"videos/{stem}.mp4")
        assert video.shape == rgb.shape
        assert np.abs(video.astype(int) - rgb).mean() < 4
        about = json.loads((out / f"sidecars/{stem}.json").read_text())
        check_depth(decoded(out / f"depth/{stem}.mp4"), second_clip, camera, about["depth"], 5)
        check_seg(decoded(out / f"seg/{stem}.mp4"), second_clip, camera, about["seg"])
        assert json.loads((out / f"captions/{stem}.json").read_text()) == {
            "caption": "A ball and a box fly past a post."
        }
        spec = json.loads((out / f"inference/{stem}.json").read_text())
        for path in (spec["video_path"], spec["depth"]["control_path"], spec["seg"]["control_path"]):
            assert (out / "inference" / path).is_file()
        assert (spec["guidance"], spec["seed"], spec["edge"]) == (3.0, 5, {"control_weight": 1.0})


def test_cosmos_transfer_of_several_views(exported_clip: Clip, tmp_path: Path) -> None:
    export([exported_clip.path], "cosmos_transfer", tmp_path / "out", options={**ANY, "layout": "multi_view"})
    for camera in ("front", "side"):
        for folder in ("videos", "control_input_depth", "control_input_seg"):
            assert len(decoded(tmp_path / f"out/{folder}/{camera}/{exported_clip.path.name}.mp4")) == 1
        assert (tmp_path / f"out/captions/{camera}/{exported_clip.path.name}.json").is_file()


def test_cosmos3_records_are_those_of_the_loader(second_clip: Clip, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export([second_clip.path], "cosmos3", out, options=ANY)
    records = [json.loads(line) for line in (out / "data.jsonl").read_text().splitlines()]
    assert [r["control_type"] for r in records] == ["edge", "blur", "depth", "seg"] * 2
    for record in records:
        video = decoded(out / record["vision_path"])
        assert video.shape == (record["nb_frames"], record["height"], record["width"], 3)
        assert record["nb_frames"] % 4 == 1
        assert record["duration"] == record["nb_frames"] / record["framerate"] <= 61
        if record["control_type"] in ("depth", "seg"):
            assert decoded(out / record["control_path"]).shape == video.shape
        (window,) = record["t2w_windows"]
        assert (window["start_frame"], window["end_frame"], window["temporal_interval"]) == (0, 4, 1)
        caption = json.loads(window["caption_json"])
        assert caption["subjects"] == ["ball", "cube", "post"]
        assert caption["cinematography"] == ("moving camera" if "side" in record["uuid"] else "static camera")
        spec = json.loads((out / f"specs/{record['uuid']}.json").read_text())
        assert spec["model_mode"] == "video2video"
        assert (out / "specs" / spec["vision_path"]).is_file()
    assert len({r["uuid"] for r in records}) == len(records)


@pytest.mark.parametrize(("name", "least"), [("cosmos_transfer", 93), ("cosmos3", 61)])
def test_short_clips_are_refused(exported_clip: Clip, tmp_path: Path, name: str, least: int) -> None:
    with pytest.raises(ExportError, match=f"{least} frames or more, the clip has 3; .* --option min_frames=1"):
        export([exported_clip.path], name, tmp_path / "out")


def test_colours_of_instances_are_far_apart() -> None:
    colors = palette(24).astype(int)
    assert (colors[0] == 0).all()
    apart = np.abs(colors[:, None] - colors[None]).sum(axis=-1) + 1000 * np.eye(25, dtype=int)
    assert apart.min() > 24
