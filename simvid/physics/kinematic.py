"""Keyframed motion: poses and exact velocities of bodies that follow a path whatever happens to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets
from simvid.rotations import matrix_from_quat, pose_matrix, quat_from_euler_deg, quat_from_matrix
from simvid.scene import Motion

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KeyframedPath:
    """A pose for every time; it holds still before its first keyframe and after its last.

    Positions are piecewise cubic Hermite curves, rotations the same in the rotation vector of each segment (so that one
    axis gives the plain cubic in the angle). ``smooth`` takes the slopes at the keyframes from Fritsch and Carlson
    (1980, the harmonic mean where neighbours agree in sign, else zero), per world axis, and zero at both ends: a
    coordinate never leaves the range of the two keyframes around it. ``linear`` is a straight line at constant speed.

    Attributes:
        times_s: rising, [K].
        positions: world [m], [K, 3].
        rotations: world_from_body, [K, 3, 3].
        interpolation: smooth or linear.
    """

    times_s: Array
    positions: Array
    rotations: Array
    interpolation: Literal["linear", "smooth"]

    @staticmethod
    def of(motion: Motion) -> KeyframedPath:
        """The path of a scene's ``motion``."""
        times = np.array([k.t_s for k in motion.keyframes], dtype=np.float64)
        positions = np.array([k.pose.position_m for k in motion.keyframes], dtype=np.float64)
        rotations = np.stack([_rotation(k.pose.rotation_deg, k.pose.quaternion_wxyz) for k in motion.keyframes])
        return KeyframedPath(times, positions, rotations, motion.interpolation)

    def at(self, times_s: Array) -> tuple[Array, Array]:
        """Poses and velocities.

        Args:
            times_s: any order, [N].

        Returns:
            World position and quaternion (w, x, y, z), [N, 7]; linear velocity [m/s] and angular velocity [rad/s] in
            world axes, [N, 6]. At a corner of a linear path the velocity is that of the segment that begins there.
        """
        times = np.asarray(times_s, dtype=np.float64)
        poses, twists = np.zeros((len(times), 7)), np.zeros((len(times), 6))
        if len(self.times_s) == 1:
            poses[:] = [*self.positions[0], *quat_from_matrix(self.rotations[0])]
            return poses, twists
        segment = np.clip(np.searchsorted(self.times_s, times, side="right") - 1, 0, len(self.times_s) - 2)
        turns = np.stack([_log(a.T @ b) for a, b in zip(self.rotations[:-1], self.rotations[1:], strict=True)])
        linear, angular = self._slopes(turns)
        for k in np.unique(segment):
            rows = np.flatnonzero(segment == k)
            self._fill(int(k), rows, times, turns[k], (linear[k : k + 2], angular[k : k + 2]), (poses, twists))
        still = (times < self.times_s[0]) | (times > self.times_s[-1])
        twists[still] = 0.0
        return poses, twists

    def _slopes(self, turns: Array) -> tuple[Array, Array]:
        """Velocities at the keyframes; for linear paths the slope of each segment is used instead. [K, 3] each."""
        spans = np.diff(self.times_s)[:, None]
        if self.interpolation == "linear":
            return np.zeros_like(self.positions), np.zeros_like(self.positions)
        moves = np.diff(self.positions, axis=0) / spans
        spins = np.einsum("kij,kj->ki", self.rotations[:-1], turns) / spans
        return _monotone(moves), _monotone(spins)

    def _fill(
        self, k: int, rows: NDArray[np.intp], times: Array, turn: Array, slopes: tuple[Array, Array],
        out: tuple[Array, Array],
    ) -> None:  # fmt: skip
        """Poses and twists of the rows inside segment k."""
        poses, twists = out
        span = float(self.times_s[k + 1] - self.times_s[k])
        u = np.clip((times[rows] - self.times_s[k]) / span, 0.0, 1.0)[:, None]
        move, zero = self.positions[k + 1] - self.positions[k], np.zeros(3)
        if self.interpolation == "linear":
            shift, speed = u * move, np.broadcast_to(move / span, (len(rows), 3))
            phi, rate = u * turn, np.broadcast_to(turn / span, (len(rows), 3))
        else:
            shift, speed = _hermite(u, zero, move, slopes[0], span)
            ends = (
                self.rotations[k].T @ slopes[1][0],
                np.linalg.solve(_right_jacobian(turn), self.rotations[k + 1].T @ slopes[1][1]),
            )
            phi, rate = _hermite(u, zero, turn, np.stack(ends), span)
        poses[rows, :3] = self.positions[k] + shift
        twists[rows, :3] = speed
        for row, angle, change in zip(rows, phi, rate, strict=True):
            rotation = self.rotations[k] @ _exp(angle)
            poses[row, 3:] = quat_from_matrix(rotation)
            twists[row, 3:] = rotation @ (_right_jacobian(angle) @ change)


def start_pose(part: PartAssets) -> Array:
    """world_from_part at t = 0, [4, 4]: that of its path where it has one, whatever its ``pose`` says."""
    if part.body is None or part.body.motion is None:
        return part.pose
    pose = KeyframedPath.of(part.body.motion).at(np.zeros(1))[0][0]
    return pose_matrix(pose[:3], pose[3:])


def _rotation(euler_deg: tuple[float, ...] | None, quat: tuple[float, ...] | None) -> Array:
    if quat is not None:
        return matrix_from_quat(quat)
    return matrix_from_quat(quat_from_euler_deg(euler_deg)) if euler_deg is not None else np.eye(3)


def _monotone(slopes: Array) -> Array:
    """Slopes at the knots from those between them (Fritsch and Carlson 1980), zero at both ends; [K - 1, 3] -> [K, 3].

    The harmonic mean lies below twice the smaller neighbour, which keeps the cubic monotone.
    """
    out = np.zeros((len(slopes) + 1, 3))
    a, b = slopes[:-1], slopes[1:]
    agree = a * b > 0
    out[1:-1][agree] = 2 * a[agree] * b[agree] / (a[agree] + b[agree])
    return out


def _hermite(u: Array, start: Array, end: Array, slopes: Array, span: float) -> tuple[Array, Array]:
    """Cubic Hermite curve and its time derivative; u in [0, 1] [N, 1], slopes [2, 3] per second."""
    m0, m1 = slopes[0] * span, slopes[1] * span
    value = (
        (2 * u**3 - 3 * u**2 + 1) * start + (u**3 - 2 * u**2 + u) * m0 + (3 - 2 * u) * u**2 * end + (u - 1) * u**2 * m1
    )
    change = (6 * u**2 - 6 * u) * (start - end) + (3 * u**2 - 4 * u + 1) * m0 + (3 * u**2 - 2 * u) * m1
    return value, change / span


def _cross(v: Array) -> Array:
    return np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])


def _exp(v: Array) -> Array:
    """Rotation vector to matrix (Rodrigues)."""
    angle = float(np.linalg.norm(v))
    k = _cross(v)
    if angle < 1e-8:
        return np.asarray(np.eye(3) + k)
    return np.asarray(np.eye(3) + np.sin(angle) / angle * k + (1 - np.cos(angle)) / angle**2 * (k @ k))


def _log(rotation: Array) -> Array:
    """Matrix to the rotation vector of the shorter way, angle in [0, pi]."""
    q = quat_from_matrix(rotation)
    sine = float(np.linalg.norm(q[1:]))
    return np.asarray(2 * q[1:] if sine < 1e-12 else 2 * np.arctan2(sine, q[0]) / sine * q[1:])


def _right_jacobian(v: Array) -> Array:
    """Body angular velocity from the rate of the rotation vector (Chirikjian 2011, eq. 10.86)."""
    angle = float(np.linalg.norm(v))
    k = _cross(v)
    if angle < 1e-6:
        return np.asarray(np.eye(3) - k / 2)
    return np.asarray(np.eye(3) - (1 - np.cos(angle)) / angle**2 * k + (angle - np.sin(angle)) / angle**3 * (k @ k))
