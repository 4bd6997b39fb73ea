"""MCAP for Foxglove: one file per clip, messages in Foxglove's own protobuf schemas.

| topic | schema | what |
|---|---|---|
| /CAMERA/video | CompressedVideo | H.264, Annex B, no B-frames, parameter sets with every key frame |
| /CAMERA/depth | RawImage | 32FC1 [m] |
| /CAMERA/ids | RawImage | 16UC1, part ids |
| /CAMERA/calibration | CameraCalibration | K, distortion, P |
| /CAMERA/boxes | ImageAnnotations | tight boxes of what is seen |
| /tf | FrameTransforms | world -> part, world -> camera |
| /joint_states, /joint_targets | JointStates | positions, velocities, efforts; what joints were told |
| /scene | SceneUpdate | boxes of parts, contacts as arrows of the impulse |

``clip.json`` is an attachment. Times are those of the simulation, from 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from simvid.clips.records import CLIP_FILE
from simvid.export import mcap_messages as messages
from simvid.export.base import Episode, ExportError, Request, View, array
from simvid.export.boxes import box_rows, boxes_now_m
from simvid.scene.base import Model

MOST_IDS = 65535


class McapSettings(Model):
    """What may be set."""

    crf: int = Field(default=18, ge=0, le=51)
    """Of H.264."""


class Mcap:
    """Recordings for Foxglove and ROS tools."""

    name: ClassVar[str] = "mcap"
    version: ClassVar[str] = "foxglove-0.4"
    summary: ClassVar[str] = "MCAP with Foxglove's schemas: video, depth, ids, frames, joints, boxes, contacts"
    holds: ClassVar[frozenset[str]] = frozenset({"depth", "ids", "boxes", "boxes_3d", "poses", "contacts"})
    needs: ClassVar[frozenset[str]] = frozenset()
    packages: ClassVar[tuple[str, ...]] = ("mcap", "mcap_protobuf", "foxglove_schemas_protobuf")
    Settings: ClassVar[type[McapSettings]] = McapSettings

    def __init__(self, settings: McapSettings) -> None:
        self._settings = settings

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``STEM.mcap``."""
        total = 0
        for episode in request.episodes:
            _expect_different_names(episode, request.labels)
            for view in episode.views:
                if view.width % 2 or view.height % 2:
                    raise ExportError(f"{view.clip.path}: camera {view.camera!r} has {view.width} x {view.height} px; "
                                      "H.264 in Foxglove needs even sizes; webdataset and hdf5 hold any")  # fmt: skip
            total += self._episode(episode, folder / f"{episode.stem}.mcap", request.labels)
            request.tell(f"{episode.stem}: {episode.clip.frame_count} frames")
        return {"recordings": len(request.episodes), "messages": total}

    def _episode(self, episode: Episode, path: Path, labels: frozenset[str]) -> int:
        from mcap.writer import CompressionType, Writer

        count = 0
        with path.open("wb") as file:
            writer = Writer(file, compression=CompressionType.ZSTD)
            writer.start(profile="", library="simvid")
            channels = messages.Channels(writer)
            for k, (topic, time_ns, message) in enumerate(self._messages(episode, labels)):
                channels.send(topic, time_ns, message, k)
                count = k + 1
            writer.add_attachment(0, 0, CLIP_FILE, "application/json", (episode.clip.path / CLIP_FILE).read_bytes())
            writer.finish()
        return count

    def _messages(self, episode: Episode, labels: frozenset[str]) -> Iterator[tuple[str, int, Any]]:
        """In the order of their times."""
        trajectory = episode.clip.trajectory
        streams = [self._camera(view, labels) for view in episode.views]
        boxes = boxes_now_m(episode.clip)
        for t in range(episode.clip.frame_count):
            at = messages.time_ns(t, episode.clip.fps)
            yield "/tf", at, messages.transforms(trajectory, t, at, {v.camera: v.path for v in episode.views}, labels)
            if trajectory.robots:
                yield "/joint_states", at, messages.joint_states(trajectory, t, at)
                yield "/joint_targets", at, messages.joint_targets(trajectory, t, at)
            if labels & {"boxes_3d", "contacts"}:
                yield "/scene", at, messages.scene(episode.clip, t, at, labels, boxes[t])
            for stream in streams:
                for topic, message in next(stream):
                    yield topic, at, message

    def _camera(self, view: View, labels: frozenset[str]) -> Iterator[list[tuple[str, Any]]]:
        """The messages of each frame of a camera."""
        encoder = messages.VideoEncoder(view.width, view.height, view.fps, self._settings.crf)
        boxes = box_rows(view) if "boxes" in labels else {}
        shown = labels & {"depth", "ids"}
        for t, frame in enumerate(view.frames(*shown)):
            at, name = messages.time_ns(t, view.fps), view.camera
            found = [
                (f"/{name}/calibration", messages.calibration(view.path, at)),
                (f"/{name}/video", messages.video(encoder.encode(frame.rgb), name, at)),
            ]
            if "depth" in labels:
                found.append((f"/{name}/depth", messages.raw_image(array(frame, "depth"), "32FC1", name, at)))
            if "ids" in labels:
                ids = array(frame, "ids")
                if ids.max(initial=0) > MOST_IDS:
                    raise ExportError(f"{view.clip.path}: MCAP holds ids of {MOST_IDS} parts at most, got "
                                      f"{ids.max()}; webdataset, hdf5 and exr hold more")  # fmt: skip
                found.append((f"/{name}/ids", messages.raw_image(ids.astype(np.uint16), "16UC1", name, at)))
            if "boxes" in labels:
                found.append((f"/{name}/boxes", messages.box_annotations(boxes.get(t, []), at)))
            yield found


def _expect_different_names(episode: Episode, labels: frozenset[str]) -> None:
    """Cameras and parts are frames of one tree, below ``world``.

    Raises:
        ExportError: two would have the same name.
    """
    parts = [p.name for p in episode.clip.trajectory.parts] if labels & messages.OF_PARTS else []
    names = Counter([messages.WORLD, *parts, *(v.camera for v in episode.views)])
    if twice := sorted(name for name, count in names.items() if count > 1):
        raise ExportError(f"{episode.clip.path}: {', '.join(twice)}: a camera, a body or the world would have the same "
                          "name in /tf; rename one in the scene, choose other cameras with --camera, or leave out "
                          "poses and boxes_3d with --labels")  # fmt: skip
