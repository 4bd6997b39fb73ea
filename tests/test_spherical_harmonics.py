"""Spherical harmonics: orthonormal, and turned coefficients give the turned colours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from simvid.spherical_harmonics import basis, rotated


def directions(n: int) -> np.ndarray:
    k = np.arange(n) + 0.5
    polar, azimuth = np.arccos(1 - 2 * k / n), np.pi * (1 + 5**0.5) * k
    return np.stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=-1)


def test_basis_is_orthonormal_on_the_sphere() -> None:
    b = basis(directions(20_000), 16)
    gram = 4 * np.pi * b.T @ b / len(b)
    assert np.allclose(gram, np.eye(16), atol=2e-3)  # quadrature error of a Fibonacci grid


@pytest.mark.parametrize("coefficients", [1, 4, 9, 16])
def test_a_turned_object_shows_the_old_colour_from_the_turned_side(coefficients: int) -> None:
    rng = np.random.default_rng(1)
    rotation = Rotation.random(random_state=2).as_matrix()
    sh = rng.normal(size=(5, coefficients, 3)).astype(np.float32)
    d = directions(50)
    new = np.einsum("dk,nkc->dnc", basis(d, coefficients), rotated(sh, rotation))
    old = np.einsum("dk,nkc->dnc", basis(d @ rotation, coefficients), sh)
    assert np.allclose(new, old, atol=1e-5)
