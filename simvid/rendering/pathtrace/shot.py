"""One camera's view of a staged scene: light with its noise, and exact surfaces under the centres of the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import mitsuba as mi  # noqa: TID253  part of the path tracer, which is loaded only when it is asked for
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.frames import CameraPath
from simvid.lens import picture_rays, rays
from simvid.rendering.light.environment import Environment
from simvid.rendering.pathtrace.deforming import DeformingMeshes
from simvid.rendering.pathtrace.develop import Light
from simvid.rendering.pathtrace.lights import emitters
from simvid.rendering.pathtrace.materials import Described
from simvid.rendering.pathtrace.paths import Eye, Panes, RayTable, traced
from simvid.rendering.pathtrace.rays import cast
from simvid.rendering.pathtrace.scene import StagedScene
from simvid.rendering.pathtrace.variant import Variant
from simvid.trajectory import Trajectory

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
FAR_M = 5e4
"""Camera rays end here, before the suns' discs."""
LEAST_ALPHA = 1 / 255
SENSOR = "eye"


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
        self._near_m, self._max_depth = near_m, max_depth
        described = emitters(environment)
        if variant.vectorised:
            v, u = np.meshgrid(np.arange(camera.height + 1.0), np.arange(camera.width + 1.0), indexing="ij")
            self._table = RayTable(*rays(camera, np.stack([u, v], axis=-1)))
        else:
            described[SENSOR] = _sensor(camera, near_m)
            self._integrator: Any = mi.load_dict(_integrator(max_depth))
        self._deforming = DeformingMeshes(assets, trajectory)
        self._staged = StagedScene(
            assets, described, center=ground[0], reach_m=ground[1], skins=self._deforming.skins,
            carried=self._deforming.ids(),
        )  # fmt: skip
        clear = variant.vectorised and self._staged.see_through
        self._panes = Panes(self._staged.scene, self._staged.tints) if clear else None
        self._lines = picture_rays(camera)
        self.frame = -1

    @property
    def staged(self) -> StagedScene:
        """The scene itself."""
        return self._staged

    def pose(self, frame: int) -> None:
        """Move everything to where it is in a frame."""
        poses = self._trajectory.matrices(frame)
        self._staged.pose(poses)
        self._deforming.pose(self._staged, frame)
        if not self._variant.vectorised:
            self._staged.place(SENSOR, self._camera.world_from_camera[frame])
        self._staged.update()
        self.frame = frame

    def directions(self) -> Array:
        """Rays through the pixels' centres in the world, of z = 1 in the camera's frame, [H, W, 3]; NaN without one."""
        turn = self._pose[:3, :3]
        return np.asarray(self._lines[1] @ turn[:, :2].T + turn[:, 2])

    def starts(self) -> Array:
        """Where these rays start [m], [H, W, 3]: the camera's place but under an orthographic lens."""
        return np.asarray(self._lines[0] @ self._pose[:3, :2].T + self._pose[:3, 3])

    def light(self, samples: int, seed: int) -> tuple[Light, Floats]:
        """Trace paths.

        Args:
            samples: per pixel.
            seed: of the noise.

        Returns:
            Light, and the mean z of the surfaces that were met [m], +inf without, [H, W].
        """
        light, z = self._traced(samples, seed) if self._variant.vectorised else self._rendered(samples, seed)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = z / light.alpha
        return light, np.where(light.alpha >= LEAST_ALPHA, mean, np.inf).astype(np.float32)

    def _traced(self, samples: int, seed: int) -> tuple[Light, Floats]:
        eye = Eye.of(self._pose, self._near_m, FAR_M)
        sums = traced(
            self._staged.scene, self._table, eye, self._panes, samples=samples, max_depth=self._max_depth, seed=seed
        )
        shape = (self._camera.height, self._camera.width)
        radiance, albedo, normals = (a.reshape(*shape, 3) for a in (sums.radiance, sums.albedo, sums.normals))
        return Light(radiance, sums.alpha.reshape(shape), albedo, normals), sums.z.reshape(shape)

    def _rendered(self, samples: int, seed: int) -> tuple[Light, Floats]:
        """By Mitsuba's own integrators, one path after the other; what ``_traced`` is compared with."""
        drawn: Any = mi.render(self._staged.scene, integrator=self._integrator, spp=samples, seed=seed)
        film = np.array(drawn, np.float32)
        light = Light(film[..., :3], film[..., 3], film[..., 4:7], film[..., 7:10])
        place, forward = self._pose[:3, 3], self._pose[:3, 2]
        return light, ((film[..., 10:13] - light.alpha[..., None] * place) @ forward).astype(np.float32)

    def surfaces(self) -> Surfaces:
        """One ray through the centre of each pixel."""
        rays, pose = self.directions(), self._pose
        shape = rays.shape[:2]
        flat, starts = rays.reshape(-1, 3), self.starts().reshape(-1, 3)
        there = np.asarray(np.isfinite(flat).all(axis=1))
        flat = np.where(there[:, None], flat, pose[:3, 2])
        near = self._near_m
        hits = cast(self._staged.scene, starts + near * flat, flat, vectorised=self._variant.vectorised)
        seen = (hits.ids > 0) & there
        away = (hits.normals * flat).sum(axis=-1, keepdims=True) > 0
        normals = np.where(seen[:, None], np.where(away, -hits.normals, hits.normals), 0) @ pose[:3, :3]
        depth = np.where(seen, hits.t + near, np.inf)  # the rays are of z = 1
        return Surfaces(
            depth.reshape(shape).astype(np.float32),
            np.where(seen, hits.ids, 0).astype(np.int32).reshape(shape),
            normals.reshape(*shape, 3).astype(np.float32),
        )

    @property
    def _pose(self) -> Array:
        return np.asarray(self._camera.world_from_camera[self.frame])


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
