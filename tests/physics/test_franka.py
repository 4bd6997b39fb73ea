"""The Franka scenes do what their first comment says, by contact and friction alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.prepare import prepare
from simvid.parsing import load_scene
from simvid.physics.newton.engine import NewtonPhysics
from simvid.physics.tools import find_gripper, find_tool
from simvid.scene import Material, Scene
from simvid.trajectory import Trajectory, pose_matrices

GRAVITY = 9.81
CUBE_KG = 600 * 0.05**3


def simulated(scene: Scene) -> Trajectory:
    return NewtonPhysics().simulate(prepare(scene))


@pytest.fixture(scope="module")
def push(root: Path) -> Trajectory:
    return simulated(load_scene(root / "scenes" / "franka_push.yaml"))


@pytest.fixture(scope="module")
def pick_scene(root: Path) -> Scene:
    return load_scene(root / "scenes" / "franka_pick.yaml")


@pytest.fixture(scope="module")
def pick(pick_scene: Scene) -> Trajectory:
    return simulated(pick_scene)


def poses(trajectory: Trajectory, name: str) -> NDArray[np.float64]:
    return trajectory.poses[:, trajectory.part_index(name)]


def uprightness(trajectory: Trajectory, name: str) -> NDArray[np.float64]:
    """Cosine of the angle between the part's z axis now and at the start, [T]."""
    z = pose_matrices(poses(trajectory, name))[:, :3, 2]
    return np.asarray(z @ z[0], dtype=np.float64)


def touching(trajectory: Trajectory, name: str) -> dict[str, NDArray[np.int32]]:
    """Other part -> frames (begin or persist) in which it touches a part."""
    ident, table = trajectory.part_index(name) + 1, trajectory.contacts
    live = table.event < 2
    found: dict[str, NDArray[np.int32]] = {}
    for k, part in enumerate(trajectory.parts):
        pair = ((table.id_a == ident) & (table.id_b == k + 1)) | ((table.id_b == ident) & (table.id_a == k + 1))
        if (live & pair).any():
            found[part.name] = table.frame[live & pair]
    return found


def impulses(trajectory: Trajectory, name: str, frames: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Impulses on a part by all others in the frames marked, [C, 3]."""
    ident, table = trajectory.part_index(name) + 1, trajectory.contacts
    rows = frames[table.frame]
    on_a, on_b = rows & (table.id_a == ident), rows & (table.id_b == ident)
    return np.concatenate([table.impulse_n_s[on_a], -table.impulse_n_s[on_b]])


@pytest.mark.parametrize("name", ["duck", "film_camera"])
def test_pushed_things_slide_far_and_stay_upright(push: Trajectory, name: str) -> None:
    way = poses(push, name)[-1, :3] - poses(push, name)[0, :3]
    assert way[1] > 0.10
    assert abs(way[0]) < 0.04
    assert abs(way[2]) < 0.004
    assert uprightness(push, name).min() > np.cos(np.radians(10))
    assert np.linalg.norm(push.twists[-1, push.part_index(name)]) < 0.01


def test_the_hand_pushes_the_duck_and_the_duck_the_camera(push: Trajectory) -> None:
    by_duck, by_camera = touching(push, "duck"), touching(push, "film_camera")
    assert {n for n in by_duck if n.startswith("arm/")} <= {"arm/hand", "arm/left_finger", "arm/right_finger"}
    assert any(n.startswith("arm/") for n in by_duck)
    assert set(by_camera) == {"table", "duck"}
    first_push = min(int(frames[0]) for n, frames in by_duck.items() if n.startswith("arm/"))
    moved = np.linalg.norm(poses(push, "film_camera")[:, :3] - poses(push, "film_camera")[1, :3], axis=1) > 0.005
    assert 0 < first_push < int(by_camera["duck"][0]) <= int(np.argmax(moved))


def test_what_is_not_pushed_stays(push: Trajectory) -> None:
    for name in ("board", "dragon"):
        way = np.linalg.norm(poses(push, name)[:, :3] - poses(push, name)[0, :3], axis=1)
        assert way.max() < 0.005


def test_the_cube_is_lifted_by_the_fingers_alone(pick: Trajectory) -> None:
    height = poses(pick, "cube")[:, 2] - poses(pick, "cube")[0, 2]
    assert height.max() > 0.10
    up = np.flatnonzero(height > 0.03)
    held = {n: f for n, f in touching(pick, "cube").items() if np.isin(f, up).any()}
    assert set(held) == {"arm/left_finger", "arm/right_finger"}
    for frames in held.values():
        assert np.isin(up, frames).all()
    assert uprightness(pick, "cube").min() > np.cos(np.radians(8))


def test_friction_carries_the_cubes_weight(pick: Trajectory) -> None:
    """While it hangs, impulse = m (g t + change of speed); along the fingers' motion the two grips cancel."""
    cube = pick.part_index("cube")
    up = np.flatnonzero(poses(pick, "cube")[:, 2] > 0.08)
    frames = np.zeros(pick.frame_count, dtype=bool)
    frames[up[1:]] = True
    total = impulses(pick, "cube", frames).sum(axis=0)
    change = pick.twists[up[-1], cube, :3] - pick.twists[up[0], cube, :3]
    expected = CUBE_KG * (np.array([0, 0, GRAVITY]) * (len(up) - 1) / pick.fps + change)
    np.testing.assert_allclose(total, expected, atol=0.03 * float(np.linalg.norm(expected)))


def test_grip_is_sideways_and_inside_the_friction_cone(pick: Trajectory) -> None:
    """Friction 1.0 of the fingers counts over the cube's 0.6: tangential impulse at most that times the normal one."""
    table, cube = pick.contacts, pick.part_index("cube") + 1
    fingers = [pick.part_index(f"arm/{side}_finger") + 1 for side in ("left", "right")]
    rows = (table.id_a == cube) & np.isin(table.id_b, fingers) & (table.event < 2)
    lifted = poses(pick, "cube")[:, 2][table.frame] > 0.08
    normal, impulse = table.normal[rows & lifted], table.impulse_n_s[rows & lifted]
    assert len(normal) > 20
    assert np.abs(normal[:, 2]).max() < 0.1
    along = (normal * impulse).sum(axis=1)
    across = np.linalg.norm(impulse - along[:, None] * normal, axis=1)
    assert (along > 0).all()
    assert (across <= 1.02 * along).all()
    assert across.max() > 0.1 * along.max()  # friction is at work


def test_the_cube_ends_on_the_board_where_it_was_wanted(pick: Trajectory, pick_scene: Scene) -> None:
    last = poses(pick, "cube")[-1]
    wanted = pick_scene.robots[0].script[5].reach
    assert wanted is not None
    assert wanted.to_m is not None
    assert np.linalg.norm(last[:2] - wanted.to_m[:2]) < 0.02
    assert last[2] == pytest.approx(0.0135 + 0.025, abs=0.003)  # board thickness + half the cube
    assert uprightness(pick, "cube")[-1] > 0.999
    assert np.linalg.norm(pick.twists[-1, pick.part_index("cube")]) < 0.01
    final = {n for n, frames in touching(pick, "cube").items() if pick.frame_count - 1 in frames}
    assert final == {"board"}


def test_the_arm_follows_its_script(pick: Trajectory, pick_scene: Scene) -> None:
    """Position servos without gravity compensation sag: by torque over stiffness, here under a centimetre."""
    model = prepare(pick_scene).robots[0]
    robot, motion = pick_scene.robots[0], pick.robots[0]
    gripper, _ = find_gripper(model, robot)
    tool, _ = find_tool(model, robot, gripper)
    real, wanted = (
        (model.forward(q)[:, tool.link] @ tool.offset)[:, :3, 3] for q in (motion.positions, motion.targets)
    )
    still = np.linalg.norm(np.diff(wanted, axis=0), axis=1) < 1e-6
    assert still.sum() > 15
    assert np.linalg.norm(real[1:] - wanted[1:], axis=1)[still].max() < 0.01
    links = pose_matrices(pick.poses[:, [pick.part_index(n) for n in model.part_names]])
    np.testing.assert_allclose(links, model.forward(motion.positions), atol=1e-4)


def test_without_friction_the_cube_stays_on_the_table(pick_scene: Scene) -> None:
    slick = Material(density_kg_m3=600, friction=0.02)
    bodies = tuple(b.model_copy(update={"material": slick}) if b.name == "cube" else b for b in pick_scene.bodies)
    robots = (pick_scene.robots[0].model_copy(update={"friction": 0.02}),)
    scene = pick_scene.model_copy(update={"bodies": bodies, "robots": robots, "duration_s": 2.0})
    assert poses(simulated(scene), "cube")[:, 2].max() < 0.06
