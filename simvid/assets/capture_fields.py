"""The fields that all capture formats share, before activation, and the way to ``Gaussians`` and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.gaussians import Gaussians

Floats = NDArray[np.float32]

LARGEST_LOGIT = 16.0
"""Opacities of exactly 0 and 1 are written as sigmoid(-16) and sigmoid(16)."""


@dataclass(frozen=True, eq=False)
class RawCapture:
    """N Gaussians as 3DGS stores them, in its axes.

    Attributes:
        means: [N, 3].
        quats: (w, x, y, z), of any length, [N, 4].
        log_scales: natural logarithm of the standard deviations, [N, 3].
        logits: opacity = sigmoid(logit), [N].
        sh: SH coefficients, DC first, [N, K, 3] with K in 1, 4, 9, 16.
    """

    means: Floats
    quats: Floats
    log_scales: Floats
    logits: Floats
    sh: Floats


def gaussians_from(raw: RawCapture, *, owner: int, coefficients: int) -> tuple[Gaussians, int]:
    """Activate the fields and drop rows that are not finite; returns the Gaussians and the number of rows dropped."""
    with np.errstate(over="ignore", invalid="ignore"):
        scales = np.exp(raw.log_scales)
        length = np.sqrt(np.einsum("nk,nk->n", raw.quats, raw.quats))
        opacities = 1.0 / (1.0 + np.exp(-raw.logits))
    sh = raw.sh[:, :coefficients]
    sound = np.isfinite(length) & (length > 1e-12) & np.isfinite(opacities)
    for field in (raw.means, scales, sh.reshape(len(sh), -1)):
        sound &= np.isfinite(field).all(axis=1)
    sound &= (scales > 0).all(axis=1)
    count = int(sound.sum())
    gaussians = Gaussians(
        np.ascontiguousarray(raw.means[sound], np.float32),
        np.ascontiguousarray(raw.quats[sound] / length[sound, None], np.float32),
        np.ascontiguousarray(scales[sound], np.float32),
        np.ascontiguousarray(opacities[sound], np.float32),
        np.ascontiguousarray(sh[sound], np.float32),
        np.full(count, owner, np.int32),
    )
    return gaussians, len(raw.means) - count


def raw_from(gaussians: Gaussians) -> RawCapture:
    """The fields of Gaussians as 3DGS stores them."""
    opacity = np.clip(gaussians.opacities.astype(np.float64), 1e-12, 1 - 1e-12)
    logits = np.clip(np.log(opacity) - np.log1p(-opacity), -LARGEST_LOGIT, LARGEST_LOGIT)
    return RawCapture(
        gaussians.means,
        gaussians.quats,
        np.log(gaussians.scales),
        logits.astype(np.float32),
        gaussians.sh,
    )
