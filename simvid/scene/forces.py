"""Forces and boundary conditions: wind, fields, impulses, places that hold, belts, ties; each with its time window."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, StringConstraints

from simvid.scene.base import Model, Name, NonNegative, Number, OneOf, Positive, Vec3, as_tuple
from simvid.scene.rules import Problem, Rule, nonzero

Who: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*(/[A-Za-z0-9_.\-]+)?$")]
"""A body (of one with ``count`` a copy, or all of them), or a robot's link as ROBOT/LINK."""
Whom: TypeAlias = Annotated[tuple[Who, ...], BeforeValidator(as_tuple)]


def _forward(window: "Window") -> Iterator[Problem]:
    if window.end_s is not None and window.end_s <= window.start_s:
        yield Problem(("end_s",), f"a time after start_s = {window.start_s:g} s", f"{window.end_s:g}")


class Window(Model):
    """When it acts."""

    start_s: NonNegative = 0.0
    end_s: Positive | None = None
    """None: to the end of the clip."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("start_s", "end_s"), _forward),)


def _low_below_high(box: "BoxRegion") -> Iterator[Problem]:
    for k, (low, high) in enumerate(zip(box.low_m, box.high_m, strict=True)):
        if low >= high:
            yield Problem(("high_m", k), f"a number above low_m[{k}] = {low:g}", f"{high:g}")


class BoxRegion(Model):
    """Between two corners, along the world's axes."""

    low_m: Vec3
    high_m: Vec3

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("low_m", "high_m"), _low_below_high),)


class BallRegion(Model):
    """Within a distance of a point."""

    center_m: Vec3
    radius_m: Positive


class Region(OneOf):
    """A part of the world. A rigid body is in it where its centre of mass is, a deformable one with each particle."""

    box: BoxRegion | None = None
    sphere: BallRegion | None = None


class _Everywhere(Window):
    bodies: Whom = ()
    """On which ones; none: all bodies that can move, not robots."""
    region: Region | None = None
    """Acts only there; None is everywhere."""


class _Air(_Everywhere):
    air_density_kg_m3: Positive = 1.2
    drag_coefficient: Positive = 1.0
    """c of 1/2 rho c A |u - v| (u - v); a ball has 0.47, a cube 1.05, a plate across the wind 1.2."""
    area_m2: Positive | None = None
    """A of each rigid body; None is that of its outline as the wind sees it (of its convex hull). Deformable bodies
    always take what they turn to the wind."""


class Wind(_Air):
    """Moving air that drags along what is slower: 1/2 rho c A |u - v| (u - v) at the centre of mass of a rigid body, on
    the windward surface of a deformable one. A wind of zero is still air, which brakes."""

    velocity_m_s: Vec3 = (0.0, 0.0, 0.0)


class Vortex(_Air):
    """Air that turns about an axis: as a solid within the core, slower as 1 / r outside it (Rankine's vortex)."""

    center_m: Vec3
    axis: Vec3 = (0.0, 0.0, 1.0)
    angular_velocity_rad_s: Number
    core_m: Positive
    """Radius of the core."""
    updraft_m_s: Number = 0.0
    """Speed along the axis, everywhere."""

    RULES: ClassVar[tuple[Rule, ...]] = (*Window.RULES, nonzero("axis", "[0, 0, 1]"))


class Acceleration(_Everywhere):
    """The same acceleration for all, as of gravity."""

    acceleration_m_s2: Vec3

    RULES: ClassVar[tuple[Rule, ...]] = (*Window.RULES, nonzero("acceleration_m_s2", "[0, 0, 5]"))


class Attract(_Everywhere):
    """Accelerates towards a point, or away from it where the number is negative."""

    to_m: Vec3
    acceleration_m_s2: Number
    radius_m: Positive
    """Nothing acts farther away."""
    profile: Literal["constant", "spring"] = "constant"
    """spring: grows with the distance, from zero at the point to the number given at radius_m."""


def _someone(impulse: "SharedImpulse") -> Iterator[Problem]:
    if not impulse.bodies and impulse.region is None:
        yield Problem((), "bodies, region or both", "none", "say what is hit: bodies: [ball], or region: {…}")


class SharedImpulse(Model):
    """A blow on all of these together, shared by mass: each gets the same change of velocity, J over their mass."""

    t_s: NonNegative
    impulse_n_s: Vec3
    """J, world axes [N s]."""
    bodies: Whom = ()
    """None: all bodies in the region."""
    region: Region | None = None
    """Only what is in it at that time; something must be."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(("bodies", "region"), _someone), nonzero("impulse_n_s", "[1, 0, 0]"),
    )  # fmt: skip


class Hold(Window):
    """Holds still what is in a region when it begins: rigid bodies whole, of deformable ones the particles in it."""

    region: Region
    bodies: Whom = ()
    """Only of these; none: of all bodies that can move."""


class Conveyor(Window):
    """A surface that runs: contacts drag what lies on it as if it moved, and it stays where it is."""

    body: Name
    """A rigid body, or ``ground``."""
    velocity_m_s: Vec3
    """Of the surface, in the body's axes; what of it is across the surface counts for nothing."""
    region: Region | None = None
    """Contacts there only; None is all over."""

    RULES: ClassVar[tuple[Rule, ...]] = (*Window.RULES, nonzero("velocity_m_s", "[0.5, 0, 0]"))


class Force(OneOf):
    """One thing that acts on the scene from outside."""

    wind: Wind | None = None
    vortex: Vortex | None = None
    acceleration: Acceleration | None = None
    attract: Attract | None = None
    impulse: SharedImpulse | None = None
    hold: Hold | None = None
    conveyor: Conveyor | None = None


def _some_load(breaks: "Breaks") -> Iterator[Problem]:
    if breaks.force_n is None and breaks.torque_n_m is None:
        yield Problem((), "force_n, torque_n_m or both", "none")


class Breaks(Model):
    """When a joint gives way, for good: as soon as its force or its torque in a physics step is above the load.

    It passes on nothing of a blow that breaks it; of several that are overloaded the most overloaded goes first.
    """

    force_n: Positive | None = None
    torque_n_m: Positive | None = None
    """About the joint's anchor."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("force_n", "torque_n_m"), _some_load),)


def _not_itself(tie: "Attachment") -> Iterator[Problem]:
    if tie.a == tie.b:
        yield Problem(("b",), "another thing than a", f"'{tie.b}'")


def _whole_or_torn(tie: "Attachment") -> Iterator[Problem]:
    if tie.region is not None and tie.kind != "rigid":
        yield Problem(("kind",), "kind: rigid beside a region", f"'{tie.kind}'")
    if tie.region is not None and tie.breaks is not None:
        hint = "give end_s instead"
        yield Problem(("breaks",), "no load at which particles tear off", "breaks beside a region", hint)


class Attachment(Window):
    """Ties a body to another one, or to a robot's link, as they stand when it begins; ``end_s`` lets go.

    While tied, the two do not collide with each other.
    """

    name: Name
    a: Name
    """A body; a deformable one is tied by its particles in ``region``."""
    b: Who
    """A rigid body, or ROBOT/LINK."""
    kind: Literal["rigid", "ball"] = "rigid"
    """ball: turns freely about the point."""
    at_m: Vec3 = (0.0, 0.0, 0.0)
    """The point, in the frame of a rigid body ``a`` [m]."""
    region: Region | None = None
    """Of a deformable body ``a``: the particles that are tied."""
    breaks: Breaks | None = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        *Window.RULES,
        Rule(("a", "b"), _not_itself),
        Rule(("kind", "region", "breaks"), _whole_or_torn),
    )


def _drive_rule(speed: str, push: str, limit: str) -> Rule:
    """A motor has a speed or a push, and a limit beside a speed alone."""

    def check(motor: object) -> Iterator[Problem]:
        given = [name for name in (speed, push) if getattr(motor, name) is not None]
        if len(given) != 1:
            yield Problem((), f"exactly one of {speed}, {push}", "both" if given else "none")
        elif given == [push] and getattr(motor, limit) is not None:
            yield Problem((limit,), f"a limit only beside {speed}", f"{getattr(motor, limit):g}")

    return Rule((speed, push, limit), check)


class HingeMotor(Window):
    """Turns a hinge: with a torque, or at a speed with as much torque as that takes, up to a limit."""

    velocity_rad_s: Number | None = None
    torque_n_m: Number | None = None
    max_torque_n_m: Positive | None = None
    """None: as much as it takes."""

    RULES: ClassVar[tuple[Rule, ...]] = (*Window.RULES, _drive_rule("velocity_rad_s", "torque_n_m", "max_torque_n_m"))

    @property
    def drive(self) -> tuple[float | None, float | None, float | None]:
        """Speed, torque, limit."""
        return self.velocity_rad_s, self.torque_n_m, self.max_torque_n_m


class SliderMotor(Window):
    """Moves a slider: with a force, or at a speed with as much force as that takes, up to a limit."""

    velocity_m_s: Number | None = None
    force_n: Number | None = None
    max_force_n: Positive | None = None
    """None: as much as it takes."""

    RULES: ClassVar[tuple[Rule, ...]] = (*Window.RULES, _drive_rule("velocity_m_s", "force_n", "max_force_n"))

    @property
    def drive(self) -> tuple[float | None, float | None, float | None]:
        """Speed, force, limit."""
        return self.velocity_m_s, self.force_n, self.max_force_n


def _limits_in_order(joint: object) -> Iterator[Problem]:
    for key in ("limits_deg", "limits_m"):
        limits = getattr(joint, key, None)
        if limits is not None and not limits[0] <= 0 <= limits[1]:
            yield Problem((key,), "a range around 0, where it starts", str(list(limits)))
        elif limits is not None and limits[0] == limits[1]:
            yield Problem((key,), "two different limits", str(list(limits)), "weld holds rigidly")


def limits_rule(key: str) -> Rule:
    """Limits go around the start."""
    return Rule((key,), _limits_in_order)


def firm_rule(*keys: str) -> Rule:
    """A joint that breaks has nothing else on it: it is a tie between two free bodies."""

    def check(joint: object) -> Iterator[Problem]:
        if getattr(joint, "breaks", None) is None:
            return
        for key in keys:
            if getattr(joint, key):
                yield Problem((key,), "no such key beside breaks", str(key), "leave one of the two out")

    return Rule(("breaks", *keys), check)
