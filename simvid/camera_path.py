"""CameraPath: where a camera stood at every frame, through which lens it saw, and when it read each line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.optics import Lens, check_picture

Direction: TypeAlias = Literal["down", "up", "right", "left"]


@dataclass(frozen=True)
class RollingShutter:
    """Lines of the sensor are read one after the other; a frame's time is that of the middle of its picture.

    Attributes:
        readout_s: from the first line's reading to the last line's [s].
        direction: the way that the reading goes over the picture; down reads rows from the top.
        lines: rows (or columns) that are taken to be read at once.

    Raises:
        ValueError: a readout that is not positive, or fewer than one line.
    """

    readout_s: float
    direction: Direction = "down"
    lines: int = 8

    def __post_init__(self) -> None:
        if not 0 < self.readout_s < np.inf or self.lines < 1:
            raise ValueError(f"RollingShutter: expected readout_s > 0 and lines >= 1, got {self}")

    @property
    def by_rows(self) -> bool:
        """Whether rows are read one after the other, not columns."""
        return self.direction in ("down", "up")

    def bands(self, width: int, height: int) -> list[tuple[int, int, float]]:
        """First line, line after the last, and time from the frame's time [s] of all bands, in the picture's order."""
        size = height if self.by_rows else width
        found = []
        for first in range(0, size, self.lines):
            last = min(first + self.lines, size)
            share = ((first + last) / 2) / size - 0.5
            sign = 1.0 if self.direction in ("down", "right") else -1.0
            found.append((first, last, sign * share * self.readout_s))
        return found

    def line_offsets_s(self, width: int, height: int) -> NDArray[np.float64]:
        """When each row (or column) is read, from the frame's time [s], [H] or [W]."""
        bands = self.bands(width, height)
        return np.concatenate([np.full(last - first, offset) for first, last, offset in bands])


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

    @property
    def camera_from_world(self) -> NDArray[np.float64]:
        """Inverse of ``world_from_camera`` [T, 4, 4]."""
        return np.asarray(np.linalg.inv(self.world_from_camera), dtype=np.float64)
