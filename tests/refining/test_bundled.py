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
from simvid.perception.stability import flow_warp_error

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


@pytest.mark.slow
def test_a_thousand_frames_do_not_drift(still: Frame) -> None:
    """The picture slides to and fro; past frame 100 neither its change along the flow nor its saturation grows."""
    turn, count = 48, 1000
    places = [min(i, turn - i) for i in range(turn)]
    cycle = [_slid(still, now, now - before) for before, now in zip([*places[-1:], *places], places, strict=False)]
    errors, shares, refined = [], [], []
    motion: list[Any] = [np.stack([f.labels[n] for f in cycle] * 2) for n in ("flow_backward", "occluded_backward")]
    coarse, span = _saturation(np.stack([f.rgb for f in cycle])), 2 * turn
    for k, picture in enumerate(simvid.load_refiner("bundled").stream(cycle[k % turn] for k in range(count)), start=1):
        refined.append(picture)
        if k % span == 0:
            errors.append(flow_warp_error(np.stack(refined), *motion))
            shares.append(_saturation(np.stack(refined)) / coarse)
            refined = []
    assert len(errors) == count // span
    assert 0 < max(errors[1:]) < 1.1 * errors[1], errors
    assert shares[1:] == pytest.approx([shares[1]] * (len(shares) - 1), rel=0.03)


def test_pictures_change_and_seeds_hardly_matter(still: Frame) -> None:
    pictures = [next(simvid.load_refiner("bundled").stream([still], seed=seed)).astype(int) for seed in (0, 1)]
    assert np.abs(pictures[0] - still.rgb).mean() > 0.1
    assert np.abs(pictures[0] - pictures[1]).mean() < 8


def _slid(frame: Frame, by: int, since: int) -> Frame:
    """A frame ``by`` pixels to the right, round the edge, of which ``since`` were done in the last step."""
    moved = {name: np.roll(array, by, axis=1) for name, array in {"rgb": frame.rgb, **frame.labels}.items()}
    flow, hidden = np.zeros_like(moved["flow_backward"]), np.zeros_like(moved["occluded_backward"])
    flow[..., 0] = -since
    if since:
        hidden[:, 0 if since > 0 else -1] = True
    return replace(frame, **moved | {"flow_backward": flow, "occluded_backward": hidden})


def _saturation(video: Any) -> float:
    high, low = video.max(axis=-1), video.min(axis=-1)
    return float(np.mean((high - low) / np.maximum(high, 1)))


def _sharpness(video: Any) -> float:
    return float(np.abs(np.diff(video, axis=2)).mean() + np.abs(np.diff(video, axis=1)).mean())
