"""Each measure of the gate against closed forms; none needs the probe's weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from simvid.checking.gate.agreement import colour_change, contact_region, cores, depth_error, log_light, mask_agreement
from simvid.checking.gate.limits import GateLimits, Limit
from simvid.checking.gate.over_time import flicker, moves_on, own_time, residual, warp_error, warp_ratio
from simvid.checking.gate.scores import ClipScores, GateFrame, small, worst_of
from simvid.checking.gate.verdict import judge, lasting, measures
from simvid.checking.probe.files import shipped_limits
from simvid.checking.probe.net import EVIDENCE, CompareNet, ProbeNet, Reading, detail, evidence, outline_of
from simvid.checking.probe.reading import compared, see

H, W = 60, 80
ALL = np.ones((H, W), np.bool_)


def textured(seed: int = 0, width: int = W) -> NDArray[np.uint8]:
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(H, width, 3)), (1.5, 1.5, 0))
    return np.asarray(np.clip(128 + 40 * noise / noise.std(), 0, 255), np.uint8)


def tensor(picture: NDArray[np.uint8]) -> torch.Tensor:
    return torch.tensor(picture).permute(2, 0, 1)[None].float() / 127.5 - 1


def fine(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Detail of a picture, [H, W]."""
    return np.asarray(detail(tensor(picture))[0, 0].numpy())


def reading(**changed: torch.Tensor) -> Reading:
    """Of a flat picture that faces the camera, without any outline."""
    maps = {"log_depth": torch.zeros(H, W), "outline": torch.full((H, W), -20.0), "tilt": torch.zeros(H, W)} | changed
    flat = torch.zeros(H, W)
    normals = [flat, maps["tilt"].sin(), -maps["tilt"].cos()]
    outputs = torch.stack([maps["log_depth"], *normals, maps["outline"], flat, flat])
    return Reading(outputs[None], torch.zeros(1, 24, H // 2, W // 2))


def found_in(
    new: NDArray[np.uint8], old: NDArray[np.uint8], readings: tuple[Reading, Reading] | None = None
) -> NDArray[np.float32]:
    """Evidence, [H, W, 6]; of flat readings where none are given."""
    made = evidence((tensor(new), tensor(old)), readings or (reading(), reading()))
    return np.asarray(made[0].permute(1, 2, 0).numpy())


def test_equal_pictures_give_no_evidence() -> None:
    picture = textured()
    found = found_in(picture, picture)
    assert found.shape == (H, W, len(EVIDENCE))
    assert np.abs(found).max() < 1e-5


def test_contrast_and_light_are_no_evidence_of_detail() -> None:
    picture = textured()
    dimmer = np.round(40 + 0.5 * picture.astype(np.float64)).astype(np.uint8)
    assert found_in(dimmer, picture)[..., 4:].mean() < 0.02
    assert found_in(textured(1), picture)[..., 4:].mean() > 0.5, "another texture is"


def test_evidence_of_what_the_probe_reads() -> None:
    """Depth: less than half of the picture a tenth farther. Normals: turned by 60 degrees."""
    picture, depth = textured(), torch.zeros(H, W)
    depth[:, : W // 2 - 4] = 0.1
    tilted = torch.full((H, W), math.pi / 3)
    found = found_in(picture, picture, (reading(log_depth=depth, tilt=tilted), reading()))
    assert found[0, 0, 0] == pytest.approx(0.1)
    assert found[0, -1, 0] == 0
    np.testing.assert_allclose(found[..., 1], 0.5, atol=1e-5)


def test_outlines_may_be_two_pixels_off() -> None:
    picture, (old, near, far) = textured(), (torch.full((H, W), -20.0) for _ in range(3))
    old[:, 20], near[:, 22], far[:, 23] = 20, 20, 20
    same, new = (found_in(picture, picture, (reading(outline=x), reading(outline=old))) for x in (near, far))
    assert same[..., 2:4].max() < 1e-6
    assert new[:, 23, 2].min() > 0.999
    assert new[:, 20, 3].min() > 0.999


def test_the_comparison_reads_any_size_and_sees_both_pictures() -> None:
    torch.manual_seed(0)
    probe, compare = ProbeNet().eval(), CompareNet().eval()
    old, new = textured()[:37, :51], textured(1)[:37, :51]
    ids = np.ones((37, 51), np.int32)
    one, two = see(probe, old), see(probe, new)
    same, maps = compared(compare, one, one, ids)
    other, _ = compared(compare, two, one, ids)
    assert same.shape == (19, 26)
    assert maps.shape == (37, 51, len(EVIDENCE))
    assert np.abs(same - other).max() > 1e-4


def test_outlines_of_labels() -> None:
    ids = torch.ones(1, 4, 5, dtype=torch.int32)
    ids[0, :, 3:] = 2
    np.testing.assert_array_equal(outline_of(ids)[0], np.tile([0, 0, 1, 1, 0], (4, 1)))


def test_the_worst_of_some_values() -> None:
    assert worst_of(np.array([3.0, 1, 5, 2]), 2) == 4
    assert worst_of(np.array([3.0]), 24) == 3


def test_a_known_shift_leaves_no_residual() -> None:
    wide = textured(0, W + 3)
    before, after = wide[:, 3:], wide[:, :W]  # what was at u is now at u + 3
    flow = np.tile(np.array([-3, 0], np.float32), (H, W, 1))
    right, counts = residual((before, after), flow, ALL)
    assert counts[:, :3].sum() == 0, "came in from outside"
    assert warp_error(right, counts) == 0
    still, _ = residual((before, after), np.zeros_like(flow), ALL)
    assert warp_error(still, ALL) > 10
    assert warp_ratio(7.0, 7.0) == 1
    assert warp_ratio(15.0, 3.0) == 4


def test_flicker_is_a_jump_of_brightness() -> None:
    picture = np.full((H, W, 3), 100, np.uint8)
    jumped, counts = residual((picture, picture + 5), np.zeros((H, W, 2), np.float32), ALL)
    assert flicker(jumped, counts) == pytest.approx(5)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 5, (H, W, 3)).astype(np.float32)
    assert flicker(noise, ALL) < 0.4, "noise is none"


def test_own_time_and_motion() -> None:
    wide = textured(0, W + 4)
    old, now, new = wide[:, 4:], wide[:, 2 : W + 2], wide[:, :W]
    before, own, after = fine(old), fine(now), fine(new)
    around = before, own, after
    assert own_time(own, around, ALL) == pytest.approx(1)
    assert own_time(after, around, ALL) == pytest.approx(-1, abs=0.15)
    assert own_time(before, around, ALL) == pytest.approx(-1, abs=0.15)
    assert math.isnan(own_time(own, (own, own, own), ALL)), "nothing moves"
    assert moves_on((old, now), (old, now), ALL) == pytest.approx(1)
    assert moves_on((old, old), (old, now), ALL) == 0
    assert math.isnan(moves_on((old, old), (old, old), ALL))
    assert math.isnan(moves_on((old, now), (old, now), ~ALL))


def test_depth_error_is_up_to_a_scale() -> None:
    depth = np.linspace(1, 3, H * W, dtype=np.float32).reshape(H, W)
    depth[0] = np.inf
    log = np.log(np.where(np.isfinite(depth), depth, 1.0)).astype(np.float32)
    assert depth_error(log + 7, depth) == pytest.approx(0, abs=1e-6)
    off = np.where(np.arange(W) % 2, 0.2, -0.2).astype(np.float32)
    assert depth_error((log + off).astype(np.float32), depth) == pytest.approx(0.2, abs=1e-4)
    assert math.isnan(depth_error(log, np.full((H, W), np.inf, np.float32)))


def boxed(left: int) -> NDArray[np.int32]:
    ids = np.ones((H, W), np.int32)
    ids[20:40, left : left + 20] = 2
    return ids


def outlined(ids: NDArray[np.int32]) -> NDArray[np.float32]:
    edge = np.zeros(ids.shape, np.float32)
    edge[:, 1:] = np.maximum(edge[:, 1:], ids[:, 1:] != ids[:, :-1])
    edge[1:] = np.maximum(edge[1:], ids[1:] != ids[:-1])
    return edge


def test_masks_agree_with_outlines_that_fit() -> None:
    """A box of 20 px moved by d covers (20 - d) / (20 + d) of the union; one pixel of outline may go to either side."""
    ids = boxed(30)
    same = mask_agreement(outlined(ids), ids, cores(ids), (1, 2))
    assert same[2] > 0.88
    assert same[1] > 0.97
    for d in (2, 4):
        moved = mask_agreement(outlined(boxed(30 + d)), ids, cores(ids), (2,))
        assert moved[2] == pytest.approx((20 - d) / (20 + d), abs=0.12)


def test_parts_touch_where_their_depths_meet() -> None:
    ids, depth = boxed(30), np.full((H, W), 2.0, np.float32)
    depth[ids == 2] = 1.5
    assert not contact_region(ids, depth).any()
    depth[39, 30:50] = 1.98  # its lowest row stands on what is below
    found = contact_region(ids, depth)
    assert found[39, 40]
    assert not found[20, 40]


def test_hue_is_compared_with_the_rest() -> None:
    """A factor of e on green alone: logarithms 0, 1, 0 less their mean, root mean square sqrt(2) / 3."""
    mask = boxed(30) == 2
    gap = np.zeros((H, W, 3), np.float32)
    gap[mask, 1] = 1
    assert colour_change(gap, mask, ~mask) == pytest.approx(math.sqrt(2) / 3)
    gap[~mask, 1] = 1
    assert colour_change(gap, mask, ~mask) == pytest.approx(0)
    picture = np.array([[[0, 255, 255]]], np.uint8)
    np.testing.assert_allclose(log_light(picture)[0, 0, :2], [math.log(0.02), math.log(1.02)], atol=1e-6)


def test_paint_on_a_part_of_a_region_counts_in_full() -> None:
    mask = np.zeros((40, 40), np.bool_)
    mask[5:35, 5:35] = True
    gap = np.zeros((40, 40, 3), np.float32)
    gap[5:17, 5:35, 1] = 1
    assert colour_change(gap, mask, ~mask) == pytest.approx(math.sqrt(2) / 3, rel=1e-4), "two fifths of it"
    gap[8:, :, 1] = 0
    assert colour_change(gap, mask, ~mask) == pytest.approx(0, abs=1e-6), "a tenth is no paint"
    gap[..., 1] = np.where(np.indices((40, 40)).sum(axis=0) % 2, 1, -1)
    assert colour_change(gap, mask, ~mask) < 0.05, "nor is texture"


def test_what_lasts() -> None:
    assert lasting(np.array([0, 9, 0, 0.0])) == 0, "one frame does not"
    assert lasting(np.array([0, 9, 8, 0.0])) == 8
    assert lasting(np.array([np.nan, 4, np.nan])) == 4
    assert math.isnan(lasting(np.array([np.nan])))


def test_large_pictures_are_judged_small() -> None:
    picture = np.zeros((512, 600, 3), np.uint8)
    picture[::2] = 200
    flow = np.full((512, 600, 2), 4, np.float32)
    ones = np.ones((512, 600), np.int32)
    frame = GateFrame(picture, picture, ones.astype(np.float32), ones, flow, ones < 0)
    made, factor = small(frame)
    assert factor == 2
    assert made.refined.shape == (256, 300, 3)
    assert (made.refined == 100).all()
    assert (made.flow_backward == 2).all()


def scored(**changed: float) -> ClipScores:
    """Six frames of two instances, as identity scores them, and changes to frames."""
    base = {"mismatch": -4.0, "contact_mismatch": -4.0, "edge_f1": 1.0, "blur_ssim": 1.0, "depth_error": 0.3,
            "coarse_depth_error": 0.3, "mask_iou": 0.8, "coarse_mask_iou": 0.8, "warp_error": 2.0,
            "coarse_warp_error": 2.0, "warp_ratio": 1.0, "flicker": 0.0, "own_time": 1.0, "moves_on": 1.0}  # fmt: skip
    thing = {"mismatch": -5.0, "iou": 0.8, "coarse_iou": 0.8, "hue": 0.0, "depth_gap": 0.0}
    bad = {**thing, **{name.removeprefix("thing_"): v for name, v in changed.items() if name.startswith("thing_")}}
    series = {name: np.full(6, changed.get(name, value)) for name, value in base.items()}
    return ClipScores(
        series, {1: {k: np.full(6, v) for k, v in thing.items()}, 2: {k: np.full(6, v) for k, v in bad.items()}},
        np.zeros((6, 3)), np.zeros((6, 2), np.int64),
    )  # fmt: skip


LIMITS = GateLimits(
    weights_sha256="",
    clip={"mismatch": Limit(most=1), "instance_mismatch": Limit(most=1), "robot_hue": Limit(most=0.1),
          "own_time": Limit(least=0), "warp_ratio": Limit(most=2)},
    instance={"mismatch": Limit(most=1), "iou_loss": Limit(most=0.3), "depth_gap": Limit(most=0.2)},
)  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        ({}, ()),
        ({"mismatch": 2.0}, ("mismatch",)),
        ({"thing_mismatch": 2.0}, ("instance_mismatch",)),
        ({"thing_hue": 0.5}, ("robot_hue",)),
        ({"own_time": -0.5}, ("own_time",)),
        ({"own_time": np.nan, "warp_ratio": 3.0}, ("warp_ratio",)),
    ],
)
def test_what_is_beyond_a_limit_is_rejected(changed: dict[str, float], failed: tuple[str, ...]) -> None:
    verdict = judge(scored(**changed), LIMITS, robots=(2,))
    assert verdict.failed == failed
    assert verdict.accepted == (not failed)


@pytest.mark.parametrize(
    ("changed", "held"),
    [
        ({}, (True, True, True)),
        ({"thing_mismatch": 2.0}, (False, False, True)),
        ({"thing_iou": 0.4}, (False, False, True)),
        ({"thing_depth_gap": 0.5}, (True, False, True)),
        ({"thing_hue": 0.5}, (True, True, False)),
    ],
)
def test_validity_of_labels_is_told_for_each_instance(changed: dict[str, float], held: tuple[bool, ...]) -> None:
    sound, other = judge(scored(**changed), LIMITS, robots=(2,)).instances
    assert (sound.masks, sound.depth, sound.colour) == (True, True, None)
    assert (other.masks, other.depth, other.colour) == held


def test_paint_that_comes_late_is_paint() -> None:
    made = scored()
    made.instances[2]["hue"][-3:] = 0.5
    verdict = judge(made, LIMITS, robots=(2,))
    assert verdict.failed == ("robot_hue",)
    assert verdict.instances[1].colour is False
    made.instances[2]["hue"][-2:] = 0.0
    assert judge(made, LIMITS, robots=(2,)).accepted, "one frame is none"


def test_all_limits_have_their_measure() -> None:
    assert set(shipped_limits().clip) == set(measures(scored(), (2,)))
    with pytest.raises(ValueError, match="got some of mismach"):
        judge(scored(), LIMITS.model_copy(update={"clip": {"mismach": Limit(most=-100)}}))


def test_a_picture_of_the_frame_beside_is_beyond_the_limit() -> None:
    least = shipped_limits().clip["own_time"].least
    assert least is not None
    assert least > -1, "what such a picture scores"
