"""Cameras and lights."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from simvid.scene.base import Color, Model, Name, NonNegative, Number, OneOf, Pose, Positive, Vec2, Vec3, as_tuple
from simvid.scene.lenses import Lens
from simvid.scene.rules import RISING_KEYFRAMES, Problem, Rule, nonzero
from simvid.scene.sensors import DepthSensor, Focus, Sensor, Shutter

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


def _one_place(mount: "Mount") -> Iterator[Problem]:
    rig = getattr(mount, "rig", None)
    ways = [name for name in ("keyframes", "orbit", "attach_to") if getattr(mount, name)]
    if mount.pose is not None and not mount.attach_to and not rig:
        ways.insert(0, "pose")
    if rig:
        ways.append("rig")
    if len(ways) != 1:
        known = ", ".join(name for name in PLACES if name in type(mount).model_fields)
        yield Problem((), f"one of {known}", " and ".join(ways) or "none of them")
    for other in ("attach_to", "rig"):
        if mount.track and getattr(mount, other, None):
            yield Problem(("track",), f"track or {other}", "both")


PLACES = ("pose", "keyframes", "orbit", "attach_to", "rig")


class Mount(Model):
    """What has a place of its own. Say where it is by one of pose, keyframes, orbit or attach_to."""

    name: Name
    pose: CameraPose | None = None
    """With attach_to: in the frame of that part. With rig: in the frame of that rig."""
    keyframes: Annotated[tuple[CameraKeyframe, ...], BeforeValidator(as_tuple)] = ()
    orbit: Orbit | None = None
    attach_to: str | None = None
    """A body (``cup``) or a robot's link (``arm/hand``)."""
    track: str | None = None
    """Always look at this body or link; its position comes from pose, keyframes or orbit."""

    RULES: ClassVar[tuple[Rule, ...]] = (RISING_KEYFRAMES,)


class Rig(Mount):
    """A thing that carries cameras (their ``rig``): +x right, +y down, +z forward, as a camera."""

    RULES: ClassVar[tuple[Rule, ...]] = (*Mount.RULES, Rule((*PLACES[:-1], "track"), _one_place))


class Stereo(Model):
    """Makes two cameras of one: ``NAME_left``, where the camera is, and ``NAME_right`` beside it."""

    baseline_m: Positive
    """Along the left camera's x axis [m]."""


def _sound_picture(camera: "Camera") -> Iterator[Problem]:
    """Intrinsics that contradict each other, and distortions that fold inside the picture."""
    lens = camera.lens
    parallel = lens is not None and lens.orthographic is not None
    fov = "fov_y_deg" in camera.model_fields_set
    if fov and (parallel or camera.focal_px is not None):
        instead = "lens.orthographic.height_m" if parallel else "focal_px"
        yield Problem(("fov_y_deg",), f"fov_y_deg or {instead}", "both")
    if parallel and camera.focal_px is not None:
        yield Problem(("focal_px",), "focal_px or lens.orthographic.height_m", "both")
    if parallel and camera.focus is not None:
        yield Problem(("focus",), "a lens whose rays meet (pinhole, fisheye)", "an orthographic one")
    if lens is not None and lens.pinhole is None and camera.depth_sensor is not None:
        yield Problem(("depth_sensor",), "a pinhole lens, as depth sensors have", f"lens.{lens.kind}")
    if lens is None or parallel:
        return
    from simvid.scene.intrinsics import picture_fault

    found = picture_fault(camera)
    if found is not None:
        yield Problem(("lens", lens.kind), *found, "use smaller coefficients, or a narrower picture")


class Camera(Mount):
    """A camera. Say where it is by one of pose, keyframes, orbit, attach_to or rig."""

    resolution_px: Annotated[tuple[Pixels, Pixels], BeforeValidator(as_tuple)] = (640, 480)
    """Width, height [px]."""
    fov_y_deg: Annotated[float, Field(gt=0, lt=180)] = 45.0
    """Angle between the lines of sight to the middle of the upper and lower border [deg]."""
    focal_px: Annotated[tuple[Positive, Positive], BeforeValidator(as_tuple)] | None = None
    """Focal lengths fx, fy of a calibrated camera [px]; instead of fov_y_deg."""
    center_px: Vec2 | None = None
    """Principal point cx, cy [px], pixel centres at +0.5 (OpenCV's plus a half); None is the middle of the picture."""
    lens: Lens | None = None
    """None is a pinhole without distortion."""
    rig: str | None = None
    """The rig that carries it; pose is then its place on the rig."""
    stereo: Stereo | None = None
    near_m: Positive = 0.01
    shutter: Shutter | None = None
    """None is instantaneous."""
    focus: Focus | None = None
    """None is sharp everywhere."""
    sensor: Sensor | None = None
    depth_sensor: DepthSensor | None = None
    """Measures the label ``depth_sensor``; None is the default sensor where that label is asked for."""

    _beside_m: float = PrivateAttr(default=0.0)
    """How far it stands to the right of its place [m]; of the right camera of a pair."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *Mount.RULES,
        Rule((*PLACES, "track"), _one_place),
        Rule(
            ("resolution_px", "fov_y_deg", "focal_px", "center_px", "lens", "focus", "depth_sensor"),
            _sound_picture,
        ),
    )

    def pair(self) -> tuple["Camera", ...]:
        """Itself, or left and right of a stereo camera."""
        if self.stereo is None:
            return (self,)
        left, right = (self.model_copy(update={"name": f"{self.name}_{side}"}) for side in ("left", "right"))
        right._beside_m = self.stereo.baseline_m
        return left, right


class Sun(Model):
    """Parallel light with shadows."""

    direction: Vec3
    """The way the light travels."""
    strength: NonNegative = 3.0
    color: Color = (1.0, 0.97, 0.9)

    RULES: ClassVar[tuple[Rule, ...]] = (nonzero("direction", "[-0.4, 0.3, -1]"),)


SkyPreset = Literal[
    "studio", "clear", "overcast", "sunset", "night",
    "studio_softboxes", "workshop", "kitchen", "office", "warehouse", "night_lab",
]  # fmt: skip
"""Gradients under an open sky, and rooms."""


class Sky(Model):
    """Light from all around, and the picture behind everything."""

    preset: SkyPreset = "studio"
    """A sky (studio, clear, overcast, sunset, night), or a room around the scene."""
    strength: NonNegative = 1.0
    turn_deg: Number = 0.0
    """Turns a room about the vertical."""


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
