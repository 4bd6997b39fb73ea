"""The laws that the shelf scenes promise in their first comments."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import ellipk

import simvid
from simvid.trajectory import EVENTS, Trajectory, pose_matrices

BEGIN = EVENTS.index("begin")


@cache
def run(name: str) -> Trajectory:
    return simvid.simulate(simvid.load_scene(name))


def column(trajectory: Trajectory, category: str) -> list[int]:
    return [k for k, p in enumerate(trajectory.parts) if p.category == category]


def tilt_deg(trajectory: Trajectory, part: int) -> np.ndarray:
    """Angle between the part's z axis and the vertical, [T]."""
    z = pose_matrices(trajectory.poses[:, part])[:, 2, 2]
    return np.degrees(np.arccos(np.clip(z, -1, 1)))


@pytest.mark.slow
def test_dominoes_fall_one_after_another() -> None:
    trajectory = run("domino_row")
    row = [*column(trajectory, "domino"), *column(trajectory, "last")]
    falls = [int(np.argmax(tilt_deg(trajectory, k) > 20)) for k in row]
    assert tilt_deg(trajectory, row[-1])[-1] > 45
    assert all(0 < a <= b for a, b in pairwise(falls))
    assert falls[-1] > falls[0] + 5


@pytest.mark.slow
def test_the_break_obeys_newton_and_keeps_all_balls() -> None:
    trajectory = run("billiard_break")
    balls = [*column(trajectory, "cue_ball"), *column(trajectory, "ball")]
    momentum = (trajectory.masses_kg[balls, None] * trajectory.twists[:, balls, :3]).sum(axis=1)
    contacts = trajectory.contacts
    a, b = (np.isin(i - 1, balls) for i in (contacts.id_a, contacts.id_b))
    # between balls every push has its equal opposite; only the cloth, the rails and gravity change the sum
    pushed = contacts.impulse_n_s * (a & ~b)[:, None] - contacts.impulse_n_s * (b & ~a)[:, None]
    outside = np.stack([pushed[contacts.frame == i].sum(axis=0) for i in range(trajectory.frame_count)])
    weight = trajectory.masses_kg[balls].sum() * 9.81 / trajectory.fps
    expected = outside[1:] - np.array([0, 0, weight])
    assert np.allclose(np.diff(momentum, axis=0), expected, atol=1e-5 * np.abs(momentum).max() + 1e-6)
    hit = int(contacts.frame[a & b & (contacts.event == BEGIN)].min())
    assert 0 < hit < 10
    assert np.abs(trajectory.poses[:, balls, 2] - 0.0286).max() < 0.06  # they hop, but none leaves
    assert trajectory.poses[-1, balls[1:], :2].std(axis=0).min() > 0.08


@pytest.mark.slow
def test_balls_stay_in_the_bowl_and_rest_with_their_weight() -> None:
    trajectory = run("ball_pit")
    balls = [k for c in ("large", "medium", "small") for k in column(trajectory, c)]
    assert len(balls) == 40
    center = np.array([0, 0, 0.215])
    assert np.linalg.norm(trajectory.poses[-1, balls, :3] - center, axis=1).max() < 0.2
    last = trajectory.frame_count - 12
    contacts = trajectory.contacts
    bowl = trajectory.part_index("bowl") + 1
    rows = (contacts.frame > last) & ((contacts.id_a == bowl) | (contacts.id_b == bowl))
    sign = np.where(contacts.id_a[rows] == bowl, -1.0, 1.0)
    lifted = (sign * contacts.impulse_n_s[rows, 2]).sum()
    weight = trajectory.masses_kg[balls].sum() * 9.81 * (trajectory.frame_count - 1 - last) / trajectory.fps
    assert lifted == pytest.approx(weight, rel=0.05)
    assert np.linalg.norm(trajectory.twists[-1, balls, :3], axis=1).max() < 0.2


@pytest.mark.slow
def test_the_cradle_passes_its_momentum_on() -> None:
    trajectory = run("newtons_cradle")
    speed = {
        n: trajectory.twists[:, trajectory.part_index(n), 0] for n in ("first", "second", "third", "fourth", "fifth")
    }
    contacts = trajectory.contacts
    hit = int(contacts.frame[contacts.event == BEGIN].min())
    arriving = np.abs(speed["first"][: hit + 1]).max()
    # 30 degrees on 0.155 m: v = sqrt(2 g l (1 - cos 30)) = 0.638 m/s
    assert arriving == pytest.approx(0.638, rel=0.05)
    leaving = speed["fifth"][hit : hit + 4].max()
    assert leaving > 0.8 * arriving
    for name in ("second", "third", "fourth"):
        assert np.abs(speed[name][hit + 1 : hit + 4]).max() < 0.3 * arriving


@pytest.mark.slow
def test_the_tower_stands_until_it_is_hit() -> None:
    trajectory = run("falling_stack")
    blocks = column(trajectory, "block")
    ball = trajectory.part_index("ball") + 1
    contacts = trajectory.contacts
    touches_ball = ((contacts.id_a == ball) | (contacts.id_b == ball)) & (contacts.id_a != 1)
    hit = int(contacts.frame[touches_ball].min())
    assert hit >= 4
    moved = np.abs(trajectory.poses[:hit, blocks, :3] - trajectory.poses[0, blocks, :3])
    assert moved[..., :2].max() < 1e-6
    # contacts are springs: nine of them give way by half a millimetre under the tower's weight
    assert moved[4:, :, 2].max() < 1e-3
    assert trajectory.poses[-1, blocks[-1], 2] < 0.3


@pytest.mark.slow
def test_the_pendulum_keeps_time() -> None:
    trajectory = run("pendulum")
    k = trajectory.part_index("bob")
    x = trajectory.poses[:, k, 0]
    down = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    crossing = down[:2] - x[down[:2]] / (x[down[:2] + 1] - x[down[:2]])
    period = (crossing[1] - crossing[0]) / trajectory.fps
    # bob: sphere r = 0.045 at 0.5 m, its spin adds 2/5 r^2: l = 0.5 + 0.4 * 0.045^2 / 0.5
    length = 0.5 + 0.4 * 0.045**2 / 0.5
    expected = 4 * np.sqrt(length / 9.81) * ellipk(np.sin(np.radians(30)) ** 2)
    # linear interpolation between frames 1/24 s apart: about 0.1 %
    assert period == pytest.approx(expected, rel=3e-3)
