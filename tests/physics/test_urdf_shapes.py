"""Collision elements of URDF files: the engine has the solids that plans and receipts have."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.assets.pieces import Collider
from simvid.assets.primitives import primitive_mesh
from simvid.assets.robots import load_robot
from simvid.physics.newton.world import build_world
from simvid.scene import Robot
from simvid.testing.physics_scenes import link_parts, small_scene

trimesh: Any = import_module("trimesh")  # untyped on purpose: its own annotations are wider than what it returns

MASS = '<inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>'
URDF = """<robot name="two"><link name="a">{mass}<collision><origin xyz="0.1 0 0.2" rpy="0.3 0 0"/><geometry><{shape}/>
  </geometry></collision></link><link name="b">{mass}</link>
  <joint name="j" type="revolute"><parent link="a"/><child link="b"/><limit lower="-1" upper="1"/></joint></robot>"""


def assets_of(folder: Path, shape: str, **given: Any) -> SceneAssets:
    """A robot of two links, the first of which has one collision."""
    (folder / "two.urdf").write_text(URDF.format(mass=MASS, shape=shape))
    robot = Robot.model_validate({"name": "two", "model": "two.urdf", "fixed_base": False, **given})
    model = load_robot(robot, folder)
    return SceneAssets(small_scene([], robots=[robot]), tuple(link_parts(model, 1)), (model,))


def write_meshes(folder: Path) -> None:
    """A tetrahedron in metres, and in millimetres as COLLADA that says so."""
    corners = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.2, 0], [0, 0, 0.3]])
    faces = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]
    trimesh.Trimesh(corners, faces).export(folder / "m.obj")
    text = trimesh.Trimesh(1000 * corners, faces).export(file_type="dae").decode()
    (folder / "mm.dae").write_text(text.replace("<up_axis>", '<unit name="millimetre" meter="0.001"/><up_axis>'))


def collider_bounds(collider: Collider) -> NDArray[np.float64]:
    mesh = collider.mesh or primitive_mesh(collider.kind, collider.dimensions)
    points = mesh.vertices @ collider.pose[:3, :3].T + collider.pose[:3, 3]
    return np.array([points.min(axis=0), points.max(axis=0)])


def geom_bounds(m: Any, g: int) -> NDArray[np.float64]:
    """Of a geom in its link's frame."""
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, m.geom_quat[g])
    if m.geom_dataid[g] >= 0:
        mesh = m.mesh(int(m.geom_dataid[g]))
        points = m.mesh_vert[int(mesh.vertadr[0]) :][: int(mesh.vertnum[0])]
    else:
        kind, size = mujoco.mjtGeom(m.geom_type[g]).name.removeprefix("mjGEOM_").lower(), m.geom_size[g]
        dimensions = tuple(size[: {"box": 3, "sphere": 1}.get(kind, 2)])
        points = primitive_mesh(kind, dimensions).vertices
    points = points @ turn.reshape(3, 3).T + m.geom_pos[g]
    return np.array([points.min(axis=0), points.max(axis=0)])


@pytest.mark.parametrize(
    "shape",
    [
        'box size="0.1 0.2 0.3"',
        'sphere radius="0.07"',
        'cylinder radius="0.05" length="0.2"',
        'capsule radius="0.05" length="0.2"',
        'mesh filename="m.obj"',
        'mesh filename="mm.dae"',
        'mesh filename="mm.dae" scale="2 1 0.5"',
    ],
)
def test_the_engine_has_the_solids_of_the_file(tmp_path: Path, shape: str) -> None:
    write_meshes(tmp_path)
    assets = assets_of(tmp_path, shape)
    (collider,) = assets.robots[0].links[0].colliders
    m = build_world(assets).m
    (geom,) = np.flatnonzero(m.geom_bodyid == m.body("part0").id)
    np.testing.assert_allclose(geom_bounds(m, int(geom)), collider_bounds(collider), atol=2e-3)
    assert np.ptp(collider_bounds(collider), axis=0).max() < 0.4


@pytest.mark.parametrize("given", [{}, {"friction": 0.3}])
def test_friction_is_one_number_for_physics_and_plans(tmp_path: Path, given: dict[str, float]) -> None:
    assets = assets_of(tmp_path, 'box size="0.1 0.2 0.3"', **given)
    (collider,) = assets.robots[0].links[0].colliders
    m = build_world(assets).m
    assert m.geom_friction[m.geom_bodyid == m.body("part0").id, 0] == pytest.approx(given.get("friction", 1.0))
    assert collider.friction == given.get("friction", 1.0)
