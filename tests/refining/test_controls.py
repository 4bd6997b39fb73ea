"""Control videos against their formulas, and Canny and the colour wheel against well-known implementations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from simvid.errors import SimvidError
from simvid.frames import CameraPath, Frames
from simvid.perception.edges import canny
from simvid.refining import controls
from simvid.refining.controls import CONTROLS, control_videos
from simvid.testing.refining import sample_frames


@pytest.fixture(scope="module")
def frames() -> Frames:
    count = 3
    K = np.array([[48.0, 0, 24], [0, 48, 16], [0, 0, 1]])
    return Frames.stack(CameraPath("front", 48, 32, K, np.tile(np.eye(4), (count, 1, 1))), sample_frames(count))


def test_all_are_videos(frames: Frames) -> None:
    found = control_videos(frames, CONTROLS, protected=[2])
    assert tuple(found) == CONTROLS
    for name, video in found.items():
        assert video.shape == (3, 32, 48, 3), name
        assert video.dtype == np.uint8, name
        assert np.ptp(video) > 0, name


def test_disparity_is_linear_in_one_over_z_with_one_range_for_the_clip() -> None:
    inverse = np.linspace(0.1, 1.0, 2 * 20 * 20).reshape(2, 20, 20)
    depth = (1 / inverse).astype(np.float32)
    video = controls.disparity(depth)[..., 0].astype(float)
    low, high = np.percentile(inverse, [1, 99])
    assert np.abs(video - 255 * np.clip((inverse - low) / (high - low), 0, 1)).max() <= 0.51
    assert video[0].max() < 140 < video[1].max() == 255, "the nearer frame is brighter"
    depth[0, 0, 0] = np.inf
    assert controls.disparity(depth)[0, 0, 0].tolist() == [0, 0, 0]
    assert controls.disparity(np.full((1, 4, 4), np.inf, np.float32)).max() == 0


def test_the_wheel_has_the_main_colours_in_their_places() -> None:
    flow = np.zeros((2, 1, 6, 2), np.float32)
    flow[:, 0] = np.array([[1, 0], [-1, 0], [0, 0], [np.nan, 0], [0, 1], [0.5, 0]])
    picture = controls.flow_wheel(flow)[0, 0].astype(int)
    assert picture[0].tolist() == [255, 0, 0], "to the right is red"
    assert picture[1, 0] < 30, "to the left is its opposite, between cyan and blue"
    assert picture[1, 2] == 255
    assert picture[2].tolist() == [255, 255, 255]
    assert picture[3].tolist() == [0, 0, 0]
    assert picture[4, 1] > picture[4, 2], "down is yellow to green"
    assert np.abs(picture[5] - [255, 127, 127]).max() <= 1, "half as far is half as saturated"


def test_t_flow_maps_for_t_frames(frames: Frames) -> None:
    flow = np.random.default_rng(0).normal(size=(4, 6, 6, 2)).astype(np.float32)
    flow[3] = np.nan
    video = controls.flow_wheel(flow)
    assert len(video) == 4
    assert np.array_equal(video[0], video[1])
    assert not np.array_equal(video[1], video[2])
    assert video[3].max() > 0, "the map of the last pair, not of the last frame"


def test_canny_is_opencv_s() -> None:
    rng = np.random.default_rng(0)
    picture: Any = np.zeros((64, 80), np.uint8)
    for _ in range(12):
        y, x, h, w = rng.integers(0, 60), rng.integers(0, 70), rng.integers(5, 25), rng.integers(5, 25)
        picture[y : y + h, x : x + w] = rng.integers(0, 255)
    picture = cv2.GaussianBlur(picture, (5, 5), 1.2)
    mine, theirs = canny(picture, 100, 200), cv2.Canny(picture, 100, 200) > 0
    near = cv2.dilate(theirs.astype(np.uint8), np.ones((3, 3))) > 0
    near_mine = cv2.dilate(mine.astype(np.uint8), np.ones((3, 3))) > 0
    assert theirs.sum() > 200
    assert (mine & near).sum() > 0.97 * mine.sum()
    assert (theirs & near_mine).sum() > 0.97 * theirs.sum()
    assert not canny(np.full((9, 9), 7.0), 100, 200).any()


def test_a_step_has_one_line_of_edge() -> None:
    picture = np.zeros((10, 12))
    picture[:, 6:] = 200
    assert canny(picture, 100, 200).sum(axis=1).tolist() == [1] * 10
    assert not canny(picture / 10, 100, 200).any(), "too weak"


def test_the_palette_tells_parts_apart_and_never_changes() -> None:
    few = controls.palette(np.arange(5, dtype=np.int32).reshape(1, 1, 5))[0, 0]
    many = controls.palette(np.arange(60, dtype=np.int32).reshape(1, 1, 60))[0, 0].astype(int)
    assert np.array_equal(few, many[:5])
    assert few[0].tolist() == [0, 0, 0]
    apart = np.abs(many[:, None] - many[None]).max(axis=-1) + 999 * np.eye(60, dtype=int)
    assert apart[:20, :20].min() > 20
    assert apart.min() > 5


def test_blur_keeps_the_mean_and_takes_the_detail() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (1, 128, 128, 3)).astype(np.uint8)
    soft = controls.blur(rgb)
    assert abs(soft.mean() - rgb.mean()) < 1
    assert soft.std() == pytest.approx(rgb.std() / (2 * np.sqrt(np.pi) * 2), rel=0.1), "white noise under sigma 2"


def test_the_mask_keeps_what_is_protected(frames: Frames) -> None:
    assert frames.ids is not None
    mask = control_videos(frames, ["mask"], protected=[2])["mask"]
    assert np.array_equal(mask[..., 0] == 0, frames.ids == 2)
    assert control_videos(frames, ["mask"])["mask"].min() == 255


@pytest.mark.parametrize(("name", "array", "label"), [("disparity", "depth", "depth"), ("flow", "flow_forward", "flow"),
                                                      ("palette", "ids", "ids")])  # fmt: skip
def test_a_missing_label_is_named(frames: Frames, name: str, array: str, label: str) -> None:
    bare: dict[str, Any] = {array: None}
    with pytest.raises(SimvidError, match=f"{name} needs the label '{label}'"):
        control_videos(replace(frames, **bare), [name])


def test_an_unknown_control_is_named(frames: Frames) -> None:
    with pytest.raises(SimvidError, match="disparity, flow, edges, palette, blur, mask, got sketch"):
        control_videos(frames, ["sketch"])
