"""Batches: each is a function of the seed and the step alone, so that a resumed run sees what a whole one would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simvid.refining.conditions import OPTIONAL, reading
from simvid.refining.deep import Tensor, torch
from simvid.refining.model import HISTORY
from simvid.refining.pairs import Crop, PairClip, draw_crop
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
    clips: Sequence[PairClip], settings: TrainSettings, looks: Sequence[str], step: int, phase: Phase,
    share: tuple[int, int] = (0, 1),
) -> Batch:  # fmt: skip
    """The batch of a step, or one process's share of it.

    Times: one for half of the clips (as sampling begins), independent and uniform for each frame of the others
    (Diffusion Forcing, Chen et al. 2024). History, for half of the clips: the true frame before with up to 0.15 of
    noise. Rollouts begin at time one and make their own history. Conditions, and the light's numbers, are hidden as
    ``settings.hide`` says.

    Args:
        clips, settings, looks, step, phase: what it depends on.
        share: (k, n) takes every n-th clip from clip k on. All random numbers are drawn, so that the shares together
            are the whole batch; only the share's own crops are read.
    """
    rng = np.random.default_rng((settings.seed, step))
    mine = slice(share[0], None, share[1])
    chosen = [clips[int(rng.integers(len(clips)))] for _ in range(settings.batch)]
    drawn = [draw_crop(clip, rng, settings.frames, settings.size_px) for clip in chosen]
    crops = [draw() for draw in drawn[mine]]
    target = torch.from_numpy(np.stack([crop.target for crop in crops]))
    shape = (settings.batch, *target.shape[1:])
    times = np.ones(shape[:2], np.float32)
    if phase != "rollout":
        spread = rng.random(len(chosen)) < 0.5
        times[spread] = rng.uniform(0.02, 1, (int(spread.sum()), shape[1]))
    optional = reading(traced=settings.traced)["optional"]
    channels, flow, visible, present = _known(crops, (rng.random((len(chosen), optional)) < settings.hide)[mine])
    batch = Batch(
        target=target, channels=channels, flow=flow, visible=visible, present=present,
        look=torch.tensor([1 + looks.index(c.record.look) if c.record.look in looks else 0 for c in crops]),
        light=torch.tensor([c.light for c in crops], dtype=torch.float32),
        noise=torch.from_numpy(rng.standard_normal(shape, np.float32)[mine]), times=torch.from_numpy(times[mine]),
        history=torch.zeros(*target.shape[:2], HISTORY, *shape[3:]),
        jitter=(int(rng.integers(4)), int(rng.integers(4))),
    )  # fmt: skip
    if phase != "rollout":
        _teach_history(batch, rng, len(chosen), share)
    unlit = torch.from_numpy((rng.random(len(chosen)) < settings.hide)[mine])
    return replace(batch, light=batch.light * ~unlit[:, None])


def _known(crops: Sequence[Crop], hidden: NDArray[np.bool_]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Conditions without what ``hidden`` says of the first ones of ``OPTIONAL``, [B, N]."""
    parts = [
        crop.conditions.without([name for name, away in zip(OPTIONAL, row, strict=False) if away])
        for crop, row in zip(crops, hidden, strict=True)
    ]
    arrays = (np.stack([getattr(p, name) for p in parts]) for name in ("channels", "flow", "visible", "present"))
    channels, flow, visible, present = (torch.from_numpy(array) for array in arrays)
    return channels, flow, visible, present


def _teach_history(batch: Batch, rng: np.random.Generator, count: int, share: tuple[int, int]) -> None:
    """Write true frames, a little noisy, into the history of half of the clips."""
    told = rng.random(count) < 0.5
    for b in np.flatnonzero(told):
        level = float(rng.uniform(0, 0.15))
        noise = rng.standard_normal((batch.target.shape[1] - 1, *batch.target.shape[2:]), np.float32)
        k, other = divmod(int(b) - share[0], share[1])
        if other == 0:
            noisy = batch.target[k, :-1] + level * torch.from_numpy(noise)
            batch.history[k, 1:] = follow(noisy, batch.flow[k, 1:], batch.visible[k, 1:])
