"""Lenses: closed forms, and back again."""

from __future__ import annotations

import numpy as np
import pytest

from simvid.frames import CameraPath
from simvid.rendering.camera import intrinsics
from simvid.lens import pixel_centers, project, unproject


@pytest.fixture
def pinhole() -> CameraPath:
    return CameraPath("a", 64, 48, intrinsics(64, 48, 50.0), np.eye(4)[None])


def test_the_middle_is_straight_ahead(pinhole: CameraPath) -> None:
    assert np.allclose(
        project(pinhole, np.array([[0, 0, 2.0], [0, np.tan(np.radians(25)), 1.0]])), [[32, 24], [32, 48]]
    )


def test_there_and_back(pinhole: CameraPath) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform([-1, -1, 0.1], [1, 1, 5], (100, 3))
    assert np.allclose(unproject(pinhole, project(pinhole, points), points[:, 2]), points)
    centers = pixel_centers(pinhole)
    assert np.allclose(project(pinhole, unproject(pinhole, centers, np.full(centers.shape[:2], 3.0))), centers)


def test_what_cannot_be_seen_is_nan(pinhole: CameraPath) -> None:
    assert np.isnan(project(pinhole, np.array([[0, 0, -1.0], [0, 0, 0]]))).all()
    assert np.isnan(unproject(pinhole, np.array([1.0, 1.0]), np.array(np.inf))).all()
