"""Inverse kinematics of a tool on a robot's chain of joints.

The Jacobian of hinges and slides is a few lines on ``RobotModel``, the same for MJCF and URDF; the package mink (with
its quadratic-programming solver) or a MuJoCo state would leave out the URDFs that MuJoCo cannot load.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simvid.assets.robot_model import RobotJoint, RobotModel
from simvid.rotations import pose_matrix, quat_from_matrix, slerp

Array = NDArray[np.float64]
ROTATION_LENGTH_M = 0.2
"""One radian of wrong orientation weighs as much as this many metres of wrong position."""
POSITION_TOLERANCE_M = 1e-6
ROTATION_TOLERANCE_RAD = 1e-5
REACHED_M = 1e-3
REACHED_RAD = float(np.radians(0.5))
"""Errors up to these count as having reached the target."""
MAX_ITERATIONS = 100
DAMPING = 1e-6
POSTURE_PULL = 1.0
"""How fast joints that the tool leaves free return to the start posture: by exp(-1) over one straight line."""
STALLED_RAD = 1e-7
"""A step this small [rad or m] ends the search."""
MAX_TURN_RAD = 0.5
"""Largest change of a joint in one iteration."""
MAX_JUMP_RAD = 0.5
"""Larger changes of a joint [rad or m] between neighbouring points of a line are jumps to another branch."""


@dataclass(frozen=True, eq=False)
class _Step:
    """A fixed pose, then a joint (none after the last); ``cross`` is the axis as a cross product matrix."""

    index: int
    joint: RobotJoint | None
    turn: Array
    place: Array
    cross: Array
    cross2: Array


@dataclass(frozen=True, eq=False)
class ToolChain:
    """A tool frame on a link, and the joints that may move it.

    Attributes:
        model: the robot.
        link: index of the link that carries the tool.
        offset: link_from_tool, [4, 4].
        joints: indices of the n joints that inverse kinematics may move, base first.
    """

    model: RobotModel
    link: int
    offset: Array
    joints: tuple[int, ...]

    @staticmethod
    def of(model: RobotModel, link: int, offset: Array) -> ToolChain:
        """The chain of all actuated joints that follow no other one."""
        free = [j for j in model.chain(link) if model.joints[j].actuated and model.joints[j].mimic is None]
        return ToolChain(model, link, offset, tuple(free))

    @cached_property
    def _steps(self) -> tuple[_Step, ...]:
        """Joints between the base and the tool, with what stands fixed before each."""
        steps: list[_Step] = []
        fixed = self.model.base
        for link in self._links:
            fixed = fixed @ self.model.links[link].pose
            for j in self.model.joints_of(link):
                joint = self.model.joints[j]
                cross = np.cross(np.eye(3), joint.axis)
                steps.append(_Step(j, joint, fixed[:3, :3], fixed[:3, 3], cross, cross @ cross))
                fixed = np.eye(4)
        last = fixed @ self.offset
        steps.append(_Step(-1, None, last[:3, :3], last[:3, 3], np.zeros((3, 3)), np.zeros((3, 3))))
        return tuple(steps)

    @property
    def _links(self) -> list[int]:
        """From the root to the tool's link."""
        links, link = [], self.link
        while link >= 0:
            links.append(link)
            link = self.model.links[link].parent
        return links[::-1]

    @cached_property
    def bounds(self) -> tuple[Array, Array]:
        """Limits of the n joints [rad or m]."""
        columns = list(self.joints)
        return self.model.lower[columns], self.model.upper[columns]

    def pose(self, q: Array) -> Array:
        """world_from_tool for joint positions [J], [4, 4]."""
        return self.pose_and_jacobian(q)[0]

    def pose_and_jacobian(self, q: Array) -> tuple[Array, Array]:
        """world_from_tool [4, 4], and the geometric Jacobian (linear over angular, world axes) of the n joints, [6, n].

        Column of a hinge: (a x (p - o), a) with world axis a through o; of a slide: (a, 0) (Siciliano et al.,
        Robotics, 2009, equation 3.30).
        """
        turn, place = np.eye(3), np.zeros(3)
        axes, origins = np.zeros((len(q), 3)), np.zeros((len(q), 3))
        for step in self._steps:
            place = turn @ step.place + place
            turn = turn @ step.turn
            if step.joint is None:
                break
            axes[step.index], move = turn @ step.joint.axis, q[step.index] - step.joint.reference
            origins[step.index] = turn @ step.joint.anchor + place
            if step.joint.kind == "slide":
                place = place + axes[step.index] * move
            else:
                turn = turn @ (np.eye(3) + np.sin(move) * step.cross + (1 - np.cos(move)) * step.cross2)
                place = origins[step.index] - turn @ step.joint.anchor
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = turn, place
        columns = list(self.joints)
        a, arm = axes[columns].T, (place - origins[columns]).T
        swing = np.stack([a[1] * arm[2] - a[2] * arm[1], a[2] * arm[0] - a[0] * arm[2], a[0] * arm[1] - a[1] * arm[0]])
        return pose, np.concatenate([np.where(self._slides, a, swing), np.where(self._slides, 0.0, a)])

    @cached_property
    def _slides(self) -> NDArray[np.bool_]:
        return np.array([self.model.joints[j].kind == "slide" for j in self.joints], dtype=bool)


@dataclass(frozen=True, eq=False)
class Solution:
    """What inverse kinematics found.

    Attributes:
        q: joint positions, [J].
        pose: world_from_tool there, [4, 4].
        position_error_m: distance to the target.
        rotation_error_rad: angle to the target's orientation; 0 where orientation was left free.
        iterations: steps taken.
    """

    q: Array
    pose: Array
    position_error_m: float
    rotation_error_rad: float
    iterations: int

    @property
    def reached(self) -> bool:
        """Whether both errors are small enough."""
        return self.position_error_m <= REACHED_M and self.rotation_error_rad <= REACHED_RAD


def solve(chain: ToolChain, target: Array, start: Array, *, orient: bool = True) -> Solution:
    """Joint positions within their limits that bring the tool as close to a pose as they can.

    Damped least squares with a damping that follows the remaining error (Sugihara, Solvability-Unconcerned Inverse
    Kinematics by the Levenberg-Marquardt Method, IEEE T-RO 2011, equations 9 and 15), so an unreachable target gives
    the nearest point instead of a wild posture. Joints at a limit that would be pushed through it are held.

    Args:
        chain: tool and joints.
        target: world_from_tool, [4, 4].
        start: joint positions to start from, [J]; joints outside the chain keep them.
        orient: False leaves the orientation free.
    """
    columns = list(chain.joints)
    low, high = chain.bounds
    q = start.astype(np.float64).copy()
    q[columns] = np.clip(q[columns], low, high)
    pose, jacobian = chain.pose_and_jacobian(q)
    error = pose_error(target, pose)
    iterations = 0
    while iterations < MAX_ITERATIONS and not _small(error, orient):
        step = _step(jacobian, error, orient, q[columns], low, high)
        q[columns] = np.clip(q[columns] + step, low, high)
        pose, jacobian = chain.pose_and_jacobian(q)
        error = pose_error(target, pose)
        iterations += 1
        if float(np.abs(step).max(initial=0.0)) < STALLED_RAD:
            break
    angle = float(np.linalg.norm(error[3:])) if orient else 0.0
    return Solution(q, pose, float(np.linalg.norm(error[:3])), angle, iterations)


def pose_error(target: Array, pose: Array) -> Array:
    """Translation [m] and rotation vector [rad] from a pose to its target, world axes, [6]."""
    q = quat_from_matrix(target[:3, :3] @ pose[:3, :3].T)
    sine = float(np.linalg.norm(q[1:]))
    scale = 2 * np.arctan2(sine, q[0]) / sine if sine > 1e-12 else 2.0
    return np.concatenate([target[:3, 3] - pose[:3, 3], scale * q[1:]])


def _small(error: Array, orient: bool) -> bool:
    turned = float(np.linalg.norm(error[3:])) if orient else 0.0
    return float(np.linalg.norm(error[:3])) < POSITION_TOLERANCE_M and turned < ROTATION_TOLERANCE_RAD


def _step(jacobian: Array, error: Array, orient: bool, q: Array, low: Array, high: Array) -> Array:
    """One damped step of the joints that can move, [n]."""
    weights = np.array([1.0] * 3 + [ROTATION_LENGTH_M if orient else 0.0] * 3)
    j, e = jacobian * weights[:, None], error * weights
    free = np.ones(len(q), dtype=bool)
    step = np.zeros(len(q))
    for _ in range(len(q)):
        part = j[:, free]
        damping = 0.5 * float(e @ e) + DAMPING
        step[:] = 0.0
        step[free] = np.linalg.solve(part.T @ part + damping * np.eye(int(free.sum())), part.T @ e)
        blocked = free & (((q <= low) & (step < 0)) | ((q >= high) & (step > 0)))
        if not blocked.any() or blocked.sum() == free.sum():
            break
        free &= ~blocked
    step[(q <= low) & (step < 0) | (q >= high) & (step > 0)] = 0.0
    largest = float(np.abs(step).max(initial=0.0))
    return step * min(1.0, MAX_TURN_RAD / largest) if largest > 0 else step


@dataclass(frozen=True, eq=False)
class LinePath:
    """Joint positions at evenly spaced points of a straight tool path.

    Attributes:
        fractions: of the way, rising from 0 to 1, [K].
        knots: joint positions, [K, J]; fewer where the path ends early.
        missed: the first point that could not be reached, within ``REACHED_M`` and ``REACHED_RAD``, or only by a jump
            of a joint by more than ``MAX_JUMP_RAD``; None if all were.
    """

    fractions: Array
    knots: Array
    missed: Solution | None


def follow_line(chain: ToolChain, start: Array, goal: Array, posture: Array, *, orient: bool) -> LinePath:
    """Joint positions that lead the tool in a straight line to a pose, orientation turning evenly (slerp).

    Each point starts from the one before (no jumps to another branch), moved by the part of the pull to ``posture``
    that does not move the tool: the discrete form of q' = J+ x' + (1 - J+ J) k (posture - q) (Liegeois 1977).

    Args:
        chain: tool and joints.
        start: joint positions now, [J].
        goal: world_from_tool at the end, [4, 4].
        posture: joint positions to prefer, [J].
        orient: False leaves the orientation free on the way.
    """
    here = chain.pose(start)
    way = pose_error(goal, here)
    turn = float(np.linalg.norm(way[3:])) if orient else 0.0
    count = int(np.clip(np.ceil(max(float(np.linalg.norm(way[:3])) / 0.01, turn / np.radians(3))), 8, 200))
    fractions = np.linspace(0.0, 1.0, count + 1)
    a, b = quat_from_matrix(here[:3, :3]), quat_from_matrix(goal[:3, :3])
    columns = list(chain.joints)
    q = start.astype(np.float64).copy()
    knots = [q]
    for fraction in fractions[1:]:
        target = pose_matrix(here[:3, 3] + fraction * way[:3], slerp(a, b, float(fraction)))
        _, jacobian = chain.pose_and_jacobian(q)
        task = jacobian if orient else jacobian[:3]
        loose = np.eye(len(columns)) - np.linalg.pinv(task, rcond=1e-3) @ task
        last, q = q, q.copy()
        q[columns] += loose @ (posture[columns] - q[columns]) * POSTURE_PULL / count
        found = solve(chain, target, q, orient=orient)
        if not found.reached or float(np.abs(found.q - last).max()) > MAX_JUMP_RAD:
            return LinePath(fractions, np.stack(knots), found)
        q = found.q
        knots.append(q)
    return LinePath(fractions, np.stack(knots), None)


def nearest(chain: ToolChain, target: Array, start: Array, *, orient: bool, tries: int = 6) -> Solution:
    """The closest to a pose that the tool gets from any of several postures (the start, home, random ones).

    Slow; for messages about targets that a straight line did not reach. Always the same for the same input.
    """
    low, high = chain.bounds
    columns = list(chain.joints)
    rng = np.random.default_rng(0)
    finite_low, finite_high = np.where(np.isfinite(low), low, -np.pi), np.where(np.isfinite(high), high, np.pi)
    starts = [start, chain.model.home]
    for _ in range(tries):
        q = start.astype(np.float64).copy()
        q[columns] = rng.uniform(finite_low, finite_high)
        starts.append(q)
    found: list[Solution] = []
    for q in starts:
        found.append(solve(chain, target, q, orient=orient))
        if found[-1].reached:
            return found[-1]
    best = min(found, key=_distance)
    return min(best, solve(chain, target, best.q, orient=orient), key=_distance)


def _distance(solution: Solution) -> float:
    return solution.position_error_m + ROTATION_LENGTH_M * solution.rotation_error_rad
