"""The same jobs on a Ray cluster: one task per clip and core, on whatever machines are in it.

The job's folder must be on a disk that all machines share, and simvid installed on each. This process hands out the
tasks and keeps the records; it may be killed and run again like any other run of the job.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

from simvid.errors import JobError, MissingExtraError
from simvid.generating.pool import BEAT_S, Ended, PoolSettings, Task, same_code
from simvid.generating.worker import Make, Plain, hand_back, maker_of, memory_mb

NO_CORES_S = 60.0
"""How long a cluster may have no core at all before a run gives up [s]."""
CONNECT_S = 10.0
_makers: dict[str, Make] = {}


def do(kind: str, shared: Plain, key: str, task: Plain) -> Plain:
    """One task, in a worker of Ray, which keeps what the tasks of a job share."""
    if key not in _makers:
        _makers.clear()
        _makers[key] = maker_of(kind, shared)
    started, cpu = time.monotonic(), time.process_time()
    outcome = _makers[key](task)
    hand_back()
    return {"outcome": outcome, "memory_mb": memory_mb(), "wall_s": time.monotonic() - started,
            "cpu_s": time.process_time() - cpu}  # fmt: skip


class Cluster:
    """A Ray cluster for one kind of tasks. Enter it, then ``run``."""

    def __init__(self, address: str, kind: str, shared: Plain, settings: PoolSettings) -> None:
        """Choose a cluster.

        Args:
            address: as ``ray.init`` takes it, such as ``auto`` or ``10.0.0.5:6379``; ``local`` makes one here.
            kind: of tasks.
            shared: what they have in common.
            settings: of the workers; with ``workers`` 0 as many tasks are under way as the cluster has cores.
        """
        self._address, self._kind, self._shared, self._settings = address, kind, shared, settings
        self._ray: Any = None

    def __enter__(self) -> Cluster:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("ray", "cluster", "running a job on a Ray cluster") from error
        self._ray = ray
        _see_that_it_answers(self._address)
        environment = {"env_vars": {"PYTHONPATH": same_code()["PYTHONPATH"]}}
        asked: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING}
        if self._address == "local":
            asked |= {"include_dashboard": False, "num_cpus": self._settings.workers or None}
        try:
            ray.init(None if self._address == "auto" else self._address, runtime_env=environment, **asked)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _no_cluster(self._address, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._ray is not None:
            self._ray.shutdown()

    def cores(self) -> int:
        """How many tasks may be under way now."""
        there = int(self._ray.cluster_resources().get("CPU", 0))
        workers = self._settings.workers and self._settings.workers + self._settings.beside
        return min(workers or there, there)

    def run(self, tasks: Iterator[Task]) -> Iterator[Ended]:
        """Do tasks on all cores of the cluster, as ``Pool.run`` does; cores that join later are used too.

        Raises:
            JobError: there are tasks, and for a while there has been no core to do them.
        """
        remote = self._ray.remote(num_cpus=1, max_retries=0, max_calls=self._settings.tasks_each)(do)
        shared, key = self._ray.put(self._shared), f"{time.monotonic_ns()}-{os.getpid()}"
        under_way: dict[Any, tuple[Task, float]] = {}
        waiting: Task | None = None
        since = time.monotonic()
        while True:
            while (idle := len(under_way) < self.cores()) and (task := waiting or next(tasks, None)) is not None:
                waiting = None
                reference = remote.remote(self._kind, shared, key, task.values)
                under_way[reference] = (task, time.monotonic())
            if not under_way:
                if idle or (waiting := waiting or next(tasks, None)) is None:
                    return
                if time.monotonic() - since > NO_CORES_S:
                    raise self._no_cores()
                time.sleep(BEAT_S)
                continue
            since = time.monotonic()
            ready, _ = self._ray.wait(list(under_way), num_returns=1, timeout=BEAT_S)
            for reference in ready:
                task, _ = under_way.pop(reference)
                yield self._ended(task, reference)
            yield from self._late(under_way)

    def _no_cores(self) -> JobError:
        return JobError(f"--ray {self._address}: the cluster has had no core for {NO_CORES_S:g} s; add a node with "
                        f"some, as by  ray start --address HOST:PORT , and run it again")  # fmt: skip

    def _ended(self, task: Task, reference: Any) -> Ended:
        try:
            return Ended(task, **self._ray.get(reference))
        except self._ray.exceptions.RayTaskError as error:
            return Ended(task, None, f"the worker failed: {error.cause!r}")
        except self._ray.exceptions.RayError as error:
            return Ended(task, None, f"the worker died: {type(error).__name__}: {str(error).splitlines()[0]}")

    def _late(self, under_way: dict[Any, tuple[Task, float]]) -> Iterator[Ended]:
        """Stop what takes too long."""
        limit = self._settings.timeout_s
        for reference, (task, since) in list(under_way.items()):
            if limit is not None and time.monotonic() - since > limit:
                self._ray.cancel(reference, force=True)
                del under_way[reference]
                yield Ended(task, None, f"took longer than {limit:g} s and was stopped", timed_out=True, wall_s=limit)


def _see_that_it_answers(address: str) -> None:
    """Knock at HOST:PORT; Ray itself would wait for minutes where nobody is."""
    host, colon, port = address.rpartition(":")
    if not (colon and port.isdecimal() and "/" not in address):
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> JobError:
    return JobError(f"--ray {address}: no cluster there ({error}); start one with  ray start --head")
