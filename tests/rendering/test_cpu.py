"""The fast rasterizer against the oracle, on what is ordinary, odd and impossible."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simvid.assets.captures import load_capture
from simvid.errors import RenderError
from simvid.rendering.cpu import rasterizer as cpu
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.kernels import jit
from simvid.rendering.raster import Raster
from simvid.rendering.reference import ReferenceRasterizer
from simvid.testing.clouds import assert_equivalent, look_at, random_cloud

FAST = CpuRasterizer(threads=1)
ORACLE = ReferenceRasterizer()
FIELDS = ("features", "alpha", "expected_depth", "median_depth", "ids")


def both(arguments: dict[str, Any]) -> tuple[Raster, Raster]:
    return FAST.rasterize(**arguments), ORACLE.rasterize(**arguments)


def assert_same_bits(a: Raster, b: Raster) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


class TestAgainstTheOracle:
    @pytest.mark.parametrize("features", [0, 3, 7, 25])  # without, in one line, in two, in two passes
    def test_any_number_of_channels(self, features: int) -> None:
        arguments = random_cloud(features, 1500, features=features, owners=4, width=100, height=75)
        assert_equivalent(*both(arguments), least_db=80)

    @pytest.mark.parametrize("degree", [0, 1, 2, 3])
    def test_harmonics_of_turned_owners(self, degree: int) -> None:
        arguments = random_cloud(degree, 1500, features=3 * (degree % 2), degree=degree, owners=5, width=100, height=75)
        assert_equivalent(*both(arguments), least_db=80)
        assert_equivalent(*both({**arguments, "sh_rotations": None}), least_db=80)

    @settings(max_examples=12, deadline=None)
    @given(
        seed=st.integers(0, 2**20), n=st.integers(0, 300), width=st.integers(1, 70), height=st.integers(1, 70),
        eps2d=st.sampled_from([0.0, 0.3, 2.0]), near=st.sampled_from([0.01, 2.0]),
    )  # fmt: skip
    def test_any_size(self, seed: int, n: int, width: int, height: int, eps2d: float, near: float) -> None:
        """At a few pixels one that is only just below ALPHA_MIN weighs as much as many: so the bound is lower."""
        arguments = random_cloud(seed, n, features=3, owners=3, width=width, height=height)
        fast, oracle = both({**arguments, "eps2d": eps2d, "near_m": near, "far_m": 4.0})
        assert_equivalent(fast, oracle, least_db=48, share=0.98)

    def test_large_scene(self) -> None:
        arguments = random_cloud(5, 8000, features=3, degree=3, owners=30, width=320, height=240)
        assert_equivalent(*both(arguments), least_db=80)

    def test_many_owners_in_one_tile(self) -> None:
        arguments = random_cloud(6, 3000, features=0, owners=700, width=40, height=40)
        assert_equivalent(*both(arguments), least_db=80)

    def test_labels_do_not_change_the_picture(self) -> None:
        arguments = random_cloud(7, 2000, owners=3)
        plain = FAST.rasterize(**{**arguments, "want": frozenset()})
        full = FAST.rasterize(**arguments)
        np.testing.assert_array_equal(plain.features, full.features)
        np.testing.assert_array_equal(plain.alpha, full.alpha)
        assert (plain.expected_depth, plain.median_depth, plain.ids) == (None, None, None)

    def test_only_the_labels_asked_for(self) -> None:
        raster = FAST.rasterize(**{**random_cloud(7, 50), "want": frozenset({"ids"})})
        assert raster.ids is not None
        assert raster.expected_depth is raster.median_depth is None

    def test_capture(self, capture_file: Path) -> None:
        gaussians = load_capture(capture_file)
        middle = gaussians.means.mean(axis=0).astype(np.float64)
        arguments: dict[str, Any] = {
            "means": gaussians.means, "quats": gaussians.quats, "scales": gaussians.scales,
            "opacities": gaussians.opacities, "sh": gaussians.sh, "owner": gaussians.owner,
            "viewmat": look_at(middle + np.array([0.5, 0.3, -4]), middle),
            "K": np.array([[200, 0, 100], [0, 200, 75], [0, 0, 1]]),
            "width": 200, "height": 150, "want": frozenset({"expected_depth", "median_depth", "ids"}),
        }  # fmt: skip
        fast, oracle = both(arguments)
        assert oracle.alpha.mean() > 0.05
        assert_equivalent(fast, oracle, least_db=60)


@pytest.mark.parametrize("in_front", [0, 1, 2, 3, 4])
def test_covers_at_most_999_in_1000_at_any_place_in_the_list(in_front: int) -> None:
    """Faint Gaussians in front of one that is opaque: 0.9 ** n * 0.001 of the light is left at its centre."""
    n = in_front + 1
    arguments = {
        **random_cloud(0, n, features=0, width=33, height=33),
        "means": np.array([[0, 0, 1 + k] for k in range(n)], np.float32), "scales": np.full((n, 3), 0.3, np.float32),
        "opacities": np.array([0.1] * in_front + [1.0], np.float32), "viewmat": np.eye(4),
        "K": np.array([[30, 0, 16.5], [0, 30, 16.5], [0, 0, 1]]),
    }  # fmt: skip
    alpha = FAST.rasterize(**arguments).alpha[16, 16]
    assert alpha == pytest.approx(1 - 0.9**in_front * 0.001, abs=2e-5)


class TestThreads:
    @pytest.mark.parametrize("threads", [2, 3, 5])
    def test_any_number_gives_the_same_bits(self, threads: int) -> None:
        arguments = random_cloud(8, 9000, degree=2, owners=9, width=200, height=150)
        several = CpuRasterizer(threads=threads)
        assert_same_bits(several.rasterize(**arguments), FAST.rasterize(**arguments))
        several.close()

    def test_work_space_does_not_leak_into_the_next_picture(self) -> None:
        small, large = random_cloud(9, 40, width=30, height=20), random_cloud(10, 3000, features=7, owners=40)
        fresh = CpuRasterizer(threads=1).rasterize(**small)
        used = CpuRasterizer(threads=1)
        used.rasterize(**large)
        assert_same_bits(used.rasterize(**small), fresh)

    def test_at_least_one(self) -> None:
        with pytest.raises(RenderError, match="threads: expected 1 or more, got 0"):
            CpuRasterizer(threads=0)


def cloud_of(**changes: Any) -> dict[str, Any]:
    return {**random_cloud(11, 60, owners=2, width=37, height=21), **changes}


HALF_TURN = np.diag([-1.0, 1, -1, 1])
ODD: dict[str, dict[str, Any]] = {
    "none": random_cloud(0, 0, width=20, height=20),
    "one": random_cloud(0, 1, width=20, height=20),
    "one pixel": random_cloud(1, 400, owners=3, width=1, height=1),
    "one row": random_cloud(2, 300, owners=3, width=80, height=1),
    "all behind the camera": cloud_of(viewmat=HALF_TURN),
    "covering the whole picture": cloud_of(scales=np.full((60, 3), 30, np.float32)),
    "points": cloud_of(scales=np.full((60, 3), 1e-9, np.float32)),
    "needles": cloud_of(scales=np.tile(np.array([3, 1e-4, 1e-4], np.float32), (60, 1))),
    "transparent": cloud_of(opacities=np.zeros(60, np.float32)),
    "opaque": cloud_of(opacities=np.ones(60, np.float32)),
    "at one depth": cloud_of(means=random_cloud(11, 60)["means"] * np.array([1, 1, 0], np.float32)),
    "from a hair's breadth to a kilometre": cloud_of(
        means=np.geomspace(1e-3, 1e3, 60, dtype=np.float32)[:, None] * np.array([0.01, 0.02, 1], np.float32),
        viewmat=np.eye(4), near_m=1e-4,
    ),
    "no features": cloud_of(features=None),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ODD))
def test_odd_input(name: str) -> None:
    fast, oracle = both(ODD[name])
    assert_equivalent(fast, oracle, least_db=60, share=0.99)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -1e38, 0.0])
@pytest.mark.parametrize("field", ["means", "quats", "scales", "opacities"])
def test_impossible_gaussians_disappear_or_draw_but_never_hang(field: str, value: float) -> None:
    """A third of the Gaussians is spoilt. What is drawn of them is not said, but the others are there and finite."""
    arguments = cloud_of()
    arguments[field] = arguments[field].copy()
    arguments[field][::3] = value
    raster = FAST.rasterize(**arguments)
    assert np.isfinite(raster.features).all()
    assert raster.alpha.max() <= 1 + 1e-5
    assert raster.alpha.max() > 0.3


def test_too_many_intersections_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "MAX_ENTRIES", 100)
    with pytest.raises(RenderError, match=r"60 Gaussians at 37 x 21 px touch tiles of 16 px \d+ times, more than 100"):
        FAST.rasterize(**cloud_of(scales=np.full((60, 3), 3, np.float32)))


def test_all_kernel_sources_count_for_the_cache() -> None:
    needed = ("raster", "kernels.jit", "kernels.simd", "kernels.simd_memory", "cpu.layout", "cpu.blend")
    files = {Path(str(sys.modules[f"simvid.rendering.{name}"].__file__)) for name in needed}
    assert files <= jit.rasterizer_sources()
