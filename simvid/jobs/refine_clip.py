"""A further refinement of a clip that is there: into ``refined/NAME/``, which appears whole."""

from __future__ import annotations

import time
from pathlib import Path

from simvid.clip import Clip
from simvid.clips.arrays import ArrayFile
from simvid.clips.contact_sheet import Row, columns, draw_sheet, save_png
from simvid.clips.folders import new_file, new_folder, sweep
from simvid.clips.records import CLIP_FILE, RefinedRecord, content_hash, hash_of, write_record
from simvid.clips.stage_store import Stage, StageStore
from simvid.clips.writing import captions, write_refined
from simvid.errors import ClipError
from simvid.jobs.assembly import link_refined, refined_files, refined_name
from simvid.jobs.backends import ChosenRefiner, refiner_of
from simvid.jobs.stage_inputs import Inputs, refine_inputs
from simvid.progress import SILENCE, Reporter
from simvid.refining.base import ClipContext, ListeningRefiner, Refiner
from simvid.scene import Refine


def refine_clip(
    clip: Clip,
    refiner: str = "identity",
    *,
    look: str = "as_rendered",
    seed: int | None = None,
    force: bool = False,
    reporter: Reporter = SILENCE,
    store: Path | None = None,
) -> tuple[Clip, RefinedRecord]:
    """Refine all cameras of a clip and add the result to its folder.

    Args:
        clip: with the labels that the refiner reads.
        refiner: an entry of the ``refiners/`` shelf.
        look: one that the refiner knows.
        seed: None is the clip's own.
        force: replace a refinement of the same name that was made otherwise.
        reporter: told how it goes on.
        store: folder for the results of stages; None is ``.stages`` beside the clip.

    Returns:
        The clip with its new refinement, and the record of that.

    Raises:
        SceneError: no such refiner or look.
        ClipError: the clip has no camera or lacks a label, or another refinement has this name.
    """
    chosen = refiner_of(refiner, Path(clip.scene._base))
    number = clip.record.seed if seed is None else seed
    chosen.use.refine(iter(()), look=look, seed=number)
    uses = {c.name: _in_clip(clip, c.name, chosen.use) for c in clip.record.cameras}
    inputs = {name: _inputs(clip, name, chosen, look, number, told) for name, (_, told) in uses.items()}
    if not inputs:
        raise ClipError(f"{clip.path}: has no camera to refine; make one with  simvid render {clip.path}")
    record = RefinedRecord(
        name=refined_name(Refine(refiner=refiner, look=look)),
        refiner=chosen.record,
        look=look,
        seed=number,
        cameras=tuple(inputs),
        keys={camera: hash_of(tree) for camera, tree in inputs.items()},
    )
    known = {r.name: r for r in clip.record.refined}.get(record.name)
    if known == record and not force:
        reporter.found(clip.path / "refined" / record.name)
        return clip, record
    if known is not None and not force:
        raise ClipError(
            f"{clip.path}: refined/{record.name} is there already, made with other settings; replace it with --force"
        )
    for folder in (clip.path, clip.path / "refined"):
        sweep(folder)
    kept = StageStore(clip.path.resolve().parent if store is None else store)
    stages = {
        camera: _refined(clip, camera, uses[camera][0], record, tree, (kept, reporter))
        for camera, tree in inputs.items()
    }
    return _added(clip, record, stages), record


def _in_clip(clip: Clip, camera: str, use: Refiner) -> tuple[Refiner, str | None]:
    """The refiner, told of the clip if it listens, and the digest of what it was told."""
    if not isinstance(use, ListeningRefiner):
        return use, None
    context = ClipContext(clip.scene.description, clip.cameras[camera], clip.trajectory)
    return use.in_clip(context), context.digest()


def _inputs(clip: Clip, camera: str, chosen: ChosenRefiner, look: str, seed: int, told: str | None) -> Inputs:
    missing = [name for name in chosen.use.reads if name not in clip.arrays(camera)]
    if missing:
        raise ClipError(f"{clip.path}: the refiner reads {', '.join(missing)}, which camera {camera!r} does not have")
    names = ("rgb", *chosen.use.reads)
    digests = {name: str(clip.record.files[f"cameras/{camera}/{name}.npz"].digest) for name in names}
    return refine_inputs(chosen.record, look, seed, digests, told)


def _refined(
    clip: Clip, camera: str, use: Refiner, record: RefinedRecord, inputs: Inputs, tools: tuple[StageStore, Reporter]
) -> Stage:
    """Refine one camera, or find its result in the store."""
    stage, started = f"refining {camera}", time.perf_counter()
    store, reporter = tools
    reporter.begin(stage, clip.frame_count)
    found = store.find("refined", inputs, camera)
    reused = found is not None
    if found is None:
        coarse = clip.stream(camera, labels=use.reads)
        path = clip.cameras[camera]
        with store.make("refined", inputs, camera) as work:
            pictures = use.refine(coarse, look=record.look, seed=record.seed)
            shape = (clip.frame_count, path.height, path.width)
            files = write_refined(work.folder, shape, clip.fps, pictures, lambda done: reporter.advance(stage, done))
            work.files.update(files)
        found = store.find("refined", inputs, camera)
    reporter.end(stage, time.perf_counter() - started, reused)
    if found is None:
        raise ClipError(f"{store.folder}: the result of {stage} vanished while it was written; run again")
    return found


def _added(clip: Clip, record: RefinedRecord, stages: dict[str, Stage]) -> Clip:
    """Put the folder in its place, then name it in ``clip.json``: until then the clip is what it was."""
    final = clip.path / "refined" / record.name
    with new_folder(final, replace=True) as folder:
        link_refined(record, stages, folder)
        for camera, stage in stages.items():
            _compare(clip, camera, stage, record, folder / f"{camera}.png")
    prefix = f"refined/{record.name}/"
    files = {name: file for name, file in clip.record.files.items() if not name.startswith(prefix)}
    files |= refined_files(record, stages, clip.path)
    others = tuple(r for r in clip.record.refined if r.name != record.name)
    changes = {"refined": (*others, record), "files": files, "content_hash": content_hash(files)}
    with new_file(clip.path / CLIP_FILE) as path:
        write_record(path, clip.record.model_copy(update=changes))
    return Clip.open(clip.path)


def _compare(clip: Clip, camera: str, stage: Stage, record: RefinedRecord, path: Path) -> None:
    """A picture of a few frames before and after."""
    indices = columns(clip.frame_count)
    before = tuple(frame.rgb for frame in clip.stream(camera, labels=(), indices=indices))
    after = tuple(ArrayFile(stage.path / "rgb.npz").read(indices))
    rows = [Row("rgb", "as rendered", before), Row("refined", record.name, after)]
    title = f"{clip.name}  ·  camera {camera}"
    save_png(path, draw_sheet(title, f"look {record.look}, seed {record.seed}", captions(indices, clip.fps), rows))
