"""Frame and Frames: what one camera saw, with exact ground truth. CameraPath: where it stood."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.camera_path import CameraPath as CameraPath  # noqa: PLC0414  told to type checkers as a public name

LABELS = ("alpha", "depth", "ids", "normals", "flow", "occlusion", "boxes", "contacts")
"""Names a scene may ask for under ``labels``."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture and its labels. A label that was not asked for is None.

    Attributes:
        rgb: display-referred sRGB, uint8 [H, W, 3].
        alpha: coverage by splats and ground (1 - sky), float32 [H, W].
        depth: z [m] where transmittance passes 0.5 (median), +inf where it never does, float32 [H, W].
        depth_expected: weighted mean z [m], +inf where alpha < 1/255, float32 [H, W].
        ids: part id that dominates the pixel, 0 = scenery or alpha < 0.5, int32 [H, W].
        normals: unit, camera frame (facing the camera: z < 0), 0 where ids or depth are invalid, float32 [H, W, 3].
        flow_forward: (u right, v down) [px] from this frame to the next, NaN where undefined, float32 [H, W, 2].
        flow_backward: the same to the previous frame.
        occluded_forward: the surface point seen here is hidden or outside the picture in the next frame, bool [H, W].
        occluded_backward: the same for the previous frame.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.float32] | None = None
    depth: NDArray[np.float32] | None = None
    depth_expected: NDArray[np.float32] | None = None
    ids: NDArray[np.int32] | None = None
    normals: NDArray[np.float32] | None = None
    flow_forward: NDArray[np.float32] | None = None
    flow_backward: NDArray[np.float32] | None = None
    occluded_forward: NDArray[np.bool_] | None = None
    occluded_backward: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        _check_arrays(self, lead=())

    @property
    def labels(self) -> dict[str, NDArray[np.generic]]:
        """The arrays that are present, rgb left out."""
        return {f.name: a for f in fields(self) if f.name != "rgb" and (a := getattr(self, f.name)) is not None}


@dataclass(frozen=True, eq=False)
class Frames:
    """All frames of one camera; each array as in ``Frame`` with a leading T."""

    camera: CameraPath
    rgb: NDArray[np.uint8]
    alpha: NDArray[np.float32] | None = None
    depth: NDArray[np.float32] | None = None
    depth_expected: NDArray[np.float32] | None = None
    ids: NDArray[np.int32] | None = None
    normals: NDArray[np.float32] | None = None
    flow_forward: NDArray[np.float32] | None = None
    flow_backward: NDArray[np.float32] | None = None
    occluded_forward: NDArray[np.bool_] | None = None
    occluded_backward: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        _check_arrays(self, lead=(len(self.rgb),))

    def __len__(self) -> int:
        return len(self.rgb)

    def __getitem__(self, index: int) -> Frame:
        arrays: dict[str, Any] = {
            f.name: None if getattr(self, f.name) is None else getattr(self, f.name)[index] for f in fields(Frame)
        }
        return Frame(**arrays)

    def __repr__(self) -> str:
        present = [f.name for f in fields(Frame) if getattr(self, f.name) is not None]
        return f"Frames(camera={self.camera.name!r}, shape={self.rgb.shape}, arrays={present})"

    @staticmethod
    def stack(camera: CameraPath, frames: Iterable[Frame]) -> Frames:
        """Collect a stream of frames (which must all carry the same labels)."""
        collected = list(frames)
        if not collected:
            raise ValueError("Frames.stack: no frames")
        arrays: dict[str, Any] = {
            f.name: None if getattr(collected[0], f.name) is None else np.stack([getattr(c, f.name) for c in collected])
            for f in fields(Frame)
        }
        return Frames(camera=camera, **arrays)


_TRAILING: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
    "rgb": ((3,), np.uint8),
    "alpha": ((), np.float32),
    "depth": ((), np.float32),
    "depth_expected": ((), np.float32),
    "ids": ((), np.int32),
    "normals": ((3,), np.float32),
    "flow_forward": ((2,), np.float32),
    "flow_backward": ((2,), np.float32),
    "occluded_forward": ((), np.bool_),
    "occluded_backward": ((), np.bool_),
}


def _check_arrays(value: Frame | Frames, lead: tuple[int, ...]) -> None:
    size = value.rgb.shape[len(lead) : len(lead) + 2]
    for name, (trail, dtype) in _TRAILING.items():
        array = getattr(value, name)
        if array is None:
            continue
        wanted = (*lead, *size, *trail)
        if array.shape != wanted or array.dtype != dtype:
            kind = type(value).__name__
            raise ValueError(f"{kind}.{name}: expected {dtype.__name__} {wanted}, got {array.dtype} {array.shape}")
