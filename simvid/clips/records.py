"""What ``clip.json`` and ``stage.json`` hold, as frozen models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar

from pydantic import Field, ValidationError

from simvid.clips.receipt_records import ReceiptRecord
from simvid.clips.record_base import Record
from simvid.errors import ClipError

SCHEMA_VERSION: Final = 1
CLIP_FILE, STAGE_FILE, TRAJECTORY_FILE = "clip.json", "stage.json", "trajectory.npz"

FileKind: TypeAlias = Literal["array", "named", "trajectory", "table", "record", "preview"]
"""array: one array, frame by frame; named: a few arrays; table: text; record: settings; preview: video or picture.

Records and previews have no digest and are in no hash.
"""

UNITS = {
    "length": "m", "time": "s", "mass": "kg", "angle": "rad", "impulse": "N s", "flow": "px", "image": "px",
}  # fmt: skip
CONVENTIONS = {
    "world": "right-handed, z up",
    "camera": "OpenCV: +x right, +y down, +z forward; world_from_camera [T, 4, 4]",
    "pixel_center": "0.5",
    "quaternion": "w, x, y, z",
    "frame_time": "frame i is at i / fps",
    "rgb": "uint8 [H, W, 3], sRGB, display-referred",
    "alpha": "float32 [H, W], coverage by parts and ground",
    "depth": "float32 [H, W], z where transmittance passes 0.5 [m], +inf where it never does",
    "depth_expected": "float32 [H, W], weighted mean z [m], +inf where nothing is",
    "depth_sensor": "float32 [H, W], z with the noise of a depth sensor [m], NaN where it measures nothing",
    "labels": "of the middle of the exposure and of the lens; under a rolling shutter, of the time of each line",
    "ids": "int32 [H, W], part id with the largest weight, 0 = scenery",
    "normals": "float32 [H, W, 3], unit, camera frame, z < 0 faces the camera, 0 where undefined",
    "flow": "float32 [H, W, 2], (u right, v down) to the next or the previous frame, NaN where undefined",
    "occluded": "bool [H, W], hidden or outside in the next or the previous frame",
    "boxes": "tight box of the visible pixels, edges in picture coordinates (pixel k covers k to k + 1)",
    "actions": "the action of frame t acts from frame t to t + 1: joint and gripper targets to be reached by t + 1; "
    "deltas are position [m] and rotation vector [rad] in world axes, from the tool's pose at t to its target",
    "contacts": "one row per frame and pair; the normal points from b to a, the impulse is that on a by b",
}


class FileRecord(Record):
    """A file of a clip."""

    kind: FileKind
    bytes: int
    digest: str | None = None
    """SHA-256 over the decoded content; None for records and previews."""


class PartRecord(Record):
    """One part: a row of the id table."""

    id: int
    name: str
    instance: str
    instance_id: int
    kind: Literal["ground", "body", "link"]
    category: str
    category_id: int
    """Its row in ``categories``."""
    fixed: bool
    mass_kg: float | None
    """None for fixed parts."""
    box_m: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None
    """Lowest and highest corner of what is seen of it, in its own frame [m]."""


class CategoryRecord(Record):
    """A semantic class: a row of the table of semantic ids, 1 to C."""

    id: int
    name: str


class Backend(Record):
    """What did a stage."""

    entry: str | None = None
    """Name on the shelf, where it came from one."""
    backend: str
    version: str
    settings: dict[str, Any] = Field(default_factory=dict)


class CameraRecord(Record):
    """A camera; where it stands at each frame is in ``camera.npz``."""

    name: str
    width: int
    height: int
    K: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    lens: str = "pinhole"
    distortion: tuple[float, ...] = ()
    """In OpenCV's order; empty without."""
    shutter: dict[str, Any] | None = None
    """As in the scene, defaults filled in: exposure, samples, rolling; None is instantaneous."""
    focus: dict[str, Any] | None = None
    """The same for depth of field; None is sharp everywhere."""
    sensor: dict[str, Any] | None = None
    """The same for exposure, white balance and noise."""
    depth_sensor: dict[str, Any] | None = None
    """The same for the sensor that made the label ``depth_sensor``; None where there is none."""
    rig: str | None = None
    """The rig that carries it."""
    stereo_left: str | None = None
    """The left camera of the pair of which this is the right one."""
    baseline_m: float | None = None
    """How far it stands to the right of that one, along the x axis of both [m]."""
    folder: str
    arrays: tuple[str, ...]
    """Names of the lossless arrays: ``folder/NAME.npz``."""
    renderer: Backend
    tracer: str | None = None
    """What drew the label ``traced``: versions, and Mitsuba's variant; None without it."""


class CoarseRecord(Record):
    """How the frames were drawn that a refiner was given in place of the clip's own."""

    look: str | None
    """Of the scene; None is its own light."""
    renderer: Backend
    tracer: str | None = None
    """As of a camera."""


class InstanceGateRecord(Record):
    """Whether the labels of one instance still hold in a refined video; None where too little of it is seen to tell."""

    instance_id: int
    name: str
    frames: int
    """In which enough of it is seen."""
    masks: bool | None
    """It is where its mask is, with its outline."""
    depth: bool | None
    """And as deep as its depth says."""
    colour: bool | None = None
    """Its hue is kept; judged for robots alone."""
    measured: dict[str, float] = Field(default_factory=dict)


class CameraGateRecord(Record):
    """What the gate found on the refined video of one camera."""

    camera: str
    accepted: bool
    measured: dict[str, float]
    """By name, as in docs/gate.md; what could not be measured is left out."""
    limits: dict[str, dict[str, float]]
    """The ``most`` or the ``least`` that each may be."""
    failed: tuple[str, ...]
    """Names of measures beyond their limits."""
    worst_frame: int
    worst_px: tuple[int, int]
    """Where and when the picture shows least what the labels say: (u, v)."""
    instances: tuple[InstanceGateRecord, ...]


class GateRecord(Record):
    """The verdict on one refinement."""

    accepted: bool
    weights_sha256: str
    """Of the weights that it was judged with."""
    cameras: tuple[CameraGateRecord, ...]
    rejected_seeds: tuple[int, ...] = ()
    """Seeds that were tried before this one, and rejected."""


class RefinedRecord(Record):
    """One refinement of all cameras, in ``refined/NAME/``."""

    name: str
    refiner: Backend
    look: str
    seed: int
    cameras: tuple[str, ...]
    keys: dict[str, str]
    """Camera -> key of the stage that made it."""
    coarse: CoarseRecord | None = None
    """None where the clip's own frames were refined."""
    gate: GateRecord | None = None
    """How the gate judged it (``simvid check CLIP --refined NAME``); None where it was not asked."""


class StageRecord(Record):
    """How one stage went."""

    stage: str
    """``physics``, ``rendering front`` or ``refining front identity``."""
    key: str
    reused: bool
    wall_s: float
    """What it took when it ran [s]."""


NOT_STATED = "not stated"
"""In place of a licence, of an asset without one."""


class AssetRecord(Record):
    """A file that the scene names."""

    path: str
    """As written in the scene."""
    sha256: str | None
    source: str | None = None
    """Distribution and version it was installed with."""
    licence: str | None = None
    """As the nearest licence file beside it begins, else as the metadata of its distribution say; None if neither."""


class CheckRecord(Record):
    """How one self-check of one camera went."""

    name: str
    """As in ``simvid.checking``."""
    camera: str
    passed: bool | None
    """None where there was nothing to check; ``note`` says why."""
    measured: dict[str, float] = Field(default_factory=dict)
    """What was found, by name."""
    limits: dict[str, float] = Field(default_factory=dict)
    """The most that each may be."""
    frames: tuple[int, ...] = ()
    """The frames that were looked at."""
    note: str = ""
    """What is wrong, or why there was nothing to check."""

    def line(self) -> str:
        """For people."""
        state = {True: "passed", False: "FAILED", None: "nothing to check"}[self.passed]
        found = ", ".join(
            f"{name} {value:.3g}" + (f" (at most {self.limits[name]:g})" if name in self.limits else "")
            for name, value in self.measured.items()
        )
        return "; ".join(text for text in (f"{self.name} {self.camera}: {state}", found, self.note) if text)


class ConditionRecord(Record):
    """One of the scene's ``success`` predicates."""

    text: str
    """``above(body=cube, of=board)``."""
    true: bool
    """At the last frame."""
    found: str
    """What was measured, in words."""
    since_frame: int | None = None
    """First frame from which it is true to the end."""


class SuccessRecord(Record):
    """Whether the task that a scene describes was done."""

    succeeded: bool
    """All conditions are true at the last frame."""
    conditions: tuple[ConditionRecord, ...]

    def lines(self) -> list[str]:
        """For people."""
        met = sum(c.true for c in self.conditions)
        head = "succeeded" if self.succeeded else f"FAILED: {met} of {len(self.conditions)} conditions are true"
        return [head, *(f"{c.text}: {'true' if c.true else 'FALSE'}, {c.found}" for c in self.conditions)]


class CheckFile(Record):
    """``checks.json``: the result of the stage ``checking``."""

    schema_version: Literal[1] = SCHEMA_VERSION
    checks: tuple[CheckRecord, ...]


class OriginRecord(Record):
    """The clip whose trajectory was seen again, without new physics."""

    clip: str
    """Its folder's name."""
    content_hash: str
    trajectory: str
    """Digest of its trajectory, which is this clip's too."""


class ClipRecord(Record):
    """``clip.json``."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    description: str = ""
    input_hash: str
    """Of everything that the clip was made from: equal inputs need not be run again."""
    content_hash: str
    """Over the digests of all files that have one."""
    fps: float
    frame_count: int
    seed: int
    sample_index: int = 0
    sampled: dict[str, Any] = Field(default_factory=dict)
    """What ``randomize`` drew: path in the scene -> value."""
    scene: dict[str, Any]
    """The scene as it ran, nothing left to draw."""
    scene_file: str | None = None
    """Where it was read from, for messages."""
    scene_base: str | None = None
    """Folder that its relative paths start from, relative to the clip's folder; None where it has none."""
    replayed_from: OriginRecord | None = None
    """Where the trajectory comes from; None where it was simulated for this clip."""
    physics: Backend
    parts: tuple[PartRecord, ...]
    categories: tuple[CategoryRecord, ...] = ()
    cameras: tuple[CameraRecord, ...] = ()
    refined: tuple[RefinedRecord, ...] = ()
    stages: tuple[StageRecord, ...] = ()
    assets: tuple[AssetRecord, ...] = ()
    tools: dict[str, str] = Field(default_factory=dict)
    """Package -> version."""
    made_at: str
    """UTC, ISO 8601."""
    units: dict[str, str] = Field(default_factory=lambda: dict(UNITS))
    conventions: dict[str, str] = Field(default_factory=lambda: dict(CONVENTIONS))
    checks: tuple[CheckRecord, ...] = ()
    """The self-checks of every camera."""
    success: SuccessRecord | None = None
    """How the scene's ``success`` came out; None where it names none."""
    receipt: ReceiptRecord | None = None
    """Whether its physics obeyed the laws; None in clips that were made before there were receipts."""
    files: dict[str, FileRecord]
    """Path in the clip -> what it is."""

    @property
    def licences(self) -> tuple[str, ...]:
        """Of all its assets, each once, in order; ``not stated`` among them where one has none."""
        return tuple(sorted({a.licence or NOT_STATED for a in self.assets}))


class StageFolder(Record):
    """``stage.json``: a whole stage result in the store."""

    schema_version: Literal[1] = SCHEMA_VERSION
    stage: str
    key: str
    inputs: dict[str, Any]
    """What the key was made from."""
    wall_s: float
    files: dict[str, FileRecord]


RecordT = TypeVar("RecordT", bound=Record)


def read_record(path: Path, model: type[RecordT]) -> RecordT:
    """Read and check a JSON record.

    Raises:
        ClipError: missing, not JSON, of another version, or not of the expected form.
    """
    try:
        tree = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ClipError(f"{path}: missing; expected a folder made by simvid") from error
    except (OSError, ValueError) as error:
        raise ClipError(f"{path}: not readable ({error})") from error
    version = tree.get("schema_version") if isinstance(tree, dict) else None
    if version != SCHEMA_VERSION:
        raise ClipError(f"{path}: expected schema_version {SCHEMA_VERSION}, got {version!r}; make the clip again")
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ClipError(f"{path}: {where}: {first['msg']} ({error.error_count()} faults in all)") from error


def write_record(path: Path, record: Record) -> None:
    """Write a record as JSON that a person can read."""
    path.write_text(json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
