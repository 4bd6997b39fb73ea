"""How the pipeline tells what it is doing. The command line draws bars from it; the default says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Reporter(Protocol):
    """Told about stages: ``assets``, ``physics``, ``rendering front``, ``refining front``, ``writing``."""

    def begin(self, stage: str, total: int | None) -> None:
        """A stage starts; ``total`` is its number of frames, None where there is nothing to count."""
        ...

    def advance(self, stage: str, done: int) -> None:
        """So many frames are done."""
        ...

    def end(self, stage: str, wall_s: float, reused: bool) -> None:
        """A stage is done; ``reused`` says that its result was already there."""
        ...

    def found(self, clip: Path) -> None:
        """The whole clip was already there."""
        ...


class Silence:
    """Says nothing."""

    def begin(self, stage: str, total: int | None) -> None:
        """Say nothing."""

    def advance(self, stage: str, done: int) -> None:
        """Say nothing."""

    def end(self, stage: str, wall_s: float, reused: bool) -> None:
        """Say nothing."""

    def found(self, clip: Path) -> None:
        """Say nothing."""


SILENCE = Silence()
