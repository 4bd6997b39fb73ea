"""VideoRefinerPipeline: a network and its bridge, on whole clips or as a stream.

Saved folders name this module and the class by path (``simvid.refining.pipeline``, ``VideoRefinerPipeline``): frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SimvidError
from simvid.refining.blocks import warp
from simvid.refining.conditions import Conditions, check_alike
from simvid.refining.deep import BaseOutput, DiffusionPipeline, Tensor, torch
from simvid.refining.model import HISTORY, LIGHT, RefinerState, RefinerUNet
from simvid.refining.scheduler import BridgeScheduler

PARTS = (RefinerUNet, BridgeScheduler)
"""Classes that saved folders name; diffusers loads only what has been imported already."""
Callback: TypeAlias = Callable[["VideoRefinerPipeline", int, float, dict[str, Any]], dict[str, Any]]


@dataclass
class RefinedVideo(BaseOutput):
    """Pictures [T, H, W, 3]: uint8 sRGB ("np"), or float32 -1 to 1 ("pt", a tensor)."""

    frames: Any


@dataclass(frozen=True)
class Sampling:
    """How pictures are drawn.

    Attributes:
        steps: of the bridge.
        strength: where on the bridge to begin, above 0 up to 1; less than 1 stays closer to the coarse picture.
        history: show each frame the one refined before it. Frames are then refined one by one.
        chunk: frames refined at once, without ``history``. Memory grows with it; the pictures do not depend on it.
        autocast: compute in bfloat16 where torch thinks it safe.
    """

    steps: int = 1
    strength: float = 1.0
    history: bool = True
    chunk: int = 8
    autocast: bool = False


@dataclass
class _Memory:
    """What one run keeps between its chunks."""

    states: list[RefinerState | None]
    refined: Tensor | None = None


class VideoRefinerPipeline(DiffusionPipeline):
    """Refines coarse frames with a ``RefinerUNet`` along a ``BridgeScheduler``'s bridge."""

    def __init__(self, unet: Any, scheduler: Any) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    @torch.no_grad()
    def __call__(
        self,
        controls: Conditions,
        *,
        sampling: Sampling = Sampling(),
        look: str = "as_rendered",
        light: NDArray[np.float32] | None = None,
        generator: Any = None,
        noise: Tensor | None = None,
        output_type: Literal["np", "pt"] = "np",
        callback_on_step_end: Callback | None = None,
    ) -> RefinedVideo:
        """Refine a clip.

        Args:
            controls: encoded frames, the coarse pictures among their channels.
            sampling: steps, strength, history.
            look: "as_rendered", or one that the weights know.
            light: numbers of ``simvid.refining.model.LIGHT``, for the whole clip.
            generator: torch generator for the noise, drawn frame by frame.
            noise: standard normal [T, 3, H, W] to begin with instead, such as surface-anchored noise.
            output_type: see ``RefinedVideo``.
            callback_on_step_end: called with (pipeline, step, time, {"sample": x}); may give back another "sample".

        Raises:
            SimvidError: an unknown look, or noise of another size.
        """
        if noise is not None and tuple(noise.shape) != (len(controls), 3, *controls.size):
            raise SimvidError(f"noise: expected [{len(controls)}, 3, {controls.size[0]}, {controls.size[1]}] for these "
                              f"frames, got {list(noise.shape)}")  # fmt: skip
        memory, given = _Memory([None] * sampling.steps), self._given(controls.present, look, light)
        size = 1 if sampling.history else sampling.chunk
        parts = []
        for start in range(0, len(controls), size):
            part = controls.part(start, min(start + size, len(controls)))
            first = None if noise is None else noise[start : start + len(part)]
            noises = self._noises(part, sampling.steps, generator, first)
            parts.append(self._chunk(part, noises, sampling, given, memory, callback_on_step_end)[0])
        video = torch.cat(parts)
        return RefinedVideo(frames=video.permute(0, 2, 3, 1) if output_type == "pt" else to_bytes(video))

    def stream(
        self,
        frames: Iterable[Conditions],
        *,
        sampling: Sampling = Sampling(),
        look: str = "as_rendered",
        light: NDArray[np.float32] | None = None,
        generator: Any = None,
        noises: Iterator[Tensor] | None = None,
    ) -> Iterator[NDArray[np.uint8]]:
        """Refine frames as they come, each before the next is asked for; memory does not grow with their number.

        Args:
            frames: one frame each.
            sampling, look, light, generator: as for a clip. The same generator gives a clip's pictures.
            noises: standard normal [3, H, W] for each frame to begin with, instead of the generator's.

        Yields:
            uint8 [H, W, 3].

        Raises:
            SimvidError: an unknown look (at once), a frame unlike the first, more than one at once, or noise that is
                missing or of another size.
        """
        self._look(look)
        pictures: Iterator[NDArray[np.uint8]] = self._stream(frames, sampling, look, light, generator, noises)
        return pictures

    @torch.no_grad()
    def _stream(
        self, frames: Iterable[Conditions], sampling: Sampling, look: str, light: NDArray[np.float32] | None,
        generator: Any, noises: Iterator[Tensor] | None,
    ) -> Iterator[NDArray[np.uint8]]:  # fmt: skip
        memory = _Memory([None] * sampling.steps)
        first: Conditions | None = None
        given: dict[str, Tensor] = {}
        for index, frame in enumerate(frames):
            if first is None:
                first, given = frame.part(0, 1), self._given(frame.present, look, light)
            if len(frame) != 1:
                raise SimvidError(f"frame {index}: expected one frame at a time, got {len(frame)} at once")
            check_alike(first, frame, index)
            start = None if noises is None else _one_noise(noises, frame, index)
            drawn = self._noises(frame, sampling.steps, generator, start)
            yield to_bytes(self._chunk(frame, drawn, sampling, given, memory, None)[0])[0]

    def _chunk(
        self, part: Conditions, noises: Tensor, sampling: Sampling, given: dict[str, Tensor], memory: _Memory,
        callback: Callback | None,
    ) -> Tensor:  # fmt: skip
        """Refined pictures of a few frames, [1, T, 3, H, W] in -1 to 1."""
        device = given["light"].device  # not self.device, which looks through all modules: 4 ms a frame
        channels, flow, visible = (
            torch.from_numpy(a)[None].to(device) for a in (part.channels, part.flow, part.visible)
        )
        noises, coarse = noises.to(device)[:, None], channels[:, :, :3]
        history = _history(memory.refined, flow, visible) if sampling.history else None
        self.scheduler.set_timesteps(sampling.steps, strength=sampling.strength, device=device)
        lead = channels.shape[:2]
        sample = self.scheduler.add_noise(coarse, coarse, noises[0], self.scheduler.timesteps[:1].expand(lead))
        for i, time in enumerate(self.scheduler.timesteps):
            times = time.expand(lead)
            with torch.autocast(device.type, torch.bfloat16, enabled=sampling.autocast):
                found, memory.states[i] = self.unet(
                    sample, times, channels, flow, visible, history=history, state=memory.states[i], **given
                )
            fresh = noises[i + 1] if i + 1 < len(noises) else None
            sample = self.scheduler.step(found, times, sample, self.scheduler.next_time(i), fresh).prev_sample
            if callback is not None:
                sample = callback(self, i, float(time), {"sample": sample}).get("sample", sample)
        if not bool(torch.isfinite(sample).all()):
            raise SimvidError("the network gave numbers that are not finite: its weights are damaged, or bfloat16 is "
                              "not enough for them (set bfloat16: false)")  # fmt: skip
        sample = sample.clamp(-1, 1)
        memory.refined = sample[:, -1]
        return sample

    def _given(self, present: NDArray[np.float32], look: str, light: NDArray[np.float32] | None) -> dict[str, Tensor]:
        """What is the same for all frames."""
        shine = np.zeros(LIGHT, np.float32) if light is None else np.asarray(light, np.float32)
        if shine.shape != (LIGHT,):
            raise SimvidError(f"light: expected {LIGHT} numbers, got shape {shine.shape}")
        return {
            "look": torch.tensor([self._look(look)], device=self.device),
            "light": torch.from_numpy(shine)[None].to(self.device),
            "present": torch.from_numpy(present)[None].to(self.device),
        }

    def _look(self, look: str) -> int:
        """Its index.

        Raises:
            SimvidError: these weights do not know it; the text lists those they do.
        """
        known = ("as_rendered", *self.unet.config.looks)
        if look not in known:
            raise SimvidError(f"look: expected one of {', '.join(known)}, got {look!r}")
        return known.index(look)

    def _noises(self, part: Conditions, steps: int, generator: Any, first: Tensor | None) -> Tensor:
        """Standard normal [N, T, 3, H, W]: to begin with, unless given, and, on a brownian bridge, between its steps.

        All that a frame needs is drawn before the next one's, so that chunks and streams get the same.
        """
        between = steps - 1 if self.scheduler.config.kind == "brownian" else 0
        drawn = torch.empty(len(part), between + (first is None), 3, *part.size)
        for one in drawn.flatten(0, 1):
            one.normal_(generator=generator)
        drawn = drawn.transpose(0, 1)
        return drawn if first is None else torch.cat([first[None], drawn.to(first)])


def _one_noise(noises: Iterator[Tensor], frame: Conditions, index: int) -> Tensor:
    """The next noise, [1, 3, H, W]."""
    noise = next(noises, None)
    if noise is None or tuple(noise.shape) != (3, *frame.size):
        raise SimvidError(f"noises: expected [3, {frame.size[0]}, {frame.size[1]}] for each frame, got "
                          f"{'none' if noise is None else list(noise.shape)} for frame {index}")  # fmt: skip
    return noise[None]


def _history(refined: Tensor | None, flow: Tensor, visible: Tensor) -> Tensor:
    """The frame refined before along the flow, with its mask, [1, 1, 4, H, W]."""
    if refined is None:
        return flow.new_zeros(1, 1, HISTORY, *flow.shape[-2:])
    return follow(refined, flow[:, 0], visible[:, 0])[:, None]


def follow(refined: Tensor, flow: Tensor, visible: Tensor) -> Tensor:
    """Pictures of the frame before, moved to this frame: [B, 3, H, W] to [B, 4, H, W] with the mask as fourth.

    What was beyond their edge by half a pixel or more (beyond a corner: by less) is not there; up to that, the edge is
    continued.
    """
    inside = warp(torch.ones_like(visible), flow)
    there = visible * (inside >= 0.5)
    return torch.cat([warp(refined, flow) / inside.clamp(min=0.5) * there, there], dim=1)


def to_bytes(video: Tensor) -> NDArray[np.uint8]:
    """[T, 3, H, W] in -1 to 1 to sRGB bytes [T, H, W, 3]."""
    levels = ((video.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())
