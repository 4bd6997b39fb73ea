"""Robots of a scene: their files read once, set up as the scene asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from simvid.assets.arrange import body_pose
from simvid.assets.once import once
from simvid.assets.paths import resolve_asset
from simvid.assets.robot_model import Array, RobotModel
from simvid.errors import AssetError
from simvid.scene import Robot


def load_robot(robot: Robot, base: Path) -> RobotModel:
    """Read a robot's file and set it up as the scene asks.

    MJCF is compiled by MuJoCo. What it draws follows MuJoCo's own viewer: geoms of groups 0 to 2 are seen, geoms with a
    contype or conaffinity touch. Planes, lights and cameras of the file are left out, since the scene has its own.
    URDF is read directly (MuJoCo reads neither .dae nor .glb and merges fixed links): meshes by trimesh; a mesh's own
    colours count before the URDF's material, as in RViz.

    Args:
        robot: from the scene.
        base: folder of the scene file.

    Raises:
        AssetError: missing or unreadable file or mesh, forbidden path, no joints, duplicate names.
    """
    path, root = _located(robot, base)
    if path.suffix.lower() == ".urdf":
        from simvid.assets.urdf import read_urdf as read
    elif path.suffix.lower() in {".xml", ".mjcf"}:
        from simvid.assets.mjcf import read_mjcf as read
    else:
        raise AssetError(f"robot {robot.name!r}: {path.name}: expected MJCF (.xml, .mjcf) or URDF (.urdf)")
    model = replace(once(read, path, root, robot.fixed_base), name=robot.name, base=body_pose(robot.pose))
    if not model.joints:
        raise AssetError(f"robot {robot.name!r}: {path.name} has no joints; use a body with a mesh for a rigid thing")
    model = replace(model, home=_start(model, robot))
    return _dressed(model, robot)


def _located(robot: Robot, base: Path) -> tuple[Path, Path]:
    """The robot's file, and the folder outside of which none of its files may lie."""
    path = resolve_asset(robot.model, base)
    if robot.model.startswith("package://"):
        inside = robot.model.removeprefix("package://").strip("/").split("/")[1:]
        return path, path.parents[len(inside) - 1]
    return path, base.resolve()


def _start(model: RobotModel, robot: Robot) -> Array:
    """The file's home with the scene's ``initial_joints`` that name a joint (``check_robot`` reports the others)."""
    start = model.home.copy()
    given = {
        model.joint_index(name): value for name, value in robot.initial_joints.items() if name in model.joint_names
    }
    start[list(given)] = list(given.values())
    start = model.coupled(start)
    start[list(given)] = list(given.values())
    return start


def _dressed(model: RobotModel, robot: Robot) -> RobotModel:
    """The scene's friction and look over the file's."""
    links = []
    for link in model.links:
        visuals, colliders = link.visuals, link.colliders
        if robot.look is not None:
            visuals = tuple(replace(visual, look=robot.look) for visual in visuals)
        if robot.friction is not None:
            colliders = tuple(replace(collider, friction=robot.friction) for collider in colliders)
        links.append(replace(link, visuals=visuals, colliders=colliders))
    return replace(model, links=tuple(links))
