"""The record of a robot's actions: tool, gripper, which action of the script was on, what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simvid.assets.robot_model import RobotModel
from simvid.physics.kinematics import ToolChain
from simvid.physics.scripts import action_times
from simvid.physics.tasks.runner import Runner
from simvid.physics.tools import Gripper, find_gripper, find_tool
from simvid.rotations import pose_vector
from simvid.scene import Robot
from simvid.trajectory import RobotMotion, ToolMotion

Array = NDArray[np.float64]


def recorded(motion: RobotMotion, model: RobotModel, robot: Robot, fps: float, runner: Runner | None) -> RobotMotion:
    """A robot's motion with its tool, its gripper, its actions and its log."""
    gripper, _ = find_gripper(model, robot)
    chain, _ = find_tool(model, robot, gripper)
    place = next((k for k, s in runner.scripts.items() if s.arm.model is model), None) if runner is not None else None
    if runner is not None and place is not None:
        script = runner.scripts[place]
        begins, log = script.phases, tuple(script.arm.log)
    else:
        begins, log = action_times(model, robot), ()
    told = motion.targets if motion.control == "position" else motion.positions
    tool = ToolMotion(
        poses=_path(chain, motion.positions),
        targets=_path(chain, told),
        gripper_m=_gap(gripper, motion.positions),
        gripper_targets_m=_gap(gripper, told),
        has_gripper=gripper is not None,
    )
    return replace(motion, tool=tool, actions=_on(begins, len(motion.positions), fps), log=log)


def _path(chain: ToolChain, positions: Array) -> Array:
    """world_from_tool, quaternions without sign changes on the way, [T, 7]."""
    poses = chain.model.forward(positions)[:, chain.link] @ chain.offset
    path = np.stack([pose_vector(pose) for pose in poses])
    flips = (path[1:, 3:] * path[:-1, 3:]).sum(axis=1) < 0
    path[1:, 3:] *= np.where(np.cumsum(flips) % 2 == 1, -1.0, 1.0)[:, None]
    return path


def _gap(gripper: Gripper | None, positions: Array) -> Array:
    """Width between the fingers [m], [T]; zero without a gripper."""
    if gripper is None:
        return np.zeros(len(positions))
    moved = (positions[:, list(gripper.joints)] - gripper.closed) * gripper.direction
    return np.asarray(moved.sum(axis=1))


def _on(begins: Sequence[tuple[float, int]], frames: int, fps: float) -> NDArray[np.int32]:
    """Which action is on from each frame to the next, -1 for none, [T]."""
    times = np.array([t for t, _ in begins])
    which = np.array([k for _, k in begins], dtype=np.int32)
    if not len(times):
        return np.full(frames, -1, np.int32)
    last = np.searchsorted(times, (np.arange(frames) + 0.5) / fps, side="right") - 1
    return np.where(last >= 0, which[np.maximum(last, 0)], -1).astype(np.int32)
