"""Scene: all that a person can ask for, in one frozen value."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import BeforeValidator, Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from simvid.scene.base import Model, Name, Number, Positive, Vec3, as_tuple
from simvid.scene.bodies import Body
from simvid.scene.cameras import Camera, Light, Rig, Sky, Sun
from simvid.scene.distributions import Random
from simvid.scene.forces import Attachment, Force
from simvid.scene.library import LIBRARY
from simvid.scene.materials import LookRef, Material, MaterialRef
from simvid.scene.predicates import Predicate
from simvid.scene.robots import Robot
from simvid.scene.rules import Loc, Problem, Rule

DEFAULT_STEP_S = 0.002
MAX_FRAMES = 100_000
MAX_STEPS_PER_FRAME = 100_000
Label = Literal[
    "alpha", "depth", "depth_surface", "depth_sensor", "ids", "amodal", "normals", "object_coords", "flow",
    "scene_flow", "occlusion", "tracks", "boxes", "boxes_3d", "poses", "contacts",
    "albedo", "roughness", "metallic", "light_diffuse", "light_specular", "light_ambient", "light_reflected",
    "light_emitted", "ambient_occlusion", "buffers", "surfaces", "traced",
]  # fmt: skip
"""As ``simvid.frames.LABELS``."""
FIRST_BUFFER = get_args(Label).index("albedo")


LookName = Literal["studio", "workshop", "kitchen", "warehouse", "overcast", "sunset", "night_lab", "office"]
"""As ``simvid.rendering.light.presets.LOOKS``."""


def _all_labels(value: object) -> object:
    """``all`` stands for every label but material and light buffers, alone or in a list."""
    given = [value] if value == "all" else value
    if not isinstance(given, list | tuple) or "all" not in given:
        return as_tuple(value)
    every = get_args(Label)[:FIRST_BUFFER]
    return (*every, *(label for label in given if label != "all" and label not in every))


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
    material: MaterialRef = Material(friction=0.8)
    look: LookRef | None = None


class Refine(Model):
    """Which refiner, and how the result should look."""

    refiner: str = "identity"
    look: str = "as_rendered"


def frame_steps(fps: float) -> int:
    """Physics steps per frame where the scene does not say: the fewest that keep a step within 0.002 s."""
    return max(1, math.ceil(1 / fps / (DEFAULT_STEP_S * (1 + 1e-9))))


def _whole_frames(scene: "Scene") -> Iterator[Problem]:
    intervals = scene.duration_s * scene.fps
    if intervals > MAX_FRAMES:
        yield Problem(("duration_s",), f"at most {MAX_FRAMES} frames in one clip", f"{intervals + 1:.6g}")
    elif abs(intervals - round(intervals)) > 1e-6 or round(intervals) < 1:
        yield Problem(
            ("duration_s",),
            "a whole number of frame intervals, at least 1, in duration_s x fps",
            f"{scene.duration_s:g} s x {scene.fps:g} = {intervals:.6g}",
            f"nearest: duration_s: {max(1, round(intervals)) / scene.fps:.9g}",
        )


def _whole_steps(scene: "Scene") -> Iterator[Problem]:
    step_s = scene.physics.step_s
    if step_s is None:
        return
    steps = 1 / scene.fps / step_s
    if steps > MAX_STEPS_PER_FRAME:
        yield Problem(("physics", "step_s"), f"at most {MAX_STEPS_PER_FRAME} steps per frame", f"{steps:.6g}")
    elif abs(steps - round(steps)) > 1e-6 or round(steps) < 1:
        yield Problem(
            ("physics", "step_s"),
            f"a step that divides the frame time 1/fps = {1 / scene.fps:.9g} s",
            f"{step_s:g} s ({steps:.4f} steps per frame)",
            f"nearest: {1 / scene.fps / max(1, round(steps)):.9g}, or leave it out",
        )


def _quick_shutters(scene: "Scene") -> Iterator[Problem]:
    """Nothing takes longer than a frame."""
    longest_s = 1 / scene.fps * (1 + 1e-9)
    for k, camera in enumerate(scene.cameras):
        if camera.shutter is None:
            continue
        rolling = camera.shutter.rolling
        times: list[tuple[tuple[str, ...], float | None]] = [(("exposure_s",), camera.shutter.exposure_s)]
        times.append((("rolling", "readout_s"), None if rolling is None else rolling.readout_s))
        for field, time_s in times:
            if time_s is not None and time_s > longest_s:
                place: Loc = ("cameras", k, "shutter", *field)
                yield Problem(place, f"at most the frame time 1/fps = {1 / scene.fps:.6g} s", f"{time_s:g}")


def _one_sky(scene: "Scene") -> Iterator[Problem]:
    skies = [k for k, light in enumerate(scene.lights) if light.sky is not None]
    for k in skies[1:]:
        yield Problem(("lights", k, "sky"), "one sky in lights", f"another beside lights[{skies[0]}]",
                      "a stronger sky has a larger strength")  # fmt: skip


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
    forces: Annotated[tuple[Force, ...], BeforeValidator(as_tuple)] = ()
    """What acts on the scene from outside."""
    attachments: Annotated[tuple[Attachment, ...], BeforeValidator(as_tuple)] = ()
    """Ties between bodies, for a time."""
    cameras: Annotated[tuple[Camera, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    rigs: Annotated[tuple[Rig, ...], BeforeValidator(as_tuple)] = ()
    """What carries several cameras."""
    look: LookName | None = None
    """Light, surroundings and exposure by name; ``lights`` are then none but those given here, added to the look's; a
    sky among them replaces the look's."""
    lights: Annotated[tuple[Light, ...], BeforeValidator(as_tuple)] = (
        Light(sun=Sun(direction=(-0.4, 0.3, -1.0))),
        Light(sky=Sky()),
    )
    success: Annotated[tuple[Predicate, ...], BeforeValidator(as_tuple)] = ()
    """What must be true at the last frame for the task to have succeeded; goes into the clip's record."""
    randomize: Annotated[dict[str, Random], Field(max_length=256)] = Field(default_factory=dict)
    """Dotted path -> distribution; ``bodies.block.material.friction: {uniform: [0.3, 0.9]}``."""
    render: str = "cpu"
    """An entry of renderers/."""
    refine: Refine = Refine()
    labels: Annotated[
        tuple[Label, ...],
        BeforeValidator(_all_labels, json_schema_input_type=Literal["all"] | tuple[Label | Literal["all"], ...]),
    ] = (
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

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(("duration_s", "fps"), _whole_frames),
        Rule(("fps", "physics"), _whole_steps),
        Rule(("fps", "cameras"), _quick_shutters),
        Rule(("lights",), _one_sky),
    )

    @model_validator(mode="wrap")
    @classmethod
    def _lights_of_the_look(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """A look replaces the lights that a scene has by default; they count as not set, for another look or none."""
        if isinstance(value, Mapping) and value.get("look") is not None and "lights" not in value:
            scene = handler({**value, "lights": ()})
            scene.model_fields_set.discard("lights")
            return scene
        return handler(value)

    def _repr_html_(self) -> str:
        """For notebooks: what it asks for."""
        from simvid.notebook import scene_html

        return scene_html(self)

    @property
    def frame_count(self) -> int:
        """T."""
        return round(self.duration_s * self.fps) + 1

    @property
    def steps_per_frame(self) -> int:
        """Physics steps between two frames."""
        if self.physics.step_s is not None:
            return max(1, round(1 / self.fps / self.physics.step_s))
        return frame_steps(self.fps)

    @property
    def step_s(self) -> float:
        """Physics step [s]."""
        return 1 / self.fps / self.steps_per_frame

    @property
    def views(self) -> tuple[Camera, ...]:
        """The cameras, each stereo camera as its left and right one: what clips have."""
        return tuple(view for camera in self.cameras for view in camera.pair())

    def view(self, name: str) -> Camera | None:
        """The camera of a clip with this name."""
        return next((view for view in self.views if view.name == name), None)

    def rig(self, name: str) -> Rig:
        """The rig with this name; KeyError for an unknown one."""
        return {rig.name: rig for rig in self.rigs}[name]

    def camera_path(self, name: str) -> str:
        """The field that a camera of a clip comes from, such as ``cameras[0]``, for ``where``."""
        for k, camera in enumerate(self.cameras):
            if name in {view.name for view in camera.pair()}:
                return f"cameras[{k}]"
        return "cameras"

    def material(self, ref: str | Material) -> Material:
        """The material that a body's ``material`` field means; KeyError for an unknown name."""
        if not isinstance(ref, str):
            return ref
        return self.materials[ref] if ref in self.materials else LIBRARY[ref]

    def where(self, path: str) -> str:
        """``file:line: path (name)`` for messages; the nearest parent's line when the field itself was left out."""
        probe = path
        while probe not in self._lines and probe:
            probe = probe[: max(probe.rfind("."), probe.rfind("["), 0)]
        line = self._lines.get(probe)
        place = self._file if line is None else f"{self._file}:{line or '--set'}"
        item = re.match(r"(bodies|robots|attachments|cameras|rigs)\[(\d+)\]", path)
        items = getattr(self, item[1]) if item else ()
        name = items[int(item[2])].name if item and int(item[2]) < len(items) else None
        return f"{place}: {path} ({name})" if name else f"{place}: {path}"
