"""A job: one scene on its way to a clip. Each stage is looked up in the store by what it depends on, else run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from simvid import trajectory_io
from simvid.assets.parts import SceneAssets
from simvid.checking.base import Subject
from simvid.checking.checks import self_checks
from simvid.clip import Clip
from simvid.clips.digests import file_record, hash_of
from simvid.clips.records import TRAJECTORY_FILE, Backend, CheckFile, StageRecord, write_record
from simvid.clips.stage_store import Stage, StageStore, StageWork
from simvid.clips.tables import CONTACT_COLUMNS, action_columns, action_rows, contact_rows, write_table
from simvid.clips.writing import stored_frames, write_refined
from simvid.frames import CameraPath, arrays_of
from simvid.jobs.backends import ChosenRefiner, ChosenRenderer, Engine, engine_of, refiner_of, renderer_of
from simvid.jobs.coarse import (
    Asked,
    CoarsePass,
    asked_of,
    coarse_pass,
    drawable,
    light_numbers,
    with_labels,
    write_frames,
)
from simvid.jobs.stage_inputs import Inputs, check_inputs, clip_inputs, physics_inputs, refine_inputs, render_inputs
from simvid.progress import SILENCE, Reporter
from simvid.refining.base import ClipContext, ListeningRefiner, LoadingRefiner
from simvid.rendering.ahead import Compiling, compiling
from simvid.rendering.camera import camera_path
from simvid.rendering.inside import check_camera
from simvid.scene import Camera, Scene
from simvid.trajectory import Trajectory

Make: TypeAlias = Callable[[StageWork], None]
CONTACTS_FILE, CHECKS_FILE = "contacts.csv", "checks.json"


@dataclass(eq=False)
class Job:
    """A scene with its files read, and where its clip goes.

    Attributes:
        assets: the scene, with nothing left to draw, and its files, checked.
        out: folder of the clip.
        until: the last stage to run: ``physics``, ``rendering`` or ``refining``.
        sampled, sample_index: what was drawn, and which draw it was.
        given: a trajectory that is known already; physics is not run.
        origin: the clip that it comes from, where it comes from one.
        keep: folder for the results of stages; None is beside the clip.
        force: run every stage, even where its result is there.
        reporter: told what is going on.
        done: the stages so far.
    """

    assets: SceneAssets
    out: Path
    until: str = "refining"
    sampled: Mapping[str, Any] = field(default_factory=dict)
    sample_index: int = 0
    given: Trajectory | None = None
    force: bool = False
    reporter: Reporter = SILENCE
    origin: Clip | None = None
    keep: Path | None = None
    done: list[StageRecord] = field(default_factory=list)
    _trajectory: Trajectory | None = None
    _compiling: Compiling = field(default_factory=Compiling)

    @property
    def scene(self) -> Scene:
        """With nothing left to draw."""
        return self.assets.scene

    @cached_property
    def store(self) -> StageStore:
        """Results of stages."""
        return StageStore(self.out if self.keep is None else self.keep)

    @cached_property
    def engine(self) -> Engine:
        """The physics engine."""
        return engine_of(self.scene)

    @property
    def physics(self) -> Backend:
        """What made the trajectory."""
        return self.engine.record if self.origin is None else self.origin.record.physics

    @cached_property
    def renderer(self) -> ChosenRenderer | None:
        """The renderer, if the job goes so far."""
        return renderer_of(self.scene) if self.until != "physics" else None

    @cached_property
    def refiner(self) -> ChosenRefiner | None:
        """The refiner, if the job goes so far."""
        if self.until != "refining":
            return None
        return refiner_of(self.scene.refine.refiner, Path(self.scene._base))

    @cached_property
    def asked(self) -> Asked:
        """How the scene's look reaches its refiner."""
        assert self.refiner is not None, "the job ends before refining"
        return asked_of(self.refiner, self.scene.refine.look, self.scene.seed)

    @cached_property
    def drawn(self) -> SceneAssets:
        """The scene as its cameras draw it: with the labels that the refiner reads too, if that is given its frames."""
        if self.refiner is None or self.renderer is None or self.asked.light is not None:
            return self.assets
        more = with_labels(self.assets, self.refiner.use.reads)
        return more if more is self.assets or drawable(more, self.renderer) else self.assets

    @cached_property
    def unasked(self) -> frozenset[str]:
        """Arrays that are drawn with the scene's frames for the refiner alone: the clip does not hold them."""
        return arrays_of(self.drawn.scene.labels) - arrays_of(self.scene.labels)

    @cached_property
    def coarse(self) -> CoarsePass | None:
        """What is drawn for the refiner alone; None where it is given the clip's own frames."""
        assert self.refiner is not None, "the job ends before refining"
        reads = self.refiner.use.reads
        if self.asked.light is None and not set(reads) - arrays_of(self.drawn.scene.labels):
            return None
        return coarse_pass(self.assets, reads, self.asked.light)

    @cached_property
    def physics_inputs(self) -> Inputs:
        """What the trajectory depends on."""
        if self.given is not None:
            return {"stage": "physics", "given": trajectory_io.digest(self.given)}
        return physics_inputs(self.assets, self.engine.record)

    @cached_property
    def input_hash(self) -> str:
        """Of everything that the clip depends on, known before any stage has run."""
        stages, key = [self.physics_inputs], hash_of(self.physics_inputs)
        if self.renderer is not None:
            stages += [render_inputs(self.drawn, c.name, self.renderer.record, key) for c in self.scene.views]
        if self.refiner is not None:
            stages.append(refine_inputs(self.refiner.record, self.scene.refine.look, self.scene.seed, {}))
            if (again := self.coarse) is not None:
                views = self.scene.views
                stages += [render_inputs(again.assets, c.name, again.renderer.record, key) for c in views]
        return hash_of(clip_inputs(self.scene, stages, self.sampled))

    @contextmanager
    def compiling_ahead(self) -> Iterator[None]:
        """Compile the renderer's code on another core while physics runs, if both are still to be done."""
        simulated = self.given is not None or self.store.find("physics", self.physics_inputs, "") is not None
        if self.renderer is None or not self.renderer.compiles or (simulated and not self.force):
            yield
            return
        with compiling(self.renderer.record.backend) as self._compiling:
            yield

    def _compiled(self) -> None:
        """Wait for the renderer's code; what the refiner imports is imported meanwhile."""
        if self._compiling.running():
            started = time.perf_counter()
            self.reporter.begin("compiling (first run only)", None)
            if self.refiner is not None and isinstance(self.refiner.use, LoadingRefiner):
                self.refiner.use.load()
            self._compiling.wait()
            self.reporter.end("compiling (first run only)", time.perf_counter() - started, False)

    def simulate(self) -> Stage:
        """Scene -> trajectory."""

        def make(work: StageWork) -> None:
            trajectory = self.given if self.given is not None else self._simulated()
            write_trajectory(work, trajectory)

        return self._stage("physics", "physics", self.physics_inputs, "", make)

    def _simulated(self) -> Trajectory:
        return self.engine.use.simulate(self.assets, lambda done, _: self.reporter.advance("physics", done))

    def render(self, camera: Camera, physics: Stage) -> Stage:
        """Trajectory -> frames of one camera."""
        assert self.renderer is not None, "the job ends before rendering"
        return self._frames(f"rendering {camera.name}", self.drawn, self.renderer, camera, physics)

    def _frames(
        self, stage: str, assets: SceneAssets, renderer: ChosenRenderer, camera: Camera, physics: Stage
    ) -> Stage:  # fmt: skip
        digest = str(physics.record.files[TRAJECTORY_FILE].digest)
        inputs = render_inputs(assets, camera.name, renderer.record, digest)
        self._compiled()

        def make(work: StageWork) -> None:
            trajectory = self.trajectory(physics)
            path = self.camera_path(camera, trajectory)
            write_frames(work, assets, renderer, trajectory, path, lambda done: self.reporter.advance(stage, done))

        return self._stage(stage, "frames", inputs, camera.name, make)

    def refine(self, camera: Camera, physics: Stage, rendered: Stage) -> Stage:
        """Frames -> refined pictures of one camera."""
        refiner, stage, again = self.refiner, f"refining {camera.name}", self.coarse
        assert refiner is not None and self.renderer is not None, "the job ends before refining"  # noqa: PT018
        given, scene, renderer = rendered, self.scene, self.renderer
        if again is not None:
            scene, renderer = again.assets.scene, again.renderer
            given = self._frames(f"rendering {camera.name} for refining", again.assets, renderer, camera, physics)
        look, seed, frames = self.asked.told, self.scene.seed, self.scene.frame_count
        names = ("rgb", *refiner.use.reads)
        digests = {name: str(given.record.files[f"{name}.npz"].digest) for name in names}
        use, told = refiner.use, None
        if isinstance(use, ListeningRefiner):
            trajectory = self.trajectory(physics)
            path = camera_path(camera, self.scene, trajectory)
            light = light_numbers(scene, renderer, path)
            context = ClipContext(self.scene.description, path, trajectory, light)
            use, told = use.in_clip(context), context.digest()

        def make(work: StageWork) -> None:
            coarse = stored_frames(given.path, names, range(frames))
            pictures = use.refine(coarse, look=look, seed=seed)
            width, height = camera.resolution_px
            work.files.update(
                write_refined(
                    work.folder, (frames, height, width), self.scene.fps, pictures,
                    lambda done: self.reporter.advance(stage, done),
                )
            )  # fmt: skip

        inputs = refine_inputs(refiner.record, look, seed, digests, told)
        return self._stage(stage, "refined", inputs, camera.name, make)

    def check(self, camera: Camera, physics: Stage, rendered: Stage, refined: Stage | None) -> Stage:
        """Frames and refined pictures -> how their self-checks went."""
        key = None if refined is None else refined.record.key
        inputs = check_inputs(camera.name, rendered.record.key, key)
        videos = {} if refined is None else {"refined": refined.path / "rgb.mp4"}

        def make(work: StageWork) -> None:
            trajectory = self.trajectory(physics)
            subject = Subject(camera.name, rendered.path, rendered.record.files, self.assets, trajectory, videos)
            path = work.folder / CHECKS_FILE
            write_record(path, CheckFile(checks=self_checks(subject)))
            work.files[CHECKS_FILE] = file_record(path, "record")

        return self._stage(f"checking {camera.name}", "checks", inputs, camera.name, make)

    def trajectory(self, physics: Stage) -> Trajectory:
        """The trajectory of a physics stage, read once."""
        if self._trajectory is None:
            self._trajectory = trajectory_io.load(physics.path / TRAJECTORY_FILE)
        return self._trajectory

    def camera_path(self, camera: Camera, trajectory: Trajectory) -> CameraPath:
        """Where a camera stands.

        Raises:
            SceneError: it gets into something solid.
        """
        path = camera_path(camera, self.scene, trajectory)
        check_camera(path, self.assets, trajectory)
        return path

    def _stage(self, stage: str, kind: str, inputs: Inputs, suffix: str, make: Make) -> Stage:
        """Find a result, or make it."""
        if self.force:
            self.store.drop(kind, inputs, suffix)
        self.reporter.begin(stage, self.scene.frame_count)
        started = time.perf_counter()
        found, reused = self.store.get(kind, inputs, suffix, make)
        self.reporter.end(stage, time.perf_counter() - started, reused)
        wall_s = found.record.wall_s
        self.done.append(StageRecord(stage=stage, key=found.record.key, reused=reused, wall_s=wall_s))
        return found


def write_trajectory(work: StageWork, trajectory: Trajectory) -> None:
    """Put a trajectory and its contact table into a stage's folder."""
    path, table = work.folder / TRAJECTORY_FILE, work.folder / CONTACTS_FILE
    digest = trajectory_io.save(trajectory, path)
    write_table(table, CONTACT_COLUMNS, contact_rows(trajectory))
    work.files[TRAJECTORY_FILE] = file_record(path, "trajectory", digest)
    work.files[CONTACTS_FILE] = file_record(table, "table")
    for robot in trajectory.robots:
        name = f"actions_{robot.name}.csv"
        write_table(work.folder / name, action_columns(robot), action_rows(trajectory, robot))
        work.files[name] = file_record(work.folder / name, "table")
