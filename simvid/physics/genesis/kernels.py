"""Compiled loops over Genesis' contacts; import only inside the Genesis engine (numba is heavy)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.physics.newton.kernels import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


@compiled
def row_speeds(address: Ints, jacobian: Floats, dofs: Ints, counts: Ints, speeds: Floats) -> Floats:
    """Speeds [m/s] along the three rows of each contact, at the rows' own places; zero elsewhere.

    Args:
        address: first row of each contact, [K].
        jacobian: [N, V], of which only the columns in ``dofs`` are set.
        dofs: [N, V]; counts: how many of them, [N].
        speeds: of the degrees of freedom, [V].
    """
    out = np.zeros(len(counts))
    for first in address:
        for row in range(first, first + 3):
            total = 0.0
            for k in range(counts[row]):
                total += jacobian[row, dofs[row, k]] * speeds[dofs[row, k]]
            out[row] = total
    return out


@compiled
def dense_rows(address: Ints, jacobian: Floats, dofs: Ints, counts: Ints, width: int) -> Floats:
    """The three rows of each contact with zeros where nothing is set, [3 K, V]; arguments as of ``row_speeds``."""
    out = np.zeros((3 * len(address), width))
    for n in range(len(address)):
        for side in range(3):
            row = address[n] + side
            for k in range(counts[row]):
                out[3 * n + side, dofs[row, k]] = jacobian[row, dofs[row, k]]
    return out


@compiled
def flow(total: Floats, rate: Floats, step: float) -> None:
    """Deformation gradients after a step of a velocity gradient: F' = (1 + h C) F, both [N, 3, 3]."""
    for k in range(len(total)):
        total[k] = total[k] + step * np.dot(np.ascontiguousarray(rate[k]), np.ascontiguousarray(total[k]))


@compiled
def contact_frames(normal: Floats) -> Floats:
    """Minus the normal and the two tangents of each contact, as Genesis' rows have them, [K, 9].

    ``normal`` [K, 3] points from the second geom to the first. The tangents are those of ``qd_orthogonals``.
    """
    out = np.zeros((len(normal), 9))
    for k in range(len(normal)):
        x, y, z = normal[k]
        b = np.array([-x * y, 1.0 - y * y, -z * y]) if abs(y) < 0.5 else np.array([-x * z, -y * z, 1.0 - z * z])
        b /= np.sqrt((b * b).sum())
        out[k, 0:3] = -x, -y, -z
        out[k, 3:6] = b[1] * z - b[2] * y, b[2] * x - b[0] * z, b[0] * y - b[1] * x
        out[k, 6:9] = b
    return out


@compiled
def impedances(softness: Floats, depth: Floats) -> Floats:
    """Share of its reference that a single contact attains, MuJoCo's ``solimp``, [K].

    Args:
        softness: ``solref`` and ``solimp``, [K, 7].
        depth: of penetration [m], [K].
    """
    out = np.zeros(len(depth))
    for k in range(len(depth)):
        low, high, width, middle, power = softness[k, 2:]
        x = abs(depth[k]) / width
        if x >= 1:
            out[k] = high
        else:
            rise = x**power / middle ** (power - 1)
            if x >= middle:
                rise = 1 - (1 - x) ** power / (1 - middle) ** (power - 1)
            out[k] = min(max(low + rise * (high - low), low), high)
    return out
