"""Tables in a clip, as text that any program reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from simvid.trajectory import EVENTS, RobotMotion, Trajectory

CONTACT_COLUMNS = (
    "frame", "time_s", "event", "id_a", "part_a", "id_b", "part_b", "point_x_m", "point_y_m", "point_z_m", "normal_x",
    "normal_y", "normal_z", "impulse_x_n_s", "impulse_y_n_s", "impulse_z_n_s", "depth_m",
)  # fmt: skip


def contact_rows(trajectory: Trajectory) -> Iterator[tuple[object, ...]]:
    """Rows of ``contacts.csv``."""
    c, names = trajectory.contacts, [p.name for p in trajectory.parts]
    for k in range(len(c)):
        a, b = int(c.id_a[k]), int(c.id_b[k])
        yield (
            int(c.frame[k]), float(c.time_s[k]), EVENTS[c.event[k]], a, names[a - 1], b, names[b - 1],
            *c.point_m[k].tolist(), *c.normal[k].tolist(), *c.impulse_n_s[k].tolist(), float(c.depth_m[k]),
        )  # fmt: skip


def action_columns(robot: RobotMotion) -> tuple[str, ...]:
    """Head of ``actions_ROBOT.csv``."""
    joints = [f"{kind}_{name}" for kind in ("position", "target") for name in robot.joint_names]
    tool = ("gripper_m", "gripper_target_m", "dx_m", "dy_m", "dz_m", "rx_rad", "ry_rad", "rz_rad")
    return ("frame", "time_s", "action", *joints, *(tool if robot.tool is not None else ()))


def action_rows(trajectory: Trajectory, robot: RobotMotion) -> Iterator[tuple[object, ...]]:
    """Rows of ``actions_ROBOT.csv``: state at frame t, and the action that acts from frame t to t + 1."""
    tool = robot.tool
    deltas = None if tool is None else tool.deltas()
    for t in range(len(robot.positions)):
        row: list[object] = [t, trajectory.time_s(t), -1 if robot.actions is None else int(robot.actions[t])]
        row += [*robot.positions[t].tolist(), *robot.targets[t].tolist()]
        if tool is not None and deltas is not None:
            row += [float(tool.gripper_m[t]), float(tool.gripper_targets_m[t]), *deltas[t].tolist()]
        yield tuple(row)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write comma-separated values with a head line; floats keep all their digits."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(columns) + "\n")
        for row in rows:
            file.write(",".join(repr(v) if isinstance(v, float) else str(v) for v in row) + "\n")
