"""Predicates: what can be true of a scene at a moment. Success of a task, and what a script waits for."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from simvid.scene.base import Model, NonNegative, Number, OneOf, Positive, Vec2, Vec3, as_tuple
from simvid.scene.rules import Problem, Rule, nonzero


class Above(Model):
    """A body's middle lies over another thing's box, and its lowest point not under that one's top."""

    body: str
    of: str
    """Another body, or ROBOT/LINK."""
    gap_m: Vec2 = (-0.01, 1e3)
    """Least and most height of its lowest point over the other's top [m]."""


class Inside(Model):
    """A body's middle lies in another thing's box (which turns with it)."""

    body: str
    of: str
    margin_m: Number = 0.0
    """The box is larger by this on every side [m]; negative is smaller."""


class Touching(Model):
    """Two things touch: bodies, a robot (any link), or ROBOT/LINK."""

    body: str
    other: str


class Apart(Model):
    """Two things do not touch."""

    body: str
    other: str


class Upright(Model):
    """A body's axis points up."""

    body: str
    within_deg: Annotated[float, Field(gt=0, le=180)] = 15.0
    axis: Vec3 = (0.0, 0.0, 1.0)
    """In the body's frame."""

    RULES: ClassVar[tuple[Rule, ...]] = (nonzero("axis", "[0, 0, 1]"),)


def _some_bound(moved: "MovedBy") -> Iterator[Problem]:
    if moved.at_least_m is None and moved.at_most_m is None:
        yield Problem((), "at_least_m, at_most_m or both", "none")


class MovedBy(Model):
    """A body's origin is this far from where it started."""

    body: str
    at_least_m: NonNegative | None = None
    at_most_m: NonNegative | None = None
    along: Vec3 | None = None
    """Only the way along this world direction counts; None is the distance."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(("at_least_m", "at_most_m"), _some_bound),
        nonzero("along", "[1, 0, 0]"),
    )


class TurnedBy(Model):
    """A body stands turned against its start, by any axis."""

    body: str
    at_least_deg: Annotated[float, Field(gt=0, le=180)]


def _one_place(near: "Near") -> Iterator[Problem]:
    if (near.to_m is None) == (near.of is None):
        yield Problem((), "to_m or of", "both" if near.of is not None else "none")


class Near(Model):
    """A body's middle is near a point, or near another thing's middle."""

    body: str
    to_m: Vec3 | None = None
    of: str | None = None
    within_m: Positive = 0.03
    flat: bool = False
    """Heights do not count."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("to_m", "of"), _one_place),)


class InLine(Model):
    """The middles of three or more bodies lie on a straight line, seen from above."""

    bodies: Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(min_length=3)]
    within_m: Positive = 0.02


class Still(Model):
    """A body hardly moves."""

    body: str
    below_m_s: Positive = 0.05


class Predicate(OneOf):
    """One thing that is true or not at a moment."""

    above: Above | None = None
    inside: Inside | None = None
    touching: Touching | None = None
    apart: Apart | None = None
    upright: Upright | None = None
    moved_by: MovedBy | None = None
    turned_by: TurnedBy | None = None
    near: Near | None = None
    in_line: InLine | None = None
    still: Still | None = None
