"""BridgeScheduler: the road from the coarse picture to the refined one, in time 1 to 0.

Saved folders name this module and the class by path (``simvid.refining.scheduler``, ``BridgeScheduler``): frozen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from simvid.refining.deep import BaseOutput, ConfigMixin, SchedulerMixin, Tensor, register_to_config, torch

Kind: TypeAlias = Literal["noised_source", "brownian", "flow"]
KINDS: tuple[Kind, ...] = ("noised_source", "brownian", "flow")


@dataclass
class BridgeOutput(BaseOutput):
    """The picture one step on."""

    prev_sample: Tensor


class BridgeScheduler(SchedulerMixin, ConfigMixin):
    """Marginals and steps of three bridges between the target x_0 and the coarse picture c. The model predicts x_0.

    ``noised_source`` (the default; a linear stochastic interpolant, Albergo & Vanden-Eijnden 2023, from a noised
    source, stepped as in InDI, Delbracio & Milanfar 2023, eq. 8):

        x_1 = c + s e,    x_t = (1 - t) x_0 + t x_1,    x_u = x^_0 + (x_t - x^_0) u / t

    so the mean of x_t is (1 - t) x_0 + t c and its standard deviation s t. Given the true x_0, a step lands exactly on
    the same line, with the same e.

    ``brownian`` (I2SB, Liu et al. 2023, with constant diffusion s): x_t is Gaussian with mean (1 - t) x_0 + t c and
    variance s^2 t (1 - t); a step draws from the bridge's own conditional

        x_u | x_0, x_t ~ N( (1 - u/t) x_0 + (u/t) x_t,  s^2 u (t - u) / t ).

    ``flow`` (rectified flow, Liu, Gong & Liu 2023): x_1 = e, with the coarse picture as a condition only; x_t and steps
    as in ``noised_source``.

    Times may differ from frame to frame (Diffusion Forcing, Chen et al. 2024).

    Args:
        kind: one of ``KINDS``.
        noise: s, in units of the pictures' range of -1 to 1.
        shift: times are pushed towards 1 as in Esser et al. 2024, sec. 5.3.2: t' = shift t / (1 + (shift - 1) t).
    """

    order = 1

    @register_to_config
    def __init__(self, kind: Kind = "noised_source", noise: float = 0.3, shift: float = 1.0) -> None:
        if kind not in KINDS:
            raise ValueError(f"BridgeScheduler.kind: expected one of {', '.join(KINDS)}, got {kind!r}")
        if not noise >= 0 or not shift > 0:
            raise ValueError(f"BridgeScheduler: expected noise >= 0 and shift > 0, got noise {noise}, shift {shift}")
        self.timesteps = torch.ones(1)

    def set_timesteps(self, num_inference_steps: int, *, strength: float = 1.0, device: object = None) -> None:
        """Choose the times to visit: from ``strength`` down to, but without, 0.

        Raises:
            ValueError: no step, or a strength outside 0 to 1.
        """
        if num_inference_steps < 1 or not 0 < strength <= 1:
            raise ValueError(f"BridgeScheduler.set_timesteps: expected one step or more and a strength above 0 and up "
                             f"to 1, got {num_inference_steps} and {strength}")  # fmt: skip
        even = torch.linspace(1, 0, num_inference_steps + 1)[:-1]
        shift = float(self.config.shift)
        self.timesteps = (strength * shift * even / (1 + (shift - 1) * even)).to(device)

    def next_time(self, index: int) -> float:
        """The time after step ``index``: 0 after the last."""
        return float(self.timesteps[index + 1]) if index + 1 < len(self.timesteps) else 0.0

    def add_noise(self, original: Tensor, source: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """x_t of pictures.

        Args:
            original: x_0, [B, T, 3, H, W]. Without a target (at the start of sampling) pass the source.
            source: c, alike.
            noise: e, standard normal, alike.
            timesteps: t of each frame, [B, T].
        """
        t, s = _column(timesteps, original), float(self.config.noise)
        if self.config.kind == "flow":
            return (1 - t) * original + t * noise
        spread = t if self.config.kind == "noised_source" else (t * (1 - t)).clamp(min=0).sqrt()
        return (1 - t) * original + t * source + s * spread * noise

    def step(
        self, model_output: Tensor, timestep: Tensor, sample: Tensor, to: Tensor | float, noise: Tensor | None = None
    ) -> BridgeOutput:
        """One step towards the target.

        Args:
            model_output: predicted x_0, [B, T, 3, H, W].
            timestep: t of each frame, above 0, [B, T].
            sample: x_t.
            to: u, below t.
            noise: standard normal, for ``brownian`` between its ends; the other kinds draw nothing.

        Raises:
            ValueError: ``brownian`` without noise.
        """
        t = _column(timestep, sample)
        goal = torch.as_tensor(to, dtype=timestep.dtype, device=timestep.device)
        u = _column(goal.expand_as(timestep), sample)
        ratio = u / t
        moved = model_output + (sample - model_output) * ratio
        if self.config.kind == "brownian" and noise is not None:
            moved = moved + float(self.config.noise) * (u * (1 - ratio)).clamp(min=0).sqrt() * noise
        elif self.config.kind == "brownian" and bool((u > 0).any()):
            raise ValueError("BridgeScheduler.step: the brownian bridge needs noise for each step but the last")
        return BridgeOutput(prev_sample=moved)


def _column(times: Tensor, pictures: Tensor) -> Tensor:
    """Times [B, T] against pictures [B, T, ...]."""
    return times.to(pictures.dtype).reshape(*times.shape, *([1] * (pictures.ndim - times.ndim)))
