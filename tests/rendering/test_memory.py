"""Many frames take no more memory than a few."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simvid.rendering.cpu.backward import GradientRasterizer, PictureGradient
from simvid.rendering.cpu.backward_layout import Gradients
from simvid.rendering.cpu.rasterizer import CpuRasterizer
from simvid.rendering.raster import checked_job
from simvid.testing.clouds import random_cloud

FRAMES = 500
ALLOWED_BLOCKS = FRAMES // 2
"""Not even one Python object may stay behind per frame; Python's and numba's own caches may still fill up a little."""

PICTURES = 100
ALLOWED_BYTES = 1200 * PICTURES
"""The smallest picture has 4,800 bytes per channel."""

CLOUDS = [random_cloud(k, 60 + 40 * k, degree=1, owners=3, features=0, width=40 + 9 * k, height=30) for k in range(3)]
"""Of several sizes, so that what is kept must serve all."""


def growth(body: Callable[[int], object]) -> tuple[int, int]:
    """Python objects held more after many frames, and bytes, numpy's among them, after some.

    The count is of the whole process: other threads may add to it once, a leak adds each time, so the least counts.
    What other tests have left is not searched for garbage again and again: Newton alone holds 600 000 objects.
    """
    gc.collect()
    gc.freeze()
    try:
        for k in range(FRAMES):
            body(k)
        blocks = min(_blocks_of(body) for _ in range(3))
        tracemalloc.start()
        for k in range(PICTURES):
            body(k)
        gc.collect()
        return blocks, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.unfreeze()


def _blocks_of(body: Callable[[int], object]) -> int:
    gc.collect()
    before = sys.getallocatedblocks()
    for k in range(FRAMES):
        body(k)
    gc.collect()
    return sys.getallocatedblocks() - before


def draw(threads: int) -> Callable[[int], object]:
    rasterizer = CpuRasterizer(threads)
    return lambda k: rasterizer.rasterize(**CLOUDS[k % 3])


def fit(threads: int) -> Callable[[int], object]:
    rasterizer = GradientRasterizer(threads)
    rest: dict[str, Any] = dict.fromkeys(("sh_rotations", "owner")) | {"near_m": 0.01, "far_m": 1e6, "eps2d": 0.3}
    jobs = [checked_job(**{**cloud, **rest, "want": frozenset()}) for cloud in CLOUDS]
    sums = [Gradients(*(np.zeros(k * len(job), np.float32) for k in (3, 4, 3, 1, 12, 0))) for job in jobs]

    def body(k: int) -> None:
        drawn = rasterizer.draw(jobs[k % 3])
        rasterizer.backward(drawn, PictureGradient(drawn.raster.features, drawn.raster.alpha), sums[k % 3])

    return body


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("what", [draw, fit])
def test_many_frames_take_no_more_memory(what: Any, threads: int) -> None:
    blocks, held = growth(what(threads))
    assert blocks < ALLOWED_BLOCKS
    assert held < ALLOWED_BYTES


def test_the_probe_sees_a_leak() -> None:
    kept: list[object] = []
    assert growth(lambda k: kept.append((k,)))[0] >= ALLOWED_BLOCKS
    assert growth(lambda k: kept.append(np.empty(1200, np.float32)))[1] >= ALLOWED_BYTES
