"""Tells the user that Genesis compiles, before it does, while it does, and after.

Genesis' kernels depend on what a scene is made of: which shapes touch, which joints there are. Those of one kind are
compiled once, which takes minutes, and kept by Quadrants; a small file beside them says that a kind has been met.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any

import numpy as np

from simvid.assets.cache import key_of, write_atomically
from simvid.physics.genesis.session import kernel_folder, version

BEAT_S = 20.0
"""Between two lines of progress."""
USUAL = "one to three minutes"
_log = logging.getLogger(__name__)


def kind_of(m: Any, *more: object) -> str:
    """What the kernels of a MuJoCo model depend on, as a digest.

    Args:
        m: the model.
        more: what else they depend on.
    """
    from importlib.metadata import version as of

    touching = (m.geom_contype != 0) | (m.geom_conaffinity != 0)
    parts = (
        np.unique(m.geom_type[touching]).tolist(),
        np.unique(m.jnt_type).tolist(),
        np.unique(m.eq_type).tolist(),
        bool((m.geom_condim > 3).any()),
        bool(m.nv > 1),
    )
    return key_of(version(), of("quadrants"), *parts, *more)


class Compiling:
    """From the start of a build to the end of the first step; says nothing where the kind has been met before."""

    def __init__(self, kind: str) -> None:
        """Say that it starts."""
        self._mark = kernel_folder().parent / "kinds" / f"{kind}.json"
        self._started = time.perf_counter()
        self._done = threading.Event()
        self.new = not self._mark.is_file()
        if self.new:
            _log.warning(
                "Genesis meets this kind of scene for the first time and compiles its kernels: %s, once; they are "
                "kept in %s", USUAL, kernel_folder(),
            )  # fmt: skip
            threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while not self._done.wait(BEAT_S):
            _log.warning("Genesis still compiles, %.0f s so far", time.perf_counter() - self._started)

    def finish(self) -> None:
        """Say how long it took, and remember the kind."""
        if self._done.is_set():
            return
        self._done.set()
        took = time.perf_counter() - self._started
        if self.new:
            _log.warning("Genesis is ready after %.0f s; the next scene of this kind starts in seconds", took)
            write_atomically(self._mark, json.dumps({"seconds": round(took, 1)}).encode())

    def give_up(self) -> None:
        """Stop counting, after an error."""
        self._done.set()
