"""The energy of bodies of elements that bounce at few frames a second: sound ones pass, planted gains are seen."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.checking.receipts import limits
from simvid.checking.receipts.energy import largest_rise, swing_energy
from simvid.checking.receipts.receipt import receipt_of
from simvid.clips.receipt_records import LawRecord
from simvid.physics.newton.engine import NewtonPhysics
from simvid.testing.physics_scenes import written_assets
from simvid.trajectory import Trajectory

Array = NDArray[np.float64]
FPS = 24
MATERIALS = """\
  jelly: {{density_kg_m3: 400, friction: 0.5, elastic: {{young_modulus_pa: {young}, poisson_ratio: 0.3,
    particle_spacing_m: 0.04, method: fem}}}}
  hard: {{density_kg_m3: 500, friction: 0.3}}
"""
CUBE = (
    "  - {{name: {name}, shape: {{box: {{size_m: 0.12}}}}, material: jelly, pose: {{position_m: [0, 0, {z}], "
    "rotation_deg: [20, 10, 0]}}}}\n"
)
CASES = [(4e4, (0.5,)), (4e5, (1.0,)), (4e4, (0.19, 0.64))]


@cache
def dropped(young: float, heights: tuple[float, ...]) -> tuple[SceneAssets, Trajectory]:
    bodies = "".join(CUBE.format(name=f"cube_{k}", z=z) for k, z in enumerate(heights))
    with TemporaryDirectory() as folder:
        assets = written_assets(
            Path(folder) / "dropped.yaml", MATERIALS.format(young=young), bodies, seconds=1.0, fps=FPS
        )
    return assets, NewtonPhysics().simulate(assets)


def energy_law(assets: SceneAssets, trajectory: Trajectory) -> LawRecord:
    return next(law for law in receipt_of(assets, trajectory).laws if law.name == "energy")


def quicker(made: Trajectory, from_frame: int, times: float) -> Trajectory:
    """All bodies go so many times as fast as they do at a frame, from there on."""
    since = np.maximum(np.arange(made.frame_count) - from_frame, 0)[:, None]
    poses, particles = made.poses.copy(), []
    for p in made.particles:
        places = poses[:, p.part, :3]
        shift = (times - 1) * (places[from_frame + 1] - places[from_frame]) * since
        poses[:, p.part, :3] += shift
        particles.append(replace(p, positions=(p.positions + shift[:, None]).astype(np.float32)))
    return replace(made, poses=poses, particles=tuple(particles))


@pytest.mark.parametrize(("young", "heights"), CASES)
def test_sound_bounces_pass(young: float, heights: tuple[float, ...]) -> None:
    law = energy_law(*dropped(young, heights))
    assert law.passed, law.line()
    assert law.measured["gain_j"] < 0.1 * law.limits["gain_j"]


@pytest.mark.parametrize(("young", "heights"), CASES[:2])
@pytest.mark.parametrize(("after", "times"), [(-3, 1.5), (2, 2.0), (3, 1.3)], ids=["falls", "bounces", "rises"])
def test_a_planted_gain_is_seen(young: float, heights: tuple[float, ...], after: int, times: float) -> None:
    """Speeds grow by a half in the air, double as the impact ends, or grow by a third a frame later."""
    assets, made = dropped(young, heights)
    height = made.particles[0].positions[:, :, 2].astype(float).mean(axis=1)
    frame = int(np.argmin(height[: FPS * 2 // 3])) + after
    law = energy_law(assets, quicker(made, frame, times))
    assert law.passed is False, law.line()
    assert law.time_s is not None
    assert law.time_s * FPS >= frame, "not before it happened"


def test_a_body_that_bounces_higher_than_it_was_dropped_is_seen() -> None:
    """By a quarter of its fall: it goes up from the second frame after its landing."""
    assets, made = dropped(4e5, (1.0,))
    p, frames = made.particles[0], np.arange(made.frame_count)
    landed = int(np.argmin(made.poses[: FPS * 2 // 3, p.part, 2])) + 1
    low = made.poses[landed, p.part, 2]
    t = np.maximum(frames - landed, 0) / FPS
    up = low + np.sqrt(2 * 9.81 * (1.25 * 1.0 - low)) * t - 9.81 * t**2 / 2
    poses, positions = made.poses.copy(), p.positions.copy()
    for k in frames[landed:]:
        poses[k, p.part, :3] = 0, 0, up[k]
        positions[k] = positions[0] + (poses[k, p.part, :3] - poses[0, p.part, :3])
    law = energy_law(assets, replace(made, poses=poses, particles=(replace(p, positions=positions),)))
    assert law.passed is False, law.line()
    assert law.measured["gain_j"] == pytest.approx(0.25 * 9.81 * 400 * 0.12**3, rel=0.1)


def bouncing(t: Array, speed: float, at_s: float) -> Array:
    """Three points that fall from 5 m and turn round at a time with so much of their speed, [T, 3, 3]."""
    before = 5 - 9.81 * t**2 / 2
    after = 5 - 9.81 * at_s**2 / 2 + speed * 9.81 * at_s * (t - at_s) - 9.81 * (t - at_s) ** 2 / 2
    z = np.where(t < at_s, before, after)
    return np.asarray(z[:, None, None] * np.array([0, 0, 1.0]) + np.eye(3))


@pytest.mark.parametrize("late", [0.05, 0.3, 0.5, 0.8, 0.95])
def test_kinetic_energy_is_exact_in_free_fall_and_bounded_in_a_bounce(late: float) -> None:
    """The bounce is between frames 8 and 9, at a share of the time."""
    t, masses = np.arange(20) / FPS, np.array([1.0, 2.0, 3.0])
    at_s = (8 + late) / FPS
    down = np.array([0, 0, -9.81])
    least, most = swing_energy(bouncing(t, 0.9, at_s), masses, 1 / FPS, 0.0, down)
    truth = 3 * np.where(t < at_s, 9.81 * t, 0.9 * 9.81 * at_s - 9.81 * (t - at_s)) ** 2
    free = [*range(1, 8), *range(10, 19)]
    assert least[free] == pytest.approx(truth[free], rel=1e-6)
    assert most[free] == pytest.approx(truth[free], rel=1e-6)
    assert (most[8:10] > truth[8:10] * (1 - 1e-6)).all(), "of the side that is free"
    assert (most[8:10] < truth[8:10] * 1.1).all()
    assert (least[8:10] < 0.9 * truth[8:10]).any(), "which the blur hides"
    assert least[-1] <= truth[-1] * (1 + 1e-6)
    assert least[0] == most[0] == 0


def test_one_frame_alone_has_what_the_scene_gives() -> None:
    least, most = swing_energy(np.zeros((1, 2, 3)), np.ones(2), 1 / FPS, 3.0, np.zeros(3))
    assert (least.tolist(), most.tolist()) == ([3.0], [3.0])


def test_a_rise_is_over_what_was_surely_low() -> None:
    level, low, never = np.array([1.0, 0.2, 0.9, 1.1]), np.array([1.0, 1.0, 1.0, 1.1]), np.zeros(4, np.bool_)
    for lifted, lowest, gain in ((0.0, level, 0.9), (0.0, low, 0.1), (np.array([0, 9, 9, 9]), low, 9.1)):
        rise, frame = largest_rise(level + lifted, never, lowest + lifted)
        assert rise == pytest.approx(gain)
        assert frame == 3
    assert limits.LOW_FRAMES == 3
