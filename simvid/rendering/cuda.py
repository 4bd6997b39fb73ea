"""CudaRasterizer: gsplat on an NVIDIA GPU behind the same ``rasterize``, with the same conventions and labels.

gsplat (Ye et al. 2024, arXiv:2409.06765) blends colours, features and expected depth; harmonics are looked up here
first, because gsplat takes either harmonics or features in one call. It knows no median depth and no ids: one small
kernel (``cuda_labels``) walks its tile lists once more for those.
"""

from __future__ import annotations

from typing import Any

import gsplat  # noqa: TID253  this module is the backend, loaded when the renderer is asked for
import numpy as np
import torch  # noqa: TID253  as above
from numpy.typing import NDArray

from simvid.errors import RenderError
from simvid.optics import Lens
from simvid.rendering.cuda_labels import Lists, walk
from simvid.rendering.raster import ALPHA_MIN, PLAIN, Raster, RasterJob, checked_job
from simvid.spherical_harmonics import basis

TILE = 16
CAMERA_MODELS = {"pinhole": "pinhole", "fisheye": "fisheye", "orthographic": "ortho"}
"""Kind of lens -> gsplat's name."""


class CudaRasterizer:
    """Rasterizer on an NVIDIA GPU; see ``Rasterizer`` for the arguments and ``raster`` for the rules.

    Args:
        device: a torch device.

    Raises:
        RenderError: there is no such GPU.
    """

    def __init__(self, device: str = "cuda") -> None:
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise RenderError(
                "the renderer 'cuda' needs an NVIDIA GPU and a CUDA build of torch; torch "
                f"{torch.__version__} sees none. Use the renderer 'cpu', which gives the same pictures and labels"
            )
        self._device = device

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
            RenderError: also for lenses with distortion or an aperture, which gsplat splats by another rule.
        """
        job = checked_job(
            means=means, quats=quats, scales=scales, opacities=opacities, features=features, viewmat=viewmat, K=K,
            width=width, height=height, sh=sh, sh_rotations=sh_rotations, owner=owner, near_m=near_m, far_m=far_m,
            eps2d=eps2d, want=want, lens=lens,
        )  # fmt: skip
        if any(lens.distortion) or lens.shift != (0.0, 0.0):
            raise RenderError(
                f"the renderer 'cuda' draws {', '.join(CAMERA_MODELS)} lenses without distortion and without an "
                f"aperture, got {lens}; use the renderer 'cpu'"
            )
        if not len(job):
            return _nothing(job)
        channels = np.concatenate([_colours(job), job.features], axis=1)
        drawn, alpha, meta = self._call(job, channels)
        labels: dict[str, Any] = {}
        if want & {"median_depth", "ids"}:
            owners = self._tensor(np.zeros(len(job), np.int32) if job.owner is None else job.owner)
            depth, ids = walk(_lists(meta), owners, job.width, job.height)
            found = {"median_depth": depth, "ids": ids.where(alpha >= 0.5, 0)}
            labels = {name: value.cpu().numpy() for name, value in found.items() if name in want}
        if "expected_depth" in want:
            labels["expected_depth"] = drawn[..., -1].where(alpha >= ALPHA_MIN, torch.inf).cpu().numpy()
        return Raster(
            np.ascontiguousarray(drawn[..., : channels.shape[1]].cpu().numpy()), alpha.cpu().numpy(), **labels
        )

    def _call(self, job: RasterJob, channels: NDArray[np.float32]) -> tuple[Any, Any, dict[str, Any]]:
        """Blended channels with the expected depth as the last one [H, W, D + 1], alpha [H, W], and gsplat's lists."""
        mode = "RGB+ED" if channels.shape[1] else "ED"
        opaque = np.ones((len(job), 1), np.float32)  # gsplat wants a channel even where only depth is drawn
        drawn, alpha, meta = gsplat.rasterization(
            means=self._tensor(job.means),
            quats=self._tensor(job.quats),
            scales=self._tensor(job.scales),
            opacities=self._tensor(job.opacities),
            colors=self._tensor(channels if channels.shape[1] else opaque),
            viewmats=self._tensor(job.viewmat.astype(np.float32))[None],
            Ks=self._tensor(job.K.astype(np.float32))[None],
            width=job.width,
            height=job.height,
            near_plane=job.near_m,
            far_plane=job.far_m,
            eps2d=job.eps2d,
            packed=False,
            tile_size=TILE,
            render_mode=mode,
            camera_model=CAMERA_MODELS[job.lens.kind],
        )
        return drawn[0], alpha[0, ..., 0], meta

    def _tensor(self, array: NDArray[Any]) -> Any:
        return torch.as_tensor(np.ascontiguousarray(array), device=self._device)


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


def _colours(job: RasterJob) -> NDArray[np.float32]:
    """Red, green, blue of every Gaussian [N, 3], or [N, 0] without harmonics."""
    if job.sh is None:
        return np.zeros((len(job), 0), np.float32)
    centre = -job.viewmat[:3, :3].T @ job.viewmat[:3, 3]
    directions = job.means.astype(np.float64) - centre
    if job.sh_rotations is not None:
        owners = np.zeros(len(job), np.int32) if job.owner is None else job.owner
        directions = np.einsum("nij,ni->nj", job.sh_rotations[owners], directions)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-30)
    values = basis(directions, job.sh.shape[1]).astype(np.float32)
    return np.asarray(np.maximum(0.5 + np.einsum("nk,nkc->nc", values, job.sh), 0), np.float32)


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
