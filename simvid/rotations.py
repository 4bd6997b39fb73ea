"""Rotations in numpy: quaternions (w, x, y, z), Euler angles, poses. Plain formulas, tested against scipy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def quat_from_euler_deg(roll_pitch_yaw: Sequence[float]) -> Array:
    """Turn about the fixed x, then y, then z axis [deg] as a unit quaternion [4]."""
    half = np.radians(np.asarray(roll_pitch_yaw, dtype=np.float64)) / 2
    cr, cp, cy = np.cos(half)
    sr, sp, sy = np.sin(half)
    return np.array(
        [
            cr * cp * cy + sr * sp * sy,
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
        ]
    )


def quat_from_matrix(rotation: Array) -> Array:
    """Rotation matrix [3, 3] to a unit quaternion with w >= 0 (Shepperd 1978: the largest component first)."""
    m = rotation
    candidates = np.array([np.trace(m), m[0, 0], m[1, 1], m[2, 2]])
    k = int(np.argmax(candidates))
    if k == 0:
        q = np.array([1 + candidates[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    else:
        i = k - 1
        j, l = (i + 1) % 3, (i + 2) % 3  # noqa: E741  the usual index names
        q = np.zeros(4)
        q[0] = m[l, j] - m[j, l]
        q[1 + i] = 1 + m[i, i] - m[j, j] - m[l, l]
        q[1 + j] = m[j, i] + m[i, j]
        q[1 + l] = m[l, i] + m[i, l]
    q /= np.linalg.norm(q)
    return -q if q[0] < 0 else q


def quats_from_normals(normals: Array) -> Array:
    """Unit quaternions [N, 4] that take +z to unit vectors [N, 3] by the least rotation."""
    x, y, z = normals.T
    quats = np.stack([1 + z, -y, x, 0 * z], axis=1)
    down = z < -1 + 1e-9
    quats[down] = [0.0, 1.0, 0.0, 0.0]
    return np.asarray(quats / np.linalg.norm(quats, axis=1, keepdims=True))


def quat_multiply(a: Array, b: Array) -> Array:
    """Hamilton product of quaternions [..., 4]; first b, then a."""
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def matrix_from_quat(q: Sequence[float] | Array) -> Array:
    """Quaternion [4], of any length but zero, to a rotation matrix [3, 3]."""
    w, x, y, z = np.asarray(q, dtype=np.float64) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def pose_matrix(position: Sequence[float] | Array, quat: Sequence[float] | Array = (1.0, 0.0, 0.0, 0.0)) -> Array:
    """Position [3] and quaternion [4] to a homogeneous matrix [4, 4]."""
    m = np.eye(4)
    m[:3, :3] = matrix_from_quat(quat)
    m[:3, 3] = position
    return m


def pose_vector(matrix: Array) -> Array:
    """Homogeneous rigid matrix [4, 4] to position and quaternion [7]."""
    return np.concatenate([matrix[:3, 3], quat_from_matrix(matrix[:3, :3])])


def slerp(a: Array, b: Array, t: float) -> Array:
    """Shortest great-circle path between unit quaternions, t in [0, 1] (Shoemake 1985)."""
    dot = float(a @ b)
    if dot < 0:
        b, dot = -b, -dot
    if dot > 1 - 1e-9:
        mixed = a + t * (b - a)
        return np.asarray(mixed / np.linalg.norm(mixed))
    angle = np.arccos(dot)
    return np.asarray((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle))


def poses_between(poses: Array, at: Array | float) -> Array:
    """Rigid poses between given ones: places along straight lines, turns by slerp (Shoemake 1985).

    Args:
        poses: position and unit quaternion (w, x, y, z) at 0, 1, ..., T - 1, [T, ..., 7].
        at: when, of any shape [*S]; before the first and after the last pose motion goes on as it was.

    Returns:
        [*S, ..., 7]; those given where ``at`` is whole, and bit for bit what does not move.
    """
    at = np.asarray(at, np.float64)
    last = max(len(poses) - 2, 0)
    first = np.clip(np.floor(at).astype(int), 0, last)
    a, b = poses[first], poses[np.minimum(first + 1, len(poses) - 1)]
    share = (at - first).reshape(at.shape + (1,) * (poses.ndim - 1))
    qa, qb = a[..., 3:], b[..., 3:]
    dot = (qa * qb).sum(axis=-1, keepdims=True)
    qb = np.where(dot < 0, -qb, qb)
    angle = np.arccos(np.minimum(np.abs(dot), 1.0))
    small = angle < 1e-5
    sine = np.where(small, 1.0, np.sin(angle))
    wa = np.where(small, 1 - share, np.sin((1 - share) * angle) / sine)
    wb = np.where(small, share, np.sin(share * angle) / sine)
    quats = wa * qa + wb * qb
    quats /= np.linalg.norm(quats, axis=-1, keepdims=True)
    mixed = np.concatenate([(1 - share) * a[..., :3] + share * b[..., :3], quats], axis=-1)
    same = (a == b).all(axis=-1, keepdims=True) | (share == 0)
    return np.where(same, a, np.where(share == 1, b, mixed))
