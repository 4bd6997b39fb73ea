"""Mesh files -> ``Mesh`` values, through trimesh: OBJ, STL, PLY, GLB and GLTF with textures and vertex colours."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from simvid import collector
from simvid.assets.gltf import DRACO, REMEDY, check_gltf
from simvid.assets.gltf_integers import follow_marks, with_marks
from simvid.assets.mesh_colors import ImageCache, LookOf
from simvid.assets.ply import read_ply_header
from simvid.assets.solidity import mesh_problems, require_solid
from simvid.errors import AssetError
from simvid.mesh import Mesh

__all__ = ["MESH_FORMATS", "load_mesh", "mesh_problems", "require_solid"]

MESH_FORMATS = (".obj", ".stl", ".ply", ".glb", ".gltf")
LARGEST_FILE_BYTES = 1 << 30
LARGEST_FACES = 20_000_000
LARGEST_EXTENT = 1e6

_log = logging.getLogger(__name__)


def load_mesh(
    path: Path, scale: float | Sequence[float] = 1.0, up: str = "z", *, root: Path | None = None
) -> tuple[Mesh, ...]:
    """Read a mesh file: one ``Mesh`` per placed piece and material, scene graphs flattened, polygons cut to triangles.

    A texture's alpha counts only where its glTF material asks for it. An MTL's ``Kd`` is the colour only where the
    material has no ``map_Kd``, since exporters leave it at any value otherwise. Material and texture files that are
    missing are logged and leave the plain colour.

    Args:
        path: OBJ, STL, PLY, GLB or GLTF file.
        scale: file units -> metres, one factor or one per axis (after ``up``).
        up: ``z``, or ``y`` to turn the file's y axis to z.
        root: the only folder whose files (materials, textures, buffers) may be opened; the file's own by default.

    Raises:
        AssetError: unreadable, empty, not finite, absurdly large, of another format, or refers to files outside root.
        ValueError: scale is not positive or up is neither y nor z.
    """
    factors = np.broadcast_to(np.asarray(scale, np.float64), 3)
    if not (np.isfinite(factors).all() and (factors > 0).all()):
        raise ValueError(f"scale: expected numbers > 0, got {scale}")
    if up not in {"y", "z"}:
        raise ValueError(f"up: expected y or z, got {up!r}")
    place = np.diag(factors) @ (np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]) if up == "y" else np.eye(3))
    content = _checked_content(path)
    resolver = _Resolver(path.parent, root or path.parent)
    scene = _load(path, content, resolver)
    if resolver.outside:
        raise AssetError(
            f"{path}: refers to {', '.join(resolver.outside)} outside {resolver.root}; put such files beside the mesh"
        )
    for name in resolver.missing:
        _tell_missing(path, name)
    meshes = _pieces(path, scene, content, place)
    if not meshes:
        raise AssetError(f"{path}: expected triangles, got none")
    return meshes


@lru_cache(maxsize=256)
def _tell_missing(path: Path, name: str) -> None:
    """Log it once, however often the mesh is read."""
    # robot meshes name .mtl files that nobody ships; their colours come from the robot's own file
    level = logging.INFO if name.lower().endswith(".mtl") else logging.WARNING
    _log.log(level, "%s: the file %s that it refers to is missing; its part of the look is left out", path, name)


def _checked_content(path: Path) -> bytes:
    """The file's bytes, after checks that need no parsing of the whole."""
    suffix = path.suffix.lower()
    if suffix not in MESH_FORMATS:
        raise AssetError(f"{path}: expected a mesh file ({', '.join(MESH_FORMATS)}), got {suffix or 'no suffix'!r}")
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            raise AssetError(f"{path}: {size / 1e9:.1f} GB; at most {LARGEST_FILE_BYTES / 1e9:.1f} GB can be read")
        content = path.read_bytes()
    except OSError as error:
        raise AssetError(f"{path}: cannot be read: {error.strerror}") from error
    if not content.strip():
        raise AssetError(f"{path}: expected a mesh, got an empty file")
    if suffix == ".ply":
        _check_ply(path, content)
    elif suffix in {".glb", ".gltf"}:
        check_gltf(path, content)
        content = with_marks(path, content)
    elif suffix == ".obj":
        content = _absolute_indices(content)
    return content


def _check_ply(path: Path, content: bytes) -> None:
    header = read_ply_header(path, content)
    if not any(e.name in {"face", "tristrips"} and e.count for e in header.elements):
        names = {p.name for e in header.elements for p in e.properties}
        kind = "a Gaussian capture: use  shape: {splat: …}" if {"rot_0", "packed_position"} & names else "points only"
        raise AssetError(f"{path}: expected faces, got none; it holds {kind}")
    if header.format != "ascii" and header.smallest_size > len(content):
        raise AssetError(
            f"{path}: its header promises at least {header.smallest_size:,} bytes, the file has {len(content):,}; "
            "it is cut off or damaged"
        )


def _absolute_indices(content: bytes) -> bytes:
    """OBJ text with relative (negative) indices made absolute, which trimesh does not do."""
    if b"f -" not in content.replace(b"\t", b" "):
        return content
    counts = {b"v": 0, b"vt": 0, b"vn": 0}
    order = (b"v", b"vt", b"vn")
    lines = content.splitlines()
    for k, line in enumerate(lines):
        words = line.split()
        if not words:
            continue
        if words[0] in counts:
            counts[words[0]] += 1
        elif words[0] == b"f" and b"-" in line:
            corners = []
            for corner in words[1:]:
                indices = corner.split(b"/")
                for slot, text in enumerate(indices[:3]):
                    if text.startswith(b"-") and text[1:].isdigit():
                        indices[slot] = str(counts[order[slot]] + 1 + int(text)).encode()
                corners.append(b"/".join(indices))
            lines[k] = b"f " + b" ".join(corners)
    return b"\n".join(lines) + b"\n"


class _Resolver:
    """Opens the files that a mesh refers to, inside one folder only, and remembers what it could not give."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root = folder.resolve(), root.resolve()
        self.missing: list[str] = []
        self.outside: list[str] = []

    def get(self, name: str) -> bytes:
        """Bytes of a file named in the mesh file.

        Raises:
            FileNotFoundError: missing or outside; trimesh goes on without it and the caller sees it in the lists.
        """
        name = name.strip().replace("\\", "/")
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.root):
            self.outside.append(name)
        elif not path.is_file():
            self.missing.append(name)
        else:
            return path.read_bytes()
        raise FileNotFoundError(name)

    __getitem__ = get


def _load(path: Path, content: bytes, resolver: _Resolver) -> Any:
    with collector.paused():
        import trimesh

        follow_marks()
    try:
        # trimesh and PIL warn about odd but usable files (fancy materials, large images); what matters is checked here
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return trimesh.load_scene(
                io.BytesIO(content), file_type=path.suffix[1:].lower(), resolver=cast("Any", resolver), process=False
            )
    except (MemoryError, RecursionError) as error:
        raise AssetError(f"{path}: too large or too deeply nested to read") from error
    except Exception as error:  # parsers fail in every way there is; the file is at fault whichever it was
        detail = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {detail[0][:200]}" if detail else type(error).__name__
        if isinstance(error, IndexError):
            reason = f"a face names a vertex, texture or normal index that is not there; {reason}"
        raise AssetError(f"{path}: cannot be read as {path.suffix[1:].upper()} ({reason})") from error


def _pieces(path: Path, scene: Any, content: bytes, place: NDArray[np.float64]) -> tuple[Mesh, ...]:
    look_of = LookOf(path, content, ImageCache(path))
    meshes: list[Mesh] = []
    faces = 0
    packed = DRACO.encode() in content
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        piece = scene.geometry[name]
        if not hasattr(piece, "faces") or not len(piece.faces):
            continue  # lines and points
        faces += len(piece.faces)
        if faces > LARGEST_FACES:
            raise AssetError(f"{path}: more than {LARGEST_FACES:,} triangles; simplify the mesh first")
        if packed and not np.ptp(piece.vertices, axis=0).any():
            raise AssetError(f"{path}: its {DRACO} cannot be decoded (DracoPy does that); {REMEDY}")
        meshes.append(_piece(path, piece, np.asarray(matrix, np.float64), place, look_of))
    return tuple(meshes)


def _piece(path: Path, piece: Any, matrix: NDArray[np.float64], place: NDArray[np.float64], look_of: LookOf) -> Mesh:
    """One geometry under its node's transform, turned and scaled."""
    points = np.asarray(piece.vertices, np.float64)
    if not np.isfinite(points).all():
        raise AssetError(f"{path}: {int((~np.isfinite(points).all(axis=1)).sum())} vertices are NaN or infinite")
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 1e12:
        raise AssetError(f"{path}: a node's transform is not finite, or absurdly large")
    linear = place @ matrix[:3, :3]
    vertices = points @ linear.T + place @ matrix[:3, 3]
    if not np.abs(vertices).max() <= LARGEST_EXTENT:
        raise AssetError(
            f"{path}: reaches {np.abs(vertices).max():.3g} m from its origin; give a scale (file units -> metres)"
        )
    faces = np.asarray(piece.faces)
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise AssetError(f"{path}: faces name vertex {faces.max()}, but there are {len(vertices)}")
    normals = _file_normals(piece)
    if normals is not None:
        normals = normals @ np.linalg.pinv(linear)
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        normals = (normals / length).astype(np.float32) if (length > 0).all() else None
    if np.linalg.det(linear) < 0:
        faces = faces[:, ::-1]
    mesh = Mesh(vertices.astype(np.float32), np.ascontiguousarray(faces, np.int32), normals)
    return look_of.applied(mesh, piece)


def _file_normals(piece: Any) -> NDArray[np.float64] | None:
    """Normals that the file gave. trimesh would make up its own, rounded at sharp edges, where there are none."""
    if "vertex_normals" not in piece._cache:
        return None
    normals = np.asarray(piece._cache["vertex_normals"], np.float64)
    return normals if normals.shape == (len(piece.vertices), 3) and np.isfinite(normals).all() else None
