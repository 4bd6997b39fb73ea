"""Finite elements in the newton engine: bodies of ``method: fem`` fall, rest, hang, are blown and pressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.checking.receipts.elastic import elastic_energy
from simvid.errors import SceneError
from simvid.physics.capabilities import check_capabilities
from simvid.physics.newton.engine import NewtonPhysics
from simvid.physics.soft_materials import thin_body
from simvid.physics.thin import energy
from simvid.testing.physics_scenes import written_assets
from simvid.trajectory import Trajectory

Array = NDArray[np.float64]
MATERIALS = """\
  jelly:
    density_kg_m3: 1000
    friction: 0.5
    elastic: {{young_modulus_pa: {young}, poisson_ratio: 0.3, particle_spacing_m: {spacing}, method: {method}, {law}}}
  hard: {{density_kg_m3: 500, friction: 0.3}}
"""


def assets(
    folder: Path, bodies: str, *, young: float = 2e4, spacing: float = 0.025, method: str = "fem", model: str = "",
    **given: Any,
) -> SceneAssets:  # fmt: skip
    law = f"model: {model}" if model else ""
    materials = MATERIALS.format(young=young, spacing=spacing, method=method, law=law)
    return written_assets(folder / "fem.yaml", materials, bodies, **given)


def simulate(folder: Path, bodies: str, **given: Any) -> Trajectory:
    return NewtonPhysics().simulate(assets(folder, bodies, **given))


def cube(z: float, more: str = "", size: str = "[0.1, 0.1, 0.1]") -> str:
    return (
        f"  - {{name: jelly, shape: {{box: {{size_m: {size}}}}}, material: jelly, pose: {{position_m: [0, 0, {z}]}}"
        f"{more}}}\n"
    )


def test_it_fills_the_shape_to_its_faces(tmp_path: Path) -> None:
    part = assets(tmp_path, cube(0.3)).parts[1]
    body = part.deformable
    assert body is not None
    assert body.tetrahedra is not None
    assert len(body.rest) == 5**3
    assert np.abs(body.rest).max(axis=0) == pytest.approx([0.05] * 3, rel=1e-6)
    assert body.masses_kg.sum() == pytest.approx(1.0)
    assert body.volumes_m3.sum() == pytest.approx(1e-3)


def test_free_flight_and_spin(tmp_path: Path) -> None:
    run = simulate(tmp_path, cube(0.6, ", velocity_m_s: [1, 0, 2], angular_velocity_rad_s: [0, 0, 3]"), ground=False)
    t = np.arange(len(run.poses)) / 50
    place = np.stack([t, 0 * t, 0.6 + 2 * t - 9.81 * t**2 / 2], axis=1)
    assert np.abs(run.poses[:, 0, :3] - place).max() < 1e-5
    spin = run.poses[:, 0, 3:]
    angle = 2 * np.arctan2(spin[-1, 3], spin[-1, 0])
    assert angle == pytest.approx(3 * t[-1], rel=0.02), "it widens a little"


def test_it_rests_on_the_ground_with_its_weight(tmp_path: Path) -> None:
    run = simulate(tmp_path, cube(0.05), seconds=1.0)
    body = run.particles[0]
    height = np.ptp(body.positions[:, :, 2].astype(float), axis=1)
    assert height[20:].mean() == pytest.approx(0.1 - 1000 * 9.81 * 0.1**2 / 2 / 2e4, rel=0.01), "it swings about that"
    assert body.positions[:, :, 2].min() > -2e-4
    late = run.contacts.frame > 20
    pushed = -run.contacts.impulse_n_s[late].sum(axis=0)
    assert pushed[2] == pytest.approx(9.81 * 30 / 50, rel=0.05)


@pytest.mark.parametrize("model", ["fixed_corotated", "neo_hookean"])
def test_the_receipts_energy_is_that_of_the_elements(tmp_path: Path, model: str) -> None:
    scene = assets(tmp_path, cube(0.06), seconds=0.2, model=model)
    run = NewtonPhysics().simulate(scene)
    body, motion = scene.parts[1].deformable, run.particles[0]
    assert body is not None
    thin = thin_body(body, body.rest.astype(np.float64), np.zeros((len(body.rest), 3)))
    wanted = [energy.elastic_energy(thin, x.astype(np.float64)) for x in motion.positions]
    found = elastic_energy(body, motion)
    assert found is not None
    assert max(wanted) > 1e-3
    assert found == pytest.approx(wanted, rel=1e-3, abs=1e-7)


def test_a_hanging_bar_is_longer_by_its_weight(tmp_path: Path) -> None:
    """rho g L^2 / 2 E, about which it swings."""
    hold = "forces:\n  - hold: {region: {box: {low_m: [-1, -1, 0.449], high_m: [1, 1, 0.451]}}}\n"
    run = simulate(tmp_path, cube(0.3, size="[0.05, 0.05, 0.3]") + hold, seconds=1.0, ground=False, young=1e5)
    down = 0.15 - run.particles[0].positions[:, :, 2].min(axis=1).astype(float)
    assert run.particles[0].positions[:, :, 2].max() == pytest.approx(0.45, abs=1e-6)
    assert down.mean() == pytest.approx(1000 * 9.81 * 0.3**2 / 2 / 1e5, rel=0.05)


def test_wind_pushes_on_what_faces_it(tmp_path: Path) -> None:
    """1/2 rho c A w^2 on one face of a cube, not on both."""
    wind = "forces:\n  - wind: {velocity_m_s: [10, 0, 0], drag_coefficient: 1.0, air_density_kg_m3: 1.2}\n"
    run = simulate(tmp_path, cube(0.5) + wind, seconds=0.2, gravity=0, ground=False)
    push = 0.5 * 1.2 * 0.1**2 * 10**2 / 1.0
    assert run.poses[-1, 0, 0] == pytest.approx(push * 0.2**2 / 2, rel=0.03)


def test_a_ball_lands_on_it_and_momentum_is_kept(tmp_path: Path) -> None:
    ball = "  - {name: ball, shape: {sphere: {radius_m: 0.04}}, material: hard, pose: {position_m: [0, 0, 0.19]}"
    run = simulate(tmp_path, cube(0.0) + ball + ", velocity_m_s: [0, 0, -1]}\n", gravity=0, ground=False, seconds=0.3)
    mass = 500 * 4 / 3 * np.pi * 0.04**3
    ball_speed = np.gradient(run.poses[:, 1, 2]) * 50
    jelly_speed = np.gradient(run.poses[:, 0, 2]) * 50
    total = mass * ball_speed + 1.0 * jelly_speed
    assert ball_speed[-2] > 0.1, "it bounces"
    assert total[-2] == pytest.approx(-mass, rel=0.02)


def test_mpm_and_fem_fall_alike(tmp_path: Path) -> None:
    """The same scene but for ``method``: the centre's height within a sixth of its edge through an impact, and the same
    squeeze within a tenth."""
    runs = [simulate(tmp_path, cube(0.2), seconds=0.3, spacing=0.0125, method=m) for m in ("mpm", "fem")]
    heights = [r.poses[:, 1, 2] for r in runs]
    assert np.abs(heights[0] - heights[1]).max() < 0.017, heights
    lowest = [h.min() for h in heights]
    assert lowest[0] == pytest.approx(lowest[1], rel=0.1)


def test_same_bytes_again(tmp_path: Path) -> None:
    runs = [simulate(tmp_path, cube(0.08), seconds=0.2) for _ in range(2)]
    assert runs[0].particles[0].positions.tobytes() == runs[1].particles[0].positions.tobytes()


def test_what_cannot_be_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"bodies\[0\].shape \(jelly\): particle_spacing_m.*half the thinnest"):
        assets(tmp_path, cube(0.3, size="[0.1, 0.1, 0.02]"))
    with pytest.raises(SceneError, match="substeps of"):
        simulate(tmp_path, cube(0.3), young=1e15)
    with pytest.raises(SceneError, match="start inside"):
        simulate(tmp_path, cube(0.03))
    inside = cube(0.3) + cube(0.38, ", velocity_m_s: [0, 0, 1]").replace("name: jelly", "name: other")
    with pytest.raises(SceneError, match=r"bodies\[1\] \(other\): 9 of 125 particles of 'other' start inside 'jelly'"):
        simulate(tmp_path, inside)
    two = assets(tmp_path, cube(0.3) + cube(0.6).replace("name: jelly", "name: other")).scene
    one = assets(tmp_path, cube(0.3)).scene
    with pytest.raises(SceneError, match=r"bodies\[1\].material.*method: mpm"):
        check_capabilities("genesis", two)
    for engine in ("newton", "genesis"):
        check_capabilities(engine, one)
    check_capabilities("newton", two)
