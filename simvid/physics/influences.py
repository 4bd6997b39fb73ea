"""What acts on a scene from outside, as numbers: accelerations and winds at a place and time.

Drag is 1/2 rho c A |u - v| (u - v) (Batchelor 1967, sec. 5.11). Within a step of length h with the air's speed kept,
m dv/dt = k |u - v| (u - v) is solved exactly along its own direction: w = u - v shrinks to w / (1 + k |w| h / m), so no
step is too long for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.assets.pieces import Collider
from simvid.scene import Force, Region

Array = NDArray[np.float64]
KINDS = ("acceleration", "attract", "spring", "wind", "vortex")
"""Order of the codes that kernels know them by."""
AIR = ("wind", "vortex")


@dataclass(frozen=True)
class Place:
    """A region: a box, a ball, or everywhere where ``radius_m`` and the corners are infinite."""

    low_m: tuple[float, float, float] = (-math.inf, -math.inf, -math.inf)
    high_m: tuple[float, float, float] = (math.inf, math.inf, math.inf)
    center_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    radius_m: float = math.inf

    @staticmethod
    def of(region: Region | None) -> Place:
        """From the scene's."""
        if region is None:
            return Place()
        if region.box is not None:
            return Place(region.box.low_m, region.box.high_m)
        ball = region.value
        return Place(center_m=ball.center_m, radius_m=ball.radius_m)

    def holds(self, points_m: Array) -> NDArray[np.bool_]:
        """Whether points [N, 3] are in it, [N]."""
        low, high = np.array(self.low_m), np.array(self.high_m)
        inside = ((points_m >= low) & (points_m <= high)).all(axis=1)
        return np.asarray(inside & (np.linalg.norm(points_m - np.array(self.center_m), axis=1) <= self.radius_m))


@dataclass(frozen=True)
class Influence:
    """One field or wind.

    Attributes:
        kind: of ``KINDS``.
        vector: acceleration [m/s^2]; velocity of a wind; velocity along the axis of a vortex [m/s].
        center_m: of what has a centre.
        axis: of a vortex, unit.
        strength: acceleration [m/s^2] of ``attract``, that at the radius of ``spring``; spin [rad/s] of a vortex.
        radius_m: reach of an attraction, core of a vortex.
        pressure: 1/2 rho c of a wind [kg/m^3].
        area_m2: given area of each rigid body.
        place: where it acts.
        start_s, end_s: when.
        parts: indices of the parts it acts on.
    """

    kind: str
    vector: tuple[float, float, float] = (0.0, 0.0, 0.0)
    center_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    strength: float = 0.0
    radius_m: float = math.inf
    pressure: float = 0.0
    area_m2: float | None = None
    place: Place = Place()
    start_s: float = 0.0
    end_s: float = math.inf
    parts: frozenset[int] = frozenset()

    def share(self, start_s: float, step_s: float) -> float:
        """Part of the step from ``start_s`` that lies in its window, 0 to 1."""
        return share(self.start_s, self.end_s, start_s, step_s)

    def at(self, points_m: Array) -> Array:
        """Acceleration [m/s^2], or velocity of the air [m/s], at points [N, 3]; the place is not looked at."""
        if self.kind in ("acceleration", "wind"):
            return np.tile(np.array(self.vector, np.float64), (len(points_m), 1))
        way = np.array(self.center_m) - points_m
        if self.kind == "vortex":
            axis = np.array(self.axis)
            across = -way + np.outer(way @ axis, axis)
            square = np.maximum((across * across).sum(axis=1), self.radius_m**2)
            turned = np.cross(axis, across) * (self.strength * self.radius_m**2 / square)[:, None]
            return np.asarray(turned + np.array(self.vector))
        far = np.linalg.norm(way, axis=1)
        size = np.where(far <= self.radius_m, self.strength / self.radius_m, 0.0)
        if self.kind == "attract":
            size = size * self.radius_m / np.maximum(far, 1e-9)
        return np.asarray(way * size[:, None])


def share(begin_s: float, end_s: float, start_s: float, step_s: float) -> float:
    """Part of a step that lies in a window; rounding at its ends counts for nothing."""
    inside = (min(end_s, start_s + step_s) - max(begin_s, start_s)) / step_s
    return 0.0 if inside < 1e-6 else 1.0 if inside > 1 - 1e-6 else inside


def window(value: Any) -> tuple[float, float]:
    """Start and end of a time window of the scene; infinite where it has no end."""
    return value.start_s, math.inf if value.end_s is None else value.end_s


def window_steps(value: Any, step_s: float) -> tuple[int, int]:
    """First step in a time window of the scene, and the first after it."""
    start, end = window(value)
    return round(start / step_s), round(min(end, 1e9) / step_s)


def influences(assets: SceneAssets) -> tuple[Influence, ...]:
    """The fields and winds of a scene, in its order."""
    return tuple(
        _influence(force, frozenset(targets(assets, force.value.bodies)))
        for force in assets.scene.forces
        if force.kind in ("wind", "vortex", "acceleration", "attract")
    )


def _influence(force: Force, parts: frozenset[int]) -> Influence:
    value = force.value
    start, end = window(value)
    common: dict[str, Any] = {
        "place": Place.of(value.region), "start_s": start, "end_s": end, "parts": parts,
    }  # fmt: skip
    if force.acceleration is not None:
        return Influence("acceleration", force.acceleration.acceleration_m_s2, **common)
    if force.attract is not None:
        pull = force.attract
        kind = "attract" if pull.profile == "constant" else "spring"
        return Influence(
            kind, center_m=pull.to_m, strength=pull.acceleration_m_s2, radius_m=pull.radius_m, **common
        )  # fmt: skip
    common |= {"pressure": value.air_density_kg_m3 * value.drag_coefficient / 2, "area_m2": value.area_m2}
    if force.wind is not None:
        return Influence("wind", force.wind.velocity_m_s, **common)
    swirl = value
    axis = np.array(swirl.axis) / np.linalg.norm(swirl.axis)
    return Influence(
        "vortex", _three(axis * swirl.updraft_m_s), swirl.center_m, _three(axis), swirl.angular_velocity_rad_s,
        swirl.core_m, **common,
    )  # fmt: skip


def _three(v: Array) -> tuple[float, float, float]:
    return float(v[0]), float(v[1]), float(v[2])


def targets(assets: SceneAssets, names: Sequence[str]) -> list[int]:
    """Parts that are meant: those named (all copies of a body by its own name), or all bodies that can move."""
    if not names:
        return [k for k, p in enumerate(assets.parts) if p.part.kind == "body" and movable(assets, k)]
    copies = {b.name for b in assets.scene.bodies if b.count > 1}
    found = []
    for k, p in enumerate(assets.parts):
        base, _, number = p.part.name.rpartition("_")
        if p.part.name in names or (base in names and base in copies and number.isdigit()):
            found.append(k)
    return found


def movable(assets: SceneAssets, part: int) -> bool:
    """Whether forces move a part: no ground, neither fixed nor on keyframes, no link on a fixed base without joints."""
    p = assets.parts[part]
    for robot in assets.robots:
        if p.part.name in robot.part_names:
            return not robot.fixed_base or bool(robot.chain(robot.part_names.index(p.part.name)))
    return p.part.kind == "body" and not p.part.fixed


def solid_pieces(assets: SceneAssets, part: int) -> Sequence[Collider]:
    """What a rigid part touches with; of a robot's link what its model says."""
    p = assets.parts[part]
    for robot in assets.robots:
        if p.part.name in robot.part_names:
            return robot.links[robot.part_names.index(p.part.name)].colliders
    return p.colliders


class Outline:
    """The area that a rigid part shows to a wind: that of its colliders' convex hull.

    For a convex body it is half the sum over its faces of area times |normal . direction| (Cauchy); a ball is exact.
    """

    def __init__(self, colliders: Sequence[Collider]) -> None:
        """From the colliders in the part's frame.

        Raises:
            ValueError: a plane, which has no outline.
        """
        self._ball = 0.0
        if len(colliders) == 1 and colliders[0].kind == "sphere":
            self._ball = math.pi * colliders[0].dimensions[0] ** 2
            return
        from scipy.spatial import ConvexHull

        hull = ConvexHull(np.concatenate([_corners(c) for c in colliders]))
        a, b, c = (hull.points[hull.simplices[:, k]] for k in range(3))
        self._areas = np.cross(b - a, c - a) / 2

    def area_m2(self, direction: Array) -> float:
        """Seen along a direction in the part's frame (any length above zero)."""
        if self._ball:
            return self._ball
        return float(np.abs(self._areas @ direction).sum() / (2 * np.linalg.norm(direction)))


def _corners(c: Collider) -> Array:
    """Points whose hull is the collider's, in the part's frame."""
    if c.mesh is not None:
        points = np.asarray(c.mesh.vertices, np.float64)
    elif c.kind == "plane":
        raise ValueError("Outline: a plane has no outline")
    else:
        from simvid.assets.primitives import primitive_mesh

        points = np.asarray(primitive_mesh(c.kind, c.dimensions).vertices, np.float64)
    return np.asarray(points @ c.pose[:3, :3].T + c.pose[:3, 3])
