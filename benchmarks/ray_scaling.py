"""How far from linear a job is on a Ray cluster of 64 workers: its tasks sleep as long as recorded clips took.

``python benchmarks/ray_scaling.py [JOB] [--workers 64] [--tasks 1920] [--mean 4]``; the lengths are processor
times of the clips in JOB, the folder of a job that ``simvid generate`` made, less those of first clips, which compile
(three times the median or more), scaled to a mean that fits a coffee break (shorter tasks make it harder); or
log-normal ones. All workers are real processes of Ray on this machine;
as they sleep, a few cores bear 64 of them. Everything else is that of a real job: hand-out, answers, records on disk.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from simvid.generating.job_folder import JobFolder, manifest_of, number
from simvid.generating.pool import PoolSettings, Task
from simvid.generating.ray_cluster import Cluster
from simvid.generating.running import Run

SPREAD = 0.25
"""Standard deviation of the logarithm of clip times."""


def lengths(job: Path | None, count: int, mean_s: float) -> list[float]:
    """Seconds of each task."""
    rng = np.random.default_rng(0)
    if job is None:
        known = rng.lognormal(0.0, SPREAD, count)
    else:
        recorded = np.array([record.cpu_s for record in JobFolder(job).made().values()])
        known = rng.choice(recorded[recorded < 3 * np.median(recorded)], count)
    return [float(x) for x in known / known.mean() * mean_s]


def run_sleeping(cluster: Cluster, folder: Path, seconds: list[float]) -> float:
    """A job of sleeping tasks; its time by the clock [s]."""
    job = JobFolder(folder)
    job.begin(manifest_of("generate", {}, len(seconds), "benchmark"))
    tasks = [Task(number(k), {"name": number(k), "seconds": s}) for k, s in enumerate(seconds)]
    started = time.monotonic()
    end = Run(job, tasks)(cluster)
    if end.made != len(seconds):
        raise AssertionError(f"{end.made} of {len(seconds)} tasks were done")
    return time.monotonic() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", nargs="?", type=Path)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--tasks", type=int, default=1920)
    parser.add_argument("--mean", type=float, default=4.0)
    options = parser.parse_args()
    n, seconds = options.workers, lengths(options.job, options.tasks, options.mean)
    with (
        tempfile.TemporaryDirectory() as name,
        Cluster("local", "sleep", {"job": {}, "out": name}, PoolSettings(n, tasks_each=10**6)) as cluster,
    ):
        start_s = run_sleeping(cluster, Path(name) / "start", [options.mean] * n)
        start_s += run_sleeping(cluster, Path(name) / "settle", [options.mean] * n)
        wall_s = run_sleeping(cluster, Path(name) / "job", seconds)
    linear_s = sum(seconds) / n
    told: dict[str, Any] = {
        "workers": n, "tasks": len(seconds), "mean_s": options.mean, "longest_s": max(seconds),
        "start_of_workers_s": start_s, "linear_s": linear_s, "wall_s": wall_s, "of_linear": linear_s / wall_s,
    }  # fmt: skip
    print(json.dumps(told, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
