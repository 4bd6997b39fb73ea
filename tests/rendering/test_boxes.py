from __future__ import annotations

import numpy as np
import pytest

from simvid.rendering.boxes import Boxes, instance_boxes, part_boxes
from simvid.scene import Camera, CameraPose
from simvid.testing.staging import staged
from simvid.trajectory import Part, Trajectory


def picture() -> np.ndarray:
    ids = np.zeros((10, 12), np.int32)
    ids[2:5, 3:9] = 2
    ids[3, 4] = 0  # a hole
    ids[7, 7] = 3
    ids[8:10, 0:2] = 1
    return ids


def test_boxes_are_tight_and_exclusive() -> None:
    boxes = part_boxes(picture(), 4)
    assert boxes.frame.tolist() == [4, 4, 4]
    assert boxes.id.tolist() == [1, 2, 3]
    assert boxes.box_px.tolist() == [[0, 8, 2, 10], [3, 2, 9, 5], [7, 7, 8, 8]]
    assert boxes.pixels.tolist() == [4, 17, 1]
    assert boxes.cut.tolist() == [True, False, False]


def test_instances_join_parts() -> None:
    trajectory = staged([], [Camera(name="c", pose=CameraPose())])[1]
    parts = tuple(Part(f"arm/l{k}", "arm", 1 if k < 2 else 2, "link", "arm") for k in range(3))
    robot = Trajectory(24, parts, np.tile([0, 0, 0, 1.0, 0, 0, 0], (2, 3, 1)), np.zeros((2, 3, 6)), trajectory.contacts)
    boxes = instance_boxes(picture(), 0, robot)
    assert boxes.id.tolist() == [1, 2]
    assert boxes.box_px.tolist() == [[0, 2, 9, 10], [7, 7, 8, 8]]


def test_nothing_seen_and_joining() -> None:
    empty = part_boxes(np.zeros((4, 4), np.int32), 0)
    assert len(empty) == 0
    joined = Boxes.concatenate([part_boxes(picture(), 0), empty, part_boxes(picture(), 2)])
    assert joined.frame.tolist() == [0, 0, 0, 2, 2, 2]
    assert len(Boxes.concatenate([])) == 0


def test_shapes_are_checked() -> None:
    i = np.zeros(2, np.int32)
    with pytest.raises(ValueError, match=r"box_px: expected shape \(2, 4\)"):
        Boxes(i, i, np.zeros((2, 3), np.int32), i, np.zeros(2, np.bool_))
