"""The coarse pass: what a refiner is given. The clip's own frames, or the same motion drawn again for it.

It is drawn again where a look reaches the refiner as light, and where the clip lacks a label that the refiner reads.
Nothing moves: depth, ids and flow of such a pass are those of the clip, so that its labels hold for the refined video.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from simvid.assets.parts import SceneAssets
from simvid.assets.prepare import prepare
from simvid.catalogue import hint
from simvid.clip import Clip
from simvid.clips.records import TRAJECTORY_FILE, CoarseRecord, RefinedRecord
from simvid.clips.stage_store import Stage, StageStore, StageWork
from simvid.clips.writing import Progress, View, write_camera
from simvid.errors import SceneError, SimvidError
from simvid.frames import LABEL_ARRAYS, CameraPath, arrays_of
from simvid.jobs.backends import ChosenRefiner, ChosenRenderer, renderer_of
from simvid.jobs.label_files import watchers_of
from simvid.jobs.stage_inputs import render_inputs
from simvid.progress import Reporter
from simvid.refining.base import ClipContext, ListeningRefiner, Refiner
from simvid.rendering.light.environment import environment_of
from simvid.rendering.light.summary import summarise
from simvid.rendering.traced import tracer_version
from simvid.scene import Label, LookName, Scene
from simvid.trajectory import Trajectory

AS_RENDERED = "as_rendered"
LOOKS: tuple[LookName, ...] = get_args(LookName)
SPLATS = "cpu"
"""Draws the coarse pass where the scene's own renderer cannot."""


@dataclass(frozen=True)
class Asked:
    """How a look reaches a refiner.

    Attributes:
        light: the coarse pass is drawn under this look; None leaves the scene's light.
        told: what the refiner is told.
    """

    light: LookName | None
    told: str


def asked_of(chosen: ChosenRefiner, look: str, seed: int = 0) -> Asked:
    """What a look means to a refiner.

    Raises:
        SceneError: it does not know the look; the text lists those it does.
    """
    known: dict[str, LookName] = {name: name for name in LOOKS}
    if chosen.use.looks_are_light and look in known:
        return Asked(known[look], AS_RENDERED)
    if chosen.use.looks_are_light and look != AS_RENDERED:
        names: dict[str, None] = dict.fromkeys((str(AS_RENDERED), *LOOKS))
        raise SceneError(f"the refiner {chosen.record.entry!r} knows no look {look!r}\n  hint: {hint(look, names)}")
    chosen.use.refine(iter(()), look=look, seed=seed)
    return Asked(None, look)


def labels_for(reads: Iterable[str]) -> tuple[Label, ...]:
    """Labels of the scene language that bring the arrays which a refiner reads.

    Raises:
        SimvidError: an array that no label brings.
    """
    found: dict[Label, None] = {}
    for name in reads:
        if name == "rgb":
            continue
        bringing = [label for label in get_args(Label) if name in LABEL_ARRAYS[label]]
        if not bringing:
            raise SimvidError(f"the refiner reads {name!r}, which no label brings; there are {', '.join(LABEL_ARRAYS)}")
        found[bringing[0]] = None
    return tuple(found)


def with_labels(assets: SceneAssets, reads: Iterable[str]) -> SceneAssets:
    """The scene, with the labels added that a refiner reads and the scene does not ask for."""
    labels = assets.scene.labels
    more = labels_for(name for name in reads if name not in arrays_of(labels))
    return _changed(assets, assets.scene.model_copy(update={"labels": (*labels, *more)})) if more else assets


def drawable(assets: SceneAssets, renderer: ChosenRenderer) -> bool:
    """Whether a renderer makes all that a scene asks for."""
    return not renderer.use.faults(assets)


@dataclass(frozen=True, eq=False)
class CoarsePass:
    """A scene as a refiner is to see it: its look, no labels but those that the refiner reads, and who draws it."""

    assets: SceneAssets
    renderer: ChosenRenderer

    @property
    def record(self) -> CoarseRecord:
        """For the clip's record."""
        scene = self.assets.scene
        return CoarseRecord(look=scene.look, renderer=self.renderer.record, tracer=tracer_version(scene.labels))


def coarse_pass(assets: SceneAssets, reads: Iterable[str], light: LookName | None) -> CoarsePass:
    """What is drawn for a refiner, by the scene's renderer or, where that cannot, by ``cpu``.

    A look takes the place of the scene's look and of its lights.

    Raises:
        SceneError: neither can draw it.
    """
    changes = {"labels": labels_for(reads), **({} if light is None else {"look": light, "lights": ()})}
    changed = _changed(assets, assets.scene.model_copy(update=changes))
    own = renderer_of(changed.scene)
    if drawable(changed, own):
        return CoarsePass(changed, own)
    plain = _changed(changed, changed.scene.model_copy(update={"render": SPLATS}))
    splats = renderer_of(plain.scene)
    if faults := splats.use.faults(plain):
        raise SceneError("\n".join(faults))
    return CoarsePass(plain, splats)


def pass_of_clip(clip: Clip, chosen: ChosenRefiner, asked: Asked) -> CoarsePass | None:
    """What must be drawn for a refiner from a clip's motion; None where the clip's own frames have all that it reads.

    Raises:
        SceneError: the scene's files are no longer there, or it cannot be drawn.
    """
    lacking = any(set(chosen.use.reads) - set(clip.arrays(c.name)) for c in clip.record.cameras)
    if asked.light is None and not lacking:
        return None
    return coarse_pass(prepare(clip.scene), chosen.use.reads, asked.light)


def pass_of_refinement(clip: Clip, record: RefinedRecord) -> CoarsePass | None:
    """What a refinement was made from, in colour alone; None where that is the clip's own frames.

    Raises:
        SceneError: the scene's files are no longer there, or it cannot be drawn.
    """
    if record.coarse is None:
        return None
    splats = {"render": SPLATS} if record.coarse.renderer.entry == SPLATS else {}
    known: dict[str | None, LookName] = {name: name for name in LOOKS}
    own = record.coarse.look == clip.scene.look != record.look
    light = None if own else known.get(record.coarse.look)
    return coarse_pass(prepare(clip.scene.model_copy(update=splats)), (), light)


def drawn_of_clip(clip: Clip, camera: str, store: StageStore, again: CoarsePass, reporter: Reporter) -> Stage:
    """The coarse pass of one camera, from the clip's own motion; made, or found in the store."""
    stage, started = f"rendering {camera} for refining", time.perf_counter()
    motion = str(clip.record.files[TRAJECTORY_FILE].digest)
    inputs = render_inputs(again.assets, camera, again.renderer.record, motion)
    reporter.begin(stage, clip.frame_count)

    def make(work: StageWork) -> None:
        told = lambda done: reporter.advance(stage, done)  # noqa: E731
        write_frames(work, again.assets, again.renderer, clip.trajectory, clip.cameras[camera], told)

    found, reused = store.get("frames", inputs, camera, make)
    reporter.end(stage, time.perf_counter() - started, reused)
    return found


def told_of_clip(use: Refiner, clip: Clip, camera: str, drawn: CoarsePass | None) -> tuple[Refiner, str | None]:
    """The refiner, told of one camera of a clip if it listens, and the digest of what it was told."""
    if not isinstance(use, ListeningRefiner):
        return use, None
    scene, renderer = (clip.scene, renderer_of(clip.scene)) if drawn is None else (drawn.assets.scene, drawn.renderer)
    path = clip.cameras[camera]
    light = light_numbers(scene, renderer, path)
    context = ClipContext(clip.scene.description, path, clip.trajectory, light)
    return use.in_clip(context), context.digest()


def write_frames(
    work: StageWork, assets: SceneAssets, renderer: ChosenRenderer, trajectory: Trajectory, camera: CameraPath,
    told: Progress,
) -> None:  # fmt: skip
    """Draw one camera of a scene into a stage's folder."""
    watchers = watchers_of(assets.scene.labels, assets, trajectory, camera)
    view = View(camera, trajectory.parts, trajectory.fps, watchers)
    work.files.update(write_camera(work.folder, view, renderer.frames(assets, trajectory, camera), told))


def light_numbers(scene: Scene, renderer: ChosenRenderer, camera: CameraPath) -> tuple[float, ...]:
    """The light of a scene as refiners are told of it: at the world's origin, as the first frame's camera sees it."""
    exposure = renderer.record.settings.get("exposure", 1.0)
    environment = environment_of(scene, exposure=float(exposure) if isinstance(exposure, int | float) else 1.0)
    return summarise(environment, np.zeros(3)).numbers(camera.world_from_camera[0])


def _changed(assets: SceneAssets, scene: Scene) -> SceneAssets:
    return replace(assets, scene=scene)
