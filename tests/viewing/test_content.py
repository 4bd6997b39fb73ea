"""Boxes, paths and contacts as arrays, against the clip that they come from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simvid.clip import Clip
from simvid.trajectory import Contacts as Table
from simvid.trajectory import pose_matrices
from simvid.viewing.content import LONGEST_ARROW, Content, box_corners, box_segments

BOX = np.array([[-1.0, -2.0, -3.0], [1.0, 2.0, 3.0]])


def with_contacts(content: Content) -> Content:
    """The same with three contacts in frame 1, one of which has just ended, and one in frame 2."""
    impulse = np.array([[0.0, 0, 2], [0, 0, 0], [0, 0, 0], [0.5, 0, 0]])
    table = Table(
        frame=np.array([1, 1, 1, 2], np.int32), time_s=np.zeros(4), id_a=np.array([1, 1, 2, 1], np.int32),
        id_b=np.array([2, 3, 3, 2], np.int32), point_m=np.arange(12.0).reshape(4, 3),
        normal=np.tile([0.0, 0, 1], (4, 1)), impulse_n_s=impulse, depth_m=np.zeros(4),
        event=np.array([0, 0, 2, 1], np.uint8),
    )  # fmt: skip
    content.trajectory = replace(content.trajectory, contacts=table)
    return content


def test_a_box_has_twelve_edges_of_its_sides_lengths() -> None:
    ends = box_segments(BOX)
    assert sorted(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).round(9)) == [2.0] * 4 + [4.0] * 4 + [6.0] * 4
    assert {tuple(c) for c in box_corners(BOX)} == {(x, y, z) for x in (-1, 1) for y in (-2, 2) for z in (-3, 3)}
    assert len({tuple(e.ravel()) for e in ends}) == 12


def test_parts_are_those_of_the_clip(flying_clip: Clip) -> None:
    content = Content(flying_clip)
    assert [p.name for p in content.parts] == ["ground", "ball", "cube", "post"]
    assert [p.moves for p in content.parts] == [False, True, True, False]
    assert content.part("cube").id == 3
    box = content.part("ball").box_m
    assert box is not None
    assert np.allclose(box, [[-0.1] * 3, [0.1] * 3], atol=0.01)
    with pytest.raises(KeyError):
        content.part("nobody")


def test_bounds_hold_every_part_and_leave_out_the_ground(flying_clip: Clip) -> None:
    low, high = Content(flying_clip).bounds_m
    assert low == pytest.approx([-0.45, -0.2, 0.0], abs=0.15)
    assert high == pytest.approx([0.45, 0.4, 0.6], abs=0.15)


def test_paths_follow_the_middles(flying_clip: Clip) -> None:
    content = Content(flying_clip)
    segments, colors = content.paths()
    steps = flying_clip.frame_count - 1
    assert segments.shape == (2 * steps, 2, 3)
    ball = content.part("ball")
    assert np.allclose(segments[:steps, 0], flying_clip.trajectory.poses[:-1, 1, :3], atol=0.01)
    assert (colors[:steps] == ball.color).all()
    pose = pose_matrices(flying_clip.trajectory.poses[2, 2])
    middle = content.part("cube").box_m
    assert middle is not None
    assert np.allclose(segments[steps + 2, 0], (pose @ [*middle.mean(axis=0), 1])[:3])


def test_contacts_of_a_frame(flying_clip: Clip) -> None:
    content = with_contacts(Content(flying_clip))
    found = content.contacts(1)
    assert found.pairs.tolist() == [[1, 2], [1, 3]], "what has ended is left out"
    assert found.impulse_n_s.tolist() == [2.0, 0.0]
    assert len(found.arrows) == 1, "no arrow without an impulse"
    assert np.allclose(found.arrows[0, 0], [0, 1, 2])
    tip = found.arrows[0, 1] - found.arrows[0, 0]
    assert np.allclose(tip, [0, 0, -LONGEST_ARROW * content.size_m]), "on the ball, not on the ground"
    shorter = content.contacts(2).arrows[0]
    share = 0.5 / content.strong_n_s
    assert np.allclose(shorter[1] - shorter[0], [-share * LONGEST_ARROW * content.size_m, 0, 0])
    assert len(content.contacts(0).points) == 0
