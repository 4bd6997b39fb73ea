"""How far from linear a job is on a Ray cluster of 64 workers: its tasks sleep as long as recorded clips took.

``python benchmarks/ray_scaling.py [JOB] [--workers 64] [--tasks 1920] [--mean 4]``; the lengths are processor
times of the clips in JOB, the folder of a job that ``simvid generate`` made, less those of first clips, which compile
(three times the median or more), scaled to a mean that fits a coffee break (shorter tasks make it harder), or as they
are with ``--mean 0``; or log-normal ones. All workers are real processes of Ray on this machine;
as they sleep, a few cores bear 64 of them. Everything else is that of a real job: hand-out, answers, records on disk.

What is lost has parts, told as shares of the workers' time: ``tail``, workers that find no task left while the last
ones run, which only who knows the lengths beforehand could avoid; ``start``, up to each worker's first task;
``between``, from one task's end to the next one's begin; ``late``, sleeps that end late because no core was free;
``end``, from the last task's end to its record. ``best_of_linear`` is what these tasks in this order reach with the
tail alone, ``of_best`` is how near to that the job came. Starting the workers is told apart and counts in neither.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from simvid.generating.job_folder import JobFolder, manifest_of, number
from simvid.generating.pool import Ended, PoolSettings, Task
from simvid.generating.ray_cluster import Cluster
from simvid.generating.running import Run

SPREAD = 0.25
"""Standard deviation of the logarithm of clip times."""
MEAN_S = 4.0
SETTLE = 20
"""Rounds that workers get to start."""


def lengths(job: Path | None, count: int, mean_s: float) -> list[float]:
    """Seconds of each task; with a mean of 0 as they were recorded."""
    rng = np.random.default_rng(0)
    if job is None:
        known = rng.lognormal(0.0, SPREAD, count)
    else:
        recorded = np.array([record.cpu_s for record in JobFolder(job).made().values()])
        known = rng.choice(recorded[recorded < 3 * np.median(recorded)], count)
    return [float(x) for x in (known / known.mean() * mean_s if mean_s else known)]


def best_s(seconds: list[float], workers: int) -> float:
    """How long the tasks take in this order when a worker that is free has the next one at once [s]."""
    free = [0.0] * workers
    for length in seconds:
        heapq.heapreplace(free, free[0] + length)
    return max(free)


class Watched:
    """A cluster, and what its tasks said about when they ran."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.ran: list[tuple[int, float, float, float]] = []
        """Process, begin, end, and the length that was asked for."""

    def run(self, tasks: Iterator[Task]) -> Iterator[Ended]:
        """Do tasks, as the cluster does."""
        for ended in self._cluster.run(tasks):
            if ended.outcome is not None:
                told = ended.outcome
                self.ran.append((told["pid"], told["began_s"], told["ended_s"], ended.task.values["seconds"]))
            yield ended

    def losses(self, started_s: float, ended_s: float, workers: int) -> dict[str, float]:
        """Where the time of the workers went, as shares of all of it."""
        every: dict[int, list[tuple[float, float, float]]] = {}
        for pid, began, ended, asked in sorted(self.ran, key=lambda x: x[1]):
            every.setdefault(pid, []).append((began, ended, asked))
        whole = workers * (ended_s - started_s)
        gaps = [b[0] - a[1] for spans in every.values() for a, b in itertools.pairwise(spans)]
        last = max(ended for spans in every.values() for _, ended, _ in spans)
        return {
            "processes": len(every),
            "start": sum(spans[0][0] - started_s for spans in every.values()) / whole,
            "between": sum(gaps) / whole, "between_median_s": float(np.median(gaps or [0])),
            "between_most_s": max(gaps, default=0),
            "late": sum(e - b - asked for spans in every.values() for b, e, asked in spans) / whole,
            "tail": sum(last - spans[-1][1] for spans in every.values()) / whole,
            "end": workers * (ended_s - last) / whole,
        }  # fmt: skip


def run_sleeping(cluster: Cluster, folder: Path, seconds: list[float], workers: int) -> dict[str, Any]:
    """A job of sleeping tasks; its time by the clock [s], and where it went."""
    job, watched = JobFolder(folder), Watched(cluster)
    job.begin(manifest_of("generate", {}, len(seconds), "benchmark"))
    tasks = [Task(number(k), {"name": number(k), "seconds": s}) for k, s in enumerate(seconds)]
    used = resource.getrusage(resource.RUSAGE_SELF)
    started = time.monotonic()
    end = Run(job, tasks)(watched)
    ended = time.monotonic()
    if end.made != len(seconds):
        raise AssertionError(f"{end.made} of {len(seconds)} tasks were done")
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return {"wall_s": ended - started, "driver_cpu_s": cpu_s, "lost": watched.losses(started, ended, workers)}


def until_all_run(cluster: Cluster, folder: Path, workers: int) -> float:
    """Jobs of a task per worker until each is done by a process of its own; how long they took [s].

    Ray starts its processes one after the other, and gives what waits to those that run already: they are not all there
    when the first job ends.
    """
    spent_s, there = 0.0, 0
    for k in range(SETTLE):
        told = run_sleeping(cluster, folder / f"settle{k}", [MEAN_S] * workers, workers)
        spent_s, there = spent_s + told["wall_s"], told["lost"]["processes"]
        if there == workers:
            return spent_s
    raise AssertionError(f"after {SETTLE} jobs only {there} of {workers} workers are there")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", nargs="?", type=Path)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--tasks", type=int, default=1920)
    parser.add_argument("--mean", type=float, default=MEAN_S)
    options = parser.parse_args()
    n, seconds = options.workers, lengths(options.job, options.tasks, options.mean)
    with (
        tempfile.TemporaryDirectory() as name,
        Cluster("local", "sleep", {"job": {}, "out": name}, PoolSettings(n, tasks_each=10**6)) as cluster,
    ):
        start_s = until_all_run(cluster, Path(name), n)
        told = run_sleeping(cluster, Path(name) / "job", seconds, n)
    linear_s, ideal_s = sum(seconds) / n, best_s(seconds, n)
    told = {
        "workers": n, "tasks": len(seconds), "mean_s": linear_s * n / len(seconds), "longest_s": max(seconds),
        "start_of_workers_s": start_s, "linear_s": linear_s, "best_s": ideal_s, **told,
        "of_linear": linear_s / told["wall_s"], "best_of_linear": linear_s / ideal_s,
        "of_best": ideal_s / told["wall_s"], "load_average": os.getloadavg()[0],
    }  # fmt: skip
    print(json.dumps(told, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
