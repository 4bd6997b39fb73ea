"""DataSet: sources with their splits, streamed as windows of frames with masks and weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from simvid.clips.splits import is_held_out
from simvid.dataset.sources import Array, Source, find_sources
from simvid.errors import ClipError

Split: TypeAlias = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "held_out")
THREADS = 2


@dataclass(frozen=True, eq=False)
class Sample:
    """A window of frames.

    Attributes:
        name: of the source.
        family: kind of scene; a family is in one split alone.
        target: what the targets are, None without.
        first: number of the first frame.
        arrays: name -> [N, H, W, ...]; ``mask``, bool [N, H, W], is where there is a surface.
        weight: such that all families weigh the same; 1 on average over all windows of the data set.
        gate: the gate's verdict on the refined pictures, where it is stored.
    """

    name: str
    family: str
    target: str | None
    first: int
    arrays: Mapping[str, Array]
    weight: float
    gate: Mapping[str, Any] | None


@dataclass(frozen=True, eq=False)
class DataSet:
    """Sources, each in a split."""

    path: Path
    sources: tuple[Source, ...]
    splits: Mapping[str, Split]
    """Family -> split."""

    def __repr__(self) -> str:
        counts = Counter(self.splits[s.family] for s in self.sources)
        told = ", ".join(f"{name} {counts[name]}" for name in SPLITS)
        return f"DataSet({str(self.path)!r}, {told}, frames={self.frame_count})"

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def frame_count(self) -> int:
        """Frames of all sources."""
        return sum(source.frames for source in self.sources)

    @cached_property
    def arrays(self) -> tuple[str, ...]:
        """What every source has."""
        if not self.sources:
            return ()
        return tuple(n for n in self.sources[0].arrays if all(n in s.arrays for s in self.sources))

    def weights(self, window: int, stride: int | None = None) -> Mapping[str, float]:
        """Family -> weight of each of its windows, such that families weigh the same, and 1 is the mean.

        A family that has none, as all its sources are shorter than the window, is left out.

        Raises:
            ClipError: no source is as long as the window.
        """
        counts = Counter[str]()
        for source, places in zip(self.sources, self._places(window, stride), strict=True):
            counts[source.family] += len(places)
        found = +counts
        return {family: found.total() / (len(found) * count) for family, count in found.items()}

    def split(self, name: Split) -> DataSet:
        """The sources of one split.

        Raises:
            ClipError: it has none.
        """
        if name not in SPLITS:
            raise ClipError(f"split: expected one of {', '.join(SPLITS)}, got {name!r}")
        chosen = tuple(s for s in self.sources if self.splits[s.family] == name)
        if not chosen:
            raise ClipError(f"{self.path}: the split {name!r} is empty; families are {dict(self.splits)}")
        return DataSet(self.path, chosen, self.splits)

    def with_targets(self) -> DataSet:
        """The sources that have pictures to be learnt."""
        return DataSet(self.path, tuple(s for s in self.sources if s.target is not None), self.splits)

    def accepted(self) -> DataSet:
        """Without the sources whose refined pictures the gate rejected; what was never judged stays."""
        return DataSet(self.path, tuple(s for s in self.sources if s.gate is None or s.gate["accepted"]), self.splits)

    def windows(self, window: int, stride: int | None = None) -> list[tuple[int, int]]:
        """Every window of so many frames, as index of its source and first frame; a new one each ``stride`` frames.

        Sources that are shorter have none.

        Raises:
            ClipError: none is as long as the window.
        """
        return [(k, t) for k, places in enumerate(self._places(window, stride)) for t in places]

    def _places(self, window: int, stride: int | None) -> list[range]:
        """First frames of the windows of each source."""
        if window < 1 or (stride is not None and stride < 1):
            raise ClipError(f"windows: expected window and stride of 1 or more, got {window} and {stride}")
        longest = max((s.frames for s in self.sources), default=0)
        if window > longest:
            raise ClipError(f"{self.path}: expected a window of at most {longest} frames, which the longest of "
                            f"{len(self.sources)} sources has, got {window}; choose a shorter one")  # fmt: skip
        return [range(0, s.frames - window + 1, stride or window) for s in self.sources]

    def sample(
        self,
        source: int,
        first: int,
        window: int,
        arrays: Sequence[str] | None = None,
        *,
        decode: bool = True,
        weights: Mapping[str, float] | None = None,
    ) -> Sample:
        """One window.

        Args:
            source: index into ``sources``.
            first: its first frame.
            window: how many frames.
            arrays: names; None reads all that every source has. ``mask`` is made, where it is named or all is read.
            decode: whether arrays come in units; if not, as they are on disk, which is fast.
            weights: of the families, as ``weights`` gives them; None takes those of windows side by side.

        Raises:
            ClipError: the source has no such array, or no such frames.
        """
        chosen, span = self.sources[source], slice(first, first + window)
        if window < 1 or not 0 <= first <= chosen.frames - window:
            raise ClipError(f"{chosen.name}: has {chosen.frames} frames; expected a window inside, got {window} from "
                            f"{first} on")  # fmt: skip
        weight = (self.weights(window) if weights is None else weights)[chosen.family]
        wanted = (*self.arrays, "mask") if arrays is None else tuple(arrays)
        if missing := [n for n in wanted if n != "mask" and n not in chosen.arrays]:
            left_out = set(missing) & set(chosen.provenance.get("left_out") or ())
            why = " (its target was made from others, drawn under another look or by another renderer)"
            raise ClipError(f"{chosen.name}: has no {', '.join(missing)}{why if left_out else ''}; it has "
                            f"{', '.join(chosen.arrays)}")  # fmt: skip
        read = chosen.decoded if decode else chosen.stored
        found = {name: np.array(read(name, span)) for name in wanted if name != "mask"}
        if "mask" in wanted:
            found["mask"] = _mask(chosen, span)
        return Sample(chosen.name, chosen.family, chosen.target, first, found, weight, chosen.gate)

    def stream(
        self,
        window: int,
        *,
        stride: int | None = None,
        arrays: Sequence[str] | None = None,
        decode: bool = True,
        shuffle: int | None = None,
        ahead: int = 4,
    ) -> Iterator[Sample]:
        """Window after window, read ahead by two threads; a seed for ``shuffle`` draws their order, evenly.

        Raises:
            ClipError: no source is as long as the window.
        """
        places, weights = self.windows(window, stride), self.weights(window, stride)
        if shuffle is not None:
            places = [places[k] for k in np.random.default_rng(shuffle).permutation(len(places))]
        with ThreadPoolExecutor(THREADS) as pool:
            rest = iter(places)
            waiting = [
                pool.submit(self.sample, k, t, window, arrays, decode=decode, weights=weights)
                for k, t in islice(rest, max(ahead, 1))
            ]
            while waiting:
                yield waiting.pop(0).result()
                for k, t in islice(rest, 1):
                    waiting.append(pool.submit(self.sample, k, t, window, arrays, decode=decode, weights=weights))

    def torch(
        self, window: int, *, stride: int | None = None, arrays: Sequence[str] | None = None, decode: bool = True
    ) -> Any:
        """A ``torch.utils.data.Dataset`` of windows: dictionaries of tensors, with ``weight``.

        Raises:
            ClipError: no source is as long as the window.
            MissingExtraError: torch is not installed.
        """
        from importlib.util import find_spec

        from simvid.errors import MissingExtraError

        if find_spec("torch") is None:
            raise MissingExtraError("torch", "refine", "DataSet.torch")
        from simvid.dataset.torch_reader import Windows

        return Windows(self, window, stride, arrays, decode)


def open(folder: str | Path, held_out: float = 0.1) -> DataSet:
    """A folder of clips, training pairs, or mapped arrays.

    Pairs keep the split that they were made for. Families of clips (the names of their scenes) are held out by a hash
    of the name, so the split is the same on every machine and does not change when clips are added.

    Args:
        folder: that holds them, one folder each.
        held_out: share of the families of clips that is held out.

    Raises:
        ClipError: nothing there, something damaged, or a family in both splits.
    """
    path = Path(folder)
    if not 0 <= held_out <= 1:
        raise ClipError(f"held_out: expected a share from 0 to 1, got {held_out}")
    sources = tuple(find_sources(path)) if path.is_dir() else ()
    if not sources:
        raise ClipError(f"{path}: expected a folder of clips, training pairs or mapped arrays, found none")
    return DataSet(path, sources, _splits(path, sources, held_out))


def _splits(path: Path, sources: Sequence[Source], held_out: float) -> dict[str, Split]:
    found: dict[str, Split] = {}
    for source in sources:
        if source.split is None:
            continue
        split: Split = "held_out" if source.split == "held_out" else "train"
        if found.setdefault(source.family, split) != split:
            raise ClipError(f"{path}: the family {source.family!r} is in both splits; held-out families must be unseen")
    for source in sources:
        found.setdefault(source.family, "held_out" if is_held_out(source.family, held_out) else "train")
    return found


def _mask(source: Source, span: slice) -> Array:
    """Where there is a surface, by its depth, else by its id; everywhere where neither is known."""
    if "depth" in source.arrays:
        return np.asarray(np.isfinite(source.stored("depth", span)))
    if "ids" in source.arrays:
        return np.asarray(source.stored("ids", span)) > 0
    count = len(range(*span.indices(source.frames)))
    return np.ones((count, source.height, source.width), np.bool_)
