"""Labels become channels: ranges, closed forms, what is missing, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simvid.errors import SimvidError
from simvid.refining.conditions import (
    BRIGHTEST,
    CHANNELS,
    GROUPS,
    LAST,
    OPTIONAL,
    channel_slice,
    decode_light,
    depth_scale,
    encode_frame,
    encode_light,
    reading,
    stack,
)
from simvid.testing.refining import sample_frames


def labels(**more: Any) -> dict[str, Any]:
    frame = sample_frames(1)[0]
    return {"rgb": frame.rgb, **frame.labels, **more}


def channels(found: Any, group: str) -> Any:
    return found.channels[0, channel_slice(group)]


def test_the_order_is_frozen() -> None:
    assert CHANNELS == 29
    assert list(GROUPS) == ["coarse", "disparity", "surface", "normals", "albedo", "roughness", "metallic",
                            "light_diffuse", "light_specular", "ambient_occlusion", "surface_albedo",
                            "surface_normals", "traced"]  # fmt: skip
    assert reading(traced=False) == {"conditions": 26, "optional": 11}, "older weights go on to read what they did"
    assert reading(traced=True) == {"conditions": 29, "optional": 12}
    assert OPTIONAL[-1] == list(GROUPS)[-1] == LAST
    assert channel_slice("normals") == slice(5, 8)
    with pytest.raises(KeyError):
        channel_slice("mood")


def test_a_frame_with_buffers() -> None:
    depth = np.full((32, 48), 3.0, np.float32)
    depth[0] = np.inf
    light = np.full((32, 48, 3), 0.5, np.float16)
    albedo = np.full((32, 48, 3), 0.25, np.float16)
    found = encode_frame(labels(depth=depth, light_diffuse=light, albedo=albedo), 1.0)
    assert np.allclose(channels(found, "disparity")[0, 1:], 0.25)
    assert np.all(channels(found, "disparity")[0, 0] == 0)
    assert np.all(channels(found, "surface")[0] == np.isfinite(depth))
    assert np.allclose(channels(found, "albedo"), 0.5)
    assert np.allclose(channels(found, "light_diffuse"), np.log(5) / np.log(129))
    assert np.allclose(channels(found, "coarse"), np.moveaxis(labels()["rgb"] / 127.5 - 1, -1, 0), atol=1e-6)
    there = dict(zip(OPTIONAL, found.present, strict=True))
    assert there == {"depth": 1, "motion": 1, "normals": 1, "albedo": 1, "roughness": 0, "metallic": 0,
                     "light_diffuse": 1, "light_specular": 0, "ambient_occlusion": 0, "surface_albedo": 0,
                     "surface_normals": 0, "traced": 0}  # fmt: skip


def test_the_traced_picture_is_encoded_as_the_coarse_one() -> None:
    found = encode_frame(labels(traced=labels()["rgb"]), 1.0)
    assert np.array_equal(channels(found, "traced"), channels(found, "coarse"))
    assert found.present[OPTIONAL.index("traced")] == 1


def test_disparity_does_not_know_the_unit() -> None:
    depth = np.random.default_rng(0).uniform(1, 9, (32, 48)).astype(np.float32)
    near, far = (encode_frame(labels(depth=s * depth), depth_scale(s * depth)) for s in (np.float32(1), np.float32(8)))
    assert np.allclose(near.channels, far.channels, atol=1e-6)
    assert depth_scale(None) == depth_scale(np.full((2, 2), np.inf)) == 1.0


def test_light_comes_back() -> None:
    light = np.geomspace(1e-3, BRIGHTEST, 50)
    code = encode_light(light)
    assert code[-1] == pytest.approx(1)
    assert np.allclose(decode_light(code), light, rtol=1e-3)
    assert encode_light(np.array([1e6]))[0] == pytest.approx(1)


def test_motion_that_is_unknown_is_not_followed() -> None:
    flow = labels()["flow_backward"].copy()
    flow[3, 4] = np.nan
    hidden = labels()["occluded_backward"].copy()
    hidden[5, 6] = True
    found = encode_frame(labels(flow_backward=flow, occluded_backward=hidden), 1.0)
    assert found.visible.sum() == 32 * 48 - 2
    assert found.visible[0, 0, 3, 4] == found.visible[0, 0, 5, 6] == 0
    assert np.isfinite(found.flow).all()
    still = encode_frame({"rgb": labels()["rgb"]}, 1.0)
    assert still.visible.sum() == 0
    assert still.present.sum() == 0


@pytest.mark.parametrize("name", ["depth", "normals"])
def test_nan_is_refused(name: str) -> None:
    broken = labels()[name].copy()
    broken[1, 2] = np.nan
    with pytest.raises(SimvidError, match=f"frame 7: {name} has"):
        encode_frame(labels(**{name: broken}), 1.0, where="frame 7")


def test_frames_must_be_alike() -> None:
    one, other = encode_frame(labels(), 1.0), encode_frame({"rgb": labels()["rgb"]}, 1.0)
    assert len(stack([one, one])) == 2
    with pytest.raises(
        SimvidError, match="frame 1: expected the labels of frame 0; it differs in depth, motion, normals"
    ):
        stack([one, other])
    with pytest.raises(SimvidError, match="got none"):
        stack([])


@pytest.mark.parametrize("hidden", [("depth",), ("motion", "albedo"), tuple(OPTIONAL)])
def test_hiding_is_as_if_it_had_not_been_there(hidden: tuple[str, ...]) -> None:
    shape = (32, 48, 3)
    light = np.full(shape, 0.5, np.float16)
    whole = labels(albedo=light, light_diffuse=light, light_specular=light, roughness=light[..., 0],
                   metallic=light[..., 0], ambient_occlusion=light[..., 0])  # fmt: skip
    gone = {"motion": ("flow_backward", "occluded_backward")}
    away = {label for name in hidden for label in gone.get(name, (name,))}
    found, wanted = encode_frame(whole, 2.0).without(hidden), encode_frame(
        {name: value for name, value in whole.items() if name not in away}, 2.0
    )  # fmt: skip
    for name in ("channels", "flow", "visible", "present"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name
