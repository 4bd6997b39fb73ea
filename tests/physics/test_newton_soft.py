"""Deformable bodies in the newton engine: they fall, lie, push and are pushed, and momentum is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.checking.receipts.receipt import receipt_of
from simvid.errors import PhysicsError, SceneError
from simvid.physics.newton.engine import NewtonPhysics
from simvid.success import outcomes
from simvid.testing.physics_scenes import written_assets
from simvid.trajectory import Trajectory

Array = NDArray[np.float64]
MATERIALS = """\
  jelly: {density_kg_m3: 1000, friction: 0.6, elastic: {young_modulus_pa: 4e4, particle_spacing_m: 0.02}}
  clay: {plastic: {young_modulus_pa: 1e5, yield_stress_pa: 2e3, particle_spacing_m: 0.02}}
  sand: {density_kg_m3: 1600, granular: {young_modulus_pa: 2e5, particle_spacing_m: 0.02}}
  fresh: {density_kg_m3: 400, snow: {particle_spacing_m: 0.02}}
  water: {liquid: {bulk_modulus_pa: 5e4, particle_spacing_m: 0.02}}
  hard: {density_kg_m3: 500, friction: 0.5}
"""


def assets(folder: Path, bodies: str, **given: Any) -> SceneAssets:
    return written_assets(folder / "soft.yaml", MATERIALS, bodies, **given)


def simulate(folder: Path, bodies: str, **given: Any) -> Trajectory:
    return NewtonPhysics().simulate(assets(folder, bodies, **given))


BOX = "  - {{name: {name}, shape: {{box: {{size_m: 0.16}}}}, material: {material}, pose: {{position_m: {at}}}{more}}}\n"


def block(name: str, material: str, at: tuple[float, float, float], more: str = "") -> str:
    return BOX.format(name=name, material=material, at=list(at), more=more)


def speed(made: Trajectory, part: str, frame: int) -> Array:
    """Of the centre of mass between two frames."""
    k = made.part_index(part)
    return np.asarray((made.poses[frame, k, :3] - made.poses[frame - 1, k, :3]) * made.fps)


def test_a_ball_hits_a_jelly_in_the_air(tmp_path: Path) -> None:
    """Momentum goes over, to rounding, and the table of contacts has it."""
    made = simulate(
        tmp_path,
        block("jelly", "jelly", (0, 0, 0))
        + "  - {name: ball, shape: {sphere: {radius_m: 0.08}}, material: hard, pose: {position_m: [-0.2, 0.03, 0]}, "
        "velocity_m_s: [2, 0, 0]}\n",
        gravity=0.0, ground=False, seconds=0.3,
    )  # fmt: skip
    jelly, ball = made.part_index("jelly"), made.part_index("ball")
    m, n = made.masses_kg[jelly], made.masses_kg[ball]
    assert m == pytest.approx(1000 * 0.16**3)
    after = m * speed(made, "jelly", -1) + n * made.twists[-1, ball, :3]
    assert after == pytest.approx([2 * n, 0, 0], abs=2e-3 * n)
    assert speed(made, "jelly", -1)[0] > 0.2
    rows = (made.contacts.id_a == jelly + 1) & (made.contacts.id_b == ball + 1)
    assert made.contacts.impulse_n_s[rows].sum(axis=0) == pytest.approx(
        n * (np.array([2, 0, 0]) - made.twists[-1, ball, :3]), abs=1e-3 * n
    )
    assert np.all(made.contacts.normal[rows][:, 0] > 0.5)  # from the ball to the jelly


def test_free_flight_and_spin(tmp_path: Path) -> None:
    """The pose of a jelly that turns in the air turns as a rigid body's, and F is that rotation."""
    made = simulate(
        tmp_path,
        block("jelly", "jelly", (0, 0, 1), ", velocity_m_s: [0.5, 0, 1], angular_velocity_rad_s: [0, 0, 4]"),
        ground=False, seconds=0.2,
    )  # fmt: skip
    t = np.arange(made.frame_count) / 50
    wanted = np.stack([0.5 * t, 0 * t, 1 + t - 9.81 * t**2 / 2], axis=1)
    assert np.abs(made.poses[:, 0, :3] - wanted).max() < 2e-3
    angle = 2 * np.arctan2(made.poses[:, 0, 6], made.poses[:, 0, 3])
    assert angle == pytest.approx(4 * t, abs=0.02)
    assert made.twists[5, 0] == pytest.approx([0.5, 0, 1 - 9.81 * t[5], 0, 0, 4], abs=0.05)
    particles = made.particles[0]
    assert np.abs(particles.deformation[0] - np.eye(3)).max() < 1e-6
    assert np.abs(particles.positions[0] - particles.rest - [0, 0, 1]).max() < 1e-6


@pytest.mark.parametrize("material", ["jelly", "clay", "sand", "fresh", "water"])
def test_each_material_lies_on_the_ground_with_its_weight(tmp_path: Path, material: str) -> None:
    made = simulate(tmp_path, block("thing", material, (0, 0, 0.08)), seconds=0.6)
    late = made.contacts.frame > 15
    pushed = made.contacts.impulse_n_s[late & (made.contacts.id_b == 2)].sum(axis=0)
    weight = made.masses_kg[1] * 9.81 * 15 / 50
    assert -pushed[2] == pytest.approx(weight, rel=0.1)  # on the ground
    assert made.particles[0].positions[..., 2].min() > -1e-3
    assert made.particles[0].form == ("solid" if material in {"jelly", "clay", "fresh"} else "loose")


def test_a_box_rests_on_jelly(tmp_path: Path) -> None:
    """And both weigh on the ground."""
    made = simulate(tmp_path, block("jelly", "jelly", (0, 0, 0.08)) + block("lid", "hard", (0, 0, 0.245)), seconds=1.0)
    assert made.poses[-1, made.part_index("lid"), 2] == pytest.approx(0.235, abs=0.015)
    late = (made.contacts.frame > 30) & (made.contacts.id_a == 1)
    pushed = -made.contacts.impulse_n_s[late].sum(axis=0)[2]
    assert pushed == pytest.approx(made.masses_kg[1:].sum() * 9.81 * 20 / 50, rel=0.1)


def test_keyframes_may_carry_a_jelly_far(tmp_path: Path) -> None:
    """Farther than particles may fly from where things are at the start."""
    tray = """\
  - name: tray
    shape: {box: {size_m: [0.3, 0.3, 0.05]}}
    motion: {keyframes: [{t_s: 0, pose: {position_m: [0, 0, 0.5]}}, {t_s: 1, pose: {position_m: [2.4, 0, 0.5]}}]}
attachments: [{name: t, a: jelly, b: tray, region: {box: {low_m: [-1, -1, 0], high_m: [1, 1, 0.58]}}}]
"""
    made = simulate(tmp_path, block("jelly", "jelly", (0, 0, 0.615)) + tray, seconds=1.0)
    assert made.poses[-1, made.part_index("jelly"), 0] == pytest.approx(2.4, abs=0.05)


def test_same_bytes_again(tmp_path: Path) -> None:
    """Two runs; fresh processes are compared in tests/physics/mpm."""
    bodies = block("jelly", "jelly", (0, 0, 0.1)) + block("lid", "hard", (0.05, 0, 0.28))
    one, two = (simulate(tmp_path, bodies, seconds=0.1) for _ in range(2))
    assert one.poses.tobytes() == two.poses.tobytes()
    assert one.particles[0].positions.tobytes() == two.particles[0].positions.tobytes()


def test_what_it_cannot_do_is_named(tmp_path: Path) -> None:
    fast = block("jelly", "jelly", (0, 0, 0.3), ", velocity_m_s: [60, 0, 0]")
    with pytest.raises(PhysicsError, match=r"particles of 'jelly' have left the grid, .*; keep them in by"):
        simulate(tmp_path, fast, seconds=0.2)
    far = "  - {name: far, shape: {box: {size_m: 0.1}}, pose: {position_m: [90000, 0, 1]}}\n"
    with pytest.raises(SceneError, match=r"bodies\[1\] \(far\): 'far' is 9e\+04 m away from the deformable bodies"):
        simulate(tmp_path, block("jelly", "jelly", (0, 0, 0.5)) + far)


@pytest.mark.parametrize("material", ["water", "sand"])
def test_what_begins_flush_with_its_walls_does_not_jet(tmp_path: Path, material: str) -> None:
    """Nothing is faster than free fall and the run of a front, 2 sqrt(g H) (Ritter 1892), in the first 0.06 s.

    Grains and drops once stood as close as a tenth of a spacing to the walls, and were pressed out of them.
    """
    walls = "".join(
        f"  - {{name: {name}, fixed: true, material: hard, shape: {{box: {{size_m: {size}}}}}, "
        f"pose: {{position_m: {at}}}}}\n"
        for name, size, at in (
            ("left", [0.4, 0.1, 0.4], [0.1, -0.13, 0.2]),
            ("right", [0.4, 0.1, 0.4], [0.1, 0.13, 0.2]),
            ("back", [0.1, 0.16, 0.4], [-0.13, 0, 0.2]),
        )
    )
    made = simulate(tmp_path, block("thing", material, (0, 0, 0.08)) + walls, seconds=0.06)
    x = made.particles[0].positions.astype(np.float64)
    v = np.diff(x, axis=0) * made.fps
    for frame, fastest in enumerate(np.abs(v).max(axis=(1, 2))):
        assert fastest < 9.81 * (frame + 1) / made.fps + 0.1
    assert v[..., 2].max() < 0.1  # nothing goes up


def test_particles_inside_of_something_are_refused(tmp_path: Path) -> None:
    """How many, how deep, and where to; what the error advises is taken."""
    rock = "  - {name: rock, shape: {box: {size_m: 0.2}}, material: hard, pose: {position_m: [0, 0, 0.1]}}\n"
    with pytest.raises(SceneError) as caught:
        NewtonPhysics().check(assets(tmp_path, rock + block("jelly", "jelly", (0.1, 0, 0.15))))
    # of eight layers of 8 x 8 particles along x the first, at 0.03 m, lies 70 mm inside; the fourth 10 mm; 6 high
    assert str(caught.value).partition(": ")[2] == (
        "bodies[1] (jelly): 192 of 512 particles of 'jelly' start inside 'rock', up to 70 mm deep (at most 5 mm is "
        "allowed): move 'jelly' by [0.08, 0, 0] m"
    )
    NewtonPhysics().check(assets(tmp_path, rock + block("jelly", "jelly", (0.18, 0, 0.15))))
    both = rock.replace("0.1]", "0.16]") + block("jelly", "sand", (0, 0, 0.05))
    with pytest.raises(SceneError, match=r"'ground', up to 20 mm deep .*: move 'jelly' by .0, 0, 0.03. m\n.*'rock'"):
        simulate(tmp_path, both)


def test_what_is_held_or_tied_may_be_inside(tmp_path: Path) -> None:
    """A beam is clamped in a wall, a pudding is stuck on a pin."""
    wall = "  - {name: wall, fixed: true, shape: {box: {size_m: [0.1, 0.4, 0.4]}}, pose: {position_m: [-0.1, 0, 1]}}\n"
    beam = wall + block("beam", "jelly", (0, 0, 1))
    region = "{box: {low_m: [-1, -1, 0], high_m: [-0.04, 1, 2]}}"
    for more in (
        f"forces: [{{hold: {{bodies: [beam], region: {region}}}}}]\n",
        f"attachments: [{{name: pin, a: beam, b: wall, region: {region}}}]\n",
    ):
        NewtonPhysics().check(assets(tmp_path, beam + more))
    with pytest.raises(SceneError, match="64 of 512 particles of 'beam' start inside 'wall', up to 20 mm deep"):
        NewtonPhysics().check(assets(tmp_path, beam))


@pytest.mark.parametrize("kept", ["forces: [{hold: {", "attachments: [{name: stick, a: jelly, b: rod, "])
def test_a_jelly_on_a_stick_stays_there(tmp_path: Path, kept: str) -> None:
    """What keeps particles in the stick makes them neither an end of the run nor a broken law."""
    rod = "  - {name: rod, fixed: true, shape: {box: {size_m: [0.06, 0.06, 0.3]}}, pose: {position_m: [0, 0, 0.3]}}\n"
    region = "region: {box: {low_m: [-0.041, -0.041, 0], high_m: [0.041, 0.041, 1]}}"
    scene = rod + block("jelly", "jelly", (0, 0, 0.3)) + kept + region + ("}}]\n" if "hold" in kept else "}]\n")
    made = assets(tmp_path, scene, seconds=0.5, ground=False)
    receipt = receipt_of(made, NewtonPhysics().simulate(made))
    assert not [law for law in receipt.laws if law.passed is False]


def test_what_stands_between_particles_is_inside_too(tmp_path: Path) -> None:
    """A plate of 8 mm in the middle of a jelly whose layers are 20 mm apart touches none of them."""
    plate = "  - {{name: plate, shape: {{box: {{size_m: [0.008, 0.1, 0.1]}}}}, pose: {{position_m: [{x}, 0, 0.5]}}}}\n"
    jelly = block("jelly", "jelly", (0, 0, 0.5))
    with pytest.raises(SceneError, match=r"bodies\[1\] \(jelly\): 'plate' starts inside 'jelly': .*% of its surface"):
        NewtonPhysics().check(assets(tmp_path, plate.format(x=0) + jelly))
    NewtonPhysics().check(assets(tmp_path, plate.format(x=0.085) + jelly))  # touches, and a millimetre more


def test_water_may_begin_around_what_floats(tmp_path: Path) -> None:
    """Flush with its sides and its bottom."""
    slab = "  - {name: slab, shape: {box: {size_m: [0.16, 0.16, 0.08]}}, pose: {position_m: [0, 0, 0.24]}}\n"
    sides = [("0.08, 0.32, 0.08", x, 0) for x in (-0.12, 0.12)] + [("0.16, 0.08, 0.08", 0, y) for y in (-0.12, 0.12)]
    boxes = "".join(
        f"{{shape: {{box: {{size_m: [{s}]}}}}, pose: {{position_m: [{x}, {y}, 0.04]}}}}, " for s, x, y in sides
    )
    below = "{shape: {box: {size_m: [0.32, 0.32, 0.16]}}, pose: {position_m: [0, 0, -0.08]}}"
    pool = f"  - {{name: pool, shape: {{compound: {{parts: [{boxes}{below}]}}}}, material: water, "
    NewtonPhysics().check(assets(tmp_path, slab + pool + "pose: {position_m: [0, 0, 0.2]}}\n"))


@pytest.mark.parametrize(
    ("material", "said"),
    [
        ("{elastic: {young_modulus_pa: 1e16, particle_spacing_m: 0.04}}", "young_modulus_pa of at most .*1e+16"),
        ("{elastic: {young_modulus_pa: 1e4, poisson_ratio: 0.4999999999, particle_spacing_m: 0.04}}",
         "a poisson_ratio of at most 0.49 (it is 0.4999999999)"),
        ("{liquid: {bulk_modulus_pa: 1e4, viscosity_pa_s: 1e9, particle_spacing_m: 0.04}}",
         "viscosity_pa_s of at most .*1e+09"),
        ("{liquid: {bulk_modulus_pa: 1e16, particle_spacing_m: 0.04}}", "bulk_modulus_pa of at most .*1e+16"),
        ("{cloth: {stretch_n_m: 1e12}}", "times softer, or as much heavier"),
    ],
)  # fmt: skip
def test_what_would_take_for_ever_is_refused(tmp_path: Path, material: str, said: str) -> None:
    size = "[0.3, 0.3, 0.002]" if "cloth" in material else "0.16"
    body = (
        f"  - {{name: b, shape: {{box: {{size_m: {size}}}}}, material: {material}, pose: {{position_m: [0, 0, 1]}}}}\n"
    )
    with pytest.raises(SceneError) as caught:
        simulate(tmp_path, body)
    message = str(caught.value)
    assert "bodies[0] (b): its material needs substeps of" in message
    for words in said.split(".*"):
        assert words in message
    with pytest.raises(SceneError, match="its material needs substeps of"):
        NewtonPhysics().check(assets(tmp_path, body))


def test_a_heap_lies_above_its_tray(tmp_path: Path) -> None:
    """A predicate looks at the grains as they lie, not at the pillar that they were."""
    scene = """\
  - {name: sand, shape: {box: {size_m: [0.08, 0.08, 0.24]}}, material: sand, pose: {position_m: [0, 0, 0.16]}}
  - {name: tray, shape: {box: {size_m: [0.6, 0.6, 0.04]}}, fixed: true, pose: {position_m: [0, 0, 0.02]}}
success: [above: {body: sand, of: tray}]
"""
    made = assets(tmp_path, scene, seconds=0.4)
    heap = NewtonPhysics().simulate(made)
    assert heap.particles[0].positions[-1, :, 2].max() < 0.2
    (found,) = outcomes(made, heap)
    assert (found.true, found.since_frame) == (True, 0), found
