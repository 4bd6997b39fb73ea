"""Where the copies of a body go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simvid.assets.arrange import placed
from simvid.errors import SceneError
from simvid.scene import Body, Scene

BOUNDS = np.array([[-0.05, -0.05, -0.025], [0.05, 0.05, 0.025]])
RADIUS = 0.075


def bodies(arrange: dict[str, Any], count: int, seed: int = 0, **more: Any) -> tuple[Body, ...]:
    shape = {"box": {"size_m": [0.1, 0.1, 0.05]}}
    body = {"name": "block", "shape": shape, "count": count, "arrange": arrange, **more}
    camera = {"name": "c", "pose": {"look_from_m": [1, 0, 0], "look_at_m": [0, 0, 0]}}
    scene = Scene.model_validate({"simvid": 1, "duration_s": 1.0, "bodies": [body], "cameras": [camera], "seed": seed})
    return placed(scene.bodies[0], scene, BOUNDS, RADIUS)


def positions(*args: Any, **kwargs: Any) -> np.ndarray:
    return np.array([b.pose.position_m for b in bodies(*args, **kwargs)])


def test_a_stack_touches() -> None:
    got = positions({"stack": {"base_m": [0.5, 0, 0.1]}}, 3)
    assert np.allclose(got, [[0.5, 0, 0.125], [0.5, 0, 0.175], [0.5, 0, 0.225]])


def test_a_stack_of_boxes_on_edge_is_as_high_as_they_are() -> None:
    got = positions({"stack": {"base_m": [0, 0, 0]}}, 2, pose={"rotation_deg": [0, 90, 0]})
    assert np.allclose(got[:, 2], [0.05, 0.15])


def test_line_grid_ring_and_triangle() -> None:
    line = bodies({"line": {"start_m": [0, 0, 0], "step_m": [0.1, 0, 0], "turn_deg": 90.0}}, 2)
    assert line[1].pose.position_m == pytest.approx((0.1, 0, 0))
    assert line[1].pose.quaternion_wxyz == pytest.approx((0.5**0.5, 0, 0, 0.5**0.5))
    grid = positions({"grid": {"origin_m": [0, 0, 0], "counts": [2, 2, 1], "spacing_m": 0.2}}, 4)
    assert np.allclose(grid, np.array([[0.0, 0, 0], [0.2, 0, 0], [0, 0.2, 0], [0.2, 0.2, 0]]))
    ring = positions({"ring": {"center_m": [1, 0, 0], "radius_m": 0.5}}, 4)
    assert np.allclose(np.linalg.norm(ring - [1, 0, 0], axis=1), 0.5)
    rack = positions({"triangle": {"apex_m": [0, 0, 0], "spacing_m": 0.06}}, 15)
    gaps = np.linalg.norm(rack[:, None] - rack[None], axis=-1)
    assert np.isclose(gaps[~np.eye(15, dtype=bool)].min(), 0.06)
    assert rack[:, 0].max() == pytest.approx(4 * 0.06 * 3**0.5 / 2)


def test_names_count_up_and_carry_no_arrangement() -> None:
    got = bodies({"stack": {"base_m": [0, 0, 0]}}, 3)
    assert [b.name for b in got] == ["block_0", "block_1", "block_2"]
    assert all(b.count == 1 and b.arrange is None for b in got)


def test_scatter_keeps_apart_and_follows_the_seed() -> None:
    box = {"scatter": {"low_m": [0, 0, 0], "high_m": [1, 1, 1]}}
    got = positions(box, 30)
    gaps = np.linalg.norm(got[:, None] - got[None], axis=-1)[~np.eye(30, dtype=bool)]
    assert gaps.min() >= 2 * RADIUS
    assert np.array_equal(got, positions(box, 30))
    assert not np.array_equal(got, positions(box, 30, seed=1))


def test_no_room_and_too_few_places_are_errors() -> None:
    with pytest.raises(SceneError, match=r"bodies\[0\]\.arrange\.scatter \(block\): expected room for 50 bodies"):
        bodies({"scatter": {"low_m": [0, 0, 0], "high_m": [0.1, 0.1, 0.1]}}, 50)
    with pytest.raises(SceneError, match="expected at least count = 5 places, got 4"):
        bodies({"grid": {"origin_m": [0, 0, 0], "counts": [2, 2, 1], "spacing_m": 0.2}}, 5)
