"""Seconds to write an episode as LeRobotDataset v3.0, and what lerobot's own writer takes for the same arrays.

An episode is 15 s of two cameras, 640 x 480 at 30 frames per second. The pictures move and are noisy; no pixel of the
depth stands still, which is the hardest for its lossless code. Users of lerobot report 30 to 40 s for such an episode
(its issue 1434), so the table also says how much faster than 30 s each is by the clock. lerobot runs in an environment
of its own (``tests/export/make_lerobot_environment.sh``, or name its Python in ``SIMVID_LEROBOT_PYTHON``), with its
defaults: SVT-AV1 for colour, lossless HEVC for depth.

    python benchmarks/run.py --only lerobot
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from kills import SCENE
from numpy.typing import NDArray

import simvid
from simvid.clips.arrays import ArrayFile, ArrayWriter
from simvid.export.base import Episode, Request, View
from simvid.export.encoded import Encoder
from simvid.export.lerobot import LeRobot, LeRobotSettings
from simvid.parsing import parse_scene

WIDTH, HEIGHT, FPS, SECONDS = 640, 480, 30, 15.0
CAMERAS = ("front", "side")
COMPLAINT_S = 30.0
"""What users of lerobot report for such an episode, at least."""


def pictures(count: int, seed: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """A camera that pans over smooth colours, three balls, noise; a sloping ground that comes and goes."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((25, 33, 3)) * 200 + 20
    weights = np.linspace(0, 1, 40, endpoint=False)
    rows = coarse[:-1, None] * (1 - weights)[None, :, None, None] + coarse[1:, None] * weights[None, :, None, None]
    rows = rows.reshape(-1, 33, 3)
    wide = rows[:, :-1, None] * (1 - weights)[None, None, :, None] + rows[:, 1:, None] * weights[None, None, :, None]
    wide = wide.reshape(len(rows), -1, 3)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    for t in range(count):
        top, left = int(120 + 100 * np.sin(t / 40)), int(300 + 250 * np.sin(t / 60))
        rgb = wide[top : top + HEIGHT, left : left + WIDTH].copy()
        depth = (1.0 + 1.5 * y / HEIGHT + 0.2 * x / WIDTH + 0.3 * np.sin(t / 50)).astype(np.float32)
        for k in range(3):
            middle = WIDTH * (0.5 + 0.35 * np.sin(t / 30 + 2 * k)), HEIGHT * (0.5 + 0.3 * np.cos(t / 25 + 2 * k))
            near = 1 - ((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / 60**2
            ball, height = near > 0, np.sqrt(np.maximum(near, 0))
            rgb[ball] = np.array([200, 60 + 60 * k, 40]) * (0.4 + 0.6 * height[ball][:, None])
            depth[ball] = 0.8 - 0.1 * height[ball]
        yield np.clip(rgb + rng.normal(0, 1.5, rgb.shape), 0, 255).astype(np.uint8), depth


class Stored(View):
    """A camera whose pictures and depths lie elsewhere than in its clip."""

    place: Path

    @property
    def width(self) -> int:
        return WIDTH

    @property
    def height(self) -> int:
        return HEIGHT

    def pictures(self) -> Iterator[NDArray[np.uint8]]:
        yield from ArrayFile(self.place / self.camera / "rgb.npz")

    def array(self, name: str) -> Iterator[NDArray[Any]]:
        yield from ArrayFile(self.place / self.camera / f"{name}.npz")


def store(folder: Path, count: int) -> None:
    for seed, camera in enumerate(CAMERAS):
        (folder / camera).mkdir(parents=True)
        writers = [ArrayWriter(folder / camera / f"{name}.npz") for name in ("rgb", "depth")]
        for pair in pictures(count, seed):
            for writer, array in zip(writers, pair, strict=True):
                writer.append(array)
        for writer in writers:
            writer.close()


def ours(arrays: Path, clip: simvid.Clip, out: Path, *, depth: bool) -> dict[str, float]:
    labels = frozenset({"depth"} if depth else ())
    Stored.place = arrays
    views = tuple(Stored(clip, camera, f"clip_{camera}", labels) for camera in CAMERAS)
    exporter = LeRobot(LeRobotSettings())
    out.mkdir()
    encoder = Encoder(exporter, {}, labels, out / ".encoded")
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    exporter.write(Request((Episode(clip, "clip", views),), labels, lambda _: None, encoder), out)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": time.perf_counter() - started, "cpu_s": cpu_s}


def theirs(arrays: Path, out: Path, *options: str) -> dict[str, float] | None:
    """None where lerobot is not there."""
    root = Path(__file__).resolve().parent.parent
    python = Path(os.environ.get("SIMVID_LEROBOT_PYTHON") or root / ".venv-lerobot" / "bin" / "python")
    if not python.exists():
        return None
    done = subprocess.run(
        [python, Path(__file__).with_name("rivals_lerobot.py"), arrays, out, *options], capture_output=True, text=True,
        check=True, env={"HF_HUB_OFFLINE": "1", "HOME": str(out.parent), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    spent: dict[str, float] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return spent


def run(*, quick: bool) -> dict[str, dict[str, float] | None]:
    """What was written -> seconds by the clock and of processors."""
    count = 6 if quick else round(SECONDS * FPS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store(folder / "arrays", count)
        text = SCENE.split("randomize:")[0].replace("fps: 20", f"fps: {FPS}").replace("[depth, ids]", "[depth]")
        text = text.replace("duration_s: 0.05", f"duration_s: {(count - 1) / FPS}")
        side = (
            "\n  - {name: side, resolution_px: [32, 32], pose: {look_from_m: [0, -1.6, 0.7], look_at_m: [0, 0, 0.3]}}"
        )
        clip = simvid.run(parse_scene(text.replace("\nlabels:", f"{side}\nlabels:"), "a.yaml", "."), folder / "clips")
        return {
            "colour": ours(folder / "arrays", clip, folder / "a", depth=False),
            "colour, by lerobot": theirs(folder / "arrays", folder / "b"),
            "colour, by lerobot while it records": theirs(folder / "arrays", folder / "c", "--streaming"),
            "colour and depth": ours(folder / "arrays", clip, folder / "d", depth=True),
            "colour and depth, by lerobot": theirs(folder / "arrays", folder / "e", "--depth"),
        }


HEADER = (
    "15 s of two cameras, 640 x 480, 30 fps", "seconds", "CPU seconds", "30 s are so many times that", "times ours",
)  # fmt: skip


def rows(result: dict[str, dict[str, float] | None]) -> list[tuple[str, str, str, str, str]]:
    """For the table."""
    found = []
    for name, spent in result.items():
        mine = result["colour and depth" if "depth" in name else "colour"]
        if spent is None or mine is None:
            found.append((name, "not here", "", "", ""))
        else:
            ratio = f"{spent['wall_s'] / mine['wall_s']:.1f}, CPU {spent['cpu_s'] / mine['cpu_s']:.1f}"
            faster = f"{COMPLAINT_S / spent['wall_s']:.1f}"
            found.append((name, f"{spent['wall_s']:.1f}", f"{spent['cpu_s']:.1f}", faster, ratio))
    return found
