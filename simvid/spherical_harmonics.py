"""Real spherical harmonics up to degree 3, in the order and with the signs that 3DGS captures use."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def basis(directions: Array, coefficients: int) -> Array:
    """Value of the first 1, 4, 9 or 16 harmonics at unit directions [..., 3] -> [..., K].

    Condon-Shortley signs as in Sloan, "Efficient Spherical Harmonic Evaluation" (2013); colour = 0.5 + basis @ sh.
    """
    x, y, z = np.moveaxis(directions, -1, 0)
    return np.stack(bands(x, y, z, coefficients, np.ones_like(x)), axis=-1)


def bands(x: Any, y: Any, z: Any, coefficients: int, one: Any) -> list[Any]:
    """The harmonics one by one, for arrays of any library; ``one`` is an array of ones like them."""
    found = [0.28209479177387814 * one]
    if coefficients > 1:
        found += [-0.48860251190292 * y, 0.48860251190292 * z, -0.48860251190292 * x]
    if coefficients > 4:
        found += [
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (2 * z * z - x * x - y * y),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (x * x - y * y),
        ]
    if coefficients > 9:
        found += [
            -0.5900435899266435 * y * (3 * x * x - y * y),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (4 * z * z - x * x - y * y),
            0.3731763325901154 * z * (2 * z * z - 3 * x * x - 3 * y * y),
            -0.4570457994644658 * x * (4 * z * z - x * x - y * y),
            1.445305721320277 * z * (x * x - y * y),
            -0.5900435899266435 * x * (x * x - 3 * y * y),
        ]
    return found


def rotation_matrix(rotation: Array, coefficients: int) -> Array:
    """Matrix [K, K] that turns SH coefficients with the object: new(d) = old(R^T d) for every direction d.

    Found exactly by evaluating the basis in more directions than coefficients and solving for the coefficients.
    """
    k = np.arange(64) + 0.5
    polar, azimuth = np.arccos(1 - 2 * k / 64), np.pi * (1 + 5**0.5) * k
    d = np.stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=-1)
    return np.asarray(np.linalg.pinv(basis(d, coefficients)) @ basis(d @ rotation, coefficients))


def rotated(sh: NDArray[np.float32], rotation: Array) -> NDArray[np.float32]:
    """SH coefficients [N, K, 3] of an object turned by a rotation [3, 3]."""
    if sh.shape[1] == 1 or np.allclose(rotation, np.eye(3), atol=1e-12):
        return sh
    matrix = rotation_matrix(rotation, sh.shape[1])
    return np.asarray(np.einsum("jk,nkc->njc", matrix, sh.astype(np.float64)), dtype=np.float32)
