"""On a small clip drawn for it: what is equal or lit otherwise is accepted, and each planted violation is caught."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from simvid.calibrating.gate_cases import lit
from simvid.checking.gate.scores import ClipScores, GateFrame, Scorer
from simvid.checking.gate.verdict import Verdict, judge
from simvid.checking.probe.files import shipped_limits, shipped_nets
from simvid.frames import Frames
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.renderer import render_frames
from simvid.rotations import quat_from_euler_deg
from simvid.scene import Camera, Ground, Orbit
from simvid.testing.staging import Prop, box_mesh, checkered, matte, sphere_mesh, staged
from simvid.testing.violations import VIOLATIONS, Scenery, filled, noticeable

FRAMES, SIZE_PX = 7, (208, 160)
GROUND, BOX, BALL, ARM = 1, 2, 3, 4


def way(start: tuple[float, float, float], step: tuple[float, float, float], turn: float) -> NDArray[np.float64]:
    return np.array(
        [[*(np.array(start) + k * np.array(step)), *quat_from_euler_deg((0, 0, turn * k))] for k in range(FRAMES)]
    )


@dataclass(frozen=True, eq=False)
class Shown:
    """The clip; the post plays the robot."""

    frames: Frames

    @cached_property
    def scenery(self) -> Scenery:
        assert self.frames.ids is not None
        assert self.frames.flow_backward is not None
        return Scenery(self.frames.rgb, self.frames.ids, self.frames.flow_backward, (ARM,), (GROUND,))

    def gate_frames(self, video: NDArray[np.uint8]) -> Iterator[GateFrame]:
        for picture, k in zip(video, range(len(self.frames)), strict=True):
            frame = self.frames[k]
            assert frame.depth is not None
            assert frame.ids is not None
            assert frame.flow_backward is not None
            assert frame.occluded_backward is not None
            yield GateFrame(
                picture, frame.rgb, frame.depth, frame.ids, frame.flow_backward, frame.occluded_backward
            )  # fmt: skip

    def scores(self, video: NDArray[np.uint8]) -> ClipScores:
        return Scorer(shipped_nets(), (ARM,)).scores(self.gate_frames(video))

    def verdict(self, video: NDArray[np.uint8]) -> Verdict:
        return judge(self.scores(video), shipped_limits(), (ARM,))


@pytest.fixture(scope="module")
def shown() -> Shown:
    torch.set_num_threads(1)  # on a busy machine two threads wait for each other
    camera = Camera(name="front", resolution_px=SIZE_PX, fov_y_deg=45,
                    orbit=Orbit(center_m=(0, 0, 0.1), radius_m=1.0, height_m=0.5, sweep_deg=6))  # fmt: skip
    props = [
        Prop("box", (matte(checkered(box_mesh((0.16, 0.16, 0.16)))),), way((-0.15, -0.1, 0.08), (0.012, 0, 0), 3)),
        Prop("ball", (matte(sphere_mesh(0.08, (0.8, 0.2, 0.1))),), way((0.15, 0.05, 0.08), (0.0, 0.012, 0), 0)),
        Prop("arm", (matte(box_mesh((0.08, 0.08, 0.4), (0.85, 0.85, 0.8))),), way((0.05, 0.3, 0.2), (0, 0, 0), 4)),
    ]
    assets, trajectory = staged(props, [camera], frames=FRAMES, ground=Ground())
    path = camera_path(camera, assets.scene, trajectory)
    labels = ("depth", "ids", "flow", "occlusion")
    drawn = render_frames(assets, trajectory, path, CpuRasterizer(), labels, RenderSettings(threads=1))
    return Shown(Frames.stack(path, drawn))


def test_identity_is_perfect(shown: Shown) -> None:
    scores, limits = shown.scores(shown.frames.rgb), shipped_limits()
    assert scores.frames["mismatch"].max() < -2
    for name, perfect in (("edge_f1", 1), ("blur_ssim", 1), ("warp_ratio", 1), ("moves_on", 1), ("flicker", 0)):
        known = scores.frames[name][~np.isnan(scores.frames[name])]
        assert len(known) >= 1
        np.testing.assert_allclose(known, perfect, atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(scores.frames["depth_error"], scores.frames["coarse_depth_error"])
    np.testing.assert_array_equal(scores.frames["mask_iou"], scores.frames["coarse_mask_iou"])
    verdict = judge(scores, limits, (ARM,))
    assert verdict.accepted
    assert [each.instance for each in verdict.instances] == [GROUND, BOX, BALL, ARM]
    assert all(each.masks and each.depth for each in verdict.instances)


@pytest.mark.parametrize("gain", [(1.2, 1.2, 1.2), (0.8, 0.8, 0.8), (1.05, 1.0, 0.93)])
def test_another_light_is_accepted(shown: Shown, gain: tuple[float, float, float]) -> None:
    assert shown.verdict(lit(shown.frames.rgb, np.array(gain), 1.0)).failed == ()


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_planted_violation_is_rejected(shown: Shown, name: str) -> None:
    video = VIOLATIONS[name](shown.scenery, np.random.default_rng(1))
    assert video is not None
    verdict = shown.verdict(video)
    assert not verdict.accepted, verdict.measured


def test_the_erased_thing_is_named(shown: Shown) -> None:
    made = [filled(f, i == BALL, i, (GROUND,)) for f, i in zip(shown.frames.rgb, shown.scenery.instances, strict=True)]
    verdict = shown.verdict(np.stack(made))
    held = {each.instance: each.masks for each in verdict.instances}
    assert held[BALL] is False
    assert held[ARM] is True
    frame, u, v = verdict.worst
    near_v, near_u = np.nonzero(shown.scenery.instances[frame] == BALL)
    assert np.hypot(near_v - v, near_u - u).min() < 12


def test_violations_need_something_to_be_planted_on(shown: Shown) -> None:
    bare = replace(shown.scenery, instances=np.ones_like(shown.scenery.instances), robots=(),
                   flow_backward=np.zeros_like(shown.scenery.flow_backward))  # fmt: skip
    rng = np.random.default_rng(0)
    names = [name for name, plant in VIOLATIONS.items() if plant(bare, rng) is not None]
    assert names == ["flicker"]


def test_what_nobody_sees_is_not_planted(shown: Shown) -> None:
    assert not noticeable(shown.frames.rgb, shown.frames.rgb + 1)
    assert noticeable(shown.frames.rgb, 255 - shown.frames.rgb)
