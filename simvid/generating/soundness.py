"""Whether a clip still holds what it should: every byte, every count, every video, its self-checks, its receipt."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from simvid.clip import Clip
from simvid.clips.arrays import ArrayFile
from simvid.clips.records import CameraRecord
from simvid.clips.video import probe
from simvid.errors import ClipError, SimvidError
from simvid.jobs.receipts import receipt_of_clip


def clip_faults(path: Path) -> list[str]:
    """All that is wrong with a clip's folder, a line each; nothing is changed in it.

    Every file is read and compared with its digest; arrays and videos have the clip's number of frames and its cameras'
    size; videos are decoded in full; a failed self-check counts as a fault, and so does a broken law of physics, by the
    receipt in its record or, in old clips, one that is made now.
    """
    try:
        clip = Clip.open(path)
        faults = clip.verify()
        faults += _trajectory_faults(clip)
        for camera in clip.record.cameras:
            faults += _array_faults(clip, camera)
            faults += _video_faults(clip.video(camera.name), clip, camera)
        for refined in clip.record.refined:
            faults += _refined_faults(clip, refined.name, refined.cameras)
    except (ClipError, OSError, zipfile.BadZipFile, zlib.error, ValueError) as error:
        return [str(error).removeprefix(f"{path}: ")]
    faults += [f"self-check {check.line()}" for check in clip.failed_checks]
    return list(dict.fromkeys(faults + list(_physics_faults(clip))))


def _physics_faults(clip: Clip) -> Iterator[str]:
    try:
        receipt = receipt_of_clip(clip)
    except SimvidError as error:
        yield f"physics: it has no receipt, and none can be made now ({str(error).splitlines()[0]})"
        return
    yield from (f"physics: {law.line()}" for law in receipt.broken)


def _trajectory_faults(clip: Clip) -> Iterator[str]:
    frames = clip.trajectory.frame_count
    if frames != clip.frame_count:
        yield f"trajectory.npz: expected {clip.frame_count} frames, got {frames}"
    if len(clip.trajectory.parts) != len(clip.record.parts):
        yield f"trajectory.npz: expected {len(clip.record.parts)} parts, got {len(clip.trajectory.parts)}"


def _array_faults(clip: Clip, camera: CameraRecord) -> Iterator[str]:
    for name in camera.arrays:
        place = f"{camera.folder}/{name}.npz"
        if name == "amodal":
            yield from _amodal_faults(clip.path / place, place, clip, camera)
        else:
            yield from _shape_faults(clip.path / place, place, clip, camera)


def _amodal_faults(path: Path, place: str, clip: Clip, camera: CameraRecord) -> Iterator[str]:
    """Masks of things drawn alone, their bits packed along the width: [M, H, ceil(W / 8)]."""
    array = ArrayFile(path)
    if len(array) != clip.frame_count:
        yield f"{place}: expected {clip.frame_count} frames, got {len(array)}"
    elif (shape := array[0].shape)[1:] != (wanted := (camera.height, -(-camera.width // 8))):
        yield f"{place}: expected masks of {wanted[0]} rows of {wanted[1]} bytes, got {shape[1]} of {shape[2]}"


def _shape_faults(path: Path, place: str, clip: Clip, camera: CameraRecord) -> Iterator[str]:
    array = ArrayFile(path)
    if len(array) != clip.frame_count:
        yield f"{place}: expected {clip.frame_count} frames, got {len(array)}"
    elif (shape := array[0].shape[:2]) != (camera.height, camera.width):
        yield f"{place}: expected pictures of {camera.width} x {camera.height} px, got {shape[1]} x {shape[0]}"


def _video_faults(path: Path, clip: Clip, camera: CameraRecord) -> Iterator[str]:
    info = probe(path)
    got = (info.frames, info.width, info.height)
    wanted = (clip.frame_count, camera.width + camera.width % 2, camera.height + camera.height % 2)
    if got != wanted:
        place = path.relative_to(clip.path)
        size = f"{wanted[0]} pictures of {wanted[1]} x {wanted[2]} px"
        yield f"{place}: expected {size}, got {got[0]} of {got[1]} x {got[2]}"


def _refined_faults(clip: Clip, name: str, cameras: tuple[str, ...]) -> Iterator[str]:
    known = {camera.name: camera for camera in clip.record.cameras}
    for view in cameras:
        place = f"refined/{name}/{view}"
        yield from _shape_faults(clip.path / f"{place}.npz", f"{place}.npz", clip, known[view])
        yield from _video_faults(clip.path / f"{place}.mp4", clip, known[view])
