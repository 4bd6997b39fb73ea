"""What things are called: colour, material and noun of each instance, and words that tell them apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from simvid.clip import Clip
from simvid.scene import Body, Look, Scene
from simvid.scene.library import LIBRARY

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.8, 0.1, 0.1), "orange": (0.95, 0.5, 0.1), "yellow": (0.95, 0.85, 0.15), "green": (0.15, 0.55, 0.2),
    "cyan": (0.2, 0.75, 0.8), "blue": (0.15, 0.3, 0.8), "purple": (0.5, 0.2, 0.65), "pink": (0.95, 0.55, 0.7),
    "brown": (0.42, 0.26, 0.14), "black": (0.06, 0.06, 0.06), "grey": (0.5, 0.5, 0.5), "white": (0.95, 0.95, 0.95),
}  # fmt: skip
SHAPES = {"sphere": "ball", "box": "block", "ellipsoid": "pebble", "mesh": "thing", "splat": "thing",
          "compound": "thing"}  # fmt: skip
"""What a shape is called where its name is no noun; others by their own name."""
TEXTURES = {"wood": "wooden", "concrete": "concrete", "brushed_metal": "metal", "marble": "marble",
            "fabric": "fabric", "tiles": "tiled", "checker": "chequered"}  # fmt: skip
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
ADJECTIVES = frozenset({
    *COLORS, *ORDINALS, "small", "medium", "large", "big", "tiny", "huge", "left", "right", "near", "far", "front",
    "back", "last", "top", "bottom", "upper", "lower", "bouncy", "dead", "heavy",
})  # fmt: skip
"""Last words of names that are no nouns."""
COLORED = frozenset({
    "wood", "dark wood", "wooden", "steel", "brushed steel", "rough steel", "cast iron", "chrome", "aluminium",
    "copper", "brass", "gold", "glass", "ice", "concrete", "cardboard",
})  # fmt: skip
"""Materials that need no colour beside them."""
GREY = 0.035
"""Chroma in Oklab below which a colour is black, grey or white."""
ROUND = frozenset({"sphere", "ellipsoid"})


@dataclass(frozen=True)
class Thing:
    """An instance in words."""

    name: str
    id: int
    noun: str
    color: str | None
    material: str | None
    phrase: str
    """With the article, unlike that of every other thing: ``the second red ball``."""
    movable: bool
    robot: bool
    round: bool

    def as_tree(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name, "instance_id": self.id, "noun": self.noun, "color": self.color,
            "material": self.material, "phrase": self.phrase, "movable": self.movable, "robot": self.robot,
        }  # fmt: skip


def color_name(rgb: tuple[float, float, float]) -> str:
    """The nearest of ``COLORS`` in Oklab (B. Ottosson, 2020); what has hardly any colour is black, grey or white."""
    plain = float(np.linalg.norm(_oklab(rgb)[1:])) < GREY
    names = ["black", "grey", "white"] if plain else list(COLORS)
    places = np.array([_oklab(COLORS[n]) for n in names])
    return names[int(np.argmin(np.linalg.norm(places - _oklab(rgb), axis=1)))]


def _oklab(rgb: tuple[float, float, float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    s = np.asarray(rgb, np.float64)
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    lms = np.cbrt(
        np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                  [0.0883024619, 0.2817188376, 0.6299787005]]) @ linear
    )  # fmt: skip
    return np.asarray(
        np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                  [0.0259040371, 0.7827717662, -0.8086757660]]) @ lms
    )  # fmt: skip


def things(clip: Clip) -> tuple[Thing, ...]:
    """All instances of a clip but the ground, in the order of their ids."""
    scene = clip.scene
    found: dict[int, tuple[str, str, str | None, str | None, bool, bool, bool]] = {}
    for part in clip.trajectory.parts:
        if part.kind == "ground" or part.instance_id in found:
            continue
        body = body_of(scene, part.instance)
        if part.kind == "link" or body is None:
            found[part.instance_id] = (part.instance, _noun(part.category, robot=True), None, None, True, True, False)
            continue
        color, material = _looks(scene, body)
        movable = not part.fixed
        noun = _noun(part.category)
        if noun.split()[-1] in ADJECTIVES:
            noun = f"{noun} {SHAPES.get(body.shape.kind, body.shape.kind)}"
        found[part.instance_id] = (part.instance, noun, color, material, movable, False, body.shape.kind in ROUND)
    plain = {k: _plain(noun, color, material) for k, (_, noun, color, material, *_rest) in found.items()}
    counts, seen, made = Counter(plain.values()), defaultdict[str, int](int), []
    for k, (name, noun, color, material, movable, robot, is_round) in sorted(found.items()):
        words = plain[k]
        if counts[words] > 1:
            n = seen[words]
            seen[words] += 1
            words = f"{ORDINALS[n]} {words}" if n < len(ORDINALS) else f"{words} number {n + 1}"
        made.append(Thing(name, k, noun, color, material, f"the {words}", movable, robot, is_round))
    return tuple(made)


def _plain(noun: str, color: str | None, material: str | None) -> str:
    """Colour, material, noun; a material that has its own colour says that too."""
    color = None if material in COLORED else color
    words = [word for word in (color, material) if word and word not in noun]
    return " ".join([*words, noun])


def _noun(category: str, *, robot: bool = False) -> str:
    words = category.replace("_", " ").replace("-", " ").lower().strip()
    return f"robot {words}" if robot and "robot" not in words else words


def body_of(scene: Scene, instance: str) -> Body | None:
    """The body that an instance is, or one of the copies of."""
    for body in scene.bodies:
        copy = instance.removeprefix(f"{body.name}_")
        if instance == body.name or (body.count > 1 and copy != instance and copy.isdecimal()):
            return body
    return None


def _looks(scene: Scene, body: Body) -> tuple[str | None, str | None]:
    """Colour and material in words; a mesh with its own colours has no colour."""
    material = scene.material(body.material)
    look: Look | None = body.look or material.look
    own = body.shape.kind in ("mesh", "splat", "compound")
    given = None if look is None else look.base_color
    color = (None if own else "grey") if given is None else color_name(given)
    return color, _material(body, look, deforms=material.deformable is not None)


def _material(body: Body, look: Look | None, *, deforms: bool) -> str | None:
    if body.look is None and isinstance(body.material, str) and body.material in LIBRARY:
        return body.material.replace("_", " ")
    if look is None:
        return None
    if look.texture in TEXTURES:
        return TEXTURES[look.texture]
    if look.metallic > 0.5:
        return "metal"
    return "glass" if look.transmission > 0.5 and not deforms else None
