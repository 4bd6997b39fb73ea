"""Arrays of a training pair, mapped from the disk when they are read.

A map keeps its file open for as long as it lives, and a data set has more arrays than a process may have open files.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.errors import ClipError
from simvid.refining.packed_pairs import ENDING, unpack

Array: TypeAlias = NDArray[Any]
Kind: TypeAlias = tuple[type[np.generic], tuple[int, ...]]
"""Type and shape."""
TOO_MANY = (errno.EMFILE, errno.ENFILE)


class PairArrays(Mapping[str, Array]):
    """NAME.npy of a folder by name, each mapped anew when it is asked for; NAME.webp are unpacked once.

    All are looked at in the beginning.

    Args:
        folder: of the clip.
        kinds: names and what each should be.

    Raises:
        ClipError: an array is missing, damaged or of another type or shape; so does whoever asks for one.
    """

    def __init__(self, folder: Path, kinds: Mapping[str, Kind]) -> None:
        self._unpacked: dict[str, Array] = {}
        self._places: dict[str, tuple[Path, int, Literal["C", "F"]]] = {}
        self._kinds = dict(kinds)
        for name in kinds:
            packed, plain = (folder / f"{name}{ending}" for ending in (ENDING, ".npy"))
            if packed.is_file():
                self._unpacked[name] = self._unpack(name, packed)
            else:
                self._places[name] = self._look_at(name, plain)

    def __getitem__(self, name: str) -> Array:
        if name in self._unpacked:
            return self._unpacked[name]
        (dtype, shape), (path, offset, order) = self._kinds[name], self._places[name]
        try:
            return np.memmap(path, dtype, "r", offset, shape, order)
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def _unpack(self, name: str, path: Path) -> Array:
        try:
            return unpack(path.read_bytes(), *self._kinds[name])
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error

    def _look_at(self, name: str, path: Path) -> tuple[Path, int, Literal["C", "F"]]:
        """Where the numbers are: file, offset [bytes], order of axes."""
        dtype, shape = self._kinds[name]
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(path, error) from error
        if array.shape != shape or array.dtype != dtype:
            raise ClipError(f"{path}: expected {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}; make the "
                            "clip again")  # fmt: skip
        return path, array.offset, "F" if np.isfortran(array) else "C"


def _damaged(path: Path, error: Exception) -> ClipError:
    return unread(path, error, f"missing or damaged ({error}); make the clip again")


def unread(path: Path, error: Exception, said: str) -> ClipError:
    """``said`` of a file that cannot be read, unless it is not the file's fault: too many are open."""
    if isinstance(error, OSError) and error.errno in TOO_MANY:
        said = "cannot be opened, as too many files are open; raise the limit  ulimit -n"
    return ClipError(f"{path}: {said}")
