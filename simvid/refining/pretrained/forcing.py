"""The plan of diffusion forcing in SkyReels-V2: which block of latent frames is at which step, and which windows.

Blocks of latent frames are denoised in a wave (Chen et al. 2025, "SkyReels-V2", after Chen et al. 2024, "Diffusion
Forcing"): block b lags ``ar_step`` steps behind the one before it, so that later blocks see earlier ones cleaner. With
n steps, block b (of those that are not clean from the start, counted from 0) is in row r at step
``clip(r + 1 - ar_step b, 0, n + 1)``: 0 is pure noise, 1 to n are the sampler's, n + 1 is clean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SceneError

STRIDE = 4
"""Frames of a latent frame but the first."""
NOISIEST = 999
"""Timestep of a block that has not begun."""


@dataclass(frozen=True, eq=False)
class StepPlan:
    """R rows over F latent frames.

    Attributes:
        times: timestep of each latent frame, int64 [R, F].
        steps: its step, 0 to n + 1, int64 [R, F].
        updates: whether this row moves it on, bool [R, F].
        intervals: first latent frame that the model sees in a row, and the one after the last.
    """

    times: NDArray[np.int64]
    steps: NDArray[np.int64]
    updates: NDArray[np.bool_]
    intervals: tuple[tuple[int, int], ...]


def step_plan(
    frames: int, template: Sequence[int], base: int, ar_step: int, block: int = 1, ready: int = 0
) -> StepPlan:
    """The matrix of steps.

    Args:
        frames: latent frames.
        template: the sampler's timesteps, falling.
        base: latent frames that the model sees at once.
        ar_step: lag between blocks; 0 moves all at once.
        block: latent frames of a block.
        ready: latent frames that are clean from the start.

    Raises:
        SceneError: numbers that do not divide, nothing to make, or a lag too small for the window.
    """
    for name, value in (("frames", frames), ("base", base), ("ready", ready)):
        if value % block:
            raise SceneError(f"diffusion forcing: expected {name} as a multiple of the block's {block} latent frames, "
                             f"got {value}")  # fmt: skip
    blocks, seen, clean, n = frames // block, base // block, ready // block, len(template)
    if not 0 <= clean < blocks or seen < 1 or n < 1 or ar_step < 0:
        raise SceneError(f"diffusion forcing: expected steps, a lag >= 0, and more latent frames than are ready, got "
                         f"{n} steps, ar_step {ar_step}, {frames} frames of which {ready} are ready")  # fmt: skip
    if seen < blocks and ar_step * seen < n:
        raise SceneError(f"ar_step: expected {-(-n // seen)} or more for {n} steps where the model sees {seen} of "
                         f"{blocks} blocks, got {ar_step}")  # fmt: skip
    apart = min(ar_step, n)  # a block begins as soon as the one before is clean
    rows = np.arange(n + apart * (blocks - clean - 1))
    lag = apart * (np.arange(blocks) - clean)
    steps = np.clip(rows[:, None] + 1 - lag, 0, n + 1)
    steps[:, :clean] = n + 1
    before = np.vstack([np.where(np.arange(blocks) < clean, n + 1, 0), steps[:-1]])
    updates = (steps != before) & (steps != n + 1)
    times = np.array([NOISIEST, *(int(t) for t in template), 0], np.int64)[steps]
    spread = np.arange(frames) // block
    seen_in = _intervals(updates, seen, block)
    return StepPlan(times[:, spread], steps[:, spread].astype(np.int64), updates[:, spread], seen_in)


def _intervals(updates: NDArray[np.bool_], seen: int, block: int) -> tuple[tuple[int, int], ...]:
    """A window of ``seen`` blocks that moves on as soon as the next block begins."""
    end, found = min(seen, updates.shape[1]), []
    for row in updates:
        if end < len(row) and row[end]:
            end += 1
        found.append((max(end - seen, 0) * block, end * block))
    return tuple(found)


@dataclass(frozen=True)
class Window:
    """Frames that are made at once, counted from the first of the history; the first few are known."""

    first: int
    last: int
    known: int


def extension_windows(new: int, base: int, overlap: int, block: int = 1) -> tuple[Window, ...]:
    """Windows that add at least ``new`` frames to a video, each after the ``overlap`` frames before it.

    Frame 0 is the first of the ``overlap`` last frames of the given video. The last window is as long as whole latent
    frames and blocks ask for; what is too much is cut off afterwards.

    Args:
        new: frames to add.
        base: frames that the model makes at once, 4k + 1.
        overlap: frames that it is shown, 4k + 1.
        block: latent frames of a block.

    Raises:
        SceneError: numbers that do not fit.
    """
    if new < 1:
        raise SceneError(f"extension: expected 1 or more frames to add, got {new}")
    for name, value in (("base_frames", base), ("overlap", overlap)):
        if value < 1 or value % STRIDE != 1:
            raise SceneError(f"{name}: expected 4k + 1 frames, got {value}; try {max(1, value // STRIDE * STRIDE + 1)}")
        latent = (value - 1) // STRIDE + 1
        if latent % block:
            near = (-(-latent // block) * block - 1) * STRIDE + 1
            raise SceneError(f"{name}: expected latent frames in whole blocks of {block}, got {value} frames, which "
                             f"are {latent}; try {near}")  # fmt: skip
    if overlap >= base:
        raise SceneError(f"overlap: expected fewer frames than the window's {base}, got {overlap}")
    known, size = (overlap - 1) // STRIDE + 1, (base - 1) // STRIDE + 1
    wanted = known + -(-new // STRIDE)
    wanted = -(-wanted // block) * block
    found: list[Window] = []
    start = 0
    while not found or start + size - (size - known) < wanted:
        end = min(start + size, wanted)
        found.append(Window(start * STRIDE, (end - 1) * STRIDE + 1, overlap))
        start += size - known
    return tuple(found)
