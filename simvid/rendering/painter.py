"""Painter: what a scene looks like to one camera at one instant, with everything that is made once per clip kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.color import srgb_to_linear
from simvid.assets.parts import SceneAssets
from simvid.errors import RenderError
from simvid.frames import BUFFERS, LABEL_ARRAYS, CameraPath
from simvid.gaussians import SH_C0
from simvid.lens import parallel
from simvid.rendering.base import RenderSettings
from simvid.rendering.buffers import CHANNELS, Buffers, halves, own_colour
from simvid.rendering.compositing import Surfaces, composite_labels, sink
from simvid.rendering.ground.plane import Backdrop, Background
from simvid.rendering.ground.texture import ground_gloss, ground_texture
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import Array, Floats, Ints
from simvid.rendering.light.bounces import Bounces, sources_of
from simvid.rendering.light.environment import environment_of, ground_look
from simvid.rendering.light.lighting import Lighting
from simvid.rendering.light.nearby import NO_BOUNCES, Bounced
from simvid.rendering.light.region import shadow_region, usual_pixel
from simvid.rendering.light.shader import AROUND, NOT_KEPT, Shader
from simvid.rendering.light.shadows import Casters, Chosen, chosen
from simvid.rendering.light.surfels import Sources
from simvid.rendering.light.veil import Veil
from simvid.rendering.raster import Raster, Rasterizer
from simvid.rendering.sharp.pictures import SharpPictures
from simvid.rendering.sight import Sight
from simvid.rendering.splats.appearance import Appearance
from simvid.rendering.splats.deforming import torn_captures
from simvid.rendering.splats.harmonics import bent_harmonics
from simvid.rendering.splats.loose import LooseSplats
from simvid.rendering.splats.posing import PosedSplats
from simvid.rendering.splats.visible import Selector, Visible
from simvid.trajectory import Trajectory

SURFACE_LABELS = frozenset(label for label, arrays in LABEL_ARRAYS.items() if arrays)
"""Labels that need more from the rasterizer than colour."""
LETS_LIGHT_IN = 0.5
"""What is seen through and lets more light through than this throws no shadow."""
MOST_POINTS = 16
"""Of a part that is not seen, to tell how far it moves."""
LOWEST = 0.2
"""Shadows of lights that are lower above the ground (sine of the angle) are too long to tell how far they move."""
WANTED = frozenset({"expected_depth", "median_depth", "ids"})


@dataclass(frozen=True, eq=False)
class Job:
    """The arguments of ``render_frames``."""

    assets: SceneAssets
    trajectory: Trajectory
    camera: CameraPath
    rasterizer: Rasterizer
    labels: frozenset[str]
    settings: RenderSettings


@dataclass(frozen=True, eq=False)
class Layers:
    """One instant.

    Attributes:
        sight: from where it is seen.
        visible: the Gaussians that were drawn.
        features: their blended channels, colour first, less what is below the ground, [H, W, 3 or more].
        alpha: their coverage, [H, W].
        backdrop: what is behind them; valid until the next instant is painted.
        when: time of the parts [frames].
        surfaces: the same with depths and ids, where they were asked for.
    """

    sight: Sight
    visible: Visible
    features: Floats
    alpha: Floats
    backdrop: Backdrop
    when: float
    surfaces: Surfaces | None = None


class Painter:
    """Paints instants for one camera. Buffers are kept from one to the next."""

    def __init__(self, job: Job, appearance: Appearance, workers: Workers) -> None:
        scene, settings, camera = job.assets.scene, job.settings, job.camera
        self._job, self._appearance, self._workers = job, appearance, workers
        self.near_m = next((c.near_m for c in scene.views if c.name == camera.name), 0.01)
        environment = environment_of(scene, exposure=settings.exposure)
        center, radius, finest = shadow_region(job.assets, job.trajectory, camera)
        self._lighting = Lighting(environment, center, radius, finest, shadows=settings.shadows)
        gloss = ground_gloss(scene)
        self._bounces = Bounces(environment, gloss, center, radius) if settings.bounces else None
        self._exposure = environment.exposure
        self.shown = bool(appearance.baked.any())
        """Whether display colours are blended, which captures are made for; else light is, as in a camera's pixel."""
        self._shader = Shader(self._lighting.arrays, environment.exposure, shown=self.shown)
        particles = job.trajectory.particles
        loose = [
            LooseSplats(m, job.assets.parts[m.part], usual_pixel(camera, job.trajectory.poses[:, m.part, :3]))
            for m in particles
            if m.form == "loose"
        ]
        self._posed = PosedSplats(appearance, particles, loose, torn_captures(job.assets.parts))
        self._sheer = bool(appearance.sheer.any()) or any(splats.sheer for splats in loose)
        self._selector = Selector(len(appearance), self.near_m, environment.ground_height_m)
        haze_m = max(environment.haze_m, 4 * radius)
        texture = ground_texture(scene)
        self._background = Background(
            environment, texture, haze_m=haze_m, far_m=settings.far_m, gloss=gloss, shown=self.shown
        )
        kinds = [p.part.kind for p in job.assets.parts]
        self._ground_id = kinds.index("ground") + 1 if "ground" in kinds else 0
        self._ground_m = environment.ground_height_m
        sinking = bool(appearance.baked.any()) and environment.ground_height_m is not None
        self._sinking_m = environment.ground_height_m if sinking else None
        captured = [any(v.capture is not None for v in p.visuals) for p in job.assets.parts]
        self._baked_parts = np.array([False, *captured], np.bool_)
        poses = job.trajectory.poses
        self._still = np.asarray((poses == poses[:1]).all(axis=(0, 2)))
        self._still[[m.part for m in particles]] = False
        self._drawn_still = False
        self._chosen: dict[bytes, Chosen] = {}
        self._lit: tuple[float | None, NDArray[np.float64]] | None = None
        self._buffers: Buffers | None = None
        if job.labels & {*BUFFERS, "buffers"}:
            lit = self._lighting.arrays
            self._buffers = Buffers(lit, self._background, ground_look(scene), environment.exposure)
        self._sharp: SharpPictures | None = None
        if "surfaces" in job.labels:
            self._sharp = SharpPictures(job.assets, job.trajectory, self.near_m)

    def paint(self, sight: Sight, when: float, *, labelled: bool) -> Layers:
        """What splats and backdrop look like at one instant.

        Args:
            sight: the camera.
            when: time of the parts [frames].
            labelled: with depths and ids.
        """
        workers, posed, trajectory = self._workers, self._posed, self._job.trajectory
        poses = trajectory.poses_at(when)
        posed.pose(poses, workers, when)
        if not self._drawn_still:
            self._lighting.draw_still(*self._casters(self._still), workers)
            self._drawn_still = True
            if self._bounces is not None:
                self._bounces.fix(self._sources(loose=False), workers)
        bent = when if trajectory.particles else None
        if self._lit is None or self._lit[0] != bent or not np.array_equal(poses, self._lit[1]):
            self._lighting.update(*self._casters(~self._still), workers)
            if self._bounces is not None:
                loose = self._sources(loose=True) if len(posed.arrays.points) > len(self._appearance) else None
                self._bounces.update(posed.arrays, loose, self._lighting.arrays, workers)
            self._lit = (bent, poses.copy())
        surfaced = labelled or self._sinking_m is not None
        buffers = self._buffers if labelled else None
        more = 0 if buffers is None else CHANNELS
        visible = self._selector.select(sight, posed.arrays, workers, surfaces=surfaced, more=more)
        veil = self._color(visible, sight, buffers)
        sinking = self._sinking_m is not None
        seen, solid = visible, None
        if veil is not None:
            seen = visible._replace(opacities=veil.opacities, features=np.ascontiguousarray(visible.features[:, :3]))
            solid = self._rasterize(visible, sight, labelled=True) if labelled else None
        raster = self._rasterize(seen, sight, labelled=surfaced and (veil is None or sinking))
        backdrop = self._background.draw(sight, self._lighting.arrays, raster.alpha, workers, self._bounced)
        if not surfaced:
            return Layers(sight, visible, raster.features, raster.alpha, backdrop, when)
        surfaces = None if solid is None else self._surfaces(solid, backdrop, sight)
        if veil is not None and not sinking:
            return Layers(sight, visible, raster.features, raster.alpha, backdrop, when, surfaces)
        drawn = self._surfaces(raster, backdrop, sight)
        surfaces = drawn if labelled and veil is None else surfaces
        return Layers(sight, visible, drawn.features, drawn.alpha, backdrop, when, surfaces)

    def labels(self, layers: Layers) -> dict[str, NDArray[Any]]:
        """The labels of the instant that was painted last, with labels; as arrays of ``Frame``."""
        assert layers.surfaces is not None, "it was painted with labels"
        ground = (layers.backdrop.depth, self._ground_id)
        made = composite_labels(layers.surfaces, ground, self._baked_parts, layers.sight, self._workers)
        if self._buffers is not None:
            made |= self._buffers.make(layers.surfaces, made, self._baked_parts, layers.sight, self._workers)
        if self._sharp is not None:
            made |= self._sharpened(self._sharp, layers, made)
        return made

    def _sharpened(
        self, sharp: SharpPictures, layers: Layers, labels: dict[str, NDArray[Any]]
    ) -> dict[str, NDArray[Any]]:
        """Albedo and normals of the meshes themselves, and where they tell all; captures have none but their colour."""
        ground = (layers.backdrop.depth, self._background.albedo)
        albedo, normals, opaque = sharp.draw(layers.sight, layers.when, ground, self._workers)
        captured = self._baked_parts[labels["ids"]]
        if captured.any() and layers.surfaces is not None:
            albedo[captured] = own_colour(layers.surfaces, captured)
            normals[captured] = labels["normals"][captured]
            opaque[captured] = 0
        half = np.float16
        return {"surface_albedo": halves(albedo, self._workers), "surface_normals": normals.astype(half),
                "surface_opaque": opaque.astype(half)}  # fmt: skip

    def alone(self, layers: Layers, part_ids: Collection[int]) -> NDArray[np.bool_]:
        """The pixels of which the splats of some parts would cover at least half, if they were alone."""
        visible = layers.visible
        mine = np.isin(visible.owner, list(part_ids))
        drawn = self._job.rasterizer.rasterize(
            *(array[mine] for array in (visible.means, visible.quats, visible.scales, visible.opacities)),
            **_view(layers.sight),
            near_m=self.near_m,
            far_m=max(self._job.settings.far_m, 2 * self.near_m),
        )
        return np.asarray(drawn.alpha >= 0.5)

    def unseen_movers(self, ids: Ints) -> tuple[Array, Ints]:
        """A few points [m] of every part that moves in the clip and owns no pixel of the picture painted last.

        Args:
            ids: of that picture, [H, W].

        Returns:
            Points in the world, [N, 3], and their part ids, [N].
        """
        splats = self._posed.arrays
        wanted = np.concatenate([[False], ~self._still])
        wanted[np.unique(ids)] = False
        rows = np.flatnonzero(wanted[splats.owner])
        rows = rows[np.argsort(splats.owner[rows], kind="stable")]
        owner = splats.owner[rows]
        first, count = np.searchsorted(owner, owner), np.bincount(owner, minlength=len(wanted))[owner]
        some = (np.arange(len(rows)) - first) % -(-count // MOST_POINTS) == 0
        return splats.points[rows[some]].astype(np.float64), owner[some]

    def shadows(self, points: Array) -> list[Array]:
        """Where points of the world [m], [N, 3], throw shadows on the ground, for each light from far away."""
        lit, height = self._lighting.arrays, self._ground_m
        if height is None or not self._job.settings.shadows:
            return []
        ways = np.concatenate([lit.suns.lights, lit.panels.lights])[:, :3].astype(np.float64)
        return [points - (points[:, 2:] - height) / way[2] * way for way in ways if way[2] > LOWEST]

    def _surfaces(self, raster: Raster, backdrop: Backdrop, sight: Sight) -> Surfaces:
        """The raster with all labels, less what is below the ground."""
        surfaces = _complete(raster)
        if self._sinking_m is not None:
            focal = float(sight.camera.K[1, 1])
            sink(surfaces, backdrop, float(sight.eye[2]) - self._sinking_m, focal, self._workers)
        return surfaces

    def _casters(self, parts: NDArray[np.bool_]) -> tuple[Casters, Casters]:
        """Discs of some parts for suns and lamps, and fewer and wider ones for the sky, whose maps are coarse.

        Which ones, and how wide, is always the same unless something deforms.
        """
        splats, key = self._posed.arrays, parts.tobytes()
        found = self._chosen.get(key)
        if found is None:
            found = chosen(splats, parts[splats.owner - 1] & self._solid(), self._lighting.dome_disc_m)
            if not self._job.trajectory.particles:
                self._chosen[key] = found
        return found.casters(splats)

    def _solid(self) -> NDArray[np.bool_]:
        """Which Gaussians are in the way of light."""
        splats = self._posed.arrays
        metallic, transmission, cover = splats.gloss[:, 1], splats.gloss[:, 3], splats.gloss[:, 6]
        clear = splats.sheer & (1 - cover * (1 - transmission * (1 - metallic)) > LETS_LIGHT_IN)
        return np.asarray((splats.radius > 0) & ~clear)

    @property
    def _bounced(self) -> Bounced:
        return NO_BOUNCES if self._bounces is None else self._bounces.bounced

    def _sources(self, *, loose: bool) -> Sources:
        """What surfels are made of: loose particles as they are now, or all else."""
        splats, look, fixed = self._posed.arrays, self._appearance, len(self._appearance)
        if loose:
            rows = slice(fixed, None)
            none = np.zeros((len(splats.points) - fixed, 3), np.float32)
            return sources_of(splats, splats.points[rows], splats.normals[rows], self._solid()[rows], none, rows)
        colour = np.clip(0.5 + SH_C0 * look.gaussians.sh[:, 0], 0, 1) * look.baked[:, None]
        glow = (srgb_to_linear(colour) / self._exposure).astype(np.float32)
        return sources_of(splats, look.points, look.normals, self._solid()[:fixed], glow, slice(0, fixed))

    def _color(self, visible: Visible, sight: Sight, buffers: Buffers | None) -> Veil | None:
        """Fill the colour features: light on the albedo of meshes, the constant colour of captures.

        Returns the opacities with which colours are blended where they are not those of the surfaces.
        """
        eye = sight.viewpoint.astype(np.float32)
        veil = None
        if self._sheer:
            exposure = np.float32(self._exposure)
            veil = Veil(np.empty(len(visible.rows), np.float32), _pixel_sizes(sight), exposure)
        splats, workers = self._posed.arrays, self._workers
        kept = NOT_KEPT if buffers is None else np.empty((len(visible.rows), AROUND), np.float32)
        self._shader.shade(visible, splats, eye, workers, veil, self._bounced, kept)
        if buffers is not None:
            buffers.fill(visible, splats, kept, workers)
        baked = splats.baked[visible.rows]
        if baked.any():
            constant = self._appearance.gaussians.sh[visible.rows[baked], 0]
            visible.features[baked, :3] = np.maximum(np.float32(0.5) + np.float32(SH_C0) * constant, 0)
        return veil

    def _rasterize(self, visible: Visible, sight: Sight, *, labelled: bool) -> Raster:
        """Colours go as features; spherical harmonics only where a capture's colour depends on the direction."""
        look = self._appearance
        features, sh, rotations = visible.features, None, None
        if look.gaussians.sh_degree > 0:
            sh = bent_harmonics(self._posed, look.gaussians.sh, visible, sight.eye)
            lit = ~self._posed.arrays.baked[visible.rows]
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
            near_m=self.near_m,
            far_m=max(self._job.settings.far_m, 2 * self.near_m),
            want=WANTED if labelled else frozenset(),
        )


def _pixel_sizes(sight: Sight) -> Floats:
    """Size of a pixel over its distance, and fixed [m]."""
    size = 1 / float(sight.camera.K[1, 1])
    return np.array([0.0, size] if parallel(sight.camera) else [size, 0.0], np.float32)


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
