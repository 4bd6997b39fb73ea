"""What a family draws, and what families share: things put in places, tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from simvid.generating.props import Prop, Rng, Tree, between, color, material, pick

LEAD_FRAMES = 24
"""Frames of a scene before the last frame that a pair may start at."""


@dataclass(frozen=True)
class Action:
    """What happens in a scene, and where to look.

    Attributes:
        bodies, robots: as in a scene file.
        center_m: middle of what happens.
        radius_m: of a ball around it.
        table_m: height of the top of the table that it happens on, above the ground; 0 without a table.
        eye: a link that a camera may be fixed to, with the camera's pose in it.
        forces: as in a scene file.
        lead_frames: the pair starts at one of the first so many frames, so that things are met in full motion.
    """

    bodies: list[Tree]
    center_m: tuple[float, float, float]
    radius_m: float
    robots: list[Tree] = field(default_factory=list)
    table_m: float = 0.0
    eye: tuple[str, Tree] | None = None
    forces: list[Tree] = field(default_factory=list)
    lead_frames: int = LEAD_FRAMES


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
