"""Rules between the keys of one mapping, such as "give fixed or joint, not both".

A rule says which fields it reads. So it can be checked as soon as those are sound, even where another field of the same
mapping is faulty, and a scene file with two unrelated mistakes is told about both at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

Loc: TypeAlias = tuple[str | int, ...]
RULE_ERROR = "scene_rule"
"""The pydantic error type of a broken rule."""


@dataclass(frozen=True)
class Problem:
    """A broken rule: where below its mapping, what was expected, what was got, what to do."""

    loc: Loc
    expected: str
    got: str
    hint: str = ""

    def error(self) -> PydanticCustomError:
        """The same for pydantic."""
        context = {"expected": self.expected, "got": self.got, "hint": self.hint}
        text = "expected {expected}, got {got}" + ("; {hint}" if self.hint else "")
        return PydanticCustomError(RULE_ERROR, text, context)


@dataclass(frozen=True)
class Rule:
    """``check`` looks at the fields in ``reads`` of a model, and at no others."""

    reads: tuple[str, ...]
    check: Callable[[Any], Iterator[Problem]]


def hold(model: object, rules: Sequence[Rule]) -> None:
    """Check all rules.

    Raises:
        pydantic.ValidationError: some do not hold; it lists all of them.
    """
    problems = [problem for rule in rules for problem in rule.check(model)]
    if problems:
        raise ValidationError.from_exception_data(
            type(model).__name__,
            [InitErrorDetails(type=problem.error(), loc=problem.loc, input=model) for problem in problems],
        )


def nonzero(field: str, example: str) -> Rule:
    """The vector in ``field``, where there is one, has a length."""

    def check(model: Any) -> Iterator[Problem]:
        vector = getattr(model, field)
        if vector is not None and sum(c * c for c in vector) < 1e-12:
            yield Problem((field,), "a vector that is not zero", str(list(vector)), f"give one such as {example}")

    return Rule((field,), check)


def _rising(model: Any) -> Iterator[Problem]:
    for k, (before, after) in enumerate(pairwise(model.keyframes), start=1):
        if after.t_s <= before.t_s:
            yield Problem(
                ("keyframes", k, "t_s"),
                f"a time after that of the keyframe before ({before.t_s:g} s)",
                f"{after.t_s:g}",
            )


RISING_KEYFRAMES = Rule(("keyframes",), _rising)
"""Keyframe times rise."""
