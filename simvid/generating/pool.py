"""Worker processes on this machine: each does one task at a time, may be killed, and is replaced before it leaks."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simvid.generating.worker import Plain

TAIL = 2000
"""Characters of a dead worker's last words that are kept."""
BEAT_S = 0.5
"""How often deadlines are looked at [s]."""


@dataclass(frozen=True)
class Task:
    """A task: its name, and the plain values that make it."""

    name: str
    values: Plain


@dataclass(frozen=True)
class Ended:
    """How one attempt at a task ended.

    Attributes:
        task: which.
        outcome: what the worker answered; None where it did not.
        reason: why not: how it died, or that time was up.
        timed_out: whether it was the time.
        wall_s, cpu_s: what it took in the worker [s].
        memory_mb: what the worker held afterwards.
    """

    task: Task
    outcome: Plain | None
    reason: str = ""
    timed_out: bool = False
    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_mb: float = 0.0


@dataclass(frozen=True)
class PoolSettings:
    """How a pool treats its processes.

    Attributes:
        workers: how many.
        beside: how many more, for tasks that come beside the others; they share the cores of the first ones.
        timeout_s: a worker that takes longer for a task is killed; None lets it take as long as it likes.
        tasks_each: after so many tasks a fresh process takes over.
        memory_mb: and when one holds more than this.
    """

    workers: int = 1
    timeout_s: float | None = None
    tasks_each: int = 200
    memory_mb: float = 4000.0
    beside: int = 0


@dataclass(eq=False)
class _Process:
    """One worker."""

    share: int
    popen: subprocess.Popen[bytes]
    words: Any
    task: Task | None = None
    since: float = 0.0
    done: int = 0
    unread: bytes = b""

    def said(self) -> str:
        """Its last words on stderr."""
        self.words.seek(0, os.SEEK_END)
        self.words.seek(max(0, self.words.tell() - TAIL))
        return str(self.words.read().decode(errors="replace")).strip()


def same_code() -> dict[str, str]:
    """The environment, in which a new Python finds this very simvid."""
    here = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{known}" if known else here}


class Pool:
    """Processes for one kind of tasks. Enter it, then ``run``."""

    def __init__(self, kind: str, shared: Plain, settings: PoolSettings, keep: Iterable[int] = ()) -> None:
        """``keep``: open files that the workers hold too, such as a lock that must outlive this process with them."""
        self._first = {"kind": kind, "shared": shared, "parent": os.getpid(), "shares": settings.workers}
        self._settings, self._keep = settings, tuple(keep)
        self._processes: dict[int, _Process] = {}
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for process in list(self._processes.values()):
            process.popen.kill()
            self._forget(process)
        self._selector.close()

    @property
    def pids(self) -> list[int]:
        """Of the processes that are at work."""
        return [process.popen.pid for process in self._processes.values()]

    def run(self, tasks: Iterator[Task]) -> Iterator[Ended]:
        """Do tasks side by side. The next one is taken only when a worker is free, and results come as they end.

        Tasks are read from an iterator that may grow while this runs: it is asked again after each result.
        """
        free = deque(range(self._settings.workers + self._settings.beside))
        while True:
            while free and (task := next(tasks, None)) is not None:
                share = free.popleft()
                self._give(share, task)
            busy = [p for p in self._processes.values() if p.task is not None]
            if not busy:
                return
            for process in self._ready():
                ended = self._result(process)
                if ended is not None:
                    free.append(process.share)
                    yield ended

    def _give(self, share: int, task: Task) -> None:
        process = self._processes.get(share)
        if process is None or process.popen.poll() is not None:
            if process is not None:
                self._forget(process)
            process = self._start(share)
        process.task, process.since = task, time.monotonic()
        self._tell(process, task.values)

    def _start(self, share: int) -> _Process:
        words = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the process
        popen = subprocess.Popen(
            [sys.executable, "-P", "-m", "simvid.generating.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=words, pass_fds=self._keep, env=same_code(),
        )  # fmt: skip
        process = _Process(share, popen, words)
        self._processes[share] = process
        assert popen.stdout is not None
        os.set_blocking(popen.stdout.fileno(), False)
        self._selector.register(popen.stdout, selectors.EVENT_READ, process)
        self._tell(process, {**self._first, "share": share % self._settings.workers})
        return process

    def _tell(self, process: _Process, values: Plain) -> None:
        assert process.popen.stdin is not None
        try:
            process.popen.stdin.write(json.dumps(values).encode() + b"\n")
            process.popen.stdin.flush()
        except BrokenPipeError:
            pass  # it is dead, which its stdout tells too

    def _ready(self) -> list[_Process]:
        """Processes that have something to say, or whose time is up."""
        ready = {key.data.share: key.data for key, _ in self._selector.select(BEAT_S)}
        limit, now = self._settings.timeout_s, time.monotonic()
        for process in self._processes.values():
            if limit is not None and process.task is not None and now - process.since > limit:
                ready.setdefault(process.share, process)
        return list(ready.values())

    def _result(self, process: _Process) -> Ended | None:
        """What a process has to say about its task; None if nothing yet."""
        assert process.popen.stdout is not None
        chunk = process.popen.stdout.read(1 << 20)
        process.unread += chunk or b""
        line, newline, rest = process.unread.partition(b"\n")
        task = process.task
        if newline and task is not None:
            process.unread, process.task, process.done = rest, None, process.done + 1
            answer = json.loads(line)
            if process.done >= self._settings.tasks_each or answer["memory_mb"] > self._settings.memory_mb:
                self._retire(process)
            return Ended(task, **answer)
        if chunk == b"":  # its end of the pipe is closed
            reason = _how_it_died(process)
            self._forget(process)
            return None if task is None else Ended(task, None, reason)
        limit = self._settings.timeout_s
        if task is not None and limit is not None and time.monotonic() - process.since > limit:
            process.popen.kill()
            self._forget(process)
            return Ended(task, None, f"took longer than {limit:g} s and was stopped", timed_out=True, wall_s=limit)
        return None

    def _retire(self, process: _Process) -> None:
        """Let a process end by itself; a fresh one takes over."""
        assert process.popen.stdin is not None
        process.popen.stdin.close()
        try:
            process.popen.wait(10)
        except subprocess.TimeoutExpired:
            process.popen.kill()
        self._forget(process)

    def _forget(self, process: _Process) -> None:
        assert process.popen.stdout is not None
        assert process.popen.stdin is not None
        self._selector.unregister(process.popen.stdout)
        process.popen.stdout.close()
        with suppress(BrokenPipeError):
            process.popen.stdin.close()
        process.popen.wait()
        process.words.close()
        if self._processes.get(process.share) is process:
            del self._processes[process.share]


def _how_it_died(process: _Process) -> str:
    code = process.popen.wait()
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    words = process.said()
    return f"the worker process {how}" + (f"; it said: {words}" if words else "")
