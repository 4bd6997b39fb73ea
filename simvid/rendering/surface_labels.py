"""Labels that come from the surfaces of parts and from their boxes: made only where a scene asks for them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.frames import CameraPath
from simvid.motion import motion_of, scene_flow, surface_points
from simvid.shutter import pixel_times
from simvid.surfaces.draw import SurfaceArtist
from simvid.surfaces.meshes import SurfaceMeshes, part_boxes_m
from simvid.trajectory import Trajectory

Array: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
Alone: TypeAlias = Callable[[Collection[int]], Mask]
"""Draws the splats of some parts alone; the pixels of which they cover at least half."""
NAMES = frozenset({"depth_surface", "amodal", "object_coords", "scene_flow"})


@dataclass(frozen=True, eq=False)
class Seen:
    """What of a frame is known already.

    Attributes:
        depth, ids: the labels, [H, W].
        ground_depth: z of the ground [m], +inf without, [H, W].
        alone: draws splats.
    """

    depth: NDArray[np.float32]
    ids: NDArray[np.int32]
    ground_depth: NDArray[np.float32]
    alone: Alone


class SurfaceLabels:
    """Makes ``depth_surface``, ``amodal``, ``object_coords`` and ``scene_flow`` of one camera's frames."""

    def __init__(
        self, assets: SceneAssets, trajectory: Trajectory, camera: CameraPath, labels: Collection[str], near_m: float
    ) -> None:
        self._trajectory, self._camera = trajectory, camera
        self._labels = NAMES & set(labels)
        self._motion = motion_of(trajectory)
        if self._labels & {"depth_surface", "amodal"}:
            meshes = SurfaceMeshes.of(assets)
            self._artist = SurfaceArtist(meshes, trajectory, camera, near_m)
            self._instances = _instances(trajectory, meshes.captured)
        self._boxes = part_boxes_m(assets.parts)

    def make(self, frame: int, seen: Seen) -> dict[str, NDArray[Any]]:
        """The labels asked for, as arrays of ``Frame``."""
        made: dict[str, NDArray[Any]] = {}
        if "depth_surface" in self._labels:
            made["depth_surface"] = np.minimum(self._artist.draw(frame)[0], seen.ground_depth)
        if "amodal" in self._labels:
            made["amodal"] = self._amodal(frame, seen)
        if "object_coords" in self._labels:
            points = surface_points(self._camera, frame, seen.depth)
            when = frame if self._camera.shutter is None else pixel_times(self._camera, frame)
            rest = self._motion.rest(points, seen.ids, when)
            made["object_coords"] = object_coordinates(rest, seen.ids, self._boxes)
        if "scene_flow" in self._labels:
            made["scene_flow"] = self._scene_flow(frame, seen)
        return made

    def _scene_flow(self, frame: int, seen: Seen) -> NDArray[np.float32]:
        if frame + 1 == self._trajectory.frame_count:
            return np.full((*seen.ids.shape, 3), np.nan, np.float32)
        return scene_flow(seen.depth, seen.ids, self._camera, self._motion, (frame, frame + 1))

    def _amodal(self, frame: int, seen: Seen) -> NDArray[np.uint8]:
        """Meshes by their surface and captures by their splats; what is seen of an instance is always part of it."""
        height, width = seen.ids.shape
        packed = np.zeros((len(self._instances), height, -(-width // 8)), np.uint8)
        owners = self._trajectory.instance_ids()[seen.ids]
        for k, (meshes, captures) in enumerate(self._instances):
            mask = (owners == k + 1) if meshes or captures else np.zeros(seen.ids.shape, np.bool_)
            if meshes:
                mask = mask | self._artist.mask(frame, meshes)
            if captures:
                mask = mask | seen.alone(captures)
            packed[k] = np.packbits(mask, axis=-1)
        return packed


def _instances(trajectory: Trajectory, captured: Mask) -> list[tuple[list[int], list[int]]]:
    """Ids of the parts of each instance that are meshes, and of those that are captures; the ground has none."""
    count = max((p.instance_id for p in trajectory.parts), default=0)
    found: list[tuple[list[int], list[int]]] = [([], []) for _ in range(count)]
    for k, part in enumerate(trajectory.parts, start=1):
        if part.kind != "ground":
            found[part.instance_id - 1][int(captured[k])].append(k)
    return found


def object_coordinates(points: Array, ids: NDArray[np.int32], boxes_m: Array) -> NDArray[np.float32]:
    """Places of points in the boxes of their parts, 0 to 1 along each of the part's axes.

    Args:
        points: in the frames of their parts, undeformed [m], [..., 3].
        ids: their parts, 0 for none, [...].
        boxes_m: lowest and highest corner of each part in its frame, NaN without a box, [B, 2, 3].

    Returns:
        float32 [..., 3]; NaN where there is no point, part or box. Splats that stand out of the box are held within it,
        and an axis along which the box is flat is 0.5.
    """
    low = np.concatenate([np.full((1, 3), np.nan), boxes_m[:, 0]])[ids]
    size = np.concatenate([np.full((1, 3), np.nan), boxes_m[:, 1] - boxes_m[:, 0]])[ids]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(size > 0, (points - low) / size, 0.5 + 0 * points * size)
    return np.asarray(np.clip(share, 0, 1), np.float32)
