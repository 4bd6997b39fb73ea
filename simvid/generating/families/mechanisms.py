"""Rigid things that hit, roll, swing and spin."""

from __future__ import annotations

from typing import Any

import numpy as np

from simvid.generating.families.action import Action, furnished, placed
from simvid.generating.props import Rng, Tree, between, material, pick, solid


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
