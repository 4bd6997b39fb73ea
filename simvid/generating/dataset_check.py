"""A whole folder of clips checked side by side: ``simvid check DIR``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from simvid.clips.records import CLIP_FILE, ClipRecord, read_record
from simvid.errors import ClipError
from simvid.generating.generate import Options, executor
from simvid.generating.job_folder import JOB_FILE, JobFolder
from simvid.generating.pool import Task


@dataclass(frozen=True)
class Findings:
    """What a check of a folder found.

    Attributes:
        clips: how many there are.
        faults: clip -> what is wrong with it.
        missing: what the job of this folder has not made: name -> why, as far as it is known.
    """

    clips: int
    faults: dict[str, list[str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong and nothing is missing."""
        return not self.faults and not self.missing

    def lines(self) -> list[str]:
        """Every fault, a line each."""
        found = [f"{clip}: {fault}" for clip, faults in sorted(self.faults.items()) for fault in faults]
        return found + [f"{name}: not made: {why}" for name, why in sorted(self.missing.items())]


def clip_folders(folder: Path) -> list[str]:
    """Names of the clips of a folder, whole or damaged, sorted.

    Raises:
        ClipError: there is no such folder.
    """
    if not folder.is_dir():
        raise ClipError(f"{folder}: no such folder; expected one with clips")
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith(".") and (p / CLIP_FILE).exists())


def check_folder(folder: Path, workers: int = 1, told: Callable[[int, int], None] = lambda *_: None) -> Findings:
    """Check every clip of a folder, and whether all clips of its job are there. Nothing is repaired.

    Args:
        folder: with clips in it; perhaps one that ``simvid generate`` or ``replay`` made.
        workers: processes.
        told: how many of how many are done.

    Raises:
        ClipError: no such folder, or neither clips nor a job in it.
    """
    names = clip_folders(folder)
    is_job = (folder / JOB_FILE).is_file()
    if not names and not is_job:
        raise ClipError(f"{folder}: no clips in it; expected a clip, or a folder of clips (DIR/CLIP/{CLIP_FILE})")
    faults: dict[str, list[str]] = {}
    done = 0
    options = Options(workers=max(1, min(workers, len(names))))
    with executor("check", {"job": {"source": str(folder.resolve())}}, options) as pool:
        for ended in pool.run(iter([Task(name, {"clip": name}) for name in names])):
            done += 1
            told(done, len(names))
            found = [ended.reason] if ended.outcome is None else ended.outcome["faults"]
            if found:
                faults[ended.task.name] = found
    missing: dict[str, str] = {}
    if is_job:
        missing = _missing(JobFolder(folder), faults)
    return Findings(len(names), faults, missing)


def _missing(job: JobFolder, faults: dict[str, list[str]]) -> dict[str, str]:
    """Clips of a job that are not there; those that are there under another clip's record go to the faults."""
    made, failed = job.made(), job.failed()
    for record in made.values():
        try:
            found = read_record(job.out / record.clip / CLIP_FILE, ClipRecord)
        except ClipError:
            continue  # told already
        if found.input_hash != record.input_hash:
            faults.setdefault(record.clip, []).append(f"is not the clip that was made as {record.name}")
    missing = {}
    for name in job.names():
        if name in made:
            continue
        given_up = failed.get(name)
        missing[name] = (
            "not yet" if given_up is None else f"given up ({given_up.why}): {given_up.reason.splitlines()[0]}"
        )
    return missing
