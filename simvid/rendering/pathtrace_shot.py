"""One camera's view of a staged scene: light with its noise, and exact surfaces under the centres of the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import mitsuba as mi  # noqa: TID253  part of the path tracer, which is loaded only when it is asked for
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.frames import CameraPath
from simvid.lens import pixel_centers, rays
from simvid.rendering.environment import Environment
from simvid.rendering.pathtrace_develop import Light
from simvid.rendering.pathtrace_lights import emitters
from simvid.rendering.pathtrace_materials import Described
from simvid.rendering.pathtrace_rays import cast
from simvid.rendering.pathtrace_scene import StagedScene
from simvid.rendering.pathtrace_variant import Variant
from simvid.trajectory import Trajectory

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
FAR_M = 5e4
"""Camera rays end here, before the suns' discs."""
LEAST_ALPHA = 1 / 255


@dataclass(frozen=True, eq=False)
class Surfaces:
    """The first surface under the centre of each pixel.

    Attributes:
        depth: z [m], +inf without a surface, float32 [H, W].
        ids: part id, 0 without a surface, int32 [H, W].
        normals: in the camera's frame, turned to the camera, 0 without a surface, float32 [H, W, 3].
    """

    depth: Floats
    ids: NDArray[np.int32]
    normals: Floats


class Shot:
    """A scene as one camera sees it."""

    def __init__(
        self, assets: SceneAssets, trajectory: Trajectory, camera: CameraPath, environment: Environment,
        variant: Variant, *, near_m: float, max_depth: int, ground: tuple[Array, float],
    ) -> None:  # fmt: skip
        """Build the scene.

        Args:
            assets, trajectory, camera: what is seen, where it is, from where.
            environment: lights.
            variant: of Mitsuba; the active one.
            near_m: nothing nearer than this is seen.
            max_depth: most bounces of light.
            ground: its middle and half its edge [m].
        """
        self._camera, self._trajectory, self._variant = camera, trajectory, variant
        described = {
            "eye": _sensor(camera, near_m),
            **emitters(environment),
        }
        self._integrator: Any = mi.load_dict(_integrator(max_depth))
        self._staged = StagedScene(assets, described, center=ground[0], reach_m=ground[1])
        self._slopes = np.concatenate(
            [rays(camera, pixel_centers(camera))[1], np.ones((camera.height, camera.width, 1))], axis=-1
        )
        self.frame = -1

    @property
    def staged(self) -> StagedScene:
        """The scene itself."""
        return self._staged

    def pose(self, frame: int) -> None:
        """Move everything to where it is in a frame."""
        poses, camera = self._trajectory.matrices(frame), self._camera.world_from_camera[frame]
        self._staged.pose(poses, camera, "eye")
        self.frame = frame

    def directions(self) -> Array:
        """Rays through the pixels' centres in the world, of z = 1 in the camera's frame, [H, W, 3]."""
        return np.asarray(self._slopes @ self._camera.world_from_camera[self.frame, :3, :3].T)

    def light(self, samples: int, seed: int) -> tuple[Light, Floats]:
        """Trace paths.

        Args:
            samples: per pixel.
            seed: of the noise.

        Returns:
            Light, and the mean z of the surfaces that were met [m], +inf without, [H, W].
        """
        drawn: Any = mi.render(self._staged.scene, integrator=self._integrator, spp=samples, seed=seed)
        film = np.array(drawn, np.float32)
        light = Light(film[..., :3], film[..., 3], film[..., 4:7], film[..., 7:10])
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = film[..., 10:13] / light.alpha[..., None]
        z = self._z(mean)
        return light, np.where(light.alpha >= LEAST_ALPHA, z, np.inf).astype(np.float32)

    def surfaces(self) -> Surfaces:
        """One ray through the centre of each pixel."""
        rays, pose = self.directions(), self._camera.world_from_camera[self.frame]
        shape = rays.shape[:2]
        flat = rays.reshape(-1, 3)
        hits = cast(self._staged.scene, pose[:3, 3], flat, vectorised=self._variant.vectorised)
        seen = hits.ids > 0
        away = (hits.normals * flat).sum(axis=-1, keepdims=True) > 0
        normals = np.where(seen[:, None], np.where(away, -hits.normals, hits.normals), 0) @ pose[:3, :3]
        depth = np.where(seen, hits.t, np.inf)  # the rays are of z = 1
        return Surfaces(
            depth.reshape(shape).astype(np.float32),
            hits.ids.reshape(shape),
            normals.reshape(*shape, 3).astype(np.float32),
        )

    def _z(self, places: Floats) -> Array:
        pose = self._camera.world_from_camera[self.frame]
        return np.asarray((places - pose[:3, 3]) @ pose[:3, 2])


def _integrator(max_depth: int) -> Described:
    path = {"type": "path", "max_depth": max_depth, "hide_emitters": True}
    return {"type": "aov", "aovs": "albedo:albedo,normal:sh_normal,place:position", "path": path}


def _sensor(camera: CameraPath, near_m: float) -> Described:
    """A pinhole with the camera's K and square pixels; a pixel is the mean over its own square."""
    K, width, height = camera.K, camera.width, camera.height
    return {
        "type": "perspective",
        "fov_axis": "x",
        "fov": float(np.degrees(2 * np.arctan(width / (2 * K[0, 0])))),
        "principal_point_offset_x": float(K[0, 2] / width - 0.5),
        "principal_point_offset_y": float(K[1, 2] / height - 0.5),
        "near_clip": near_m,
        "far_clip": FAR_M,
        "sampler": {"type": "independent"},
        "film": {
            "type": "hdrfilm", "width": width, "height": height, "pixel_format": "rgba",
            "component_format": "float32", "rfilter": {"type": "box"},
        },
    }  # fmt: skip
