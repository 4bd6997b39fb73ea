"""What training minimises, and when: losses by hand, phases, rates, networks that there are not."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from simvid.perception.squeezenet import SqueezeNetFeatures
from simvid.refining.training.losses import (
    Critic,
    charbonnier,
    gradient_difference,
    hinge_critic,
    hinge_maker,
    temporal_difference,
)
from simvid.refining.training.settings import TrainSettings


def test_losses_by_hand() -> None:
    one, two = torch.zeros(1, 2, 3, 4, 4), torch.full((1, 2, 3, 4, 4), 0.5)
    assert float(charbonnier(one, two)) == pytest.approx(0.5, abs=1e-5)
    assert float(gradient_difference(one, two)) == 0
    ramp = one.clone()
    ramp[..., :] = torch.arange(4) * 0.1
    assert float(gradient_difference(ramp, one)) == pytest.approx(0.1)
    flow, visible = torch.zeros(1, 2, 2, 4, 4), torch.ones(1, 2, 1, 4, 4)
    flicker = two.clone()
    flicker[:, 1] += 0.2
    assert float(temporal_difference(two, two, flow, visible)) == 0
    assert float(temporal_difference(flicker, two, flow, visible)) == pytest.approx(0.2, abs=1e-6)
    assert float(temporal_difference(flicker, flicker, flow, visible)) == 0
    assert float(temporal_difference(flicker, two, flow, 0 * visible)) == 0
    scores = [torch.tensor([2.0, 0.5]), torch.tensor([-1.0])]
    assert float(hinge_critic(scores, scores)) == pytest.approx((0.25 + 2.25 + 2.0 + 0.0) / 2)
    assert float(hinge_maker(scores)) == pytest.approx(-(1.25 - 1.0) / 2)


def test_a_critic_learns_to_tell_noise_from_smoothness() -> None:
    torch.manual_seed(7)
    features, critic = SqueezeNetFeatures(), Critic()
    optimizer = torch.optim.Adam(critic.parameters(), 3e-3)
    coarse = features(torch.zeros(4, 3, 40, 40))
    true, made = features(0.5 * torch.randn(4, 3, 40, 40)), features(torch.zeros(4, 3, 40, 40))
    loss: Any = None
    for _ in range(20):
        optimizer.zero_grad()
        loss = hinge_critic(critic(true, coarse), critic(made, coarse))
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1.0
    with torch.no_grad():
        scores = [float(hinge_maker(critic(x, coarse))) for x in (true, made)]
    assert scores[0] < scores[1]


def test_phases_and_rates() -> None:
    settings = TrainSettings(steps=100, warm_up=10, rate=1e-3, rate_end=1e-5)
    assert [settings.phase(s, perceptual=True) for s in (0, 44, 45, 79, 80)] == [
        "regression", "regression", "adversarial", "adversarial", "rollout",
    ]  # fmt: skip
    assert settings.phase(50, perceptual=False) == "regression"
    assert [settings.rate_at(s) for s in (0, 9, 10, 100)] == pytest.approx([1e-4, 1e-3, 1e-3, 1e-5])
    with pytest.raises(ValueError, match="sum to 1"):
        TrainSettings(shares=(0.5, 0.5, 0.5))
    with pytest.raises(
        ValueError, match=r"rate_end\n  expected a number up to that of rate \(1e-05\), got 2e-05; set it"
    ):
        TrainSettings(rate=1e-5)


@pytest.mark.parametrize(
    "widths", [(), (32, 64), (32, 64, 128, 160, 160), (30, 64, 128, 160), (32, 64, 104, 160), (0,) * 4]
)
def test_widths_that_no_network_has(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"widths\n  expected 4 numbers, multiples of 8, the last two of 32, got \["):
        TrainSettings(widths=widths)
    for depths in (widths[:3], (1, 1, 2, -2)):
        with pytest.raises(ValueError, match=r"depths\n  expected 4 numbers of 0 or more, got \["):
            TrainSettings(depths=depths)
