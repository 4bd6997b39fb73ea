"""Drift of the trained refiner over 1,000 frames, and its memory over 10,000.

A pendulum swings while the camera goes round it, once in a hundred frames: each row of the table has seen the same
places. Its flow-warp error is given over that of the coarse frames, its saturation (HSV) beside theirs. A stream that
drifts shows a ratio or a saturation that grows from row to row.

SIMVID_BENCH_REFINER=entry.yaml python benchmarks/bench_stream.py [--quick] [--json FILE]
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from refiner_weights import any_weights, trained

from simvid.frames import Frame
from simvid.jobs.streaming import load_refiner
from simvid.parsing import load_scene
from simvid.perception.stability import flow_warp_error
from simvid.pipeline import run as make_clip

WINDOW = 100
"""Frames of a row, and of a turn of the camera."""
SIZE = 96
LABELS = ["depth", "ids", "normals", "flow", "occlusion", "buffers"]
HEADER = ("frames", "flow-warp error over coarse", "saturation", "of coarse", "memory MB")


def run(*, quick: bool = False) -> dict[str, Any]:
    """Both parts."""
    return {"drift": _drift(3 if quick else 10), "memory": _memory(300 if quick else 10_000)}


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row per window, then the memory."""
    table = [
        (w["frames"], f"{w['warp_ratio']:.3f}", f"{w['saturation']:.4f}", f"{w['coarse_saturation']:.4f}", "")
        for w in result["drift"]["windows"]
    ]
    return table + [(f"{count} of {SIZE // 2} px", "", "", "", f"{mb:.1f}") for count, mb in result["memory"]]


def _drift(turns: int) -> dict[str, Any]:
    entry, count = trained(), turns * WINDOW
    orbit = {"center_m": [0, 0, 0.42], "radius_m": 1.5, "height_m": 0.35, "sweep_deg": 360.0 * turns}
    camera = {"name": "front", "resolution_px": [SIZE, SIZE], "fov_y_deg": 42, "orbit": orbit}
    changes = {"duration_s": (count - 1) / 24, "cameras": [camera], "labels": LABELS}
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(load_scene("pendulum", changes), Path(folder), until="rendering")
        refiner = load_refiner(entry, clip)
        labels = {*refiner.reads, "flow_backward", "occluded_backward"}
        seen: list[Frame] = []

        def watched() -> Any:
            for frame in clip.stream("front", labels=labels):
                seen.append(frame)
                yield frame

        windows, refined = [], []
        for k, picture in enumerate(refiner.stream(watched()), start=1):
            refined.append(picture)
            if k % WINDOW == 0:
                windows.append({"frames": f"{k - WINDOW} to {k - 1}", **_figures(np.stack(refined), seen)})
                refined, seen[:] = [], []
    first, last = windows[1], windows[-1]
    growth = {name: last[name] / first[name] for name in ("warp_ratio", "saturation")}
    return {"entry": Path(entry).stem, "windows": windows, "growth_after_100": growth}


def _figures(refined: NDArray[np.uint8], seen: list[Frame]) -> dict[str, float]:
    coarse = np.stack([frame.rgb for frame in seen])
    flow = np.stack([frame.flow_backward for frame in seen if frame.flow_backward is not None])
    hidden = np.stack([frame.occluded_backward for frame in seen if frame.occluded_backward is not None])
    errors = [flow_warp_error(video, flow, hidden) for video in (refined, coarse)]
    return {
        "warp_ratio": errors[0] / errors[1], "saturation": saturation(refined), "coarse_saturation": saturation(coarse)
    }  # fmt: skip


def saturation(video: NDArray[np.uint8]) -> float:
    """Mean saturation of the HSV model, 0 to 1."""
    high, low = (f(video, axis=-1).astype(np.float64) for f in (np.max, np.min))
    return float(np.mean((high - low) / np.maximum(high, 1)))


def _memory(count: int) -> list[tuple[int, float]]:
    """Memory of the process after so many small frames [MB]."""
    from bench_refiner import frames_of

    frames = frames_of(8, SIZE // 2, SIZE // 2)
    marks = sorted({100, 1000, count} | {count // 2})
    found = []
    with any_weights() as entry:
        pictures = load_refiner(entry).stream(frames[k % 8] for k in range(count))
        for k, _ in enumerate(pictures, start=1):
            if k in marks:
                found.append((k, _resident_mb()))
    return found


def _resident_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
