"""Gradients of the cpu rasterizer against torch autograd and central differences of the plain formulas in float64."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np
import pytest

from simvid.errors import MissingExtraError, RenderError
from simvid.rendering.raster import RasterJob, checked_job
from simvid.rendering.reference import ReferenceRasterizer
from simvid.testing.clouds import random_cloud

torch = pytest.importorskip("torch")
torch_raster = importlib.import_module("simvid.rendering.torch_raster")
plain = importlib.import_module("simvid.testing.gradients")

NAMES = ("means", "quats", "scales", "opacities", "features", "sh")
CAMERA = ("viewmat", "K", "width", "height")


def cloud(seed: int, n: int = 200, *, features: int = 3, degree: int | None = None, **changes: Any) -> dict[str, Any]:
    """Random Gaussians and a camera; pictures whose sides are no multiples of four."""
    made = random_cloud(seed, n, features=features, degree=degree, width=61, height=46)
    return {**{k: made[k] for k in (*NAMES, *CAMERA) if k in made}, **changes}


def rest_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """Everything but the Gaussians, the camera's matrices as tensors."""
    rest = {k: v for k, v in arguments.items() if k not in NAMES}
    return rest | {k: torch.as_tensor(rest[k]) for k in ("viewmat", "K")}


def tensors(arguments: dict[str, Any], kind: Any = None) -> dict[str, Any]:
    """The Gaussians as leaves that want gradients."""
    return {
        k: torch.tensor(arguments[k], dtype=kind or torch.float32, requires_grad=True) for k in NAMES if k in arguments
    }


def job_of(arguments: dict[str, Any]) -> RasterJob:
    optional = dict.fromkeys(("features", "sh", "sh_rotations", "owner"))
    return checked_job(**{**optional, "near_m": 0.01, "far_m": 1e6, "eps2d": 0.3, "want": frozenset(), **arguments})


def weigh(pictures: Any, seed: int) -> Any:
    """A loss that looks at every pixel of everything with another weight, drawn or not."""
    rng = np.random.default_rng(seed)
    loss = 0.0
    for value in pictures:
        if value is not None:
            finite = torch.where(torch.isfinite(value), value, torch.zeros_like(value))
            loss = loss + (finite * torch.as_tensor(rng.normal(size=tuple(value.shape)), dtype=value.dtype)).sum()
    return loss


def fast(arguments: dict[str, Any], *, depth: bool = True, threads: int = 1, seed: int = 0) -> dict[str, Any]:
    """Gradients of the cpu rasterizer."""
    given = tensors(arguments)
    weigh(torch_raster.rasterize(**given, **rest_of(arguments), depth=depth, threads=threads), seed).backward()
    return {k: v.grad for k, v in given.items()}


def slow(arguments: dict[str, Any], *, depth: bool = True, seed: int = 0) -> dict[str, Any]:
    """Gradients by autograd of the plain formulas, float64."""
    given = tensors(arguments, torch.float64)
    pictures = plain.draw(given, job_of(arguments))
    weigh(pictures if depth else pictures[:2], seed).backward()
    return {k: v.grad for k, v in given.items()}


def assert_close(got: dict[str, Any], wanted: dict[str, Any], most: float = 1e-3) -> None:
    """Relative L2 error of every gradient."""
    for name, right in wanted.items():
        assert got[name].shape == right.shape, name
        if right.numel():
            error = float((got[name].double() - right).norm() / right.norm())
            assert error <= most, f"{name}: {error:.1e}"


def assert_same_bits(got: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name, right in wanted.items():
        assert torch.equal(got[name], right), name


def thick(seed: int) -> dict[str, Any]:
    """Large opaque Gaussians, far more than light reaches: alphas held at ALPHA_MAX, pixels stopped long before."""
    made = cloud(seed, 500)
    return {**made, "opacities": np.clip(made["opacities"] + 0.7, 0, 1), "scales": made["scales"] * 2}


CASES: dict[str, dict[str, Any]] = {
    "overlap": cloud(0, 400),
    "saturation": thick(1),
    "harmonics 0": cloud(2, features=0, degree=0),
    "harmonics 1": cloud(3, features=0, degree=1),
    "harmonics 2 and features": cloud(4, features=4, degree=2),
    "harmonics 3": cloud(5, features=0, degree=3),
    "no channels": cloud(6, features=0),
    "two passes": cloud(7, features=12),
    "near and far": cloud(8, near_m=2.3, far_m=2.9),
    "beyond the edges": cloud(9, K=np.array([[300.0, 0, 10], [0, 280, 40], [0, 0, 1]])),
    "without blur": cloud(10, eps2d=0.0),
    "needles": {**cloud(11), "scales": np.tile(np.array([0.5, 2e-3, 1e-3], np.float32), (200, 1))},
    "one": cloud(12, 1),
}


class TestAgainstThePlainFormulas:
    @pytest.mark.parametrize("name", list(CASES))
    def test_autograd(self, name: str) -> None:
        assert_close(fast(CASES[name]), slow(CASES[name]))

    def test_without_depth(self) -> None:
        assert_close(fast(CASES["overlap"], depth=False), slow(CASES["overlap"], depth=False))

    @pytest.mark.parametrize("name", ["overlap", "saturation", "harmonics 3"])
    def test_central_differences(self, name: str) -> None:
        """Along a random direction of each argument; autograd has no part in this."""
        arguments, found, h = CASES[name], fast(CASES[name]), 1e-7
        rng = np.random.default_rng(1)
        for argument, gradient in found.items():
            if not gradient.numel():
                continue
            ways = torch.as_tensor(rng.normal(size=tuple(gradient.shape)))
            with torch.no_grad():
                ends = []
                for step in (h, -h):
                    given = {k: v.detach() for k, v in tensors(arguments, torch.float64).items()}
                    given[argument] = given[argument] + step * ways
                    ends.append(float(weigh(plain.draw(given, job_of(arguments)), 0)))
            slope = (ends[0] - ends[1]) / (2 * h)
            size = float((gradient.double() * ways).norm())
            assert float((gradient.double() * ways).sum()) == pytest.approx(slope, abs=1e-3 * size), argument

    @pytest.mark.parametrize("name", ["overlap", "saturation", "harmonics 3", "near and far"])
    def test_they_draw_what_the_oracle_draws(self, name: str) -> None:
        with torch.no_grad():
            pictures = plain.draw(tensors(CASES[name], torch.float64), job_of(CASES[name]))
        oracle = ReferenceRasterizer().rasterize(**CASES[name], want=frozenset({"expected_depth"}))
        assert oracle.expected_depth is not None
        for got, wanted in zip(pictures, (oracle.features, oracle.alpha, oracle.expected_depth), strict=True):
            np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-5, atol=1e-6)

    def test_the_planted_error_is_seen(self) -> None:
        wrong = {k: v * (1.002 if k == "scales" else 1) for k, v in slow(CASES["one"]).items()}
        with pytest.raises(AssertionError, match="scales: 2"):
            assert_close(fast(CASES["one"]), wrong)


def test_central_differences_of_the_rasterizer_itself() -> None:
    """Faint Gaussians that each cover the whole picture: it is smooth, and float32 suffices for its differences."""
    n, rng = 5, np.random.default_rng(3)
    arguments = cloud(3, n, features=0, degree=1, width=24, height=20)
    arguments["means"] = rng.normal(size=(n, 3)).astype(np.float32) * np.float32(0.1)
    arguments["means"][:, 2] = np.linspace(1.8, 2.4, n)  # far enough apart to keep their order
    arguments["scales"] = rng.uniform(0.8, 1.2, (n, 3)).astype(np.float32)
    arguments["opacities"] = rng.uniform(0.3, 0.6, n).astype(np.float32)
    arguments["K"] = np.array([[24.0, 0, 12], [0, 24, 10], [0, 0, 1]])
    found = fast(arguments)
    for name, gradient in found.items():
        ways = np.random.default_rng(4).normal(size=tuple(gradient.shape)).astype(np.float32)
        ends = []
        for step in (5e-3, -5e-3):
            moved = {**arguments, name: arguments[name] + np.float32(step) * ways}
            rest = rest_of(moved)
            pictures = torch_raster.rasterize(**tensors(moved), **rest, depth=True, threads=1)
            ends.append(float(weigh([p.double() for p in pictures], 0).detach()))
        size = float((gradient * torch.as_tensor(ways)).norm())
        along = float((gradient * torch.as_tensor(ways)).sum())
        assert along == pytest.approx((ends[0] - ends[1]) / 1e-2, abs=5e-3 * size), name


class TestSameBits:
    @pytest.mark.parametrize("threads", [2, 3])
    def test_any_number_of_threads(self, threads: int) -> None:
        arguments = cloud(14, 5000, features=0, degree=3)
        assert_same_bits(fast(arguments, threads=threads), fast(arguments))

    def test_in_bands_of_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Large pictures are worked on in parts; here after every row of tiles, which only changes the rounding."""
        arguments, whole = CASES["overlap"], fast(CASES["overlap"])
        monkeypatch.setattr("simvid.rendering.cpu.backward.MOST_LINES", 1)
        assert_close(fast(arguments), {k: v.double() for k, v in whole.items()}, most=1e-5)

    def test_pictures_drawn_in_between_change_nothing(self) -> None:
        first, second = tensors(CASES["overlap"]), tensors(CASES["saturation"])
        one = torch_raster.rasterize(**first, **rest_of(CASES["overlap"]), depth=True, threads=1)
        two = torch_raster.rasterize(**second, **rest_of(CASES["saturation"]), depth=True, threads=1)
        weigh(one, 0).backward()
        weigh(two, 0).backward()
        assert_same_bits({k: v.grad for k, v in first.items()}, fast(CASES["overlap"]))
        assert_same_bits({k: v.grad for k, v in second.items()}, fast(CASES["saturation"]))

    def test_the_picture_is_that_of_the_rasterizer(self) -> None:
        from simvid.rendering.cpu.rasterizer import CpuRasterizer

        arguments = CASES["overlap"]
        wanted = CpuRasterizer(1).rasterize(**arguments, want=frozenset({"expected_depth"}))
        got = torch_raster.rasterize(**tensors(arguments), **rest_of(arguments), depth=True)
        for value, right in zip(got, (wanted.features, wanted.alpha, wanted.expected_depth), strict=True):
            np.testing.assert_array_equal(value.detach().numpy(), right)


class TestBatches:
    scenes = (cloud(20), cloud(21))
    views = (cloud(20), cloud(22), cloud(23))

    def stacked(self) -> dict[str, Any]:
        return {k: torch.tensor(np.stack([s[k] for s in self.scenes]), requires_grad=True) for k in NAMES[:5]}

    @pytest.mark.parametrize("own", [False, True], ids=["cameras for all", "cameras of each scene"])
    def test_scenes_and_cameras_equal_the_loop(self, own: bool) -> None:
        together, size = self.stacked(), {"width": 61, "height": 46}
        matrices = {k: torch.as_tensor(np.stack([v[k] for v in self.views])) for k in ("viewmat", "K")}
        given = {k: v[None].repeat(2, 1, 1, 1) for k, v in matrices.items()} if own else matrices
        pictures = torch_raster.rasterize(**together, **given, **size, depth=True, threads=1)
        assert [tuple(p.shape) for p in pictures] == [(2, 3, 46, 61, 3), (2, 3, 46, 61), (2, 3, 46, 61)]
        weigh(pictures, 0).backward()
        rng = np.random.default_rng(0)  # the same draws as weigh's
        weights = [torch.as_tensor(rng.normal(size=tuple(p.shape)), dtype=torch.float32) for p in pictures]
        for b in range(2):
            one, loss = tensors(self.scenes[b]), torch.zeros(())
            for c in range(3):
                view = {k: v[c] for k, v in matrices.items()}
                single = torch_raster.rasterize(**one, **view, **size, depth=True, threads=1)
                for value, picture, weight in zip(single, pictures, weights, strict=True):
                    assert torch.equal(value, picture[b, c])
                    drawn = torch.where(torch.isfinite(value), value, torch.zeros_like(value))
                    loss = loss + (drawn * weight[b, c]).sum()
            loss.backward()
            assert_close(
                {k: v.grad[b] for k, v in together.items()}, {k: v.grad.double() for k, v in one.items()}, most=1e-5
            )

    def test_one_scene_and_cameras_without_a_batch_of_scenes(self) -> None:
        view = {k: torch.as_tensor(np.stack([v[k] for v in self.views])) for k in ("viewmat", "K")}
        shared = {"viewmat": view["viewmat"], "K": view["K"][0]}
        size = {"width": 61, "height": 46}
        assert torch_raster.rasterize(**tensors(cloud(20)), **shared, **size).features.shape == (3, 46, 61, 3)
        assert torch_raster.rasterize(**self.stacked(), **rest_of(cloud(20) | size), depth=True).depth.shape == \
            (2, 46, 61)  # fmt: skip


class TestOddInput:
    def test_no_gaussians(self) -> None:
        found = fast(cloud(0, 0, features=2, degree=1))
        assert {k: tuple(v.shape) for k, v in found.items()} == {
            "means": (0, 3), "quats": (0, 4), "scales": (0, 3), "opacities": (0,), "features": (0, 2), "sh": (0, 4, 3),
        }  # fmt: skip

    def test_what_is_not_drawn_has_no_gradient(self) -> None:
        arguments = cloud(1)
        arguments["means"] = arguments["means"] * np.array([1, 1, -1], np.float32)
        assert all(not v.any() for v in fast(arguments).values())

    @pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 1e38])
    @pytest.mark.parametrize("field", ["means", "quats", "scales", "opacities"])
    def test_impossible_gaussians_spoil_no_others(self, field: str, value: float) -> None:
        """Every third is spoilt; those that are drawn all the same may have any gradient, the others are finite."""
        arguments = cloud(2, 90)
        arguments[field] = arguments[field].copy()
        arguments[field][::3] = value
        found = fast(arguments)
        sound = np.arange(90) % 3 != 0
        for name, gradient in found.items():
            assert torch.isfinite(gradient[sound]).all(), name
        if (field, value) != ("opacities", 1e38):  # those hide all others
            assert found["opacities"][sound].any()

    @pytest.mark.parametrize("field", ["means", "quats", "scales", "opacities", "sh"])
    def test_what_is_left_out_has_no_gradient(self, field: str) -> None:
        arguments = cloud(2, 90, features=0, degree=1)
        arguments[field] = arguments[field].copy()
        arguments[field][::3] = np.nan
        found = fast(arguments)
        for name, gradient in found.items():
            assert not gradient[::3].any(), name
            assert torch.isfinite(gradient).all(), name
        assert found["sh"].any()

    def test_only_what_is_asked_for(self) -> None:
        given = {k: v.detach() for k, v in tensors(CASES["overlap"]).items()}
        given["means"].requires_grad_()
        weigh(torch_raster.rasterize(**given, **rest_of(CASES["overlap"])), 0).backward()
        assert given["means"].grad is not None
        assert given["scales"].grad is None

    def test_arrays_that_are_not_contiguous(self) -> None:
        given = tensors(CASES["overlap"])
        turned = {**given, "means": given["means"].T.contiguous().T, "quats": given["quats"].repeat(1, 2)[:, :4]}
        weigh(torch_raster.rasterize(**turned, **rest_of(CASES["overlap"]), depth=True), 0).backward()
        assert_close({k: v.grad for k, v in given.items()}, slow(CASES["overlap"]))

    def test_a_change_before_the_backward_pass_is_refused(self) -> None:
        given = tensors(CASES["overlap"])
        pictures = torch_raster.rasterize(**given, **rest_of(CASES["overlap"]))
        with torch.no_grad():
            given["means"] += 1
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            weigh(pictures, 0).backward()


BAD: dict[str, dict[str, Any]] = {
    "means: expected a torch tensor, got ndarray": {"means": np.zeros((5, 3), np.float32)},
    "means: expected shape [any, 3], got [5, 4]": {"means": torch.zeros(5, 4)},
    "quats: expected float32, got float64": {"quats": torch.zeros(5, 4, dtype=torch.float64)},
    "scales: expected shape [5, 3], got [4, 3]": {"scales": torch.zeros(4, 3)},
    "opacities: expected a tensor on the cpu, got meta; move it with .cpu()": {
        "opacities": torch.zeros(5, device="meta")
    },
    "features: expected shape [5, any], got [5]": {"features": torch.zeros(5)},
    "features: contain NaN or infinite values": {"features": torch.full((5, 1), torch.nan)},
    "sh: expected (1, 4, 9, 16) coefficients, got 5": {"sh": torch.zeros(5, 5, 3)},
    "viewmat: expected shape [4, 4], [C, 4, 4], got [4]": {"viewmat": torch.zeros(4)},
    "viewmat: expected one camera or more": {"viewmat": torch.zeros(0, 4, 4)},
    "viewmat: gradients by cameras are not computed": {"viewmat": torch.eye(4, requires_grad=True)},
    "K: expected shape [3, 3], got [2, 2]": {"K": torch.eye(2)},
    "width: expected a whole number from 1 to 16384 px, got 0": {"width": 0},
}


@pytest.mark.parametrize("message", list(BAD))
def test_refuses_what_it_cannot_draw(message: str) -> None:
    arguments = cloud(0, 5, features=1)
    with pytest.raises(RenderError) as caught:
        torch_raster.rasterize(**{**tensors(arguments), **rest_of(arguments), **BAD[message]})
    assert f"rasterize: {message}" in str(caught.value)


def test_without_torch_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "simvid.rendering.torch_raster")
    with pytest.raises(MissingExtraError, match=r"torch_raster needs the package 'torch'.*\[refine\]"):
        importlib.import_module("simvid.rendering.torch_raster")
