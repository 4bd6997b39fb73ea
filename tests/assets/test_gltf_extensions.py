"""glTF beyond plain floats: normalized integers, and extensions that are read, left out or refused."""

from __future__ import annotations

import base64
import json
import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.meshes import load_mesh
from simvid.errors import AssetError
from simvid.mesh import Mesh

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0], [0, 0, 1]])
UVS = np.array([[0, 0], [1, 0], [0, 1], [0.5, 0.5]])
FACES = np.array([0, 2, 1, 0, 1, 3, 0, 3, 2, 1, 2, 3], "<u2")
TYPES = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "f4": 5126}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def written(values: NDArray[np.float64], kind: str) -> NDArray[Any]:
    """As integers of a type, of which the largest stands for 1, or as floats."""
    scale = 1 if kind == "f4" else np.iinfo(kind).max
    return np.round(values * scale).astype(f"<{kind}") if kind != "f4" else values.astype("<f4")


def tetrahedron(positions: str = "f4", uvs: str = "f4", node: Any = None, texture: Any = None, **more: Any) -> Any:
    """The JSON of a textured tetrahedron, and its binary."""
    places, views, binary = written(CORNERS, positions), [], b""
    rows = np.zeros((4, 4 if positions != "f4" else 3), places.dtype)  # rows begin at multiples of four bytes
    rows[:, :3] = places
    corners = np.zeros((4, 4 if uvs in {"u1", "i1"} else 2), f"<{uvs}")
    corners[:, :2] = written(UVS, uvs)
    for array, stride in ((rows, rows.strides[0]), (corners, corners.strides[0]), (FACES, None)):
        view = {"buffer": 0, "byteOffset": len(binary), "byteLength": array.nbytes}
        views.append(view if stride is None else {**view, "byteStride": stride})
        binary += array.tobytes()
    tree = {
        "asset": {"version": "2.0"}, "buffers": [{"byteLength": len(binary)}], "bufferViews": views,
        "accessors": [
            {"bufferView": 0, "componentType": TYPES[positions], "count": 4, "type": "VEC3",
             "normalized": positions != "f4"},
            {"bufferView": 1, "componentType": TYPES[uvs], "count": 4, "type": "VEC2", "normalized": uvs != "f4"},
            {"bufferView": 2, "componentType": 5123, "count": 12, "type": "SCALAR"},
        ],
        "images": [{"uri": f"data:image/png;base64,{PNG}"}], "textures": [{"source": 0}],
        "materials": [{"name": "skin", "pbrMetallicRoughness": {"baseColorTexture": {"index": 0, **(texture or {})}}}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, "material": 0}]}],
        "nodes": [{"mesh": 0, **(node or {})}], "scenes": [{"nodes": [0]}], "scene": 0, **more,
    }  # fmt: skip
    return tree, binary


def loaded(folder: Path, made: Any, suffix: str = "gltf") -> Mesh:
    tree, binary = made
    path = folder / f"a.{suffix}"
    if suffix == "gltf":
        tree["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
        path.write_text(json.dumps(tree))
    else:
        text = json.dumps(tree).encode()
        text += b" " * (-len(text) % 4)
        head = struct.pack("<4sIIII", b"glTF", 2, 28 + len(text) + len(binary), len(text), 0x4E4F534A)
        path.write_bytes(head + text + struct.pack("<II", len(binary), 0x004E4942) + binary)
    (mesh,) = load_mesh(path)
    return mesh


@pytest.mark.parametrize("suffix", ["gltf", "glb"])
@pytest.mark.parametrize(("positions", "uvs"), [("i2", "f4"), ("i1", "u1"), ("f4", "u2"), ("i2", "u2")])
def test_normalized_integers_are_what_they_stand_for(tmp_path: Path, suffix: str, positions: str, uvs: str) -> None:
    node = {"scale": [0.3, 0.3, 0.3], "translation": [1, 2, 3]}
    more = {"extensionsUsed": ["KHR_mesh_quantization"], "extensionsRequired": ["KHR_mesh_quantization"]}
    plain = loaded(tmp_path, tetrahedron(node=node))
    mesh = loaded(tmp_path, tetrahedron(positions, uvs, node, **more), suffix)
    np.testing.assert_allclose(mesh.vertices, plain.vertices, atol=1e-6)
    assert mesh.uvs is not None
    assert plain.uvs is not None
    assert mesh.texture is not None
    np.testing.assert_allclose(mesh.uvs, plain.uvs, atol=0.003 if uvs == "u1" else 1e-5)


def test_two_primitives_may_share_integers(tmp_path: Path) -> None:
    tree, binary = tetrahedron("i2", "u2")
    tree["meshes"][0]["primitives"] *= 2
    tree["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    (tmp_path / "a.gltf").write_text(json.dumps(tree))
    for mesh in load_mesh(tmp_path / "a.gltf"):
        np.testing.assert_allclose(mesh.vertices, CORNERS, atol=1e-6)


@pytest.mark.parametrize("name", ["EXT_meshopt_compression", "KHR_texture_transform", "EXT_mesh_gpu_instancing"])
def test_required_extensions_that_are_not_known_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(AssetError, match=f"a.gltf: requires {name}, which cannot be read; export it anew"):
        loaded(tmp_path, tetrahedron(extensionsUsed=[name], extensionsRequired=[name]))
    loaded(tmp_path, tetrahedron(extensionsRequired=["KHR_materials_clearcoat"]))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"extensionsUsed": ["KHR_texture_basisu"]}, "its extension KHR_texture_basisu is not followed"),
        ({"extensionsUsed": ["KHR_materials_pbrSpecularGlossiness"]}, "SpecularGlossiness is not followed"),
        ({"texture": {"texCoord": 1}}, "its material 'skin' wants texCoord 1, and gets the first"),
        ({"extensionsUsed": ["KHR_materials_sheen", "KHR_lights_punctual"]}, ""),
    ],
)
def test_what_is_left_out_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, given: Any, told: str) -> None:
    with caplog.at_level(logging.WARNING, "simvid"):
        loaded(tmp_path, tetrahedron(**given))
    assert told in caplog.text
    assert bool(caplog.records) == bool(told)


def test_draco_that_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    tree, binary = tetrahedron(extensionsRequired=["KHR_draco_mesh_compression"])
    del tree["accessors"][0]["bufferView"]
    packed = {"bufferView": 0, "attributes": {"POSITION": 0}}
    tree["meshes"][0]["primitives"][0]["extensions"] = {"KHR_draco_mesh_compression": packed}
    with pytest.raises(AssetError, match="its KHR_draco_mesh_compression cannot be decoded"):
        loaded(tmp_path, (tree, binary))
