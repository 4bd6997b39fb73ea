"""Robots and their scripts."""

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
    Pose,
    Positive,
    Vec3,
    as_tuple,
    text_or_mapping,
)
from simvid.scene.materials import LookRef
from simvid.scene.rules import Problem, Rule


class Control(Model):
    """How joint targets become torques."""

    mode: Literal["position", "velocity"] = "position"
    stiffness: Positive | None = None
    """Overrides the model file's position gain [N m/rad or N/m]."""
    damping: NonNegative | None = None
    """Overrides the model file's velocity gain [N m s/rad or N s/m]."""


class Joints(Model):
    """Move joints to positions along a smooth (minimum-jerk) path."""

    to: dict[str, Number]
    """Joint name -> position [rad or m]; joints not named stay."""
    over_s: Positive


class Velocity(Model):
    """Hold joint speeds."""

    joints: dict[str, Number]
    """Joint name -> speed [rad/s or m/s]."""
    for_s: Positive


class Reach(Model):
    """Move the tool to a point, on a straight line, by inverse kinematics."""

    to_m: Vec3
    """World point for the tool's centre [m]."""
    rotation_deg: Vec3 | None = None
    """World orientation of the tool (roll, pitch, yaw) [deg]; None keeps the present one."""
    over_s: Positive


class Push(Model):
    """Move the tool by a vector, on a straight line, keeping its orientation."""

    by_m: Vec3
    over_s: Positive


class GripperTo(Model):
    """Set the width between the fingers."""

    width_m: NonNegative
    over_s: Positive = 0.4


class Wait(Model):
    """Hold still."""

    for_s: Positive


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


class Tool(Model):
    """What the script moves: a point on a link."""

    link: str
    offset_m: Vec3 = (0.0, 0.0, 0.0)
    """In the link's frame [m]."""


def _control_fits(robot: "Robot") -> Iterator[Problem]:
    for k, action in enumerate(robot.script):
        if robot.control.mode == "position" and action.velocity is not None:
            yield Problem(
                ("script", k, "velocity"), "control: {mode: velocity} for a velocity action", "mode: position"
            )
        elif robot.control.mode == "velocity" and action.kind not in {"velocity", "wait"}:
            yield Problem(("script", k, action.kind), "velocity or wait under control: {mode: velocity}", action.kind)


class Robot(Model):
    """An articulated robot from an MJCF (.xml) or URDF (.urdf) file."""

    name: Name
    category: Name | None = None
    """Semantic class, for labels; None is the name."""
    model: str
    """Relative to the scene file, or package://PACKAGE/PATH."""
    pose: Pose = Pose()
    """Of the base."""
    fixed_base: bool = True
    initial_joints: dict[str, Number] = Field(default_factory=dict)
    """Joint name -> start position [rad or m]; others start at the file's home keyframe, or zero."""
    control: Control = Control()
    tool: Tool | None = None
    """Default: the link between the fingers, or the last link of the longest chain."""
    gripper_joints: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] | None = None
    """Default: the sliding joints of links called finger."""
    script: Annotated[tuple[Action, ...], BeforeValidator(as_tuple)] = ()
    friction: Annotated[float, Field(ge=0, le=10)] | None = None
    """Overrides the friction of all links' colliders."""
    look: LookRef | None = None
    """Overrides the file's colours."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("control", "script"), _control_fits),)
