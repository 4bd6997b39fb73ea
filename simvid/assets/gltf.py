"""Checks of a glTF file before it is parsed, and the exact material colours, which trimesh rounds to bytes."""

from __future__ import annotations

import json
import logging
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from simvid.errors import AssetError

LARGEST_ACCESSOR = 60_000_000
LARGEST_NODES = 100_000
DEEPEST_NODES = 200
DRACO = "KHR_draco_mesh_compression"
FOLLOWED = (DRACO, "KHR_mesh_quantization", "EXT_texture_webp")
BESIDE = ("KHR_materials_", "KHR_lights_", "KHR_xmp")
"""Beginnings of the names of extensions that neither move a vertex nor change the colour that is read."""
GLOSS = "KHR_materials_pbrSpecularGlossiness"
"""Archived by Khronos. trimesh makes something of its textures; without any, the mesh comes out white."""
REMEDY = "export it anew as plain glTF 2.0, as Blender does"

_log = logging.getLogger(__name__)


def gltf_tree(path: Path, content: bytes) -> dict[str, Any]:
    """The JSON of a .glb or .gltf file (glTF 2.0 specification, section 4.4).

    Raises:
        AssetError: the container or its JSON is damaged.
    """
    text = content
    if content[:4] == b"glTF":
        if len(content) < 20:
            raise AssetError(f"{path}: cut off after {len(content)} bytes")
        _, version, total, length, kind = struct.unpack_from("<4sIIII", content)
        if version != 2 or kind != 0x4E4F534A:
            raise AssetError(f"{path}: expected binary glTF 2 with a JSON chunk first, got version {version}")
        if total > len(content) or 20 + length > len(content):
            raise AssetError(f"{path}: promises {max(total, 20 + length):,} bytes, the file has {len(content):,}")
        text = content[20 : 20 + length]
    elif path.suffix.lower() == ".glb":
        raise AssetError(f"{path}: expected a file that begins with glTF, got {content[:4]!r}")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AssetError(f"{path}: its JSON cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise AssetError(f"{path}: expected a JSON object, got {type(tree).__name__}")
    return tree


def check_gltf(path: Path, content: bytes) -> None:
    """Refuse what would make a parser allocate or recurse without bound, and extensions that a reader must know.

    Extensions that only may be followed, and are not, are logged.

    Raises:
        AssetError: damaged, too large, with nodes that contain themselves, or with an unknown required extension.
    """
    tree = gltf_tree(path, content)
    try:
        _check_extensions(path, tree)
        for k, accessor in enumerate(tree.get("accessors", [])):
            count = accessor["count"]
            if not isinstance(count, int) or not 0 <= count <= LARGEST_ACCESSOR:
                raise AssetError(f"{path}: accessors[{k}].count: expected 0 to {LARGEST_ACCESSOR:,}, got {count}")
        _check_nodes(path, [list(node.get("children", [])) for node in tree.get("nodes", [])])
    except (TypeError, KeyError, AttributeError) as error:
        raise AssetError(f"{path}: is not valid glTF ({type(error).__name__}: {error})") from error


def _check_extensions(path: Path, tree: dict[str, Any]) -> None:
    """The specification (3.12): who does not know a required extension must not load the file."""
    required, used = (
        sorted(name for name in set(tree.get(key, [])) if name not in FOLLOWED and not name.startswith(BESIDE))
        for key in ("extensionsRequired", "extensionsUsed")
    )
    if required:
        raise AssetError(
            f"{path}: requires {', '.join(required)}, which cannot be read; {REMEDY} (of extensions that move vertices "
            f"or colours, {', '.join(FOLLOWED)} are read)"
        )
    for name in (*used, *({GLOSS} & set(tree.get("extensionsUsed", [])))):
        _tell(path, f"its extension {name} is not followed")
    for material in tree.get("materials", []):
        wanted = material.get("pbrMetallicRoughness", {}).get("baseColorTexture", {}).get("texCoord", 0)
        if wanted != 0:
            _tell(path, f"its material {material.get('name')!r} wants texCoord {wanted}, and gets the first")


@lru_cache(maxsize=256)
def _tell(path: Path, what: str) -> None:
    """Log it once, however often the mesh is read."""
    _log.warning("%s: %s, so it may look otherwise; %s", path, what, REMEDY)


def _check_nodes(path: Path, children: list[list[int]]) -> None:
    """Every node has at most one parent and none is its own ancestor, as the specification demands."""
    if len(children) > LARGEST_NODES:
        raise AssetError(f"{path}: {len(children):,} nodes; at most {LARGEST_NODES:,} can be read")
    parents: dict[int, int] = {}
    for parent, inside in enumerate(children):
        for child in inside:
            if not (isinstance(child, int) and 0 <= child < len(children)) or child in parents:
                raise AssetError(f"{path}: nodes[{parent}].children: {child} is missing or has two parents")
            parents[child] = parent
    for node in range(len(children)):
        step, at = 0, node
        while at in parents:
            at, step = parents[at], step + 1
            if step > DEEPEST_NODES:
                raise AssetError(f"{path}: nodes[{node}] is its own ancestor, or more than {DEEPEST_NODES} deep")


class ExactFactors:
    """Linear ``baseColorFactor`` [4] of the file's materials, found by name and rounded value."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._known: dict[tuple[str | None, tuple[int, ...]], tuple[float, ...]] = {}
        for material in gltf_tree(path, content).get("materials", []):
            factor = material.get("pbrMetallicRoughness", {}).get("baseColorFactor", [1.0, 1.0, 1.0, 1.0])
            exact = tuple(float(c) for c in factor)
            self._known.setdefault((material.get("name"), _rounded(exact)), exact)

    def of(self, name: str | None, rounded: Any) -> tuple[float, ...]:
        """The exact factor of a material that trimesh read with these bytes."""
        if rounded is None:
            return (1.0, 1.0, 1.0, 1.0)
        key = tuple(int(c) for c in rounded)
        return self._known.get((name, key), tuple(c / 255 for c in key))


def _rounded(color: tuple[float, ...]) -> tuple[int, ...]:
    return tuple(int(c) for c in np.round(np.clip(np.asarray(color) * 255.0, 0, 255)))
