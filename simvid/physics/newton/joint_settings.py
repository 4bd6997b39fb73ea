"""Limits, springs and damping of the bodies' joints, and an actuator for each motor on them, in MuJoCo's spec."""

from __future__ import annotations

from typing import Any

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np

from simvid.assets.parts import SceneAssets
from simvid.physics.newton.links import body_name
from simvid.physics.newton.tie_plans import STIFF
from simvid.scene import HingeMotor, SliderMotor
from simvid.scene.bodies import may_break


def driven(assets: SceneAssets) -> list[tuple[int, tuple[HingeMotor | SliderMotor, ...]]]:
    """Parts with motors on their joints."""
    found = []
    for k, part in enumerate(assets.parts):
        joint = None if part.body is None else part.body.joint
        motors = () if joint is None else getattr(joint.value, "motors", ())
        if motors:
            found.append((k, motors))
    return found


def tune_joints(spec: Any, assets: SceneAssets) -> None:
    """Limits, springs, and an actuator for each motor."""
    degrees = bool(spec.compiler.degree)
    for k, part in enumerate(assets.parts):
        joint = None if part.body is None else part.body.joint
        if joint is None or may_break(joint) is not None or joint.kind == "weld":
            continue
        value, made = joint.value, spec.body(body_name(k)).joints[0]
        if joint.kind == "ball":
            made.damping[0] = value.damping_n_m_s
            continue
        limits = value.limits_deg if joint.kind == "hinge" else value.limits_m
        if limits is not None:
            scale = 1.0 if joint.kind == "slider" or degrees else np.pi / 180
            made.limited, made.range = int(mujoco.mjtLimited.mjLIMITED_TRUE), np.array(limits) * scale
            made.solref_limit, made.solimp_limit = (2 * assets.scene.step_s, 1.0), STIFF
        stiffness = value.stiffness_n_m_rad if joint.kind == "hinge" else value.stiffness_n_m
        made.stiffness[0], made.springref = stiffness, 0.0
    for k, motors in driven(assets):
        target = spec.body(body_name(k)).joints[0].name
        for n, motor in enumerate(motors):
            actuator = spec.add_actuator(name=f"motor{k}_{n}", trntype=mujoco.mjtTrn.mjTRN_JOINT)
            actuator.target = target
            actuator.gaintype, actuator.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
            limit = motor.drive[2]
            if limit is not None:
                actuator.forcelimited, actuator.forcerange = int(mujoco.mjtLimited.mjLIMITED_TRUE), [-limit, limit]
