"""Scene, Trajectory, camera -> a stream of frames with their labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.frames import CameraPath, Frame, arrays_of
from simvid.rendering.base import RenderSettings
from simvid.rendering.exposing import Exposer, Still
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.motion import flow, occluded
from simvid.rendering.painter import Job, Painter
from simvid.rendering.raster import Rasterizer
from simvid.rendering.splats.appearance import Appearance, appearance_of
from simvid.trajectory import Trajectory

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
        assets: what the parts look like; and the scene, whose camera of this name says how it blurs and what noise its
            sensor has.
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
    job = Job(assets, trajectory, camera, rasterizer, frozenset(labels), settings)
    workers = Workers(settings.threads)
    try:
        look = appearance if appearance is not None else appearance_of(assets, trajectory, [camera], settings)
        yield from _with_motion(Exposer(job, Painter(job, look, workers), workers), job, workers)
    finally:
        workers.close()


def _with_motion(exposer: Exposer, job: Job, workers: Workers) -> Iterator[Frame]:
    """Add flow and occlusion, with one frame of look-ahead."""
    count = job.trajectory.frame_count
    if not job.labels & MOTION_LABELS:
        for i in range(count):
            still = exposer.draw(i)
            yield Frame(still.rgb, **_asked(still.labels, job.labels))
        return
    before: Still | None = None
    now = exposer.draw(0)
    for i in range(count):
        after = exposer.draw(i + 1) if i + 1 < count else None
        made: dict[str, NDArray[Any]] = {}
        for name, j, other in (("forward", i + 1, after), ("backward", i - 1, before)):
            shift, z = _motion(now, other, job, (i, j), workers)
            if "flow" in job.labels:
                made[f"flow_{name}"] = shift
            if "occlusion" in job.labels:
                made[f"occluded_{name}"] = _hidden(now, other, (shift, z), workers)
        yield Frame(now.rgb, **_asked(now.labels, job.labels), **made)
        if after is not None:
            before, now = now, after


def _motion(
    now: Still, other: Still | None, job: Job, frames: tuple[int, int], workers: Workers
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Flow from the first to the second of two frames, and the depth there; NaN without a second."""
    depth, ids = now.labels["depth"], now.labels["ids"]
    if other is None:
        return np.full((*depth.shape, 2), np.nan, np.float32), np.full(depth.shape, np.nan, np.float32)
    return flow(depth, ids, job.camera, job.trajectory, frames, workers)


def _hidden(
    now: Still, other: Still | None, moved: tuple[NDArray[np.float32], NDArray[np.float32]], workers: Workers
) -> NDArray[np.bool_]:
    """What of a frame is hidden in another; nothing without one. ``moved`` is from ``_motion``."""
    ids = now.labels["ids"]
    if other is None:
        return np.zeros(ids.shape, np.bool_)
    return occluded(*moved, ids, other.labels["depth"], other.labels["ids"], workers)


def _asked(made: dict[str, NDArray[Any]], labels: frozenset[str]) -> dict[str, NDArray[Any]]:
    """The arrays that the labels stand for."""
    return {name: array for name, array in made.items() if name in arrays_of(labels)}
