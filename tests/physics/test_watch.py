"""The watch on its own: energy, depth, numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.errors import PhysicsError
from simvid.physics.contact_table import FrameContacts
from simvid.physics.watch import Bodies, Watch, part_sizes
from simvid.rotations import pose_vector, quat_from_euler_deg
from simvid.scene import Ground, Impulse
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene

Array = NDArray[np.float64]
NONE = FrameContacts(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3)),
    np.zeros(0),
)  # fmt: skip


def one_ball(**given: Any) -> SceneAssets:
    return small_assets(small_scene([ball(mass_kg=2.0, pose=at(0, 0, 1), **given)]))


def watched(assets: SceneAssets, *, driven: bool = False) -> Watch:
    return Watch(assets, np.ones(len(assets.parts), np.bool_), driven)


def frame(assets: SceneAssets, z: float, speed: float) -> tuple[Array, Array]:
    pose = pose_vector(assets.parts[0].pose)
    pose[2] = z
    return pose[None], np.array([[0, 0, speed, 0, 0, 0.0]])


def test_energy_of_a_turning_box() -> None:
    assets = small_assets(small_scene([box(size=(0.1, 0.2, 0.3), mass_kg=3.0, pose=at(0, 0, 2))]))
    poses = np.concatenate([[0, 0, 2.0], quat_from_euler_deg((0, 90, 0))])[None]
    kinetic, potential = Bodies.of(assets).energy(np.array([0, 0, -9.81]), poses, np.array([[1.0, 0, 0, 5.0, 0, 0]]))
    assert kinetic[0] == pytest.approx(3.0 / 2 + 3.0 * (0.1**2 + 0.2**2) / 12 * 25 / 2)  # its z axis points along x
    assert potential[0] == pytest.approx(3.0 * 9.81 * 2)


def test_gaining_energy_is_noticed_and_losing_it_is_not() -> None:
    assets = one_ball()
    watch = watched(assets)
    watch.frame(*frame(assets, 1.0, 0.0), NONE)
    watch.frame(*frame(assets, 0.8, -1.9), NONE)
    watch.frame(*frame(assets, 0.7, -0.5), NONE)
    with pytest.raises(PhysicsError, match=r"'ball'.*kinetic energy.*gained .* though nothing drives"):
        watch.frame(*frame(assets, 0.7, 3.0), NONE)


def test_driven_and_kicked_scenes_may_gain_energy() -> None:
    assets = one_ball()
    watch = watched(assets, driven=True)
    watch.frame(*frame(assets, 1.0, 0.0), NONE)
    watch.frame(*frame(assets, 1.0, 9.0), NONE)
    kicked = one_ball(impulses=(Impulse(t_s=0.01, impulse_n_s=(0, 0, 18.0)),))
    watch = watched(kicked)
    watch.frame(*frame(kicked, 1.0, 0.0), NONE)
    watch.frame(*frame(kicked, 1.0, 9.0), NONE)
    with pytest.raises(PhysicsError, match="gained"):
        watch.frame(*frame(kicked, 1.0, 15.0), NONE)


def test_a_pose_that_is_no_number() -> None:
    assets = one_ball()
    with pytest.raises(PhysicsError, match=r"t = 0 s: 'ball' has a pose that is no number"):
        watched(assets).frame(*frame(assets, np.nan, 0.0), NONE)


def contact(depth: float) -> FrameContacts:
    one = np.zeros((1, 3))
    return FrameContacts(np.array([1]), np.array([2]), np.zeros(1), one, one, one, np.array([depth]))


def test_depth_must_last_to_be_a_fault() -> None:
    assets = small_assets(small_scene([ball(pose=at(0, 0, 0.05))], ground=Ground()))
    poses, twists = np.stack([pose_vector(p.pose) for p in assets.parts]), np.zeros((2, 6))
    watch = watched(assets, driven=True)
    for depth in [0.02] * 12 + [0.001] + [0.02] * 12:  # a quarter of 50 mm is 12.5 mm; 0.25 s is 12.5 frames
        watch.frame(poses, twists, contact(depth))
    with pytest.raises(PhysicsError, match=r"'ground' and 'ball' have been up to 20 mm inside each other for 0.26 s"):
        watch.frame(poses, twists, contact(0.02))


def test_a_hard_impact_between_two_of_few_frames_is_no_wedge() -> None:
    assets = small_assets(small_scene([ball(pose=at(0, 0, 0.05))], ground=Ground(), fps=4))
    poses, twists = np.stack([pose_vector(p.pose) for p in assets.parts]), np.zeros((2, 6))
    watch = watched(assets, driven=True)
    for depth in (0.02, 0.02, 0.001, 0.02, 0.02):  # a frame lasts 0.25 s and tells of the deepest of its steps
        watch.frame(poses, twists, contact(depth))
    with pytest.raises(PhysicsError, match=r"inside each other for 0.75 s"):
        watch.frame(poses, twists, contact(0.02))


def test_sizes_are_half_of_the_thinnest_extent() -> None:
    assets = small_assets(small_scene([box(size=(0.1, 0.2, 0.3)), ball(radius=0.02)], ground=Ground()))
    assert part_sizes(assets) == pytest.approx([np.inf, 0.05, 0.02])
