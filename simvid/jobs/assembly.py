"""Putting a clip folder together from the results of its stages."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from simvid import __version__
from simvid.assets.parts import SceneAssets
from simvid.checking.receipts.receipt import receipt_of
from simvid.clip import Clip
from simvid.clips.digests import changed_files, content_hash, file_record
from simvid.clips.folders import link_or_copy, new_folder, sweep
from simvid.clips.overview import View, write_overview
from simvid.clips.records import (
    CLIP_FILE,
    TRAJECTORY_FILE,
    CameraRecord,
    CategoryRecord,
    CheckFile,
    CheckRecord,
    ClipRecord,
    ConditionRecord,
    FileRecord,
    OriginRecord,
    PartRecord,
    RefinedRecord,
    SuccessRecord,
    read_record,
    write_record,
)
from simvid.clips.stage_store import Stage
from simvid.clips.writing import array_names
from simvid.errors import ClipError
from simvid.frames import LABEL_ARRAYS
from simvid.jobs.asset_records import asset_records, needs_its_folder
from simvid.jobs.job import CHECKS_FILE, CONTACTS_FILE, Job
from simvid.rendering.traced import tracer_version
from simvid.scene import Camera, DepthSensor, Refine
from simvid.success import outcomes
from simvid.surfaces.meshes import part_boxes_m
from simvid.trajectory import Trajectory

HASH_DIGITS = 8
SHEET_FILE = "contact_sheet.png"
TOOLS = ("numpy", "newton", "warp-lang", "mujoco", "numba", "av", "pydantic", "trimesh", "coacd")
SETTINGS_FILE = "settings.json"


@dataclass(frozen=True, eq=False)
class Results:
    """The stages of a clip: physics, and per camera the frames, the refined pictures and the self-checks."""

    physics: Stage
    rendered: Mapping[str, Stage]
    refined: Mapping[str, Stage]
    checked: Mapping[str, Stage]

    def checks(self) -> tuple[CheckRecord, ...]:
        """The self-checks of all cameras."""
        files = [read_record(stage.path / CHECKS_FILE, CheckFile) for stage in self.checked.values()]
        return tuple(check for file in files for check in file.checks)


def clip_folder(job: Job) -> Path:
    """``OUT/NAME-HASH8``; more digits where another clip has taken these."""
    for digits in (HASH_DIGITS, 16):
        folder = job.out / f"{job.scene.name}-{job.input_hash[:digits]}"
        try:
            if Clip.open(folder).record.input_hash == job.input_hash:
                return folder
        except ClipError:
            return folder
    return job.out / f"{job.scene.name}-{job.input_hash}"


def existing_clip(job: Job) -> Clip | None:
    """The clip of these very inputs, if it is there and whole."""
    sweep(job.out)
    folder = clip_folder(job)
    if not folder.is_dir():
        return None
    try:
        clip = Clip.open(folder)
    except ClipError:
        return None
    return clip if not changed_files(folder, clip.record.files, folder / CLIP_FILE) else None


def write_clip(job: Job, results: Results) -> Clip:
    """Link the files of all stages into one folder, draw the contact sheet, and describe it all in ``clip.json``."""
    started = time.perf_counter()
    job.reporter.begin("writing", None)
    trajectory = job.trajectory(results.physics)
    final = clip_folder(job)
    with new_folder(final, replace=lambda: job.force or existing_clip(job) is None) as folder:
        files: dict[str, FileRecord] = {}
        tables = () if "contacts" in job.scene.labels else (CONTACTS_FILE,)
        _link(results.physics, folder, files, "", skip=tables)
        for camera, stage in results.rendered.items():
            _link(stage, folder, files, f"cameras/{camera}/", skip=_for_refiner_alone(job, stage))
            _link(results.checked[camera], folder, files, f"cameras/{camera}/")
        refined = _link_refined(job, results, folder, files)
        if results.rendered:
            _draw_overview(job, results, trajectory, folder / SHEET_FILE)
            files[SHEET_FILE] = file_record(folder / SHEET_FILE, "preview")
        record = _record(job, results, trajectory, refined, files, final)
        write_record(folder / CLIP_FILE, record)
    job.reporter.end("writing", time.perf_counter() - started, False)
    return Clip.open(final)


def _draw_overview(job: Job, results: Results, trajectory: Trajectory, path: Path) -> None:
    scene = job.scene
    name = refined_name(scene.refine)
    refined = {camera: {name: stage.path / "rgb.npz"} for camera, stage in results.refined.items()}
    views = [
        View(camera, stage.path, trajectory.fps, refined.get(camera, {}), job.unasked)
        for camera, stage in results.rendered.items()
    ]
    title = f"{scene.name}: {scene.description}" if scene.description else scene.name
    facts = (
        f"{trajectory.frame_count} frames at {trajectory.fps:g} fps",
        f"physics {job.physics.backend}",
        f"renderer {scene.render}",
    )
    write_overview(path, title, facts, trajectory.parts, views)


def _for_refiner_alone(job: Job, stage: Stage) -> set[str]:
    """Files of a camera that the clip does not hold: arrays, and pictures of labels, that the scene did not ask for."""
    extra = job.unasked
    pictures = {n: Path(n).stem for n in stage.record.files if n.startswith("labels/")}
    drawn = {n for n, shown in pictures.items() if LABEL_ARRAYS.get(shown, (shown,))[0] in extra}
    return {f"{name}.npz" for name in extra} | drawn


def _link(stage: Stage, folder: Path, files: dict[str, FileRecord], prefix: str, skip: Collection[str] = ()) -> None:
    for name, file in stage.record.files.items():
        if name not in skip:
            link_or_copy(stage.path / name, folder / prefix / name)
            files[prefix + name] = file


def _link_refined(job: Job, results: Results, folder: Path, files: dict[str, FileRecord]) -> tuple[RefinedRecord, ...]:
    """``refined/NAME/CAMERA.npz``, ``CAMERA.mp4`` and ``settings.json``."""
    if job.refiner is None or not results.refined:
        return ()
    name = refined_name(job.scene.refine)
    record = RefinedRecord(
        name=name,
        refiner=job.refiner.record,
        look=job.scene.refine.look,
        seed=job.scene.seed,
        cameras=tuple(results.refined),
        keys={camera: stage.record.key for camera, stage in results.refined.items()},
        coarse=None if job.coarse is None else job.coarse.record,
    )
    link_refined(record, results.refined, folder / "refined" / name)
    files.update(refined_files(record, results.refined, folder))
    return (record,)


def link_refined(record: RefinedRecord, stages: Mapping[str, Stage], folder: Path) -> None:
    """Fill the folder of one refinement."""
    for camera, stage in stages.items():
        for name in stage.record.files:
            link_or_copy(stage.path / name, folder / f"{camera}{Path(name).suffix}")
    write_record(folder / SETTINGS_FILE, record)


def refined_files(record: RefinedRecord, stages: Mapping[str, Stage], clip: Path) -> dict[str, FileRecord]:
    """Records of the files of one refinement, by their path in the clip."""
    prefix = f"refined/{record.name}"
    files = {
        f"{prefix}/{camera}{Path(name).suffix}": file
        for camera, stage in stages.items()
        for name, file in stage.record.files.items()
    }
    files[f"{prefix}/{SETTINGS_FILE}"] = file_record(clip / prefix / SETTINGS_FILE, "record")
    for picture in sorted((clip / prefix).glob("*.png")):
        files[f"{prefix}/{picture.name}"] = file_record(picture, "preview")
    return files


def refined_name(refine: Refine) -> str:
    """``identity``; with a look other than the default, ``NAME-LOOK``."""
    name = Path(refine.refiner).stem
    return name if refine.look == "as_rendered" else f"{name}-{refine.look}"


def _record(
    job: Job,
    results: Results,
    trajectory: Trajectory,
    refined: tuple[RefinedRecord, ...],
    files: dict[str, FileRecord],
    final: Path,
) -> ClipRecord:
    scene = job.scene
    cameras = tuple(_camera(job, trajectory, name, stage) for name, stage in results.rendered.items())
    return ClipRecord(
        name=scene.name,
        description=scene.description,
        input_hash=job.input_hash,
        content_hash=content_hash(files),
        fps=trajectory.fps,
        frame_count=trajectory.frame_count,
        seed=scene.seed,
        sample_index=job.sample_index,
        sampled=dict(job.sampled),
        scene=scene.model_dump(mode="json", exclude_unset=True),
        scene_file=Path(scene._file).name,
        scene_base=os.path.relpath(Path(scene._base).resolve(), final.resolve()) if needs_its_folder(scene) else None,
        replayed_from=_origin(job),
        physics=job.physics,
        parts=tuple(_parts(job.assets, trajectory)),
        categories=tuple(CategoryRecord(id=k, name=name) for k, name in enumerate(trajectory.categories(), start=1)),
        cameras=cameras,
        refined=refined,
        stages=tuple(job.done),
        assets=tuple(asset_records(scene)),
        tools=_tools(),
        checks=results.checks(),
        success=_success(job.assets, trajectory),
        receipt=receipt_of(job.assets, trajectory, results.physics.record.files[TRAJECTORY_FILE].digest),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        files=files,
    )


def _origin(job: Job) -> OriginRecord | None:
    if job.origin is None:
        return None
    trajectory = str(job.origin.record.files[TRAJECTORY_FILE].digest)
    return OriginRecord(clip=job.origin.path.name, content_hash=job.origin.content_hash, trajectory=trajectory)


def _success(assets: SceneAssets, trajectory: Trajectory) -> SuccessRecord | None:
    """How the scene's predicates stand at the last frame."""
    found = outcomes(assets, trajectory)
    if not found:
        return None
    conditions = tuple(
        ConditionRecord(text=o.text(), true=o.true, found=o.found, since_frame=o.since_frame) for o in found
    )
    return SuccessRecord(succeeded=all(o.true for o in found), conditions=conditions)


def _camera(job: Job, trajectory: Trajectory, name: str, stage: Stage) -> CameraRecord:
    assert job.renderer is not None, "a camera was rendered"
    view = job.scene.view(name)
    assert view is not None, "it is a camera of the scene"
    path = job.camera_path(view, trajectory)
    k = [tuple(float(v) for v in row) for row in path.K]
    return CameraRecord(
        name=name,
        width=path.width,
        height=path.height,
        K=(k[0], k[1], k[2]),  # type: ignore[arg-type]  # three rows of three
        lens=path.lens.kind,
        distortion=path.lens.distortion,
        **sensor_record(view, job.scene.labels),
        folder=f"cameras/{name}",
        arrays=tuple(name for name in array_names(stage.record.files) if name not in job.unasked),
        renderer=job.renderer.record,
        tracer=tracer_version(job.drawn.scene.labels),
    )


def sensor_record(view: Camera, labels: Collection[str]) -> dict[str, Any]:
    """What the record of a camera says besides its lens."""
    parts: dict[str, BaseModel | None] = {"shutter": view.shutter, "focus": view.focus, "sensor": view.sensor}
    if "depth_sensor" in labels:
        parts["depth_sensor"] = view.depth_sensor or DepthSensor()
    found: dict[str, Any] = {k: None if v is None else v.model_dump(mode="json") for k, v in parts.items()}
    if view._beside_m:
        found["stereo_left"] = f"{view.name.removesuffix('_right')}_left"
        found["baseline_m"] = view._beside_m
    return {**found, "rig": view.rig}


def _parts(assets: SceneAssets, trajectory: Trajectory) -> Iterator[PartRecord]:
    """The id table."""
    semantic = trajectory.semantic_ids()
    for k, (part, box) in enumerate(zip(trajectory.parts, part_boxes_m(assets.parts), strict=True)):
        mass = float(trajectory.masses_kg[k]) if len(trajectory.masses_kg) else float("inf")
        yield PartRecord(
            id=k + 1,
            name=part.name,
            instance=part.instance,
            instance_id=part.instance_id,
            kind=part.kind,
            category=part.category,
            category_id=int(semantic[k + 1]),
            fixed=part.fixed,
            mass_kg=mass if np.isfinite(mass) else None,
            box_m=None if np.isnan(box).any() else (tuple(box[0].tolist()), tuple(box[1].tolist())),
        )


@cache
def _tools() -> dict[str, str]:
    """Versions; looked up once, as each look leaves something behind."""
    found = {"simvid": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for name in TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
