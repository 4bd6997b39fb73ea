"""Inverse kinematics for tasks: several postures for a pose, joint paths along several poses, and why it fails."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simvid.physics.kinematics import Solution, ToolChain, follow_line, nearest, solve

Array = NDArray[np.float64]
RESTARTS = 8
"""Random postures that inverse kinematics starts from, after the present one and home."""


def postures(chain: ToolChain, goal: Array, q: Array, rng: np.random.Generator, *, orient: bool) -> list[Solution]:
    """Different joint positions that bring the tool to a pose, nearest to the present ones first; none if none does.

    Singularities do no harm: see ``kinematics.solve``.

    Args:
        chain: tool and joints.
        goal: world_from_tool, [4, 4].
        q: joint positions now, [J].
        rng: for the postures that are tried.
        orient: False leaves the orientation free.
    """
    columns = list(chain.joints)
    low, high = chain.bounds
    finite_low, finite_high = np.maximum(low, -np.pi), np.minimum(high, np.pi)
    starts = [q, np.where(np.isin(np.arange(len(q)), columns), chain.model.home, q)]
    for _ in range(RESTARTS):
        start = q.copy()
        start[columns] = rng.uniform(finite_low, np.maximum(finite_high, finite_low))
        starts.append(start)
    found: list[Solution] = []
    for start in starts:
        solution = solve(chain, goal, start, orient=orient)
        if solution.reached and all(np.abs(solution.q - other.q).max() > 0.05 for other in found):
            found.append(solution)
    return sorted(found, key=lambda s: float(np.abs(s.q[columns] - q[columns]).max(initial=0.0)))


def along(chain: ToolChain, poses: Sequence[Array], q: Array, *, orient: bool) -> tuple[Array, Solution | None]:
    """Joint positions at poses on a way, each found from the one before; and the first that was missed, if one was.

    Returns:
        [K + 1, J] with q first (fewer rows where one was missed), and None or the miss.
    """
    knots = [q.astype(np.float64)]
    for pose in poses:
        line = follow_line(chain, knots[-1], pose, knots[-1], orient=orient)
        if line.missed is not None:
            return np.stack(knots), line.missed
        knots.append(line.knots[-1])
    return np.stack(knots), None


def out_of_reach(chain: ToolChain, goal: Array, q: Array, *, orient: bool) -> str:
    """Why a pose cannot be reached, with the nearest that can."""
    best = nearest(chain, goal, q, orient=orient)
    free = nearest(chain, goal, q, orient=False) if orient else best
    if best.reached:
        return (
            f"{point_text(goal[:3, 3])} can be reached, but not from this posture without a jump of the joints; "
            "go there over another point"
        )
    if free.reached:
        turn = np.degrees(best.rotation_error_rad)
        return (
            f"{point_text(goal[:3, 3])} can be reached, but not with this orientation (nearest: "
            f"{best.position_error_m:.3f} m and {turn:.1f} deg off)"
        )
    return (
        f"{point_text(goal[:3, 3])} is out of reach; nearest point {point_text(free.pose[:3, 3])}, "
        f"{free.position_error_m:.3f} m away"
    )


def point_text(p: Array) -> str:
    """``(0.500, 0.000, 0.100) m``."""
    return "(" + ", ".join(f"{c:.3f}" for c in p) + ") m"
