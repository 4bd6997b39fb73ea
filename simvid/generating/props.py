"""Random things to put into scenes: looks, materials, solids, meshes; plain trees, as a scene file would say them."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from simvid.scene.library import LIBRARY

Tree: TypeAlias = dict[str, Any]
Rng: TypeAlias = np.random.Generator

METALS = {
    "steel": (0.62, 0.62, 0.64), "aluminium": (0.91, 0.92, 0.92), "brass": (0.89, 0.76, 0.42),
    "copper": (0.93, 0.62, 0.52), "gold": (0.94, 0.8, 0.45), "gunmetal": (0.33, 0.34, 0.36),
}  # fmt: skip
WOODS = ((0.6, 0.42, 0.25), (0.42, 0.27, 0.16), (0.78, 0.62, 0.42), (0.5, 0.34, 0.23), (0.3, 0.2, 0.14))
PALETTES = ("matte", "plastic", "metal", "wood", "ceramic", "rubber", "stone", "fabric", "painted", "pattern")
DENSITY_KG_M3 = {
    "matte": 1000, "plastic": 1050, "metal": 7000, "wood": 650, "ceramic": 2300, "rubber": 1150, "stone": 2600,
    "fabric": 300, "painted": 900, "pattern": 800,
}  # fmt: skip

LIBRARY_SHARE = 0.4
"""Of materials that are of no kind in particular."""


@dataclass(frozen=True)
class MeshProp:
    """A mesh that a package brings.

    Attributes:
        path: in genesis-world's ``assets``.
        extent: largest edge of its box, in the file's units.
        up: which axis of the file points up.
        painted: whether the file has colours of its own.
    """

    path: str
    extent: float
    up: str = "y"
    painted: bool = True


MESHES = (
    MeshProp("meshes/duck/duck.obj", 354.3),
    MeshProp("meshes/dragon/dragon.obj", 141.5),
    MeshProp("meshes/camera/camera.glb", 4.88),
    MeshProp("meshes/chopping-board/source/chopping_board.glb", 7.03),
    MeshProp("meshes/wooden_sphere_OBJ/wooden_sphere.obj", 6.97),
    MeshProp("meshes/worm/worm.obj", 5.04, "z"),
    MeshProp("meshes/bolt_nut/bolt.stl", 0.043, "z", painted=False),
    MeshProp("meshes/bolt_nut/nut.stl", 0.042, "z", painted=False),
    MeshProp("tower/ring_01.glb", 0.095, "z", painted=False),
    MeshProp("tower/base_pole.glb", 0.165, "z"),
)
HELD_OUT_MESHES = (
    MeshProp("meshes/boat/boat.obj", 4.18),
    MeshProp("meshes/bunny.obj", 1.0, "z", painted=False),
    MeshProp("meshes/tank.obj", 0.147, "y", painted=False),
    MeshProp("meshes/trashbag_rope.glb", 0.524),
)


@dataclass(frozen=True)
class Prop:
    """A body without a name and a place.

    Attributes:
        body: keys of a body in a scene file.
        radius_m: of a ball around it.
    """

    body: Tree
    radius_m: float


def between(rng: Rng, low: float, high: float, digits: int = 4) -> float:
    """A uniform number, short enough to read in a file."""
    return round(float(rng.uniform(low, high)), digits)


def pick(rng: Rng, things: Sequence[Any]) -> Any:
    """One of some things."""
    return things[int(rng.integers(len(things)))]


def color(rng: Rng, saturation: tuple[float, float] = (0.25, 0.95), value: tuple[float, float] = (0.25, 0.95)) -> Any:
    """A base colour."""
    rgb = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value))
    return [round(c, 3) for c in rgb]


def _toned(rng: Rng, rgb: Sequence[float]) -> list[float]:
    return [round(float(np.clip(c * rng.uniform(0.85, 1.1), 0.02, 0.97)), 3) for c in rgb]


def look(rng: Rng, kind: str) -> Tree:
    """The look of a kind of material of ``PALETTES``."""
    if kind == "metal":
        texture = {"texture": "brushed_metal", "texture_size_m": between(rng, 0.1, 0.4)} if rng.uniform() < 0.3 else {}
        tone = _toned(rng, pick(rng, list(METALS.values())))
        return {"base_color": tone, "metallic": 1.0, "roughness": between(rng, 0.15, 0.5), **texture}
    if kind == "wood":
        size = between(rng, 0.2, 0.8)
        return {"base_color": _toned(rng, pick(rng, WOODS)), "texture": "wood", "texture_size_m": size,
                "roughness": between(rng, 0.35, 0.75)}  # fmt: skip
    if kind in {"stone", "pattern"}:
        texture = pick(rng, ("marble", "concrete") if kind == "stone" else ("checker", "tiles"))
        size, tone = between(rng, 0.08, 0.5), color(rng, (0.02, 0.25) if kind == "stone" else (0.2, 0.9), (0.4, 0.9))
        return {"base_color": tone, "texture": texture, "texture_size_m": size, "roughness": between(rng, 0.2, 0.8)}
    if kind == "fabric":
        return {"base_color": color(rng, (0.05, 0.6), (0.2, 0.85)), "texture": "fabric", "sheen": between(rng, 0, 0.8),
                "texture_size_m": between(rng, 0.04, 0.15), "roughness": between(rng, 0.8, 1.0)}  # fmt: skip
    spans: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
        "matte": ((0.1, 0.9), (0.2, 0.9), (0.7, 0.95)),
        "plastic": ((0.3, 0.95), (0.3, 0.95), (0.2, 0.5)),
        "ceramic": ((0.0, 0.3), (0.6, 0.95), (0.08, 0.25)),
        "rubber": ((0.0, 0.9), (0.06, 0.7), (0.6, 0.9)),
        "painted": ((0.2, 0.9), (0.3, 0.9), (0.25, 0.45)),
    }
    saturation, value, roughness = spans[kind]
    coat = {"clearcoat": between(rng, 0.3, 1.0)} if kind in {"painted", "ceramic"} else {}
    return {"base_color": color(rng, saturation, value), "roughness": between(rng, *roughness), **coat}


def material(rng: Rng, kind: str | None = None) -> Tree:
    """A material with a look: drawn anew, or one of the library where no kind is asked for."""
    if kind is None and rng.uniform() < LIBRARY_SHARE:
        return LIBRARY[pick(rng, sorted(LIBRARY))].model_dump(mode="json", exclude_defaults=True)
    made: str = kind or pick(rng, PALETTES)
    bouncy = {"rubber": (0.4, 0.8), "ceramic": (0.2, 0.5), "metal": (0.1, 0.5)}.get(made, (0.0, 0.3))
    return {"density_kg_m3": DENSITY_KG_M3[made], "friction": between(rng, 0.25, 0.8),
            "restitution": between(rng, *bouncy), "look": look(rng, made)}  # fmt: skip


def solid(rng: Rng, size_m: float, kind: str | None = None) -> Prop:
    """A primitive about so large across."""
    half = size_m / 2
    shape = pick(rng, ("box", "box", "sphere", "capsule", "cylinder", "cone", "ellipsoid"))
    if shape == "box":
        edges = [round(size_m * float(f), 4) for f in rng.uniform(0.4, 1.1, 3)]
        return Prop(
            {"shape": {"box": {"size_m": edges}}, "material": material(rng, kind)}, float(np.linalg.norm(edges) / 2)
        )
    if shape == "sphere":
        radius = round(half * float(rng.uniform(0.7, 1.1)), 4)
        return Prop({"shape": {"sphere": {"radius_m": radius}}, "material": material(rng, kind)}, radius)
    if shape == "ellipsoid":
        radii = [round(half * float(f), 4) for f in rng.uniform(0.5, 1.2, 3)]
        return Prop({"shape": {"ellipsoid": {"radii_m": radii}}, "material": material(rng, kind)}, max(radii))
    radius, length = round(half * float(rng.uniform(0.35, 0.8)), 4), round(size_m * float(rng.uniform(0.5, 1.2)), 4)
    reach = length / 2 + (radius if shape == "capsule" else 0.0)
    body = {"shape": {shape: {"radius_m": radius, "length_m": length}}, "material": material(rng, kind)}
    return Prop(body, float(np.hypot(reach, radius)))


def mesh(rng: Rng, size_m: float, meshes: Sequence[MeshProp] = MESHES) -> Prop:
    """One of some meshes, about so large; with the colours of its file where it has some."""
    chosen = pick(rng, meshes)
    kind = pick(rng, ("plastic", "ceramic", "wood", "painted", "rubber"))
    made = material(rng, kind)
    if chosen.painted:
        made["look"] = {"roughness": made["look"]["roughness"]}
    place = {
        "path": f"package://genesis/assets/{chosen.path}", "scale": float(f"{size_m / chosen.extent:.4g}"),
        "up": chosen.up, "origin": "center",
    }  # fmt: skip
    body = {"shape": {"mesh": place}, "collision": "convex_hull", "material": made,
            "mass_kg": round(300 * size_m**3 + 0.02, 3)}  # fmt: skip
    return Prop(body, 0.75 * size_m)


def prop(rng: Rng, size_m: float, meshes: Sequence[MeshProp] = MESHES, mesh_share: float = 0.25) -> Prop:
    """A solid or a mesh."""
    return mesh(rng, size_m, meshes) if rng.uniform() < mesh_share else solid(rng, size_m)
