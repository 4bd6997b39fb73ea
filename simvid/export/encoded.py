"""Clips that are encoded one by one, as they finish, so that writing their data set only has to put them together.

What is encoded of a clip is a folder of its own, named by all that it depends on, which appears by rename: a job that
is killed anywhere, and one that grows, encode no clip twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from simvid.clips.digests import file_record
from simvid.clips.stage_store import StageStore, StageWork
from simvid.export.base import FILES, Episode, Exporter, View
from simvid.frames import LABEL_ARRAYS


@runtime_checkable
class EpisodeWise(Exporter, Protocol):
    """A format whose clips can be encoded one by one; its ``write`` asks ``Request.encoded`` for each of them."""

    def encode(self, episode: Episode, labels: frozenset[str], folder: Path) -> None:
        """Put into an empty folder what is slow to make of a clip and depends on no other clip.

        Raises:
            ExportError: the clip does not fit the format.
        """
        ...


@dataclass(frozen=True, eq=False)
class Kept:
    """Where encoded clips are kept.

    Attributes:
        folder: theirs; made where it is missing.
        code: version of the code that encodes; what other code encoded is not used.
    """

    folder: Path
    code: str


class Encoder:
    """Gives the encoded clips of one format, from where they are kept or made now."""

    def __init__(
        self, exporter: EpisodeWise, options: Mapping[str, Any], labels: frozenset[str], place: Kept | Path
    ) -> None:
        """Choose.

        Args:
            exporter: the format.
            options: its settings as plain values.
            labels: what is written besides the pictures.
            place: where encoded clips are looked for and kept; or a folder for them that is empty and goes away again.
        """
        self._exporter, self._labels, self._place = exporter, labels, place
        self._shared = {"format": exporter.name, "version": exporter.version, "options": dict(options)}
        self._store = StageStore(place.folder) if isinstance(place, Kept) else None

    def __call__(self, episode: Episode) -> Path:
        """The folder of an encoded clip."""
        if self._store is None:
            assert isinstance(self._place, Path), "without a store there is a folder"
            folder = self._place / episode.stem
            folder.mkdir(parents=True)
            self._exporter.encode(episode, self._labels, folder)
            return folder

        def make(work: StageWork) -> None:
            self._exporter.encode(episode, self._labels, work.folder)
            for path in sorted(work.folder.iterdir()):
                work.files[path.name] = file_record(path, "table")

        return self._store.get("encoded", self._inputs(episode), "", make)[0].path

    def _inputs(self, episode: Episode) -> dict[str, Any]:
        """All that the folder depends on: the content of what is read, not the clip's other files."""
        views = [{"camera": v.camera, "files": _digests(v, self._labels)} for v in episode.views]
        code = self._place.code if isinstance(self._place, Kept) else ""
        return {"stage": "encoded", **self._shared, "simvid": code, "fps": episode.clip.fps, "views": views}


def in_order(
    threads: Executor, encode: Callable[[Episode], Path], episodes: Sequence[Episode], ahead: int
) -> Iterator[Path]:
    """Encoded clips one after the other, with ``ahead`` of them under way."""
    waiting: deque[Future[Path]] = deque()
    for episode in episodes:
        waiting.append(threads.submit(encode, episode))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _digests(view: View, labels: frozenset[str]) -> dict[str, str | None]:
    """Digest of each file of a view that is read: the pictures, and what of the labels is a file."""
    files, folder = view.clip.record.files, view.record.folder
    pictures = f"{folder}/rgb.npz" if view.refined is None else f"refined/{view.refined}/{view.camera}.npz"
    names = [f"{array}.npz" for label in labels for array in LABEL_ARRAYS.get(label, ())]
    names += [FILES[label] for label in labels if label in FILES]
    paths = [pictures, "trajectory.npz", *(f"{folder}/{name}" for name in names)]
    return {path: files[path].digest for path in sorted(set(paths)) if path in files}
