"""Seconds per path-traced frame by size and samples, where they go, and how many samples a denoised frame needs.

Rival: Mitsuba's own ``path`` and ``aov`` integrators on the same scene, camera and samples, which make what our loop
makes. Everything that can move does, so that search trees are built anew. PSNR is of sRGB pictures, to 1024 samples
per pixel, with and without the denoiser.

python benchmarks/bench_pathtrace.py [--quick] [--json FILE]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from benchmarks_table import main, package

from simvid.assets.parts import SceneAssets
from simvid.jobs.preflight import at_start, prepared
from simvid.parsing import load_scene
from simvid.rendering.camera import camera_path
from simvid.scene import Scene
from simvid.trajectory import Trajectory

HEADER = (
    "scene", "size", "samples", "frame wall s", "cpu s", "pose", "paths", "labels", "denoise",
    "Mitsuba wall s", "cpu s", "PSNR dB raw", "denoised", "to denoised",
)  # fmt: skip
SCENES = ("franka_push", "billiard_break")
SIZES = ((320, 240), (640, 480))
SAMPLES = (4, 16, 64)
REFERENCE = 1024
FRAMES = 4


def run(*, quick: bool = False) -> dict[str, Any]:
    """All cases."""
    package("mitsuba", "mitsuba==3.9.1")
    package("pyoidn", "pyoidn==2.5.1.0")
    from simvid.rendering.pathtrace.variant import chosen

    pairs = [(SCENES[1], SIZES[0])] if quick else [(SCENES[0], SIZES[0]), (SCENES[1], SIZES[0]), (SCENES[0], SIZES[1])]
    cases = [case for pair in pairs for case in _cases(*pair, quick=quick)]
    return {"variant": chosen().name, "cases": cases}


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row per case."""
    table = []
    for c in result["cases"]:
        parts = [f"{c['parts_wall_s'][k]:.2f}" for k in ("pose", "paths", "labels", "denoise")]
        psnr = [f"{c['psnr_db'][k]:.1f}" if c["psnr_db"] else "" for k in ("raw", "denoised", "denoised_to_denoised")]
        table.append(
            (c["scene"], c["size"], str(c["samples"]), f"{c['wall_s']:.2f}", f"{c['cpu_s']:.2f}", *parts,
             f"{c['mitsuba_wall_s']:.2f}", f"{c['mitsuba_cpu_s']:.2f}", *psnr)
        )  # fmt: skip
    return table


def moved(assets: SceneAssets) -> Trajectory:
    """A few frames in which every part that is not fixed goes up a little."""
    still = at_start(assets, FRAMES)
    poses = still.poses.copy()
    free = [not part.fixed for part in still.parts]
    poses[:, free, 2] += 0.002 * np.arange(FRAMES)[:, None]
    return replace(still, poses=poses)


def _sized(scene: Scene, size: tuple[int, int]) -> Scene:
    camera = scene.cameras[0].model_copy(update={"resolution_px": size})
    return scene.model_copy(update={"cameras": (camera,)})


def _cases(name: str, size: tuple[int, int], *, quick: bool) -> list[dict[str, Any]]:
    from simvid.rendering.pathtrace.tracer import PathTracer, PathTraceSettings, _Painter

    scene = _sized(load_scene(name), size)
    assets = prepared(scene)
    trajectory = moved(assets)
    camera = camera_path(scene.cameras[0], scene, trajectory)

    def painter(samples: int, *, denoise: bool) -> Any:
        settings = PathTraceSettings(samples=samples, denoise=denoise)
        tracer = PathTracer(settings)
        tracer.variant.activate()
        return _Painter(assets, trajectory, camera, frozenset(), settings, tracer.variant)

    scored = size == SIZES[0]
    wanted = [painter(64 if quick else REFERENCE, denoise=d).draw(0).rgb for d in (False, True)] if scored else []
    found = []
    for samples in SAMPLES[:2] if quick else (*SAMPLES, *((128,) if scored else ())):
        made = [painter(samples, denoise=d) for d in (False, True)]
        pictures = [p.draw(0).rgb for p in made]
        parts, whole = _timed(made[1], samples)
        psnr = {}
        if scored:
            psnr = {"raw": _psnr(pictures[0], wanted[0]), "denoised": _psnr(pictures[1], wanted[0]),
                    "denoised_to_denoised": _psnr(pictures[1], wanted[1])}  # fmt: skip
        mitsuba = _mitsuba(made[1], camera, samples)
        found.append({
            "scene": name, "size": f"{size[0]}x{size[1]}", "samples": samples, "wall_s": whole[0], "cpu_s": whole[1],
            "parts_wall_s": parts, "mitsuba_wall_s": mitsuba[0], "mitsuba_cpu_s": mitsuba[1], "psnr_db": psnr,
        })  # fmt: skip
    return found


def _timed(painter: Any, samples: int) -> tuple[dict[str, float], tuple[float, float]]:
    """Median wall time of the parts of a frame, and wall and CPU time of whole ones, over frames that move."""
    from simvid.rendering.pathtrace.develop import denoised

    whole = [_clocked(lambda i=i: painter.draw(i)) for i in range(1, FRAMES)]
    shot, parts = painter._shot, []
    for i in range(1, FRAMES):
        kept: list[Any] = []
        steps: dict[str, Callable[[], Any]] = {
            "pose": lambda i=i: shot.pose(i),
            "paths": lambda i=i, kept=kept: kept.append(shot.light(samples, i)[0]),
            "labels": shot.surfaces,
            "denoise": lambda kept=kept: denoised(kept[0]),
        }
        parts.append({name: _clocked(step)[0] for name, step in steps.items()})
    median = {name: float(np.median([p[name] for p in parts])) for name in parts[0]}
    wall, cpu = (float(np.median([w[k] for w in whole])) for k in (0, 1))
    return median, (wall, cpu)


def _mitsuba(painter: Any, camera: Any, samples: int) -> tuple[float, float]:
    """Median wall and CPU time of Mitsuba's own integrators, after a first frame that compiles."""
    import mitsuba as mi

    from simvid.rendering.pathtrace.scene import FACING
    from simvid.rendering.pathtrace.shot import _integrator, _sensor

    sensor = {**_sensor(camera, 0.01), "to_world": mi.ScalarTransform4f(camera.world_from_camera[0] @ FACING)}
    loaded, integrator = mi.load_dict(sensor), mi.load_dict(_integrator(8))
    scene = painter._shot.staged.scene

    def draw(seed: int) -> None:
        np.array(mi.render(scene, sensor=loaded, integrator=integrator, spp=samples, seed=seed))

    times = [_clocked(lambda k=k: draw(k)) for k in range(FRAMES)][1:]
    return float(np.median([t[0] for t in times])), float(np.median([t[1] for t in times]))


def _clocked(work: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _psnr(one: Any, other: Any) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(np.float64) - other) ** 2)))


if __name__ == "__main__":
    main(run, HEADER, rows)
