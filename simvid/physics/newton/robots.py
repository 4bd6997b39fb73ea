"""Robots in the Newton engine: drive MuJoCo's actuators, read joints back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.assets.robot_model import RobotModel
from simvid.errors import PhysicsError, SceneError
from simvid.physics.newton.links import first_part
from simvid.physics.scripts import JointTargets
from simvid.physics.tools import Gripper, find_gripper
from simvid.rotations import pose_vector
from simvid.scene import Control, Robot
from simvid.trajectory import RobotMotion

Array = NDArray[np.float64]
Ints = NDArray[np.int32]
DEFAULT_RAD_S = 2 * np.pi * 10
"""Natural frequency of the critically damped servos of joints for which neither file nor scene gives gains."""
CLOSED_M = 1e-6
GRIP_N = 20.0
"""Force per finger of a gripper that is told to close, where its actuator's limit allows it; common parallel grippers
press with 20 N to 70 N. A servo alone would press with its stiffness times the object's width, 1 N for a small cube."""
HOME_TOLERANCE_M = 1e-4
"""Newton's model of a robot must stand like the file's own, up to float32."""


@dataclass(frozen=True, eq=False)
class NewtonRobot:
    """Where a robot's joints and actuators are in the compiled model.

    Attributes:
        model: the robot.
        control: how its joints are driven.
        position_at, velocity_at: addresses in qpos and qvel, [J].
        actuators: indices of its actuators, [A].
        arms: length of each actuator per joint position, [A, J].
        gripper: its fingers, if it has some.
    """

    model: RobotModel
    control: Control
    position_at: Ints
    velocity_at: Ints
    actuators: Ints
    arms: Array
    gripper: Gripper | None = None

    def controls(self, m: Any, targets: JointTargets) -> Array:
        """Values of MuJoCo's ``ctrl`` for all times, [S + 1, A].

        An actuator's force is g ctrl + b0 + b1 length + b2 speed. ctrl is chosen so that it vanishes where length and
        speed are the target's, so that a position servo follows a moving target without the lag b2 / b1. A gripper
        that is told to be closed also presses with ``GRIP_N``.
        """
        gain, bias = m.actuator_gainprm[self.actuators, 0], m.actuator_biasprm[self.actuators]
        lengths, speeds = targets.positions @ self.arms.T, targets.velocities @ self.arms.T
        press = self._presses(targets.positions)
        return np.asarray((press - bias[:, 0] - bias[:, 1] * lengths - bias[:, 2] * speeds) / gain)

    def _presses(self, positions: Array) -> Array:
        """Forces that actuators of a gripper add while it is told to be closed [N], [S + 1, A]."""
        added = np.zeros((len(positions), len(self.actuators)))
        if self.gripper is None or self.control.mode != "position":
            return added
        joints = list(self.gripper.joints)
        closed = (np.abs(positions[:, joints] - self.gripper.closed) < CLOSED_M).all(axis=1)
        opening = np.zeros(len(self.model.joints))
        opening[joints] = self.gripper.direction
        for a in self._fingers():
            arm = self.arms[a]  # the force F at the actuator is F arm at each joint
            added[closed, a] = -GRIP_N * float(arm @ opening) / float(arm @ arm)
        return added

    def _fingers(self) -> list[int]:
        """Actuators (places in ``actuators``) that move nothing but the gripper."""
        others = np.ones(len(self.model.joints), bool)
        others[list(self.gripper.joints) if self.gripper is not None else []] = False
        return [a for a, arm in enumerate(self.arms) if self.gripper is not None and not arm[others].any()]

    def efforts(self, m: Any, d: Any) -> Array:
        """Force of actuators and of joint limits [N m or N], [J]."""
        limits = np.zeros(m.nv)
        if d.nefc:
            force = np.where(d.efc_type == int(mujoco.mjtConstraint.mjCNSTR_LIMIT_JOINT), d.efc_force, 0.0)
            mujoco.mj_mulJacTVec(m, d, limits, force)
        return np.asarray((d.qfrc_actuator + limits)[self.velocity_at])

    def motion(self, positions: Array, velocities: Array, efforts: Array, targets: Array) -> RobotMotion:
        """The record of a run."""
        names = tuple(self.model.joint_names)
        return RobotMotion(self.model.name, names, positions, velocities, efforts, targets, self.control.mode)


def set_up_robots(m: Any, d: Any, assets: SceneAssets, bodies: Ints) -> tuple[NewtonRobot, ...]:
    """Find the robots in the compiled model, set gains and friction, put them at their start.

    Raises:
        SceneError: an actuator that no joint target can drive.
        PhysicsError: Newton's import differs from the file.
    """
    robots = []
    for model, robot in zip(assets.robots, assets.scene.robots, strict=True):
        links = bodies[first_part(assets, model) :][: len(model.links)]
        _place(m, d, model, links)
        robots.append(_found(m, model, robot, links))
        d.qpos[robots[-1].position_at] = model.home
        if robot.friction is not None:
            m.geom_friction[np.isin(m.geom_bodyid, links), 0] = robot.friction
    mujoco.mj_forward(m, d)
    for found, robot in zip(robots, assets.scene.robots, strict=True):
        _set_gains(m, d, found, robot)
        _check_home(d, found.model, bodies[first_part(assets, found.model) :])
    if robots:
        fold_damping(m)
    return tuple(robots)


def fold_damping(m: Any) -> None:
    """Let the constraint solver know of implicit damping: M becomes M + h D, and Euler steps with that.

    ``implicitfast`` solves (M + h D) a = f, with D the damping of joints and servos, but finds contact forces for M
    alone. A servo with D h about as large as M then accelerates less than its contacts believe, and what it holds
    slips through its fingers by millimetres at every start and stop. With h D as armature both see the same, and
    without constraints the step itself stays what it was. Servos that act on tendons keep their explicit damping.

    A limit: a servo at its force limit has no damping, and ``implicitfast`` drops its D, but the armature stays. It
    then speeds up as if its inertia were M + h D: too slowly, by an error of first order in h (docs/robots.md).
    """
    h = float(m.opt.timestep)
    m.dof_armature += h * m.dof_damping
    for a in range(m.nu):
        kind = int(m.actuator_trntype[a])
        if kind not in {int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT)}:
            continue
        damping = -float(m.actuator_biasprm[a, 2])
        if int(m.actuator_biastype[a]) == int(mujoco.mjtBias.mjBIAS_AFFINE) and damping > 0:
            dof = int(m.jnt_dofadr[int(m.actuator_trnid[a, 0])])
            m.dof_armature[dof] += h * damping * float(m.actuator_gear[a, 0]) ** 2
    m.opt.integrator = int(mujoco.mjtIntegrator.mjINT_EULER)
    m.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_EULERDAMP)


def _place(m: Any, d: Any, model: RobotModel, links: Ints) -> None:
    """Put a floating base where the scene wants it, in float64."""
    if model.fixed_base:
        return
    for k, link in enumerate(model.links):
        joint = int(m.body_jntadr[links[k]])
        if link.parent < 0 and joint >= 0 and int(m.jnt_type[joint]) == int(mujoco.mjtJoint.mjJNT_FREE):
            at = int(m.jnt_qposadr[joint])
            d.qpos[at : at + 7] = pose_vector(model.base @ link.pose)


def _found(m: Any, model: RobotModel, robot: Robot, links: Ints) -> NewtonRobot:
    joints: list[int] = []
    for k, joint in enumerate(model.joints):
        body = int(links[joint.link])
        place = model.joints_of(joint.link).index(k)
        own = range(int(m.body_jntadr[body]), int(m.body_jntadr[body] + m.body_jntnum[body]))
        scalar = [j for j in own if int(m.jnt_type[j]) != int(mujoco.mjtJoint.mjJNT_FREE)]
        if place >= len(scalar):
            raise PhysicsError(f"robot {model.name!r}: newton's import of {model.path.name} lost joint {joint.name!r}")
        joints.append(scalar[place])
    actuators, arms = _actuators(m, joints)
    for a, arm in zip(actuators, arms, strict=True):
        if not arm.any():
            raise SceneError(f"robot {model.name!r}: actuator {m.actuator(a).name!r} acts on no joint by a fixed arm")
    position_at, velocity_at = m.jnt_qposadr[joints].astype(np.int32), m.jnt_dofadr[joints].astype(np.int32)
    gripper, _ = find_gripper(model, robot)
    found = NewtonRobot(model, robot.control, position_at, velocity_at, actuators, arms, gripper)
    m.actuator_ctrllimited[actuators[found._fingers()]] = 0  # pressing asks for more than their range
    return found


def _actuators(m: Any, joints: list[int]) -> tuple[Ints, Array]:
    """Actuators that act on some of the joints, and their arms."""
    found: list[int] = []
    arms: list[Array] = []
    for a in range(m.nu):
        target, gear, arm = int(m.actuator_trnid[a, 0]), float(m.actuator_gear[a, 0]), np.zeros(len(joints))
        kind = int(m.actuator_trntype[a])
        if kind in {int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT)}:
            wraps = {target: 1.0}
        elif kind == int(mujoco.mjtTrn.mjTRN_TENDON):
            span = range(int(m.tendon_adr[target]), int(m.tendon_adr[target] + m.tendon_num[target]))
            joint_wrap = int(mujoco.mjtWrap.mjWRAP_JOINT)
            wraps = {int(m.wrap_objid[w]): float(m.wrap_prm[w]) for w in span if int(m.wrap_type[w]) == joint_wrap}
        else:
            continue
        for j, share in wraps.items():
            if j in joints:
                arm[joints.index(j)] = gear * share
        if arm.any():
            found.append(a)
            arms.append(arm)
    return np.array(found, np.int32), np.array(arms).reshape(len(found), len(joints))


def _set_gains(m: Any, d: Any, robot: NewtonRobot, spec: Robot) -> None:
    """Turn every actuator into a servo of the wanted kind; the file's gains stay where the scene gives none.

    An actuator of arm r and stiffness k feels like the stiffness k r^2 at its joint.
    """
    inertia = np.zeros((m.nv, m.nv))
    mujoco.mj_fullM(m, d, inertia)
    control = spec.control
    for a, arm in zip(robot.actuators, robot.arms, strict=True):
        square = float(arm @ arm)
        affine = int(m.actuator_biastype[a]) == int(mujoco.mjtBias.mjBIAS_AFFINE)
        given = -m.actuator_biasprm[a, 1:3] * square if affine else np.zeros(2)
        tendon = int(m.actuator_trntype[a]) == int(mujoco.mjtTrn.mjTRN_TENDON)
        if control.mode == "position" and given[0] > 0 and (control.stiffness is None or tendon):
            if control.damping is not None and not tendon:
                m.actuator_biasprm[a, 2] = -control.damping / square
            continue
        mass = float(inertia.diagonal()[robot.velocity_at] @ (arm != 0))
        stiffness = control.stiffness or DEFAULT_RAD_S**2 * mass
        damping = control.damping if control.damping is not None else given[1]
        if damping <= 0:
            damping = 2 * np.sqrt(stiffness * mass)
        _make_servo(m, a, 0.0 if control.mode == "velocity" else stiffness / square, damping / square)


def _make_servo(m: Any, a: int, stiffness: float, damping: float) -> None:
    """force = stiffness (target - length) + damping (target speed - speed)."""
    m.actuator_dyntype[a] = int(mujoco.mjtDyn.mjDYN_NONE)
    m.actuator_gaintype[a] = int(mujoco.mjtGain.mjGAIN_FIXED)
    m.actuator_biastype[a] = int(mujoco.mjtBias.mjBIAS_AFFINE)
    m.actuator_gainprm[a], m.actuator_biasprm[a] = 0.0, 0.0
    m.actuator_gainprm[a, 0] = stiffness if stiffness > 0 else damping
    m.actuator_biasprm[a, 1:3] = -stiffness, -damping
    m.actuator_ctrllimited[a] = 0


def _check_home(d: Any, model: RobotModel, bodies: Ints) -> None:
    """Links must be where the file's own kinematics put them."""
    wanted = model.forward(model.home)
    for k, link in enumerate(model.links):
        error = float(np.linalg.norm(d.xpos[bodies[k]] - wanted[k, :3, 3]))
        if not error < HOME_TOLERANCE_M:
            raise PhysicsError(
                f"robot {model.name!r}: the engine puts link {link.name!r} {error:.3g} m from where {model.path.name} "
                "has it; please report this file"
            )
