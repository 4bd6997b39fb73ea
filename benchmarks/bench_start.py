"""From a fresh process to the first physics step, and whether two fresh processes give the same bytes.

Each scene of the shelf is read, prepared and simulated for a few frames in processes of their own; the first fills the
caches, the others are warm. Times are seconds from the start of the interpreter to the end of the first frame's steps,
by the clock and of the processor.

python benchmarks/bench_start.py [--quick] [--json FILE]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

SCENES = ("falling_stack", "franka_pick", "jelly_drop", "cloth_drape")
RUNS = 3
FRAMES = 4
CHILD = """
import json, sys, time
from simvid.assets.prepare import prepare
from simvid.jobs.backends import engine_of
from simvid.parsing import load_scene
from simvid.pipeline import first_frames
from simvid.randomize import as_written
from simvid.trajectory_io import digest
scene = first_frames(as_written(load_scene(sys.argv[1])), int(sys.argv[2]))
times = {}
def told(done, count):
    times.setdefault(done, (time.time(), time.process_time()))
made = engine_of(scene).use.simulate(prepare(scene), told)
print(json.dumps({"clock": times[2][0], "cpu_s": times[2][1], "digest": digest(made)}))
"""


def once(scene: str) -> dict[str, Any]:
    """One fresh process."""
    started = time.time()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, scene, str(FRAMES)], capture_output=True, text=True, check=True
    )  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"wall_s": told["clock"] - started, "cpu_s": told["cpu_s"], "digest": told["digest"]}


def run(quick: bool = False) -> dict[str, Any]:
    """Scene -> seconds to the first step of the first and of the best later process, and the digests."""
    result: dict[str, Any] = {}
    for scene in SCENES[:1] if quick else SCENES:
        runs = [once(scene) for _ in range(2 if quick else RUNS)]
        warm = min(runs[1:], key=lambda r: float(r["cpu_s"]))
        result[scene] = {
            "first_wall_s": runs[0]["wall_s"], "warm_wall_s": warm["wall_s"], "warm_cpu_s": warm["cpu_s"],
            "processes": len(runs), "same_bytes": len({r["digest"] for r in runs}) == 1, "digest": runs[0]["digest"],
        }  # fmt: skip
    return result


HEADER = ("scene", "first run, s", "warm, s", "warm, CPU s", "processes", "same bytes")


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Table rows."""
    return [
        (name, f"{f['first_wall_s']:.2f}", f"{f['warm_wall_s']:.2f}", f"{f['warm_cpu_s']:.2f}", str(f["processes"]),
         "yes" if f["same_bytes"] else "NO")
        for name, f in result.items()
    ]  # fmt: skip


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
