"""Share a loop between threads. The kernels called here let go of the interpreter lock (``nogil=True``)."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Workers:
    """A pool that lives as long as a render; with one thread it is a plain call.

    Every index is worked on alone, so results do not depend on the number of threads.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or usable_cores()
        self._pool = ThreadPoolExecutor(self.threads - 1, "simvid-render") if self.threads > 1 else None

    def run(self, body: Callable[[int, int], None], count: int, *, least: int = 1) -> None:
        """Call ``body(start, stop)`` over [0, count) in as many pieces as there are threads.

        ``least`` is the smallest piece worth a thread. The first exception of a piece is raised here.
        """
        pieces = max(1, min(self.threads, count // max(least, 1)))
        edges = [count * k // pieces for k in range(pieces + 1)]
        if self._pool is None or pieces == 1:
            body(0, count)
            return
        waiting = [self._pool.submit(body, edges[k], edges[k + 1]) for k in range(1, pieces)]
        body(edges[0], edges[1])
        for piece in waiting:
            piece.result()

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
