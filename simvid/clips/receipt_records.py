"""The receipt of a clip's physics, as ``clip.json`` holds it."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from simvid.clips.record_base import Record

RECEIPT_VERSION: Final = 1


class LawRecord(Record):
    """How one law of physics came out, over the whole trajectory."""

    name: str
    """As in docs/receipts.md."""
    passed: bool | None
    """None where there was nothing to judge, or where the figures are told only; ``note`` says which."""
    measured: dict[str, float] = Field(default_factory=dict)
    """What was found, by name with its unit."""
    limits: dict[str, float] = Field(default_factory=dict)
    """The most that each may be."""
    part: str = ""
    """The worst part, or the two of a pair, joined by `` and ``."""
    time_s: float | None = None
    """When it was worst [s]."""
    note: str = ""
    """What is wrong and why, or why there was nothing to judge."""

    def line(self) -> str:
        """For people."""
        state = {True: "passed", False: "BROKEN", None: "not judged" if self.note else "told only"}[self.passed]
        found = ", ".join(
            f"{name} {value:.3g}" + (f" (at most {self.limits[name]:.3g})" if name in self.limits else "")
            for name, value in self.measured.items()
        )
        where = self.part + (f" at {self.time_s:.3f} s" if self.time_s is not None else "")
        return "; ".join(text for text in (f"{self.name}: {state}", where.strip(), found, self.note) if text)


class ReceiptRecord(Record):
    """The receipt of a trajectory: whether it obeyed the laws of physics, and by how much."""

    version: Literal[1] = RECEIPT_VERSION
    """Of the laws and their limits; a receipt of another version is made anew by ``simvid check``."""
    trajectory: str
    """Digest of the trajectory that it is about: equal motion, equal digest."""
    laws: tuple[LawRecord, ...]
    energy_j: dict[str, float] = Field(default_factory=dict)
    """The budget [J]: at the ends, the work of each drive by name, what was lost, and what was gained unexplained."""
    drives: tuple[str, ...] = ()
    """What does work on the things that are judged: ``robot arm``, ``keyframes of lift``, ``impulses on ball``."""

    @property
    def broken(self) -> tuple[LawRecord, ...]:
        """The laws that did not hold."""
        return tuple(law for law in self.laws if law.passed is False)
