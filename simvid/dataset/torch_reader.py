"""Windows of a data set for torch's loaders. Imported by ``DataSet.torch`` alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch  # noqa: TID253  this file is loaded when torch is asked for

from simvid.dataset.reader import DataSet


class Windows(torch.utils.data.Dataset[dict[str, Any]]):  # type: ignore[misc]  # torch is optional: its classes are unknown
    """One item is one window: arrays by name as tensors [N, H, W, ...], ``weight``, ``name``, ``first``.

    It maps files and holds no open handles, so workers of a ``DataLoader`` share the page cache.
    """

    def __init__(
        self, data: DataSet, window: int, stride: int | None, arrays: Sequence[str] | None, decode: bool
    ) -> None:
        self._data, self._window, self._decode = data, window, decode
        self._arrays = None if arrays is None else tuple(arrays)
        self._places, self._weights = data.windows(window, stride), data.weights(window, stride)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        source, first = self._places[index]
        sample = self._data.sample(
            source, first, self._window, self._arrays, decode=self._decode, weights=self._weights
        )
        tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in sample.arrays.items()}
        return {**tensors, "weight": sample.weight, "name": sample.name, "first": sample.first}
