"""What a camera sees of the parts' surfaces: exact depth and ids, and masks of things drawn alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.camera_path import RollingShutter
from simvid.frames import CameraPath
from simvid.lens import pixel_centers, project, rays
from simvid.motion import to_camera
from simvid.surfaces.meshes import SurfaceMeshes
from simvid.surfaces.windows import edge_points, face_windows
from simvid.trajectory import Trajectory

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _View:
    """Vertices in the camera's frame, faces, their part ids and the windows in which they may be seen; its lines."""

    vertices: Array
    faces: NDArray[np.int32]
    owners: NDArray[np.int32]
    windows: NDArray[np.int32]
    lines: tuple[slice, slice]


class SurfaceArtist:
    """Draws the surfaces of a trajectory for one camera. The last frame's preparation is kept.

    Attributes:
        meshes: what is drawn.
        margin_px: how far beyond the picture it draws on every side.
    """

    def __init__(
        self,
        meshes: SurfaceMeshes,
        trajectory: Trajectory,
        camera: CameraPath,
        near_m: float = 0.01,
        *,
        margin_px: int = 0,
    ) -> None:
        """``margin_px``: pictures are so much larger on every side; less where the lens shows nothing there."""
        self.meshes, self._trajectory, self._near_m = meshes, trajectory, near_m
        self._camera, self.margin_px = _wider(camera, margin_px)
        self._size = (camera.width, camera.height)
        self._rays = np.concatenate(rays(self._camera, pixel_centers(self._camera)), axis=-1)
        self._frame = -1
        self._views: list[_View] = []

    def draw(
        self, frame: int, part_ids: Collection[int] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """The nearest surface under each pixel's centre: z [m], +inf without; part id, 0 without; both [H, W].

        ``part_ids``: only these parts, as if they were alone.
        """
        from simvid.surfaces.zbuffer import draw_nearest

        self._prepare(frame)
        shape = self._rays.shape[:2]
        z, ids = np.full(shape, np.inf, np.float32), np.zeros(shape, np.int32)
        for v in self._views:
            mine = slice(None) if part_ids is None else np.isin(v.owners, list(part_ids))
            faces, owners, windows = v.faces[mine], v.owners[mine], v.windows[mine]
            draw_nearest(v.vertices, faces, owners, windows, self._rays, self._near_m, z, ids)
        return z, ids

    def mask(self, frame: int, part_ids: Collection[int]) -> NDArray[np.bool_]:
        """The pixels whose centre some parts would cover if they were alone, bool [H, W]."""
        from simvid.surfaces.zbuffer import draw_mask

        self._prepare(frame)
        mask = np.zeros(self._rays.shape[:2], np.bool_)
        for v in self._views:
            mine = np.isin(v.owners, list(part_ids))
            draw_mask(v.vertices, v.faces[mine], v.windows[mine], self._rays, self._near_m, mask)
        return mask

    def edges(self, frame: int, part_ids: Collection[int]) -> NDArray[np.float32]:
        """z [m] of the nearest edge of some parts' triangles in each pixel, if they were alone, [H, W]; +inf without.

        A triangle that touches a pixel has an edge in it or covers its centre. So what is thinner than a pixel is here
        where it passes between the centres, and ``draw`` misses it.
        """
        self._prepare(frame)
        z = np.full(self._rays.shape[:2], np.inf, np.float32)
        for v in self._views:
            seen = np.isin(v.owners, list(part_ids)) & (v.windows[:, 2] > v.windows[:, 0])
            points = edge_points(self._camera, v.vertices[v.faces[seen]], self._near_m)
            uv = project(self._camera, points)
            inside = np.flatnonzero(((uv >= 0) & (uv < z.shape[::-1])).all(axis=1))
            col, row = np.floor(uv[inside]).astype(np.int64).T
            mine = np.full_like(z, np.inf)
            np.minimum.at(mine, (row, col), points[inside, 2].astype(np.float32))
            z[v.lines] = np.minimum(z[v.lines], mine[v.lines])
        return z

    def _prepare(self, frame: int) -> None:
        """Vertices in the camera's frame and windows of all faces, for each band of lines that is read at once."""
        if frame == self._frame:
            return
        camera = self._camera
        shutter = camera.shutter
        bands = [(0, 0, 0.0)] if shutter is None else self._bands(shutter)
        self._views = []
        for first, last, offset in bands:
            when = frame if shutter is None else frame + offset
            vertices, faces, owners = self._placed(when)
            windows = face_windows(camera, vertices, faces, self._near_m)
            lines = (slice(None), slice(None))
            if shutter is not None:
                along = [1, 3] if shutter.by_rows else [0, 2]
                windows[:, along] = np.clip(windows[:, along], first, last)
                band = slice(first, last)
                lines = (band, slice(None)) if shutter.by_rows else (slice(None), band)
            self._views.append(_View(vertices, faces, owners, windows, lines))
        self._frame = frame

    def _bands(self, shutter: RollingShutter) -> list[tuple[int, int, float]]:
        """The bands of the picture; lines beyond it are read with the first and the last."""
        bands = [(a + self.margin_px, b + self.margin_px, at) for a, b, at in shutter.bands(*self._size)]
        bands[0] = (0, *bands[0][1:])
        bands[-1] = (bands[-1][0], bands[-1][1] + self.margin_px, bands[-1][2])
        return bands

    def _placed(self, when: float) -> tuple[Array, NDArray[np.int32], NDArray[np.int32]]:
        """Vertices in the camera's frame, faces and their part ids."""
        meshes, trajectory, camera = self.meshes, self._trajectory, self._camera
        if not trajectory.particles:
            return meshes.in_camera(trajectory, camera, when), meshes.faces, meshes.face_id
        vertices, faces, owners = meshes.at(trajectory, when)
        return np.ascontiguousarray(to_camera(camera, when, vertices)), faces, owners


def _wider(camera: CameraPath, px: int) -> tuple[CameraPath, int]:
    """A camera that sees so many pixels more on every side, or as many as its lens makes a picture of."""
    for more in range(px, 0, -1):
        K = camera.K.copy()
        K[:2, 2] += more
        try:
            return replace(camera, width=camera.width + 2 * more, height=camera.height + 2 * more, K=K), more
        except ValueError:  # the distortion folds there
            continue
    return camera, 0
