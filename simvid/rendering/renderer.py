"""Scene, Trajectory, camera -> a stream of frames with their labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.errors import RenderError
from simvid.frames import BUFFER_LABELS, LABEL_ARRAYS, CameraPath, Frame, arrays_of
from simvid.gaussians import SH_C0
from simvid.rendering import surface_labels
from simvid.rendering.appearance import Appearance, appearance_of
from simvid.rendering.base import RenderSettings
from simvid.rendering.buffers import CHANNELS, Buffers
from simvid.rendering.compositing import Surfaces, composite_labels, composite_rgb, sink
from simvid.rendering.environment import environment_of, ground_look
from simvid.rendering.ground import Backdrop, Background
from simvid.rendering.ground_texture import ground_texture
from simvid.rendering.lighting import Lighting
from simvid.rendering.motion import flow, occluded
from simvid.rendering.posing import PosedSplats
from simvid.rendering.raster import Raster, Rasterizer
from simvid.rendering.region import shadow_region
from simvid.rendering.shading import Shader
from simvid.rendering.shadows import Casters, thinned
from simvid.rendering.sight import Sight, sight_of
from simvid.rendering.surface_labels import Seen, SurfaceLabels
from simvid.rendering.threads import Workers
from simvid.rendering.visible import Selector, Visible
from simvid.trajectory import Trajectory

SURFACE_LABELS = frozenset(label for label, arrays in LABEL_ARRAYS.items() if arrays)
"""Labels that need more from the rasterizer than colour."""
WANTED = frozenset({"expected_depth", "median_depth", "ids"})
MOTION_LABELS = frozenset({"flow", "occlusion"})


def render_frames(
    assets: SceneAssets,
    trajectory: Trajectory,
    camera: CameraPath,
    rasterizer: Rasterizer,
    labels: Collection[str],
    settings: RenderSettings,
    *,
    appearance: Appearance | None = None,
) -> Iterator[Frame]:
    """Draw every frame of a trajectory, one after the other; at most three are in memory.

    Args:
        assets: what the parts look like.
        trajectory: where they are.
        camera: where the camera is, with as many frames as the trajectory.
        rasterizer: draws Gaussians.
        labels: names of ``simvid.frames.LABELS``; only what they need is computed, and only the arrays that they bring
            are given (``boxes`` brings ``ids``; ``occlusion`` is kept apart from ``flow``). ``contacts``, ``poses`` and
            ``boxes_3d`` are no matter of pictures.
        settings: of the renderer.
        appearance: from ``appearance_of``, to share Gaussians between cameras; made for this camera alone otherwise.

    Yields:
        Frames in order; a label that was not asked for is None. First and last frame have NaN flow on the side where
        there is no neighbour, and False for occlusion there.
    """
    job = _Job(assets, trajectory, camera, rasterizer, frozenset(labels), settings)
    workers = Workers(settings.threads)
    try:
        look = appearance if appearance is not None else appearance_of(assets, trajectory, [camera], settings)
        yield from _with_motion(_Painter(job, look, workers), job, workers)
    finally:
        workers.close()


@dataclass(frozen=True, eq=False)
class _Job:
    """The arguments of ``render_frames``."""

    assets: SceneAssets
    trajectory: Trajectory
    camera: CameraPath
    rasterizer: Rasterizer
    labels: frozenset[str]
    settings: RenderSettings


@dataclass(frozen=True, eq=False)
class _Still:
    """One drawn frame before flow."""

    rgb: NDArray[np.uint8]
    labels: dict[str, NDArray[Any]]


def _with_motion(painter: _Painter, job: _Job, workers: Workers) -> Iterator[Frame]:
    """Add flow and occlusion, with one frame of look-ahead."""
    count = job.trajectory.frame_count
    if not job.labels & MOTION_LABELS:
        for i in range(count):
            still = painter.draw(i)
            yield Frame(still.rgb, **_asked(still.labels, job.labels))
        return
    before: _Still | None = None
    now = painter.draw(0)
    for i in range(count):
        after = painter.draw(i + 1) if i + 1 < count else None
        made: dict[str, NDArray[Any]] = {}
        for name, j, other in (("forward", i + 1, after), ("backward", i - 1, before)):
            shift, hidden = _motion(now, other, job, (i, j), workers)
            if "flow" in job.labels:
                made[f"flow_{name}"] = shift
            if "occlusion" in job.labels:
                made[f"occluded_{name}"] = hidden
        yield Frame(now.rgb, **_asked(now.labels, job.labels), **made)
        if after is not None:
            before, now = now, after


def _motion(
    now: _Still, other: _Still | None, job: _Job, frames: tuple[int, int], workers: Workers
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Flow from the first to the second of two frames, and occlusion there."""
    depth, ids = now.labels["depth"], now.labels["ids"]
    if other is None:
        return np.full((*depth.shape, 2), np.nan, np.float32), np.zeros(depth.shape, np.bool_)
    shift, z = flow(depth, ids, job.camera, job.trajectory, frames, workers)
    return shift, occluded(shift, z, ids, other.labels["depth"], other.labels["ids"], workers)


def _asked(made: dict[str, NDArray[Any]], labels: frozenset[str]) -> dict[str, NDArray[Any]]:
    """The arrays that the labels stand for."""
    return {name: array for name, array in made.items() if name in arrays_of(labels)}


class _Painter:
    """Everything that is made once per clip and camera, and the drawing of one frame."""

    def __init__(self, job: _Job, appearance: Appearance, workers: Workers) -> None:
        scene, settings, camera = job.assets.scene, job.settings, job.camera
        self._job, self._appearance, self._workers = job, appearance, workers
        self._near_m = next((c.near_m for c in scene.cameras if c.name == camera.name), 0.01)
        environment = environment_of(scene, exposure=settings.exposure)
        center, radius, finest = shadow_region(job.assets, job.trajectory, camera)
        self._lighting = Lighting(environment, center, radius, finest, shadows=settings.shadows)
        self._shader = Shader(self._lighting.arrays, settings.exposure)
        self._posed = PosedSplats(appearance)
        self._selector = Selector(len(appearance), self._near_m, environment.ground_height_m)
        haze_m = max(environment.haze_m, 4 * radius)
        texture = ground_texture(scene)
        self._background = Background(environment, texture, haze_m=haze_m, far_m=settings.far_m)
        kinds = [p.part.kind for p in job.assets.parts]
        self._ground_id = kinds.index("ground") + 1 if "ground" in kinds else 0
        sinking = bool(appearance.baked.any()) and environment.ground_height_m is not None
        self._sinking_m = environment.ground_height_m if sinking else None
        self._labelled = sinking or bool(job.labels & SURFACE_LABELS)
        captured = [any(v.capture is not None for v in p.visuals) for p in job.assets.parts]
        self._baked_parts = np.array([False, *captured], np.bool_)
        poses = job.trajectory.poses
        self._still = np.asarray((poses == poses[:1]).all(axis=(0, 2)))
        self._drawn_still = False
        self._buffers: Buffers | None = None
        if job.labels & BUFFER_LABELS:
            lit = self._lighting.arrays
            self._buffers = Buffers(lit, self._background, ground_look(scene), environment.exposure)
        self._more: SurfaceLabels | None = None
        if job.labels & surface_labels.NAMES:
            self._more = SurfaceLabels(job.assets, job.trajectory, camera, job.labels, self._near_m)

    def draw(self, frame: int) -> _Still:
        """One frame without flow."""
        camera = self._job.camera
        sight = sight_of(camera, camera.world_from_camera[frame])
        visible, raster, backdrop = self._paint(sight, self._job.trajectory.poses[frame], labelled=self._labelled)
        if not self._labelled:
            return _Still(composite_rgb(raster.features, raster.alpha, backdrop, self._workers), {})
        surfaces = self._surfaces(raster, backdrop, sight)
        rgb = composite_rgb(surfaces.features, surfaces.alpha, backdrop, self._workers)
        ground = (backdrop.depth, self._ground_id)
        labels = composite_labels(surfaces, ground, self._baked_parts, sight, self._workers)
        if self._buffers is not None:
            labels |= self._buffers.make(surfaces, labels, self._baked_parts, sight, self._workers)
        if self._more is not None:
            alone = partial(self._alone, visible, sight)
            labels |= self._more.make(frame, Seen(labels["depth"], labels["ids"], backdrop.depth, alone))
        return _Still(rgb, labels)

    def _paint(self, sight: Sight, poses: NDArray[np.float64], *, labelled: bool) -> tuple[Visible, Raster, Backdrop]:
        """What splats and backdrop look like at one instant; the backdrop is valid until the next call.

        Args:
            sight: the camera.
            poses: of the parts, [B, 7].
            labelled: with depths, ids and surfaces.
        """
        workers, posed = self._workers, self._posed
        posed.pose(poses, workers)
        if not self._drawn_still:
            self._lighting.draw_still(*self._casters(self._still), workers)
            self._drawn_still = True
        self._lighting.update(*self._casters(~self._still), workers)
        more = CHANNELS if labelled and self._buffers is not None else 0
        visible = self._selector.select(sight, posed.arrays, workers, surfaces=labelled, more=more)
        self._color(visible, sight)
        raster = self._rasterize(visible, sight, labelled=labelled)
        return visible, raster, self._background.draw(sight, self._lighting.arrays, raster.alpha, workers)

    def _surfaces(self, raster: Raster, backdrop: Backdrop, sight: Sight) -> Surfaces:
        """The raster with all labels, less what is below the ground."""
        surfaces = _complete(raster)
        if self._sinking_m is not None:
            focal = float(sight.camera.K[1, 1])
            sink(surfaces, backdrop, float(sight.eye[2]) - self._sinking_m, focal, self._workers)
        return surfaces

    def _alone(self, visible: Visible, sight: Sight, part_ids: Collection[int]) -> NDArray[np.bool_]:
        """The pixels of which the splats of some parts would cover at least half, if they were alone."""
        mine = np.isin(visible.owner, list(part_ids))
        drawn = self._job.rasterizer.rasterize(
            *(array[mine] for array in (visible.means, visible.quats, visible.scales, visible.opacities)),
            **_view(sight),
            near_m=self._near_m,
            far_m=max(self._job.settings.far_m, 2 * self._near_m),
        )
        return np.asarray(drawn.alpha >= 0.5)

    def _casters(self, parts: NDArray[np.bool_]) -> tuple[Casters, Casters]:
        """Discs of some parts for suns and lamps, and fewer and wider ones for the sky, whose maps are coarse."""
        look, splats = self._appearance, self._posed.arrays
        rows = np.flatnonzero(np.repeat(parts, np.diff(look.starts)) & (look.radius_m > 0))
        casters = Casters(splats.points[rows], splats.normals[rows], look.radius_m[rows], look.back[rows] < 1)
        return casters, thinned(casters, self._lighting.dome_disc_m)

    def _color(self, visible: Visible, sight: Sight) -> None:
        """Fill the colour features: light on the albedo of meshes, the constant colour of captures."""
        eye = sight.viewpoint.astype(np.float32)
        shares = self._shader.shade(visible, self._posed.arrays, eye, self._workers)
        if self._buffers is not None:
            self._buffers.fill(visible, self._posed.arrays, shares, eye, self._workers)
        baked = self._appearance.baked[visible.rows]
        if baked.any():
            constant = self._appearance.gaussians.sh[visible.rows[baked], 0]
            visible.features[baked, :3] = np.maximum(np.float32(0.5) + np.float32(SH_C0) * constant, 0)

    def _rasterize(self, visible: Visible, sight: Sight, *, labelled: bool) -> Raster:
        """Colours go as features; spherical harmonics only where a capture's colour depends on the direction."""
        look = self._appearance
        features, sh, rotations = visible.features, None, None
        if look.gaussians.sh_degree > 0:
            sh = look.gaussians.sh[visible.rows]
            lit = ~look.baked[visible.rows]
            sh[lit, 0] = (features[lit, :3] - np.float32(0.5)) / np.float32(SH_C0)
            features = features[:, 3:]
            rotations = np.concatenate([np.eye(3)[None], self._posed.rotations])
        return self._job.rasterizer.rasterize(
            visible.means,
            visible.quats,
            visible.scales,
            visible.opacities,
            features,
            **_view(sight),
            sh=sh,
            sh_rotations=rotations,
            owner=visible.owner,
            near_m=self._near_m,
            far_m=max(self._job.settings.far_m, 2 * self._near_m),
            want=WANTED if labelled else frozenset(),
        )


def _view(sight: Sight) -> dict[str, Any]:
    """A rasterizer's arguments about the camera; a plain pinhole's lens is not told."""
    camera = sight.camera
    lens = {} if camera.lens.plain else {"lens": camera.lens}
    viewmat = sight.camera_from_world
    return {"viewmat": viewmat, "K": camera.K, "width": camera.width, "height": camera.height, **lens}


def _complete(raster: Raster) -> Surfaces:
    """The raster with all of ``WANTED``."""
    if raster.expected_depth is None or raster.median_depth is None or raster.ids is None:
        raise RenderError(f"the rasterizer did not return all of {', '.join(sorted(WANTED))}, which it was asked for")
    return Surfaces(raster.alpha, raster.expected_depth, raster.median_depth, raster.ids, raster.features)
