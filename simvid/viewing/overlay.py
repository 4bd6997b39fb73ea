"""``simvid overlay``: labels of a clip as a video, side by side or over the picture, with their legends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from simvid.clip import Clip
from simvid.clips.contact_sheet import FAINT, INK, PAPER, TEXT_PX, fitted, font
from simvid.clips.pictures import Picture
from simvid.clips.video import VideoWriter
from simvid.errors import ClipError, UsageError
from simvid.viewing.content import Content
from simvid.viewing.pictures import CameraPictures, paper

Layout: TypeAlias = Literal["side", "blend"]
LEAST_WIDTH = 480
"""Pictures of smaller cameras are enlarged by a whole number [px]."""
CAPTION, GAP = 26, 8


class Overlay:
    """The pictures of one video: a block per camera, one below the other, all with the same labels."""

    def __init__(
        self, clip: Clip, labels: Sequence[str], cameras: Sequence[str], layout: Layout, share: float = 0.5
    ) -> None:
        """Choose what to show.

        Args:
            clip: with cameras.
            labels: as ``CameraPictures`` names them; empty takes all.
            cameras: names; empty takes all.
            layout: ``side`` puts the picture and each label beside each other, ``blend`` all into one picture.
            share: of the label that covers the picture in ``blend``; 1 hides it.

        Raises:
            ClipError: no such camera, or a label that it has not got.
            SimvidError: more than one covering label for ``blend``.
        """
        self._clip, self._layout, self._share = clip, layout, share
        content = Content(clip)
        names = list(cameras) or [camera.name for camera in clip.record.cameras]
        if not names:
            raise ClipError(f"{clip.path}: no camera saw it, so there is nothing to show; render it first")
        self._views: list[tuple[str, CameraPictures, tuple[str, ...]]] = []
        for name in names:
            clip.arrays(name)  # refuses unknown cameras
            zoom = math.ceil(LEAST_WIDTH / content.cameras[name].width)
            pictures = CameraPictures(content, name, zoom)
            self._views.append((name, pictures, _chosen(clip, name, pictures, labels)))
        covering = [label for label in self._views[0][2] if label not in self._views[0][1].drawn]
        if layout == "blend" and len(covering) > 1:
            raise UsageError(
                f"--layout blend takes one label that covers the picture, got {', '.join(covering)}; "
                f"choose one of them, or --layout side"
            )

    @property
    def shown(self) -> dict[str, tuple[str, ...]]:
        """The labels of each camera."""
        return {name: labels for name, _, labels in self._views}

    def __iter__(self) -> Iterator[Picture]:
        for index in range(self._clip.frame_count):
            yield self.picture(index)

    def picture(self, index: int) -> Picture:
        """One frame of the video, [H, W, 3]."""
        blocks = [self._block(name, pictures, labels, index) for name, pictures, labels in self._views]
        return _stacked(blocks, 0)

    def _block(self, name: str, pictures: CameraPictures, labels: Sequence[str], index: int) -> Picture:
        time = f"frame {index}  ·  {index / self._clip.fps:.3f} s"
        if self._layout == "blend":
            return _captioned(self._blend(pictures, labels, index), f"{name}  ·  {', '.join(labels)}", time)
        tiles = [
            _captioned(pictures.with_legend(pictures.picture(label, index), label), label, "")
            for label in ("rgb", *labels)
        ]
        across = math.ceil(math.sqrt(len(tiles)))
        lines = [_stacked(tiles[k : k + across], 1) for k in range(0, len(tiles), across)]
        return _captioned(_stacked(lines, 0), f"{self._clip.name}  ·  {name}", time)

    def _blend(self, pictures: CameraPictures, labels: Sequence[str], index: int) -> Picture:
        covering = [label for label in labels if label not in pictures.drawn]
        made = pictures.blended(covering[0] if covering else "rgb", index, self._share)
        for label in labels:
            if label in pictures.drawn:
                made = pictures.draw(label, index, made)
        legends: list[Picture] = []
        for label in labels:
            legend = pictures.legend(label)
            if legend is not None and not any(np.array_equal(legend, known) for known in legends):
                legends.append(legend)
        return _stacked([made, *legends], 1)


def _chosen(clip: Clip, camera: str, pictures: CameraPictures, labels: Sequence[str]) -> tuple[str, ...]:
    known = pictures.names[1:]
    missing = [label for label in labels if label not in known]
    if "contacts" in missing:
        raise ClipError(f"{clip.path}: there are no contacts to show: nothing touches anything in this clip")
    if missing:
        raise ClipError(
            f"{clip.path}: camera {camera!r} cannot show {', '.join(missing)}; it has {', '.join(known)} "
            f"(labels are asked for in the scene, when the clip is made)"
        )
    return tuple(dict.fromkeys(labels)) or known


def _captioned(picture: Picture, left: str, right: str) -> Picture:
    """A picture below a line of text."""
    from PIL import Image, ImageDraw

    width = picture.shape[1]
    line = Image.new("RGB", (width, CAPTION), PAPER)
    draw, size = ImageDraw.Draw(line), TEXT_PX
    taken = font(size).getlength(right) + GAP if right else 0
    draw.text((4, 4), fitted(left, max(width - taken - 8, 0), size), INK, font(size))
    draw.text((width - 4, 4), right, FAINT, font(size), anchor="ra")
    return np.concatenate([np.asarray(line), picture])


def _stacked(pictures: Sequence[Picture], axis: int) -> Picture:
    """Pictures below (axis 0) or beside (1) each other with gaps, filled up with paper."""
    most = max(picture.shape[1 - axis] for picture in pictures)
    made: list[Picture] = []
    for picture in pictures:
        if made:
            made.append(paper(GAP, most) if axis == 0 else paper(most, GAP))
        lacking = most - picture.shape[1 - axis]
        fill = paper(len(picture), lacking) if axis == 0 else paper(lacking, picture.shape[1])
        made.append(np.concatenate([picture, fill], axis=1 - axis))
    return np.concatenate(made, axis=axis)


def write_overlay(overlay: Overlay, fps: float, path: Path) -> None:
    """Write the video as H.264 in an MP4; it appears when it is whole.

    Raises:
        SimvidError: the path does not end in .mp4, or its folder is not there.
    """
    if path.suffix != ".mp4":
        raise UsageError(f"--output: expected a file that ends in .mp4, got {path}")
    if not path.parent.is_dir():
        raise UsageError(f"--output: no folder {path.parent}; make it first")
    pictures = iter(overlay)
    first = next(pictures)
    unfinished = path.with_name(f".{path.stem}.unfinished.mp4")
    try:
        with VideoWriter(unfinished, first.shape[1], first.shape[0], fps) as writer:
            writer.write(first)
            for picture in pictures:
                writer.write(picture)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
