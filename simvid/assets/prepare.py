"""Scene -> SceneAssets: read every file a scene names, and say everything that is wrong with them at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from simvid.assets.arrange import body_pose, placed
from simvid.assets.bodies import BodyGeometry, body_geometry
from simvid.assets.deformables import deformable_geometry
from simvid.assets.mass import collider_volume_inertia, combine, out_of_range
from simvid.assets.parts import MassProperties, PartAssets, SceneAssets
from simvid.assets.pieces import Collider
from simvid.assets.robot_model import RobotModel
from simvid.assets.robots import load_robot
from simvid.errors import AssetError, SceneError
from simvid.scene import Body, Scene
from simvid.trajectory import Part


def prepare(scene: Scene) -> SceneAssets:
    """Read and check all assets of a scene.

    Raises:
        SceneError: one line for each fault of the ground, each body and each robot, with file, line and field.
    """
    faults: list[str] = []
    if scene.ground is not None and (kind := scene.material(scene.ground.material).kind) is not None:
        faults.append(f"{scene.where('ground.material')}: the ground is rigid, but this material is {kind}; "
                      "lay a body of it on the ground")  # fmt: skip
    geometries: list[BodyGeometry | None] = []
    for k, body in enumerate(scene.bodies):
        try:
            geometries.append(geometry_of(body, scene))
            faults += _mass_faults(scene, k, geometries[-1])
        except (AssetError, ValueError) as error:
            faults.append(f"{scene.where(f'bodies[{k}].shape')}: {error}")
            geometries.append(None)
    robots: list[RobotModel] = []
    for k, robot in enumerate(scene.robots):
        try:
            robots.append(load_robot(robot, Path(scene._base)))
        except AssetError as error:
            faults.append(f"{scene.where(f'robots[{k}].model')}: {error}")
    if faults:
        raise SceneError("\n".join(faults))
    parts = _number(scene, [g for g in geometries if g is not None], robots)
    return SceneAssets(scene=scene, parts=parts, robots=tuple(robots))


def geometry_of(body: Body, scene: Scene) -> BodyGeometry:
    """The geometry of a body, rigid or deformable by its material.

    Raises:
        AssetError: as ``body_geometry`` and ``deformable_geometry``.
    """
    made = deformable_geometry if scene.material(body.material).kind is not None else body_geometry
    return made(body, scene, Path(scene._base))


def _number(scene: Scene, geometries: list[BodyGeometry], robots: list[RobotModel]) -> tuple[PartAssets, ...]:
    """Give every part its id: ground, bodies in file order, links in file order."""
    parts: list[PartAssets] = []
    instances = 0
    if scene.ground is not None:
        instances += 1
        parts.append(_ground(scene, instances))
    for body, geometry in zip(scene.bodies, geometries, strict=True):
        for single in placed(body, scene, geometry.bounds_m, geometry.radius_m):
            instances += 1
            held = single.fixed or single.motion is not None
            part = Part(single.name, single.name, instances, "body", body.category or body.name, held)
            mass = None if part.fixed else _mass(single, scene, geometry)
            pose = body_pose(single.pose)
            if geometry.center_m is not None:
                pose[:3, 3] += pose[:3, :3] @ geometry.center_m
            seen, touching = geometry.visuals, geometry.colliders
            parts.append(PartAssets(part, pose, seen, touching, mass, single, geometry.deformable))
    for robot, model in zip(scene.robots, robots, strict=True):
        instances += 1
        poses = model.forward(model.home)
        for link, pose in zip(model.links, poses, strict=True):
            part = Part(f"{robot.name}/{link.name}", robot.name, instances, "link", robot.category or robot.name)
            parts.append(PartAssets(part, pose, link.visuals, (), None))
    return tuple(parts)


def _ground(scene: Scene, instance: int) -> PartAssets:
    ground = scene.ground
    if ground is None:
        raise ValueError("the scene has no ground")
    material = scene.material(ground.material)
    pose = np.eye(4)
    pose[2, 3] = ground.height_m
    plane = Collider("plane", (), np.eye(4), material.friction, material.restitution, material.rolling_friction_m)
    return PartAssets(Part("ground", "ground", instance, "ground", "ground", True), pose, (), (plane,), None)


def _mass_faults(scene: Scene, k: int, geometry: BodyGeometry | None) -> list[str]:
    """What is wrong with the mass of a rigid body that moves by itself."""
    body = scene.bodies[k]
    welded = body.joint is not None and body.joint.weld is not None
    if geometry is None or geometry.deformable is not None or body.fixed or body.motion is not None or welded:
        return []
    fault = out_of_range(_mass(body, scene, geometry))
    field = "shape" if body.mass_kg is None else "mass_kg"
    return [f"{scene.where(f'bodies[{k}].{field}')}: {fault}"] if fault else []


def _mass(body: Body, scene: Scene, geometry: BodyGeometry) -> MassProperties:
    """Mass from density and volume of the weighing colliders, or ``mass_kg`` spread over them."""
    if geometry.mass is not None:
        return geometry.mass
    pieces = []
    for collider, density in geometry.weighing:
        volume, center, inertia = collider_volume_inertia(collider)
        pieces.append((density * volume, center, density * inertia))
    total = combine(pieces)
    if body.mass_kg is None:
        return total
    with np.errstate(over="ignore", invalid="ignore"):
        inertia = total.inertia_kg_m2 * (body.mass_kg / total.mass_kg)
    return MassProperties(body.mass_kg, total.center_m, inertia)
