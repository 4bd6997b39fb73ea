"""Winds, fields, holds, attachments, belts and moving colliders on particles, in the newton engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.prepare import prepare
from simvid.errors import SceneError
from simvid.parsing import load_scene
from simvid.physics.influences import KINDS, Influence, Place
from simvid.physics.newton.engine import NewtonPhysics
from simvid.trajectory import Trajectory

Array = NDArray[np.float64]
HEAD = """\
simvid: 1
duration_s: {seconds}
fps: 50
physics: {{gravity_m_s2: [0, 0, {gravity}]}}
materials:
  jelly: {{density_kg_m3: {density}, friction: 0.5, elastic: {{young_modulus_pa: 4e4, particle_spacing_m: 0.02}}}}
  hard: {{density_kg_m3: 500, friction: 0.5}}
cameras: [{{name: front, pose: {{look_from_m: [1, -1, 1], look_at_m: [0, 0, 0]}}}}]
bodies:
  - {{name: jelly, shape: {{box: {{size_m: 0.16}}}}, material: jelly, pose: {{position_m: {at}}}}}
"""


def run(
    folder: Path, rest: str, *, seconds: float = 0.3, gravity: float = 0.0, density: float = 1000.0,
    at: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Trajectory:  # fmt: skip
    path = folder / "scene.yaml"
    path.write_text(HEAD.format(seconds=seconds, gravity=gravity, density=density, at=list(at)) + rest)
    return NewtonPhysics().simulate(prepare(load_scene(path)))


def places(made: Trajectory) -> Array:
    """[T, P, 3]"""
    return made.particles[0].positions.astype(np.float64)


def speed(made: Trajectory, first: int, last: int) -> Array:
    """Of the centre of mass between two frames."""
    x = places(made).mean(axis=1)
    return np.asarray((x[last] - x[first]) * made.fps / (last - first))


def test_a_wind_drives_what_a_body_shows_to_it(tmp_path: Path) -> None:
    """u - v = u / (1 + k u t / m); the surface is as coarse as the grid, four cells across: a tenth of the area."""
    made = run(tmp_path, "forces: [{wind: {velocity_m_s: [6, 0, 0], drag_coefficient: 1.05}}]\n", density=50)
    k, mass, t = 1.2 * 1.05 * 0.16**2 / 2, made.masses_kg[0], 0.29
    wanted = 6 - 6 / (1 + k * 6 * t / mass)
    assert wanted > 0.6
    got = speed(made, 14, 15)
    assert got[0] == pytest.approx(wanted, rel=0.1)
    assert np.abs(got[1:]).max() < 1e-3


def test_fields_and_impulses_move_particles_as_bodies(tmp_path: Path) -> None:
    """The fields' own windows cut steps; the impulse is shared with a rigid ball, and momentum is J."""
    ball = "  - {name: ball, shape: {sphere: {radius_m: 0.05}}, mass_kg: 2, pose: {position_m: [1, 0, 0]}}\n"
    made = run(tmp_path, ball + """forces:
  - {acceleration: {acceleration_m_s2: [0, 2, 0], start_s: 0.0203, end_s: 0.1}}
  - {impulse: {t_s: 0.16, impulse_n_s: [3, 0, 0], bodies: [jelly, ball]}}
""")  # fmt: skip
    gained = 2 * 0.0797
    assert speed(made, 6, 7) == pytest.approx([0, gained, 0], abs=1e-4)
    assert made.twists[7, 1, :3] == pytest.approx([0, gained, 0], abs=1e-9)
    change = 3 / (2 + made.masses_kg[0])
    assert speed(made, 13, 15) == pytest.approx([change, gained, 0], abs=1e-3)
    assert made.twists[-1, 1, :3] == pytest.approx([change, gained, 0], abs=1e-7)


def test_held_particles_stay_and_the_rest_hangs(tmp_path: Path) -> None:
    """The lower part sags by about rho g L^2 / (2 E) and falls when it is let go."""
    hold = "forces: [{hold: {region: {box: {low_m: [-1, -1, 0.05], high_m: [1, 1, 1]}}, end_s: 0.3}}]\n"
    made = run(tmp_path, hold, gravity=-9.81, seconds=0.5)
    x = places(made)
    held = x[0, :, 2] > 0.05
    assert 0 < held.sum() < 100
    assert np.abs(x[:16, held] - x[0, held]).max() < 1e-6
    sag = (x[0, ~held, 2].min() - x[4:16, ~held, 2].min(axis=1)).mean()
    assert 0.3 < sag / (1000 * 9.81 * 0.13**2 / 8e4) < 2.5
    assert x[-1, held, 2].mean() < x[15, held, 2].mean() - 0.1
    assert [(e.kind, e.time_s) for e in made.ties] == [("release", 0.3)]


@pytest.mark.parametrize("side", ["low", "high"])
def test_a_held_beam_bends_as_one_clamped_in_the_face(tmp_path: Path, side: str) -> None:
    """Mean of its swing: w L^4 / (8 E I) + w L^2 / (2 k A G) (Timoshenko); four cells thick, its face on no node.

    Before the grid was laid by that face, and with nodes held by more than half of their mass, it was 28 % too far.
    """
    length, thick, young, spacing, face = 0.4, 0.1, 2e5, 0.0125, 0.008
    sign = 1.0 if side == "low" else -1.0
    middle, held = face + sign * (length - 0.05) / 2, sorted([face, face - sign * 0.1])
    inertia, weight = thick**4 / 12, 1000 * thick**2 * 1.0
    wanted = weight * length**4 / (8 * young * inertia) + weight * length**2 / (2 * 5 / 6 * young / 2 * thick**2)
    period = 2 * np.pi / 1.8751**2 * np.sqrt(1000 * thick**2 * length**4 / (young * inertia))
    (tmp_path / "beam.yaml").write_text(f"""
simvid: 1
duration_s: {period}
fps: {24 / period}
physics: {{gravity_m_s2: [0, 0, -1]}}
cameras: [{{name: front, pose: {{look_from_m: [1, -1, 1], look_at_m: [0, 0, 0]}}}}]
bodies:
  - name: beam
    shape: {{box: {{size_m: [{length + 0.05}, {thick}, {thick}]}}}}
    material: {{density_kg_m3: 1000, elastic: {{
      young_modulus_pa: {young}, poisson_ratio: 0, particle_spacing_m: {spacing}}}}}
    pose: {{position_m: [{middle}, 0, 0]}}
forces: [{{hold: {{region: {{box: {{low_m: [{held[0]}, -1, -1], high_m: [{held[1]}, 1, 1]}}}}}}}}]
""")
    x = places(NewtonPhysics().simulate(prepare(load_scene(tmp_path / "beam.yaml"))))
    end = sign * (x[0, :, 0] - face) > length - 1.1 * spacing
    assert float((x[0, end, 2] - x[1:, end, 2]).mean()) == pytest.approx(wanted, rel=0.05)


TIED = """\
  - name: ball
    shape: {sphere: {radius_m: 0.08}}
    mass_kg: 0.5
    pose: {position_m: [0.2, 0, 0]}
    velocity_m_s: [1, 0, 0]
    angular_velocity_rad_s: [0, 0, 1]
attachments:
  - {name: glue, a: jelly, b: ball, region: {box: {low_m: [0.06, -1, -1], high_m: [1, 1, 1]}}}
"""


def test_a_light_ball_drags_a_heavy_jelly(tmp_path: Path) -> None:
    """The tied particles move with it rigidly, and momentum is kept though the ball has an eighth of the mass."""
    made = run(tmp_path, TIED, seconds=0.4)
    ball = made.part_index("ball")
    x = places(made)
    tied = x[0, :, 0] > 0.06
    apart = np.linalg.norm(x[:, tied] - made.poses[:, None, ball, :3], axis=-1)
    assert np.abs(apart - apart[0]).max() < 1.25 * 0.002  # the jerk of the start, one step long: v h
    assert np.abs(apart[-1] - apart[0]).max() < 2e-5
    jelly = made.masses_kg[made.part_index("jelly")]
    momentum = jelly * speed(made, 4, 20) + 0.5 * (made.poses[20, ball, :3] - made.poses[4, ball, :3]) / 0.32
    assert momentum == pytest.approx([0.5, 0, 0], abs=5e-3)


def test_too_heavy_particles_on_a_jointed_body_are_refused(tmp_path: Path) -> None:
    jointed = TIED.replace("    velocity_m_s: [1, 0, 0]\n    angular_velocity_rad_s: [0, 0, 1]\n",
                           "    joint: {slider: {axis: [1, 0, 0]}}\n")  # fmt: skip
    with pytest.raises(SceneError, match=r"attachments\[0\].region.*times the inertia with which 'ball' resists"):
        run(tmp_path, jointed.replace("mass_kg: 0.5", "mass_kg: 0.1"))


def test_a_belt_drags_a_jelly_and_a_plate_pushes_one(tmp_path: Path) -> None:
    """mu g on the belt, before it has its speed; a keyframed plate carries all particles along with its own."""
    belt = """\
  - {name: belt, shape: {box: {size_m: [4, 1, 0.1]}}, fixed: true, material: hard, pose: {position_m: [0, 0, -0.05]}}
forces: [{conveyor: {body: belt, velocity_m_s: [3, 0, 0]}}]
"""
    made = run(tmp_path, belt, gravity=-9.81, at=(0.0, 0.0, 0.081))
    assert speed(made, 5, 15)[0] == pytest.approx(0.5 * 9.81 * 0.2, rel=0.05)
    plate = """\
  - name: plate
    shape: {box: {size_m: [0.04, 0.3, 0.3]}}
    material: hard
    motion:
      interpolation: linear
      keyframes: [{t_s: 0, pose: {position_m: [-0.11, 0, 0]}}, {t_s: 0.3, pose: {position_m: [0.19, 0, 0]}}]
"""
    made = run(tmp_path, plate)
    assert places(made)[-1, :, 0].min() > 0.19 + 0.02 - 0.001
    assert speed(made, 12, 15)[0] > 0.9


def test_a_hold_of_two_bodies_is_booked_on_both(tmp_path: Path) -> None:
    """Each hangs in it with its own weight, and lets go in one event."""
    more = "  - {name: too, mass_kg: 8, shape: {box: {size_m: 0.16}}, material: jelly, pose: {position_m: [1, 0, 0]}}\n"
    hold = "forces: [{hold: {region: {box: {low_m: [-1, -1, 0.05], high_m: [2, 1, 1]}}, end_s: 0.2}}]\n"
    made = run(tmp_path, more + hold, gravity=-9.81, seconds=0.24)
    assert made.outside is not None
    given = made.outside.impulses[:, [made.part_index("jelly"), made.part_index("too")], 2].sum(axis=0)
    assert given == pytest.approx(made.masses_kg[[0, 1]] * 9.81 * 0.2, rel=0.2)  # they swing
    assert [(e.kind, e.things) for e in made.ties] == [("release", ("jelly", "too"))]


SLAB = """\
  - {name: belt, shape: {box: {size_m: [4, 4, 0.1]}}, fixed: true, material: hard, pose: {position_m: [0, 0, -0.05]}}
forces:
"""


def test_a_belt_may_begin_where_another_one_ends(tmp_path: Path) -> None:
    """The end of the one does not stop the other, whichever is written first."""
    one = "  - {conveyor: {body: belt, velocity_m_s: [1, 0, 0], end_s: 0.1}}\n"
    two = "  - {conveyor: {body: belt, velocity_m_s: [0, 1, 0], start_s: 0.1}}\n"
    made = run(tmp_path, SLAB + two + one, gravity=-9.81, at=(0.0, 0.0, 0.081), seconds=0.2)
    assert (places(made)[-1] - places(made)[-2]).mean(axis=0)[1] * made.fps > 0.15


def test_two_belts_at_a_time_are_refused_beside_particles(tmp_path: Path) -> None:
    lane = "  - {conveyor: {body: belt, velocity_m_s: [1, 0, 0]}}\n"
    with pytest.raises(SceneError, match=r"forces\[1\].conveyor.body: .*'belt', which has that of forces\[0\] at the"):
        run(tmp_path, SLAB + lane + lane)


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_and_numpy_agree(kind: str) -> None:
    """``value`` and ``within`` of the kernels against ``Influence.at`` and ``Place.holds``."""
    import warp as wp

    from simvid.physics.mpm.outside import Outside
    from simvid.physics.mpm.warp_outside import probe

    given = Influence(
        kind, (0.3, -0.2, 0.5), (0.1, 0.2, -0.1), (0.0, 0.6, 0.8), 1.7, 0.6, 0.4,
        place=Place((-0.5, -0.5, -0.5), (0.9, 0.9, 0.9), (0.1, 0.0, 0.0), 0.8),
    )  # fmt: skip
    outside = Outside([given], np.ones((1, 1), bool), 0)
    origin = np.array([-2.0, -1.0, -3.0])
    outside.set_up(1, origin, 1, "cpu")
    points = np.random.default_rng(4).uniform(-1, 1, (200, 3))
    values, inside = wp.zeros(200, dtype=wp.vec3), wp.zeros(200, dtype=wp.int32)
    wp.launch(probe, 200, [outside.fields, wp.array(points - origin, dtype=wp.vec3), values, inside])
    assert values.numpy() == pytest.approx(given.at(points), abs=2e-6)
    assert np.array_equal(inside.numpy() > 0, given.place.holds(points))
    assert 20 < (inside.numpy() > 0).sum() < 180
