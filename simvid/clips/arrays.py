"""Lossless arrays on disk, frame by frame: a zip of ``.npy`` files, which ``numpy.load`` opens without pickle.

Entry ``00012`` holds frame 12, so one frame can be read without the others. Entries are deflated (level 1), or stored
where that would save less than an eighth. Equal arrays give equal bytes.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from simvid.errors import ClipError

Array: TypeAlias = NDArray[Any]
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time written for every entry, so that files do not depend on the clock."""
LEVEL = 1
WORTH = 0.875
"""Deflate a frame if a sample of it shrinks below this share."""
SAMPLE_BYTES = 1 << 12
SAMPLES = 4


def _plain(array: Array) -> Array:
    """The same values, little-endian and in C order; arrays without dimensions stay so."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


class Digest:
    """SHA-256 over the decoded frames of one array: type, shape and bytes (little-endian, C order) of each in turn."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def add(self, array: Array) -> None:
        """Take one frame in."""
        plain = _plain(array)
        self._sha.update(f"{plain.dtype.str}{plain.shape}\n".encode())
        self._sha.update(plain.data if plain.size else b"")

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        return self._sha.hexdigest()


def digest(frames: Iterable[Array]) -> str:
    """Digest of an array given frame by frame."""
    total = Digest()
    for frame in frames:
        total.add(frame)
    return total.hexdigest()


class ArrayWriter:
    """Writes one array, frame after frame. ``digest`` is that of the frames written so far."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w")
        self._digest = Digest()
        self._count = 0

    def append(self, array: Array) -> None:
        """Write the next frame."""
        plain = _plain(array)
        self._digest.add(plain)
        _write_entry(self._zip, f"{self._count:05d}", plain)
        self._count += 1

    @property
    def digest(self) -> str:
        """64 hexadecimal digits."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Finish the file."""
        self._zip.close()


def _write_entry(archive: zipfile.ZipFile, name: str, plain: Array) -> None:
    """Add one ``.npy`` (version 1.0 of the format) to a zip; its bytes depend on the array alone."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(plain))
    data = plain.reshape(-1).view(np.uint8).data if plain.size else memoryview(b"")
    info = zipfile.ZipInfo(f"{name}.npy", EPOCH)
    info.external_attr = 0o644 << 16
    info.compress_type = zipfile.ZIP_DEFLATED if _shrinks(data) else zipfile.ZIP_STORED
    info._compresslevel = LEVEL  # type: ignore[attr-defined]  # public from Python 3.13 on, as compress_level
    info.file_size = head.tell() + len(data)
    with archive.open(info, "w") as entry:
        entry.write(head.getbuffer())
        entry.write(data)


def write_named(path: Path, arrays: Mapping[str, Array]) -> str:
    """Write a few named arrays as ``.npz`` with bytes that depend on them alone; their digest."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            _write_entry(archive, name, _plain(array))
    return named_digest(arrays)


def read_named(path: Path) -> dict[str, Array]:
    """Arrays written by ``write_named``.

    Raises:
        ClipError: the file is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError as error:
        raise ClipError(f"{path}: missing") from error
    except (OSError, ValueError, EOFError, KeyError, zlib.error, zipfile.BadZipFile) as error:
        raise ClipError(f"{path}: damaged ({error})") from error


def named_digest(arrays: Mapping[str, Array]) -> str:
    """SHA-256 over names and arrays, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(f"{name}={digest([arrays[name]])}\n".encode())
    return total.hexdigest()


def _shrinks(data: memoryview) -> bool:
    """Whether deflating pays, judged by a few samples spread over the frame."""
    if len(data) <= SAMPLES * SAMPLE_BYTES:
        return True
    starts = np.linspace(0, len(data) - SAMPLE_BYTES, SAMPLES).astype(int)
    sample = b"".join(data[s : s + SAMPLE_BYTES] for s in starts)
    return len(zlib.compress(sample, LEVEL)) < WORTH * len(sample)


class ArrayFile(Sequence[Array]):
    """An array on disk; frames are read when they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as archive:
            self._count = len(archive.namelist())

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"ArrayFile({self.path.name!r}, frames={self._count})"

    @overload
    def __getitem__(self, index: int) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> list[Array]: ...
    def __getitem__(self, index: int | slice) -> Array | list[Array]:
        if isinstance(index, slice):
            return list(self.read(range(*index.indices(self._count))))
        if not -self._count <= index < self._count:
            raise IndexError(f"{self.path.name}: frame {index} asked for, there are {self._count}")
        return next(self.read([index % self._count]))

    def __iter__(self) -> Iterator[Array]:
        return self.read(range(self._count))

    def read(self, indices: Iterable[int]) -> Iterator[Array]:
        """Some frames, one after another.

        Raises:
            ClipError: the file is damaged.
        """
        with self._open() as archive:
            for index in indices:
                try:
                    data = archive.read(f"{index:05d}.npy")
                    frame: Array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
                except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError) as error:
                    raise ClipError(f"{self.path}: frame {index} is damaged ({error})") from error
                yield frame

    def stack(self, indices: Sequence[int] | None = None) -> Array:
        """Some frames (all, where none are named) as one array [T, ...].

        Raises:
            ClipError: the file is damaged, or holds no frame.
        """
        wanted = range(self._count) if indices is None else indices
        stacked: Array | None = None
        for k, frame in enumerate(self.read(wanted)):
            if stacked is None:
                stacked = np.empty((len(wanted), *frame.shape), frame.dtype)
            stacked[k] = frame
        if stacked is None:
            raise ClipError(f"{self.path}: holds no frame")
        return stacked

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except FileNotFoundError as error:
            raise ClipError(f"{self.path}: missing") from error
        except (zipfile.BadZipFile, OSError) as error:
            raise ClipError(f"{self.path}: damaged or not an array file ({error})") from error
