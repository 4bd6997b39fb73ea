"""64 worlds of one small scene: one run after another, against ways to step them together. Wall and CPU seconds.

- runs: ``NewtonPhysics().simulate``, set-up and record of each world included; a few are timed, 64 are their multiple;
- steps: ``mujoco.mj_step`` world after world, set up once, nothing recorded;
- threads: ``mujoco.rollout``, the same in C with one and two threads, nothing recorded.

python benchmarks/bench_worlds.py [--quick]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
from mujoco import rollout

from simvid.assets.parts import SceneAssets
from simvid.physics.newton.engine import NewtonPhysics
from simvid.physics.newton.world import build_world
from simvid.scene import Ground
from simvid.testing.physics_scenes import at, box, small_assets, small_scene

HEADER = ("way", "wall s", "CPU s", "faster than runs", "faster than steps")
WORLDS, SECONDS = 64, 1.0


def stack() -> SceneAssets:
    """Six boxes that fall onto each other."""
    bodies = [box(f"box_{k}", pose=at(0, 0, 0.06 + 0.12 * k)) for k in range(6)]
    return small_assets(small_scene(bodies, ground=Ground(), seconds=SECONDS))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


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
    worlds = 8 if quick else WORLDS
    assets = stack()
    NewtonPhysics().simulate(assets)  # compiles
    world = build_world(assets)
    m, d = world.m, world.d
    steps = round(SECONDS / m.opt.timestep)
    states = starts(m, d, worlds)
    tried = 2 if quick else 6
    wall, cpu = timed(lambda: [NewtonPhysics().simulate(assets) for _ in range(tried)])
    found = {"runs": (wall * worlds / tried, cpu * worlds / tried)}
    found["steps"] = timed(lambda: one_by_one(m, states, steps))
    for threads in (1, 2):
        found[f"threads {threads}"] = timed(lambda n=threads: together(m, states, steps, n))
    return {"worlds": worlds, "steps": steps, "seconds": {k: [round(x, 3) for x in v] for k, v in found.items()}}


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table."""
    found = result["seconds"]
    return [
        (name, f"{wall:.2f}", f"{cpu:.2f}", f"{found['runs'][0] / wall:.1f}", f"{found['steps'][0] / wall:.1f}")
        for name, (wall, cpu) in found.items()
    ]


if __name__ == "__main__":
    from benchmarks_table import show

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    show("worlds", HEADER, rows(run(quick=parser.parse_args().quick)))
