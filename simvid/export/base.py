"""What every export format offers, and what it is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.captions.narration import CAPTION_FILE
from simvid.clip import Clip
from simvid.clips.arrays import ArrayFile
from simvid.clips.records import CameraRecord
from simvid.clips.splits import is_held_out
from simvid.errors import SimvidError
from simvid.frames import LABEL_ARRAYS, CameraPath, Frame
from simvid.scene.base import Model

Picture: TypeAlias = NDArray[np.uint8]
Tell: TypeAlias = Callable[[str], None]
"""Told what was written, as one line."""
FROM_MOTION = frozenset({"poses", "contacts"})
"""Labels that follow from the trajectory, so every clip has them."""
FILES = {"tracks": "tracks.npz", "boxes_3d": "boxes_3d.npz", "boxes": "boxes.csv"}
"""Labels that are files of their own in a camera's folder."""


class ExportError(SimvidError):
    """A format cannot hold what is asked, or a clip lacks what the format needs."""

    exit_code = 2


class NoSettings(Model):
    """For a format that has nothing to set."""


@dataclass(frozen=True, eq=False)
class View:
    """One camera of one clip: a video with its labels.

    Attributes:
        clip: the open clip.
        camera: name of the camera.
        stem: name for files, unique in an export, of letters, digits, ``-`` and ``_`` alone.
        labels: what is to be written besides the pictures, names of ``simvid.frames.LABELS``.
        refined: the refinement whose pictures are written; None takes the rendered ones.
    """

    clip: Clip
    camera: str
    stem: str
    labels: frozenset[str] = frozenset()
    refined: str | None = None

    @property
    def record(self) -> CameraRecord:
        """What the clip says of the camera."""
        return next(c for c in self.clip.record.cameras if c.name == self.camera)

    @property
    def path(self) -> CameraPath:
        """Where the camera stood."""
        return self.clip.cameras[self.camera]

    @property
    def width(self) -> int:
        """[px]."""
        return self.record.width

    @property
    def height(self) -> int:
        """[px]."""
        return self.record.height

    @property
    def frame_count(self) -> int:
        """T."""
        return self.clip.frame_count

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.clip.fps

    def pictures(self) -> Iterator[Picture]:
        """The pictures to write, sRGB uint8 [H, W, 3], one in memory at a time."""
        if self.refined is not None:
            folder = self.clip.path / "refined" / self.clip.refinement(self.refined).name
            yield from ArrayFile(folder / f"{self.camera}.npz")
        else:
            for frame in self.clip.stream(self.camera, labels=()):
                yield frame.rgb

    def array(self, name: str) -> Iterator[NDArray[Any]]:
        """One array of the labels, frame after frame, without reading the pictures."""
        yield from ArrayFile(self.clip.path / self.record.folder / f"{name}.npz")

    def frames(self, *labels: str) -> Iterator[Frame]:
        """Frame after frame with the arrays of some labels; ``rgb`` is that of ``pictures``."""
        arrays = sorted({a for label in labels for a in LABEL_ARRAYS[label]})
        stream = self.clip.stream(self.camera, labels=arrays)
        if self.refined is None:
            yield from stream
            return
        for frame, rgb in zip(stream, self.pictures(), strict=True):
            yield Frame(**{"rgb": rgb, **frame.labels})  # type: ignore[arg-type]  # names and types are Frame's own


@dataclass(frozen=True, eq=False)
class Episode:
    """One clip, with those of its cameras that are exported."""

    clip: Clip
    stem: str
    views: tuple[View, ...]

    @property
    def caption(self) -> str:
        """What happens in it, in words."""
        return caption_of(self.clip)


def caption_of(clip: Clip) -> str:
    """What happens in a clip, in words: as ``simvid caption`` found, else as the scene says.

    Raises:
        ExportError: its caption is damaged.
    """
    path = clip.path / CAPTION_FILE
    if path.is_file():
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["short"])
        except (ValueError, KeyError, TypeError) as error:
            raise ExportError(f"{path}: no caption in it ({error!r}); make it again with simvid caption") from error
    return clip.record.description or clip.name.replace("_", " ")


def _nowhere(episode: Episode) -> Path:
    raise LookupError(f"{episode.stem}: this format encodes no clips by themselves")


@dataclass(frozen=True, eq=False)
class Request:
    """What to write.

    Attributes:
        episodes: the clips, in order.
        labels: what is to be written besides the pictures.
        tell: told what was written.
        encoded: for formats that encode clip by clip: where what is encoded of a clip lies.
    """

    episodes: tuple[Episode, ...]
    labels: frozenset[str]
    tell: Tell
    encoded: Callable[[Episode], Path] = _nowhere

    @cached_property
    def views(self) -> tuple[View, ...]:
        """All cameras of all clips, in order."""
        return tuple(view for episode in self.episodes for view in episode.views)


def split_episodes(episodes: Sequence[Episode], held_out: float) -> dict[str, list[Episode]]:
    """``train``, and ``valid`` where scenes are held out, in order: the scenes that ``simvid.dataset`` holds out.

    Raises:
        ExportError: none is left to train on.
    """
    valid = [e for e in episodes if is_held_out(e.clip.name, held_out)]
    train = [e for e in episodes if not is_held_out(e.clip.name, held_out)]
    if not train:
        scenes = ", ".join(sorted({e.clip.name for e in valid}))
        raise ExportError(f"--option held_out: a share of {held_out:g} of all scenes holds out every one that is here "
                          f"({scenes}); a smaller share leaves some to train on, 0 all of them")  # fmt: skip
    return {"train": train, "valid": valid} if valid else {"train": train}


class Exporter(Protocol):
    """Writes clips in one format. Registered under ``simvid.export``.

    The class has an attribute ``Settings``, a frozen pydantic model of what ``--option KEY=VALUE`` may set, and is
    called with one such value. Heavy packages are imported inside ``write``.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    """Of the format as written, such as ``v3.0``."""
    summary: ClassVar[str]
    """One line for people."""
    holds: ClassVar[frozenset[str]]
    """Labels that the format can hold, names of ``simvid.frames.LABELS``."""
    needs: ClassVar[frozenset[str]]
    """Those that it is nothing without; a part of ``holds``."""
    packages: ClassVar[tuple[str, ...]]
    """Import names of the optional packages that it writes with."""
    Settings: ClassVar[type[Any]]

    def __init__(self, settings: Any) -> None: ...

    def write(self, request: Request, folder: Path) -> Mapping[str, Any]:
        """Fill an empty folder, which takes its final name afterwards; what was written, for people and programs.

        Raises:
            ExportError: clips do not fit the format; the text says which, and what to do.
        """
        ...


def array(frame: Frame, name: str) -> NDArray[Any]:
    """An array that was asked for."""
    found: NDArray[Any] | None = getattr(frame, name)
    assert found is not None, f"{name} was asked for"
    return found


def has_label(clip: Clip, camera: CameraRecord, label: str) -> bool:
    """Whether a clip holds a label of a camera."""
    if label in FROM_MOTION:
        return True
    if label in FILES:
        return f"{camera.folder}/{FILES[label]}" in clip.record.files
    return set(LABEL_ARRAYS[label]) <= set(camera.arrays)


def common(values: Sequence[Any], what: str, where: Sequence[str], remedy: str) -> Any:
    """The one value that all clips have.

    Raises:
        ExportError: they differ; the text names the first two that do.
    """
    for value, place in zip(values, where, strict=True):
        if value != values[0]:
            raise ExportError(f"{what}: expected the same in all clips, got {values[0]!r} in {where[0]} and {value!r} "
                              f"in {place}; {remedy}")  # fmt: skip
    return values[0]
