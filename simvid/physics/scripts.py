"""Scripts: what a robot is told to do becomes joint targets for every physics step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from simvid.assets.robot_model import RobotModel, closest
from simvid.errors import SceneError
from simvid.physics.kinematics import Solution, ToolChain, follow_line, nearest
from simvid.physics.segments import Hold, Segment, Spline, Straight, Turning
from simvid.physics.tools import Fault, Gripper, find_gripper, find_tool
from simvid.rotations import matrix_from_quat, pose_matrix, pose_vector, quat_from_euler_deg
from simvid.scene import Action, GripperTo, Joints, Push, Reach, Robot, Scene, Target, Velocity, Wait

Array = NDArray[np.float64]
DEFAULT_SPEED = {"hinge": 2 * np.pi, "slide": 2.0}
"""Speed limit of position scripts where the file gives none [rad/s or m/s]; MJCF never gives one."""
GRIPPER_S = 0.4
"""Duration of ``gripper: open`` and ``gripper: close``."""
GENTLE_M_S, LEAST_S = 0.3, 0.3
"""Mean speed of the tool, and least duration, where a script gives no ``over_s``."""
NO_GRIPPER = "this robot has no sliding joints of links called finger; name gripper_joints"
FAR_M = 0.25
"""A place of a held thing may be so much farther than the tool reaches."""
LIMIT_SLACK = 1e-6
"""A position this far outside its limits [rad or m] is rounding, not a fault."""


@dataclass(frozen=True, eq=False)
class JointTargets:
    """What a robot's joints are told at S + 1 times.

    Attributes:
        times_s: [S + 1].
        positions: [rad or m], [S + 1, J].
        velocities: [rad/s or m/s], [S + 1, J].
        tool: world_from_tool as position and quaternion (w, x, y, z) if all targets are met, [S + 1, 7].
    """

    times_s: Array
    positions: Array
    velocities: Array
    tool: Array

    @staticmethod
    def bare(times_s: Array, positions: Array, velocities: Array) -> JointTargets:
        """Without the tool's path."""
        return JointTargets(times_s, positions, velocities, np.zeros((0, 7)))


def plan_script(model: RobotModel, robot: Robot, times_s: Array) -> JointTargets:
    """Joint targets of a robot's script; actions run one after another, then the robot holds.

    joints: minimum jerk, unnamed joints hold. reach, push: the tool moves on a straight line with minimum-jerk timing
    and evenly turning orientation, by inverse kinematics; ``rotation_deg`` is how the tool's frame stands in the
    world, None keeps the present one (with fewer than six joints in the chain: leaves it free). gripper: fingers move
    together; close asks for no gap at all, so that they press on what is between them. velocity: constant speed, its
    integral as position.

    Args:
        model: the robot, at its start positions ``home``.
        robot: for its script, tool and gripper.
        times_s: rising, from 0, [S + 1].

    Raises:
        SceneError: every fault of the script at once: unknown joints, limits, unreachable targets, too fast; actions
            that look at the simulation.
    """
    planner = _planned(model, robot)
    looking = next((action.kind for action in robot.script if action.looks), None)
    if looking is not None:
        raise SceneError(f"robot {robot.name!r}: {looking} looks at the simulation; use physics.engine: newton")
    if planner.faults:
        raise SceneError("\n".join(f"robot {robot.name!r}: {path}: {text}" for path, text in planner.faults))
    times = np.asarray(times_s, dtype=np.float64)
    positions = np.tile(planner.q, (len(times), 1))
    velocities = np.zeros_like(positions)
    start = 0.0
    for segment in planner.segments:
        inside = (times >= start) & (times < start + segment.duration_s)
        if inside.any():
            positions[inside], velocities[inside] = segment.at(times[inside] - start)
        start += segment.duration_s
    return JointTargets(times, positions, velocities, _tool_path(planner, positions))


def action_times(model: RobotModel, robot: Robot) -> list[tuple[float, int]]:
    """When each action of a script begins that is planned before the run [s], and which it is; -1 is the end."""
    spans = [segment.duration_s for segment in _planned(model, robot).segments]
    begins = np.concatenate([[0.0], np.cumsum(spans)])
    return [*((float(t), k) for k, t in enumerate(begins[:-1])), (float(begins[-1]), -1)]


def held_start(model: RobotModel, times_s: Array) -> JointTargets:
    """Targets of a robot that stands where it starts, to be filled while its script runs."""
    times = np.asarray(times_s, dtype=np.float64)
    positions = np.tile(np.clip(model.home, model.lower, model.upper), (len(times), 1))
    return JointTargets.bare(times, positions, np.zeros_like(positions))


def motions_of(model: RobotModel, robot: Robot, q: Array, action: Action) -> tuple[list[Segment], list[Fault]]:
    """The motions of one action that does not look at the simulation, from joint positions q [J]; and its faults."""
    gripper, _ = find_gripper(model, robot)
    chain, tool_faults = find_tool(model, robot, gripper)
    planner = _Planner(model, robot, gripper, chain, not tool_faults, q.copy())
    planner.add("", action)
    return planner.segments, [(path.partition(".")[2].partition(".")[2], text) for path, text in planner.faults]


def check_robot(scene: Scene, robot: Robot, model: RobotModel) -> list[tuple[str, str]]:
    """Everything wrong with a robot's start, tool, gripper and script, as (path in the scene, message)."""
    place = next(k for k, r in enumerate(scene.robots) if r.name == robot.name)
    return [(f"robots[{place}].{path}", text) for path, text in _planned(model, robot).faults]


def _tool_path(planner: _Planner, positions: Array) -> Array:
    """world_from_tool as [S + 1, 7], quaternions without sign changes on the way."""
    chain = planner.chain
    poses = planner.model.forward(positions)[:, chain.link, :, :] @ chain.offset
    path = np.stack([pose_vector(pose) for pose in poses])
    flips = (path[1:, 3:] * path[:-1, 3:]).sum(axis=1) < 0
    path[1:, 3:] *= np.where(np.cumsum(flips) % 2 == 1, -1.0, 1.0)[:, None]
    return path


def _planned(model: RobotModel, robot: Robot) -> _Planner:
    gripper, gripper_faults = find_gripper(model, robot)
    chain, tool_faults = find_tool(model, robot, gripper)
    planner = _Planner(model, robot, gripper, chain, not tool_faults, model.home.copy())
    planner.faults.extend(_start_faults(model, robot))
    planner.faults.extend(gripper_faults if robot.gripper_joints is not None or planner.uses("gripper") else [])
    planner.faults.extend(tool_faults)
    planner.q = np.clip(planner.q, model.lower, model.upper)
    start = len(planner.faults)
    for k, action in enumerate(robot.script):
        planner.add(f"script[{k}]", action)
    if _start_faults(model, robot):  # what cannot be reached from a wrong start says nothing
        planner.faults[start:] = [f for f in planner.faults[start:] if "cannot be followed" not in f[1]]
    return planner


def _start_faults(model: RobotModel, robot: Robot) -> list[Fault]:
    return list(_joint_faults(model, robot.initial_joints, "initial_joints", limits=True, driven=False))


def _joint_faults(
    model: RobotModel, values: Mapping[str, float], path: str, *, limits: bool, driven: bool = True
) -> list[Fault]:
    """Unknown joints, joints that nothing drives, positions outside the limits."""
    faults: list[Fault] = []
    for name, value in values.items():
        if name not in model.joint_names:
            faults.append((f"{path}.{name}", f"unknown joint; {closest(name, model.joint_names)}"))
            continue
        joint = model.joints[model.joint_index(name)]
        unit = "m" if joint.kind == "slide" else "rad"
        if driven and joint.mimic is not None:
            leader = model.joints[joint.mimic.leader].name
            faults.append((f"{path}.{name}", f"this joint follows {leader!r}; move that one"))
        elif driven and not joint.actuated:
            faults.append((f"{path}.{name}", "this joint has no actuator in the robot's file"))
        if limits and not joint.lower - LIMIT_SLACK <= value <= joint.upper + LIMIT_SLACK:
            span = f"[{joint.lower:.6g}, {joint.upper:.6g}] {unit}"
            radians = np.radians(value)
            hint = ""
            if unit == "rad" and joint.lower - LIMIT_SLACK <= radians <= joint.upper + LIMIT_SLACK:
                hint = f"; {value:.6g} degrees are {radians:.4g} rad"
            faults.append((f"{path}.{name}", f"expected a position in {span}, got {value:.6g}{hint}"))
    return faults


@dataclass(eq=False)
class _Planner:
    """Walks through a script; after a fault it goes on as well as it can, to find the others too."""

    model: RobotModel
    robot: Robot
    gripper: Gripper | None
    chain: ToolChain
    has_tool: bool
    """False where the scene names a link that is not there; lines are then left out."""
    q: Array
    """Targets at the end of what is planned so far, [J]."""
    segments: list[Segment] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    known: bool = True
    """False after an action that looks at the simulation: ``q`` is not what it will be."""

    def uses(self, kind: str) -> bool:
        return any(action.kind == kind for action in self.robot.script)

    def add(self, path: str, action: Action) -> None:
        path, value = f"{path}.{action.kind}", action.value
        if action.looks or not self.known:
            self._look(path, action)
        elif isinstance(value, Joints):
            self._joints(path, value)
        elif isinstance(value, Velocity):
            self._velocity(path, value)
        elif isinstance(value, Reach | Push):
            self._line(path, value)
        elif isinstance(value, GripperTo | str):
            self._grip(path, value)
        elif isinstance(value, Wait):
            self.segments.append(Hold(value.for_s, self.q))

    def _look(self, path: str, action: Action) -> None:
        """What can be said before the run of an action whose start is not known yet."""
        value, self.known = action.value, False
        hand = action.kind in {"grasp", "place", "pour", "open", "handover"}
        if (hand or isinstance(value, GripperTo | str)) and self.gripper is None:
            self.faults.append((path, NO_GRIPPER))
        if isinstance(value, Joints):
            self.faults.extend(_joint_faults(self.model, value.to, f"{path}.to", limits=True))
        elif action.kind not in {"gait", "move_base", "wait_until", "wait", "gripper", "velocity"}:
            if not self.has_tool or not self._leads(path):
                return
            self._far(path, value)

    def _far(self, path: str, value: object) -> None:
        """Fixed points that lie out of reach from wherever the arm starts."""
        for name in ("to_m", "to", "at", "at_m", "into", "center"):
            given = getattr(value, name, None)
            point = given.point_m if isinstance(given, Target) else given
            if point is None or isinstance(point, str) or isinstance(value, Push):  # a handover's "to" names a robot
                continue
            place = np.asarray(point) + (given.offset_m if isinstance(given, Target) else 0.0)
            best = nearest(self.chain, pose_matrix(place), self.model.home, orient=False)
            if not best.reached and best.position_error_m > (0.0 if isinstance(value, Reach) else FAR_M):
                self.faults.append((
                    f"{path}.{name}", f"{_point(place)} is out of reach; nearest point {_point(best.pose[:3, 3])}, "
                    f"{best.position_error_m:.3f} m away",
                ))  # fmt: skip

    def _joints(self, path: str, action: Joints) -> None:
        self.faults.extend(_joint_faults(self.model, action.to, f"{path}.to", limits=True))
        goal = self.q.copy()
        for name, value in action.to.items():
            if name in self.model.joint_names:
                goal[self.model.joint_index(name)] = value
        self._append(path, Straight(action.over_s, self.q, self.model.coupled(goal)))

    def _velocity(self, path: str, action: Velocity) -> None:
        self.faults.extend(_joint_faults(self.model, action.joints, f"{path}.joints", limits=False))
        speed = np.zeros(len(self.q))
        for name, value in action.joints.items():
            if name in self.model.joint_names:
                j = self.model.joint_index(name)
                speed[j] = value
                limit = self.model.joints[j].velocity_limit
                if abs(value) > limit:
                    self.faults.append(
                        (f"{path}.joints.{name}", f"expected a speed of at most {limit:.6g}, got {value:.6g}")
                    )
        segment = Turning(action.for_s, self.q, speed, self.model.lower, self.model.upper)
        self.segments.append(segment)
        self.q = segment.end

    def _grip(self, path: str, action: GripperTo | str) -> None:
        if self.gripper is None:
            if self.robot.gripper_joints is None:
                self.faults.append((path, NO_GRIPPER))
            return
        width, over_s = (0.0 if action == "close" else self.gripper.width_m), GRIPPER_S
        if isinstance(action, GripperTo):
            width, over_s = action.width_m, action.over_s
            if width > self.gripper.width_m + LIMIT_SLACK:
                text = f"expected a width of at most {self.gripper.width_m:.6g} m, got {width:.6g}"
                self.faults.append((f"{path}.width_m", text))
                width = self.gripper.width_m
        goal = self.q.copy()
        goal[list(self.gripper.joints)] = self.gripper.positions(width)
        self._append(path, Straight(over_s, self.q, goal))

    def _leads(self, path: str) -> bool:
        """Whether inverse kinematics can lead the tool; a fault if not."""
        chain = self.chain
        if not self.robot.fixed_base:
            self.faults.append((path, "reach and push need fixed_base: true; use joints"))
            return False
        tied = [
            self.model.joints[j].name for j in self.model.chain(chain.link) if self.model.joints[j].mimic is not None
        ]
        if tied or not chain.joints:
            why = f"hangs on joint {tied[0]!r}, which follows another one" if tied else "hangs on no actuated joint"
            self.faults.append((path, f"the tool's link {self.model.links[chain.link].name!r} {why}; use joints"))
            return False
        return True

    def _line(self, path: str, action: Reach | Push) -> None:
        chain = self.chain
        if not self.has_tool or not self._leads(path):
            return
        here = chain.pose(self.q)
        goal, orient = here.copy(), len(chain.joints) >= 6
        if isinstance(action, Push):
            goal[:3, 3] += np.asarray(action.by_m)
        else:
            goal[:3, 3] = np.asarray(action.to_m)
            if action.rotation_deg is not None:
                goal[:3, :3], orient = matrix_from_quat(quat_from_euler_deg(action.rotation_deg)), True
        line = follow_line(chain, self.q, goal, self.model.home, orient=orient)
        if line.missed is not None:
            field_name = "by_m" if isinstance(action, Push) else "to_m"
            self.faults.append((f"{path}.{field_name}", self._missed(chain, line.missed, goal, orient)))
            return
        spline = Spline(action.over_s or 1.0, line.fractions, line.knots, self.model.lower, self.model.upper)
        if action.over_s is None:
            slowest = float((spline.peak_speeds / self._speed_limits()).max(initial=0.0))
            gentle = float(np.linalg.norm(goal[:3, 3] - here[:3, 3])) / GENTLE_M_S
            spline = replace(spline, duration_s=max(gentle, 2 * slowest, LEAST_S))
        self._append(path, spline)

    def _speed_limits(self) -> Array:
        return np.array([min(j.velocity_limit, _default_speed(j.kind, j.velocity_limit)) for j in self.model.joints])

    def _missed(self, chain: ToolChain, missed: Solution, goal: Array, orient: bool) -> str:
        """Why a straight line was not followed, and what would help; moves on to the end where that can be reached."""
        best = nearest(chain, goal, self.q, orient=orient)
        target = _point(goal[:3, 3])
        if best.reached:
            self.q = best.q
            return (
                f"the straight line to {target} cannot be followed without a jump of the joints (it is left by "
                f"{missed.position_error_m:.3f} m and {np.degrees(missed.rotation_error_rad):.1f} deg at "
                f"{_point(missed.pose[:3, 3])}), though its end can be reached; go there over "
                "another point, or by joints"
            )
        free = nearest(chain, goal, self.q, orient=False)
        if free.reached:
            turn = np.degrees(best.rotation_error_rad)
            return (
                f"{target} can be reached, but not with this orientation (nearest: {best.position_error_m:.3f} m and "
                f"{turn:.1f} deg off); change rotation_deg"
            )
        root = self.model.forward(self.model.home)[self.model.joints[chain.joints[0]].link][:3, 3]
        return (
            f"{target} is out of reach: it lies {np.linalg.norm(goal[:3, 3] - root):.3f} m from the first joint at "
            f"{_point(root)}, the arm reaches at most {np.linalg.norm(free.pose[:3, 3] - root):.3f} m towards it; "
            f"nearest point {_point(free.pose[:3, 3])}, {free.position_error_m:.3f} m away"
        )

    def _append(self, path: str, segment: Segment) -> None:
        """Take a segment in, after comparing its fastest moment with the joints' limits."""
        self.segments.append(segment)
        self.q = segment.end
        limits = self._speed_limits()
        peaks = segment.peak_speeds
        ratio = peaks / limits
        worst = int(np.argmax(ratio))
        if ratio[worst] > 1 + 1e-9:
            joint = self.model.joints[worst]
            unit = "m/s" if joint.kind == "slide" else "rad/s"
            given = np.isfinite(joint.velocity_limit)
            source = "its limit is" if given else "the file gives no limit, here it is"
            needed = np.ceil(segment.duration_s * ratio[worst] * 1000) / 1000
            self.faults.append((
                path if path.endswith(".gripper") else f"{path}.over_s",
                f"too fast for joint {joint.name!r}: {peaks[worst]:.3g} {unit}, {source} {limits[worst]:.3g} {unit}; "
                f"make over_s at least {needed:.6g}",
            ))  # fmt: skip


def _default_speed(kind: str, limit: float) -> float:
    return DEFAULT_SPEED[kind] if not np.isfinite(limit) else limit


def _point(p: Array) -> str:
    return "(" + ", ".join(f"{c:.3f}" for c in p) + ") m"
