"""Sound physics passes; each violation that is planted in it is caught, with the body, the time and the size."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.checking.receipts.evidence import Evidence
from simvid.checking.receipts.penetration import penetration
from simvid.checking.receipts.receipt import receipt_and_curves, receipt_of
from simvid.clips.receipt_records import LawRecord
from simvid.physics.newton.engine import NewtonPhysics
from simvid.scene import Ground, Hinge, Impulse, Joint, Keyframe, Material, Motion, Robot
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene
from simvid.trajectory import RobotMotion, Trajectory

Array = NDArray[np.float64]
FPS = 50
URDF = """<robot name="arm">
  <link name="base"/><link name="rod"><inertial><origin xyz="0.25 0 0"/><mass value="2"/>
    <inertia ixx="0.001" iyy="0.04" izz="0.04" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="shoulder" type="revolute"><parent link="base"/><child link="rod"/><origin xyz="0 0 0.5"/>
    <axis xyz="0 0 1"/><limit lower="-1" upper="1" effort="50" velocity="3"/></joint>
</robot>"""


@cache
def sound() -> tuple[SceneAssets, Trajectory]:
    """A ball that drops and bounces, one that flies and spins, boxes on each other, a pendulum, a bat that hits."""
    bouncy = Material(friction=0.5, restitution=0.6)
    hinge = Joint(hinge=Hinge(anchor_m=(0, 3, 2), axis=(0, 1, 0)))
    swing = Motion(keyframes=(Keyframe(t_s=0.0, pose=at(3, 0, 1)), Keyframe(t_s=0.6, pose=at(4, 0, 1))))
    bodies = [
        ball("drop", pose=at(0, 0, 0.6), material=bouncy),
        ball("flier", pose=at(0, -3, 1.2), velocity_m_s=(1, 0, 2), angular_velocity_rad_s=(0, 12, 3)),
        box("lower", pose=at(1, 0, 0.05)),
        box("upper", pose=at(1, 0, 0.15)),
        box("bob", pose=at(-0.4, 3, 2), joint=hinge),
        box("bat", motion=swing, pose=at(3, 0, 1)),
        ball("hit", pose=at(3.2, 0, 1), impulses=(Impulse(t_s=0.02, impulse_n_s=(0, 0.2, 0)),)),
    ]
    assets = small_assets(small_scene(bodies, ground=Ground(material=bouncy), seconds=0.7))
    return assets, NewtonPhysics().simulate(assets)


def law(assets: SceneAssets, trajectory: Trajectory, name: str) -> LawRecord:
    return next(law for law in receipt_of(assets, trajectory).laws if law.name == name)


def changed(made: Trajectory, part: str, frames: slice, **add: tuple[float, float, float]) -> Trajectory:
    """The trajectory with a part moved, sped up or spun in some frames."""
    poses, twists, k = made.poses.copy(), made.twists.copy(), made.part_index(part)
    poses[frames, k, :3] += np.array(add.get("place", (0, 0, 0)))
    twists[frames, k, :3] += np.array(add.get("speed", (0, 0, 0)))
    twists[frames, k, 3:] += np.array(add.get("spin", (0, 0, 0)))
    return replace(made, poses=poses, twists=twists)


def test_sound_physics_passes_every_law_and_budgets_its_energy() -> None:
    assets, made = sound()
    receipt = receipt_of(assets, made)
    assert [law.line() for law in receipt.broken] == []
    judged = {law.name for law in receipt.laws if law.passed}
    assert judged == {"energy", "momentum", "spin", "jumps", "penetration", "ties", "speed", "masses"}
    assert receipt.drives == ("keyframes of bat",)
    assert receipt.energy_j["work of keyframes of bat"] > 0.1
    assert receipt.energy_j["lost"] > 0.5  # the ball's bounces
    assert next(law for law in receipt.laws if law.name == "momentum").measured["unexplained_m_s"] < 1e-3


def test_equal_motion_has_an_equal_hash() -> None:
    assets, made = sound()
    again = replace(made, wall_s=made.wall_s + 1)
    assert receipt_of(assets, again) == receipt_of(assets, made)
    assert receipt_of(assets, changed(made, "drop", slice(3, 4), place=(1e-12, 0, 0))).trajectory != (
        receipt_of(assets, made).trajectory
    )


def test_a_body_that_falls_through_the_floor() -> None:
    assets, made = sound()
    k = made.part_index("drop")
    t = np.arange(made.frame_count) / FPS
    poses, twists = made.poses.copy(), made.twists.copy()
    poses[:, k, 2], twists[:, k] = 0.6 - 9.81 * t**2 / 2, 0
    twists[:, k, 2] = -9.81 * t
    keep = (made.contacts.id_a != k + 1) & (made.contacts.id_b != k + 1)
    contacts = replace(
        made.contacts, **{f: getattr(made.contacts, f)[keep] for f in made.contacts.__dataclass_fields__}
    )
    found = law(assets, replace(made, poses=poses, twists=twists, contacts=contacts), "penetration")
    assert found.passed is False
    assert "drop" in found.part
    assert "ground" in found.part
    assert found.measured["deepest_m"] == pytest.approx(0.05 - poses[-1, k, 2], abs=1e-3)
    assert found.measured["deep_s"] > 0.2


def test_at_few_frames_a_second_the_pair_that_is_too_deep_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 2 frames a second a shallow touch of one frame lasts longer than contacts may, and is none all the same."""
    deep = {(0, 1): np.array([0, 0.004, 0]), (0, 2): np.array([0, 0.05, 0])}
    monkeypatch.setattr("simvid.checking.receipts.penetration.pair_depths", lambda e: (deep, dict.fromkeys(deep, 0.01)))
    e = SimpleNamespace(frame_s=0.5, name=str, time=float, law=partial(Evidence.law, cast("Evidence", None)))
    found = penetration(cast("Evidence", e)).record
    assert found.passed is False
    assert found.part == "0 and 2"
    del deep[0, 2]
    assert penetration(cast("Evidence", e)).record.passed is True


def test_an_empty_world_breaks_no_law() -> None:
    assets = small_assets(small_scene((), seconds=0.1))
    receipt = receipt_of(assets, NewtonPhysics().simulate(assets))
    assert receipt.broken == ()
    assert not any(law.passed for law in receipt.laws)


def test_what_is_not_a_number_passes_no_law() -> None:
    broken = Evidence.law(cast("Evidence", None), "speed", {"most_m_s": float("nan")}, {"most_m_s": 1.0})
    assert broken.passed is False
    _, made = sound()
    with pytest.raises(ValueError, match="twists: NaN"):
        replace(made, twists=np.full_like(made.twists, np.nan))


def test_energy_out_of_nothing() -> None:
    """A pendulum, whose momentum the world holds, swings wider without a push."""
    assets, made = sound()
    k = made.part_index("bob")
    twists = made.twists.copy()
    twists[20:, k] *= 1.5
    found = law(assets, replace(made, twists=twists), "energy")
    assert found.passed is False
    assert found.part == "bob"
    own = made.masses_kg[k] * (made.twists[:, k, :3] ** 2).sum(axis=1) / 2
    # rotation adds 1/6 of the edge squared over the length squared: 1 %
    assert found.measured["gain_j"] == pytest.approx(1.25 * own[20:].max(), rel=0.05)


def test_a_teleport() -> None:
    assets, made = sound()
    found = law(assets, changed(made, "flier", slice(10, None), place=(0.05, 0, 0)), "jumps")
    assert (found.passed, found.part, found.time_s) == (False, "flier", 10 / FPS)
    assert found.measured["off_m"] == pytest.approx(0.05, abs=1e-3)


def test_a_body_at_rest_that_is_put_elsewhere() -> None:
    assets, made = sound()
    found = law(assets, changed(made, "upper", slice(15, None), place=(0.03, 0, 0)), "jumps")
    assert (found.passed, found.part, found.time_s) == (False, "upper", 15 / FPS)


def test_a_kick_that_nobody_gave() -> None:
    assets, made = sound()
    t = np.arange(made.frame_count) / FPS
    kicked = changed(made, "flier", slice(12, None), speed=(0, 0.4, 0))
    kicked.poses[12:, made.part_index("flier"), 1] += 0.4 * (t[12:] - t[12])
    found = law(assets, kicked, "momentum")
    assert (found.passed, found.part) == (False, "flier")
    assert found.time_s == pytest.approx(0.24, abs=0.1)
    assert found.measured["unexplained_m_s"] == pytest.approx(0.4, abs=1e-3)
    assert "something pushed it" in found.note


def test_a_spin_that_nobody_gave() -> None:
    assets, made = sound()
    found = law(assets, changed(made, "flier", slice(12, None), spin=(0, 0, 5)), "spin")
    assert (found.passed, found.part, found.time_s) == (False, "flier", 12 / FPS)


def test_a_body_that_hangs_in_the_air() -> None:
    assets, made = sound()
    k = made.part_index("flier")
    poses, twists = made.poses.copy(), made.twists.copy()
    poses[10:, k], twists[10:, k] = poses[10, k], 0
    found = law(assets, replace(made, poses=poses, twists=twists), "momentum")
    assert (found.passed, found.part) == (False, "flier")
    twists[:, k], poses[:, k] = 0, poses[0, k]  # from the start, so that nothing stops it
    found = law(assets, replace(made, poses=poses, twists=twists), "momentum")
    assert "hangs in the air" in found.note


def test_two_bodies_inside_each_other() -> None:
    assets, made = sound()
    found = law(assets, changed(made, "upper", slice(10, 25), place=(0, 0, -0.03)), "penetration")
    assert found.passed is False
    assert found.part == "lower and upper"
    assert found.measured["deepest_m"] == pytest.approx(0.03, abs=1e-3)
    assert found.measured["deep_s"] == pytest.approx(15 / FPS)


def test_a_joint_that_comes_apart() -> None:
    assets, made = sound()
    found = law(assets, changed(made, "bob", slice(20, None), place=(0, 0.01, 0)), "ties")
    assert (found.passed, found.part, found.time_s) == (False, "bob", 20 / FPS)
    assert found.measured["apart_m"] == pytest.approx(0.01, abs=1e-6)


def test_a_robots_joint_beyond_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "arm.urdf").write_text(URDF)
    monkeypatch.chdir(tmp_path)
    assets = small_assets(small_scene(robots=[Robot(name="arm", model="arm.urdf")], seconds=0.2))
    made = NewtonPhysics().simulate(assets)
    assert law(assets, made, "joint_limits").passed
    (robot,) = made.robots
    turned = robot.positions.copy()
    turned[4:8] = 1.2
    bent = RobotMotion("arm", robot.joint_names, turned, robot.velocities, robot.efforts, robot.targets)
    found = law(assets, replace(made, robots=(bent,)), "joint_limits")
    assert (found.passed, found.part) == (False, "arm/shoulder")
    assert found.measured == {"beyond_rad": pytest.approx(0.2), "beyond_s": pytest.approx(4 / FPS)}


def test_another_mass_than_asked_for_and_a_mad_speed() -> None:
    assets, made = sound()
    heavier = made.masses_kg.copy()
    heavier[made.part_index("drop")] *= 1.1
    found = law(assets, replace(made, masses_kg=heavier), "masses")
    assert (found.passed, found.part) == (False, "drop")
    found = law(assets, changed(made, "hit", slice(20, 21), speed=(0, 0, 500)), "speed")
    assert (found.passed, found.part) == (False, "hit")


def test_every_judged_law_has_a_curve_that_shows_the_worst() -> None:
    assets, made = sound()
    broken = changed(made, "flier", slice(10, None), place=(0.05, 0, 0))
    receipt, curves = receipt_and_curves(assets, broken)
    for each in receipt.laws:
        if each.passed is not None and each.name != "masses":
            for curve in curves[each.name]:
                assert all(len(values) == made.frame_count for values in curve.series.values())
    (jump,) = curves["jumps"]
    assert int(np.nanargmax(jump.series["flier"])) == 10
