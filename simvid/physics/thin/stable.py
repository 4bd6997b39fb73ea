"""The largest step at which explicit integration of thin bodies is stable, and how much they are damped.

The highest frequency is bounded from above, element by element: no frequency of an assembly is above the highest of its
elements, each with its share of the vertices' masses (Irons & Treharne 1971, "A bound theorem in eigenvalues").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.physics.thin.bodies import Bends, Hinges, Membrane, Springs, Thin
from simvid.physics.thin.tetrahedra import fastest as fastest_solid

Array = NDArray[np.float64]
Ints = NDArray[np.int32]
SAFETY = 0.85
"""Share of the bound that is used."""
STRETCH_DAMPING = 0.1
"""Relaxation time of stretch over the period of the fastest stretch / 2 pi: what no mesh resolves is damped."""
BEND_DAMPING_S = 0.01
"""Relaxation time of bending [s], where that takes no smaller steps; cloth and ropes lose much by it."""


@dataclass(frozen=True)
class Stability:
    """How fast the fastest things are.

    Attributes:
        stretch_1_s2: bound on the squared frequency of stretch, at rest.
        bend_1_s2: the same of bending.
        stretch_damping_s, bend_damping_s: relaxation times: stress goes with strain + time * rate.
        solid_1_s2: as ``stretch_1_s2``, of tetrahedra.
    """

    stretch_1_s2: float
    bend_1_s2: float
    stretch_damping_s: float
    bend_damping_s: float
    solid_1_s2: float = 0.0

    def step_s(self, stretch: float = 1.0) -> float:
        """Largest stable step; w^2 dt^2 + 2 tau w^2 dt < 4 for symplectic Euler with viscous stress.

        Args:
            stretch: largest stretch anywhere: the tangent of the law of St. Venant and Kirchhoff grows with it as
                (3 stretch^2 - 1) / 2, that of solids, whose pressure acts on areas, no faster than stretch^4.
        """
        harder = max(1.0, (3 * stretch * stretch - 1) / 2)
        stiff = max(self.stretch_1_s2 * harder, self.solid_1_s2 * max(1.0, stretch**4))
        square = stiff + self.bend_1_s2
        rate = self.stretch_damping_s * stiff + self.bend_damping_s * self.bend_1_s2
        if square <= 0:
            return math.inf
        return SAFETY * (math.sqrt(rate * rate + 4 * square) - rate) / square


def stability(thin: Thin) -> Stability:
    """Bounds of a set of bodies."""
    stretch = max(_membrane(thin.membrane, thin.masses), _springs(thin.springs, thin.masses))
    bend = max(_hinges(thin.hinges, thin.masses), _bends(thin.bends, thin.springs, thin.masses))
    solid = fastest_solid(thin.solid, thin.masses)
    most = max(stretch, solid) + bend
    fastest = math.sqrt(most) if most > 0 else 1.0
    damping = BEND_DAMPING_S if bend <= 0 else min(BEND_DAMPING_S, 0.25 * fastest / bend)
    return Stability(stretch, bend, STRETCH_DAMPING / fastest, damping, solid)


def _shares(corners: Ints, weight: Array, masses: Array) -> Array:
    """Masses of the vertices of elements [N, K]: each vertex's is shared among its elements by their weight."""
    total = np.zeros(len(masses))
    for k in range(corners.shape[1]):
        np.add.at(total, corners[:, k], weight)
    return np.asarray(masses[corners] * weight[:, None] / total[corners])


def _membrane(m: Membrane, masses: Array) -> float:
    if not len(m.corners):
        return 0.0
    grad = np.zeros((len(m.corners), 3, 2))  # of the hat functions, in the plane
    grad[:, 1:] = m.inverse
    grad[:, 0] = -m.inverse.sum(axis=1)
    b = np.zeros((len(m.corners), 3, 6))
    b[:, 0, 0::2], b[:, 1, 1::2] = grad[:, :, 0], grad[:, :, 1]
    b[:, 2, 0::2], b[:, 2, 1::2] = grad[:, :, 1], grad[:, :, 0]
    law = np.zeros((len(m.corners), 3, 3))
    lam, mu = m.lame_n_m.T
    law[:, 0, 0] = law[:, 1, 1] = lam + 2 * mu
    law[:, 0, 1] = law[:, 1, 0] = lam
    law[:, 2, 2] = mu
    stiff = np.einsum("tai,tab,tbj,t->tij", b, law, b, m.area_m2)
    root = np.repeat(1 / np.sqrt(_shares(m.corners, m.area_m2, masses)), 2, axis=1)
    return float(np.linalg.eigvalsh(stiff * root[:, :, None] * root[:, None, :])[:, -1].max())


def _springs(s: Springs, masses: Array) -> float:
    if not len(s.ends):
        return 0.0
    shares = _shares(s.ends, s.length_m, masses)
    return float((s.stiffness_n / s.length_m * (1 / shares).sum(axis=1)).max())


def _hinges(h: Hinges, masses: Array) -> float:
    """c K K^T has the one frequency c sum K_i^2 / m_i."""
    if not len(h.corners):
        return 0.0
    shares = _shares(h.corners, np.ones(len(h.corners)), masses)
    return float((h.stiffness * (h.weights**2 / shares).sum(axis=1)).max())


def _bends(b: Bends, s: Springs, masses: Array) -> float:
    """The same with weights (1, -2, 1) over the length of the segments."""
    if not len(b.corners):
        return 0.0
    shares = _shares(b.corners, np.ones(len(b.corners)), masses)
    shortest = float(s.length_m.min())
    return float((b.stiffness_n_m / shortest**2 * (np.array([1, 4, 1]) / shares).sum(axis=1)).max())
