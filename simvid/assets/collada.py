"""COLLADA meshes (.dae), which URDF robots use much: through trimesh and pycollada, with unit and colours."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from simvid import collector
from simvid.assets.mesh_colors import UNCOLORED
from simvid.errors import AssetError
from simvid.mesh import Mesh

LARGEST_BYTES = 1 << 28
UNIT = re.compile(rb"<unit\b[^>]*\bmeter\s*=\s*[\"']([^\"']+)[\"']")


def load_collada(path: Path, root: Path) -> tuple[Mesh, ...]:
    """Read a COLLADA file in metres: one ``Mesh`` per placed piece and material, with its diffuse colour or texture.

    As in ROS, the file's unit counts and its up axis does not (URDF exporters write z up).

    Args:
        path: the file.
        root: folder outside of which no texture is opened; a texture that is missing leaves the plain colour.

    Raises:
        AssetError: unreadable, with a document type declaration, empty, not finite.
    """
    with collector.paused():
        import trimesh

    content = _checked(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pycollada warns of optional parts that it leaves out
            resolver: Any = _Inside(path.parent, root)
            scene = trimesh.load_scene(io.BytesIO(content), file_type="dae", resolver=resolver, process=False)
            pieces = [(*scene.graph[node], scene.geometry) for node in scene.graph.nodes_geometry]
            meshes = [_piece(geometry[name], matrix, _unit(content, path)) for matrix, name, geometry in pieces]
    except AssetError:
        raise
    except Exception as error:  # pycollada fails in many ways; whichever, the file is at fault
        raise AssetError(f"{path.name}: cannot be read as COLLADA: {type(error).__name__}: {error}") from error
    found = tuple(mesh for mesh in meshes if mesh is not None)
    if not found:
        raise AssetError(f"{path.name}: expected triangles, got none")
    return found


def collada_unit(path: Path) -> float:
    """Metres per unit of a COLLADA file.

    Raises:
        AssetError: unreadable, with a document type declaration, or an impossible unit.
    """
    return _unit(_checked(path), path)


def _checked(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise AssetError(
                f"{path.name}: expected at most {LARGEST_BYTES >> 20} MiB, got {path.stat().st_size >> 20}"
            )
        content = path.read_bytes()
    except OSError as error:
        raise AssetError(f"{path.name}: cannot be read: {error.strerror or error}") from error
    parser = expat.ParserCreate()

    def refuse(name: str, *_: object) -> None:
        raise AssetError(f"{path.name}: <!DOCTYPE {name}> is not allowed; remove the declaration and its entities")

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise AssetError(f"{path.name}: not valid XML: {error}") from error
    return content


def _unit(content: bytes, path: Path) -> float:
    """Metres per unit of the file."""
    found = UNIT.search(content)
    try:
        unit = float(found.group(1)) if found else 1.0
    except ValueError:
        unit = 0.0
    if not 0 < unit < 1e6:
        raise AssetError(f"{path.name}: <unit meter>: expected a positive number")
    return unit


class _Inside:
    """Opens textures inside one folder only."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder, self._root = folder.resolve(), root.resolve()

    def get(self, name: str) -> bytes:
        path = (self._folder / name.strip().replace("\\", "/")).resolve()
        if not path.is_relative_to(self._root):
            raise FileNotFoundError(name)
        return path.read_bytes()


def _piece(piece: Any, matrix: NDArray[np.float64], unit: float) -> Mesh | None:
    if not hasattr(piece, "faces") or not len(piece.faces):
        return None  # lines and points
    vertices = np.asarray(piece.vertices, np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    faces = np.asarray(piece.faces, np.int32)
    if np.linalg.det(matrix[:3, :3]) < 0:
        faces = faces[:, ::-1]
    material = getattr(piece.visual, "material", None)
    uvs, texture, color = getattr(piece.visual, "uv", None), None, UNCOLORED
    if material is not None:
        image = getattr(material, "baseColorTexture", None)
        usable = uvs is not None and len(uvs) == len(vertices) and np.isfinite(uvs).all()
        if image is not None and usable:
            texture, color = np.array(image.convert("RGBA"), np.uint8), (1.0, 1.0, 1.0)
        elif getattr(material, "baseColorFactor", None) is not None:
            red, green, blue = (float(c) / 255 for c in np.asarray(material.baseColorFactor)[:3])
            color = (red, green, blue)
    return Mesh(
        (vertices * unit).astype(np.float32),
        np.ascontiguousarray(faces),
        uvs=np.asarray(uvs, np.float32) if texture is not None else None,
        texture=texture,
        base_color=color,
    )
