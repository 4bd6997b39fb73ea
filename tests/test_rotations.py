"""Quaternions and poses against scipy's, which nobody here wrote."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from simvid.rotations import (
    matrix_from_quat,
    pose_matrix,
    pose_vector,
    poses_between,
    quat_from_euler_deg,
    quat_from_matrix,
    quat_multiply,
    slerp,
)
from simvid.trajectory import pose_matrices

angles = st.floats(-180, 180)
seeds = st.integers(0, 2**32 - 1)


def random_quat(seed: int) -> np.ndarray:
    q = np.random.default_rng(seed).normal(size=4)
    return np.asarray(q / np.linalg.norm(q))


def xyzw(q: np.ndarray) -> np.ndarray:
    return np.roll(q, -1)


@given(angles, angles, angles)
def test_euler_is_about_fixed_x_then_y_then_z(a: float, b: float, c: float) -> None:
    ours = matrix_from_quat(quat_from_euler_deg((a, b, c)))
    assert np.allclose(ours, Rotation.from_euler("xyz", (a, b, c), degrees=True).as_matrix(), atol=1e-12)


@given(seeds, seeds)
def test_products_and_matrices(s1: int, s2: int) -> None:
    a, b = random_quat(s1), random_quat(s2)
    product = Rotation.from_quat(xyzw(a)) * Rotation.from_quat(xyzw(b))
    assert np.allclose(matrix_from_quat(quat_multiply(a, b)), product.as_matrix(), atol=1e-12)
    assert np.allclose(matrix_from_quat(quat_from_matrix(matrix_from_quat(a))), matrix_from_quat(a), atol=1e-12)
    assert quat_from_matrix(matrix_from_quat(a))[0] >= 0


@pytest.mark.parametrize("axis", range(3))
def test_half_turns_survive(axis: int) -> None:
    turn = -np.eye(3)
    turn[axis, axis] = 1
    assert np.allclose(matrix_from_quat(quat_from_matrix(turn)), turn, atol=1e-12)


@given(seeds, seeds, st.floats(0, 1))
def test_slerp_is_the_shortest_arc(s1: int, s2: int, t: float) -> None:
    a, b = random_quat(s1), random_quat(s2)
    theirs = Slerp([0, 1], Rotation.from_quat([xyzw(a), xyzw(b)]))(t).as_matrix()
    assert np.allclose(matrix_from_quat(slerp(a, b, t)), theirs, atol=1e-7)


@given(seeds)
def test_poses_go_there_and_back(seed: int) -> None:
    vector = np.concatenate([np.random.default_rng(seed).normal(size=3), random_quat(seed)])
    matrix = pose_matrix(vector[:3], vector[3:])
    assert np.allclose(pose_matrices(vector), matrix, atol=1e-12)
    assert np.allclose(pose_matrices(pose_vector(matrix)), matrix, atol=1e-12)


def test_poses_between_frames() -> None:
    """Straight lines and even turns; whole frames and what rests are given back bit for bit; the ends go on."""
    rng = np.random.default_rng(0)
    turns = [quat_from_euler_deg((0, 0, a)) for a in (0, 30, 60)]
    moving = np.stack([np.concatenate([[0.1 * k, 0, 0], q * (-1) ** k]) for k, q in enumerate(turns)])
    resting = np.tile(np.concatenate([rng.normal(size=3), quat_from_euler_deg((10, 20, 30))]), (3, 1))
    poses = np.stack([moving, resting], axis=1)
    np.testing.assert_array_equal(poses_between(poses, np.arange(3.0)), poses)
    times = np.array([[-0.5, 0.25], [1.75, 2.5]])
    found = poses_between(poses, times)
    assert found.shape == (2, 2, 2, 7)
    np.testing.assert_array_equal(found[:, :, 1], np.broadcast_to(resting[0], (2, 2, 7)))
    np.testing.assert_allclose(found[:, :, 0, 0], 0.1 * times)
    for at, pose in zip(times.ravel(), found[:, :, 0].reshape(-1, 7), strict=True):
        expected = matrix_from_quat(quat_from_euler_deg((0, 0, 30 * at)))
        np.testing.assert_allclose(matrix_from_quat(pose[3:]), expected, atol=1e-12)
    np.testing.assert_array_equal(poses_between(poses[:1], 0.7), poses[0])
