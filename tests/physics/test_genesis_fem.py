"""Bodies of finite elements beside Genesis' rigid bodies, against the same scenes on Newton."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simvid.checking.receipts.receipt import receipt_of
from simvid.physics.genesis.engine import GenesisPhysics
from simvid.physics.newton.engine import NewtonPhysics
from simvid.testing.physics_scenes import written_assets
from simvid.trajectory import Trajectory

pytestmark = pytest.mark.slow
MATERIALS = """\
  jelly:
    density_kg_m3: 1000
    elastic: {young_modulus_pa: 2.0e+4, poisson_ratio: 0.3, particle_spacing_m: 0.025, method: fem}
  hard: {density_kg_m3: 500, friction: 0.3}
"""
SAME_M, CLOSE_M = 1e-7, 2e-4
"""What Genesis does not move; what it moves."""
FREE = "  - {name: far, shape: {box: {size_m: 0.1}}, material: hard, pose: {position_m: [1, 0, 0.05]}}\n"
"""A body that floats freely, so that all scenes have the same kernels."""


def body(name: str, size: str, material: str, place: str, more: str = "") -> str:
    shape, pose = f"box: {{size_m: {size}}}", f"position_m: {place}"
    return f"  - {{name: {name}, shape: {{{shape}}}, material: {material}, pose: {{{pose}}}{more}}}\n"


def cube(height: float) -> str:
    return body("jelly", "0.1", "jelly", f"[0, 0, {height}]")


def slab(name: str, place: str, more: str = "", size: str = "[0.2, 0.2, 0.04]") -> str:
    return body(name, size, "hard", place, more)


def both(folder: Path, bodies: str, seconds: float = 0.6) -> tuple[Trajectory, Trajectory]:
    """Genesis' and Newton's run; Genesis' keeps the laws of the receipt."""
    assets = written_assets(folder / "fem.yaml", MATERIALS, bodies, seconds=seconds)
    GenesisPhysics().check(assets)
    made = GenesisPhysics().simulate(assets)
    assert [law.name for law in receipt_of(assets, made).laws if law.passed is False] == []
    return made, NewtonPhysics().simulate(assets)


def apart(one: Trajectory, two: Trajectory, name: str) -> float:
    """Largest distance of the centres of mass at any frame [m]."""
    k = one.part_index(name)
    return float(np.linalg.norm(one.poses[:, k, :3] - two.poses[:, k, :3], axis=1).max())


def impulse(made: Trajectory, one: str, two: str) -> np.ndarray:
    """Of all contacts between two parts [N s]."""
    ids = sorted(made.part_index(name) + 1 for name in (one, two))
    rows = (made.contacts.id_a == ids[0]) & (made.contacts.id_b == ids[1])
    return np.asarray(made.contacts.impulse_n_s[rows].sum(axis=0))


def test_it_falls_on_the_edge_of_a_fixed_box_and_on_the_ground_as_on_newton(tmp_path: Path) -> None:
    post = slab("post", "[0.13, 0, 0.1]", ", fixed: true", "[0.2, 0.2, 0.2]")
    genesis, newton = both(tmp_path, cube(0.4) + post + FREE)
    assert genesis.particles[0].positions[..., 2].min() < 1e-3, "it came to the ground"
    assert np.abs(genesis.particles[0].positions - newton.particles[0].positions).max() < SAME_M
    pushes = [impulse(made, "jelly", "post") for made in (genesis, newton)]
    assert abs(pushes[0][2]) > 1.0, "and on the box before"
    assert pushes[0] == pytest.approx(pushes[1], abs=1e-6)


def test_a_press_squeezes_it_as_on_newton(tmp_path: Path) -> None:
    frames = ", ".join(
        f"{{t_s: {t}, pose: {{position_m: [0, 0, {z}]}}}}" for t, z in ((0, 0.125), (0.3, 0.095), (0.6, 0.14))
    )
    genesis, newton = both(
        tmp_path, cube(0.05) + slab("press", "[0, 0, 0.125]", f", motion: {{keyframes: [{frames}]}}") + FREE
    )
    height = np.ptp(genesis.particles[0].positions[:, :, 2], axis=1)
    assert height.min() == pytest.approx(0.075, abs=1e-3)
    assert height[-1] > 0.09
    assert np.abs(genesis.particles[0].positions - newton.particles[0].positions).max() < SAME_M


def test_a_plate_that_falls_on_it_squeezes_it_as_on_newton(tmp_path: Path) -> None:
    """The plate moves freely: Genesis moves it by what the elements push."""
    genesis, newton = both(tmp_path, cube(0.05) + slab("plate", "[0, 0, 0.14]"), seconds=0.8)
    assert apart(genesis, newton, "jelly") < CLOSE_M
    assert apart(genesis, newton, "plate") < CLOSE_M
    assert np.abs(genesis.particles[0].positions - newton.particles[0].positions).max() < 2 * CLOSE_M
    plate = genesis.poses[:, genesis.part_index("plate"), 2]
    assert plate.min() < 0.11 < plate[-1], "it went into the cube and came up again"
