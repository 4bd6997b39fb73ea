"""Clip: an open clip folder, with everything a scene became."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simvid.clips.arrays import Array, ArrayFile, read_named
from simvid.clips.camera_file import read_camera_file
from simvid.clips.digests import content_faults, content_hash
from simvid.clips.receipt_records import LawRecord
from simvid.clips.records import (
    CLIP_FILE,
    TRAJECTORY_FILE,
    CameraRecord,
    CheckRecord,
    ClipRecord,
    RefinedRecord,
    read_record,
)
from simvid.errors import ClipError
from simvid.frames import CameraPath, Frame, Frames
from simvid.scene import Scene
from simvid.trajectory import Trajectory

if TYPE_CHECKING:
    from simvid.tracks import Tracks

THUMBNAIL_PX = 560


@dataclass(frozen=True, eq=False)
class Clip:
    """A folder that holds one whole clip. Open it with ``Clip.open``; arrays are read when they are asked for.

    Attributes:
        path: the folder.
        record: ``clip.json``.
    """

    path: Path
    record: ClipRecord

    @staticmethod
    def open(path: str | Path) -> Clip:
        """Open a clip folder, and see that all its files are there in full length.

        Raises:
            ClipError: it is no clip folder, of another version, or files are missing or cut.
        """
        folder = Path(path)
        if not (folder / CLIP_FILE).exists():
            raise ClipError(_no_clip(folder))
        record = read_record(folder / CLIP_FILE, ClipRecord)
        bad = []
        for name, file in record.files.items():
            place = folder / name
            size = place.stat().st_size if place.is_file() else None
            if size != file.bytes:
                bad.append(f"{name}: missing" if size is None else f"{name}: expected {file.bytes} bytes, got {size}")
        if bad:
            raise ClipError(f"{folder}: damaged clip; make it again\n" + "\n".join(f"  {line}" for line in bad))
        return Clip(folder, record)

    def __repr__(self) -> str:
        cameras = ", ".join(c.name for c in self.record.cameras) or "none"
        return f"Clip({str(self.path)!r}, frames={self.frame_count}, cameras=[{cameras}], hash={self.content_hash[:8]})"

    @property
    def name(self) -> str:
        """Name of the scene."""
        return self.record.name

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.record.fps

    @property
    def frame_count(self) -> int:
        """T."""
        return self.record.frame_count

    @property
    def content_hash(self) -> str:
        """Equal for clips with equal content, wherever and whenever they were made."""
        return self.record.content_hash

    @property
    def failed_checks(self) -> tuple[CheckRecord, ...]:
        """The self-checks that its labels did not pass; none for a sound clip."""
        return tuple(check for check in self.record.checks if check.passed is False)

    @property
    def broken_laws(self) -> tuple[LawRecord, ...]:
        """The laws of physics that its motion broke, by the receipt in its record; none for a sound clip."""
        return () if self.record.receipt is None else self.record.receipt.broken

    @property
    def provenance(self) -> dict[str, Any]:
        """How it was made: seeds, sampled values, tools, stages, assets."""
        keys = ("input_hash", "content_hash", "seed", "sample_index", "sampled", "physics", "stages", "assets", "tools",
                "made_at")  # fmt: skip
        tree = self.record.model_dump(mode="json")
        return {key: tree[key] for key in keys}

    @cached_property
    def scene(self) -> Scene:
        """The scene as it ran, with nothing left to draw.

        Raises:
            ClipError: it was written by a simvid with another scene language.
        """
        from pydantic import ValidationError

        try:
            scene = Scene.model_validate_json(json.dumps(self.record.scene))
        except ValidationError as error:
            raise ClipError(f"{self.path / CLIP_FILE}: its scene is not one of this simvid ({error})") from error
        scene._base = str((self.path / (self.record.scene_base or ".")).resolve())
        scene._file = self.record.scene_file or str(self.path / CLIP_FILE)
        return scene

    @cached_property
    def trajectory(self) -> Trajectory:
        """What moved where."""
        from simvid import trajectory_io

        return trajectory_io.load(self.path / TRAJECTORY_FILE)

    @cached_property
    def cameras(self) -> Mapping[str, CameraPath]:
        """Where each camera stood, by name."""
        return {record.name: self._camera_path(record) for record in self.record.cameras}

    def arrays(self, camera: str) -> tuple[str, ...]:
        """Names of the arrays that a camera has: ``rgb`` and the labels."""
        return self._camera(camera).arrays

    def frames(self, camera: str, labels: Iterable[str] | None = None, indices: Sequence[int] | None = None) -> Frames:
        """What a camera saw, in memory.

        Args:
            camera: its name.
            labels: arrays to read besides rgb, such as ``depth`` and ``flow_forward``; None reads all there are.
            indices: which frames, such as ``range(10)``; None reads all.

        Raises:
            ClipError: no such camera or label, or a damaged file.
            IndexError: no such frame.
        """
        record = self._camera(camera)
        path = self.cameras[camera]
        if indices is not None:
            self._check_indices(indices)
            path = replace(path, world_from_camera=path.world_from_camera[list(indices)])
        arrays: dict[str, Any] = {
            name: ArrayFile(self._file(record, name)).stack(indices) for name in self._wanted(record, labels)
        }
        return Frames(camera=path, **arrays)

    def frame(self, camera: str, index: int) -> Frame:
        """One frame with all its labels; the others are not read.

        Raises:
            ClipError: no such camera.
            IndexError: no such frame.
        """
        self._check_indices([index])
        return next(self.stream(camera, indices=[index]))

    def stream(
        self, camera: str, labels: Iterable[str] | None = None, indices: Iterable[int] | None = None
    ) -> Iterator[Frame]:
        """Frame after frame, one in memory at a time. Arguments as for ``frames``."""
        record = self._camera(camera)
        names = self._wanted(record, labels)
        wanted = list(range(self.frame_count) if indices is None else indices)
        self._check_indices(wanted)
        return self._read_frames(record, names, wanted)

    def flow(self, camera: str, i: int, j: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Where the surface seen at each pixel of frame i is in frame j, any two frames; exact, from depth and motion.

        Returns:
            Displacement (u right, v down) [px], float32 [H, W, 2], NaN where undefined; and whether the point is hidden
            or outside the picture at frame j, bool [H, W].

        Raises:
            ClipError: no such camera, or it was made without ``depth`` or ``ids``.
            IndexError: no such frame.
        """
        from simvid.motion import flow_between, hidden, motion_of

        (depth, ids), (target_depth, target_ids) = self._depth_and_ids(camera, i), self._depth_and_ids(camera, j)
        shift, z = flow_between(depth, ids, self.cameras[camera], motion_of(self.trajectory), (i, j))
        return shift, hidden(shift, z, ids, target_depth, target_ids)

    def derived(self, camera: str, name: str, index: int) -> NDArray[Any]:
        """A label that follows from stored ones: ``valid``, ``distance``, ``instance_ids``, ``semantic_ids``,
        ``normals_world``; see ``simvid.derived.DERIVED``.

        Raises:
            ClipError: no such camera, or what it is made from was not asked for when the clip was made.
            IndexError: no such frame.
            ValueError: no such label.
        """
        from simvid.derived import DERIVED, derive

        needed = DERIVED[name][0] if name in DERIVED else "rgb"
        self._check_indices([index])
        frame = next(self.stream(camera, labels=[needed], indices=[index]))
        return derive(name, frame, self.cameras[camera], index, self.trajectory)

    def tracks(self, camera: str, pixels: Array | None = None, frame: int = 0) -> Tracks:
        """Surface points followed through the clip.

        Args:
            camera: its name.
            pixels: (x, y) [px] of the points in one frame, [K, 2]; None takes those that the label ``tracks`` chose.
            frame: the frame that ``pixels`` are in.

        Raises:
            ClipError: no such camera, or it was made without ``tracks`` (or ``depth`` and ``ids``, for ``pixels``).
            IndexError: no such frame.
            ValueError: a place outside the picture.
        """
        from simvid.motion import motion_of
        from simvid.tracks import Tracker, Tracks, pixel_queries

        if pixels is None:
            stored = self.extra(camera, "tracks")
            return Tracks(**{f.name: stored[f.name] for f in fields(Tracks)})
        path = self.cameras[self._camera(camera).name]
        tracker = Tracker(
            pixel_queries(pixels, frame, path, *self._depth_and_ids(camera, frame), motion_of(self.trajectory)),
            path,
            self.trajectory,
        )
        for k in range(self.frame_count):
            tracker.add(*self._depth_and_ids(camera, k))
        return tracker.result()

    def extra(self, camera: str, name: str) -> dict[str, Array]:
        """The arrays of ``tracks.npz``, ``poses.npz`` or ``boxes_3d.npz`` of a camera, by name.

        Raises:
            ClipError: no such camera, or the label was not asked for when the clip was made.
        """
        place = f"{self._camera(camera).folder}/{name}.npz"
        file = self.record.files.get(place)
        if file is None or file.kind != "named":
            raise ClipError(f"{self.path}: camera {camera!r} has no {name}; ask for the label when making the clip")
        return read_named(self.path / place)

    def refined(self, name: str | None = None, camera: str | None = None) -> NDArray[np.uint8]:
        """Refined pictures of a camera, sRGB uint8 [T, H, W, 3].

        Args:
            name: which refinement; None is the only one.
            camera: None is the first.

        Raises:
            ClipError: no such refinement or camera.
        """
        record = self.refinement(name)
        view = record.cameras[0] if camera is None else camera
        if view not in record.cameras:
            raise ClipError(f"{self.path}: refinement {record.name!r} has no camera {view!r}; it has {record.cameras}")
        pictures: NDArray[np.uint8] = ArrayFile(self.path / "refined" / record.name / f"{view}.npz").stack()
        return pictures

    def refinement(self, name: str | None = None) -> RefinedRecord:
        """How a refinement was made; None is the only one.

        Raises:
            ClipError: there is no such, or several to choose from.
        """
        known = {r.name: r for r in self.record.refined}
        if name is None and len(known) == 1:
            return next(iter(known.values()))
        if name is None or name not in known:
            asked = "name one" if name is None else f"no refinement {name!r}"
            raise ClipError(f"{self.path}: {asked}; there are {', '.join(known) or 'none'}")
        return known[name]

    def video(self, camera: str, refined: str | None = None) -> Path:
        """The preview video of a camera, as rendered or refined."""
        if refined is not None:
            return self.path / "refined" / self.refinement(refined).name / f"{camera}.mp4"
        return self.path / self._camera(camera).folder / "rgb.mp4"

    def verify(self) -> list[str]:
        """Read every file and compare its content with its digest; what is wrong, nothing for a sound clip."""
        faults = content_faults(self.path, self.record.files)
        expected = content_hash(self.record.files)
        if expected != self.record.content_hash:
            faults.append(f"{CLIP_FILE}: content_hash is not that of its files")
        return faults

    def _repr_html_(self) -> str:
        """A line and the contact sheet, for notebooks."""
        return _as_html(self)

    def _camera(self, name: str) -> CameraRecord:
        for record in self.record.cameras:
            if record.name == name:
                return record
        names = ", ".join(c.name for c in self.record.cameras) or "none"
        raise ClipError(f"{self.path}: no camera {name!r}; there are {names}")

    def _camera_path(self, record: CameraRecord) -> CameraPath:
        return read_camera_file(self.path / record.folder / "camera.npz", record.name)

    def _depth_and_ids(self, camera: str, index: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        self._check_indices([index])
        frame = next(self.stream(camera, labels=("depth", "ids"), indices=[index]))
        assert frame.depth is not None, "it was asked for"
        assert frame.ids is not None, "it was asked for"
        return frame.depth, frame.ids

    def _file(self, record: CameraRecord, array: str) -> Path:
        return self.path / record.folder / f"{array}.npz"

    def _wanted(self, record: CameraRecord, labels: Iterable[str] | None) -> tuple[str, ...]:
        if labels is None:
            return record.arrays
        asked = [name for name in labels if name != "rgb"]
        missing = [name for name in asked if name not in record.arrays]
        if missing:
            known = {f.name for f in fields(Frame)}
            why = "was not asked for when the clip was made" if set(missing) <= known else "is unknown"
            has = ", ".join(record.arrays)
            raise ClipError(f"{self.path}: camera {record.name!r} has {has}; {', '.join(missing)} {why}")
        return ("rgb", *asked)

    def _check_indices(self, indices: Iterable[int]) -> None:
        for index in indices:
            if not 0 <= index < self.frame_count:
                raise IndexError(f"{self.path}: frame {index} asked for; frames are 0 to {self.frame_count - 1}")

    def _read_frames(self, record: CameraRecord, names: Sequence[str], indices: Sequence[int]) -> Iterator[Frame]:
        streams = {name: ArrayFile(self._file(record, name)).read(indices) for name in names}
        for _ in indices:
            arrays: dict[str, Any] = {name: next(stream) for name, stream in streams.items()}
            yield Frame(**arrays)


def _as_html(clip: Clip) -> str:
    """A small HTML view: what it is, and its contact sheet scaled down."""
    record = clip.record
    cameras = ", ".join(f"{c.name} {c.width} x {c.height}" for c in record.cameras) or "no camera"
    line = f"{record.frame_count} frames at {record.fps:g} fps; {cameras}; {record.physics.backend}"
    text = f"<b>{html.escape(record.name)}</b> <code>{record.content_hash[:8]}</code><br>{html.escape(line)}"
    sheet = clip.path / "contact_sheet.png"
    if not sheet.is_file():
        return f"<div>{text}</div>"
    from PIL import Image

    with Image.open(sheet) as picture:
        picture.thumbnail((THUMBNAIL_PX, 4 * THUMBNAIL_PX))
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, "JPEG", quality=80)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<div>{text}<br><img alt="contact sheet" src="data:image/jpeg;base64,{data}"></div>'


def _no_clip(folder: Path) -> str:
    """Why a folder is no clip, and which one may be meant."""
    if folder.is_file():
        return f"{folder}: expected a clip folder, as simvid run makes, got a file"
    place = folder if folder.is_dir() else folder.parent
    clips = sorted(found.parent.name for found in place.glob(f"[!.]*/{CLIP_FILE}"))
    near = get_close_matches(folder.name, clips, n=1) or clips[:1]
    hint = f"there is {place / near[0]}" if near else "simvid run makes one and says where it is"
    return f"{folder / CLIP_FILE}: missing; expected a folder made by simvid\n  hint: {hint}"
