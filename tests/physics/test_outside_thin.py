"""Winds, impulses, holds, attachments and belts on cloth and rope, in the newton engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.prepare import prepare
from simvid.parsing import load_scene
from simvid.physics.newton.engine import NewtonPhysics
from simvid.trajectory import Trajectory

Array = NDArray[np.float64]
HEAD = """\
simvid: 1
duration_s: {seconds}
fps: 50
physics: {{gravity_m_s2: [0, 0, {gravity}]}}
materials:
  cotton: {{density_kg_m3: 150, friction: 0.4, cloth: {{stretch_n_m: 400, bend_n_m: 1.0e-3, particle_spacing_m: 0.05}}}}
  cord: {{density_kg_m3: 1100, friction: 0.5, rope: {{young_modulus_pa: 2.0e+6, particle_spacing_m: 0.04}}}}
  hard: {{density_kg_m3: 500, friction: 0.4}}
cameras: [{{name: front, pose: {{look_from_m: [1, -1, 1], look_at_m: [0, 0, 0]}}}}]
bodies:
"""
CLOTH = (
    "  - {name: cloth, shape: {box: {size_m: [0.4, 0.4, 0.002]}}, material: cotton, pose: {position_m: [0, 0, %g]}}\n"
)
ROPE = "  - {name: rope, shape: {capsule: {radius_m: 0.01, length_m: 0.48}}, material: cord}\n"


def run(folder: Path, rest: str, *, seconds: float = 0.2, gravity: float = 0.0) -> Trajectory:
    path = folder / "scene.yaml"
    path.write_text(HEAD.format(seconds=seconds, gravity=gravity) + rest)
    return NewtonPhysics().simulate(prepare(load_scene(path)))


def center(made: Trajectory) -> Array:
    """Of mass, [T, 3]."""
    body = made.particles[0]
    return np.asarray(made.poses[:, body.part, :3])


def test_a_wind_pushes_a_sheet_by_what_it_shows(tmp_path: Path) -> None:
    """Head-on v = u - u / (1 + k u t / m); along the sheet nothing; the record explains the momentum."""
    made = run(tmp_path, CLOTH % 0 + "forces: [{wind: {velocity_m_s: [0, 0, 2], drag_coefficient: 1.2}}]\n")
    mass, k, t = made.masses_kg[0], 1.2 * 1.2 * 0.16 / 2, np.arange(11) / 50
    assert mass == pytest.approx(150 * 0.16 * 0.002)
    way = 2 * t - mass / k * np.log(1 + k * 2 * t / mass)
    assert np.abs(center(made)[:, 2] - way).max() < 0.02 * way[-1]
    assert made.outside is not None
    speed = 2 - 2 / (1 + k * 2 * t[-1] / mass)
    assert made.outside.impulses[:, 0].sum(axis=0) == pytest.approx([0, 0, mass * speed], abs=0.02 * mass * speed)
    made = run(tmp_path, CLOTH % 0 + "forces: [{wind: {velocity_m_s: [2, 0, 0]}}]\n")
    assert np.abs(center(made)).max() < 1e-9


def test_a_wind_pushes_a_rope_by_its_shadow(tmp_path: Path) -> None:
    made = run(tmp_path, ROPE + "forces: [{wind: {velocity_m_s: [3, 0, 0], drag_coefficient: 1.1}}]\n")
    mass, t = made.masses_kg[0], 0.2
    k = 1.2 * 1.1 * 0.02 * float(np.ptp(made.particles[0].rest[:, 2])) / 2
    assert center(made)[-1, 0] == pytest.approx(3 * t - mass / k * np.log(1 + k * 3 * t / mass), rel=0.02)


def test_a_held_edge_hangs_and_falls_when_let_go(tmp_path: Path) -> None:
    hold = "forces: [{hold: {region: {box: {low_m: [-1, -1, -1], high_m: [-0.19, 1, 1]}}, end_s: 0.3}}]\n"
    made = run(tmp_path, CLOTH % 0 + hold, seconds=0.4, gravity=-9.81)
    x = made.particles[0].positions
    held = x[0, :, 0] < -0.19
    assert held.sum() > 4
    assert np.abs(x[:16, held] - x[0, held]).max() < 1e-6
    assert x[15, ~held, 2].min() < -0.1
    assert x[-1, held, 2].max() < -0.02
    assert made.outside is not None  # momentum: what the hold did, and gravity
    speed = np.gradient(center(made), 1 / 50, axis=0)[12]
    pushed = made.outside.impulses[:13, 0].sum(axis=0) / made.masses_kg[0]
    assert speed == pytest.approx(pushed + np.array([0, 0, -9.81 * 0.24]), abs=0.15)


def test_an_impulse_and_a_belt_move_a_cloth(tmp_path: Path) -> None:
    """dv = J / m; on a belt mu g until it runs along."""
    blow = "forces: [{impulse: {t_s: 0.1, impulse_n_s: [0, 0.1, 0], bodies: [cloth]}}]\n"
    made = run(tmp_path, CLOTH % 0 + blow)
    assert (center(made)[-1] - center(made)[-2]) * 50 == pytest.approx([0, 0.1 / made.masses_kg[0], 0], rel=1e-3)
    belt = """\
  - {name: belt, shape: {box: {size_m: [3, 1, 0.1]}}, fixed: true, material: hard, pose: {position_m: [0, 0, -0.05]}}
forces: [{conveyor: {body: belt, velocity_m_s: [3, 0, 0]}}]
"""
    made = run(tmp_path, CLOTH % 0.0012 + belt, gravity=-9.81)
    assert (center(made)[-1] - center(made)[-2])[0] * 50 == pytest.approx(0.4 * 9.81 * 0.19, rel=0.05)


def test_a_rope_pulls_what_it_is_attached_to(tmp_path: Path) -> None:
    """A ball on a rope that the world holds at its top swings: the tie neither stretches nor lets go."""
    rest = (
        ROPE
        + """\
  - {name: ball, shape: {sphere: {radius_m: 0.04}}, material: hard, mass_kg: 0.2, pose: {position_m: [0, 0, -0.3]}}
forces: [{hold: {bodies: [rope], region: {box: {low_m: [-1, -1, 0.22], high_m: [1, 1, 1]}}}}]
attachments: [{name: knot, a: rope, b: ball, region: {box: {low_m: [-1, -1, -1], high_m: [1, 1, -0.22]}}}]
"""
    )
    made = run(tmp_path, rest, seconds=0.5, gravity=-9.81)
    ball = made.part_index("ball")
    assert np.abs(made.poses[:, ball, 2] + 0.3).max() < 0.01  # it hangs
    end = int(np.argmin(made.particles[0].positions[0, :, 2]))
    apart = np.linalg.norm(made.particles[0].positions[:, end] - made.poses[:, ball, :3], axis=1)
    assert np.abs(apart - apart[0]).max() < 2e-3
