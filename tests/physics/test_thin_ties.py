"""Attachments of cloth, rope and elements: momentum, what they weigh to their carrier, and what the record says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simvid.errors import SceneError
from simvid.physics.newton.engine import NewtonPhysics
from simvid.testing.physics_scenes import lawful
from simvid.trajectory import Trajectory

HEAD = """\
simvid: 1
duration_s: 0.25
fps: 24
physics: {gravity_m_s2: GRAVITY}
materials:
  cotton: {density_kg_m3: 150, cloth: {stretch_n_m: 400, bend_n_m: 1.0e-3, particle_spacing_m: 0.05}}
  cord: {density_kg_m3: 1100, rope: {young_modulus_pa: 2.0e+6, particle_spacing_m: 0.04}}
  rubber: {density_kg_m3: 1000, elastic: {young_modulus_pa: 5.0e+4, particle_spacing_m: 0.04, method: fem}}
cameras: [{name: front, pose: {look_from_m: [1, -1, 1], look_at_m: [0, 0, 0]}}]
bodies:
"""
CLOTH = "  - {name: j, shape: {box: {size_m: [0.4, 0.4, 0.002]}}, material: cotton}\n"
ROPE = "  - {name: j, shape: {capsule: {radius_m: 0.01, length_m: 0.48}}, material: cord}\n"
BLOCK = "  - {name: j, shape: {box: {size_m: 0.12}}, material: rubber}\n"
BALL = """\
  - name: b
    shape: {sphere: {radius_m: 0.05}}
    mass_kg: %g
    velocity_m_s: [0.5, 0.1, 0]
    angular_velocity_rad_s: [0, 1, 2]
    pose: {position_m: [%s]}
"""
TIE = "attachments: [{name: t, a: j, b: b, start_s: %g, region: {box: {low_m: [%s], high_m: [1, 1, 1]}}}]\n"
KINDS = {
    "cloth": (CLOTH, "0, 0.27, 0", "-1, 0.15, -1"),
    "rope": (ROPE, "0, 0, 0.31", "-1, -1, 0.2"),
    "block": (BLOCK, "0, 0, 0.12", "-1, -1, 0.01"),
}


def run(folder: Path, rest: str, gravity: str = "[0, 0, 0]") -> Trajectory:
    """Simulate; no law is broken."""
    return lawful(folder / "scene.yaml", HEAD.replace("GRAVITY", gravity) + rest, NewtonPhysics())


@pytest.mark.parametrize("mass", [0.005, 0.5, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_a_floating_carrier_may_be_far_lighter(tmp_path: Path, kind: str, mass: float) -> None:
    """Momentum of both stays; each gets what the other gives, in the record, and they are in no contact."""
    body, place, low = KINDS[kind]
    made = run(tmp_path, body + BALL % (mass, place) + TIE % (0.05, low))
    before = mass * np.array([0.5, 0.1, 0.0])
    after = made.masses_kg @ made.twists[-2, :, :3]
    assert np.abs(after - before).max() < 0.05 * np.linalg.norm(before)
    assert made.outside is not None
    assert len(made.contacts) == 0
    given = made.outside.impulses.sum(axis=0)
    assert np.abs(given[0]).max() > 0.01 * mass * 0.05
    assert given[0] == pytest.approx(-given[1], abs=1e-9)
    assert mass * (made.twists[-1, 1, :3] - made.twists[0, 1, :3]) == pytest.approx(given[1], rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("body", [CLOTH, ROPE, BLOCK], ids=["cloth", "rope", "block"])
def test_what_is_tied_weighs_what_it_weighs(tmp_path: Path, body: str) -> None:
    """A carrier on a slider and all of what it carries: a = F / (M + m)."""
    weight = {CLOTH: 0.048, ROPE: 0.17, BLOCK: 1.728}[body]
    slider = (
        "{name: b, shape: {box: {size_m: 0.05}}, joint: {slider: {axis: [1, 0, 0]}}, pose: {position_m: [0, 0, 0.5]}"
    )
    push = "forces: [{acceleration: {acceleration_m_s2: [4, 0, 0], bodies: [b]}}]\n"
    made = run(tmp_path, f"{body}  - {slider}, mass_kg: {4 * weight}}}\n{push}" + TIE % (0, "-1, -1, -1"))
    share = 4 * weight / (4 * weight + made.masses_kg[0])
    assert made.poses[-1, :, 0] == pytest.approx(2 * share * 0.25**2, rel=0.02)


@pytest.mark.parametrize("body", [ROPE, BLOCK], ids=["rope", "block"])
def test_too_much_on_a_light_body_on_a_joint_is_refused(tmp_path: Path, body: str) -> None:
    light = (
        "{name: b, shape: {box: {size_m: 0.05}}, joint: {slider: {axis: [1, 0, 0]}}, pose: {position_m: [0, 0, 0.5]}"
    )
    with pytest.raises(
        SceneError, match=r"attachments\[0\].region.*'j' in it weigh .* kg.* expected at most 0.5 times"
    ):
        run(tmp_path, f"{body}  - {light}, mass_kg: 0.02}}\n" + TIE % (0, "-1, -1, -1"))


@pytest.mark.parametrize("body", [ROPE, BLOCK], ids=["rope", "block"])
@pytest.mark.parametrize("start", [0.1, 0.15])
def test_what_one_tie_takes_over_another_does_not_let_go(tmp_path: Path, body: str, start: float) -> None:
    """From hand to hand: the second begins before the first ends, or as it does; it is listed first."""
    hands = "".join(
        f"  - {{name: {name}, shape: {{box: {{size_m: 0.02}}}}, fixed: true, pose: {{position_m: [{x}, 0, 0.3]}}}}\n"
        for name, x in (("b", 0.1), ("c", -0.1))
    )
    region = "region: {box: {low_m: [-1, -1, 0.01], high_m: [1, 1, 1]}}"
    ties = f"attachments: [{{name: two, a: j, b: c, start_s: {start}, {region}}}, "
    ties += f"{{name: one, a: j, b: b, end_s: 0.15, {region}}}]\n"
    x = run(tmp_path, body + hands + ties, "[0, 0, -9.81]").particles[0].positions
    assert np.abs(x[:, x[0, :, 2] > 0.01] - x[0, x[0, :, 2] > 0.01]).max() < 1e-5
