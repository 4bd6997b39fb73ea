"""Every error that simvid raises on purpose; each names the field, what it got, what is allowed and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_LISTED = 100


class SimvidError(ValueError):
    """Base of all expected errors. The command line prints the text alone and exits with ``exit_code``."""

    exit_code = 1


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a file. Its text is ``file:line: field: expected …, got …`` and perhaps a hint."""

    file: str
    line: int | None
    """From 1; 0 is a value given by ``--set``; None where there is no line."""
    field: str
    """Its path, as in ``bodies[2].shape.box.size_m (duck)``."""
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line or '--set'}"
        return f"{place}: {self.field}: {self.message}" + (f"\n  hint: {self.hint}" if self.hint else "")


class SceneError(SimvidError):
    """The scene (or another YAML file) asks for something impossible. Its text may list many faults."""

    exit_code = 2
    faults: tuple[Fault, ...] = ()
    """Each of them, where they were found by reading a file."""

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> Self:
        """The error that lists these, in the order of their lines; the text stops after a hundred."""
        ordered = tuple(sorted(faults, key=lambda fault: (fault.file, fault.line or 0)))
        lines = [str(fault) for fault in ordered[:_LISTED]]
        if len(ordered) > _LISTED:
            lines.append(f"… and {len(ordered) - _LISTED} more")
        error = cls("\n".join(lines))
        error.faults = ordered
        return error


class UsageError(SimvidError):
    """An argument that cannot be, such as a name that nothing has; nothing was begun."""

    exit_code = 2


class AssetError(SimvidError):
    """A mesh, robot, texture or capture is missing, unreadable or unfit for its use."""

    exit_code = 3


class PhysicsError(SimvidError):
    """The simulation diverged, or was asked for what its engine cannot do."""

    exit_code = 4


class RenderError(SimvidError):
    """The renderer was given what it cannot draw."""

    exit_code = 5


class ClipError(SimvidError):
    """A clip folder is missing, damaged or of another schema version."""

    exit_code = 6


class JobError(SimvidError):
    """A job of many clips cannot go on, or some of its clips were given up; their records say why."""

    exit_code = 9


class CheckError(SimvidError):
    """Labels of a clip failed their self-checks. The clip is there, and its record says which."""

    exit_code = 8


class GateError(SimvidError):
    """A refined video was rejected by the gate. It is there, and the clip's record says why."""

    exit_code = 10


class CheckWarning(UserWarning):
    """A self-check of a clip failed; ``Clip.failed_checks`` has them all."""


class MissingExtraError(SimvidError, ImportError):
    """An optional package is not installed; the text names the extra that brings it."""

    exit_code = 7

    def __init__(self, package: str, extra: str, needed_for: str) -> None:
        super().__init__(f"{needed_for} needs the package {package!r}: install it with  {install_line(extra)}")
        self._given = package, extra, needed_for

    def needed_by(self, what: str) -> MissingExtraError:
        """The same package, missed by what asked for it."""
        package, extra, _ = self._given
        return MissingExtraError(package, extra, what)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        return MissingExtraError, self._given


def install_line(extra: str) -> str:
    """How to add an extra here: from the checkout, where simvid runs from one."""
    checkout = Path(__file__).resolve().parent.parent
    pinned = f"--constraint '{checkout / 'constraints.txt'}' --editable '{checkout}[{extra}]'"
    what = pinned if (checkout / "pyproject.toml").is_file() else f"'simvid[{extra}]'"
    return f"{sys.executable or 'python'} -m pip install {what}"
