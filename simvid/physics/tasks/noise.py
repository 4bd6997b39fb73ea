"""Small faults of scripts: noise on joint targets, kicks at random times. Drawn from the scene's seed and a name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simvid.assets.robot_model import RobotModel
from simvid.physics.scripts import JointTargets
from simvid.physics.tools import Gripper, find_gripper
from simvid.scene import Robot, Scene

Array = NDArray[np.float64]


def rng_of(seed: int, name: str) -> np.random.Generator:
    """Numbers that depend on a seed and a name alone."""
    digest = hashlib.blake2b(f"{seed}\n{name}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest, dtype="<u8").astype(np.uint64)))


def joint_noise(scene: Scene, robot: Robot, joints: int, gripper: Gripper | None, steps: int) -> Array | None:
    """What is added to joint targets at S + 1 times [rad or m], [S + 1, J]; None without noise.

    An Ornstein-Uhlenbeck process: x' = a x + sqrt(1 - a^2) sigma n with a = exp(-h / correlation_s), smoothed by a
    second such filter, so that speeds stay finite; it begins at zero. Fingers have none.
    """
    noise = robot.noise
    if noise is None or noise.joints_rad == 0:
        return None
    from scipy.signal import lfilter

    rng = rng_of(scene.seed, f"{robot.name} joints")
    a = float(np.exp(-scene.step_s / noise.correlation_s))
    white = rng.standard_normal((steps + 1, joints))
    once = lfilter([1 - a], [1.0, -a], white, axis=0)
    twice = np.asarray(lfilter([1 - a], [1.0, -a], once, axis=0), dtype=np.float64)
    # variance of two equal first-order filters in a row: (1 - a)^4 (1 + a^2) / (1 - a^2)^3
    spread = np.sqrt((1 - a) ** 4 * (1 + a * a) / (1 - a * a) ** 3)
    out = twice * (noise.joints_rad / spread)
    if gripper is not None:
        out[:, list(gripper.joints)] = 0.0
    return np.asarray(out, dtype=np.float64)


def with_noise(targets: JointTargets, scene: Scene, robot: Robot, model: RobotModel) -> JointTargets:
    """Targets that were planned before the run, with the robot's noise on them; within the joints' limits."""
    gripper, _ = find_gripper(model, robot)
    noise = joint_noise(scene, robot, len(model.joints), gripper, len(targets.times_s) - 1)
    if noise is None:
        return targets
    positions = np.clip(targets.positions + noise, model.lower, model.upper)
    step = float(targets.times_s[1] - targets.times_s[0])
    velocities = targets.velocities + np.diff(noise, axis=0, prepend=0.0) / step
    return replace(targets, positions=positions, velocities=velocities)


@dataclass(frozen=True)
class Kick:
    """A push on a body's middle."""

    t_s: float
    body: str
    impulse_n_s: tuple[float, float, float]


def kicks(scene: Scene) -> list[Kick]:
    """The random pushes of all robots' scripts, by time."""
    found: list[Kick] = []
    for robot in scene.robots:
        pushes = robot.noise.pushes if robot.noise is not None else None
        if pushes is None:
            continue
        rng = rng_of(scene.seed, f"{robot.name} pushes")
        first, last = pushes.between_s or (0.0, scene.duration_s)
        for _ in range(pushes.count):
            at, angle = float(rng.uniform(first, last)), float(rng.uniform(0, 2 * np.pi))
            body = pushes.of[int(rng.integers(len(pushes.of)))]
            size = pushes.impulse_n_s
            found.append(Kick(at, body, (size * float(np.cos(angle)), size * float(np.sin(angle)), 0.0)))
    return sorted(found, key=lambda kick: kick.t_s)
