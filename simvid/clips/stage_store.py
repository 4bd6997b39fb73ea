"""Results of stages, kept under what they were made from: ``OUT/.stages/STAGE-KEY[-CAMERA]/``.

Each is a folder that appears whole by rename. A stage whose inputs have not changed is found here and not run again;
clips are put together from these folders by hard links, so keeping them costs no space.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simvid.clips.digests import changed_files, hash_of
from simvid.clips.folders import clear_os_errors, new_folder, remove, sweep
from simvid.clips.records import STAGE_FILE, FileRecord, StageFolder, read_record, write_record
from simvid.errors import ClipError

STORE = ".stages"
KEEP_S = 7 * 24 * 3600.0
"""A result that no clip holds any more is dropped when it was not used for so long [s]."""
KEY_DIGITS = 16


@dataclass(frozen=True)
class Stage:
    """A whole result."""

    path: Path
    record: StageFolder


@dataclass
class StageWork:
    """A result being made: put files into ``folder`` and their records into ``files``."""

    folder: Path
    files: dict[str, FileRecord] = field(default_factory=dict)


class StageStore:
    """The store of one output folder. Safe with several runs at once: equal keys mean equal content."""

    def __init__(self, out: Path) -> None:
        self.folder = out / STORE
        with clear_os_errors(out):
            self.folder.mkdir(parents=True, exist_ok=True)
        sweep(self.folder)
        self._prune()

    def find(self, stage: str, inputs: Mapping[str, Any], suffix: str = "") -> Stage | None:
        """The result made from these inputs, or None. A damaged one is removed and counts as none."""
        path = self._path(stage, inputs, suffix)
        if not path.is_dir():
            return None
        record: StageFolder | None = None
        try:
            record = read_record(path / STAGE_FILE, StageFolder)
            if record.key != hash_of(inputs) or changed_files(path, record.files, path / STAGE_FILE):
                record = None
        except ClipError:
            pass  # a record that cannot be read is as good as none
        if record is None:
            remove(path)
            return None
        os.utime(path)
        return Stage(path, record)

    @contextmanager
    def make(self, stage: str, inputs: Mapping[str, Any], suffix: str = "") -> Iterator[StageWork]:
        """Make a result: it is kept if the block ends well. Find it with ``find`` afterwards."""
        started = time.perf_counter()
        with new_folder(self._path(stage, inputs, suffix)) as folder:
            work = StageWork(folder)
            yield work
            wall_s = time.perf_counter() - started
            record = StageFolder(stage=stage, key=hash_of(inputs), inputs=dict(inputs), wall_s=wall_s, files=work.files)
            write_record(folder / STAGE_FILE, record)

    def get(
        self, stage: str, inputs: Mapping[str, Any], suffix: str, make: Callable[[StageWork], None]
    ) -> tuple[Stage, bool]:
        """The result made from these inputs, which is made if it is not there; and whether it was.

        Raises:
            ClipError: it vanished while it was written.
        """
        found = self.find(stage, inputs, suffix)
        if found is not None:
            return found, True
        with self.make(stage, inputs, suffix) as work:
            make(work)
        found = self.find(stage, inputs, suffix)
        if found is None:
            raise ClipError(f"{self.folder}: the result of {stage} {suffix} vanished while it was written; run again")
        return found, False

    def drop(self, stage: str, inputs: Mapping[str, Any], suffix: str = "") -> None:
        """Forget a result, so that it is made again."""
        remove(self._path(stage, inputs, suffix))

    def _path(self, stage: str, inputs: Mapping[str, Any], suffix: str) -> Path:
        name = f"{stage}-{hash_of(inputs)[:KEY_DIGITS]}"
        return self.folder / (f"{name}-{suffix}" if suffix else name)

    def _prune(self) -> None:
        """Drop what no clip links to and nobody used for a week."""
        for path in self.folder.iterdir():
            try:
                old = time.time() - path.stat().st_mtime > KEEP_S
                linked = any(p.stat().st_nlink > 1 for p in path.rglob("*") if p.is_file())
            except OSError:
                continue  # another run is at work on it
            if old and not linked and not path.name.startswith(".tmp-"):
                remove(path)
