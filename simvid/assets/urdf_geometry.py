"""Visual and collision elements of URDF links as visuals and colliders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from simvid.assets.collada import load_collada
from simvid.assets.convex import convex_hull
from simvid.assets.mesh_colors import UNCOLORED
from simvid.assets.meshes import load_mesh
from simvid.assets.pieces import Collider, ColliderKind, Visual
from simvid.assets.primitives import primitive_mesh
from simvid.assets.robot_xml import Folder
from simvid.errors import AssetError
from simvid.mesh import Mesh
from simvid.rotations import pose_matrix, quat_from_euler_deg
from simvid.scene import Look

Array = NDArray[np.float64]
URDF_FRICTION = 1.0
"""URDF has no friction; this holds for its links unless the scene's robot says otherwise, as in Newton's importer."""
Rgb = tuple[float, float, float]


def numbers(text: str, count: int, where: str) -> list[float]:
    """Finite numbers separated by blanks.

    Raises:
        AssetError: other than ``count`` of them, or not finite.
    """
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise AssetError(f"{where}: expected {count} number{'s' if count > 1 else ''}, got {text!r}")
    return values


def origin(element: Element, file: str) -> Array:
    """The pose of an element's <origin>, identity without one, [4, 4]."""
    mark = element.find("origin")
    if mark is None:
        return np.eye(4)
    where = f"{file}: <origin> of {element.get('name') or element.tag!r}"
    place = numbers(mark.get("xyz", "0 0 0"), 3, where)
    turn = numbers(mark.get("rpy", "0 0 0"), 3, where)
    return pose_matrix(place, quat_from_euler_deg([float(np.degrees(angle)) for angle in turn]))


@dataclass(frozen=True)
class UrdfFiles:
    """What links share: the file's named materials (colour and texture file), and mesh files read once."""

    folder: Folder
    named: dict[str, tuple[Rgb | None, Path | None]]
    meshes: dict[Path, tuple[Mesh, ...]]

    @staticmethod
    def of(tree: Element, folder: Folder) -> UrdfFiles:
        """Gather the materials, also those given inside a visual and named again in another one."""
        looks = UrdfFiles(folder, {}, {})
        for element in tree.iter("material"):
            name, look = element.get("name", ""), looks.read(element)
            if name and look != (None, None) and name not in looks.named:
                looks.named[name] = look
        return looks

    def read(self, element: Element) -> tuple[Rgb | None, Path | None]:
        """Colour and texture that a <material> gives itself, else those of its name."""
        color, texture = element.find("color"), element.find("texture")
        rgb: Rgb | None = None
        if color is not None:
            where = f"{self.folder.file}: <color> of material {element.get('name')!r}"
            r, g, b, _ = (float(np.clip(c, 0, 1)) for c in numbers(color.get("rgba", ""), 4, where))
            rgb = (r, g, b)
        image = self.folder.find_uri(texture.get("filename", "")) if texture is not None else None
        if rgb is None and image is None:
            return self.named.get(element.get("name", ""), (None, None))
        return rgb, image

    def mesh(self, text: str) -> tuple[Mesh, ...]:
        """The pieces of a mesh file that the URDF names."""
        path = self.folder.find_uri(text)
        if path not in self.meshes:
            collada, root = path.suffix.lower() == ".dae", self.folder.root
            self.meshes[path] = load_collada(path, root) if collada else load_mesh(path, root=root)
        return self.meshes[path]


def link_visuals(link: Element, files: UrdfFiles) -> tuple[Visual, ...]:
    """What is seen of a link, in its frame.

    A mesh file's own colours count before the URDF's material, as in RViz; a thing with neither is grey.
    """
    made = []
    for visual in link.findall("visual"):
        mark = visual.find("material")
        rgb, image = files.read(mark) if mark is not None else (None, None)
        pose = origin(visual, files.folder.file)
        for mesh in _meshes(visual, link, files):
            plain = mesh.texture is None and mesh.vertex_colors is None and mesh.base_color == UNCOLORED
            if plain:
                texture = _image(image) if image is not None and mesh.uvs is not None else None
                color = rgb or ((1.0, 1.0, 1.0) if texture is not None else UNCOLORED)
                mesh = replace(mesh, texture=texture, base_color=color)  # noqa: PLW2901  the same mesh, coloured
            made.append(Visual(Look(), mesh=mesh.transformed(pose)))
    return tuple(made)


def link_colliders(link: Element, files: UrdfFiles) -> tuple[Collider, ...]:
    """What touches, in the link's frame; meshes with their convex hull."""
    folder = files.folder
    made = []
    for collision in link.findall("collision"):
        pose = origin(collision, folder.file)
        kind, size = _primitive(_geometry(collision, link, folder), link, folder)
        if kind is not None:
            made.append(Collider(kind, size, pose, URDF_FRICTION, 0.0))
            continue
        hulls = [convex_hull(mesh) for mesh in _meshes(collision, link, files)]
        made.extend(Collider("convex", (), pose, URDF_FRICTION, 0.0, mesh=hull) for hull in hulls)
    return tuple(made)


def _geometry(element: Element, link: Element, folder: Folder) -> Element:
    geometry = element.find("geometry")
    inner = list(geometry) if geometry is not None else []
    if len(inner) != 1:
        raise AssetError(f"{folder.file}: link {link.get('name')!r}: <{element.tag}> needs one shape in <geometry>")
    return inner[0]


def _primitive(shape: Element, link: Element, folder: Folder) -> tuple[ColliderKind | None, tuple[float, ...]]:
    """Kind and dimensions as ``Collider`` wants them; None for a mesh."""
    where = f"{folder.file}: link {link.get('name')!r}: <{shape.tag}>"

    def sized(*keys: str, count: int = 1) -> list[float]:
        values = [v for key in keys for v in numbers(shape.get(key, ""), count, f"{where} {key}")]
        if min(values) <= 0:
            raise AssetError(f"{where}: expected positive sizes, got {values}")
        return values

    match shape.tag:
        case "mesh":
            return None, ()
        case "box":
            x, y, z = sized("size", count=3)
            return "box", (x / 2, y / 2, z / 2)
        case "sphere":
            return "sphere", tuple(sized("radius"))
        case "cylinder" | "capsule":
            radius, length = sized("radius", "length")
            return ("cylinder" if shape.tag == "cylinder" else "capsule"), (radius, length / 2)
    raise AssetError(f"{where}: expected box, sphere, cylinder, capsule or mesh")


def _meshes(element: Element, link: Element, files: UrdfFiles) -> Iterator[Mesh]:
    folder = files.folder
    shape = _geometry(element, link, folder)
    kind, size = _primitive(shape, link, folder)
    if kind is not None:
        mesh = primitive_mesh(kind, size)
        yield Mesh(mesh.vertices, mesh.faces, mesh.normals, base_color=UNCOLORED)
        return
    where = f"{folder.file}: link {link.get('name')!r}: <mesh> scale"
    scale = np.array(numbers(shape.get("scale", "1 1 1"), 3, where))
    if not (scale != 0).all():
        raise AssetError(f"{where}: expected no zeros, got {shape.get('scale')!r}")
    for mesh in files.mesh(shape.get("filename", "")):
        yield _scaled(mesh, scale)


def _scaled(mesh: Mesh, scale: Array) -> Mesh:
    """Stretched along the axes; a mirroring scale turns the faces round."""
    if (scale == 1).all():
        return mesh
    normals = mesh.normals
    if normals is not None:
        bent = normals / scale
        normals = (bent / np.maximum(np.linalg.norm(bent, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    faces = mesh.faces if float(np.prod(scale)) > 0 else np.ascontiguousarray(mesh.faces[:, ::-1])
    return replace(mesh, vertices=(mesh.vertices * scale).astype(np.float32), normals=normals, faces=faces)


def _image(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGBA"), dtype=np.uint8)
    except (OSError, Image.DecompressionBombError) as error:
        raise AssetError(f"{path.name}: cannot be read as a picture: {error}") from error
