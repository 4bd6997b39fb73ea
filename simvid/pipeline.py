"""The arrows in a row: scene -> trajectory -> frames -> refined pictures -> clip. Each may be taken alone."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.clip import Clip
from simvid.errors import CheckWarning, ClipError, PhysicsError, SceneError
from simvid.frames import Frames
from simvid.jobs.assembly import Results, existing_clip, write_clip
from simvid.jobs.backends import engine_of, refiner_of, renderer_of
from simvid.jobs.job import Job
from simvid.jobs.preflight import prepared
from simvid.jobs.stage_inputs import physics_changes
from simvid.parsing import load_scene
from simvid.physics.base import Batching
from simvid.progress import SILENCE, Reporter
from simvid.randomize import as_written, sample
from simvid.rendering.camera import camera_path
from simvid.rendering.inside import check_camera
from simvid.scene import Mount, Scene
from simvid.trajectory import Trajectory

MountT = TypeVar("MountT", bound=Mount)
Until: TypeAlias = Literal["physics", "rendering", "refining"]


def run(
    scene: Scene | str | Path,
    out: str | Path = "out",
    *,
    frames: int | None = None,
    sample_index: int | None = None,
    until: Until = "refining",
    trajectory: Trajectory | Clip | None = None,
    force: bool = False,
    reporter: Reporter = SILENCE,
) -> Clip:
    """Make a clip, or find it: results that are there already, for the same inputs, are used again.

    Args:
        scene: a scene, or the name or path of one.
        out: folder that the clip's folder goes into.
        frames: only the first so many, 2 at least.
        sample_index: which draw, where the scene has ``randomize``; None runs it as it is written.
        until: the last stage to run.
        trajectory: physics that is known already; a clip's is seen again, and the new clip says where it comes from.
        force: run every stage even if its result is there.
        reporter: told how it goes on.

    Raises:
        SceneError: everything that is wrong with the scene, before any long work.
        SimvidError: a stage failed. Nothing half-written is left.

    Warns:
        CheckWarning: a self-check failed, or the motion broke a law of physics. The clip is there all the same, with
            the check or the receipt in its record.
    """
    return _warned(finished(planned(scene, out, frames, sample_index, until, trajectory, force, reporter)))


def planned(
    scene: Scene | str | Path,
    out: str | Path,
    frames: int | None,
    sample_index: int | None,
    until: Until,
    trajectory: Trajectory | Clip | None = None,
    force: bool = False,
    reporter: Reporter = SILENCE,
) -> Job:
    """The job of one clip, with its files read and checked; arguments as for ``run``.

    Raises:
        SceneError: everything that is wrong with the scene.
    """
    started = time.perf_counter()
    reporter.begin("assets", None)
    whole = _scene(scene)
    drawn, sampled = (as_written(whole), {}) if sample_index is None else sample(whole, sample_index)
    drawn = first_frames(drawn, frames)  # only now: what is drawn is checked against the whole scene
    origin = trajectory if isinstance(trajectory, Clip) else None
    if origin is not None:
        sampled, sample_index = origin.record.sampled, origin.record.sample_index
    known = trajectory.trajectory if isinstance(trajectory, Clip) else trajectory
    assets = prepared(drawn)
    if known is not None:
        _fits(known, assets)
    if origin is not None:
        _same_physics(origin, drawn)
    job = Job(assets, Path(out), until, sampled, sample_index or 0, known, force, reporter, origin)
    reporter.end("assets", time.perf_counter() - started, False)
    return job


def finished(job: Job) -> Clip:
    """Run the stages of a job whose results are not there yet, and put its clip together; or find it."""
    scene = job.scene
    if not job.force and (clip := existing_clip(job)) is not None:
        job.reporter.found(clip.path)
        return clip
    with job.compiling_ahead():
        physics = job.simulate()
        rendered = {c.name: job.render(c, physics) for c in scene.views} if job.until != "physics" else {}
    refining = job.until == "refining"
    refined = {c.name: job.refine(c, physics, rendered[c.name]) for c in scene.views} if refining else {}
    checked = {
        c.name: job.check(c, physics, rendered[c.name], refined.get(c.name)) for c in scene.views if c.name in rendered
    }
    return write_clip(job, Results(physics, rendered, refined, checked))


def _warned(clip: Clip) -> Clip:
    """The clip, with a warning to the caller of ``run`` for each self-check that failed and each broken law."""
    for check in clip.failed_checks:
        warnings.warn(CheckWarning(f"{clip.path}: {check.line()}"), stacklevel=3)
    for law in clip.broken_laws:
        warnings.warn(CheckWarning(f"{clip.path}: physics: {law.line()}"), stacklevel=3)
    return clip


def simulate(scene: Scene | str | Path, reporter: Reporter = SILENCE) -> Trajectory:
    """Scene -> Trajectory.

    Raises:
        SceneError: everything that is wrong with the scene.
        PhysicsError: the simulation diverged; the text names body, time and remedy.
    """
    drawn = as_written(_scene(scene))
    assets = prepared(drawn)
    reporter.begin("physics", drawn.frame_count)
    return engine_of(drawn).use.simulate(assets, lambda done, _: reporter.advance("physics", done))


def simulate_many(scene: Scene | str | Path, samples: Iterable[int]) -> Iterator[Trajectory]:
    """Samples of a randomized scene -> their trajectories, in order and as they come.

    Each is to the last bit that of ``simulate`` on the same sample. What samples share is done once: files are read and
    the engine's model is built once for all that differ only in starts, speeds, masses and friction. Cameras and
    renderers are checked on the first sample only.

    Args:
        scene: with ``randomize``.
        samples: which draws, from 0; as ``--sample`` of the command line.

    Raises:
        SceneError: the scene randomizes nothing, or its engine; or a sample is impossible: the text says which it was.
        PhysicsError: the simulation of a sample diverged; those before it have been given.
    """
    whole = _scene(scene)
    if not whole.randomize:
        raise SceneError(f"samples: expected a scene that randomizes something, got {whole.name}; use simulate for it")
    if "physics.engine" in whole.randomize:
        raise SceneError(f"{whole.where('randomize')}: samples run together need one engine; leave out physics.engine")
    return _simulated(whole, iter(samples))


def _simulated(whole: Scene, samples: Iterator[int]) -> Iterator[Trajectory]:
    """The trajectories of samples."""

    at = 0

    def worlds() -> Iterator[SceneAssets]:
        nonlocal at
        for n, at in enumerate(samples):
            yield prepared(sample(whole, at)[0], seen=n == 0)

    engine = engine_of(whole).use
    try:
        if isinstance(engine, Batching):
            yield from engine.simulate_many(worlds())
        else:
            yield from (engine.simulate(world) for world in worlds())
    except (SceneError, PhysicsError) as error:
        raise type(error)(f"sample {at}: {error}") from error


def render(scene: Scene | str | Path, trajectory: Trajectory, camera: str) -> Frames:
    """Scene, Trajectory -> Frames of one camera, with the labels that the scene asks for.

    Raises:
        SceneError: no such camera, or it gets into something solid.
    """
    drawn = as_written(_scene(scene))
    view = drawn.view(camera)
    if view is None:
        raise SceneError(f"camera: expected one of {', '.join(c.name for c in drawn.views)}, got {camera!r}")
    assets = prepared(drawn)
    path = camera_path(view, drawn, trajectory)
    check_camera(path, assets, trajectory)
    return Frames.stack(path, renderer_of(drawn).frames(assets, trajectory, path))


def refine(frames: Frames, refiner: str = "identity", look: str = "as_rendered", seed: int = 0) -> NDArray[np.uint8]:
    """Frames -> refined pictures, sRGB uint8 [T, H, W, 3].

    Args:
        frames: with the labels that the refiner reads.
        refiner: an entry of the ``refiners/`` shelf, or the path of one.
        look: one that the refiner knows.
        seed: equal seeds give equal pictures.

    Raises:
        SceneError: no such refiner or look.
    """
    chosen = refiner_of(refiner, Path())
    coarse = (frames[i] for i in range(len(frames)))
    return np.stack(list(chosen.use.refine(coarse, look=look, seed=seed)))


def first_frames(scene: Scene, count: int | None) -> Scene:
    """The scene, shorter: its first ``count`` frames are those of the whole, orbits included.

    Raises:
        SceneError: fewer than two frames.
    """
    if count is None or count == scene.frame_count:
        return scene
    if not 2 <= count <= scene.frame_count:
        raise SceneError(f"frames: expected 2 to {scene.frame_count}, all that the scene has, got {count}")
    duration_s = (count - 1) / scene.fps
    share = duration_s / scene.duration_s
    cameras = tuple(_shorter(camera, share) for camera in scene.cameras)
    rigs = tuple(_shorter(rig, share) for rig in scene.rigs)
    return scene.model_copy(update={"duration_s": duration_s, "cameras": cameras, "rigs": rigs})


def _shorter(camera: MountT, share: float) -> MountT:
    """The camera on a share of the clip: an orbit turns by as much less."""
    if camera.orbit is None:
        return camera
    orbit = camera.orbit.model_copy(update={"sweep_deg": camera.orbit.sweep_deg * share})
    return camera.model_copy(update={"orbit": orbit})


def _fits(trajectory: Trajectory, assets: SceneAssets) -> None:
    """Refuse a trajectory of other parts or another length."""
    wanted = tuple(p.part for p in assets.parts)
    if trajectory.parts != wanted:
        odd = sorted({p.name for p in trajectory.parts} ^ {p.name for p in wanted}) or ["their order or kind"]
        raise ClipError(f"the trajectory does not have the parts of the scene; they differ in {', '.join(odd[:5])}")
    if trajectory.frame_count != assets.scene.frame_count or trajectory.fps != assets.scene.fps:
        raise ClipError(
            f"the trajectory has {trajectory.frame_count} frames at {trajectory.fps:g} fps, "
            f"the scene {assets.scene.frame_count} at {assets.scene.fps:g}; expected the same"
        )


def _same_physics(origin: Clip, scene: Scene) -> None:
    """Refuse a scene that would move otherwise than the clip whose trajectory it is given."""
    if changed := physics_changes(origin.scene, scene):
        raise SceneError(
            f"{', '.join(changed[:5])}: cannot be changed without new physics, and the motion is that of "
            f"{origin.path.name}; leave it out, or run the scene"
        )


def _scene(scene: Scene | str | Path) -> Scene:
    return scene if isinstance(scene, Scene) else load_scene(scene)
