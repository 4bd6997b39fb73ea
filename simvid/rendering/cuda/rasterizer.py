"""CudaRasterizer: gsplat on an NVIDIA GPU behind the same ``rasterize``, with the same conventions and labels.

gsplat (Ye et al. 2024, arXiv:2409.06765) blends colours, features and expected depth; harmonics are looked up here
first, because gsplat 1.5 takes either harmonics or features in one call. It knows no median depth and no ids: one small
kernel (``cuda_labels``) walks its tile lists once more for those.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import gsplat  # noqa: TID253  this module is the backend, loaded when the renderer is asked for
import numpy as np
import torch  # noqa: TID253  as above
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.errors import RenderError
from simvid.optics import Lens
from simvid.rendering.cuda.labels import Lists, walk
from simvid.rendering.raster import ALPHA_MIN, MOST_COLOUR, PLAIN, QUAT_NORMS, Raster, RasterJob, checked_job
from simvid.scene.intrinsics import optics_of
from simvid.spherical_harmonics import bands

TILE = 16
CAMERA_MODELS = {"pinhole": "pinhole", "orthographic": "ortho"}
"""Kind of lens -> gsplat's name. Its fisheye does not go on straight outside of the picture (see ``raster``)."""
DRAWN = f"the renderer 'cuda' draws {' and '.join(CAMERA_MODELS)} lenses without distortion and without an aperture"
NO_GPU = (
    f"the renderer 'cuda' needs an NVIDIA GPU and a CUDA build of torch; torch {torch.__version__} sees none. "
    "Use the renderer 'cpu', which gives the same pictures and labels"
)
LARGEST = 1e12
"""Means [m] and opacities beyond this are left out."""
WIDEST_PX = 1e9
"""Gaussians that may be wider are left out: their determinant would leave the range of float32 (see ``MOST_PX2``)."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Gaussians on the GPU, as gsplat takes them: float32 tensors means [N, 3], quats [N, 4], scales [N, 3],
    opacities [N], channels [N, D].
    """

    means: Any
    quats: Any
    scales: Any
    opacities: Any
    channels: Any


class CudaRasterizer:
    """Rasterizer on an NVIDIA GPU; see ``Rasterizer`` for the arguments and ``raster`` for the rules.

    Gaussians with NaN, infinite or absurdly large numbers are left out, as in the other rasterizers.

    Args:
        device: a torch device.

    Raises:
        RenderError: there is no such GPU, or gsplat has no kernels for it.
    """

    def __init__(self, device: str = "cuda") -> None:
        if device.startswith("cuda"):
            _require_gpu()
        self._device = device

    @staticmethod
    def faults(assets: SceneAssets) -> list[str]:
        """What keeps a scene from being drawn on this machine, found before any work: no GPU, a camera's lens."""
        found = [] if torch.cuda.is_available() else [NO_GPU]
        for camera in assets.scene.views:
            lens = optics_of(camera.lens)
            if _bent(lens) or camera.focus is not None:
                found.append(f"camera {camera.name!r}: {DRAWN}; use the renderer 'cpu'")
        return found

    def rasterize(  # noqa: PLR0913  the arguments of gsplat's rasterization(), under its names
        self,
        means: NDArray[np.float32],
        quats: NDArray[np.float32],
        scales: NDArray[np.float32],
        opacities: NDArray[np.float32],
        features: NDArray[np.float32] | None = None,
        *,
        viewmat: NDArray[np.float64],
        K: NDArray[np.float64],
        width: int,
        height: int,
        sh: NDArray[np.float32] | None = None,
        sh_rotations: NDArray[np.float64] | None = None,
        owner: NDArray[np.int32] | None = None,
        near_m: float = 0.01,
        far_m: float = 1e6,
        eps2d: float = 0.3,
        want: frozenset[str] = frozenset(),
        lens: Lens = PLAIN,
    ) -> Raster:
        """As ``Rasterizer.rasterize``.

        Raises:
            RenderError: also for fisheye lenses, distortion and apertures, which gsplat splats by another rule.
        """
        job = checked_job(
            means=means, quats=quats, scales=scales, opacities=opacities, features=features, viewmat=viewmat, K=K,
            width=width, height=height, sh=sh, sh_rotations=sh_rotations, owner=owner, near_m=near_m, far_m=far_m,
            eps2d=eps2d, want=want, lens=lens,
        )  # fmt: skip
        if _bent(job.lens):
            raise RenderError(f"{DRAWN}, got {job.lens}; use the renderer 'cpu'")
        if not len(job):
            return _nothing(job)
        with torch.no_grad():
            return self.draw(job, self.upload(job))

    def upload(self, job: RasterJob) -> Cloud:
        """The job's Gaussians on the GPU, their harmonics looked up."""
        means, quats, scales, opacities, features = (
            self._tensor(a) for a in (job.means, job.quats, job.scales, job.opacities, job.features)
        )
        channels = features if job.sh is None else torch.cat([self._colours(job, means), features], dim=1)
        sound = self._sound(job, means, quats, scales) & (opacities.abs() <= LARGEST)
        if job.sh is not None:
            sound &= (channels[:, :3] <= MOST_COLOUR).all(1)
        return Cloud(
            means.where(sound[:, None], 0),
            quats.where(sound[:, None], 1),
            scales.where(sound[:, None], 1),
            opacities.where(sound, 0),  # gsplat leaves out what is fainter than ALPHA_MIN
            channels.where(sound[:, None], 0),
        )

    def _sound(self, job: RasterJob, means: Any, quats: Any, scales: Any) -> Any:
        """Which Gaussians gsplat can be given [N]: it would draw some of the others as opaque."""
        norms = quats.square().sum(1)
        row = job.viewmat[2].astype(np.float32)
        z = means @ self._tensor(row[:3]) + float(row[3])
        enlarged = float(max(job.K[0, 0], job.K[1, 1]))
        if job.lens.kind == "pinhole":
            enlarged = enlarged * (1 + max(abs(limit) for limit in job.jacobian_limits)) / z.clamp(min=job.near_m)
        sound = (means.abs() <= LARGEST).all(1) & (scales.abs().amax(1) * enlarged <= WIDEST_PX)
        return sound & (norms >= QUAT_NORMS[0]) & (norms <= QUAT_NORMS[1])

    def draw(self, job: RasterJob, cloud: Cloud) -> Raster:
        """One picture of Gaussians that lie on the GPU."""
        drawn, alpha, meta = self.blend(job, cloud)
        labels: dict[str, Any] = {}
        if job.want & {"median_depth", "ids"}:
            owners = self._tensor(np.zeros(len(job), np.int32) if job.owner is None else job.owner)
            depth, ids = walk(_lists(meta), owners, job.width, job.height)
            labels = {"median_depth": depth, "ids": ids.where(alpha >= 0.5, 0)}
        if "expected_depth" in job.want:
            labels["expected_depth"] = drawn[..., -1].where(alpha >= ALPHA_MIN, torch.inf)
        return Raster(
            drawn[..., : job.channels].contiguous().cpu().numpy(),
            alpha.cpu().numpy(),
            **{name: value.cpu().numpy() for name, value in labels.items() if name in job.want},
        )

    def blend(self, job: RasterJob, cloud: Cloud) -> tuple[Any, Any, dict[str, Any]]:
        """Blended channels [H, W, D or D + 1], alpha [H, W], and gsplat's lists.

        The expected depth is the last channel, if it is wanted.
        """
        depth = "expected_depth" in job.want
        mode = ("RGB+ED" if depth else "RGB") if job.channels else "ED"
        opaque = torch.ones_like(cloud.opacities)[:, None]  # gsplat wants a channel even where only depth is drawn
        drawn, alpha, meta = gsplat.rasterization(
            means=cloud.means,
            quats=cloud.quats,
            scales=cloud.scales,
            opacities=cloud.opacities,
            colors=cloud.channels if job.channels else opaque,
            viewmats=self._tensor(job.viewmat.astype(np.float32))[None],
            Ks=self._tensor(job.K.astype(np.float32))[None],
            width=job.width,
            height=job.height,
            near_plane=job.near_m,
            far_plane=job.far_m,
            eps2d=job.eps2d,
            packed=False,  # so that flatten_ids are rows of the Gaussians
            tile_size=TILE,
            render_mode=mode,
            camera_model=CAMERA_MODELS[job.lens.kind],
        )
        return drawn[0], alpha[0, ..., 0], meta

    def _colours(self, job: RasterJob, means: Any) -> Any:
        """Red, green, blue of every Gaussian [N, 3]."""
        sh = self._tensor(job.sh)
        centre = -job.viewmat[:3, :3].T @ job.viewmat[:3, 3]
        directions = means - self._tensor(centre.astype(np.float32))
        if job.sh_rotations is not None:
            rotations = self._tensor(job.sh_rotations.astype(np.float32))
            owners = self._tensor(np.zeros(len(job), np.int32) if job.owner is None else job.owner)
            directions = torch.einsum("nij,ni->nj", rotations[owners.long()], directions)
        x, y, z = (directions / directions.norm(dim=1, keepdim=True).clamp(min=1e-30)).unbind(1)
        total = torch.full_like(directions, 0.5)
        for k, value in enumerate(bands(x, y, z, sh.shape[1], torch.ones_like(x))):
            total += value[:, None] * sh[:, k]
        return total.clamp(min=0)

    def _tensor(self, array: Any) -> Any:
        return torch.as_tensor(np.ascontiguousarray(array), device=self._device)


def _require_gpu() -> None:
    if not torch.cuda.is_available():
        raise RenderError(NO_GPU)
    try:  # gsplat builds its kernels the first time, if they did not come with it
        kernels = importlib.import_module("gsplat.cuda._backend")._C
    except (ImportError, OSError, RuntimeError) as error:
        raise RenderError(f"the renderer 'cuda': gsplat cannot build or load its kernels: {error}") from error
    if kernels is None:
        raise RenderError(
            f"the renderer 'cuda' needs gsplat's kernels: gsplat {gsplat.__version__} came without them and builds "
            "them on first use with nvcc, which is not installed. Install the CUDA toolkit of torch's version "
            f"({torch.version.cuda}), or use the renderer 'cpu'"
        )


def _bent(lens: Lens) -> bool:
    return lens.kind not in CAMERA_MODELS or any(lens.distortion) or lens.shift != (0.0, 0.0)


def _lists(meta: dict[str, Any]) -> Lists:
    """gsplat's tile lists of one camera."""
    return Lists(
        starts=meta["isect_offsets"].reshape(-1).contiguous(),
        order=meta["flatten_ids"].contiguous(),
        means=meta["means2d"].reshape(-1, 2).contiguous(),
        conics=meta["conics"].reshape(-1, 3).contiguous(),
        opacities=meta["opacities"].reshape(-1).contiguous(),
        depths=meta["depths"].reshape(-1).contiguous(),
        columns=int(meta["tile_width"]),
        tile=int(meta["tile_size"]),
    )


def _nothing(job: RasterJob) -> Raster:
    """The picture of no Gaussians."""
    size = (job.height, job.width)
    empty = np.full(size, np.inf, np.float32)
    return Raster(
        np.zeros((*size, job.channels), np.float32),
        np.zeros(size, np.float32),
        empty if "expected_depth" in job.want else None,
        empty.copy() if "median_depth" in job.want else None,
        np.zeros(size, np.int32) if "ids" in job.want else None,
    )
