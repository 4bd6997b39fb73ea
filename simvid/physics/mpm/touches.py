"""What obstacles and particles did to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Touches:
    """What happened between obstacles and bodies since it was last asked; rows of pairs that touched.

    Attributes:
        obstacle, body: indices, [R].
        impulse_n_s: on the obstacle, world, [R, 3].
        moment_n_m_s: of that about the obstacle's origin, [R, 3].
        point_m: mean place, weighted by impulse, world, [R, 3].
        normal: unit, mean weighted by impulse, out of the obstacle, [R, 3].
        depth_m: of the deepest particle's centre inside the obstacle, [R].
    """

    obstacle: NDArray[np.intp]
    body: NDArray[np.intp]
    impulse_n_s: Floats
    moment_n_m_s: Floats
    point_m: Floats
    normal: Floats
    depth_m: Floats

    @staticmethod
    def of(sums: NDArray[Any], origin: Floats) -> Touches:
        """From the kernels' sums [M, B, ``SUMS``], whose places are from ``origin``."""
        sums = sums.astype(np.float64)
        o, b = np.nonzero(sums[..., 11] > 0)
        rows = sums[o, b]
        point = rows[:, 7:10] / np.maximum(rows[:, 6:7], 1e-30) + origin
        normal = rows[:, 12:15] / np.maximum(np.linalg.norm(rows[:, 12:15], axis=1, keepdims=True), 1e-30)
        return Touches(o, b, rows[:, :3], rows[:, 3:6], point, normal, rows[:, 10])
