"""Small scenes that engines are tested with: of primitive bodies, made into assets without reading a file, and of what
deforms, from YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from simvid.assets.arrange import body_pose
from simvid.assets.mass import collider_volume_inertia, combine
from simvid.assets.parts import MassProperties, PartAssets, SceneAssets
from simvid.assets.pieces import Collider, ColliderKind
from simvid.assets.prepare import prepare
from simvid.assets.robot_model import RobotModel
from simvid.assets.robots import load_robot
from simvid.parsing import load_scene
from simvid.physics.base import PhysicsEngine
from simvid.scene import Body, Camera, CameraPose, Ground, Physics, Pose, Robot, Scene, Shape
from simvid.scene.shapes import Box, Sphere
from simvid.trajectory import Part, Trajectory

CAMERA = Camera(name="view", pose=CameraPose())
DENSITY = 1000.0
"""Of bodies without mass_kg [kg/m^3]."""

ARM = """<robot name="arm">
  <link name="base"/>
  <link name="rod"><inertial><origin xyz="0.25 0 0"/><mass value="2"/>
    <inertia ixx="0.001" iyy="0.04" izz="0.04" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="shoulder" type="revolute"><parent link="base"/><child link="rod"/><origin xyz="0 0 0.5"/>
    <axis xyz="0 0 1"/><limit lower="-2" upper="2" effort="50" velocity="3"/></joint>
</robot>"""
"""A URDF of one link that turns about z, for what acts beside a robot or on one."""

WRITTEN = """\
simvid: 1
duration_s: {seconds}
fps: {fps}
seed: 1
physics: {{gravity_m_s2: [0, 0, {gravity}]}}
materials:
{materials}cameras: [{{name: front, pose: {{look_from_m: [1, -1, 1], look_at_m: [0, 0, 0]}}}}]
{ground}
bodies:
"""


def written_assets(
    file: Path, materials: str, bodies: str, *, seconds: float = 0.4, gravity: float = -9.81, ground: bool = True,
    fps: int = 50,
) -> SceneAssets:  # fmt: skip
    """Assets of a scene file: what deforms has particles, which need its shapes and materials as a scene has them.

    Args:
        file: where to write it.
        materials: lines of YAML, each ``  name: {...}``; the ground is of ``hard``.
        bodies: lines of YAML, each ``  - {...}``, and what comes after them.
        seconds: of ``fps`` frames each.
        gravity: along z [m/s^2].
        ground: whether there is one.
        fps: frames a second.

    Raises:
        SimvidError: what cannot be.
    """
    floor = "ground: {material: hard}" if ground else ""
    file.write_text(
        WRITTEN.format(seconds=seconds, fps=fps, gravity=gravity, materials=materials, ground=floor) + bodies
    )
    return prepare(load_scene(file))


def lawful(file: Path, scene: str, engine: PhysicsEngine) -> Trajectory:
    """What becomes of a scene of this text, written to ``file``. No law of its receipt may be broken."""
    from simvid.checking.receipts.receipt import receipt_of

    file.write_text(scene)
    assets = prepare(load_scene(file))
    made = engine.simulate(assets)
    assert not [law for law in receipt_of(assets, made).laws if law.passed is False]
    return made


def small_scene(
    bodies: Sequence[Body] = (),
    *,
    seconds: float = 1.0,
    fps: float = 50.0,
    step_s: float = 0.002,
    gravity: tuple[float, float, float] = (0.0, 0.0, -9.81),
    ground: Ground | None = None,
    robots: Sequence[Robot] = (),
) -> Scene:
    """A scene with a camera that nobody looks through."""
    return Scene(
        simvid=1, duration_s=seconds, fps=fps, cameras=(CAMERA,), bodies=tuple(bodies), robots=tuple(robots),
        physics=Physics(step_s=step_s, gravity_m_s2=gravity), ground=ground,
    )  # fmt: skip


def ball(name: str = "ball", radius: float = 0.05, **given: Any) -> Body:
    """A ball; the rest as ``Body`` takes it."""
    return Body(name=name, shape=Shape(sphere=Sphere(radius_m=radius)), **given)


def box(name: str = "box", size: tuple[float, float, float] = (0.1, 0.1, 0.1), **given: Any) -> Body:
    """A box of these edge lengths [m]; the rest as ``Body`` takes it."""
    return Body(name=name, shape=Shape(box=Box(size_m=size)), **given)


def at(x: float, y: float, z: float, **given: Any) -> Pose:
    """A pose by its position."""
    return Pose(position_m=(x, y, z), **given)


def small_assets(scene: Scene, colliders: Mapping[str, tuple[Collider, ...]] | None = None) -> SceneAssets:
    """Assets of a scene whose bodies are single primitives, and its robots.

    Args:
        scene: with ``small_scene``.
        colliders: by body name, in place of the primitive.
    """
    parts: list[PartAssets] = []
    if scene.ground is not None:
        material = scene.material(scene.ground.material)
        plane = Collider("plane", (), np.eye(4), material.friction, material.restitution, material.rolling_friction_m)
        pose = np.eye(4)
        pose[2, 3] = scene.ground.height_m
        parts.append(PartAssets(Part("ground", "ground", 1, "ground", "ground", True), pose, (), (plane,), None))
    for body in scene.bodies:
        held = body.fixed or body.motion is not None
        solid = (colliders or {}).get(body.name) or (primitive_collider(scene, body),)
        part = Part(body.name, body.name, len(parts) + 1, "body", body.name, held)
        mass = None if held else _mass(body, solid)
        parts.append(PartAssets(part, body_pose(body.pose), (), solid, mass, body))
    robots = []
    for robot in scene.robots:
        robots.append(load_robot(robot, Path()))
        parts.extend(link_parts(robots[-1], len({p.part.instance_id for p in parts}) + 1))
    return SceneAssets(scene, tuple(parts), tuple(robots))


def primitive_collider(scene: Scene, body: Body) -> Collider:
    """The collider of a body of one primitive shape."""
    value, kind, material = body.shape.value, body.shape.kind, scene.material(body.material)
    if kind == "box":
        dimensions = tuple(s / 2 for s in value.size_m)
    elif kind == "sphere":
        dimensions = (value.radius_m,)
    elif kind == "ellipsoid":
        dimensions = tuple(value.radii_m)
    else:
        dimensions = (value.radius_m, value.length_m / 2)
    solid = (material.friction, material.restitution, material.rolling_friction_m)
    return Collider(cast("ColliderKind", kind), dimensions, np.eye(4), *solid)


def link_parts(model: RobotModel, instance: int) -> list[PartAssets]:
    """The parts of a robot's links at its start."""
    poses = model.forward(model.home)
    return [
        PartAssets(Part(f"{model.name}/{link.name}", model.name, instance, "link", model.name), pose, (), (), None)
        for link, pose in zip(model.links, poses, strict=True)
    ]


def _mass(body: Body, solid: Sequence[Collider]) -> MassProperties:
    pieces = [(DENSITY * v, center, DENSITY * inertia) for v, center, inertia in map(collider_volume_inertia, solid)]
    total = combine(pieces)
    if body.mass_kg is None:
        return total
    return MassProperties(body.mass_kg, total.center_m, total.inertia_kg_m2 * (body.mass_kg / total.mass_kg))
