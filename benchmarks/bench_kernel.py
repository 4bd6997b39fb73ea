"""The cpu rasterizer at its limit: forward and backward, one thread and two, beside the floor of its arithmetic.

python benchmarks/bench_kernel.py [--quick] [--json FILE]

The scene is that of bench_renderer.py. Times are the least of many frames; forward and backward take turns, so that
neighbours on the machine disturb both alike. The floor is what the arithmetic would take if nothing else took time:

- useful: pairs of pixel and splat with an alpha of 1/255 or more before light has ended, at 30 operations each (two of
  them a multiply-add), and 600 for projecting and colouring a Gaussian in view;
- vectors: what our own kernel does with sixteen lanes, of which not all are useful: blocks of 4 x 4 pixels, one vector
  each, at 18 vector instructions of arithmetic per splat (73 in the compiled loop over four, of 109 in all), and
  listing splats with the blocks they touch, at 300 per sixteen splats and tile; projection as above.

Both are divided by the rate of multiply-adds measured in the same run, on one core.

"2 threads" is one thread's time over two threads' on two cores that are free: each share of the work is timed by
itself, one after the other, and the longest of each step counts. The wall times are in the JSON file too; they say the
same only where two cores are to be had, which "two_cores" there tells (2: both are free, 1: they are busy).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numba
import numpy as np
import psutil
from bench_renderer import camera, room

from simvid.rendering.cpu import blend as cpu_blend
from simvid.rendering.cpu.backward import GradientRasterizer, PictureGradient
from simvid.rendering.cpu.backward_layout import Gradients
from simvid.rendering.cpu.layout import LOG2_SCALE, MEAN_X, MEAN_Y, PEAK, TILE, U_X, U_Y, V_Y, Splats
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.simd import fma
from simvid.rendering.kernels.simd_memory import load, store
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.raster import ALPHA_MAX, ALPHA_MIN, STOP_TRANSMITTANCE, checked_job
from simvid.testing.clouds import random_cloud

FLOP_PER_USEFUL, FLOP_PER_GAUSSIAN = 30, 600
PER_BLOCK, PER_GROUP = 18, 300
LANES = 16
ROUNDS = 200_000


@kernel
def multiply_adds(n: int, data: Any) -> None:
    """Ten chains of multiply-adds, n long: as fast as the processor can."""
    x, y = load(data, 0), load(data, 16)
    a = b = c = d = e = f = g = h = i = j = load(data, 32)
    for _ in range(n):
        a, b, c, d, e = fma(a, x, y), fma(b, x, y), fma(c, x, y), fma(d, x, y), fma(e, x, y)
        f, g, h, i, j = fma(f, x, y), fma(g, x, y), fma(h, x, y), fma(i, x, y), fma(j, x, y)
    store(data, 48, a + b + c + d + e + f + g + h + i + j)


@numba.njit(cache=True, error_model="numpy")
def count(records, stride, starts, order, grid):  # type: ignore[no-untyped-def]
    """Useful pairs of pixel and splat; vectors of a block that are blended; splats gathered in all tiles."""
    width, height, columns, rows = grid
    useful, blocks, gathered = 0, 0, 0
    light = np.empty(16, np.float32)
    for tile in range(columns * rows):
        most = 0
        for block in range(16):
            left, top = (tile % columns) * TILE + (block & 3) * 4, (tile // columns) * TILE + (block >> 2) * 4
            if left >= width or top >= height:
                continue
            light[:] = 1
            for k in range(16):
                if left + k % 4 >= width or top + k // 4 >= height:
                    light[k] = 0
            for entry in range(starts[tile], starts[tile + 1]):
                r = order[entry] * stride
                touched = False
                alive = False
                for k in range(16):
                    dx = np.float32(left + k % 4 + 0.5) - records[r + MEAN_X]
                    dy = np.float32(top + k // 4 + 0.5) - records[r + MEAN_Y]
                    u, v = records[r + U_X] * dx + records[r + U_Y] * dy, records[r + V_Y] * dy
                    alpha = min(ALPHA_MAX, 2 ** (LOG2_SCALE * (records[r + PEAK] - u * u - v * v)))
                    if alpha >= ALPHA_MIN:
                        touched = True
                        if light[k] > 0:
                            left_over = light[k] * (1 - alpha)
                            light[k] = left_over if left_over > STOP_TRANSMITTANCE else 0
                            useful += 1
                    alive = alive or light[k] > 0
                blocks += touched
                if not alive:
                    break
                most = max(most, entry + 1 - starts[tile])
        gathered += most
    return useful, blocks, gathered


def best(bodies: dict[str, Callable[[], Any]], repeats: int) -> dict[str, tuple[float, float]]:
    """Least CPU and wall milliseconds of each, in turns of five: what a frame leaves in the caches serves the next."""
    for body in bodies.values():
        body()
    result = dict.fromkeys(bodies, (math.inf, math.inf))
    for _ in range(-(-repeats // 5)):
        for name, body in [(name, body) for name, body in bodies.items() for _ in range(5)]:
            c, w = time.process_time(), time.perf_counter()
            body()
            c, w = time.process_time() - c, time.perf_counter() - w
            result[name] = min(result[name][0], 1e3 * c), min(result[name][1], 1e3 * w)
    return result


def gigaflops(repeats: int = 20) -> float:
    """Measured rate of one core: two per multiply-add and lane."""
    data = np.zeros(64, np.float32)
    ms = best({"peak": lambda: multiply_adds(ROUNDS, data)}, repeats)["peak"][0]
    return 10 * ROUNDS * LANES * 2 / ms / 1e6


def lists_of(arguments: dict[str, Any]) -> tuple[Splats, Any]:
    """The splats and tile lists of a picture."""
    captured: list[Any] = []
    blend = cpu_blend.blend
    cpu_blend.blend = lambda *given: (captured.append(given), blend(*given))[1]
    try:
        CpuRasterizer(threads=1).rasterize(**arguments)
    finally:
        cpu_blend.blend = blend
    return captured[0][2], captured[0][1]


def floor(arguments: dict[str, Any], rate: float) -> dict[str, float]:
    """Counts and the two floors [ms]."""
    splats, grid = lists_of(arguments)
    useful, blocks, gathered = count(splats.records, splats.stride, splats.starts, splats.order, tuple(grid))
    seen = len(np.unique(splats.order[: splats.starts[-1]]))
    projection = seen * FLOP_PER_GAUSSIAN
    vectors = (blocks * PER_BLOCK + gathered / LANES * PER_GROUP) * LANES * 2
    return {
        "useful_pairs": int(useful), "block_vectors": int(blocks), "gathered": int(gathered), "seen": seen,
        "lane_use": float(useful / (LANES * blocks)),
        "useful_ms": (useful * FLOP_PER_USEFUL + projection) / rate / 1e6,
        "vectors_ms": (vectors + projection) / rate / 1e6,
    }  # fmt: skip


class InTurns:
    """In place of ``Workers``: one share after the other; ``saved_s`` is what two free cores would have saved."""

    threads = 2

    def __init__(self) -> None:
        self.saved_s = 0.0

    def run(self, body: Callable[[int, int], None], count: int, *, least: int = 1) -> None:
        pieces = max(1, min(self.threads, count // max(least, 1)))
        edges = [count * k // pieces for k in range(pieces + 1)]
        times = []
        for first, last in pairwise(edges):
            start = time.thread_time()
            body(first, last)
            times.append(time.thread_time() - start)
        self.saved_s += sum(times) - max(times)


def on_two_cores(rasterizer: CpuRasterizer, body: Callable[[], Any], repeats: int) -> float:
    """Least milliseconds that two free cores would take."""
    result, workers = math.inf, InTurns()
    rasterizer._workers = workers  # type: ignore[assignment]
    for _ in range(repeats):
        start, workers.saved_s = time.thread_time(), 0.0
        body()
        result = min(result, 1e3 * (time.thread_time() - start - workers.saved_s))
    return result


def two_cores(repeats: int = 100) -> float:
    """Work that two threads get done in the time in which one does one's: 2 if both cores are free."""
    data, workers = [np.zeros(64, np.float32) for _ in range(2)], Workers(2)

    def share(first: int, last: int) -> None:
        for k in range(first, last):
            multiply_adds(ROUNDS, data[k])

    wall = best({"one": lambda: share(0, 1), "two": lambda: workers.run(share, 2)}, repeats)
    return 2 * wall["one"][1] / wall["two"][1]


def gradient_step(scene: dict[str, Any], view: dict[str, Any], threads: int) -> tuple[GradientRasterizer, Any, Any]:
    """A rasterizer, and functions that draw and go back from a picture gradient of random numbers."""
    rest: dict[str, Any] = dict.fromkeys(("features", "sh_rotations", "owner")) | {"near_m": 0.01, "far_m": 1e6}
    given = {**{k: v for k, v in scene.items() if k != "owner"}, **view, **rest}
    job = checked_job(**given, eps2d=0.3, want=frozenset())
    rng, size, n = np.random.default_rng(0), (view["height"], view["width"]), len(job)
    by = PictureGradient(rng.normal(size=(*size, 3)).astype(np.float32), rng.normal(size=size).astype(np.float32))
    out = Gradients(*(np.zeros(k * n, np.float32) for k in (3, 4, 3, 1, 48, 0)))
    rasterizer = GradientRasterizer(threads)
    drawn = rasterizer.draw(job)
    return rasterizer, lambda: rasterizer.draw(job), lambda: rasterizer.backward(drawn, by, out)


def speed(n: int, width: int, height: int, repeats: int, rate: float) -> dict[str, Any]:
    """One scene and size."""
    scene, view = room(n), camera(width, height)
    del scene["normals"]
    bodies: dict[str, Callable[[], Any]] = {}
    for threads in (1, 2):
        rasterizer = CpuRasterizer(threads)
        bodies[f"forward {threads}"] = lambda r=rasterizer: r.rasterize(**scene, **view)
        bodies[f"backward {threads}"] = gradient_step(scene, view, threads)[2]
    times = best(bodies, repeats)
    rasterizer = CpuRasterizer(2)
    forward = on_two_cores(rasterizer, lambda: rasterizer.rasterize(**scene, **view), repeats)
    fitter, _, step = gradient_step(scene, view, 2)
    backward = on_two_cores(fitter, step, repeats)
    low = floor({**scene, **view}, rate)
    return {
        "gaussians": n, "width": width, "height": height, **low,
        **{f"{k.replace(' ', '_')}_cpu_ms": v[0] for k, v in times.items()},
        **{f"{k.replace(' ', '_')}_wall_ms": v[1] for k, v in times.items()},
        "forward_over_vectors": times["forward 1"][0] / low["vectors_ms"],
        "backward_over_forward": times["backward 1"][0] / times["forward 1"][0],
        "two_threads": times["forward 1"][0] / forward,
        "two_threads_backward": times["backward 1"][0] / backward,
    }  # fmt: skip


def memory(frames: int) -> dict[str, Any]:
    """Resident memory [MiB] before and after many frames of three sizes in turn, forward and backward."""
    clouds = [random_cloud(k, 2000 + 500 * k, degree=3, features=0, width=120 + 30 * k, height=90) for k in range(3)]
    rasterizer, process = CpuRasterizer(2), psutil.Process()
    steps = [
        gradient_step({k: c[k] for k in ("means", "quats", "scales", "opacities", "sh")},
                      {k: c[k] for k in ("viewmat", "K", "width", "height")}, 2)[1:] for c in clouds
    ]  # fmt: skip

    def body(k: int) -> None:
        rasterizer.rasterize(**clouds[k % 3])
        for step in steps[k % 3]:
            step()

    for k in range(frames // 10):
        body(k)
    before = process.memory_info().rss
    for k in range(frames):
        body(k)
    return {"frames": frames, "before_mib": before / 2**20, "after_mib": process.memory_info().rss / 2**20}


def run(quick: bool = False) -> dict[str, Any]:
    """All cases, the rate of the core, and the memory after 10,000 frames."""
    rate = gigaflops()
    sizes = [(100_000, 640, 480)] if quick else [(100_000, 640, 480), (100_000, 1280, 720), (500_000, 1280, 720)]
    cases = [speed(*size, repeats=10 if quick else 60, rate=rate) for size in sizes]
    return {
        "gflops_of_one_core": rate,
        "two_cores": two_cores(),
        "cases": cases,
        "memory": memory(300 if quick else 10_000),
    }


HEADER = ("Gaussians", "size", "forward ms", "floor ms", "times floor", "backward / forward", "2 threads", "backward")


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Table rows: one per scene, then the memory."""
    table = [
        (
            f"{c['gaussians']:,}", f"{c['width']}x{c['height']}", f"{c['forward_1_cpu_ms']:.2f}",
            f"{c['vectors_ms']:.2f} ({c['useful_ms']:.2f} useful)", f"{c['forward_over_vectors']:.1f}",
            f"{c['backward_over_forward']:.2f}", f"{c['two_threads']:.2f}", f"{c['two_threads_backward']:.2f}",
        )
        for c in result["cases"]
    ]  # fmt: skip
    m = result["memory"]
    text = f"memory {m['before_mib']:.1f} MiB", f"after {m['frames']:,} frames {m['after_mib']:.1f} MiB"
    return [*table, (text[0], text[1], "", f"{result['gflops_of_one_core']:.0f} Gflop/s a core", "", "", "", "")]


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
