"""Rigid things that fall, and things that stand while the camera moves."""

from __future__ import annotations

from collections.abc import Sequence

from simvid.generating.families.action import Action, apart, furnished, placed
from simvid.generating.props import (
    HELD_OUT_MESHES,
    MESHES,
    MeshProp,
    Rng,
    between,
    material,
    pick,
    prop,
    solid,
)


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


def odd_toss(rng: Rng) -> Action:
    """Meshes that no other family has."""
    return tossed(rng, HELD_OUT_MESHES, 0.6)


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


def still_life(rng: Rng) -> Action:
    """Things stand; the camera moves."""
    props = [prop(rng, between(rng, 0.07, 0.2), MESHES, 0.5) for _ in range(int(rng.integers(4, 9)))]
    places = apart(rng, [p.radius_m for p in props], (-0.35, -0.35, 0.0), (0.35, 0.35, 0.02))
    bodies = placed(props, places, rng, turned="yaw")
    return Action(bodies, (0, 0, 0.06), 0.36, table_m=furnished(rng, bodies, 0.7))
