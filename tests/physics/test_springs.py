"""What springs in joints store counts: for the watch, which ends runs that gain energy, and for receipts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simvid.assets.parts import SceneAssets
from simvid.assets.springs import Springs
from simvid.checking.receipts.energy import budget_of, judged_parts
from simvid.checking.receipts.evidence import Evidence
from simvid.checking.receipts.receipt import receipt_of
from simvid.errors import PhysicsError
from simvid.physics.contact_table import FrameContacts
from simvid.physics.newton.engine import NewtonPhysics
from simvid.physics.watch import Watch
from simvid.scene import Body, Force, Hinge, Impulse, Joint, Slider, Wind
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene
from simvid.trajectory import Trajectory

NONE = (0.0, 0.0, 0.0)


def made(bodies: list[Body], forces: tuple[Force, ...] = (), **given: Any) -> tuple[SceneAssets, Trajectory]:
    scene = small_scene(bodies, seconds=2.0, **given).model_copy(update={"forces": forces})
    assets = small_assets(scene)
    return assets, NewtonPhysics().simulate(assets)


def bob(stiffness: float = 100.0, **given: Any) -> Body:
    joint = Joint(slider=Slider(axis=(0.0, 0.0, 2.0), stiffness_n_m=stiffness))
    return box("bob", mass_kg=1.0, pose=at(0, 0, 1), joint=joint, **given)


def pendulum(name: str, parent: str | None = None, x: float = 0.0, **given: Any) -> Body:
    joint = Joint(hinge=Hinge(anchor_m=(x, 0.0, 2.0), axis=(0.0, 1.0, 0.0), stiffness_n_m_rad=2.0, parent=parent))
    return ball(name, mass_kg=1.0, pose=at(x + 0.3, 0, 2, rotation_deg=(10.0, 20.0, 30.0)), joint=joint, **given)


KICK = Impulse(t_s=0.1, impulse_n_s=(0.0, 0.0, 1.0))
CASES: dict[str, tuple[list[Body], dict[str, Any]]] = {
    "hung": ([bob()], {}),
    "in a wind of nothing": ([bob()], {"forces": (Force(wind=Wind(air_density_kg_m3=1e-6)),)}),
    "kicked": ([bob(impulses=(KICK,))], {"gravity": NONE}),
    "stiff": ([bob(4000.0, velocity_m_s=(0.0, 0.0, 2.0))], {}),
    "pendulum": ([pendulum("one")], {}),
    "chain": ([pendulum("one"), pendulum("two", "one", 0.5)], {}),
    "many turns": ([ball(mass_kg=1.0, angular_velocity_rad_s=(0.0, 0.0, 20.0), joint=Joint(
        hinge=Hinge(anchor_m=NONE, axis=(0.0, 0.0, 1.0), stiffness_n_m_rad=1e-3)))], {"gravity": NONE}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_spring_gives_back_what_it_took(case: str) -> None:
    bodies, given = CASES[case]
    assets, motion = made(bodies, **given)
    assert [law.line() for law in receipt_of(assets, motion).broken] == []
    evidence = Evidence(assets, motion)
    budget = budget_of(evidence, judged_parts(evidence))
    after = budget.unexplained[10:]
    assert np.ptp(after) < 0.01 * budget.elastic.max() + budget.swing
    assert budget.swing < (0.13 if case == "stiff" else 0.05) * budget.elastic.max()


def test_stretches_are_told_by_poses() -> None:
    """A parent that turns and moves takes axis and anchor along."""
    assets, motion = made([box("cart", mass_kg=2.0, pose=at(0.5, 0, 1, rotation_deg=(0.0, 0.0, 90.0)),
                               angular_velocity_rad_s=(0.0, 1.0, 2.0), velocity_m_s=(0.3, 0.0, 0.0)),
                           box("rod", (0.02, 0.02, 0.4), mass_kg=0.5, pose=at(0.5, 0.3, 1), joint=Joint(slider=Slider(
                               axis=(0.0, 1.0, 0.0), parent="cart", stiffness_n_m=20.0)))], gravity=NONE)  # fmt: skip
    assert [law.line() for law in receipt_of(assets, motion).broken] == []
    springs, way = Springs.of(assets), np.linalg.norm(motion.poses[:, 1, :3] - motion.poses[:, 0, :3], axis=1) - 0.3
    assert np.ptp(way) > 0.02
    for t in range(0, 101, 20):
        assert springs.stretch(motion.poses[t], np.zeros(1)) == pytest.approx(way[t], abs=1e-5)
        slope = (way[t + 1] - way[t - 1]) * 25 if 0 < t < 100 else None
        if slope is not None:
            assert springs.speeds(motion.poses[t], motion.twists[t]) == pytest.approx(slope, abs=5e-3)


def test_a_sprung_scene_that_gains_energy_is_still_ended() -> None:
    rows = np.zeros((0, 3))
    untouched = FrameContacts(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), rows, rows, rows, np.zeros(0))
    assets = small_assets(small_scene([bob()], gravity=NONE))
    watch = Watch(assets, np.ones(1, np.bool_), driven=False)
    _, motion = made([bob()])
    watch.frame(motion.poses[0], motion.twists[0], untouched)
    with pytest.raises(PhysicsError, match="nothing drives"):
        watch.frame(motion.poses[12], motion.twists[12], untouched)
