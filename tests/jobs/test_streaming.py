"""A refiner in Python, as a stream: the pictures of ``simvid refine``, one by one, in memory that does not grow."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import simvid
from simvid.clip import Clip
from simvid.errors import ClipError, SceneError
from simvid.frames import Frame
from simvid.jobs.refine_clip import refine_clip
from simvid.refining.conditions import CHANNELS
from simvid.testing.refiners import tiny_entry
from simvid.testing.refining import sample_frames


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An entry with its weights beside it."""
    return tiny_entry(tmp_path_factory.mktemp("shelf"))


@pytest.fixture(scope="module")
def clip(free_fall: None, flying_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    small = [{"name": "front", "resolution_px": [48, 32], "pose": {"look_from_m": [0, -1.6, 0.7],
              "look_at_m": [0, 0, 0.3]}}]  # fmt: skip
    scene = simvid.load_scene(flying_file, {"cameras": small, "labels": ["depth", "buffers"]})
    return simvid.run(scene, tmp_path_factory.mktemp("clips"))


def test_a_stream_gives_the_pictures_of_the_clip(clip: Clip, entry: Path) -> None:
    """Drawn again as they are needed, under the clip's own light and under a look."""
    refiner = simvid.load_refiner(entry, clip, "front")
    for look, name in (("as_rendered", "tiny"), ("sunset", "tiny-sunset")):
        refined, _ = refine_clip(clip, str(entry), look=look, seed=3)
        assert np.array_equal(np.stack(list(refiner.stream(look=look, seed=3))), refined.refined(name)), look


def test_one_frame_at_a_time(clip: Clip, entry: Path) -> None:
    refiner = simvid.load_refiner(entry)
    asked = []

    def frames() -> Iterator[Frame]:
        for i, frame in enumerate(sample_frames(4)):
            asked.append(i)
            yield frame

    pictures = refiner.stream(_with_buffers(frames()))
    assert asked == []
    for i in range(4):
        assert next(pictures).shape == (32, 48, 3)
        assert asked == list(range(i + 1))


def test_memory_does_not_grow(entry: Path) -> None:
    """After 40 frames there are as many tensors as after 10, and no frame more is held by numpy."""
    import torch

    refiner = simvid.load_refiner(entry)
    frame = next(_with_buffers(iter(sample_frames(1))))
    pictures = refiner.stream(frame for _ in range(40))
    held, tensors = {}, {}
    tracemalloc.start()
    try:
        for i in range(40):
            next(pictures)
            if i in (10, 39):
                gc.collect()
                held[i] = tracemalloc.get_traced_memory()[0]
                tensors[i] = sum(o.nbytes for o in gc.get_objects() if issubclass(type(o), torch.Tensor))
    finally:
        tracemalloc.stop()
    assert tensors[39] == tensors[10] > 0
    assert held[39] - held[10] < CHANNELS * 4 * frame.rgb[..., 0].size


def test_what_is_wrong_is_said_at_once(clip: Clip, entry: Path) -> None:
    with pytest.raises(ClipError, match="no camera 'back'; there are front"):
        simvid.load_refiner(entry, clip, "back")
    with pytest.raises(SceneError, match="refiners: expected a name on the shelf, got 'bundld'"):
        simvid.load_refiner("bundld")
    refiner = simvid.load_refiner(entry)
    with pytest.raises(ClipError, match="frames: expected some, or a clip"):
        refiner.stream()
    with pytest.raises(SceneError, match="takes 'sunset' as light, and frames that are there cannot be lit anew"):
        refiner.stream(sample_frames(1), look="sunset")
    with pytest.raises(SceneError, match="no look 'noir'"):
        refiner.stream(sample_frames(1), look="noir")


def _with_buffers(frames: Iterator[Frame]) -> Iterator[Frame]:
    from dataclasses import replace

    for frame in frames:
        grey, one = (np.full((*frame.rgb.shape[:2], *trail), 0.5, np.float16) for trail in ((3,), ()))
        yield replace(frame, albedo=grey, roughness=one, metallic=one, light_diffuse=grey, light_specular=grey,
                      ambient_occlusion=one)  # fmt: skip
