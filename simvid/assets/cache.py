"""The user's cache folder: results that are slow to make and cheap to make again."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


def cache_folder() -> Path:
    """``$SIMVID_CACHE_DIR``, else ``$XDG_CACHE_HOME/simvid``, else ``~/.cache/simvid``. Not created yet."""
    own = os.environ.get("SIMVID_CACHE_DIR")
    if own:
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared).expanduser() if shared else Path.home() / ".cache") / "simvid"


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

    Raises:
        TypeError: an array holds Python objects, which only pickle could store.
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


def load_arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    """Arrays written by ``store_arrays``; None where there is no file, or a damaged one, which is as good as none."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
