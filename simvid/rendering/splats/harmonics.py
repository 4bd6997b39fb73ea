"""Colours by direction of captures that deform: each Gaussian has turned by a rotation of its own."""

from __future__ import annotations

import numpy as np

from simvid.gaussians import SH_C0
from simvid.rendering.kernels.types import Array, Floats
from simvid.rendering.splats.posing import PosedSplats
from simvid.rendering.splats.visible import Visible
from simvid.spherical_harmonics import basis


def bent_harmonics(posed: PosedSplats, sh: Floats, visible: Visible, eye: Array) -> Floats:
    """Coefficients of the Gaussians that are seen, to be looked up in their part's frame, [V, K, 3].

    Where a part deforms, the direction is turned back by the rotation of F's polar decomposition at each Gaussian
    (Xie et al. 2024, "PhysGaussian"), and the colour found there is given as a constant.

    Args:
        posed: where all Gaussians are.
        sh: of all Gaussians in their parts' frames, [N, K, 3]; those of loose particles, beyond N, have none.
        visible: what is seen.
        eye: the camera's place [m], [3].
    """
    fixed = int(np.searchsorted(visible.rows, len(sh)))
    found = sh[visible.rows[:fixed]]
    if fixed < len(visible.rows):
        found = np.concatenate([found, np.zeros((len(visible.rows) - fixed, *sh.shape[1:]), np.float32)])
    for part in posed.deforming:
        begin, end = np.searchsorted(visible.rows, [part.first, part.last])
        rows = visible.rows[begin:end]
        if not len(rows) or not posed.arrays.baked[rows[0]]:
            continue
        away = visible.means[begin:end] - eye
        local = np.einsum("nij,ni->nj", part.turns[rows - part.first].astype(np.float64), away)
        local /= np.maximum(np.linalg.norm(local, axis=1, keepdims=True), 1e-12)
        shade = np.einsum("nk,nkc->nc", basis(local, sh.shape[1]), found[begin:end])
        found[begin:end] = 0
        found[begin:end, 0] = (np.maximum(0.5 + shade, 0) - 0.5) / SH_C0
    return found
