"""Checks (a) and (b): flow against depth and pose, and forward flow against backward flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvid.checking.base import Array, Mask, Subject, spread, worst_median
from simvid.clips.records import CheckRecord
from simvid.lens import pixel_centers, pixel_size_m
from simvid.motion import flow_between, motion_of
from simvid.trajectory import ParticleMotion

WARP_PX = 0.1
ROUND_TRIP_PX = 0.2
STILL_M = 1e-9


def flow_follows_pose(subject: Subject) -> CheckRecord:
    """(a) Each pixel's point, from depth and camera, seen from the next frame, is where the flow says.

    Judged part by part, by the median over its pixels: parts that stand still (for them depth and camera alone say it
    all), and parts that move (with their poses). A pixel where only one of the two is defined counts as infinitely
    wrong. The renderer draws the flow of cameras with a shutter or a lens that is not plain by the very same formula:
    of those this finds what was stored wrongly, and ``flow_returns`` has to find the rest.
    """
    needed = ("depth", "ids", "flow_forward")
    if not subject.has(*needed):
        return subject.record("flow_follows_pose", None, note=subject.missing(*needed))
    frames = spread(subject.count - 1)
    motion = motion_of(subject.trajectory)
    found = {"static_median_px": np.nan, "moving_median_px": np.nan}
    worst = ""
    for i, depth, ids, flow in zip(frames, *(subject.read(n, frames) for n in needed), strict=True):
        right, _ = flow_between(depth, ids, subject.camera, motion, (i, i + 1))
        errors = _lengths(right - flow)
        errors[np.isnan(right[..., 0]) & np.isnan(flow[..., 0])] = np.nan
        still = _still(subject, i)[ids]
        for name, where in (("static_median_px", still), ("moving_median_px", ~still)):
            value, owner = worst_median(errors, ids, where & ~np.isnan(errors))
            if not value <= found[name] and not np.isnan(value):
                found[name] = value
                worst = f"frame {i}, part {_part(subject, owner)}" if value > WARP_PX else worst
    return subject.judged("flow_follows_pose", found, dict.fromkeys(found, WARP_PX), frames, worst)


def flow_returns(subject: Subject) -> CheckRecord:
    """(b) Forward flow and then the backward flow found there lead back, for points that are not hidden.

    Judged part by part, by the median over its pixels. Between four pixels of the point's part the backward flow is
    between their values: what leads back to within that range is right, and how far a way misses it is its error. (The
    bilinear mean is off by as much as the flow bends from pixel to pixel, at the edges of small things that turn fast;
    its median over all pixels is told beside it.) Grains and drops mix: a point goes with those that are nearest, and
    may come back with others. Of them the values count as far around as they lie apart.
    """
    needed = ("ids", "flow_forward", "flow_backward", "occluded_forward")
    if not subject.has(*needed):
        return subject.record("flow_returns", None, note=subject.missing(*needed))
    frames = spread(subject.count - 1)
    after = [i + 1 for i in frames]
    found, worst = {"median_px": np.nan, "bilinear_median_px": np.nan}, ""
    streams = (*(subject.read(n, frames) for n in ("ids", "flow_forward", "occluded_forward")),
               *(subject.read(n, after) for n in ("ids", "flow_backward")))  # fmt: skip
    means: list[Array] = []
    for i, ids, flow, hidden, next_ids, back in zip(frames, *streams, strict=True):
        bounds = _mixed(subject, i + 1, next_ids, back)
        around = _around((*bounds, back), next_ids, pixel_centers(subject.camera) + flow, ids)
        errors = _lengths(np.maximum(np.maximum(around.low + flow, -flow - around.high), 0))
        value, owner = worst_median(errors, ids, around.whole & ~hidden)
        means.append(_lengths(flow + around.mean)[around.whole & ~hidden])
        if not value <= found["median_px"] and not np.isnan(value):
            found["median_px"] = value
            worst = f"frame {i}, part {_part(subject, owner)}" if value > ROUND_TRIP_PX else worst
    if any(len(m) for m in means):
        found["bilinear_median_px"] = float(np.median(np.concatenate(means)))
    return subject.judged("flow_returns", found, {"median_px": ROUND_TRIP_PX}, frames, worst)


def _lengths(vectors: Array) -> Array:
    """Lengths [H, W]; where a vector is undefined, infinite."""
    return np.asarray(np.nan_to_num(np.linalg.norm(vectors, axis=-1), nan=np.inf))


def _still(subject: Subject, i: int) -> Mask:
    """Parts that do not move from frame i to the next, by id; scenery among them."""
    poses = subject.trajectory.poses
    still = np.concatenate([[True], np.abs(poses[i] - poses[i + 1]).max(axis=-1, initial=0) < STILL_M])
    still[[motion.part + 1 for motion in subject.trajectory.particles]] = False
    return np.asarray(still)


def _part(subject: Subject, owner: int) -> str:
    return repr(subject.trajectory.parts[owner - 1].name) if owner else "scenery"


class _Around(NamedTuple):
    """The four pixels around places: their least, greatest and bilinear mean value, and whether they all count."""

    low: Array
    high: Array
    mean: Array
    whole: Mask


def _mixed(
    subject: Subject, i: int, ids: NDArray[np.int32], flow: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Least and greatest flow at each pixel of a frame: its own, and on grains and drops that of those beside it."""
    low, high = flow, flow
    for body in subject.trajectory.particles:
        mine = (ids == body.part + 1)[..., None] & np.isfinite(flow)
        if body.form != "loose" or not mine.any():
            continue
        from scipy.ndimage import maximum_filter, minimum_filter

        size = (2 * _apart_px(subject, body, i) + 1,) * 2 + (1,)
        low = np.where(mine, minimum_filter(np.where(mine, flow, np.inf), size), low)
        high = np.where(mine, maximum_filter(np.where(mine, flow, -np.inf), size), high)
    return low, high


def _apart_px(subject: Subject, body: ParticleMotion, i: int) -> int:
    """How many pixels loose particles lie apart in a frame; at most the picture's width."""
    from simvid.deforming.binding import spacing_of

    middle = np.append(np.median(body.positions[i], axis=0), 1.0)
    seen = np.linalg.inv(subject.camera.world_from_camera[i]) @ middle
    pixel_m = float(pixel_size_m(subject.camera, seen[:3]))
    spacing_m = spacing_of(body.rest.astype(np.float64), "loose")
    return int(np.rint(min(spacing_m / pixel_m, subject.camera.width))) if pixel_m > 0 else 0


def _around(
    pictures: Sequence[NDArray[np.float32]], ids: NDArray[np.int32], at: Array, wanted: NDArray[np.int32]
) -> _Around:
    """Look up pictures of least, greatest and mean values at places [H, W, 2].

    Pixels around one count where all four have the id wanted. NaN where one of them has no value. Scenery (id 0) counts
    only where all four have one: sky has none.
    """
    height, width = ids.shape
    x, y = np.nan_to_num(at[..., 0], nan=-9) - 0.5, np.nan_to_num(at[..., 1], nan=-9) - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    whole = (left >= 0) & (left < width - 1) & (top >= 0) & (top < height - 1)
    left, top = np.clip(left, 0, max(width - 2, 0)), np.clip(top, 0, max(height - 2, 0))
    low, high = np.full((*at.shape[:2], 2), np.inf), np.full((*at.shape[:2], 2), -np.inf)
    mean = np.zeros((*at.shape[:2], 2))
    for dx in range(min(2, width)):
        for dy in range(min(2, height)):
            least, most, value = (picture[top + dy, left + dx] for picture in pictures)
            whole &= (ids[top + dy, left + dx] == wanted) & ((wanted > 0) | np.isfinite(value).all(axis=-1))
            low, high = np.minimum(low, least), np.maximum(high, most)
            mean += (np.abs(1 - dx - (x - left)) * np.abs(1 - dy - (y - top)))[..., None] * value
    return _Around(low, high, mean, whole)
