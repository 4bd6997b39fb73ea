"""Random Gaussians in front of a camera: what a rasterizer's tests compare on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.raster import Raster


def random_cloud(
    seed: int,
    n: int,
    *,
    features: int = 3,
    degree: int | None = None,
    owners: int = 1,
    width: int = 64,
    height: int = 48,
) -> dict[str, Any]:
    """Keyword arguments of ``Rasterizer.rasterize`` for n Gaussians, some of them out of sight.

    They are flat and long as in captures (lognormal scales), a third of them nearly opaque. With a degree there are
    spherical harmonics, looked up in a frame of its own for each owner.
    """
    rng = np.random.default_rng(seed)
    f = np.float32
    arguments: dict[str, Any] = {
        "means": (rng.normal(size=(n, 3)) * [0.8, 0.6, 1.0] + [0, 0, 2.5]).astype(f),
        "quats": rng.normal(size=(n, 4)).astype(f),
        "scales": np.exp(rng.normal(size=(n, 3)) * 0.8 - 3).astype(f),
        "opacities": np.where(rng.random(n) < 1 / 3, rng.uniform(0.9, 1, n), rng.uniform(0, 0.6, n)).astype(f),
        "features": rng.normal(size=(n, features)).astype(f),
        "viewmat": look_at(rng.normal(size=3) * 0.1, np.array([0, 0, 2.5])),
        "K": np.array([[0.9 * width, 0, 0.48 * width], [0, 0.95 * width, 0.53 * height], [0, 0, 1.0]]),
        "width": width,
        "height": height,
        "owner": rng.integers(0, owners, n).astype(np.int32),
        "want": frozenset({"expected_depth", "median_depth", "ids"}),
    }
    if degree is not None:
        arguments["sh"] = (rng.normal(size=(n, (degree + 1) ** 2, 3)) * 0.4).astype(f)
        turns = np.linalg.qr(rng.normal(size=(owners, 3, 3)))[0]
        arguments["sh_rotations"] = turns * np.linalg.det(turns)[:, None, None]
    return arguments


def look_at(eye: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """camera_from_world [4, 4] of a camera at ``eye`` that looks at ``target``, its y axis near the world's."""
    z = (target - eye) / np.linalg.norm(target - eye)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([x, np.cross(z, x), z])
    matrix[:3, 3] = -matrix[:3, :3] @ eye
    return matrix


def psnr_db(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Peak signal-to-noise ratio of two pictures with values of order one [dB]; infinite if they are equal."""
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)) if a.size else 0.0
    return float("inf") if error == 0 else -10 * float(np.log10(error))


def assert_equivalent(got: Raster, wanted: Raster, *, least_db: float = 60.0, share: float = 0.999) -> None:
    """Check that two pictures of the same Gaussians agree.

    Channels and alpha to ``least_db``; of each label the ``share`` of pixels: ids exactly, depths to one part in a
    thousand. The rest is where a splat is just as faint as the rules allow, or two are equally near.
    """
    assert got.features.shape == wanted.features.shape
    assert psnr_db(got.features, wanted.features) >= least_db
    assert psnr_db(got.alpha, wanted.alpha) >= least_db
    if wanted.ids is not None:
        assert got.ids is not None
        assert np.mean(got.ids == wanted.ids) >= share
    for name in ("expected_depth", "median_depth"):
        right = getattr(wanted, name)
        if right is not None:
            assert np.mean(np.isclose(getattr(got, name), right, rtol=1e-3)) >= share, name
