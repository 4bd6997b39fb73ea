"""Forces, ties, motors and conveyors on rigid bodies, against closed forms; the bound beside each says what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.assets.parts import SceneAssets
from simvid.errors import PhysicsError, SceneError
from simvid.physics import laws
from simvid.physics.features import ALL, check_features
from simvid.physics.newton.engine import NewtonPhysics, simulate_world
from simvid.physics.newton.loop import Loop
from simvid.scene import (
    Acceleration,
    Action,
    Attachment,
    Attract,
    Ball,
    Body,
    Breaks,
    Control,
    Conveyor,
    Force,
    Hinge,
    HingeMotor,
    Hold,
    Joint,
    Joints,
    Material,
    Region,
    Robot,
    SharedImpulse,
    Slider,
    SliderMotor,
    Vortex,
    Weld,
    Wind,
)
from simvid.scene.forces import BallRegion, BoxRegion
from simvid.testing.physics_scenes import ARM, at, ball, box, small_assets, small_scene
from simvid.trajectory import Trajectory

STEP = 0.002
NONE = (0.0, 0.0, 0.0)
ANYWHERE = Region(box=BoxRegion(low_m=(-9.0, -9.0, -9.0), high_m=(9.0, 9.0, 9.0)))
NOWHERE = Region(sphere=BallRegion(center_m=(50.0, 0.0, 0.0), radius_m=1.0))


def run(
    bodies: list[Body], forces: Sequence[Force] = (), attachments: Sequence[Attachment] = (), **given: Any
) -> Trajectory:
    scene = small_scene(bodies, **given)
    scene = scene.model_copy(update={"forces": tuple(forces), "attachments": tuple(attachments)})
    return NewtonPhysics().simulate(small_assets(scene))


def turn_about_z(made: Trajectory, part: int = 0) -> np.ndarray:
    return np.asarray(2 * np.arctan2(made.poses[:, part, 6], made.poses[:, part, 3]))


def test_a_ball_falls_in_still_air() -> None:
    """v(t) = v_t tanh(g t / v_t); a step's g h / 2 is left, since drag is taken before gravity."""
    made = run([ball(mass_kg=0.01, pose=at(0, 0, 5))], [Force(wind=Wind(drag_coefficient=0.47))], seconds=2.0)
    times = np.arange(101) / 50
    final = laws.terminal_speed(0.01, 1.2, 0.47, np.pi * 0.05**2)
    assert final == pytest.approx(6.655, abs=1e-3)
    assert np.abs(made.twists[:, 0, 2] + laws.fall_in_air(final, times)).max() < 9.81 * STEP / 2 + 2e-3


@pytest.mark.parametrize(("turned", "area"), [(0.0, 0.04), (45.0, 0.04 * 2**0.5)])
def test_a_box_shows_its_outline_to_the_wind(turned: float, area: float) -> None:
    """u - v = u / (1 + k u t / m) without friction; exact for each step, whatever its length."""
    body = box(size=(0.2, 0.2, 0.2), mass_kg=2.0, pose=at(0, 0, 0, rotation_deg=(0.0, 0.0, turned)))
    made = run([body], [Force(wind=Wind(velocity_m_s=(9.0, 0.0, 0.0)))], gravity=NONE, seconds=1.0)
    k = 1.2 * area / 2
    assert made.twists[-1, 0, 0] == pytest.approx(9 - 9 / (1 + k * 9 / 2), rel=1e-6)  # meshes are in float32
    assert np.abs(made.twists[-1, 0, 1:]).max() < 1e-12


def test_a_wind_has_a_window_a_place_and_targets() -> None:
    """Half of the time, half of the bodies, half of the world."""
    bodies = [ball("a", mass_kg=1.0, pose=at(0, 0, 0)), ball("b", mass_kg=1.0, pose=at(0, 1, 0)),
              ball("c", mass_kg=1.0, pose=at(4, 0, 0))]  # fmt: skip
    place = Region(box=BoxRegion(low_m=(-1.0, -1.0, -1.0), high_m=(1.0, 2.0, 1.0)))
    gust = Acceleration(acceleration_m_s2=(2.0, 0.0, 0.0), bodies=("a", "c"), region=place, start_s=0.101, end_s=0.2)
    made = run(bodies, [Force(acceleration=gust)], gravity=NONE, seconds=0.3)
    assert made.twists[-1, :, 0] == pytest.approx([2.0 * 0.099, 0.0, 0.0], abs=1e-12)  # the window cuts a step in two
    assert made.twists[5, 0, 0] == 0


def test_an_impulse_is_shared_by_mass() -> None:
    """dv = J / m of all, and the momentum is J."""
    bodies = [ball("a", mass_kg=2.0), ball("b", mass_kg=3.0, pose=at(1, 0, 0)), ball("c", pose=at(9.5, 0, 0))]
    blow = SharedImpulse(t_s=0.1, impulse_n_s=(1.0, 2.0, 0.0), region=ANYWHERE)
    made = run(bodies, [Force(impulse=blow)], gravity=NONE, seconds=0.2)
    assert made.twists[-1, :2, :3] == pytest.approx(np.array([[0.2, 0.4, 0.0]] * 2), abs=1e-12)
    assert not made.twists[-1, 2].any()
    assert not made.twists[4].any()


def test_a_spring_field_swings_and_a_pull_is_constant() -> None:
    pull = Attract(to_m=NONE, acceleration_m_s2=10.0, radius_m=1.0, profile="spring")
    made = run([ball(pose=at(0.5, 0, 0))], [Force(attract=pull)], gravity=NONE, seconds=2.0)
    times = np.arange(101) / 50
    assert np.abs(made.poses[:, 0, 0] - 0.5 * np.cos(np.sqrt(10) * times)).max() < 0.5 * 10**0.5 * STEP  # half a step
    away = Attract(to_m=NONE, acceleration_m_s2=-2.0, radius_m=0.6)
    made = run([ball(pose=at(0.5, 0, 0))], [Force(attract=away)], gravity=NONE, seconds=1.0)
    assert made.twists[-1, 0, 0] == pytest.approx(np.sqrt(2 * 2.0 * 0.1), rel=0.01)  # v^2 = 2 a s, to the radius


def test_a_vortex_turns_a_tethered_ball() -> None:
    """I w' = k (U - w r)^2 r with U = spin x r."""
    tether = Joint(hinge=Hinge(anchor_m=NONE, axis=(0.0, 0.0, 1.0)))
    swirl = Vortex(center_m=NONE, angular_velocity_rad_s=4.0, core_m=1.0, drag_coefficient=0.47)
    made = run([ball(mass_kg=0.01, pose=at(0.5, 0, 0), joint=tether)], [Force(vortex=swirl)], gravity=NONE, seconds=4.0)
    times, k, inertia = np.arange(201) / 50, 1.2 * 0.47 * np.pi * 0.05**2 / 2, 0.01 * (0.25 + 0.4 * 0.05**2)
    slip = 2.0 / (1 + k * 0.25 / inertia * 2.0 * times)
    assert np.abs(made.twists[:, 0, 5] - (2.0 - slip) / 0.5).max() < 1e-4
    assert made.twists[-1, 0, 5] > 2.5


def test_a_conveyor_drags_up_to_its_speed() -> None:
    """a = mu g until 1 m/s, then with the belt, which stays where it is."""
    rough = Material(friction=0.3)
    belt = box("belt", (1.0, 6.0, 0.1), fixed=True, pose=at(0, 0, -0.05, rotation_deg=(0.0, 0.0, 90.0)), material=rough)
    runs = Conveyor(body="belt", velocity_m_s=(0.0, -1.0, 0.0), end_s=0.8)  # in the belt's axes: +x in the world
    made = run([belt, box("b", pose=at(-1, 0, 0.05), material=rough)], [Force(conveyor=runs)], seconds=1.2)
    speeds = made.twists[:, 1, 0]
    assert speeds[10] == pytest.approx(0.3 * 9.81 * 0.2, rel=2e-3)
    assert speeds[35] == pytest.approx(1.0, abs=1e-6)
    assert speeds[55] < 1.0 - 0.3 * 9.81 * 0.2  # it has stopped, and brakes
    assert np.abs(made.poses[:, 0] - made.poses[0, 0]).max() == 0
    assert np.abs(made.poses[:, 1, 2] - 0.05).max() < 1e-3


def test_a_conveyor_runs_in_its_region_alone() -> None:
    from simvid.scene import Ground

    lane = Region(box=BoxRegion(low_m=(-2.0, -0.2, -1.0), high_m=(2.0, 0.2, 1.0)))
    runs = Conveyor(body="ground", velocity_m_s=(0.5, 0.0, 0.0), region=lane)
    bodies = [box("on", pose=at(0, 0, 0.05)), box("off", pose=at(0, 0.6, 0.05))]
    made = run(bodies, [Force(conveyor=runs)], seconds=0.5, ground=Ground(material=Material(friction=0.4)))
    k, off = made.part_index("on"), made.part_index("off")
    assert made.twists[-1, k, 0] == pytest.approx(0.5, abs=1e-3)
    assert np.abs(made.twists[-1, off]).max() < 1e-3


@pytest.mark.parametrize("load", [9.7, 9.9])
def test_a_weld_breaks_above_its_load_and_not_below(load: float) -> None:
    """It bears m g = 9.81 N."""
    post = box("post", fixed=True, pose=at(0, 0, 2))
    joint = Joint(weld=Weld(parent="post", breaks=Breaks(force_n=load)))
    made = run([post, box("weight", mass_kg=1.0, pose=at(0, 0, 1.8), joint=joint)], seconds=0.2)
    if load > 9.81:
        assert made.ties == ()
        assert np.abs(made.poses[:, 1] - made.poses[0, 1]).max() < 1e-6
        return
    (event,) = made.ties
    assert (event.kind, event.things) == ("break", ("weight", "post"))
    assert event.force_n == pytest.approx(9.81, rel=1e-3)
    assert made.poses[-1, 1, 2] == pytest.approx(1.8 - 9.81 * 0.2**2 / 2, abs=3e-3)  # it falls


@pytest.mark.parametrize("load", [0.96, 0.99])
def test_a_tie_breaks_above_its_torque(load: float) -> None:
    """It bears m g times the arm of 0.1 m."""
    tie = Attachment(name="arm", a="weight", b="post", at_m=(-0.1, 0.0, 0.0), breaks=Breaks(torque_n_m=load))
    bodies = [
        box("post", fixed=True, pose=at(0, 0, 2)),
        box("weight", (0.05, 0.05, 0.05), mass_kg=1.0, pose=at(0.2, 0, 2)),
    ]
    made = run(bodies, [], [tie], seconds=0.2)
    assert bool(made.ties) == (load < 0.981)
    if made.ties:
        assert (made.ties[0].name, made.ties[0].kind) == ("arm", "break")
        assert made.ties[0].torque_n_m == pytest.approx(0.981, rel=0.02)


@pytest.mark.parametrize("kind", ["hinge", "ball"])
@pytest.mark.parametrize("load", [29.0, 29.9])
def test_a_pendulum_tears_off_at_the_bottom(kind: str, load: float) -> None:
    """Let go from the horizontal, a pendulum pulls with 3 m g = 29.43 N at the bottom."""
    breaks = Breaks(force_n=load)
    joint = (Joint(hinge=Hinge(anchor_m=(0.0, 0.0, 2.0), axis=(0.0, 1.0, 0.0), breaks=breaks)) if kind == "hinge"
             else Joint(ball=Ball(anchor_m=(0.0, 0.0, 2.0), breaks=breaks)))  # fmt: skip
    made = run([ball("bob", 0.01, mass_kg=1.0, pose=at(1, 0, 2), joint=joint)], seconds=0.7, step_s=0.001)
    assert bool(made.ties) == (load < 29.43)
    far = np.linalg.norm(made.poses[:, 0, :3] - (0, 0, 2), axis=1)
    if made.ties:
        assert made.ties[0].things == ("bob",)
        assert made.poses[round(made.ties[0].time_s * 50), 0, 2] < 1.02
        assert far[-1] > 1.1
    else:
        assert np.abs(far - 1).max() < 1e-4


def test_a_blow_breaks_what_it_hits_and_nothing_behind() -> None:
    """Brittle: of a row of welded plates the one that is hit comes off with all of the ball's momentum."""
    breaks = Breaks(force_n=50.0)
    plates = [
        box(f"p{k}", (0.2, 0.2, 0.02), mass_kg=1.0, pose=at(0.25 * k, 0, 0),
            joint=Joint(weld=Weld(parent=f"p{k - 1}" if k else "post", breaks=breaks)))
        for k in range(3)
    ]  # fmt: skip
    post = box("post", (0.1, 0.1, 0.1), fixed=True, pose=at(-0.2, 0, 0))
    hit = ball("hit", 0.03, mass_kg=1.0, pose=at(0.5, 0, 0.1), velocity_m_s=(0.0, 0.0, -5.0))
    made = run([post, *plates, hit], gravity=NONE, seconds=0.2)
    assert [e.things for e in made.ties] == [("p2", "p1")]
    assert made.ties[0].force_n > 1000
    assert made.twists[-1, 3, 2] + made.twists[-1, 4, 2] == pytest.approx(-5.0, abs=1e-6)
    assert np.abs(made.twists[-1, 1:3]).max() < 1e-6
    last = Attachment(name="last", a="p2", b="wall", breaks=breaks)
    made = run([post, *plates, hit, box("wall", fixed=True, pose=at(0.8, 0, 0))], [], [last], gravity=NONE, seconds=0.2)
    assert {e.things for e in made.ties} == {("p2", "p1"), ("p2", "wall")}  # both in one step, and no other
    assert made.twists[-1, 3, 2] + made.twists[-1, 4, 2] == pytest.approx(-5.0, abs=1e-6)


def test_an_attachment_keeps_distance_and_momentum_until_it_lets_go() -> None:
    bodies = [ball("a", mass_kg=1.0, velocity_m_s=(1.0, 0.0, 0.0)), ball("b", mass_kg=2.0, pose=at(0.3, 0.2, 0))]
    made = run(bodies, [], [Attachment(name="rod", a="a", b="b", start_s=0.1, end_s=0.5)], gravity=NONE, seconds=0.6)
    apart = np.linalg.norm(made.poses[:, 0, :3] - made.poses[:, 1, :3], axis=1)
    assert np.ptp(apart[5:26]) < 2e-5
    assert abs(apart[-1] - apart[25]) > 0.005
    momentum = np.array([1.0, 2.0]) @ made.twists[..., :3]
    assert np.abs(momentum - (1, 0, 0)).max() < 1e-12
    assert [(e.kind, e.name, e.time_s) for e in made.ties] == [("tie", "rod", 0.1), ("release", "rod", 0.5)]


def test_tied_bodies_meet_again_when_they_are_let_go() -> None:
    """Overlapping colliders are left alone while tied, and collide afterwards."""
    bodies = [box("post", fixed=True), ball("a", pose=at(0, 0, 0.12))]
    made = run(bodies, [], [Attachment(name="glue", a="a", b="post", end_s=0.1)], seconds=0.6)
    assert np.abs(made.poses[:5, 1, 2] - 0.12).max() < 1e-6
    assert made.poses[-1, 1, 2] == pytest.approx(0.1, abs=1e-3)  # it lies on the post


def test_a_hold_keeps_what_is_in_its_region() -> None:
    place = Region(sphere=BallRegion(center_m=(0.0, 0.0, 1.0), radius_m=0.1))
    bodies = [box("in", mass_kg=1.0, pose=at(0, 0, 1)), box("out", mass_kg=1.0, pose=at(1, 0, 1))]
    made = run(bodies, [Force(hold=Hold(region=place, end_s=0.2))], seconds=0.4)
    assert np.abs(made.poses[:11, 0, :3] - (0, 0, 1)).max() < 1e-6
    assert made.poses[-1, 0, 2] == pytest.approx(1 - 9.81 * 0.2**2 / 2, abs=5e-3)
    assert made.poses[10, 1, 2] < 0.85


def test_a_motor_turns_with_its_torque_up_to_its_speed() -> None:
    """alpha = tau / I until the speed is there, then none; nothing before its window and after."""
    motor = HingeMotor(velocity_rad_s=5.0, max_torque_n_m=0.5, start_s=0.1, end_s=1.0)
    spun = Joint(hinge=Hinge(anchor_m=(0.0, 0.0, 1.0), axis=(0.0, 0.0, 1.0), damping_n_m_s=0.05, motors=(motor,)))
    made = run([box(size=(0.4, 0.4, 0.1), mass_kg=2.0, pose=at(0, 0, 1), joint=spun)], seconds=1.4)
    speeds, inertia = made.twists[:, 0, 5], 2 * (0.4**2 + 0.4**2) / 12
    assert not speeds[:6].any()
    rise = np.arange(1, 20) / 50
    wanted = 0.5 / 0.05 * (1 - np.exp(-0.05 / inertia * rise))  # with the joint's damping
    assert np.abs(speeds[6:25] - wanted).max() < 0.02
    assert speeds[45:50] == pytest.approx(5.0, abs=0.5 / inertia * STEP / 2)  # the damping is a load
    assert speeds[70] == pytest.approx(5 * np.exp(-0.05 / inertia * 0.4), rel=5e-3)


def test_sliders_have_motors_and_limits() -> None:
    push, back = SliderMotor(force_n=2.0, end_s=0.3), SliderMotor(velocity_m_s=-0.5, max_force_n=20.0, start_s=0.5)
    joint = Joint(slider=Slider(axis=(1.0, 0.0, 0.0), limits_m=(-0.1, 0.2), motors=(push, back)))
    made = run([box(mass_kg=1.0, joint=joint)], seconds=1.5)
    x = made.poses[:, 0, 0]
    assert x[15] == pytest.approx(2.0 * 0.3**2 / 2, abs=2e-3)
    assert x.max() == pytest.approx(0.2, abs=2e-3)
    assert made.twists[35, 0, 0] == pytest.approx(-0.5, abs=1e-3)
    assert x[-1] == pytest.approx(-0.1, abs=1e-3)


def test_hinges_have_limits_and_springs() -> None:
    pushed = Hinge(anchor_m=NONE, axis=(0.0, 0.0, 1.0), limits_deg=(-30.0, 45.0),
                   motors=(HingeMotor(torque_n_m=0.02),))  # fmt: skip
    made = run([box(mass_kg=1.0, joint=Joint(hinge=pushed))], seconds=1.0)
    assert np.degrees(turn_about_z(made)[-1]) == pytest.approx(45, abs=0.01)
    sprung = Joint(hinge=Hinge(anchor_m=NONE, axis=(0.0, 0.0, 1.0), stiffness_n_m_rad=0.1))
    made = run([box(mass_kg=1.0, angular_velocity_rad_s=(0.0, 0.0, 1.0), joint=sprung)], seconds=1.0)
    rate, times = np.sqrt(0.1 / (0.02 / 12)), np.arange(51) / 50
    assert np.abs(turn_about_z(made) - np.sin(rate * times) / rate).max() < 1e-3 / rate


def test_every_fault_is_told_at_once() -> None:
    bodies = [box("post", fixed=True), box("wall", fixed=True, pose=at(1, 0, 0)), ball("a", pose=at(0, 0, 1))]
    forces = [
        Force(hold=Hold(region=NOWHERE)), Force(wind=Wind(bodies=("post",))),
        Force(acceleration=Acceleration(acceleration_m_s2=(1.0, 0.0, 0.0), bodies=("arm/hand",))),
    ]  # fmt: skip
    ties = [Attachment(name="x", a="post", b="wall"), Attachment(name="y", a="a", b="post", region=ANYWHERE)]
    with pytest.raises(SceneError) as caught:
        run(bodies, forces, ties)
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    for line, words in zip(lines, (
        "forces[0].hold.region: expected a region with a body in it at t = 0",
        "forces[1].wind.bodies[0]: expected a body that can move, got 'post', which is fixed",
        "forces[2].acceleration.bodies[0]: expected a body, or a robot's link as ROBOT/LINK, got 'arm/hand'",
        "attachments[0] (x).a",
        "attachments[1] (y).region",
    ), strict=True):  # fmt: skip
        assert words.replace(" (x)", "").replace(" (y)", "") in line.replace(" (x)", "").replace(" (y)", "")
    assert "neither of the two can move" in lines[3]


def test_a_wind_needs_something_to_push() -> None:
    ghost = ball("ghost", mass_kg=1.0)
    scene = small_scene([ghost], gravity=NONE).model_copy(update={"forces": (Force(wind=Wind()),)})
    with pytest.raises(SceneError, match=r"forces\[0\].wind.area_m2: .* got 'ghost', which touches nothing"):
        NewtonPhysics().simulate(_untouching(small_assets(scene)))
    blown = Force(wind=Wind(velocity_m_s=(2.0, 0.0, 0.0), area_m2=0.5))
    made = NewtonPhysics().simulate(_untouching(small_assets(scene.model_copy(update={"forces": (blown,)}))))
    assert made.twists[-1, 0, 0] == pytest.approx(2 - 2 / (1 + 0.3 * 2 * 1.0), rel=1e-9)


def _untouching(assets: SceneAssets) -> SceneAssets:
    return replace(assets, parts=tuple(replace(p, colliders=()) for p in assets.parts))


@pytest.mark.parametrize("force", [
    Force(hold=Hold(region=NOWHERE, start_s=0.1)),
    Force(impulse=SharedImpulse(t_s=0.1, impulse_n_s=(1.0, 0.0, 0.0), region=NOWHERE)),
], ids=["hold", "impulse"])  # fmt: skip
def test_a_region_that_is_empty_later_is_an_error(force: Force) -> None:
    with pytest.raises(PhysicsError, match=r"forces\[0\]\.\w+: nothing is in the region at t = 0.1 s"):
        run([ball()], [force], gravity=NONE, seconds=0.2)


def test_an_engine_refuses_by_name_what_it_cannot_do() -> None:
    body = ball(joint=Joint(ball=Ball(anchor_m=NONE, breaks=Breaks(force_n=1.0))))
    scene = small_scene([body]).model_copy(update={"forces": (Force(wind=Wind()),)})
    check_features(scene, "other", ALL)
    with pytest.raises(SceneError) as caught:
        check_features(scene, "other", ALL - {"forces.wind", "joint.breaks"})
    text = str(caught.value)
    assert "forces[0].wind: engine 'other' cannot do wind in forces: use engine 'genesis', 'newton'" in text
    assert "bodies[0].joint.ball.breaks" in text


def test_another_core_does_nothing_that_it_does_not_say() -> None:
    class Other(Loop):
        features = ALL - {"forces.wind"}

    scene = small_scene([ball()]).model_copy(update={"forces": (Force(wind=Wind()),)})
    with pytest.raises(SceneError, match=r"forces\[0\].wind: engine 'newton' cannot do wind"):
        simulate_world(small_assets(scene), [], None, Other)


def test_events_are_kept_on_disk(tmp_path: Any) -> None:
    from simvid import trajectory_io

    joint = Joint(ball=Ball(anchor_m=NONE, breaks=Breaks(force_n=1.0)))
    made = run([ball(mass_kg=1.0, joint=joint)], seconds=0.1)
    assert made.ties
    trajectory_io.save(made, tmp_path / "t.npz")
    assert trajectory_io.load(tmp_path / "t.npz").ties == made.ties


def test_a_link_carries_what_is_attached_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cube keeps its place in the link's frame while it swings, and flies on when it is let go."""
    monkeypatch.chdir(tmp_path)
    Path("arm.urdf").write_text(ARM)
    swing = Action(joints=Joints(to={"shoulder": 0.7}, over_s=0.5))
    arm = Robot(name="arm", model="arm.urdf", script=(swing,), control=Control(stiffness=500.0, damping=50.0))
    cube = box("cube", mass_kg=0.2, pose=at(0.6, 0, 0.5))
    tie = Attachment(name="grip", a="cube", b="arm/rod", end_s=0.3)
    made = run([cube], [], [tie], robots=[arm], gravity=NONE, seconds=0.5)
    k, rod = made.part_index("cube"), made.part_index("arm/rod")
    assert made.poses[15, rod, 3] < 0.99  # it has swung
    matrices = [np.linalg.inv(made.matrices(t)[rod]) @ made.matrices(t)[k] for t in range(26)]
    assert np.abs(np.stack(matrices[:16]) - matrices[0]).max() < 1e-4
    assert np.abs(matrices[25] - matrices[0]).max() > 0.01
    assert [(e.kind, e.things) for e in made.ties] == [("release", ("cube", "arm/rod"))]


def test_a_link_feels_a_blow_and_a_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without gains: w = J r / I about the shoulder, and then a r m / I more each second."""
    monkeypatch.chdir(tmp_path)
    Path("arm.urdf").write_text(ARM)
    arm = Robot(name="arm", model="arm.urdf", control=Control(stiffness=1e-9, damping=0.0))
    blow = Force(impulse=SharedImpulse(t_s=0.1, impulse_n_s=(0.0, 0.3, 0.0), bodies=("arm/rod",)))
    made = run([], [blow], robots=[arm], gravity=NONE, seconds=0.2)
    inertia = 0.04 + 2 * 0.25**2
    assert made.robots[0].velocities[-1, 0] == pytest.approx(0.3 * 0.25 / inertia, rel=1e-3)
    field = Acceleration(acceleration_m_s2=(0.0, 1.0, 0.0), bodies=("arm/rod",), end_s=0.1)
    made = run([], [Force(acceleration=field)], robots=[arm], gravity=NONE, seconds=0.2)
    assert made.robots[0].velocities[-1, 0] == pytest.approx(0.1 * 2 * 0.25 / inertia, rel=1e-3)
