"""Killing a job at random times, and comparing what is left with a job that was let alone."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simvid.clip import Clip
from simvid.clips.digests import digest_file
from simvid.clips.records import CLIP_FILE, TRAJECTORY_FILE
from simvid.export.job import NOTE_FILE
from simvid.generating.job_folder import JOB_FILE, JobFolder
from simvid.generating.pool import same_code

TIMES = ("made_at", "stages", "tools")
"""What a clip's record may say differently each time it is made."""


STAGES = ("physics", "frames", "refined", "checks", "encoded")
"""Stages whose folders are named by them while they are made; ``encoded`` is a clip on its way into a data set."""
QUIET = "nothing, or starting"
_CLIP = re.compile(r"-[0-9a-f]{8}$")
CLIP_S = 0.5
"""How long a clip takes at most, in a worker that has made others [s]."""


@dataclass(frozen=True)
class Chances:
    """When what is killed.

    Attributes:
        kills: how many.
        share: of the kills that hit the process that was started; the others hit its workers.
        anywhere: share of the kills that come at any time since the last one, and so mostly into a start. The others
            wait until the job has made a clip since, and come within the time of a clip and a half.
        longest_s: up to which the first kind of kill comes.
        seed: of times and victims.
    """

    kills: int
    share: float = 0.2
    anywhere: float = 0.25
    longest_s: float = 6.0
    seed: int = 0


@dataclass
class Killings:
    """What was done to a job.

    Attributes:
        parents, workers: how many of either were killed.
        at_work: how many of all hit a run that had made a clip since it was started or last hit.
        hit: what the victims were writing -> how many times.
        rounds: jobs that it took.
        half_written: clip folders that were there and not whole right after a kill.
    """

    parents: int = 0
    workers: int = 0
    at_work: int = 0
    hit: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    half_written: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All kills."""
        return self.parents + self.workers


def content_of(folder: Path) -> dict[str, Any]:
    """All that a folder of clips holds: path -> bytes. Equal jobs have equal content.

    Times are left out: those of records, and how long physics took, which a trajectory's file also holds and its digest
    leaves out.
    """
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        place = path.relative_to(folder)
        if place.parts[0] in ("job", "job.json") or place.parts[0].startswith("."):
            continue
        if path.name == CLIP_FILE:
            record = json.loads(path.read_bytes())
            record["files"][TRAJECTORY_FILE].pop("bytes")
            found[str(place)] = {key: value for key, value in record.items() if key not in TIMES}
        elif path.name == TRAJECTORY_FILE:
            found[str(place)] = digest_file(path, "trajectory")
        else:
            found[str(place)] = path.read_bytes()
    return found


def kill_at_random(
    command: Sequence[str],
    out: Path,
    chances: Chances,
    told: Callable[[Killings], None] = lambda _: None,
    ended: Callable[[Path], None] = lambda _: None,
) -> Killings:
    """Run a job and kill it or its workers again and again, then let it end.

    Args:
        command: of ``simvid``, less ``--out``.
        out: folder for the jobs: ``out/0``, ``out/1`` …, each begun when the one before was done before enough kills.
        chances: how often, when and whom.
        told: told after each kill how it stands.
        ended: told the folder of each job that is done.
    """
    chance, done = random.Random(chances.seed), Killings()
    while done.total < chances.kills:
        folder = out / str(done.rounds)
        done.rounds += 1
        while done.total < chances.kills:
            process = _start(command, folder)
            _kill_some(process, folder, chance, chances, done, told)
            if process.wait() == 0:
                break
        process = _start(command, folder)
        if process.wait(600) != 0:
            raise AssertionError(f"{folder}: the job did not end well")
        ended(folder)
    return done


def _start(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "simvid.cli", *command, "--out", str(folder), "--quiet"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=same_code(),
    )  # fmt: skip


def _kill_some(
    process: subprocess.Popen[bytes],
    folder: Path,
    chance: random.Random,
    chances: Chances,
    done: Killings,
    told: Callable[[Killings], None],
) -> None:
    """Kill workers until the job's own process is hit, ends by itself, or it is enough."""
    while done.total < chances.kills:
        before = _records(folder)
        if not _wait(process, folder, before, chance, chances):
            return
        workers = _children(process.pid)
        parent = not workers or chance.random() < chances.share
        victims = [process.pid, *workers] if parent else [chance.choice(workers)]
        worked = _records(folder) > before
        if not _kill(process.pid if parent else victims[0]):
            continue
        if parent:
            process.wait()
        done.at_work += worked
        done.parents += parent
        done.workers += not parent
        done.hit[_writing(folder, victims)] += 1
        done.half_written += _broken(folder)
        told(done)
        if parent:
            return
    process.kill()


def _wait(process: subprocess.Popen[bytes], folder: Path, before: int, chance: random.Random, chances: Chances) -> bool:
    """Wait for the moment of the next kill; False if the process ended before."""
    if chance.random() < chances.anywhere:
        delay_s = chance.uniform(0, chances.longest_s)
    else:
        while process.poll() is None and _records(folder) == before:
            time.sleep(0.01)
        delay_s = chance.uniform(0, 1.5 * _clip_s(folder))
    try:
        process.wait(delay_s)
    except subprocess.TimeoutExpired:
        return True
    return False


def _records(folder: Path) -> int:
    """How many clips a job has recorded so far."""
    return sum(1 for _ in JobFolder(folder).made_folder.glob("[!.]*.json"))


def _clip_s(folder: Path) -> float:
    """How long a clip takes in a worker that has made others: the least over those of the job [s]."""
    return min([CLIP_S, *(record.wall_s for record in JobFolder(folder).made().values())])


def _writing(folder: Path, victims: Sequence[int]) -> str:
    """What processes that are dead were writing, by the unfinished things that carry their number."""
    marks = [f"-{pid}-" for pid in victims]
    for place, folders, files in os.walk(folder):  # which bears it that others remove things meanwhile
        for left in (*folders, *files):
            if not left.startswith(".tmp-") or not any(mark in left for mark in marks):
                continue
            name, parent = left.split("-", 5)[-1], Path(place)
            if parent.name == "made":
                return "record"
            if parent == folder and name != JOB_FILE:
                return "clip" if _CLIP.search(name) else "data set"
            return next((stage for stage in STAGES if name.startswith(f"{stage}-")), "job.json")
    return QUIET


def _children(pid: int) -> list[int]:
    try:
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _kill(pid: int) -> bool:
    """Whether it was there to be killed."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _broken(folder: Path) -> list[str]:
    """Folders that look like clips and are not whole, and records of clips that are not there."""
    faults = []
    for path in folder.glob("*"):
        data_set = (path / NOTE_FILE).is_file()  # it appears whole too, with its note
        if path.is_dir() and path.name != "job" and not path.name.startswith(".") and not data_set:
            try:
                Clip.open(path)
            except ValueError as error:
                faults.append(str(error))
    job = JobFolder(folder)
    if job.made_folder.is_dir():
        recorded = len(list(job.made_folder.glob("*.json")))
        whole = len(job.made())
        faults += [f"{folder}: {recorded - whole} records without a clip"] if recorded != whole else []
    return faults
