"""PhysicsContract: what every physics engine must hold. Inherit it and say how to make yours."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from simvid.errors import SceneError
from simvid.physics.base import PhysicsEngine
from simvid.physics.kinematic import KeyframedPath
from simvid.rotations import pose_vector
from simvid.scene import Ground, Keyframe, Material, Motion, Scene
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene
from simvid.trajectory import EVENTS, Contacts, Trajectory
from simvid.trajectory_io import digest


def bouncing_scene() -> Scene:
    """A ball that bounces on the ground and a box that slides, beside a fixed and a keyframed box; 0.6 s."""
    material = Material(friction=0.4, restitution=0.6)
    path = Motion(
        keyframes=(
            Keyframe(t_s=0, pose=at(2, 0, 0.3)),
            Keyframe(t_s=0.5, pose=at(2.5, 0, 0.5, rotation_deg=(0, 0, 90))),
        )
    )
    bodies = (
        ball(pose=at(0, 0, 0.2), material=material),
        box("slider", pose=at(0, 1, 0.05), velocity_m_s=(1.5, 0, 0), material=material),
        box("post", pose=at(-1, 0, 0.2), fixed=True),
        box("lift", motion=path),
    )
    return small_scene(bodies, ground=Ground(material=material), seconds=0.6)


class PhysicsContract(ABC):
    """Inherit as ``class TestMine(PhysicsContract)`` in a pytest file."""

    _made: Trajectory | None = None

    @abstractmethod
    def engine(self) -> PhysicsEngine:
        """A fresh engine."""

    def run(self, scene: Scene) -> Trajectory:
        """Simulate a small scene."""
        return self.engine().simulate(small_assets(scene))

    def bouncing(self) -> Trajectory:
        """The trajectory of ``bouncing_scene``, made once."""
        cls = type(self)
        if cls._made is None:
            cls._made = self.run(bouncing_scene())
        return cls._made

    def test_it_has_a_name_and_a_version(self) -> None:
        """Both are in the record."""
        engine = self.engine()
        assert engine.name
        assert engine.version()
        assert self.bouncing().engine == engine.name
        assert self.bouncing().engine_version == engine.version()

    def test_there_is_a_frame_at_every_time(self) -> None:
        """Shapes and times are those of the scene."""
        made, scene = self.bouncing(), bouncing_scene()
        assert made.fps == scene.fps
        assert made.poses.shape == (scene.frame_count, 5, 7)
        assert made.twists.shape == (scene.frame_count, 5, 6)
        assert made.step_s == scene.step_s

    def test_parts_keep_their_order(self) -> None:
        """Part k has id k + 1 everywhere."""
        assets = small_assets(bouncing_scene())
        assert self.bouncing().parts == tuple(p.part for p in assets.parts)

    def test_the_first_frame_is_the_start(self) -> None:
        """Frame 0 is before the first step."""
        made, assets = self.bouncing(), small_assets(bouncing_scene())
        lift = made.part_index("lift")
        for k, part in enumerate(assets.parts):
            if k != lift:
                assert np.abs(made.poses[0, k] - pose_vector(part.pose)).max() < 1e-9
        assert np.abs(made.twists[0, made.part_index("slider")] - [1.5, 0, 0, 0, 0, 0]).max() < 1e-9
        assert np.abs(made.poses[0, lift, :3] - [2, 0, 0.3]).max() < 1e-9

    def test_fixed_parts_stay(self) -> None:
        """To the last bit."""
        made = self.bouncing()
        for name in ("ground", "post"):
            k = made.part_index(name)
            assert np.array_equal(made.poses[:, k], np.broadcast_to(made.poses[0, k], made.poses[:, k].shape))
            assert not made.twists[:, k].any()
            assert np.isinf(made.masses_kg[k])

    def test_masses_are_those_of_the_bodies(self) -> None:
        """Infinite for what physics does not move."""
        made = self.bouncing()
        assert abs(made.masses_kg[made.part_index("slider")] - 1.0) < 1e-9
        assert np.isinf(made.masses_kg[made.part_index("lift")])

    def test_keyframed_parts_follow_their_path(self) -> None:
        """Whatever they hit."""
        made, scene = self.bouncing(), bouncing_scene()
        motion = scene.bodies[3].motion
        assert motion is not None
        poses, twists = KeyframedPath.of(motion).at(np.arange(made.frame_count) / made.fps)
        k = made.part_index("lift")
        assert np.abs(made.poses[:, k, :3] - poses[:, :3]).max() < 1e-6
        assert np.abs(np.abs((made.poses[:, k, 3:] * poses[:, 3:]).sum(axis=1)) - 1).max() < 1e-9
        assert np.abs(made.twists[:, k] - twists).max() < 1e-3

    def test_velocities_belong_to_positions(self) -> None:
        """To the order of a frame."""
        made = self.bouncing()
        k = made.part_index("slider")
        moved = np.diff(made.poses[:, k, 0]) * made.fps
        between = (made.twists[1:, k, 0] + made.twists[:-1, k, 0]) / 2
        assert np.abs(moved - between).max() < 0.05

    def test_the_same_scene_gives_the_same_bytes(self) -> None:
        """The same digest twice."""
        assert digest(self.run(bouncing_scene())) == digest(self.bouncing())

    def test_the_contact_table_is_consistent(self) -> None:
        """Order, ids, times, units, events."""
        contacts = self.bouncing().contacts
        assert len(contacts) > 0
        check_contacts(self.bouncing(), contacts)

    def test_contacts_push_apart(self) -> None:
        """The ground (id 1) is a; what lies on it is pushed up, so the ground is pushed down."""
        contacts = self.bouncing().contacts
        ground = (contacts.id_a == 1) & (contacts.event != EVENTS.index("end"))
        assert ground.any()
        assert (contacts.normal[ground, 2] < -0.99).all()
        assert (contacts.impulse_n_s[ground, 2] <= 1e-12).all()

    def test_progress_is_told(self) -> None:
        """Once per frame, to the end."""
        told: list[tuple[int, int]] = []
        self.engine().simulate(small_assets(bouncing_scene()), lambda done, all_: told.append((done, all_)))
        assert told[-1] == (31, 31)
        assert [done for done, _ in told] == sorted({done for done, _ in told})

    def test_gravity_is_that_of_the_scene(self) -> None:
        """Any direction."""
        made = self.run(small_scene([ball(pose=at(0, 0, 1))], gravity=(1.0, 2.0, 0.0), seconds=0.2))
        assert np.abs(made.twists[-1, 0, :3] - [0.2, 0.4, 0]).max() < 1e-9

    def test_parts_that_start_inside_each_other_are_refused(self) -> None:
        """By name."""
        bodies = [box("first", pose=at(0, 0, 1)), box("second", pose=at(0.02, 0, 1.05))]
        text = self.refused(small_scene(bodies))
        assert "first" in text
        assert "second" in text

    def test_check_refuses_the_same_without_a_step(self) -> None:
        """And passes what is fine."""
        self.engine().check(small_assets(bouncing_scene()))
        scene = small_scene([box("first", pose=at(0, 0, 1)), box("second", pose=at(0.02, 0, 1.05))])
        try:
            self.engine().check(small_assets(scene))
        except SceneError as error:
            text = str(error)
        else:
            text = "nothing"
        assert text == self.refused(scene)

    def test_elastic_bodies_bend_or_are_refused(self) -> None:
        """Never silently rigid."""
        elastic = Material.model_validate({"elastic": {"young_modulus_pa": 1e5}})
        scene = small_scene([box("jelly", pose=at(0, 0, 0.2), material=elastic)], ground=Ground(), seconds=0.1)
        try:
            made = self.run(scene)
        except SceneError as error:
            text = str(error)
        else:
            text = " ".join(p.name for p in made.particles)
        assert "jelly" in text

    def test_a_scene_in_which_nothing_moves_is_fine(self) -> None:
        """And has no contacts."""
        made = self.run(small_scene([box("post", fixed=True)], ground=Ground(height_m=-1), seconds=0.1))
        assert made.frame_count == 6
        assert len(made.contacts) == 0

    def refused(self, scene: Scene) -> str:
        """The text of the SceneError that a scene must cause."""
        try:
            self.run(scene)
        except SceneError as error:
            return str(error)
        raise AssertionError("expected a SceneError")


def check_contacts(trajectory: Trajectory, contacts: Contacts) -> None:
    """Hold a contact table to its documentation in ``simvid.trajectory``."""
    rows = np.stack([contacts.frame, contacts.id_a, contacts.id_b], axis=1).tolist()
    assert rows == sorted(rows)
    assert len({tuple(row) for row in rows}) == len(rows)
    assert (contacts.id_a < contacts.id_b).all()
    assert (contacts.frame >= 1).all()
    assert (contacts.frame < trajectory.frame_count).all()
    assert np.abs(np.linalg.norm(contacts.normal, axis=1) - 1).max() < 1e-6
    assert (contacts.depth_m >= 0).all()
    end = contacts.event == EVENTS.index("end")
    assert not contacts.impulse_n_s[end].any()
    late, early = contacts.frame / trajectory.fps + 1e-9, (contacts.frame - 1) / trajectory.fps - 1e-9
    assert (contacts.time_s <= late).all()
    assert (contacts.time_s > early).all()
    touching: dict[tuple[int, int], int] = {}
    for frame, a, b, event in zip(contacts.frame, contacts.id_a, contacts.id_b, contacts.event, strict=True):
        before = touching.get((a, b))
        name = EVENTS[event]
        if name == "begin":
            assert before is None, f"{a}-{b} begins twice at frame {frame}"
        else:
            assert before == frame - 1, f"{a}-{b} {name} at frame {frame} without a frame before it"
        if name == "end":
            del touching[(a, b)]
        else:
            touching[(a, b)] = frame
    open_ended = [pair for pair, frame in touching.items() if frame != trajectory.frame_count - 1]
    assert not open_ended, f"contacts without an end: {open_ended}"


__all__ = ["PhysicsContract", "bouncing_scene", "check_contacts"]
