"""What the laws are judged on: a trajectory beside its scene, with what follows from both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.checking.receipts.groups import Groups, groups_of
from simvid.clips.receipt_records import LawRecord
from simvid.trajectory import EVENTS, ParticleMotion, Trajectory, pose_matrices

Array: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
PARTICLES_UNRECORDED = frozenset({"genesis"})
"""Engines whose contact table leaves out what particles do: what they push cannot be balanced."""
UNRECORDED = "the engine records no contacts of particles"


@dataclass(frozen=True, eq=False)
class Curve:
    """Something over time, for the plot of a law."""

    title: str
    unit: str
    series: Mapping[str, Array]
    """Name -> values at the T frames, NaN where there is none."""


@dataclass(frozen=True, eq=False)
class Finding:
    """A law with its curves."""

    record: LawRecord
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True, eq=False)
class Touches:
    """The contact table without its ``end`` rows: row r is of frame ``frame[r]``, of parts ``a[r]`` and ``b[r]``."""

    frame: NDArray[np.int64]
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    point: Array
    impulse: Array
    """On a by b [N s], [R, 3]."""
    depth: Array

    @staticmethod
    def of(trajectory: Trajectory) -> Touches:
        """Of a trajectory."""
        c = trajectory.contacts
        on = c.event != EVENTS.index("end")
        return Touches(
            c.frame[on].astype(np.int64), c.id_a[on].astype(np.int64) - 1, c.id_b[on].astype(np.int64) - 1,
            c.point_m[on], c.impulse_n_s[on], c.depth_m[on],
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Evidence:
    """A trajectory and its scene.

    Attributes:
        assets: of the scene.
        trajectory: of the same parts.
    """

    assets: SceneAssets
    trajectory: Trajectory
    soft: dict[int, ParticleMotion] = field(init=False)
    """Particles by part index."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "soft", {p.part: p for p in self.trajectory.particles})

    @property
    def parts(self) -> tuple[PartAssets, ...]:
        """The B parts."""
        return self.assets.parts

    @property
    def count(self) -> int:
        """T."""
        return self.trajectory.frame_count

    @property
    def frame_s(self) -> float:
        """Time between frames [s]."""
        return 1 / self.trajectory.fps

    @property
    def step_s(self) -> float:
        """Physics step [s]."""
        return self.trajectory.step_s or self.assets.scene.step_s

    @property
    def mute(self) -> bool:
        """Whether there are contacts that no table holds."""
        return bool(self.soft) and self.trajectory.engine in PARTICLES_UNRECORDED

    @cached_property
    def gravity(self) -> Array:
        """[m/s^2], [3]."""
        return np.array(self.assets.scene.physics.gravity_m_s2, np.float64)

    @cached_property
    def touches(self) -> Touches:
        """The contacts."""
        return Touches.of(self.trajectory)

    @cached_property
    def groups(self) -> Groups:
        """Who is tied to whom, and what drives things."""
        return groups_of(self.assets, self.trajectory)

    @cached_property
    def mass(self) -> Array:
        """[kg], [B]: as the scene says; of links as the engine says; inf where a part is held or nothing is known."""
        told = self.trajectory.masses_kg
        out = np.full(len(self.parts), np.inf)
        for k, part in enumerate(self.parts):
            if part.mass is not None:
                out[k] = part.mass.mass_kg
            elif len(told) == len(out):
                out[k] = told[k]
        return out

    @cached_property
    def centers(self) -> Array:
        """Centres of mass in the world [m], [T, B, 3]; origins of parts whose centre is not known."""
        out = np.empty((self.count, len(self.parts), 3))
        for k in range(len(self.parts)):
            out[:, k] = self.at_part(k, self._local_center(k))
        return out

    @cached_property
    def velocities(self) -> Array:
        """Of the centres of mass [m/s], [T, B, 3]; of deformable bodies by central differences."""
        out = np.empty_like(self.centers)
        for k in range(len(self.parts)):
            if k in self.soft:
                out[:, k] = np.gradient(self.centers[:, k], self.frame_s, axis=0) if self.count > 1 else 0.0
            else:
                out[:, k] = self.velocity_at(k, self.centers[:, k])
        return out

    @cached_property
    def rotations(self) -> Array:
        """world_from_part, [T, B, 3, 3]."""
        return pose_matrices(self.trajectory.poses)[..., :3, :3]

    def _local_center(self, k: int) -> Array:
        mass = self.parts[k].mass
        return np.zeros(3) if mass is None else np.asarray(mass.center_m, np.float64)

    def at_part(self, k: int, local: Array) -> Array:
        """A point of part k in the world at every frame, [T, 3]."""
        return np.asarray(self.rotations[:, k] @ local + self.trajectory.poses[:, k, :3])

    def velocity_at(self, k: int, points: Array) -> Array:
        """Of the part's matter at a world point of each frame [T, 3], as a rigid body's [m/s]."""
        twist, origin = self.trajectory.twists[:, k], self.trajectory.poses[:, k, :3]
        return np.asarray(twist[:, :3] + np.cross(twist[:, 3:], points - origin))

    def name(self, k: int) -> str:
        """Of part k."""
        return self.parts[k].part.name

    def time(self, frame: int) -> float:
        """[s]."""
        return frame / self.trajectory.fps

    def impulses(self, members: Mask) -> tuple[Array, Array]:
        """What all others did to a group of parts in each frame.

        Args:
            members: of the group, [B].

        Returns:
            Sum of the impulses [N s], [T, 3], and sum of their lengths, [T]. Forces, attachments, holds and joints
            that may break count among the others.
        """
        t = self.touches
        sign = members[t.a].astype(np.float64) - members[t.b]
        total, size = np.zeros((self.count, 3)), np.zeros(self.count)
        np.add.at(total, t.frame, sign[:, None] * t.impulse)
        np.add.at(size, t.frame, np.abs(sign) * np.linalg.norm(t.impulse, axis=1))
        if self.trajectory.outside is not None:
            pushed = self.trajectory.outside.impulses[:, members]
            total += pushed.sum(axis=1)
            size += np.linalg.norm(pushed, axis=2).sum(axis=1)
        return total, size

    def frame_of(self, time_s: float) -> int:
        """The frame whose steps hold what happens in the step that begins at a time."""
        step = round(time_s / self.step_s)
        return min(step // self.assets.scene.steps_per_frame + 1, self.count)

    def law(self, name: str, measured: Mapping[str, float], limits: Mapping[str, float], **more: Any) -> LawRecord:
        """Passed where nothing is above its limit, nor NaN; ``note`` is kept only where something is."""
        kept = {key: rounded(value) for key, value in measured.items()}
        known = not any(np.isnan(value) for value in (*measured.values(), *limits.values()))
        passed = known and all(kept[key] <= limit for key, limit in limits.items() if key in kept)
        told = {key: rounded(value) for key, value in limits.items()}
        if passed:
            more.pop("note", None)
        return LawRecord(name=name, passed=passed, measured=kept, limits=told, **more)


def rounded(value: float) -> float:
    """To six significant digits, finite."""
    return float(f"{float(np.nan_to_num(value, nan=0.0, posinf=1e9, neginf=-1e9)):.6g}")


def nothing(name: str, why: str) -> Finding:
    """A law that had nothing to judge."""
    return Finding(LawRecord(name=name, passed=None, note=why))
