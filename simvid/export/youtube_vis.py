"""YouTube-VIS: one annotation per thing and video, with a mask, a box and an area per frame, null where it is unseen.

The layout is that of the YouTube-VIS 2019 challenge: ``JPEGImages/VIDEO/00000.jpg`` and one ``instances.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from simvid.export.base import Request, View, array
from simvid.export.coco import InstancePictures, info, write_picture
from simvid.export.files import write_json
from simvid.export.instances import categories, category_table, instances
from simvid.export.rle import bounds, encode


class YoutubeVis(InstancePictures):
    """Instance segmentation of videos."""

    name: ClassVar[str] = "youtube_vis"
    version: ClassVar[str] = "2019"
    summary: ClassVar[str] = "YouTube-VIS: videos as pictures, tracks of instances as RLE"

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """``JPEGImages/STEM/00000.png`` (or .jpg) and ``instances.json``."""
        numbers = categories(request)
        videos: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for view in request.views:
            self._add(view, numbers, folder, videos, annotations)
            request.tell(f"{view.stem}: {view.frame_count} frames")
        tree = {"info": info(), "licenses": [], "categories": category_table(numbers), "videos": videos,
                "annotations": annotations}  # fmt: skip
        write_json(folder / "instances.json", tree, None)
        return {"videos": len(videos), "tracks": len(annotations), "categories": len(numbers)}

    def _add(
        self, view: View, numbers: Mapping[str, int], folder: Path, videos: list[Any], annotations: list[Any]
    ) -> None:
        lookup, things = view.clip.trajectory.instance_ids(), instances(view)
        files: list[str] = []
        tracks: dict[int, list[Any]] = {thing.id: [] for thing in things}
        for t, frame in enumerate(view.frames("ids")):
            name = write_picture(folder / "JPEGImages" / view.stem, f"{t:05d}", frame.rgb, self._settings)
            files.append(f"{view.stem}/{name}")
            seen = lookup[array(frame, "ids")]
            for thing in things:
                mask = seen == thing.id
                there = bool(mask.any())
                tracks[thing.id].append((encode(mask), bounds(mask), int(np.count_nonzero(mask))) if there else None)
        number = len(videos) + 1
        videos.append({"id": number, "width": view.width, "height": view.height, "length": view.frame_count,
                       "file_names": files})  # fmt: skip
        for thing in things:
            track = tracks[thing.id]
            if any(track):
                columns = {
                    key: [None if entry is None else entry[k] for entry in track]
                    for k, key in enumerate(("segmentations", "bboxes", "areas"))
                }
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "video_id": number,
                        "category_id": numbers[thing.category],
                        "iscrowd": 0,
                        "width": view.width,
                        "height": view.height,
                        "length": 1,
                        **columns,
                    }
                )
