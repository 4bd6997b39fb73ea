"""Laws of deformable bodies, on motions of closed forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simvid.assets.parts import SceneAssets
from simvid.assets.prepare import prepare
from simvid.checking.receipts.elastic import elastic_energy, stretch_sum
from simvid.checking.receipts.receipt import receipt_of
from simvid.clips.receipt_records import LawRecord
from simvid.parsing import load_scene
from simvid.testing.bending import scripted, squash
from simvid.trajectory import ParticleMotion, Trajectory

SCENE = """\
simvid: 1
duration_s: 0.4
fps: 50
physics: {gravity_m_s2: [0, 0, 0]}
ground: {}
materials:
  jelly: {elastic: {young_modulus_pa: 1.0e+4, poisson_ratio: 0.3, particle_spacing_m: 0.02}}
  water: {liquid: {particle_spacing_m: 0.02}}
cameras: [{name: front, pose: {look_from_m: [1, -1, 1], look_at_m: [0, 0, 0]}}]
bodies:
  - {name: jelly, shape: {box: {size_m: 0.12}}, material: jelly, pose: {position_m: [0, 0, 0.5]}}
  - {name: water, shape: {box: {size_m: 0.12}}, material: water, pose: {position_m: [1, 0, 0.5]}}
"""


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> SceneAssets:
    path = tmp_path_factory.mktemp("soft") / "soft.yaml"
    path.write_text(SCENE)
    return prepare(load_scene(path))


def moved(assets: SceneAssets, jelly: float = 0.0, water: float = 0.0) -> Trajectory:
    """Both stretched along x and y by shares, slowly."""
    to = {name: np.diag([1 + s, 1 + s, 1.0]) for name, s in (("jelly", jelly), ("water", water))}
    return scripted(assets, {name: squash(matrix) for name, matrix in to.items()})


def law(assets: SceneAssets, trajectory: Trajectory, name: str) -> LawRecord:
    return next(law for law in receipt_of(assets, trajectory).laws if law.name == name)


def changed(made: Trajectory, name: str, positions: np.ndarray) -> Trajectory:
    particles = tuple(
        replace(p, positions=positions.astype(np.float32)) if p.name == name else p for p in made.particles
    )
    return replace(made, particles=particles)


def of(made: Trajectory, name: str) -> ParticleMotion:
    return next(p for p in made.particles if p.name == name)


def test_bodies_at_rest_break_no_law(assets: SceneAssets) -> None:
    receipt = receipt_of(assets, moved(assets))
    assert [law.line() for law in receipt.broken] == []
    assert {law.name for law in receipt.laws if law.passed} >= {"volume", "particle_depth", "cfl", "momentum"}


def test_elastic_energy_is_that_of_the_model(assets: SceneAssets) -> None:
    """Stretched by 1.1 along x and y: mu 2 (0.1)^2 + lambda / 2 (0.21)^2, per volume."""
    body = next(p.deformable for p in assets.parts if p.part.name == "jelly")
    assert body is not None
    found = elastic_energy(body, of(moved(assets, 0.1), "jelly"))
    assert found is not None
    mu, lam = 1e4 / 2.6, 1e4 * 0.3 / (1.3 * 0.4)
    assert found[-1] == pytest.approx(0.12**3 * (mu * 2 * 0.1**2 + lam / 2 * 0.21**2), rel=1e-4)
    assert found[0] == pytest.approx(0, abs=1e-9)


def test_the_sum_of_stretches_is_that_of_singular_values() -> None:
    f = np.random.default_rng(3).normal(size=(200, 3, 3))
    assert stretch_sum(f) == pytest.approx(np.linalg.svd(f)[1].sum(axis=1), rel=1e-9)
    assert stretch_sum(np.eye(3)[None]) == pytest.approx([3.0])


def test_energy_that_a_body_stores_without_work_is_found(assets: SceneAssets) -> None:
    """It stretches by itself: 4 J appear in it, though nothing pulls."""
    found = law(assets, moved(assets, 0.3), "energy")
    assert (found.passed, found.part) == (False, "jelly")
    assert found.measured["gain_j"] > 1.0


def test_energy_from_the_first_frame_on_is_found(assets: SceneAssets) -> None:
    """The scene says that it rests, and it flies: as water does that begins inside a wall."""
    made = moved(assets)
    shift = np.zeros((made.frame_count, 1, 3))
    shift[:, 0, 0] = 0.5 * np.arange(made.frame_count) / 50
    found = law(assets, changed(made, "jelly", of(made, "jelly").positions + shift), "energy")
    assert found.passed is False
    assert found.measured["gain_j"] == pytest.approx(1000 * 0.12**3 * 0.5**2 / 2, rel=1e-3)


@pytest.mark.parametrize("shrink", [-0.15, 0.15])
def test_lost_and_gained_volume(assets: SceneAssets, shrink: float) -> None:
    found = law(assets, moved(assets, shrink), "volume")
    assert (found.passed, found.part, found.time_s) == (False, "jelly", 0.4)
    assert found.measured["changed_share"] == pytest.approx(abs((1 + shrink) ** 2 - 1), abs=1e-3)


def test_a_little_volume_may_go(assets: SceneAssets) -> None:
    assert law(assets, moved(assets, -0.05), "volume").passed


def test_liquid_that_is_pressed_into_half_its_room(assets: SceneAssets) -> None:
    assert law(assets, moved(assets, water=-0.05), "volume").passed
    found = law(assets, moved(assets, water=-0.3), "volume")
    assert (found.passed, found.part) == (False, "water")


def test_particles_turned_inside_out(assets: SceneAssets) -> None:
    made = moved(assets)
    jelly = of(made, "jelly")
    f = jelly.deformation.copy()
    f[10, :20] = -np.eye(3)
    turned = replace(made, particles=(replace(jelly, deformation=f), of(made, "water")))
    found = law(assets, turned, "volume")
    assert (found.passed, found.part) == (False, "jelly")
    assert found.measured["inverted_share"] == pytest.approx(20 / 216, rel=1e-3)


def test_particles_that_fall_through_the_ground(assets: SceneAssets) -> None:
    made = moved(assets)
    places = of(made, "water").positions.copy()
    places[12:, :10, 2] = -0.1
    found = law(assets, changed(made, "water", places), "particle_depth")
    assert (found.passed, found.part) == (False, "water and ground")
    assert found.measured["inside_share"] == pytest.approx(10 / 216, rel=1e-3)


def test_water_that_runs_through_a_wall(tmp_path: Path) -> None:
    """16 mm thick, less than a spacing: particles on their way are in it, none of them two spacings deep."""
    path = tmp_path / "tank.yaml"
    wall = "{name: wall, fixed: true, shape: {box: {size_m: [0.016, 0.4, 0.4]}}, pose: {position_m: [1.2, 0, 0.5]}}"
    path.write_text(SCENE + f"  - {wall}\n")
    assets = prepare(load_scene(path))
    made = moved(assets)
    places = of(made, "water").positions.copy()
    assert law(assets, made, "particle_depth").passed
    places[10:, :10, 0] = 1.2
    found = law(assets, changed(made, "water", places), "particle_depth")
    assert (found.passed, found.part) == (False, "water and wall")
    assert found.measured["inside_share"] == pytest.approx(10 / 216, rel=1e-3)
    assert "more than 5 mm inside 'wall'" in found.note  # a quarter of a spacing
    leak = of(made, "water").positions.copy()
    for t in range(made.frame_count):
        leak[t, t, 0] = 1.2  # half a percent at a time
    found = law(assets, changed(made, "water", leak), "particle_depth")
    assert (found.passed, found.part) == (False, "water and wall")


def test_a_particle_that_shoots_off(assets: SceneAssets) -> None:
    made = moved(assets)
    places = of(made, "jelly").positions.copy()
    places[12, 0, 0] += 1.0  # 50 m/s: 2.5 cells of 0.04 m in a step of 2 ms
    found = law(assets, changed(made, "jelly", places), "cfl")
    assert (found.passed, found.part, found.time_s) == (False, "jelly", 12 / 50)
    assert found.measured["cells_per_step"] == pytest.approx(50 * 0.002 / 0.04, rel=1e-3)


def test_a_kick_to_what_is_deformable(assets: SceneAssets) -> None:
    made = moved(assets)
    t = np.arange(made.frame_count) / 50
    shift = np.zeros((len(t), 1, 3))
    shift[:, 0, 0] = 0.5 * np.maximum(t - 0.2, 0)
    flown = changed(made, "jelly", of(made, "jelly").positions + shift)
    poses = made.poses.copy()
    poses[:, made.part_index("jelly"), :3] += shift[:, 0]
    found = law(assets, replace(flown, poses=poses), "momentum")
    assert found.passed is False
    silent = law(assets, replace(flown, poses=poses, engine="genesis"), "momentum")
    assert silent.passed is None
    assert "no contacts of particles" in silent.note
    share = 1000 / (1000 + 1000)  # both are one group: they touch on their solver's grid
    assert found.measured["unexplained_m_s"] == pytest.approx(0.5 * share, rel=0.02)
