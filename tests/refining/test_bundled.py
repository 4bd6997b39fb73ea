"""The weights on the shelf: small enough, described, and steady over many frames. Skipped while there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simvid
from simvid import catalogue
from simvid.clip import Clip
from simvid.frames import Frame
from simvid.jobs.backends import refiner_of
from simvid.jobs.coarse import asked_of, pass_of_clip

LARGEST_BYTES = 10_000_000
pytestmark = pytest.mark.skipif(
    not any(entry.name == "bundled" for entry in catalogue.entries("refiners")), reason="no weights on the shelf yet"
)


@pytest.fixture(scope="module")
def still(flying_clip: Clip) -> Frame:
    """A frame with all that is read, in which nothing moves."""
    chosen = refiner_of("bundled", Path())
    drawn = pass_of_clip(flying_clip, chosen, asked_of(chosen, "workshop"))
    assert drawn is not None
    frames = drawn.renderer.frames(drawn.assets, flying_clip.trajectory, flying_clip.cameras["front"])
    first: Frame = next(iter(frames))
    size = first.rgb.shape[:2]
    return replace(first, flow_backward=np.zeros((*size, 2), np.float32), occluded_backward=np.zeros(size, np.bool_))


def test_they_are_small_and_described(root: Path) -> None:
    folder = root / "refiners" / "bundled"
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) <= LARGEST_BYTES
    assert len((folder / "README.md").read_text().splitlines()) > 10
    assert refiner_of("bundled", Path("/")).use.looks_are_light


def test_a_still_picture_stays_as_it_is_for_a_hundred_frames(still: Frame) -> None:
    """Neither saturation nor sharpness grows, nor does the picture wander."""
    video = np.stack(list(simvid.load_refiner("bundled").stream(still for _ in range(100))))
    early, late = video[10:30].astype(np.float64), video[80:].astype(np.float64)
    for measure in (_saturation, _sharpness):
        assert measure(late) == pytest.approx(measure(early), rel=0.05), measure.__name__
    assert np.sqrt(np.mean((late.mean(axis=0) - early.mean(axis=0)) ** 2)) < 4
    assert np.sqrt(np.mean((early.mean(axis=0) - still.rgb) ** 2)) < 60, "still the same scene"


def test_pictures_change_and_seeds_hardly_matter(still: Frame) -> None:
    pictures = [next(simvid.load_refiner("bundled").stream([still], seed=seed)).astype(int) for seed in (0, 1)]
    assert np.abs(pictures[0] - still.rgb).mean() > 0.1
    assert np.abs(pictures[0] - pictures[1]).mean() < 8


def _saturation(video: Any) -> float:
    high, low = video.max(axis=-1), video.min(axis=-1)
    return float(np.mean((high - low) / np.maximum(high, 1)))


def _sharpness(video: Any) -> float:
    return float(np.abs(np.diff(video, axis=2)).mean() + np.abs(np.diff(video, axis=1)).mean())
