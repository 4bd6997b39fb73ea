"""Which friction counts where something deformable slides on something rigid: its own, or that of what it slides on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.physics.genesis.engine import GenesisPhysics
from simvid.physics.newton.engine import NewtonPhysics
from simvid.testing.physics_scenes import written_assets
from simvid.trajectory import Trajectory

G = 9.81
LAWS = {
    "mpm": "elastic: {young_modulus_pa: 1.0e+5, poisson_ratio: 0.3, particle_spacing_m: 0.02}",
    "fem": "elastic: {young_modulus_pa: 1.0e+5, poisson_ratio: 0.3, particle_spacing_m: 0.02, method: fem}",
    "clay": "plastic: {young_modulus_pa: 1.0e+5, yield_stress_pa: 1.0e+5, particle_spacing_m: 0.02}",
    "sand": "granular: {young_modulus_pa: 1.0e+5, particle_spacing_m: 0.02}",
}
SLAB = (
    "  - {name: slab, shape: {box: {size_m: [0.24, 0.24, 0.08]}}, material: slab, pose: {position_m: [0, 0, 0.04]}, "
    "velocity_m_s: [1, 0, 0]}\n"
)


def slowing(engine: Any, folder: Path, law: str, own: float, floor: float) -> float:
    """Deceleration of a slab that slides on the ground, over g."""
    materials = f"  slab: {{density_kg_m3: 1000, friction: {own}, {LAWS[law]}}}\n  hard: {{friction: {floor}}}\n"
    return slowed(engine.simulate(written_assets(folder / "slab.yaml", materials, SLAB, seconds=0.2)))


def slowed(made: Trajectory) -> float:
    """Deceleration of the slab over g, while it slides."""
    speed = np.gradient(made.poses[:, made.part_index("slab"), 0]) * made.fps
    late = slice(3, 9)
    return -float(np.polyfit(np.arange(len(speed))[late] / made.fps, speed[late], 1)[0]) / G


@pytest.mark.parametrize("law", ["mpm", "clay", "sand"])
@pytest.mark.parametrize(("own", "floor"), [(0.1, 0.4), (0.4, 0.1)])
def test_particles_feel_that_of_what_they_slide_on(tmp_path: Path, law: str, own: float, floor: float) -> None:
    assert slowing(NewtonPhysics(), tmp_path, law, own, floor) == pytest.approx(floor, rel=0.05)


@pytest.mark.parametrize(("own", "floor"), [(0.1, 0.4), (0.4, 0.1)])
def test_of_elements_and_what_they_slide_on_the_larger_counts(tmp_path: Path, own: float, floor: float) -> None:
    assert slowing(NewtonPhysics(), tmp_path, "fem", own, floor) == pytest.approx(0.4, rel=0.03)


@pytest.mark.parametrize(("own", "sheet", "wanted"), [(0.1, 0.4, 0.4), (0.4, 0.1, 0.4), (0.1, 0.1, 0.1)])
def test_of_particles_and_cloth_the_larger_counts(tmp_path: Path, own: float, sheet: float, wanted: float) -> None:
    """The cloth is held all over."""
    cloth = (
        f"  sheet: {{density_kg_m3: 300, friction: {sheet}, cloth: {{stretch_n_m: 400, particle_spacing_m: 0.03}}}}\n"
    )
    materials = f"  slab: {{density_kg_m3: 1000, friction: {own}, {LAWS['mpm']}}}\n" + cloth
    bodies = (
        "  - {name: slab, shape: {box: {size_m: [0.12, 0.12, 0.06]}}, material: slab, velocity_m_s: [1, 0, 0], "
        "pose: {position_m: [0, 0, 0.032]}}\n"
        "  - {name: sheet, shape: {box: {size_m: [0.5, 0.3, 0.002]}}, material: sheet, "
        "pose: {position_m: [0.1, 0, 0]}}\n"
        "forces: [{hold: {bodies: [sheet], region: {box: {low_m: [-1, -1, -1], high_m: [1, 1, 0.001]}}}}]\n"
    )
    assets = written_assets(tmp_path / "slab.yaml", materials, bodies, seconds=0.2, ground=False)
    assert slowed(NewtonPhysics().simulate(assets)) == pytest.approx(wanted, rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("law", ["mpm", "fem"])
def test_genesis_has_the_same_rules(tmp_path: Path, law: str) -> None:
    wanted = 0.1 if law == "mpm" else 0.4
    assert slowing(GenesisPhysics(), tmp_path, law, 0.4, 0.1) == pytest.approx(wanted, rel=0.03)
