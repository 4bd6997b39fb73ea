"""Batches: each is a function of the seed and the step alone, so that a resumed run sees what a whole one would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simvid.refining.deep import Tensor, torch
from simvid.refining.model import HISTORY
from simvid.refining.pairs import Crop, PairClip, random_crop
from simvid.refining.pipeline import follow
from simvid.refining.training.settings import Phase, TrainSettings


@dataclass(frozen=True)
class Batch:
    """Crops as tensors: [B, T, ...] for frames, [B, ...] for clips."""

    target: Tensor
    channels: Tensor
    flow: Tensor
    visible: Tensor
    present: Tensor
    look: Tensor
    light: Tensor
    noise: Tensor
    times: Tensor
    history: Tensor
    jitter: tuple[int, int]
    """Rows and columns cut off before features are taken, so that no grid of strides can be learned."""

    @property
    def coarse(self) -> Tensor:
        """The coarse pictures."""
        return self.channels[:, :, :3]


def make_batch(
    clips: Sequence[PairClip], settings: TrainSettings, looks: Sequence[str], step: int, phase: Phase
) -> Batch:  # fmt: skip
    """The batch of a step.

    Times: one for half of the clips (as sampling begins), independent and uniform for each frame of the others
    (Diffusion Forcing, Chen et al. 2024). History, for half of the clips: the true frame before with up to 0.15 of
    noise. Rollouts begin at time one and make their own history. Some conditions are hidden now and then.
    """
    rng = np.random.default_rng((settings.seed, step))
    chosen = [clips[int(rng.integers(len(clips)))] for _ in range(settings.batch)]
    crops = [random_crop(clip, rng, settings.frames, settings.size_px) for clip in chosen]
    target = torch.from_numpy(np.stack([crop.target for crop in crops]))
    shape = target.shape
    times = np.ones(shape[:2], np.float32)
    if phase != "rollout":
        spread = rng.random(len(crops)) < 0.5
        times[spread] = rng.uniform(0.02, 1, (int(spread.sum()), shape[1]))
    channels, flow, visible, present = _known(crops, rng)
    batch = Batch(
        target=target, channels=channels, flow=flow, visible=visible, present=present,
        look=torch.tensor([1 + looks.index(c.record.look) if c.record.look in looks else 0 for c in crops]),
        light=torch.tensor([c.light for c in crops], dtype=torch.float32),
        noise=torch.from_numpy(rng.standard_normal(tuple(shape), np.float32)), times=torch.from_numpy(times),
        history=torch.zeros(*shape[:2], HISTORY, *shape[3:]),
        jitter=(int(rng.integers(4)), int(rng.integers(4))),
    )  # fmt: skip
    if phase != "rollout":
        _teach_history(batch, rng)
    return batch


def _known(crops: Sequence[Crop], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    parts = [crop.conditions for crop in crops]
    arrays = [np.stack([getattr(p, name) for p in parts]) for name in ("channels", "flow", "visible", "present")]
    still = rng.random(len(parts)) < 0.05
    arrays[2][still] = 0
    arrays[3][still, 1] = 0
    channels, flow, visible, present = (torch.from_numpy(array) for array in arrays)
    return channels, flow, visible, present


def _teach_history(batch: Batch, rng: np.random.Generator) -> None:
    """Write true frames, a little noisy, into the history of half of the clips."""
    told = rng.random(len(batch.target)) < 0.5
    for b in np.flatnonzero(told):
        level = float(rng.uniform(0, 0.15))
        before = batch.target[b, :-1]
        noisy = before + level * torch.from_numpy(rng.standard_normal(tuple(before.shape), np.float32))
        batch.history[b, 1:] = follow(noisy, batch.flow[b, 1:], batch.visible[b, 1:])
