"""The ground's texture."""

from __future__ import annotations

import numpy as np

from simvid.assets.color import srgb_to_linear
from simvid.assets.textures import procedural_texture
from simvid.rendering.environment import DEFAULT_GROUND_COLOR, ground_look, linear
from simvid.rendering.ground import Pyramid, pyramid
from simvid.scene import Scene


def ground_texture(scene: Scene) -> Pyramid:
    """Pyramid of the ground's look, in linear light."""
    look = ground_look(scene)
    color = look.base_color or DEFAULT_GROUND_COLOR
    if look.texture == "plain":
        return pyramid(linear(color).astype(np.float32).reshape(1, 1, 3), look.texture_size_m)
    image = procedural_texture(look.texture, 512, base_color=color)
    return pyramid(srgb_to_linear(image[::-1, :, :3] / np.float32(255)), look.texture_size_m)
