"""Scores of a refined video, frame by frame and instance by instance: one pass, a few frames in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.checking.base import grown
from simvid.checking.gate.agreement import (
    Ids,
    Map,
    Mask,
    Picture,
    colour_change,
    contact_region,
    cores,
    depth_error,
    log_light,
    mask_agreement,
)
from simvid.checking.gate.over_time import MOVING_PX, flicker, moves_on, own_time, residual, warp_error, warp_ratio
from simvid.checking.probe.files import Nets
from simvid.checking.probe.reading import Seen, compared, see
from simvid.perception.pictures import edge_f1, ssim

WORK_PX = 256
"""The shorter side that pictures are brought to, by a whole factor, before they are judged."""
LEAST_PX = 80
"""Instances of which fewer pixels are seen, at that size, are not judged in that frame."""
GROWN_PX = 2
WORST_PLACES = 24
"""Blocks of 2 x 2 pixels of which the mean is the mismatch of a frame."""
BLUR_PX = 3.0
SSIM_LEAST_PX = 11


@dataclass(frozen=True, eq=False)
class GateFrame:
    """One frame of what is judged.

    Attributes:
        refined, coarse: sRGB uint8 [H, W, 3].
        depth: z [m], +inf without a surface, [H, W].
        instances: instance of each pixel, 0 is scenery, [H, W].
        flow_backward: to the frame before [px], NaN where undefined, [H, W, 2].
        hidden: the point is not seen in the frame before, [H, W].
    """

    refined: Picture
    coarse: Picture
    depth: NDArray[np.float32]
    instances: Ids
    flow_backward: NDArray[np.float32]
    hidden: Mask


@dataclass(frozen=True, eq=False)
class ClipScores:
    """All scores of one camera.

    Attributes:
        frames: by name, [T]; NaN where there is nothing to score.
        instances: instance -> by name, [T]; NaN where too little of it is seen.
        hue: mean logarithm of refined over coarse light of each frame and channel, [T, 3].
        worst: where the mismatch of each frame is greatest, (u, v) [px of the whole picture], [T, 2].
    """

    frames: Mapping[str, NDArray[np.float64]]
    instances: Mapping[int, Mapping[str, NDArray[np.float64]]]
    hue: NDArray[np.float64]
    worst: NDArray[np.int64]


Row: TypeAlias = dict[str, float]


@dataclass(frozen=True, eq=False)
class _Shot:
    """A frame at working size, with what was read off its pictures."""

    frame: GateFrame
    factor: int
    """Pixels of the whole picture along one of this."""
    refined: Seen
    coarse: Seen


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores frames.

    Attributes:
        nets: probe and comparison.
        robots: instances that must keep their colours.
        coarse_seen: what the probe reads off the coarse pictures, where that is known already.
    """

    nets: Nets
    robots: tuple[int, ...] = ()
    coarse_seen: Sequence[Seen] | None = None

    def scores(self, frames: Iterable[GateFrame]) -> ClipScores:
        """Score all frames.

        Raises:
            ValueError: there are none.
        """
        rows: list[Row] = []
        things: list[dict[int, Row]] = []
        hues, worst = [], []
        for before, seen, after in _around(self._read(k, f) for k, f in enumerate(frames)):
            row, each, hue, place = self._score(before, seen, after)
            rows.append(row)
            things.append(each)
            hues.append(hue)
            worst.append(place)
        if not rows:
            raise ValueError("scores: expected frames, got none")
        owners = sorted({k for each in things for k in each})
        names = sorted({name for each in things for row in each.values() for name in row})
        return ClipScores(
            {name: np.array([row[name] for row in rows]) for name in rows[0]},
            {k: {n: np.array([each.get(k, {}).get(n, np.nan) for each in things]) for n in names} for k in owners},
            np.stack(hues),
            np.array(worst, np.int64),
        )

    def _read(self, index: int, whole: GateFrame) -> _Shot:
        frame, factor = small(whole)
        known = self.coarse_seen
        old = see(self.nets.probe, frame.coarse) if known is None else known[index]
        same = np.array_equal(frame.refined, frame.coarse)
        return _Shot(frame, factor, old if same else see(self.nets.probe, frame.refined), old)

    def _score(
        self, before: _Shot | None, seen: _Shot, after: _Shot | None
    ) -> tuple[Row, dict[int, Row], NDArray[np.float64], tuple[int, int]]:
        frame = seen.frame
        logits, maps = compared(self.nets.compare, seen.refined, seen.coarse, frame.instances)
        gap = log_light(frame.refined) - log_light(frame.coarse)
        things = self._instances(seen, logits, maps, gap)
        touching = contact_region(frame.instances, frame.depth)
        row = {
            "mismatch": worst_of(logits.ravel(), WORST_PLACES),
            "contact_mismatch": _region(logits, touching),
            "edge_f1": edge_f1(frame.refined[None], frame.coarse[None]),
            "blur_ssim": _blur_ssim(frame.refined, frame.coarse),
            "depth_error": depth_error(seen.refined.log_depth, frame.depth),
            "coarse_depth_error": depth_error(seen.coarse.log_depth, frame.depth),
            **_mean_agreement(things),
            **_over_time(before, seen, after),
        }
        v, u = divmod(int(logits.argmax()), logits.shape[1])
        at = (seen.factor * (2 * u + 1), seen.factor * (2 * v + 1))
        return row, things, gap.mean(axis=(0, 1), dtype=np.float64), at

    def _instances(self, seen: _Shot, logits: Map, maps: Map, gap: Map) -> dict[int, Row]:
        ids = seen.frame.instances
        numbers, sizes = np.unique(ids, return_counts=True)
        owners = tuple(int(k) for k, n in zip(numbers, sizes, strict=True) if k > 0 and n >= LEAST_PX)
        seeds = cores(ids)
        new, old = (mask_agreement(each.outline, ids, seeds, owners) for each in (seen.refined, seen.coarse))
        robots = np.isin(ids, self.robots)
        found = {}
        for k in owners:
            mask = ids == k
            robot = k in self.robots
            found[k] = {
                "mismatch": _region(logits, grown(mask, GROWN_PX)),
                "depth_gap": float(maps[mask, 0].mean()),
                "iou": new[k],
                "coarse_iou": old[k],
                "hue": colour_change(gap, mask, ~mask & ~robots) if robot else float("nan"),
            }
        return found


def worst_of(values: NDArray[np.floating], count: int) -> float:
    """Mean of so many of the greatest."""
    count = min(count, values.size)
    return float(np.partition(values, values.size - count)[values.size - count :].mean())


def _region(logits: Map, mask: Mask) -> float:
    """Mean of the worst quarter of a region; NaN where it is smaller than what is judged."""
    if np.count_nonzero(mask) < LEAST_PX:
        return float("nan")
    padded = np.pad(mask, [(0, n % 2) for n in mask.shape])
    blocks = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2).any(axis=(1, 3))
    values = logits[blocks]
    return worst_of(values, -(-values.size // 4))


def small(frame: GateFrame) -> tuple[GateFrame, int]:
    """At working size, and its factor: pictures averaged over squares of pixels, labels read at one pixel of each."""
    height, width = frame.instances.shape
    n = max(1, round(min(height, width) / WORK_PX))
    if n == 1:
        return frame, 1
    rows, columns = height // n, width // n
    middle = np.s_[n // 2 : n * rows : n, n // 2 : n * columns : n]

    def mean(picture: Picture) -> Picture:
        blocks = picture[: n * rows, : n * columns].reshape(rows, n, columns, n, 3)
        return np.asarray(np.round(blocks.mean(axis=(1, 3), dtype=np.float32)), np.uint8)

    made = GateFrame(
        mean(frame.refined), mean(frame.coarse), frame.depth[middle], frame.instances[middle],
        frame.flow_backward[middle] / np.float32(n), frame.hidden[middle],
    )  # fmt: skip
    return made, n


def _around(frames: Iterable[_Shot]) -> Iterator[tuple[_Shot | None, _Shot, _Shot | None]]:
    """Each with the one before and the one after, where there are such."""
    before: _Shot | None = None
    now: _Shot | None = None
    for after in frames:
        if now is not None:
            yield before, now, after
        before, now = now, after
    if now is not None:
        yield before, now, None


def _mean_agreement(things: Mapping[int, Row]) -> Row:
    names = {"mask_iou": "iou", "coarse_mask_iou": "coarse_iou"}
    return {
        name: float(np.mean([row[key] for row in things.values()])) if things else float("nan")
        for name, key in names.items()
    }


def _blur_ssim(refined: Picture, coarse: Picture) -> float:
    """SSIM of pictures without their fine detail; NaN where they are too small."""
    from scipy.ndimage import gaussian_filter

    if min(refined.shape[:2]) < SSIM_LEAST_PX:
        return float("nan")
    soft = [np.asarray(np.round(gaussian_filter(p.astype(np.float32), (BLUR_PX, BLUR_PX, 0))), np.uint8)
            for p in (refined, coarse)]  # fmt: skip
    return ssim(soft[0][None], soft[1][None])


def _over_time(before: _Shot | None, seen: _Shot, after: _Shot | None) -> Row:
    """Scores that need the frames beside."""
    nothing: Row = dict.fromkeys(
        ("warp_error", "coarse_warp_error", "warp_ratio", "flicker", "own_time", "moves_on"), np.nan
    )
    if before is None:
        return nothing
    frame, past = seen.frame, before.frame
    flow, known = frame.flow_backward, ~frame.hidden & np.isfinite(frame.flow_backward).all(axis=-1)
    new, counts = residual((past.refined, frame.refined), flow, known)
    old, _ = residual((past.coarse, frame.coarse), flow, known)
    errors = warp_error(new, counts), warp_error(old, counts)
    with np.errstate(invalid="ignore"):
        moving = known & (np.linalg.norm(flow, axis=-1) > MOVING_PX)
    flickers = flicker(new, counts), flicker(old, counts)
    around = before.coarse.detail, seen.coarse.detail, (before if after is None else after).coarse.detail
    return {
        "warp_error": errors[0],
        "coarse_warp_error": errors[1],
        "warp_ratio": warp_ratio(*errors),
        "flicker": max(flickers[0] - flickers[1], 0.0),
        "own_time": own_time(seen.refined.detail, around, moving),
        "moves_on": moves_on((past.refined, frame.refined), (past.coarse, frame.coarse), moving),
    }
