"""The plan of diffusion forcing against the tables of diffusers' documentation, and against a plain loop."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simvid.errors import SceneError
from simvid.refining.pretrained.forcing import extension_windows, step_plan
from simvid.refining.pretrained.weights import library

TEMPLATE = [
    999, 995, 991, 986, 980, 975, 969, 963, 956, 948, 941, 932, 922, 912, 901, 888, 874, 859, 841, 822,
    799, 773, 743, 708, 666, 615, 551, 470, 363, 216,
]  # fmt: skip
ROWS = {
    1: (999, 999, 999, 999, 999), 2: (995, 999, 999, 999, 999), 3: (991, 999, 999, 999, 999),
    7: (969, 995, 999, 999, 999), 21: (799, 888, 941, 975, 999), 35: (0, 216, 666, 822, 901),
    42: (0, 0, 0, 551, 773), 50: (0, 0, 0, 0, 216),
}  # fmt: skip
"""30 steps, 97 frames (25 latent ones in 5 blocks), a lag of 5: "An example on how the step matrix is constructed"."""


def test_the_documented_table() -> None:
    plan = step_plan(25, TEMPLATE, 25, ar_step=5, block=5)
    assert plan.times.shape == (50, 25)
    for row, times in ROWS.items():
        assert plan.times[row - 1].tolist() == [t for t in times for _ in range(5)], row
    assert plan.steps[5, ::5].tolist() == [6, 1, 0, 0, 0]
    assert plan.updates[5, ::5].tolist() == [True, True, False, False, False]
    assert plan.intervals[5] == (0, 25)


def test_the_documented_timeline() -> None:
    """Each block takes 30 steps and block N starts at step 1 + 5 (N - 1); at once it is 30 in all."""
    plan = step_plan(25, TEMPLATE, 25, ar_step=5, block=5)
    for block in range(5):
        moving = np.flatnonzero(plan.updates[:, 5 * block])
        assert (moving[0] + 1, len(moving)) == (1 + 5 * block, 30)
        assert np.array_equal(moving, np.arange(moving[0], moving[0] + 30))
    assert step_plan(25, TEMPLATE, 25, ar_step=0).updates.all()
    assert len(step_plan(25, TEMPLATE, 25, ar_step=0).times) == 30


def by_loop(blocks: int, template: list[int], ar_step: int, ready: int) -> tuple[list[list[int]], list[list[bool]]]:
    """Row after row from the one before, as it is told in words."""
    done = len(template) + 1
    before = [done if b < ready else 0 for b in range(blocks)]
    steps, updates = [], []
    while not all(step >= done - 1 for step in before):
        row: list[int] = []
        for b in range(blocks):
            alone = b == 0 or before[b - 1] >= done - 1
            row.append(before[b] + 1 if alone else row[b - 1] - ar_step)
        row = [min(max(step, 0), done) for step in row]
        updates.append([now not in {was, done} for now, was in zip(row, before, strict=True)])
        steps.append(row)
        before = row
    return steps, updates


@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 4), st.data())
def test_the_closed_form_is_the_loop(blocks: int, n: int, ar_step: int, data: Any) -> None:
    ready = data.draw(st.integers(0, blocks - 1))
    template = [1000 - 7 * k for k in range(n)]
    plan = step_plan(blocks, template, blocks, ar_step, ready=ready)
    steps, updates = by_loop(blocks, template, ar_step, ready)
    assert plan.steps.tolist() == steps
    assert plan.updates.tolist() == updates


@pytest.mark.parametrize(
    ("frames", "base", "ar_step", "block", "ready"),
    [(25, 25, 5, 5, 0), (25, 25, 5, 5, 5), (25, 25, 0, 1, 5), (40, 20, 8, 5, 0), (12, 4, 8, 1, 2), (6, 6, 1, 3, 3)],
)
def test_diffusers_own_matrix(frames: int, base: int, ar_step: int, block: int, ready: int) -> None:
    torch = library("torch")
    theirs = library("diffusers").SkyReelsV2DiffusionForcingVideoToVideoPipeline.generate_timestep_matrix(
        None, frames, torch.tensor(TEMPLATE), base, ar_step, ready, block
    )
    ours = step_plan(frames, TEMPLATE, base, ar_step, block, ready)
    for mine, other in zip((ours.times, ours.steps, ours.updates), theirs[:3], strict=True):
        assert np.array_equal(mine, other.numpy())
    assert list(ours.intervals) == theirs[3]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((24, TEMPLATE, 25, 5, 5), "frames as a multiple of the block's 5"),
        ((25, TEMPLATE, 24, 5, 5), "base as a multiple"),
        ((25, TEMPLATE, 25, 5, 5, 3), "ready as a multiple"),
        ((25, TEMPLATE, 25, 5, 5, 25), "more latent frames than are ready"),
        ((25, [], 25, 5, 5), "expected steps"),
        ((40, TEMPLATE, 20, 7, 5), r"ar_step: expected 8 or more"),
    ],
)
def test_what_does_not_fit_is_said(arguments: Any, said: str) -> None:
    with pytest.raises(SceneError, match=said):
        step_plan(*arguments)


def test_the_documented_windows() -> None:
    """257 frames with 97 at once and 17 shared: frames 1-97, 81-177, 161-257."""
    found = extension_windows(257 - 17, 97, 17)
    assert [(w.first + 1, w.last) for w in found] == [(1, 97), (81, 177), (161, 257)]


@given(st.integers(1, 400), st.integers(1, 12), st.integers(1, 40), st.sampled_from([1, 2, 5]))
def test_windows_add_what_was_asked(new: int, known: int, more: int, block: int) -> None:
    overlap, base = (known * block - 1) * 4 + 1, ((known + more) * block - 1) * 4 + 1
    found = extension_windows(new, base, overlap, block)
    assert found[0].first == 0
    assert new <= found[-1].last - overlap < new + 4 * block
    for window in found:
        latent = (window.last - window.first - 1) // 4 + 1
        assert (window.last - window.first) % 4 == 1
        assert latent % block == 0
        assert overlap < window.last - window.first <= base
    for before, after in pairwise(found):
        assert before.last - after.first == overlap
        assert before.last - before.first == base
    assert len(found) == max(1, math.ceil((found[-1].last - overlap) / (base - overlap)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0, 97, 17), "1 or more frames"), ((9, 96, 17), "base_frames: expected 4k"),
        ((9, 97, 16), "overlap: expected 4k"),
        ((9, 97, 97), "fewer frames than the window's 97"), ((9, 97, 13, 5), r"whole blocks of 5, got 13 .* try 17"),
    ],
)  # fmt: skip
def test_windows_that_do_not_fit_are_said(arguments: Any, said: str) -> None:
    with pytest.raises(SceneError, match=said):
        extension_windows(*arguments)
