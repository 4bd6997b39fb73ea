"""Families of scenes for training pairs: what happens. Each draws one scene's bodies and robots from a generator.

A family is either for training or held out: a refiner is judged on kinds of scenes, meshes and looks it never saw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from simvid.generating.props import (
    HELD_OUT_MESHES,
    MESHES,
    MeshProp,
    Prop,
    Rng,
    Tree,
    between,
    color,
    material,
    pick,
    prop,
    solid,
)

PANDA = "package://genesis/assets/xml/franka_emika_panda/panda.xml"
UR5E = "package://genesis/assets/xml/universal_robots_ur5e/ur5e.xml"


@dataclass(frozen=True)
class Action:
    """What happens in a scene, and where to look.

    Attributes:
        bodies, robots: as in a scene file.
        center_m: middle of what happens.
        radius_m: of a ball around it.
        table_m: height of the top of the table that it happens on, above the ground; 0 without a table.
        eye: a link that a camera may be fixed to, with the camera's pose in it.
    """

    bodies: list[Tree]
    center_m: tuple[float, float, float]
    radius_m: float
    robots: list[Tree] = field(default_factory=list)
    table_m: float = 0.0
    eye: tuple[str, Tree] | None = None


Family: TypeAlias = Callable[[Rng], Action]


def placed(props: Sequence[Prop], places: Sequence[Sequence[float]], rng: Rng, *, turned: str = "any") -> list[Tree]:
    """Bodies with names at places; ``turned`` any way, about z alone (``yaw``), or not (``none``)."""
    bodies = []
    for k, (thing, place) in enumerate(zip(props, places, strict=True)):
        pose: Tree = {"position_m": [round(float(x), 4) for x in place]}
        if turned == "any":
            quaternion = rng.normal(size=4)
            pose["quaternion_wxyz"] = [round(float(q), 4) for q in quaternion / np.linalg.norm(quaternion)]
        elif turned == "yaw":
            pose["rotation_deg"] = [0, 0, between(rng, 0, 360, 1)]
        bodies.append({"name": f"thing_{k}", **thing.body, "pose": pose})
    return bodies


def apart(rng: Rng, radii: Sequence[float], low: Sequence[float], high: Sequence[float]) -> list[list[float]]:
    """Places in a box for balls of these radii, none in another; the box grows upwards until all have one."""
    places: list[list[float]] = []
    top = float(high[2])
    for k, radius in enumerate(radii):
        for attempt in range(10_000):
            spot = rng.uniform(low, [high[0], high[1], top])
            spot[2] = max(spot[2], low[2] + radius)
            if all(np.linalg.norm(spot - q) > radius + radii[j] + 0.003 for j, q in enumerate(places[:k])):
                places.append([float(x) for x in spot])
                break
            if attempt % 50 == 49:
                top += radius
        else:
            raise RuntimeError("apart: no place found, though the box grows")
    return places


def table(rng: Rng, height_m: float, size_m: float) -> Tree:
    """A table whose top is at z = 0, standing on ground at -height_m."""
    legs = {"metallic": 0.8, "roughness": 0.4, "base_color": [0.35, 0.36, 0.38]}
    reach, drop = size_m / 2 - 0.05, height_m - 0.03
    parts: list[Tree] = [{"shape": {"box": {"size_m": [size_m, size_m, 0.03]}}, "pose": {"position_m": [0, 0, -0.015]}}]
    for x in (-reach, reach):
        for y in (-reach, reach):
            place = {"position_m": [round(x, 4), round(y, 4), round(-0.03 - drop / 2, 4)]}
            parts.append(
                {"shape": {"box": {"size_m": [0.05, 0.05, round(drop, 4)]}}, "pose": place, "material": {"look": legs}}
            )
    kind = pick(rng, ("wood", "wood", "stone", "painted"))
    top = material(rng, kind)
    if kind != "wood":
        top["look"]["base_color"] = color(rng, (0.0, 0.35), (0.4, 0.9))
    return {"name": "table", "fixed": True, "material": top, "shape": {"compound": {"parts": parts}}}


def furnished(rng: Rng, bodies: list[Tree], share: float = 0.5) -> float:
    """With a table under the action, often; its height, or 0."""
    if rng.uniform() > share:
        return 0.0
    height = between(rng, 0.6, 0.9, 2)
    bodies.insert(0, table(rng, height, between(rng, 1.2, 1.8, 2)))
    return height


def tossed(rng: Rng, meshes: Sequence[MeshProp], mesh_share: float) -> Action:
    """Things of all kinds fall and tumble."""
    props = [prop(rng, between(rng, 0.06, 0.17), meshes, mesh_share) for _ in range(int(rng.integers(4, 12)))]
    places = apart(rng, [p.radius_m for p in props], (-0.25, -0.25, 0.02), (0.25, 0.25, 0.4))
    bodies = placed(props, places, rng)
    for body in bodies:
        body["velocity_m_s"] = [round(float(v), 3) for v in rng.normal(0, (0.4, 0.4, 0.3))]
        body["angular_velocity_rad_s"] = [round(float(w), 3) for w in rng.normal(0, 3, 3)]
    return Action(bodies, (0, 0, 0.1), 0.32, table_m=furnished(rng, bodies))


def drop(rng: Rng) -> Action:
    """Mostly solids."""
    return tossed(rng, MESHES, 0.15)


def toss(rng: Rng) -> Action:
    """Mostly meshes."""
    return tossed(rng, MESHES, 0.85)


def tower(rng: Rng) -> Action:
    """A ball flies into towers of boxes."""
    edge = between(rng, 0.05, 0.09, 3)
    bodies: list[Tree] = []
    for n in range(int(rng.integers(1, 4))):
        base = [round(float(x), 3) for x in (rng.uniform(-0.05, 0.05) + 0.16 * (n - 1), rng.uniform(-0.06, 0.06), 0)]
        bodies.append(
            {
                "name": f"tower_{n}",
                "shape": {"box": {"size_m": [edge, edge, round(edge * float(rng.uniform(0.5, 1)), 4)]}},
                "count": int(rng.integers(3, 7)),
                "arrange": {"stack": {"base_m": base}},
                "material": material(rng, pick(rng, ("wood", "painted", "plastic", "pattern"))),
            }
        )
    speed, away = between(rng, 1.5, 3.5), pick(rng, (-1, 1))
    ball = {
        "name": "ball",
        "shape": {"sphere": {"radius_m": between(rng, 0.03, 0.06)}},
        "material": material(rng, pick(rng, ("rubber", "metal", "stone"))),
        "pose": {"position_m": [round(-0.6 * away, 3), between(rng, -0.05, 0.05), between(rng, 0.1, 0.3)]},
        "velocity_m_s": [round(speed * away, 3), 0, between(rng, 0, 1.0)],
    }
    bodies.append(ball)
    return Action(bodies, (0, 0, 0.13), 0.3, table_m=furnished(rng, bodies))


def dominoes(rng: Rng) -> Action:
    """A row of dominoes falls."""
    count, gap, turn = int(rng.integers(8, 18)), between(rng, 0.035, 0.05), between(rng, -5, 5, 1)
    size = [0.012, between(rng, 0.03, 0.045), between(rng, 0.07, 0.1)]
    start = [round(-gap * count / 2, 4), 0, size[2] / 2]
    row = {
        "name": "domino",
        "count": count,
        "shape": {"box": {"size_m": size}},
        "material": material(rng),
        "arrange": {"line": {"start_m": start, "step_m": [gap, 0, 0], "turn_deg": turn if abs(turn) < 2 else 0}},
    }
    push = {
        "name": "ball",
        "shape": {"sphere": {"radius_m": 0.03}},
        "material": material(rng, "metal"),
        "pose": {"position_m": [round(start[0] - 0.12, 4), 0, 0.06]},
        "velocity_m_s": [between(rng, 1, 2), 0, 0.3],
    }
    bodies: list[Tree] = [row, push]
    return Action(bodies, (0, 0, 0.04), 0.27, table_m=furnished(rng, bodies))


def bowl(rng: Rng) -> Action:
    """Small things rain into a bowl."""
    radius = between(rng, 0.14, 0.22, 3)
    dish = {
        "name": "bowl",
        "shape": {"bowl": {"radius_m": radius, "thickness_m": 0.012}},
        "fixed": True,
        "material": material(rng, pick(rng, ("ceramic", "metal", "wood", "painted"))),
        "pose": {"position_m": [0, 0, round(radius + 0.015, 4)]},
    }
    props = [solid(rng, between(rng, 0.035, 0.065)) for _ in range(int(rng.integers(8, 20)))]
    places = apart(rng, [p.radius_m for p in props], (-0.08, -0.08, radius), (0.08, 0.08, radius + 0.4))
    bodies = [dish, *placed(props, places, rng)]
    return Action(bodies, (0, 0, radius), 1.7 * radius, table_m=furnished(rng, bodies))


def ramp(rng: Rng) -> Action:
    """Things roll and slide down a slope."""
    tilt, length = between(rng, 15, 32, 1), between(rng, 0.7, 1.0, 2)
    angle = np.radians(tilt)
    rise = float(length / 2 * np.sin(angle))
    slope: Tree = {
        "name": "slope",
        "fixed": True,
        "shape": {"box": {"size_m": [length, 0.6, 0.03]}},
        "material": material(rng, "wood"),
        "pose": {"position_m": [0, 0, round(rise + 0.02, 4)], "rotation_deg": [0, tilt, 0]},
    }
    props = [solid(rng, between(rng, 0.05, 0.1)) for _ in range(int(rng.integers(3, 7)))]
    bodies = [slope]
    width = 0.5 / len(props)
    for k, thing in enumerate(props):
        along = float(rng.uniform(-0.42, -0.1)) * length
        above = thing.radius_m + 0.025
        place = [
            along * np.cos(angle) + above * np.sin(angle),
            -0.25 + (k + 0.5) * width,
            rise + 0.02 - along * np.sin(angle) + above * np.cos(angle),
        ]
        if 2 * thing.radius_m < width:
            bodies += placed([thing], [place], rng)
            bodies[-1]["name"] = f"thing_{k}"
    return Action(bodies, (0.1, 0, rise), 0.42)


def swing(rng: Rng) -> Action:
    """Pendulums swing from a beam, past things that stand around."""
    count, arm = int(rng.integers(1, 5)), between(rng, 0.3, 0.5)
    top = arm + between(rng, 0.12, 0.2)
    post = material(rng, pick(rng, ("wood", "metal", "painted")))
    parts: list[Tree] = [
        {"shape": {"box": {"size_m": [0.7, 0.03, 0.03]}}, "pose": {"position_m": [0, 0, round(top, 4)]}}
    ]
    parts += [
        {"shape": {"box": {"size_m": [0.03, 0.03, round(top, 4)]}}, "pose": {"position_m": [x, 0, round(top / 2, 4)]}}
        for x in (-0.35, 0.35)
    ]
    bodies: list[Tree] = [
        {"name": "frame", "fixed": True, "collision": "none", "material": post, "shape": {"compound": {"parts": parts}}}
    ]
    for k in range(count):
        x, angle = round(0.15 * (k - (count - 1) / 2), 4), between(rng, 20, 70, 1) * pick(rng, (-1, 1))
        a = np.radians(angle)
        bob: Tree = {
            "compound": {
                "parts": [
                    {"shape": {"sphere": {"radius_m": between(rng, 0.03, 0.055)}}},
                    {
                        "shape": {"cylinder": {"radius_m": 0.004, "length_m": arm}},
                        "pose": {"position_m": [0, 0, round(arm / 2, 4)]},
                        "collide": False,
                    },
                ]
            }
        }
        place = [x, round(float(arm * np.sin(a)), 5), round(float(top - arm * np.cos(a)), 5)]
        bodies.append(
            {
                "name": f"bob_{k}",
                "material": material(rng, pick(rng, ("metal", "plastic", "ceramic"))),
                "shape": bob,
                "pose": {"position_m": place, "rotation_deg": [angle, 0, 0]},
                "joint": {"hinge": {"anchor_m": [x, 0, round(top, 4)], "axis": [1, 0, 0]}},
            }
        )
    return Action(bodies, (0, 0, top / 2), 0.42, table_m=furnished(rng, bodies, 0.4))


def still_life(rng: Rng) -> Action:
    """Things stand; the camera moves."""
    props = [prop(rng, between(rng, 0.07, 0.2), MESHES, 0.5) for _ in range(int(rng.integers(4, 9)))]
    places = apart(rng, [p.radius_m for p in props], (-0.35, -0.35, 0.0), (0.35, 0.35, 0.02))
    bodies = placed(props, places, rng, turned="yaw")
    return Action(bodies, (0, 0, 0.06), 0.36, table_m=furnished(rng, bodies, 0.7))


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


def odd_toss(rng: Rng) -> Action:
    """Meshes that no other family has."""
    return tossed(rng, HELD_OUT_MESHES, 0.6)


def billiard(rng: Rng) -> Action:
    """Balls break on a cloth."""
    cloth = material(rng, "fabric")
    slate = {
        "name": "slate",
        "fixed": True,
        "shape": {"box": {"size_m": [1.3, 0.8, 0.04]}},
        "material": cloth,
        "pose": {"position_m": [0, 0, -0.02]},
    }
    balls: Tree = {
        "name": "ball",
        "count": pick(rng, (3, 6, 10)),
        "shape": {"sphere": {"radius_m": 0.0286}},
        "material": material(rng, pick(rng, ("ceramic", "pattern"))),
        "arrange": {"triangle": {"apex_m": [0.1, 0, 0.0286], "spacing_m": 0.058}},
    }
    cue: Tree = {
        "name": "cue",
        "shape": {"sphere": {"radius_m": 0.0286}},
        "material": material(rng, "ceramic"),
        "pose": {"position_m": [-0.4, between(rng, -0.02, 0.02), 0.0286]},
        "velocity_m_s": [between(rng, 1.5, 3.0), 0, 0],
    }
    for thing in (balls, cue):
        thing["material"] |= {"restitution": 0.9, "friction": 0.2}
    rails = [
        {
            "name": f"rail_{k}",
            "fixed": True,
            "shape": {"box": {"size_m": size}},
            "material": material(rng, "wood"),
            "pose": {"position_m": place},
        }
        for k, (size, place) in enumerate(
            (
                ([1.4, 0.05, 0.07], [0, 0.425, 0]),
                ([1.4, 0.05, 0.07], [0, -0.425, 0]),
                ([0.05, 0.8, 0.07], [0.675, 0, 0]),
                ([0.05, 0.8, 0.07], [-0.675, 0, 0]),
            )
        )
    ]
    return Action([slate, *rails, balls, cue], (0, 0, 0.02), 0.4, table_m=0.7)


def spinning(rng: Rng) -> Action:
    """Tops and rings spin."""
    bodies: list[Tree] = []
    for k in range(int(rng.integers(2, 5))):
        radius = between(rng, 0.03, 0.06)
        shape: Any = {
            "compound": {
                "parts": [
                    {
                        "shape": {"cone": {"radius_m": radius, "length_m": radius}},
                        "pose": {"position_m": [0, 0, 0], "rotation_deg": [180, 0, 0]},
                    },
                    {
                        "shape": {"cylinder": {"radius_m": 0.006, "length_m": radius}},
                        "pose": {"position_m": [0, 0, radius]},
                        "material": material(rng, "wood"),
                    },
                ]
            }
        }
        place = [round(0.18 * (k - 1.5), 3), between(rng, -0.12, 0.12), round(radius / 2 + 0.004, 4)]
        bodies.append(
            {
                "name": f"top_{k}",
                "shape": shape,
                "material": material(rng),
                "pose": {"position_m": place, "rotation_deg": [between(rng, -8, 8), 0, 0]},
                "angular_velocity_rad_s": [0, 0, between(rng, 60, 150, 1)],
            }
        )
    return Action(bodies, (0, 0, 0.04), 0.22, table_m=furnished(rng, bodies))


TRAINING: dict[str, Family] = {
    "drop": drop,
    "toss": toss,
    "tower": tower,
    "dominoes": dominoes,
    "bowl": bowl,
    "ramp": ramp,
    "swing": swing,
    "still_life": still_life,
    "panda": panda,
}
HELD_OUT: dict[str, Family] = {"ur5e": ur5e, "odd_toss": odd_toss, "billiard": billiard, "spinning": spinning}
