"""COLLADA meshes: metres, colours and textures, and no way to other files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simvid.assets.collada import load_collada
from simvid.assets.mesh_colors import UNCOLORED
from simvid.errors import AssetError

RED = "<diffuse><color>0.8 0.2 0.0 1</color></diffuse>"
TEXTURED = '<diffuse><texture texture="picture-sampler" texcoord="UV"/></diffuse>'
PICTURE = """<newparam sid="picture-surface"><surface type="2D"><init_from>picture</init_from></surface></newparam>
<newparam sid="picture-sampler"><sampler2D><source>picture-surface</source></sampler2D></newparam>"""


def dae(
    unit: str = "1", diffuse: str = RED, params: str = "", head: str = "", matrix: str = "", image: str = "a.png"
) -> str:
    bind = '<instance_material symbol="m" target="#mat"/>'
    place = matrix or "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"
    return f"""<?xml version="1.0"?>{head}
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset><unit name="u" meter="{unit}"/><up_axis>Y_UP</up_axis></asset>
<library_images><image id="picture"><init_from>{image}</init_from></image></library_images>
<library_effects><effect id="fx"><profile_COMMON>{params}<technique sid="c"><lambert>{diffuse}</lambert></technique>
</profile_COMMON></effect></library_effects>
<library_materials><material id="mat"><instance_effect url="#fx"/></material></library_materials>
<library_geometries><geometry id="g"><mesh>
<source id="p"><float_array id="pa" count="12">0 0 0 100 0 0 0 200 0 0 0 300</float_array><technique_common>
<accessor source="#pa" count="4" stride="3"><param name="X" type="float"/><param name="Y" type="float"/>
<param name="Z" type="float"/></accessor></technique_common></source>
<source id="t"><float_array id="ta" count="6">0 0 1 0 0 1</float_array><technique_common>
<accessor source="#ta" count="3" stride="2"><param name="S" type="float"/><param name="T" type="float"/></accessor>
</technique_common></source>
<vertices id="v"><input semantic="POSITION" source="#p"/></vertices>
<triangles material="m" count="4"><input semantic="VERTEX" source="#v" offset="0"/>
<input semantic="TEXCOORD" source="#t" offset="1" set="0"/>
<p>0 0 2 2 1 1 0 0 1 1 3 2 0 0 3 2 2 1 1 1 2 2 3 0</p></triangles></mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id="s"><node id="n"><matrix>{place}</matrix><instance_geometry url="#g">
<bind_material><technique_common>{bind}</technique_common></bind_material></instance_geometry></node></visual_scene>
</library_visual_scenes><scene><instance_visual_scene url="#s"/></scene></COLLADA>"""


def written(folder: Path, text: str) -> Path:
    from PIL import Image

    inner = folder / "meshes"
    inner.mkdir(exist_ok=True)
    (inner / "a.dae").write_text(text)
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0] = (10, 200, 30)
    for place in (inner / "a.png", folder / "outside.png"):
        Image.fromarray(pixels).save(place)
    return inner / "a.dae"


def test_unit_counts_and_up_axis_does_not(tmp_path: Path) -> None:
    (mesh,) = load_collada(written(tmp_path, dae(unit="0.001")), tmp_path)
    np.testing.assert_allclose(mesh.bounds, np.array([[0, 0, 0], [0.1, 0.2, 0.3]]), atol=1e-7)
    assert mesh.base_color == pytest.approx((0.8, 0.2, 0.0), abs=0.003)
    assert mesh.texture is None


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def test_nodes_place_and_mirror(tmp_path: Path) -> None:
    (plain,) = load_collada(written(tmp_path, dae()), tmp_path)
    (mesh,) = load_collada(written(tmp_path, dae(matrix="-1 0 0 5 0 1 0 6 0 0 1 7 0 0 0 1")), tmp_path)
    np.testing.assert_allclose(mesh.bounds, [[-95, 6, 7], [5, 206, 307]], atol=1e-4)
    assert volume(mesh.vertices - mesh.vertices.mean(axis=0), mesh.faces) == pytest.approx(
        volume(plain.vertices - plain.vertices.mean(axis=0), plain.faces), rel=1e-4
    )  # the mirrored solid is not inside out


def test_texture_is_read_with_its_coordinates(tmp_path: Path) -> None:
    (mesh,) = load_collada(written(tmp_path, dae(diffuse=TEXTURED, params=PICTURE)), tmp_path)
    assert mesh.texture is not None
    assert mesh.uvs is not None
    assert mesh.texture.shape == (4, 4, 4)
    assert mesh.texture[0, 0].tolist() == [10, 200, 30, 255]
    assert mesh.uvs.min() == 0
    assert mesh.uvs.max() == 1
    assert mesh.base_color == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("image", ["../outside.png", "missing.png", "/etc/hostname"])
def test_textures_outside_the_root_are_not_opened(tmp_path: Path, image: str) -> None:
    path = written(tmp_path, dae(diffuse=TEXTURED, params=PICTURE, image=image))
    (mesh,) = load_collada(path, path.parent)
    assert mesh.texture is None
    assert mesh.base_color == UNCOLORED or min(mesh.base_color) == 1.0
    if image == "../outside.png":  # inside the root it is fine
        assert load_collada(path, tmp_path)[0].texture is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<COLLADA", r"a\.dae: not valid XML"),
        (dae(head='<!DOCTYPE x [<!ENTITY e "e">]>'), "<!DOCTYPE x> is not allowed"),
        (dae(unit="0"), "<unit meter>: expected a positive number"),
        (dae(unit="many"), "<unit meter>: expected a positive number"),
        ("<COLLADA/>", "cannot be read as COLLADA"),
        (dae().replace("<p>0 0 2 2 1 1", "<p>0 0 2 2 9 1"), "cannot be read as COLLADA|expected triangles"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(AssetError, match=message):
        load_collada(written(tmp_path, text), tmp_path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="cannot be read: No such file"):
        load_collada(tmp_path / "a.dae", tmp_path)
