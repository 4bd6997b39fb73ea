"""Stored trajectories seen again: other cameras, labels, renderers and refiners, without new physics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simvid.clip import Clip
from simvid.clips.records import CLIP_FILE
from simvid.errors import ClipError, SceneError
from simvid.generating.dataset_check import clip_folders
from simvid.generating.generate import DEFAULT, Options, executor, run_tasks, versions
from simvid.generating.job_folder import JobFolder, manifest_of
from simvid.generating.pool import Task
from simvid.generating.replay_task import replayed_scene
from simvid.generating.running import Progress, Told
from simvid.jobs.backends import refiner_of
from simvid.jobs.coarse import asked_of
from simvid.pipeline import Until


@dataclass(frozen=True)
class Passes:
    """What is to be seen.

    Attributes:
        cameras: to add, as in a scene file.
        keep: names of the clips' own cameras to see again; None takes all.
        overrides: as for ``load_scene``, such as ``render="pathtrace"``.
        until: the last stage.
    """

    cameras: tuple[dict[str, Any], ...] = ()
    keep: tuple[str, ...] | None = None
    overrides: tuple[str, ...] = ()
    until: Until = "rendering"


def clips_of(source: Path) -> tuple[Path, list[str]]:
    """Folder and names of the clips that a source means: one clip, or all clips of a folder.

    Raises:
        ClipError: there is none.
    """
    if (source / CLIP_FILE).is_file():
        whole = source.resolve()
        return whole.parent, [whole.name]
    names = clip_folders(source)
    if not names:
        raise ClipError(f"{source}: no clips in it; expected a clip, or a folder of clips (DIR/CLIP/{CLIP_FILE})")
    return source.resolve(), names


def replay(
    source: str | Path, out: str | Path, passes: Passes, options: Options = DEFAULT, told: Told = lambda *_: None
) -> Progress:
    """See all clips of a folder again; each result says which clip its trajectory comes from.

    Args:
        source: a folder of clips, or a clip.
        out: folder of the new clips; another one than the source.
        passes: what is to be seen.
        options: how the job is run.
        told: called after each clip.

    Raises:
        SceneError: the passes do not fit the first clip: no such camera, renderer or label.
        ClipError: no clips there.
        JobError: the folder is for another job, in use, or full.
    """
    folder, names = clips_of(Path(source))
    if Path(out).resolve() == folder:
        raise SceneError(f"--out: expected another folder than that of the clips, got {out}")
    job = {
        "source": str(folder), "cameras": list(passes.cameras), "overrides": list(passes.overrides),
        "keep": None if passes.keep is None else list(passes.keep), "until": passes.until,
    }  # fmt: skip
    replayed_scene(Clip.open(folder / names[0]), job)  # a wrong pass is told before anything is run
    target = JobFolder(Path(out))
    tasks = [Task(name, {"name": name, "clip": name}) for name in names]
    with target.locked(options.shard) as lock:
        manifest = target.begin(
            manifest_of("replay", job, len(names), versions(), names), mix_versions=options.mix_versions
        )
        return run_tasks(target, "replay", manifest.shared, tasks, (lock, options, told))


def refine_all(source: str | Path, refiner: str | None, look: str | None, options: Options = DEFAULT) -> dict[str, str]:
    """Add a refinement to all clips of a folder, in their places; what is there already is not made again.

    Returns:
        Clip -> why it could not be refined; empty if all went well.

    Raises:
        SceneError: no such refiner, or it does not know the look.
        ClipError: no clips there.
        JobError: a job is at work on the folder.
    """
    folder, names = clips_of(Path(source))
    _check_asked((folder / name for name in names), refiner, look)
    job = {"source": str(folder), "refiner": refiner, "look": look}
    tasks: Sequence[Task] = [Task(name, {"name": name, "clip": name}) for name in names]
    where = JobFolder(folder)
    mine = [task for k, task in enumerate(tasks) if options.shard.holds(k)]
    given_up = {task.name: "it was not begun" for task in mine}
    with (
        where.locked(options.shard) as lock,
        executor("refine", {"job": job, "out": str(folder)}, options, lock) as pool,
    ):
        for ended in pool.run(_with_room(mine, where, options.min_free_gb, given_up)):
            if ended.outcome is None:
                given_up[ended.task.name] = ended.reason
            elif ended.outcome["state"] != "made":
                given_up[ended.task.name] = ended.outcome["reason"]
            else:
                del given_up[ended.task.name]
    return given_up


def _with_room(tasks: Sequence[Task], where: JobFolder, least_gb: float, given_up: dict[str, str]) -> Iterator[Task]:
    """The tasks, as long as the disk has room; the rest is given up for that reason."""
    for k, task in enumerate(tasks):
        if where.free_bytes() < least_gb * 1e9:
            why = f"it was not begun, as less than --min-free {least_gb:g} GB are free on the disk"
            given_up.update(dict.fromkeys((left.name for left in tasks[k:]), why))
            return
        yield task


def _check_asked(places: Iterable[Path], refiner: str | None, look: str | None) -> None:
    """Tell a wrong refiner or look before anything is run; what is left open is that of the first whole clip."""
    for place in places:
        try:
            scene = Clip.open(place).scene
        except ClipError:
            continue  # it is told of in its turn
        chosen = refiner_of(refiner or scene.refine.refiner, Path(scene._base))
        if look is not None:
            asked_of(chosen, look, scene.seed)
        return
