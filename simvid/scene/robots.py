"""Robots and their scripts."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from simvid.scene.actions import Action, ScriptNoise
from simvid.scene.base import Model, Name, NonNegative, Number, Pose, Positive, Vec3, as_tuple
from simvid.scene.materials import LookRef
from simvid.scene.rules import Problem, Rule


class Control(Model):
    """How joint targets become torques."""

    mode: Literal["position", "velocity"] = "position"
    """``velocity`` is for scripts of ``velocity`` and ``wait`` alone, ``position`` for all other actions."""
    stiffness: Positive | None = None
    """Overrides the model file's position gain [N m/rad or N/m]."""
    damping: NonNegative | None = None
    """Overrides the model file's velocity gain [N m s/rad or N s/m]."""


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
    base_joints: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] | None = None
    """Joints that ``move_base`` drives: one or two that slide, and one that turns. Default: those before the arm."""
    script: Annotated[tuple[Action, ...], BeforeValidator(as_tuple)] = ()
    noise: ScriptNoise | None = None
    """Small faults of the script."""
    friction: Annotated[float, Field(ge=0, le=10)] | None = None
    """Overrides the friction of all links' colliders: that of an MJCF file, or 1, since URDF has none."""
    look: LookRef | None = None
    """Overrides the file's colours."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("control", "script"), _control_fits),)
