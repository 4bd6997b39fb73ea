"""Sizes, windows and cross-fades against what can be counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from simvid.refining.pretrained.prompts import LOOK_WORDS, prompt
from simvid.refining.pretrained.shapes import FrameRule, cross_fade, windows
from simvid.rendering.light.presets import LOOKS

WAN, LTX = FrameRule(4, 16), FrameRule(8, 32, block=32)


@pytest.mark.parametrize(
    ("given", "wan", "ltx"), [(1, 1, 1), (2, 5, 9), (5, 5, 9), (6, 9, 9), (81, 81, 81), (82, 85, 89)]
)
def test_frames_are_4k_plus_1_or_8k_plus_1(given: int, wan: int, ltx: int) -> None:
    assert (WAN.count(given), LTX.count(given)) == (wan, ltx)


def test_padding_repeats_the_edge_and_cropping_takes_it_back() -> None:
    video = np.random.default_rng(0).integers(0, 255, (6, 33, 47, 3)).astype(np.uint8)
    wide = WAN.padded(video)
    assert wide.shape == (9, 48, 48, 3)
    assert np.array_equal(wide[:6, :33, :47], video)
    assert np.array_equal(wide[8], wide[5])
    assert np.array_equal(wide[:, 40], wide[:, 32])
    assert WAN.padded(wide) is not None
    assert np.array_equal(WAN.padded(wide), wide), "an allowed size stays"


def test_latent_frames_stand_for_one_then_four() -> None:
    assert WAN.groups(9) == [slice(0, 1), slice(1, 5), slice(5, 9)]
    assert WAN.latent(9, 48, 64) == (3, 6, 8)
    mask = np.zeros((9, 16, 16), np.bool_)
    mask[6, 3, 12] = True
    assert np.argwhere(WAN.latent_mask(mask)).tolist() == [[2, 0, 1]]


@pytest.mark.parametrize(
    ("count", "length", "overlap"), [(10, 4, 1), (10, 4, 0), (4, 4, 1), (3, 4, 2), (7, 4, 3), (5, 4, 1), (0, 4, 1)]
)
def test_windows_cover_a_stream_once_but_for_the_overlap(count: int, length: int, overlap: int) -> None:
    found = list(windows(iter(range(count)), length, overlap))
    assert [last for _, last in found] == [k == len(found) - 1 for k in range(len(found))]
    seen = [x for k, (part, _) in enumerate(found) for x in part[overlap if k else 0 :]]
    assert seen == list(range(count))
    for (before, _), (after, _) in pairwise(found):
        assert len(before) == length
        assert after[:overlap] == before[length - overlap :]
        assert len(after) > overlap


def test_windows_hold_no_more_than_one_window() -> None:
    asked = 0

    def stream() -> Iterator[int]:
        nonlocal asked
        while True:
            asked += 1
            yield asked

    found = windows(stream(), 8, 2)
    next(found)
    next(found)
    assert asked == 15  # 8, 6 more, and one to know that there is more


def test_cross_fade_goes_evenly() -> None:
    before, after = np.zeros((3, 1, 1, 3), np.uint8), np.full((3, 1, 1, 3), 200, np.uint8)
    assert cross_fade(before, after)[:, 0, 0, 0].tolist() == [50, 100, 150]


def test_prompts_have_words_for_every_look() -> None:
    assert set(LOOK_WORDS) == {"as_rendered", *LOOKS}
    assert prompt("A duck falls. ", "sunset", "photo") == f"A duck falls, {LOOK_WORDS['sunset']}, photo"
    assert prompt("", "as_rendered", "photo") == "photo"
