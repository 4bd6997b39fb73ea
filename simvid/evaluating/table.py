"""All figures of one refined video in one value, and tables of several."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SimvidError
from simvid.evaluating.flip import flip
from simvid.evaluating.jod import jod, jod_lacks
from simvid.evaluating.sets import SWD_LEAST_PX, laplacian_swd, paired_kernel_distance
from simvid.perception.fetch import COMMAND
from simvid.perception.pictures import (
    MS_SSIM_LEAST_PX,
    SSIM_LEAST_PX,
    edge_f1,
    gradient_energy_ratio,
    is_flat,
    ms_ssim,
    psnr,
    ssim,
)
from simvid.perception.stability import flow_warp_error, is_steady

Floats: TypeAlias = NDArray[np.float64]
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
    "jod": "JOD (10 is equal) ↑",
}
"""Figures in the order of tables, with their headings. PSNR of equal videos is infinite, written as null."""
_OF_A_SIZE: Mapping[str, tuple[Callable[[NDArray[np.uint8], NDArray[np.uint8]], float], int]] = {
    "ssim": (ssim, SSIM_LEAST_PX),
    "ms_ssim": (ms_ssim, MS_SSIM_LEAST_PX),
    "laplacian_swd": (laplacian_swd, SWD_LEAST_PX),
}
"""Figures that small pictures do not have, with the least height and width [px]."""
_FLAT = "needs true pictures that are not flat"
_BATCH = 8


@dataclass(frozen=True)
class Evaluation:
    """Figures of one video against the true one.

    Attributes:
        figures: by name, as in ``FIGURES``.
        left_out: figures that could not be computed, and why.
        pooled: features of the video's and of the true pictures, [T, d] each, for the KID-like figure of many clips.
    """

    figures: Mapping[str, float]
    left_out: Mapping[str, str] = field(default_factory=dict)
    pooled: tuple[Floats, Floats] | None = field(default=None, repr=False, compare=False)

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
    video: NDArray[np.uint8],
    true: NDArray[np.uint8],
    motion: Motion | None = None,
    features: Any = None,
    fps: float | None = None,
) -> Evaluation:
    """Compare a video with the true one.

    Args:
        video, true: sRGB uint8 [T, H, W, 3].
        motion: for the flow-warp figures.
        features: ``SqueezeNetFeatures`` for the perceptual figures; None leaves them out.
        fps: frames per second, for JOD; None leaves it out.

    Raises:
        SimvidError: the videos differ in size or length.
    """
    if video.shape != true.shape or video.ndim != 4:
        raise SimvidError(f"evaluate: expected two videos [T, H, W, 3] of one size, got {video.shape} and {true.shape}")
    found = {"psnr_db": psnr(video, true), "flip": flip(video, true), "edge_f1": edge_f1(video, true)}
    missing: dict[str, str] = {}
    for name, (figure, least_px) in _OF_A_SIZE.items():
        if min(video.shape[1:3]) >= least_px:
            found[name] = figure(video, true)
        else:
            missing[name] = _too_small(least_px)
    if "laplacian_swd" in found and is_flat(true):
        del found["laplacian_swd"]
        missing["laplacian_swd"] = _FLAT
    perceptual, lacking, pooled = _perceptual(video, true, features)
    ratios, without = true_ratios(video, true, motion)
    found |= perceptual | ratios
    missing |= lacking | without
    lacks = "needs the frames per second" if fps is None else jod_lacks()
    if fps is not None and lacks is None:
        found["jod"] = jod(video, true, fps)
    elif lacks is not None:
        missing["jod"] = lacks
    return Evaluation({name: found[name] for name in FIGURES if name in found}, missing, pooled)


def true_ratios(
    video: NDArray[np.uint8], true: NDArray[np.uint8], motion: Motion | None
) -> tuple[dict[str, float], dict[str, str]]:
    """Figures that are read as ratios to the true video's own, and those left out with the reason.

    Ratios to nothing are left out: to true pictures that are flat, or that change along the flow by less than rounding.
    """
    found: dict[str, float] = {}
    missing: dict[str, str] = {}
    if is_flat(true):
        missing["gradient_energy_ratio"] = _FLAT
    else:
        found["gradient_energy_ratio"] = gradient_energy_ratio(video, true)
    error, least = (warp_error(v, motion) for v in (video, true))
    if error is None or least is None:
        why = "needs flow, two frames or more, and surfaces that are seen in two"
        return found, missing | dict.fromkeys(("flow_warp_error", "flow_warp_ratio"), why)
    found["flow_warp_error"] = error
    if is_steady(least):
        missing["flow_warp_ratio"] = "needs true pictures that change along the flow by more than rounding does"
    else:
        found["flow_warp_ratio"] = error / least
    return found, missing


def warp_error(video: NDArray[np.uint8], motion: Motion | None) -> float | None:
    """``flow_warp_error``; None where there is no motion to follow."""
    if motion is None or len(video) < 2 or not _followed(motion):
        return None
    return flow_warp_error(video, motion.flow_backward, motion.hidden)


def _followed(motion: Motion) -> bool:
    """Whether any pixel is seen in the frame before, inside the picture."""
    height, width = motion.hidden.shape[1:]
    v, u = np.mgrid[:height, :width]
    for flow, hidden in zip(motion.flow_backward[1:], motion.hidden[1:], strict=True):
        x, y = u + flow[..., 0], v + flow[..., 1]
        if bool(((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1) & ~hidden).any()):
            return True
    return False


def mean_of(clips: Sequence[Evaluation]) -> Evaluation:
    """Means over clips; the KID-like figure is that of all their frames together, as one set.

    Whether a clip has a figure depends on its size, its true pictures and its motion, so the mean over those that have
    it is comparable between videos of the same clips; how many lack it is among what was left out, with the reason.

    Raises:
        ValueError: no clips.
    """
    if not clips:
        raise ValueError("mean_of: expected one evaluation or more, got none")
    having = {name: [clip for clip in clips if name in clip.figures] for name in FIGURES}
    found = {name: float(np.mean([c.figures[name] for c in some])) for name, some in having.items() if some}
    parts = [clip.pooled for clip in having["kid_like"] if clip.pooled is not None]
    if parts and len(parts) == len(having["kid_like"]):
        ours, theirs = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
        found["kid_like"] = 1000 * paired_kernel_distance(ours, theirs)
    reasons = {name: why for clip in clips for name, why in clip.left_out.items()}
    for name in reasons.keys() & found.keys():
        reasons[name] += f" (the mean is that of {len(having[name])} of {len(clips)} clips)"
    return Evaluation(found, reasons)


def markdown(rows: Mapping[str, Evaluation]) -> str:
    """A table with one row for each named evaluation; below it, what was left out."""
    used = [name for name in FIGURES if any(name in row.figures for row in rows.values())]
    lines = ["| video | " + " | ".join(FIGURES[name] for name in used) + " |", "|---" * (len(used) + 1) + "|"]
    for title, row in rows.items():
        cells = [f"{row.figures[name]:.4g}" if name in row.figures else "-" for name in used]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    reasons = sorted({f"- {name}: {why}" for row in rows.values() for name, why in row.left_out.items()})
    return "\n".join([*lines, *(["", "Left out:", *reasons] if reasons else [])]) + "\n"


def _perceptual(
    video: NDArray[np.uint8], true: NDArray[np.uint8], features: Any
) -> tuple[dict[str, float], dict[str, str], tuple[Floats, Floats] | None]:
    """The LPIPS-like and KID-like figures, those left out, and the pooled features of both videos."""
    both = ("lpips_like", "kid_like")
    if features is None:
        return {}, dict.fromkeys(both, f"needs SqueezeNet's weights:  {COMMAND}"), None
    from simvid.perception.squeezenet import LEAST_PX, perceptual_distance, pooled, torch

    if min(video.shape[1:3]) < LEAST_PX:
        return {}, dict.fromkeys(both, _too_small(LEAST_PX)), None
    distances, ours, theirs = [], [], []
    with torch.no_grad():
        for a, b in zip(_batches(video, torch), _batches(true, torch), strict=True):
            one, two = features(a), features(b)
            distances.append(perceptual_distance(one, two).numpy())
            ours.append(pooled(one).numpy())
            theirs.append(pooled(two).numpy())
    found = {"lpips_like": float(np.concatenate(distances).mean())}
    sets = np.concatenate(ours).astype(np.float64), np.concatenate(theirs).astype(np.float64)
    if len(video) < 2:
        return found, {"kid_like": "needs two frames or more"}, sets
    return found | {"kid_like": 1000 * paired_kernel_distance(*sets)}, {}, sets


def _too_small(least_px: int) -> str:
    return f"needs pictures of {least_px} px or more"


def _batches(video: NDArray[np.uint8], torch: Any) -> Iterator[Any]:
    """Tensors [n, 3, H, W] in -1 to 1."""
    for start in range(0, len(video), _BATCH):
        part = np.moveaxis(video[start : start + _BATCH], -1, 1).astype(np.float32)
        yield torch.from_numpy(np.ascontiguousarray(part)) / 127.5 - 1
