"""What jobs of many clips cost beside their clips, how they scale, and whether workers keep memory.

``python benchmarks/jobs.py [--scene table_top] [--count 20] [--memory 300] [--into FILE]`` prints what it finds and
puts it into ``benchmarks/results/jobs.json``. On a machine that does other things too, times by the clock mean little,
so its load is told; processor times are given beside them: if a clip takes two workers as much processor time as one,
two free cores make twice as many. A worker of several is kept to its share of the cores, and a lone one may draw on
all of them: both are compared with two, the lone one on one core and on all.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks_table import machine
from kills import SCENE

from simvid.generating.clip_task import shared_by_all
from simvid.generating.generate import Options, generate
from simvid.generating.job_folder import JobFolder, number
from simvid.generating.pool import Pool, PoolSettings, Task
from simvid.parsing import load_scene, parse_scene
from simvid.scene import Scene

RESULTS = Path(__file__).parent / "results" / "jobs.json"


def processor_s(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, and those it starts, to one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def scaling(scene: Scene, count: int, folder: Path) -> dict[str, Any]:
    """What a job costs beside its clips, and how much faster two workers are than one."""
    before = os.getloadavg()[0]
    generate(scene, folder / "warm", 1, Options(min_free_gb=0))
    with one_core():
        one = job(scene, count, 1, folder / "one")
    two = job(scene, count, 2, folder / "two")
    alone = job(scene, max(1, count // 2), 1, folder / "alone")
    idle = idle_parent(scene, count, folder / "one")
    return {
        "clips": count, "load_before": before, "load_after": os.getloadavg()[0], "one_worker_on_one_core": one,
        "two_workers": two, "one_worker_on_all_cores": alone,
        "overhead_per_clip_share": (one["parent_cpu_s"] - idle) / one["clips_cpu_s"],
        "speedup_by_the_clock": two["clips_per_hour"] / one["clips_per_hour"],
        "speedup_over_a_worker_on_all_cores": two["clips_per_hour"] / alone["clips_per_hour"],
        "speedup_by_processor_time": 2 * one["clips_cpu_s"] / two["clips_cpu_s"],
    }  # fmt: skip


def keep(told: Mapping[str, Any], into: Path) -> None:
    """Put figures into a file of them, in the place of earlier ones of the same names."""
    known = json.loads(into.read_text()) if into.is_file() else {}
    into.write_text(json.dumps({**known, "machine": machine(), **told}, indent=1) + "\n")


def job(scene: Scene, count: int, workers: int, folder: Path) -> dict[str, float]:
    """A job, and where its processor time went."""
    before = processor_s(resource.RUSAGE_SELF), processor_s(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    generate(scene, folder, count, Options(workers=workers, min_free_gb=0))
    wall = time.monotonic() - started
    parent = processor_s(resource.RUSAGE_SELF) - before[0]
    children = processor_s(resource.RUSAGE_CHILDREN) - before[1]
    made = JobFolder(folder).made().values()
    clips = sum(record.cpu_s for record in made)
    return {
        "wall_s": wall, "clips_per_hour": 3600 * count / wall, "clips_cpu_s": clips, "parent_cpu_s": parent,
        "start_of_workers_cpu_s": children - clips,
        "clip_cpu_s": statistics.median(record.cpu_s for record in made),
    }  # fmt: skip


def idle_parent(scene: Scene, count: int, folder: Path) -> float:
    """Processor time of the parent alone when nothing is left to be made: reading the scene, checking the records."""
    before = processor_s(resource.RUSAGE_SELF)
    generate(scene, folder, count, Options(min_free_gb=0))
    return processor_s(resource.RUSAGE_SELF) - before


def memory(count: int, folder: Path) -> dict[str, Any]:
    """Memory of one worker that is never replaced, over many short clips [MB]."""
    scene = parse_scene(SCENE, "short.yaml")
    shared = {"job": shared_by_all(scene, "refining", None), "out": str(folder)}
    tasks = iter([Task(number(k), {"name": number(k), "sample": k}) for k in range(count)])
    with Pool("clip", shared, PoolSettings(tasks_each=10**9, memory_mb=1e9)) as pool:
        held = [ended.memory_mb for ended in pool.run(tasks)]
    tenth = max(1, count // 10)
    return {
        "clips": count, "every_tenth_mb": [round(statistics.median(held[k : k + tenth]), 1)
                                           for k in range(0, count - tenth + 1, tenth)],
        "second_tenth_mb": statistics.median(held[tenth : 2 * tenth]),
        "last_tenth_mb": statistics.median(held[-tenth:]), "most_mb": max(held),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", default="table_top")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--memory", type=int, default=300)
    parser.add_argument("--into", type=Path, default=RESULTS)
    options = parser.parse_args()
    command, told = "python benchmarks/jobs.py ", dict[str, Any]()
    with tempfile.TemporaryDirectory() as name:
        if options.count:
            said = f"{command}--scene {options.scene} --count {options.count} --memory 0"
            told["overhead"] = {"command": said, **scaling(load_scene(options.scene), options.count, Path(name))}
        if options.memory:
            said = f"{command}--count 0 --memory {options.memory}"
            told["memory"] = {"command": said, **memory(options.memory, Path(name) / "memory")}
    print(json.dumps(told, indent=1))
    keep(told, options.into)
    return 0


if __name__ == "__main__":
    sys.exit(main())
