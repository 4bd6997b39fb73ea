"""A further refinement of a clip that is there: into ``refined/NAME/``, which appears whole."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simvid.clip import Clip
from simvid.clips.arrays import ArrayFile
from simvid.clips.contact_sheet import Row, columns, draw_sheet, save_png
from simvid.clips.digests import content_hash, hash_of
from simvid.clips.folders import new_folder, sweep
from simvid.clips.records import ClipRecord, RefinedRecord
from simvid.clips.stage_store import Stage, StageStore, StageWork
from simvid.clips.writing import captions, stored_frames, write_refined
from simvid.errors import ClipError
from simvid.jobs.assembly import link_refined, refined_files, refined_name
from simvid.jobs.backends import ChosenRefiner, refiner_of
from simvid.jobs.changed_record import changed_record
from simvid.jobs.coarse import CoarsePass, asked_of, drawn_of_clip, pass_of_clip, told_of_clip
from simvid.jobs.stage_inputs import Inputs, refine_inputs
from simvid.progress import SILENCE, Reporter
from simvid.refining.base import Refiner
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
        clip: of any labels. Where it lacks some that the refiner reads, and under a look that reaches the refiner as
            light, its stored motion is drawn again; the clip's own frames and labels stay as they are.
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
        ClipError: the clip has no camera, or another refinement has this name.
    """
    chosen = refiner_of(refiner, Path(clip.scene._base))
    number = clip.record.seed if seed is None else seed
    asked = asked_of(chosen, look, number)
    if not clip.record.cameras:
        raise ClipError(f"{clip.path}: has no camera to refine; make one with  simvid render {clip.path}")
    kept = StageStore(clip.path.resolve().parent if store is None else store)
    again = pass_of_clip(clip, chosen, asked)
    sources = {c.name: _source(clip, c.name, chosen, kept, again, reporter) for c in clip.record.cameras}
    inputs = {
        name: refine_inputs(chosen.record, asked.told, number, source.digests, source.told)
        for name, source in sources.items()
    }
    record = RefinedRecord(
        name=refined_name(Refine(refiner=refiner, look=look)),
        refiner=chosen.record,
        look=look,
        seed=number,
        cameras=tuple(inputs),
        keys={camera: hash_of(tree) for camera, tree in inputs.items()},
        coarse=None if again is None else again.record,
    )
    if not force and (known := _known(clip, record)) is not None:
        reporter.found(clip.path / "refined" / record.name)
        return clip, known
    for folder in (clip.path, clip.path / "refined"):
        sweep(folder)
    stages = {
        camera: _refined(clip, camera, source, record, inputs[camera], (kept, asked.told, reporter))
        for camera, source in sources.items()
    }
    return _added(clip, record, stages, sources), record


def _known(clip: Clip, record: RefinedRecord) -> RefinedRecord | None:
    """What the clip has under the name of a refinement; the same, whether it is judged or not.

    And wherever its frames came from: keys tell their content, and a run draws what the refiner alone reads together
    with the clip's own, where this draws it again.

    Raises:
        ClipError: it was made with other settings.
    """
    known = {r.name: r for r in clip.record.refined}.get(record.name)
    if known is not None and known.model_copy(update={"gate": None, "coarse": record.coarse}) != record:
        raise ClipError(
            f"{clip.path}: refined/{record.name} is there already, made with other settings; replace it with --force"
        )
    return known


@dataclass(frozen=True, eq=False)
class _Source:
    """What one camera's refinement is made from.

    Attributes:
        folder: of the coarse frames.
        use: the refiner, told of the clip if it listens.
        told: digest of what it was told.
        digests: of the arrays that it reads.
        light: look of the coarse pass, where that is not the clip's own.
    """

    folder: Path
    use: Refiner
    told: str | None
    digests: Mapping[str, str]
    light: str | None


def _source(
    clip: Clip, camera: str, chosen: ChosenRefiner, store: StageStore, again: CoarsePass | None, reporter: Reporter
) -> _Source:
    """The frames of one camera, drawn or found in the store where they are not the clip's own."""
    names = ("rgb", *chosen.use.reads)
    if again is None:
        folder, prefix, files = clip.path / f"cameras/{camera}", f"cameras/{camera}/", clip.record.files
    else:
        stage = drawn_of_clip(clip, camera, store, again, reporter)
        folder, prefix, files = stage.path, "", stage.record.files
    use, told = told_of_clip(chosen.use, clip, camera, again)
    digests = {name: str(files[f"{prefix}{name}.npz"].digest) for name in names}
    return _Source(folder, use, told, digests, None if again is None else again.assets.scene.look)


def _refined(
    clip: Clip, camera: str, source: _Source, record: RefinedRecord, inputs: Inputs,
    how: tuple[StageStore, str, Reporter],
) -> Stage:  # fmt: skip
    """Refine one camera, or find its result in the store beside the clip."""
    stage, started = f"refining {camera}", time.perf_counter()
    store, look, reporter = how
    path, names = clip.cameras[camera], tuple(source.digests)
    reporter.begin(stage, clip.frame_count)

    def make(work: StageWork) -> None:
        coarse = stored_frames(source.folder, names, range(clip.frame_count))
        pictures = source.use.refine(coarse, look=look, seed=record.seed)
        shape = (clip.frame_count, path.height, path.width)
        files = write_refined(work.folder, shape, clip.fps, pictures, lambda done: reporter.advance(stage, done))
        work.files.update(files)

    found, reused = store.get("refined", inputs, camera, make)
    reporter.end(stage, time.perf_counter() - started, reused)
    return found


def _added(clip: Clip, record: RefinedRecord, stages: dict[str, Stage], sources: dict[str, _Source]) -> Clip:
    """Put the folder in its place, then name it in ``clip.json``; one that it replaces is taken out of that before.

    A clip whose process is killed in between is whole, without this refinement.
    """
    final = clip.path / "refined" / record.name
    with new_folder(final, replace=True) as folder:
        link_refined(record, stages, folder)
        for camera, stage in stages.items():
            _compare(clip, camera, stage, record, sources[camera], folder / f"{camera}.png")
        if final.exists():
            changed_record(clip.path, lambda now: _without(now, record.name))
    mine = refined_files(record, stages, clip.path)

    def added(now: ClipRecord) -> ClipRecord:
        others = _without(now, record.name)
        files = {**others.files, **mine}
        changes = {"refined": (*others.refined, record), "files": files, "content_hash": content_hash(files)}
        return others.model_copy(update=changes)

    return changed_record(clip.path, added)


def _without(now: ClipRecord, name: str) -> ClipRecord:
    """The record of a clip, less one refinement and its files."""
    files = {path: file for path, file in now.files.items() if not path.startswith(f"refined/{name}/")}
    refined = tuple(r for r in now.refined if r.name != name)
    return now.model_copy(update={"refined": refined, "files": files, "content_hash": content_hash(files)})


def _compare(
    clip: Clip, camera: str, stage: Stage, record: RefinedRecord, source: _Source, path: Path
) -> None:  # fmt: skip
    """A picture of a few frames before and after; under another look, of what was refined too."""
    indices = columns(clip.frame_count)
    rows = [Row("rgb", "as rendered", tuple(f.rgb for f in clip.stream(camera, labels=(), indices=indices)))]
    if record.coarse is not None:
        coarse = tuple(ArrayFile(source.folder / "rgb.npz").read(indices))
        rows.append(Row("coarse", f"under {source.light}" if source.light else "drawn again", coarse))
    rows.append(Row("refined", record.name, tuple(ArrayFile(stage.path / "rgb.npz").read(indices))))
    title = f"{clip.name}  ·  camera {camera}"
    save_png(path, draw_sheet(title, f"look {record.look}, seed {record.seed}", captions(indices, clip.fps), rows))
