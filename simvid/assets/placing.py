"""Places on top of things, drawn without overlap: what ``place`` under ``randomize`` stands for.

Seen from above, a thing is the rectangle about its box, turned with it; two rectangles are apart when a line along an
edge of one of them parts them (separating axes). Things that lie wholly above or below each other do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.arrange import MAX_TRIES, body_pose, placed, pose_quat
from simvid.assets.prepare import geometry_of
from simvid.errors import AssetError, SceneError
from simvid.rotations import matrix_from_quat
from simvid.scene import Body, Place, Scene

Array: TypeAlias = NDArray[np.float64]
UPRIGHT = 1e-6
"""Cosine of a support's tilt may be less than 1 by so much."""


class Units(Protocol):
    """Numbers evenly in (0, 1), one after the other."""

    def unit(self) -> float:
        """The next one."""
        ...


@dataclass(frozen=True, eq=False)
class Footprint:
    """A box seen from above.

    Attributes:
        center: x and y of its middle [m], [2].
        half: half its lengths along its own axes [m], [2].
        yaw: of its own x axis [rad].
        low, high: from where to where it reaches [m].
        upright: whether the box stands on its own bottom.
    """

    center: Array
    half: Array
    yaw: float
    low: float
    high: float
    upright: bool = True

    @property
    def axes(self) -> Array:
        """Unit vectors along its edges, in rows, [2, 2]."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[c, s], [-s, c]])

    @property
    def corners(self) -> Array:
        """[4, 2]."""
        signs = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
        return np.asarray(self.center + (signs * self.half) @ self.axes)

    def apart_from(self, other: Footprint, distance_m: float) -> bool:
        """Whether a line along an edge of either has them on its two sides, this far from each other."""
        if self.low >= other.high or other.low >= self.high:
            return True
        for axis in np.concatenate([self.axes, other.axes]):
            a, b = self.corners @ axis, other.corners @ axis
            if a.min() - b.max() >= distance_m or b.min() - a.max() >= distance_m:
                return True
        return False

    def holds(self, other: Footprint, margin_m: float) -> bool:
        """Whether the other lies in it, this far from its edges."""
        inside = np.abs((other.corners - self.center) @ self.axes.T)
        return bool((inside <= self.half - margin_m + 1e-12).all())


def places(scene: Scene, wanted: Sequence[tuple[int, Place, Units, str]]) -> list[list[dict[str, list[float]]]]:
    """Poses of all copies of some bodies, as plain values of a scene file.

    Args:
        scene: with all else drawn.
        wanted: number of the body, where it may be, its numbers, and what to call it in messages. Each keeps away from
            those before it, and from all bodies that are not placed.

    Returns:
        For each of them a pose per copy: ``position_m`` and ``quaternion_wxyz``, to be applied after the rotation of
        the body's own pose.

    Raises:
        SceneError: something to stand on is not upright, or there is no room.
    """
    moved = {number for number, *_ in wanted}
    by_name = {body.name: k for k, body in enumerate(scene.bodies)}
    taken: dict[int, list[Footprint]] = {}
    found: list[list[dict[str, list[float]]]] = []
    for k, body in enumerate(scene.bodies):
        if k not in moved:
            taken[k] = _resting(body, scene, k)
    for number, place, numbers, where in wanted:
        carrier = by_name.get(place.on)
        if carrier is not None and carrier not in taken:
            raise SceneError(f"{where}: expected {place.on!r} to be placed before what stands on it; put it first")
        top = None if carrier is None else _top(scene, carrier, taken[carrier], where)
        others = [foot for k, feet in taken.items() if k != carrier for foot in feet]
        taken[number] = []
        poses = []
        for _ in range(scene.bodies[number].count):
            pose, foot = _placed(scene, number, place, numbers, (top, [*others, *taken[number]], where))
            taken[number].append(foot)
            poses.append(pose)
        found.append(poses)
    return found


Around: TypeAlias = tuple[Footprint | None, Sequence[Footprint], str]


def _placed(
    scene: Scene, number: int, place: Place, numbers: Units, around: Around
) -> tuple[dict[str, list[float]], Footprint]:
    """One copy, by rejection."""
    top, others, where = around
    body = scene.bodies[number]
    low, high = _turned_box(body, scene, number)
    upright = bool(matrix_from_quat(pose_quat(body.pose))[2, 2] > 1 - UPRIGHT)
    surface = top.high if top is not None else scene.ground.height_m if scene.ground is not None else 0.0
    for _ in range(MAX_TRIES):
        a, b, yaw = numbers.unit(), numbers.unit(), 2 * np.pi * numbers.unit() * (place.turn == "yaw")
        if place.low_m is not None and place.high_m is not None:
            center = np.array(
                [_between(place.low_m[0], place.high_m[0], a), _between(place.low_m[1], place.high_m[1], b)]
            )
        else:
            assert top is not None, "the ground needs low_m and high_m"
            center = top.center + ((2 * np.array([a, b]) - 1) * top.half) @ top.axes
        rest = surface + place.gap_m
        foot = Footprint(center, (high - low)[:2] / 2, yaw, rest, rest + float(high[2] - low[2]), upright)
        if (top is None or top.holds(foot, place.margin_m)) and all(foot.apart_from(o, place.apart_m) for o in others):
            middle = (low + high)[:2] / 2 @ foot.axes
            position = [*(center - middle).tolist(), rest - float(low[2])]
            return {
                "position_m": position,
                "quaternion_wxyz": [float(np.cos(yaw / 2)), 0.0, 0.0, float(np.sin(yaw / 2))],
            }, foot
    raise SceneError(
        f"{where}: expected room for {body.name} on {place.on} beside {len(others)} other boxes, found none in "
        f"{MAX_TRIES} tries; make the top or the area larger, or place fewer things"
    )


def _between(low: float, high: float, u: float) -> float:
    return low * (1 - u) + high * u


def _bounds(body: Body, scene: Scene, number: int) -> tuple[Array, float]:
    try:
        geometry = geometry_of(body, scene)
    except (AssetError, ValueError) as error:
        raise SceneError(f"{scene.where(f'bodies[{number}].shape')}: {error}") from error
    return geometry.bounds_m, geometry.radius_m


def _corners(bounds: Array) -> Array:
    return np.array([[a, b, c] for a in bounds[:, 0] for b in bounds[:, 1] for c in bounds[:, 2]])


def _turned_box(body: Body, scene: Scene, number: int) -> tuple[Array, Array]:
    """Lowest and highest corner of a body's box after the rotation of its own pose."""
    bounds, _ = _bounds(body, scene, number)
    turned = _corners(bounds) @ matrix_from_quat(pose_quat(body.pose)).T
    return turned.min(axis=0), turned.max(axis=0)


def _resting(body: Body, scene: Scene, number: int) -> list[Footprint]:
    """Where the copies of a body are that is not placed: the rectangles of its box, as it is turned."""
    bounds, radius = _bounds(body, scene, number)
    return [footprint(body_pose(single.pose), bounds) for single in placed(body, scene, bounds, radius)]


def footprint(pose: Array, bounds: Array) -> Footprint:
    """A box [2, 3] at a pose [4, 4] seen from above: along its own axes where it stands upright, else along x and y."""
    upright = bool(pose[2, 2] > 1 - UPRIGHT)
    yaw = float(np.arctan2(pose[1, 0], pose[0, 0])) if abs(pose[2, 2]) > 1 - UPRIGHT else 0.0
    points = _corners(bounds) @ pose[:3, :3].T + pose[:3, 3]
    c, s = np.cos(yaw), np.sin(yaw)
    flat = points[:, :2] @ np.array([[c, -s], [s, c]])
    low, high = flat.min(axis=0), flat.max(axis=0)
    center = (low + high) / 2 @ np.array([[c, s], [-s, c]])
    return Footprint(center, (high - low) / 2, yaw, float(points[:, 2].min()), float(points[:, 2].max()), upright)


def _top(scene: Scene, number: int, feet: Sequence[Footprint], where: str) -> Footprint:
    name = scene.bodies[number].name
    if len(feet) != 1:
        raise SceneError(f"{where}: expected one {name!r} to place things on, got {len(feet)}; do not draw its count")
    if not feet[0].upright:
        raise SceneError(f"{where}: expected {name!r} to stand upright, to place things on it; it is tilted")
    return feet[0]
