"""Which Gaussians a camera can see, and their values gathered for the rasterizer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simvid.assets.splats import INSET, THICKNESS
from simvid.lens import parallel
from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import NO_GROUND, ONE, TWO, ZERO, Floats, Ints, Real, SplatArrays, Vec
from simvid.rendering.sight import Bounds, Sight, bounds

SIGMAS: Real = np.float32(3.5)
"""A Gaussian reaches this many standard deviations."""
SURFACE_CHANNELS = 4
"""Plane of the surface: world normal and distance from the camera."""


FINE_PX = 1.1
"""Spacing of Gaussians for which their inset is right."""
INSET_PX: Real = np.float32(INSET * FINE_PX)
"""Depth below the surface that outlines need."""
SPACING: Real = np.float32(THICKNESS * FINE_PX)
"""Thickness of Gaussians of that spacing, in pixels: it says what spacing a Gaussian was made for."""


class Visible(NamedTuple):
    """V Gaussians in world coordinates, in the order of the scene: arguments of ``Rasterizer.rasterize``."""

    rows: Ints
    """Their rows among all, rising, [V]."""
    means: Floats
    quats: Floats
    scales: Floats
    opacities: Floats
    owner: Ints
    features: Floats
    """[V, D]: three for colour, not yet filled; where surfaces are asked for, four for the plane of the
    surface above the Gaussian: world normal n turned to the camera, and n (x - eye) for its points x [m]; then what
    else was asked for, not filled."""


class _View(NamedTuple):
    """A camera at one instant."""

    camera_from_world: Floats
    eye: Floats
    forward: Floats
    """The line of sight where all are parallel; empty where they meet in the eye."""
    bounds: Bounds
    K: Floats
    size: Floats
    near: Real
    ground: Real
    pixel: Floats
    """Size of a pixel over its depth, and fixed [m], [2]."""
    rigid: int
    """So many come first, before those of loose particles, which know the pixel already."""


class Selector:
    """Picks the Gaussians that one camera sees."""

    def __init__(self, count: int, near_m: float, ground_m: float | None) -> None:
        """For about ``count`` Gaussians; ``ground_m`` is the height of the ground, None without one."""
        self._near_m = near_m
        self._ground_m = NO_GROUND if ground_m is None else ground_m
        self._picked, self._count = np.empty(count, np.int32), count

    def select(self, sight: Sight, splats: SplatArrays, workers: Workers, *, surfaces: bool, more: int = 0) -> Visible:
        """Gaussians in front of the camera, inside its picture, above the ground and not turned away.

        ``more`` channels are kept free behind those of the surfaces.
        """
        camera, f = sight.camera, np.float32
        view = _View(
            sight.camera_from_world.astype(f),
            sight.eye.astype(f),
            (sight.forward if parallel(camera) else np.zeros(0)).astype(f),
            bounds(sight),
            camera.K.astype(f),
            np.array([camera.width, camera.height], f),
            f(self._near_m),
            f(self._ground_m),
            np.array([0, 1] if parallel(camera) else [1, 0], f) / f(camera.K[1, 1]),
            self._count,
        )
        counts: dict[int, int] = {}

        def pick(start: int, stop: int) -> None:
            counts[start] = _pick(splats, view, self._picked, start, stop)

        count = len(splats.means)
        if count > len(self._picked):  # loose particles have as many Gaussians as their skin asks for
            self._picked = np.empty(2 * count, np.int32)
        workers.run(pick, count, least=8192)
        rows = np.concatenate([self._picked[s : s + n] for s, n in sorted(counts.items())])
        n = len(rows)
        out = Visible(
            rows,
            np.empty((n, 3), f),
            np.empty((n, 4), f),
            np.empty((n, 3), f),
            np.empty(n, f),
            np.empty(n, np.int32),
            np.empty((n, 3 + SURFACE_CHANNELS + more if surfaces else 3), f),
        )

        def gather(start: int, stop: int) -> None:
            _gather(splats, view, out, start, stop)

        workers.run(gather, n, least=8192)
        return out


@inlined
def _inside(means: Floats, i: int, view: _View, depth: Real, margin: Real) -> bool:
    """Whether a ball may be in the picture of a lens that is no plain pinhole."""
    w, rows = view.camera_from_world, view.bounds.rows
    for k in range(2):
        along = w[k, 0] * means[i, 0] + w[k, 1] * means[i, 1] + w[k, 2] * means[i, 2] + w[k, 3]
        if along < rows[k, 0] * depth + rows[k, 2] - margin or along > rows[k, 1] * depth + rows[k, 3] + margin:
            return False
    return True


@inlined
def _toward(view: _View, x: Real, y: Real, z: Real) -> Vec:
    """The way from the camera to a point; of any length."""
    if len(view.forward):
        return view.forward[0], view.forward[1], view.forward[2]
    return x - view.eye[0], y - view.eye[1], z - view.eye[2]


@kernel
def _pick(splats: SplatArrays, view: _View, out: Ints, start: int, stop: int) -> int:
    """Write the rows to keep from ``out[start]`` on; their number."""
    count = 0
    w, K, eye = view.camera_from_world, view.K, view.eye
    above = eye[2] > view.ground
    for i in range(start, stop):
        x, y, z = splats.means[i, 0], splats.means[i, 1], splats.means[i, 2]
        depth = w[2, 0] * x + w[2, 1] * y + w[2, 2] * z + w[2, 3]
        if depth < view.near:
            continue
        largest = max(splats.scales[i, 0], splats.scales[i, 1], splats.scales[i, 2])
        if len(view.bounds.rows):
            if not _inside(splats.means, i, view, depth, SIGMAS * largest * view.bounds.stretch):
                continue
        else:
            u = K[0, 0] * (w[0, 0] * x + w[0, 1] * y + w[0, 2] * z + w[0, 3]) / depth + K[0, 2]
            v = K[1, 1] * (w[1, 0] * x + w[1, 1] * y + w[1, 2] * z + w[1, 3]) / depth + K[1, 2]
            margin = SIGMAS * K[1, 1] * largest / depth + TWO
            if u < -margin or v < -margin or u > view.size[0] + margin or v > view.size[1] + margin:
                continue
        if above and splats.points[i, 2] < view.ground - np.float32(0.2) * splats.radius[i]:
            continue
        if splats.back[i] < ONE:
            if splats.back[i] == ZERO:  # a flat face: what matters is on which side of it the camera is
                x, y, z = splats.points[i, 0], splats.points[i, 1], splats.points[i, 2]
            dx, dy, dz = _toward(view, x, y, z)
            away = dx * splats.normals[i, 0] + dy * splats.normals[i, 1] + dz * splats.normals[i, 2]
            if away > ZERO and away * away > splats.back[i] * splats.back[i] * (dx * dx + dy * dy + dz * dz):
                continue
        out[start + count] = i
        count += 1
    return count


@inlined
def _drawn_at(splats: SplatArrays, i: int, view: _View) -> Vec:
    """Where a Gaussian is drawn: of a mesh, as deep below its surface as outlines in this picture need.

    Means lie ``INSET`` spacings deep and are drawn back from edges by as much, which is right where a spacing is about
    a pixel. How far an outline of Gaussians reaches past their means has little to do with their spacing, but with the
    low-pass of the rasterizers, which is counted in pixels: coarser ones would end a pixel and more too early. Those
    are lifted, and moved towards the edge unless half a spacing from there is far enough already.
    """
    x, y, z = splats.means[i, 0], splats.means[i, 1], splats.means[i, 2]
    w = view.camera_from_world
    pixel = view.pixel[0] * (w[2, 0] * x + w[2, 1] * y + w[2, 2] * z + w[2, 3]) + view.pixel[1]
    coarse = splats.scales[i, 2] / (SPACING * pixel)
    if splats.baked[i] or i >= view.rigid or coarse <= ONE:
        return x, y, z
    bx, by, bz = splats.points[i, 0] - x, splats.points[i, 1] - y, splats.points[i, 2] - z
    nx, ny, nz = splats.normals[i, 0], splats.normals[i, 1], splats.normals[i, 2]
    up = bx * nx + by * ny + bz * nz
    edge = min(np.float32(1.6) * (ONE - ONE / coarse), ONE)
    deep = INSET_PX * pixel
    lift = max(up - deep, ZERO) - up * edge
    return x + lift * nx + bx * edge, y + lift * ny + by * edge, z + lift * nz + bz * edge


@kernel
def _gather(splats: SplatArrays, view: _View, out: Visible, start: int, stop: int) -> None:
    eye = view.eye
    for slot in range(start, stop):
        i = out.rows[slot]
        x, y, z = _drawn_at(splats, i, view)
        out.means[slot, 0], out.means[slot, 1], out.means[slot, 2] = x, y, z
        for k in range(3):
            out.scales[slot, k] = splats.scales[i, k]
        for k in range(4):
            out.quats[slot, k] = splats.quats[i, k]
        out.opacities[slot] = splats.opacities[i]
        out.owner[slot] = splats.owner[i]
        if out.features.shape[1] > 3:
            away, plane = ZERO, ZERO
            for k in range(3):
                away += (splats.means[i, k] - eye[k] if not len(view.forward) else view.forward[k]) * splats.normals[
                    i, k
                ]
                plane += (splats.points[i, k] - eye[k]) * splats.normals[i, k]
            sign = -ONE if away > ZERO and splats.back[i] >= ONE else ONE
            for k in range(3):
                out.features[slot, 3 + k] = sign * splats.normals[i, k]
            out.features[slot, 6] = sign * plane
