"""How values vary from sample to sample: what may stand under the paths of ``randomize``."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from simvid.scene.base import Model, Name, NonNegative, Number, OneOf, Positive, Vec2, as_tuple
from simvid.scene.rules import Problem, Rule

CUT = 3.0
"""Bell curves end at this many standard deviations."""
NESTED = ("uniform", "log_uniform", "normal", "choice")
"""What may be drawn inside the subtrees of ``one_of``."""


def _low_first(span: "Uniform") -> Iterator[Problem]:
    if span.low > span.high:
        yield Problem((), "[low, high] with low <= high", f"[{span.low:g}, {span.high:g}]")


class Uniform(Model):
    """Evenly between low and high, as [low, high]."""

    low: Number
    high: Number

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("low", "high"), _low_first),)


class LogUniform(Uniform):
    """Evenly in the logarithm between low and high, as [low, high]."""

    low: Positive
    high: Positive


Pair = tuple[Number, Number]


def _pair(value: object) -> object:
    if isinstance(value, list | tuple) and len(value) == 2:
        return {"low": value[0], "high": value[1]}
    return value


def _ends(bell: "Normal") -> tuple[float, float]:
    low, high = bell.mean - CUT * bell.std, bell.mean + CUT * bell.std
    return low if bell.low is None else max(low, bell.low), high if bell.high is None else min(high, bell.high)


def _some_left(bell: "Normal") -> Iterator[Problem]:
    low, high = _ends(bell)
    if low >= high:
        yield Problem(
            (), "low and high with some of the bell curve between them",
            f"[{low:g}, {high:g}] for mean {bell.mean:g} and std {bell.std:g}",
            f"it ends at {CUT:g} standard deviations anyway",
        )  # fmt: skip


class Normal(Model):
    """Bell curve, cut off at three standard deviations, and at low and high where they are given."""

    mean: Number
    std: Positive
    low: Number | None = None
    """Nothing below is drawn."""
    high: Number | None = None
    """Nothing above is drawn."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("mean", "std", "low", "high"), _some_left),)

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest value that may be drawn."""
        return _ends(self)


class Jitter(Model):
    """Small change of a pose: position by a normal of this size per axis, rotation about a random axis."""

    position_m: NonNegative = 0.0
    """Standard deviation along each axis, cut off at three of them [m]."""
    rotation_deg: NonNegative = 0.0
    """Standard deviation of the angle, cut off at three of them [deg]."""


def _area(place: "Place") -> Iterator[Problem]:
    if (place.low_m is None) != (place.high_m is None):
        given = "low_m" if place.low_m is not None else "high_m"
        yield Problem((), "low_m and high_m, or neither", f"{given} alone")
    if place.on == "ground" and place.low_m is None:
        yield Problem((), "low_m and high_m beside on: ground, which has no edges", "neither")
    for k, (low, high) in enumerate(zip(place.low_m or (), place.high_m or (), strict=False)):
        if low > high:
            yield Problem(("high_m", k), f"a number not below low_m[{k}] = {low:g}", f"{high:g}")


class Place(Model):
    """Somewhere on top of a body, or on the ground, without overlap; each copy of a body has a place of its own.

    The top is that of the body's box, so tables and shelves are what to put things on. Boxes of things do not overlap
    seen from above, unless one is wholly above the other; robots are not looked at.
    """

    on: Name
    """A body that stands upright, or ``ground``."""
    low_m: Vec2 | None = None
    """The middles of things have x and y between low_m and high_m, in the world [m]."""
    high_m: Vec2 | None = None
    margin_m: NonNegative = 0.0
    """Kept free along the edges of the top [m]."""
    apart_m: NonNegative = 0.005
    """Between things, seen from above [m]."""
    gap_m: NonNegative = 0.001
    """Things start so far above the top [m]."""
    turn: Literal["none", "yaw"] = "yaw"
    """yaw: turned any way about z."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("on", "low_m", "high_m"), _area),)


Values = Annotated[tuple[Any, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=256)]


class Random(OneOf):
    """How one value varies from sample to sample."""

    uniform: Annotated[Uniform, BeforeValidator(_pair, json_schema_input_type=Pair | Uniform)] | None = None
    log_uniform: Annotated[LogUniform, BeforeValidator(_pair, json_schema_input_type=Pair | LogUniform)] | None = None
    normal: Normal | None = None
    choice: Values | None = None
    """One of these."""
    one_of: Values | None = None
    """One of these subtrees; values in them may be drawn, as in ``{box: {size_m: {uniform: [0.04, 0.08]}}}``."""
    grid: Values | None = None
    """Each of these in turn; the grids of a scene make every combination, the last one changing fastest."""
    sequence: Values | None = None
    """Sample k takes value k, from the first again after the last; all sequences step together."""
    jitter: Jitter | None = None
    place: Place | None = None
