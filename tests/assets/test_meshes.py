"""Mesh files of every format: geometry, colours, and the many ways in which they can be broken."""

from __future__ import annotations

import json
import logging
import struct
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from simvid.assets import meshes
from simvid.assets.color import linear_to_srgb, srgb_to_linear
from simvid.assets.mass import mesh_volume_inertia
from simvid.assets.meshes import load_mesh, mesh_problems
from simvid.errors import AssetError

trimesh: Any = import_module("trimesh")  # untyped on purpose: its own annotations are wider than what it returns

QUAD_OBJ = """\
mtllib look.mtl
v 0 0 0
v 2 0 0
v 2 1 0
v 0 1 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl painted
f 1/1 2/2 3/3 4/4
"""


def picture(path: Path, mode: str = "RGB") -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Write a small image whose pixels are all different; RGBA array of it."""
    y, x = np.mgrid[0:4, 0:6]
    rgba = np.stack([40 * x, 60 * y, 10 * (x + y), 250 - 40 * y], axis=-1).astype(np.uint8)
    Image.fromarray(rgba).convert(mode).save(path)
    return np.array(Image.open(path).convert("RGBA"))


def test_obj_with_quads_material_and_texture(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text(QUAD_OBJ)
    (tmp_path / "look.mtl").write_text("newmtl painted\nKd 0.4 0.4 0.4\nmap_Kd images/paint.png\n")
    (tmp_path / "images").mkdir()
    image = picture(tmp_path / "images" / "paint.png", "RGBA")
    (mesh,) = load_mesh(tmp_path / "a.obj")
    assert mesh.faces.shape == (2, 3)
    assert np.allclose(mesh.bounds, [[0, 0, 0], [2, 1, 0]])
    assert mesh.texture is not None
    assert np.array_equal(mesh.texture[..., :3], image[..., :3])
    assert (mesh.texture[..., 3] == 255).all()  # an MTL does not say that alpha means anything
    assert mesh.base_color == (1.0, 1.0, 1.0)  # Kd counts only without a map
    assert mesh.uvs is not None
    for vertex, uv in zip(mesh.vertices, mesh.uvs, strict=True):
        assert np.allclose(vertex[:2] / [2, 1], uv)  # v = 0 at the bottom
    assert mesh.normals is None


def test_obj_colour_without_a_texture(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text(QUAD_OBJ)
    (tmp_path / "look.mtl").write_text("newmtl painted\nKd 0.2 0.4 0.8\n")
    (mesh,) = load_mesh(tmp_path / "a.obj")
    assert np.allclose(mesh.base_color, (0.2, 0.4, 0.8), atol=0.003)
    assert mesh.texture is None


def test_two_materials_make_two_meshes(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text(QUAD_OBJ + "usemtl other\nf 1/1 3/3 4/4\n")
    (tmp_path / "look.mtl").write_text("newmtl painted\nKd 1 0 0\nnewmtl other\nKd 0 0 1\n")
    found = load_mesh(tmp_path / "a.obj")
    assert sorted((m.base_color, len(m.faces)) for m in found) == [((0.0, 0.0, 1.0), 1), ((1.0, 0.0, 0.0), 2)]


def test_relative_indices_of_obj(tmp_path: Path) -> None:
    text = QUAD_OBJ.replace("f 1/1 2/2 3/3 4/4", "f -4/-4 -3/-3 -2/-2\nv 5 5 5\nf -5/1 -3/-2 -2/-1")
    (tmp_path / "a.obj").write_text(text)
    (mesh,) = load_mesh(tmp_path / "a.obj")
    corners = {tuple(map(tuple, t)) for t in mesh.vertices[mesh.faces].tolist()}
    assert corners == {((0, 0, 0), (2, 0, 0), (2, 1, 0)), ((0, 0, 0), (2, 1, 0), (0, 1, 0))}


def test_binary_and_text_stl(tmp_path: Path) -> None:
    box = trimesh.creation.box((1, 2, 3))
    (tmp_path / "a.stl").write_bytes(box.export(file_type="stl"))
    (tmp_path / "b.STL").write_text(box.export(file_type="stl_ascii"))
    for name in ("a.stl", "b.STL"):
        (mesh,) = load_mesh(tmp_path / name)
        assert mesh_problems(mesh) == []
        assert abs(mesh_volume_inertia(mesh)[0] - 6) < 1e-5
        assert mesh.base_color == (0.7, 0.7, 0.7)


def test_ply_vertex_and_face_colours(tmp_path: Path) -> None:
    box = trimesh.creation.box((1, 1, 1))
    colors = np.arange(32, dtype=np.uint8).reshape(8, 4) * 7
    colors[:, 3] = 255
    box.visual.vertex_colors = colors
    (tmp_path / "a.ply").write_bytes(box.export(file_type="ply"))
    (mesh,) = load_mesh(tmp_path / "a.ply")
    assert mesh.vertex_colors is not None
    by_place = {tuple(v): tuple(c) for v, c in zip(mesh.vertices.tolist(), mesh.vertex_colors.tolist(), strict=True)}
    assert by_place == {tuple(v): tuple(c) for v, c in zip(box.vertices.tolist(), colors.tolist(), strict=True)}
    header = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    header += "element face 2\nproperty list uchar int vertex_indices\nproperty uchar red\nproperty uchar green\n"
    header += "property uchar blue\nend_header\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2 255 0 0\n3 0 2 3 0 0 255\n"
    (tmp_path / "b.ply").write_text(header)
    (flat,) = load_mesh(tmp_path / "b.ply")
    assert flat.vertex_colors is not None
    assert flat.vertex_colors[flat.faces][:, :, :3].tolist() == [[[255, 0, 0]] * 3, [[0, 0, 255]] * 3]


def glb(tmp_path: Path, edit: Any = None) -> Path:
    """A GLB: one textured unit box, drawn twice; the second one mirrored, scaled by 2 and moved."""
    image = Image.fromarray(np.full((4, 4, 4), (100, 150, 200, 128), np.uint8))
    material = trimesh.visual.material.PBRMaterial(
        name="m", baseColorTexture=image, baseColorFactor=[255, 255, 255, 255]
    )
    box = trimesh.creation.box((1, 1, 1))
    box.visual = trimesh.visual.TextureVisuals(uv=np.random.default_rng(0).random((8, 2)), material=material)
    scene = trimesh.Scene()
    scene.add_geometry(box, geom_name="box", node_name="first")
    place = np.diag([-2.0, 2.0, 2.0, 1.0])
    place[:3, 3] = [10, 0, 0]
    scene.graph.update(frame_to="second", frame_from=scene.graph.base_frame, matrix=place, geometry="box")
    data = scene.export(file_type="glb")
    length = struct.unpack_from("<I", data, 12)[0]
    tree = json.loads(data[20 : 20 + length])
    if edit is not None:
        edit(tree)
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    path = tmp_path / "a.glb"
    header = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A)
    path.write_bytes(header + text + rest)
    return path


def test_glb_scene_graph_is_flattened_and_mirrors_stay_outward(tmp_path: Path) -> None:
    first, second = sorted(load_mesh(glb(tmp_path)), key=lambda m: float(m.bounds[0, 0]))
    assert np.allclose(first.bounds, [[-0.5, -0.5, -0.5], [0.5, 0.5, 0.5]])
    assert np.allclose(second.bounds, [[9, -1, -1], [11, 1, 1]])
    assert mesh_problems(first) == mesh_problems(second) == []


def test_gltf_factor_multiplies_in_linear_light_and_alpha_needs_a_mode(tmp_path: Path) -> None:
    def dim(tree: Any) -> None:
        tree["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] = [0.5, 0.25, 0.003, 1.0]

    texture = load_mesh(glb(tmp_path, dim))[0].texture
    assert texture is not None
    linear = srgb_to_linear(np.array([100, 150, 200]) / 255) * [0.5, 0.25, 0.003]
    assert np.abs(texture[0, 0, :3] - linear_to_srgb(linear) * 255).max() <= 0.51
    assert texture[0, 0, 3] == 255
    for mode, cutoff, alpha in (("BLEND", None, 128), ("MASK", None, 255), ("MASK", 0.6, 0), ("OPAQUE", None, 255)):

        def see_through(tree: Any, mode: str = mode, cutoff: float | None = cutoff) -> None:
            tree["materials"][0]["alphaMode"] = mode
            if cutoff is not None:
                tree["materials"][0]["alphaCutoff"] = cutoff

        texture = load_mesh(glb(tmp_path, see_through))[0].texture
        assert texture is not None
        assert texture[0, 0, 3] == alpha


def test_gltf_colours_without_texture_are_exact(tmp_path: Path) -> None:
    def plain(tree: Any) -> None:
        tree["materials"][0]["pbrMetallicRoughness"] = {"baseColorFactor": [0.0063, 0.5, 1.0, 1.0]}

    mesh = load_mesh(glb(tmp_path, plain))[0]
    assert mesh.texture is None
    assert np.allclose(mesh.base_color, linear_to_srgb(np.array([0.0063, 0.5, 1.0])), atol=1e-4)


def test_gltf_vertex_colours_are_linear_in_the_file(tmp_path: Path) -> None:
    box = trimesh.creation.box((1, 1, 1))
    box.visual.vertex_colors = np.tile(np.array([[55, 128, 255, 255]], np.uint8), (8, 1))
    (tmp_path / "a.glb").write_bytes(trimesh.Scene(box).export(file_type="glb"))
    (mesh,) = load_mesh(tmp_path / "a.glb")
    assert mesh.vertex_colors is not None
    expected = linear_to_srgb(np.array([55, 128, 255]) / 255) * 255
    assert np.abs(mesh.vertex_colors[:, :3] - expected).max() <= 0.51


def test_up_axis_and_scale(tmp_path: Path) -> None:
    trimesh.creation.box(bounds=[[0, 0, 0], [1, 2, 3]]).export(tmp_path / "a.stl")
    (turned,) = load_mesh(tmp_path / "a.stl", up="y")
    assert np.allclose(turned.bounds, [[0, -3, 0], [1, 0, 2]])
    (small,) = load_mesh(tmp_path / "a.stl", 0.1)
    assert np.allclose(small.bounds, [[0.0, 0.0, 0.0], [0.1, 0.2, 0.3]])
    (stretched,) = load_mesh(tmp_path / "a.stl", (1, 2, 10), up="y")
    assert np.allclose(stretched.bounds, [[0, -6, 0], [1, 0, 20]])
    assert mesh_problems(stretched) == []
    with pytest.raises(ValueError, match="scale"):
        load_mesh(tmp_path / "a.stl", -1.0)
    with pytest.raises(ValueError, match="up"):
        load_mesh(tmp_path / "a.stl", up="x")


def test_normals_of_the_file_are_turned_and_kept_unit(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 1\nvn 0 -0.7071 0.7071\nf 1//1 2//1 3//1\n")
    (mesh,) = load_mesh(tmp_path / "a.obj", (1, 1, 2))
    assert mesh.normals is not None
    a, b, c = mesh.vertices[mesh.faces[0]].astype(np.float64)
    flat = np.cross(b - a, c - a)
    assert np.allclose(mesh.normals, flat / np.linalg.norm(flat), atol=1e-4)


def test_missing_material_files_are_logged_and_outside_ones_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "a.obj").write_text(QUAD_OBJ)
    with caplog.at_level(logging.INFO, "simvid"):
        (mesh,) = load_mesh(folder / "a.obj")
    assert mesh.base_color == (0.7, 0.7, 0.7)
    assert "look.mtl" in caplog.text
    (folder / "look.mtl").write_text("newmtl painted\nmap_Kd missing.png\n")
    with caplog.at_level(logging.WARNING, "simvid"):
        load_mesh(folder / "a.obj")
        load_mesh(folder / "a.obj")
    assert caplog.text.count("missing.png") == 1, "said once, however often the mesh is read"
    picture(tmp_path / "secret.png")
    for name in ("../secret.png", "..\\secret.png", str(tmp_path / "secret.png"), "link.png"):
        (folder / "look.mtl").write_text(f"newmtl painted\nmap_Kd {name}\n")
        (folder / "link.png").unlink(missing_ok=True)
        (folder / "link.png").symlink_to(tmp_path / "secret.png")
        with pytest.raises(AssetError, match=r"refers to .*secret\.png|refers to link\.png"):
            load_mesh(folder / "a.obj")
    (folder / "look.mtl").write_text("newmtl painted\nmap_Kd ../secret.png\n")
    (mesh,) = load_mesh(folder / "a.obj", root=tmp_path)
    assert mesh.texture is not None


def gltf(**parts: Any) -> str:
    return json.dumps({"asset": {"version": "2.0"}, **parts})


PLY_10_GB = (
    "ply\nformat binary_little_endian 1.0\nelement vertex 800000000\nproperty float x\nproperty float y\n"
    "property float z\nelement face 3\nproperty list uchar int vertex_indices\nend_header\n"
)
CAPTURE = (
    "ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty float x\nproperty float rot_0\nend_header\n"
    "12345678"
)
POINTS = (
    "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n0 0 0\n"
)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.obj", "", "empty file"),
        ("a.obj", "  \n", "empty file"),
        ("a.obj", "v 1 2 3\n", "expected triangles, got none"),
        ("a.obj", "hello\n", "expected triangles, got none|cannot be read"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv nan 0 0\nf 1 2 3\n", "1 vertices are NaN"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 1e30 0 0\nf 1 2 3\n", "give a scale"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "cannot be read|faces name vertex"),
        ("a.stl", "solid", "cannot be read|expected triangles"),
        ("a.stl", "x" * 80 + "\xff\xff\xff\x7f" + "y" * 50, "cannot be read|expected triangles"),
        ("a.glb", "glTF", "cut off"),
        ("a.glb", "not glTF at all, I fear", "begins with glTF"),
        ("a.gltf", "{", "JSON cannot be read"),
        ("a.gltf", "[" * 100_000, "JSON cannot be read"),
        ("a.gltf", "[]", "expected a JSON object"),
        ("a.gltf", gltf(accessors=[{"count": 10**12, "componentType": 5126, "type": "VEC3"}]), "accessors.0..count"),
        ("a.gltf", gltf(accessors=[{}]), "not valid glTF"),
        ("a.gltf", gltf(nodes=[{"children": [1]}, {"children": [0]}]), "own ancestor"),
        ("a.gltf", gltf(nodes=[{"children": [5]}]), "missing or has two parents"),
        ("a.gltf", gltf(), "expected triangles|cannot be read"),
        ("a.ply", "plyx", "begins with 'ply'"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex 3\n", "no end_header"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex many\nend_header\n", "header is damaged"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex -1\nend_header\n", "header is damaged"),
        ("a.ply", PLY_10_GB, "promises at least 9,600,000"),
        ("a.ply", CAPTURE, "Gaussian capture: use"),
        ("a.ply", POINTS, "points only"),
        ("a.fbx", "FBX", "expected a mesh file"),
        ("a", "v 0 0 0", "no suffix"),
    ],
)
def test_broken_files_are_one_clear_error(tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(AssetError, match=said):
        load_mesh(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_cut_off_glb(tmp_path: Path, share: float) -> None:
    path = glb(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(AssetError, match=r"promises|cut off"):
        load_mesh(path)


@pytest.mark.parametrize("suffix", [".glb", ".stl", ".ply", ".obj"])
def test_any_damage_is_an_asset_error_or_harmless(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    trimesh.Scene(trimesh.creation.box((1, 2, 3))).export(path)
    whole = path.read_bytes()
    refused = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        content = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 6)):
            content[at] = rng.integers(0, 256)
        path.write_bytes(content[: rng.integers(0, len(whole))] if seed % 4 == 3 else content)
        try:
            load_mesh(path)
        except AssetError:
            refused += 1
    assert refused > 10


def test_a_damaged_texture_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text(QUAD_OBJ)
    (tmp_path / "look.mtl").write_text("newmtl painted\nmap_Kd paint.png\n")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "paint.png")
    whole = (tmp_path / "paint.png").read_bytes()
    (tmp_path / "paint.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AssetError, match="texture cannot be decoded"):
        load_mesh(tmp_path / "a.obj")


def test_size_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.obj").write_text(QUAD_OBJ)
    monkeypatch.setattr(meshes, "LARGEST_FACES", 1)
    with pytest.raises(AssetError, match="more than 1 triangles"):
        load_mesh(tmp_path / "a.obj")
    monkeypatch.setattr(meshes, "LARGEST_FILE_BYTES", 10)
    with pytest.raises(AssetError, match="can be read"):
        load_mesh(tmp_path / "a.obj")
    with pytest.raises(AssetError, match="cannot be read"):
        load_mesh(tmp_path / "missing.obj")


@pytest.mark.skipif(find_spec("genesis") is None, reason="needs the assets of genesis-world")
@pytest.mark.parametrize(
    ("name", "pieces", "faces", "textured"),
    [
        ("duck/duck.obj", 1, 3534, True),
        ("boat/boat.obj", 3, 546, True),
        ("camera/camera.glb", 2, 1308, False),
        ("chopping-board/source/chopping_board.glb", 1, 128, True),
        ("bolt_nut/bolt.stl", 1, 10708, False),
        ("wooden_sphere_OBJ/wooden_sphere.obj", 1, 3072, True),
        ("worm/worm.obj", 1, 1376, False),
    ],
)
def test_real_files(name: str, pieces: int, faces: int, textured: bool) -> None:
    spec = find_spec("genesis")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    found = load_mesh(Path(spec.submodule_search_locations[0]) / "assets/meshes" / name)
    assert len(found) == pieces
    assert sum(len(m.faces) for m in found) == faces
    assert all((m.texture is not None) == textured for m in found)
