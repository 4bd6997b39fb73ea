"""From contacts per frame and pair to the table of a trajectory, with its begin, persist and end events."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simvid.trajectory import EVENTS, Contacts

Array = NDArray[np.float64]
BEGIN, PERSIST, END = (EVENTS.index(name) for name in ("begin", "persist", "end"))


@dataclass(frozen=True, eq=False)
class FrameContacts:
    """Contacts of the steps that end in one frame, one row per pair of parts, any order.

    Attributes:
        id_a, id_b: part ids with id_a < id_b, [N].
        time_s: end of the first step with contact, [N].
        point_m: [N, 3].
        normal: unit, from b to a, [N, 3].
        impulse_n_s: on a by b, [N, 3].
        depth_m: [N].
    """

    id_a: NDArray[np.int64]
    id_b: NDArray[np.int64]
    time_s: Array
    point_m: Array
    normal: Array
    impulse_n_s: Array
    depth_m: Array


@dataclass(eq=False)
class ContactTable:
    """Collects frames; engines add them in order, from frame 1 on."""

    _frame: int = 0
    _open: dict[tuple[int, int], tuple[Array, Array]] = field(default_factory=dict)
    _rows: list[tuple[int, float, int, int, Array, Array, Array, float, int]] = field(default_factory=list)

    def add(self, contacts: FrameContacts, frame_time_s: float) -> None:
        """Take the contacts of the next frame."""
        self._frame += 1
        now: dict[tuple[int, int], tuple[Array, Array]] = {}
        rows = []
        for k in np.lexsort((contacts.id_b, contacts.id_a)):
            pair = (int(contacts.id_a[k]), int(contacts.id_b[k]))
            now[pair] = (contacts.point_m[k], contacts.normal[k])
            event = PERSIST if pair in self._open else BEGIN
            rows.append(
                (self._frame, float(contacts.time_s[k]), *pair, contacts.point_m[k], contacts.normal[k],
                 contacts.impulse_n_s[k], float(contacts.depth_m[k]), event)
            )  # fmt: skip
        for pair, (point, normal) in self._open.items():
            if pair not in now:
                rows.append((self._frame, frame_time_s, *pair, point, normal, np.zeros(3), 0.0, END))
        self._rows.extend(sorted(rows, key=lambda row: row[2:4]))
        self._open = now

    def finish(self) -> Contacts:
        """The table."""
        if not self._rows:
            return Contacts.none()
        frame, time, a, b, point, normal, impulse, depth, event = zip(*self._rows, strict=True)
        return Contacts(
            frame=np.array(frame, np.int32),
            time_s=np.array(time, np.float64),
            id_a=np.array(a, np.int32),
            id_b=np.array(b, np.int32),
            point_m=np.array(point, np.float64),
            normal=np.array(normal, np.float64),
            impulse_n_s=np.array(impulse, np.float64),
            depth_m=np.array(depth, np.float64),
            event=np.array(event, np.uint8),
        )
