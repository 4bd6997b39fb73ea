"""A trot for four-legged robots: feet on closed curves, each leg by its own inverse kinematics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.physics.kinematics import ToolChain, solve
from simvid.physics.tasks.arm import Arm, Motions
from simvid.physics.tools import link_points
from simvid.rotations import pose_matrix
from simvid.scene import Gait

Array = NDArray[np.float64]
PHASES = 32
"""Moments of a cycle that inverse kinematics finds; cubic in between would be no better than linear at this number."""
DUTY = 0.55
"""Share of the cycle that a foot stands."""
LEAST_FEET = 4
LARGEST_SAG_RAD = 0.25
"""A joint further than this from where it is told to be is pushed by something, not sagging."""


@dataclass(frozen=True, eq=False)
class Cycle:
    """Joint positions over one period, repeated, growing from standing over the first one and ending the same way.

    A ``Segment``; see there.
    """

    duration_s: float
    stand: Array
    table: Array
    """[PHASES, J]"""
    period_s: float

    @property
    def end(self) -> Array:
        """Standing."""
        return self.stand

    @property
    def peak_speeds(self) -> Array:
        """Between neighbouring moments."""
        way = np.abs(np.diff(np.vstack([self.table, self.table[:1]]), axis=0)).max(axis=0)
        return np.asarray(way * PHASES / self.period_s)

    def at(self, t_s: Array) -> tuple[Array, Array]:
        """As ``Segment.at``; speeds by central differences."""
        step = 1e-3
        return self._positions(t_s), (self._positions(t_s + step) - self._positions(t_s - step)) / (2 * step)

    def _positions(self, t_s: Array) -> Array:
        phase = (t_s / self.period_s * PHASES) % PHASES
        k = np.floor(phase).astype(int) % PHASES
        share = (phase - np.floor(phase))[:, None]
        q = self.table[k] * (1 - share) + self.table[(k + 1) % PHASES] * share
        grown = np.clip(np.minimum(t_s, self.duration_s - t_s) / self.period_s, 0, 1)
        grown = grown**2 * (3 - 2 * grown)
        return np.asarray(self.stand + grown[:, None] * (q - self.stand))


def gait(arm: Arm, action: Gait) -> Motions:
    """Diagonal legs step together; a standing foot moves back as fast as the base shall go forward.

    Servos sag under the robot's weight. What they sag at the start, on all legs, tells what a leg must be told more
    while it stands, when its share of the weight is 1 / ``DUTY`` of that; a leg in the air has no weight to carry.
    """
    legs = feet(arm)
    base = np.linalg.inv(arm.model.base @ arm.model.links[0].pose) if arm.model.links else np.eye(4)
    table = np.tile(arm.q, (PHASES, 1))
    spots = [(leg.pose(arm.q))[:3, 3] for leg in legs]
    middle = np.mean(spots, axis=0)
    forward = np.linalg.inv(base)[:3, 0]
    sag = arm.q - arm.situation.joints(arm.index)
    sag = np.where(np.abs(sag) <= LARGEST_SAG_RAD, sag, 0.0)
    for leg, spot in zip(legs, spots, strict=True):
        out = spot - middle
        diagonal = (out @ forward > 0) == (np.cross(forward, out)[2] > 0)
        speed = action.speed_m_s * forward + np.radians(action.turn_deg_s) * np.cross([0.0, 0.0, 1.0], out)
        q = arm.q
        for k in range(PHASES):
            phase = (k / PHASES + (0.0 if diagonal else 0.5)) % 1.0
            offset = _foot(phase, speed * action.period_s, action)
            found = solve(leg, pose_matrix(spot + offset), q, orient=False)
            if found.position_error_m > 0.01:
                arm.refuse(
                    f"leg {arm.model.links[leg.link].name!r} cannot step so far, {found.position_error_m:.3f} m are "
                    "missing; make speed_m_s, period_s or step_height_m smaller", ".speed_m_s",
                )  # fmt: skip
            q = found.q
            carried = sag / DUTY if phase < DUTY else np.zeros_like(sag)
            table[k, list(leg.joints)] = (q + carried)[list(leg.joints)]
    table = np.clip(table, arm.model.lower, arm.model.upper)
    yield Cycle(action.for_s, arm.q, table, action.period_s)


def _foot(phase: float, stride: Array, action: Gait) -> Array:
    """Where a foot is against where it stands: back while it stands, forth through the air."""
    if phase < DUTY:
        return np.asarray(stride * DUTY * (0.5 - phase / DUTY))
    swing = (phase - DUTY) / (1 - DUTY)
    smooth = swing * swing * (3 - 2 * swing)
    lift = np.array([0.0, 0.0, action.step_height_m * np.sin(np.pi * swing)])
    return np.asarray(stride * DUTY * (smooth - 0.5) + lift)


def feet(arm: Arm) -> list[ToolChain]:
    """The four chains of three or more joints that reach lowest; their tips are their lowest points."""
    model = arm.model
    world = model.forward(arm.q)
    has_child = {link.parent for link in model.links}
    found: list[tuple[float, ToolChain]] = []
    for k in range(len(model.links)):
        if k in has_child or len(model.chain(k)) < 3:
            continue
        points = link_points(model, k)
        at = points.mean(axis=0) if len(points) else np.zeros(3)
        height = float((world[k] @ np.append(at, 1))[2])
        found.append((height, ToolChain.of(model, k, pose_matrix(at))))
    found.sort(key=lambda item: item[0])
    legs: list[ToolChain] = []
    for _, chain in found:
        if all(not set(chain.joints) & set(other.joints) for other in legs):
            legs.append(chain)
    if len(legs) < LEAST_FEET:
        arm.refuse(f"gait needs four legs of three joints each; this robot has {len(legs)} such chains")
    return legs[:LEAST_FEET]
