"""Rival: the usual CUDA rasterizer, kernel for kernel, run by Warp on the processor.

It follows gsplat 1.5.3 (Ye et al. 2024): one thread for each Gaussian projects it and looks up its colour, one writes a
key of tile and depth for every tile it touches, the keys are sorted, and one thread for each pixel walks its tile's
list. Warp runs the threads of a launch one after another on one core. The picture is the reference's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

NAME = "pixel order (Warp)"
LEAST_DB = 80.0
"""By the same rules as ours: the pictures must agree."""
TARGET = 15.0
TILE = wp.constant(16)
FAINTEST = wp.constant(wp.float32(1 / 255))
wp.config.log_level = wp.LOG_ERROR


@wp.struct
class Camera:
    """Intrinsics [px], camera_from_world, and where the camera is."""

    fx: wp.float32
    fy: wp.float32
    cx: wp.float32
    cy: wp.float32
    width: wp.int32
    height: wp.int32
    rotation: wp.mat33
    translation: wp.vec3
    eye: wp.vec3


@wp.func
def harmonics(sh: wp.array2d(dtype=wp.vec3), i: wp.int32, d: wp.vec3):  # type: ignore[no-untyped-def,valid-type]
    x, y, z = d[0], d[1], d[2]
    xx, yy, zz = x * x, y * y, z * z
    c = wp.vec3(0.5) + 0.28209479 * sh[i, 0] - 0.48860251 * (y * sh[i, 1] - z * sh[i, 2] + x * sh[i, 3])
    c += 1.09254843 * (x * y * sh[i, 4] - y * z * sh[i, 5] - x * z * sh[i, 7])
    c += 0.31539157 * (2.0 * zz - xx - yy) * sh[i, 6] + 0.54627422 * (xx - yy) * sh[i, 8]
    c += -0.59004359 * y * (3.0 * xx - yy) * sh[i, 9] + 2.89061144 * x * y * z * sh[i, 10]
    c += -0.45704580 * (4.0 * zz - xx - yy) * (y * sh[i, 11] + x * sh[i, 13])
    c += 0.37317633 * z * (2.0 * zz - 3.0 * xx - 3.0 * yy) * sh[i, 12]
    c += 1.44530572 * z * (xx - yy) * sh[i, 14] - 0.59004359 * x * (xx - 3.0 * yy) * sh[i, 15]
    return wp.max(c, wp.vec3(0.0))


@wp.kernel(enable_backward=False)
def project(
    camera: Camera,
    means: wp.array(dtype=wp.vec3),
    quats: wp.array(dtype=wp.vec4),
    scales: wp.array(dtype=wp.vec3),
    opacities: wp.array(dtype=wp.float32),
    sh: wp.array2d(dtype=wp.vec3),
    places: wp.array(dtype=wp.vec2),
    conics: wp.array(dtype=wp.vec3),
    depths: wp.array(dtype=wp.float32),
    colours: wp.array(dtype=wp.vec3),
    boxes: wp.array(dtype=wp.vec4i),
    counts: wp.array(dtype=wp.int32),
) -> None:
    i = wp.tid()
    counts[i] = 0
    p = camera.rotation * means[i] + camera.translation
    if p[2] < 0.01 or opacities[i] < FAINTEST:
        return
    q = wp.normalize(quats[i])
    turn = wp.quat_to_matrix(wp.quat(q[1], q[2], q[3], q[0]))
    m = camera.rotation * turn * wp.diag(scales[i])
    z = p[2]
    wide, tall = 0.15 * wp.float32(camera.width) / camera.fx, 0.15 * wp.float32(camera.height) / camera.fy
    right, below = wp.float32(camera.width) - camera.cx, wp.float32(camera.height) - camera.cy
    sx = wp.clamp(p[0] / z, -camera.cx / camera.fx - wide, right / camera.fx + wide)
    sy = wp.clamp(p[1] / z, -camera.cy / camera.fy - tall, below / camera.fy + tall)
    across = (camera.fx / z) * (wp.vec3(m[0, 0], m[0, 1], m[0, 2]) - sx * wp.vec3(m[2, 0], m[2, 1], m[2, 2]))
    down = (camera.fy / z) * (wp.vec3(m[1, 0], m[1, 1], m[1, 2]) - sy * wp.vec3(m[2, 0], m[2, 1], m[2, 2]))
    a, b, c = wp.dot(across, across) + 0.3, wp.dot(across, down), wp.dot(down, down) + 0.3
    det = a * c - b * b
    if det <= 0.0:
        return
    x, y = camera.fx * p[0] / z + camera.cx, camera.fy * p[1] / z + camera.cy
    reach = wp.min(3.33, wp.sqrt(2.0 * wp.log(opacities[i] / FAINTEST)))
    rx, ry, side = wp.ceil(reach * wp.sqrt(a)), wp.ceil(reach * wp.sqrt(c)), wp.float32(TILE)
    columns, rows = (camera.width + TILE - 1) // TILE, (camera.height + TILE - 1) // TILE
    x0, x1 = wp.int32(wp.floor((x - rx) / side)), wp.int32(wp.ceil((x + rx) / side))
    y0, y1 = wp.int32(wp.floor((y - ry) / side)), wp.int32(wp.ceil((y + ry) / side))
    box = wp.vec4i(wp.clamp(x0, 0, columns), wp.clamp(x1, 0, columns), wp.clamp(y0, 0, rows), wp.clamp(y1, 0, rows))
    count = (box[1] - box[0]) * (box[3] - box[2])
    if count <= 0:
        return
    counts[i] = count
    boxes[i] = box
    places[i] = wp.vec2(x, y)
    depths[i] = z
    conics[i] = wp.vec3(c / det, -b / det, a / det)
    colours[i] = harmonics(sh, i, wp.normalize(means[i] - camera.eye))


@wp.kernel(enable_backward=False)
def fill(
    columns: wp.int32,
    boxes: wp.array(dtype=wp.vec4i),
    depths: wp.array(dtype=wp.float32),
    counts: wp.array(dtype=wp.int32),
    ends: wp.array(dtype=wp.int32),
    keys: wp.array(dtype=wp.int64),
    rows: wp.array(dtype=wp.int32),
) -> None:
    i = wp.tid()
    if counts[i] == 0:
        return
    at, box = ends[i] - counts[i], boxes[i]
    depth = wp.int64(wp.cast(depths[i], wp.int32))
    for y in range(box[2], box[3]):
        for x in range(box[0], box[1]):
            keys[at] = (wp.int64(y * columns + x) << wp.int64(32)) | depth
            rows[at] = i
            at += 1


@wp.kernel(enable_backward=False)
def split(keys: wp.array(dtype=wp.int64), starts: wp.array(dtype=wp.int32), total: wp.int32) -> None:
    k = wp.tid()
    tile = wp.int32(keys[k] >> wp.int64(32))
    before = wp.int32(-1)
    if k > 0:
        before = wp.int32(keys[k - 1] >> wp.int64(32))
    for t in range(before + 1, tile + 1):
        starts[t] = k
    if k == total - 1:
        for t in range(tile + 1, starts.shape[0]):
            starts[t] = total


@wp.kernel(enable_backward=False)
def blend(
    columns: wp.int32,
    width: wp.int32,
    height: wp.int32,
    starts: wp.array(dtype=wp.int32),
    rows: wp.array(dtype=wp.int32),
    places: wp.array(dtype=wp.vec2),
    conics: wp.array(dtype=wp.vec3),
    opacities: wp.array(dtype=wp.float32),
    colours: wp.array(dtype=wp.vec3),
    image: wp.array2d(dtype=wp.vec3),
) -> None:
    tile, pixel = wp.tid()
    column, row = (tile % columns) * TILE + pixel % TILE, (tile // columns) * TILE + pixel // TILE
    if column >= width or row >= height:
        return
    x, y = wp.float32(column) + 0.5, wp.float32(row) + 0.5
    light, total = wp.float32(1.0), wp.vec3(0.0)
    for k in range(starts[tile], starts[tile + 1]):
        i = rows[k]
        dx, dy, conic = x - places[i][0], y - places[i][1], conics[i]
        power = 0.5 * (conic[0] * dx * dx + conic[2] * dy * dy) + conic[1] * dx * dy
        alpha = wp.min(0.999, opacities[i] * wp.exp(-power))
        if power < 0.0 or alpha < FAINTEST:
            continue
        left = light * (1.0 - alpha)
        if left <= 1.0e-4:
            break
        total += alpha * light * colours[i]
        light = left
    image[row, column] = total


def prepare(scene: dict[str, Any], view: dict[str, Any]) -> Callable[[], NDArray[np.float32]]:
    """A call that draws one frame [H, W, 3]; Gaussians lie in Warp's arrays already, work space is kept."""
    wp.init()
    n, width, height = len(scene["means"]), view["width"], view["height"]
    columns = -(-width // 16)
    tiles = columns * -(-height // 16)
    types = {"means": wp.vec3, "quats": wp.vec4, "scales": wp.vec3, "opacities": wp.float32, "sh": wp.vec3}
    cloud = [wp.array(scene[name], dtype=dtype, device="cpu") for name, dtype in types.items()]
    made = [wp.vec2, wp.vec3, wp.float32, wp.vec3, wp.vec4i, wp.int32]
    places, conics, depths, colours, boxes, counts = (wp.empty(n, dtype=t, device="cpu") for t in made)
    ends, starts = wp.empty(n, dtype=wp.int32, device="cpu"), wp.empty(tiles + 1, dtype=wp.int32, device="cpu")
    image = wp.empty((height, width), dtype=wp.vec3, device="cpu")
    camera = camera_of(view)
    space: dict[str, Any] = {}

    def lists() -> int:
        wp.utils.array_scan(counts, ends)
        total = int(ends.numpy()[-1])
        if len(space.get("keys", ())) < 2 * total:  # the sort wants twice the room
            space["keys"] = wp.empty(2 * total, dtype=wp.int64, device="cpu")
            space["rows"] = wp.empty(2 * total, dtype=wp.int32, device="cpu")
        filled = [columns, boxes, depths, counts, ends, space["keys"], space["rows"]]
        wp.launch(fill, n, filled, device="cpu")
        wp.utils.radix_sort_pairs(space["keys"], space["rows"], total)
        wp.launch(split, total, [space["keys"], starts, total], device="cpu")
        return total

    def draw() -> NDArray[np.float32]:
        wp.launch(project, n, [camera, *cloud, places, conics, depths, colours, boxes, counts], device="cpu")
        lists()
        inputs = [columns, width, height, starts, space["rows"], places, conics, cloud[3], colours, image]
        wp.launch(blend, (tiles, 256), inputs, device="cpu")
        return image.numpy()

    return draw


def camera_of(view: dict[str, Any]) -> Any:
    """The view as Warp's struct."""
    K, matrix = view["K"], view["viewmat"]
    camera = Camera()
    camera.fx, camera.fy, camera.cx, camera.cy = (float(v) for v in (K[0, 0], K[1, 1], K[0, 2], K[1, 2]))
    camera.width, camera.height = view["width"], view["height"]
    camera.rotation, camera.translation = wp.mat33(*matrix[:3, :3].flatten()), wp.vec3(*matrix[:3, 3])
    camera.eye = wp.vec3(*(-matrix[:3, :3].T @ matrix[:3, 3]))
    return camera
