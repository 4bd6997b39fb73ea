"""Genesis in this process: started once, in double precision, on the CPU, and quiet."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.cache import cache_folder
from simvid.errors import MissingExtraError, PhysicsError

NEEDED = ("genesis", "quadrants", "torch")
"""Packages without which nothing works; the files of genesis-world alone (its robots and meshes) are not enough."""
VERSIONS = "1.4."
"""Of genesis-world: the stepping goes through its kernels, which no interface promises."""
KERNELS = "QD_OFFLINE_CACHE_FILE_PATH"
"""Environment variable of Quadrants: where it keeps compiled kernels."""


def require() -> None:
    """Refuse to go on without the packages of the extra.

    Raises:
        MissingExtraError: one is not installed.
        PhysicsError: another version than the one this was written for.
    """
    for package in NEEDED:
        if find_spec(package) is None:
            raise MissingExtraError(package, "genesis", "physics engine 'genesis'")
    found = version()
    if not found.startswith(VERSIONS):
        raise PhysicsError(f"physics engine 'genesis' needs genesis-world {VERSIONS}x, and finds {found}")


def version() -> str:
    """Of genesis-world."""
    from importlib.metadata import version as of

    return of("genesis-world")


def kernel_folder() -> Path:
    """Where compiled kernels are kept: ``genesis`` in simvid's cache folder, unless Quadrants' variable says."""
    given = os.environ.get(KERNELS)
    return Path(given) if given else cache_folder() / "genesis" / "kernels"


def start() -> Any:
    """The ``genesis`` module, initialised.

    Raises:
        MissingExtraError, PhysicsError: as ``require``.
    """
    require()
    folder = kernel_folder()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault(KERNELS, str(folder))
    os.environ.setdefault("QD_ENABLE_PYBUF", "0")  # else Quadrants takes the silenced stdout for a notebook
    with quiet(), _trimesh_as_it_was(), _small_numbers_kept():
        import genesis

        if not genesis._initialized:
            genesis.init(backend=genesis.cpu, precision="64", logging_level=logging.ERROR, seed=None)
    return genesis


@contextmanager
def _trimesh_as_it_was() -> Iterator[None]:
    """Genesis puts a reader of its own for OBJ into trimesh, which cannot read from memory; take it out again."""
    import trimesh.exchange.load as loading
    import trimesh.exchange.obj as reading

    reader = reading.load_obj
    try:
        yield
    finally:
        reading.load_obj = reader
        loading.mesh_loaders["obj"] = reader


@contextmanager
def _small_numbers_kept() -> Iterator[None]:
    """Genesis has this thread's processor take the smallest numbers (below 2.2e-308) for zero, in all that runs after
    it; take that back."""
    from torch import set_flush_denormal

    try:
        yield
    finally:
        set_flush_denormal(False)


@contextmanager
def quiet() -> Iterator[None]:
    """Without what Genesis and what it imports print and warn of on the way."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def view(tensor: Any) -> NDArray[Any]:
    """An array of Genesis as numpy sees it, without a copy."""
    from genesis.utils.misc import qd_to_torch

    return np.asarray(qd_to_torch(tensor, copy=False).numpy())
