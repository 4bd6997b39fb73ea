"""Latents of Wan-like autoencoders, surface-anchored noise in their shape, and holding known parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.frames import Frames
from simvid.refining import noise, noise_fast
from simvid.refining.base import ClipContext
from simvid.refining.deep import Tensor, torch
from simvid.refining.pretrained.shapes import FrameRule, Video


def encoded(vae: Any, video: Video) -> Tensor:
    """Normalised latents [1, C, t, h, w] of a video of allowed size, as Wan's pipelines make them."""
    pixels = torch.from_numpy(np.ascontiguousarray(video)).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with torch.no_grad():
        found = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist.mode().float()
    mean, std = (
        torch.tensor(numbers, device=found.device).view(1, -1, 1, 1, 1)
        for numbers in (vae.config.latents_mean, vae.config.latents_std)
    )
    return (found - mean) / std


def anchored_noise(
    frames: Frames, context: ClipContext, first: int, rule: FrameRule, channels: int, seed: int
) -> NDArray[np.float32]:
    """Noise that sticks to surfaces, for a model's latents.

    Each latent frame takes the noise of the last frame that it stands for.

    Args:
        frames: with depth and ids, not padded.
        context: the whole clip.
        first: which of its frames ``frames`` begins with.
        rule: of the model.
        channels: of its latents.
        seed: of the noise.

    Returns:
        float32 [channels, t, h, w].
    """
    assert frames.depth is not None and frames.ids is not None, "the adapter reads them"  # noqa: PT018
    height, width = rule.size(*frames.rgb.shape[1:3])
    count, known = rule.count(len(frames)), len(frames)
    maps = []
    for group in rule.groups(count):
        k = min(group.stop - 1, known - 1)
        depth, ids = (_wide(picture, height, width) for picture in (frames.depth[k], frames.ids[k]))
        cells = noise.anchors(context.camera, context.trajectory, first + k, depth, ids)
        maps.append(noise.latents(cells, channels, seed, rule.block, noise_fast.gaussian))
    return np.stack(maps, axis=1)


def _wide(picture: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    return np.pad(picture, ((0, height - picture.shape[0]), (0, width - picture.shape[1])), mode="edge")


@dataclass(frozen=True, eq=False)
class Clock:
    """A part of the latents that follows the coarse video for the first ``steps`` steps."""

    mask: Tensor
    """bool [1, 1, t, h, w]."""
    steps: int


@dataclass(frozen=True, eq=False)
class LatentHold:
    """Keeps parts of the latents on the way of a known video: a ``callback_on_step_end``.

    Until its clock runs out, a masked part is set to (1 - sigma) z + sigma eps, the noised coarse latents, after each
    step (Meng et al. 2022, SDEdit; with two clocks, one for what moves and one for the rest, Singer et al. 2025,
    "Time-to-Move"). It needs a scheduler without memory, such as Euler's: others remember latents that are no more.
    """

    known: Tensor
    """z, [1, C, t, h, w]."""
    noise: Tensor
    """eps, of the same shape."""
    clocks: Sequence[Clock]
    leading: int = 0
    """Latent frames before those of the video, such as reference pictures."""

    def __call__(self, pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """After a step."""
        latents = tensors["latents"]
        sigma = float(pipe.scheduler.sigmas[pipe.scheduler.step_index])
        kept = ((1 - sigma) * self.known + sigma * self.noise).to(latents)
        video = latents[:, :, self.leading :]
        for clock in self.clocks:
            if step < clock.steps:
                video = torch.where(clock.mask.to(latents.device), kept, video)
        return {"latents": torch.cat([latents[:, :, : self.leading], video], dim=2)}
