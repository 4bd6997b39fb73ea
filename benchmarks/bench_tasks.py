"""How often the shelf's robot tasks succeed: every ``scenes/task_*.yaml`` over seeds, physics only.

A seed draws what the scene randomizes, grasps and paths. A run counts where all of the scene's ``success`` predicates
hold at the last frame; a run that ends with an error counts as a failure.

python benchmarks/bench_tasks.py [--seeds N] [--only NAME ...] [--json FILE]

A file that exists is gone on with: what is in it is not tried again.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from simvid.assets.prepare import prepare
from simvid.errors import SimvidError
from simvid.parsing import load_scene
from simvid.physics.newton.engine import NewtonPhysics
from simvid.randomize import sample
from simvid.success import outcomes

SHELF = Path(__file__).resolve().parent.parent / "scenes"


def tasks() -> list[Path]:
    """The task scenes."""
    return sorted(SHELF.glob("task_*.yaml"))


def attempt(path: Path, seed: int) -> tuple[bool, str, float]:
    """Whether a task succeeds, what was missing if not, and CPU seconds."""
    scene, _ = sample(load_scene(path, [f"seed={seed}"]), 0)
    began = time.process_time()
    try:
        assets = prepare(scene)
        found = outcomes(assets, NewtonPhysics().simulate(assets))
    except SimvidError as error:
        return False, str(error), time.process_time() - began
    missing = "; ".join(f"{o.text()}: {o.found}" for o in found if not o.true)
    return not missing, missing, time.process_time() - began


def main() -> None:
    """Run all tasks seed by seed, so that an interrupted run has tried each equally often."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=None, help="names such as task_pick_place")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    chosen = [p for p in tasks() if arguments.only is None or p.stem in arguments.only]
    table: dict[str, dict[str, Any]] = {}
    if arguments.json is not None and arguments.json.exists():
        table = json.loads(arguments.json.read_text())
    for path in chosen:
        table.setdefault(path.stem, {"seeds": [], "succeeded": 0, "cpu_s": 0.0, "failures": {}})
    for seed in range(arguments.seeds):
        for path in [p for p in chosen if seed not in table[p.stem]["seeds"]]:
            good, missing, cpu_s = attempt(path, seed)
            row = table[path.stem]
            row["seeds"].append(seed)
            row["succeeded"] += good
            row["cpu_s"] = round(row["cpu_s"] + cpu_s, 2)
            if not good:
                row["failures"][str(seed)] = missing
                print(f"{path.stem} seed {seed}: {missing}", flush=True)
            if arguments.json is not None:
                arguments.json.write_text(json.dumps(table, indent=1) + "\n")
    for name, row in table.items():
        tried = len(row["seeds"])
        print(f"{name:<24} {row['succeeded']:>3} of {tried:<3} {row['cpu_s'] / max(tried, 1):6.1f} CPU-s each")


if __name__ == "__main__":
    main()
