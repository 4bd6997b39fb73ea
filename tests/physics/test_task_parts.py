"""Grasps, paths, noise and predicates by themselves, against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simvid.assets.primitives import primitive_mesh
from simvid.physics.segments import Spline
from simvid.physics.tasks.grasps import antipodal_pairs, candidates
from simvid.physics.tasks.noise import joint_noise, kicks, rng_of
from simvid.physics.tasks.paths import MAX_CHECKS, Planner, nearest_path, timed
from simvid.physics.tasks.pouring import jump
from simvid.scene import Predicate, Robot, Scene
from simvid.success import Moment, holds
from simvid.trajectory import Part


def triangles(kind: str, dimensions: tuple[float, ...]) -> np.ndarray:
    mesh = primitive_mesh(kind, dimensions, 24)
    return np.asarray(mesh.vertices.astype(np.float64)[mesh.faces])


def test_antipodal_pairs_of_a_box_are_its_three_sides() -> None:
    pairs = antipodal_pairs(triangles("box", (0.02, 0.03, 0.04)), 0.5, rng_of(0, "box"))
    assert len(pairs.widths) > 300
    side = np.abs(pairs.lines).argmax(axis=1)
    np.testing.assert_allclose(pairs.widths, np.array([0.04, 0.06, 0.08])[side], atol=1e-4)
    along = np.take_along_axis(pairs.middles, side[:, None], axis=1)
    np.testing.assert_allclose(along, 0, atol=1e-4)


def test_pairs_of_a_ball_go_through_its_middle() -> None:
    pairs = antipodal_pairs(triangles("sphere", (0.03,)), 0.5, rng_of(0, "ball"))
    assert len(pairs.widths) > 300
    np.testing.assert_allclose(pairs.widths, 0.06, atol=4e-3)  # 24 flat sides around
    assert np.linalg.norm(pairs.middles, axis=1).max() < 8e-3


def test_candidates_fit_the_gripper_and_come_from_where_they_are_wanted() -> None:
    pairs = antipodal_pairs(triangles("box", (0.02, 0.03, 0.06)), 0.5, rng_of(0, "box"))
    top = candidates(pairs, np.eye(4), widest_m=0.05, approach="top", near_z=None)
    side = candidates(pairs, np.eye(4), widest_m=0.08, approach="side", near_z=None)
    assert {round(g.width_m, 3) for g in top} == {0.04}
    assert all(g.approach[2] < -0.9 for g in top)
    assert side
    assert all(abs(g.approach[2]) < 0.45 for g in side)
    assert all(abs(float(g.approach @ g.closing)) < 1e-9 for g in top + side)
    assert candidates(pairs, np.eye(4), widest_m=0.04, approach="any", near_z=None) == []


def planner(free: object) -> Planner:
    return Planner(free, [0, 1], np.full(2, -1.0), np.full(2, 1.0), rng_of(0, "path"))  # type: ignore[arg-type]


def test_paths_go_around_a_wall_and_give_up_within_their_bound() -> None:
    def free(q: np.ndarray) -> bool:
        return not (abs(q[0]) < 0.1 and q[1] < 0.6)

    start, goal = np.array([-0.5, 0.0]), np.array([0.5, 0.0])
    found = planner(free).path(start, goal)
    assert found is not None
    np.testing.assert_array_equal(found.corners[[0, -1]], [start, goal])
    for a, b in zip(found.corners[:-1], found.corners[1:], strict=True):
        assert all(free(a + (b - a) * s) for s in np.linspace(0, 1, 200) if abs((a + (b - a) * s)[0]) < 0.05)
    length = np.linalg.norm(np.diff(found.corners, axis=0), axis=1).sum()
    assert 1.56 < length < 2.6  # the shortest is 2 sqrt(0.4^2 + 0.6^2) + 0.2 = 1.64
    closed = planner(lambda q: bool(abs(q[0]) > 0.1))
    assert closed.path(start, goal) is None
    assert closed.checks < MAX_CHECKS + 2000


def test_paths_are_looked_at_as_finely_as_the_tool_moves() -> None:
    """A wall of 0.02 rad lies between configurations 0.05 rad apart; with an arm of 1 m these are 5 cm apart."""

    def free(q: np.ndarray) -> bool:
        return not 0.02 < q[0] < 0.04

    start, goal = np.array([0.0, 0.0]), np.array([0.5, 0.0])
    assert planner(free).straight(start, goal)
    fine = planner(free)
    fine.sweep = lambda a, b: float(np.abs(b - a).max())
    assert not fine.straight(start, goal)


def test_no_long_way_to_a_far_end_where_a_short_one_leads_around_to_a_near_one() -> None:
    """A wall stands before the near end; the far one can be gone straight to."""
    start, near, far = np.array([0.0, 0.0]), np.array([0.6, 0.0]), np.array([-3.0, 0.0])
    plan = planner(lambda q: not (0.2 < q[0] < 0.3 and abs(q[1]) < 0.3))

    def along(corners: np.ndarray) -> Spline:
        return timed(corners, np.full(2, 9.0), np.full(2, -9.0), np.full(2, 9.0))

    def straight(q: np.ndarray) -> Spline | None:
        return along(np.stack([start, q])) if plan.straight(start, q) else None

    def around(q: np.ndarray) -> Spline | None:
        found = plan.path(start, q)
        return None if found is None else along(found.corners)

    def end(*ends: np.ndarray) -> np.ndarray:
        way = nearest_path(start, ends, straight, around)
        assert way is not None
        return way.end

    np.testing.assert_allclose(end(near, far), near)
    np.testing.assert_allclose(end(near, -near), -near)  # not far: straight
    np.testing.assert_allclose(end(near), near)
    walled = nearest_path(start, [near, far], straight, lambda q: None)
    assert walled is not None
    np.testing.assert_allclose(walled.end, far)
    assert nearest_path(start, [near], straight, lambda q: None) is None


@pytest.mark.parametrize(("depth", "tilt", "height"), [(0.09, 125, 0.1), (0.2, 150, 0.02), (0.05, 95, 0.4)])
def test_a_stream_jumps_as_far_as_a_bead_that_slides_and_falls(depth: float, tilt: float, height: float) -> None:
    """Stepped through, with the moon's gravity, which makes no difference."""
    down, h, g = np.radians(tilt - 90), 1e-5, 1.62
    wall = np.array([np.cos(down), -np.sin(down)])
    place, speed = -depth * wall, np.zeros(2)
    while place[0] < 0:
        speed += h * g * np.sin(down) * wall
        place += h * speed
    while place[1] > -height:
        speed += h * np.array([0, -g])
        place += h * speed
    assert jump(depth, tilt, height) == pytest.approx(place[0], rel=1e-3)
    assert jump(depth, 90, height) == jump(depth, 40, height) == 0
    assert jump(depth, 180, height) == pytest.approx(0, abs=1e-12)


def test_a_path_that_is_asked_to_be_too_quick_takes_what_the_joints_need() -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0]])
    spline = timed(corners, np.full(2, 2.0), np.full(2, -9.0), np.full(2, 9.0), over_s=0.1)
    assert spline.peak_speeds.max() == pytest.approx(2.0, rel=0.01)
    assert spline.duration_s == pytest.approx(1.875 / 2, rel=0.01)


def test_a_second_hand_keeps_away_from_the_first() -> None:
    pairs = antipodal_pairs(triangles("box", (0.02, 0.13, 0.02)), 0.5, rng_of(0, "bar"))
    alone = candidates(pairs, np.eye(4), widest_m=0.08, approach="any", near_z=None)
    beside = candidates(pairs, np.eye(4), widest_m=0.08, approach="any", near_z=None, away=np.zeros(3))
    assert abs(alone[0].center[1]) < 0.03
    assert min(abs(g.center[1]) for g in beside[:20]) > 0.07


def test_timed_paths_start_and_end_at_rest_and_keep_the_pace() -> None:
    corners = np.array([[0.0, 0.0], [0.5, 0.1], [0.4, 0.9]])
    spline = timed(corners, np.full(2, 10.0), np.full(2, -9.0), np.full(2, 9.0), pace=1.5)
    q, speed = spline.at(np.linspace(0, spline.duration_s, 500))
    np.testing.assert_allclose(q[[0, -1]], corners[[0, -1]], atol=1e-9)
    np.testing.assert_allclose(speed[[0, -1]], 0, atol=1e-9)
    assert np.abs(speed).max() == pytest.approx(1.5, rel=0.02)


def noisy(**noise: object) -> tuple[Scene, Robot]:
    tree = {
        "simvid": 1, "name": "s", "duration_s": 4.0, "seed": 3,
        "cameras": [{"name": "c", "pose": {"look_from_m": [1, 0, 1], "look_at_m": [0, 0, 0]}}],
        "bodies": [{"name": "cube", "shape": {"box": {"size_m": 0.1}}}],
        "robots": [{"name": "arm", "model": "arm.xml", "noise": noise}],
    }  # fmt: skip
    scene = Scene.model_validate(tree, strict=False)
    return scene, scene.robots[0]


def test_joint_noise_has_the_spread_that_was_asked_for() -> None:
    scene, robot = noisy(joints_rad=0.01, correlation_s=0.05)
    noise = joint_noise(scene, robot, 6, None, 20_000)
    assert noise is not None
    assert noise[2000:].std() == pytest.approx(0.01, rel=0.1)
    assert np.abs(noise[0]).max() < 1e-3
    later = (noise[2000:-100] * noise[2100:]).mean() / noise.var()  # 0.2 s, four times the correlation
    assert abs(later) < 0.15
    again = joint_noise(scene, robot, 6, None, 20_000)
    np.testing.assert_array_equal(noise, again)


def test_kicks_are_drawn_from_the_seed() -> None:
    scene, _ = noisy(pushes={"of": ["cube"], "count": 5, "impulse_n_s": 0.2, "between_s": [1.0, 2.0]})
    found = kicks(scene)
    assert len(found) == 5
    assert all(1 <= k.t_s <= 2 and np.isclose(np.linalg.norm(k.impulse_n_s), 0.2) for k in found)
    assert kicks(scene) == found
    assert kicks(scene.model_copy(update={"seed": 4})) != found


def moment(a: tuple[float, ...], touching: frozenset[tuple[int, int]] = frozenset()) -> Moment:
    """A cube of 0.1 m at a pose, over a slab of 1 x 1 x 0.2 m at the origin; the cube started at the origin."""
    parts = [Part(name, name, k + 1, "body", name) for k, name in enumerate(("cube", "slab"))]
    boxes = np.array([[[-0.05] * 3, [0.05] * 3], [[-0.5, -0.5, -0.1], [0.5, 0.5, 0.1]]])
    still = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    pose = (*a, 1.0, 0.0, 0.0, 0.0)[:7]
    return Moment(parts, boxes, np.array([still, still]), np.array([pose, still]), np.zeros((2, 6)), touching)


def on_ground(height: float, x: float = 0.0) -> Moment:
    """The same cube, with its middle this high over the ground."""
    made = moment((x, 0, height))
    boxes = np.stack([made.boxes[0], np.full((2, 3), np.nan)])
    return replace(made, parts=[made.parts[0], Part("ground", "ground", 2, "ground", "ground")], boxes=boxes)


TILTED = (0.0, 0.0, 0.2, np.cos(np.radians(15)), np.sin(np.radians(15)), 0.0, 0.0)


@pytest.mark.parametrize(
    ("tree", "where", "true"),
    [
        ({"above": {"body": "cube", "of": "slab"}}, (0.2, 0, 0.15), True),
        ({"above": {"body": "cube", "of": "slab"}}, (0.2, 0, 0.12), False),
        ({"above": {"body": "cube", "of": "slab"}}, (0.6, 0, 0.15), False),
        ({"above": {"body": "cube", "of": "slab", "gap_m": (0.0, 0.01)}}, (0.2, 0, 0.17), False),
        ({"inside": {"body": "cube", "of": "slab"}}, (0.4, 0, 0), True),
        ({"inside": {"body": "cube", "of": "slab"}}, (0.51, 0, 0), False),
        ({"inside": {"body": "cube", "of": "slab", "margin_m": 0.02}}, (0.51, 0, 0), True),
        ({"upright": {"body": "cube", "within_deg": 31}}, TILTED, True),
        ({"upright": {"body": "cube", "within_deg": 29}}, TILTED, False),
        ({"turned_by": {"body": "cube", "at_least_deg": 29}}, TILTED, True),
        ({"turned_by": {"body": "cube", "at_least_deg": 31}}, TILTED, False),
        ({"moved_by": {"body": "cube", "at_least_m": 0.29}}, (0.3, 0, 0), True),
        ({"moved_by": {"body": "cube", "at_least_m": 0.1, "along": (-1, 0, 0)}}, (0.3, 0, 0), False),
        ({"moved_by": {"body": "cube", "at_most_m": 0.1}}, (0.3, 0, 0), False),
        ({"near": {"body": "cube", "to_m": (0.3, 0, 0.5), "flat": True}}, (0.31, 0, 0), True),
        ({"near": {"body": "cube", "to_m": (0.3, 0, 0.5)}}, (0.31, 0, 0), False),
        ({"touching": {"body": "cube", "other": "slab"}}, (0, 0, 0.15), False),
        ({"apart": {"body": "cube", "other": "slab"}}, (0, 0, 0.15), True),
        ({"still": {"body": "cube"}}, (0, 0, 0.15), True),
    ],
)  # fmt: skip
def test_predicates(tree: dict[str, object], where: tuple[float, ...], true: bool) -> None:
    assert holds(Predicate.model_validate(tree, strict=False), moment(where))[0] is true


@pytest.mark.parametrize(
    ("tree", "height", "true"),
    [
        ({"above": {"body": "cube", "of": "ground"}}, 0.3, True),
        ({"above": {"body": "cube", "of": "ground", "gap_m": (0.2, 0.3)}}, 0.3, True),
        ({"above": {"body": "cube", "of": "ground", "gap_m": (0.3, 0.4)}}, 0.3, False),
        ({"above": {"body": "cube", "of": "ground"}}, -0.3, False),
        ({"inside": {"body": "cube", "of": "ground"}}, -0.01, True),
        ({"inside": {"body": "cube", "of": "ground"}}, 0.01, False),
        ({"inside": {"body": "cube", "of": "ground", "margin_m": 0.02}}, 0.01, True),
    ],
)  # fmt: skip
def test_the_ground_has_no_end(tree: dict[str, object], height: float, true: bool) -> None:
    assert holds(Predicate.model_validate(tree, strict=False), on_ground(height, x=7.0))[0] is true


def test_what_deforms_is_where_its_particles_are() -> None:
    """A cube that has become a flat heap on the slab, whose box at rest would stand in it."""
    heap = replace(moment((0.2, 0, 0.12)), around={0: np.array([[0.05, -0.15, 0.1], [0.35, 0.15, 0.14]])})
    above = Predicate.model_validate({"above": {"body": "cube", "of": "slab"}}, strict=False)
    inside = Predicate.model_validate({"inside": {"body": "slab", "of": "cube"}}, strict=False)
    assert holds(above, heap) == (True, "over it, 0.000 m over its top")
    assert holds(inside, heap) == (False, "0.100 m outside")
    assert not holds(above, replace(heap, around={}))[0]


def test_touching_looks_at_contacts() -> None:
    touching = Predicate.model_validate({"touching": {"body": "slab", "other": "cube"}})
    assert holds(touching, moment((0, 0, 0.15), frozenset({(0, 1)})))[0]
