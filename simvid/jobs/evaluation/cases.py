"""What is compared: coarse and true pictures of the same frames, and the frames that a refiner is given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid import catalogue
from simvid.evaluating.table import Motion
from simvid.frames import Frame
from simvid.refining.pair_sets import how_to_make, open_pairs
from simvid.refining.pairs import PairClip

Pictures: TypeAlias = NDArray[np.uint8]
Split: TypeAlias = Literal["train", "held_out"]
SAMPLE = "held_out_sample"
"""Folder on the refiners shelf: a few small held-out pairs that come with simvid."""


@dataclass(frozen=True, eq=False)
class Case:
    """One clip to compare. Arrays are read when they are asked for.

    Attributes:
        name: of the clip.
        group: kind of scene.
        look: that it was rendered with.
        fps: frames per second.
        shape: frames, height and width.
        coarse, true: functions that give uint8 [T, H, W, 3].
        motion: gives the exact motion; None where it is not known.
        frames: gives the frames for a refiner, with the labels that are named; None where nothing is refined here.
        light: the light's numbers, as ``simvid.refining.model.LIGHT`` has them; None where they are not known.
    """

    name: str
    group: str
    look: str
    fps: float
    shape: tuple[int, int, int]
    coarse: Callable[[], Pictures]
    true: Callable[[], Pictures]
    motion: Callable[[], Motion | None]
    frames: Callable[[Collection[str]], Iterator[Frame]] | None = None
    light: tuple[float, ...] | None = None


def sample_folder() -> Path:
    """Where the held-out sample lies."""
    return catalogue.folder("refiners") / SAMPLE


def pair_cases(data: Path, split: Split, most: int | None = None) -> list[Case]:
    """Clips of a split of a data set; with ``most``, so many, spread evenly over all of them in the order of names.

    Raises:
        ClipError: there are none, or one is damaged.
    """
    sample = data.resolve() == sample_folder().resolve()
    here = f"{how_to_make(data)}; without --data the sample that comes along is used"
    clips = open_pairs(data, split, "name other pairs with --data" if sample else here)
    if most is not None and most < len(clips):
        clips = [clips[k * len(clips) // most] for k in range(most)]
    return [_of_pair(clip) for clip in clips]


def _of_pair(clip: PairClip) -> Case:
    r = clip.record

    def motion() -> Motion | None:
        found = clip.labels(("flow_backward", "occluded_backward"))
        return Motion(found["flow_backward"], found["occluded_backward"]) if len(found) == 2 else None

    return Case(
        r.name, r.family, r.look, r.fps, (r.frames, r.height, r.width), lambda: clip.pictures("coarse"),
        lambda: clip.pictures("target"), motion, clip.frames, r.light if r.light[0] else None,
    )  # fmt: skip
