"""The same simulated scene with its labels: ours against Blender's Cycles and MuJoCo's renderer, one thread each.

python benchmarks/bench_scene.py [--quick] [--json FILE]

Scene: domino_row, as it comes from simvid's physics, with the same camera, poses and sun for all (``rivals_scene``).
Ours and Blender give colour, depth, ids, normals and flow forward and backward; MuJoCo gives colour, depth and ids, and
is compared with ours of the same three. Before the clock starts the labels of one frame are compared: at least 98 % of
the ids must agree. CPU time of each process; the first frame of each is left out, with all that is made once; medians
over the same frames. EEVEE is tried too, and named where it does not run without a display.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import rivals_blender
import rivals_mujoco
import rivals_scene
from benchmarks_table import NotHereError

from simvid.rendering.base import RenderSettings
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.renderer import render_frames

SCENE, FRAMES, LOOK_AT = "domino_row", 24, 12
SAMPLES = 16
ALL, SOME = ("depth", "ids", "normals", "flow"), ("depth", "ids")
LEAST_EQUAL = 0.98


def ours(shot: rivals_scene.Shot, labels: Collection[str]) -> tuple[list[float], list[Any]]:
    """CPU seconds of each frame but the first, and the frames."""
    rasterizer = CpuRasterizer(threads=1)
    drawn = render_frames(shot.assets, shot.trajectory, shot.camera, rasterizer, labels, RenderSettings(threads=1))
    frames, taken = [next(drawn)], []
    while True:
        started = time.process_time()
        frame = next(drawn, None)
        if frame is None:
            break
        taken.append(time.process_time() - started)
        frames.append(frame)
    rasterizer.close()
    return taken, frames


def equal(ids: Any, wanted: Any, who: str) -> float:
    """Share of pixels with the same id.

    Raises:
        SystemExit: fewer than ``LEAST_EQUAL``: it draws something else.
    """
    share = float(np.mean(ids == wanted))
    if share < LEAST_EQUAL:
        raise SystemExit(f"{who} draws another scene: {share:.1%} of its ids are ours")
    return share


def blender(shot: rivals_scene.Shot, frame: Any, engine: str, frames: list[int]) -> dict[str, Any]:
    """Blender's seconds for the frames, its ids compared with ours of one frame (Cycles: EEVEE has none)."""
    with tempfile.TemporaryDirectory() as folder:
        path = shot.save(Path(folder, "scene.npz"))
        report = rivals_blender.measured(path, frames, engine, SAMPLES)
        if engine == "CYCLES":
            rivals_blender.measured(path, [LOOK_AT], engine, 1, Path(folder))
            report |= agreement(np.load(Path(folder, "blender.npz")), frame, shot.camera.world_from_camera[LOOK_AT])
    return report


def agreement(theirs: Any, frame: Any, world_from_camera: Any) -> dict[str, float]:
    """Blender's labels beside ours where the ids are equal: shares and medians."""
    ids = theirs["ids"][..., 0].round()
    report = {"equal_ids": equal(ids, frame.ids, "Blender")}
    both = (ids == frame.ids) & np.isfinite(frame.depth)
    vector = theirs["vector"][both]  # x, y (up) to the frame before; x, y from the one after, whose y its files lose
    turned = frame.normals[both] @ world_from_camera[:3, :3].T
    cosines = (turned * theirs["normals"][both][:, :3]).sum(axis=1)
    differences = {
        "depth_m": theirs["depth"][both][:, 0] - frame.depth[both],
        "flow_forward_x_px": frame.flow_forward[both][:, 0] + vector[:, 2],
        "flow_backward_px": frame.flow_backward[both] - vector[:, :2] * [1, -1],
        "normals_deg": np.degrees(np.arccos(np.clip(cosines, -1, 1))),
    }
    return report | {f"median_difference_{k}": float(np.nanmedian(np.abs(v))) for k, v in differences.items()}


def compared(size: tuple[int, int], quick: bool) -> dict[str, Any]:
    """Frames per CPU second of all at one size of picture."""
    shot = rivals_scene.shot(SCENE, FRAMES, size)
    ours(shot, ALL)  # compiles
    all_s, frames = ours(shot, ALL)
    some_s, _ = ours(shot, SOME)
    fps = {"simvid": 1 / statistics.median(all_s), "simvid colour, depth, ids": 1 / statistics.median(some_s)}
    result: dict[str, Any] = {"width": size[0], "height": size[1], "fps": fps, "missing": []}
    which = [LOOK_AT] if quick else [6, 10, 14, 18]
    for engine, name in (("CYCLES", "Cycles"), ("BLENDER_EEVEE_NEXT", "EEVEE")):
        try:
            report = blender(shot, frames[LOOK_AT], engine, which)
            fps[name] = 1 / statistics.median(report["cpu_s"])
            result[name] = report
        except (NotHereError, RuntimeError) as missing:
            result["missing"].append(f"{name}: {missing}")
    try:
        drawer = rivals_mujoco.Drawer(shot.arrays())
        result["MuJoCo"] = {"equal_ids": equal(drawer.draw(LOOK_AT)["ids"], frames[LOOK_AT].ids, "MuJoCo")}
        fps["MuJoCo"] = 1 / statistics.median(drawer.cpu_s(which * 4))
        drawer.close()
    except NotHereError as missing:
        result["missing"].append(str(missing))
    again = 1 / statistics.median(ours(shot, ALL)[0])  # in turns: before and after the others
    fps["simvid"] = max(fps["simvid"], again)
    return result


def run(quick: bool = False) -> dict[str, Any]:
    """All sizes."""
    sizes = [(320, 240)] if quick else [(320, 240), (640, 480)]
    result = {"scene": SCENE, "samples": SAMPLES, "sizes": [compared(size, quick) for size in sizes]}
    for case in result["sizes"]:
        print(*case["missing"], sep="\n")
    return result


HEADER = ("domino_row, one thread", "size", "frames / CPU s", "ours is", "wanted")
RIVALS = {
    "Cycles": ("Cycles, {samples} samples + denoiser, all labels", "simvid", ">= 20"),
    "EEVEE": ("EEVEE, {samples} samples, llvmpipe, all but ids", "simvid", ""),
    "MuJoCo": ("MuJoCo's renderer: colour, depth, ids", "simvid colour, depth, ids", ""),
}


def times(ratio: float) -> str:
    """A ratio in words."""
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.2f} times"


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Table rows."""
    table = []
    for case in result["sizes"]:
        size, fps = f"{case['width']}x{case['height']}", case["fps"]
        table.append(("simvid cpu: colour, depth, ids, normals, flow", size, f"{fps['simvid']:.1f}", "", ""))
        table.append(("simvid cpu: colour, depth, ids", size, f"{fps['simvid colour, depth, ids']:.1f}", "", ""))
        for name, (label, mine, wanted) in RIVALS.items():
            if name in fps:
                text = label.format(samples=result["samples"])
                table.append((text, size, f"{fps[name]:.3g}", times(fps[mine] / fps[name]), wanted))
    return table


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
