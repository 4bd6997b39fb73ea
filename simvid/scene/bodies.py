"""Bodies: things that fall, stand still, swing on a joint or follow keyframes."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from simvid.scene.base import (
    Model,
    Name,
    NonNegative,
    Number,
    OneOf,
    Pose,
    Positive,
    Vec3,
    as_tuple,
    splat3,
)
from simvid.scene.materials import Look, Material
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
    spacing_m: Annotated[tuple[Positive, Positive, Positive], BeforeValidator(splat3)]


class Ring(Model):
    """Evenly on a horizontal circle."""

    center_m: Vec3
    radius_m: Positive
    face_center: bool = False


class Triangle(Model):
    """Rows of 1, 2, 3 … as in a billiard rack; apex first, rows along +x."""

    apex_m: Vec3
    spacing_m: Positive


class Scatter(Model):
    """At random inside a box without overlap (from the scene's seed)."""

    low_m: Vec3
    high_m: Vec3
    turn: Literal["none", "yaw", "any"] = "any"

    @model_validator(mode="after")
    def _ordered(self) -> Scatter:
        if any(a > b for a, b in zip(self.low_m, self.high_m, strict=True)):
            raise ValueError(f"high_m must not be below low_m = {self.low_m}, got {self.high_m}")
        return self


class Arrange(OneOf):
    """Where the copies of a body with ``count`` go."""

    stack: Stack | None = None
    line: Line | None = None
    grid: Grid | None = None
    ring: Ring | None = None
    triangle: Triangle | None = None
    scatter: Scatter | None = None


class Keyframe(Model):
    """A pose at a time."""

    t_s: NonNegative
    pose: Pose


def _rising(frames: tuple[Keyframe, ...]) -> tuple[Keyframe, ...]:
    for before, after in pairwise(frames):
        if after.t_s <= before.t_s:
            raise ValueError(f"keyframe times must rise: {after.t_s} s comes after {before.t_s} s")
    return frames


class Motion(Model):
    """A kinematic path; physics feels it but does not change it."""

    keyframes: Annotated[tuple[Keyframe, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    interpolation: Literal["linear", "smooth"] = "smooth"
    """smooth: piecewise cubic (monotone in time), zero speed at both ends."""

    @model_validator(mode="after")
    def _times(self) -> Motion:
        _rising(self.keyframes)
        return self


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

    @model_validator(mode="after")
    def _axis(self) -> Hinge:
        if sum(c * c for c in self.axis) < 1e-12:
            raise ValueError("axis has length zero; give a direction such as [0, 1, 0]")
        return self


class Slider(Model):
    """Slides along an axis, without turning."""

    axis: Vec3
    parent: Name | None = None
    damping_n_s_m: NonNegative = 0.0


class Ball(Model):
    """Turns freely about an anchor."""

    anchor_m: Vec3
    parent: Name | None = None


class Weld(Model):
    """Held rigidly to another body."""

    parent: Name


class Joint(OneOf):
    """What ties a body to its parent; without one it is free."""

    hinge: Hinge | None = None
    slider: Slider | None = None
    ball: Ball | None = None
    weld: Weld | None = None


class Body(Model):
    """One thing, or ``count`` equal ones called name_0, name_1 …"""

    name: Name
    shape: Shape
    count: Annotated[int, Field(ge=1, le=10_000)] = 1
    arrange: Arrange | None = None
    material: Name | Material = Material()
    """A name from ``materials``, or a material written here."""
    look: Look | None = None
    """Overrides the material's look."""
    mass_kg: Positive | None = None
    """Overrides density times volume."""
    pose: Pose = Pose()
    """Start pose; with ``arrange`` its rotation applies to each copy."""
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

    @model_validator(mode="after")
    def _coherent(self) -> Body:
        if self.count > 1 and self.arrange is None:
            raise ValueError(f"count: {self.count} copies need arrange (stack, line, grid, ring, triangle or scatter)")
        held = [n for n, v in (("fixed", self.fixed), ("motion", self.motion), ("joint", self.joint)) if v]
        if len(held) > 1:
            raise ValueError(f"give one of fixed, motion, joint; got {' and '.join(held)}")
        moving = any(self.velocity_m_s) or any(self.angular_velocity_rad_s)
        if (self.fixed or self.motion) and (moving or self.impulses):
            raise ValueError(f"a {'fixed' if self.fixed else 'keyframed'} body takes no velocity or impulses")
        return self
