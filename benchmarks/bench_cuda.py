"""The cuda renderer on a GPU: frames per second against raw gsplat and against the package ``gaussian-renderer``.

python benchmarks/bench_cuda.py [--quick] [--json FILE]

The scene is bench_renderer's room with harmonics of degree 3. "whole" is one call of ``rasterize`` from NumPy arrays to
NumPy arrays, transfers included; "on the GPU" is the same without them, as the rivals are measured: their Gaussians lie
on the GPU before the clock starts, and their pictures stay there. Median of several frames, each waited for.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bench_renderer import camera, room
from benchmarks_table import NotHereError, package

from simvid.rendering.raster import LABELS, checked_job

GAUSSIANS = (100_000, 500_000, 1_500_000)
SIZES = ((640, 480), (1280, 720))
DEFAULTS: dict[str, Any] = {
    "features": None, "sh_rotations": None, "near_m": 0.01, "far_m": 1e6, "eps2d": 0.3, "want": frozenset(),
}  # fmt: skip


def milliseconds(draw: Callable[[], Any], repeats: int) -> float:
    """Median of several frames, after three that do not count."""
    import torch

    taken = []
    for _ in range(repeats + 3):
        torch.cuda.synchronize()
        started = time.perf_counter()
        draw()
        torch.cuda.synchronize()
        taken.append(1e3 * (time.perf_counter() - started))
    return statistics.median(taken[3:])


def raw_gsplat(scene: dict[str, Any], view: dict[str, Any], device: str) -> Callable[[], Any]:
    """One call of gsplat on tensors, its own harmonics."""
    import gsplat
    import torch

    names = {"means": "means", "quats": "quats", "scales": "scales", "opacities": "opacities", "sh": "colors"}
    tensors = {name: torch.as_tensor(scene[key], device=device) for key, name in names.items()}
    tensors["viewmats"] = torch.as_tensor(view["viewmat"][None], dtype=torch.float32, device=device)
    tensors["Ks"] = torch.as_tensor(view["K"][None], dtype=torch.float32, device=device)
    size = {"width": view["width"], "height": view["height"]}

    def draw() -> Any:
        with torch.no_grad():
            return gsplat.rasterization(**tensors, **size, sh_degree=3, packed=False)[0][0]

    return draw


def gaussian_renderer(scene: dict[str, Any], view: dict[str, Any], device: str) -> Callable[[], Any]:
    """``batch_render`` of gaussian-renderer 0.2.0 with one camera: colour and depth."""
    import torch

    rasterization = package("gaussian_renderer.core.batch_rasterization", "gaussian-renderer==0.2.0")
    data = package("gaussian_renderer.core.gaussiandata", "gaussian-renderer==0.2.0")
    keys = ("means", "quats", "scales", "opacities", "sh")
    cloud = data.GaussianData(*(torch.as_tensor(scene[key], device=device) for key in keys))
    world = np.linalg.inv(view["viewmat"])
    height, width = view["height"], view["width"]
    fov_y = np.array([2 * math.degrees(math.atan(height / 2 / view["K"][1, 1]))])

    def draw() -> Any:
        where = world[None, :3, 3], world[None, :3, :3].reshape(1, 9)
        return rasterization.batch_render(cloud, *where, height, width, fov_y, y_up=False)[0][0]

    return draw


def ours(scene: dict[str, Any], view: dict[str, Any], device: str) -> dict[str, Callable[[], Any]]:
    """Whole calls and calls without transfers, colour alone and with normals and all labels."""
    import torch

    from simvid.rendering.cuda.rasterizer import CudaRasterizer

    rasterizer = CudaRasterizer(device)
    cloud = {key: value for key, value in scene.items() if key != "normals"}
    full = {"features": scene["normals"], "want": LABELS}
    jobs = [checked_job(**DEFAULTS | cloud | view | more) for more in ({}, full)]
    with torch.no_grad():
        there = [rasterizer.upload(job) for job in jobs]

    def on_gpu() -> Any:
        with torch.no_grad():
            return rasterizer.blend(jobs[0], there[0])[0]

    return {
        "whole": lambda: rasterizer.rasterize(**cloud, **view).features,
        "whole_labels": lambda: rasterizer.rasterize(**cloud, **view, **full).features,
        "on_gpu": on_gpu,
    }


def measured(n: int, size: tuple[int, int], repeats: int, device: str) -> dict[str, Any]:
    """Frames per second of all, and how far the pictures are apart."""
    scene, view = room(n), camera(*size)
    draws = ours(scene, view, device) | {"gsplat": raw_gsplat(scene, view, device)}
    try:
        draws["gaussian_renderer"] = gaussian_renderer(scene, view, device)
    except NotHereError as missing:
        print(missing)
    case: dict[str, Any] = {"gaussians": n, "width": size[0], "height": size[1]}
    case |= {f"{name}_fps": 1e3 / milliseconds(draw, repeats) for name, draw in draws.items()}
    picture = draws["whole"]()
    for name in draws.keys() & {"gsplat", "gaussian_renderer"}:
        case[f"{name}_mean_difference"] = float(np.abs(picture - draws[name]().cpu().numpy()[..., :3]).mean())
    return case


def run(quick: bool = False) -> dict[str, Any]:
    """All cases.

    Raises:
        NotHereError: there is no CUDA device, or no torch.
    """
    torch = package("torch", "torch")
    if not torch.cuda.is_available():
        raise NotHereError("bench_cuda: needs a CUDA device; there is none here, so the cuda renderer stays unmeasured")
    cases = [
        measured(n, size, 5 if quick else 50, "cuda")
        for n in GAUSSIANS[: 1 if quick else None]
        for size in SIZES[: 1 if quick else None]
    ]
    return {"gpu": torch.cuda.get_device_name(), "cases": cases}


HEADER = ("Gaussians", "size", "whole fps", "all labels fps", "on the GPU fps", "gsplat fps", "gaussian-renderer fps")


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Table rows."""
    keys = [f"{name}_fps" for name in ("whole", "whole_labels", "on_gpu", "gsplat", "gaussian_renderer")]
    return [
        (f"{c['gaussians']:,}", f"{c['width']}x{c['height']}", *(f"{c[k]:.0f}" if k in c else "-" for k in keys))
        for c in result["cases"]
    ]


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
