"""The models of a BOP data set: equal bodies of all clips share one number and one PLY file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets
from simvid.assets.prepare import prepare
from simvid.clip import Clip
from simvid.export.base import ExportError
from simvid.export.files import write_json
from simvid.surfaces.meshes import is_capture, surface_of

MM = 1000.0


class Models:
    """Collects them. ``names``: number -> name of the first body of its kind."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._meshes: dict[int, tuple[NDArray[np.float64], NDArray[np.int32]]] = {}

    def of(self, clip: Clip) -> list[tuple[int, int, NDArray[np.float64]]]:
        """Number, index of the part and model_from_part [4, 4] of each object of a clip.

        Raises:
            ExportError: none of its parts is a rigid body made of meshes.
        """
        found = []
        for k, part in enumerate(prepare(clip.scene).parts):
            if part.part.kind != "body" or is_capture(part) or part.deformable is not None or not part.visuals:
                continue
            vertices, faces = _joined(part)
            middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
            move = np.eye(4)
            move[:3, 3] = -middle
            found.append((self._number(part.part.category, vertices - middle, faces), k, move))
        if not found:
            raise ExportError(f"{clip.path}: BOP holds rigid bodies made of meshes, and this clip has none; coco and "
                              "webdataset hold masks of anything")  # fmt: skip
        return found

    def _number(self, name: str, vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> int:
        key = hashlib.sha256(np.round(vertices * 1e6).astype(np.int64).tobytes() + faces.tobytes()).hexdigest()
        if key not in self._numbers:
            number = self._numbers[key] = len(self._numbers) + 1
            self.names[number] = name
            self._meshes[number] = (vertices * MM, faces)
        return self._numbers[key]

    def write(self, folder: Path) -> None:
        """``models_info.json`` and ``obj_000001.ply`` …, millimetres."""
        infos = {str(number): _info(vertices) for number, (vertices, _) in self._meshes.items()}
        write_json(folder / "models_info.json", infos)
        for number, (vertices, faces) in self._meshes.items():
            (folder / f"obj_{number:06d}.ply").write_text(ply(vertices, faces))


def _joined(part: PartAssets) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    vertices, faces, count = [], [], 0
    for mesh in surface_of(part):
        vertices.append(mesh.vertices.astype(np.float64))
        faces.append(mesh.faces + count)
        count += len(mesh.vertices)
    return np.concatenate(vertices), np.concatenate(faces).astype(np.int32)


def _info(vertices: NDArray[np.float64]) -> dict[str, Any]:
    low, size = vertices.min(axis=0), np.ptp(vertices, axis=0)
    corners = {f"min_{axis}": float(v) for axis, v in zip("xyz", low, strict=True)}
    sizes = {f"size_{axis}": float(v) for axis, v in zip("xyz", size, strict=True)}
    return {"diameter": diameter(vertices), **corners, **sizes}


def diameter(vertices: NDArray[np.float64]) -> float:
    """The greatest distance between two vertices; both are corners of the convex hull."""
    from scipy.spatial import ConvexHull, QhullError
    from scipy.spatial.distance import pdist

    try:
        outer = vertices[ConvexHull(vertices).vertices]
    except QhullError:
        outer = vertices  # flat
    return float(pdist(outer).max())


def vertex_normals(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    """Means of the normals of the faces around each vertex, weighted by area, unit; hard
    edges are smoothed."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    sums = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(sums, faces[:, k], across)
    _, place = np.unique(vertices, axis=0, return_inverse=True)  # seams of textures have several vertices in one place
    together = np.zeros((int(place.max(initial=-1)) + 1, 3))
    np.add.at(together, place, sums)
    sums = together[place]
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(np.where(lengths > 0, sums / np.maximum(lengths, 1e-300), [0.0, 0.0, 1.0]))


def ply(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> str:
    """A mesh with normals as ASCII PLY."""
    rows = np.hstack([vertices, vertex_normals(vertices, faces)])
    names = "\n".join(f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz"))
    head = (f"ply\nformat ascii 1.0\nelement vertex {len(vertices)}\n{names}\nelement face {len(faces)}\n"
            "property list uchar int vertex_indices\nend_header\n")  # fmt: skip
    body = "".join(" ".join(f"{v:.6f}" for v in row) + "\n" for row in rows)
    return head + body + "".join("3 {} {} {}\n".format(*face) for face in faces.tolist())
