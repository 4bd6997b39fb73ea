"""What a data set is made of: training pairs, one camera of a clip, or a clip that was exported as mapped arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.clip import Clip
from simvid.clips.arrays import ArrayFile
from simvid.clips.records import CLIP_FILE
from simvid.clips.refined_inputs import input_record, not_refined
from simvid.errors import ClipError
from simvid.refining.pairs import FILE as PAIR_FILE
from simvid.refining.pairs import PairClip

Array: TypeAlias = NDArray[Any]
ITEM_FILE = "item.json"
_OPEN_FILES = getrlimit(RLIMIT_NOFILE)[0]
MAPS = 8192 if _OPEN_FILES == RLIM_INFINITY else min(8192, _OPEN_FILES // 2)
"""Arrays that are mapped at a time. Each keeps its file open, of which a process may have so many; and Linux lets it
have 65,530 maps. Thousands of clips have more arrays."""


class Source(Protocol):
    """T frames with arrays. ``coarse`` are splatted pictures, ``target`` those to be learnt, both sRGB uint8."""

    name: str
    family: str
    split: str | None
    """As stored; None where the data set decides."""
    target: str | None
    """What the targets are: ``path-traced``, ``refined by NAME``, or None without."""
    frames: int
    height: int
    width: int
    fps: float
    arrays: tuple[str, ...]
    gate: Mapping[str, Any] | None
    """The gate's verdict on the refined pictures, where it is stored."""
    licences: tuple[str, ...]
    """Of its assets, each once; ``not stated`` among them where one has none."""
    provenance: Mapping[str, Any]
    """Seeds, hashes, tools: what the card tells."""

    def stored(self, name: str, frames: slice) -> Array:
        """Frames of an array as they are on disk."""
        ...

    def decoded(self, name: str, frames: slice) -> Array:
        """The same in the units of ``simvid.Frame``: metres, pixels, unit vectors, linear light."""
        ...


class PairSource:
    """A training pair: mapped arrays in the codes of ``simvid.refining.pairs``."""

    gate: Mapping[str, Any] | None = None

    def __init__(self, folder: Path) -> None:
        self._pair = PairClip(folder)
        record = self._pair.record
        self.name, self.family = record.name, record.family
        self.split: str | None = record.split
        self.target: str | None = "path-traced"
        self.frames, self.height, self.width, self.fps = record.frames, record.height, record.width, record.fps
        self.arrays = record.arrays
        self.licences: tuple[str, ...] = record.licences
        self.provenance: Mapping[str, Any] = {"seeds": dict(record.seeds), "look": record.look}

    def stored(self, name: str, frames: slice) -> Array:
        """Frames of an array as they are on disk."""
        return self._pair.stored(name)[frames]

    def decoded(self, name: str, frames: slice) -> Array:
        """In units; see ``Source``."""
        return self._pair.decoded(name, frames)


class MappedSource:
    """A folder of ``simvid export --format npy``."""

    split: str | None = None

    def __init__(self, folder: Path) -> None:
        try:
            about = json.loads((folder / ITEM_FILE).read_text())
            self.name, self.family = str(about["name"]), str(about["scene"])
            self.target = None if about["refined"] is None else f"refined by {about['refined']}"
            self.frames, self.height, self.width = int(about["frames"]), int(about["height"]), int(about["width"])
            self.fps, self.arrays, self.gate = float(about["fps"]), tuple(about["arrays"]), about["gate"]
            self.licences = tuple(about["licences"])
            keys = ("content_hash", "seed", "sample_index", "tools", "camera")
            inputs = {k: about.get(k) for k in ("look", "coarse", "left_out")}
            self.provenance: Mapping[str, Any] = {**{k: about[k] for k in keys}, **inputs}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ClipError(f"{folder / ITEM_FILE}: expected the record of mapped arrays ({error!r})") from error
        self._folder, self._opening = folder, object()
        for name in self.arrays:
            self._array(name)

    def _array(self, name: str) -> Array:
        path = self._folder / f"{name}.npy"
        array = _mapped(path, self._opening)
        if len(array) != self.frames:
            raise ClipError(f"{path}: expected {self.frames} frames, got {len(array)}; export it again")
        return array

    def stored(self, name: str, frames: slice) -> Array:
        """Frames of an array as they are on disk."""
        return self._array(name)[frames]

    def decoded(self, name: str, frames: slice) -> Array:
        """The same: they are stored in units."""
        return np.array(self._array(name)[frames])


@lru_cache(maxsize=MAPS)
def _mapped(path: Path, opening: object) -> Array:
    """``opening``: whose it is, so that whoever opens a folder that was written anew sees what is there now."""
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ClipError(f"{path}: missing or damaged ({error}); export it again") from error
    return array


class ClipSource:
    """One camera of a clip, with one of its refinements as the target; arrays are inflated frame by frame."""

    split: str | None = None

    def __init__(self, clip: Clip, camera: str, refined: str | None) -> None:
        record = next(c for c in clip.record.cameras if c.name == camera)
        self.name = f"{clip.path.name}/{camera}" + (f"/{refined}" if refined else "")
        self.family, self.target = clip.name, None if refined is None else f"refined by {refined}"
        self.frames, self.height, self.width, self.fps = clip.frame_count, record.height, record.width, clip.fps
        places = {name: clip.path / record.folder / f"{name}.npz" for name in record.arrays if name != "rgb"}
        places = {"coarse": clip.path / record.folder / "rgb.npz", **places}
        self.gate: Mapping[str, Any] | None = None
        about = None if refined is None else clip.refinement(refined)
        if refined is not None and about is not None:
            for name in not_refined(clip, about):
                places.pop(name, None)
            places["target"] = clip.path / "refined" / refined / f"{camera}.npz"
            self.gate = None if about.gate is None else about.gate.model_dump(mode="json")
        self.arrays, self._places = tuple(places), places
        self.licences = clip.record.licences
        self.provenance: Mapping[str, Any] = {
            "content_hash": clip.content_hash, "seed": clip.record.seed, "sample_index": clip.record.sample_index,
            "tools": clip.record.tools, "camera": camera, "renderer": record.renderer.backend,
            **input_record(clip, about),
        }  # fmt: skip

    def stored(self, name: str, frames: slice) -> Array:
        """Frames of an array, inflated."""
        return ArrayFile(self._places[name]).stack(range(*frames.indices(self.frames)))

    def decoded(self, name: str, frames: slice) -> Array:
        """The same: they are stored in units."""
        return self.stored(name, frames)


def find_sources(folder: Path) -> Iterator[Source]:
    """Everything in a folder, and one folder deeper, by name. A refined clip gives a source per refinement.

    Raises:
        ClipError: something is damaged.
    """
    places = [folder, *sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))]
    for place in places:
        if (place / PAIR_FILE).is_file():
            yield PairSource(place)
        elif (place / ITEM_FILE).is_file():
            yield MappedSource(place)
        elif (place / CLIP_FILE).is_file():
            clip = Clip.open(place)
            for camera in clip.record.cameras:
                refined = [r.name for r in clip.record.refined if camera.name in r.cameras]
                names: list[str | None] = [*refined] or [None]
                for name in names:
                    yield ClipSource(clip, camera.name, name)
