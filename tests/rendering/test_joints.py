"""Where things touch or are curved more finely than their Gaussians: no dark that is not there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.pieces import Visual
from simvid.assets.primitives import primitive_mesh
from simvid.frames import Frame
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.light.shadows import Casters
from simvid.rendering.renderer import render_frames
from simvid.rendering.splats.hidden import visible_from_outside
from simvid.scene import Camera, CameraPose, Light, Look, Sky, Sun
from simvid.testing.rendering import inner
from simvid.testing.staging import Prop, box_mesh, staged

LOOK = np.array([0, 1, -0.25]) / np.linalg.norm([0, 1, -0.25])
TURN = np.stack([np.array([1.0, 0, 0]), np.cross(LOOK, [1, 0, 0]), LOOK], axis=1)
"""World from camera, of the camera in ``seen``."""


def seen(*props: Prop, lights: list[Light], detail_px: float) -> Frame:
    pose = CameraPose(look_from_m=(0, -1, 0.35), look_at_m=(0, 0, 0.1))
    camera = Camera(name="c", resolution_px=(160, 120), fov_y_deg=24, pose=pose)
    assets, trajectory = staged(props, [camera], frames=2, lights=lights)
    path = camera_path(camera, assets.scene, trajectory)
    settings = RenderSettings(threads=2, detail_px=detail_px)
    return next(render_frames(assets, trajectory, path, CpuRasterizer(2), ("ids", "normals", "buffers"), settings))


@pytest.mark.parametrize("detail_px", [1.1, 3.0])
def test_faces_are_not_darkened_by_what_is_hidden_in_a_joint(detail_px: float) -> None:
    """Two boxes, one on the other: their flush front sees its whole share of the sky."""
    boxes = [
        Prop(name, (Visual(Look(), mesh=box_mesh((0.2, 0.2, 0.1))),), np.array([0, 0, z, 1.0, 0, 0, 0]))
        for name, z in (("lower", 0.05), ("upper", 0.15))
    ]
    frame = seen(*boxes, lights=[Light(sky=Sky(preset="overcast"))], detail_px=detail_px)
    assert frame.ids is not None
    assert frame.normals is not None
    assert frame.ambient_occlusion is not None
    front = inner(frame.ids > 0, 4) & (frame.normals[..., 2] < -0.9)
    share = frame.ambient_occlusion[front].astype(np.float64)
    assert np.count_nonzero(front) > 2000
    assert share.mean() > 0.97
    assert np.percentile(share, 5) > 0.85


@pytest.mark.parametrize("direction", [(1, -0.3, 0.3), (0.6, -0.6, 0.1)])
def test_coarse_discs_do_not_darken_their_own_surface(direction: tuple[float, float, float]) -> None:
    """Slab, box and cylinder are convex: whatever faces the sun is lit, at the coarsest of details too."""
    meshes = [box_mesh((0.2, 0.2, 0.02)), box_mesh((0.12, 0.12, 0.1)), primitive_mesh("cylinder", (0.05, 0.08))]
    d = np.array(direction) / np.linalg.norm(direction)
    x, y, z = -d
    wrong, facing = 0, 0
    for mesh in meshes:
        prop = Prop("it", (Visual(Look(), mesh=mesh),), np.array([0, 0, 0.1, 0.8, 0.36, 0.48, 0]))
        frame = seen(prop, lights=[Light(sun=Sun(direction=(x, y, z)))], detail_px=3.0)
        assert frame.ids is not None
        assert frame.normals is not None
        assert frame.light_diffuse is not None
        cosine = frame.normals @ TURN.T @ d
        turned = (frame.ids > 0) & (cosine > 0.1)
        facing += int(np.count_nonzero(turned))
        wrong += int(np.count_nonzero(turned & (frame.light_diffuse[..., 0] == 0)))
    assert facing > 2000
    assert wrong == 0


def test_centres_below_an_inner_wall_stand_out_of_the_outer_one() -> None:
    side = np.arange(-0.1, 0.101, 0.01)
    x, y = (a.ravel() for a in np.meshgrid(side, side))
    count = len(x)

    def wall(height: float) -> NDArray[np.float32]:
        return np.stack([x, y, np.full(count, height)], axis=-1).astype(np.float32)

    up = np.tile(np.array([0, 0, 1], np.float32), (count, 1))
    outer, inner_wall = wall(0.0), wall(-0.01)
    casters = Casters(
        np.concatenate([outer, inner_wall]),
        np.concatenate([up, -up]),
        np.full(2 * count, 0.009, np.float32),
        np.ones(2 * count, bool),
    )
    workers = Workers(1)

    def standing_out(outer_z: float, inner_z: float) -> NDArray[np.bool_]:
        means = np.concatenate([wall(outer_z), wall(inner_z)])
        return np.asarray(visible_from_outside(casters, means, np.zeros((0, 3)), workers)[1])

    out = standing_out(-0.004, 0.012)
    assert not out[:count].any()
    assert out[count:].mean() > 0.8  # but for those along the border
    assert not standing_out(-0.004, -0.006).any()
    workers.close()
