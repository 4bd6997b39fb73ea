"""Cloth and rope in the newton engine: they fall, drape, pull and are pulled, and momentum is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.assets.prepare import prepare
from simvid.errors import SceneError
from simvid.parsing import load_scene
from simvid.physics.newton.engine import NewtonPhysics
from simvid.testing.physics_scenes import written_assets
from simvid.trajectory import Trajectory

Array = NDArray[np.float64]
MATERIALS = """\
  flag: {density_kg_m3: 150, friction: 0.5, cloth: {stretch_n_m: 300, particle_spacing_m: 0.025}}
  cord: {density_kg_m3: 1000, friction: 0.4, rope: {young_modulus_pa: 2.0e+7, bend_n_m2: 1.0e-5}}
  hard: {density_kg_m3: 500, friction: 0.3}
"""


def assets(folder: Path, bodies: str, **given: Any) -> SceneAssets:
    return written_assets(folder / "thin.yaml", MATERIALS, bodies, **given)


def simulate(folder: Path, bodies: str, **given: Any) -> Trajectory:
    return NewtonPhysics().simulate(assets(folder, bodies, **given))


def body(name: str, shape: str, material: str, pose: str, more: str = "") -> str:
    return f"  - {{name: {name}, shape: {{{shape}}}, material: {material}, pose: {{{pose}}}{more}}}\n"


def flag(at: tuple[float, float, float], more: str = "", size: str = "[0.3, 0.3, 0.002]") -> str:
    return body("flag", f"box: {{size_m: {size}}}", "flag", f"position_m: {list(at)}", more)


def cord(at: tuple[float, float, float], more: str = "") -> str:
    pose = f"position_m: {list(at)}, rotation_deg: [0, 90, 0]"
    return body("cord", "capsule: {radius_m: 0.005, length_m: 0.4}", "cord", pose, more)


def ball(at: tuple[float, float, float], more: str = "", radius: float = 0.05) -> str:
    return body("ball", f"sphere: {{radius_m: {radius}}}", "hard", f"position_m: {list(at)}", more)


def test_free_flight_and_spin(tmp_path: Path) -> None:
    """The pose of a cloth that turns in the air turns as a rigid body's, and F is that rotation."""
    made = simulate(
        tmp_path, flag((0, 0, 1), ", velocity_m_s: [0.5, 0, 1], angular_velocity_rad_s: [0, 0, 4]"),
        ground=False, seconds=0.2,
    )  # fmt: skip
    t = np.arange(made.frame_count) / 50
    wanted = np.stack([0.5 * t, 0 * t, 1 + t - 9.81 * t**2 / 2], axis=1)
    assert np.abs(made.poses[:, 0, :3] - wanted).max() < 1e-5
    angle = 2 * np.arctan2(made.poses[:, 0, 6], made.poses[:, 0, 3])
    assert angle == pytest.approx(4 * t, abs=0.03)
    particles = made.particles[0]
    assert (particles.form, made.masses_kg[0]) == ("sheet", pytest.approx(150 * 0.3 * 0.3 * 0.002))
    assert np.abs(particles.deformation[0] - np.eye(3)).max() < 1e-5
    assert np.abs(particles.positions[0] - particles.rest - [0, 0, 1]).max() < 1e-6


@pytest.mark.parametrize("thing", ["flag", "cord"])
def test_it_lies_on_the_ground_with_its_weight(tmp_path: Path, thing: str) -> None:
    at = (0.0, 0.0, 0.02)
    made = simulate(tmp_path, flag(at) if thing == "flag" else cord(at), seconds=0.5)
    late = made.contacts.frame > 15
    pushed = -made.contacts.impulse_n_s[late & (made.contacts.id_b == 2)].sum(axis=0)
    assert pushed[2] == pytest.approx(made.masses_kg[1] * 9.81 * 10 / 50, rel=0.02)
    half = 0.001 if thing == "flag" else 0.005
    assert made.particles[0].positions[-1, :, 2] == pytest.approx(half, abs=1e-4)
    assert made.contacts.depth_m.max() < 1e-4


def test_a_ball_flies_into_a_cloth(tmp_path: Path) -> None:
    """Momentum goes over, to rounding, and the table of contacts has it."""
    made = simulate(
        tmp_path, ball((0.01, 0, -0.06), ", velocity_m_s: [0, 0, 2]") + flag((0, 0, 0)), gravity=0.0, ground=False,
        seconds=0.2,
    )  # fmt: skip
    cloth, hit = made.part_index("flag"), made.part_index("ball")
    m, n = made.masses_kg[cloth], made.masses_kg[hit]
    speed = (made.poses[-1, cloth, :3] - made.poses[-2, cloth, :3]) * 50
    assert m * speed + n * made.twists[-1, hit, :3] == pytest.approx([0, 0, 2 * n], abs=0.05 * m)
    assert 1.0 < speed[2] < 2.5
    rows = (made.contacts.id_a == hit + 1) & (made.contacts.id_b == cloth + 1)
    assert made.contacts.impulse_n_s[rows].sum(axis=0) == pytest.approx(
        n * (made.twists[-1, hit, :3] - [0, 0, 2]), abs=1e-3 * n
    )
    assert (made.contacts.normal[rows][:3, 2] < -0.9).all(), "from the cloth to the ball"


def test_a_rope_over_a_beam_lifts_nothing_but_itself(tmp_path: Path) -> None:
    """It hangs over a fixed beam, which carries its weight; nothing is inside anything, nothing is longer."""
    beam = body(
        "beam", "cylinder: {radius_m: 0.03, length_m: 0.3}", "hard",
        "position_m: [0, 0, 0.4], rotation_deg: [90, 0, 0]", ", fixed: true",
    )  # fmt: skip
    made = simulate(tmp_path, beam + cord((0, 0, 0.436)), seconds=1.0)
    x = made.particles[0].positions.astype(np.float64)
    away = np.linalg.norm(x[..., [0, 2]] - [0, 0.4], axis=2)
    assert away.min() > 0.035 - 2e-4
    assert np.linalg.norm(np.diff(x, axis=1), axis=2).sum(axis=1) == pytest.approx(0.4, rel=2e-3)
    assert x[-1, [0, -1], 2].max() < 0.3, "both ends hang"
    late = made.contacts.frame > 30
    pushed = -made.contacts.impulse_n_s[late].sum(axis=0)
    assert pushed[2] == pytest.approx(made.masses_kg[made.part_index("cord")] * 9.81 * 20 / 50, rel=0.05)


def test_a_kinematic_hand_pulls_a_cloth_away_from_under_it(tmp_path: Path) -> None:
    """Friction takes the cloth along, and a free ball on it less."""
    plate = (
        "  - {name: plate, shape: {box: {size_m: [0.4, 0.4, 0.02]}}, material: hard, pose: {position_m: [0, 0, 0.05]}, "
        "motion: {keyframes: [{t_s: 0, pose: {position_m: [0, 0, 0.05]}}, "
        "{t_s: 0.4, pose: {position_m: [0.05, 0, 0.05]}}], interpolation: smooth}}\n"
    )
    made = simulate(tmp_path, plate + flag((0, 0, 0.0612)), seconds=0.5)
    moved = made.poses[-1, made.part_index("flag"), :3] - made.poses[0, made.part_index("flag"), :3]
    assert moved[0] == pytest.approx(0.05, abs=2e-3), "mu g is more than it takes"


def test_same_bytes_again(tmp_path: Path) -> None:
    """Two runs; fresh processes are compared in tests/physics/thin."""
    bodies = ball((0, 0, 0.05)) + flag((0, 0, 0.12)) + cord((0, 0.02, 0.15))
    one, two = (simulate(tmp_path, bodies, seconds=0.1) for _ in range(2))
    assert one.poses.tobytes() == two.poses.tobytes()
    assert [p.positions.tobytes() for p in one.particles] == [p.positions.tobytes() for p in two.particles]


def test_what_cannot_be_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"thin.yaml:13: .*'ball' and 'flag' are 27.4 mm inside each other.*: move"):
        NewtonPhysics().check(assets(tmp_path, ball((0, 0, 0.05)) + flag((0, 0, 0.07))))
    with pytest.raises(SceneError, match=r"bodies\[0\].material.*'flag': thickness_m: 0.03 m is more than .*0.036 or"):
        simulate(tmp_path, flag((0, 0, 1), size="[0.3, 0.3, 0.03]"))
    coarse = cord((0, 0, 1)).replace("material: cord", "material: {rope: {particle_spacing_m: 0.04}}")
    with pytest.raises(SceneError, match=r"'cord': particle_spacing_m: 0.04 m is too coarse .* at most 0.02"):
        simulate(tmp_path, coarse)


def test_a_ball_swings_on_a_rope(tmp_path: Path) -> None:
    """Tied to the rope, which the world holds: it goes down on a circle, no faster than it fell."""
    ties = """\
attachments:
  - {name: knot, a: cord, b: ball, region: {box: {low_m: [0.19, -1, 0], high_m: [1, 1, 2]}}}
forces:
  - {hold: {region: {box: {low_m: [-1, -1, 0], high_m: [-0.19, 1, 2]}}}}
"""
    made = simulate(tmp_path, cord((0, 0, 1)) + ball((0.25, 0, 1), radius=0.04) + ties, seconds=0.6)
    hung = made.part_index("ball")
    far = np.linalg.norm(made.poses[:, hung, :3] - [-0.2, 0, 1], axis=1)
    assert far.max() < 0.4 + 0.06
    assert made.poses[:, hung, 2].min() < 0.62, "it swings down on the rope"
    assert np.linalg.norm(made.twists[:, hung, :3], axis=1).max() < np.sqrt(2 * 9.81 * 0.47)


def test_a_cloth_hangs_on_a_robots_hand_and_goes_with_it() -> None:
    """The shelf's scene with a coarser cloth."""
    scene = load_scene("cloth_over_hand", ["materials.cotton.cloth.particle_spacing_m=0.03"])
    found = NewtonPhysics().simulate(prepare(scene))
    late = found.contacts.frame == found.frame_count - 1
    cloth, hand = found.part_index("cloth"), found.part_index("arm/hand")
    pairs = set(zip(found.contacts.id_a[late].tolist(), found.contacts.id_b[late].tolist(), strict=True))
    assert (cloth + 1, hand + 1) in pairs
    gone = np.linalg.norm(found.poses[:, cloth, :3] - found.poses[:, hand, :3], axis=1)
    assert gone.max() < 0.2, "it stays within its half width of the hand"
    assert found.poses[-1, hand, 1] > 0.2, "which has turned to the side"
