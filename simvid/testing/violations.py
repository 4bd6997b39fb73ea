"""Planted violations: refined videos whose labels no longer hold, for tests and calibration of the gate.

Each takes a video (sRGB uint8 [T, H, W, 3]) and returns a changed copy, or None where the clip has nothing to plant it
on. Masks and ids are those of the labels, which stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Video: TypeAlias = NDArray[np.uint8]
Mask: TypeAlias = NDArray[np.bool_]
LEAST_PX, LEAST_SHARE, MOST_SHARE = 150, 0.75, 0.25
"""Things to plant on: so many pixels at least, in this share of the frames, and at most this share of the picture."""
LEAST_SHIFT_PX = 6
MOTION_PX, MOVING_SHARE = 1.0, 0.01
"""Frames are exchanged or frozen where so large a share of the picture moves by so much between them."""
NOTICED_PX, NOTICED_LEVELS = 100, 24
"""A thing must change so many pixels by so much of 255, or another is taken: what is unseen is no violation."""
TINTS = ((1.0, 0.45, 0.35), (0.35, 1.0, 0.45), (0.4, 0.5, 1.0), (1.0, 0.9, 0.3))
"""Factors in linear light of robots that are painted over."""


@dataclass(frozen=True, eq=False)
class Scenery:
    """What a violation is planted in.

    Attributes:
        video: as refined, uint8 [T, H, W, 3].
        instances: instance of each pixel, 0 is scenery, [T, H, W].
        flow_backward: [px], NaN where unknown, [T, H, W, 2].
        robots: instances that are robots.
        stuff: instances that are no things to move, such as the ground.
    """

    video: Video
    instances: NDArray[np.int32]
    flow_backward: NDArray[np.float32]
    robots: tuple[int, ...] = ()
    stuff: tuple[int, ...] = (1,)

    def things(self) -> list[int]:
        """Instances that violations may be planted on."""
        found = []
        for k in np.unique(self.instances):
            area = (self.instances == k).sum(axis=(1, 2))
            seen = (area >= LEAST_PX) & (area <= MOST_SHARE * self.instances[0].size)
            if k > 0 and k not in (*self.stuff, *self.robots) and seen.mean() >= LEAST_SHARE:
                found.append(int(k))
        return found


Plant: TypeAlias = Callable[[Scenery, np.random.Generator], Video | None]


def moved(scenery: Scenery, rng: np.random.Generator) -> Video | None:
    """One thing is elsewhere in all frames, by half its size and 6 px at least."""
    for k in rng.permutation(scenery.things()):
        side = np.sqrt((scenery.instances == k).sum(axis=(1, 2)).mean())
        turn = rng.uniform(0, 2 * np.pi)
        shift = np.round(max(LEAST_SHIFT_PX, side / 2) * np.array([np.sin(turn), np.cos(turn)])).astype(int)
        made = _each(scenery, k, _Elsewhere(shift))
        if noticeable(scenery.video, made):
            return made
    return None


@dataclass(frozen=True, eq=False)
class _Elsewhere:
    """Puts a thing somewhere else."""

    shift: NDArray[np.int_]

    def __call__(self, old: Video, empty: Video, mask: Mask) -> Video:
        return _stamped(empty, old, mask, self.shift)


def erased(scenery: Scenery, rng: np.random.Generator) -> Video | None:
    """One thing is gone; what may be behind it is filled in from beside it."""
    for k in rng.permutation(scenery.things()):
        made = _each(scenery, k, lambda old, empty, mask: empty)
        if noticeable(scenery.video, made):
            return made
    return None


def duplicated(scenery: Scenery, rng: np.random.Generator) -> Video | None:
    """One thing is there twice: its copy moves along beside it, over scenery and ground."""
    things, height, width = scenery.things(), *scenery.video.shape[1:3]
    for k in rng.permutation(things):
        side = np.sqrt((scenery.instances == k).sum(axis=(1, 2)).max())
        for _ in range(50):
            turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(1.3, 4) * side
            shift = np.round(far * np.array([np.sin(turn), np.cos(turn)])).astype(int)
            free = [_free(ids, ids == k, shift, (0, *scenery.stuff)) for ids in scenery.instances]
            if np.mean(free) > 0.8 and abs(shift[0]) < height and abs(shift[1]) < width:
                pairs = zip(scenery.video, scenery.instances, strict=True)
                made = np.stack([_stamped(frame, frame, ids == k, shift) for frame, ids in pairs])
                if noticeable(scenery.video, made):
                    return made
    return None


def recoloured_robot(scenery: Scenery, rng: np.random.Generator) -> Video | None:
    """A robot is painted in another colour."""
    return _painted(scenery, rng, np.ones(scenery.instances.shape, np.bool_))


def recoloured_part(scenery: Scenery, rng: np.random.Generator) -> Video | None:
    """Of a robot what is above a line of the picture is painted in another colour: about half of it."""
    rows = np.nonzero(np.isin(scenery.instances, scenery.robots))[1]
    if not len(rows):
        return None
    above = np.arange(scenery.instances.shape[1])[:, None] < np.median(rows)
    return _painted(scenery, rng, np.broadcast_to(above, scenery.instances.shape))


def recoloured_late(scenery: Scenery, rng: np.random.Generator) -> Video | None:
    """A robot is painted in another colour for the last third of the clip, three frames at least."""
    count = len(scenery.video)
    late = np.arange(count) >= count - max(3, count // 3)
    return _painted(scenery, rng, np.broadcast_to(late[:, None, None], scenery.instances.shape))


def _painted(scenery: Scenery, rng: np.random.Generator, where: Mask) -> Video | None:
    """Robots in another colour at some places."""
    masks = np.isin(scenery.instances, scenery.robots)
    if masks.mean() < 0.005:
        return None
    tint = np.array(TINTS[int(rng.integers(len(TINTS)))])
    linear = (scenery.video.astype(np.float64) / 255) ** 2.2
    painted = np.round(255 * (linear * tint) ** (1 / 2.2)).astype(np.uint8)
    return np.where((masks & where)[..., None], painted, scenery.video)


def flickering(scenery: Scenery, rng: np.random.Generator) -> Video | None:
    """Brightness jumps from frame to frame by 6 % of linear light, half of the time all over, else in soft patches."""
    from scipy.ndimage import gaussian_filter

    video = scenery.video
    shape = (len(video), 1, 1, 1)
    if rng.integers(2):
        noise = rng.normal(size=video.shape[:3])
        noise = gaussian_filter(noise, (0, 12, 12))[..., None]
        noise /= noise.std()
    else:
        noise = np.where(np.arange(len(video)) % 2, 1.0, -1.0).reshape(shape) * rng.uniform(0.8, 1.2, shape)
    return np.clip(np.round(video * (1 + 0.06 * noise) ** (1 / 2.2)), 0, 255).astype(np.uint8)


def melted_edges(scenery: Scenery, rng: np.random.Generator) -> Video | None:
    """Around outlines of things the picture is bent by a smooth random field of 3 px (root mean square)."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    video, ids = scenery.video, scenery.instances
    height, width = video.shape[1:3]
    field = np.stack([gaussian_filter(rng.normal(size=(height, width)), 4) for _ in range(2)])
    field *= 3.0 / np.sqrt((field**2).mean())
    v, u = np.mgrid[:height, :width]
    made = []
    for frame, inside in zip(video, ids, strict=True):
        edge = np.zeros((height, width))
        edge[:-1] += inside[:-1] != inside[1:]
        edge[:, :-1] += inside[:, :-1] != inside[:, 1:]
        weight = np.clip(6 * gaussian_filter(edge, 4), 0, 1)
        place = [v + weight * field[0], u + weight * field[1]]
        bent = [map_coordinates(frame[..., c].astype(np.float32), place, order=1, mode="nearest") for c in range(3)]
        made.append(np.stack(bent, axis=-1).round().astype(np.uint8))
    return np.stack(made) if any((i[1:] != i[:-1]).any() for i in ids) else None


def frozen_frames(scenery: Scenery, rng: np.random.Generator) -> Video | None:
    """A picture stays for two frames more, where things move most."""
    t = _busiest(scenery, 2)
    if t is None:
        return None
    made = scenery.video.copy()
    made[t : t + 2] = made[t - 1]
    return made


def swapped_frames(scenery: Scenery, rng: np.random.Generator) -> Video | None:
    """Two pictures that follow one another are exchanged, where things move most."""
    t = _busiest(scenery, 1)
    if t is None:
        return None
    made = scenery.video.copy()
    made[[t - 1, t]] = made[[t, t - 1]]
    return made


VIOLATIONS: dict[str, Plant] = {
    "object moved": moved,
    "object erased": erased,
    "object duplicated": duplicated,
    "robot recoloured": recoloured_robot,
    "robot half recoloured": recoloured_part,
    "robot recoloured late": recoloured_late,
    "flicker": flickering,
    "melted edges": melted_edges,
    "frozen frames": frozen_frames,
    "swapped frames": swapped_frames,
}
"""By name, as in the table of docs/gate.md."""


def noticeable(one: Video, two: Video) -> bool:
    """Whether half of the frames differ by ``NOTICED_LEVELS`` or more in ``NOTICED_PX`` pixels or more."""
    changed = (np.abs(one.astype(np.int16) - two).max(axis=-1) >= NOTICED_LEVELS).sum(axis=(1, 2))
    return bool(np.median(changed) >= NOTICED_PX)


def _busiest(scenery: Scenery, count: int) -> int | None:
    """The frame from which on, for so many frames, most moves from the frame before; None where nothing does."""
    lengths = np.linalg.norm(np.nan_to_num(scenery.flow_backward), axis=-1)
    share = (lengths > MOTION_PX).mean(axis=(1, 2))
    share[0] = 0
    if len(share) <= count + 1:
        return None
    least = np.array([share[t : t + count].min() for t in range(1, len(share) - count + 1)])
    t = 1 + int(least.argmax())
    return t if share[t] >= MOVING_SHARE else None


def _each(scenery: Scenery, k: int, change: Callable[[Video, Video, Mask], Video]) -> Video:
    """A change of every frame: it gets the frame, the frame without thing k, and the mask of that."""
    made = []
    for frame, ids in zip(scenery.video, scenery.instances, strict=True):
        mask = ids == k
        made.append(change(frame, filled(frame, _wider(mask), ids, scenery.stuff), mask) if mask.any() else frame)
    return np.stack(made)


def _wider(mask: Mask) -> Mask:
    """With the pixels beside it, which the edge is mixed into."""
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask, iterations=2))


def filled(frame: Video, mask: Mask, ids: NDArray[np.int32], stuff: tuple[int, ...]) -> Video:
    """A frame in which a region is painted over with what lies beside it, made to fit along the border.

    The patch is taken from the shift, among many, under which it fits best along the border and shows least of other
    things. What differs at the border is spread into the region (from the nearest border pixel, smoothed).
    """
    from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter

    v, u = np.nonzero(mask)
    height, width = mask.shape
    tall, wide = int(np.ptp(v)) + 3, int(np.ptp(u)) + 3
    ring = np.nonzero(binary_dilation(mask, iterations=2) & ~mask)
    other = ~np.isin(ids, (0, *stuff)) | mask
    best, cost = (0, 0), np.inf
    for dy, dx in ((a * tall, b * wide) for a in (-1, -0.5, 0, 0.5, 1) for b in (-1.5, -1, -0.5, 0, 0.5, 1, 1.5)):
        move = round(dy), round(dx)
        if abs(dy) < tall and abs(dx) < wide:
            continue
        to_v, to_u = np.clip(v + move[0], 0, height - 1), np.clip(u + move[1], 0, width - 1)
        out = np.mean((to_v != v + move[0]) | (to_u != u + move[1])) + other[to_v, to_u].mean()
        at = np.clip(ring[0] + move[0], 0, height - 1), np.clip(ring[1] + move[1], 0, width - 1)
        off = np.abs(frame[ring].astype(float) - frame[at]).mean() / 255
        if out + off < cost:
            best, cost = move, out + off
    patch = frame.astype(np.float64)
    at = np.clip(v + best[0], 0, height - 1), np.clip(u + best[1], 0, width - 1)
    source = patch.copy()
    patch[v, u] = source[at]
    near = distance_transform_edt(mask, return_distances=False, return_indices=True)
    gap = np.zeros_like(patch)
    shifted = np.clip(near[0] + best[0], 0, height - 1), np.clip(near[1] + best[1], 0, width - 1)
    gap[v, u] = (source[near[0], near[1]] - source[shifted])[v, u]
    soft = gaussian_filter(gap, (4, 4, 0)) / np.maximum(gaussian_filter(mask.astype(float), 4), 1e-3)[..., None]
    patch[v, u] += np.clip(soft[v, u], -60, 60)
    return np.clip(np.round(patch), 0, 255).astype(np.uint8)


def _stamped(onto: Video, source: Video, mask: Mask, shift: NDArray[np.int_]) -> Video:
    """A frame with what is under a mask of another frame, moved; parts outside are cut off."""
    height, width = mask.shape
    v, u = np.nonzero(mask)
    to_v, to_u = v + shift[0], u + shift[1]
    inside = (to_v >= 0) & (to_v < height) & (to_u >= 0) & (to_u < width)
    made = onto.copy()
    made[to_v[inside], to_u[inside]] = source[v[inside], u[inside]]
    return made


def _free(ids: NDArray[np.int32], mask: Mask, shift: NDArray[np.int_], stuff: tuple[int, ...]) -> bool:
    """Whether a mask, moved, lies inside the picture and covers scenery alone."""
    v, u = np.nonzero(mask)
    to_v, to_u = v + shift[0], u + shift[1]
    height, width = mask.shape
    inside = (to_v >= 0) & (to_v < height) & (to_u >= 0) & (to_u < width)
    return bool(len(v)) and bool(inside.mean() > 0.9) and bool(np.isin(ids[to_v[inside], to_u[inside]], stuff).all())
