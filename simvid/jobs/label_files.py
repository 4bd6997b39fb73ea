"""Labels that are files of their own beside the arrays: point tracks, poses, 3-D boxes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from simvid.assets.parts import SceneAssets
from simvid.clips.arrays import write_named
from simvid.clips.writing import Watcher
from simvid.frames import CameraPath, Frame
from simvid.jobs.box_tables import BoxTables
from simvid.surfaces.boxes import box_arrays, camera_poses
from simvid.surfaces.meshes import part_boxes_m
from simvid.surfaces.seeds import seeded_queries
from simvid.tracks import Tracker
from simvid.trajectory import Trajectory, pose_matrices


def watchers_of(
    labels: Collection[str], assets: SceneAssets, trajectory: Trajectory, camera: CameraPath
) -> list[Watcher]:
    """What writes the files of some labels while the frames of a camera pass by."""
    found: list[Watcher] = []
    if "boxes" in labels or "amodal" in labels:
        found.append(BoxTables(trajectory))
    if "tracks" in labels:
        found.append(TrackFile(assets, trajectory, camera))
    if "poses" in labels:
        found.append(PoseFile(trajectory, camera))
    if "boxes_3d" in labels:
        found.append(BoxFile3D(assets, trajectory, camera))
    return found


class TrackFile:
    """``tracks.npz``: seeded surface points of each instance, followed through the clip."""

    def __init__(self, assets: SceneAssets, trajectory: Trajectory, camera: CameraPath) -> None:
        self._instances = trajectory.instance_ids()
        self._tracker = Tracker(seeded_queries(assets, trajectory, assets.scene.seed), camera, trajectory)

    def add(self, index: int, frame: Frame) -> None:
        """See the next frame, with ``depth`` and ``ids``."""
        assert frame.depth is not None, "the label tracks brings depth"
        assert frame.ids is not None, "the label tracks brings ids"
        self._tracker.add(frame.depth, frame.ids)

    def write(self, folder: Path) -> None:
        """Write the file."""
        tracks = self._tracker.result()
        write_named(folder / "tracks.npz", {**tracks.arrays(), "instance_id": self._instances[tracks.part_id]})


class PoseFile:
    """``poses.npz``: where each part is at each frame, in the camera's frame and in the world."""

    def __init__(self, trajectory: Trajectory, camera: CameraPath) -> None:
        self._trajectory, self._camera = trajectory, camera

    def add(self, index: int, frame: Frame) -> None:
        """Nothing of it depends on what is seen."""

    def write(self, folder: Path) -> None:
        """Write the file."""
        count = len(self._trajectory.parts)
        write_named(
            folder / "poses.npz",
            {
                "part_id": np.arange(1, count + 1, dtype=np.int32),
                "camera_from_part": camera_poses(self._trajectory, self._camera),
                "world_from_part": pose_matrices(self._trajectory.poses),
            },
        )


class BoxFile3D:
    """``boxes_3d.npz``: the box of each part, its corners in the part's and the camera's frame and in the picture."""

    def __init__(self, assets: SceneAssets, trajectory: Trajectory, camera: CameraPath) -> None:
        self._arrays = box_arrays(trajectory, camera, part_boxes_m(assets.parts))

    def add(self, index: int, frame: Frame) -> None:
        """Nothing of it depends on what is seen."""

    def write(self, folder: Path) -> None:
        """Write the file."""
        write_named(folder / "boxes_3d.npz", self._arrays)
