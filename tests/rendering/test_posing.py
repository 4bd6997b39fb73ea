from __future__ import annotations

import numpy as np

from simvid.gaussians import SH_C0, Gaussians
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.splats.appearance import Appearance
from simvid.rendering.splats.posing import PosedSplats
from simvid.rotations import matrix_from_quat, quat_from_euler_deg


def random_appearance(n: int = 40) -> Appearance:
    rng = np.random.default_rng(0)
    f = np.float32
    quats = rng.normal(size=(n, 4)).astype(f)
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    owner = np.repeat([1, 2], [n // 4, n - n // 4]).astype(np.int32)
    splats = Gaussians(
        rng.normal(size=(n, 3)).astype(f), quats, rng.uniform(0.01, 0.1, (n, 3)).astype(f), np.ones(n, f),
        rng.uniform(-0.5, 0.5, (n, 1, 3)).astype(f), owner,
    )  # fmt: skip
    normals = np.stack([matrix_from_quat(q)[:, 2] for q in quats]).astype(f)
    return Appearance(
        splats, np.array([0, n // 4, n]), normals, np.zeros(n, bool), np.ones(n, f), np.zeros((n, 2), f),
        splats.means + normals, np.full(n, 0.1, f), np.zeros(n, bool),
    )  # fmt: skip


def poses() -> np.ndarray:
    return np.array([[1.0, 2, 3, *quat_from_euler_deg((20, 30, 40))], [0, 0, -1, *quat_from_euler_deg((0, 90, 10))]])


def test_parts_move_rigidly() -> None:
    look = random_appearance()
    posed = PosedSplats(look)
    posed.pose(poses(), Workers(1))
    for part, (first, last) in enumerate(((0, 10), (10, 40))):
        turn, shift = matrix_from_quat(poses()[part, 3:]), poses()[part, :3]
        for got, local in ((posed.arrays.means, look.gaussians.means), (posed.arrays.points, look.points)):
            np.testing.assert_allclose(got[first:last], local[first:last] @ turn.T + shift, atol=1e-5)
        np.testing.assert_allclose(posed.arrays.normals[first:last], look.normals[first:last] @ turn.T, atol=1e-6)
        for i in range(first, last):
            expected = turn @ matrix_from_quat(look.gaussians.quats[i])
            np.testing.assert_allclose(matrix_from_quat(posed.arrays.quats[i]), expected, atol=1e-6)
        np.testing.assert_allclose(posed.rotations[part], turn, atol=1e-12)


def test_only_what_moved_is_posed_again() -> None:
    posed = PosedSplats(random_appearance())
    assert posed.pose(poses(), Workers(1)).tolist() == [True, True]
    assert posed.pose(poses(), Workers(1)).tolist() == [False, False]
    before = posed.arrays.means.copy()
    later = poses()
    later[1, 0] += 0.5
    assert posed.pose(later, Workers(2)).tolist() == [False, True]
    np.testing.assert_array_equal(posed.arrays.means[:10], before[:10])
    np.testing.assert_allclose(posed.arrays.means[10:] - before[10:], np.tile([0.5, 0, 0], (30, 1)), atol=1e-5)


def test_albedo_is_linear_light() -> None:
    look = random_appearance()
    look.gaussians.sh[0, 0] = (0.5 - 0.5) / SH_C0
    np.testing.assert_allclose(PosedSplats(look).arrays.albedo[0], 0.21404, atol=1e-4)
