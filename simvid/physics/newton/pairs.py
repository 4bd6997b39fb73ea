"""What obstacles and deformable bodies did to each other in a frame, as a table of contacts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.physics.contact_table import FrameContacts
from simvid.physics.mpm.touches import Touches

Array = NDArray[np.float64]


class Pairs:
    """Sums of what obstacles and bodies did to each other in the steps of a frame."""

    def __init__(self, parts: NDArray[np.intp], soft: NDArray[np.intp]) -> None:
        self._parts, self._soft = parts, soft
        self._open: dict[tuple[int, int], Array] = {}

    def add(self, found: Touches, time_s: float) -> None:
        """Take one step's."""
        for k in range(len(found.obstacle)):
            key = (int(self._parts[found.obstacle[k]]), int(self._soft[found.body[k]]))
            weight = float(np.linalg.norm(found.impulse_n_s[k]))
            row = self._open.setdefault(key, np.array([time_s, *(0.0,) * 11]))
            row[1:4] += found.impulse_n_s[k]
            row[4] += weight
            row[5:8] += weight * found.point_m[k]
            row[8:11] += weight * found.normal[k]
            row[11] = max(row[11], found.depth_m[k])

    def take(self) -> FrameContacts:
        """As a table; starts anew. Pairs that only met without a push are left out."""
        kept = [(key, row) for key, row in self._open.items() if row[4] > 0]
        self._open = {}
        n = len(kept)
        a, b = np.zeros(n, np.int64), np.zeros(n, np.int64)
        rows = np.array([row for _, row in kept]).reshape(n, 12)
        signs = np.ones((n, 1))
        for k, ((rigid, soft), _) in enumerate(kept):
            a[k], b[k] = min(rigid, soft) + 1, max(rigid, soft) + 1
            signs[k] = 1.0 if rigid < soft else -1.0  # impulse is on the obstacle, normal out of it
        normal = rows[:, 8:11] / np.maximum(np.linalg.norm(rows[:, 8:11], axis=1, keepdims=True), 1e-300)
        return FrameContacts(
            a, b, rows[:, 0], rows[:, 5:8] / np.maximum(rows[:, 4:5], 1e-300), -signs * normal, signs * rows[:, 1:4],
            rows[:, 11],
        )  # fmt: skip
