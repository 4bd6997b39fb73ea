"""Grains that slide and heap up, and liquids in bowls and glasses."""

from __future__ import annotations

import numpy as np

from simvid.generating.families.action import Action, apart, furnished, placed
from simvid.generating.families.soft import log_between
from simvid.generating.props import Rng, Tree, between, color, material, pick, solid

SANDS = ((0.84, 0.68, 0.42), (0.72, 0.55, 0.36), (0.9, 0.84, 0.7), (0.45, 0.38, 0.33), (0.75, 0.42, 0.28))


def grains(rng: Rng) -> Tree:
    """Sand, gravel or coloured sand."""
    tone = list(pick(rng, SANDS)) if rng.uniform() < 0.7 else color(rng, (0.2, 0.8), (0.3, 0.9))
    return {
        "density_kg_m3": between(rng, 1300, 1800, 0),
        "friction": between(rng, 0.4, 0.8, 2),
        "granular": {
            "young_modulus_pa": 2e5,
            "friction_angle_deg": between(rng, 25, 42, 1),
            "particle_spacing_m": between(rng, 0.008, 0.0095),
        },
        "look": {"base_color": tone, "roughness": between(rng, 0.85, 1.0, 2)},
    }


def _column(rng: Rng, stuff: Tree) -> list[Tree]:
    """A column that collapses, or falls on things that stand there."""
    width = between(rng, 0.13, 0.19, 3)
    shape: Tree = {"box": {"size_m": [width, between(rng, 0.13, 0.19, 3), between(rng, 0.12, 0.2, 3)]}}
    if rng.uniform() < 0.4:
        shape = {"cylinder": {"radius_m": round(width / 2, 4), "length_m": between(rng, 0.14, 0.24, 3)}}
    props = [solid(rng, between(rng, 0.06, 0.1)) for _ in range(int(rng.integers(0, 3)))]
    spots = apart(rng, [p.radius_m for p in props], (-0.16, -0.16, 0.0), (0.16, 0.16, 0.02))
    things = placed(props, spots, rng, turned="yaw")
    floor_m = max([0.0, *(s[2] + p.radius_m for s, p in zip(spots, props, strict=True))])
    tall = shape["box"]["size_m"][2] if "box" in shape else shape["cylinder"]["length_m"]
    place = {"position_m": [0, 0, round(floor_m + tall / 2 + between(rng, 0.02, 0.15), 4)]}
    return [*things, {"name": "grains", "shape": shape, "material": stuff, "pose": place}]


def _chute(rng: Rng, stuff: Tree) -> list[Tree]:
    """Down a chute, against something that stands at its foot."""
    tilt, length, width = between(rng, 30, 42, 1), 0.5, between(rng, 0.2, 0.26, 3)
    a = np.radians(tilt)
    side, edge = width / 2 + 0.01, 0.12
    parts: list[Tree] = [{"shape": {"box": {"size_m": [length, width, 0.03]}}}]
    parts += [{"shape": {"box": {"size_m": [length, 0.02, edge]}}, "pose": {"position_m": [0, y, 0.045]}}
              for y in (-side, side)]  # fmt: skip
    high = round(float(length / 2 * np.sin(a)) + 0.035, 4)
    chute: Tree = {
        "name": "chute",
        "fixed": True,
        "material": {**material(rng, pick(rng, ("wood", "metal", "plastic"))), "friction": between(rng, 0.15, 0.3, 2)},
        "pose": {"position_m": [-0.15, 0, high], "rotation_deg": [0, tilt, 0]},
        "shape": {"compound": {"parts": parts}},
    }
    size = [between(rng, 0.15, 0.2, 3), round(width - 0.02, 3), between(rng, 0.08, 0.12, 3)]
    along, above = -0.12, 0.015 + size[2] / 2 + 0.006
    place = [-0.15 + along * np.cos(a) + above * np.sin(a), 0, high - along * np.sin(a) + above * np.cos(a)]
    heap = {
        "name": "grains",
        "material": stuff,
        "shape": {"box": {"size_m": size}},
        "pose": {"position_m": [round(float(x), 4) for x in place], "rotation_deg": [0, tilt, 0]},
    }
    thing = solid(rng, between(rng, 0.07, 0.11))
    (target,) = placed([thing], [[between(rng, 0.24, 0.32, 3), between(rng, -0.06, 0.06, 3), thing.radius_m]], rng)
    return [chute, heap, target]


def sand(rng: Rng) -> Action:
    """Sand collapses, is poured over things, or slides down a chute."""
    stuff = grains(rng)
    bodies = _chute(rng, stuff) if rng.uniform() < 0.4 else _column(rng, stuff)
    return Action(bodies, (0, 0, 0.1), 0.33, table_m=furnished(rng, bodies), lead_frames=9)


def liquid(rng: Rng) -> Tree:
    """Water, milk, paint, oil, honey."""
    kind = pick(rng, ("water", "water", "milk", "paint", "oil", "honey"))
    clear: Tree = {"roughness": 0.03, "transmission": between(rng, 0.8, 0.95, 2), "ior": 1.33}
    shine: Tree = {"roughness": between(rng, 0.05, 0.3, 2)}
    looks: dict[str, Tree] = {
        "water": {"base_color": [between(rng, 0.35, 0.8, 2), between(rng, 0.7, 0.9, 2), 0.92], **clear},
        "milk": {"base_color": [0.93, 0.92, 0.88], **shine},
        "paint": {"base_color": color(rng, (0.5, 0.95), (0.4, 0.95)), **shine},
        "oil": {"base_color": [0.9, 0.75, 0.2], **clear, "ior": 1.47},
        "honey": {"base_color": [0.85, 0.5, 0.1], **clear, "ior": 1.5},
    }
    thickness = {"water": (1e-3, 1e-3), "milk": (2e-3, 5e-3), "paint": (0.1, 1.0), "oil": (0.05, 0.1), "honey": (2, 8)}
    return {
        "density_kg_m3": {"oil": 920, "honey": 1400}.get(kind, 1000),
        "friction": 0,
        "liquid": {
            "bulk_modulus_pa": 1e5,
            "viscosity_pa_s": log_between(rng, *thickness[kind]),
            "particle_spacing_m": between(rng, 0.0085, 0.0095),
        },
        "look": looks[kind],
    }


def _tub(rng: Rng, half: float, high: float) -> Tree:
    """A square glass or box, open above."""
    wall, inner = 0.02, 2 * half
    parts: list[Tree] = [
        {"shape": {"box": {"size_m": [inner + 2 * wall, inner + 2 * wall, wall]}}, "pose": {"position_m": [0, 0, 0.01]}}
    ]
    for s in (-1, 1):
        across = round(s * (half + wall / 2), 4)
        lift = round(wall + high / 2, 4)
        for size, place in (
            ([wall, round(inner + 2 * wall, 4), high], [across, 0, lift]),
            ([round(inner, 4), wall, high], [0, across, lift]),
        ):
            parts.append({"shape": {"box": {"size_m": size}}, "pose": {"position_m": place}})
    stuff = material(rng, pick(rng, ("plastic", "wood", "metal", "ceramic", "painted")))
    if rng.uniform() < 0.5:
        stuff["look"] = {"base_color": [0.75, 0.89, 0.86], "roughness": 0.02, "transmission": 0.97, "ior": 1.5}
    return {
        "name": "tub",
        "fixed": True,
        "material": {**stuff, "friction": 0.1},
        "shape": {"compound": {"parts": parts}},
    }


def water(rng: Rng) -> Action:
    """A liquid is let go in a tub or over a bowl and sloshes; light and heavy things drop into it."""
    stuff = liquid(rng)
    if rng.uniform() < 0.5:
        half, high = between(rng, 0.09, 0.12, 3), between(rng, 0.14, 0.19, 3)
        vessel = _tub(rng, half, high)
        size = [round(2 * half * float(rng.uniform(0.6, 0.95)), 3) for _ in range(2)] + [between(rng, 0.13, 0.2, 3)]
        shift = [round((half - s / 2) * float(rng.uniform(-0.9, 0.9)), 4) for s in size[:2]]
        body: Tree = {
            "shape": {"box": {"size_m": size}},
            "pose": {"position_m": [*shift, round(0.026 + size[2] / 2, 4)]},
        }
        top, reach = 0.03 + size[2], 0.6 * half
    else:
        radius = between(rng, 0.13, 0.17, 3)
        vessel = {
            "name": "bowl",
            "shape": {"bowl": {"radius_m": radius, "thickness_m": 0.02}},
            "fixed": True,
            "material": {**material(rng, pick(rng, ("ceramic", "metal", "painted", "plastic"))), "friction": 0.1},
            "pose": {"position_m": [0, 0, round(radius + 0.022, 4)]},
        }
        wide = round(0.55 * radius, 4)
        tall = between(rng, 0.1, 0.16, 3)
        body = {
            "shape": {"cylinder": {"radius_m": wide, "length_m": tall}},
            "pose": {
                "position_m": [between(rng, -0.02, 0.02), 0, round(radius + tall / 2 + between(rng, -0.03, 0.05), 4)]
            },
        }
        high, reach = radius, 0.4 * radius
        top = body["pose"]["position_m"][2] + tall / 2
    props = [solid(rng, between(rng, 0.035, 0.055), pick(rng, ("wood", "plastic", "stone", None)))
             for _ in range(int(rng.integers(0, 4)))]  # fmt: skip
    low, up = (-reach, -reach, top + 0.02), (reach, reach, top + 0.1)
    things = placed(props, apart(rng, [p.radius_m for p in props], low, up), rng)
    bodies = [vessel, {"name": "liquid", "material": stuff, **body}, *things]
    return Action(bodies, (0, 0, 0.55 * high), 0.28, table_m=furnished(rng, bodies), lead_frames=12)
