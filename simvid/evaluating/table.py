"""All figures of one refined video in one value, and tables of several."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SimvidError
from simvid.evaluating.flip import flip
from simvid.evaluating.sets import kernel_distance, laplacian_swd
from simvid.perception.fetch import COMMAND
from simvid.perception.pictures import MS_SSIM_LEAST_PX, edge_f1, gradient_energy_ratio, ms_ssim, psnr, ssim
from simvid.perception.stability import flow_warp_error

FIGURES: Mapping[str, str] = {
    "psnr_db": "PSNR [dB] ↑",
    "ssim": "SSIM ↑",
    "ms_ssim": "MS-SSIM ↑",
    "flip": "FLIP ↓",
    "lpips_like": "LPIPS-like ↓",
    "kid_like": "KID-like x1000 ↓",
    "laplacian_swd": "Laplacian SWD ↓",
    "gradient_energy_ratio": "gradient energy (1 is true)",
    "edge_f1": "edge F1 ↑",
    "flow_warp_error": "flow-warp error",
    "flow_warp_ratio": "flow-warp ratio (≤ 1)",
}
"""Figures in the order of tables, with their headings. PSNR of equal videos is infinite, written as null."""
_BATCH = 8


@dataclass(frozen=True)
class Evaluation:
    """Figures of one video against the true one.

    Attributes:
        figures: by name, as in ``FIGURES``.
        left_out: figures that could not be computed, and why.
    """

    figures: Mapping[str, float]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Plain values."""
        plain = {name: value if math.isfinite(value) else None for name, value in self.figures.items()}
        return {"figures": plain, "left_out": dict(self.left_out)}


@dataclass(frozen=True, eq=False)
class Motion:
    """Exact motion of a video: ``flow_backward`` [px] [T, H, W, 2] and ``hidden`` [T, H, W], as in ``Frames``."""

    flow_backward: NDArray[np.float32]
    hidden: NDArray[np.bool_]


def evaluate(
    video: NDArray[np.uint8], true: NDArray[np.uint8], motion: Motion | None = None, features: Any = None
) -> Evaluation:
    """Compare a video with the true one.

    Args:
        video, true: sRGB uint8 [T, H, W, 3].
        motion: for the flow-warp figures.
        features: ``SqueezeNetFeatures`` for the perceptual figures; None leaves them out.

    Raises:
        SimvidError: the videos differ in size or length.
    """
    if video.shape != true.shape or video.ndim != 4:
        raise SimvidError(f"evaluate: expected two videos [T, H, W, 3] of one size, got {video.shape} and {true.shape}")
    found: dict[str, float] = {}
    missing: dict[str, str] = {}
    found["psnr_db"], found["ssim"] = psnr(video, true), ssim(video, true)
    if min(video.shape[1:3]) >= MS_SSIM_LEAST_PX:
        found["ms_ssim"] = ms_ssim(video, true)
    else:
        missing["ms_ssim"] = f"needs pictures of {MS_SSIM_LEAST_PX} px or more"
    found["flip"] = flip(video, true)
    if features is None:
        missing |= dict.fromkeys(("lpips_like", "kid_like"), f"needs SqueezeNet's weights:  {COMMAND}")
    else:
        found["lpips_like"], kernel = _perceptual(video, true, features)
        if kernel is None:
            missing["kid_like"] = "needs two frames or more"
        else:
            found["kid_like"] = 1000 * kernel
    found["laplacian_swd"] = laplacian_swd(video, true)
    found["gradient_energy_ratio"], found["edge_f1"] = gradient_energy_ratio(video, true), edge_f1(video, true)
    if motion is None or len(video) < 2:
        missing |= dict.fromkeys(("flow_warp_error", "flow_warp_ratio"), "needs flow and two frames or more")
    else:
        error, least = (flow_warp_error(v, motion.flow_backward, motion.hidden) for v in (video, true))
        found |= {"flow_warp_error": error, "flow_warp_ratio": error / max(least, 1e-9)}
    return Evaluation({name: found[name] for name in FIGURES if name in found}, missing)


def markdown(rows: Mapping[str, Evaluation]) -> str:
    """A table with one row for each named evaluation; below it, what was left out."""
    used = [name for name in FIGURES if any(name in row.figures for row in rows.values())]
    lines = ["| video | " + " | ".join(FIGURES[name] for name in used) + " |", "|---" * (len(used) + 1) + "|"]
    for title, row in rows.items():
        cells = [f"{row.figures[name]:.4g}" if name in row.figures else "-" for name in used]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    reasons = sorted({f"- {name}: {why}" for row in rows.values() for name, why in row.left_out.items()})
    return "\n".join([*lines, *(["", "Left out:", *reasons] if reasons else [])]) + "\n"


def _perceptual(video: NDArray[np.uint8], true: NDArray[np.uint8], features: Any) -> tuple[float, float | None]:
    """LPIPS-like and KID-like figures."""
    from simvid.perception.squeezenet import perceptual_distance, pooled, torch

    distances, ours, theirs = [], [], []
    with torch.no_grad():
        for a, b in zip(_batches(video, torch), _batches(true, torch), strict=True):
            one, two = features(a), features(b)
            distances.append(perceptual_distance(one, two).numpy())
            ours.append(pooled(one).numpy())
            theirs.append(pooled(two).numpy())
    mean = float(np.concatenate(distances).mean())
    if len(video) < 2:
        return mean, None
    return mean, kernel_distance(*(np.concatenate(x).astype(np.float64) for x in (ours, theirs)))


def _batches(video: NDArray[np.uint8], torch: Any) -> Iterator[Any]:
    """Tensors [n, 3, H, W] in -1 to 1."""
    for start in range(0, len(video), _BATCH):
        part = np.moveaxis(video[start : start + _BATCH], -1, 1).astype(np.float32)
        yield torch.from_numpy(np.ascontiguousarray(part)) / 127.5 - 1
