"""What a worker process does: one task after the other, told and answered in lines of JSON.

``python -m simvid.generating.worker`` reads its orders from stdin: the first line says what kind of tasks there will be
and what they share, each further line is a task. Answers go to the stdout it was started with; whatever libraries print
goes to stderr. It ends when stdin does, and at once when the process that started it is gone.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from typing import Any, Protocol, TypeAlias

from simvid import collector

Plain: TypeAlias = dict[str, Any]
KINDS = {
    "clip": "simvid.generating.clip_task",
    "replay": "simvid.generating.replay_task",
    "refine": "simvid.generating.replay_task",
    "check": "simvid.generating.check_task",
    "pair": "simvid.generating.pair_job",
    "sleep": "simvid.testing.sleeping",
}
"""Kind of task -> module with ``maker(kind, shared)``, which returns what makes one task of it."""
ENCODING = "simvid.generating.encode_task"
"""The same for tasks with ``encode`` in them, where the job has a data set: they come between its other tasks."""


class Make(Protocol):
    """Makes one task from its plain values; the outcome is plain too."""

    def __call__(self, task: Plain) -> Plain:
        """Do it."""
        ...


def maker_of(kind: str, shared: Plain) -> Make:
    """What makes tasks of a kind.

    Args:
        kind: a key of ``KINDS``.
        shared: what all tasks of the job have in common.
    """
    with collector.paused():
        module = import_module(KINDS[kind])
    make: Make = module.maker(kind, shared)
    if shared.get("data_set") is None:
        return make
    encode: Make = import_module(ENCODING).maker(kind, shared)
    return lambda task: encode(task) if "encode" in task else make(task)


def keep_to(share: int, shares: int) -> None:
    """Let this process run on its share of the cores, where the system can be told so."""
    if shares > 1 and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        mine = cores[share % len(cores) :: shares] if len(cores) >= shares else cores
        os.sched_setaffinity(0, mine)


def memory_mb() -> float:
    """Memory that this process holds now [MB]; the most it ever held where the system does not say."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123  # a path object for each clip would be no clearer
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def hand_back() -> None:
    """Give memory that was freed back to the system: what threads freed here and there would stay with the process."""
    with suppress(AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def die_with(parent: int) -> None:
    """End this process when the one that started it ends, even by kill -9."""
    if sys.platform == "linux":
        pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pdeathsig, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    if sys.platform != "linux":
        threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    """Read, do, answer."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    orders = iter(sys.stdin.readline, "")
    first: Plain = json.loads(next(orders))
    die_with(first["parent"])
    keep_to(first["share"], first["shares"])
    make = maker_of(first["kind"], first["shared"])
    for line in orders:
        started, cpu = time.monotonic(), time.process_time()
        outcome = make(json.loads(line))
        hand_back()
        spent = {"wall_s": time.monotonic() - started, "cpu_s": time.process_time() - cpu}
        answers.write(json.dumps({"outcome": outcome, "memory_mb": memory_mb(), **spent}) + "\n")
    return 0


if __name__ == "__main__":
    collector.own_process()
    sys.exit(main())
