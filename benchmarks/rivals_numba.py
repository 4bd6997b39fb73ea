"""Rival: the usual CUDA rasterizer of ``rivals_warp``, as one would write it in Numba: scalar loops, pixel order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

NAME = "pixel order (Numba)"
LEAST_DB = 80.0
"""By the same rules as ours: the pictures must agree."""
TARGET = 15.0
TILE = 16
F = np.float32
FAINTEST = F(1 / 255)
compiled = numba.njit(cache=True, fastmath=True, error_model="numpy")


@compiled
def rotation(q, m):  # type: ignore[no-untyped-def]
    """Fill a matrix [3, 3] from a quaternion."""
    s = F(1) / math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    w, x, y, z = q[0] * s, q[1] * s, q[2] * s, q[3] * s
    m[0, 0], m[0, 1], m[0, 2] = F(1) - F(2) * (y * y + z * z), F(2) * (x * y - w * z), F(2) * (x * z + w * y)
    m[1, 0], m[1, 1], m[1, 2] = F(2) * (x * y + w * z), F(1) - F(2) * (x * x + z * z), F(2) * (y * z - w * x)
    m[2, 0], m[2, 1], m[2, 2] = F(2) * (x * z - w * y), F(2) * (y * z + w * x), F(1) - F(2) * (x * x + y * y)


@compiled
def basis(x, y, z, b):  # type: ignore[no-untyped-def]
    """The sixteen harmonics at a unit direction."""
    xx, yy, zz = x * x, y * y, z * z
    b[0] = F(0.28209479)
    b[1], b[2], b[3] = F(-0.48860251) * y, F(0.48860251) * z, F(-0.48860251) * x
    b[4], b[5], b[7] = F(1.09254843) * x * y, F(-1.09254843) * y * z, F(-1.09254843) * x * z
    b[6], b[8] = F(0.31539157) * (F(2) * zz - xx - yy), F(0.54627422) * (xx - yy)
    b[9], b[10] = F(-0.59004359) * y * (F(3) * xx - yy), F(2.89061144) * x * y * z
    b[11], b[13] = F(-0.45704580) * y * (F(4) * zz - xx - yy), F(-0.45704580) * x * (F(4) * zz - xx - yy)
    b[12], b[14] = F(0.37317633) * z * (F(2) * zz - F(3) * xx - F(3) * yy), F(1.44530572) * z * (xx - yy)
    b[15] = F(-0.59004359) * x * (xx - F(3) * yy)


@compiled
def project(view, lens, size, means, quats, scales, opacities, sh, splats, boxes):  # type: ignore[no-untyped-def]
    """Records: place, conic, opacity, colour, depth [N, 10]; boxes of tiles [N, 4], empty for what is out of sight."""
    (fx, fy, cx, cy), (width, height) = lens, size
    columns, rows = (width + TILE - 1) // TILE, (height + TILE - 1) // TILE
    m, b, r = np.empty((3, 3), F), np.empty(16, F), np.empty((3, 3), F)
    eye = np.empty(3, F)
    for k in range(3):
        eye[k] = -(view[0, k] * view[0, 3] + view[1, k] * view[1, 3] + view[2, k] * view[2, 3])
    wide, tall = F(0.15) * F(width) / fx, F(0.15) * F(height) / fy
    for i in range(len(means)):
        boxes[i, 1] = boxes[i, 0] = 0
        mx, my, mz = means[i, 0], means[i, 1], means[i, 2]
        z = view[2, 0] * mx + view[2, 1] * my + view[2, 2] * mz + view[2, 3]
        opacity = opacities[i]
        if z < F(0.01) or opacity < FAINTEST:
            continue
        x = view[0, 0] * mx + view[0, 1] * my + view[0, 2] * mz + view[0, 3]
        y = view[1, 0] * mx + view[1, 1] * my + view[1, 2] * mz + view[1, 3]
        rotation(quats[i], r)
        for row in range(3):
            for column in range(3):
                m[row, column] = scales[i, column] * (
                    view[row, 0] * r[0, column] + view[row, 1] * r[1, column] + view[row, 2] * r[2, column]
                )
        sx = min(max(x / z, -cx / fx - wide), (F(width) - cx) / fx + wide)
        sy = min(max(y / z, -cy / fy - tall), (F(height) - cy) / fy + tall)
        xx, xy, yy = F(0.3), F(0), F(0.3)
        for k in range(3):
            across, down = fx / z * (m[0, k] - sx * m[2, k]), fy / z * (m[1, k] - sy * m[2, k])
            xx, xy, yy = xx + across * across, xy + across * down, yy + down * down
        det = xx * yy - xy * xy
        if det <= F(0):
            continue
        u, v = fx * x / z + cx, fy * y / z + cy
        reach = min(F(3.33), math.sqrt(F(2) * math.log(opacity / FAINTEST)))
        wide_px, tall_px = math.ceil(reach * math.sqrt(xx)), math.ceil(reach * math.sqrt(yy))
        boxes[i, 0] = min(max(math.floor((u - wide_px) / TILE), 0), columns)
        boxes[i, 1] = min(max(math.ceil((u + wide_px) / TILE), 0), columns)
        boxes[i, 2] = min(max(math.floor((v - tall_px) / TILE), 0), rows)
        boxes[i, 3] = min(max(math.ceil((v + tall_px) / TILE), 0), rows)
        if boxes[i, 1] <= boxes[i, 0] or boxes[i, 3] <= boxes[i, 2]:
            boxes[i, 1] = boxes[i, 0]
            continue
        dx, dy, dz = mx - eye[0], my - eye[1], mz - eye[2]
        s = F(1) / math.sqrt(dx * dx + dy * dy + dz * dz)
        basis(dx * s, dy * s, dz * s, b)
        for c in range(3):
            colour = F(0.5)
            for k in range(16):
                colour += b[k] * sh[i, k, c]
            splats[i, 6 + c] = max(colour, F(0))
        splats[i, 0], splats[i, 1], splats[i, 5], splats[i, 9] = u, v, opacity, z
        splats[i, 2], splats[i, 3], splats[i, 4] = yy / det, -xy / det, xx / det


@compiled
def lists(columns, order, boxes, starts):  # type: ignore[no-untyped-def]
    """Rows of each tile, nearest first."""
    starts[:] = 0
    for i in order:
        for y in range(boxes[i, 2], boxes[i, 3]):
            for x in range(boxes[i, 0], boxes[i, 1]):
                starts[y * columns + x + 1] += 1
    for t in range(1, len(starts)):
        starts[t] += starts[t - 1]
    rows, at = np.empty(starts[-1], np.int32), starts.copy()
    for i in order:
        for y in range(boxes[i, 2], boxes[i, 3]):
            for x in range(boxes[i, 0], boxes[i, 1]):
                rows[at[y * columns + x]] = i
                at[y * columns + x] += 1
    return rows


@compiled
def blend(columns, starts, rows, splats, image):  # type: ignore[no-untyped-def]
    """Pixel after pixel of a tile, each through the tile's list."""
    height, width, _ = image.shape
    for tile in range(len(starts) - 1):
        for y in range(tile // columns * TILE, min(tile // columns * TILE + TILE, height)):
            for x in range(tile % columns * TILE, min(tile % columns * TILE + TILE, width)):
                light = F(1)
                red = green = blue = F(0)
                for k in range(starts[tile], starts[tile + 1]):
                    i = rows[k]
                    dx, dy = F(x) + F(0.5) - splats[i, 0], F(y) + F(0.5) - splats[i, 1]
                    power = F(0.5) * (splats[i, 2] * dx * dx + splats[i, 4] * dy * dy) + splats[i, 3] * dx * dy
                    alpha = min(F(0.999), splats[i, 5] * math.exp(-power))
                    if power < F(0) or alpha < FAINTEST:
                        continue
                    left = light * (F(1) - alpha)
                    if left <= F(1e-4):
                        break
                    weight = alpha * light
                    red += weight * splats[i, 6]
                    green += weight * splats[i, 7]
                    blue += weight * splats[i, 8]
                    light = left
                image[y, x, 0], image[y, x, 1], image[y, x, 2] = red, green, blue


def prepare(scene: dict[str, Any], view: dict[str, Any]) -> Callable[[], NDArray[np.float32]]:
    """A call that draws one frame [H, W, 3]; work space is kept."""
    n, width, height = len(scene["means"]), view["width"], view["height"]
    columns, high = -(-width // TILE), -(-height // TILE)
    splats, boxes = np.empty((n, 10), F), np.empty((n, 4), np.int32)
    starts, image = np.empty(columns * high + 1, np.int32), np.empty((height, width, 3), F)
    K, matrix = view["K"], view["viewmat"].astype(F)
    lens = tuple(F(v) for v in (K[0, 0], K[1, 1], K[0, 2], K[1, 2]))
    cloud = [scene[name] for name in ("means", "quats", "scales", "opacities", "sh")]

    def draw() -> NDArray[np.float32]:
        project(matrix, lens, (width, height), *cloud, splats, boxes)
        seen = np.flatnonzero(boxes[:, 1] > boxes[:, 0])
        order = seen[np.argsort(splats[seen, 9], kind="stable")]
        blend(columns, starts, lists(columns, order, boxes, starts), splats, image)
        return image

    return draw
