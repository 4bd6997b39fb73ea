"""Stability over time: how well pictures agree along the exact flow, where a surface point is seen in both frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.perception.pictures import LEAST_CHANGE


def flow_warp_error(
    video: NDArray[np.uint8], flow_backward: NDArray[np.float32], hidden: NDArray[np.bool_]
) -> float:  # fmt: skip
    """Root mean squared difference between each picture and the one before, moved along the flow; 0 to 1.

    Over pixels whose surface point is seen in both (Lai et al. 2018, "Learning Blind Video Temporal Consistency",
    eq. 11, with exact flow). Blur lowers it and true highlights that move raise it: read it as a ratio to the true
    video's.

    Args:
        video: uint8 [T, H, W, 3].
        flow_backward: to the frame before [px], NaN where unknown, [T, H, W, 2]; the first is not read.
        hidden: the point is not seen in the frame before, [T, H, W].

    Raises:
        ValueError: fewer than two frames, or no pixel that is seen in two.
    """
    if len(video) < 2:
        raise ValueError("flow_warp_error: expected two frames or more; one picture has no motion")
    total, count = 0.0, 0
    for t in range(1, len(video)):
        moved, inside = warped(video[t - 1], flow_backward[t])
        seen = inside & ~hidden[t]
        difference = (video[t].astype(np.float64) - moved)[seen] / 255
        total, count = total + float((difference**2).sum()), count + difference.size
    if count == 0:
        raise ValueError("flow_warp_error: no pixel is seen in two frames in a row; is the flow that of this video?")
    return float(np.sqrt(total / count))


def flow_warp_ratio(
    video: NDArray[np.uint8], true: NDArray[np.uint8], flow_backward: NDArray[np.float32], hidden: NDArray[np.bool_]
) -> float:
    """Flow-warp error over that of the true video: above 1 is flicker.

    Raises:
        ValueError: as ``flow_warp_error``; or the true video does not change along the flow.
    """
    least = flow_warp_error(true, flow_backward, hidden)
    if is_steady(least):
        raise ValueError(f"flow_warp_ratio: the true video changes by {255 * least:.2g} levels along the flow, which "
                         "rounding alone may do; there is nothing to be as steady as")  # fmt: skip
    return flow_warp_error(video, flow_backward, hidden) / least


def is_steady(error: float) -> bool:
    """Whether a flow-warp error is below ``LEAST_CHANGE``."""
    return 255 * error < LEAST_CHANGE


def warped(picture: NDArray[np.uint8], flow: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A picture read where the flow points to, bilinearly.

    Args:
        picture: uint8 [H, W, 3].
        flow: displacement to where each pixel is read [px], [H, W, 2]; may be NaN.

    Returns:
        float64 [H, W, 3], 0 to 255, and whether all that was read lies inside, [H, W].
    """
    height, width = flow.shape[:2]
    v, u = np.mgrid[:height, :width]
    x, y = u + flow[..., 0].astype(np.float64), v + flow[..., 1].astype(np.float64)
    inside: NDArray[Any] = np.asarray((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))
    x, y = np.where(inside, x, 0), np.where(inside, y, 0)
    left, top = np.minimum(x.astype(int), max(width - 2, 0)), np.minimum(y.astype(int), max(height - 2, 0))
    a, b = (x - left)[..., None], (y - top)[..., None]
    right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    upper = (1 - a) * picture[top, left] + a * picture[top, right]
    lower = (1 - a) * picture[below, left] + a * picture[below, right]
    return np.asarray((1 - b) * upper + b * lower, np.float64), inside
