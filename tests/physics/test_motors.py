"""Speed motors beside a robot, where steps are explicit, do what they do alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.physics.newton.engine import NewtonPhysics
from simvid.scene import Body, Hinge, HingeMotor, Joint, Robot, Slider, SliderMotor
from simvid.testing.physics_scenes import ARM, at, box, small_assets, small_scene
from simvid.trajectory import Trajectory


@pytest.fixture(autouse=True)
def _arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("arm.urdf").write_text(ARM)


def beside_a_robot(bodies: list[Body], **given: Any) -> Trajectory:
    scene = small_scene(bodies, robots=[Robot(name="arm", model="arm.urdf")], **given)
    return NewtonPhysics().simulate(small_assets(scene))


def hinge(*motors: HingeMotor, x: float = 2.0, parent: str | None = None) -> Joint:
    return Joint(hinge=Hinge(anchor_m=(x, 0.0, 0.5), axis=(0.0, 0.0, 1.0), motors=motors, parent=parent))


@pytest.mark.parametrize("limit", [None, 5.0])
def test_a_hinge_turns_at_its_speed(limit: float | None) -> None:
    motor = HingeMotor(velocity_rad_s=3.0, max_torque_n_m=limit)
    wing = box("wing", (0.4, 0.05, 0.02), mass_kg=0.5, pose=at(2, 0, 0.5), joint=hinge(motor))
    made = beside_a_robot([wing], seconds=0.5)
    assert made.twists[1:, made.part_index("wing"), 5] == pytest.approx(3.0, rel=5e-3)


@pytest.mark.parametrize("limit", [None, 100.0])
def test_a_lift_rises_at_its_speed(limit: float | None) -> None:
    """Its weight is a load, of which a step's part is left over: g h / 0.9 with a limit, a tenth of g h without."""
    motor = SliderMotor(velocity_m_s=0.2, max_force_n=limit)
    joint = Joint(slider=Slider(axis=(0.0, 0.0, 1.0), motors=(motor,)))
    made = beside_a_robot([box("lift", (0.2, 0.2, 0.05), mass_kg=0.5, pose=at(2, 0, 0.5), joint=joint)], seconds=0.5)
    left = 9.81 * 0.002 / (10.0 if limit is None else 0.9)
    assert made.twists[1:, made.part_index("lift"), 2] == pytest.approx(0.2 - left, rel=5e-3)


def test_a_chain_is_stable_whatever_its_pose_and_free_after_its_window() -> None:
    """The far arm folds over the near one: the inertia about the first hinge falls to a fraction of its first value."""
    near, far = HingeMotor(velocity_rad_s=2.0, end_s=1.0), HingeMotor(velocity_rad_s=-5.0, end_s=0.6)
    bodies = [
        box("one", (0.5, 0.05, 0.02), mass_kg=0.2, pose=at(2.25, 0, 0.5), joint=hinge(near)),
        box("two", (0.5, 0.05, 0.02), mass_kg=2.0, pose=at(2.75, 0, 0.5), joint=hinge(far, x=2.5, parent="one")),
    ]
    made = beside_a_robot(bodies, gravity=(0.0, 0.0, 0.0), seconds=1.5)
    one, two = (made.twists[:, made.part_index(name), 5] for name in ("one", "two"))
    assert one[1:50] == pytest.approx(2.0, rel=0.02)
    assert (two - one)[1:30] == pytest.approx(-5.0, rel=0.02)
    assert np.ptp(one[51:]) > 0.1  # nothing holds its speed any more
