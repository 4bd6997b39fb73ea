"""Control videos as Cosmos was trained on them: inverse depth near = bright, one flat colour per instance."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.clips.folders import link_or_copy
from simvid.clips.video import read_video
from simvid.export.base import Episode, ExportError, View
from simvid.export.files import write_json
from simvid.export.video import Codec, h264, write_frames

LOSSLESS = Codec("libx264rgb", "rgb24", {"crf": "0", "preset": "veryfast", "bf": "0"}, 12, "rgb24")
"""H.264 of RGB without loss; every reader on FFmpeg decodes it."""
GOLDEN = 0.618033988749895
KINDS = ("video", "depth", "seg", "mask")


def palette(count: int) -> NDArray[np.uint8]:
    """Saturated colours of instances 1 to ``count``; 0 is black, [count + 1, 3]. Number k is the same in all clips."""
    hues = ((k, (k * GOLDEN) % 1) for k in range(1, count + 1))
    colors = [colorsys.hsv_to_rgb(hue, (1.0, 0.7)[k // 6 % 2], (1.0, 0.75)[k // 3 % 2]) for k, hue in hues]
    return np.asarray(np.rint(np.array([(0.0, 0.0, 0.0), *colors]) * 255), np.uint8)


def inverse_range(view: View, frames: int) -> tuple[float, float]:
    """Least and greatest 1 / depth [1/m] of the clip's pixels that have a depth; one pair for all its frames."""
    low, high = np.inf, -np.inf
    for depth in islice(view.array("depth"), frames):
        inverse = 1 / depth
        seen = inverse[inverse > 0]
        if len(seen):
            low, high = min(low, float(seen.min())), max(high, float(seen.max()))
    return (low, high) if low <= high else (0.0, 1.0)


def depth_pictures(view: View, limits: tuple[float, float], frames: int) -> Iterator[NDArray[np.uint8]]:
    """round(255 (1/d - low) / (high - low)) in all three channels; 0 without a depth."""
    low, high = limits
    span = max(high - low, 1e-9)
    for depth in islice(view.array("depth"), frames):
        value = np.rint(255 * np.clip((1 / depth - low) / span, 0, 1)).astype(np.uint8)
        yield np.repeat(value[..., None], 3, axis=-1)


def instance_pictures(view: View, frames: int) -> Iterator[NDArray[np.uint8]]:
    """One colour per instance, black where there is none; the ground is an instance too."""
    lookup = view.clip.trajectory.instance_ids()
    colors = palette(int(lookup.max(initial=0)))
    for ids in islice(view.array("ids"), frames):
        yield colors[lookup[ids]]


def robot_masks(view: View, frames: int) -> Iterator[NDArray[np.uint8]]:
    """White where a link of a robot is seen."""
    robot = np.array([False, *(p.kind == "link" for p in view.clip.trajectory.parts)])
    for ids in islice(view.array("ids"), frames):
        yield np.repeat((robot[ids] * np.uint8(255))[..., None], 3, axis=-1)


def has_robot(view: View) -> bool:
    """Whether the clip has a robot that can be seen."""
    return any(part.kind == "link" for part in view.clip.trajectory.parts)


def first(view: View, frames: int) -> Iterator[NDArray[np.uint8]]:
    """The first pictures."""
    yield from islice(view.pictures(), frames)


def whole_blocks(view: View, least: int, name: str) -> int:
    """The most frames of the form 4 k + 1 that the clip has, at least so many.

    Raises:
        ExportError: it is shorter.
    """
    count = (view.frame_count - 1) // 4 * 4 + 1
    if count < least:
        raise ExportError(f"{view.clip.path}: {name} is trained on {least} frames or more, the clip has "
                          f"{view.frame_count}; make it longer, or say --option min_frames={count}")  # fmt: skip
    return count


def encode_views(
    episode: Episode, labels: frozenset[str], folder: Path, frames: Callable[[View], int], crf: int
) -> None:
    """``CAMERA.KIND.mp4`` for the pictures (``video``) and controls of each view, and ``CAMERA.json`` to undo them.

    Args:
        episode: a clip.
        labels: as for ``write_controls``.
        folder: an empty one.
        frames: how many of a view's frames are written.
        crf: quality of the pictures' H.264.
    """
    for view in episode.views:
        count, odd = frames(view), bool(view.width % 2 or view.height % 2)
        places = {kind: folder / f"{view.camera}.{kind}.mp4" for kind in KINDS}
        write_frames(places["video"], first(view, count), view.fps, h264(crf, 12, full_chroma=odd))
        write_json(folder / f"{view.camera}.json", write_controls(view, places, count, labels))


def take_views(encoded: Path, view: View, places: Mapping[str, Path]) -> dict[str, Any]:
    """Link what ``encode_views`` made of a view into the places of its kinds; what undoes them."""
    for kind in KINDS:
        source = encoded / f"{view.camera}.{kind}.mp4"
        if source.is_file():
            link_or_copy(source, places[kind])
    about: dict[str, Any] = json.loads((encoded / f"{view.camera}.json").read_bytes())
    return about


def write_controls(view: View, places: Mapping[str, Path], frames: int, labels: frozenset[str]) -> dict[str, Any]:
    """Write the control videos that labels allow; what a reader needs to undo them.

    Args:
        view: which camera.
        places: ``depth``, ``seg`` and ``mask`` -> the file of each.
        frames: the first so many.
        labels: depth makes ``depth``, ids makes ``seg``, and ``mask`` where there is a robot.

    Raises:
        ExportError: a video does not hold the number of frames that it should.
    """
    about: dict[str, Any] = {"frames": frames}
    if "depth" in labels:
        low, high = inverse_range(view, frames)
        about["depth"] = {
            "inverse_low_per_m": low,
            "inverse_high_per_m": high,
            "code": "255 (1/d - low) / (high - low)",
        }
        _write(places["depth"], depth_pictures(view, (low, high), frames), view.fps, frames)
    if "ids" in labels:
        names = {p.instance_id: p.instance for p in view.clip.trajectory.parts}
        colors = palette(max(names, default=0))
        about["seg"] = {name: colors[k].tolist() for k, name in names.items()}
        _write(places["seg"], instance_pictures(view, frames), view.fps, frames)
        if has_robot(view):
            about["mask"] = "white where a robot is seen"
            _write(places["mask"], robot_masks(view, frames), view.fps, frames)
    return about


def _write(path: Path, pictures: Iterator[NDArray[np.uint8]], fps: float, frames: int) -> None:
    """Write one, and see that it decodes to as many pictures: readers skip samples whose counts differ, silently."""
    write_frames(path, pictures, fps, LOSSLESS)
    found = sum(1 for _ in read_video(path))
    if found != frames:
        raise ExportError(f"{path.name}: expected {frames} frames, {found} can be decoded")
