"""Pictures in the sizes and numbers that a video model takes: padding, windows over long clips, cross-fades."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Video: TypeAlias = NDArray[np.uint8]
ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class FrameRule:
    """What a model takes: ``stride * k + 1`` frames, height and width divisible by ``multiple``.

    Attributes:
        stride: frames of one latent frame, but for the first, which stands for one; 4 for Wan, 8 for LTX, 1 for none.
        multiple: of height and width [px].
        block: pixels on a side of one latent pixel.
        fewest: least number of frames.
    """

    stride: int
    multiple: int
    block: int = 8
    fewest: int = 1

    def count(self, frames: int) -> int:
        """The least allowed number of frames that is not below this one."""
        wanted = max(frames, self.fewest)
        return -(-(wanted - 1) // self.stride) * self.stride + 1

    def size(self, height: int, width: int) -> tuple[int, int]:
        """The least allowed height and width that are not below these."""
        return -(-height // self.multiple) * self.multiple, -(-width // self.multiple) * self.multiple

    def latent(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """Frames, height and width of the latents of a video of allowed size."""
        return (frames - 1) // self.stride + 1, height // self.block, width // self.block

    def padded(self, video: NDArray[Any]) -> NDArray[Any]:
        """A video [T, H, W, ...] brought to an allowed size by repeating its last frame, row and column."""
        count, (height, width) = self.count(len(video)), self.size(*video.shape[1:3])
        more = [(0, count - len(video)), (0, height - video.shape[1]), (0, width - video.shape[2])]
        return np.pad(video, more + [(0, 0)] * (video.ndim - 3), mode="edge")

    def groups(self, frames: int) -> list[slice]:
        """Which frames each latent frame stands for: the first for one, the others for ``stride`` each."""
        later = [slice(1 + k * self.stride, 1 + (k + 1) * self.stride) for k in range((frames - 1) // self.stride)]
        return [slice(0, 1), *later]

    def latent_mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where a latent pixel shows any pixel of a mask of allowed size, [T, H, W] to [t, h, w]."""
        count, height, width = mask.shape
        tiles = mask.reshape(count, height // self.block, self.block, width // self.block, self.block)
        blocks: NDArray[np.bool_] = np.asarray(tiles.any(axis=(2, 4)))
        return np.stack([blocks[group].any(axis=0) for group in self.groups(count)])


def windows(items: Iterable[ItemT], length: int, overlap: int) -> Iterator[tuple[list[ItemT], bool]]:
    """Windows over a stream, and whether each is the last; each begins with the last ``overlap`` of the one before.

    No more than ``length + 1`` items are held at a time.
    """
    held: list[ItemT] = []
    for item in items:
        if len(held) == length:
            yield list(held), False
            held = held[length - overlap :]
        held.append(item)
    if held:
        yield held, True


def cross_fade(before: Video, after: Video) -> Video:
    """From one video to another of the same frames, in equal steps without the ends, [T, H, W, 3]."""
    share = (np.arange(1, len(before) + 1) / (len(before) + 1))[:, None, None, None]
    return np.asarray(np.round(before * (1 - share) + after * share), np.uint8)
