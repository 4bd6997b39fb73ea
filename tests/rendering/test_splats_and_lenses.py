"""Gaussians seen through lenses: exact Jacobians in the reference, and the fast kernel against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simvid.camera_path import CameraPath
from simvid.errors import RenderError
from simvid.lens import project
from simvid.optics import Lens
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.raster import checked_job
from simvid.rendering.reference import ReferenceRasterizer, covariances_2d, pinhole, through_lens
from simvid.testing.clouds import assert_equivalent, random_cloud

LENSES = {
    "barrel": Lens("pinhole", (-0.28, 0.07, 0.001, -0.002, 0.01, 0.02, -0.01, 0.004)),
    "folding outside": Lens("pinhole", (-0.2, 0, 0, 0, 0, 0, 0, 0)),
    "pincushion": Lens("pinhole", (0.3, 0.1, 0, 0, 0, 0, 0, 0)),
    "fisheye": Lens("fisheye", (-0.02, 0.004, -0.001, 0.0002)),
    "orthographic": Lens("orthographic"),
    "beside the aperture": Lens("pinhole", (0.1, 0, 0, 0, 0, 0, 0, 0), (0.05, -0.03)),
}
FAST = CpuRasterizer(threads=1)
ORACLE = ReferenceRasterizer()


def cloud(name: str, seed: int = 3, n: int = 1500, **changes: Any) -> dict[str, Any]:
    arguments = random_cloud(seed, n, features=3, degree=1, owners=4, width=100, height=75)
    focal = {"fisheye": 34.0, "orthographic": 32.0}.get(name, 90.0)
    K = np.array([[focal, 0, 48.0], [0, 1.05 * focal, 40.0], [0, 0, 1]])
    return {**arguments, "K": K, "lens": LENSES[name], **changes}


@pytest.mark.parametrize("name", list(LENSES))
def test_means_and_jacobians_are_those_of_the_lens(name: str) -> None:
    job = checked_job(**{**defaults(), **cloud(name)})
    rng, h = np.random.default_rng(0), 1e-6
    z = rng.uniform(0.5, 4, len(job))
    points = np.stack([rng.uniform(-0.4, 0.4, len(job)) * z, rng.uniform(-0.3, 0.3, len(job)) * z, z], axis=1)
    camera = CameraPath("c", job.width, job.height, job.K, np.eye(4)[None], job.lens)
    means, jacobians = through_lens(job, points)
    np.testing.assert_allclose(means, project(camera, points), atol=1e-9)
    for axis in range(3):
        step = h * np.eye(3)[axis]
        numeric = (project(camera, points + step) - project(camera, points - step)) / (2 * h)
        np.testing.assert_allclose(jacobians[:, :, axis], numeric, atol=1e-4, rtol=1e-6)


def test_without_distortion_the_lens_is_a_pinhole() -> None:
    """The general formula agrees with the special one where slopes are within the picture."""
    job = checked_job(**{**defaults(), **cloud("barrel", lens=Lens("pinhole", (1e-12,) + 7 * (0.0,)))})
    points = np.array([[0.1, -0.2, 1.0], [0.5, 0.3, 2.0]])
    points = np.tile(points, (len(job) // 2, 1))
    for one, two in zip(pinhole(job, points), through_lens(job, points), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-8)
    assert covariances_2d(job, pinhole(job, points)[1]).shape == (len(job), 2, 2)


def defaults() -> dict[str, Any]:
    return {"near_m": 0.01, "far_m": 1e6, "eps2d": 0.3, "sh_rotations": None}


@pytest.mark.parametrize("name", list(LENSES))
def test_the_kernel_agrees_with_the_oracle(name: str) -> None:
    arguments = cloud(name)
    oracle = ORACLE.rasterize(**arguments)
    assert oracle.alpha.mean() > 0.3
    assert_equivalent(FAST.rasterize(**arguments), oracle, least_db=75)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", list(LENSES))
def test_close_by_and_at_any_angle(name: str, seed: int) -> None:
    """Gaussians all around the camera, many of them at the edge of what the lens sees."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(400, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    means = (directions * rng.uniform(0.3, 3, (400, 1))).astype(np.float32)
    arguments = cloud(name, seed, 400, means=means, viewmat=np.eye(4))
    assert_equivalent(FAST.rasterize(**arguments), ORACLE.rasterize(**arguments), least_db=60, share=0.99)


def test_threads_change_nothing() -> None:
    arguments = cloud("fisheye", n=9000)
    several = CpuRasterizer(threads=3)
    one, three = FAST.rasterize(**arguments), several.rasterize(**arguments)
    several.close()
    np.testing.assert_array_equal(one.features, three.features)
    np.testing.assert_array_equal(one.median_depth, three.median_depth)


@pytest.mark.parametrize("name", list(LENSES))
def test_a_small_gaussian_lands_where_its_mean_is_projected(name: str) -> None:
    """The middle of mass of its picture, to a hundredth of a pixel; its z is the depth."""
    point = np.array([[0.25, -0.2, 0.9]])
    arguments = cloud(name, n=1, means=point.astype(np.float32), scales=np.full((1, 3), 0.01, np.float32),
                      opacities=np.array([0.9], np.float32), viewmat=np.eye(4))  # fmt: skip
    raster = FAST.rasterize(**arguments)
    camera = CameraPath("c", 100, 75, arguments["K"], np.eye(4)[None], LENSES[name])
    weights = raster.alpha.astype(np.float64)
    v, u = np.mgrid[0:75, 0:100] + 0.5
    middle = [(u * weights).sum() / weights.sum(), (v * weights).sum() / weights.sum()]
    np.testing.assert_allclose(middle, project(camera, point)[0], atol=0.02)
    assert raster.median_depth is not None
    assert raster.median_depth[np.isfinite(raster.median_depth)] == pytest.approx(0.9)


def test_impossible_gaussians_draw_nothing_odd() -> None:
    for name in LENSES:
        for value in (np.nan, np.inf, 1e38, 0.0):
            arguments = cloud(name, n=60)
            arguments["means"][::3] = value
            raster = FAST.rasterize(**arguments)
            assert np.isfinite(raster.features).all()
            assert raster.alpha.max() <= 1 + 1e-5


def test_a_folded_picture_is_refused() -> None:
    with pytest.raises(RenderError, match="rasterize: distortion: the picture folds over"):
        FAST.rasterize(**cloud("barrel", lens=Lens("pinhole", (-3.0, 0, 0, 0, 0, 0, 0, 0))))
