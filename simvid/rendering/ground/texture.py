"""The ground's texture."""

from __future__ import annotations

import numpy as np

from simvid.assets.color import srgb_to_linear
from simvid.assets.textures import procedural_texture
from simvid.rendering.ground.pyramid import Pyramid, pyramid
from simvid.rendering.kernels.types import Floats
from simvid.rendering.light.environment import DEFAULT_GROUND_COLOR, ground_look, linear
from simvid.rendering.splats.appearance import finish
from simvid.scene import Scene


def ground_texture(scene: Scene) -> Pyramid:
    """Pyramid of the ground's look, in linear light."""
    look = ground_look(scene)
    color = look.base_color or DEFAULT_GROUND_COLOR
    if look.texture == "plain":
        return pyramid(linear(color).astype(np.float32).reshape(1, 1, 3), look.texture_size_m)
    image = procedural_texture(look.texture, 512, base_color=color)
    return pyramid(srgb_to_linear(image[::-1, :, :3] / np.float32(255)), look.texture_size_m)


def ground_gloss(scene: Scene) -> Floats:
    """Roughness of the ground, its reflectance head-on in linear RGB, metalness, sheen and clearcoat, float32 [7]."""
    look = ground_look(scene)
    roughness, metallic, head_on, _, sheen, coat, _ = finish(look)
    color = linear(look.base_color or DEFAULT_GROUND_COLOR)
    f0 = head_on * (1 - metallic) + color * metallic
    return np.array([roughness, *f0, metallic, sheen * (1 - metallic), coat], np.float32)
