"""``simvid generate``: many clips of a scene that varies, by worker processes or a Ray cluster."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from simvid.commands.export import option
from simvid.commands.run import source_scene
from simvid.errors import CheckError, JobError
from simvid.export.base import ExportError
from simvid.generating.data_set import DataSet
from simvid.generating.generate import Options, generate
from simvid.generating.job_folder import FailedRecord, JobFolder, MadeRecord, Shard
from simvid.generating.running import Progress

LISTED = 5
EVERY_S = 2.0
"""Quick clips share a line of progress [s]."""


def main(arguments: argparse.Namespace) -> int:
    """Make them; ``JobError``'s code if some were given up, ``CheckError``'s if labels of some failed a self-check."""
    scene = source_scene(arguments)
    lines = ProgressLines(arguments.quiet)
    options = replace(options_of(arguments), data_set=data_set_of(arguments))
    end = generate(
        scene, arguments.out, arguments.count, options, until=arguments.until, frames=arguments.frames, told=lines
    )
    return summed_up(arguments, JobFolder(Path(arguments.out)), end, options.data_set)


def data_set_of(arguments: argparse.Namespace) -> DataSet | None:
    """What the clips are encoded for."""
    if arguments.format is None:
        for name, given in (("--option", arguments.options), ("--refined", arguments.refined)):
            if given:
                raise ExportError(f"{name}: is for a data set; say of which format with --format")
        return None
    return DataSet(arguments.format, dict(map(option, arguments.options)), arguments.refined).checked()


def options_of(arguments: argparse.Namespace) -> Options:
    """How to run the job, from the options that all jobs have."""
    return Options(
        workers=arguments.workers, shard=Shard.of(arguments.shard), timeout_s=arguments.timeout,
        min_free_gb=arguments.min_free, retry_failed=arguments.retry_failed, mix_versions=arguments.mix_versions,
        ray=arguments.ray,
    )  # fmt: skip


class ProgressLines:
    """A line per clip on stderr, or every two seconds; every clip that is given up has one."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._last, self._paused = quiet, 0.0, False

    def __call__(self, progress: Progress, ended: MadeRecord | FailedRecord | None) -> None:
        """Say how it stands."""
        if self._quiet:
            return
        if progress.waiting:
            if not self._paused:
                print(f"waiting: {progress.free_bytes / 1e9:.2f} GB free; free some space", file=sys.stderr, flush=True)
            self._paused = True
            return
        self._paused = False
        now = time.monotonic()
        failed = isinstance(ended, FailedRecord)
        if now - self._last < EVERY_S and progress.left and not failed:
            return
        self._last = now
        print(line(progress, ended), file=sys.stderr, flush=True)


def line(progress: Progress, ended: MadeRecord | FailedRecord | None) -> str:
    """``12/20  000011 made in 14.2 s  250 clips/h  3 min left``."""
    parts = [f"{progress.wanted - progress.left}/{progress.wanted}"]
    if isinstance(ended, MadeRecord):
        parts.append(f"{ended.name} made in {ended.wall_s:.1f} s")
        parts += [f"self-check FAILED: {', '.join(ended.failed_checks)}"] if ended.failed_checks else []
    elif isinstance(ended, FailedRecord):
        parts.append(f"{ended.name} given up ({ended.why}): {ended.reason.splitlines()[0]}")
    else:
        parts.append(f"{progress.there} were there")
    parts += [f"{progress.encoded} encoded"] if progress.encoded else []
    if progress.left_s is not None:
        parts += [f"{progress.per_hour:.0f} clips/h", f"{duration(progress.left_s)} left"]
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """``45 s``, ``12 min`` or ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def summed_up(arguments: argparse.Namespace, folder: JobFolder, end: Progress, data_set: DataSet | None = None) -> int:
    """Say how it ended; the exit code."""
    made, failed = folder.made(), folder.failed()
    place = None if data_set is None else data_set.folder(folder)
    unsound = sorted(record.clip for record in made.values() if record.failed_checks)
    if arguments.json:
        told: dict[str, Any] = {
            "out": str(folder.out), "clips": len(made), "made": end.made, "were_there": end.there,
            "given_up": {name: record.reason for name, record in failed.items()}, "failed_checks": unsound,
            "clips_per_hour": round(end.per_hour, 1), "seconds": round(end.elapsed_s, 2),
        }  # fmt: skip
        told |= {} if place is None else {"data_set": str(place) if place.is_dir() else None}
        print(json.dumps(told, indent=1))
    else:
        text = f"{folder.out}: {len(made)} clips, {end.made} of them made now in {duration(end.elapsed_s)}"
        print(text + (f" ({end.per_hour:.0f} clips/h)" if end.made else ""))
        if place is not None:
            print(f"{place}" if place.is_dir() else f"{place}: is put together by the run that makes the last clip")
    lines = [f"{name} was given up ({r.why}): {r.reason.splitlines()[0]}" for name, r in failed.items()]
    lines = [*lines[:LISTED], *([f"and {len(lines) - LISTED} more were given up"] if len(lines) > LISTED else [])]
    if unsound:
        more = f" and {len(unsound) - LISTED} more" if len(unsound) > LISTED else ""
        lines.append(
            f"labels failed a self-check in {', '.join(unsound[:LISTED])}{more}; see  simvid check {folder.out}"
        )
    for text in lines:
        print(f"simvid: {text}", file=sys.stderr)
    if failed:
        print(f"simvid: reasons, seeds and drawn values are in {folder.failed_folder}", file=sys.stderr)
        return JobError.exit_code
    return CheckError.exit_code if unsound else 0
