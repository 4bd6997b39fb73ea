"""The cpu rasterizer: milliseconds per frame, and its blending against a plain numba kernel on the same splats.

python benchmarks/bench_renderer.py [--quick] [--json FILE]

The scene is made up: a room of 6 x 5 x 2.8 m with boxes and balls, its surfaces strewn with flat Gaussians whose size
follows their spacing (lognormal), 55 % of them opaque and 45 % faint, with harmonics of degree 3. At 100,000 Gaussians
and 640 x 480 px some 80,000 are in view, of median radius 4.7 px (3.3 sigma of the longer axis); 20 reach each pixel.

CPU is the process's own time, so neighbours on the machine disturb it less than they disturb wall time; both are the
least of several frames. "all labels" is colour, three channels of normals, expected and median depth and dominant ids.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np

from simvid.rendering.cpu import blend as cpu_blend
from simvid.rendering.cpu.layout import CHANNELS, LOG2_SCALE, MEAN_X, MEAN_Y, PEAK, TILE, U_X, U_Y, V_Y
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.raster import ALPHA_MAX, ALPHA_MIN, LABELS, STOP_TRANSMITTANCE

ROOM_M = np.array([6.0, 5.0, 2.8])
BOXES, BALLS = 7, 5


def surfaces(rng: np.random.Generator, n: int) -> Iterator[tuple[Any, Any, float, int]]:
    """Points, normals, spacing [m] and owner of each wall, box side and ball; objects are strewn three times denser."""
    boxes = [(np.array([0, 0, ROOM_M[2] / 2]), ROOM_M)]
    for _ in range(BOXES):
        size = rng.uniform(0.25, 0.8, 3)
        boxes.append((np.array([*rng.uniform(-1.8, 1.8, 2), size[2] / 2]), size))
    balls = [(np.array([*rng.uniform(-1.8, 1.8, 2), r]), r) for r in rng.uniform(0.15, 0.45, BALLS)]
    sides = [
        (centre, size, axis, sign, k) for k, (centre, size) in enumerate(boxes) for axis in range(3) for sign in (-1, 1)
    ]
    areas = np.array([s[1].prod() / s[1][s[2]] for s in sides] + [4 * math.pi * r * r for _, r in balls])
    weights = areas * np.where(np.arange(len(areas)) < 6, 1, 3)
    counts = rng.multinomial(n, weights / weights.sum())
    for (centre, size, axis, sign, owner), count, area in zip(sides, counts, areas, strict=False):
        points = np.tile(centre + 0.0, (count, 1))
        points[:, axis] += sign * size[axis] / 2
        across = [(axis + 1) % 3, (axis + 2) % 3]
        points[:, across] += (rng.random((count, 2)) - 0.5) * size[across]
        yield points, np.tile(sign * np.eye(3)[axis], (count, 1)), math.sqrt(area / max(count, 1)), owner
    for k, (centre, radius) in enumerate(balls):
        count, area = counts[len(sides) + k], areas[len(sides) + k]
        normals = rng.normal(size=(count, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        yield centre + radius * normals, normals, math.sqrt(area / max(count, 1)), len(boxes) + k


def room(n: int, seed: int = 0) -> dict[str, Any]:
    """Arguments of ``rasterize`` for n Gaussians, without the camera."""
    rng = np.random.default_rng(seed)
    parts = list(surfaces(rng, n))
    points, normals = (np.concatenate([p[k] for p in parts]) for k in range(2))
    owners = np.repeat([p[3] for p in parts], [len(p[0]) for p in parts])
    spacing = np.repeat([p[2] for p in parts], [len(p[0]) for p in parts])
    points += normals * rng.normal(size=(n, 1)) * 0.004
    size = spacing * 0.5 * np.exp(rng.normal(size=n) * 0.42)
    shape = np.exp(rng.normal(size=n) * 0.38)
    sh = rng.normal(size=(n, 16, 3)) * 0.08
    sh[:, 0] = (rng.random((n, 3)) - 0.5) / 0.28209
    opaque = rng.random(n) < 0.55
    order, f = rng.permutation(n), np.float32
    return {
        "means": points[order].astype(f),
        "quats": quats_to(normals[order], rng).astype(f),
        "scales": np.stack([size * shape, size / shape, size * 0.12], axis=1)[order].astype(f),
        "opacities": np.where(opaque, rng.uniform(0.85, 1, n), rng.uniform(0.02, 0.4, n))[order].astype(f),
        "sh": sh[order].astype(f),
        "owner": owners[order].astype(np.int32),
        "normals": normals[order].astype(f),
    }


def quats_to(normals: Any, rng: np.random.Generator) -> Any:
    """Rotations that bring +z to the normals, after a random turn about it."""
    half = rng.uniform(0, math.pi, len(normals))
    w = np.sqrt(np.maximum((1 + normals[:, 2]) / 2, 1e-12))
    x, y = -normals[:, 1] / (2 * w), normals[:, 0] / (2 * w)
    c, s = np.cos(half), np.sin(half)
    return np.stack([w * c, x * c + y * s, y * c - x * s, w * s], axis=1)


def camera(width: int, height: int) -> dict[str, Any]:
    """In a corner of the room, 75 degrees high."""
    eye, target = np.array([2.85, -2.35, 1.7]), np.array([-0.3, 0.3, 0.5])
    z = (target - eye) / np.linalg.norm(target - eye)
    x = np.cross(z, [0, 0, 1]) / np.linalg.norm(np.cross(z, [0, 0, 1]))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([x, np.cross(z, x), z])
    matrix[:3, 3] = -matrix[:3, :3] @ eye
    focal = height / 2 / math.tan(math.radians(75) / 2)
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return {"viewmat": matrix, "K": K, "width": width, "height": height}


@numba.njit(nogil=True, cache=True, error_model="numpy")
def pixel_by_pixel(records, stride, starts, order, grid, image, alpha_image):  # type: ignore[no-untyped-def]
    """The rival: what one writes first. Pixel after pixel, each through its tile's list, as CUDA rasterizers do."""
    width, height, columns, _ = grid
    for y in range(height):
        for x in range(width):
            tile = (y // TILE) * columns + x // TILE
            light = np.float32(1)
            red = green = blue = np.float32(0)
            for entry in range(starts[tile], starts[tile + 1]):
                r = order[entry] * stride
                dx = np.float32(x + 0.5) - records[r + MEAN_X]
                dy = np.float32(y + 0.5) - records[r + MEAN_Y]
                u = records[r + U_X] * dx + records[r + U_Y] * dy
                v = records[r + V_Y] * dy
                alpha = math.exp(np.float32(LOG2_SCALE * math.log(2)) * (records[r + PEAK] - u * u - v * v))
                alpha = min(np.float32(ALPHA_MAX), alpha)
                if alpha < np.float32(ALPHA_MIN):
                    continue
                left = light * (np.float32(1) - alpha)
                if left <= np.float32(STOP_TRANSMITTANCE):
                    break
                weight = alpha * light
                red += weight * records[r + CHANNELS]
                green += weight * records[r + CHANNELS + 1]
                blue += weight * records[r + CHANNELS + 2]
                light = left
            pixel = y * width + x
            image[3 * pixel], image[3 * pixel + 1], image[3 * pixel + 2] = red, green, blue
            alpha_image[pixel] = np.float32(1) - light


def least_ms(body: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Least CPU and wall milliseconds of one call, after a first one that does not count."""
    body()
    cpu, wall = math.inf, math.inf
    for _ in range(repeats):
        c, w = time.process_time(), time.perf_counter()
        body()
        cpu, wall = min(cpu, time.process_time() - c), min(wall, time.perf_counter() - w)
    return 1e3 * cpu, 1e3 * wall


def against_rival(scene: dict[str, Any], view: dict[str, Any], repeats: int) -> dict[str, float]:
    """Our blending and the rival's, on the same records and lists, one thread each."""
    captured: list[Any] = []
    blend = cpu_blend.blend

    def spy(*arguments: Any) -> None:
        captured[:] = arguments
        blend(*arguments)

    cpu_blend.blend = spy
    try:
        colours = {k: v for k, v in scene.items() if k != "normals"}
        CpuRasterizer(threads=1).rasterize(**colours, **view)
    finally:
        cpu_blend.blend = blend
    _, grid, splats, *_, picture, _ = captured
    image, alpha = np.empty_like(picture.features), np.empty_like(picture.alpha)
    ours, _ = least_ms(lambda: blend(*captured), repeats)
    lists = splats.records, splats.stride, splats.starts, splats.order
    theirs, _ = least_ms(lambda: pixel_by_pixel(*lists, tuple(grid), image, alpha), max(2, repeats // 8))
    error = float(np.abs(image - picture.features).mean())
    return {"ours_ms": ours, "rival_ms": theirs, "ratio": theirs / ours, "mean_difference": error}


def run(quick: bool = False) -> dict[str, Any]:
    """All cases: milliseconds per frame by Gaussians, size, threads and output; and the ratio to the rival."""
    numbers = (20_000,) if quick else (20_000, 100_000, 500_000)
    sizes = ((640, 480),) if quick else ((640, 480), (1280, 720))
    repeats = 5 if quick else 25
    cases = []
    rival: dict[str, Any] = {}
    for n in numbers:
        scene = room(n)
        normals = scene.pop("normals")
        for width, height in sizes:
            view = camera(width, height)
            for threads in (1, 2):
                rasterizer = CpuRasterizer(threads=threads)
                colour = least_ms(lambda: rasterizer.rasterize(**scene, **view), repeats)  # noqa: B023  called here
                full = least_ms(
                    lambda: rasterizer.rasterize(**scene, **view, features=normals, want=LABELS),  # noqa: B023
                    repeats,
                )
                case = {"gaussians": n, "width": width, "height": height, "threads": threads}
                case |= {"colour_cpu_ms": colour[0], "colour_wall_ms": colour[1], "all_labels_cpu_ms": full[0]}
                cases.append(case | {"all_labels_wall_ms": full[1], "labels_over_colour": full[0] / colour[0]})
                rasterizer.close()
            if (width, height) == (640, 480):
                rival[f"{n} at {width}x{height}"] = against_rival(scene, view, repeats)
    return {"frames": cases, "blending_against_plain_numba": rival}


HEADER = ("Gaussians", "size", "threads", "colour CPU ms", "wall ms", "all labels CPU ms", "wall ms", "labels / colour")


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Table rows: the frames, then blending alone against the rival."""
    table = [
        (
            f"{c['gaussians']:,}", f"{c['width']}x{c['height']}", str(c["threads"]),
            f"{c['colour_cpu_ms']:.1f}", f"{c['colour_wall_ms']:.1f}",
            f"{c['all_labels_cpu_ms']:.1f}", f"{c['all_labels_wall_ms']:.1f}", f"{c['labels_over_colour']:.2f}",
        )
        for c in result["frames"]
    ]  # fmt: skip
    for name, r in result["blending_against_plain_numba"].items():
        text = f"blending alone {r['ours_ms']:.1f}", f"plain numba {r['rival_ms']:.0f}", f"{r['ratio']:.0f} times"
        table.append((name.split(" at ")[0], name.split(" at ")[1], "1", text[0], "", text[1], "", text[2]))
    return table


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
