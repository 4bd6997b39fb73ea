"""Elastic energy and forces of thin bodies in numpy: the readable twin of the kernels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.physics.thin.bodies import Thin, mean_normal
from simvid.physics.thin.tetrahedra import energy as tetrahedra_energy

Array = NDArray[np.float64]


def elastic_energy(thin: Thin, x: Array) -> float:
    """Of all elements at places x [V, 3], [J]."""
    return (
        _membrane(thin, x) + _hinges(thin, x) + _springs(thin, x) + _bends(thin, x) + tetrahedra_energy(thin.solid, x)
    )


def _membrane(thin: Thin, x: Array) -> float:
    m = thin.membrane
    c = x[m.corners]
    edges = np.stack([c[:, 1] - c[:, 0], c[:, 2] - c[:, 0]], axis=-1)
    f = edges @ m.inverse
    strain = (np.einsum("tki,tkj->tij", f, f) - np.eye(2)) / 2
    lam, mu = m.lame_n_m.T
    trace = np.trace(strain, axis1=1, axis2=2)
    return float((m.area_m2 * (lam * trace**2 / 2 + mu * (strain**2).sum(axis=(1, 2)))).sum())


def _hinges(thin: Thin, x: Array) -> float:
    h = thin.hinges
    if not len(h.corners):
        return 0.0
    c = x[h.corners]
    s = np.einsum("ek,ekc->ec", h.weights, c)
    side = np.where((s * mean_normal(c)).sum(axis=1) < 0, -1.0, 1.0)
    return float((h.stiffness / 2 * (np.linalg.norm(s, axis=1) - side * h.bend_m) ** 2).sum())


def _springs(thin: Thin, x: Array) -> float:
    s = thin.springs
    long = np.linalg.norm(x[s.ends[:, 1]] - x[s.ends[:, 0]], axis=1)
    return float((s.stiffness_n / 2 * s.length_m * (long / s.length_m - 1) ** 2).sum())


def _bends(thin: Thin, x: Array) -> float:
    b = thin.bends
    one, two = x[b.corners[:, 1]] - x[b.corners[:, 0]], x[b.corners[:, 2]] - x[b.corners[:, 1]]
    turn = two / np.linalg.norm(two, axis=1, keepdims=True) - one / np.linalg.norm(one, axis=1, keepdims=True)
    return float((b.stiffness_n_m / 2 * (turn**2).sum(axis=1)).sum())
