"""What happens behind a camera's lens: shutter, focus, light, noise; and depth sensors."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from simvid.scene.base import Model, NonNegative, OneOf, Positive, as_tuple
from simvid.scene.rules import Problem, Rule

Gains = Annotated[tuple[Positive, Positive, Positive], BeforeValidator(as_tuple)]


class Rolling(Model):
    """Lines are read one after the other; frame i is at i / fps when the middle of its picture is read."""

    readout_s: Positive
    """From the first line's reading to the last line's [s]; at most 1 / fps."""
    direction: Literal["down", "up", "right", "left"] = "down"
    """The way that the reading goes over the picture; down reads rows from the top."""
    lines: Annotated[int, Field(ge=1, le=8192)] = 8
    """Lines that are drawn as if they were read at once. Fewer are truer and take longer."""


def _one_exposure(shutter: "Shutter") -> Iterator[Problem]:
    if shutter.exposure_s is not None and shutter.angle_deg is not None:
        yield Problem((), "exposure_s or angle_deg", "both")


class Shutter(Model):
    """Motion blur, and sensors that are read line by line. Labels are those of the middle of the exposure."""

    exposure_s: NonNegative | None = None
    """How long light is gathered [s], centred on the frame's time; at most 1 / fps. None or 0 freezes all motion."""
    angle_deg: Annotated[float, Field(ge=0, le=360)] | None = None
    """The same as a share of the frame time: 360 is all of it, 180 half."""
    samples: Annotated[int, Field(ge=1, le=256)] = 16
    """Most instants that are drawn and averaged per frame; fewer where that is enough for steps of a pixel."""
    rolling: Rolling | None = None
    """None reads all of a picture at once."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("exposure_s", "angle_deg"), _one_exposure),)

    def exposure_frames(self, fps: float) -> float:
        """How long light is gathered, in frame times."""
        return self.exposure_s * fps if self.exposure_s is not None else (self.angle_deg or 0.0) / 360


def _one_aperture(focus: "Focus") -> Iterator[Problem]:
    given = [name for name in ("f_number", "lens_radius_m") if getattr(focus, name) is not None]
    if len(given) != 1:
        yield Problem((), "one of f_number, lens_radius_m", " and ".join(given) or "neither")


class Focus(Model):
    """Depth of field of a thin lens. Labels are those of the ray through the middle of the lens."""

    distance_m: Positive
    """z of what is sharp [m]."""
    f_number: Positive | None = None
    """Focal length over the diameter of the aperture; the focal length follows from fov_y_deg and sensor_height_m."""
    lens_radius_m: Positive | None = None
    """Radius of the aperture [m]; instead of f_number."""
    sensor_height_m: Positive = 0.024
    """Height of the sensor [m], for f_number; that of 35 mm film."""
    samples: Annotated[int, Field(ge=2, le=256)] = 32
    """Points of the aperture through which is looked; pictures of things far out of focus need many."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("f_number", "lens_radius_m"), _one_aperture),)


class WhiteBalance(OneOf):
    """What counts as white."""

    gains: Gains | None = None
    """Factors on red, green and blue light."""
    kelvin: Annotated[float, Field(ge=1667, le=25000)] | None = None
    """Colour temperature of the light that is to look white [K]; 6504 changes nothing, less makes pictures bluer."""


class Noise(Model):
    """Noise of photons and of electronics (the linear camera model of EMVA 1288), drawn from the scene's seed."""

    electrons_at_white: Annotated[float, Field(gt=0, le=1e9)] = 10_000.0
    """Electrons that a pixel gathers for display white at ISO 100, per channel; their number is Poisson-distributed."""
    read_noise_e: NonNegative = 3.0
    """Standard deviation of what reading adds [electrons]."""


class Sensor(Model):
    """From light to numbers, before the tone curve."""

    exposure_ev: Annotated[float, Field(ge=-32, le=32)] = 0.0
    """Light in steps of two: 1 doubles it, -1 halves it."""
    iso: Annotated[float, Field(gt=0, le=1e9)] = 100.0
    """Gain: 200 doubles the numbers, their noise included. Use it with exposure_ev: -1 for the same picture in half the
    light."""
    white_balance: WhiteBalance | None = None
    noise: Noise | None = None

    @property
    def changes_nothing(self) -> bool:
        """Whether pictures are the same without it."""
        plain = self.exposure_ev == 0 and self.iso == 100.0
        return plain and self.white_balance is None and self.noise is None


def _near_first(sensor: "DepthSensor") -> Iterator[Problem]:
    if sensor.min_m >= sensor.max_m:
        yield Problem(("max_m",), f"more than min_m ({sensor.min_m:g} m)", f"{sensor.max_m:g}")


class DepthSensor(Model):
    """How a stereo or structured-light sensor in the camera's place would measure depth (label ``depth_sensor``).

    Disparity f b / z gets noise and is rounded, after the depth was looked up a little beside the pixel (Barron & Malik
    2013, "Intrinsic scene properties from a single RGB-D image", sec. 5). So the error of z grows with z^2 (Khoshelham
    & Elberink 2012, eq. 11). Nothing is measured where one of the two eyes does not see the point, at grazing angles,
    and out of range. The defaults are about a first Kinect's; a RealSense D435 has baseline_m: 0.05,
    disparity_step_px: 0.03125.
    """

    baseline_m: Positive = 0.075
    """From this camera to the second eye (or the projector), which is on its right [m]."""
    disparity_noise_px: NonNegative = 0.1
    """Standard deviation of the disparity [px of this camera]."""
    disparity_step_px: NonNegative = 0.125
    """Disparities are whole multiples of it [px]; 0 does not round."""
    lateral_noise_px: NonNegative = 0.5
    """Standard deviation of where depth is looked up, along both axes [px]: makes edges ragged."""
    grazing_deg: Annotated[float, Field(gt=0, le=90)] = 80.0
    """Surfaces that are seen at a larger angle from their normal give nothing [deg]."""
    min_m: NonNegative = 0.3
    max_m: Positive = 8.0

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("min_m", "max_m"), _near_first),)
