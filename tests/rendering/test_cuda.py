"""The cuda rasterizer: up to gsplat's call and after it everywhere; the call itself where there is a GPU.

Without one, gsplat's ``rasterization`` is played by the reference rasterizer, which gives what gsplat documents: the
blended channels, and the lists of its ``meta``.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from simvid.errors import RenderError
from simvid.optics import Lens
from simvid.rendering.raster import RasterJob, checked_job
from simvid.rendering.reference import ReferenceRasterizer, project
from simvid.testing.clouds import assert_equivalent, random_cloud

torch = pytest.importorskip("torch")
gsplat = pytest.importorskip("gsplat")
cuda = pytest.importorskip("simvid.rendering.cuda")

LENSES = {"pinhole": Lens(), "fisheye": Lens("fisheye"), "ortho": Lens("orthographic")}
REAL = gsplat.rasterization


def job_of(call: dict[str, Any]) -> RasterJob:
    """gsplat's arguments as ours."""
    numbers = {k: v.numpy() for k, v in call.items() if isinstance(v, torch.Tensor)}
    return checked_job(
        means=numbers["means"], quats=numbers["quats"], scales=numbers["scales"], opacities=numbers["opacities"],
        features=numbers["colors"], viewmat=numbers["viewmats"][0], K=numbers["Ks"][0], width=call["width"],
        height=call["height"], sh=None, sh_rotations=None, owner=None, near_m=call["near_plane"],
        far_m=call["far_plane"], eps2d=call["eps2d"], want=frozenset({"expected_depth"}),
        lens=LENSES[call["camera_model"]],
    )  # fmt: skip


def played(**call: Any) -> tuple[Any, Any, dict[str, Any]]:
    """What gsplat would answer, slowly."""
    inspect.signature(REAL).bind(**call)  # every argument is one of gsplat's
    assert call["packed"] is False
    job, tile = job_of(call), call["tile_size"]
    arguments = {k: getattr(job, k) for k in inspect.signature(ReferenceRasterizer.rasterize).parameters if k != "self"}
    raster, splats = ReferenceRasterizer().rasterize(**arguments), project(job)
    assert raster.expected_depth is not None
    wide, high = -(-job.width // tile), -(-job.height // tile)
    lists: list[list[int]] = [[] for _ in range(wide * high)]
    for i in splats.order:
        x0, x1, y0, y1 = splats.boxes[i] // tile
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                lists[y * wide + x].append(int(i))
    starts = np.cumsum([0, *(len(entries) for entries in lists)])[:-1].reshape(1, high, wide)
    conics = np.stack([splats.conics[:, 0, 0], splats.conics[:, 0, 1], splats.conics[:, 1, 1]], axis=1)
    floats = {"means2d": splats.means, "conics": conics, "opacities": splats.opacities, "depths": splats.depths}
    meta: dict[str, Any] = {k: torch.as_tensor(v.astype(np.float32))[None] for k, v in floats.items()}
    meta |= {
        "isect_offsets": torch.as_tensor(starts.astype(np.int32)),
        "flatten_ids": torch.as_tensor(np.array([i for entries in lists for i in entries], np.int32)),
        "tile_width": wide, "tile_height": high, "tile_size": tile,
    }  # fmt: skip
    depth = np.where(np.isfinite(raster.expected_depth), raster.expected_depth, 0)[..., None]
    channels = [raster.features, depth] if call["render_mode"] == "RGB+ED" else [depth]
    return torch.as_tensor(np.concatenate(channels, axis=2))[None], torch.as_tensor(raster.alpha)[None, ..., None], meta


@pytest.fixture
def rasterizer(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(cuda.gsplat, "rasterization", played)
    return cuda.CudaRasterizer(device="cpu")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("degree", [None, 0, 3])
def test_all_around_the_call_is_right(rasterizer: Any, seed: int, degree: int | None) -> None:
    cloud = random_cloud(seed, 300, degree=degree, owners=5, features=4, width=70, height=50)
    assert_equivalent(rasterizer.rasterize(**cloud), ReferenceRasterizer().rasterize(**cloud), least_db=80)


@pytest.mark.parametrize("kind", ["fisheye", "orthographic"])
def test_gsplats_other_lenses(rasterizer: Any, kind: Any) -> None:
    cloud: dict[str, Any] = random_cloud(1, 200, owners=3) | {"lens": Lens(kind)}
    assert_equivalent(rasterizer.rasterize(**cloud), ReferenceRasterizer().rasterize(**cloud), least_db=80)


def test_many_parts_at_one_pixel(rasterizer: Any) -> None:
    cloud = random_cloud(4, 600, owners=200, width=40, height=40)
    cloud["opacities"] = cloud["opacities"] * np.float32(0.3)
    assert_equivalent(rasterizer.rasterize(**cloud), ReferenceRasterizer().rasterize(**cloud), share=0.98)


@pytest.mark.parametrize("count", [0, 1])
def test_few_gaussians(rasterizer: Any, count: int) -> None:
    cloud = random_cloud(0, 1, features=2)
    for name in ("means", "quats", "scales", "opacities", "features", "owner"):
        cloud[name] = cloud[name][:count]
    assert_equivalent(rasterizer.rasterize(**cloud), ReferenceRasterizer().rasterize(**cloud))


def test_depth_without_channels(rasterizer: Any) -> None:
    cloud: dict[str, Any] = random_cloud(2, 100) | {"features": None}
    got = rasterizer.rasterize(**cloud)
    assert got.features.shape == (48, 64, 0)
    assert_equivalent(got, ReferenceRasterizer().rasterize(**cloud))


def test_only_what_is_wanted(rasterizer: Any) -> None:
    cloud: dict[str, Any] = random_cloud(0, 50) | {"want": frozenset()}
    raster = rasterizer.rasterize(**cloud)
    assert raster.ids is None
    assert raster.median_depth is None
    assert raster.expected_depth is None


def test_distortion_is_refused(rasterizer: Any) -> None:
    lens = Lens("pinhole", (-0.1, 0, 0, 0, 0, 0, 0, 0))
    with pytest.raises(RenderError, match=r"without distortion.*use the renderer 'cpu'"):
        rasterizer.rasterize(**random_cloud(0, 5), lens=lens)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    with pytest.raises(RenderError, match=r"needs an NVIDIA GPU.*Use the renderer 'cpu'"):
        cuda.CudaRasterizer()


@pytest.mark.gpu
@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
@pytest.mark.parametrize("degree", [None, 3])
def test_parity_on_the_gpu(lens: Lens, degree: int | None) -> None:
    cloud: dict[str, Any] = random_cloud(7, 3000, degree=degree, owners=8, width=320, height=240) | {"lens": lens}
    assert_equivalent(cuda.CudaRasterizer().rasterize(**cloud), ReferenceRasterizer().rasterize(**cloud), least_db=55)
