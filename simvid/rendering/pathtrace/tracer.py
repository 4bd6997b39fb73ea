"""The photoreal twin: the same scene and trajectory through Mitsuba 3 (Jakob et al. 2022) and Open Image Denoise.

Light is on the same scale as the splats' and goes through the same tone curve, and the camera is the same to the pixel;
so a path-traced clip beside a splatted one is a pair to learn from. Labels are exact: one ray through the centre of
each pixel says what part is there, how deep and which way it faces; the rest follows by the geometry that the splat
renderer uses. Behind glass they speak of the glass.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Annotated, Any, ClassVar

import mitsuba as mi  # noqa: F401, TID253  a missing package must show when the backend is loaded, not on frame 1
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simvid import __version__
from simvid.assets.parts import SceneAssets
from simvid.errors import RenderError, SceneError
from simvid.frames import BUFFER_LABELS, LABEL_ARRAYS, CameraPath, Frame, arrays_of
from simvid.optics import Lens
from simvid.rendering import surface_labels
from simvid.rendering.light.environment import environment_of
from simvid.rendering.light.region import shadow_region
from simvid.rendering.motion import flow, occluded
from simvid.rendering.pathtrace.develop import completed, denoised, developed
from simvid.rendering.pathtrace.lights import seen_sky
from simvid.rendering.pathtrace.shot import Shot, Surfaces
from simvid.rendering.pathtrace.variant import Variant, Wanted, chosen
from simvid.rendering.surface_labels import Seen, SurfaceLabels
from simvid.scene import Scene
from simvid.scene.base import Model, Positive
from simvid.scene.intrinsics import camera_matrix, optics_of
from simvid.trajectory import Trajectory

MADE = frozenset(LABEL_ARRAYS) - BUFFER_LABELS - {"depth_sensor"}
"""Labels that it makes."""
BUFFERS_WHY = "light is not split up on its paths"
SURFACES_WHY = "its labels are of one ray through the middle of each pixel, surfaces are means over all of it"
TRACED_WHY = "its own picture is traced"
GROUND_REACH = 4.0
"""Half the edge of the ground that is traced, in distances of the haze, which has hidden it by then."""


class PathTraceSettings(Model):
    """``settings:`` of an entry on the renderers/ shelf."""

    samples: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Paths per pixel."""
    denoise: bool = True
    max_depth: Annotated[int, Field(ge=1, le=64)] = 8
    """Most bounces of a path; 1 sees lights alone, 2 what they light."""
    variant: Wanted = "auto"
    """Of Mitsuba; ``auto`` is the fastest that works here. Each has noise of its own."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of the noise; every frame has its own part of it."""
    exposure: Positive = 1.0
    """Factor on all light."""
    far_m: Positive = 1000.0
    """Ground beyond this is sky."""


class PathTracer:
    """Draws frames by tracing paths of light; a renderer of its own, no rasterizer."""

    Settings: ClassVar[type[PathTraceSettings]] = PathTraceSettings

    def __init__(self, settings: PathTraceSettings) -> None:
        self._settings = settings
        self._variant: Variant | None = None

    @property
    def variant(self) -> Variant:
        """The variant of Mitsuba that runs here; found on first use."""
        if self._variant is None:
            self._variant = chosen(self._settings.variant)
        return self._variant

    def version(self) -> str:
        """Of what decides about the pictures, the variant included: each has noise of its own."""
        parts = [f"{name} {metadata.version(name)}" for name in ("mitsuba", "pyoidn")]
        return f"simvid {__version__}, {', '.join(parts)}, {self.variant.name}"

    def settings(self) -> Mapping[str, Any]:
        """As they are recorded."""
        return self._settings.model_dump(mode="json")

    def faults(self, assets: SceneAssets) -> list[str]:
        """What of a scene cannot be traced."""
        return self._refused(assets) + _label_faults(assets.scene.labels)

    def scene_faults(self, assets: SceneAssets) -> list[str]:
        """The same but for labels: captures, cameras that are not sharp, lenses that the variant lacks."""
        return _camera_faults(assets.scene) + self._lens_faults(assets.scene) + [
            f"{part.part.name}: the renderer 'pathtrace' draws meshes, not captures (their light is baked in): "
            "leave the body out or give it a mesh"
            for part in assets.parts
            if any(v.capture is not None for v in part.visuals)
        ]  # fmt: skip

    def _lens_faults(self, scene: Scene) -> list[str]:
        odd = {v.name: fault for v in scene.views if (fault := _lens_fault(optics_of(v.lens), camera_matrix(v)))}
        if not odd or self.variant.vectorised:
            return []
        return [f"{scene.where(scene.camera_path(name))}: {fault}" for name, fault in odd.items()]

    def _refused(self, assets: SceneAssets) -> list[str]:
        return [f"{text}, or render with 'cpu'" for text in self.scene_faults(assets)]

    def frames(
        self, assets: SceneAssets, trajectory: Trajectory, camera: CameraPath, labels: Collection[str]
    ) -> Iterator[Frame]:
        """Draw every frame, one after the other; as ``simvid.rendering.renderer.render_frames``.

        The same inputs on the same machine and variant give the same bits.

        Raises:
            SceneError: a part is a capture, a camera is not sharp, or its lens is none of the scalar variant's.
            RenderError: a label that it does not make (those of the scene do not matter), or ``camera`` is not that of
                the scene, and its shutter rolls or it has such a lens.
        """
        if faults := self._refused(assets):
            raise SceneError("\n".join(faults))
        _check_camera(camera, self.variant)
        missing = _label_faults(labels)
        if missing:
            raise RenderError(missing[0])
        self.variant.activate()
        painter = _Painter(assets, trajectory, camera, frozenset(labels), self._settings, self.variant)
        return _with_motion(painter, camera, trajectory, frozenset(labels))


def _label_faults(labels: Collection[str]) -> list[str]:
    """Labels that it does not make, and why, as one line or none."""
    missing = set(labels) - MADE
    if not missing:
        return []
    why = [BUFFERS_WHY] if missing & (BUFFER_LABELS - {"surfaces", "traced"}) else []
    why += [SURFACES_WHY] if "surfaces" in missing else []
    why += [TRACED_WHY] if "traced" in missing else []
    reason = f" ({'; '.join(why)})" if why else ""
    return [
        f"labels: the renderer 'pathtrace' does not make {', '.join(sorted(missing))}{reason}: leave them out, or "
        "render with 'cpu'"
    ]


def _camera_faults(scene: Scene) -> list[str]:
    """What cameras ask for behind their lens: pictures are sharp, of one instant, and without a sensor's noise."""
    faults = []
    for view in scene.views:
        shutter, sensor = view.shutter, view.sensor
        blurred = shutter is not None and (shutter.rolling is not None or shutter.exposure_frames(scene.fps) > 0)
        asked = {"shutter": blurred, "focus": view.focus is not None,
                 "sensor": sensor is not None and not sensor.changes_nothing}  # fmt: skip
        faults += [
            f"{scene.where(f'{scene.camera_path(view.name)}.{key}')}: the renderer 'pathtrace' has no {key}: "
            "leave it out"
            for key, given in asked.items()
            if given
        ]
    return faults


def _check_camera(camera: CameraPath, variant: Variant) -> None:
    """Refuse what is not drawn."""
    where = f"cameras.{camera.name}"
    if camera.shutter is not None:
        raise RenderError(f"{where}: the renderer 'pathtrace' has no rolling shutter; leave it out")
    if not variant.vectorised and (fault := _lens_fault(camera.lens, camera.K)):
        raise RenderError(f"{where}: {fault}")


def _lens_fault(lens: Lens, K: NDArray[np.float64]) -> str | None:
    """Why Mitsuba's scalar variant has no such lens; None if it has."""
    if lens.plain and abs(K[0, 0] / K[1, 1] - 1) <= 1e-6:
        return None
    return (f"Mitsuba's scalar variant has plain pinholes with square pixels alone, got a {lens.kind} with "
            f"K = {K.tolist()}; install LLVM (apt-get install libllvm19)")  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Still:
    """One drawn frame before flow."""

    rgb: NDArray[np.uint8]
    labels: dict[str, NDArray[Any]]


def _with_motion(
    painter: _Painter, camera: CameraPath, trajectory: Trajectory, labels: frozenset[str]
) -> Iterator[Frame]:
    """Add flow and occlusion, with one frame of look-ahead."""
    wanted, count = arrays_of(labels), trajectory.frame_count
    moving = bool(labels & {"flow", "occlusion"})
    before: _Still | None = None
    now = painter.draw(0)
    for i in range(count):
        after = painter.draw(i + 1) if i + 1 < count else None
        made = dict(now.labels)
        for name, j, other in (("forward", i + 1, after), ("backward", i - 1, before)) if moving else ():
            depth, ids = now.labels["depth"], now.labels["ids"]
            shift, hidden = np.full((*ids.shape, 2), np.nan, np.float32), np.zeros(ids.shape, np.bool_)
            if other is not None:
                shift, z = flow(depth, ids, camera, trajectory, (i, j))
                hidden = occluded(shift, z, ids, other.labels["depth"], other.labels["ids"])
            made[f"flow_{name}"], made[f"occluded_{name}"] = shift, hidden
        yield Frame(now.rgb, **{name: array for name, array in made.items() if name in wanted})
        if after is not None:
            before, now = now, after


class _Painter:
    """Everything that is made once per clip and camera, and the drawing of one frame."""

    def __init__(
        self, assets: SceneAssets, trajectory: Trajectory, camera: CameraPath, labels: frozenset[str],
        settings: PathTraceSettings, variant: Variant,
    ) -> None:  # fmt: skip
        scene = assets.scene
        self._camera, self._settings, self._variant = camera, settings, variant
        self._environment = environment_of(scene, exposure=settings.exposure)
        center, radius, _ = shadow_region(assets, trajectory, camera)
        self._haze_m = max(self._environment.haze_m, 4 * radius)
        near_m = next((c.near_m for c in scene.views if c.name == camera.name), 0.01)
        self._shot = Shot(
            assets, trajectory, camera, self._environment, variant, near_m=near_m, max_depth=settings.max_depth,
            ground=(center, GROUND_REACH * self._haze_m),
        )  # fmt: skip
        kinds = [p.part.kind for p in assets.parts]
        self._ground_id = kinds.index("ground") + 1 if "ground" in kinds else 0
        self._labelled = bool(arrays_of(labels))
        self._more: SurfaceLabels | None = None
        if labels & surface_labels.NAMES:
            self._more = SurfaceLabels(assets, trajectory, camera, labels, near_m)

    def draw(self, frame: int) -> _Still:
        """One frame without flow."""
        settings, shot = self._settings, self._shot
        self._variant.activate()
        shot.pose(frame)
        rays, ground = shot.directions(), self._ground_depth()
        surfaces = self._grounded(shot.surfaces(), ground)
        light, mean_z = shot.light(settings.samples, frame_seed(settings.seed, frame))
        unit = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        horizon = self._environment.haze_radiance(unit)
        sky = np.where(np.isfinite(ground)[..., None], horizon, seen_sky(self._environment, unit))
        bare = np.isfinite(ground) & (surfaces.ids == self._ground_id)
        away = np.where(bare, ground, 0) * np.linalg.norm(rays, axis=-1)
        fog = 1 - np.exp(-((away / self._haze_m) ** 2))
        sky = np.where(np.isfinite(rays), sky, 0)  # where a lens has no rays it is dark
        light = completed(light, sky.astype(np.float32), fog.astype(np.float32), horizon.astype(np.float32))
        radiance = denoised(light) if settings.denoise else light.radiance
        rgb = developed(radiance, self._environment.exposure)
        if not self._labelled:
            return _Still(rgb, {})
        labels: dict[str, NDArray[Any]] = {
            "alpha": np.where(np.isfinite(ground), 1, light.alpha).astype(np.float32),
            "depth": surfaces.depth,
            "depth_expected": _mixed(light.alpha, mean_z, ground),
            "ids": surfaces.ids,
            "normals": surfaces.normals,
        }
        if self._more is not None:
            labels |= self._more.make(frame, Seen(surfaces.depth, surfaces.ids, ground.astype(np.float32), _no_splats))
        return _Still(rgb, labels)

    def _ground_depth(self) -> NDArray[np.float64]:
        """z at which the ray of each pixel meets the endless ground, +inf where it does not, [H, W]."""
        height = self._environment.ground_height_m
        rays = self._shot.directions()
        if height is None or not self._ground_id:
            return np.full(rays.shape[:2], np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (height - self._shot.starts()[..., 2]) / rays[..., 2]
        return np.where((z > 0) & (z < self._settings.far_m), z, np.inf)

    def _grounded(self, seen: Surfaces, ground: NDArray[np.float64]) -> Surfaces:
        """Surfaces with the ground as a plane that ends nowhere but at ``far_m``; as the splats' own."""
        bare = (seen.ids == 0) | (seen.ids == self._ground_id)
        there = bare & np.isfinite(ground)
        up = self._camera.world_from_camera[self._shot.frame, 2, :3]
        normals = np.where(there[..., None], up, np.where(bare[..., None], 0, seen.normals))
        return Surfaces(
            np.where(bare, ground, seen.depth).astype(np.float32),
            np.where(bare, np.where(there, self._ground_id, 0), seen.ids).astype(np.int32),
            normals.astype(np.float32),
        )


def frame_seed(seed: int, frame: int) -> int:
    """Seed of a frame's noise: unlike those of other frames, equal in every run."""
    return int(np.random.SeedSequence([seed, frame]).generate_state(1)[0])


def _mixed(alpha: NDArray[np.float32], z: NDArray[np.float32], ground: NDArray[np.float64]) -> NDArray[np.float32]:
    """Mean z of what was met and, where paths missed everything, of the ground."""
    near = np.where(np.isfinite(z), z, 0)
    with np.errstate(invalid="ignore"):
        both = alpha * near + np.where(np.isfinite(ground), (1 - alpha) * ground, 0)
    alone = np.where(np.isfinite(z), z, np.inf)
    return np.where(np.isfinite(ground), both, alone).astype(np.float32)


def _no_splats(part_ids: Collection[int]) -> NDArray[np.bool_]:
    raise RenderError(f"parts {sorted(part_ids)} are captures, which the path tracer does not draw")
