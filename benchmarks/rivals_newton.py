"""Rival: Newton's tiled camera sensor, which traces rays through a Gaussian shape, on the processor.

It draws by another rule (a ray stops where less than 0.49 is left, and the colour is divided by what it met) and knows
only harmonics of degree 0, so the pictures are alike, not equal. Its defaults are kept (the fast mode, 20 hits at
most), but for the colours, which are not encoded once more.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import newton
import numpy as np
import warp as wp
from newton.sensors import SensorTiledCamera
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

NAME = "Newton's tiled camera"
LEAST_DB = 10.0
"""Other rules, see above."""
TARGET = 40.0
wp.config.log_level = wp.LOG_ERROR


def prepare(scene: dict[str, Any], view: dict[str, Any]) -> Callable[[], NDArray[np.float32]]:
    """A call that draws one frame [H, W, 3]."""
    builder = newton.ModelBuilder()
    quats = scene["quats"] / np.linalg.norm(scene["quats"], axis=1, keepdims=True)
    cloud = newton.Gaussian(
        scene["means"], quats[:, [1, 2, 3, 0]], scene["scales"], scene["opacities"], scene["sh"][:, 0], sh_degree=0
    )
    builder.add_shape_gaussian(-1, gaussian=cloud)
    width, height = view["width"], view["height"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated in 1.8, not gone
        model = builder.finalize(device="cpu")
        plain = SensorTiledCamera.RenderConfig(output_color_space=newton.utils.ColorSpace.LINEAR)
        sensor = SensorTiledCamera(model, default_render_config=plain)
        fov_y = 2 * math.atan(height / 2 / view["K"][1, 1])
        rays = sensor.utils.compute_camera_rays_pinhole(width, height, camera_fovs=fov_y)
        image = sensor.utils.create_color_image_output(width, height)
    state = model.state()
    world = np.linalg.inv(view["viewmat"])
    turn = Rotation.from_matrix(world[:3, :3] * [1, -1, -1]).as_quat()  # its cameras look along -z, y up
    place = wp.array([[wp.transformf(wp.vec3(*world[:3, 3]), wp.quat(*turn))]], dtype=wp.transformf, device="cpu")

    def draw() -> NDArray[np.float32]:
        sensor.update(state, place, rays, color_image=image)
        pixels = image.numpy().reshape(height, width).view(np.uint8).reshape(height, width, 4)
        return pixels[..., :3].astype(np.float32) / np.float32(255)

    return draw
