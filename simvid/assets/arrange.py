"""Bodies with ``count`` and ``arrange`` become single bodies with poses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SceneError
from simvid.rotations import pose_matrix, quat_from_euler_deg, quat_multiply
from simvid.scene import Body, Pose, Scene
from simvid.scene.bodies import Grid, Line, Places, Ring, Scatter, Stack, Triangle

Array = NDArray[np.float64]
MAX_TRIES = 2000
"""Attempts to place one scattered body before giving up."""


def body_pose(pose: Pose) -> Array:
    """A scene pose as a matrix [4, 4]."""
    return pose_matrix(pose.position_m, pose_quat(pose))


def pose_quat(pose: Pose) -> Array:
    """Rotation of a scene pose as a unit quaternion [4]."""
    if pose.quaternion_wxyz is not None:
        q = np.asarray(pose.quaternion_wxyz, dtype=np.float64)
        return np.asarray(q / np.linalg.norm(q))
    return quat_from_euler_deg(pose.rotation_deg) if pose.rotation_deg else np.array([1.0, 0, 0, 0])


def placed(body: Body, scene: Scene, bounds_m: Array, radius_m: float) -> tuple[Body, ...]:
    """The single bodies that a body with ``count`` stands for.

    Args:
        body: as in the scene.
        scene: for the seed, and for messages.
        bounds_m: corners of the shape's box in the body's own frame, [2, 3]; stacks need its height.
        radius_m: of the ball about the body's origin that holds the shape; scatters keep those apart.

    Raises:
        SceneError: too few places for the count, or a scatter that found no room.
    """
    if body.arrange is None:
        return (body,)
    corners = np.array([[a, b, c] for a in bounds_m[:, 0] for b in bounds_m[:, 1] for c in bounds_m[:, 2]])
    turned = corners @ body_pose(body.pose)[:3, :3].T
    where = scene.where(f"bodies[{scene.bodies.index(body)}].arrange.{body.arrange.kind}")
    match body.arrange.value:
        case Stack() as rule:
            poses = _stack(rule, body.count, turned)
        case Scatter() as rule:
            poses = _scatter(rule, body, scene.seed, radius_m, where)
        case Line() as rule:
            poses = _line(rule, body.count)
        case Grid() as rule:
            poses = _grid(rule)
        case Ring() as rule:
            poses = _ring(rule, body.count)
        case Triangle() as rule:
            poses = _triangle(rule, body.count)
        case Places() as rule:
            poses = ((np.array(pose.position_m), pose_quat(pose)) for pose in rule.poses)
        case other:
            raise TypeError(f"no arrangement {type(other).__name__}")
    base = pose_quat(body.pose)
    singles = []
    for k, (position, turn) in zip(range(body.count), poses, strict=False):
        px, py, pz = (float(v) for v in position)
        w, x, y, z = (float(v) for v in quat_multiply(turn, base))
        pose = Pose(position_m=(px, py, pz), quaternion_wxyz=(w, x, y, z))
        name = body.name if body.count == 1 else f"{body.name}_{k}"
        singles.append(body.model_copy(update={"name": name, "count": 1, "arrange": None, "pose": pose}))
    if len(singles) < body.count:
        raise SceneError(f"{where}: expected at least count = {body.count} places, got {len(singles)}")
    return tuple(singles)


IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def _yaw(angle_rad: float) -> Array:
    return np.array([np.cos(angle_rad / 2), 0.0, 0.0, np.sin(angle_rad / 2)])


def _stack(rule: Stack, count: int, turned: Array) -> Iterator[tuple[Array, Array]]:
    bottom, top = float(turned[:, 2].min()), float(turned[:, 2].max())
    for k in range(count):
        yield np.array(rule.base_m) + np.array([0.0, 0.0, k * (top - bottom + rule.gap_m) - bottom]), IDENTITY


def _line(rule: Line, count: int) -> Iterator[tuple[Array, Array]]:
    for k in range(count):
        yield np.array(rule.start_m) + k * np.array(rule.step_m), _yaw(np.radians(k * rule.turn_deg))


def _grid(rule: Grid) -> Iterator[tuple[Array, Array]]:
    nx, ny, nz = rule.counts
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                yield np.array(rule.origin_m) + np.array([x, y, z]) * np.array(rule.spacing_m), IDENTITY


def _ring(rule: Ring, count: int) -> Iterator[tuple[Array, Array]]:
    for k in range(count):
        angle = 2 * np.pi * k / count
        offset = rule.radius_m * np.array([np.cos(angle), np.sin(angle), 0.0])
        yield np.array(rule.center_m) + offset, _yaw(angle) if rule.face_center else IDENTITY


def _triangle(rule: Triangle, count: int) -> Iterator[tuple[Array, Array]]:
    row = 0
    placed_so_far = 0
    while placed_so_far < count:
        for k in range(row + 1):
            offset = rule.spacing_m * np.array([row * np.sqrt(3) / 2, k - row / 2, 0.0])
            yield np.array(rule.apex_m) + offset, IDENTITY
        placed_so_far += row + 1
        row += 1


def _scatter(rule: Scatter, body: Body, seed: int, radius: float, where: str) -> Iterator[tuple[Array, Array]]:
    """Rejection sampling of non-overlapping bounding spheres."""
    key = int.from_bytes(hashlib.sha256(f"{seed}/{body.name}/scatter".encode()).digest()[:8], "little")
    rng = np.random.Generator(np.random.Philox(key))
    low, high = np.array(rule.low_m), np.array(rule.high_m)
    centers: list[Array] = []
    for _ in range(body.count):
        for _attempt in range(MAX_TRIES):
            candidate = rng.uniform(low, high)
            if all(np.linalg.norm(candidate - c) >= 2 * radius for c in centers):
                break
        else:
            raise SceneError(
                f"{where}: expected room for {body.count} bodies of radius {radius:.3g} m between low_m and high_m, "
                f"found room for {len(centers)}; make the box larger or count smaller"
            )
        centers.append(candidate)
        yield candidate, _random_turn(rule.turn, rng)


def _random_turn(turn: str, rng: np.random.Generator) -> Array:
    if turn == "yaw":
        return _yaw(rng.uniform(0, 2 * np.pi))
    q = rng.normal(size=4)
    return np.asarray(q / np.linalg.norm(q)) if turn == "any" else IDENTITY
