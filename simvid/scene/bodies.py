"""Bodies: things that fall, stand still, swing on a joint or follow keyframes."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from simvid.scene.base import (
    Model,
    Name,
    NonNegative,
    Number,
    OneOf,
    Pose,
    Positive,
    Size3,
    Vec2,
    Vec3,
    as_tuple,
)
from simvid.scene.forces import Breaks, HingeMotor, SliderMotor, firm_rule, limits_rule
from simvid.scene.materials import LookRef, Material, MaterialRef
from simvid.scene.rules import RISING_KEYFRAMES, Problem, Rule, nonzero
from simvid.scene.shapes import Shape


class Stack(Model):
    """One on top of the other, touching, from base_m (middle of the lowest one's underside) upwards."""

    base_m: Vec3
    gap_m: NonNegative = 0.0


class Line(Model):
    """Along a line."""

    start_m: Vec3
    step_m: Vec3
    turn_deg: Number = 0.0
    """Each one turned by this much more about z than the one before."""


class Grid(Model):
    """A block of columns, rows and layers, filled in that order."""

    origin_m: Vec3
    counts: Annotated[
        tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]],
        BeforeValidator(as_tuple),
    ]
    spacing_m: Size3
    """Between middles, along x, y and z [m]; one number for all three."""


class Ring(Model):
    """Evenly on a horizontal circle."""

    center_m: Vec3
    radius_m: Positive
    face_center: bool = False


class Triangle(Model):
    """Rows of 1, 2, 3 … as in a billiard rack; apex first, rows along +x."""

    apex_m: Vec3
    spacing_m: Positive


def _ordered(box: "Scatter") -> Iterator[Problem]:
    for k, (low, high) in enumerate(zip(box.low_m, box.high_m, strict=True)):
        if low > high:
            yield Problem(("high_m", k), f"a number not below low_m[{k}] = {low:g}", f"{high:g}")


class Scatter(Model):
    """At random inside a box without overlap (from the scene's seed)."""

    low_m: Vec3
    high_m: Vec3
    turn: Literal["none", "yaw", "any"] = "any"

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("low_m", "high_m"), _ordered),)


class Places(Model):
    """Anywhere: a pose for each copy."""

    poses: Annotated[tuple[Pose, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    """Turned by these after the rotation of the body's own pose."""


class Arrange(OneOf):
    """Where the copies of a body with ``count`` go."""

    stack: Stack | None = None
    line: Line | None = None
    grid: Grid | None = None
    ring: Ring | None = None
    triangle: Triangle | None = None
    scatter: Scatter | None = None
    places: Places | None = None


class Keyframe(Model):
    """A pose at a time."""

    t_s: NonNegative
    pose: Pose


class Motion(Model):
    """A kinematic path; physics feels it but does not change it."""

    keyframes: Annotated[tuple[Keyframe, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    interpolation: Literal["linear", "smooth"] = "smooth"
    """smooth: piecewise cubic (monotone in time), zero speed at both ends."""

    RULES: ClassVar[tuple[Rule, ...]] = (RISING_KEYFRAMES,)


class Impulse(Model):
    """A kick."""

    t_s: NonNegative
    impulse_n_s: Vec3
    """World axes [N s]."""
    at_m: Vec3 = (0.0, 0.0, 0.0)
    """Point of attack in the body's frame [m]."""


class Hinge(Model):
    """Turns about an axis through an anchor fixed in the parent; both given in the world at t = 0."""

    anchor_m: Vec3
    axis: Vec3
    parent: Name | None = None
    """Another body; None is the world."""
    damping_n_m_s: NonNegative = 0.0
    stiffness_n_m_rad: NonNegative = 0.0
    """Of a spring that rests at the start [N m / rad]."""
    limits_deg: Vec2 | None = None
    """Least and most turn from the start [deg]."""
    motors: Annotated[tuple[HingeMotor, ...], BeforeValidator(as_tuple)] = ()
    breaks: Breaks | None = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        nonzero("axis", "[0, 1, 0]"),
        limits_rule("limits_deg"),
        firm_rule("damping_n_m_s", "stiffness_n_m_rad", "limits_deg", "motors"),
    )


class Slider(Model):
    """Slides along an axis, without turning."""

    axis: Vec3
    parent: Name | None = None
    damping_n_s_m: NonNegative = 0.0
    stiffness_n_m: NonNegative = 0.0
    """Of a spring that rests at the start [N / m]."""
    limits_m: Vec2 | None = None
    """Least and most way from the start [m]."""
    motors: Annotated[tuple[SliderMotor, ...], BeforeValidator(as_tuple)] = ()

    RULES: ClassVar[tuple[Rule, ...]] = (nonzero("axis", "[0, 0, 1]"), limits_rule("limits_m"))


class Ball(Model):
    """Turns freely about an anchor."""

    anchor_m: Vec3
    parent: Name | None = None
    damping_n_m_s: NonNegative = 0.0
    breaks: Breaks | None = None

    RULES: ClassVar[tuple[Rule, ...]] = (firm_rule("damping_n_m_s"),)


class Weld(Model):
    """Held rigidly to another body."""

    parent: Name
    breaks: Breaks | None = None


class Joint(OneOf):
    """What ties a body to its parent; without one it is free."""

    hinge: Hinge | None = None
    slider: Slider | None = None
    ball: Ball | None = None
    weld: Weld | None = None


def may_break(joint: Joint | None) -> Breaks | None:
    """The load at which a joint gives way; None where it never does."""
    return None if joint is None else getattr(joint.value, "breaks", None)


def _copies_placed(body: "Body") -> Iterator[Problem]:
    if body.count > 1 and body.arrange is None:
        yield Problem(
            ("count",), "arrange beside a count above 1", f"count: {body.count} alone",
            "say where the copies go: arrange: {stack | line | grid | ring | triangle | scatter | places: …}",
        )  # fmt: skip


def _arranged_places(body: "Body") -> Iterator[Problem]:
    if body.arrange is not None and any(body.pose.position_m):
        yield Problem(
            ("pose", "position_m"), "a pose that only turns beside arrange", str(list(body.pose.position_m)),
            "arrange says where the copies are; leave position_m out",
        )  # fmt: skip


def _one_hold(body: "Body") -> Iterator[Problem]:
    held = [name for name in ("fixed", "motion", "joint") if getattr(body, name)]
    if len(held) > 1:
        yield Problem((held[1],), "at most one of fixed, motion, joint", " and ".join(held))


def _unmoved(body: "Body") -> Iterator[Problem]:
    if not (body.fixed or body.motion):
        return
    what = "fixed" if body.fixed else "keyframed"
    for name in ("velocity_m_s", "angular_velocity_rad_s"):
        if any(getattr(body, name)):
            yield Problem((name,), f"no velocity on a {what} body", str(list(getattr(body, name))))
    if body.impulses:
        yield Problem(("impulses",), f"no impulses on a {what} body", str(len(body.impulses)))


class Body(Model):
    """One thing, or ``count`` equal ones called name_0, name_1 …"""

    name: Name
    category: Name | None = None
    """Semantic class, for labels; None is the name."""
    shape: Shape
    count: Annotated[int, Field(ge=1, le=10_000)] = 1
    arrange: Arrange | None = None
    material: MaterialRef = Material()
    """A name from ``materials``, or a material written here."""
    look: LookRef | None = None
    """Overrides the material's look."""
    mass_kg: Positive | None = None
    """Overrides density times volume."""
    pose: Pose = Pose()
    """Start pose; with ``arrange`` a rotation alone, which applies to each copy."""
    velocity_m_s: Vec3 = (0.0, 0.0, 0.0)
    angular_velocity_rad_s: Vec3 = (0.0, 0.0, 0.0)
    fixed: bool = False
    """Held in place by the world."""
    motion: Motion | None = None
    """Moves on keyframes."""
    joint: Joint | None = None
    impulses: Annotated[tuple[Impulse, ...], BeforeValidator(as_tuple)] = ()
    collision: Literal["auto", "exact", "convex_hull", "convex_parts", "none"] = "auto"
    """auto: primitives as they are, meshes as convex parts when they move and exact when they are fixed."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(("count", "arrange"), _copies_placed),
        Rule(("arrange", "pose"), _arranged_places),
        Rule(("fixed", "motion", "joint"), _one_hold),
        Rule(("fixed", "motion", "velocity_m_s", "angular_velocity_rad_s", "impulses"), _unmoved),
    )
