"""What is called to compile the rendering kernels ahead: a small scene with everything in it, in two shares.

A kernel is compiled when it is called with new types of arguments, so each share calls its kernels as drawing the scene
would: ``light`` draws it, but with splats that were not made of its meshes and a rasterizer that sees nothing;
``splats`` makes the splats, rasterizes them, and finds surfaces and flow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid import registry
from simvid.assets.parts import SceneAssets
from simvid.assets.pieces import Visual
from simvid.assets.prepare import prepare
from simvid.frames import LABELS, CameraPath
from simvid.gaussians import Gaussians
from simvid.rendering.base import RenderSettings
from simvid.rendering.buffers import CHANNELS, FIRST
from simvid.rendering.camera import camera_path
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.motion import flow, occluded
from simvid.rendering.painter import WANTED
from simvid.rendering.raster import Raster
from simvid.rendering.renderer import MOTION_LABELS, render_frames
from simvid.rendering.sharp.pictures import SharpPictures
from simvid.rendering.sight import sight_of
from simvid.rendering.splats.appearance import Appearance, appearance_of
from simvid.rendering.surface_labels import NAMES, Seen, SurfaceLabels
from simvid.rotations import pose_vector
from simvid.scene import Look, Scene
from simvid.trajectory import Contacts, Trajectory

LATER = ("simvid.rendering.developing", "simvid.rendering.splats.deforming")
"""Modules of kernels that only sensors, motion blur and depth of field call, or bodies that deform: neither share calls
them. They are compiled when they are first used, which few scenes do."""
SCENE: dict[str, Any] = {
    "simvid": 1, "name": "ahead", "duration_s": 0.25, "fps": 8,
    "ground": {"material": "floor"},
    "materials": {"floor": {"look": {"texture": "concrete"}}, "wood": {"look": {"texture": "wood"}}},
    "bodies": [
        {"name": "box", "shape": {"box": {"size_m": [0.3, 0.3, 0.3]}}, "material": "wood",
         "pose": {"position_m": [0, 0, 0.15]}},
        {"name": "pane", "shape": {"box": {"size_m": [0.2, 0.01, 0.2]}}, "material": "glass",
         "pose": {"position_m": [0.2, -0.4, 0.1]}},
        {"name": "ball", "shape": {"sphere": {"radius_m": 0.2}}, "pose": {"position_m": [0.5, 0, 0.2]}},
    ],
    "cameras": [{"name": "front", "resolution_px": [160, 120],
                 "pose": {"look_from_m": [0.4, -1.2, 0.7], "look_at_m": [0.2, 0, 0.15]}}],
    "lights": [{"sun": {"direction": [0.4, 0.5, -1], "strength": 3}}, {"sky": {"preset": "clear"}},
               {"point": {"position_m": [0, -1, 1], "strength": 2}}],
}  # fmt: skip
"""A mesh in few and in many Gaussians, a pane, ground, sun, sky and a lamp: what the kernels draw."""
SETTINGS = RenderSettings()


@dataclass(frozen=True, eq=False)
class Small:
    """The scene, how it moves and how it is seen."""

    assets: SceneAssets
    trajectory: Trajectory
    path: CameraPath


def small() -> Small:
    """The scene above, its last part with a capture besides its mesh."""
    scene = Scene.model_validate(SCENE)
    assets = prepare(scene)
    one = np.ones((1, 4), np.float32)
    capture = Gaussians(
        one[:, :3],
        np.float32(0.5) * one,
        np.float32(0.1) * one[:, :3],
        one[:, 0],
        np.zeros((1, 16, 3), np.float32),
        np.zeros(1, np.int32),
    )
    pictured = replace(assets.parts[-1], visuals=(*assets.parts[-1].visuals, Visual(Look(), capture=capture)))
    assets = replace(assets, parts=(*assets.parts[:-1], pictured))
    poses = np.tile([pose_vector(p.pose) for p in assets.parts], (scene.frame_count, 1, 1))
    poses[:, 1:, 0] += np.linspace(0, 0.02, scene.frame_count)[:, None]
    parts, still = tuple(p.part for p in assets.parts), np.zeros((*poses.shape[:2], 6))
    trajectory = Trajectory(fps=scene.fps, parts=parts, poses=poses, twists=still, contacts=Contacts.none())
    return Small(assets, trajectory, camera_path(scene.cameras[0], scene, trajectory))


def light(backend: str) -> None:
    """Light, ground, sky, buffers and labels, whatever the backend is."""
    scene = small()
    labels = frozenset(LABELS) - MOTION_LABELS - NAMES - {"surfaces", "traced"}
    look = stood_in(len(scene.assets.parts))
    for _ in render_frames(scene.assets, scene.trajectory, scene.path, Blind(), labels, SETTINGS, appearance=look):
        pass


def splats(backend: str) -> None:
    """Splats of meshes, the backend's rasterizer, surfaces with their own look, and flow."""
    scene, workers = small(), Workers()
    path = scene.path
    g = appearance_of(scene.assets, scene.trajectory, [path], SETTINGS).gaussians
    viewmat = np.linalg.inv(path.world_from_camera[0])
    rasterizer: Any = registry.load("rendering", backend)()
    rasterize = partial(
        rasterizer.rasterize, g.means, g.quats, g.scales, g.opacities, viewmat=viewmat, K=path.K, width=path.width,
        height=path.height,
    )  # fmt: skip
    rasterize()
    for channels in (FIRST, FIRST + CHANNELS):
        raster = rasterize(np.zeros((len(g), channels), np.float32), owner=g.owner, want=WANTED)
    depth, ids = raster.median_depth, raster.ids
    moved = flow(depth, ids, path, scene.trajectory, (0, 1), workers)
    occluded(*moved, ids, depth, ids, workers)
    seen = Seen(depth, ids, depth, lambda parts: ids > 0)
    SurfaceLabels(scene.assets, scene.trajectory, path, NAMES, 0.01).make(0, seen)
    ground = depth, np.zeros((*depth.shape, 3), np.float32)
    SharpPictures(scene.assets, scene.trajectory, 0.01).draw(
        sight_of(path, path.world_from_camera[0]), 0, ground, workers
    )
    workers.close()


def stood_in(parts: int, each: int = 64) -> Appearance:
    """Splats on balls in place of those of the parts' meshes; some are clear, and the last of all is a capture's."""
    count, f32 = parts * each, np.float32
    normals = np.random.default_rng(0).standard_normal((count, 3)).astype(f32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = f32(0.2) * normals
    turn = np.tile(np.array([1, 0, 0, 0], f32), (count, 1))
    own = np.repeat(np.arange(1, parts + 1, dtype=np.int32), each)
    full, row = np.ones(count, f32), np.arange(count)
    flat, harmonics = np.full((count, 3), 0.02, f32), np.zeros((count, 16, 3), f32)
    return Appearance(
        gaussians=Gaussians(points, turn, flat, full, harmonics, own),
        starts=np.arange(0, count + 1, each, dtype=np.int64),
        normals=normals,
        baked=row == count - 1,
        back=f32(0.1) * full,
        gloss=np.full((count, 7), 0.5, f32),
        points=points.copy(),
        radius_m=f32(0.03) * full,
        sheer=row % each == 0,
    )


class Blind:
    """A rasterizer that sees nothing, at once."""

    def rasterize(
        self,
        means: NDArray[np.float32],
        quats: NDArray[np.float32],
        scales: NDArray[np.float32],
        opacities: NDArray[np.float32],
        features: NDArray[np.float32] | None = None,
        *,
        width: int,
        height: int,
        sh: NDArray[np.float32] | None = None,
        **more: Any,
    ) -> Raster:
        """A picture of nothing, with all labels."""
        channels = (0 if features is None else features.shape[1]) + (0 if sh is None else 3)
        size = (height, width)
        far = np.full(size, np.inf, np.float32)
        nothing = np.zeros((*size, channels), np.float32)
        return Raster(nothing, np.zeros(size, np.float32), far, far.copy(), np.zeros(size, np.int32))
