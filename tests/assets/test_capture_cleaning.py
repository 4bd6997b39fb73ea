"""Captures made fit for physics: what is faint, stray, or the ground under them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.capture_cleaning import ground_plane, on_ground, without_faint, without_strays
from simvid.assets.captures import save_capture
from simvid.assets.parts import PartAssets
from simvid.assets.prepare import prepare
from simvid.errors import AssetError, SceneError
from simvid.gaussians import Gaussians
from simvid.rotations import matrix_from_quat, quat_from_euler_deg
from simvid.scene import Scene

TILT = matrix_from_quat(quat_from_euler_deg((12, -8, 0)))


def splats(means: NDArray[Any], scale: float = 0.01, opacity: float = 0.9) -> Gaussians:
    n, f = len(means), np.float32
    quats = np.tile(np.array([1, 0, 0, 0], f), (n, 1))
    return Gaussians(
        means.astype(f), quats, np.full((n, 3), scale, f), np.full(n, opacity, f), np.zeros((n, 1, 3), f),
        np.zeros(n, np.int32),
    )  # fmt: skip


def thing_on_a_floor() -> Gaussians:
    """A hollow ball of radius 0.2 on a floor of 2 m, leaning."""
    rng = np.random.default_rng(4)
    floor = np.concatenate([rng.uniform(-1, 1, (3000, 2)), rng.normal(0, 0.002, (3000, 1))], axis=1)
    ball = rng.normal(size=(4000, 3))
    ball = 0.2 * ball / np.linalg.norm(ball, axis=1, keepdims=True) + [0, 0, 0.25]
    return splats(np.concatenate([floor, ball]) @ TILT.T)


def test_faint_and_stray_gaussians_are_left_out() -> None:
    thing = thing_on_a_floor()
    odd = splats(np.array([[9.0, 9, 9], [0, 0, 0.3]]), scale=0.9, opacity=0.01)
    both = Gaussians.concatenate([thing, odd])
    assert len(without_faint(both, 0.1)) == len(thing)
    assert len(without_strays(both)) <= len(thing)
    assert len(without_strays(both)) > 0.99 * len(thing)
    with pytest.raises(AssetError, match=r"min_opacity: expected at most 0\.9"):
        without_faint(thing, 0.95)


def test_the_ground_is_found_made_level_and_cut() -> None:
    thing = thing_on_a_floor()
    normal, height = ground_plane(thing.means.astype(np.float64), np.array([0.0, 0, 1]))
    np.testing.assert_allclose(normal, TILT[:, 2], atol=0.01)
    assert abs(height) < 0.01
    same, turn = on_ground(thing, "level", np.array([0.0, 0, 1]))
    assert len(same) == len(thing)
    np.testing.assert_allclose(turn @ TILT[:, 2], [0, 0, 1], atol=0.01)
    above, _ = on_ground(thing, "cut", np.array([0.0, 0, 1]))
    assert 3900 <= len(above) <= 4050, "the ball alone"
    cloud = np.random.default_rng(0).normal(size=(2000, 3))
    with pytest.raises(AssetError, match="ground: expected a level plane"):
        ground_plane(cloud, np.array([0.0, 0, 1]))


def part_of(tmp_path: Path, **more: Any) -> PartAssets:
    save_capture(tmp_path / "ball.ply", thing_on_a_floor())
    soft = {"density_kg_m3": 500.0, "elastic": {"young_modulus_pa": 1e4, "particle_spacing_m": 0.04}}
    body = {"name": "ball", "shape": {"splat": {"path": "ball.ply", "ground": "cut", **more}}, "material": soft}
    camera = {"name": "front", "pose": {"look_from_m": [2, 0, 1], "look_at_m": [0, 0, 0]}}
    scene = Scene.model_validate({"simvid": 1, "duration_s": 1, "cameras": [camera], "bodies": [body]})
    scene._base = str(tmp_path)
    return prepare(scene).parts[0]


def test_a_capture_is_filled_inside_or_near_its_surface(tmp_path: Path) -> None:
    solid, hollow = (part_of(tmp_path, fill=fill).deformable for fill in ("solid", "shell"))
    assert solid is not None
    assert hollow is not None
    ball = 4 / 3 * np.pi * 0.2**3
    assert solid.volumes_m3.sum() == pytest.approx(ball, rel=0.3)
    assert np.linalg.norm(solid.rest, axis=1).min() < 0.04, "it is full"
    assert np.linalg.norm(hollow.rest, axis=1).min() > 0.08, "it is not"
    assert hollow.masses_kg.sum() < 0.9 * solid.masses_kg.sum()
    for body in (solid, hollow):
        assert body.masses_kg.sum() == pytest.approx(500 * body.volumes_m3.sum())
    part = part_of(tmp_path)
    assert part.visuals[0].capture is not None
    assert part.visuals[0].capture.means[:, 2].std() == pytest.approx(0.2 / np.sqrt(3), rel=0.05)


def test_a_capture_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"bodies\[0\].shape \(ball\): min_opacity"):
        part_of(tmp_path, min_opacity=1.0)


def test_few_large_gaussians_are_not_all_strays() -> None:
    coarse = splats(np.random.default_rng(0).uniform(-0.1, 0.1, (50, 3)), scale=0.2)
    with pytest.raises(AssetError, match="drop_strays leaves nothing of the capture: all of its 50 Gaussians"):
        without_strays(coarse)


def test_the_ground_of_a_faint_capture_is_cut_too() -> None:
    thing = thing_on_a_floor()
    faint = splats(thing.means, opacity=0.2)
    cut = [on_ground(g, "cut", np.array([0.0, 0, 1]))[0] for g in (thing, faint)]
    assert len(cut[1]) == len(cut[0]) < len(thing)
