"""The contact table of the Newton engine: momentum, events, points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simvid.physics.contact_table import ContactTable, FrameContacts
from simvid.physics.newton.contacts import ContactRecorder
from simvid.physics.newton.engine import NewtonPhysics
from simvid.physics.newton.kernels import Rows
from simvid.scene import Body, Ground, Material
from simvid.testing.physics import check_contacts
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene
from simvid.trajectory import EVENTS, Trajectory

G = np.array([0.0, 0.0, -9.81])


def run(bodies: list[Body], **given: Any) -> Trajectory:
    return NewtonPhysics().simulate(small_assets(small_scene(bodies, **given)))


def impulses(made: Trajectory) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Sum of the contact impulses on each part in each frame, [T, B, 3]."""
    total = np.zeros((made.frame_count, len(made.parts), 3))
    c = made.contacts
    np.add.at(total, (c.frame, c.id_a - 1), c.impulse_n_s)
    np.add.at(total, (c.frame, c.id_b - 1), -c.impulse_n_s)
    return total


@pytest.mark.parametrize("restitution", [0.0, 0.7])
def test_impulses_and_weight_are_the_change_of_momentum(restitution: float) -> None:
    material = Material(friction=0.4, restitution=restitution)
    bodies = [
        ball(pose=at(0, 0, 0.3), velocity_m_s=(1.5, 0.3, 0), angular_velocity_rad_s=(0, -30.0, 0), material=material),
        ball("roller", pose=at(0, 2, 0.05), velocity_m_s=(1.0, 0, 0), material=material),
        ball("target", pose=at(0.4, 2, 0.05), material=material),
    ]
    made = run(bodies, ground=Ground(material=material), seconds=1.0)
    pushed = impulses(made)
    for k in (1, 2, 3):
        mass = made.masses_kg[k]
        change = mass * np.diff(made.twists[:, k, :3], axis=0)
        given = pushed[1:, k] + mass * G / 50
        scale = mass * np.abs(made.twists[:, k, :3]).max()
        assert np.abs(change - given).max() < 1e-6 * scale  # the same forces, summed and integrated
    hit = (made.contacts.id_a == 3) & (made.contacts.id_b == 4)
    assert hit.any()
    check_contacts(made, made.contacts)


def test_a_resting_box_is_carried_evenly() -> None:
    made = run([box(pose=at(0.3, -0.2, 0.05))], ground=Ground(), seconds=0.6)
    c = made.contacts
    assert [EVENTS[e] for e in c.event[:3]] == ["begin", "persist", "persist"]
    late = c.frame > 10
    assert c.impulse_n_s[late] == pytest.approx(np.broadcast_to([0, 0, -9.81 / 50], (late.sum(), 3)), abs=1e-5)
    assert c.normal[late] == pytest.approx(np.broadcast_to([0, 0, -1.0], (late.sum(), 3)), abs=1e-6)
    assert c.point_m[late] == pytest.approx(np.broadcast_to([0.3, -0.2, 0], (late.sum(), 3)), abs=1e-4)
    assert (c.depth_m[late] < 1e-4).all()


def test_a_bouncing_ball_begins_and_ends_each_time() -> None:
    made = run([ball(pose=at(0, 0, 0.25), material=Material(restitution=0.9))], ground=Ground(), seconds=1.2)
    names = [EVENTS[e] for e in made.contacts.event]
    assert names[:4] == ["begin", "end", "begin", "end"]
    flight = 2 * 0.9 * np.sqrt(2 * 0.2 / 9.81)
    begins = made.contacts.time_s[[n == "begin" for n in names]]
    assert np.diff(begins)[0] == pytest.approx(flight, abs=0.006)  # a step at each end, and the depth it is found at
    ends = np.array([n == "end" for n in names])
    assert not made.contacts.impulse_n_s[ends].any()


def test_friction_is_in_the_impulse() -> None:
    material = Material(friction=0.3)
    made = run([box(pose=at(0, 0, 0.05), velocity_m_s=(3.0, 0, 0), material=material)],
               ground=Ground(material=material), seconds=0.4)  # fmt: skip
    c = made.contacts
    late = c.frame > 3
    ratio = c.impulse_n_s[late, 0] / -c.impulse_n_s[late, 2]
    assert ratio == pytest.approx(0.3, rel=1e-3)  # on the ground, forwards


def test_pairs_are_found_again_when_the_table_grows() -> None:
    """500 pairs in one frame: more than the table starts with, and some at the same place in it."""
    ids = np.arange(1001, dtype=np.int32)
    recorder = ContactRecorder(ids, 0.5)
    count, repeats = 500, 3
    for repeat in range(repeats):
        for start in range(0, count, 100):
            k = np.arange(start, start + 100)
            rows = Rows(
                np.arange(0, 300, 3, dtype=np.int32), np.full(100, 3, np.int32),
                np.stack([k + 500, k // 7], axis=1).astype(np.int32), np.full((100, 5), 0.5),
            )  # fmt: skip
            contact = _Contact(100, float(start))
            recorder.add(contact, rows, np.tile([2.0, 1.0, 0.0], 100), 0.1 * repeat)
    made = recorder.take()
    assert len(made.id_a) == count
    assert set(zip(made.id_b.tolist(), made.id_a.tolist(), strict=True)) == {(k + 500, k // 7) for k in range(count)}
    # geom 0 is b: its normal, +z from it to a, points from b to a, and so does the force: 2 along it, 1 along y
    assert made.impulse_n_s == pytest.approx(np.broadcast_to([0, 1.5, 3.0], (count, 3)), abs=1e-12)
    assert made.time_s == pytest.approx(0.0)
    assert made.depth_m == pytest.approx(1e-3)
    assert len(recorder.take().id_a) == 0


class _Contact:
    """MuJoCo's contact arrays, all alike."""

    def __init__(self, count: int, x: float) -> None:
        self.dist = np.full(count, -1e-3)
        self.pos = np.full((count, 3), x)
        self.frame = np.tile([0.0, 0, 1, 0, 1, 0, -1, 0, 0], (count, 1))


def frame(*pairs: tuple[int, int]) -> FrameContacts:
    n = len(pairs)
    ids = np.array(pairs, np.int64).reshape(n, 2)
    point = ids[:, :1] * np.ones(3)
    return FrameContacts(ids[:, 0], ids[:, 1], np.full(n, 0.5), point, np.tile([0.0, 0, 1], (n, 1)), point, np.zeros(n))


def test_events_of_the_table() -> None:
    table = ContactTable()
    for k, pairs in enumerate([[(2, 5), (1, 3)], [(1, 3)], [], [(2, 5)]]):
        table.add(frame(*pairs), (k + 1) / 10)
    made = table.finish()
    rows = [(int(f), int(a), int(b), EVENTS[e])
            for f, a, b, e in zip(made.frame, made.id_a, made.id_b, made.event, strict=True)]  # fmt: skip
    assert rows == [
        (1, 1, 3, "begin"), (1, 2, 5, "begin"), (2, 1, 3, "persist"), (2, 2, 5, "end"), (3, 1, 3, "end"),
        (4, 2, 5, "begin"),
    ]  # fmt: skip
    assert made.point_m[3] == pytest.approx([2, 2, 2])  # the last point
    assert made.time_s[3] == pytest.approx(0.2)


def test_an_empty_table() -> None:
    table = ContactTable()
    table.add(frame(), 0.1)
    assert len(table.finish()) == 0
