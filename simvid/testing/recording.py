"""Recordings of rerun, read back by its own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

Rows: TypeAlias = dict[int | None, Any]
"""Frame (None for what holds always) -> value."""


class Read:
    """All values of a recording by entity and component."""

    def __init__(self, path: Path) -> None:
        from rerun.chunk import RrdReader

        reader = RrdReader(path)
        (self.recording,) = reader.recordings()
        assert reader.blueprints(), "a layout for the viewer"
        self.values: dict[tuple[str, str], Rows] = {}
        self.times: dict[int, set[float]] = {}
        for chunk in reader.stream(store=self.recording):
            batch = chunk.to_record_batch()
            columns = {name: batch.column(name) for name in batch.schema.names}
            frames = columns["frame"].to_pylist() if "frame" in columns else [None] * batch.num_rows
            for row, frame in enumerate(frames):
                if frame is not None:
                    seconds = columns["time"].cast("int64")[row].as_py() / 1e9
                    self.times.setdefault(frame, set()).add(round(seconds, 6))
                for name, column in columns.items():
                    if ":" in name and column[row].is_valid:
                        self.values.setdefault((chunk.entity_path.lstrip("/"), name), {})[frame] = column[row].as_py()

    def __call__(self, entity: str, component: str) -> Rows:
        """What an entity's component was, frame by frame."""
        return self.values[entity, component]
