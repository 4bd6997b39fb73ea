"""``simvid export``: clips in formats that others read."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from simvid.export.base import ExportError
from simvid.export.encoded import Kept
from simvid.export.job import Choice, export
from simvid.generating.data_set import kept
from simvid.generating.job_folder import JobFolder


def main(arguments: argparse.Namespace) -> int:
    """Write them, and say what was written."""
    started = time.perf_counter()

    def tell(line: str) -> None:
        if not arguments.quiet:
            print(line, file=sys.stderr, flush=True)

    labels = None if arguments.labels is None else tuple(n.strip() for n in arguments.labels.split(",") if n.strip())
    written = export(
        arguments.sources, arguments.format, arguments.out,
        choice=Choice(tuple(arguments.camera), labels, arguments.refined, arguments.rejected),
        options=dict(map(option, arguments.options)), replace=arguments.force, tell=tell,
        kept=_kept(arguments.sources),
    )  # fmt: skip
    if arguments.json:
        print(json.dumps(written))
    elif arguments.quiet:
        print(written["out"])
    else:
        seconds = time.perf_counter() - started
        print(f"{written['out']}: {written['format']} {written['version']}, {seconds:.1f} s")
        print("\n".join(f"  {key}: {_said(value)}" for key, value in written.items() if key not in _HEAD))
    return 0


def _kept(sources: list[str]) -> Kept | None:
    """What the job of a folder has encoded already, if that is the source."""
    job = JobFolder(Path(sources[0]))
    return kept(job) if len(sources) == 1 and kept(job).folder.is_dir() else None


_HEAD = ("out", "format", "version")


def _said(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def option(text: str) -> tuple[str, Any]:
    """``KEY=VALUE``; the value as JSON where it is such, as text otherwise."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise ExportError(f"--option: expected KEY=VALUE, got {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
