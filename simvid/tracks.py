"""Point tracks: surface points followed through a clip, with whether each is seen."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.frames import CameraPath
from simvid.lens import unproject
from simvid.motion import SurfaceMotion, motion_of, seen_at, shown, to_camera, to_world
from simvid.shutter import pixel_times
from simvid.trajectory import Trajectory

Array: TypeAlias = NDArray[np.float64]
ALONG_M = 1e-4
"""A normal is followed by a second point so far along it [m]."""


@dataclass(frozen=True, eq=False)
class Queries:
    """K surface points to follow.

    Attributes:
        part_id: the part that each lies on, 0 for what stands still, [K].
        frame: the frame at which ``point_m`` and ``normal`` hold, [K].
        point_m: in the world, [K, 3]; NaN for a query that hit nothing.
        normal: outward, in the world, [K, 3]; NaN where the surface has no inside, so that both of its sides are seen.
    """

    part_id: NDArray[np.int32]
    frame: NDArray[np.int32]
    point_m: Array
    normal: Array

    def __post_init__(self) -> None:
        for f in fields(self):
            wanted = (len(self.part_id), 3) if f.name in {"point_m", "normal"} else (len(self.part_id),)
            if getattr(self, f.name).shape != wanted:
                raise ValueError(f"Queries.{f.name}: expected shape {wanted}, got {getattr(self, f.name).shape}")

    def __len__(self) -> int:
        return len(self.part_id)


@dataclass(frozen=True, eq=False)
class Tracks:
    """K points over T frames.

    Attributes:
        part_id: [K].
        query_frame: [K].
        local_m: the point in its part's frame, undeformed (in the world for part 0), float64 [K, 3].
        world_m: float64 [T, K, 3].
        uv: place in the picture (x right, y down) [px], also where the point is hidden or outside; NaN where the lens
            cannot see it; float32 [T, K, 2].
        z_m: in the camera's frame, float32 [T, K].
        visible: bool [T, K].
    """

    part_id: NDArray[np.int32]
    query_frame: NDArray[np.int32]
    local_m: Array
    world_m: Array
    uv: NDArray[np.float32]
    z_m: NDArray[np.float32]
    visible: NDArray[np.bool_]

    def __post_init__(self) -> None:
        t, k = self.visible.shape
        shapes: dict[str, tuple[int, ...]] = {
            "part_id": (k,), "query_frame": (k,), "local_m": (k, 3), "world_m": (t, k, 3), "uv": (t, k, 2),
            "z_m": (t, k),
        }  # fmt: skip
        for name, wanted in shapes.items():
            if getattr(self, name).shape != wanted:
                raise ValueError(f"Tracks.{name}: expected shape {wanted}, got {getattr(self, name).shape}")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """By name, as in ``tracks.npz``."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class Tracker:
    """Follows points while the frames of a clip pass by in order."""

    def __init__(
        self, queries: Queries, camera: CameraPath, trajectory: Trajectory, motion: SurfaceMotion | None = None
    ) -> None:
        self._queries, self._camera = queries, camera
        self._motion = motion if motion is not None else motion_of(trajectory)
        self._rows: list[tuple[Array, Array, Array, NDArray[np.bool_]]] = []

    def add(self, depth: NDArray[np.float32], ids: NDArray[np.int32]) -> None:
        """See the next frame: median z [m] and part ids, [H, W]."""
        frame, queries, camera = len(self._rows), self._queries, self._camera
        points = self._at(queries.point_m, frame)
        uv, z = seen_at(camera, frame, lambda when: self._at(queries.point_m, when))
        visible = shown(uv, z, queries.part_id, depth, ids)
        local = to_camera(camera, frame, points)
        tips = to_camera(camera, frame, self._at(queries.point_m + ALONG_M * queries.normal, frame))
        sight = unproject(camera, uv, z + 1) - unproject(camera, uv, z)
        away = ((tips - local) * sight).sum(axis=-1) > 0  # NaN, for points without a normal, is not away
        self._rows.append((points, uv, z, visible & ~away))

    def _at(self, points: Array, when: int | Array) -> Array:
        """The queries' points at a frame, or at times between frames, [K]."""
        moved = np.empty_like(points)
        for start in np.unique(self._queries.frame):
            mine = self._queries.frame == start
            at = when if isinstance(when, int) or when.ndim == 0 else when[mine]
            moved[mine] = self._motion(points[mine], self._queries.part_id[mine], int(start), at)
        return moved

    def result(self) -> Tracks:
        """Over the frames seen so far, one at least."""
        world, uv, z, visible = (np.stack(rows) for rows in zip(*self._rows, strict=True))
        queries = self._queries
        return Tracks(
            queries.part_id, queries.frame, self._local(), world, uv.astype(np.float32), z.astype(np.float32), visible
        )

    def _local(self) -> Array:
        queries, rest = self._queries, np.empty_like(self._queries.point_m)
        for start in np.unique(queries.frame):
            mine = queries.frame == start
            rest[mine] = self._motion.rest(queries.point_m[mine], queries.part_id[mine], int(start))
        return rest


def pixel_queries(
    pixels: NDArray[np.floating[Any]],
    frame: int,
    camera: CameraPath,
    depth: NDArray[np.float32],
    ids: NDArray[np.int32],
    motion: SurfaceMotion,
) -> Queries:
    """The surface points seen at places of one picture.

    Args:
        pixels: (x, y) [px], [K, 2]; the pixel that holds the place gives depth and id.
        frame: index of the picture.
        camera: that took it.
        depth: median z [m], [H, W].
        ids: part ids, [H, W].
        motion: how surfaces move, for pictures that are read line by line.

    Raises:
        ValueError: a place outside the picture.
    """
    at = np.asarray(pixels, np.float64).reshape(-1, 2)
    inside = ((at >= 0) & (at < [camera.width, camera.height])).all(axis=1)
    if not inside.all():
        bad = at[np.flatnonzero(~inside)[0]].tolist()
        raise ValueError(f"pixels: expected places in a picture of {camera.width} x {camera.height} px, got {bad}")
    column, row = at.astype(int).T
    local = unproject(camera, at, depth[row, column].astype(np.float64))
    if camera.shutter is None:
        points = to_world(camera, frame, local)
    else:
        when = pixel_times(camera, frame)[row, column]
        points = motion(to_world(camera, when, local), ids[row, column], when, frame)
    count = len(at)
    return Queries(ids[row, column], np.full(count, frame, np.int32), points, np.full((count, 3), np.nan))
