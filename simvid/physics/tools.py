"""The tool point of a robot, and its gripper: found in the model where the scene does not say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.assets.pieces import Collider
from simvid.assets.robot_model import RobotModel, closest
from simvid.physics.kinematics import ToolChain
from simvid.rotations import pose_matrix
from simvid.scene import Robot

Array = NDArray[np.float64]
Fault = tuple[str, str]
"""Path of a field inside the robot, and what is wrong with it."""
GRASP_DEPTH = 5 / 6
"""Where fingers hold, as a part of their length from their frame to their tip (Franka's hand: 0.1034 m, its flange)."""


@dataclass(frozen=True, eq=False)
class Gripper:
    """Sliding fingers.

    Attributes:
        joints: indices of the finger joints.
        closed: their positions with no gap [m].
        direction: +1 where a finger opens towards larger positions, else -1.
        width_m: the largest gap.
    """

    joints: tuple[int, ...]
    closed: Array
    direction: Array
    width_m: float

    def positions(self, width_m: float) -> Array:
        """Finger joint positions for a gap, each finger moving the same way, [n]."""
        return np.asarray(self.closed + self.direction * width_m / len(self.joints))


def find_gripper(model: RobotModel, robot: Robot) -> tuple[Gripper | None, list[Fault]]:
    """The gripper that ``gripper_joints`` names, else the sliding joints of links called finger; None without one."""
    names = robot.gripper_joints
    if names is None:
        joints = [
            k for k, j in enumerate(model.joints) if j.kind == "slide" and "finger" in model.links[j.link].name.lower()
        ]
    else:
        faults = [
            (f"gripper_joints[{k}]", f"unknown joint {name!r}; {closest(name, model.joint_names)}")
            for k, name in enumerate(names)
            if name not in model.joint_names
        ]
        if faults:
            return None, faults
        joints = [model.joint_index(name) for name in names]
    faults = []
    for k, j in enumerate(joints):
        joint = model.joints[j]
        path = f"gripper_joints[{k}]" if names is not None else "model"
        if joint.kind != "slide":
            faults.append(
                (path, f"joint {joint.name!r} is a hinge; expected sliding fingers (move hinges with joints)")
            )
        elif not np.isfinite([joint.lower, joint.upper]).all():
            faults.append((path, f"finger joint {joint.name!r} has no limits, so its gap is unknown"))
    if faults or not joints:
        return None, faults
    return _gripper(model, joints), []


def _gripper(model: RobotModel, joints: list[int]) -> Gripper:
    """Closed is the end of each finger's range that brings it nearer to the middle of all of them."""
    low, high = model.lower[joints], model.upper[joints]
    middle = _finger_centers(model, joints, (low + high) / 2).mean(axis=0)
    gaps = [np.linalg.norm(_finger_centers(model, joints, ends) - middle, axis=1) for ends in (low, high)]
    opens_up = (gaps[1] >= gaps[0]) | (len(joints) == 1)
    closed = np.where(opens_up, low, high)
    return Gripper(tuple(joints), closed, np.where(opens_up, 1.0, -1.0), float((high - low).min()) * len(joints))


def _finger_centers(model: RobotModel, joints: list[int], positions: Array) -> Array:
    """Middles of the fingers' boxes in the world, [n, 3]."""
    q = model.home.copy()
    q[joints] = positions
    world = model.forward(q)
    centers = []
    for j in joints:
        pose, points = world[model.joints[j].link], link_points(model, model.joints[j].link)
        middle = (points.min(axis=0) + points.max(axis=0)) / 2 if len(points) else np.zeros(3)
        centers.append(pose[:3, :3] @ middle + pose[:3, 3])
    return np.stack(centers)


def link_points(model: RobotModel, link: int) -> Array:
    """Corner points of all that a link touches with (or shows, where it touches with nothing), its frame, [N, 3]."""
    points = [_collider_points(c) for c in model.links[link].colliders]
    points = points or [v.mesh.vertices.astype(np.float64) for v in model.links[link].visuals if v.mesh is not None]
    return np.concatenate(points) if points else np.zeros((0, 3))


def _collider_points(collider: Collider) -> Array:
    if collider.mesh is not None:
        local = collider.mesh.vertices.astype(np.float64)
    else:
        size = collider.dimensions
        match collider.kind:
            case "sphere":
                half = np.repeat(size[0], 3)
            case "capsule":
                half = np.array([size[0], size[0], size[0] + size[1]])
            case "cylinder" | "cone":
                half = np.array([size[0], size[0], size[1]])
            case _:
                half = np.array(size)
        local = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * half
    return local @ collider.pose[:3, :3].T + collider.pose[:3, 3]


def find_tool(model: RobotModel, robot: Robot, gripper: Gripper | None) -> tuple[ToolChain, list[Fault]]:
    """The tool that the scene names, else the grasp point between the fingers, else the last link of the longest chain.

    The tool's axes are those of its link. For the Franka hand z points out of the hand and the fingers move along y, so
    ``rotation_deg: [180, 0, 0]`` means pointing straight down with the fingers along the world's y; the home pose of
    its MJCF points down with the fingers along x, ``[180, 0, 90]``.
    """
    faults: list[Fault] = []
    if robot.tool is not None:
        names = [link.name for link in model.links]
        if robot.tool.link in names:
            return ToolChain.of(model, names.index(robot.tool.link), pose_matrix(robot.tool.offset_m)), []
        faults.append(("tool.link", f"unknown link {robot.tool.link!r}; {closest(robot.tool.link, names)}"))
    if gripper is not None:
        link, point = _grasp_point(model, gripper)
        return ToolChain.of(model, link, pose_matrix(point)), faults
    lengths = [len(model.chain(k)) for k in range(len(model.links))]
    return ToolChain.of(model, len(lengths) - 1 - int(np.argmax(lengths[::-1])), np.eye(4)), faults


def grip_axes(model: RobotModel, gripper: Gripper | None) -> tuple[Array, Array]:
    """The tool's directions in its own frame: where it points, and along which its fingers move, [3] each.

    Without a gripper a tool points along z, as ROS has it, and y counts as the other direction.
    """
    if gripper is None:
        return np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    _, _, axis, slide = _grasp_frame(model, gripper)
    slide = slide - axis * float(axis @ slide)
    return axis, slide / np.linalg.norm(slide)


def _grasp_point(model: RobotModel, gripper: Gripper) -> tuple[int, Array]:
    hand, point, _, _ = _grasp_frame(model, gripper)
    return hand, point


def _grasp_frame(model: RobotModel, gripper: Gripper) -> tuple[int, Array, Array, Array]:
    """The hand (parent of the first finger), and in its frame the middle of the closed fingers at ``GRASP_DEPTH`` of
    their length, the direction of approach and that in which the first finger slides.

    The approach direction is the axis of the hand's frame along which the fingers stand out most, across their motion.
    """
    first = model.joints[gripper.joints[0]]
    hand = model.links[first.link].parent
    q = model.home.copy()
    q[list(gripper.joints)] = gripper.closed
    world = model.forward(q)
    to_hand = np.linalg.inv(world[hand] if hand >= 0 else model.base)
    frames = np.stack([(to_hand @ world[model.joints[j].link])[:3, 3] for j in gripper.joints])
    points = []
    for j in gripper.joints:
        local = link_points(model, model.joints[j].link)
        pose = to_hand @ world[model.joints[j].link]
        points.append(local @ pose[:3, :3].T + pose[:3, 3])
    cloud = np.concatenate(points)
    start = frames.mean(axis=0)
    slide = (to_hand @ world[first.link])[:3, :3] @ first.axis
    if not len(cloud):
        across = np.eye(3)[2 if abs(slide[2]) < 0.5 else 0]
        return max(hand, 0), start, across, slide
    middle = (cloud.min(axis=0) + cloud.max(axis=0)) / 2
    outward = middle - slide * float(slide @ middle)
    axis = np.zeros(3)
    axis[int(np.argmax(np.abs(outward)))] = np.sign(outward[int(np.argmax(np.abs(outward)))]) or 1.0
    tip, root = float((cloud @ axis).max()), float(start @ axis)
    point = start + axis * (tip - root) * GRASP_DEPTH
    return max(hand, 0), point, axis, slide
