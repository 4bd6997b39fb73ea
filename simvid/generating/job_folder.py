"""The folder of a job: what is to be made, what is made, what was given up, and who is at work on it.

``DIR/job.json`` says what is to be made, once and for all; ``DIR/job/made/NAME.json`` appears when the clip of that
name is whole, ``DIR/job/failed/NAME.json`` when it was given up. All of them appear by rename, so a job that is killed
anywhere goes on where it was.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from simvid.clips.digests import hash_of
from simvid.clips.folders import clear_os_errors, new_file, remove, sweep
from simvid.clips.record_base import Record
from simvid.clips.records import CLIP_FILE, read_record, write_record
from simvid.errors import ClipError, JobError, UsageError

JOB_FILE, JOB_FOLDER = "job.json", "job"
LOCK_WAIT_S = 10.0
"""The workers of a job that was killed hold its lock until they are gone, which takes moments [s]."""
_LOCK = re.compile(r"lock-(\d+)-of-(\d+)")


class Manifest(Record):
    """``job.json``."""

    schema_version: Literal[1] = 1
    kind: Literal["generate", "replay"]
    key: str
    """Hash of ``kind`` and ``shared``, less ``file``: a folder holds one job."""
    shared: dict[str, Any]
    """The scene or the source, and what is the same for all clips."""
    names: tuple[str, ...] = ()
    """Of the clips, where they are not numbers."""
    count: int
    """How many clips; a later run may ask for more."""
    code: str
    """Version of simvid, with a digest of its stages."""


class MadeRecord(Record):
    """A clip that is whole."""

    schema_version: Literal[1] = 1
    name: str
    clip: str
    """Its folder, beside ``job.json``."""
    input_hash: str
    """Of the clip, so that another one in its place is noticed."""
    failed_checks: tuple[str, ...] = ()
    attempts: int = 1
    wall_s: float
    cpu_s: float
    memory_mb: float = 0.0
    bytes: int = 0


class FailedRecord(Record):
    """A clip that was given up."""

    schema_version: Literal[1] = 1
    name: str
    why: Literal["error", "timeout", "died"]
    """An error of the scene comes again each time; the others may not, so the next run tries again."""
    reason: str
    attempts: int
    seed: int | None = None
    sample: int | None = None
    sampled: dict[str, Any] = Field(default_factory=dict)
    wall_s: float = 0.0


@dataclass(frozen=True)
class Shard:
    """Part ``index`` of ``count`` equal parts of a job, from 0."""

    index: int = 0
    count: int = 1

    @staticmethod
    def of(text: str | None) -> Shard:
        """From ``i/n`` with i from 0 to n - 1.

        Raises:
            SimvidError: something else.
        """
        if text is None:
            return Shard()
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if match is None or int(match[1]) >= int(match[2]):
            raise UsageError(f"--shard: expected i/n with i from 0 to n - 1, as in 0/4, got {text!r}")
        return Shard(int(match[1]), int(match[2]))

    def holds(self, position: int) -> bool:
        """Whether a task belongs to this part: every n-th one does."""
        return position % self.count == self.index

    def meets(self, other: Shard) -> bool:
        """Whether two parts have tasks in common: when their positions agree modulo what their counts share."""
        import math

        return (self.index - other.index) % math.gcd(self.count, other.count) == 0


class JobFolder:
    """One job's folder."""

    def __init__(self, out: Path) -> None:
        self.out, self.folder = out, out / JOB_FOLDER
        self.made_folder, self.failed_folder = self.folder / "made", self.folder / "failed"

    @property
    def manifest(self) -> Manifest:
        """What is to be made.

        Raises:
            ClipError: there is no job here, or it is damaged.
        """
        path = self.out / JOB_FILE
        if not path.is_file():
            raise ClipError(
                f"{self.out}: no job here: {JOB_FILE} is missing; expected a folder made by simvid generate"
            )
        return read_record(path, Manifest)

    def work(self, name: str) -> Path:
        """Where the stages of an unfinished clip are kept."""
        return self.folder / "work" / name

    def begin(self, manifest: Manifest, *, mix_versions: bool = False) -> Manifest:
        """Write what is to be made, or see that it is what this folder is for.

        Raises:
            JobError: the folder is for something else, or was begun with another simvid.
        """
        path = self.out / JOB_FILE
        with clear_os_errors(self.out):
            for folder in (self.made_folder, self.failed_folder, self.folder / "work"):
                folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.out, self.made_folder, self.failed_folder):
            sweep(folder)
        if path.is_file():
            known = self.manifest
            if _key(known.kind, known.shared) != manifest.key:
                raise JobError(f"{self.out}: holds another job: {_difference(known, manifest)}; choose another folder")
            if known.code != manifest.code and not mix_versions:
                raise JobError(
                    f"{self.out}: was begun with simvid {known.code}, this is {manifest.code}: their clips may differ; "
                    f"finish it with that one, choose another folder, or mix them with --mix-versions"
                )
            more = max(known, manifest, key=lambda m: m.count)
            manifest = known.model_copy(update={"count": more.count, "names": more.names})
            if manifest == known:
                return known
        with new_file(path) as unfinished:
            write_record(unfinished, manifest)
        return manifest

    def names(self) -> list[str]:
        """Of all clips that there should be."""
        manifest = self.manifest
        return list(manifest.names) or [number(k) for k in range(manifest.count)]

    def made(self) -> dict[str, MadeRecord]:
        """The clips that are recorded as whole, and whose folders are there."""
        found = {}
        for path in sorted(self.made_folder.glob("*.json")):
            record = _read(path, MadeRecord)
            if record is not None and (self.out / record.clip / CLIP_FILE).is_file():
                found[record.name] = record
        return found

    def failed(self) -> dict[str, FailedRecord]:
        """The clips that were given up."""
        records = (_read(path, FailedRecord) for path in sorted(self.failed_folder.glob("*.json")))
        return {record.name: record for record in records if record is not None}

    def record(self, record: MadeRecord | FailedRecord) -> None:
        """Keep how a clip ended."""
        ended, other = self.made_folder, self.failed_folder
        if isinstance(record, FailedRecord):
            ended, other = other, ended
        with new_file(ended / f"{record.name}.json") as unfinished:
            write_record(unfinished, record)
        remove(other / f"{record.name}.json")
        if isinstance(record, MadeRecord) or record.why == "error":
            remove(self.work(record.name))

    @contextmanager
    def locked(self, shard: Shard) -> Iterator[int]:
        """Keep other runs off the same clips; gives the open file that holds the lock, for workers to hold too.

        Raises:
            JobError: another run is at work on some of them.
        """
        with clear_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"lock-{shard.index}-of-{shard.count}"
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _take(handle, path, self.out)
            for other in sorted(self.folder.glob("lock-*-of-*")):
                match = _LOCK.fullmatch(other.name)
                if match is not None and other != path and shard.meets(Shard(int(match[1]), int(match[2]))):
                    probe = os.open(other, os.O_RDWR)
                    try:
                        _take(probe, other, self.out)
                    finally:
                        os.close(probe)
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps({"pid": os.getpid(), "host": os.uname().nodename}).encode(), 0)
            yield handle
        finally:
            os.close(handle)

    def free_bytes(self) -> int:
        """Room on the disk."""
        return shutil.disk_usage(self.out).free


def _take(handle: int, path: Path, out: Path) -> None:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            who = _holder(path)
            if time.monotonic() > deadline or _alive(who):
                said = f"process {who['pid']} on {who['host']}" if who else "another process"
                raise JobError(
                    f"{out}: {said} is at work on these clips ({path.name}); wait for it, or stop it first"
                ) from None
            time.sleep(0.1)


def _holder(path: Path) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = json.loads(path.read_text())
        return known if {"pid", "host"} <= known.keys() else None
    except (OSError, ValueError):
        return None


def _alive(who: dict[str, Any] | None) -> bool:
    """Whether a lock's holder is known to live: a process of this machine that is there, or one of another machine."""
    if who is None:
        return False
    if who["host"] != os.uname().nodename:
        return True
    try:
        os.kill(int(who["pid"]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _read(path: Path, model: type[Any]) -> Any:
    """A record, or None where it cannot be read: then its clip counts as not made."""
    try:
        return read_record(path, model)
    except ClipError:
        return None


def _difference(known: Manifest, asked: Manifest) -> str:
    if known.kind != asked.kind:
        return f"expected simvid {known.kind}, got simvid {asked.kind}"
    paths = sorted(set(_paths(known.shared, asked.shared)) - {"file"})
    return f"it differs in {', '.join(paths[:6])}" + (f" and {len(paths) - 6} more" if len(paths) > 6 else "")


def _paths(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Where two trees differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from _paths(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))
    elif one != other:
        yield path


def number(sample: int) -> str:
    """Name of the clip of a sample."""
    return f"{sample:06d}"


def manifest_of(
    kind: Literal["generate", "replay"], shared: dict[str, Any], count: int, code: str, names: Sequence[str] = ()
) -> Manifest:
    """A new one."""
    plain = json.loads(json.dumps(shared))
    return Manifest(kind=kind, key=_key(kind, plain), shared=plain, count=count, code=code, names=tuple(names))


def _key(kind: str, shared: Mapping[str, Any]) -> str:
    """Of a job. How the path of its scene was typed is for messages alone; jobs written before had it in their key."""
    return hash_of({"kind": kind, "shared": {name: value for name, value in shared.items() if name != "file"}})
