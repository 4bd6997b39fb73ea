"""The instants that a picture is made of: times within the exposure, and points of the aperture.

Averaging pictures of many instants is the accumulation buffer (Haeberli & Akeley 1990, "The accumulation buffer:
hardware support for high-quality rendering", secs. 4 and 5). It is right for anything that can be drawn: splats,
ground, shadows, reflections, what comes out from behind an edge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.camera_path import CameraPath
from simvid.lens import project, unproject_picture
from simvid.motion import SurfaceMotion
from simvid.rendering.sight import Sight, sight_of
from simvid.scene import Camera

Array: TypeAlias = NDArray[np.float64]
Shadows: TypeAlias = Callable[[Array], Sequence[Array]]
"""Where points of the world [m], [N, 3], throw their shadows: one [N, 3] for each light."""
FEW_PX = 25
"""Parts that show fewer pixels are looked at in all of them; others as ``_looked_at`` says."""


@dataclass(frozen=True)
class Instant:
    """When, from the middle of the exposure [frames], and through which point of the aperture [m]."""

    offset: float = 0.0
    aperture_m: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Blur:
    """What blurs a camera's pictures.

    Attributes:
        exposure: length of the exposure [frames]; 0 freezes motion.
        motion_samples: most instants for it.
        radius_m: of the aperture; 0 is sharp everywhere.
        focus_m: z of what is sharp.
        focus_samples: points of the aperture.
    """

    exposure: float = 0.0
    motion_samples: int = 1
    radius_m: float = 0.0
    focus_m: float = math.inf
    focus_samples: int = 1

    @staticmethod
    def of(view: Camera | None, camera: CameraPath, fps: float) -> Blur:
        """Of a camera of the scene. By f-number N, the radius is f / (2 N) with the focal length f of a thin lens."""
        if view is None:
            return Blur()
        found = Blur()
        if view.shutter is not None and view.shutter.exposure_frames(fps) > 0:
            found = replace(found, exposure=view.shutter.exposure_frames(fps), motion_samples=view.shutter.samples)
        if (focus := view.focus) is not None:
            radius = focus.lens_radius_m
            if radius is None:
                assert focus.f_number is not None, "one of both is given"
                focal_m = focus.sensor_height_m * float(camera.K[1, 1]) / camera.height
                radius = focal_m / (2 * focus.f_number)
            found = replace(found, radius_m=radius, focus_m=focus.distance_m, focus_samples=focus.samples)
        return found

    def instants(self, moved_px: float) -> list[Instant]:
        """What to draw where things move by so many pixels at most during the exposure: steps of a pixel or less.

        Times are evenly spread. Points of the aperture lie on Vogel's spiral (1979), which fills a disc evenly, and are
        taken in an order that has nothing to do with that of the times.
        """
        moving = min(max(math.ceil(moved_px), 1), self.motion_samples) if self.exposure > 0 else 1
        count = max(moving, self.focus_samples if self.radius_m > 0 else 1)
        stride = next(s for s in range(max(round(0.618 * count), 1), 2 * count + 1) if math.gcd(s, count) == 1)
        found = []
        for k in range(count):
            offset = ((k + 0.5) / count - 0.5) * self.exposure if moving > 1 else 0.0
            j = k * stride % count
            radius = self.radius_m * math.sqrt((j + 0.5) / count)
            angle = j * math.pi * (3 - math.sqrt(5))
            found.append(Instant(offset, (radius * math.cos(angle), radius * math.sin(angle))))
        return found


def sight_through(camera: CameraPath, when: float, aperture_m: tuple[float, float], focus_m: float) -> Sight:
    """The sight at a time [frames] from a point of the aperture, sheared so that z = focus_m stays where it is.

    From (px, py) beside the middle, a point has slopes (x - px) / z; adding px / focus leaves a shift of
    px (1 / focus - 1 / z). So the points of an aperture of radius r see it within a circle of confusion of diameter
    2 r f |1 / focus - 1 / z| px.
    """
    camera = replace(camera, shutter=None)
    pose = camera.poses_at(when)
    px, py = aperture_m
    if px == 0.0 and py == 0.0:
        return sight_of(camera, pose)
    beside = np.eye(4)
    beside[:2, 3] = px, py
    shift = (px / focus_m, py / focus_m)
    if camera.lens.plain:
        K = camera.K.copy()
        K[:2, 2] += np.array(shift) * K[[0, 1], [0, 1]]
        return sight_of(replace(camera, K=K), pose @ beside)
    return sight_of(replace(camera, lens=replace(camera.lens, shift=shift)), pose @ beside)


def moved_px(
    sight: Sight,
    camera: CameraPath,
    surfaces: tuple[NDArray[np.float32], NDArray[np.int32]],
    motion: SurfaceMotion,
    span: tuple[float, float, float],
) -> float:
    """How far what is seen moves in the picture during an exposure, at most [px].

    It is the length of the way, by its places at begin, middle and end and at frames between, where ways may bend: what
    bounces may end where it began.

    Args:
        sight: the picture, or a window of it, at the middle of the exposure.
        camera: how the camera moves.
        surfaces: depth [m] and part ids of that picture, [H, W].
        motion: how the parts move.
        span: begin, middle and end of the exposure [frames].
    """
    depth, ids = surfaces
    some = _looked_at(ids)
    local = unproject_picture(sight.camera, depth)[some]
    points = local @ sight.pose[:3, :3].T + sight.pose[:3, 3]
    way = _lengths(_places(sight, camera, (points, ids[some]), motion, span))
    turned = sum(_turned_px(camera, *ends) for ends in pairwise(_stops(span))) if np.isnan(way).any() else 0.0
    return float(np.nanmax(way, initial=turned))


def unseen_px(
    sight: Sight,
    camera: CameraPath,
    movers: tuple[Array, NDArray[np.int32]],
    motion: SurfaceMotion,
    span: tuple[float, float, float],
    shadows: Shadows = lambda _: (),
) -> float:
    """As ``moved_px``, of points that own no pixel in the middle of the exposure: points [m], [N, 3], and ids, [N].

    Those count that are within the picture at the begin, the middle or the end: behind what is clear, or what comes out
    from behind an edge or over the border; and the ``shadows`` of all.
    """
    places = _places(sight, camera, movers, motion, span, shadows)
    with np.errstate(invalid="ignore"):
        within = ((places >= 0) & (places < [sight.camera.width, sight.camera.height])).all(axis=-1).any(axis=0)
    return float(np.nanmax(_lengths(places)[within], initial=0.0))


def _stops(span: tuple[float, float, float]) -> list[float]:
    """Begin, middle and end of an exposure, and the frames between."""
    begin, middle, end = span
    return sorted({begin, middle, end, *map(float, range(math.floor(begin) + 1, math.ceil(end)))})


def _places(
    sight: Sight,
    camera: CameraPath,
    surfaces: tuple[Array, NDArray[np.int32]],
    motion: SurfaceMotion,
    span: tuple[float, float, float],
    shadows: Shadows = lambda _: (),
) -> Array:
    """Where points, given at the middle of the exposure with their ids, are in the picture at each stop, [S, N, 2].

    Those of each of their shadows follow, [S, N + K N, 2].
    """
    (points, ids), middle, places = surfaces, span[1], []
    for when in _stops(span):
        pose = camera.poses_at(when)
        moved = points if when == middle else motion(points, ids, middle, when)
        moved = np.concatenate([moved, *shadows(moved)])
        places.append(project(sight.camera, (moved - pose[:3, 3]) @ pose[:3, :3]))
    return np.stack(places)


def _lengths(places: Array) -> Array:
    """Lengths of ways by their places [S, N, 2]."""
    return np.asarray(np.linalg.norm(np.diff(places, axis=0), axis=-1).sum(axis=0))


def _looked_at(ids: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which pixels tell how far things move, bool [H, W]: every fifth, a knight's move apart, and all of small parts.

    Nothing of 2 x 3 px lies between them, nor a line of 5 px along rows, columns or diagonals.
    """
    v, u = np.arange(ids.shape[0])[:, None], np.arange(ids.shape[1])
    small = np.bincount(ids.ravel()) < FEW_PX
    return np.asarray(((u + 2 * v) % 5 == 0) | small[ids])


def _turned_px(camera: CameraPath, begin: float, end: float) -> float:
    """How far the sky moves in the middle of the picture as the camera turns."""
    one, two = camera.poses_at(begin)[:3, :3], camera.poses_at(end)[:3, :3]
    angle = math.acos(min(max((float(np.trace(one.T @ two)) - 1) / 2, -1.0), 1.0))
    return angle * float(camera.K[0, 0]) if camera.lens.kind != "orthographic" else 0.0
