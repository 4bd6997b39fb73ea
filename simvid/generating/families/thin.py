"""Cloth and rope: over things, in the wind, across a peg."""

from __future__ import annotations

import numpy as np

from simvid.generating.families.action import Action, furnished, placed
from simvid.generating.families.soft import log_between
from simvid.generating.props import Prop, Rng, Tree, between, color, look, material, pick, solid

THICK_M = 0.004
"""No point of a cloth is deeper in things than an eighth of its spacing: half the thickness hides it."""


def woven(rng: Rng, spacing_m: float) -> Tree:
    """A cloth, from silk to denim."""
    shine = look(rng, pick(rng, ("fabric", "fabric", "pattern", "matte")))
    shine |= {"roughness": between(rng, 0.6, 1.0, 2), "sheen": between(rng, 0, 0.7, 2)}
    return {
        "density_kg_m3": between(rng, 30, 110, 0),
        "friction": between(rng, 0.25, 0.6, 2),
        "cloth": {
            "stretch_n_m": log_between(rng, 150, 500),
            "bend_n_m": log_between(rng, 1e-5, 4e-4),
            "particle_spacing_m": spacing_m,
        },
        "look": shine,
    }


def blunt(rng: Rng, size_m: float) -> Prop:
    """A solid without a tip, which would come through the cloth."""
    while True:
        made = solid(rng, size_m)
        if "cone" not in made.body["shape"]:
            return made


def drape(rng: Rng) -> Action:
    """A cloth falls over things that stand there."""
    count = int(rng.integers(1, 4))
    props = [blunt(rng, between(rng, 0.12, 0.2)) for _ in range(count)]
    turn, ring = float(rng.uniform(0, 2 * np.pi)), 0.0 if count == 1 else between(rng, 0.13, 0.17)
    angles = turn + 2 * np.pi * np.arange(count) / count
    places = [(ring * np.cos(a), ring * np.sin(a), p.radius_m + 0.004) for a, p in zip(angles, props, strict=True)]
    bodies = placed(props, places, rng, turned="yaw")
    for body in bodies:
        body["fixed"] = bool(rng.uniform() < 0.7)
    if not any(body["fixed"] for body in bodies):
        bodies[0]["fixed"] = True
    top = max(place[2] + prop.radius_m for place, prop in zip(places, props, strict=True))
    width, length = between(rng, 0.4, 0.62, 3), between(rng, 0.4, 0.62, 3)
    cloth = {
        "name": "cloth",
        "shape": {"box": {"size_m": [width, length, THICK_M]}},
        "material": woven(rng, between(rng, 0.016, 0.018, 4)),
        "pose": {
            "position_m": [between(rng, -0.05, 0.05), between(rng, -0.05, 0.05), round(top + 0.03, 4)],
            "rotation_deg": [0, 0, between(rng, 0, 90, 1)],
        },
        "velocity_m_s": [0, 0, between(rng, -0.5, 0, 2)],
    }
    bodies.append(cloth)
    return Action(bodies, (0, 0, top / 2), 0.36, table_m=furnished(rng, bodies), lead_frames=18)


def flag(rng: Rng) -> Action:
    """A cloth that is held by an edge or two corners streams in the wind, or swings down; a gust may end."""
    width, height = between(rng, 0.45, 0.7, 3), between(rng, 0.3, 0.45, 3)
    foot = between(rng, 0.12, 0.4, 3)
    cloth: Tree = {
        "name": "cloth",
        "shape": {"box": {"size_m": [width, THICK_M, height]}},
        "material": woven(rng, between(rng, 0.017, 0.02, 4)),
        "pose": {"position_m": [round(width / 2 + 0.014, 4), 0, round(foot + height / 2, 4)]},
    }
    pole: Tree = {
        "name": "pole",
        "fixed": True,
        "shape": {"cylinder": {"radius_m": 0.012, "length_m": round(foot + height + 0.05, 4)}},
        "material": material(rng, pick(rng, ("metal", "wood", "painted"))),
        "pose": {"position_m": [0, 0, round((foot + height + 0.05) / 2, 4)]},
    }
    top = foot + height
    low = foot - 0.01 if rng.uniform() < 0.7 else top - 0.05
    region = {"box": {"low_m": [0, -0.1, round(low, 4)], "high_m": [0.035, 0.1, round(top + 0.01, 4)]}}
    side = float(rng.uniform(-0.9, 0.9))
    speed = between(rng, 2, 8, 2)
    wind = [round(float(v), 3) for v in (speed * np.cos(side), speed * np.sin(side), rng.uniform(-0.3, 0.8))]
    end = between(rng, 0.7, 2.0, 2)
    forces: list[Tree] = [
        {"hold": {"bodies": ["cloth"], "region": region}},
        {"wind": {"velocity_m_s": wind, "end_s": end}},
        {"wind": {"start_s": end}},
    ]
    if end > 1.5:
        forces = [forces[0], {"wind": {"velocity_m_s": wind}}]
    return Action([pole, cloth], (width * 0.4, 0, foot + height / 2), 0.4, forces=forces)


def ropes(rng: Rng) -> Action:
    """Ropes fall across a peg: some slide off, some stay."""
    radius, high = between(rng, 0.025, 0.05, 3), between(rng, 0.3, 0.5, 3)
    count = int(rng.integers(1, 4))
    peg: Tree = {
        "name": "peg",
        "fixed": True,
        "shape": {"cylinder": {"radius_m": radius, "length_m": 0.4}},
        "material": {**material(rng, pick(rng, ("wood", "metal", "plastic"))), "friction": 0.1},
        "pose": {"position_m": [0, 0, high], "rotation_deg": [90, 0, 0]},
    }
    bodies = [peg]
    for k in range(count):
        thick, length = between(rng, 0.008, 0.014, 4), between(rng, 0.5, 0.85, 3)
        cord = {
            "density_kg_m3": between(rng, 700, 1200, 0),
            "friction": between(rng, 0.15, 0.4, 2),
            "rope": {"young_modulus_pa": log_between(rng, 4e6, 1.2e7), "bend_n_m2": log_between(rng, 5e-5, 6e-4)},
            "look": {"base_color": color(rng, (0.1, 0.9), (0.3, 0.9)), "roughness": between(rng, 0.4, 0.95, 2)},
        }
        place = [between(rng, -0.15, 0.15, 3), round(0.11 * (k - (count - 1) / 2), 3),
                 round(high + radius + thick + between(rng, 0.01, 0.06), 4)]  # fmt: skip
        pose = {"position_m": place, "rotation_deg": [0, 90, 0]}
        bodies.append({"name": f"rope_{k}", "shape": {"capsule": {"radius_m": thick, "length_m": length}},
                       "material": cord, "pose": pose})  # fmt: skip
    return Action(bodies, (0, 0, high * 0.75), 0.36, lead_frames=18)
