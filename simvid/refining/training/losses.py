"""Losses between predicted and true pictures [B, T, 3, H, W] in -1 to 1, and the critic of the adversarial one."""

from __future__ import annotations

from collections.abc import Callable

from simvid.perception.squeezenet import CHANNELS
from simvid.refining.blocks import warp
from simvid.refining.deep import Tensor, functional, nn, torch

_CRITIC_TAPS = (1, 3, 5)
"""Which of SqueezeNet's features the critic reads."""


def charbonnier(one: Tensor, two: Tensor) -> Tensor:
    """Mean of sqrt(d^2 + 1e-6): absolute differences, smooth at zero (Charbonnier et al. 1994)."""
    return ((one - two).square() + 1e-6).sqrt().mean()


def gradient_difference(one: Tensor, two: Tensor) -> Tensor:
    """Mean absolute difference of the differences between neighbouring pixels (Mathieu et al. 2016)."""
    d = one - two
    return d.diff(dim=-1).abs().mean() + d.diff(dim=-2).abs().mean()


def temporal_difference(
    video: Tensor, true: Tensor, flow: Tensor, visible: Tensor, mean: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """How much more or less a video changes along the flow than the true one does, where surfaces stay visible.

    Mean of |(x_t - W x_t-1) - (y_t - W y_t-1)| over visible pixels: zero for the true video, whose highlights move.

    Args:
        video, true: [B, T, 3, H, W].
        flow, visible: to the frame before, [B, T, 2, H, W] and [B, T, 1, H, W]; the first frame's are not read.
        mean: over the processes that share a batch; the mean of their results is then that of the whole batch.
    """
    b, t = video.shape[:2]
    if t < 2:
        return video.new_zeros(())
    d = video - true
    motion = flow[:, 1:].flatten(0, 1)
    moved = warp(d[:, :-1].flatten(0, 1), motion).reshape(b, t - 1, *d.shape[2:])
    seen = visible[:, 1:]
    count = seen.sum() if mean is None else mean(seen.sum())
    return ((d[:, 1:] - moved).abs() * seen).sum() / (3 * count).clamp(min=1)


class Critic(nn.Module):
    """Tells true from refined pictures by frozen features of theirs and of the coarse pictures.

    A small head on each of three depths (Sauer et al. 2021, "Projected GANs Converge Faster"), without mixing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(2 * CHANNELS[tap], 64, 1), nn.LeakyReLU(0.2), nn.Conv2d(64, 64, 3, padding=1),
                nn.LeakyReLU(0.2), nn.Conv2d(64, 1, 1),
            ) for tap in _CRITIC_TAPS
        )  # fmt: skip

    def forward(self, features: list[Tensor], coarse: list[Tensor]) -> list[Tensor]:
        """A score for each place at three depths: high for true."""
        return [
            head(torch.cat([_even(features[tap]), _even(coarse[tap])], dim=1))
            for head, tap in zip(self.heads, _CRITIC_TAPS, strict=True)
        ]


def _even(features: Tensor) -> Tensor:
    """Features with a mean square of one across channels at each place."""
    return features / (features.square().mean(dim=1, keepdim=True) + 1e-6).sqrt()


def hinge_critic(true: list[Tensor], made: list[Tensor]) -> Tensor:
    """Loss of the critic (Lim & Ye 2017)."""
    return sum(
        functional.relu(1 - a).mean() + functional.relu(1 + b).mean() for a, b in zip(true, made, strict=True)
    ) / len(true)


def hinge_maker(made: list[Tensor]) -> Tensor:
    """Loss of what the critic judges."""
    return -sum(score.mean() for score in made) / len(made)
