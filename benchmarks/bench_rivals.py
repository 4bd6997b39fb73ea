"""Our cpu rasterizer against others on one scene: whole colour frames, one thread each, CPU time, in turns.

python benchmarks/bench_rivals.py [--quick] [--json FILE]

The scene is bench_renderer's room: 100,000 Gaussians at 640 x 480 px with harmonics of degree 3. Every rival has a file
of its own, ``rivals_*.py``, which says what it does and what it needs (benchmarks/requirements.txt); what is not
installed is named and left out. A rival that draws by our rules must give our picture, the others one like it: its PSNR
to ours is in the table. Times are medians of frames drawn in turns, in milliseconds of the process's own CPU time.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bench_renderer import camera, room
from benchmarks_table import NotHereError

from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.testing.clouds import psnr_db

RIVALS = ("rivals_warp", "rivals_numba", "rivals_quads", "rivals_newton")


def cpu_ms(draw: Callable[[], Any]) -> float:
    """CPU milliseconds of one call."""
    started = time.process_time()
    draw()
    return 1e3 * (time.process_time() - started)


def prepared(
    scene: dict[str, Any], view: dict[str, Any], picture: Any
) -> dict[str, tuple[Any, Callable[[], Any], float]]:
    """Each rival that is here: its module, its frame, and how near its picture comes to ours [dB]."""
    found = {}
    for name in RIVALS:
        try:
            module = importlib.import_module(name)
            draw = module.prepare(scene, view)
        except NotHereError as missing:
            print(missing)
            continue
        near = psnr_db(np.asarray(draw(), np.float32), picture)
        if near < module.LEAST_DB:
            raise SystemExit(f"{module.NAME}: its picture is not ours: {near:.1f} dB, expected {module.LEAST_DB}")
        found[name] = module, draw, near
    return found


def run(quick: bool = False) -> dict[str, Any]:
    """Milliseconds of ours and of each rival, and their ratio."""
    n, rounds = (20_000, 2) if quick else (100_000, 9)
    scene, view = room(n), camera(640, 480)
    scene.pop("normals")
    ours = CpuRasterizer(threads=1)
    picture = ours.rasterize(**scene, **view).features
    rivals = prepared(scene, view, picture)
    times: dict[str, list[float]] = {name: [] for name in ("ours", *rivals)}
    for _ in range(rounds):
        for name, (_, draw, _) in rivals.items():
            times["ours"] += [cpu_ms(lambda: ours.rasterize(**scene, **view)) for _ in range(4)]
            times[name].append(cpu_ms(draw))
    ours.close()
    middle = {name: statistics.median(values) for name, values in times.items() if values}
    figures = {
        module.NAME: {
            "ms": middle[name],
            "ratio": middle[name] / middle["ours"],
            "target": module.TARGET,
            "psnr_db": near,
        }
        for name, (module, _, near) in rivals.items()
    }
    return {"gaussians": n, "width": 640, "height": 480, "ours_ms": middle.get("ours"), "rivals": figures}


HEADER = ("640x480, SH degree 3, one thread", "CPU ms / frame", "times ours", "wanted", "PSNR to ours [dB]")


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Table rows."""
    table = [(f"simvid cpu, {result['gaussians']:,} Gaussians", f"{result['ours_ms'] or 0:.1f}", "1", "", "")]
    for name, r in result["rivals"].items():
        table.append((name, f"{r['ms']:.0f}", f"{r['ratio']:.1f}", f">= {r['target']:.0f}", f"{r['psnr_db']:.0f}"))
    return table


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
