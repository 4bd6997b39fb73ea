"""Compiles the rendering kernels in two processes of their own while physics still runs; only the first run needs it.

``python -m simvid.rendering.ahead BACKEND SHARE`` calls half of the kernels (see ``ahead_shares``), so that numba's
disk cache holds them afterwards; both halves are every kernel of a plain camera. Numba compiles in Python, on one core:
two processes take half the time of one. Whether a share was done is known from a file in the cache folder; a wrong one
costs time only.
"""

from __future__ import annotations

import gc
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from simvid.assets.cache import cache_folder, key_of, write_atomically
from simvid.rendering.kernels.threads import usable_cores

TIME_LIMIT_S = 300.0
"""A machine on which compiling takes longer gains nothing by waiting for it."""
SHARES = ("light", "splats")
"""Names of the functions in ``ahead_shares``; either takes about as long as the other."""


class Compiling:
    """Compiling processes, or none."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]] = ()) -> None:
        self._processes = processes

    def running(self) -> bool:
        """Whether one is still at work."""
        return any(process.poll() is None for process in self._processes)

    def wait(self) -> None:
        """Wait until the kernels are there. Where a process failed they are compiled when first called."""
        end = time.monotonic() + TIME_LIMIT_S
        try:
            for process in self._processes:
                process.wait(max(end - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self.stop()

    def stop(self) -> None:
        """End them; what they have compiled stays."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()


@contextmanager
def compiling(backend: str) -> Iterator[Compiling]:
    """Start compiling for a rendering backend unless that was done before, or there is no second core to do it on."""
    processes: list[subprocess.Popen[bytes]] = []
    work = Compiling(processes)
    try:
        if usable_cores() > 1:
            processes += (_start(backend, share) for share in SHARES if not marker(backend, share).exists())
        yield work
    finally:
        work.stop()


def _start(backend: str, share: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "simvid.rendering.ahead", backend, share]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def marker(backend: str, share: str) -> Path:
    """A file that is there once a share of this code's kernels is compiled, by this numba, for this machine."""
    package = Path(__file__).resolve().parents[1]
    files = sorted([*(package / "rendering").rglob("*.py"), *(package / "assets").rglob("*.py")])
    numba = {name: value for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_")}
    sources = [path.read_bytes() for path in files]
    key = key_of(backend, share, sys.version, metadata.version("numba"), platform.node(), numba, str(package), *sources)
    return cache_folder() / "compiled" / key


def main(backend: str, share: str) -> None:
    """Compile one share, without collecting garbage: numba makes little of it, and much to search through."""
    gc.disable()
    from simvid.rendering import ahead_shares

    getattr(ahead_shares, share)(backend)
    write_atomically(marker(backend, share), b"")


if __name__ == "__main__":
    main(*sys.argv[1:])
