"""Figures against closed forms, identities and published programs."""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from simvid.errors import SimvidError
from simvid.evaluating.flip import flip, flip_map
from simvid.evaluating.sets import kernel_distance, laplacian_swd, paired_kernel_distance, wasserstein
from simvid.evaluating.table import FIGURES, Evaluation, Motion, evaluate, markdown, mean_of
from simvid.perception.pictures import edge_f1, gradient_energy_ratio, ms_ssim, psnr, ssim
from simvid.perception.stability import flow_warp_error, flow_warp_ratio

V, U = np.mgrid[:48, :64]
PICTURE = np.stack([4 * U, 5 * V, (U * V) % 256], axis=-1).astype(np.uint8)
NOISY = np.clip(PICTURE + np.random.default_rng(0).integers(-40, 40, PICTURE.shape), 0, 255).astype(np.uint8)


def texture(count: int, height: int = 64, width: int = 64, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 255, (count, height, width, 3)).astype(np.float32)
    return np.stack([cv2.GaussianBlur(n, (0, 0), 0.8) for n in noise]).astype(np.uint8)


def blurred(video: Any) -> Any:
    return np.stack([cv2.GaussianBlur(picture, (0, 0), 1.5) for picture in video])


@pytest.mark.parametrize("figure", [ssim, gradient_energy_ratio, edge_f1])
def test_equals_score_one(figure: Any) -> None:
    assert figure(PICTURE, PICTURE) == pytest.approx(1)


def test_psnr() -> None:
    grey = np.full((2, 8, 8, 3), 100, np.uint8)
    assert psnr(grey, grey + np.uint8(10)) == pytest.approx(20 * np.log10(25.5))
    assert psnr(grey, grey) == float("inf")


def test_ssim_of_flat_pictures_is_its_term_for_brightness() -> None:
    a, b, c = 100, 120, (0.01 * 255) ** 2
    one, two = (np.full((32, 32, 3), level, np.uint8) for level in (a, b))
    assert ssim(one, two) == pytest.approx((2 * a * b + c) / (a * a + b * b + c))


def test_ssim_window_by_hand() -> None:
    """One window: the formula with plain sums."""
    rng = np.random.default_rng(3)
    one, two = rng.integers(0, 255, (2, 11, 11, 3)).astype(np.uint8)
    x = np.arange(11) - 5
    w = np.exp(-(x[:, None] ** 2 + x**2) / (2 * 1.5**2))
    w /= w.sum()
    expected = []
    for k in range(3):
        a, b = one[..., k].astype(float), two[..., k].astype(float)
        ma, mb = (w * a).sum(), (w * b).sum()
        va, vb, both = (w * (a - ma) ** 2).sum(), (w * (b - mb) ** 2).sum(), (w * (a - ma) * (b - mb)).sum()
        c1, c2 = 2.55**2, 7.65**2
        expected.append((2 * ma * mb + c1) * (2 * both + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    assert ssim(one, two) == pytest.approx(np.mean(expected))


def test_ms_ssim_of_flat_pictures_keeps_brightness_of_the_last_scale_alone() -> None:
    a, b, c = 100, 120, (0.01 * 255) ** 2
    one, two = (np.full((176, 176, 3), level, np.uint8) for level in (a, b))
    assert ms_ssim(one, two) == pytest.approx(((2 * a * b + c) / (a * a + b * b + c)) ** 0.1333)
    with pytest.raises(ValueError, match="176 px"):
        ms_ssim(PICTURE, PICTURE)
    fine = texture(1, 192, 192)[0]
    assert ms_ssim(fine, fine) == pytest.approx(1)
    assert ms_ssim(blurred(fine[None])[0], fine) > ssim(blurred(fine[None])[0], fine)


@pytest.mark.parametrize(
    ("make", "published"),
    [(lambda: NOISY, 0.164908), ("patched", 0.123135), (lambda: np.roll(PICTURE, 2, 1), 0.224760),
     (lambda: 255 - PICTURE, 0.915064), (lambda: PICTURE // 2, 0.802988)],
)  # fmt: skip
def test_flip_is_nvidia_s(make: Any, published: float) -> None:
    """Numbers of flip-evaluator 1.7 with its defaults, on the same pictures."""
    picture = _patched() if make == "patched" else make()
    assert flip(picture, PICTURE) == pytest.approx(published, abs=3e-6)


def _patched() -> Any:
    other = PICTURE.copy()
    other[10:30, 20:40] = [200, 30, 30]
    return other


def test_flip_of_equals_is_zero_and_it_sees_where() -> None:
    assert flip(PICTURE, PICTURE) == 0
    error = flip_map(_patched(), PICTURE)
    assert error[15:25, 25:35].min() > 0.2
    assert error[:, 58:].max() < 0.1


def test_gradient_energy_of_stripes() -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = 100
    assert gradient_energy_ratio(stripes // 2, stripes) == pytest.approx(0.25)
    assert gradient_energy_ratio(blurred(texture(1))[0], texture(1)[0]) < 0.2


def test_edge_f1_forgives_one_pixel_and_no_more() -> None:
    def square(x: int) -> Any:
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[20:40, x : x + 20] = 220
        return picture

    assert edge_f1(square(20), square(20)) == 1
    assert edge_f1(square(21), square(20)) == 1
    assert 0.3 < edge_f1(square(24), square(20)) < 0.8, "the level edges still agree"
    assert edge_f1(np.zeros((64, 64, 3), np.uint8), square(20)) == 0
    assert edge_f1(*np.zeros((2, 16, 16, 3), np.uint8)) == 1


def test_wasserstein_of_shifted_samples_is_the_shift() -> None:
    x = np.random.default_rng(0).normal(size=(1000, 4))
    assert wasserstein(x + 0.7, x[::-1]) == pytest.approx(0.7)
    y = np.random.default_rng(1).normal(size=(200000, 1))
    z = np.random.default_rng(2).normal(size=y.shape)
    assert wasserstein(2 * y, z) == pytest.approx((2 / np.pi) ** 0.5, rel=0.02)


def test_swd_tells_blur_from_another_draw_of_the_same_texture() -> None:
    true, same, blur = texture(4), texture(4, seed=1), blurred(texture(4, seed=1))
    assert laplacian_swd(true, true) == 0
    assert laplacian_swd(same, true) < 0.3 * laplacian_swd(blur, true)


def test_kernel_distance_of_equals_has_mean_zero_and_grows() -> None:
    rng = np.random.default_rng(0)
    draws = [kernel_distance(rng.normal(size=(40, 8)), rng.normal(size=(50, 8))) for _ in range(200)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / 200**0.5
    assert kernel_distance(rng.normal(size=(40, 8)) + 1, rng.normal(size=(50, 8))) > 5 * np.std(draws)
    a, b = np.array([[1.0], [2.0]]), np.array([[0.0], [3.0]])
    by_hand = 3**3 + 1 - 2 * (1 + 4**3 + 1 + 7**3) / 4
    assert kernel_distance(a, b) == pytest.approx(by_hand)


def sliding(count: int, step: int = 2) -> tuple[Any, Any, Any]:
    """A texture that slides to the right by whole pixels, and its motion."""
    wide = texture(1, 40, 64 + count * step)[0]
    video = np.stack([wide[:, (count - t) * step : (count - t) * step + 64] for t in range(count)])
    flow = np.zeros((count, 40, 64, 2), np.float32)
    flow[..., 0] = -step
    return video, flow, np.zeros((count, 40, 64), np.bool_)


def test_flow_warp_error_of_perfect_motion_is_zero() -> None:
    video, flow, hidden = sliding(4)
    assert flow_warp_error(video, flow, hidden) == 0
    assert flow_warp_error(video, 0 * flow, hidden) > 0.1
    flicker = video.copy()
    flicker[1::2] = np.clip(video[1::2], 0, 245) + 10
    plain = np.clip(video, 0, 245)
    flicker = np.where(np.arange(4)[:, None, None, None] % 2, plain + 10, plain).astype(np.uint8)
    assert flow_warp_error(flicker, flow, hidden) == pytest.approx(10 / 255)
    assert flow_warp_ratio(flicker, flicker, flow, hidden) == pytest.approx(1)


def test_flow_warp_error_reads_half_pixels_and_leaves_out_what_is_hidden() -> None:
    ramp = np.repeat(np.arange(0, 250, 10, dtype=np.uint8)[None, :, None], 3, axis=-1).repeat(8, axis=0)
    video = np.stack([ramp, ramp + 5])
    flow = np.full((2, 8, 25, 2), np.nan, np.float32)
    flow[1] = [0.5, 0]
    hidden = np.zeros((2, 8, 25), np.bool_)
    assert flow_warp_error(video, flow, hidden) == pytest.approx(0, abs=1e-12)
    video[1, 0], hidden[1, 0] = 0, True
    flow[1, 1], video[1, 1] = np.nan, 0
    assert flow_warp_error(video, flow, hidden) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="no pixel is seen"):
        flow_warp_error(video, flow, ~hidden | True)
    with pytest.raises(ValueError, match="two frames or more"):
        flow_warp_error(video[:1], flow[:1], hidden[:1])


RATIOS = ("gradient_energy_ratio", "laplacian_swd")
NEEDY = ("ms_ssim", "lpips_like", "kid_like", "jod")


def test_paired_kernel_distance_by_hand_and_of_pairs_that_share_their_scenes() -> None:
    a, b = np.array([[1.0], [2.0]]), np.array([[0.0], [3.0]])
    assert paired_kernel_distance(a, b) == pytest.approx(3**3 + 1 - 4**3 - 1)
    rng = np.random.default_rng(0)
    draws, shifts = [], []
    for _ in range(200):
        scenes = 3 * rng.normal(size=(30, 8))
        one, two = (scenes + rng.normal(size=(30, 8)) for _ in range(2))
        draws.append(paired_kernel_distance(one, two))
        shifts.append(paired_kernel_distance(one + 1, two))
        assert paired_kernel_distance(one, one) == 0
    assert abs(np.mean(draws)) < 4 * np.std(draws) / 200**0.5, "unbiased, though rows are alike"
    assert np.mean(shifts) > 5 * np.std(draws)
    with pytest.raises(ValueError, match="two pictures or more"):
        paired_kernel_distance(a[:1], b[:1])


def test_means_over_clips_take_all_frames_as_one_set() -> None:
    rng = np.random.default_rng(1)
    sets = [(rng.normal(size=(3, 4)), rng.normal(size=(3, 4))) for _ in range(2)]
    clips = [
        Evaluation({"psnr_db": p, "kid_like": 1.0}, {"jod": "no"}, pair)
        for p, pair in zip((20.0, 30.0), sets, strict=True)
    ]
    mean = mean_of(clips)
    assert mean.figures["psnr_db"] == 25
    whole = (np.concatenate([pair[k] for pair in sets]) for k in (0, 1))
    assert mean.figures["kid_like"] == pytest.approx(1000 * paired_kernel_distance(*whole))
    assert mean.left_out == {"jod": "no"}


def test_a_mean_is_that_of_the_clips_that_have_the_figure_and_says_so() -> None:
    two = [Evaluation({"psnr_db": p, "ms_ssim": m}, {"jod": "no"}) for p, m in ((20.0, 0.9), (30.0, 0.7))]
    mean = mean_of([*two, Evaluation({"psnr_db": 40.0}, {"jod": "no", "ms_ssim": "needs pictures of 176 px or more"})])
    assert mean.figures == {"psnr_db": 30, "ms_ssim": pytest.approx(0.8)}
    why = "needs pictures of 176 px or more (the mean is that of 2 of 3 clips)"
    assert mean.left_out == {"jod": "no", "ms_ssim": why}
    assert f"- ms_ssim: {why}" in markdown({"refined": mean})


def test_a_mean_needs_a_clip() -> None:
    with pytest.raises(ValueError, match="one evaluation or more"):
        mean_of([])


def test_motion_that_cannot_be_followed_is_said() -> None:
    video, flow, hidden = sliding(3)
    for motion in (Motion(flow, np.ones_like(hidden)), Motion(np.full_like(flow, np.nan), hidden)):
        assert "surfaces that are seen in two" in evaluate(video, video, motion).left_out["flow_warp_error"]


def test_small_pictures_have_the_figures_that_they_can_have() -> None:
    from simvid.perception.squeezenet import LEAST_PX, SqueezeNetFeatures

    net = SqueezeNetFeatures()
    needed = {"ssim": 11, "laplacian_swd": 16, "lpips_like": LEAST_PX, "kid_like": LEAST_PX, "ms_ssim": 176}
    for size in (1, 8, 12, 16, LEAST_PX):
        video = texture(2, size, size + 3)
        motion = Motion(np.zeros((*video.shape[:3], 2), np.float32), np.zeros(video.shape[:3], np.bool_))
        found = evaluate(video, video[::-1], motion, net, 24)
        small = {name: f"needs pictures of {least} px or more" for name, least in needed.items() if size < least}
        assert small.items() <= found.left_out.items()
        assert not {*small} & {*found.figures}
        assert {*FIGURES} == {*found.figures, *found.left_out}


def test_ratios_to_true_videos_that_are_steady_or_flat_are_left_out() -> None:
    """Not 0 for equals, and not millions for a flicker of one level."""
    sharp = texture(1, 40, 64)
    still = Motion(np.zeros((4, 40, 64, 2), np.float32), np.zeros((4, 40, 64), np.bool_))
    true = np.repeat(sharp, 4, axis=0)
    flicker = np.minimum(true, 254) + np.arange(4, dtype=np.uint8)[:, None, None, None] % 2
    for video in (true, flicker):
        found = evaluate(video, true, still)
        assert "more than rounding" in found.left_out["flow_warp_ratio"]
        assert found.figures["gradient_energy_ratio"] == pytest.approx(1, abs=0.01)
    assert found.figures["flow_warp_error"] == pytest.approx(1 / 255)
    with pytest.raises(ValueError, match="nothing to be as steady as"):
        flow_warp_ratio(flicker, true, still.flow_backward, still.hidden)
    flat = np.full_like(true, 90)
    off = flat.copy()
    off[1, 4, 4] += 1
    for video in (flat, off):
        left_out = evaluate(video, flat, still).left_out
        assert all(left_out[name] == "needs true pictures that are not flat" for name in RATIOS)
    with pytest.raises(ValueError, match="the true pictures are flat"):
        gradient_energy_ratio(off, flat)
    one_level = evaluate(true, flicker, still).figures["flow_warp_ratio"]
    assert one_level == 0, "a truth that flickers by one level is enough"


def test_jod_is_asked_of_cvvdp(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the package, which brings torchvision: how it is called, and what becomes of the answer."""
    asked: list[tuple[Any, ...]] = []

    class Metric:
        def __init__(self, display_name: str, device: Any, quiet: bool) -> None:
            assert (display_name, str(device), quiet) == ("standard_fhd", "cpu", True)

        def predict(self, test: Any, reference: Any, dim_order: str, frames_per_second: float = 0) -> Any:
            asked.append((test.shape, reference.shape, dim_order, frames_per_second))
            return 9.5, {}

    module = ModuleType("pycvvdp")
    module.__spec__ = ModuleSpec("pycvvdp", None)
    monkeypatch.setitem(sys.modules, "pycvvdp", module)
    monkeypatch.setattr(module, "cvvdp", Metric, raising=False)
    video = texture(3)
    assert evaluate(video, video, fps=24).figures["jod"] == 9.5
    assert "frames per second" in evaluate(video, video).left_out["jod"]
    evaluate(video[:1], video[:1], fps=24)
    assert asked == [((3, 64, 64, 3),) * 2 + ("FHWC", 24), ((64, 64, 3),) * 2 + ("HWC", 0)]


def test_an_evaluation_says_what_it_left_out() -> None:
    video, flow, hidden = sliding(3)
    true = video.copy()
    true[1] = np.minimum(true[1], 250) + 5
    found = evaluate(blurred(video), true, Motion(flow, hidden))
    assert list(found.figures) == [name for name in FIGURES if name not in NEEDY]
    assert "simvid.perception.fetch" in found.left_out["lpips_like"]
    assert found.figures["psnr_db"] < 40
    assert json.loads(json.dumps(evaluate(video, video).json()))["figures"]["psnr_db"] is None
    table = markdown({"blurred": found, "itself": evaluate(video, video)})
    assert len(table.split("Left out:")[0].strip().splitlines()) == 4
    assert "| itself | inf | 1 |" in table
    assert "- ms_ssim: needs pictures of 176 px or more" in table
    with pytest.raises(SimvidError, match="of one size"):
        evaluate(video, video[:2])


def test_perceptual_figures_need_features() -> None:
    from simvid.perception.squeezenet import SqueezeNetFeatures, torch

    torch.manual_seed(0)
    net, video = SqueezeNetFeatures(), texture(3)
    same, soft = evaluate(video, video, features=net), evaluate(blurred(video), video, features=net)
    assert same.figures["lpips_like"] == 0
    assert soft.figures["lpips_like"] > 0
    assert soft.figures["kid_like"] > same.figures["kid_like"]
    assert "kid_like" in evaluate(video[:1], video[:1], features=net).left_out


def test_imagenet_features_prefer_noise_of_the_right_look(squeezenet: Any) -> None:
    """Where PSNR likes blur best, they like another draw of the same texture better."""
    true, other = texture(3), texture(3, seed=5)
    soft = np.broadcast_to(true.mean(axis=(1, 2), keepdims=True), true.shape).astype(np.uint8)
    figures = {
        name: evaluate(video, true, features=squeezenet).figures for name, video in (("other", other), ("flat", soft))
    }
    assert figures["flat"]["psnr_db"] > figures["other"]["psnr_db"]
    assert figures["flat"]["lpips_like"] > 2 * figures["other"]["lpips_like"]
    assert figures["flat"]["kid_like"] > 5 * figures["other"]["kid_like"]
