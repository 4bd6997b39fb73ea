"""Bodies in the Newton engine: every shape, joints, keyframes, kicks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simvid.assets.bowl import bowl_pieces
from simvid.assets.pieces import Collider
from simvid.errors import SceneError
from simvid.mesh import Mesh
from simvid.physics.newton.engine import NewtonPhysics
from simvid.scene import Body, Ground, Hinge, Impulse, Joint, Keyframe, Material, Motion, Shape, Slider, Weld
from simvid.scene.bodies import Ball
from simvid.scene.shapes import Capsule, Cone, Cylinder, Ellipsoid
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene
from simvid.trajectory import Trajectory


def run(bodies: list[Body], colliders: dict[str, tuple[Collider, ...]] | None = None, **given: Any) -> Trajectory:
    return NewtonPhysics().simulate(small_assets(small_scene(bodies, **given), colliders))


def hull(points: list[tuple[float, float, float]]) -> Mesh:
    """A tetrahedron, or the eight corners of a box in binary order."""
    faces = [(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)]
    if len(points) == 8:
        faces = [(0, 1, 2), (1, 3, 2), (4, 6, 5), (5, 6, 7), (0, 4, 1), (1, 4, 5), (2, 3, 6), (3, 7, 6), (0, 2, 4),
                 (2, 6, 4), (1, 5, 3), (3, 5, 7)]  # fmt: skip
    return Mesh(np.array(points, np.float32), np.array(faces, np.int32))


SHAPES: dict[str, tuple[Shape, float]] = {
    "box": (box().shape, 0.05),
    "sphere": (ball().shape, 0.05),
    "capsule": (Shape(capsule=Capsule(radius_m=0.05, length_m=0.1)), 0.1),
    "cylinder": (Shape(cylinder=Cylinder(radius_m=0.05, length_m=0.1)), 0.05),
    "cone": (Shape(cone=Cone(radius_m=0.05, length_m=0.1)), 0.05),
    "ellipsoid": (Shape(ellipsoid=Ellipsoid(radii_m=(0.06, 0.05, 0.04))), 0.04),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_shapes_rest_on_the_ground(kind: str) -> None:
    shape, height = SHAPES[kind]
    body = Body(name="thing", shape=shape, pose=at(0, 0, height + 0.02), material=Material(friction=0.5))
    made = run([body], ground=Ground(), seconds=0.8)
    z = made.poses[:, 1, 2]
    assert z.min() > height - 2e-3  # found one step deep at 0.6 m/s
    assert z[-1] == pytest.approx(height, abs=5e-5)
    assert np.abs(made.twists[-1, 1]).max() < 5e-3


def test_convex_mesh_is_its_hull() -> None:
    mesh = hull([(x, y, z) for x in (-0.05, 0.05) for y in (-0.05, 0.05) for z in (-0.03, 0.03)])
    solid = (Collider("convex", (), np.eye(4), 0.5, 0.0, mesh=mesh),)
    made = run([box("brick", pose=at(0, 0, 0.05))], {"brick": solid}, ground=Ground(), seconds=0.6)
    assert made.poses[-1, 1, 2] == pytest.approx(0.03, abs=5e-5)


def test_compound_turns_about_its_own_center() -> None:
    """Two balls of different mass on a body whose frame is at neither: it tips over the heavy one."""
    left, right = np.eye(4), np.eye(4)
    left[0, 3], right[0, 3] = -0.1, 0.1
    solid = (Collider("sphere", (0.05,), left, 0.5, 0.0), Collider("sphere", (0.08,), right, 0.5, 0.0))
    bodies = [box("bell", pose=at(0, 0, 1), angular_velocity_rad_s=(0.0, 0.0, 5.0))]
    made = run(bodies, {"bell": solid}, gravity=(0, 0, 0), seconds=1.0)
    mass = made.masses_kg[0]
    volumes = np.array([0.05**3, 0.08**3])
    assert mass == pytest.approx(1000 * 4 / 3 * np.pi * volumes.sum(), rel=1e-12)
    middle = float(volumes @ [-0.1, 0.1] / volumes.sum())
    drift = np.cross([0, 0, 5.0], [middle, 0, 0])  # the centre of mass flies straight on
    for frame in range(0, 51, 10):
        w, _, _, z = made.poses[frame, 0, 3:]
        turn = 2 * np.arctan2(z, w)
        center = made.poses[frame, 0, :3] + middle * np.array([np.cos(turn), np.sin(turn), 0])
        assert center == pytest.approx(np.array([middle, 0, 1]) + drift * frame / 50, abs=1e-9)


def test_balls_stay_in_a_bowl_of_convex_pieces() -> None:
    solid = tuple(Collider("convex", (), np.eye(4), 0.3, 0.2, mesh=piece) for piece in bowl_pieces(0.3, 0.02))
    bodies = [box("bowl", fixed=True, pose=at(0, 0, 0.4))]
    bodies += [ball(f"ball_{k}", pose=at(0.1 * k - 0.1, 0.02 * k, 0.5 + 0.01 * k)) for k in range(3)]
    made = run(bodies, {"bowl": solid}, seconds=1.2, fps=25.0)
    from_center = np.linalg.norm(made.poses[:, 1:, :3] - [0, 0, 0.4], axis=-1)
    assert from_center[-1].max() < 0.3
    assert made.poses[-1, 1:, 2].max() < 0.4


def test_a_fixed_mesh_is_exact_where_it_is_hollow() -> None:
    """A tray with a rim: MuJoCo alone would fill it up to the rim."""
    walls = [
        ((-0.3, 0.3), (-0.3, 0.3), (-0.02, 0.0)),
        ((-0.3, -0.28), (-0.3, 0.3), (0.0, 0.2)),
        ((0.28, 0.3), (-0.3, 0.3), (0.0, 0.2)),
    ]
    pieces = [hull([(x, y, z) for x in wx for y in wy for z in wz]) for wx, wy, wz in walls]
    offsets = np.cumsum([0, *(len(p.vertices) for p in pieces[:-1])])
    vertices = np.concatenate([p.vertices for p in pieces])
    faces = np.concatenate([p.faces + o for p, o in zip(pieces, offsets, strict=True)]).astype(np.int32)
    solid = (Collider("mesh", (), np.eye(4), 0.5, 0.0, mesh=Mesh(vertices, faces)),)
    bodies = [box("tray", fixed=True, pose=at(0, 0, 0.5)), ball(pose=at(0.05, 0, 0.6))]
    made = run(bodies, {"tray": solid}, seconds=0.6)
    assert made.poses[-1, 1, 2] == pytest.approx(0.55, abs=1e-4)


def test_a_moving_hollow_mesh_is_refused() -> None:
    mesh = hull([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
    solid = (Collider("mesh", (), np.eye(4), 0.5, 0.0, mesh=mesh),)
    with pytest.raises(SceneError, match=r"'vase'.*convex_parts"):
        run([box("vase", pose=at(0, 0, 2))], {"vase": solid})


def test_hinge_damping_slows_a_wheel() -> None:
    hinge = Joint(hinge=Hinge(anchor_m=(0, 0, 1), axis=(0, 0, 1), damping_n_m_s=0.002))
    made = run([ball(pose=at(0, 0, 1), joint=hinge, angular_velocity_rad_s=(0, 0, 10.0))], seconds=1.0)
    inertia = 0.4 * made.masses_kg[0] * 0.05**2
    rate = 0.002 / inertia
    # implicit in velocity: w (1 + h c)^-n, which is exp(-c t) but for c h / 2 of the exponent, 1.5 %
    assert made.twists[-1, 0, 5] == pytest.approx(10 * (1 + 0.002 * rate) ** -500, rel=1e-6)
    assert made.twists[-1, 0, 5] == pytest.approx(10 * np.exp(-rate), rel=0.02)


def test_a_slider_moves_along_its_axis_alone() -> None:
    axis = (1.0, 0.0, -1.0)
    joint = Joint(slider=Slider(axis=axis, damping_n_s_m=0.0))
    made = run([box(pose=at(0, 0, 1), joint=joint)], seconds=0.5)
    along = made.poses[-1, 0, :3] - [0, 0, 1]
    assert along == pytest.approx(np.array([1, 0, -1]) * 9.81 / 2 * (0.25 + 0.001) / 2, rel=1e-6)
    assert made.poses[-1, 0, 3] == pytest.approx(1.0, abs=1e-12)


def test_a_welded_body_moves_with_its_parent() -> None:
    bodies = [
        box("arm", (0.3, 0.05, 0.05), pose=at(0, 0, 1), angular_velocity_rad_s=(0, 3.0, 0)),
        ball("end", pose=at(0.25, 0, 1), joint=Joint(weld=Weld(parent="arm"))),
    ]
    made = run(bodies, seconds=0.5)
    assert np.linalg.norm(made.poses[:, 1, :3] - made.poses[:, 0, :3], axis=1) == pytest.approx(0.25, abs=1e-9)
    center = np.einsum("k,tkx->tx", made.masses_kg, made.poses[:, :, :3]) / made.masses_kg.sum()
    assert center[:, 0] == pytest.approx(center[0, 0], abs=1e-6)  # nothing pushes it sideways
    assert center[-1, 2] - center[0, 2] == pytest.approx(-3 * center[0, 0] * 0.5 - 9.81 / 2 * 0.251, abs=1e-5)


def test_a_double_pendulum_hangs_together() -> None:
    bodies = [
        ball("upper", pose=at(0.3, 0, 2), joint=Joint(ball=Ball(anchor_m=(0, 0, 2)))),
        ball("lower", pose=at(0.6, 0, 2), joint=Joint(ball=Ball(anchor_m=(0.3, 0, 2), parent="upper"))),
    ]
    made = run(bodies, seconds=1.0)
    assert np.linalg.norm(made.poses[:, 0, :3] - [0, 0, 2], axis=1) == pytest.approx(0.3, abs=1e-6)
    assert np.linalg.norm(made.poses[:, 1, :3] - made.poses[:, 0, :3], axis=1) == pytest.approx(0.3, abs=1e-6)
    height = made.poses[:, :, 2] @ made.masses_kg * 9.81
    speed = (made.twists[:, :, :3] ** 2).sum(axis=2) @ made.masses_kg / 2
    spin = (made.twists[:, :, 3:] ** 2).sum(axis=2) @ (0.4 * made.masses_kg * 0.05**2) / 2
    energy = height + speed + spin
    assert np.abs(energy - energy[0]).max() < 0.02 * (speed + spin).max()  # semi-implicit, h w = 2 %


def test_joints_may_overlap_their_neighbours() -> None:
    """A hinge inside its post: neighbours do not touch, and do not count as an overlap."""
    bodies = [
        box("post", (0.1, 0.1, 1.0), fixed=True, pose=at(0, 0, 0.5)),
        box("door", (0.4, 0.02, 0.4), pose=at(0.2, 0, 0.5), angular_velocity_rad_s=(0, 0, 2.0),
            joint=Joint(hinge=Hinge(anchor_m=(0, 0, 0.5), axis=(0, 0, 1), parent="post"))),
    ]  # fmt: skip
    made = run(bodies, seconds=0.5)
    assert made.twists[-1, 1, 5] == pytest.approx(2.0, rel=1e-6)
    assert len(made.contacts) == 0


@pytest.mark.parametrize("given", [{"velocity_m_s": (0.0, 1.0, 0.0)}, {"angular_velocity_rad_s": (1.0, 0.0, 0.0)}])
def test_a_joint_refuses_speeds_that_it_cannot_have(given: dict[str, Any]) -> None:
    hinge = Joint(hinge=Hinge(anchor_m=(0, 0, 1), axis=(0, 1, 0)))
    with pytest.raises(SceneError, match=r"'bob'.*hinge"):
        run([ball("bob", pose=at(0.3, 0, 1), joint=hinge, **given)])


def test_linear_speed_of_a_hinged_body_becomes_its_turn() -> None:
    hinge = Joint(hinge=Hinge(anchor_m=(0, 0, 1), axis=(0, 1, 0)))
    made = run([ball("bob", pose=at(0, 0, 0.6), joint=hinge, velocity_m_s=(1.0, 0, 0))], gravity=(0, 0, 0))
    assert made.twists[0, 0, 4] == pytest.approx(-2.5, rel=1e-6)


def test_a_kick_changes_speed_and_spin_by_the_impulse() -> None:
    kick = Impulse(t_s=0.1, impulse_n_s=(2.0, 0.0, 0.0), at_m=(0.0, 0.0, 0.05))
    made = run([box(impulses=(kick,))], gravity=(0, 0, 0), seconds=0.3)
    before, after = made.twists[5, 0], made.twists[6, 0]
    assert not before.any()
    assert after[:3] == pytest.approx([2.0, 0, 0], abs=1e-9)  # 1 kg
    inertia = 1.0 * 2 * 0.1**2 / 12
    assert after[3:] == pytest.approx([0, 2.0 * 0.05 / inertia, 0], abs=1e-9)


def path(*frames: tuple[float, tuple[float, float, float]], how: str = "smooth") -> Motion:
    keys = tuple(Keyframe(t_s=t, pose=at(*p)) for t, p in frames)
    return Motion.model_validate({"keyframes": keys, "interpolation": how})


@pytest.mark.parametrize("mass", [1.0, 0.001])
def test_a_platform_drags_what_stands_on_it(mass: float) -> None:
    motion = path((0.0, (0, 0, 0)), (1.0, (0.5, 0, 0)))
    bodies = [
        box("platform", (2.0, 1.0, 0.1), motion=motion, material=Material(friction=0.8)),
        box("load", pose=at(0, 0, 0.1), material=Material(friction=0.8), mass_kg=mass),
        box("heavy", pose=at(0, 0, 5), mass_kg=1000.0),  # platforms are made heavier than all else
    ]
    made = run(bodies, seconds=1.2)
    ride = made.poses[:, 1, 0] - made.poses[:, 0, 0]
    assert np.abs(ride).max() < 1e-3  # 3 m/s^2 is less than mu g; the step's own lag is a h^2
    assert made.twists[25, 1, 0] == pytest.approx(made.twists[25, 0, 0], abs=5e-3)


def test_a_platform_that_is_too_quick_slips_away() -> None:
    motion = path((0.0, (0, 0, 0)), (0.4, (1.5, 0, 0)))
    bodies = [
        box("platform", (4.0, 1.0, 0.1), motion=motion, material=Material(friction=0.1)),
        box("load", pose=at(0, 0, 0.1), material=Material(friction=0.1)),
    ]
    made = run(bodies, seconds=0.4)
    assert made.twists[8, 1, 0] == pytest.approx(0.1 * 9.81 * 8 / 50, rel=0.02)  # friction's own acceleration


def test_a_pendulum_feels_the_acceleration_of_its_carriage() -> None:
    """From rest, a carriage that accelerates by a swings the bob back by 2 atan(a / g) at most."""
    seconds, a = 1.0, 2.0
    times = np.linspace(0, seconds, 201)
    motion = path(*[(float(t), (a * float(t) ** 2 / 2, 0.0, 2.0)) for t in times], how="linear")
    bob = ball("bob", pose=at(0, 0, 1.5), joint=Joint(ball=Ball(anchor_m=(0, 0, 2), parent="carriage")))
    made = run([box("carriage", motion=motion), bob], seconds=seconds, fps=100.0)
    angle = np.arctan2(made.poses[:, 1, 0] - made.poses[:, 0, 0], 2 - made.poses[:, 1, 2])
    assert angle.min() == pytest.approx(-2 * np.arctan(a / 9.81), rel=0.01)


def test_a_keyframed_pusher_hits_with_its_speed() -> None:
    material = Material(friction=0.0, restitution=1.0)
    motion = path((0.0, (-0.5, 0, 0)), (1.0, (0.5, 0, 0)), how="linear")
    made = run([box("bat", motion=motion, material=material), ball(material=material)], gravity=(0, 0, 0))
    assert made.twists[-1, 1, 0] == pytest.approx(2.0, rel=0.01)  # twice the bat's


def test_rolling_friction_stops_a_ball() -> None:
    material = Material(friction=0.5, rolling_friction_m=0.002)
    made = run(
        [ball(pose=at(0, 0, 0.05), material=material, velocity_m_s=(0.5, 0, 0), angular_velocity_rad_s=(0, 10.0, 0))],
        ground=Ground(material=Material(friction=0.5)), seconds=0.5,
    )  # fmt: skip
    # torque mu_r N against the roll: a = 5/7 mu_r g / r
    slowed = (made.twists[5, 1, 0] - made.twists[20, 1, 0]) / 0.3
    assert slowed == pytest.approx(5 / 7 * 0.002 * 9.81 / 0.05, rel=0.02)
