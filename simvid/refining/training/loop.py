"""Trainer: three phases, an average of weights, checkpoints that survive kill -9, curves and samples."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simvid.clips.folders import new_folder, sweep
from simvid.errors import ClipError, SimvidError
from simvid.perception.fetch import COMMAND
from simvid.perception.squeezenet import imagenet_features, perceptual_distance
from simvid.refining.conditions import LAST, reading
from simvid.refining.deep import Tensor, torch
from simvid.refining.model import RefinerState, RefinerUNet
from simvid.refining.pair_sets import no_pairs, open_pairs
from simvid.refining.pairs import PairClip
from simvid.refining.pipeline import Sampling, VideoRefinerPipeline, follow
from simvid.refining.scheduler import BridgeScheduler
from simvid.refining.training import checkpoint
from simvid.refining.training.batches import Batch, make_batch
from simvid.refining.training.comparing import compared
from simvid.refining.training.log import Log, sample_grid
from simvid.refining.training.losses import (
    Critic,
    charbonnier,
    gradient_difference,
    hinge_critic,
    hinge_maker,
    temporal_difference,
)
from simvid.refining.training.processes import Processes, check_share, company
from simvid.refining.training.settings import TrainSettings
from simvid.refining.training.start import begin

Tell = Callable[[int, dict[str, float]], None]
SHOWN_CLIPS = 4
GROUPS = ("unet", "ema", "critic", "unet_optimizer", "critic_optimizer")
"""Of tensors in a checkpoint."""
RECIPE = "recipe.json"
"""Beside the weights: the settings that they were trained with, but for the place of those that they began from."""


@dataclass(frozen=True)
class Trained:
    """What a run gave: the folder of the pipeline, steps done, figures of the last validation, what was left out."""

    pipeline: Path
    steps: int
    validation: dict[str, float]
    left_out: tuple[str, ...]


class Trainer:
    """Trains a refiner on a data set; goes on where an earlier run in the same folder stopped.

    In company (``simvid.refining.training.processes``) each process works on its share of every batch, all take the
    same steps, and the first one writes. The sum is that of one process, to rounding.

    Args:
        data: folder of training pairs.
        out: folder of the run: checkpoints/, log.csv, curves.png, samples/, refiner/.
        settings: must be those of the run that is gone on with, but for a few
            (``simvid.refining.training.comparing.FREE``).
        features: "imagenet" takes SqueezeNet from the cache and does without where it is not; tests give their own.
        processes: the company; by default what the environment says.

    Raises:
        ClipError: no training pairs, some without traced pictures where these are wanted, or a damaged checkpoint.
        AssetError: the weights to begin from are damaged or of another architecture.
        SimvidError: the folder holds a run with other settings or other data.
    """

    def __init__(
        self, data: Path, out: Path, settings: TrainSettings, features: Any = "imagenet",
        processes: Processes | None = None,
    ) -> None:  # fmt: skip
        self.processes = processes or company()
        check_share(settings.batch, self.processes.count)
        torch.set_num_threads(settings.threads)
        self.settings, self.out = settings, out
        self.clips, self.held_out = _opened(data)
        names = sorted({c.record.look for c in self.clips} - {"as_rendered"})
        self.looks = tuple(names) if settings.learn_looks else ()
        self.features = imagenet_features() if isinstance(features, str) else features
        self.device = self.processes.device
        torch.manual_seed(settings.seed)
        without = [c.record.name for c in (*self.clips, *self.held_out) if LAST not in c.record.arrays]
        if settings.traced and without:
            raise ClipError(f"{data}: {len(without)} of {len(self.clips) + len(self.held_out)} pairs have no traced "
                            f"pictures ({without[0]}); make these again, or train without (traced: false)")  # fmt: skip
        config: dict[str, Any] = {"widths": settings.widths, "depths": settings.depths, "window": settings.window,
                                  **reading(traced=settings.traced)}  # fmt: skip
        self.unet = RefinerUNet(**config, looks=self.looks).to(self.device)
        self.ema = RefinerUNet(**config, looks=self.looks).to(self.device).eval()
        if settings.begin_from is not None:
            begin(self.unet, Path(settings.begin_from))
        self.ema.load_state_dict(self.unet.state_dict())
        self.critic = Critic().to(self.device)
        if self.features is not None:
            self.features = self.features.to(self.device)
        self.bridge = BridgeScheduler(noise=settings.noise)
        self.optimizers = {
            name: torch.optim.AdamW(net.parameters(), lr=settings.rate, betas=betas, weight_decay=settings.decay)
            for name, net, betas in (("unet", self.unet, (0.9, 0.99)), ("critic", self.critic, (0.5, 0.99)))
        }
        self.step = 0
        self.changed: tuple[str, ...] = ()
        """Settings that the run goes on with another value of, and both values."""
        self.log = Log(out)
        self._resume()

    @property
    def left_out(self) -> tuple[str, ...]:
        """Losses that this run does without, and why."""
        if self.features is not None:
            return ()
        return (f"the perceptual and the adversarial loss, which need SqueezeNet's weights:  {COMMAND}",)

    def run(self, tell: Tell | None = None, until: int | None = None) -> Trained:
        """Train to the end, or to step ``until``; then write the pipeline with the averaged weights.

        They are rounded to float16, which halves the file; refining rounds them to bfloat16 anyway. The last checkpoint
        has them whole. The settings of the run lie beside them, as ``recipe.json``.
        """
        settings = self.settings
        goal = settings.steps if until is None else min(until, settings.steps)
        figures: dict[str, float] = {}
        started = time.perf_counter()
        while self.step < goal:
            losses = self._one_step()
            self.step += 1
            if self.step % settings.log_every == 0 or self.step == goal:
                losses["seconds"] = time.perf_counter() - started
                if self.first:
                    self.log.add(self.step, losses)
                    if tell is not None:
                        tell(self.step, losses)
            if self.first and (self.step % settings.sample_every == 0 or self.step == goal):
                figures = self.validate()
                self.log.add(self.step, figures)
                self.log.draw()
            if self.step % settings.save_every == 0 or self.step == goal:
                if self.first:
                    self.save()
                self.processes.wait()
        folder = self.out / "refiner"
        if self.first:
            self._write(folder)
            figures = figures or self.validate()
        self.processes.wait()
        return Trained(folder, self.step, figures, self.left_out)

    def _write(self, folder: Path) -> None:
        """The pipeline and the settings of the run, in the place of what an earlier part of it left."""
        half = VideoRefinerPipeline(deepcopy(self.ema).half(), self.bridge)
        sweep(folder.parent)
        with new_folder(folder, replace=True) as work:
            half.save_pretrained(work, safe_serialization=True)
            recipe = self.settings.model_dump_json(indent=1, exclude={"begin_from"})
            (work / RECIPE).write_text(recipe + "\n")

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.processes.index == 0

    def pipeline(self) -> VideoRefinerPipeline:
        """With the averaged weights."""
        return VideoRefinerPipeline(self.ema, self.bridge)

    def validate(self) -> dict[str, float]:
        """PSNR of streamed held-out clips (of training clips where none are held out), and a grid of samples."""
        clips = (self.held_out or self.clips)[:SHOWN_CLIPS]
        pipe, rows, refined, coarse = self.pipeline(), [], [], []
        for clip in clips:
            crop = clip.whole()
            draw = torch.Generator().manual_seed(self.settings.seed)
            look = clip.record.look if clip.record.look in self.looks else "as_rendered"
            light = np.asarray(crop.light, np.float32)
            video = pipe(crop.conditions, sampling=Sampling(), look=look, light=light, generator=draw, output_type="pt")
            made = video.frames.permute(0, 3, 1, 2).float().cpu()
            true, start = torch.from_numpy(crop.target), torch.from_numpy(crop.conditions.channels[:, :3])
            refined.append(_psnr(made, true))
            coarse.append(_psnr(start, true))
            rows.append([start[-1], made[-1], true[-1]])
        sample_grid(self.out / "samples" / f"{self.step:08d}.png", rows)
        return {"psnr_db": float(np.mean(refined)), "coarse_psnr_db": float(np.mean(coarse))}

    def save(self) -> None:
        """Write a checkpoint."""
        tensors = {"unet": self.unet.state_dict(), "ema": self.ema.state_dict(), "critic": self.critic.state_dict()}
        for name, net in (("unet", self.unet), ("critic", self.critic)):
            names = [n for n, _ in net.named_parameters()]
            tensors[f"{name}_optimizer"] = checkpoint.optimizer_tensors(self.optimizers[name], names)
        checkpoint.save(self.out, self.step, tensors, self._about())

    def _about(self) -> dict[str, Any]:
        return {
            "settings": self.settings.model_dump(mode="json"),
            "clips": [c.record.name for c in self.clips],
            "perceptual": self.features is not None,
        }

    def _resume(self) -> None:
        folder = checkpoint.latest(self.out)
        if folder is None:
            if self.first:
                self.log.cut(0)
            self.processes.wait()
            return
        tensors, about = checkpoint.load(folder, GROUPS)
        self.changed = compared(self.out, about, self._about())
        for name, net in (("unet", self.unet), ("ema", self.ema), ("critic", self.critic)):
            try:
                net.load_state_dict(tensors[name])
            except RuntimeError as error:
                raise checkpoint.damaged(folder, error) from error
        for name, net in (("unet", self.unet), ("critic", self.critic)):
            names = [n for n, _ in net.named_parameters()]
            checkpoint.restore_optimizer(self.optimizers[name], names, tensors[f"{name}_optimizer"])
        self.step = int(about["step"])
        if self.first:
            self.log.cut(self.step)
        self.processes.wait()

    def _one_step(self) -> dict[str, float]:
        settings, step = self.settings, self.step
        phase = settings.phase(step, perceptual=self.features is not None)
        share = self.processes.index, self.processes.count
        batch = self._on_device(make_batch(self.clips, settings, self.looks, step, phase, share))
        self.unet.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.bfloat16):
            video = self._rollout(batch) if phase == "rollout" else self._predict(batch)
        video = video.float()
        adversarial = phase == "adversarial" or (phase == "rollout" and self.features is not None)
        losses = self._losses(video, batch, adversarial=adversarial)
        self._descend("unet", self.unet, losses["loss"])
        if adversarial:
            losses["critic"] = self._teach_critic(video.detach(), batch)
        self._average()
        means = self.processes.mean(torch.stack([value.detach() for value in losses.values()])).tolist()
        return dict(zip(losses, means, strict=True)) | {"rate": settings.rate_at(step)}

    def _on_device(self, batch: Batch) -> Batch:
        return Batch(**{k: v.to(self.device) if hasattr(v, "to") else v for k, v in vars(batch).items()})

    def _predict(self, batch: Batch) -> Tensor:
        """All frames at once, each at its own time."""
        sample = self.bridge.add_noise(batch.target, batch.coarse, batch.noise, batch.times)
        return self.unet(
            sample, batch.times, batch.channels, batch.flow, batch.visible, history=batch.history, look=batch.look,
            light=batch.light, present=batch.present,
        )[0]  # fmt: skip

    def _rollout(self, batch: Batch) -> Tensor:
        """Frame by frame with the network's own pictures as history (Self Forcing, Huang et al. 2025)."""
        sample = self.bridge.add_noise(batch.coarse, batch.coarse, batch.noise, batch.times)
        state: RefinerState | None = None
        history, frames = batch.history[:, :1], []
        for t in range(sample.shape[1]):
            now = slice(t, t + 1)
            picture, state = self.unet(
                sample[:, now], batch.times[:, now], batch.channels[:, now], batch.flow[:, now], batch.visible[:, now],
                history=history, look=batch.look, light=batch.light, present=batch.present, state=state,
            )  # fmt: skip
            frames.append(picture)
            if t + 1 < sample.shape[1]:
                past = picture[:, 0].detach().float().clamp(-1, 1)
                history = follow(past, batch.flow[:, t + 1], batch.visible[:, t + 1])[:, None]
        return torch.cat(frames, dim=1)

    def _losses(self, video: Tensor, batch: Batch, *, adversarial: bool) -> dict[str, Tensor]:
        factor = self.settings.weights
        found = {
            "charbonnier": charbonnier(video, batch.target),
            "gradient": gradient_difference(video, batch.target),
            "temporal": temporal_difference(video, batch.target, batch.flow, batch.visible, self.processes.mean),
        }
        total = found["charbonnier"] + factor.gradient * found["gradient"] + factor.temporal * found["temporal"]
        if self.features is not None and (factor.perceptual > 0 or adversarial):
            made = self.features(_flat(video, batch.jitter))
            with torch.no_grad():
                true, coarse = (self.features(_flat(v, batch.jitter)) for v in (batch.target, batch.coarse))
            found["perceptual"] = perceptual_distance(made, true).mean()
            total = total + factor.perceptual * found["perceptual"]
            if adversarial:
                found["adversarial"] = hinge_maker(self.critic(made, coarse))
                total = total + factor.adversarial * found["adversarial"]
        return {"loss": total, **found}

    def _teach_critic(self, video: Tensor, batch: Batch) -> Tensor:
        features: Any = self.features
        with torch.no_grad():
            made, true, coarse = (features(_flat(v, batch.jitter)) for v in (video, batch.target, batch.coarse))
        loss = hinge_critic(self.critic(true, coarse), self.critic(made, coarse))
        self._descend("critic", self.critic, loss)
        return loss

    def _descend(self, name: str, net: Any, loss: Tensor) -> None:
        """One step of AdamW.

        Raises:
            SimvidError: the loss is not finite.
        """
        if not bool(torch.isfinite(all_of_it := self.processes.mean(loss.detach()))):
            raise SimvidError(f"step {self.step}: the loss of the {name} is {all_of_it.item()}; go on from the last "
                              "checkpoint with a smaller rate")  # fmt: skip
        optimizer = self.optimizers[name]
        for group in optimizer.param_groups:
            group["lr"] = self.settings.rate_at(self.step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.processes.average_gradients(net)
        torch.nn.utils.clip_grad_norm_(net.parameters(), self.settings.clip_norm)
        optimizer.step()

    def _average(self) -> None:
        """Exponential moving average of the weights, faster at first."""
        keep = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.ema.parameters(), self.unet.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)


def _opened(data: Path) -> tuple[list[PairClip], list[PairClip]]:
    """The clips for training, and those held out, of which there may be none."""
    clips = open_pairs(data)
    train, held_out = ([c for c in clips if c.record.split == split] for split in ("train", "held_out"))
    if not train:
        raise no_pairs(data, "train")
    return train, held_out


def _flat(video: Tensor, jitter: tuple[int, int]) -> Tensor:
    """Frames as a batch, with a few rows and columns cut off."""
    return video.flatten(0, 1)[..., jitter[0] :, jitter[1] :]


def _psnr(one: Tensor, two: Tensor) -> float:
    error = float((one.clamp(-1, 1) - two).square().mean()) / 4
    return float(-10 * np.log10(max(error, 1e-10)))
