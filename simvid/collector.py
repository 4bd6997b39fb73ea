"""Python's garbage collector, kept away from modules while they load.

What a module makes while it loads lives as long as the process: a search for garbage among it finds none. Large
packages (Newton keeps the syntax trees of its kernels: 600 000 objects) are searched again and again while they grow,
which costs as much as loading them, and twice more when the process ends.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

_own = Event()


@contextmanager
def paused() -> Iterator[None]:
    """Load modules in this: nothing is collected, and what is there afterwards counts as old.

    A collector that is off stays off. In a process of simvid's own (``own_process``) what is there afterwards is never
    searched again; else it is, as everything old: garbage of the caller's must not stay for good. The same where all
    modules were there already: a worker comes here with each clip, and would keep what the last one left.
    """
    if not gc.isenabled():
        yield
        return
    known = len(sys.modules)
    frozen = 0 if _own.is_set() else gc.get_freeze_count()  # counts one by one what a worker has frozen
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) == known:
            pass
        elif _own.is_set():
            gc.freeze()
        elif not frozen:  # what the caller froze must stay frozen
            gc.freeze()
            gc.unfreeze()  # into the oldest generation, without a search
        gc.enable()


def own_process() -> None:
    """Say that this process runs simvid's command line or tasks, and nothing else.

    Modules are then never searched, and at its end nothing is: memory goes back to the system at once. Files are closed
    by those who open them, as everywhere in simvid.
    """
    if not _own.is_set():
        _own.set()
        atexit.register(gc.freeze)
