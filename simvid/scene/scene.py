"""Scene: all that a person can ask for, in one frozen value."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from simvid.scene.base import Model, Name, Number, OneOf, Positive, Vec3, as_tuple
from simvid.scene.bodies import Body
from simvid.scene.cameras import Camera, Light, Sky, Sun
from simvid.scene.materials import Look, Material
from simvid.scene.robots import Robot

DEFAULT_STEP_S = 0.002
MAX_FRAMES = 100_000
Label = Literal["alpha", "depth", "ids", "normals", "flow", "occlusion", "boxes", "contacts"]


class Physics(Model):
    """Engine and its step."""

    engine: Name = "newton"
    step_s: Annotated[float, Field(gt=0, le=0.1)] | None = None
    """Physics step [s]; must divide the frame time. None: the longest that divides it and is at most 0.002 s."""
    gravity_m_s2: Vec3 = (0.0, 0.0, -9.81)
    iterations: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Upper bound on solver iterations per step."""


class Ground(Model):
    """An endless horizontal plane that carries and is seen."""

    height_m: Number = 0.0
    material: Name | Material = Material(friction=0.8)
    look: Look | None = None


class Refine(Model):
    """Which refiner, and how the result should look."""

    refiner: str = "identity"
    look: str = "as_rendered"


class Uniform(Model):
    """Evenly between low and high, as [low, high]."""

    low: Number
    high: Number


def _pair(value: object) -> object:
    if isinstance(value, list | tuple) and len(value) == 2:
        return {"low": value[0], "high": value[1]}
    return value


class Normal(Model):
    """Bell curve, cut off at three standard deviations."""

    mean: Number
    std: Positive


class Jitter(Model):
    """Small change of a pose: position by a normal of this size per axis, rotation about a random axis."""

    position_m: Annotated[float, Field(ge=0)] = 0.0
    rotation_deg: Annotated[float, Field(ge=0)] = 0.0


class Random(OneOf):
    """How one value varies from sample to sample."""

    uniform: Annotated[Uniform, BeforeValidator(_pair)] | None = None
    log_uniform: Annotated[Uniform, BeforeValidator(_pair)] | None = None
    normal: Normal | None = None
    choice: Annotated[tuple[Any, ...], BeforeValidator(as_tuple), Field(min_length=1)] | None = None
    jitter: Jitter | None = None

    @model_validator(mode="after")
    def _ranges(self) -> Random:
        for span in (self.uniform, self.log_uniform):
            if span is not None and span.low > span.high:
                raise ValueError(f"expected [low, high] with low <= high, got [{span.low}, {span.high}]")
        if self.log_uniform is not None and self.log_uniform.low <= 0:
            raise ValueError(f"log_uniform needs positive bounds, got {self.log_uniform.low}")
        return self


class Scene(Model):
    """A scene file, version 1."""

    simvid: Literal[1]
    """Version of the scene language."""
    name: Name = "scene"
    """Defaults to the file's name."""
    description: str = ""
    duration_s: Positive
    """The clip has round(duration_s * fps) + 1 frames; frame i is at i / fps."""
    fps: Annotated[float, Field(gt=0, le=1000)] = 24.0
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    physics: Physics = Physics()
    ground: Ground | None = None
    materials: dict[Name, Material] = Field(default_factory=dict)
    bodies: Annotated[tuple[Body, ...], BeforeValidator(as_tuple)] = ()
    robots: Annotated[tuple[Robot, ...], BeforeValidator(as_tuple)] = ()
    cameras: Annotated[tuple[Camera, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    lights: Annotated[tuple[Light, ...], BeforeValidator(as_tuple)] = (
        Light(sun=Sun(direction=(-0.4, 0.3, -1.0))),
        Light(sky=Sky()),
    )
    randomize: dict[str, Random] = Field(default_factory=dict)
    """Dotted path -> distribution; ``bodies.block.material.friction: {uniform: [0.3, 0.9]}``."""
    render: str = "cpu"
    """An entry of renderers/."""
    refine: Refine = Refine()
    labels: Annotated[tuple[Label, ...], BeforeValidator(as_tuple)] = (
        "alpha",
        "depth",
        "ids",
        "normals",
        "flow",
        "occlusion",
        "boxes",
        "contacts",
    )

    _base: str = PrivateAttr(default=".")
    """Folder against which relative asset paths are read."""
    _file: str = PrivateAttr(default="<scene>")
    _lines: dict[str, int] = PrivateAttr(default_factory=dict)
    """Line of each field of the file, by dotted path such as ``bodies[0].shape.mesh``."""

    @model_validator(mode="after")
    def _frames(self) -> Scene:
        intervals = self.duration_s * self.fps
        if abs(intervals - round(intervals)) > 1e-6 or round(intervals) < 1:
            raise ValueError(
                f"duration_s x fps must be a whole number of frame intervals, at least 1; got {self.duration_s} s x "
                f"{self.fps} = {intervals:.6g}. Nearest: duration_s: {max(1, round(intervals)) / self.fps:.9g}"
            )
        if round(intervals) > MAX_FRAMES:
            raise ValueError(f"at most {MAX_FRAMES} frames in one clip, got {round(intervals) + 1}")
        if self.physics.step_s is not None:
            steps = 1 / self.fps / self.physics.step_s
            if abs(steps - round(steps)) > 1e-6 or round(steps) < 1:
                nearest = 1 / self.fps / max(1, round(steps))
                raise ValueError(
                    f"physics.step_s must divide the frame time 1/fps = {1 / self.fps:.9g} s; got "
                    f"{self.physics.step_s} s ({steps:.4f} steps per frame). Nearest: {nearest:.9g}, or leave it out"
                )
        return self

    @property
    def frame_count(self) -> int:
        """T."""
        return round(self.duration_s * self.fps) + 1

    @property
    def steps_per_frame(self) -> int:
        """Physics steps between two frames."""
        if self.physics.step_s is not None:
            return max(1, round(1 / self.fps / self.physics.step_s))
        return max(1, int(-(-1 / self.fps // (DEFAULT_STEP_S * (1 + 1e-9)))))

    @property
    def step_s(self) -> float:
        """Physics step [s]."""
        return 1 / self.fps / self.steps_per_frame

    def material(self, ref: str | Material) -> Material:
        """The material that a body's ``material`` field means; KeyError for an unknown name."""
        return self.materials[ref] if isinstance(ref, str) else ref

    def where(self, path: str) -> str:
        """``file:line: path`` for messages; the nearest parent's line when the field itself was left out."""
        probe = path
        while probe not in self._lines and probe:
            probe = probe[: max(probe.rfind("."), probe.rfind("["), 0)]
        line = self._lines.get(probe)
        return f"{self._file}:{line}: {path}" if line else f"{self._file}: {path}"
