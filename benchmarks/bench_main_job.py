"""The main job, from a cold process: ``simvid run franka_push``, cold (empty caches) and warm, by stage.

The same again with the bundled refiner, as ``make demo`` does it, where its weights are on the shelf.

python benchmarks/bench_main_job.py [--json FILE]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks_table import NotHereError
from refiner_weights import trained

SCENE = "franka_push"


def measured(out: Path, caches: Path, scene: str, *more: str) -> dict[str, Any]:
    """One run in a fresh process: wall and CPU seconds, peak memory [MB], seconds by stage."""
    env = os.environ | {"SIMVID_CACHE_DIR": str(caches), "NUMBA_CACHE_DIR": str(caches / "numba")}
    command = [sys.executable, "-m", "simvid.cli", "run", scene, "--out", str(out), "--json", "--quiet", *more]
    started = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    report = json.loads(text)
    return {
        "wall_s": wall,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
        "stages_s": report["stages_s"],
        "content_hash": report["content_hash"],
    }


def run(quick: bool = False) -> dict[str, Any]:
    """Cold, warm (caches kept, new output folder) and reused (same output folder); cold and warm, refined."""
    scene = "falling_stack" if quick else SCENE
    with tempfile.TemporaryDirectory() as folder:
        caches, out = Path(folder, "caches"), Path(folder, "out")
        cold = measured(out / "cold", caches, scene)
        warm = measured(out / "warm", caches, scene)
        reused = measured(out / "warm", caches, scene)
    hashes = {cold["content_hash"], warm["content_hash"], reused["content_hash"]}
    found = {"scene": scene, "cold": cold, "warm": warm, "reused": reused, "hashes_equal": len(hashes) == 1}
    return found | refined(scene)


def refined(scene: str = SCENE) -> dict[str, Any]:
    """Cold and warm with the bundled refiner; nothing where there is none."""
    try:
        entry = trained()
    except NotHereError:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        caches = Path(folder, "caches")
        cold, warm = (measured(Path(folder, name), caches, scene, "--refiner", entry) for name in ("cold", "warm"))
    return {"refined_cold": cold, "refined_warm": warm, "refined_hashes_equal": cold["content_hash"] ==
            warm["content_hash"]}  # fmt: skip


HEADER = ("case", "wall s", "CPU s", "peak MB", "stages [wall s]")


def rows(result: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Table rows: case, wall, CPU, memory, stages."""
    table = []
    for case in ("cold", "warm", "reused", "refined_cold", "refined_warm"):
        if (r := result.get(case)) is None:
            continue
        stages = "  ".join(f"{k} {v:.1f}" for k, v in r["stages_s"].items())
        table.append((case.replace("_", " "), f"{r['wall_s']:.1f}", f"{r['cpu_s']:.1f}", f"{r['peak_mb']:.0f}", stages))
    return table


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
