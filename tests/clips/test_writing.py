"""Pictures are compressed beside their making: few wait, errors surface at once, what is written is the same."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.clips import writing
from simvid.clips.arrays import ArrayFile, ArrayWriter
from simvid.clips.video import probe
from simvid.errors import RenderError

SHAPE = (40, 16, 24)


def pictures(count: int = SHAPE[0], made: list[int] | None = None) -> Iterator[NDArray[np.uint8]]:
    for t in range(count):
        if made is not None:
            made.append(t)
        yield np.full((*SHAPE[1:], 3), t, np.uint8)


def test_all_is_written_in_order(tmp_path: Path) -> None:
    files = writing.write_refined(tmp_path, SHAPE, 20.0, pictures())
    assert set(files) == {"rgb.npz", "rgb.mp4"}
    assert [int(p[0, 0, 0]) for p in ArrayFile(tmp_path / "rgb.npz")] == list(range(SHAPE[0]))
    assert probe(tmp_path / "rgb.mp4").frames == SHAPE[0]


def test_few_wait_however_slow_the_writing_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    ahead: list[int] = []
    append, main = ArrayWriter.append, threading.get_ident()

    def slow(self: ArrayWriter, array: NDArray[Any]) -> None:
        assert threading.get_ident() != main, "the making of the next picture would wait"
        time.sleep(0.005)
        ahead.append(len(made) - int(array[0, 0, 0]))
        append(self, array)

    monkeypatch.setattr(ArrayWriter, "append", slow)
    writing.write_refined(tmp_path, SHAPE, 20.0, pictures(made=made))
    assert 2 <= max(ahead) <= writing.AHEAD + 2, "one is written, some wait, one is being made"


def test_a_full_disk_ends_the_making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def full(self: ArrayWriter, array: NDArray[Any]) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(ArrayWriter, "append", full)
    with pytest.raises(OSError, match="no space left"):
        writing.write_refined(tmp_path, SHAPE, 20.0, pictures(made=made))
    assert len(made) <= writing.AHEAD + 3


def test_wrong_pictures(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="the refiner gave 7 pictures; expected 40"):
        writing.write_refined(tmp_path, SHAPE, 20.0, pictures(7))
    wrong = iter([np.zeros((16, 24, 3), np.uint8), np.zeros((16, 24, 3), np.float32)])
    with pytest.raises(RenderError, match="refined picture 1: expected uint8"):
        writing.write_refined(tmp_path, SHAPE, 20.0, wrong)  # type: ignore[arg-type]
