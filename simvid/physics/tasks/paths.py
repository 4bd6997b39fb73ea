"""Joint paths around obstacles: straight where that is free, else RRT-connect, then shortcuts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simvid.physics.segments import Spline

Array = NDArray[np.float64]
STEP_RAD = 0.05
"""Largest change of a joint [rad or m] between two configurations that are checked."""
STEP_M = 0.015
"""Longest way of the tool between them: with the clearance of paths, nothing is thin enough to be skipped."""
REACH_RAD = 0.6
"""Longest branch of a tree."""
MAX_NODES, MAX_CHECKS = 400, 16000
"""Branches that are tried, and configurations that are looked at, before giving up."""
SHORTCUTS = 60
MAX_DETOURS = 3
"""Ends to which a way around is looked for, nearest first."""
FAR, FAR_RAD = 1.5, 0.5
"""A straight way is far that is longer than so many times the distance to the nearest end, and so much [rad or m]."""
PACE, LOADED_PACE = 2.0, 1.2
"""Fastest speed of a joint on these paths, where its limit allows it [rad/s or m/s]; and with something in the hand."""


@dataclass(frozen=True, eq=False)
class Found:
    """A path and what it cost.

    Attributes:
        corners: joint positions, straight in between, [K, J].
        checks: configurations that were looked at.
        nodes: branches that were tried.
    """

    corners: Array
    checks: int
    nodes: int


@dataclass(eq=False)
class Planner:
    """Finds paths for the joints of a chain.

    Attributes:
        free: whether joint positions [J] touch nothing.
        columns: joints that may move.
        low, high: their limits, finite.
        rng: for the samples.
        sweep: at most how far the tool moves from one configuration straight to another one [m]; None: by
            ``STEP_RAD`` alone.
    """

    free: Callable[[Array], bool]
    columns: list[int]
    low: Array
    high: Array
    rng: np.random.Generator
    sweep: Callable[[Array, Array], float] | None = None
    checks: int = field(default=0, init=False)

    def path(self, start: Array, goal: Array) -> Found | None:
        """A free path, None where none was found within ``MAX_NODES`` and ``MAX_CHECKS``.

        RRT-connect (Kuffner and LaValle 2000): two trees grow from both ends, each towards a random sample and then as
        far as it gets towards the other.
        """
        self.checks = 0
        if self.straight(start, goal):
            return Found(np.stack([start, goal]), self.checks, 0)
        trees = [_Tree(start), _Tree(goal)]
        for node in range(1, MAX_NODES + 1):
            if self.checks > MAX_CHECKS:
                return None
            sample = start.copy()
            sample[self.columns] = self.rng.uniform(self.low, self.high)
            grown = self._extend(trees[0], sample)
            if grown is not None and (met := self._connect(trees[1], trees[0].nodes[grown])) is not None:
                one, two = trees[0].back(grown), trees[1].back(met)
                way = one[::-1] + two[1:] if np.array_equal(one[-1], start) else two[::-1] + one[1:]
                corners = self._shortened(np.stack(way))
                return Found(corners, self.checks, node)
            trees.reverse()
        return None

    def straight(self, a: Array, b: Array) -> bool:
        """Whether the straight way between two configurations is free; its middle is looked at first."""
        count = max(1, int(np.ceil(float(np.abs(b - a).max()) / STEP_RAD)))
        if self.sweep is not None:
            count = max(count, int(np.ceil(self.sweep(a, b) / STEP_M)))
        order = sorted(range(1, count + 1), key=lambda k: abs(k - count / 2))
        for k in order:
            self.checks += 1
            if not self.free(a + (b - a) * (k / count)):
                return False
        return True

    def _extend(self, tree: _Tree, sample: Array) -> int | None:
        near = tree.nearest(sample)
        way = sample - tree.nodes[near]
        length = float(np.linalg.norm(way))
        q = tree.nodes[near] + way * min(1.0, REACH_RAD / max(length, 1e-12))
        return tree.add(q, near) if self.straight(tree.nodes[near], q) else None

    def _connect(self, tree: _Tree, q: Array) -> int | None:
        for _ in range(40):
            added = self._extend(tree, q)
            if added is None:
                return None
            if float(np.abs(tree.nodes[added] - q).max()) < 1e-9:
                return added
        return None

    def _shortened(self, corners: Array) -> Array:
        """Cut corners where the straight way is free: first greedily from the start, then at random."""
        kept = [corners[0]]
        k = 0
        while k < len(corners) - 1:
            far = next(j for j in range(len(corners) - 1, k, -1) if j == k + 1 or self.straight(corners[k], corners[j]))
            kept.append(corners[far])
            k = far
        way = np.stack(kept)
        for _ in range(SHORTCUTS if len(way) > 2 else 0):
            k = int(self.rng.integers(1, len(way) - 1))
            a, b = self.rng.uniform(0, 1, 2)
            before, after = way[k] + (way[k - 1] - way[k]) * a, way[k] + (way[k + 1] - way[k]) * b
            if self.straight(before, after):
                way = np.concatenate([way[:k], before[None], after[None], way[k + 1 :]])
                if len(way) > 12:
                    break
        return way


@dataclass(eq=False)
class _Tree:
    """Configurations, each with the one that it was reached from."""

    root: Array
    nodes: list[Array] = field(init=False)
    above: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.nodes, self.above = [self.root], [-1]

    def nearest(self, q: Array) -> int:
        return int(np.argmin(np.linalg.norm(np.stack(self.nodes) - q, axis=1)))

    def add(self, q: Array, above: int) -> int:
        self.nodes.append(q)
        self.above.append(above)
        return len(self.nodes) - 1

    def back(self, node: int) -> list[Array]:
        """From a node to the root."""
        way = []
        while node >= 0:
            way.append(self.nodes[node])
            node = self.above[node]
        return way


def timed(
    corners: Array, limits: Array, lower: Array, upper: Array, over_s: float | None = None, pace: float = PACE,
    rounding: int = 2,
) -> Spline:  # fmt: skip
    """A path through corners with minimum-jerk timing, as quick as a pace and the joints' speed limits allow.

    Corners are rounded: the path is sampled evenly by length, and averaged over neighbours.

    Args:
        corners: [K, J].
        limits: of speed [rad/s or m/s], [J].
        lower, upper: of position, [J].
        over_s: takes this long instead, if given and if the joints can.
        pace: fastest speed of any joint [rad/s or m/s].
        rounding: how often neighbours are averaged; 0 keeps sharp corners.
    """
    lengths = np.abs(np.diff(corners, axis=0)).max(axis=1, initial=0.0)
    at = np.concatenate([[0.0], np.cumsum(lengths)])
    count = int(np.clip(np.ceil(at[-1] / STEP_RAD), 8, 400))
    even = np.linspace(0.0, at[-1], count + 1)
    knots = np.stack([np.interp(even, at, corners[:, j]) for j in range(corners.shape[1])], axis=1)
    if len(corners) > 2:
        for _ in range(rounding):
            knots[1:-1] = 0.25 * knots[:-2] + 0.5 * knots[1:-1] + 0.25 * knots[2:]
    spline = Spline(1.0, np.linspace(0, 1, count + 1), knots, lower, upper)
    allowed = limits if over_s is not None else np.minimum(limits, pace)
    fastest = float((spline.peak_speeds / allowed).max(initial=0.0))
    return Spline(max(over_s or 0.15, fastest), spline.fractions, knots, lower, upper)


def timed_free(
    corners: Array, free: Callable[[Array], bool], limits: Array, lower: Array, upper: Array, over_s: float | None,
    pace: float,
) -> Spline:  # fmt: skip
    """As ``timed``, corners rounded only as far as that keeps the path free."""
    for rounding in (2, 1, 0):
        spline = timed(corners, limits, lower, upper, over_s, pace, rounding)
        if len(corners) == 2 or rounding == 0 or all(free(q) for q in spline.knots[1:-1]):
            break
    return spline


def nearest_path(
    start: Array, ends: Sequence[Array], straight: Callable[[Array], Spline | None],
    around: Callable[[Array], Spline | None],
) -> Spline | None:  # fmt: skip
    """The straight way to the first end that has a free one, unless it is far and a way around is shorter.

    Without the exception an arm may go a whole turn with what it holds, because a hand is in its way of 0.6 rad.

    Args:
        start: joint positions, [J].
        ends: where it may end, nearest first, [J] each.
        straight: the free straight way to one of them; None where it is not free.
        around: a free way around what is between; None where none is found.
    """
    ways = (straight(q) for q in ends)
    place, way = next(((k, way) for k, way in enumerate(ways) if way is not None), (len(ends), None))
    if way is not None and way.length <= FAR_RAD + FAR * float(np.abs(ends[0] - start).max()):
        return way
    detour = next((found for q in ends[: min(place, MAX_DETOURS)] if (found := around(q)) is not None), None)
    return min((w for w in (way, detour) if w is not None), key=lambda w: w.length, default=None)
