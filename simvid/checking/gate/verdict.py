"""From scores to a verdict: measures of the whole video, which of them pass, and whose labels still hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.checking.gate.limits import GateLimits, Limit
from simvid.checking.gate.scores import ClipScores

Series = NDArray[np.float64]
PERSISTS = 3
"""Frames in a row of which the middle value counts, so that one frame alone condemns nothing that it shows."""


@dataclass(frozen=True)
class InstanceVerdict:
    """Whether the labels of one instance hold in the refined video; None where too little of it is seen.

    Attributes:
        instance: its id.
        masks: whether it is where its mask is, with its outline.
        depth: whether it is as deep as the coarse video shows it.
        colour: whether its hue is kept; of robots alone.
        frames: in how many frames enough of it was seen.
        measured: worst values, by name.
    """

    instance: int
    masks: bool | None
    depth: bool | None
    colour: bool | None
    frames: int
    measured: Mapping[str, float]


@dataclass(frozen=True)
class Verdict:
    """Of one camera's refined video.

    Attributes:
        accepted: whether all measures are within their limits.
        measured: of the whole video; what could not be measured is left out.
        limits: of these.
        failed: measures beyond their limits.
        instances: whose labels hold.
        worst: frame, u and v [px] where the picture shows least what the labels say.
    """

    accepted: bool
    measured: Mapping[str, float]
    limits: Mapping[str, Limit]
    failed: tuple[str, ...]
    instances: tuple[InstanceVerdict, ...]
    worst: tuple[int, int, int]


def judge(scores: ClipScores, limits: GateLimits, robots: tuple[int, ...] = ()) -> Verdict:
    """Accept or reject.

    Args:
        scores: of one refined video.
        limits: of the gate.
        robots: instances that must keep their colours.

    Raises:
        ValueError: there is a limit of something that is not measured.
    """
    all_measures = measures(scores, robots)
    if strange := sorted(set(limits.clip) - set(all_measures)):
        raise ValueError(f"judge: expected limits of {', '.join(all_measures)}, got some of {', '.join(strange)}")
    measured = {name: value for name, value in all_measures.items() if not np.isnan(value)}
    known = {name: limit for name, limit in limits.clip.items() if name in measured}
    failed = tuple(name for name, limit in known.items() if not limit.holds(measured[name]))
    each = tuple(_instance(k, series, limits, k in robots) for k, series in scores.instances.items())
    frame = int(scores.frames["mismatch"].argmax())
    worst = (frame, int(scores.worst[frame, 0]), int(scores.worst[frame, 1]))
    return Verdict(not failed, measured, known, failed, each, worst)


def measures(scores: ClipScores, robots: tuple[int, ...] = ()) -> dict[str, float]:
    """Measures of a whole video, NaN where there is nothing to measure; docs/gate.md explains each."""
    frames, things = scores.frames, scores.instances
    return {
        "mismatch": lasting(frames["mismatch"]),
        "instance_mismatch": _worst(lasting(series["mismatch"]) for series in things.values()),
        "contact_mismatch": lasting(frames["contact_mismatch"]),
        "robot_hue": _worst(lasting(things[k]["hue"]) for k in robots if k in things),
        "warp_ratio": _mean(frames["warp_ratio"]),
        "warp_jump": _most(frames["warp_ratio"]) / _median(frames["warp_ratio"]),
        "flicker": _mean(frames["flicker"]),
        "own_time": -_most(-frames["own_time"]),
        "moves_on": -_most(-frames["moves_on"]),
        "edge_f1": _mean(frames["edge_f1"]),
        "blur_ssim": _mean(frames["blur_ssim"]),
        "depth_error_gain": _mean(frames["depth_error"]) - _mean(frames["coarse_depth_error"]),
        "mask_iou_loss": _mean(frames["coarse_mask_iou"] - frames["mask_iou"]),
        "hue_drift": float(np.abs(scores.hue - np.median(scores.hue, axis=0)).max()),
    }


def instance_measures(series: Mapping[str, Series]) -> dict[str, float]:
    """Measures of one instance."""
    return {
        "mismatch": lasting(series["mismatch"]),
        "depth_gap": lasting(series["depth_gap"]),
        "iou_loss": lasting(series["coarse_iou"] - series["iou"]),
        "robot_hue": lasting(series["hue"]),
    }


def lasting(series: Series) -> float:
    """The greatest value that lasts: of medians of three frames in a row; NaN without any."""
    known = series[~np.isnan(series)]
    if len(known) < PERSISTS:
        return float(np.median(known)) if len(known) else float("nan")
    return float(np.median(np.lib.stride_tricks.sliding_window_view(known, PERSISTS), axis=1).max())


def _instance(k: int, series: Mapping[str, Series], limits: GateLimits, robot: bool) -> InstanceVerdict:
    found = {name: value for name, value in instance_measures(series).items() if not np.isnan(value)}
    held = {name: limit.holds(found[name]) for name, limit in limits.instance.items() if name in found}
    masks = held["mismatch"] and held["iou_loss"]
    seen = int(np.count_nonzero(~np.isnan(series["mismatch"])))
    colour = limits.clip["robot_hue"].holds(found["robot_hue"]) if robot and "robot_hue" in found else None
    return InstanceVerdict(k, masks, held["depth_gap"] and masks, colour, seen, found)


def _mean(series: Series) -> float:
    known = series[~np.isnan(series)]
    return float(known.mean()) if len(known) else float("nan")


def _median(series: Series) -> float:
    known = series[~np.isnan(series)]
    return float(np.median(known)) if len(known) else float("nan")


def _most(series: Series) -> float:
    known = series[~np.isnan(series)]
    return float(known.max()) if len(known) else float("nan")


def _worst(values: Iterable[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return max(known) if known else float("nan")
