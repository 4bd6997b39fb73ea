"""Seconds and memory per refined frame at 320 x 240, with the default settings, by threads; where the time goes.

Each case runs in a process of its own, which draws no frames: what is measured is reading a frame's labels into the
network, the anchored noise, the network, and the picture. The figure to keep: 0.15 s per frame, 1.5 GB.

python benchmarks/bench_refiner.py [--quick] [--json FILE]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from refiner_weights import any_weights

WIDTH, HEIGHT = 320, 240
STATED_S, STATED_MB = 0.15, 1536
WARM = 3
"""Frames before the clock starts: the kernels of the noise are read from their cache, buffers are made."""
HEADER = ("case", "frame wall s", "frame CPU s", "encode", "noise", "network", "start s", "peak MB")


def run(*, quick: bool = False) -> dict[str, Any]:
    """One and two threads, and one thread with two steps."""
    cases = [{"threads": 1}] if quick else [{"threads": 1}, {"threads": 2}, {"threads": 1, "steps": 2}]
    return {"size": [WIDTH, HEIGHT], "cases": [_fresh(case, 6 if quick else 24) for case in cases]}


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row per case."""
    return [
        (", ".join(f"{k} {v}" for k, v in c["settings"].items()), f"{c['wall_s']:.3f}", f"{c['cpu_s']:.3f}",
         f"{c['encode_s']:.3f}", f"{c['noise_s']:.3f}", f"{c['network_s']:.3f}", f"{c['start_s']:.1f}",
         f"{c['peak_mb']:.0f}")
        for c in result["cases"]
    ]  # fmt: skip


def _fresh(settings: dict[str, int], count: int) -> dict[str, Any]:
    """One case in a process of its own."""
    command = [sys.executable, __file__, "--case", json.dumps(settings), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _case(settings: dict[str, int], count: int) -> dict[str, Any]:
    """Medians over frames; the parts are CPU seconds of calls on their own."""
    import resource
    from pathlib import Path

    import numpy as np

    from simvid.jobs.backends import refiner_of
    from simvid.refining.bridge import _Feed
    from simvid.testing.refining import sample_context

    started = time.perf_counter()
    context = sample_context(WARM + count, WIDTH, HEIGHT)
    frames = frames_of(WARM + count, WIDTH, HEIGHT)
    with any_weights(**settings) as entry:
        use: Any = refiner_of(entry, Path()).use
        pictures = use.in_clip(context).refine(iter(frames), look="as_rendered", seed=0)
        times = []
        for _ in frames:
            before = time.perf_counter(), time.process_time()
            next(pictures)
            times.append((time.perf_counter() - before[0], time.process_time() - before[1]))
    feed = _Feed(iter(frames), use.reads, context, 0)
    parts, noises = feed.conditions(), feed.noises()
    alone = []
    for _ in frames:
        t = [time.process_time()]
        for source in (parts, noises):
            next(source)
            t.append(time.process_time())
        alone.append(np.diff(t))
    wall, cpu = np.median(times[WARM:], axis=0)
    encode, noise = np.median(alone[WARM:], axis=0)
    return {
        "settings": settings, "wall_s": wall, "cpu_s": cpu, "encode_s": encode, "noise_s": noise,
        "network_s": cpu - encode - noise, "start_s": time.perf_counter() - started - sum(t[0] for t in times[1:]),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip


def frames_of(count: int, width: int, height: int) -> list[Any]:
    """Frames with every label that is read; what they show does not matter."""
    from dataclasses import replace

    import numpy as np

    from simvid.testing.refining import sample_frames

    light = np.full((height, width, 3), 0.5, np.float16)
    one = np.full((height, width), 0.5, np.float16)
    return [
        replace(frame, albedo=light, roughness=one, metallic=one, light_diffuse=light, light_specular=light,
                ambient_occlusion=one)
        for frame in sample_frames(count, width, height)
    ]  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        print(json.dumps(_case(json.loads(sys.argv[2]), int(sys.argv[3]))))
    else:
        from benchmarks_table import main

        main(run, HEADER, rows)
