"""Look and mesh -> Mitsuba's materials: the colours that the splats get, in linear light.

All looks go through ``_principled``: whatever a look learns to say is put into Mitsuba's words there and nowhere else.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import mitsuba as mi  # noqa: TID253  part of the path tracer, which is loaded only when it is asked for
import numpy as np
from numpy.typing import NDArray

from simvid.assets.color import srgb_to_linear
from simvid.assets.textures import procedural_texture
from simvid.mesh import Mesh
from simvid.rendering.light.environment import DEFAULT_GROUND_COLOR
from simvid.scene import Look

Described: TypeAlias = dict[str, Any]
"""What ``mitsuba.load_dict`` reads."""
VERTEX_COLOR = "vertex_color"
VERTEX_ALPHA = "vertex_alpha"


def material(look: Look, mesh: Mesh) -> Described:
    """Material of a mesh that has been dressed in its look.

    The model is Disney's principled one (Burley 2012), whose roughness, metalness and 4 % of reflection head-on are
    those of the splats' shading. Both sides of a face are seen, as they are of splats, but where light goes through.

    Args:
        look: roughness and metalness.
        mesh: colours: ``base_color`` is a factor, in linear light, of the texture or the vertex colours.
    """
    described = _principled(look, _color(mesh))
    if look.transmission == 0:
        described = {"type": "twosided", "nested": described}
    opacity = _opacity(mesh)
    return described if opacity is None else {"type": "mask", "opacity": opacity, "nested": described}


def ground_material(look: Look, tiles: float) -> Described:
    """Material of the ground, a square whose texture coordinates run from 0 to 1 over so many tiles."""
    color = look.base_color or DEFAULT_GROUND_COLOR
    if look.texture == "plain":
        return {"type": "twosided", "nested": _principled(look, plain(srgb_to_linear(np.asarray(color))))}
    texture = procedural_texture(look.texture, 512, base_color=color)
    painted = image(srgb_to_linear(texture[..., :3] / np.float32(255)), tiles)
    return {"type": "twosided", "nested": _principled(look, painted)}


def _principled(look: Look, color: Described) -> Described:
    """The one place where what a look says is put into Mitsuba's words."""
    clear: Described = {"spec_trans": look.transmission, "eta": look.ior} if look.transmission > 0 else {}
    return {
        "type": "principled",
        "base_color": color,
        "roughness": float(look.roughness),
        "metallic": float(look.metallic),
        "sheen": float(look.sheen),
        "clearcoat": float(look.clearcoat),
        "clearcoat_gloss": 0.9,
        **(clear or {"specular": float(look.specular)}),
    }


def pane_tint(look: Look, mesh: Mesh) -> NDArray[np.float32]:
    """What of a light goes straight through one surface, [3]: two of them tint it by the base colour; 0 is opaque."""
    lost = ((look.ior - 1) / (look.ior + 1)) ** 2
    color = _mean_color(mesh) * look.transmission * (1 - look.metallic)
    return np.asarray(np.sqrt(color) * (1 - lost), np.float32)


def has_holes(mesh: Mesh) -> bool:
    """Whether a mesh lets light through as if it were not there."""
    return _opacity(mesh) is not None


def _mean_color(mesh: Mesh) -> NDArray[np.float32]:
    factor = srgb_to_linear(np.asarray(mesh.base_color))
    if mesh.texture is not None and mesh.uvs is not None:
        return np.asarray(srgb_to_linear(mesh.texture[..., :3] / np.float32(255)).mean(axis=(0, 1)) * factor)
    if mesh.vertex_colors is not None:
        return np.asarray(srgb_to_linear(mesh.vertex_colors[:, :3] / np.float32(255)).mean(axis=0) * factor)
    return np.asarray(factor)


def plain(color: NDArray[np.float32]) -> Described:
    """A colour in linear light."""
    return {"type": "rgb", "value": [float(c) for c in color]}


def image(pixels: NDArray[np.floating], tiles: float = 1.0) -> Described:
    """A repeating image in linear light, row 0 on top, [h, w, C].

    Args:
        pixels: values that are used as they are.
        tiles: how often it repeats while a texture coordinate goes from 0 to 1.
    """
    return {
        "type": "bitmap",
        "bitmap": mi.Bitmap(np.ascontiguousarray(pixels[::-1], np.float32)),  # v = 0 is Mitsuba's first row
        "raw": True,
        "to_uv": mi.ScalarTransform3f().scale([tiles, tiles]),
    }


def attributes(mesh: Mesh) -> dict[str, NDArray[np.float32]]:
    """Values at the vertices that ``material`` speaks of, by name, [V, C]."""
    if mesh.vertex_colors is None or _textured(mesh):
        return {}
    values = mesh.vertex_colors.astype(np.float32) / 255
    found = {VERTEX_COLOR: srgb_to_linear(values[:, :3]) * srgb_to_linear(np.asarray(mesh.base_color))}
    if (values[:, 3] < 1).any():
        found[VERTEX_ALPHA] = values[:, 3:]
    return found


def _textured(mesh: Mesh) -> bool:
    return mesh.texture is not None and mesh.uvs is not None


def _color(mesh: Mesh) -> Described:
    factor = srgb_to_linear(np.asarray(mesh.base_color))
    if mesh.texture is not None and mesh.uvs is not None:
        return image(srgb_to_linear(mesh.texture[..., :3] / np.float32(255)) * factor)
    if mesh.vertex_colors is not None:
        return {"type": "mesh_attribute", "name": VERTEX_COLOR}
    return plain(factor)


def _opacity(mesh: Mesh) -> Described | None:
    """What lets light through as if it were not there; None where nothing does."""
    if mesh.texture is not None and mesh.uvs is not None:
        alpha = mesh.texture[..., 3:]
        return image(alpha / np.float32(255)) if (alpha < 255).any() else None
    if VERTEX_ALPHA in attributes(mesh):
        return {"type": "mesh_attribute", "name": VERTEX_ALPHA}
    return None
