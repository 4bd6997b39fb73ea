"""Killing a job at random times, and comparing what is left with a job that was let alone."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simvid.clip import Clip
from simvid.clips.digests import digest_file
from simvid.clips.records import CLIP_FILE, TRAJECTORY_FILE
from simvid.export.job import NOTE_FILE
from simvid.generating.job_folder import JobFolder
from simvid.generating.pool import same_code

TIMES = ("made_at", "stages", "tools")
"""What a clip's record may say differently each time it is made."""


@dataclass
class Killings:
    """What was done to a job.

    Attributes:
        parents, workers: how many of either were killed.
        at_work: how many of all hit a run that had made a clip since it was started or last hit.
        rounds: jobs that it took.
        half_written: clip folders that were there and not whole right after a kill.
    """

    parents: int = 0
    workers: int = 0
    at_work: int = 0
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
    command: Sequence[str], out: Path, kills: int, *, seed: int = 0, longest_s: float = 6.0, share: float = 0.5
) -> Killings:
    """Run a job and kill it or its workers again and again, then let it end.

    Args:
        command: of ``simvid``, less ``--out``.
        out: folder for the jobs: ``out/0``, ``out/1`` …, each begun when the one before was done before enough kills.
        kills: how many.
        seed: of times and victims.
        longest_s: between two kills. Every other gap begins only when the run has made a clip since the last one: on a
            busy machine all would fall into its start otherwise, and the job would get nowhere.
        share: of the kills that hit the process that was started; the others hit its workers.
    """
    chance, done = random.Random(seed), Killings()
    while done.total < kills:
        folder = out / str(done.rounds)
        done.rounds += 1
        while done.total < kills:
            process = _start(command, folder)
            if not _kill_some(process, folder, chance, (longest_s, share, kills), done):
                break
    for k in range(done.rounds):
        process = _start(command, out / str(k))
        if process.wait(600) != 0:
            raise AssertionError(f"{out / str(k)}: the job did not end well")
    return done


def _start(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "simvid.cli", *command, "--out", str(folder), "--quiet"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=same_code(),
    )  # fmt: skip


def _kill_some(
    process: subprocess.Popen[bytes], folder: Path, chance: random.Random, how: tuple[float, float, int], done: Killings
) -> bool:
    """Kill workers until the job's own process is hit; False if the job was done before."""
    longest_s, share, kills = how
    while done.total < kills:
        before = _records(folder)
        if chance.random() < 0.5 and not _goes_on(process, folder, before):
            return False
        try:
            process.wait(chance.uniform(0, longest_s))
            return False
        except subprocess.TimeoutExpired:
            pass
        done.at_work += _records(folder) > before
        workers = _children(process.pid)
        if not workers or chance.random() < share:
            process.send_signal(signal.SIGKILL)
            process.wait()
            done.parents += 1
            done.half_written += _broken(folder)
            return True
        _kill(chance.choice(workers))
        done.workers += 1
        done.half_written += _broken(folder)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def _records(folder: Path) -> int:
    """How many clips a job has recorded so far."""
    return sum(1 for _ in JobFolder(folder).made_folder.glob("[!.]*.json"))


def _goes_on(process: subprocess.Popen[bytes], folder: Path, before: int) -> bool:
    """Wait until a run has made another clip; False if it ended."""
    while process.poll() is None:
        if _records(folder) > before:
            return True
        time.sleep(0.02)
    return False


def _children(pid: int) -> list[int]:
    try:
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _kill(pid: int) -> None:
    import os

    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        time.sleep(0)  # it ended by itself meanwhile


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
