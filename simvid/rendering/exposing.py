"""One frame of a camera: the instants and bands of lines it is made of, put together to a picture and its labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.motion import motion_of
from simvid.rendering import surface_labels
from simvid.rendering.developing import developed, light_of, picture_of
from simvid.rendering.instants import Blur, Instant, moved_px, sight_through, unseen_px
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import Floats
from simvid.rendering.painter import SURFACE_LABELS, Job, Layers, Painter
from simvid.rendering.sensor.counts import Counting
from simvid.rendering.sensor.depth import DepthMeter
from simvid.rendering.sight import Sight, window
from simvid.rendering.surface_labels import Seen, SurfaceLabels
from simvid.scene import DepthSensor

Band: TypeAlias = tuple[int, int, float]
"""First line, line after the last, and time from the frame's [frames]."""


LEAST_BLUR = 0.012
"""Three levels of 255: what exposure or aperture change by less is not blurred."""


@dataclass(frozen=True, eq=False)
class Still:
    """One drawn frame before flow."""

    rgb: NDArray[np.uint8]
    labels: dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class _Strip:
    """What was seen of one band."""

    layers: Layers
    labels: dict[str, NDArray[Any]]
    ground_depth: Floats
    rgb: NDArray[np.uint8] | None
    light: Floats | None


class Exposer:
    """Draws the frames of one camera.

    Labels are those of the middle of the exposure, seen through the middle of the aperture; under a rolling shutter,
    of the middle of the exposure of each pixel's band.
    """

    def __init__(self, job: Job, painter: Painter, workers: Workers) -> None:
        scene, camera = job.assets.scene, job.camera
        view = scene.view(camera.name)
        self._job, self._painter, self._workers = job, painter, workers
        self._blur = Blur.of(view, camera, job.trajectory.fps)
        sensor = None if view is None else view.sensor
        self._counting = None if sensor is None or sensor.changes_nothing else Counting.of(sensor)
        self._labelled = bool(job.labels & SURFACE_LABELS)
        self._motion = motion_of(job.trajectory)
        self._more: SurfaceLabels | None = None
        if job.labels & surface_labels.NAMES:
            self._more = SurfaceLabels(job.assets, job.trajectory, camera, job.labels, painter.near_m)
        self._meter: DepthMeter | None = None
        if "depth_sensor" in job.labels:
            chosen = None if view is None else view.depth_sensor
            self._meter = DepthMeter(chosen or DepthSensor(), camera, scene.seed)

    def draw(self, frame: int) -> Still:
        """One frame without flow."""
        bands = self._bands(frame)
        times, half = [offset for _, _, offset in bands], self._blur.exposure / 2
        moving = half > 0 and self._moves(frame + min(times) - half, frame + max(times) + half)
        strips = [self._strip(frame, band, whole=len(bands) == 1, moving=moving) for band in bands]
        labels = {name: self._joined([s.labels[name] for s in strips]) for name in strips[0].labels}
        if self._more is not None:
            ground = self._joined([s.ground_depth for s in strips])
            seen = Seen(labels["depth"], labels["ids"], ground, lambda ids: self._alone(strips, ids))
            labels |= self._more.make(frame, seen)
        if self._meter is not None:
            labels["depth_sensor"] = self._meter.measure(labels["depth"], labels["normals"], frame)
        if strips[0].light is None:
            return Still(self._joined([s.rgb for s in strips if s.rgb is not None]), labels)
        light = self._joined([s.light for s in strips if s.light is not None])
        if self._counting is not None:
            job = self._job
            light = self._counting.count(light, job.assets.scene.seed, job.camera.name, frame)
        return Still(developed(light, self._workers), labels)

    def _bands(self, frame: int) -> Sequence[Band]:
        """What is read at once: all of the picture where nothing moves in the meantime."""
        camera = self._job.camera
        whole: list[Band] = [(0, camera.height, 0.0)]
        if camera.shutter is None:
            return whole
        bands = camera.shutter.bands(camera.width, camera.height)
        times = [offset for _, _, offset in bands]
        return bands if self._moves(frame + min(times), frame + max(times)) else whole

    def _moves(self, begin: float, end: float) -> bool:
        """Whether camera or parts move between two times [frames] around a frame."""
        times = np.array([begin, np.clip(np.rint((begin + end) / 2), begin, end), end])
        cameras, trajectory = self._job.camera.poses_at(times), self._job.trajectory
        parts = trajectory.poses_at(times)
        return bool((cameras != cameras[:1]).any() or (parts != parts[:1]).any() or trajectory.bends(begin, end))

    def _strip(self, frame: int, band: Band, *, whole: bool, moving: bool) -> _Strip:
        """One band: its labels, and its colours or its light."""
        first, last, offset = band
        when, blur, painter = frame + offset, self._blur, self._painter
        lines = None if whole else (first, last)
        sight = self._sight(when, Instant(), lines)
        sharp = not moving and blur.radius_m == 0
        labelled = self._labelled or moving
        layers = painter.paint(sight, when, labelled=labelled)
        labels = painter.labels(layers) if labelled else {}
        ground = layers.backdrop.depth.copy() if self._more is not None else layers.backdrop.depth
        if sharp and self._counting is None:
            rgb = picture_of(*_layered(layers), self._workers, shown=painter.shown)
            return _Strip(layers, labels, ground, rgb, None)
        if sharp:
            return _Strip(layers, labels, ground, None, self._light(layers))
        way = 0.0
        if moving:
            span = (when - blur.exposure / 2, when, when + blur.exposure / 2)
            way = self._way(sight, labels, span)
        sharp_light = self._light(layers) if "surface_opaque" in labels else None
        light = self._mean_light(when, blur.instants(way), lines)
        if sharp_light is not None:
            labels["surface_opaque"] *= _alike(light, sharp_light)
        return _Strip(layers, labels, ground, None, light)

    def _way(self, sight: Sight, labels: dict[str, NDArray[Any]], span: tuple[float, float, float]) -> float:
        """How far things move in the picture that was painted last, during its exposure, at most [px]."""
        camera, motion, movers = self._job.camera, self._motion, self._painter.unseen_movers(labels["ids"])
        way = moved_px(sight, camera, (labels["depth"], labels["ids"]), motion, span)
        return max(way, unseen_px(sight, camera, movers, motion, span, self._painter.shadows))

    def _mean_light(self, when: float, instants: Sequence[Instant], lines: tuple[int, int] | None) -> Floats:
        total: Floats | None = None
        for instant in instants:
            sight = self._sight(when, instant, lines)
            light = self._light(self._painter.paint(sight, when + instant.offset, labelled=False))
            total = light if total is None else np.add(total, light, out=total)
        assert total is not None, "there is one instant at least"
        return np.asarray(total / np.float32(len(instants)))

    def _sight(self, when: float, instant: Instant, lines: tuple[int, int] | None) -> Sight:
        camera = self._job.camera
        sight = sight_through(camera, when + instant.offset, instant.aperture_m, self._blur.focus_m)
        if lines is None:
            return sight
        assert camera.shutter is not None, "only a rolling shutter reads lines"
        if camera.shutter.by_rows:
            return window(sight, (0, camera.width), lines)
        return window(sight, lines, (0, camera.height))

    def _light(self, layers: Layers) -> Floats:
        return light_of(*_layered(layers), self._workers, shown=self._painter.shown)

    def _alone(self, strips: Sequence[_Strip], part_ids: Collection[int]) -> NDArray[np.bool_]:
        return np.asarray(self._joined([self._painter.alone(s.layers, part_ids) for s in strips]))

    def _joined(self, pieces: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """The strips of a picture as one."""
        if len(pieces) == 1:
            return pieces[0]
        shutter = self._job.camera.shutter
        return np.concatenate(pieces, axis=0 if shutter is None or shutter.by_rows else 1)


def _alike(blurred: Floats, sharp: Floats) -> NDArray[np.bool_]:
    """Pixels that blur leaves as they are, by light [H, W, 3]; square roots go about as display values."""
    return np.asarray(np.abs(np.sqrt(blurred) - np.sqrt(sharp)).max(axis=-1) < LEAST_BLUR)


def _layered(layers: Layers) -> tuple[Floats, Floats, Floats]:
    """Colours and coverage of the splats, and the colours behind them."""
    return layers.features, layers.alpha, layers.backdrop.rgb
