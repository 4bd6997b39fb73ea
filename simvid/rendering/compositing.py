"""Splats over backdrop: the labels of one picture."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.ground.plane import Backdrop
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import HALF, ONE, ZERO, Array, Flags, Floats, Ints, Real
from simvid.rendering.sight import Sight

VISIBLE: Real = np.float32(1 / 255)
"""Less coverage than this has no depth."""
STEEPEST: Real = np.float32(0.05)
"""Cosine between ray and surface under which the surface is taken to be edge-on."""
LOOSE_PX: Real = np.float32(2.5)
"""How far, in pixels along the surface, its plane may lead away from the median depth."""


class Surfaces(NamedTuple):
    """What the rasterizer saw; see ``Raster``."""

    alpha: Floats
    expected_depth: Floats
    median_depth: Floats
    ids: Ints
    features: Floats
    """Channels 3 to 6 are the blended planes of the surfaces: world normals n, and n (x - eye) for their points x [m];
    not divided by alpha, [H, W, 7]."""


class _Labels(NamedTuple):
    alpha: Floats
    depth: Floats
    depth_expected: Floats
    ids: Ints
    normals: Floats


class _View(NamedTuple):
    """One frame's camera and the ground."""

    turn: Floats
    """camera_from_world rotation, [3, 3]."""
    ray: Floats
    """1 / fx, 1 / fy, cx, cy, [4]."""
    rays: Array
    """See ``Sight``; empty for plain pinholes."""
    pixel: Floats
    """Size of a pixel: over its depth, over the squared length of its ray besides, and fixed [m], [3]."""
    ground_depth: Floats
    ground_id: int
    baked: Flags
    """Parts that are captures, by id, [B + 1]."""


def sink(surfaces: Surfaces, backdrop: Backdrop, height_m: float, focal_px: float, workers: Workers) -> None:
    """Hide, in place, what the ground is in front of: the large Gaussians of captures may dip deep below it.

    A pixel whose splats lie, on the mean, farther along the ray than the ground is the ground's; the border is blurred
    over 1.5 to 4 pixels, in terms of how the depth of the ground grows from row to row.

    Args:
        surfaces: from the rasterizer.
        backdrop: with the depth of the ground.
        height_m: of the camera above the ground.
        focal_px: of the camera.
        workers: threads.
    """
    per_px = np.float32(1 / (max(height_m, 1e-3) * focal_px))
    workers.run(lambda i, j: _sink_rows(surfaces, backdrop.depth, per_px, i, j), len(backdrop.depth), least=16)


@kernel
def _sink_rows(surfaces: Surfaces, ground_depth: Floats, per_px: Real, start: int, stop: int) -> None:
    """At depth z the ground is about z^2 / (height focal) farther in the next row."""
    for row in range(start, stop):
        for col in range(ground_depth.shape[1]):
            ground = ground_depth[row, col]
            beyond = surfaces.expected_depth[row, col] - ground
            if not (beyond > ZERO) or surfaces.alpha[row, col] < VISIBLE:
                continue
            share = (np.float32(4.0) - beyond / (ground * ground * per_px)) / np.float32(2.5)
            share = min(max(share, ZERO), ONE)
            surfaces.alpha[row, col] *= share
            for k in range(surfaces.features.shape[2]):
                surfaces.features[row, col, k] *= share
            if surfaces.alpha[row, col] < HALF:
                surfaces.median_depth[row, col] = np.float32(np.inf)
                surfaces.ids[row, col] = 0


def composite_labels(
    surfaces: Surfaces, ground: tuple[Floats, int], baked: Flags, sight: Sight, workers: Workers
) -> dict[str, NDArray[Any]]:
    """Labels of a picture, as arrays for ``Frame``: alpha, depth, depth_expected, ids, normals.

    Where splats cover at least half of a pixel, depth, id and normal are theirs, else the ground's, else there are
    none.

    The median depth is the z of one Gaussian's centre. On a slanted surface that is up to a pixel's worth too near,
    since nearer Gaussians are blended first, and mesh-made Gaussians lie a little below their surface. So the ray r is
    cut with the blended plane instead, z = sum(w d) / (sum(w n) r) with n x = d the plane of each Gaussian's surface
    (Chen et al. 2024, "PGSR: Planar-based Gaussian splatting", eq. 5), and the result is kept within a few pixels'
    worth of the median depth, which knows edges better. Captures are no surfaces; they keep the median depth.

    Args:
        surfaces: from the rasterizer.
        ground: z [m], +inf without ground, [H, W]; and the id of the ground's part.
        baked: parts that are captures, by id, [B + 1].
        sight: camera and pose.
        workers: threads.
    """
    shape, f = surfaces.alpha.shape, np.float32
    out = _Labels(
        np.empty(shape, f), np.empty(shape, f), np.empty(shape, f), np.empty(shape, np.int32), np.empty((*shape, 3), f)
    )
    K, turn = sight.camera.K, np.ascontiguousarray(sight.pose[:3, :3].T.astype(f))
    row = {"pinhole": (1.0, 0.0, 0.0), "fisheye": (1.0, 1.0, 0.0), "orthographic": (0.0, 0.0, 1.0)}
    pixel = np.array(row[sight.camera.lens.kind], f) / f(K[1, 1])
    focal = np.array([1 / K[0, 0], 1 / K[1, 1], K[0, 2], K[1, 2]], f)
    view = _View(turn, focal, np.ascontiguousarray(sight.rays), pixel, *ground, baked)
    workers.run(lambda start, stop: _label_rows(surfaces, view, out, start, stop), shape[0], least=16)
    return out._asdict()


@inlined
def _surface(surfaces: Surfaces, view: _View, row: int, col: int) -> tuple[Real, Real, Real, Real]:
    """Unit normal in the camera's frame, turned to it, and how much nearer the surface is than the median depth [m]."""
    w, t = surfaces.features, view.turn
    nx = t[0, 0] * w[row, col, 3] + t[0, 1] * w[row, col, 4] + t[0, 2] * w[row, col, 5]
    ny = t[1, 0] * w[row, col, 3] + t[1, 1] * w[row, col, 4] + t[1, 2] * w[row, col, 5]
    nz = t[2, 0] * w[row, col, 3] + t[2, 1] * w[row, col, 4] + t[2, 2] * w[row, col, 5]
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    if length < np.float32(1e-6):
        return ZERO, ZERO, ZERO, ZERO
    nx, ny, nz = nx / length, ny / length, nz / length
    rx, ry = (np.float32(col) + HALF - view.ray[2]) * view.ray[0], (np.float32(row) + HALF - view.ray[3]) * view.ray[1]
    median = surfaces.median_depth[row, col]
    plane, room = w[row, col, 6] / length, LOOSE_PX * median * view.ray[1]
    if len(view.rays):
        ray = view.rays[row, col]
        rx, ry = np.float32(ray[2]), np.float32(ray[3])
        plane -= nx * np.float32(ray[0]) + ny * np.float32(ray[1])
        room = LOOSE_PX * (median * (view.pixel[0] + view.pixel[1] * (rx * rx + ry * ry)) + view.pixel[2])
    along = nx * rx + ny * ry + nz
    if along > ZERO:
        return -nx, -ny, -nz, ZERO
    steep = max(-along, STEEPEST)
    room *= ONE + ONE / steep
    nearer = median + plane / steep
    return nx, ny, nz, min(max(nearer, -room), room)


@kernel
def _label_rows(surfaces: Surfaces, view: _View, out: _Labels, start: int, stop: int) -> None:
    for row in range(start, stop):
        for col in range(surfaces.alpha.shape[1]):
            a, ground = surfaces.alpha[row, col], view.ground_depth[row, col]
            near = surfaces.expected_depth[row, col]
            if np.isfinite(surfaces.median_depth[row, col]):
                part = surfaces.ids[row, col]
                nx, ny, nz, nearer = _surface(surfaces, view, row, col)
                nearer = ZERO if view.baked[part] else nearer
                depth, near = surfaces.median_depth[row, col] - nearer, near - nearer
            elif ground < np.inf:
                depth, part = ground, np.int32(view.ground_id)
                nx, ny, nz = view.turn[0, 2], view.turn[1, 2], view.turn[2, 2]
            else:
                depth, part = np.float32(np.inf), np.int32(0)
                nx, ny, nz = ZERO, ZERO, ZERO
            out.depth[row, col], out.ids[row, col] = depth, part
            out.normals[row, col, 0], out.normals[row, col, 1], out.normals[row, col, 2] = nx, ny, nz
            out.alpha[row, col] = ONE if ground < np.inf else a
            if ground < np.inf:
                near = a * near + (ONE - a) * ground if a >= VISIBLE else ground
            out.depth_expected[row, col] = near
