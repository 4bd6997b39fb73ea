"""Progress on stderr: bars in a terminal, a line per stage elsewhere."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from simvid.clips.receipt_records import ReceiptRecord
from simvid.clips.records import CheckRecord
from simvid.progress import Reporter, Silence


class Times(Silence):
    """Keeps what each stage took [s], and hands on to another reporter."""

    def __init__(self, then: Reporter) -> None:
        self._then = then
        self.stages_s: dict[str, float] = {}
        self.reused: list[str] = []
        self.was_there = False

    def begin(self, stage: str, total: int | None) -> None:
        """Hand on."""
        self._then.begin(stage, total)

    def advance(self, stage: str, done: int) -> None:
        """Hand on."""
        self._then.advance(stage, done)

    def end(self, stage: str, wall_s: float, reused: bool) -> None:
        """Keep the time."""
        self.stages_s[stage] = round(wall_s, 3)
        if reused:
            self.reused.append(stage)
        self._then.end(stage, wall_s, reused)

    def found(self, clip: Path) -> None:
        """Keep that nothing was run."""
        self.was_there = True
        self._then.found(clip)


class Lines(Silence):
    """A line per stage."""

    def end(self, stage: str, wall_s: float, reused: bool) -> None:
        """One line."""
        print(f"{stage:<22} {'unchanged, used again' if reused else f'{wall_s:6.1f} s'}", file=sys.stderr, flush=True)

    def found(self, clip: Path) -> None:
        """One line."""
        print(f"nothing has changed: {clip} is used as it is", file=sys.stderr, flush=True)


class Bars(Silence):
    """A bar per stage, by rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description:<22}"), BarColumn(28),
            MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("[dim]{task.fields[note]}"), console=self._console,
        )  # fmt: skip
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, stage: str, total: int | None) -> None:
        """A new bar."""
        self._tasks[stage] = self._progress.add_task(stage, total=total, note="")

    def advance(self, stage: str, done: int) -> None:
        """Move it."""
        self._progress.update(self._tasks[stage], completed=done)

    def end(self, stage: str, wall_s: float, reused: bool) -> None:
        """Fill it."""
        task = self._tasks[stage]
        total = self._progress.tasks[task].total or 1
        note = "unchanged, used again" if reused else ""
        self._progress.update(task, total=total, completed=total, note=note)

    def found(self, clip: Path) -> None:
        """One line."""
        self._progress.console.print(f"nothing has changed: {clip} is used as it is", highlight=False)


def checks_in_short(checks: Sequence[CheckRecord]) -> str:
    """How many self-checks passed, and which did not."""
    counts = Counter(check.passed for check in checks)
    failed = ", ".join(f"{check.name} {check.camera}" for check in checks if check.passed is False)
    texts = [f"{counts[True]} passed", f"{counts[None]} had nothing to check" if counts[None] else "",
             f"{counts[False]} FAILED: {failed}" if failed else ""]  # fmt: skip
    return ", ".join(text for text in texts if text)


def laws_in_short(receipt: ReceiptRecord) -> str:
    """How many laws of physics held, and which did not."""
    held = sum(law.passed is True for law in receipt.laws)
    broken = ", ".join(f"{law.name} {law.part}".strip() for law in receipt.broken)
    return f"{held} laws hold" + (f", {len(receipt.broken)} BROKEN: {broken}" if broken else "")


def reporter_for(arguments: argparse.Namespace) -> tuple[Times, AbstractContextManager[object]]:
    """What suits the terminal and the options; enter the second while work goes on."""
    if arguments.quiet:
        return Times(Silence()), nullcontext()
    if sys.stderr.isatty() and not arguments.json:
        bars = Bars()
        return Times(bars), bars
    return Times(Lines()), nullcontext()
