"""Every engine against closed forms; the bound beside each check says where the rest comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simvid.physics import laws
from simvid.registry import load
from simvid.rotations import matrix_from_quat
from simvid.scene import Body, Ground, Hinge, Joint, Material, Shape
from simvid.scene.bodies import Ball
from simvid.scene.shapes import Cylinder
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene
from simvid.trajectory import Trajectory

ENGINES = ("newton",)
STEP = 0.002
G = np.array([0.0, 0.0, -9.81])
Run = Callable[..., Trajectory]


@pytest.fixture(params=ENGINES)
def run(request: pytest.FixtureRequest) -> Run:
    engine = load("physics", request.param)()

    def simulate(bodies: list[Body], **given: Any) -> Trajectory:
        return engine.simulate(small_assets(small_scene(bodies, **given)))  # type: ignore[no-any-return]

    return simulate


def tilted(angle_rad: float) -> tuple[float, float, float]:
    """Gravity seen from an incline; the same as tilting the ground."""
    return (9.81 * np.sin(angle_rad), 0.0, -9.81 * np.cos(angle_rad))


@pytest.mark.parametrize("velocity", [(0.0, 0.0, 0.0), (2.0, -1.0, 3.0)], ids=["fall", "projectile"])
def test_free_flight(run: Run, velocity: tuple[float, float, float]) -> None:
    spin = (1.0, 5.0, -2.0)
    made = run([ball(pose=at(0, 0, 5), velocity_m_s=velocity, angular_velocity_rad_s=spin)], seconds=0.8)
    for frame in (1, 20, 40):
        t = frame / 50
        wanted = laws.free_flight(np.array([0, 0, 5.0]), np.array(velocity), G, t)
        offset = laws.semi_implicit_offset(G, STEP, t)
        assert np.abs(made.poses[frame, 0, :3] - wanted - offset).max() < 1e-9  # rounding only, past the known offset
    assert np.abs(made.twists[-1, 0, :3] - (np.array(velocity) + G * 0.8)).max() < 1e-9
    assert np.abs(made.twists[-1, 0, 3:] - spin).max() < 1e-9


@pytest.mark.parametrize("shape", ["box", "cylinder"])
def test_incline_below_the_friction_angle_holds(run: Run, shape: str) -> None:
    angle = np.radians(20)  # tan 20 deg = 0.364 < mu = 0.5
    body = box(pose=at(0, 0, 0.05), material=Material(friction=0.5))
    if shape == "cylinder":
        body = body.model_copy(update={"shape": Shape(cylinder=Cylinder(radius_m=0.05, length_m=0.1))})
    made = run([body], ground=Ground(material=Material(friction=0.5)), gravity=tilted(angle))
    creep = float(np.linalg.norm(made.poses[-1, 1, :3] - made.poses[5, 1, :3])) / 0.9
    assert creep < 2e-5  # m/s; the constraint is soft by 1 - SOLIMP = 0.1 % of the pull over its rate of 100 / s


@pytest.mark.parametrize(("angle_deg", "friction"), [(35.0, 0.5), (20.0, 0.1), (30.0, 0.0)])
def test_incline_above_the_friction_angle_slides(run: Run, angle_deg: float, friction: float) -> None:
    angle, material = np.radians(angle_deg), Material(friction=friction)
    made = run([box(pose=at(0, 0, 0.05), material=material)], ground=Ground(material=material), gravity=tilted(angle))
    found = (made.twists[-1, 1, 0] - made.twists[10, 1, 0]) / 0.8
    assert found == pytest.approx(laws.incline_acceleration(float(angle), friction), rel=1e-4)  # LIFT_M_S
    assert np.ptp(made.poses[10:, 1, 2]) < 2e-5  # it slides, it does not hop


@pytest.mark.parametrize("angle_deg", [5.0, 20.0])
def test_ball_rolls_down_an_incline(run: Run, angle_deg: float) -> None:
    angle = float(np.radians(angle_deg))
    made = run([ball(pose=at(0, 0, 0.05))], ground=Ground(), gravity=tilted(angle))
    found = (made.twists[-1, 1, 0] - made.twists[10, 1, 0]) / 0.8
    assert found == pytest.approx(laws.rolling_acceleration(angle), rel=5e-4)  # slip of a soft constraint, 0.1 %
    assert made.twists[-1, 1, 4] * 0.05 == pytest.approx(made.twists[-1, 1, 0], rel=1e-3)


@pytest.mark.parametrize("amplitude_deg", [5.0, 90.0])
def test_pendulum_period(run: Run, amplitude_deg: float) -> None:
    amplitude, length = float(np.radians(amplitude_deg)), 0.5
    bob = ball(pose=at(-length * np.sin(amplitude), 0, 2 - length * np.cos(amplitude)))
    bob = bob.model_copy(update={"joint": Joint(hinge=Hinge(anchor_m=(0, 0, 2), axis=(0, 1, 0)))})
    made = run([bob], seconds=3.6, fps=500.0)
    mass = made.masses_kg[0]
    inertia = mass * (length**2 + 0.4 * 0.05**2)
    wanted = laws.pendulum_period(amplitude, float(inertia), float(mass * 9.81 * length))
    angle = np.arctan2(made.poses[:, 0, 0], 2 - made.poses[:, 0, 2])
    up = np.flatnonzero((angle[:-1] < 0) & (angle[1:] >= 0))
    crossing = [(k + angle[k] / (angle[k] - angle[k + 1])) / 500 for k in up]
    assert np.diff(crossing) == pytest.approx(wanted, rel=2e-5)  # (w h)^2 / 24 = 3e-6, and linear interpolation


def test_double_pendulum_keeps_its_energy(run: Run) -> None:
    """Let go level: the semi-implicit step gave it 6.6 % of its largest kinetic energy in 5 s."""
    upper = ball("upper", pose=at(0.3, 0, 2)).model_copy(
        update={"joint": Joint(hinge=Hinge(anchor_m=(0, 0, 2), axis=(0, 1, 0)))}
    )
    lower = ball("lower", pose=at(0.6, 0, 2)).model_copy(
        update={"joint": Joint(hinge=Hinge(anchor_m=(0.3, 0, 2), axis=(0, 1, 0), parent="upper"))}
    )
    made = run([upper, lower], seconds=3.0, fps=100.0)
    masses, z = np.asarray(made.masses_kg), made.poses[..., 2]
    v, w = made.twists[..., :3], made.twists[..., 3:]
    kinetic = 0.5 * masses * ((v**2).sum(axis=2) + 0.4 * 0.05**2 * (w**2).sum(axis=2))
    energy = (kinetic + masses * 9.81 * z).sum(axis=1)
    assert float(np.abs(energy - energy[0]).max()) < 1e-4 * float(kinetic.sum(axis=1).max())
    assert float(np.ptp(z[:, 1])) > 0.5  # it does swing far


@pytest.mark.parametrize("restitution", [0.0, 0.5, 0.8, 1.0])
def test_bounce_height(run: Run, restitution: float) -> None:
    drop = 1.0
    made = run(
        [ball(pose=at(0, 0, 0.05 + drop), material=Material(restitution=restitution))],
        ground=Ground(), seconds=1.3, fps=500.0,
    )  # fmt: skip
    height = made.poses[:, 1, 2] - 0.05
    low = int(np.argmax(height < 0))
    speed = np.sqrt(2 * 9.81 * drop)
    # The impact is found up to v h too deep, and leaves e v from there: at most (1 - e^2) v h is lost. The step itself
    # shifts a flight of time t by g h t / 2.
    slack = (1 - restitution**2) * speed * STEP + 9.81 * STEP * speed / 9.81 / 2 + 0.002 * drop
    assert abs(height[low + 2 :].max() - laws.rebound_height(drop, restitution)) < slack
    assert height.min() > -speed * STEP - 1e-3


@pytest.mark.parametrize(("friction", "sideways"), [(0.2, 3.0), (0.5, 3.0), (0.5, 10.0), (1.0, 10.0)])
def test_oblique_bounce(run: Run, friction: float, sideways: float) -> None:
    material = Material(friction=friction, restitution=0.8)
    made = run(
        [ball(pose=at(0, 0, 0.25), velocity_m_s=(sideways, 0, 0), material=material)],
        ground=Ground(material=material), seconds=0.26, fps=500.0,
    )  # fmt: skip
    after = int(np.argmax(made.twists[:, 1, 2] > 0))
    down = -float(made.twists[after - 1, 1, 2])
    normal, tangent, spin = laws.oblique_bounce(down, sideways, 0.8, friction)
    assert made.twists[after, 1, 2] == pytest.approx(normal, abs=0.02)  # 1 % of the 2 m/s of the impact
    # The ball is found up to v h = 4 mm deep, so its radius is short by half of that at the contact: 4 % of 50 mm.
    assert made.twists[after, 1, 0] == pytest.approx(tangent, abs=0.04 * (sideways - tangent) + 0.01)
    assert made.twists[after, 1, 4] * 0.05 == pytest.approx(spin, rel=0.04)


@pytest.mark.parametrize("restitution", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("masses", [(1.0, 1.0), (2.0, 0.5)])
def test_two_body_collision(run: Run, restitution: float, masses: tuple[float, float]) -> None:
    material = Material(restitution=restitution, friction=0.3)
    first = ball("first", mass_kg=masses[0], velocity_m_s=(2, 0, 0), pose=at(0, 0, 1), material=material)
    second = ball("second", mass_kg=masses[1], velocity_m_s=(-1, 0, 0), pose=at(0.4, 0, 1), material=material)
    made = run([first, second], gravity=(0, 0, 0), seconds=0.5)
    speeds = made.twists[-1, :, 0]
    wanted = laws.collision(masses[0], 2.0, masses[1], -1.0, restitution)
    assert speeds == pytest.approx(wanted, abs=0.02)  # 0.1 % softness of 3 m/s; e = 0: penetration is pushed out
    momentum = np.array(masses) @ made.twists[:, :, 0].T
    assert momentum == pytest.approx(masses[0] * 2.0 - masses[1], rel=1e-9)
    if restitution == 1.0:
        energy = np.array(masses) @ made.twists[:, :, 0].T ** 2 / 2
        assert energy[-1] == pytest.approx(energy[0], rel=0.005)


@pytest.mark.parametrize("restitution", [1.0, 0.9])
def test_a_row_of_balls_hands_on_the_momentum(run: Run, restitution: float) -> None:
    """Newton's cradle without strings: impacts follow one after another, since the balls do not quite touch."""
    material = Material(restitution=restitution, friction=0.0)
    balls = [ball(f"ball_{k}", pose=at(0.1001 * k, 0, 1), material=material) for k in range(5)]
    # It is found as deep as it can be, so that it still touches the second ball when that hits the third.
    balls[0] = ball("ball_0", pose=at(-0.199901, 0, 1), velocity_m_s=(1.0, 0, 0), material=material)
    made = run(balls, gravity=(0, 0, 0), seconds=0.6)
    handed_on = ((1 + restitution) / 2) ** 4
    assert made.twists[-1, -1, 0] == pytest.approx(handed_on, rel=0.01)  # softness, 0.1 % to 0.5 % per impact
    energy = (made.twists[:, :, 0] ** 2).sum(axis=1)
    assert np.diff(energy).max() < 1e-3
    assert made.twists[-1, 0, 0] == pytest.approx((1 - restitution) / 2, abs=0.01)


@pytest.mark.parametrize("restitution", [0.0, 0.5])
def test_stack_of_ten_stays(run: Run, restitution: float) -> None:
    material = Material(restitution=restitution)
    boxes = [box(f"box_{k}", pose=at(0, 0, 0.05 + 0.1 * k), material=material) for k in range(10)]
    made = run(boxes, ground=Ground(), seconds=2.0, fps=25.0)
    assert np.abs(made.poses[:, 1:, :2]).max() < 1e-6
    assert np.abs(made.poses[:, 1:, 2] - made.poses[0, 1:, 2]).max() < 6e-4
    # soft by 0.5 %: 0.02 mm per weight carried, of which there are 10 + 9 + ... + 1; four contacts share it
    assert np.abs(made.poses[-1, 1:, 3]) == pytest.approx(1.0, abs=1e-9)


def wheel(spin: float, distance: float, tilt: float = np.pi / 2) -> Body:
    """A disc on a massless axle: its centre ``distance`` from the pivot at height 1."""
    pose = at(distance * np.sin(tilt), 0, 1 + distance * np.cos(tilt), rotation_deg=(0, float(np.degrees(tilt)), 0))
    axis = np.array([np.sin(tilt), 0, np.cos(tilt)])
    return Body(
        name="wheel", shape=Shape(cylinder=Cylinder(radius_m=0.1, length_m=0.02)), mass_kg=1.0, pose=pose,
        angular_velocity_rad_s=tuple(spin * axis),
    )  # fmt: skip


def test_fast_top_precesses(run: Run) -> None:
    spin, distance = 300.0, 0.1
    body = wheel(spin, distance).model_copy(update={"joint": Joint(ball=Ball(anchor_m=(0, 0, 1)))})
    made = run([body], seconds=1.0)
    i3 = 0.5 * 0.1**2
    angle = np.unwrap(np.arctan2(made.poses[:, 0, 1], made.poses[:, 0, 0]))
    found = float(np.polyfit(np.arange(len(angle)) / 50, angle, 1)[0])
    # The next term of the slow branch is (W / w3) (I1 + m l^2) / I3 cos(tilt) = 0 at 90 deg; nutation averages out.
    assert found == pytest.approx(laws.fast_top_rate(1.0, distance, i3, spin, 9.81), rel=5e-3)
    assert np.abs(made.poses[:, 0, 2] - 1).max() < 0.005


def test_free_top_nutates(run: Run) -> None:
    tilt, spin = 0.3, 40.0
    i1, i3 = (3 * 0.1**2 + 0.02**2) / 12, 0.5 * 0.1**2
    momentum = i3 * spin / np.cos(tilt)
    across = momentum * np.sin(tilt) / i1  # axis along x' tilted from L = z
    axis, side = np.array([np.sin(tilt), 0, np.cos(tilt)]), np.array([-np.cos(tilt), 0, np.sin(tilt)])
    body = wheel(spin, 0.0, tilt).model_copy(update={"angular_velocity_rad_s": tuple(spin * axis + across * side)})
    made = run([body], seconds=0.5, gravity=(0, 0, 0), fps=250.0, step_s=0.0005)
    axes = np.stack([matrix_from_quat(q)[:, 2] for q in made.poses[:, 0, 3:]])
    angle = np.unwrap(np.arctan2(axes[:, 1], axes[:, 0]))
    rate = float(np.polyfit(np.arange(len(angle)) / 250, angle, 1)[0])
    assert rate == pytest.approx(laws.free_top_rate(i1, i3, spin, tilt), rel=0.01)  # first order in w h = 0.04
    assert np.arccos(axes[:, 2]) == pytest.approx(tilt, abs=0.02)
