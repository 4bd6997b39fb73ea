"""Pictures of a clip one at a time: what a camera saw, and its labels in colours with their legends."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from simvid.clip import Clip
from simvid.clips.contact_sheet import PAPER, Colors, columns, label_rows
from simvid.clips.pictures import Picture
from simvid.frames import Frame

KEPT = 96
"""Pictures that stay in memory."""
SAMPLED = 5
"""Frames from which the scales of colours are taken."""


class CameraPictures:
    """One camera's frames and labels; each is read when it is asked for, the last few are kept.

    Attributes:
        names: ``rgb``, then the labels that the clip has, in the order of its contact sheet.
    """

    def __init__(self, clip: Clip, camera: str) -> None:
        self._clip, self._camera = clip, camera
        samples = list(clip.stream(camera, indices=columns(clip.frame_count, SAMPLED)))
        self._colors = Colors.of(samples, clip.trajectory.parts)
        self._needs = _needs(samples[0], self._colors)
        height, width = samples[0].rgb.shape[:2]
        rows = label_rows(samples, self._colors, (width, height))
        self._legends: Mapping[str, Picture | None] = {row.name: row.legend for row in rows}
        self._kept: OrderedDict[tuple[str, int], Picture] = OrderedDict()
        self.names = ("rgb", *self._needs)

    def picture(self, name: str, index: int) -> Picture:
        """A frame in colours, uint8 sRGB [H, W, 3].

        Raises:
            KeyError: no such label.
            IndexError: no such frame.
            ClipError: the file is damaged.
        """
        key = (name, index)
        if key not in self._kept:
            arrays = () if name == "rgb" else self._needs[name]
            frame = next(self._clip.stream(self._camera, labels=arrays, indices=[index]))
            self._kept[key] = frame.rgb if name == "rgb" else self._colors.pictures(frame)[name]
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def blended(self, name: str, index: int, share: float) -> Picture:
        """A label over the picture: share 0 is the picture alone, 1 the label alone; [H, W, 3]."""
        label = self.picture(name, index)
        if name == "rgb" or share >= 1:
            return label
        mixed = share * label.astype(np.float32) + (1 - share) * self.picture("rgb", index)
        return np.rint(mixed).astype(np.uint8)

    def legend(self, name: str) -> Picture | None:
        """What the colours of a label mean, as high as the pictures, [H, W', 3]; None for rgb."""
        return self._legends.get(name)

    def with_legend(self, picture: Picture, name: str) -> Picture:
        """A picture with the label's legend on its right, [H, W + W', 3]."""
        legend = self.legend(name)
        if legend is None:
            return picture
        room = np.empty((len(picture), 8, 3), np.uint8)
        room[:] = PAPER
        return np.concatenate([picture, room, legend], axis=1)


def _needs(frame: Frame, colors: Colors) -> dict[str, tuple[str, ...]]:
    """Which arrays the picture of each label is made from: one, or two together."""
    order = list(colors.pictures(frame))
    arrays: dict[str, Any] = frame.labels
    found: dict[str, tuple[str, ...]] = {}
    for many in (1, 2):
        for names in combinations(arrays, many):
            if set(order) <= found.keys():
                break
            for label in colors.pictures(Frame(frame.rgb, **{name: arrays[name] for name in names})):
                found.setdefault(label, names)
    return {label: found.get(label, tuple(arrays)) for label in order}
