"""Mesh: triangles with colour, in metres, in the frame of the part they belong to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices: [m], float32 [V, 3].
        faces: vertex indices, counter-clockwise seen from outside, int32 [F, 3].
        normals: optional smooth vertex normals, unit, float32 [V, 3].
        uvs: optional texture coordinates, origin at the bottom left, float32 [V, 2].
        texture: optional sRGB image, row 0 on top, uint8 [h, w, 4].
        vertex_colors: optional sRGB colours, uint8 [V, 4].
        base_color: sRGB factor in [0, 1] that multiplies texture or vertex colours (or is the colour without them).
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32] | None = None
    uvs: NDArray[np.float32] | None = None
    texture: NDArray[np.uint8] | None = None
    vertex_colors: NDArray[np.uint8] | None = None
    base_color: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.vertices.ndim != 2 or self.vertices.shape[1] != 3:
            raise ValueError(f"Mesh.vertices: expected shape (V, 3), got {self.vertices.shape}")
        if self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise ValueError(f"Mesh.faces: expected shape (F, 3), got {self.faces.shape}")
        if len(self.faces) and not (int(self.faces.min()) >= 0 and int(self.faces.max()) < len(self.vertices)):
            raise ValueError(f"Mesh.faces: indices must lie in [0, {len(self.vertices)}), got {self.faces.max()}")
        if not np.isfinite(self.vertices).all():
            raise ValueError("Mesh.vertices: NaN or infinite coordinates")
        for name, width in (("normals", 3), ("uvs", 2), ("vertex_colors", 4)):
            array = getattr(self, name)
            if array is not None and array.shape != (len(self.vertices), width):
                raise ValueError(f"Mesh.{name}: expected shape ({len(self.vertices)}, {width}), got {array.shape}")

    def __repr__(self) -> str:
        look = (
            "texture" if self.texture is not None else "vertex colours" if self.vertex_colors is not None else "plain"
        )
        return f"Mesh(vertices={len(self.vertices)}, faces={len(self.faces)}, look={look})"

    @property
    def bounds(self) -> NDArray[np.float64]:
        """Lowest and highest corner [m], [2, 3]."""
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)]).astype(np.float64)

    def transformed(self, matrix: NDArray[np.float64]) -> Mesh:
        """The mesh under a rigid or uniformly scaling 4x4 matrix (new frame from old)."""
        linear = matrix[:3, :3]
        vertices = (self.vertices @ linear.T + matrix[:3, 3]).astype(np.float32)
        normals = self.normals
        if normals is not None:
            turned = normals @ np.linalg.inv(linear)
            normals = (turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)).astype(np.float32)
        faces = self.faces if np.linalg.det(linear) > 0 else np.ascontiguousarray(self.faces[:, ::-1])
        return replace(self, vertices=vertices, normals=normals, faces=faces)
