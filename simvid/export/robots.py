"""State and action of the robots of a clip, as rows per frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.trajectory import Trajectory


def joint_names(trajectory: Trajectory) -> list[str]:
    """``ROBOT.JOINT`` of every joint, robots in order."""
    return [f"{robot.name}.{joint}" for robot in trajectory.robots for joint in robot.joint_names]


def controls(trajectory: Trajectory) -> list[str]:
    """What the target of every joint is: ``position`` or ``velocity``."""
    return [robot.control for robot in trajectory.robots for _ in robot.joint_names]


def joints(trajectory: Trajectory, field: str) -> NDArray[np.float64]:
    """``positions``, ``velocities``, ``efforts`` or ``targets`` of all joints, [T, J]."""
    columns = [getattr(robot, field) for robot in trajectory.robots]
    return np.concatenate([*columns, np.zeros((trajectory.frame_count, 0))], axis=1)


def joint_arrays(trajectory: Trajectory) -> dict[str, NDArray[Any]]:
    """All that is known of the joints, by name."""
    fields = ("positions", "velocities", "efforts", "targets")
    return {"names": np.array(joint_names(trajectory)), **{field: joints(trajectory, field) for field in fields}}


def moving(trajectory: Trajectory) -> list[int]:
    """Indices of the bodies that physics may move; links of robots follow from the joints."""
    return [k for k, part in enumerate(trajectory.parts) if part.kind == "body" and not part.fixed]


def body_state(trajectory: Trajectory) -> NDArray[np.float64]:
    """Position [m] and quaternion (w, x, y, z) of each moving body in turn, [T, 7 M]."""
    return np.asarray(trajectory.poses[:, moving(trajectory)].reshape(trajectory.frame_count, -1))


def body_state_names(trajectory: Trajectory) -> list[str]:
    """Names of the columns of ``body_state``."""
    axes = ("x_m", "y_m", "z_m", "qw", "qx", "qy", "qz")
    return [f"{trajectory.parts[k].name}.{axis}" for k in moving(trajectory) for axis in axes]
