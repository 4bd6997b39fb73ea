"""PretrainedRefiner: what all adapters share. A subclass says which family it runs and how one chunk is made."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SceneError, SimvidError
from simvid.frames import CameraPath, Frame, Frames
from simvid.refining.base import ClipContext
from simvid.refining.controls import control_videos, disparity, disparity_span
from simvid.refining.pretrained.loading import PretrainedPipeline
from simvid.refining.pretrained.prompts import LOOK_WORDS, prompt
from simvid.refining.pretrained.settings import PretrainedSettings
from simvid.refining.pretrained.shapes import FrameRule, Video, cross_fade, windows

_STRIDE = 0x9E3779B97F4A7C15


@dataclass(frozen=True, eq=False)
class Chunk:
    """What a model is given at once.

    Attributes:
        frames: coarse, not padded.
        first: which frame of the clip they begin with.
        before: refined pictures of the first few of them, by the chunk before, [n, H, W, 3].
        prompt: in words.
        seed: of this chunk.
        clip_seed: of the whole clip.
        span: of disparity, over the clip's beginning.
    """

    frames: Frames
    first: int
    before: Video | None
    prompt: str
    seed: int
    clip_seed: int
    span: tuple[float, float] | None


class PretrainedRefiner(PretrainedPipeline):
    """Refines clips in chunks with a pipeline of diffusers, loaded when the first picture is asked for."""

    reads: tuple[str, ...] = ()
    looks_are_light = False
    """Looks are words of the prompt."""

    def __init__(self, settings: PretrainedSettings) -> None:
        super().__init__(settings)
        self.context: ClipContext | None = None
        self.reads = tuple(dict.fromkeys(self._needs()))

    def in_clip(self, context: ClipContext) -> PretrainedRefiner:
        """The same, told of a clip."""
        found = copy(self)
        found.context = context
        return found

    def refine(self, frames: Iterable[Frame], *, look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        """Refined pictures, one for one.

        Raises:
            SceneError: at once, for an unknown look.
            SimvidError: at once, for too little memory.
            AssetError: when loading, weights that are damaged.
        """
        if look not in LOOK_WORDS:
            raise SceneError(f"the refiner {self.name!r} knows {', '.join(LOOK_WORDS)}; got {look!r}")
        self.check_main_memory()
        return self._refined(frames, look, seed)

    def _refined(self, frames: Iterable[Frame], look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        chosen = self._settings
        words = prompt(self.context.caption if self.context else "", look, chosen.prompt)
        tail: Video | None = None
        span: tuple[float, float] | None = None
        first = 0
        for number, (part, last) in enumerate(windows(frames, chosen.chunk, chosen.overlap)):
            stack = Frames.stack(self._camera(part, first), part)
            if span is None and stack.depth is not None:
                span = disparity_span(stack.depth)
            own = (seed + number * _STRIDE) & (2**63 - 1)
            out = self._cropped(Chunk(stack, first, tail, words, own, seed & (2**63 - 1), span))
            if tail is not None and len(tail):
                out[: len(tail)] = cross_fade(tail, out[: len(tail)])
            ready = len(out) if last else chosen.chunk - chosen.overlap
            yield from out[:ready]
            tail, first = out[ready:], first + ready

    def _cropped(self, chunk: Chunk) -> Video:
        """Refined pictures of a chunk without what was added to it.

        Raises:
            SimvidError: the model ran out of memory or gave numbers that are none.
        """
        count, height, width = chunk.frames.rgb.shape[:3]
        from simvid.refining.deep import out_of_memory

        try:
            made = np.asarray(self.generate(chunk))
        except (MemoryError, RuntimeError) as error:
            if out_of_memory(error):
                raise SimvidError(f"{self.name}: out of memory at {count} frames of {width} x {height}; set a smaller "
                                  "chunk, offload: true, or render smaller pictures") from error  # fmt: skip
            raise
        made = made[:count, :height, :width]
        if made.shape != (count, height, width, 3):
            raise SimvidError(f"{self.name}: expected {count} pictures of {width} x {height}, the model gave "
                              f"{list(made.shape)}")  # fmt: skip
        if not np.isfinite(made).all():
            raise SimvidError(f"{self.name}: the model gave numbers that are not finite; try dtype: float32")
        return np.asarray(np.round(np.clip(made, 0, 1) * 255), np.uint8)

    @abstractmethod
    def _needs(self) -> Iterable[str]:
        """Labels that it reads."""

    @abstractmethod
    def generate(self, chunk: Chunk) -> NDArray[np.floating[Any]]:
        """Refined pictures 0 to 1, at least as many and as large as the chunk's, [T, H, W, 3]."""

    def control(self, chunk: Chunk, name: str, rule: FrameRule) -> Video:
        """A control video of allowed size."""
        if name == "disparity" and chunk.frames.depth is not None:
            return rule.padded(disparity(chunk.frames.depth, chunk.span))
        return rule.padded(control_videos(chunk.frames, (name,))[name])

    def with_tail(self, chunk: Chunk, rule: FrameRule) -> Video:
        """The coarse video of allowed size; where the chunk before has refined already, that."""
        video = np.array(chunk.frames.rgb)
        if chunk.before is not None:
            video[: len(chunk.before)] = chunk.before
        return rule.padded(video)

    def told(self) -> ClipContext:
        """The clip.

        Raises:
            SceneError: nobody told.
        """
        if self.context is None:
            raise SceneError(f"the refiner {self.name!r} must know the clip for anchored noise and protected parts: "
                             "use simvid refine CLIP, or set noise: drawn and protect: none")  # fmt: skip
        return self.context

    def _camera(self, part: list[Frame], first: int) -> CameraPath:
        """Where it stood in these frames; unknown, a camera at rest."""
        height, width = part[0].rgb.shape[:2]
        if self.context is None:
            K = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
            return CameraPath("unknown", width, height, K, np.repeat(np.eye(4)[None], len(part), axis=0))
        from dataclasses import replace

        path = self.context.camera
        return replace(path, world_from_camera=path.world_from_camera[first : first + len(part)])


def pictures(video: Video) -> list[Any]:
    """As PIL pictures, which all pipelines take."""
    from PIL import Image

    return [Image.fromarray(picture) for picture in video]
