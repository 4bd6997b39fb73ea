"""Things that squash and wobble, and lumps that keep the shape they are squashed to."""

from __future__ import annotations

import numpy as np

from simvid.generating.families.action import Action, apart, furnished, placed
from simvid.generating.props import Prop, Rng, Tree, between, color, look, pick, solid

CLOSE_M = (0.0105, 0.0135)
"""Between particles. A body is ten or more across, so that it is four cells of the grid thick."""
HALF_M = 0.17
"""Soft things fall this far left and right of the middle: those that touch each other would stick."""


def log_between(rng: Rng, low: float, high: float) -> float:
    """A number whose logarithm is uniform, of three digits."""
    return float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")


def lump(rng: Rng, size_m: float, stuff: Tree) -> Prop:
    """A compact shape about so large across, of one material."""
    shape = pick(rng, ("box", "box", "sphere", "cylinder", "ellipsoid", "capsule"))
    half = size_m / 2
    if shape == "box":
        edges = [round(size_m * float(f), 4) for f in rng.uniform(0.7, 1.1, 3)]
        return Prop({"shape": {"box": {"size_m": edges}}, "material": stuff}, float(np.linalg.norm(edges) / 2))
    if shape == "sphere":
        return Prop({"shape": {"sphere": {"radius_m": round(half, 4)}}, "material": stuff}, half)
    if shape == "ellipsoid":
        radii = [round(half * float(f), 4) for f in rng.uniform(0.8, 1.2, 3)]
        return Prop({"shape": {"ellipsoid": {"radii_m": radii}}, "material": stuff}, max(radii))
    radius = round(half * float(rng.uniform(0.75, 0.95)), 4)
    length = round(size_m * float(rng.uniform(0.6, 1.0) if shape == "cylinder" else rng.uniform(0.3, 0.5)), 4)
    reach = length / 2 + (radius if shape == "capsule" else 0.0)
    body = {"shape": {shape: {"radius_m": radius, "length_m": length}}, "material": stuff}
    return Prop(body, float(np.hypot(reach, radius)) if shape == "cylinder" else reach)


def wobbly(rng: Rng, spacing_m: float) -> Tree:
    """Jelly or soft rubber."""
    if rng.uniform() < 0.5:
        shine: Tree = {"base_color": color(rng, (0.4, 0.95), (0.3, 0.95)), "roughness": between(rng, 0.08, 0.35, 3),
                       "clearcoat": between(rng, 0, 0.8, 2)}  # fmt: skip
    else:
        shine = look(rng, pick(rng, ("rubber", "matte", "pattern", "plastic")))
    return {
        "density_kg_m3": between(rng, 900, 1200, 0),
        "friction": between(rng, 0.3, 0.9, 2),
        "elastic": {
            "young_modulus_pa": log_between(rng, 4e3, 8e4),
            "poisson_ratio": between(rng, 0.3, 0.42, 2),
            "model": pick(rng, ("fixed_corotated", "neo_hookean")),
            "particle_spacing_m": spacing_m,
        },
        "look": shine,
    }


def kneaded(rng: Rng, spacing_m: float) -> Tree:
    """Clay or snow."""
    if rng.uniform() < 0.35:
        white = between(rng, 0.85, 0.96, 2)
        return {
            "density_kg_m3": between(rng, 300, 450, 0),
            "friction": between(rng, 0.4, 0.8, 2),
            "snow": {"young_modulus_pa": log_between(rng, 8e4, 2e5), "particle_spacing_m": spacing_m},
            "look": {"base_color": [white, white, round(min(white + 0.02, 1.0), 2)], "roughness": 0.95},
        }
    return {
        "density_kg_m3": between(rng, 1300, 1900, 0),
        "friction": between(rng, 0.5, 0.9, 2),
        "plastic": {
            "young_modulus_pa": log_between(rng, 8e4, 3e5),
            "poisson_ratio": 0.35,
            "yield_stress_pa": log_between(rng, 5e2, 2.5e3),
            "particle_spacing_m": spacing_m,
        },
        "look": {"base_color": color(rng, (0.1, 0.7), (0.3, 0.9)), "roughness": between(rng, 0.6, 0.95, 2)},
    }


def dropped(rng: Rng, stuff: list[Tree], spacing_m: float) -> list[Tree]:
    """Lumps, one of each material, that fall side by side with a little speed and spin."""
    lumps = [lump(rng, between(rng, 11, 17, 2) * spacing_m, one) for one in stuff]
    sides = (0.0,) if len(lumps) == 1 else (-HALF_M, HALF_M)
    places = [(x + rng.normal(0, 0.02), rng.normal(0, 0.05), p.radius_m + rng.uniform(0.05, 0.4))
              for x, p in zip(sides, lumps, strict=True)]  # fmt: skip
    bodies = placed(lumps, places, rng)
    for k, body in enumerate(bodies):
        body["name"] = f"lump_{k}"
        body["velocity_m_s"] = [round(float(v), 3) for v in rng.normal(0, (0.08, 0.3, 0.3))]
        body["angular_velocity_rad_s"] = [round(float(w), 3) for w in rng.normal(0, 2, 3)]
    return bodies


def with_solids(rng: Rng, bodies: list[Tree], count: int, kinds: tuple[str | None, ...] = (None,)) -> None:
    """Solids that fall on what lies there."""
    props = [solid(rng, between(rng, 0.05, 0.09), pick(rng, kinds)) for _ in range(count)]
    spots = apart(rng, [p.radius_m for p in props], (-0.22, -0.08, 0.6), (0.22, 0.08, 0.7))
    bodies += placed(props, spots, rng)


def jelly(rng: Rng) -> Action:
    """Jelly and soft rubber drop, squash and bounce; solids fall on them."""
    spacing = between(rng, *CLOSE_M)
    bodies = dropped(rng, [wobbly(rng, spacing) for _ in range(int(rng.integers(1, 3)))], spacing)
    with_solids(rng, bodies, int(rng.integers(0, 4)))
    return Action(bodies, (0, 0, 0.1), 0.3, table_m=furnished(rng, bodies), lead_frames=16)


def clay(rng: Rng) -> Action:
    """Clay and snow drop, and solids dent them."""
    spacing = between(rng, *CLOSE_M)
    bodies = dropped(rng, [kneaded(rng, spacing) for _ in range(int(rng.integers(1, 3)))], spacing)
    with_solids(rng, bodies, int(rng.integers(1, 4)), ("metal", "stone", "ceramic"))
    return Action(bodies, (0, 0, 0.1), 0.3, table_m=furnished(rng, bodies), lead_frames=16)
