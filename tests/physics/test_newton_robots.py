"""Robots in the Newton engine: the same as plain MuJoCo, and what they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.assets.robots import load_robot
from simvid.errors import PhysicsError
from simvid.physics.newton.engine import NewtonPhysics
from simvid.physics.newton.robots import fold_damping
from simvid.physics.newton.world import build_world
from simvid.physics.scripts import plan_script
from simvid.rotations import pose_vector
from simvid.scene import Action, Control, Ground, Joints, Material, Pose, Push, Reach, Robot, Velocity, Wait
from simvid.testing.physics_scenes import at, box, small_assets, small_scene
from simvid.trajectory import Trajectory

MODELS = "package://genesis/assets/"
PANDA = MODELS + "xml/franka_emika_panda/panda.xml"
EXACT = (
    "jnt_type", "jnt_range", "jnt_axis", "jnt_pos", "jnt_solref", "jnt_margin", "dof_damping",
    "dof_frictionloss", "eq_data", "eq_solref", "eq_solimp", "tendon_range", "tendon_stiffness", "wrap_prm",
    "actuator_gear", "actuator_forcerange", "actuator_trntype",
)  # fmt: skip
SWING = Action(joints=Joints(to={"joint1": 0.4, "joint2": 0.3, "joint4": -2.0, "joint6": 2.0}, over_s=0.5))
ARM_URDF = """<robot name="arm">
  <link name="base"><inertial><mass value="1"/>
    <inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <link name="rod"><inertial><origin xyz="0.25 0 0"/><mass value="2"/>
    <inertia ixx="0.001" iyy="0.04" izz="0.04" ixy="0" ixz="0" iyz="0"/></inertial>
    <collision><origin xyz="0.25 0 0"/><geometry><box size="0.5 0.05 0.05"/></geometry></collision></link>
  <link name="tip"><inertial><origin xyz="0.1 0 0"/><mass value="0.5"/>
    <inertia ixx="0.001" iyy="0.002" izz="0.002" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <link name="pen"/>
  <joint name="shoulder" type="revolute"><parent link="base"/><child link="rod"/><origin xyz="0 0 0.5"/>
    <axis xyz="0 0 1"/><limit lower="-2" upper="2" effort="50" velocity="3"/></joint>
  <joint name="slide" type="prismatic"><parent link="rod"/><child link="tip"/><origin xyz="0.5 0 0"/>
    <axis xyz="1 0 0"/><limit lower="0" upper="0.3" effort="100" velocity="1"/></joint>
  <joint name="end" type="fixed"><parent link="tip"/><child link="pen"/><origin xyz="0.2 0 0"/></joint>
</robot>"""


TIMES = np.linspace(0.0, 1.0, 501)


def robot(model: str = PANDA, **given: Any) -> Robot:
    return Robot.model_validate({"name": "arm", "model": model, **given})


def scene_of(arm: Robot, *bodies: Any, **given: Any) -> SceneAssets:
    return small_assets(small_scene(bodies, robots=[arm], **given))


def run(assets: SceneAssets) -> Trajectory:
    return NewtonPhysics().simulate(assets)


def servo_damping(m: mujoco.MjModel) -> NDArray[np.float64]:
    """Of servos that act on one joint, per degree of freedom."""
    found = np.zeros(m.nv)
    for a in np.flatnonzero(m.actuator_trntype == int(mujoco.mjtTrn.mjTRN_JOINT)):
        found[m.jnt_dofadr[m.actuator_trnid[a, 0]]] -= m.actuator_biasprm[a, 2] * m.actuator_gear[a, 0] ** 2
    return found


def panda_with_joint_servos(*, limited: bool, coupled: bool) -> mujoco.MjModel:
    """Franka without the servo on the fingers' tendon, whose damping stays explicit."""
    spec = mujoco.MjSpec.from_string(scene_of(robot(PANDA)).robots[0].xml)
    for actuator in list(spec.actuators):
        if actuator.trntype == mujoco.mjtTrn.mjTRN_TENDON:
            spec.delete(actuator)
    m = spec.compile()
    if not limited:
        m.actuator_forcelimited[:] = 0
    if not coupled:
        m.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_EQUALITY)
    return m


def swung(m: mujoco.MjModel, steps: int) -> mujoco.MjData:
    """The arm after steps from rest towards a far pose; the fingers stay within their range."""
    d = mujoco.MjData(m)
    d.qpos[:9] = (0, 0, 0, -1.57, 0, 1.57, -0.78, 0.02, 0.02)
    d.ctrl[:] = (0.4, 0.3, 0.2, -2.0, 0.1, 2.0, 0.0)
    mujoco.mj_step(m, d, steps)
    return d


@pytest.mark.parametrize(
    ("coupled", "apart"),
    [
        (False, 1e-12),  # one equation, solved twice: rounding only
        # The solver finds the force between the fingers for M under implicitfast, for M + h D when folded: what folding
        # is for. Both hold the coupling softly, so the motion differs: 4e-6 m/s was measured.
        (True, 2e-5),
    ],
)
def test_folded_damping_takes_the_steps_of_implicitfast(coupled: bool, apart: float) -> None:
    """Without constraints and clamped forces, M + h D as armature under Euler is implicitfast's own equation."""
    ends = []
    for folded in (False, True):
        m = panda_with_joint_servos(limited=False, coupled=coupled)
        if folded:
            fold_damping(m)
        else:
            m.opt.integrator = int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST)
        d = swung(m, 200)
        assert not d.ncon
        ends.append(np.concatenate([d.qpos, d.qvel]))
    assert np.ptp(ends[0][:7] - (0, 0, 0, -1.57, 0, 1.57, -0.78)) > 0.1  # it moved
    np.testing.assert_allclose(ends[1], ends[0], rtol=0, atol=apart)


def test_a_clamped_servo_keeps_its_folded_damping_as_inertia() -> None:
    """A limit of folding: implicitfast drops the damping of a servo at its force limit, M + h D keeps it.

    From rest, one step gives (M + h D) v = h f folded and (M + h B) v = h f by implicitfast, with B of joints alone.
    """
    h = 0.002
    for folded in (False, True):
        m = panda_with_joint_servos(limited=True, coupled=False)
        inertia = np.zeros((m.nv, m.nv))
        start = swung(m, 0)
        mujoco.mj_forward(m, start)
        mujoco.mj_fullM(m, start, inertia)
        force = start.qfrc_actuator + start.qfrc_passive - start.qfrc_bias
        assert np.abs(start.actuator_force) == pytest.approx(m.actuator_forcerange[:, 1])  # all are clamped
        damping = m.dof_damping + (servo_damping(m) if folded else 0)
        if folded:
            fold_damping(m)
        else:
            m.opt.integrator = int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST)
        wanted = np.linalg.solve(inertia + h * np.diag(damping), h * force)
        np.testing.assert_allclose(swung(m, 1).qvel, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "fixed"),
    [
        ("xml/franka_emika_panda/panda.xml", True),  # a tendon, an equality constraint, a keyframe
        ("xml/universal_robots_ur5e/ur5e.xml", True),
        ("xml/humanoid.xml", False),  # tendons that Newton's own importer loses
        ("xml/walker.xml", True),  # several joints per link
        ("xml/ant.xml", False),  # inertia from geoms
        ("xml/four_bar_linkage.xml", True),  # a closed loop
    ],
)
def test_the_compiled_robot_is_that_of_the_file(model: str, fixed: bool) -> None:
    assets = scene_of(robot(MODELS + model, fixed_base=fixed, pose=at(0.3, 0.2, 1.5)))
    ours = build_world(assets).m
    spec = mujoco.MjSpec.from_string(assets.robots[0].xml)
    if not fixed and not any(j.type == mujoco.mjtJoint.mjJNT_FREE for j in spec.joints):
        spec.worldbody.bodies[0].add_freejoint()
    plain = spec.compile()
    for name in ("nq", "nv", "nu", "ntendon", "neq", "nexclude", "npair", "njnt", "nbody"):
        newtons_own = 1 if name == "nbody" else 0  # a body without shape; Newton converts no model without one
        assert getattr(ours, name) == getattr(plain, name) + newtons_own, name
    for name in ("body_mass", "body_inertia", "body_ipos"):
        assert np.array_equal(getattr(ours, name)[2:], getattr(plain, name)[1:]), name
    for name in EXACT:
        assert np.array_equal(getattr(ours, name), getattr(plain, name)), name
    assert np.array_equal(ours.dof_armature > plain.dof_armature, servo_damping(ours) + ours.dof_damping > 0)
    touching = [(plain.geom_contype | plain.geom_conaffinity) != 0, (ours.geom_contype | ours.geom_conaffinity) != 0]
    for name in ("geom_friction", "geom_condim", "geom_solref", "geom_solimp", "geom_priority"):
        assert np.array_equal(getattr(ours, name)[touching[1]], getattr(plain, name)[touching[0]]), name


def played(model: Any, arm: Robot, *, folded: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Plain MuJoCo's positions, every tenth step, and its last velocities; its damping folded by hand or not."""
    plain = mujoco.MjModel.from_xml_string(model.xml)
    plain.opt.timestep, plain.opt.gravity = 0.002, (0, 0, -9.81)
    plain.opt.integrator, plain.opt.cone = mujoco.mjtIntegrator.mjINT_IMPLICITFAST, mujoco.mjtCone.mjCONE_ELLIPTIC
    plain.opt.impratio, plain.opt.tolerance = 10, 1e-10
    gain = plain.actuator_gainprm[:7, 0]
    assert (plain.actuator_biasprm[:7, 2] == -gain / 10).all()
    if folded:
        plain.dof_armature += 0.002 * plain.dof_damping
        plain.dof_armature[:7] += 0.002 * gain / 10
        plain.opt.integrator = mujoco.mjtIntegrator.mjINT_EULER
        plain.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_EULERDAMP
    data = mujoco.MjData(plain)
    data.qpos[:] = model.home
    targets = plan_script(model, arm, TIMES)
    found = [data.qpos.copy()]
    for step in range(500):
        q, v = targets.positions[step + 1], targets.velocities[step + 1]
        data.ctrl[:7] = q[:7] + 450 / 4500 * v[:7]  # all arm actuators have damping = stiffness / 10
        data.ctrl[7] = 100 * 0.04 / plain.actuator_gainprm[7, 0]
        mujoco.mj_step(plain, data)
        if (step + 1) % 10 == 0:
            found.append(data.qpos.copy())
    return np.array(found), data.qvel.copy()


def test_the_same_controls_give_the_same_motion_as_plain_mujoco() -> None:
    arm = robot(script=(SWING, Action(wait=Wait(for_s=0.5))))
    assets = scene_of(arm, seconds=1.0)
    made = run(assets).robots[0]
    positions, velocities = played(assets.robots[0], arm, folded=True)
    assert np.abs(made.positions - positions).max() < 1e-9  # same model, same step
    assert made.velocities[-1] == pytest.approx(velocities, abs=1e-9)
    # Under implicitfast two things differ, both of the fingers: their coupling and joint limits are solved for another
    # M, and the damping of the servo on their tendon is implicit. Measured: 2e-5 m there, 5e-9 rad in the arm.
    apart = np.abs(made.positions - played(assets.robots[0], arm, folded=False)[0]).max(axis=0)
    assert apart[:7].max() < 2e-8
    assert 1e-9 < apart[7:].max() < 5e-5


def test_it_follows_its_script_and_tells_what_it_was_told() -> None:
    arm = robot(script=(SWING, Action(wait=Wait(for_s=0.5))))
    made = run(scene_of(arm, seconds=1.0, fps=25.0)).robots[0]
    assert made.control == "position"
    assert made.joint_names[:2] == ("joint1", "joint2")
    targets = dict(zip(made.joint_names, made.targets.T, strict=True))
    assert targets["joint1"][-1] == pytest.approx(0.4)
    assert targets["joint1"][0] > 0  # what it is to have reached by frame 1
    settled = np.abs(made.positions[-1] - made.targets[-1])
    assert settled[:7].max() < 0.02  # sags by gravity over stiffness, 40 N m / 4500
    moving = np.abs(made.positions[12] - plan(arm)[240])
    assert moving[:7].max() < 0.05  # the drive does not lag behind by b2 / b1 = 0.1 s, which would be 0.15 rad


def plan(arm: Robot) -> Any:
    return plan_script(load_robot(arm, Path()), arm, TIMES).positions


def test_efforts_carry_the_arm() -> None:
    assets = scene_of(robot(), seconds=1.0)
    made = run(assets).robots[0]
    plain = mujoco.MjModel.from_xml_string(assets.robots[0].xml)
    data = mujoco.MjData(plain)
    data.qpos[:] = made.positions[-1]
    mujoco.mj_forward(plain, data)
    assert made.efforts[-1][:7] == pytest.approx(data.qfrc_bias[:7], abs=0.1)


def test_links_are_parts_of_their_own_at_their_base() -> None:
    assets = scene_of(robot(pose=at(0.5, -0.2, 0.3, rotation_deg=(0, 0, 90))), seconds=0.1)
    made = run(assets)
    wanted = assets.robots[0].forward(made.robots[0].positions[-1])
    for k, name in enumerate(assets.robots[0].part_names):
        pose = made.poses[-1, made.part_index(name)]
        assert pose[:3] == pytest.approx(wanted[k, :3, 3], abs=1e-9)
        assert abs(pose[3:] @ pose_vector(wanted[k])[3:]) == pytest.approx(1, abs=1e-9)
    hand = made.part_index("arm/hand")
    assert made.masses_kg[hand] == pytest.approx(0.73)
    speed = np.diff(made.poses[:, hand, :3], axis=0)[-1] * 50
    assert made.twists[-1, hand, :3] == pytest.approx(speed, abs=0.02)


def grasp(mass: float, friction: float) -> tuple[SceneAssets, Robot]:
    script = (
        Action(reach=Reach(to_m=(0.5, 0, 0.025), rotation_deg=(180, 0, 0), over_s=0.9)),
        Action(gripper="close"),
        Action(push=Push(by_m=(0, 0, 0.2), over_s=0.6)),
        Action(wait=Wait(for_s=0.5)),
    )
    arm = robot(script=script)
    cube = box("cube", (0.05, 0.05, 0.05), pose=at(0.5, 0, 0.025), mass_kg=mass, material=Material(friction=friction))
    return scene_of(arm, cube, ground=Ground(), seconds=2.4, fps=10.0), arm


@pytest.mark.parametrize(("mass", "friction"), [(0.1, 0.5), (0.3, 0.5)])
def test_a_gripper_lifts_a_cube_by_friction(mass: float, friction: float) -> None:
    assets, _ = grasp(mass, friction)
    made = run(assets)
    cube, hand = made.part_index("cube"), made.part_index("arm/hand")
    lifted = made.poses[-1, cube, 2] - 0.025
    assert lifted > 0.17
    ride = made.poses[:, cube, 2] - made.poses[:, hand, 2]
    assert abs(ride[-1] - ride[-5]) < 5e-4  # over 0.4 s at rest in the air
    contacts = made.contacts
    last = contacts.frame == 23
    held = {(made.parts[a - 1].name, made.parts[b - 1].name)
            for a, b in zip(contacts.id_a[last], contacts.id_b[last], strict=True)}  # fmt: skip
    assert held == {("cube", "arm/left_finger"), ("cube", "arm/right_finger")}


def test_without_friction_it_stays_on_the_ground() -> None:
    assets, arm = grasp(0.3, 0.0)
    slippery = small_assets(assets.scene.model_copy(update={"robots": (arm.model_copy(update={"friction": 0.0}),)}))
    made = run(slippery)
    assert made.poses[-1, made.part_index("cube"), 2] < 0.03


def test_velocity_control() -> None:
    control = Control(mode="velocity", damping=400.0)
    arm = robot(control=control, script=(Action(velocity=Velocity(joints={"joint1": 0.5}, for_s=0.6)),))
    made = run(scene_of(arm, seconds=0.5, gravity=(0, 0, 0))).robots[0]
    assert made.control == "velocity"
    assert made.targets[:-1, 0] == pytest.approx(0.5)
    assert made.velocities[-1, 0] == pytest.approx(0.5, rel=0.01)


def test_stiffness_and_damping_override_the_file() -> None:
    soft = robot(control=Control(stiffness=200.0, damping=40.0))
    made = run(scene_of(soft, seconds=1.0)).robots[0]
    stiff = run(scene_of(robot(), seconds=1.0)).robots[0]
    sag = [np.abs(m.positions[-1] - m.targets[-1])[1] for m in (made, stiff)]
    assert sag[0] / sag[1] == pytest.approx(4500 / 200, rel=0.25)


def test_gains_that_are_too_stiff_for_the_step_diverge_by_name(tmp_path: Path) -> None:
    (tmp_path / "arm.urdf").write_text(ARM_URDF.replace('effort="50"', 'effort="1e20"'))
    swing = Action(joints=Joints(to={"shoulder": 1.0}, over_s=0.8))
    arm = robot("arm.urdf", control=Control(stiffness=1e12, damping=0.0), script=(swing,))
    with pytest.raises(PhysicsError, match=r"diverged at t = .*'arm/.*try physics.step_s"):
        run(_from(tmp_path, arm))


def test_urdf_by_newton(tmp_path: Path) -> None:
    (tmp_path / "arm.urdf").write_text(ARM_URDF)
    arm = robot("arm.urdf", initial_joints={"shoulder": 0.3}, pose=at(0, 0, 0.2),
                script=(Action(joints=Joints(to={"shoulder": 1.0, "slide": 0.2}, over_s=0.6)),))  # fmt: skip
    assets = _from(tmp_path, arm)
    made = run(assets)
    motion = made.robots[0]
    assert motion.joint_names == ("shoulder", "slide")
    assert motion.positions[0] == pytest.approx([0.3, 0.0])
    assert motion.positions[-1] == pytest.approx([1.0, 0.2], abs=0.01)
    wanted = assets.robots[0].forward(motion.positions[-1])
    assert made.poses[-1, made.part_index("arm/pen"), :3] == pytest.approx(wanted[3, :3, 3], abs=1e-5)  # float32
    assert made.masses_kg[made.part_index("arm/rod")] == pytest.approx(2.0)
    assert np.abs(motion.efforts[:, 0]).max() <= 50.0 + 1e-9
    assert np.isinf(made.masses_kg[made.part_index("arm/base")]) or made.masses_kg[0] == pytest.approx(1.0)


def test_links_without_mass_weigh_next_to_nothing(tmp_path: Path) -> None:
    """Between the axes of a mobile base URDF files have empty links; MuJoCo refuses moving bodies without mass."""
    text = """<robot name="arm"><link name="root"/><link name="empty"/><link name="block"><inertial><mass value="2.5"/>
      <inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial></link>
      <joint name="across" type="prismatic"><parent link="root"/><child link="empty"/><axis xyz="1 0 0"/>
        <limit lower="-1" upper="1" effort="500" velocity="9"/></joint>
      <joint name="up" type="prismatic"><parent link="empty"/><child link="block"/><axis xyz="0 0 1"/>
        <limit lower="-1" upper="1" effort="500" velocity="9"/></joint></robot>"""
    (tmp_path / "slides.urdf").write_text(text)
    go = Action(joints=Joints(to={"across": 0.3, "up": 0.2}, over_s=0.5))
    made = run(_from(tmp_path, robot("slides.urdf", pose=at(0, 0, 2), script=(go,))))
    assert made.masses_kg[made.part_index("arm/empty")] < 1e-5
    assert made.masses_kg[made.part_index("arm/block")] == pytest.approx(2.5)
    assert made.poses[-1, made.part_index("arm/block"), 0] == pytest.approx(0.3, abs=1e-3)
    assert made.robots[0].efforts[-1] == pytest.approx([0, 2.5 * 9.81], abs=0.01)  # holds its weight


def _from(folder: Path, arm: Robot) -> SceneAssets:
    """Assets of a robot whose file lies in a folder."""
    from simvid.testing.physics_scenes import link_parts

    scene = small_scene([], robots=[arm], seconds=1.0)
    model = load_robot(arm, folder)
    return SceneAssets(scene, tuple(link_parts(model, 1)), (model,))


def test_a_floating_robot_falls() -> None:
    assets = scene_of(robot(MODELS + "xml/ant.xml", fixed_base=False, pose=Pose(position_m=(1, 2, 3))), seconds=0.3)
    made = run(assets)
    torso = made.part_index("arm/torso")
    assert made.poses[0, torso, :2] == pytest.approx([1, 2], abs=1e-9)
    fallen = made.poses[0, torso, 2] - made.poses[-1, torso, 2]
    assert fallen == pytest.approx(9.81 * 0.3**2 / 2, rel=0.02)
