"""The cuda rasterizer: up to gsplat's call and after it everywhere; the call itself where there is a GPU.

Without one, gsplat's ``rasterization`` is played by gsplat's own slow twins in torch: its projection, its tile lists,
and below them the blending that its CUDA kernel does. So the conventions are compared with gsplat's code, not ours.
"""

from __future__ import annotations

import inspect
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simvid.errors import RenderError
from simvid.optics import Lens
from simvid.rendering.base import RenderSettings
from simvid.rendering.raster import Rasterizer
from simvid.rendering.reference import ReferenceRasterizer
from simvid.rendering.splat_renderer import SplatRenderer
from simvid.scene import Focus, Pinhole
from simvid.scene import Lens as SceneLens
from simvid.testing.clouds import assert_equivalent, look_at, random_cloud
from simvid.testing.physics_scenes import CAMERA, box, small_assets, small_scene
from simvid.testing.rendering import RendererContract

torch = pytest.importorskip("torch")
gsplat = pytest.importorskip("gsplat")
cuda = pytest.importorskip("simvid.rendering.cuda.rasterizer")
twins = pytest.importorskip("gsplat.cuda._torch_impl")

LENSES = {"pinhole": Lens(), "orthographic": Lens("orthographic")}
REAL = gsplat.rasterization
ORACLE = ReferenceRasterizer()


def played(**call: Any) -> tuple[Any, Any, dict[str, Any]]:
    """What gsplat answers, slowly (``rendering.py``: packed False, no harmonics)."""
    inspect.signature(REAL).bind(**call)  # every argument is one of gsplat's
    assert call["packed"] is False
    assert all(v.dtype == torch.float32 and v.is_contiguous() for v in call.values() if isinstance(v, torch.Tensor))
    tile, width, height = call["tile_size"], call["width"], call["height"]
    covariances, _ = twins._quat_scale_to_covar_preci(call["quats"], call["scales"], compute_preci=False)
    radii, means, depths, conics, _ = twins._fully_fused_projection(
        call["means"], covariances, call["viewmats"], call["Ks"], width, height, call["eps2d"],
        call["near_plane"], call["far_plane"], camera_model=call["camera_model"],
    )  # fmt: skip
    radii[:, call["opacities"] < 1 / 255] = 0  # the CUDA kernel does, its twin does not
    wide, high = -(-width // tile), -(-height // tile)
    tiles, keys, order = twins._isect_tiles(means, radii, depths, tile, wide, high)
    meta = {
        "radii": radii, "means2d": means, "depths": depths, "conics": conics,
        "opacities": call["opacities"].broadcast_to(1, -1), "tiles_per_gauss": tiles, "isect_ids": keys,
        "flatten_ids": order, "isect_offsets": twins._isect_offset_encode(keys, 1, wide, high),
        "tile_width": wide, "tile_height": high, "tile_size": tile, "width": width, "height": height,
    }  # fmt: skip
    mode, colours = call["render_mode"], call["colors"]
    channels = {"RGB": colours, "RGB+ED": torch.cat([colours, depths[0][:, None]], 1), "ED": depths[0][:, None]}[mode]
    drawn, alpha = blended(meta, channels.numpy())
    if mode.endswith("ED"):
        drawn[..., -1:] /= np.maximum(alpha, 1e-10)
    return torch.as_tensor(drawn)[None], torch.as_tensor(alpha)[None], meta


def blended(meta: dict[str, Any], channels: Any) -> tuple[Any, Any]:
    """gsplat's ``RasterizeToPixels3DGSFwd.cu``, a tile at a time: channels [H, W, D] and alpha [H, W, 1]."""
    tile, wide, width, height = (meta[k] for k in ("tile_size", "tile_width", "width", "height"))
    means, conics, opacities = (meta[k][0].numpy() for k in ("means2d", "conics", "opacities"))
    order, starts = meta["flatten_ids"].numpy(), [*meta["isect_offsets"].flatten().tolist(), len(meta["flatten_ids"])]
    drawn, alphas = np.zeros((height, width, channels.shape[1]), np.float32), np.zeros((height, width, 1), np.float32)
    for place in range(len(starts) - 1):
        y0, x0 = place // wide * tile, place % wide * tile
        ys, xs = np.mgrid[y0 : min(y0 + tile, height), x0 : min(x0 + tile, width)].astype(np.float32) + np.float32(0.5)
        left, done = np.ones_like(xs), np.zeros(xs.shape, np.bool_)
        for i in order[starts[place] : starts[place + 1]]:
            dx, dy, (a, b, c) = means[i, 0] - xs, means[i, 1] - ys, conics[i]
            sigma = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
            alpha = np.minimum(np.float32(0.999), opacities[i] * np.exp(-sigma))
            use = (sigma >= 0) & (alpha >= 1 / 255) & ~done
            after = left * (1 - alpha)
            done |= use & (after <= 1e-4)
            use &= ~done
            weight = np.where(use, alpha * left, 0)
            drawn[y0 : y0 + tile, x0 : x0 + tile] += weight[..., None] * channels[i]
            left = np.where(use, after, left)
        alphas[y0 : y0 + tile, x0 : x0 + tile, 0] = 1 - left
    return drawn, alphas


@pytest.fixture
def rasterizer(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(cuda.gsplat, "rasterization", played)
    return cuda.CudaRasterizer(device="cpu")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("degree", [None, 0, 3])
def test_gsplats_conventions_are_ours(rasterizer: Any, seed: int, degree: int | None) -> None:
    cloud = random_cloud(seed, 300, degree=degree, owners=5, features=4, width=70, height=50)
    assert_equivalent(rasterizer.rasterize(**cloud), ORACLE.rasterize(**cloud), least_db=80)


def test_orthographic(rasterizer: Any) -> None:
    cloud: dict[str, Any] = random_cloud(1, 200, owners=3) | {"lens": Lens("orthographic")}
    assert_equivalent(rasterizer.rasterize(**cloud), ORACLE.rasterize(**cloud), least_db=80)


def test_depth_range_and_blur_arrive(rasterizer: Any) -> None:
    cloud: dict[str, Any] = random_cloud(3, 300, owners=3) | {"near_m": 2.2, "far_m": 3.0, "eps2d": 1.5}
    assert_equivalent(rasterizer.rasterize(**cloud), ORACLE.rasterize(**cloud), least_db=80)


def test_many_channels(rasterizer: Any) -> None:
    cloud = random_cloud(5, 100, features=45)
    assert_equivalent(rasterizer.rasterize(**cloud), ORACLE.rasterize(**cloud), least_db=80)


def test_labels_without_expected_depth(rasterizer: Any) -> None:
    cloud: dict[str, Any] = random_cloud(6, 200, owners=3) | {"want": frozenset({"ids", "median_depth"})}
    got = rasterizer.rasterize(**cloud)
    assert got.expected_depth is None
    assert_equivalent(got, ORACLE.rasterize(**cloud), least_db=80)


@pytest.mark.parametrize(("owners", "share"), [(16, 0.999), (200, 0.95)])
def test_many_parts_at_one_pixel(rasterizer: Any, owners: int, share: float) -> None:
    """All share one picture of faint splats. Up to 16 parts at a pixel are summed exactly."""
    cloud = random_cloud(4, 600, owners=owners, width=40, height=40)
    cloud["opacities"] = cloud["opacities"] * np.float32(0.3)
    assert_equivalent(rasterizer.rasterize(**cloud), ORACLE.rasterize(**cloud), share=share)


@pytest.mark.parametrize("count", [0, 1])
def test_few_gaussians(rasterizer: Any, count: int) -> None:
    cloud = random_cloud(0, 1, features=2)
    for name in ("means", "quats", "scales", "opacities", "features", "owner"):
        cloud[name] = cloud[name][:count]
    assert_equivalent(rasterizer.rasterize(**cloud), ORACLE.rasterize(**cloud))


def test_nothing_in_sight(rasterizer: Any) -> None:
    """gsplat's lists are empty then."""
    cloud: dict[str, Any] = random_cloud(0, 20) | {"viewmat": look_at(np.zeros(3), np.array([0.0, 0, -9]))}
    cloud["means"] = cloud["means"] + np.array([0, 0, 9], np.float32)
    got = rasterizer.rasterize(**cloud)
    assert got.alpha.max() == 0
    assert_equivalent(got, ORACLE.rasterize(**cloud))


def test_depth_without_channels(rasterizer: Any) -> None:
    cloud: dict[str, Any] = random_cloud(2, 100) | {"features": None}
    got = rasterizer.rasterize(**cloud)
    assert got.features.shape == (48, 64, 0)
    assert_equivalent(got, ORACLE.rasterize(**cloud))


def test_only_what_is_wanted(rasterizer: Any) -> None:
    cloud: dict[str, Any] = random_cloud(0, 50) | {"want": frozenset()}
    raster = rasterizer.rasterize(**cloud)
    assert raster.ids is None
    assert raster.median_depth is None
    assert raster.expected_depth is None
    assert raster.features.shape == (48, 64, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -1e38, 1e11])
@pytest.mark.parametrize("field", ["means", "quats", "scales", "opacities"])
def test_impossible_gaussians_never_reach_gsplat(
    rasterizer: Any, monkeypatch: pytest.MonkeyPatch, field: str, value: float
) -> None:
    """gsplat would draw some of them as opaque: min(0.999, NaN) is 0.999 in CUDA."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(cuda.gsplat, "rasterization", lambda **call: seen.update(call) or played(**call))
    cloud: dict[str, Any] = random_cloud(11, 60)
    cloud[field] = cloud[field].copy()
    cloud[field][::3] = value
    got = rasterizer.rasterize(**cloud)
    for name in ("means", "quats", "scales", "opacities", "colors"):
        assert (seen[name].abs() <= 1e12).all(), name
    if not (field == "opacities" and value > 1):  # of which no rule is made
        assert_equivalent(got, ORACLE.rasterize(**cloud))


@pytest.mark.parametrize("field", ["quats", "scales", "opacities"])
def test_zeros(rasterizer: Any, field: str) -> None:
    cloud = random_cloud(11, 60)
    cloud[field][::3] = 0
    assert_equivalent(rasterizer.rasterize(**cloud), ORACLE.rasterize(**cloud))


def test_endless_colours_are_left_out(rasterizer: Any) -> None:
    cloud = random_cloud(12, 60, degree=1)
    cloud["sh"][::3, 0] = 3e38
    assert_equivalent(rasterizer.rasterize(**cloud), ORACLE.rasterize(**cloud))


LENSES_REFUSED = [Lens("fisheye"), Lens("pinhole", (-0.1, 0, 0, 0, 0, 0, 0, 0)), Lens(shift=(0.01, 0))]


@pytest.mark.parametrize("lens", LENSES_REFUSED, ids=["fisheye", "distortion", "aperture"])
def test_other_lenses_are_refused_by_name(rasterizer: Any, lens: Lens) -> None:
    with pytest.raises(RenderError, match=r"pinhole and orthographic lenses without.*got Lens.*use the renderer 'cpu'"):
        rasterizer.rasterize(**random_cloud(0, 5), lens=lens)


def test_faults_are_found_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    bent, focus = SceneLens(pinhole=Pinhole(k1=-0.1)), Focus(distance_m=1.0, f_number=2.8)
    plain = CAMERA.model_copy(update={"name": "plain"})
    changes: list[dict[str, Any]] = [{"name": "bent", "lens": bent}, {"name": "deep", "focus": focus}]
    cameras = (plain, *(CAMERA.model_copy(update=change) for change in changes))
    assets = small_assets(small_scene([box()]).model_copy(update={"cameras": cameras}))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    faults = SplatRenderer(cuda.CudaRasterizer, RenderSettings()).faults(assets)
    assert [fault.split(":")[0] for fault in faults] == ["camera 'bent'", "camera 'deep'"]
    assert all("without distortion and without an aperture; use the renderer 'cpu'" in fault for fault in faults)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "needs an NVIDIA GPU" in cuda.CudaRasterizer.faults(assets)[0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    with pytest.raises(RenderError, match=r"needs an NVIDIA GPU.*Use the renderer 'cpu'"):
        cuda.CudaRasterizer()


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (SimpleNamespace(_C=None), r"gsplat 1\.5\.\d came without them.*nvcc.*use the renderer 'cpu'"),
        (None, "gsplat cannot build or load its kernels: import of gsplat.cuda._backend halted"),
    ],
    ids=["none", "broken"],
)
def test_without_kernels_it_says_so(monkeypatch: pytest.MonkeyPatch, module: Any, says: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "gsplat.cuda._backend", module)
    with pytest.raises(RenderError, match=says):
        cuda.CudaRasterizer()


@pytest.mark.gpu
@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
@pytest.mark.parametrize("degree", [None, 3])
def test_parity_on_the_gpu(lens: Lens, degree: int | None) -> None:
    cloud: dict[str, Any] = random_cloud(7, 3000, degree=degree, owners=8, width=320, height=240) | {"lens": lens}
    assert_equivalent(cuda.CudaRasterizer().rasterize(**cloud), ORACLE.rasterize(**cloud), least_db=55)


@pytest.mark.gpu
class TestCudaRenderer(RendererContract):
    @pytest.fixture(scope="class")
    @classmethod
    def rasterizer(cls) -> Rasterizer:
        made: Rasterizer = cuda.CudaRasterizer()
        return made
