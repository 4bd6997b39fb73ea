"""Compiles the rendering kernels in a process of its own while physics still runs; only the first run needs it.

``python -m simvid.rendering.ahead BACKEND`` draws three small frames with everything in them, so that numba's disk
cache holds every kernel of a plain camera afterwards; those of ``LATER`` are compiled when they are first used, which
few scenes do. Whether it did is known from a file in the cache folder;
a wrong one costs time only.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from simvid.assets.cache import cache_folder, key_of, write_atomically
from simvid.rendering.kernels.threads import usable_cores

LATER = ("simvid.rendering.developing", "simvid.rendering.splats.deforming")
"""Modules of kernels that only sensors, motion blur and depth of field call, or bodies that deform."""
TIME_LIMIT_S = 300.0
"""A machine on which compiling takes longer gains nothing by waiting for it."""
SCENE: dict[str, Any] = {
    "simvid": 1, "name": "ahead", "duration_s": 0.25, "fps": 8,
    "ground": {"material": "floor"},
    "materials": {"floor": {"look": {"texture": "concrete"}}, "wood": {"look": {"texture": "wood"}}},
    "bodies": [
        {"name": "box", "shape": {"box": {"size_m": [0.3, 0.3, 0.3]}}, "material": "wood",
         "pose": {"position_m": [0, 0, 0.15]}},
        {"name": "pane", "shape": {"box": {"size_m": [0.2, 0.01, 0.2]}}, "material": "glass",
         "pose": {"position_m": [0.2, -0.4, 0.1]}},
        {"name": "ball", "shape": {"sphere": {"radius_m": 0.2}}, "pose": {"position_m": [0.5, 0, 0.2]}},
    ],
    "cameras": [{"name": "front", "resolution_px": [160, 120],
                 "pose": {"look_from_m": [0.4, -1.2, 0.7], "look_at_m": [0.2, 0, 0.15]}}],
    "lights": [{"sun": {"direction": [0.4, 0.5, -1], "strength": 3}}, {"sky": {"preset": "clear"}},
               {"point": {"position_m": [0, -1, 1], "strength": 2}}],
}  # fmt: skip
"""A mesh in few and in many Gaussians, a pane, ground, sun, sky and a lamp: what the kernels draw."""


class Compiling:
    """A compiling process, or none."""

    def __init__(self, process: subprocess.Popen[bytes] | None = None) -> None:
        self._process = process

    def running(self) -> bool:
        """Whether it is still at work."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> None:
        """Wait until the kernels are there. Where the process failed they are compiled when first called."""
        if self._process is not None:
            try:
                self._process.wait(TIME_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.stop()

    def stop(self) -> None:
        """End it; what it has compiled stays."""
        if self._process is not None and self.running():
            self._process.kill()
            self._process.wait()


@contextmanager
def compiling(backend: str) -> Iterator[Compiling]:
    """Start compiling for a rendering backend unless that was done before, or there is no second core to do it on."""
    process = None
    if usable_cores() > 1 and not marker(backend).exists():
        process = _start(backend)
    work = Compiling(process)
    try:
        yield work
    finally:
        work.stop()


def _start(backend: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "simvid.rendering.ahead", backend]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def marker(backend: str) -> Path:
    """A file that is there once the kernels of this code are compiled, by this numba, for this machine."""
    package = Path(__file__).resolve().parents[1]
    files = sorted([*(package / "rendering").rglob("*.py"), *(package / "assets").rglob("*.py")])
    numba = {name: value for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_")}
    sources = [path.read_bytes() for path in files]
    key = key_of(backend, sys.version, metadata.version("numba"), platform.node(), numba, str(package), *sources)
    return cache_folder() / "compiled" / key


def draw_everything(backend: str) -> None:
    """Draw a scene in which every kernel has something to do: meshes, a capture, lights, ground, all labels."""
    import numpy as np

    from simvid import registry
    from simvid.assets.pieces import Visual
    from simvid.assets.prepare import prepare
    from simvid.frames import LABELS
    from simvid.gaussians import Gaussians
    from simvid.rendering.base import RenderSettings
    from simvid.rendering.camera import camera_path
    from simvid.rendering.renderer import render_frames
    from simvid.rotations import pose_vector
    from simvid.scene import Look, Scene
    from simvid.trajectory import Contacts, Trajectory

    scene = Scene.model_validate(SCENE)
    assets = prepare(scene)
    one = np.ones((1, 4), np.float32)
    capture = Gaussians(
        one[:, :3],
        np.float32(0.5) * one,
        np.float32(0.1) * one[:, :3],
        one[:, 0],
        np.zeros((1, 16, 3), np.float32),
        np.zeros(1, np.int32),
    )
    pictured = replace(assets.parts[-1], visuals=(*assets.parts[-1].visuals, Visual(Look(), capture=capture)))
    assets = replace(assets, parts=(*assets.parts[:-1], pictured))
    poses = np.tile([pose_vector(p.pose) for p in assets.parts], (scene.frame_count, 1, 1))
    poses[:, 1:, 0] += np.linspace(0, 0.02, scene.frame_count)[:, None]
    parts, still = tuple(p.part for p in assets.parts), np.zeros((*poses.shape[:2], 6))
    trajectory = Trajectory(fps=scene.fps, parts=parts, poses=poses, twists=still, contacts=Contacts.none())
    path = camera_path(scene.cameras[0], scene, trajectory)
    rasterizer = registry.load("rendering", backend)()
    for _ in render_frames(assets, trajectory, path, rasterizer, LABELS, RenderSettings()):
        pass


if __name__ == "__main__":
    draw_everything(sys.argv[1])
    write_atomically(marker(sys.argv[1]), b"")
