"""Pictures of a clip one at a time: what a camera saw, and its labels in colours with their legends."""

from __future__ import annotations

from collections import OrderedDict
from itertools import combinations
from typing import Any

import numpy as np

from simvid.clips.contact_sheet import PAPER, Colors, columns, label_rows, scaled
from simvid.clips.pictures import Picture
from simvid.frames import Frame
from simvid.viewing.content import Content
from simvid.viewing.drawings import Drawings

KEPT = 96
"""Pictures that stay in memory."""
SAMPLED = 5
"""Frames from which the scales of colours are taken."""


class CameraPictures:
    """One camera's frames and labels; each is read when it is asked for, the last few are kept.

    Attributes:
        colored: ``rgb``, then the labels that are pictures and that the clip has, in the order of its contact sheet.
        drawn: the labels that are drawn over the picture.
        names: all of them.
    """

    def __init__(self, content: Content, camera: str, zoom: int = 1) -> None:
        """``zoom``: pictures are so many times larger than the camera's."""
        clip = content.clip
        self._clip, self._camera, self._zoom = clip, camera, zoom
        self._drawings = Drawings(content, camera, zoom)
        samples = list(clip.stream(camera, indices=columns(clip.frame_count, SAMPLED)))
        self._colors = Colors.of(samples, clip.trajectory.parts)
        self._needs = _needs(samples[0], self._colors)
        height, width = (zoom * n for n in samples[0].rgb.shape[:2])
        rows = label_rows(samples, self._colors, (width, height))
        self._legends: dict[str, Picture | None] = {row.name: row.legend for row in rows}
        self._kept: OrderedDict[tuple[str, int], Picture] = OrderedDict()
        self.height = height
        self.colored, self.drawn = ("rgb", *self._needs), self._drawings.names
        self.names = (*self.colored, *self.drawn)

    def picture(self, name: str, index: int) -> Picture:
        """A frame in colours, or with a label drawn over it, uint8 sRGB [H, W, 3].

        Raises:
            KeyError: no such label.
            IndexError: no such frame.
            ClipError: the file is damaged.
        """
        key = (name, index)
        if key not in self._kept:
            self._kept[key] = self._made(name, index)
            while len(self._kept) > KEPT:
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

    def draw(self, name: str, index: int, picture: Picture) -> Picture:
        """A label of ``drawn`` over any picture of the frame."""
        return self._drawings.draw(name, index, picture)

    def legend(self, name: str) -> Picture | None:
        """What the colours of a label mean, as high as the pictures, [H, W', 3]; None for rgb."""
        if name in self.drawn and name not in self._legends:
            self._legends[name] = self._drawings.legend(name, self.height)
        return self._legends.get(name)

    def with_legend(self, picture: Picture, name: str) -> Picture:
        """A picture with the label's legend on its right, [H, W + W', 3]."""
        legend = self.legend(name)
        return picture if legend is None else np.concatenate([picture, paper(len(picture), 8), legend], axis=1)

    def _made(self, name: str, index: int) -> Picture:
        if name in self.drawn:
            return self.draw(name, index, self.picture("rgb", index))
        arrays = () if name == "rgb" else self._needs[name]
        frame = next(self._clip.stream(self._camera, labels=arrays, indices=[index]))
        made = frame.rgb if name == "rgb" else self._colors.pictures(frame)[name]
        height, width = made.shape[:2]
        if self._zoom == 1:
            return made
        return np.asarray(scaled(made, self._zoom * width, self._zoom * height, smooth=name == "rgb"))


def paper(height: int, width: int) -> Picture:
    """An empty picture in the colour of the sheets, [height, width, 3]."""
    empty = np.empty((height, width, 3), np.uint8)
    empty[:] = PAPER
    return empty


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
