"""Cameras and lights."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from simvid.scene.base import Color, Model, Name, NonNegative, Number, OneOf, Pose, Positive, Vec3, as_tuple

Pixels = Annotated[int, Field(ge=1, le=8192)]


class CameraPose(Pose):
    """As ``Pose`` (OpenCV camera axes), or by what the camera looks at. +z of the world is up in the picture."""

    look_from_m: Vec3 | None = None
    look_at_m: Vec3 | None = None
    roll_deg: Number = 0.0

    @model_validator(mode="after")
    def _one_way(self) -> CameraPose:
        if (self.look_from_m is None) != (self.look_at_m is None):
            raise ValueError("look_from_m and look_at_m go together")
        if self.look_from_m is not None:
            clash = {"position_m", "rotation_deg", "quaternion_wxyz"} & self.model_fields_set
            if clash:
                raise ValueError(f"give look_from_m and look_at_m, or {', '.join(sorted(clash))}, not both")
            if self.look_from_m == self.look_at_m:
                raise ValueError("look_from_m and look_at_m are the same point")
        return self


class CameraKeyframe(Model):
    """A camera pose at a time."""

    t_s: NonNegative
    pose: CameraPose


class Orbit(Model):
    """Circles a point at constant speed."""

    center_m: Vec3
    radius_m: Positive
    height_m: Number
    """Above center_m [m]."""
    start_deg: Number = 0.0
    sweep_deg: Number = 360.0
    """Turned in all over the clip [deg]."""


class Camera(Model):
    """A pinhole camera. Say where it is by one of pose, keyframes, orbit or attach_to."""

    name: Name
    resolution_px: Annotated[tuple[Pixels, Pixels], BeforeValidator(as_tuple)] = (640, 480)
    """Width, height [px]."""
    fov_y_deg: Annotated[float, Field(gt=0, lt=180)] = 45.0
    pose: CameraPose | None = None
    """With attach_to: in the frame of that part."""
    keyframes: Annotated[tuple[CameraKeyframe, ...], BeforeValidator(as_tuple)] = ()
    orbit: Orbit | None = None
    attach_to: str | None = None
    """A body (``cup``) or a robot's link (``arm/hand``)."""
    track: str | None = None
    """Always look at this body or link; its position comes from pose, keyframes or orbit."""
    near_m: Positive = 0.01

    @model_validator(mode="after")
    def _one_place(self) -> Camera:
        ways = [n for n in ("keyframes", "orbit") if getattr(self, n)]
        if self.pose is not None and not self.attach_to:
            ways.insert(0, "pose")
        if self.attach_to:
            ways.append("attach_to")
        if len(ways) != 1:
            raise ValueError(
                f"say where it is by one of pose, keyframes, orbit, attach_to; got {', '.join(ways) or 'none'}"
            )
        if self.track and self.attach_to:
            raise ValueError("track cannot be combined with attach_to")
        for before, after in pairwise(self.keyframes):
            if after.t_s <= before.t_s:
                raise ValueError(f"keyframe times must rise: {after.t_s} s comes after {before.t_s} s")
        return self


class Sun(Model):
    """Parallel light with shadows."""

    direction: Vec3
    """The way the light travels."""
    strength: NonNegative = 3.0
    color: Color = (1.0, 0.97, 0.9)

    @model_validator(mode="after")
    def _direction(self) -> Sun:
        if sum(c * c for c in self.direction) < 1e-12:
            raise ValueError("direction has length zero; give one such as [-0.4, 0.3, -1]")
        return self


class Sky(Model):
    """Light from all around, and the picture behind everything."""

    preset: Literal["studio", "clear", "overcast", "sunset", "night"] = "studio"
    strength: NonNegative = 1.0


class PointLight(Model):
    """A lamp."""

    position_m: Vec3
    strength: NonNegative = 1.0
    """Irradiance at one metre, relative to a sun of the same strength."""
    color: Color = (1.0, 0.95, 0.85)


class Light(OneOf):
    """Exactly one kind of light."""

    sun: Sun | None = None
    sky: Sky | None = None
    point: PointLight | None = None
