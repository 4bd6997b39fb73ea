"""Writing what a camera saw: lossless arrays, tables, the preview video and label pictures, while frames come in."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.clips.arrays import ArrayFile, ArrayWriter
from simvid.clips.camera_file import write_camera_file
from simvid.clips.contact_sheet import Colors, Row, columns, draw_sheet, label_rows, save_png, tile_size
from simvid.clips.digests import file_record
from simvid.clips.records import FileRecord
from simvid.clips.video import VideoWriter
from simvid.errors import RenderError
from simvid.frames import CameraPath, Frame
from simvid.trajectory import Part

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of frames done."""
AHEAD = 3
"""Frames that may wait for the writing thread."""


class Watcher(Protocol):
    """Makes files of its own from the frames that pass by (on the writing thread)."""

    def add(self, index: int, frame: Frame) -> None:
        """See the next frame."""
        ...

    def write(self, folder: Path) -> None:
        """Write the files, after the last frame."""
        ...


@dataclass(frozen=True, eq=False)
class View:
    """What a camera's folder is about."""

    camera: CameraPath
    parts: Sequence[Part]
    fps: float
    watchers: Sequence[Watcher] = ()


class _FrameFiles:
    """The files of one camera that grow frame by frame."""

    def __init__(self, folder: Path, view: View) -> None:
        self.folder, self.view = folder, view
        self.arrays: dict[str, ArrayWriter] = {}
        self.count = 0
        self._video = VideoWriter(folder / "rgb.mp4", view.camera.width, view.camera.height, view.fps)

    def add(self, frame: Frame) -> None:
        arrays = {"rgb": frame.rgb, **frame.labels}
        if self.count == 0:
            self.arrays = {name: ArrayWriter(self.folder / f"{name}.npz") for name in arrays}
        if arrays.keys() != self.arrays.keys():
            given, wanted = ", ".join(arrays), ", ".join(self.arrays)
            raise RenderError(f"frame {self.count} carries {given}; expected {wanted}, as in frame 0")
        for name, array in arrays.items():
            self.arrays[name].append(array)
        for watcher in self.view.watchers:
            watcher.add(self.count, frame)
        self._video.write(frame.rgb)
        self.count += 1

    def close(self) -> None:
        for writer in self.arrays.values():
            writer.close()
        self._video.close()


class _Background:
    """Runs a function on items in another thread, in order; its first error is raised in the caller's next call."""

    def __init__(self, work: Any) -> None:
        self._work = work
        self._items: queue.Queue[Any] = queue.Queue(AHEAD)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="simvid-writer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            if self._error is None:
                try:
                    self._work(item)
                except BaseException as error:
                    self._error = error

    def put(self, item: Any) -> None:
        """Wait until there is room, and leave an item (not None)."""
        self._items.put(item)
        self._raise()

    def finish(self) -> None:
        """Wait for what is under way."""
        if self._thread.is_alive():
            self._items.put(None)
            self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def result(self) -> None:
        """Wait for all work, and raise its error if there was one."""
        self.finish()
        self._raise()


@contextmanager
def _beside(work: Callable[[Any], None]) -> Iterator[_Background]:
    """Work that is done when the block ends; its error ends the block."""
    background = _Background(work)
    try:
        yield background
        background.result()
    finally:
        background.finish()


@contextmanager
def _written_beside(files: _FrameFiles) -> Iterator[_Background]:
    try:
        with _beside(files.add) as background:
            yield background
    finally:
        files.close()


def write_camera(
    folder: Path, view: View, frames: Iterable[Frame], progress: Progress = lambda _: None
) -> dict[str, FileRecord]:
    """Write a camera's folder while its frames are made; the records of its files.

    Files: ``rgb.mp4``, ``rgb.npz`` and one ``.npz`` per label, ``camera.npz``, ``labels/*.png`` and what the watchers
    write. Compression runs in a thread of its own beside the making of the next frame.

    Raises:
        RenderError: frames are missing, too many, or carry other labels than the first.
    """
    files = _FrameFiles(folder, view)
    with _written_beside(files) as background:
        count = 0
        for frame in frames:
            background.put(frame)
            count += 1
            progress(count)
    wanted = len(view.camera.world_from_camera)
    if count != wanted:
        raise RenderError(f"camera {view.camera.name!r}: expected {wanted} frames, got {count}")
    write_camera_file(folder / "camera.npz", view.camera)
    for watcher in view.watchers:
        watcher.write(folder)
    write_label_pictures(folder, view)
    return _camera_files(folder, {f"{name}.npz": writer.digest for name, writer in files.arrays.items()})


def _camera_files(folder: Path, known: dict[str, str]) -> dict[str, FileRecord]:
    """Records of all files in a camera's finished folder, with the digests known."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.suffix in {".mp4", ".png"}:
            found[name] = file_record(path, "preview")
        elif path.suffix == ".csv":
            found[name] = file_record(path, "table")
        elif path.suffix == ".npz" and name not in known:
            found[name] = file_record(path, "named")
        elif path.suffix == ".npz":
            found[name] = file_record(path, "array", known[name])
    return found


def array_names(files: Iterable[str]) -> tuple[str, ...]:
    """Names of the frame-by-frame arrays among a camera's files, rgb first."""
    known = {f.name for f in fields(Frame)}
    names = [name for n in files if n.endswith(".npz") and (name := n.removesuffix(".npz")) in known]
    return tuple(sorted(names, key=lambda n: (n != "rgb", n)))


def stored_frames(folder: Path, names: Sequence[str], indices: Iterable[int]) -> Iterator[Frame]:
    """Frames read back from a camera's folder, one after another."""
    wanted = list(indices)
    streams = {name: ArrayFile(folder / f"{name}.npz").read(wanted) for name in names}
    for _ in wanted:
        arrays: dict[str, Any] = {name: next(stream) for name, stream in streams.items()}
        yield Frame(**arrays)


def sheet_frames(folder: Path, hidden: Collection[str] = ()) -> tuple[list[int], list[Frame]]:
    """The frames that pictures show, with their labels but those hidden."""
    names = tuple(name for name in array_names(p.name for p in folder.iterdir()) if name not in hidden)
    indices = columns(len(ArrayFile(folder / "rgb.npz")))
    return indices, list(stored_frames(folder, names, indices))


def write_label_pictures(folder: Path, view: View) -> None:
    """``labels/NAME.png``: a few frames of each label below the same frames in colour, with a legend."""
    indices, frames = sheet_frames(folder)
    colors = Colors.of(frames, view.parts)
    size = tile_size(view.camera.width, view.camera.height)
    first = Row("rgb", "as rendered", tuple(f.rgb for f in frames))
    rows = label_rows(frames, colors, size)
    if rows:
        (folder / "labels").mkdir()
    for row in rows:
        picture = draw_sheet(f"{row.name}  ·  camera {view.camera.name}", "", captions(indices, view.fps), [first, row])
        save_png(folder / "labels" / f"{row.name}.png", picture)


def captions(indices: Sequence[int], fps: float) -> list[str]:
    """What stands under the columns of a sheet."""
    return [f"frame {i}  ·  {i / fps:.2f} s" for i in indices]


def write_refined(
    folder: Path,
    shape: tuple[int, int, int],
    fps: float,
    pictures: Iterable[NDArray[np.uint8]],
    progress: Progress = lambda _: None,
) -> dict[str, FileRecord]:
    """Write ``rgb.npz`` and ``rgb.mp4`` of refined pictures; the records of both.

    Compression runs in a thread of its own beside the refining of the next picture.

    Args:
        folder: where to.
        shape: number, height and width of the pictures expected.
        fps: frames per second.
        pictures: uint8 [H, W, 3].
        progress: told how many are done.

    Raises:
        RenderError: another number or size of pictures.
    """
    wanted, height, width = shape
    arrays = ArrayWriter(folder / "rgb.npz")
    count = 0

    def keep(picture: NDArray[np.uint8]) -> None:
        arrays.append(picture)
        video.write(picture)

    try:
        with (
            VideoWriter(folder / "rgb.mp4", width, height, fps) as video,
            _beside(keep) as background,
        ):
            for picture in pictures:
                if picture.shape != (height, width, 3) or picture.dtype != np.uint8:
                    raise RenderError(
                        f"refined picture {count}: expected uint8 {(height, width, 3)}, "
                        f"got {picture.dtype} {picture.shape}"
                    )
                background.put(picture)
                count += 1
                progress(count)
    finally:
        arrays.close()
    if count != wanted:
        raise RenderError(f"the refiner gave {count} pictures; expected {wanted}, one per frame")
    return {
        "rgb.npz": file_record(folder / "rgb.npz", "array", arrays.digest),
        "rgb.mp4": file_record(folder / "rgb.mp4", "preview"),
    }
