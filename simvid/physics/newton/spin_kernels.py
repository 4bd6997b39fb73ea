"""Compiled rotation of free bodies; import only from ``newton_spin``. Scalar code, which numba compiles quickly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvid.physics.newton.kernels import Floats, Longs, compiled

SLOW_TURN_RAD = 1e-4
"""Per step; bodies that turn less keep MuJoCo's rotation."""


@compiled
def _apply(matrix: Floats, v: Floats, out: Floats) -> None:
    for i in range(3):
        out[i] = matrix[i, 0] * v[0] + matrix[i, 1] * v[1] + matrix[i, 2] * v[2]


@compiled
def _cross(a: Floats, b: Floats, out: Floats) -> None:
    out[0] = a[1] * b[2] - a[2] * b[1]
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]


@compiled
def _exponential(v: Floats, factor: float, out: Floats) -> None:
    """Rotation vector factor v to a quaternion."""
    angle = abs(factor) * np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    scale = 0.5 if angle < 1e-9 else np.sin(angle / 2) / angle
    out[0] = np.cos(angle / 2)
    for i in range(3):
        out[1 + i] = scale * factor * v[i]


@compiled
def _rotate(q: Floats, v: Floats, out: Floats) -> None:
    """Unit quaternion times vector: v + 2 w (u x v) + 2 u x (u x v)."""
    x = q[2] * v[2] - q[3] * v[1]
    y = q[3] * v[0] - q[1] * v[2]
    z = q[1] * v[1] - q[2] * v[0]
    out[0] = v[0] + 2 * (q[0] * x + q[2] * z - q[3] * y)
    out[1] = v[1] + 2 * (q[0] * y + q[3] * x - q[1] * z)
    out[2] = v[2] + 2 * (q[0] * z + q[1] * y - q[2] * x)


@compiled
def _product(a: Floats, b: Floats, out: Floats) -> None:
    """Hamilton product of two quaternions, normalised."""
    out[0] = a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3]
    out[1] = a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2]
    out[2] = a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1]
    out[3] = a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0]
    size = np.sqrt(out[0] * out[0] + out[1] * out[1] + out[2] * out[2] + out[3] * out[3])
    for i in range(4):
        out[i] /= size


class Spinning(NamedTuple):
    """Bodies whose rotation is done again."""

    position_at: Longs
    """Of the joint in qpos."""
    speed_at: Longs
    """Of the joint in qvel."""
    free: NDArray[np.bool_]
    """Free joint; else a ball joint on the world."""
    inertia: Floats
    """About the centre of mass, or the anchor of a ball joint, in the body's axes [N, 3, 3]."""
    inverse: Floats
    center: Floats
    """Centre of mass in the body's frame [m], [N, 3]."""


@compiled
def turn_bodies(
    bodies: Spinning, position: Floats, speed: Floats, acceleration: Floats, step: float, new: Floats, new_speed: Floats
) -> None:
    """Kick and drift of ``simvid.physics.newton.spin``; position and speed are from before the step."""
    work = np.zeros((8, 4))
    momentum, torque, middle, turn, part = work[0], work[1], work[2], work[3], work[4]
    for b in range(len(bodies.position_at)):
        at, row = bodies.position_at[b], bodies.speed_at[b]
        turn_at = at
        if bodies.free[b]:
            turn_at, row = at + 3, row + 3
        w, a = speed[row : row + 3], acceleration[row : row + 3]
        if (w[0] * w[0] + w[1] * w[1] + w[2] * w[2]) * step * step < SLOW_TURN_RAD * SLOW_TURN_RAD:
            continue
        _apply(bodies.inertia[b], w, momentum)
        _apply(bodies.inertia[b], a, torque)
        _cross(w, momentum, part)
        for i in range(3):
            momentum[i] += step * (torque[i] + part[i])
            middle[i] = w[i] + step * a[i]
        for _ in range(8):
            _exponential(middle, -0.5 * step, turn)
            _rotate(turn, momentum, part)
            _apply(bodies.inverse[b], part, middle)
        _exponential(middle, -step, turn)
        _rotate(turn, momentum, part)
        _apply(bodies.inverse[b], part, new_speed[row : row + 3])
        _exponential(middle, step, turn)
        _product(position[turn_at : turn_at + 4], turn, new[turn_at : turn_at + 4])
        if bodies.free[b]:
            first, last, moves = at, at + 7, row - 3
            _move_center(
                bodies.center[b], position[first:last], speed[moves : row + 3], acceleration[moves : row + 3], step,
                new[first:last], new_speed[moves : row + 3], work[5:8],
            )  # fmt: skip


@compiled
def _move_center(
    c: Floats, position: Floats, speed: Floats, acceleration: Floats, step: float, new: Floats, new_speed: Floats,
    work: Floats,
) -> None:  # fmt: skip
    """The centre of mass flies on by its own acceleration; the body's frame follows from it and the new rotation."""
    across, inward, out = work[0], work[1], work[2]
    _cross(speed[3:6], c, across)
    _cross(speed[3:6], across, inward)
    _rotate(position[3:7], across, out)
    for i in range(3):
        new_speed[i] = speed[i] + out[i]
    _cross(acceleration[3:6], c, across)
    for i in range(3):
        inward[i] += across[i]
    _rotate(position[3:7], inward, out)
    for i in range(3):
        new_speed[i] += step * (acceleration[i] + out[i])
    _rotate(position[3:7], c, out)
    for i in range(3):
        new[i] = position[i] + out[i] + step * new_speed[i]
    _rotate(new[3:7], c, out)
    for i in range(3):
        new[i] -= out[i]
    _cross(new_speed[3:6], c, across)
    _rotate(new[3:7], across, out)
    for i in range(3):
        new_speed[i] -= out[i]
