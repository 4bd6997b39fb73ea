"""Robot files become links, joints and kinematics equal to MuJoCo's; bad files become one clear message."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from simvid.assets.robot_model import RobotModel
from simvid.assets.robots import load_robot
from simvid.errors import AssetError
from simvid.scene import Robot

ASSETS = "package://genesis/assets/"
PANDA = ASSETS + "xml/franka_emika_panda/panda.xml"

ARM = """<mujoco model="arm">
  <compiler angle="radian"/>
  <asset>
    <texture name="halves" type="2d" file="halves.png"/>
    <material name="printed" texture="halves" roughness="0.3" metallic="0.9"/>
    <material name="blue" rgba="0.1 0.2 0.9 1"/>
    <mesh name="tile" file="tile.obj"/>
  </asset>
  <worldbody>
    <light pos="0 0 3"/>
    <geom name="floor" type="plane" size="1 1 1"/>
    <geom type="box" size="0.2 0.2 0.05"/>
    <body name="upper" pos="0 0 0.5" quat="0.9 0.1 0.2 0.3">
      <joint name="yaw" axis="0 0 2" range="-1 2" ref="0.25"/>
      <joint name="lift" type="slide" axis="0 1 1" range="0.1 0.4"/>
      <joint name="roll" axis="1 0 0" pos="0.05 0.1 0.2"/>
      <geom type="mesh" mesh="tile" material="printed" contype="0" conaffinity="0" group="2"/>
      <geom type="capsule" size="0.05 0.1" group="3" friction="1.5 0.01 0.001"/>
      <geom type="sphere" size="0.02" material="blue" pos="0 0 0.3"/>
      <body pos="0.3 0 0">
        <joint axis="0 1 0" pos="0 0 0.1"/>
        <geom type="ellipsoid" size="0.1 0.2 0.3" rgba="1 0 0 0"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <position joint="yaw" kp="100" kv="5" forcerange="-20 20" gear="2"/>
    <motor joint="lift"/>
  </actuator>
</mujoco>"""

URDF = """<robot name="gantry">
  <material name="orange"><color rgba="1 0.5 0 1"/></material>
  <link name="rail"/>
  <link name="cart">
    <visual><origin xyz="0 0 1" rpy="0 0 1.5707963267948966"/>
      <geometry><box size="2 1 0.5"/></geometry><material name="orange"/></visual>
    <collision><geometry><cylinder radius="0.1" length="0.6"/></geometry></collision>
  </link>
  <link name="pole">
    <visual><geometry><mesh filename="package://models/tile.obj" scale="2 1 -1"/></geometry></visual>
    <collision><geometry><mesh filename="../models/tile.obj"/></geometry></collision>
  </link>
  <link name="tip"/>
  <link name="knob"/>
  <joint name="slide" type="prismatic"><parent link="rail"/><child link="cart"/>
    <origin xyz="0 0 0.5"/><axis xyz="1 0 0"/><limit lower="0.2" upper="0.9" effort="30" velocity="1.5"/></joint>
  <joint name="swing" type="continuous"><parent link="cart"/><child link="pole"/>
    <origin xyz="0 0 0.3" rpy="0.1 0.2 0.3"/><axis xyz="0 3 0"/></joint>
  <joint name="weld" type="fixed"><parent link="pole"/><child link="tip"/><origin xyz="0 0 0.7"/></joint>
  <joint name="turn" type="revolute"><parent link="cart"/><child link="knob"/>
    <axis xyz="0 0 1"/><limit lower="-1" upper="1"/><mimic joint="slide" multiplier="2" offset="0.1"/></joint>
</robot>"""

TILE = """v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1
vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1
f 1/1 2/2 3/3\nf 1/1 3/3 4/4\nf 1/1 5/3 2/2\nf 2/2 5/3 3/3\nf 3/3 5/3 4/4\nf 4/4 5/3 1/1\n"""


def robot(path: str, **fields: Any) -> Robot:
    return Robot.model_validate({"name": "arm", "model": path, **fields})


def written(folder: Path, name: str, text: str) -> Path:
    from PIL import Image

    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    (folder / "models").mkdir(exist_ok=True)
    for place in (path.parent, folder / "models"):
        (place / "tile.obj").write_text(TILE)
        pixels = np.zeros((8, 8, 3), np.uint8)
        pixels[:4, :, 0] = 255
        pixels[4:, :, 2] = 255
        Image.fromarray(pixels).save(place / "halves.png")
    return path


def loaded(folder: Path, name: str, text: str, **fields: Any) -> RobotModel:
    written(folder, name, text)
    return load_robot(robot(name, **fields), folder)


@pytest.fixture(scope="module")
def panda() -> RobotModel:
    return load_robot(robot(PANDA, pose={"position_m": (0.1, 0.2, 0.3), "rotation_deg": (0, 0, 90)}), Path())


def test_panda_has_its_links_joints_and_drives(panda: RobotModel) -> None:
    assert panda.part_names[:2] == ["arm/link0", "arm/link1"]
    assert panda.part_names[-3:] == ["arm/hand", "arm/left_finger", "arm/right_finger"]
    assert panda.joint_names == [*(f"joint{k}" for k in range(1, 8)), "finger_joint1", "finger_joint2"]
    assert [j.kind for j in panda.joints] == ["hinge"] * 7 + ["slide"] * 2
    assert panda.home == pytest.approx([0, 0, 0, -1.57079, 0, 1.57079, -0.7853, 0.04, 0.04])
    shoulder, finger = panda.joints[0], panda.joints[7]
    assert (shoulder.stiffness, shoulder.damping, shoulder.effort_limit) == (4500, 450, 87)
    assert (finger.stiffness, finger.damping, finger.effort_limit) == (50, 5, 50)  # tendon: half of each finger
    assert finger.mimic is not None
    assert finger.mimic.leader == 8
    assert all(j.actuated for j in panda.joints)


def test_panda_shows_its_colours_and_keeps_collision_meshes_apart(panda: RobotModel) -> None:
    base = panda.links[0]
    assert len(base.visuals) == 11
    assert [c.kind for c in base.colliders] == ["convex"]
    colours = {v.mesh.base_color for v in base.visuals if v.mesh is not None}
    assert (0.25, 0.25, 0.25) in colours
    assert (1.0, 1.0, 1.0) in colours
    seen = np.concatenate([v.mesh.vertices for v in base.visuals if v.mesh is not None])
    assert base.colliders[0].mesh is not None
    hull = base.colliders[0].mesh.vertices.astype(np.float64)
    pose = base.colliders[0].pose
    hull = hull @ pose[:3, :3].T + pose[:3, 3]
    np.testing.assert_allclose(seen.min(axis=0), hull.min(axis=0), atol=0.005)
    np.testing.assert_allclose(seen.max(axis=0), hull.max(axis=0), atol=0.005)
    finger = panda.links[panda.link_index("left_finger")]
    assert [c.kind for c in finger.colliders] == ["convex"] + ["box"] * 5


def test_forward_equals_mujoco_for_the_panda(panda: RobotModel) -> None:
    m = mujoco.MjModel.from_xml_string(panda.xml)
    data = mujoco.MjData(m)
    rng = np.random.default_rng(3)
    many = rng.uniform(panda.lower, panda.upper, (5, len(panda.joints)))
    worlds = panda.forward(many)
    for q, world in zip(many, worlds, strict=True):
        data.qpos[:] = q
        mujoco.mj_kinematics(m, data)
        expected = np.tile(np.eye(4), (len(panda.links), 1, 1))
        expected[:, :3, :3], expected[:, :3, 3] = data.xmat[1:].reshape(-1, 3, 3), data.xpos[1:]
        np.testing.assert_allclose(world, panda.base @ expected, atol=1e-12)
        np.testing.assert_allclose(panda.forward(q), world, atol=1e-15)


@pytest.mark.parametrize("name", ["universal_robots_ur5e/ur5e.xml", "humanoid.xml", "rope_hinge.xml", "walker.xml"])
def test_forward_equals_mujoco_for_other_files(name: str) -> None:
    model = load_robot(robot(ASSETS + "xml/" + name), Path())
    m = mujoco.MjModel.from_xml_string(model.xml)
    data = mujoco.MjData(m)
    assert m.nq == len(model.joints)
    data.qpos[:] = np.linspace(-0.8, 0.9, m.nq)
    mujoco.mj_kinematics(m, data)
    np.testing.assert_allclose(model.forward(data.qpos)[:, :3, 3], data.xpos[1:], atol=1e-12)
    np.testing.assert_allclose(model.forward(data.qpos)[:, :3, :3].reshape(-1, 9), data.xmat[1:], atol=1e-12)


def test_mjcf_details(tmp_path: Path) -> None:
    model = loaded(tmp_path, "arm.xml", ARM)
    assert [link.name for link in model.links] == ["stand", "upper", "link_2"]
    assert [link.parent for link in model.links] == [-1, -1, 1]
    assert model.joint_names == ["yaw", "lift", "roll", "joint_3"]
    assert [j.link for j in model.joints] == [1, 1, 1, 2]
    yaw, lift, roll = model.joints[:3]
    assert (yaw.lower, yaw.upper, yaw.reference) == (-1, 2, 0.25)
    assert (yaw.stiffness, yaw.damping, yaw.effort_limit) == (400, 20, 40)  # the gear acts on angle and on torque
    assert lift.actuated
    assert lift.stiffness is None
    assert not roll.actuated
    assert np.isinf([roll.upper, -roll.lower, roll.effort_limit, roll.velocity_limit]).all()
    assert model.home == pytest.approx([0.25, 0.1, 0, 0])  # reference, then zero clamped to the limits
    m = mujoco.MjModel.from_xml_string(model.xml)
    data = mujoco.MjData(m)
    data.qpos[:] = [0.7, 0.3, -1.2, 0.4]
    mujoco.mj_kinematics(m, data)
    np.testing.assert_allclose(model.forward(data.qpos)[:, :3, 3], data.xpos[1:], atol=1e-12)


def test_mjcf_visuals_follow_mujocos_viewer(tmp_path: Path) -> None:
    stand, upper, last = loaded(tmp_path, "arm.xml", ARM).links
    assert [c.kind for c in stand.colliders] == ["box"]  # the plane is left out
    assert [c.kind for c in upper.colliders] == ["capsule", "sphere"]
    assert upper.colliders[0].dimensions == (0.05, 0.1)
    assert upper.colliders[0].friction == 1.5
    assert len(upper.visuals) == 2
    assert upper.visuals[1].mesh is not None
    assert upper.visuals[1].mesh.base_color == pytest.approx((0.1, 0.2, 0.9), abs=1e-6)
    assert not last.visuals  # rgba with alpha 0
    assert [c.kind for c in last.colliders] == ["ellipsoid"]


def test_mjcf_texture_lands_where_the_obj_says(tmp_path: Path) -> None:
    visual = loaded(tmp_path, "arm.xml", ARM).links[1].visuals[0]
    assert (visual.look.roughness, visual.look.metallic) == pytest.approx((0.3, 0.9))
    mesh = visual.mesh
    assert mesh is not None
    assert mesh.texture is not None
    assert mesh.uvs is not None
    assert mesh.texture.shape == (8, 8, 4)
    corner = np.argmin(np.linalg.norm(mesh.vertices - (0, 1, 0), axis=1))  # vt 0 1: the image's top left, red
    assert mesh.uvs[corner] == pytest.approx((0, 1))
    assert mesh.texture[0, 0].tolist() == [255, 0, 0, 255]
    low, high = mesh.bounds
    np.testing.assert_allclose([low, high], [[0, 0, 0], [1, 1, 1]], atol=1e-6)  # MuJoCo's re-centring is undone


def test_includes_are_put_in_place_and_found_beside_the_file(tmp_path: Path) -> None:
    part = "<mujocoinclude><asset><mesh name='tile' file='tile.obj'/></asset></mujocoinclude>"
    written(tmp_path, "parts/mesh.xml", part)
    main = ARM.replace('<mesh name="tile" file="tile.obj"/>', "").replace(
        "</asset>", '</asset><include file="parts/mesh.xml"/>'
    )
    written(tmp_path, "arm.xml", main)
    (tmp_path / "tile.obj").unlink()
    model = load_robot(robot("arm.xml"), tmp_path)
    assert str(tmp_path / "parts" / "tile.obj") in model.xml


def test_urdf_details(tmp_path: Path) -> None:
    model = loaded(tmp_path, "urdf/gantry.urdf", URDF)
    assert [link.name for link in model.links] == ["rail", "cart", "pole", "tip", "knob"]  # depth first
    assert [link.parent for link in model.links] == [-1, 0, 1, 2, 1]
    assert model.joint_names == ["slide", "swing", "turn"]
    slide, swing, turn = model.joints
    assert (slide.kind, slide.lower, slide.upper, slide.effort_limit, slide.velocity_limit) == (
        "slide",
        0.2,
        0.9,
        30,
        1.5,
    )
    assert swing.kind == "hinge"
    assert np.isinf([swing.upper, -swing.lower, turn.effort_limit]).all()
    np.testing.assert_allclose(swing.axis, (0, 1, 0))
    assert turn.mimic is not None
    assert (turn.mimic.leader, turn.mimic.coefficients) == (0, (0.1, 2.0))
    assert not turn.actuated
    assert model.home == pytest.approx([0.2, 0, 0.5])  # zero clamped to the limits; the follower follows


def test_urdf_geometry(tmp_path: Path) -> None:
    model = loaded(tmp_path, "urdf/gantry.urdf", URDF)
    cart, pole = model.links[1], model.links[2]
    box, mesh = cart.visuals[0].mesh, pole.visuals[0].mesh
    assert box is not None
    assert mesh is not None
    assert box.base_color == (1.0, 0.5, 0.0)
    np.testing.assert_allclose(box.bounds, [[-0.5, -1, 0.75], [0.5, 1, 1.25]], atol=1e-6)
    np.testing.assert_allclose(mesh.bounds, [[0, 0, -1], [2, 1, 0]], atol=1e-6)
    sharp = mesh.vertices[mesh.faces].astype(np.float64)
    volume = np.einsum("fi,fi->f", sharp[:, 0], np.cross(sharp[:, 1], sharp[:, 2])).sum() / 6
    original = loaded(tmp_path, "urdf/gantry.urdf", URDF.replace('scale="2 1 -1"', "")).links[2].visuals[0].mesh
    assert original is not None
    corners = original.vertices[original.faces].astype(np.float64)
    before = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume == pytest.approx(2 * before)  # mirrored faces are turned round, so the volume keeps its sign
    assert (cart.colliders[0].kind, cart.colliders[0].dimensions) == ("cylinder", (0.1, 0.3))
    assert pole.colliders[0].kind == "convex"
    assert "<visual" not in model.xml
    assert str(tmp_path / "models" / "tile.obj") in model.xml


def test_urdf_forward_equals_mujoco() -> None:
    model = load_robot(robot(ASSETS + "urdf/kuka_iiwa/model.urdf"), Path())
    m = mujoco.MjModel.from_xml_string(model.xml)
    data = mujoco.MjData(m)
    data.qpos[:] = np.linspace(-1, 1.5, 7)
    mujoco.mj_kinematics(m, data)
    world = model.forward(data.qpos)
    for b in range(1, m.nbody):
        np.testing.assert_allclose(world[model.link_index(m.body(b).name)][:3, 3], data.xpos[b], atol=1e-9)


@pytest.mark.parametrize(
    ("name", "links", "joints", "visuals"),
    [
        ("go2/urdf/go2.urdf", 29, 12, 33),
        ("anymal_c/urdf/anymal_c.urdf", 77, 12, 51),
        ("panda_bullet/panda.urdf", 13, 9, 41),
    ],
)
def test_real_urdf_files(name: str, links: int, joints: int, visuals: int) -> None:
    model = load_robot(robot(ASSETS + "urdf/" + name, fixed_base=False), Path())
    assert (len(model.links), len(model.joints)) == (links, joints)
    assert sum(len(link.visuals) for link in model.links) >= visuals // 2
    textured = any(v.mesh is not None and v.mesh.texture is not None for link in model.links for v in link.visuals)
    assert textured or name.startswith("go2")
    assert not model.fixed_base


def test_fixed_base_takes_out_the_free_joint() -> None:
    path = ASSETS + "xml/franka_emika_panda/panda_free_base.xml"
    held, free = (load_robot(robot(path, fixed_base=f), Path()) for f in (True, False))
    assert held.joint_names == free.joint_names
    assert mujoco.MjModel.from_xml_string(held.xml).nq == 9
    assert mujoco.MjModel.from_xml_string(free.xml).nq == 16


def test_the_scene_overrides_start_friction_and_look(tmp_path: Path) -> None:
    look = {"base_color": (0.0, 1.0, 0.0)}
    model = loaded(tmp_path, "arm.xml", ARM, initial_joints={"lift": 0.3}, friction=0.9, look=look)
    assert model.home == pytest.approx([0.25, 0.3, 0, 0])
    assert {c.friction for link in model.links for c in link.colliders} == {0.9}
    assert {v.look.base_color for link in model.links for v in link.visuals} == {(0.0, 1.0, 0.0)}


def test_forward_says_which_shape_it_wants(panda: RobotModel) -> None:
    with pytest.raises(ValueError, match=r"expected q of shape \(\.\.\., 9\), got \(3,\)"):
        panda.forward(np.zeros(3))
    with pytest.raises(KeyError, match="no link 'hnad'; did you mean 'hand'"):
        panda.link_index("hnad")


def test_a_robot_read_again_comes_from_the_cache_and_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path / "cache"))
    first = loaded(tmp_path, "arm.xml", ARM)
    stored = list((tmp_path / "cache" / "robots").iterdir())
    assert len(stored) == 1
    monkeypatch.setattr("simvid.assets.mjcf._compiled", lambda *_: pytest.fail("compiled again"))
    second = load_robot(robot("arm.xml"), tmp_path)
    assert second.xml == first.xml
    np.testing.assert_array_equal(second.home, first.home)
    for one, two in zip(first.joints, second.joints, strict=True):
        np.testing.assert_array_equal(one.axis, two.axis)
        assert (one.name, one.lower, one.upper, one.stiffness) == (two.name, two.lower, two.upper, two.stiffness)
        assert (one.effort_limit, one.mimic, one.reference) == (two.effort_limit, two.mimic, two.reference)
    for before, after in zip(first.links, second.links, strict=True):
        np.testing.assert_array_equal(before.pose, after.pose)
        assert [v.look for v in before.visuals] == [v.look for v in after.visuals]
        for v, w in zip(before.visuals, after.visuals, strict=True):
            assert v.mesh is not None
            assert w.mesh is not None
            np.testing.assert_array_equal(v.mesh.vertices, w.mesh.vertices)
            assert v.mesh.base_color == w.mesh.base_color
        assert [(c.kind, c.dimensions, c.friction) for c in before.colliders] == [
            (c.kind, c.dimensions, c.friction) for c in after.colliders
        ]


def test_a_changed_or_damaged_cache_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMVID_CACHE_DIR", str(tmp_path / "cache"))
    first = loaded(tmp_path, "arm.xml", ARM)
    (stored,) = (tmp_path / "cache" / "robots").iterdir()
    stored.write_bytes(stored.read_bytes()[:1000])
    assert load_robot(robot("arm.xml"), tmp_path).xml == first.xml
    (tmp_path / "tile.obj").write_text(TILE.replace("v 1 0 0", "v 3 0 0"))
    os.utime(tmp_path / "tile.obj", (10, 10))  # MuJoCo's own cache looks at the time, in seconds
    mesh = load_robot(robot("arm.xml"), tmp_path).links[1].visuals[0].mesh
    assert mesh is not None
    assert mesh.bounds[1, 0] == pytest.approx(3)


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><mujoco>&b;</mujoco>'
BALL = '<mujoco><worldbody><body><joint name="b" type="ball"/><geom size="1"/></body></worldbody></mujoco>'
SPY = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><robot name="x"><link name="&f;"/></robot>'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xml", "<mujoco><worldbody>", "a.xml: not valid XML: no element found: line 1"),
        ("a.xml", "<robot name='x'/>", "expected an MJCF file with root <mujoco>, got <robot>"),
        ("a.urdf", "<mujoco/>", "expected a URDF file with root <robot>, got <mujoco>"),
        ("a.txt", "", r"expected MJCF \(.xml, .mjcf\) or URDF \(.urdf\)"),
        ("a.xml", BOMB, "<!DOCTYPE x> is not allowed"),
        ("a.urdf", SPY, "<!DOCTYPE x> is not allowed"),
        ("a.xml", ARM.replace("tile.obj", "../../secret.obj"), "leads outside .*, which is not allowed"),
        ("a.xml", ARM.replace("tile.obj", "/etc/passwd"), "leads outside"),
        ("a.xml", ARM.replace("tile.obj", "tiles.obj"), "file 'tiles.obj' is missing"),
        ("a.xml", ARM.replace("halves.png", "half.png"), "file 'half.png' is missing"),
        ("a.xml", ARM.replace('name="lift"', 'name="yaw"'), "MuJoCo refuses it: .*repeated name 'yaw'"),
        ("a.xml", BALL, "joint 'b' is a ball joint"),
        ("a.xml", "<mujoco><worldbody><body><geom size='1'/></body></worldbody></mujoco>", "a.xml has no joints"),
        ("a.xml", '<mujoco><include file="a.xml"/></mujoco>', "does a file include itself"),
        ("a.xml", '<mujoco><asset><model file="tile.obj"/></asset></mujoco>', "attached models are not supported"),
        ("a.urdf", "<robot name='x'><link name='a'/></robot>", "a.urdf has no joints"),
        (
            "a.urdf",
            URDF.replace('name="tip"', 'name="pole"'),
            "a name of its own for every link, got the name 'pole' twice",
        ),
        ("a.urdf", URDF.replace('name="weld"', 'name="swing"'), "every joint, got the name 'swing' twice"),
        (
            "a.urdf",
            URDF.replace('<child link="tip"/>', '<child link="tipp"/>'),
            "unknown link 'tipp'; did you mean 'tip'",
        ),
        ("a.urdf", URDF.replace('<child link="tip"/>', '<child link="knob"/>'), "link 'knob' hangs on two joints"),
        ("a.urdf", URDF.replace('<parent link="pole"/>', '<parent link="tip"/>'), "links tip form a loop"),
        (
            "a.urdf",
            URDF.replace('type="prismatic"', 'type="planar"'),
            "joint 'slide' is of type 'planar'; expected revolute",
        ),
        ("a.urdf", URDF.replace('lower="0.2"', 'lower="2"'), "expected <limit> with lower <= upper, got 2.0 and 0.9"),
        ("a.urdf", URDF.replace('lower="0.2"', 'lower="nan"'), "joint 'slide': expected 1 number, got 'nan'"),
        ("a.urdf", URDF.replace('"0 3 0"', '"0 0 0"'), "joint 'swing' has an axis of length zero"),
        ("a.urdf", URDF.replace('joint="slide"', 'joint="slid"'), "mimics the unknown joint 'slid'"),
        ("a.urdf", URDF.replace('size="2 1 0.5"', 'size="2 1"'), "<box> size: expected 3 numbers, got '2 1'"),
        ("a.urdf", URDF.replace('radius="0.1"', 'radius="-1"'), "<cylinder>: expected positive sizes"),
        ("a.urdf", URDF.replace("package://", "https://"), "expected a relative path or package://NAME/PATH"),
        ("a.urdf", URDF.replace("package://models/tile.obj", "package://models/../../x"), "leads outside"),
        ("a.urdf", URDF.replace("../models/tile.obj", "models/tiles.obj"), "file 'models/tiles.obj' is missing"),
        ("a.urdf", URDF.replace("box size", "blob size"), "<blob>: expected box, sphere, cylinder, capsule or mesh"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, name: str, text: str, message: str) -> None:
    inner = tmp_path / "scene"
    text = text.replace("../models/tile.obj", "models/tile.obj")
    written(inner, name, text)
    with pytest.raises(AssetError, match=message):
        load_robot(robot(name), inner)


def test_missing_and_forbidden_robot_files(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"arm\.xml"):
        load_robot(robot("arm.xml"), tmp_path)
    with pytest.raises(AssetError, match="outside"):
        load_robot(robot("../arm.xml"), tmp_path)
