"""Trajectory: what moved where, at every frame. Everything a label needs, without new physics."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from simvid.rotations import poses_between, quat_multiply

PartKind: TypeAlias = Literal["ground", "body", "link"]
ParticleForm: TypeAlias = Literal["solid", "loose", "sheet", "line"]
"""What particles stand for: a body whose F is that of one continuous map (elastic, plastic, snow), grains or drops that
go their own ways (granular, liquid), a cloth, a rope."""
EVENTS = ("begin", "persist", "end")
"""Names of the codes in ``Contacts.event``."""


@dataclass(frozen=True)
class Part:
    """One thing with a pose: the ground, a body, or one link of a robot. Part k (from 0) has id k + 1.

    It is rigid, but for bodies that have an entry in ``Trajectory.particles``.
    """

    name: str
    """Unique: ``ground``, ``block_3`` or ``arm/hand``."""
    instance: str
    """The thing it belongs to: the body's own name, or the robot's."""
    instance_id: int
    """1..M, stable for the clip; all links of a robot share one."""
    kind: PartKind
    category: str
    """Semantic class: ``category`` in the scene file, else the name there before counting (``block``), the robot's
    name, or ``ground``."""
    fixed: bool = False
    """True where physics never moves it (it may still follow keyframes)."""


@dataclass(frozen=True, eq=False)
class Contacts:
    """Contacts merged per frame and pair of parts, C rows sorted by (frame, id_a, id_b).

    A row of frame i covers the steps in (t[i-1], t[i]]; id_a < id_b. ``end`` rows mark the first frame without contact
    and carry zero impulse and the last point.
    """

    frame: NDArray[np.int32]
    """[C]"""
    time_s: NDArray[np.float64]
    """Time of the first step with contact in this frame (of the frame itself for ``end``), [C]."""
    id_a: NDArray[np.int32]
    """Part id, [C]."""
    id_b: NDArray[np.int32]
    """Part id, [C]."""
    point_m: NDArray[np.float64]
    """World point, impulse-weighted mean over the frame's steps, [C, 3]."""
    normal: NDArray[np.float64]
    """Unit, world, from b to a, [C, 3]."""
    impulse_n_s: NDArray[np.float64]
    """Total impulse on a by b in this frame (friction included), world, [C, 3]."""
    depth_m: NDArray[np.float64]
    """Deepest penetration in this frame, >= 0, [C]."""
    event: NDArray[np.uint8]
    """Index into ``EVENTS``, [C]."""

    def __post_init__(self) -> None:
        c = len(self.frame)
        for f in fields(self):
            array = getattr(self, f.name)
            wanted = (c, 3) if f.name in {"point_m", "normal", "impulse_n_s"} else (c,)
            if array.shape != wanted:
                raise ValueError(f"Contacts.{f.name}: expected shape {wanted}, got {array.shape}")

    def __len__(self) -> int:
        return len(self.frame)

    @staticmethod
    def none() -> Contacts:
        """No contact at all."""
        i, d, v = np.zeros(0, np.int32), np.zeros(0), np.zeros((0, 3))
        return Contacts(i, d, i, i, v, v, v, d, np.zeros(0, np.uint8))


@dataclass(frozen=True, eq=False)
class ToolMotion:
    """A robot's tool and gripper, T frames."""

    poses: NDArray[np.float64]
    """world_from_tool as position and quaternion (w, x, y, z), [T, 7]."""
    targets: NDArray[np.float64]
    """Where the joint targets would put it: by frame t + 1, [T, 7]."""
    gripper_m: NDArray[np.float64]
    """Width between the fingers [m], [T]; zero without a gripper."""
    gripper_targets_m: NDArray[np.float64]
    """Width asked for by frame t + 1 [m], [T]; 0 presses."""
    has_gripper: bool = True

    def __post_init__(self) -> None:
        t = len(self.poses)
        for name, shape in (("poses", (t, 7)), ("targets", (t, 7)), ("gripper_m", (t,)), ("gripper_targets_m", (t,))):
            if getattr(self, name).shape != shape:
                raise ValueError(f"ToolMotion.{name}: expected shape {shape}, got {getattr(self, name).shape}")

    def deltas(self) -> NDArray[np.float64]:
        """The action as a change of the tool's pose: from where it is at frame t to where it is told to be at t + 1.

        Position [m] and rotation vector (axis times angle) [rad], both in world axes, [T, 6]: the target is
        (p + dp, exp(dr) R), as robosuite's and robomimic's OSC_POSE controllers and Bridge-style data have it before
        scaling.
        """
        turn = quat_multiply(self.targets[:, 3:], self.poses[:, 3:] * (1.0, -1.0, -1.0, -1.0))
        turn = np.where(turn[:, :1] < 0, -turn, turn)
        sine = np.linalg.norm(turn[:, 1:], axis=1)
        scale = np.where(sine > 1e-12, 2 * np.arctan2(sine, turn[:, 0]) / np.maximum(sine, 1e-300), 2.0)
        return np.concatenate([self.targets[:, :3] - self.poses[:, :3], turn[:, 1:] * scale[:, None]], axis=1)


@dataclass(frozen=True, eq=False)
class RobotMotion:
    """Joint-space record of one robot, J actuated or passive joints with one degree of freedom each."""

    name: str
    joint_names: tuple[str, ...]
    positions: NDArray[np.float64]
    """[rad or m], [T, J]."""
    velocities: NDArray[np.float64]
    """[rad/s or m/s], [T, J]."""
    efforts: NDArray[np.float64]
    """Force of the actuators and limits [N m or N], [T, J]."""
    targets: NDArray[np.float64]
    """Action: the position or velocity commanded from frame t to t + 1 (see ``control``), [T, J]."""
    control: Literal["position", "velocity"] = "position"
    tool: ToolMotion | None = None
    """Its tool and gripper; None where the engine does not record them."""
    actions: NDArray[np.int32] | None = None
    """Which action of the script is on between frame t and t + 1, from 0, -1 for none, [T]; None as above."""
    log: tuple[tuple[float, str], ...] = ()
    """What happened on the way: time [s] and words."""

    def __post_init__(self) -> None:
        shape = (len(self.positions), len(self.joint_names))
        for name in ("positions", "velocities", "efforts", "targets"):
            if getattr(self, name).shape != shape:
                raise ValueError(f"RobotMotion.{name}: expected shape {shape}, got {getattr(self, name).shape}")
        arrays = {"tool": None if self.tool is None else self.tool.poses, "actions": self.actions}
        for name, array in arrays.items():
            if array is not None and len(array) != shape[0]:
                raise ValueError(f"RobotMotion.{name}: expected {shape[0]} frames, got {len(array)}")


@dataclass(frozen=True, eq=False)
class ParticleMotion:
    """A deformable body as P particles.

    The body is a part like any other. At rest its particles stand at ``rest`` in the part's frame, as a rigid body's
    points do, and F is taken from there: a part that moves rigidly with rotation R and place c has positions
    R rest + c and F = R. The part's pose is the centre of mass with the rotation that fits best, see
    ``simvid.deforming.poses_of``.
    """

    name: str
    """Of the part."""
    part: int
    """Its index (id - 1)."""
    instance_id: int
    form: ParticleForm
    positions: NDArray[np.float32]
    """World [m], [T, P, 3]."""
    deformation: NDArray[np.float32]
    """Deformation gradient F = d position / d rest, [T, P, 3, 3]; of loose particles whatever the engine has."""
    rest: NDArray[np.float32]
    """Places in the part's frame, undeformed [m], [P, 3]."""
    triangles: NDArray[np.int32] | None = None
    """Faces over the particles of a sheet, [F, 3]."""

    def __post_init__(self) -> None:
        t, p = self.positions.shape[:2]
        shapes: dict[str, tuple[int, ...]] = {
            "positions": (t, p, 3), "deformation": (t, p, 3, 3), "rest": (p, 3),
        }  # fmt: skip
        for name, wanted in shapes.items():
            array = getattr(self, name)
            if array.shape != wanted or array.dtype != np.float32:
                raise ValueError(
                    f"ParticleMotion.{name}: expected float32 {wanted}, got {array.dtype} {array.shape} ({self.name})"
                )
            if not np.isfinite(array).all():
                raise ValueError(f"ParticleMotion.{name}: NaN or infinite values ({self.name})")
        if not p:
            raise ValueError(f"ParticleMotion: expected at least one particle, got none ({self.name})")
        if self.form not in get_args(ParticleForm):
            raise ValueError(f"ParticleMotion.form: expected one of {get_args(ParticleForm)}, got {self.form!r}")
        faces = self.triangles
        if faces is not None and (faces.ndim != 2 or faces.shape[1] != 3 or not _within(faces, p)):
            raise ValueError(f"ParticleMotion.triangles: expected rows of three particles below {p} ({self.name})")

    def at(self, frame: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Positions [P, 3] and F [P, 3, 3] at a frame or between two, along straight lines; motion goes on as it was
        before the first and after the last."""
        first = int(np.clip(np.floor(frame), 0, max(len(self.positions) - 2, 0)))
        share = np.float32(frame - first)
        if share == 0 or len(self.positions) == 1:
            return self.positions[first], self.deformation[first]
        if share == 1:
            return self.positions[first + 1], self.deformation[first + 1]
        return (
            (1 - share) * self.positions[first] + share * self.positions[first + 1],
            (1 - share) * self.deformation[first] + share * self.deformation[first + 1],
        )


def _within(indices: NDArray[np.int32], count: int) -> bool:
    return not len(indices) or bool(indices.min() >= 0 and indices.max() < count)


@dataclass(frozen=True)
class TieEvent:
    """Something that changed in what holds bodies together."""

    kind: Literal["tie", "release", "break"]
    name: str
    """Of the attachment; of a joint BODY.joint; of a hold the field of the scene."""
    things: tuple[str, ...]
    """Names of the parts: one where the world holds it."""
    time_s: float
    """End of the step that did it."""
    force_n: float = 0.0
    """What a broken tie would have had to bear in that step [N]; 0 otherwise."""
    torque_n_m: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("tie", "release", "break"):
            raise ValueError(f"TieEvent.kind: expected tie, release or break, got {self.kind!r}")
        if not np.isfinite([self.time_s, self.force_n, self.torque_n_m]).all():
            raise ValueError(f"TieEvent: NaN or infinite numbers ({self.name})")


@dataclass(frozen=True, eq=False)
class OutsideRecord:
    """What forces, ties that come and go, and holds did to each part in each frame; T frames, B parts."""

    impulses: NDArray[np.float64]
    """World [N s], [T, B, 3]; in the steps that end in (t[i-1], t[i]]. Of parts on joints only what forces did."""
    turns: NDArray[np.float64]
    """Sum of the lengths of their moments about the part's centre of mass [N m s], [T, B]."""
    work: NDArray[np.float64]
    """Of the forces [J], [T, B]; ties and holds do none on the whole."""

    def __post_init__(self) -> None:
        shape = self.work.shape
        if len(shape) != 2 or self.impulses.shape != (*shape, 3) or self.turns.shape != shape:
            raise ValueError(
                f"OutsideRecord: expected [T, B, 3], [T, B], [T, B], got {self.impulses.shape}, {self.turns.shape}, "
                f"{shape}"
            )
        if not all(np.isfinite(a).all() for a in (self.impulses, self.turns, self.work)):
            raise ValueError("OutsideRecord: NaN or infinite values")


@dataclass(frozen=True, eq=False)
class Trajectory:
    """T frames at exactly i / fps seconds, B parts.

    Attributes:
        fps: frames per second.
        parts: the B parts; part k has id k + 1, 0 is scenery.
        poses: world_from_part as position [m] and quaternion (w, x, y, z), float64 [T, B, 7].
        twists: linear velocity of the part's origin [m/s] and angular velocity [rad/s], world, float64 [T, B, 6].
        contacts: the contact table.
        robots: joint records.
        particles: deformable bodies, one entry for each part that is one.
        engine, engine_version: which physics made it.
        step_s: physics step.
        masses_kg: [B], infinite for fixed parts.
        ties: what was tied, released and broken, by time.
        outside: what acted from outside; None where nothing of the kind is in the scene.
        wall_s: seconds the simulation took (not part of any hash).
    """

    fps: float
    parts: tuple[Part, ...]
    poses: NDArray[np.float64]
    twists: NDArray[np.float64]
    contacts: Contacts
    robots: tuple[RobotMotion, ...] = ()
    particles: tuple[ParticleMotion, ...] = ()
    engine: str = ""
    engine_version: str = ""
    step_s: float = 0.0
    masses_kg: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    wall_s: float = 0.0
    ties: tuple[TieEvent, ...] = ()
    outside: OutsideRecord | None = None

    def __post_init__(self) -> None:
        b = len(self.parts)
        if self.outside is not None and self.outside.work.shape != (len(self.poses), b):
            raise ValueError(
                f"Trajectory.outside: expected {(len(self.poses), b)} frames and parts, got {self.outside.work.shape}"
            )
        if self.poses.ndim != 3 or self.poses.shape[1:] != (b, 7):
            raise ValueError(f"Trajectory.poses: expected shape (T, {b}, 7), got {self.poses.shape}")
        if self.twists.shape != (len(self.poses), b, 6):
            raise ValueError(f"Trajectory.twists: expected shape ({len(self.poses)}, {b}, 6), got {self.twists.shape}")
        if not np.isfinite(self.twists).all():
            raise ValueError("Trajectory.twists: NaN or infinite values; the simulation diverged")
        if not np.isfinite(self.poses).all():
            raise ValueError("Trajectory.poses: NaN or infinite values")
        norms = np.linalg.norm(self.poses[..., 3:], axis=-1)
        if self.poses.size and float(np.abs(norms - 1).max()) > 1e-4:
            raise ValueError("Trajectory.poses: quaternions must have length 1")
        if len({p.name for p in self.parts}) != b:
            raise ValueError("Trajectory.parts: names must be unique")
        for k, body in enumerate(self.particles):
            where = f"Trajectory.particles[{k}]"
            if not 0 <= body.part < b or self.parts[body.part].name != body.name:
                raise ValueError(f"{where}: expected the index of the part {body.name!r}, got {body.part}")
            if len(body.positions) != len(self.poses):
                raise ValueError(f"{where}: expected {len(self.poses)} frames, got {len(body.positions)}")
        if len({body.part for body in self.particles}) != len(self.particles):
            raise ValueError("Trajectory.particles: one entry for each part")

    def __repr__(self) -> str:
        return (
            f"Trajectory(frames={self.frame_count}, parts={len(self.parts)}, contacts={len(self.contacts)}, "
            f"engine={self.engine!r})"
        )

    def _repr_html_(self) -> str:
        """For notebooks: the ways of moving parts."""
        from simvid.notebook import trajectory_html

        return trajectory_html(self)

    @property
    def frame_count(self) -> int:
        """T."""
        return len(self.poses)

    def time_s(self, frame: int) -> float:
        """Time of a frame [s]."""
        return frame / self.fps

    def poses_at(self, frame: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Poses of all parts between frames, [..., B, 7]; see ``simvid.rotations.poses_between``."""
        return poses_between(self.poses, frame)

    def bends(self, begin: float, end: float) -> bool:
        """Whether any particle moves between two times [frames]."""
        return any(not np.array_equal(body.at(begin)[0], body.at(end)[0]) for body in self.particles)

    def part_index(self, name: str) -> int:
        """Index (id - 1) of the part with this name; KeyError with the known names otherwise."""
        for k, part in enumerate(self.parts):
            if part.name == name:
                return k
        raise KeyError(f"no part {name!r}; parts are {', '.join(p.name for p in self.parts)}")

    def matrices(self, frame: int) -> NDArray[np.float64]:
        """world_from_part of all parts at a frame, [B, 4, 4]."""
        return pose_matrices(self.poses[frame])

    def instance_ids(self) -> NDArray[np.int32]:
        """Lookup from part id to instance id, [B + 1]; 0 -> 0."""
        return np.array([0, *(p.instance_id for p in self.parts)], dtype=np.int32)

    def categories(self) -> tuple[str, ...]:
        """Names of the semantic classes in the order of their first part; the first has semantic id 1."""
        return tuple(dict.fromkeys(p.category for p in self.parts))

    def semantic_ids(self) -> NDArray[np.int32]:
        """Lookup from part id to semantic id, [B + 1]; 0 -> 0."""
        rank = {name: k for k, name in enumerate(self.categories(), start=1)}
        return np.array([0, *(rank[p.category] for p in self.parts)], dtype=np.int32)


def pose_matrices(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Position + unit quaternion (w, x, y, z) [..., 7] to homogeneous matrices [..., 4, 4]."""
    w, x, y, z = (poses[..., i] for i in range(3, 7))
    m = np.zeros((*poses.shape[:-1], 4, 4))
    m[..., 0, 0], m[..., 0, 1], m[..., 0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    m[..., 1, 0], m[..., 1, 1], m[..., 1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    m[..., 2, 0], m[..., 2, 1], m[..., 2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    m[..., :3, 3] = poses[..., :3]
    m[..., 3, 3] = 1.0
    return m
