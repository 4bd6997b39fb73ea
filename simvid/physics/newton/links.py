"""Robots into the model: URDF through Newton's importer, MJCF as MuJoCo itself reads it.

Newton 1.8 imports MJCF too, but loses what its joints cannot say: humanoid.xml loses two tendons, walker.xml a joint.
MuJoCo's own ``attach`` loses nothing: all joints, actuators, tendons, constraints and contact settings are to the last
bit those of the file (a test compares them).
"""

from __future__ import annotations

import logging
from typing import Any
from xml.etree import ElementTree

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.assets.robot_model import RobotModel
from simvid.rotations import pose_vector

Array = NDArray[np.float64]
OWN_SETTINGS = ("option", "size", "visual", "statistic", "custom")
"""Elements of an MJCF file that would hold for the whole scene."""
INERTIA_SLACK = 0.05
"""Principal moments of a URDF link may break A + B >= C by this much of C without a word; rounding in files does."""
LEAST_KG, LEAST_KG_M2 = 1e-6, 1e-9
"""Mass and moments of inertia of links whose file gives none."""
_log = logging.getLogger(__name__)


def body_name(part: int) -> str:
    """Name of a body's part in the Newton and MuJoCo models; links of MJCF robots are called as their parts."""
    return f"part{part}"


def body_names(assets: SceneAssets) -> list[str]:
    """Name of each part's body in MuJoCo's model; parts of the world have none there."""
    own = {robot.name for robot in assets.robots if robot.format == "mjcf"}
    return [p.part.name if p.part.instance in own else body_name(k) for k, p in enumerate(assets.parts)]


def first_part(assets: SceneAssets, robot: RobotModel) -> int:
    """Index of the part of a robot's first link."""
    return next(k for k, p in enumerate(assets.parts) if p.part.kind == "link" and p.part.instance == robot.name)


def add_urdf_robots(builder: Any, assets: SceneAssets) -> None:
    """Import the URDF robots into a ``newton.ModelBuilder``; link k of a robot becomes the body of its part."""
    from simvid.physics.newton.model import transform

    for robot in assets.robots:
        if robot.format != "urdf":
            continue
        first = builder.body_count
        builder.add_urdf(robot.xml, xform=transform(robot.base), floating=not robot.fixed_base)
        for body in range(first, builder.body_count):
            name = builder.body_label[body].rsplit("/", 1)[-1]
            builder.body_label[body] = body_name(first_part(assets, robot) + robot.link_index(name))
            _weigh(builder, body)
            _balance(builder, body, robot, name)


def _weigh(builder: Any, body: int) -> None:
    """Give a link without mass, as between the axes of a mobile base, the least that MuJoCo takes; it is not felt."""
    import warp

    if builder.body_mass[body] > 0:
        return
    builder.body_mass[body], builder.body_inv_mass[body] = LEAST_KG, 1 / LEAST_KG
    builder.body_inertia[body] = warp.mat33(np.eye(3) * LEAST_KG_M2)
    builder.body_inv_inertia[body] = warp.mat33(np.eye(3) / LEAST_KG_M2)


def _balance(builder: Any, body: int, robot: RobotModel, link: str) -> None:
    """Make a link's inertia one that a rigid body can have (MuJoCo refuses others), by raising the smaller moments."""
    import warp

    inertia = np.array(builder.body_inertia[body], np.float64).reshape(3, 3)
    moments, axes = np.linalg.eigh((inertia + inertia.T) / 2)
    missing = moments[2] - moments[0] - moments[1]
    if not missing > 0 or builder.body_mass[body] <= 0:
        return
    if missing > INERTIA_SLACK * moments[2]:
        _log.warning(
            "%s: no body has the inertia of link %r, with principal moments %s; its smaller moments are raised",
            robot.path, link, np.array2string(moments, precision=4),
        )  # fmt: skip
    moments[:2] += missing / 2 * 1.001
    builder.body_inertia[body] = warp.mat33(axes @ np.diag(moments) @ axes.T)


def attach_mjcf_robots(spec: Any, assets: SceneAssets) -> None:
    """Add the MJCF robots to MuJoCo's spec, each at its base, without what is only seen."""
    for robot in assets.robots:
        if robot.format != "mjcf":
            continue
        tree = ElementTree.fromstring(robot.xml)
        for element in [e for e in tree if e.tag in OWN_SETTINGS]:
            tree.remove(element)
        child = mujoco.MjSpec.from_string(ElementTree.tostring(tree, encoding="unicode"))
        _without_visuals(child)
        roots = child.worldbody.bodies
        if not robot.fixed_base and not any(j.type == mujoco.mjtJoint.mjJNT_FREE for b in roots for j in b.joints):
            next((b for b in roots if b.name != "stand"), roots[0]).add_freejoint()
        pose = pose_vector(robot.base)
        frame = spec.worldbody.add_frame(pos=pose[:3], quat=pose[3:])
        spec.attach(child, prefix=f"{robot.name}/", frame=frame)


def _without_visuals(child: Any) -> None:
    """Leave out geoms that touch nothing, unless they weigh something."""
    try:
        child.discard_visual()
    except ValueError:  # inertiafromgeom counts them; then they stay, and cost little
        return


def add_missing_actuators(spec: Any, assets: SceneAssets) -> None:
    """Give every joint of a robot without actuators one; ``NewtonRobot`` sets its gains."""
    names = body_names(assets)
    driven = {actuator.target for actuator in spec.actuators}
    for robot in assets.robots:
        offset = first_part(assets, robot)
        bodies = [spec.body(names[offset + k]) for k in range(len(robot.links))]
        joints = {joint.name for body in bodies for joint in body.joints}
        tendons = {t.name for t in spec.tendons if t.name.startswith(f"{robot.name}/")}
        if driven & (joints | tendons):
            continue
        for k, joint in enumerate(robot.joints):
            if joint.mimic is not None:
                continue
            place = robot.joints_of(joint.link).index(k)
            target = [j.name for j in bodies[joint.link].joints if j.type != mujoco.mjtJoint.mjJNT_FREE][place]
            actuator = spec.add_actuator(name=f"{robot.name}/{joint.name}", trntype=mujoco.mjtTrn.mjTRN_JOINT)
            actuator.target = target
            actuator.gaintype, actuator.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_NONE
            if np.isfinite(joint.effort_limit):
                actuator.forcelimited = 1
                actuator.forcerange = [-joint.effort_limit, joint.effort_limit]


def exclude_touching_links(m: Any, d: Any, assets: SceneAssets, deeper_m: float) -> list[tuple[str, str]]:
    """Pairs of bodies of one URDF robot that are inside each other at its start, as hulls of hollow links are.

    MJCF says itself which links may not touch (``exclude``); URDF cannot, and tools that use it find such pairs once.
    """
    names = body_names(assets)
    robot_of = {
        names[k]: p.part.instance
        for k, p in enumerate(assets.parts)
        if p.part.kind == "link" and names[k] == body_name(k)
    }
    found: set[tuple[str, str]] = set()
    for k in range(d.ncon):
        contact = d.contact[k]
        one, two = (m.body(int(m.geom_bodyid[g])).name for g in contact.geom)
        if contact.dist < -deeper_m and one in robot_of and robot_of.get(two) == robot_of[one]:
            found.add((min(one, two), max(one, two)))
    return sorted(found)
