"""Labels that follow from stored ones, so no clip needs to store them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.frames import CameraPath, Frame
from simvid.motion import distance, world_normals
from simvid.trajectory import Trajectory

Derive: TypeAlias = Callable[[Frame, CameraPath, int, Trajectory], NDArray[Any]]


def _valid(frame: Frame, camera: CameraPath, index: int, trajectory: Trajectory) -> NDArray[Any]:
    return np.asarray(np.isfinite(_given(frame.depth)))


def _distance(frame: Frame, camera: CameraPath, index: int, trajectory: Trajectory) -> NDArray[Any]:
    return distance(camera, _given(frame.depth))


def _instance_ids(frame: Frame, camera: CameraPath, index: int, trajectory: Trajectory) -> NDArray[Any]:
    return np.asarray(trajectory.instance_ids()[_given(frame.ids)])


def _semantic_ids(frame: Frame, camera: CameraPath, index: int, trajectory: Trajectory) -> NDArray[Any]:
    return np.asarray(trajectory.semantic_ids()[_given(frame.ids)])


def _normals_world(frame: Frame, camera: CameraPath, index: int, trajectory: Trajectory) -> NDArray[Any]:
    return world_normals(camera, index, _given(frame.normals))


DERIVED: dict[str, tuple[str, Derive]] = {
    "valid": ("depth", _valid),
    "distance": ("depth", _distance),
    "instance_ids": ("ids", _instance_ids),
    "semantic_ids": ("ids", _semantic_ids),
    "normals_world": ("normals", _normals_world),
}
"""Name -> the array of ``Frame`` that it is made from, and how.

``valid``: the pixel has a depth, bool [H, W]. ``distance``: Euclidean, from the camera [m], +inf without a surface,
float32 [H, W]. ``instance_ids`` and ``semantic_ids``: as in the id table, 0 = scenery, int32 [H, W]. ``normals_world``:
along the axes of the world, float32 [H, W, 3].
"""


def derive(name: str, frame: Frame, camera: CameraPath, index: int, trajectory: Trajectory) -> NDArray[Any]:
    """One label of ``DERIVED``.

    Args:
        name: which.
        frame: with the array that it is made from.
        camera, index: that took it, and which of its frames it is.
        trajectory: of the clip.

    Raises:
        ValueError: an unknown name, or the frame lacks the array.
    """
    if name not in DERIVED:
        raise ValueError(f"derive: expected one of {', '.join(DERIVED)}, got {name!r}")
    needed, make = DERIVED[name]
    if getattr(frame, needed) is None:
        raise ValueError(f"derive: {name} is made from {needed}, which the frame does not have")
    return make(frame, camera, index, trajectory)


def _given(array: NDArray[Any] | None) -> NDArray[Any]:
    assert array is not None, "derive has looked"
    return array
