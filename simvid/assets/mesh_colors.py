"""What a mesh file says about colour -> texture, vertex colours and base colour of a ``Mesh``."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.color import linear_to_srgb, srgb_to_linear
from simvid.assets.gltf import ExactFactors
from simvid.errors import AssetError
from simvid.mesh import Mesh

LARGEST_TEXTURE_PX = 8192
UNCOLORED = (0.7, 0.7, 0.7)
"""Base colour of meshes whose file says nothing about colour."""

_log = logging.getLogger(__name__)


class ImageCache:
    """PIL images -> RGBA arrays; each image is decoded once for a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arrays: dict[int, tuple[Any, NDArray[np.uint8]]] = {}

    def rgba(self, image: Any) -> NDArray[np.uint8]:
        """uint8 [h, w, 4].

        Raises:
            AssetError: too large, or its data is damaged.
        """
        if id(image) not in self._arrays:
            width, height = image.size
            if max(width, height) > LARGEST_TEXTURE_PX:
                raise AssetError(
                    f"{self._path}: a texture of {width} x {height} px; at most {LARGEST_TEXTURE_PX} px a side"
                )
            try:
                array = np.array(image.convert("RGBA"), np.uint8)
            except (OSError, ValueError, SyntaxError) as error:
                raise AssetError(f"{self._path}: a texture cannot be decoded: {error}") from error
            self._arrays[id(image)] = (image, array)
        return self._arrays[id(image)][1]


class LookOf:
    """Reads the visuals of trimesh geometries of one file."""

    def __init__(self, path: Path, content: bytes, images: ImageCache) -> None:
        self._path, self._images = path, images
        self._gltf = path.suffix.lower() in {".glb", ".gltf"}
        self._factors = ExactFactors(path, content) if self._gltf else None

    def applied(self, mesh: Mesh, piece: Any) -> Mesh:
        """The mesh with the colours of a trimesh geometry."""
        visual = piece.visual
        kind = getattr(visual, "kind", None)
        if kind == "texture":
            return self._with_material(mesh, visual)
        if kind == "vertex":
            return replace(mesh, vertex_colors=self._vertex_colors(visual.vertex_colors))
        if kind == "face":
            return _with_face_colors(mesh, np.asarray(visual.face_colors, np.uint8))
        return replace(mesh, base_color=UNCOLORED)

    def _with_material(self, mesh: Mesh, visual: Any) -> Mesh:
        material = visual.material
        pbr = hasattr(material, "baseColorTexture")
        if not pbr and getattr(material, "image", None) is not None and _file_image(material) is None:
            return replace(mesh, uvs=_usable_uvs(visual.uv, len(mesh.vertices)), base_color=UNCOLORED)
        image = material.baseColorTexture if pbr else _file_image(material)
        factor, alpha = self._factor(material, pbr)
        uvs = _usable_uvs(visual.uv, len(mesh.vertices))
        if image is not None and uvs is None:
            _log.warning("%s: a texture is left out because its mesh has no texture coordinates", self._path)
        if image is not None and uvs is not None:
            texture = self._textured(self._images.rgba(image), factor, material if pbr else None)
            return replace(mesh, uvs=uvs, texture=texture)
        own = visual.vertex_attributes.get("color")
        if own is not None and len(own) == len(mesh.vertices):
            mesh = replace(mesh, vertex_colors=self._vertex_colors(own))
        base = linear_to_srgb(factor) if pbr else factor
        if getattr(material, "alphaMode", None) == "BLEND" and alpha < 1.0 and mesh.vertex_colors is None:
            colors = np.full((len(mesh.vertices), 4), 255, np.uint8)
            colors[:, 3] = round(255 * alpha)
            mesh = replace(mesh, vertex_colors=colors)
        red, green, blue = (float(np.clip(c, 0.0, 1.0)) for c in base)
        return replace(mesh, uvs=uvs, base_color=(red, green, blue))

    def _factor(self, material: Any, pbr: bool) -> tuple[NDArray[np.float64], float]:
        """Colour factor [3] (linear for glTF, sRGB for MTL) and alpha; white for an MTL material with a texture."""
        if pbr:
            rounded = material.baseColorFactor
            exact = self._factors.of(material.name, rounded) if self._factors else (1.0, 1.0, 1.0, 1.0)
            return np.asarray(exact[:3]), float(exact[3])
        if _file_image(material) is not None:
            return np.ones(3), 1.0
        diffuse = np.asarray(material.diffuse, np.float64) / 255.0
        return diffuse[:3], 1.0

    def _textured(self, image: NDArray[np.uint8], factor: NDArray[np.float64], pbr: Any) -> NDArray[np.uint8]:
        """The image with the glTF factor worked in (a product in linear light) and alpha as the material means it."""
        mode = getattr(pbr, "alphaMode", None) if pbr is not None else None
        if (factor == 1.0).all() and mode is None and (image[..., 3] == 255).all():
            return image
        out = image.copy()
        if (factor != 1.0).any():
            table = linear_to_srgb(srgb_to_linear(np.arange(256) / 255.0)[:, None] * factor)
            for c in range(3):
                out[..., c] = np.round(np.clip(table[:, c], 0, 1) * 255).astype(np.uint8)[image[..., c]]
        if mode == "MASK":
            cutoff = getattr(pbr, "alphaCutoff", None)
            out[..., 3] = np.where(image[..., 3] >= 255 * (0.5 if cutoff is None else cutoff), 255, 0)
        elif mode != "BLEND":
            out[..., 3] = 255
        return out

    def _vertex_colors(self, colors: Any) -> NDArray[np.uint8]:
        """Vertex colours as sRGB bytes [V, 4]; glTF stores them linear."""
        array = np.asarray(colors)
        floats = array / float(np.iinfo(array.dtype).max) if array.dtype.kind in "ui" else array.astype(np.float64)
        if floats.shape[1] == 3:
            floats = np.concatenate([floats, np.ones((len(floats), 1))], axis=1)
        floats = np.clip(np.nan_to_num(floats), 0.0, 1.0)
        if self._gltf:
            floats = np.concatenate([linear_to_srgb(floats[:, :3]), floats[:, 3:]], axis=1)
        return np.round(floats * 255).astype(np.uint8)


def _file_image(material: Any) -> Any:
    """Image of an MTL material; trimesh puts a small white one, which has no file format, where there is none."""
    image = getattr(material, "image", None)
    return image if getattr(image, "format", None) else None


def _usable_uvs(uv: Any, count: int) -> NDArray[np.float32] | None:
    if uv is None or np.shape(uv)[:1] != (count,) or np.ndim(uv) != 2 or np.shape(uv)[1] < 2:
        return None
    array = np.asarray(uv, np.float32)[:, :2]
    return np.ascontiguousarray(array) if np.isfinite(array).all() else None


def _with_face_colors(mesh: Mesh, colors: NDArray[np.uint8]) -> Mesh:
    """Every face gets its own three vertices, so that they can carry its colour."""
    flat = mesh.faces.reshape(-1)
    return Mesh(
        mesh.vertices[flat],
        np.arange(len(flat), dtype=np.int32).reshape(-1, 3),
        None if mesh.normals is None else mesh.normals[flat],
        vertex_colors=np.repeat(colors, 3, axis=0),
    )
