"""64 worlds of one small randomized scene: one run after another, against ways to step them together.

Wall and CPU seconds of 64 worlds:

- processes: ``simvid simulate SCENE --sample K``, a process for each; a few are timed, 64 are their multiple;
- runs: ``simvid.simulate(sample(scene, k))`` in one process, set-up and record of each world included; as above;
- batch: ``simvid.simulate_many(scene, range(64))``, the same trajectories to the last bit;
- steps: ``mujoco.mj_step`` world after world, set up once, nothing drawn, corrected or recorded;
- threads: ``mujoco.rollout``, the same in C with one and two threads.

python benchmarks/bench_worlds.py [--quick] [--json FILE]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from mujoco import rollout

import simvid
from simvid.assets.prepare import prepare
from simvid.physics.newton.world import build_world
from simvid.randomize import as_written, sample
from simvid.trajectory_io import digest

HEADER = ("way", "wall s", "CPU s", "less CPU than processes", "less CPU than runs")
WORLDS, SECONDS = 64, 1.0
TEXT = (
    f"simvid: 1\nduration_s: {SECONDS}\nfps: 50\nphysics: {{step_s: 0.002}}\nground: {{}}\nbodies:\n"
    + "".join(
        f"  - {{name: box_{k}, shape: {{box: {{size_m: 0.1}}}}, mass_kg: 1.0, "
        f"pose: {{position_m: [0, 0, {0.06 + 0.12 * k:.2f}]}}}}\n"
        for k in range(6)
    )
    + "cameras: [{name: front, pose: {look_from_m: [2, -2, 1], look_at_m: [0, 0, 0.4]}}]\n"
    + "randomize:\n"
    + "".join(f"  bodies.box_{k}.pose: {{jitter: {{position_m: 0.001, rotation_deg: 0.5}}}}\n" for k in range(6))
    + "  bodies.box_0.mass_kg: {uniform: [0.5, 2.0]}\n"
)
"""Six boxes that fall onto each other, each a little askew."""


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds, of all threads and of processes that have ended."""
    wall, cpu, below = time.perf_counter(), time.process_time(), children()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu + children() - below


def children() -> float:
    """CPU seconds of processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def processes(path: Path, count: int) -> None:
    """The command line, sample after sample."""
    for k in range(count):
        command = [sys.executable, "-m", "simvid.cli", "simulate", path, "--sample", str(k), "--out", path.parent, "-q"]
        subprocess.run(command, check=True, capture_output=True)


def starts(m: Any, d: Any, worlds: int) -> np.ndarray:
    """Full states of worlds that differ a little, [N, S]."""
    kind = mujoco.mjtState.mjSTATE_FULLPHYSICS
    state = np.zeros(mujoco.mj_stateSize(m, kind))
    mujoco.mj_getState(m, d, state, kind)
    found = np.tile(state, (worlds, 1))
    found[:, 1] += np.random.default_rng(0).uniform(-1e-3, 1e-3, worlds)  # the first body's x
    return found


def one_by_one(m: Any, states: np.ndarray, steps: int) -> None:
    """World after world."""
    d = mujoco.MjData(m)
    for state in states:
        mujoco.mj_setState(m, d, state, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        for _ in range(steps):
            mujoco.mj_step(m, d)


def together(m: Any, states: np.ndarray, steps: int, threads: int) -> None:
    """All worlds by MuJoCo's own threads."""
    with rollout.Rollout(nthread=threads) as pool:
        pool.rollout(m, [mujoco.MjData(m) for _ in range(threads)], states, nstep=steps)


def run(*, quick: bool = False) -> dict[str, Any]:
    """Seconds for all worlds, by way."""
    worlds, tried, begun = (8, 2, 1) if quick else (WORLDS, 16, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "worlds.yaml"
        path.write_text(TEXT)
        scene = simvid.load_scene(path)
        one = [simvid.simulate(sample(scene, 0)[0])]  # loads and compiles
        processes(path, 1)
        found = {"processes": scaled(timed(lambda: processes(path, begun)), worlds / begun)}
    one = []
    single = timed(lambda: one.extend(simvid.simulate(sample(scene, k)[0]) for k in range(tried)))
    found["runs"] = scaled(single, worlds / tried)
    batch: list[simvid.Trajectory] = []
    found["batch"] = timed(lambda: batch.extend(simvid.simulate_many(scene, range(worlds))))
    same = [digest(a) == digest(b) for a, b in zip(one, batch, strict=False)]
    world = build_world(prepare(as_written(scene)))
    m, d = world.m, world.d
    steps = round(SECONDS / m.opt.timestep)
    states = starts(m, d, worlds)
    found["steps"] = timed(lambda: one_by_one(m, states, steps))
    for threads in (1, 2):
        found[f"threads {threads}"] = timed(lambda n=threads: together(m, states, steps, n))
    seconds = {k: [round(x, 3) for x in v] for k, v in found.items()}
    return {"worlds": worlds, "steps": steps, "same_bytes": all(same), "compared": len(same), "seconds": seconds}


def scaled(spent: tuple[float, float], factor: float) -> tuple[float, float]:
    """Seconds of more of the same."""
    return spent[0] * factor, spent[1] * factor


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table."""
    found = result["seconds"]
    most, many = found["processes"][1], found["runs"][1]
    return [
        (name, f"{wall:.2f}", f"{cpu:.2f}", f"{most / cpu:.1f}", f"{many / cpu:.1f}")
        for name, (wall, cpu) in found.items()
    ]


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
