"""Robot arms that move over things on a table."""

from __future__ import annotations

import numpy as np

from simvid.generating.families.action import Action, apart, placed, table
from simvid.generating.props import MESHES, Rng, Tree, between, pick, prop

PANDA = "package://genesis/assets/xml/franka_emika_panda/panda.xml"
UR5E = "package://genesis/assets/xml/universal_robots_ur5e/ur5e.xml"


def arm_scene(rng: Rng, robot: Tree, script: list[Tree], eye: tuple[str, Tree] | None) -> Action:
    """An arm moves about over things on a table."""
    props = [prop(rng, between(rng, 0.05, 0.1), MESHES, 0.4) for _ in range(int(rng.integers(2, 6)))]
    spots = apart(rng, [p.radius_m for p in props], (0.35, -0.4, 0.0), (0.75, 0.4, 0.02))
    height = between(rng, 0.6, 0.9, 2)
    bodies = [table(rng, height, 2.0), *placed(props, spots, rng, turned="yaw")]
    return Action(bodies, (0.35, 0, 0.25), 0.55, [{"name": "arm", **robot, "script": script}], height, eye)


def panda(rng: Rng) -> Action:
    """A Franka arm reaches for places between the things, and closes its gripper."""

    def spot() -> list[float]:
        out, turn = float(rng.uniform(0.4, 0.6)), float(rng.uniform(-0.7, 0.7))
        return [round(out * np.cos(turn), 3), round(out * np.sin(turn), 3), between(rng, 0.12, 0.45, 3)]

    script: list[Tree] = [{"reach": {"to_m": spot(), "over_s": between(rng, 0.45, 0.6, 2)}} for _ in range(2)]
    script.insert(1, {"gripper": pick(rng, ("open", "close"))})
    return arm_scene(
        rng, {"model": PANDA}, script, ("arm/hand", {"position_m": [0.07, 0, 0.02], "rotation_deg": [0, 0, 90]})
    )


def ur5e(rng: Rng) -> Action:
    """A UR5e arm turns its joints."""
    home = {
        "shoulder_pan": -1.57,
        "shoulder_lift": -1.4,
        "elbow": 1.6,
        "wrist_1": -1.8,
        "wrist_2": -1.57,
        "wrist_3": 0.0,
    }
    start = {name: round(q + float(rng.normal(0, 0.15)), 3) for name, q in home.items()}
    targets = [{name: round(q + float(rng.normal(0, 0.35)), 3) for name, q in home.items()} for _ in range(2)]
    script = [{"joints": {"to": target, "over_s": between(rng, 0.5, 0.8, 2)}} for target in targets]
    return arm_scene(rng, {"model": UR5E, "initial_joints": start}, script, None)
