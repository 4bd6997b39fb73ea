"""Many pairs: processes side by side, each pair a folder that appears whole; what is there is not made again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simvid.clips.folders import clear_os_errors, disk_at_fault, new_file, remove, sweep
from simvid.errors import JobError, SimvidError, UsageError
from simvid.frames import Frame, Frames
from simvid.generating.pair_scenes import FRAMES, PairScene, families, known, pair_scene
from simvid.generating.pool import Pool, PoolSettings, Task
from simvid.generating.worker import Make, Plain
from simvid.jobs.asset_records import asset_records
from simvid.refining.pair_sets import pair_folders
from simvid.refining.pairs import BETWEEN_LICENCES, read_record
from simvid.scene import Scene

if TYPE_CHECKING:
    from simvid.generating.pair_making import Made

ATTEMPTS = 6
"""Draws of a scene before it is given up: some collide, diverge or put the camera inside something."""
PER_PROCESS = 12
"""Pairs that a process makes before a fresh one takes over, which frees whatever its libraries keep."""
OWN_LICENCE = "Apache-2.0"
FAILED = "failed"
"""Folder with a record of each pair that was given up, or whose process died."""


@dataclass(frozen=True)
class PairTask:
    """One pair of a job: which scene, from which seed, how large, with how many paths per pixel, how long."""

    family: str
    number: int
    seed: int
    resolution_px: int
    samples: int
    frames: int = FRAMES

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.family}_{self.number:05d}"


@dataclass(frozen=True)
class PairOutcome:
    """How a task went: ``made``, ``there`` already, or ``failed``, with the reason; ``storage`` is the disk's fault."""

    name: str
    state: str
    reason: str = ""


def tasks(
    count: int,
    held_out: int,
    seed: int,
    resolution_px: int = 256,
    samples: int = 24,
    frames: int = FRAMES,
    *,
    only: Sequence[str] = (),
) -> list[PairTask]:
    """The pairs of a job: ``count`` for training and ``held_out`` of families that are never trained on, in turn.

    Args:
        count, held_out: how many.
        seed: of the whole set.
        resolution_px: edge of the square pictures.
        samples: paths per pixel.
        frames: of each pair.
        only: of these families; none: of all.

    Raises:
        SimvidError: no such family, or none of them is on the side of which pairs are wanted.
    """
    if unknown := [name for name in only if name not in known()]:
        near = get_close_matches(unknown[0], known(), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"family: expected one of {', '.join(known())}, got {unknown[0]!r}{hint}")
    made = []
    for side, total in ((False, count), (True, held_out)):
        names = [name for name in families(held_out=side) if not only or name in only]
        if total and not names:
            raise UsageError(
                f"family: {total} pairs {'held out' if side else 'for training'} are wanted, and none of "
                f"{', '.join(only)} is; choose among {', '.join(families(held_out=side))}"
            )
        made += [
            PairTask(names[k % len(names)], k // len(names), seed, resolution_px, samples, frames) for k in range(total)
        ]
    return made


def run_pairs(
    wanted: Sequence[PairTask], out: Path, workers: int, told: Callable[[PairOutcome], None] = lambda _: None
) -> list[PairOutcome]:
    """Make all pairs that are not there yet.

    Args:
        wanted: from ``tasks``.
        out: folder of the data set.
        workers: processes; each keeps to its share of the cores.
        told: called after each pair.

    Raises:
        UsageError: the folder is a file, or holds pairs made with other values; nothing was made.
        ClipError: the folder cannot be made, or a pair in it is damaged.
        JobError: the disk is full, or cannot be written to; what is whole is kept.
    """
    with clear_os_errors(out):
        if out.exists() and not out.is_dir():
            raise UsageError(f"--out: expected a folder, got the file {out}; choose another place")
        out.mkdir(parents=True, exist_ok=True)
        sweep(out)
    _check_there(wanted, out)
    done = [PairOutcome(t.name, "there") for t in wanted if (out / t.name).is_dir()]
    todo = [t for t in wanted if not (out / t.name).is_dir()]
    for outcome in done:
        told(outcome)
    if not todo:
        return done
    shared = {"out": str(out.resolve())}
    waiting = iter([Task(t.name, asdict(t)) for t in todo])
    with Pool("pair", shared, PoolSettings(workers, tasks_each=PER_PROCESS)) as pool:
        for ended in pool.run(waiting):
            if ended.outcome is None:
                done.append(_given_up(ended.task.name, ended.task.values["seed"], [ended.reason], out))
            elif ended.outcome["state"] == "storage":
                raise JobError(f"{ended.outcome['reason']}\nWhat is whole is kept; run it again to go on")
            else:
                done.append(PairOutcome(**ended.outcome))
            told(done[-1])
    return done


def _check_there(wanted: Sequence[PairTask], out: Path) -> None:
    """See that the pairs of a folder were made with the values that are asked for. What others wrote is let be."""
    if not wanted:
        return
    first = wanted[0]
    asked = _values(first.seed, first.resolution_px, first.frames, first.samples)
    for folder in sorted({*pair_folders(out), *(out / t.name for t in wanted if (out / t.name).is_dir())}):
        record = read_record(folder)
        if "set" not in record.seeds:
            continue
        known = _values(record.seeds["set"], record.width, record.frames, record.samples)
        wrong = [(a, b) for a, b in zip(known, asked, strict=True) if a not in (None, b)]
        if wrong:
            was, now = (", ".join(map(str, side)) for side in zip(*wrong, strict=True))
            raise UsageError(f"{folder}: made with {was}; got {now}; give the same values, or another --out")


def _values(seed: int, size_px: int, frames: int, samples: int | None) -> tuple[str | None, ...]:
    """What all pairs of a data set have in common; None for what is not recorded."""
    return (f"seed {seed}", f"{size_px} px", f"{frames} frames",
            None if samples is None else f"{samples} samples")  # fmt: skip


def maker(kind: str, shared: Plain) -> Make:
    """Makes pair after pair, in a worker."""
    out = Path(shared["out"])

    def make(task: Plain) -> Plain:
        try:
            return asdict(make_pair(PairTask(**task), out))
        except (SimvidError, OSError) as error:
            if disk_at_fault(error):
                return asdict(PairOutcome(PairTask(**task).name, "storage", str(error)))
            raise

    return make


def make_pair(task: PairTask, out: Path) -> PairOutcome:
    """Make one pair, in up to ``ATTEMPTS`` draws of its scene."""
    from simvid.generating.pair_making import make
    from simvid.refining.pairs import write_pair

    reasons = []
    for attempt in range(ATTEMPTS):
        try:
            drawn = pair_scene(task.family, task.number, task.seed, resolution_px=task.resolution_px, attempt=attempt)
            made = make(drawn, task.seed, samples=task.samples, frames=task.frames)
        except SimvidError as error:
            reasons.append(str(error))
            continue
        write_pair(out / task.name, made.coarse.rgb, made.target, _labels(made.coarse), name=task.name,
                   **_about(drawn, made, task, attempt))  # fmt: skip
        remove(out / FAILED / f"{task.name}.json")
        return PairOutcome(task.name, "made")
    return _given_up(task.name, task.seed, reasons, out)


def _given_up(name: str, seed: int, reasons: Sequence[str], out: Path) -> PairOutcome:
    """Keep why a pair could not be made."""
    with new_file(out / FAILED / f"{name}.json") as path:
        path.write_text(json.dumps({"seed": seed, "reasons": list(reasons)}, indent=1) + "\n")
    return PairOutcome(name, "failed", reasons[-1])


def _labels(coarse: Frames) -> dict[str, Any]:
    found = {f.name: getattr(coarse, f.name) for f in fields(Frame) if f.name != "rgb"}
    return {name: array for name, array in found.items() if array is not None}


def _about(drawn: PairScene, made: Made, task: PairTask, attempt: int) -> dict[str, object]:
    return {
        "split": "held_out" if drawn.held_out else "train", "family": drawn.family, "look": drawn.look,
        "light": made.light, "coarseness": made.degraded, "fps": drawn.scene.fps, "licence": licence_of(drawn.scene),
        "seeds": {"set": task.seed, "number": task.number, "attempt": attempt, "first_frame": drawn.first},
        "samples": task.samples,
    }  # fmt: skip


def licence_of(scene: Scene) -> str:
    """Under what a pair of a scene may be used: simvid's own licence, and those of all its assets."""
    told = {record.licence or f"not told for {record.path}" for record in asset_records(scene)}
    return BETWEEN_LICENCES.join(sorted({OWN_LICENCE, *(text.partition(" (")[0] for text in told)}))
