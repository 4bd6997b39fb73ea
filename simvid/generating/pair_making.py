"""One pair: coarse splat frames with all that a refiner may read, and path-traced frames of the same instants."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simvid.frames import Frames
from simvid.generating.pair_scenes import FRAMES, PairScene, generator
from simvid.jobs.backends import engine_of
from simvid.jobs.preflight import prepared
from simvid.rendering.base import RenderSettings
from simvid.rendering.camera import camera_path
from simvid.rendering.inside import check_camera
from simvid.rendering.light.environment import environment_of
from simvid.rendering.light.summary import summarise
from simvid.trajectory import Contacts, RobotMotion, Trajectory

READ = ("depth", "ids", "normals", "flow", "occlusion", "object_coords", "buffers", "surfaces",
        "traced")  # fmt: skip
"""Labels of the coarse frames that go into a pair."""


@dataclass(frozen=True, eq=False)
class Made:
    """A pair in memory.

    Attributes:
        coarse: splat frames with the labels of ``READ``.
        target: the path-traced pictures of the same instants, sRGB uint8 [T, H, W, 3].
        trajectory: of these frames.
        light: numbers of ``LightSummary``, in the first frame's camera.
        degraded: how the coarse frames were made worse, for the record.
    """

    coarse: Frames
    target: NDArray[np.uint8]
    trajectory: Trajectory
    light: tuple[float, ...]
    degraded: dict[str, float]


def window(trajectory: Trajectory, first: int, count: int) -> Trajectory:
    """Some frames of a trajectory, as one of its own; contacts and ties are those of these frames.

    Raises:
        ValueError: there are not so many frames.
    """
    if not 0 <= first <= first + count <= trajectory.frame_count:
        raise ValueError(
            f"window: expected frames within 0 to {trajectory.frame_count}, got {first} to {first + count}"
        )
    span = slice(first, first + count)
    inside = (trajectory.contacts.frame >= first) & (trajectory.contacts.frame < first + count)
    contacts = Contacts(**{name: array[inside] for name, array in vars(trajectory.contacts).items()})
    contacts = replace(
        contacts, frame=contacts.frame - np.int32(first), time_s=contacts.time_s - first / trajectory.fps
    )
    particles = tuple(
        replace(p, positions=p.positions[span], deformation=p.deformation[span]) for p in trajectory.particles
    )
    start, end = (first - 1) / trajectory.fps, (first + count - 1) / trajectory.fps
    ties = tuple(
        replace(t, time_s=t.time_s - first / trajectory.fps) for t in trajectory.ties if start < t.time_s <= end
    )
    outside = trajectory.outside
    if outside is not None:
        outside = replace(outside, **{name: array[span] for name, array in vars(outside).items()})
    return replace(
        trajectory,
        poses=trajectory.poses[span],
        twists=trajectory.twists[span],
        contacts=contacts,
        robots=tuple(_robot(robot, span, trajectory.fps) for robot in trajectory.robots),
        particles=particles,
        ties=ties,
        outside=outside,
    )


def _robot(robot: RobotMotion, span: slice, fps: float) -> RobotMotion:
    """Some frames of a robot's motion."""
    tool, actions = robot.tool, robot.actions
    if tool is not None:
        arrays = ("poses", "targets", "gripper_m", "gripper_targets_m")
        tool = replace(tool, **{name: getattr(tool, name)[span] for name in arrays})
    log = tuple((t - span.start / fps, words) for t, words in robot.log if span.start <= t * fps < span.stop)
    joints = {name: getattr(robot, name)[span] for name in ("positions", "velocities", "efforts", "targets")}
    return replace(robot, tool=tool, actions=None if actions is None else actions[span], log=log, **joints)


def degrading(drawn: PairScene, seed: int) -> dict[str, float]:
    """How coarse a pair's splats are: spacing [px], blur [px] and whether they throw shadows; drawn for the scene."""
    rng = generator(seed, "coarse", drawn.scene.name)
    blur = float(rng.uniform(0.4, 1.1)) if rng.uniform() < 0.3 else 0.0
    return {"detail_px": round(float(rng.choice([0.9, 1.1, 1.1, 1.6, 2.2, 3.0])), 2), "blur_px": round(blur, 2),
            "shadows": float(rng.uniform() < 0.85)}  # fmt: skip


def make(drawn: PairScene, seed: int, *, samples: int = 24, frames: int = FRAMES) -> Made:
    """Simulate a scene and draw its frames twice.

    Args:
        drawn: from ``pair_scene``.
        seed: of the whole set.
        samples: paths per pixel of the target.
        frames: how many.

    Raises:
        SimvidError: the scene is impossible, or its simulation diverges.
    """
    from simvid import registry
    from simvid.rendering.pathtrace.tracer import PathTracer, PathTraceSettings
    from simvid.rendering.splat_renderer import SplatRenderer

    scene = drawn.scene
    assets = prepared(scene)
    whole = engine_of(scene).use.simulate(assets, lambda *_: None)
    path = camera_path(scene.cameras[0], scene, whole)
    check_camera(path, assets, whole)
    trajectory = window(whole, drawn.first, frames)
    path = replace(path, world_from_camera=path.world_from_camera[drawn.first : drawn.first + frames])
    degraded = degrading(drawn, seed)
    settings = RenderSettings(detail_px=degraded["detail_px"], shadows=bool(degraded["shadows"]))
    splats = SplatRenderer(registry.load("rendering", "cpu"), settings)
    coarse = Frames.stack(path, splats.frames(assets, trajectory, path, READ))
    tracer = PathTracer(
        PathTraceSettings(samples=samples, max_depth=6, seed=int(generator(seed, "noise", scene.name).integers(2**32)))
    )
    target = np.stack([frame.rgb for frame in tracer.frames(assets, trajectory, path, ())])
    light = summarise(environment_of(scene), np.zeros(3)).numbers(path.world_from_camera[0])
    return Made(blurred(coarse, degraded["blur_px"]), target, trajectory, light, degraded)


def blurred(frames: Frames, sigma_px: float) -> Frames:
    """The pictures as if seen through softer splats."""
    if sigma_px == 0:
        return frames
    from scipy.ndimage import gaussian_filter

    soft = gaussian_filter(frames.rgb.astype(np.float32), sigma=(0, sigma_px, sigma_px, 0))
    return replace(frames, rgb=np.rint(soft).astype(np.uint8))
