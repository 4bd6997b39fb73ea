"""CameraPath: where a camera stood at every frame, through which lens it saw, and when it read each line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.optics import Lens, check_picture
from simvid.rotations import pose_matrix, pose_vector, poses_between

Direction: TypeAlias = Literal["down", "up", "right", "left"]


@dataclass(frozen=True)
class RollingShutter:
    """Lines of the sensor are read one after the other; a frame's time is that of the middle of its picture.

    Attributes:
        readout_s: from the first line's reading to the last line's [s].
        direction: the way that the reading goes over the picture; down reads rows from the top.
        lines: rows (or columns) that are taken to be read at once.
        fps: frames per second.

    Raises:
        ValueError: a readout that is not positive, or fewer than one line.
    """

    readout_s: float
    direction: Direction = "down"
    lines: int = 8
    fps: float = 24.0

    def __post_init__(self) -> None:
        if not 0 < self.readout_s < np.inf or self.lines < 1 or not 0 < self.fps < np.inf:
            raise ValueError(f"RollingShutter: expected readout_s > 0, lines >= 1 and fps > 0, got {self}")

    @property
    def by_rows(self) -> bool:
        """Whether rows are read one after the other, not columns."""
        return self.direction in ("down", "up")

    def bands(self, width: int, height: int) -> list[tuple[int, int, float]]:
        """First line, line after the last, and time from the frame's time [frames] of all bands, in picture order."""
        size = height if self.by_rows else width
        found = []
        for first in range(0, size, self.lines):
            last = min(first + self.lines, size)
            share = ((first + last) / 2) / size - 0.5
            sign = 1.0 if self.direction in ("down", "right") else -1.0
            found.append((first, last, sign * share * self.readout_s * self.fps))
        return found


@dataclass(frozen=True, eq=False)
class CameraPath:
    """A camera over T frames. OpenCV axes: +x right, +y down, +z forward; pixel centres at +0.5.

    Attributes:
        name: as in the scene.
        width, height: resolution [px].
        K: intrinsics [px] (orthographic: [px/m]), float64 [3, 3], without skew.
        world_from_camera: float64 [T, 4, 4]; under a rolling shutter, where the middle of the picture is read.
        lens: what stands between a pinhole and the picture; see ``simvid.lens`` to project through it.
        shutter: None reads all of a picture at once.

    Raises:
        ValueError: wrong shapes, intrinsics that make no picture, or a distortion that folds inside it.
    """

    name: str
    width: int
    height: int
    K: NDArray[np.float64]
    world_from_camera: NDArray[np.float64]
    lens: Lens = field(default=Lens())
    shutter: RollingShutter | None = None

    def __post_init__(self) -> None:
        if self.K.shape != (3, 3):
            raise ValueError(f"CameraPath.K: expected shape (3, 3), got {self.K.shape}")
        if self.world_from_camera.ndim != 3 or self.world_from_camera.shape[1:] != (4, 4):
            raise ValueError(f"CameraPath.world_from_camera: expected (T, 4, 4), got {self.world_from_camera.shape}")
        try:
            check_picture(self.lens, self.K, self.width, self.height)
        except ValueError as error:
            raise ValueError(f"CameraPath {self.name!r}: {error}") from error

    def poses_at(self, frame: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """world_from_camera between frames, [..., 4, 4]; see ``simvid.rotations.poses_between``."""
        at = np.asarray(frame, np.float64)
        poses = self.world_from_camera
        whole = np.clip(np.rint(at).astype(int), 0, len(poses) - 1)
        found = np.array(poses[whole])
        between = (at != whole) & ~(poses == poses[:1]).all()
        if between.any():
            times = np.unique(at[between])
            first = int(np.clip(np.floor(times[0]), 0, max(len(poses) - 2, 0)))
            last = int(max(np.floor(times[-1]) + 2, first + 2))
            vectors = poses_between(np.stack([pose_vector(p) for p in poses[first:last]]), times - first)
            matrices = np.stack([pose_matrix(v[:3], v[3:]) for v in vectors])
            found[between] = matrices[np.searchsorted(times, at[between])]
        return found

    @property
    def camera_from_world(self) -> NDArray[np.float64]:
        """Inverse of ``world_from_camera`` [T, 4, 4]."""
        return np.asarray(np.linalg.inv(self.world_from_camera), dtype=np.float64)
