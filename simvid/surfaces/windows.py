"""In which pixels a triangle may be seen, for any lens."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.frames import CameraPath
from simvid.lens import parallel, picture_rays, project

Array: TypeAlias = NDArray[np.float64]
PIECES = 8
"""Into so many pieces each edge is cut where the lens bends lines."""


def face_windows(camera: CameraPath, vertices: Array, faces: NDArray[np.int32], near_m: float) -> NDArray[np.int32]:
    """Columns and rows that hold every pixel whose centre a triangle covers.

    The picture of a triangle lies within the box around the picture of its border, under any continuous lens. Edges are
    cut at the near plane first. Where the lens bends lines, edges are followed at several points, and the box is grown
    by more than the greatest bow between two of them. A triangle of which the lens cannot see a corner gets the whole
    picture.

    Args:
        camera: with its lens.
        vertices: in the camera's frame [m], [V, 3].
        faces: [F, 3].
        near_m: nothing nearer is seen.

    Returns:
        x0, y0, x1, y1 with x1 and y1 exclusive, within the picture; empty for triangles that are not seen; [F, 4].
    """
    windows = np.zeros((len(faces), 4), np.int32)
    if camera.lens.plain:
        from simvid.surfaces.zbuffer import pinhole_windows

        pinhole_windows(vertices, faces, camera.K, camera.width, camera.height, near_m, windows)
        rest = np.flatnonzero(windows[:, 0] < 0)
    else:
        rest = np.flatnonzero((vertices[:, 2] > near_m)[faces].any(axis=1))
    for k in range(0, len(rest), 1 << 16):
        some = rest[k : k + (1 << 16)]
        windows[some] = border_windows(camera, vertices[faces[some]], near_m)
    return windows


def border_windows(camera: CameraPath, corners: Array, near_m: float) -> NDArray[np.int32]:
    """The same for triangles [F, 3, 3] that may reach behind the near plane, under any lens."""
    low, high = _border_bounds(camera, corners, near_m, 1 if camera.lens.plain else PIECES)
    size = np.array([camera.width, camera.height])
    first = np.clip(np.ceil(np.nan_to_num(low, nan=-1.0, posinf=1e9) - 1), 0, size)
    last = np.clip(np.floor(np.nan_to_num(high, nan=1e9, neginf=-1e9) + 1), 0, size)
    return np.concatenate([first, np.maximum(first, last)], axis=1).astype(np.int32)


def edge_points(camera: CameraPath, corners: Array, near_m: float) -> Array:
    """Points along the edges of triangles [F, 3, 3] where they are in the picture, half a pixel apart in it.

    They are evenly spaced in x / z and y / z (x and y under parallel rays): 1 / z goes evenly along such a line. A lens
    that bends lines has them as much further apart as it stretches the middle of the picture.

    Returns:
        In the camera's frame [m], [P, 3].
    """
    starts, ends = corners.reshape(-1, 3), np.roll(corners, -1, axis=1).reshape(-1, 3)
    ahead = (starts[:, 2] > near_m) | (ends[:, 2] > near_m)
    starts, ends = starts[ahead], ends[ahead]
    za, zb = starts[:, 2:], ends[:, 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        met = starts + (near_m - za) / (zb - za) * (ends - starts)
    a, b = np.where(za > near_m, starts, met), np.where(zb > near_m, ends, met)
    flat = parallel(camera)
    p, q = (a[:, :2], b[:, :2]) if flat else (a[:, :2] / a[:, 2:], b[:, :2] / b[:, 2:])
    first, last = _within(camera, p, q)
    px = np.linalg.norm((q - p) * camera.K[[0, 1], [0, 1]], axis=1) * np.maximum(last - first, 0)
    count = np.where(first <= last, np.ceil(2 * px) + 1, 0).astype(np.int64)
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    share = step / np.maximum(np.repeat(count, count) - 1, 1)
    a, b, first, last = (np.repeat(values, count, axis=0) for values in (a, b, first, last))
    at = (first + share * (last - first))[:, None]
    near, far = (1 - at, at) if flat else ((1 - at) / a[:, 2:], at / b[:, 2:])
    return np.asarray((near * a + far * b) / (near + far))


def _within(camera: CameraPath, p: Array, q: Array) -> tuple[Array, Array]:
    """From which share of the way to which the lines from p to q [E, 2] may be seen; the first is more if nowhere.

    p, q: x / z and y / z, or x and y under parallel rays.
    """
    origins, slopes = picture_rays(camera)
    seen, half = origins + slopes, 0.5 / camera.K[[0, 1], [0, 1]]
    low, high = np.nanmin(seen, axis=(0, 1)) - half, np.nanmax(seen, axis=(0, 1)) + half
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = np.stack([(low - p) / (q - p), (high - p) / (q - p)])
    sides = np.nan_to_num(sides, nan=0.0)  # along a side, on it
    return np.maximum(sides.min(axis=0).max(axis=1), 0), np.minimum(sides.max(axis=0).min(axis=1), 1)


def _border_bounds(camera: CameraPath, corners: Array, near_m: float, pieces: int) -> tuple[Array, Array]:
    """Box around the pictures of some triangles [F, 3, 3], cut at the near plane; NaN where the lens sees no corner."""
    starts, ends = corners, np.roll(corners, -1, axis=1)
    za, zb = starts[..., 2], ends[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = np.clip((near_m - za) / (zb - za), 0, 1)
    seen = (za > near_m) | (zb > near_m)
    first, last = np.where(za > near_m, 0.0, cut), np.where(zb > near_m, 1.0, cut)
    steps = np.linspace(0, 1, pieces + 1)
    at = first[..., None] + (last - first)[..., None] * steps
    points = starts[..., None, :] + at[..., None] * (ends - starts)[..., None, :]
    points[..., 2] = np.maximum(points[..., 2], near_m)
    uv = np.where(seen[..., None, None], project(camera, points), np.inf)
    unseen = np.isnan(uv).any(axis=(1, 2, 3))
    bow = np.zeros(len(corners))
    if pieces > 1:
        with np.errstate(invalid="ignore"):
            bend = np.abs(np.diff(uv, n=2, axis=2))
        bow = np.nan_to_num(bend, nan=0.0, posinf=0.0).max(axis=(1, 2, 3))
    low = uv.min(axis=(1, 2)) - bow[:, None]
    high = np.where(np.isinf(uv), -np.inf, uv).max(axis=(1, 2)) + bow[:, None]
    low[unseen], high[unseen] = np.nan, np.nan
    return low, high
