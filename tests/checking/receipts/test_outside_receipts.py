"""Forces, ties, motors and belts break no law; what they did without a record does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from simvid.assets.parts import SceneAssets
from simvid.checking.receipts.receipt import receipt_of
from simvid.physics.newton.engine import NewtonPhysics
from simvid.scene import (
    Attachment,
    Breaks,
    Conveyor,
    Force,
    Ground,
    Hold,
    Joint,
    Material,
    Region,
    SharedImpulse,
    Slider,
    SliderMotor,
    Weld,
    Wind,
)
from simvid.scene.forces import BallRegion
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene
from simvid.trajectory import OutsideRecord, Trajectory


@cache
def blown() -> tuple[SceneAssets, Trajectory]:
    """A ball in the wind, a box on a belt, one on a lift, a held and a torn one, two that are tied in flight."""
    rough = Material(friction=0.4)
    lift = Joint(slider=Slider(axis=(0.0, 0.0, 1.0), motors=(SliderMotor(velocity_m_s=0.5, max_force_n=60.0),)))
    torn = Joint(weld=Weld(parent="post", breaks=Breaks(force_n=5.0)))
    bodies = [
        ball("light", mass_kg=0.02, pose=at(0, 0, 1), angular_velocity_rad_s=(0.0, 3.0, 0.0)),
        box("belt", (3.0, 0.4, 0.1), fixed=True, pose=at(0, 2, 0.05), material=rough),
        box("cargo", pose=at(-0.5, 2, 0.15), material=rough),
        box("lifted", (0.3, 0.3, 0.1), mass_kg=2.0, pose=at(0, 4, 0.3), joint=lift),
        box("rider", mass_kg=0.5, pose=at(0, 4, 0.4)),
        box("post", fixed=True, pose=at(0, 6, 2)),
        box("torn", mass_kg=1.0, pose=at(0.11, 6, 2), joint=torn),
        box("held", mass_kg=1.0, pose=at(0, 8, 1)),
        ball("one", mass_kg=1.0, pose=at(0, 10, 2), velocity_m_s=(1.0, 0.0, 0.0)),
        ball("two", mass_kg=2.0, pose=at(0.3, 10.2, 2)),
    ]
    place = Region(sphere=BallRegion(center_m=(0.0, 8.0, 1.0), radius_m=0.1))
    forces = (
        Force(wind=Wind(velocity_m_s=(8.0, 0.0, 0.0), start_s=0.1, bodies=("light",))),
        Force(conveyor=Conveyor(body="belt", velocity_m_s=(0.7, 0.0, 0.0))),
        Force(hold=Hold(region=place, end_s=0.3)),
        Force(impulse=SharedImpulse(t_s=0.2, impulse_n_s=(0.0, 1.0, 0.5), bodies=("one", "two"))),
    )
    ties = (Attachment(name="rod", a="one", b="two", start_s=0.1, end_s=0.4),)
    scene = small_scene(bodies, ground=Ground(material=rough), seconds=0.6)
    assets = small_assets(scene.model_copy(update={"forces": forces, "attachments": ties}))
    return assets, NewtonPhysics().simulate(assets)


def broken(assets: SceneAssets, made: Trajectory) -> set[str]:
    return {law.name for law in receipt_of(assets, made).broken}


def test_what_acts_from_outside_is_in_the_budget() -> None:
    assets, made = blown()
    receipt = receipt_of(assets, made)
    assert [law.line() for law in receipt.broken] == []
    assert set(receipt.drives) == {"conveyor belt", "motor of lifted"}
    assert receipt.energy_j["work of forces"] < -0.05  # the blow meets falling balls
    assert receipt.energy_j["work of conveyor belt"] > 0.1
    assert receipt.energy_j["work of motor of lifted"] > 1.0  # it lifts the rider
    assert next(law for law in receipt.laws if law.name == "momentum").measured["unexplained_m_s"] < 1e-3


@pytest.mark.parametrize("part", ["light", "held", "one"])
def test_without_its_record_a_push_is_seen(part: str) -> None:
    assets, made = blown()
    assert made.outside is not None
    record, k = made.outside, made.part_index(part)
    impulses, work = record.impulses.copy(), record.work.copy()
    assert np.abs(impulses[:, k]).max() > 0
    impulses[:, k], work[:, k] = 0.0, 0.0
    assert "momentum" in broken(assets, replace(made, outside=OutsideRecord(impulses, record.turns, work)))


def test_a_joint_that_broke_earlier_than_told_is_seen() -> None:
    assets, made = blown()
    (torn,) = [tie for tie in made.ties if tie.kind == "break"]
    late = tuple(replace(tie, time_s=0.5) if tie is torn else tie for tie in made.ties)
    assert broken(assets, replace(made, ties=late)) == {"ties"}


HERE = Region(sphere=BallRegion(center_m=(0.0, 0.0, 1.0), radius_m=2.0))
SUDDEN: dict[str, Callable[[float], dict[str, Any]]] = {
    "impulse": lambda t: {"forces": (Force(impulse=SharedImpulse(t_s=t, impulse_n_s=(3.0, 0.0, 0.0), bodies=("a",))),)},
    "hold": lambda t: {"forces": (Force(hold=Hold(region=HERE, start_s=t)),)},
    "attachment": lambda t: {"attachments": (Attachment(name="t", a="a", b="post", start_s=t),)},
}


@pytest.mark.parametrize("t", [0.1, 0.104, 0.118])
@pytest.mark.parametrize("kind", SUDDEN)
def test_what_begins_within_a_frame_is_no_jump(kind: str, t: float) -> None:
    bodies = [
        box("post", fixed=True, pose=at(0, 0.5, 1)),
        box("a", mass_kg=1.0, pose=at(0, 0, 1), velocity_m_s=(2.0, 0.0, 0.0), angular_velocity_rad_s=(3.0, 4.0, 5.0)),
    ]
    assets = small_assets(small_scene(bodies, seconds=0.2).model_copy(update=SUDDEN[kind](t)))
    made = NewtonPhysics().simulate(assets)
    assert broken(assets, made) == set()
    assert made.outside is not None
    muted = replace(made, outside=replace(made.outside, impulses=0 * made.outside.impulses))
    assert "jumps" in broken(assets, muted)
