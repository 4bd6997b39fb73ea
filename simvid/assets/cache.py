"""The user's cache folder: results that are slow to make and cheap to make again."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SimvidError

Arrays = Mapping[str, NDArray[Any]]
LIMIT = "SIMVID_CACHE_GB"
"""The variable that says how much a folder of the cache may hold."""
_DEFAULT_GB = 2.0
_LOOK_EVERY = 50
"""Arrays stored by this process in a folder between two looks at its size, the first of which is at once."""
_KEPT = 0.8
"""Share of the limit that a folder over it is brought down to."""
_stored: Counter[Path] = Counter()


def cache_folder() -> Path:
    """``$SIMVID_CACHE_DIR``, else ``$XDG_CACHE_HOME/simvid``, else ``~/.cache/simvid``. Not created yet."""
    own = os.environ.get("SIMVID_CACHE_DIR")
    if own:
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared).expanduser() if shared else Path.home() / ".cache") / "simvid"


def cache_limit() -> float:
    """Most bytes of arrays in one folder of the cache: ``$SIMVID_CACHE_GB`` (of 1e9 bytes), else two GB.

    Raises:
        SimvidError: the variable is no number above 0.
    """
    given = os.environ.get(LIMIT) or str(_DEFAULT_GB)
    try:
        size = float(given)
    except ValueError:
        size = 0.0
    if not 0 < size < float("inf"):
        raise SimvidError(f"{LIMIT}: expected a number of gigabytes above 0, got {given!r}; unset it for "
                          f"{_DEFAULT_GB:g}")  # fmt: skip
    return size * 1e9


def key_of(*parts: object) -> str:
    """Hex digest of arrays (dtype, shape, content), paths' bytes and anything with a stable ``repr``."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            data = np.ascontiguousarray(part)
            digest.update(f"{data.dtype.str}{data.shape}".encode())
            digest.update(data.tobytes())
        elif isinstance(part, bytes):
            digest.update(part)
        else:
            digest.update(repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name in the same folder and rename it; readers see all of it or nothing.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def store_arrays(path: Path, arrays: Arrays) -> None:
    """Write named arrays as a compressed .npz, atomically. A cache that cannot be written is left alone.

    Where its folder has come to hold more than ``cache_limit()``, what was not read for longest is removed.

    Raises:
        TypeError: an array holds Python objects, which only pickle could store.
        SimvidError: ``cache_limit`` is wrong.
    """
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise TypeError(f"expected arrays of numbers, got objects in {', '.join(objects)}")
    buffer = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(buffer, **named)
    try:
        write_atomically(path, buffer.getvalue())
    except OSError:
        return  # a full or read-only disk must not stop the work that the cache only speeds up
    if _stored[path.parent] % _LOOK_EVERY == 0:
        _trim(path.parent, cache_limit())
    _stored[path.parent] += 1


def _trim(folder: Path, limit: float) -> None:
    """Remove the arrays that were not read for longest. Other processes may do the same at the same time."""
    found: list[tuple[float, int, Path]] = []
    for path in folder.glob("*.npz"):
        with suppress(OSError):
            about = path.stat()
            found.append((about.st_mtime, about.st_size, path))
    size = sum(bytes_ for _, bytes_, _ in found)
    if size <= limit:
        return
    for _, bytes_, path in sorted(found):
        if size <= _KEPT * limit:
            return
        with suppress(OSError):
            path.unlink(missing_ok=True)
        size -= bytes_


def load_arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    """Arrays written by ``store_arrays``; None where there is no file, or a damaged one, which is as good as none.

    The file's time becomes now: it says when the arrays were last of use.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    with suppress(OSError):  # a cache that others own may be read all the same
        os.utime(path)
    return arrays
