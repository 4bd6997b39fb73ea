"""Scene k of a family for training pairs: what happens, with ground, light and a camera around it.

The same seed, family and number give the same scene, whatever was made before it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from simvid.errors import SceneError
from simvid.generating.families import HELD_OUT, TRAINING, Action
from simvid.generating.families.action import LEAD_FRAMES
from simvid.generating.props import Rng, Tree, between, color, look, pick
from simvid.parsing.loading import checked
from simvid.scene import LookName, Scene
from simvid.yaml_reading import Document

FPS = 24
FRAMES = 16
"""Of a pair."""
LOOKS = get_args(LookName)
HELD_OUT_LOOKS = ("kitchen", "sunset")
"""Looks that only the families held out are seen in."""
OWN_LIGHT = "as_rendered"
"""What the look of a scene with lights of its own is called."""
LOOK_SHARE = 0.4
"""Of the scenes for training; the others, and none of those held out, have lights of their own."""
OPEN_SKIES = ("clear", "overcast", "sunset", "night")
ROOMS = ("studio_softboxes", "workshop", "warehouse", "office", "night_lab")


@dataclass(frozen=True)
class PairScene:
    """One scene to make a pair of.

    Attributes:
        scene: whole, longer than the pair.
        family, look: what it is drawn from.
        held_out: whether it belongs to the families that are never trained on.
        first: the pair's first frame in it.
    """

    scene: Scene
    family: str
    look: str
    held_out: bool
    first: int


def generator(seed: int, *words: str | int) -> Rng:
    """Random numbers that depend on a seed and some words, and on nothing else."""
    digest = hashlib.sha256("\x1f".join(str(word) for word in words).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def families(*, held_out: bool) -> tuple[str, ...]:
    """Names of the families for training, or of those held out."""
    return tuple(HELD_OUT if held_out else TRAINING)


def known() -> tuple[str, ...]:
    """Names of all families."""
    return families(held_out=False) + families(held_out=True)


def pair_scene(family: str, number: int, seed: int, *, resolution_px: int = 256, attempt: int = 0) -> PairScene:
    """Draw scene ``number`` of a family.

    Args:
        family: of ``families``.
        number: which one, from 0.
        seed: of the whole set.
        resolution_px: edge of the square picture.
        attempt: another draw of the same scene, for those that turn out to be impossible.

    Raises:
        SceneError: no such family, or the draw is no valid scene.
    """
    held_out = family in HELD_OUT
    if family not in known():
        raise SceneError(f"family: expected one of {', '.join(known())}, got {family!r}")
    rng = generator(seed, family, number, attempt)
    action = (HELD_OUT | TRAINING)[family](rng)
    looks = HELD_OUT_LOOKS if held_out else [name for name in LOOKS if name not in HELD_OUT_LOOKS]
    chosen = pick(rng, looks) if held_out or rng.uniform() < LOOK_SHARE else OWN_LIGHT
    first = int(rng.integers(action.lead_frames + 1))
    tree: Tree = {
        "simvid": 1,
        "name": f"{family}_{number}",
        "duration_s": (LEAD_FRAMES + FRAMES - 1) / FPS,
        "fps": FPS,
        "seed": int(rng.integers(2**31)),
        "bodies": action.bodies,
        "robots": action.robots,
        "ground": {"height_m": -action.table_m, "material": {"friction": 0.8, "look": floor(rng)}},
        "cameras": [camera(rng, action, resolution_px)],
        **({"forces": action.forces} if action.forces else {}),
        **({"lights": lights(rng)} if chosen == OWN_LIGHT else {"look": chosen}),
    }
    scene = checked(Document(f"{family}_{number}", tree, {}), Path())
    return PairScene(scene, family, chosen, held_out, first)


def floor(rng: Rng) -> Tree:
    """What the ground looks like."""
    kind = pick(rng, ("wood", "wood", "stone", "stone", "fabric", "pattern", "matte"))
    made = look(rng, kind)
    if kind != "wood":
        made["base_color"] = color(rng, (0.0, 0.35), (0.35, 0.85))
    if "texture_size_m" in made:
        made["texture_size_m"] = between(rng, 0.3, 1.0, 2)
    return made


def lights(rng: Rng) -> list[Tree]:
    """A sky or a room, turned anyhow, and mostly a sun or lamps."""
    sky = pick(rng, pick(rng, (("studio",), OPEN_SKIES, ROOMS)))
    turned = {"turn_deg": between(rng, 0, 360, 1)} if sky in ROOMS else {}
    made: list[Tree] = [{"sky": {"preset": sky, "strength": between(rng, 0.6, 1.5, 2), **turned}}]
    if rng.uniform() < (0.25 if sky in ROOMS else 0.75):
        turn, slant = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 1.3)
        strength = between(rng, 1.5, 4.0, 2) if sky != "night" else between(rng, 0.3, 1.2, 2)
        way = [round(float(v), 3) for v in (slant * np.cos(turn), slant * np.sin(turn), -1.0)]
        made.append(
            {
                "sun": {
                    "direction": way,
                    "strength": strength,
                    "color": [1.0, between(rng, 0.88, 1.0, 2), between(rng, 0.75, 1.0, 2)],
                }
            }
        )
    for _ in range(int(rng.integers(0, 3)) if sky in {"night", "night_lab", "studio"} else 0):
        turn = rng.uniform(0, 2 * np.pi)
        place = [round(float(1.2 * np.cos(turn)), 3), round(float(1.2 * np.sin(turn)), 3), between(rng, 0.8, 1.8, 2)]
        warm = rng.uniform()
        tone = [1.0, round(1 - 0.25 * warm, 3), round(1 - 0.55 * warm, 3)]
        made.append({"point": {"position_m": place, "strength": between(rng, 1.0, 4.0, 2), "color": tone}})
    return made


def camera(rng: Rng, action: Action, resolution_px: int) -> Tree:
    """A camera that sees the action: still, circling, on a track, or on a robot's hand."""
    fov = between(rng, 32, 60, 1)
    made: Tree = {"name": "camera", "resolution_px": [resolution_px, resolution_px], "fov_y_deg": fov}
    if action.eye is not None and rng.uniform() < 0.15:
        return {**made, "fov_y_deg": 75, "attach_to": action.eye[0], "pose": action.eye[1]}
    distance = float(action.radius_m / np.tan(np.radians(fov / 2)) * rng.uniform(0.65, 1.15))
    center = [round(c + float(rng.normal(0, 0.06 * action.radius_m)), 4) for c in action.center_m]
    height, turn = np.radians(rng.uniform(12, 55)), float(rng.uniform(0, 360))
    kind = pick(rng, ("still", "still", "orbit", "orbit", "track"))
    flat, up = distance * float(np.cos(height)), distance * float(np.sin(height))
    if kind == "orbit":
        sweep = between(rng, 8, 60, 1) * pick(rng, (-1, 1))
        return made | {
            "orbit": {
                "center_m": center,
                "radius_m": round(flat, 3),
                "height_m": round(up, 3),
                "start_deg": round(turn, 1),
                "sweep_deg": sweep,
            }
        }
    angle = np.radians(turn)
    place = np.add(center, (flat * np.cos(angle), flat * np.sin(angle), up))
    if kind == "still":
        return made | {"pose": view(place, center)}
    end = (LEAD_FRAMES + FRAMES - 1) / FPS
    shift = rng.normal(0, 0.12 * distance, 3)
    other = [round(c + float(rng.normal(0, 0.1 * action.radius_m)), 4) for c in center]
    return made | {
        "keyframes": [{"t_s": 0, "pose": view(place, center)}, {"t_s": end, "pose": view(place + shift, other)}]
    }


def view(place: Any, target: Any) -> Tree:
    """A pose by where the camera is and what it looks at."""
    return {"look_from_m": [round(float(x), 4) for x in place], "look_at_m": [round(float(x), 4) for x in target]}
