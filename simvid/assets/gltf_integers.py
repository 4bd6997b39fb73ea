"""glTF's normalized integers as what they stand for; trimesh reads 65535 where the file means 1."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from simvid.assets.gltf import gltf_tree
from simvid.errors import AssetError

MARK = "SIMVID_normalized"
"""Extension put on primitives for the time of reading; trimesh calls ``_as_floats`` for it."""


def with_marks(path: Path, content: bytes) -> bytes:
    """The file, its primitives marked whose positions or texture coordinates are normalized integers.

    Raises:
        AssetError: the container or its JSON is damaged.
    """
    tree = gltf_tree(path, content)
    try:
        marked = _marked(tree)
    except (TypeError, AttributeError) as error:
        raise AssetError(f"{path}: is not valid glTF ({type(error).__name__}: {error})") from error
    return _with_tree(content, tree) if marked else content


def _marked(tree: dict[str, Any]) -> bool:
    """Whether there was something to mark."""
    integers = {k for k, accessor in enumerate(tree.get("accessors", [])) if accessor.get("normalized")}
    found = False
    for primitive in (p for mesh in tree.get("meshes", []) for p in mesh.get("primitives", []) if integers):
        named = primitive.get("attributes", {}).items()
        wanted = [k for name, k in named if k in integers and name.startswith(("POSITION", "TEXCOORD"))]
        if wanted:
            primitive.setdefault("extensions", {})[MARK] = wanted
            found = True
    return found


def _with_tree(content: bytes, tree: dict[str, Any]) -> bytes:
    """The file with another JSON."""
    text = json.dumps(tree).encode()
    if content[:4] != b"glTF":
        return text
    text += b" " * (-len(text) % 4)
    rest = content[20 + struct.unpack_from("<I", content, 12)[0] :]
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A) + text + rest


def follow_marks() -> None:
    """Tell trimesh what the marks mean; again does nothing new."""
    from trimesh.exchange.gltf.extensions import register_handler

    register_handler(MARK, scope="primitive_preprocess")(_as_floats)


def _as_floats(context: Any) -> None:
    """Divide by the type's largest number (specification, 3.11); what another primitive had divided is float."""
    arrays = context["accessors"]
    for k in context["data"]:
        if arrays[k].dtype.kind in "iu":
            arrays[k] = np.maximum(arrays[k] / np.float32(np.iinfo(arrays[k].dtype).max), -1.0).astype(np.float32)
