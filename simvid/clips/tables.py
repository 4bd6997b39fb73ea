"""Tables in a clip, as text that any program reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from simvid.trajectory import EVENTS, Trajectory

CONTACT_COLUMNS = (
    "frame", "time_s", "event", "id_a", "part_a", "id_b", "part_b", "point_x_m", "point_y_m", "point_z_m", "normal_x",
    "normal_y", "normal_z", "impulse_x_n_s", "impulse_y_n_s", "impulse_z_n_s", "depth_m",
)  # fmt: skip


def contact_rows(trajectory: Trajectory) -> Iterator[tuple[object, ...]]:
    """Rows of ``contacts.csv``."""
    c, names = trajectory.contacts, [p.name for p in trajectory.parts]
    for k in range(len(c)):
        a, b = int(c.id_a[k]), int(c.id_b[k])
        yield (
            int(c.frame[k]), float(c.time_s[k]), EVENTS[c.event[k]], a, names[a - 1], b, names[b - 1],
            *c.point_m[k].tolist(), *c.normal[k].tolist(), *c.impulse_n_s[k].tolist(), float(c.depth_m[k]),
        )  # fmt: skip


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write comma-separated values with a head line; floats keep all their digits."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(columns) + "\n")
        for row in rows:
            file.write(",".join(repr(v) if isinstance(v, float) else str(v) for v in row) + "\n")
