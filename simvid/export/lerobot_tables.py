"""The parquet files of a LeRobotDataset v3.0."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from simvid.export.base import Episode
from simvid.export.statistics import Stats

DATA_MB = 100
CHUNK = 1000


def _place(folder: Path, number: int) -> Path:
    path = folder / f"chunk-{number // CHUNK:03d}" / f"file-{number % CHUNK:03d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


class DataFiles:
    """``data/``: one row per frame, one row group per episode; a file is closed when it is full."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "data"
        self._number, self._bytes = 0, 0
        self._writer: Any = None

    def add(self, columns: Mapping[str, NDArray[Any]], features: Mapping[str, Any]) -> int:
        """Write an episode; the number of the file that it is in."""
        import pyarrow as pa
        from pyarrow import parquet

        arrays = {name: _arrow(pa, values, features[name]) for name, values in columns.items()}
        table = pa.table(arrays)
        if self._writer is not None and self._bytes + table.nbytes > DATA_MB * 1e6:
            self.close()
            self._number, self._bytes = self._number + 1, 0
        if self._writer is None:
            path = _place(self._folder, self._number)
            self._writer = parquet.ParquetWriter(path, table.schema, compression="snappy")
        self._writer.write_table(table, row_group_size=max(len(table), 1))
        self._bytes += table.nbytes
        return self._number

    def close(self) -> None:
        """Write the footer; without it the file cannot be read."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _arrow(pa: Any, values: NDArray[Any], feature: Mapping[str, Any]) -> Any:
    """A column: scalars where the shape is (1,), lists of fixed length otherwise."""
    kind = pa.from_numpy_dtype(np.dtype(feature["dtype"]))
    flat = pa.array(values.reshape(-1).astype(feature["dtype"]), kind)
    (length,) = feature["shape"]
    return flat if length == 1 else pa.FixedSizeListArray.from_arrays(flat, length)


def episode_row(
    number: int,
    task: str,
    episode: Episode,
    first: int,
    file: int,
    videos: Mapping[str, int],
    stats: Mapping[str, Stats],
) -> dict[str, Any]:
    """A row of ``meta/episodes``."""
    clip = episode.clip
    row: dict[str, Any] = {
        "episode_index": number, "tasks": [task], "length": clip.frame_count,
        "data/chunk_index": file // CHUNK, "data/file_index": file % CHUNK,
        "dataset_from_index": first, "dataset_to_index": first + clip.frame_count,
        "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0,
    }  # fmt: skip
    for key, place in videos.items():
        row |= {f"videos/{key}/chunk_index": place // CHUNK, f"videos/{key}/file_index": place % CHUNK,
                f"videos/{key}/from_timestamp": 0.0,
                f"videos/{key}/to_timestamp": clip.frame_count / clip.fps}  # fmt: skip
    for name, values in stats.items():
        row |= {f"stats/{name}/{key}": value.tolist() for key, value in values.items()}
    return row


def write_episodes(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """``meta/episodes``, one row per episode."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pylist(list(rows))
    parquet.write_table(table, _place(folder / "meta" / "episodes", 0), compression="snappy")


def write_tasks(folder: Path, tasks: Sequence[str]) -> None:
    """``meta/tasks.parquet``; readers look tasks up by pandas' index, which the schema names."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(
        {"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(list(tasks), pa.string())}
    )

    def column(name: str, kind: str, numpy_type: str) -> dict[str, Any]:
        return {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_type, "metadata": None}

    about = {
        "index_columns": ["task"],
        "column_indexes": [column("", "unicode", "object") | {"name": None, "field_name": None,
                                                             "metadata": {"encoding": "UTF-8"}}],
        "columns": [column("task_index", "int64", "int64"), column("task", "unicode", "object")],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.3",
    }  # fmt: skip
    table = table.replace_schema_metadata({"pandas": json.dumps(about)})
    parquet.write_table(table, folder / "meta" / "tasks.parquet", compression="snappy")
