"""TrainSettings: all that shapes a training run, besides its data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from simvid.scene.base import Model, as_tuple
from simvid.scene.rules import Problem, Rule

Phase: TypeAlias = Literal["regression", "adversarial", "rollout"]
LEVELS = 4
"""Of the network."""


class Weights(Model):
    """Factors of the losses; Charbonnier's is one. A perceptual loss of 0 is not computed where nothing else needs
    its features."""

    gradient: float = 0.5
    perceptual: float = 0.05
    adversarial: float = 0.02
    temporal: float = 0.5


def _sum_to_one(settings: TrainSettings) -> Iterator[Problem]:
    shares = settings.shares
    if abs(sum(shares) - 1) > 1e-6 or min(shares) < 0:
        yield Problem(("shares",), "three numbers of 0 or more that sum to 1", str(list(shares)))


def _four_levels(settings: TrainSettings) -> Iterator[Problem]:
    widths, depths = settings.widths, settings.depths
    fit = [width > 0 and width % (8 if level < 2 else 32) == 0 for level, width in enumerate(widths)]
    if len(widths) != LEVELS or not all(fit):
        expected = f"{LEVELS} numbers, multiples of 8, the last two of 32"
        yield Problem(("widths",), expected, str(list(widths)), "such as [32, 64, 128, 160]")
    if len(depths) != LEVELS or min(depths) < 0:
        yield Problem(("depths",), f"{LEVELS} numbers of 0 or more", str(list(depths)), "such as [1, 1, 2, 2]")


def _falling(settings: TrainSettings) -> Iterator[Problem]:
    if settings.rate_end > settings.rate:
        yield Problem(("rate_end",), f"a number up to that of rate ({settings.rate:g})", f"{settings.rate_end:g}",
                      "set it in the recipe")  # fmt: skip


class TrainSettings(Model):
    """A run of ``steps`` steps in three phases.

    Regression (with the perceptual loss), then the adversarial loss beside it, then rollouts: the network refines frame
    after frame with its own results as history, as a stream does.
    """

    steps: int = Field(default=60000, ge=1)
    shares: Annotated[tuple[float, float, float], BeforeValidator(as_tuple)] = (0.45, 0.35, 0.2)
    """Of the three phases."""
    batch: int = Field(default=4, ge=1)
    """Clips per step, of all processes together."""
    frames: int = Field(default=4, ge=2)
    size_px: int = Field(default=96, ge=32)
    rate: float = Field(default=6e-4, gt=0)
    rate_end: float = Field(default=2e-5, gt=0)
    warm_up: int = Field(default=200, ge=0)
    decay: float = Field(default=0.01, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    seed: int = 0
    bfloat16: bool = True
    noise: float = Field(default=0.3, ge=0)
    """s of the bridge."""
    hide: float = Field(default=0.05, ge=0, lt=1)
    """How often each condition beside the coarse picture, and the light's numbers, are hidden from a clip of the
    batch, so that the network serves clips which have fewer labels, such as captures, whose light and materials nobody
    knows, and frames on their own, without a clip."""
    traced: bool = False
    """Read the pictures by few paths of light that pairs bring, and begin from them. Such weights refine only scenes
    that can be traced."""
    learn_looks: bool = False
    """Tell the network each clip's look by name. Needed only where the coarse pictures are not lit by it."""
    weights: Weights = Weights()
    begin_from: str | None = None
    """Folder of a saved pipeline whose weights the run begins with."""
    widths: Annotated[tuple[int, ...], BeforeValidator(as_tuple)] = (32, 64, 128, 160)
    depths: Annotated[tuple[int, ...], BeforeValidator(as_tuple)] = (1, 1, 2, 2)
    window: int = Field(default=8, ge=1)
    save_every: int = Field(default=500, ge=1)
    log_every: int = Field(default=20, ge=1)
    sample_every: int = Field(default=1000, ge=1)
    threads: int = Field(default=1, ge=1)
    """Of the processor. More than one waits more than it works, where other programs run."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(("shares",), _sum_to_one),
        Rule(("widths", "depths"), _four_levels),
        Rule(("rate", "rate_end"), _falling),
    )

    def phase(self, step: int, *, perceptual: bool) -> Phase:
        """What step ``step`` (from 0) does. Without perceptual features, regression goes on until the rollouts."""
        first, second = self.shares[0] * self.steps, (self.shares[0] + self.shares[1]) * self.steps
        if step >= second:
            return "rollout"
        return "adversarial" if step >= first and perceptual else "regression"

    def rate_at(self, step: int) -> float:
        """Learning rate: linear warm-up, then a half cosine down to ``rate_end``."""
        from math import cos, pi

        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        share = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
        return self.rate_end + (self.rate - self.rate_end) * 0.5 * (1 + cos(pi * min(share, 1.0)))


def with_defaults(saved: Any) -> Any:
    """Settings as a checkpoint keeps them, completed by the defaults of what was added since it was written."""
    return {**TrainSettings().model_dump(mode="json"), **saved} if isinstance(saved, dict) else saved
