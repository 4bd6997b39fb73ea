"""What a script may tell a robot to do.

``joints``, ``velocity``, ``wait``, ``gripper``, ``reach: {to_m: …}`` and ``push: {by_m: …}`` are known before the first
step. All others look at the simulation when they begin: where bodies are then, what the gripper holds.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from simvid.scene.base import (
    MAPPING_ARM,
    TEXT_ARM,
    Model,
    Name,
    NonNegative,
    Number,
    OneOf,
    Positive,
    Vec2,
    Vec3,
    as_tuple,
    text_or_mapping,
)
from simvid.scene.predicates import Predicate
from simvid.scene.rules import Loc, Problem, Rule


class Joints(Model):
    """Move joints to positions along a smooth (minimum-jerk) path."""

    to: dict[str, Number]
    """Joint name -> position [rad or m]; joints not named stay."""
    over_s: Positive


class Velocity(Model):
    """Hold joint speeds, under ``control: {mode: velocity}``."""

    joints: dict[str, Number]
    """Joint name -> speed [rad/s or m/s]."""
    for_s: Positive


def _target(value: object) -> object:
    """A point or a name alone stands for the mapping."""
    if isinstance(value, str):
        return {"body": value}
    if isinstance(value, list | tuple):
        return {"point_m": tuple(value)}
    return value


def _point_or_body(target: "Target") -> Iterator[Problem]:
    if (target.point_m is None) == (target.body is None):
        got = "none" if target.body is None else "both"
        yield Problem((), "point_m or body", got, "as in [0.5, 0, 0.1], cube, or {body: cube, at: top}")


class Target(Model):
    """A place: a point, or a point of a body where it is when the action begins; ``[x, y, z]`` or ``cube`` in short."""

    point_m: Vec3 | None = None
    """World [m]."""
    body: str | None = None
    """A body, or ROBOT/LINK."""
    at: Literal["middle", "top", "bottom", "origin"] = "middle"
    """Of the body's box: its middle, the middle of its highest or lowest face in the world, or its frame's origin."""
    offset_m: Vec3 = (0.0, 0.0, 0.0)
    """Added, world axes [m]."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("point_m", "body"), _point_or_body),)


TargetRef = Annotated[
    Target,
    BeforeValidator(_target, json_schema_input_type=str | tuple[Number, Number, Number] | Target),
]


def _one_goal(action: "Reach") -> Iterator[Problem]:
    if (action.to_m is None) == (action.to is None):
        yield Problem((), "to_m or to", "none" if action.to is None else "both", "to_m: [0.5, 0, 0.3] or to: cube")


class Reach(Model):
    """Move the tool to a place: ``to_m`` straight, ``to`` around what is in the way."""

    to_m: Vec3 | None = None
    """World point for the tool's centre; the tool goes there on a straight line [m]."""
    to: TargetRef | None = None
    """A place, found when the action begins; the tool goes there without touching anything."""
    rotation_deg: Vec3 | None = None
    """World orientation of the tool (roll, pitch, yaw) [deg]; None keeps the present one."""
    over_s: Positive | None = None
    """None takes as long as a gentle motion takes."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("to_m", "to"), _one_goal),)


def _one_push(push: "Push") -> Iterator[Problem]:
    if (push.by_m is None) == (push.to is None):
        yield Problem((), "by_m or to", "none" if push.to is None else "both")
    if push.to is not None and push.body is None:
        yield Problem(("to",), "body beside to", "no body", "name the body to push: body: cube")


class Push(Model):
    """Move the tool by a vector, on a straight line; with ``body``, get behind that body and push it to a place."""

    by_m: Vec3 | None = None
    """World [m]."""
    body: str | None = None
    """What to push; without it the tool simply moves."""
    to: TargetRef | None = None
    """Where the body's middle shall come to; its height does not count."""
    height_m: NonNegative | None = None
    """Of the tool over the body's lowest point; None: a third of the body's height, 2 cm at least."""
    over_s: Positive | None = None

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("by_m", "to", "body"), _one_push),)


class GripperTo(Model):
    """Set the width between the fingers."""

    width_m: NonNegative
    over_s: Positive = 0.4


class Wait(Model):
    """Hold still."""

    for_s: Positive


class Grasp(Model):
    """Open, get to a body, close on it. Grasps are sampled on its surface and rehearsed in the simulation."""

    body: str
    approach: Literal["top", "side", "any"] = "any"
    """Where the hand comes from; any prefers the top."""
    tries: Annotated[int, Field(ge=1, le=50)] = 8
    """At most so many grasps are rehearsed."""
    clearance_m: Positive = 0.08
    """The last part of the way, straight, to the body [m]."""
    near: Literal["top", "middle", "bottom"] = "middle"
    """Which part of the body to hold."""


class Lift(Model):
    """Move the tool straight up."""

    by_m: Positive = 0.12
    over_s: Positive | None = None


class SetDown(Model):
    """Set down what is held, open, and get away."""

    at: TargetRef
    """Where the middle of its lowest face goes; a body means the middle of that body's top."""
    turn_deg: Number | None = None
    """How it shall stand: turned by this about the vertical against its start; None: as it comes."""
    drop_m: NonNegative = 0.003
    """It is let go this high over the place."""
    clearance_m: Positive = 0.08
    """The last part of the way, straight down [m]; and the way back."""


class Pour(Model):
    """Bring what is held over a place, tilt it, and turn it back."""

    into: TargetRef
    """What to pour into; a body means the middle of its top."""
    tilt_deg: Annotated[float, Field(gt=0, le=180)] = 120.0
    height_m: Positive = 0.06
    """Of the held thing's lip over the place; the lip stands back by half of how far the stream can jump."""
    over_s: Positive = 1.2
    """Of the tilting."""
    hold_s: NonNegative = 0.5


class Wipe(Model):
    """Rub over a rectangle in parallel strokes, with what is held or with the tool itself."""

    center: TargetRef
    """Middle of the rectangle on the surface; a body means the middle of its top."""
    size_m: Vec2
    """Along the world's x and y [m]."""
    strokes: Annotated[int, Field(ge=1, le=50)] = 4
    """Along the longer side."""
    press_m: NonNegative = 0.004
    """The tool aims so far below the surface."""
    speed_m_s: Positive = 0.25


def _one_opening(action: "Open") -> Iterator[Problem]:
    if (action.by_m is None) == (action.by_deg is None):
        yield Problem((), "by_m for a slider, or by_deg for a hinge", "none" if action.by_m is None else "both")


class Open(Model):
    """Pull a drawer or door by its handle, along its joint."""

    body: str
    """What opens: a body with a slider or a hinge."""
    handle: str | None = None
    """What to hold: a body welded to it. None is the body itself."""
    by_m: Positive | None = None
    """How far a slider opens, along its axis [m]."""
    by_deg: Number | None = None
    """How far a hinge turns, right-handed about its axis [deg]."""
    over_s: Positive = 1.5
    release: bool = True
    """Let go and get away at the end."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("by_m", "by_deg"), _one_opening),)


def _give_or_take(action: "Handover") -> Iterator[Problem]:
    if (action.to is None) == (action.take_from is None):
        yield Problem((), "to or take_from", "none" if action.to is None else "both")
    if action.to is not None and action.at_m is None:
        yield Problem(("at_m",), "the meeting point", "none", "at_m: [0.5, 0, 0.3]")
    if action.take_from is not None and action.body is None:
        yield Problem(("body",), "what to take", "none", "body: cube")


class Handover(Model):
    """Give what is held to another robot, or take it: one robot's script says ``to``, the other's ``take_from``.

    The giver brings it to the meeting point and holds it; the taker grasps it; then the giver lets go and backs off.
    """

    to: Name | None = None
    """Robot that takes it."""
    at_m: Vec3 | None = None
    """Meeting point, of the body's middle [m]; for the giver."""
    take_from: Name | None = None
    """Robot that gives it."""
    body: str | None = None
    """What is taken; for the taker."""
    timeout_s: Positive = 10.0
    """Longest wait for the other robot."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("to", "at_m", "take_from", "body"), _give_or_take),)


class WaitUntil(Model):
    """Hold still until all of some conditions are true, or time is up."""

    all: Annotated[tuple[Predicate, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    timeout_s: Positive = 5.0
    """Then the script goes on; the record says so."""


class MoveBase(Model):
    """Drive a mobile base: joints that slide over the ground, and one that turns about the vertical."""

    to_m: Vec2
    """World x and y of the base's last link [m]."""
    yaw_deg: Number | None = None
    """Heading; None keeps it."""
    over_s: Positive | None = None


class Gait(Model):
    """Walk with four legs: a trot of diagonal pairs, feet on half ellipses, by inverse kinematics of each leg."""

    speed_m_s: Annotated[float, Field(ge=-1.5, le=1.5)] = 0.3
    """Forwards (the base's x axis)."""
    turn_deg_s: Annotated[float, Field(ge=-90, le=90)] = 0.0
    for_s: Positive
    period_s: Annotated[float, Field(ge=0.2, le=2)] = 0.5
    step_height_m: Annotated[float, Field(gt=0, le=0.3)] = 0.06


class Action(OneOf):
    """One step of a script; they run one after another."""

    joints: Joints | None = None
    velocity: Velocity | None = None
    reach: Reach | None = None
    push: Push | None = None
    gripper: (
        Annotated[
            Annotated[Literal["open", "close"], Tag(TEXT_ARM)] | Annotated[GripperTo, Tag(MAPPING_ARM)],
            Discriminator(text_or_mapping),
        ]
        | None
    ) = None
    wait: Wait | None = None
    grasp: Grasp | None = None
    lift: Lift | None = None
    place: SetDown | None = None
    pour: Pour | None = None
    wipe: Wipe | None = None
    open: Open | None = None
    handover: Handover | None = None
    wait_until: WaitUntil | None = None
    move_base: MoveBase | None = None
    gait: Gait | None = None

    @property
    def looks(self) -> bool:
        """Whether what it does depends on the simulation at its start."""
        value = self.value
        if isinstance(value, Reach):
            return value.to is not None
        if isinstance(value, Push):
            return value.body is not None
        return not isinstance(value, Joints | Velocity | GripperTo | Wait | str)

    def bodies(self) -> Iterator[tuple[Loc, str]]:
        """Names of bodies in it, with their fields below the action."""
        yield from _names(self.value, (self.kind,))


def _names(value: object, loc: Loc) -> Iterator[tuple[Loc, str]]:
    if not isinstance(value, Model):
        return
    for name in type(value).model_fields:
        item = getattr(value, name)
        if name in {"body", "of", "other", "handle"} and isinstance(item, str):
            yield (*loc, name), item
        elif name == "bodies" and isinstance(item, tuple):
            yield from (((*loc, name, k), text) for k, text in enumerate(item))
        elif isinstance(item, tuple):
            for k, inner in enumerate(item):
                yield from _names(inner, (*loc, name, k))
        else:
            yield from _names(item, (*loc, name))


def names_in(predicates: tuple[Predicate, ...]) -> Iterator[tuple[Loc, str]]:
    """Names of bodies in predicates, with their fields below the list."""
    for k, predicate in enumerate(predicates):
        yield from _names(predicate, (k,))


def _rising(pushes: "Pushes") -> Iterator[Problem]:
    if pushes.between_s is not None and not 0 <= pushes.between_s[0] <= pushes.between_s[1]:
        yield Problem(("between_s",), "two times, the later one second, from 0 on", str(list(pushes.between_s)))


class Pushes(Model):
    """Kicks at random times, in random horizontal directions, from the scene's seed."""

    of: Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    """Bodies that are kicked; one is drawn for each kick."""
    count: Annotated[int, Field(ge=1, le=1000)] = 1
    impulse_n_s: Positive
    """Size of each [N s]."""
    between_s: Vec2 | None = None
    """First and last moment; None is the whole clip."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("between_s",), _rising),)


class ScriptNoise(Model):
    """Small faults of a script, so that data is not all perfect; drawn from the scene's seed and the robot's name."""

    joints_rad: NonNegative = 0.0
    """Standard deviation of smooth noise on joint targets (fingers have none) [rad or m]."""
    correlation_s: Positive = 0.2
    """Time over which that noise changes (Ornstein-Uhlenbeck)."""
    target_m: NonNegative = 0.0
    """Standard deviation of where the tool is led to, drawn anew for each action [m]."""
    pushes: Pushes | None = None
