"""Decorators of the rendering kernels: numba's njit with the options and the disk cache that they share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba  # noqa: TID253  part of the cpu rasterizer, which is loaded only when it is asked for
from numba.core.caching import FunctionCache, IndexDataCacheFile  # noqa: TID253  as above
from numba.extending import intrinsic  # noqa: TID253  as above

RENDERING = Path(__file__).parents[1]

# Numba checks the types inside kernels; a type checker would not know the vectors, so to it kernels are Any.


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function on first call, without the interpreter lock, and keep the code on disk for later processes.

    The code lies where numba keeps it: ``NUMBA_CACHE_DIR`` if set, else ``__pycache__``, else the user's cache folder.
    Kernels allocate nothing: numba's reference counts, which cost inner loops dearly, are left out.
    """
    dispatcher = _njit(function, cache=True)
    dispatcher._cache = _KernelCache(function)
    return dispatcher


def inlined(function: Callable[..., Any]) -> Any:
    """A part of a kernel: always inlined, so that vectors stay in registers; never cached by itself."""
    return _njit(function, forceinline=True, no_cpython_wrapper=True)


def instruction(function: Callable[..., Any]) -> Any:
    """A numba intrinsic, which writes LLVM instructions; it sees integer literals as such."""
    return intrinsic(prefer_literal=True)(function)


def _njit(function: Callable[..., Any], **options: bool) -> Any:
    njit: Any = numba.njit
    return njit(nogil=True, error_model="numpy", boundscheck=False, _nrt=False, no_cfunc_wrapper=True, **options)(
        function
    )


def rasterizer_sources() -> frozenset[Path]:
    """Files that the cpu rasterizer's kernels are made of."""
    shared = (RENDERING / "raster.py", RENDERING / "kernels/jit.py", *RENDERING.glob("kernels/simd*.py"))
    return frozenset((*shared, *RENDERING.glob("cpu/*.py")))


@cache
def _sources_stamp(rasterizer: bool) -> str:
    """Hash of all sources of one group: a kernel calls functions of other files, of which numba alone takes no notice.

    The groups are the rasterizer's files, and all other files of rendering that use this module.
    """
    digest, own = hashlib.sha256(), rasterizer_sources()
    for path in sorted(RENDERING.rglob("*.py")):
        content, mine = path.read_bytes(), path in own
        if mine == rasterizer and (mine or b"kernels.jit import" in content):
            digest.update(content)
    return digest.hexdigest()


class _KernelCacheFile(IndexDataCacheFile):  # type: ignore[misc,unused-ignore]
    """Names each entry by its key. Numba numbers them, so two processes that compile at once could swap entries."""

    def save(self, key: Any, data: Any) -> None:
        name = self._data_name_pattern.format(number=int(hashlib.sha256(repr(key).encode()).hexdigest()[:12], 16))
        self._save_data(name, data)
        self._save_index({**self._load_index(), key: name})


class _KernelCache(FunctionCache):  # type: ignore[misc,unused-ignore]
    """Numba's cache of compiled functions: stale after a change in any kernel source, safe between processes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        rasterizer = Path(function.__code__.co_filename) in rasterizer_sources()
        self._cache_file = _KernelCacheFile(self._cache_path, self._impl.filename_base, _sources_stamp(rasterizer))
