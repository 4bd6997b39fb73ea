"""Cameras and lights."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from simvid.scene.base import Color, Model, Name, NonNegative, Number, OneOf, Pose, Positive, Vec3, as_tuple
from simvid.scene.rules import RISING_KEYFRAMES, Problem, Rule, nonzero

Pixels = Annotated[int, Field(ge=1, le=8192)]


def _looks_somewhere(pose: "CameraPose") -> Iterator[Problem]:
    pair = ("look_from_m", "look_at_m")
    given = [name for name in pair if getattr(pose, name) is not None]
    if len(given) == 1:
        yield Problem((), "look_from_m and look_at_m together", f"{given[0]} alone")
    if pose.look_from_m is not None and pose.look_from_m == pose.look_at_m:
        yield Problem(("look_at_m",), "another point than look_from_m", str(list(pose.look_from_m)))
    others = [n for n in ("position_m", "rotation_deg", "quaternion_wxyz") if n in pose.model_fields_set]
    if given and others:
        yield Problem(
            (others[0],), "look_from_m and look_at_m, or position_m with a rotation", f"{given[0]} and {others[0]}"
        )


class CameraPose(Pose):
    """As ``Pose`` (OpenCV camera axes), or by what the camera looks at. +z of the world is up in the picture."""

    look_from_m: Vec3 | None = None
    look_at_m: Vec3 | None = None
    roll_deg: Number = 0.0

    RULES: ClassVar[tuple[Rule, ...]] = (
        *Pose.RULES,
        Rule(("position_m", "rotation_deg", "quaternion_wxyz", "look_from_m", "look_at_m"), _looks_somewhere),
    )


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


def _one_place(camera: "Camera") -> Iterator[Problem]:
    ways = [name for name in ("keyframes", "orbit", "attach_to") if getattr(camera, name)]
    if camera.pose is not None and not camera.attach_to:
        ways.insert(0, "pose")
    if len(ways) != 1:
        yield Problem((), "one of pose, keyframes, orbit, attach_to", " and ".join(ways) or "none of them")
    if camera.track and camera.attach_to:
        yield Problem(("track",), "track or attach_to", "both")


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

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(("pose", "keyframes", "orbit", "attach_to", "track"), _one_place),
        RISING_KEYFRAMES,
    )


class Sun(Model):
    """Parallel light with shadows."""

    direction: Vec3
    """The way the light travels."""
    strength: NonNegative = 3.0
    color: Color = (1.0, 0.97, 0.9)

    RULES: ClassVar[tuple[Rule, ...]] = (nonzero("direction", "[-0.4, 0.3, -1]"),)


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
