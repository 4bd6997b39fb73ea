"""What a check is given, and how its outcome is put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.clips.arrays import ArrayFile
from simvid.clips.camera_file import read_camera_file
from simvid.clips.records import CheckRecord, FileRecord
from simvid.frames import CameraPath
from simvid.surfaces.draw import SurfaceArtist
from simvid.surfaces.meshes import SurfaceMeshes
from simvid.trajectory import Trajectory

Mask: TypeAlias = NDArray[np.bool_]
Array: TypeAlias = NDArray[np.float64]
FRAMES = 6
"""Frames (or pairs of frames) that a check looks at, spread evenly over the clip."""
BORDER_PX = 2
"""Splats and meshes may differ so far at the border of a part."""
FEWEST_PX = 24
"""Parts of which fewer pixels are seen are not judged alone: a border of one pixel would be most of them."""


@dataclass(frozen=True, eq=False)
class Subject:
    """The finished folder of one camera, with what it was made from.

    Attributes:
        name: of the camera.
        folder: with its files.
        files: records of the files, by their path in the folder.
        assets, trajectory: of the scene.
        refined: further videos of this camera: what each is called, and where it is.
    """

    name: str
    folder: Path
    files: Mapping[str, FileRecord]
    assets: SceneAssets
    trajectory: Trajectory
    refined: Mapping[str, Path] = field(default_factory=dict)

    @cached_property
    def camera(self) -> CameraPath:
        """As stored, so that a camera file that does not fit the pictures is noticed."""
        return read_camera_file(self.folder / "camera.npz", self.name)

    @cached_property
    def artist(self) -> SurfaceArtist:
        """Draws the surfaces of the parts for this camera, and ``BORDER_PX`` beyond its picture."""
        meshes = SurfaceMeshes.of(self.assets)
        return SurfaceArtist(meshes, self.trajectory, self.camera, margin_px=BORDER_PX)

    @property
    def count(self) -> int:
        """T."""
        return self.trajectory.frame_count

    def has(self, *arrays: str) -> bool:
        """Whether all of these arrays are stored."""
        return all(f"{name}.npz" in self.files for name in arrays)

    def missing(self, *arrays: str) -> str:
        """A note on the arrays that are not stored."""
        return f"needs {', '.join(name for name in arrays if not self.has(name))}"

    def read(self, name: str, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
        """Some frames of an array."""
        return ArrayFile(self.folder / f"{name}.npz").read(indices)

    def record(self, check: str, passed: bool | None, **more: Any) -> CheckRecord:
        """The outcome of a check."""
        return CheckRecord(name=check, camera=self.name, passed=passed, **more)

    def judged(
        self, check: str, measured: Mapping[str, float], limits: Mapping[str, float], frames: Sequence[int], note: str
    ) -> CheckRecord:
        """Passed where nothing measured is above its limit; nothing to check where all is NaN."""
        kept = {name: round(float(min(value, 1e9)), 6) for name, value in measured.items() if not np.isnan(value)}
        if not kept.keys() & limits.keys():
            return self.record(check, None, frames=tuple(frames), note="too little is seen of anything")
        passed = all(kept[name] <= limit for name, limit in limits.items() if name in kept)
        return self.record(
            check, passed, measured=kept, limits=dict(limits), frames=tuple(frames), note="" if passed else note
        )


def spread(count: int, most: int = FRAMES) -> list[int]:
    """Up to so many of 0 to count - 1, evenly spread, first and last among them."""
    return sorted({round(k * (count - 1) / max(most - 1, 1)) for k in range(most)}) if count > 0 else []


def worst_median(errors: Array, ids: NDArray[np.int32], where: Mask) -> tuple[float, int]:
    """The largest median over the parts of which enough pixels count, and that part's id; NaN and 0 without any."""
    worst, owner = np.nan, 0
    for k in np.unique(ids[where]):
        mine = where & (ids == k)
        if np.count_nonzero(mine) >= FEWEST_PX and not (value := float(np.median(errors[mine]))) <= worst:
            worst, owner = value, int(k)
    return worst, owner


def grown(mask: Mask, px: int) -> Mask:
    """A mask with all pixels up to so many away along each axis."""
    height, width = mask.shape
    padded = np.zeros((height + 2 * px, width + 2 * px), np.bool_)
    padded[px : px + height, px : px + width] = mask
    rows = np.logical_or.reduce([padded[:, k : k + width] for k in range(2 * px + 1)])
    return np.asarray(np.logical_or.reduce([rows[k : k + height] for k in range(2 * px + 1)]))
