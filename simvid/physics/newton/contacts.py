"""Reads MuJoCo's contacts after every step and sums them up per frame and pair of parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.physics.contact_table import FrameContacts
from simvid.physics.newton.kernels import STRIDE, Pairs, Places, Rows, record

Array = NDArray[np.float64]


class ContactRecorder:
    """Sums of the contacts of one frame's steps, by pair of parts. Nothing is allocated in a step."""

    def __init__(self, ids: NDArray[np.int32], step_s: float) -> None:
        """Start empty.

        Args:
            ids: part id of each geom, [ngeom].
            step_s: physics step [s].
        """
        self._ids, self._step = ids, step_s
        self._allocate(256)

    def _allocate(self, places: int) -> None:
        self._pairs = Pairs(
            np.full(places, -1, np.int64), np.zeros(places // 2 + 1, np.int64), np.zeros((places, STRIDE))
        )

    def add(self, contact: Any, rows: Rows, force: Array, time_s: float) -> None:
        """Add the contacts of a step that ends at ``time_s``."""
        if int(self._pairs.used[0]) + len(rows.address) >= len(self._pairs.keys) // 2:
            self._grow(len(rows.address))
        places = Places(contact.dist, contact.pos, contact.frame)
        record(rows, places, force, self._ids, self._step, time_s, self._pairs)

    def _grow(self, more: int) -> None:
        """Make room for as many pairs again, keeping what is there."""
        before, places = self._pairs, self._places()
        size = len(before.keys)
        while size < 4 * (len(places) + more):
            size *= 2
        self._allocate(size)
        keys, used, sums = self._pairs
        for place in places:
            key = int(before.keys[place])
            new = (key ^ (key >> 17)) & (size - 1)
            while keys[new] != -1:
                new = (new + 1) & (size - 1)
            keys[new] = key
            sums[new] = before.sums[place]
            used[0] += 1
            used[used[0]] = new

    def _places(self) -> NDArray[np.int64]:
        return self._pairs.used[1 : int(self._pairs.used[0]) + 1]

    def take(self) -> FrameContacts:
        """The sums so far; starts anew."""
        places = self._places().copy()
        rows, keys = self._pairs.sums[places], self._pairs.keys[places]
        weight = rows[:, 4:5]
        pushed = weight[:, 0] > 0
        point, normal = rows[:, 12:15].copy(), rows[:, 15:18].copy()
        point[pushed] = rows[pushed, 5:8] / weight[pushed]
        normal[pushed] = rows[pushed, 8:11]
        unpushed = np.linalg.norm(normal, axis=1, keepdims=True)
        self._pairs.keys[places] = -1
        self._pairs.used[0] = 0
        return FrameContacts(
            keys >> 31, keys & (2**31 - 1), rows[:, 0], point, normal / np.maximum(unpushed, 1e-300), rows[:, 1:4],
            np.maximum(rows[:, 11], 0.0),
        )  # fmt: skip
