"""Bodies of elements among others that deform, in the newton engine: whole scenes, their receipts and bad starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simvid.assets.parts import SceneAssets
from simvid.checking.receipts.receipt import receipt_of
from simvid.errors import SceneError
from simvid.physics.newton.engine import NewtonPhysics
from simvid.testing.physics_scenes import written_assets
from simvid.trajectory import Trajectory

MATERIALS = """\
  hard: {}
  rubber: {density_kg_m3: 500, friction: 0.6, elastic: {young_modulus_pa: 5.0e+4, poisson_ratio: 0.3,
    particle_spacing_m: 0.025, method: fem}}
  cotton: {density_kg_m3: 150, friction: 0.4, cloth: {stretch_n_m: 300, bend_n_m: 5.0e-5, particle_spacing_m: 0.02}}
  sand: {density_kg_m3: 1500, friction: 0.5, granular: {young_modulus_pa: 2.0e+5, poisson_ratio: 0.3,
    friction_angle_deg: 33, particle_spacing_m: 0.0125}}
"""
LOW = "  - {name: low, shape: {box: {size_m: [0.1, 0.1, 0.1]}}, material: rubber, pose: {position_m: [0, 0, 0.05]}}\n"


def assets(folder: Path, body: str, seconds: float = 0.4, gravity: float = -9.81, ground: bool = True) -> SceneAssets:
    file = folder / "pairs.yaml"
    return written_assets(file, MATERIALS, LOW + body, seconds=seconds, gravity=gravity, ground=ground)


def thing(name: str, material: str, z: float, size: str = "[0.075, 0.075, 0.075]", more: str = "") -> str:
    return (
        f"  - {{name: {name}, shape: {{box: {{size_m: {size}}}}}, material: {material}, "
        f"pose: {{position_m: [0.01, 0.005, {z}]}}{more}}}\n"
    )


CUBE = thing("high", "rubber", 0.16)
TOWEL = thing("towel", "cotton", 0.11, "[0.2, 0.2, 0.002]")
SAND = thing("sand", "sand", 0.14, "[0.05, 0.05, 0.05]")


@pytest.mark.parametrize("body", [CUBE, TOWEL, SAND], ids=["cube", "towel", "sand"])
def test_receipts_pass_what_lies_on_it_and_fail_what_goes_through(tmp_path: Path, body: str) -> None:
    made = assets(tmp_path, body)
    run = NewtonPhysics().simulate(made)
    receipt = receipt_of(made, run)
    assert [law.line() for law in receipt.broken] == []
    assert {law.name for law in receipt.laws if law.passed} >= {"energy", "momentum", "element_depth", "volume"}
    sunk = [replace(p, positions=p.positions.copy()) for p in run.particles]
    other = next(p for p in sunk if p.name != "low")
    other.positions[-4:, :, 2] -= other.positions[-4:, :, 2].mean() - 0.05
    broken = {law.name for law in receipt_of(made, replace(run, particles=tuple(sunk))).broken}
    assert "element_depth" in broken


def thrown(folder: Path, body: str) -> Trajectory:
    made = assets(folder, body, gravity=0.0, ground=False)
    return NewtonPhysics().simulate(made)


@pytest.mark.parametrize("body", [CUBE, TOWEL, SAND], ids=["cube", "towel", "sand"])
def test_what_is_thrown_on_it_takes_it_along(tmp_path: Path, body: str) -> None:
    run = thrown(tmp_path, body.replace("}}\n", "}, velocity_m_s: [0.1, 0, -1]}\n"))
    speed = np.diff(run.poses[:, :, :3], axis=0) * 50
    mass = run.masses_kg
    total = np.einsum("b,tbk->tk", mass, speed)
    off = np.abs(total - mass[1] * np.array([0.1, 0, -1])).max(axis=1) / mass[1]
    assert off[-1] < 1e-4
    assert off.max() < (0.03 if "sand" in body else 1e-4), "particles get their impulses after they have moved"
    assert speed[-1, 0, 2] < -0.3 * mass[1] / mass.sum(), "it was hit"
    pairs = set(zip(run.contacts.id_a.tolist(), run.contacts.id_b.tolist(), strict=True))
    assert pairs == ({(1, 2)} if "sand" in body else set()), "no table holds what one solver does within itself"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (CUBE.replace("0.16]", "0.13]"), r"'high' and 'low' are 7.\d+ mm inside each other at t = 0"),
        (CUBE.replace("0.16]", "0.08]"), r"\d+ of \d+ particles of '\w+' start inside '\w+'"),
        (TOWEL.replace("0.11]", "0.096]"), r"'towel' and 'low' are 5.\d+ mm inside each other at t = 0"),
        (TOWEL.replace("0.11]", "0.05]"), r"\d+ of \d+ points of 'towel' start inside 'low'"),
        (SAND.replace("0.14]", "0.12]"), r"'sand' and 'low' are \d.\d+ mm inside each other at t = 0"),
        (SAND.replace("0.14]", "0.05]"), r"\d+ of \d+ particles of '\w+' start inside '\w+'"),
    ],
)
def test_what_starts_inside_it_is_refused(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(SceneError, match=said):
        NewtonPhysics().simulate(assets(tmp_path, body, seconds=0.04))


@pytest.mark.parametrize("body", [CUBE.replace("0.16]", "0.1376]"), SAND.replace("0.14]", "0.1251]")])
def test_what_starts_flush_with_it_is_not_and_is_not_pressed_apart(tmp_path: Path, body: str) -> None:
    run = NewtonPhysics().simulate(assets(tmp_path, body, seconds=0.04, gravity=0.0, ground=False))
    for matter in run.particles:
        assert np.abs(matter.positions - matter.positions[0]).max() < 1e-5
