"""Randomisation: every sample by its number alone, within what was asked for, no impossible scene unnoticed."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation

from simvid.errors import SceneError
from simvid.parsing import parse_scene
from simvid.parsing.targets import find
from simvid.randomize import Stream, draw, jittered, sample
from simvid.scene import Jitter, Random, Scene

TREE: dict[str, Any] = {
    "simvid": 1, "duration_s": 1, "fps": 20, "seed": 7,
    "materials": {"wood": {"friction": 0.3, "restitution": 0.1}, "ice": {"friction": 0.01}},
    "bodies": [
        {"name": "duck", "shape": {"box": {"size_m": 0.1}}, "material": "wood"},
        {"name": "block", "count": 4, "shape": {"sphere": {"radius_m": 0.1}}, "material": "wood",
         "arrange": {"stack": {"base_m": [0, 0, 0]}}},
    ],
    "cameras": [
        {"name": "look", "pose": {"look_from_m": [2, 0, 1], "look_at_m": [0, 0, 0], "roll_deg": 10}},
        {"name": "turn", "pose": {"position_m": [0, 0, 2], "rotation_deg": [10, 20, 30]}},
    ],
}  # fmt: skip
COUNT = 2000
MIX: dict[str, Any] = {
    "bodies.duck.material.friction": {"uniform": [0.3, 0.9]},
    "bodies.block.count": {"uniform": [2, 5]},
    "cameras.look.pose": {"jitter": {"position_m": 0.05, "rotation_deg": 2}},
    "bodies.duck.material.look.texture": {"choice": ["wood", "marble", "plain"]},
}


def scene(randomize: dict[str, Any], **more: Any) -> Scene:
    return parse_scene(json.dumps({**TREE, **more, "randomize": randomize}), "s.yaml")


def draws(path: str, random: dict[str, Any], count: int = COUNT) -> list[Any]:
    target, how = find(TREE, path), Random.model_validate(random)
    return [draw(how, target, Stream(7, path, k)) for k in range(count)]


class TestSample:
    def test_nothing_to_draw_changes_nothing(self) -> None:
        plain = scene({})
        assert sample(plain, 3) == (plain, {})
        assert sample(plain, 3)[0] is plain

    def test_the_values_are_in_the_scene(self) -> None:
        drawn, values = sample(scene(MIX), 0)
        assert list(values) == list(MIX)
        assert drawn.material(drawn.bodies[0].material).friction == values["bodies.duck.material.friction"]
        assert drawn.bodies[1].count == values["bodies.block.count"]
        assert drawn.cameras[0].pose is not None
        assert drawn.cameras[0].pose.look_from_m == tuple(values["cameras.look.pose"]["look_from_m"])
        assert drawn.randomize == {}
        json.dumps(values)

    def test_what_is_not_drawn_stays(self) -> None:
        base = scene(MIX)
        drawn, _ = sample(base, 0)
        assert drawn.materials == base.materials
        assert drawn.material(drawn.bodies[0].material).restitution == 0.1
        assert drawn.bodies[1].material == "wood"
        assert (drawn.cameras[1], drawn.name, drawn.seed) == (base.cameras[1], base.name, base.seed)

    def test_a_sample_does_not_depend_on_those_before(self) -> None:
        base = scene(MIX)
        forward = [sample(base, k) for k in range(6)]
        assert [sample(base, k) for k in reversed(range(6))] == forward[::-1]
        assert len({json.dumps(values) for _, values in forward}) == 6

    def test_a_new_entry_leaves_the_others_as_they_were(self) -> None:
        _, before = sample(scene(MIX), 5)
        _, after = sample(scene({"bodies.duck.mass_kg": {"uniform": [1, 2]}, **MIX}), 5)
        assert {path: after[path] for path in before} == before

    def test_the_seed_counts(self) -> None:
        assert sample(scene(MIX), 0)[1] != sample(scene(MIX, seed=8), 0)[1]

    def test_two_paths_are_not_drawn_alike(self) -> None:
        paths = ["bodies.duck.mass_kg", "bodies.block.mass_kg"]
        _, values = sample(scene({path: {"uniform": [1, 2]} for path in paths}), 0)
        assert values[paths[0]] != values[paths[1]]

    def test_known_values(self) -> None:
        """Samples are part of data sets: whoever changes these numbers changes what was published."""
        _, values = sample(scene({"fps": {"choice": [10, 20, 25]}, "bodies.duck.mass_kg": {"uniform": [1, 2]}}), 11)
        assert values == {"fps": 20, "bodies.duck.mass_kg": 1.1980334384306945}

    def test_a_scene_made_in_python_can_be_sampled(self) -> None:
        made = Scene.model_validate({**TREE, "randomize": MIX})
        assert sample(made, 4)[1] == sample(scene(MIX), 4)[1]

    def test_a_sampled_scene_is_done(self) -> None:
        drawn, _ = sample(scene(MIX), 0)
        assert sample(drawn, 1) == (drawn, {})

    def test_places_lead_to_the_entry(self) -> None:
        text = json.dumps(TREE)[:-1] + ',\n"randomize": {\n"bodies.duck.shape.box.size_m": {"uniform": [1, 2]}}}'
        drawn, _ = sample(parse_scene(text, "s.yaml"), 0)
        assert drawn.where("bodies[0].shape.box.size_m") == "s.yaml:3: bodies[0].shape.box.size_m (duck)"
        assert drawn.where("bodies[0].name") == "s.yaml:1: bodies[0].name (duck)"

    def test_components_and_defaults(self) -> None:
        paths = ["bodies.duck.shape.box.size_m[2]", "bodies.duck.velocity_m_s[0]", "physics.gravity_m_s2.2"]
        drawn, values = sample(scene({path: {"uniform": [1, 2]} for path in paths}), 0)
        assert drawn.bodies[0].shape.value.size_m == (0.1, 0.1, values[paths[0]])
        assert drawn.bodies[0].velocity_m_s == (values[paths[1]], 0.0, 0.0)
        assert drawn.physics.gravity_m_s2 == (0.0, 0.0, values[paths[2]])

    def test_an_impossible_sample_names_path_and_value(self) -> None:
        base = scene({"duration_s": {"choice": [1]}}).model_copy(
            update={"randomize": {"duration_s": Random(uniform=None, choice=(1.03, 1.03))}}
        )
        with pytest.raises(
            SceneError,
            match=r"duration_s: expected a whole number of frame .*\n  hint: sample 2 drew duration_s = 1.03",
        ):
            sample(base, 2)
        lost = base.model_copy(update={"randomize": {"bodies.dck.mass_kg": Random(choice=(1,))}})
        with pytest.raises(SceneError, match=r"expected a known name, got 'dck'\n  hint: did you mean 'duck'\?"):
            sample(lost, 0)

    @pytest.mark.parametrize("index", [-1, 2**64])
    def test_index_out_of_range(self, index: int) -> None:
        with pytest.raises(SceneError, match=rf"sample index: expected a whole number >= 0 and < 2\*\*64, got {index}"):
            sample(scene({}), index)


class TestDistributions:
    """Kolmogorov-Smirnov against the closed form; 2000 fixed draws, p > 0.01."""

    def test_uniform(self) -> None:
        values = draws("bodies.duck.mass_kg", {"uniform": [2, 5]})
        assert stats.kstest(values, stats.uniform(2, 3).cdf).pvalue > 0.01
        assert 2 <= min(values) < 2.01
        assert 4.99 < max(values) <= 5

    def test_log_uniform(self) -> None:
        values = draws("bodies.duck.mass_kg", {"log_uniform": [0.01, 100]})
        assert stats.kstest(values, stats.loguniform(0.01, 100).cdf).pvalue > 0.01
        assert 0.01 <= min(values) < max(values) <= 100

    def test_normal_ends_at_three_standard_deviations(self) -> None:
        values = draws("bodies.duck.mass_kg", {"normal": {"mean": 10, "std": 2}})
        assert stats.kstest(values, stats.truncnorm(-3, 3, 10, 2).cdf).pvalue > 0.01
        assert 4 <= min(values) < max(values) <= 16

    def test_choice(self) -> None:
        values = draws("bodies.duck.material", {"choice": ["wood", "ice", {"friction": 1}]})
        counts = [sum(value == option for value in values) for option in ("wood", "ice", {"friction": 1})]
        assert sum(counts) == COUNT
        assert stats.chisquare(counts).pvalue > 0.01

    @pytest.mark.parametrize(
        ("random", "low", "high"),
        [({"uniform": [2, 5]}, 2, 5), ({"uniform": [1.5, 5.9]}, 2, 5), ({"log_uniform": [2, 5]}, 2, 5),
         ({"normal": {"mean": 10, "std": 1}}, 7, 13)],
    )  # fmt: skip
    def test_whole_numbers_where_the_field_wants_them(self, random: dict[str, Any], low: int, high: int) -> None:
        values = draws("bodies.block.count", random)
        assert all(type(value) is int for value in values)
        assert set(values) == set(range(low, high + 1))

    def test_each_whole_number_is_as_likely(self) -> None:
        values = draws("bodies.block.count", {"uniform": [2, 5]})
        assert stats.chisquare(np.bincount(values)[2:]).pvalue > 0.01

    def test_whole_numbers_are_even_in_the_logarithm(self) -> None:
        """k has all of [k, k + 1)."""
        found = np.bincount(draws("bodies.block.count", {"log_uniform": [1, 4]}))[1:]
        assert stats.chisquare(found, COUNT * np.log1p(1 / np.arange(1, 5)) / np.log(5)).pvalue > 0.01

    def test_whole_numbers_of_a_bell_curve_have_whole_ends(self) -> None:
        found = np.bincount(draws("bodies.block.count", {"normal": {"mean": 2, "std": 1, "low": 1, "high": 3}}))[1:]
        shares = np.diff(stats.norm.cdf([0.5, 1.5, 2.5, 3.5], 2, 1))
        assert stats.chisquare(found, COUNT * shares / shares.sum()).pvalue > 0.01
        steep = {"normal": {"mean": 2, "std": 0.05}}
        assert set(draws("bodies.block.count", steep)) == {2}
        assert set(draws("bodies.block.count", {"normal": {"mean": 2, "std": 2, "low": 1.5}})) == set(range(2, 9))

    def test_a_range_of_one_value(self) -> None:
        assert set(draws("bodies.duck.mass_kg", {"uniform": [2, 2]}, 10)) == {2}
        assert all(math.isfinite(v) for v in draws("bodies.duck.mass_kg", {"uniform": [-1.7e308, 1.7e308]}, 50))

    def test_streams_of_seed_name_and_index_are_unrelated(self) -> None:
        by_index = [Stream(1, "a", k).unit() for k in range(COUNT)]
        by_name = [Stream(1, f"a{k}", 0).unit() for k in range(COUNT)]
        by_seed = [Stream(k, "a", 0).unit() for k in range(COUNT)]
        for values in (by_index, by_name, by_seed):
            assert stats.kstest(values, "uniform").pvalue > 0.01
            assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.05
        later = Stream(1, "a", 0)
        first = [later.unit() for _ in range(1000)]
        assert not set(first) & {Stream(1, "a", 1).unit()}


class TestJitter:
    JITTER = Jitter(position_m=0.05, rotation_deg=3.0)

    def poses(self, pose: dict[str, Any]) -> list[dict[str, Any]]:
        return [jittered(pose, self.JITTER, Stream(1, "p", k)) for k in range(2000)]

    def test_position_and_angle_have_the_sizes_asked_for(self) -> None:
        pose = {"position_m": [1, 2, 3], "rotation_deg": [10, 20, 30]}
        made = self.poses(pose)
        shifts = np.array([m["position_m"] for m in made]) - [1, 2, 3]
        narrowed = stats.truncnorm(-3, 3).std()
        np.testing.assert_allclose(shifts.std(axis=0), 0.05 * narrowed, rtol=0.06)
        assert np.abs(shifts).max() <= 0.15
        start = Rotation.from_euler("xyz", [10, 20, 30], degrees=True)
        turns = [(Rotation.from_quat(m["quaternion_wxyz"], scalar_first=True) * start.inv()).as_rotvec() for m in made]
        angles = np.degrees(np.linalg.norm(turns, axis=1))
        np.testing.assert_allclose(np.sqrt(np.mean(angles**2)), 3.0 * narrowed, rtol=0.06)
        assert angles.max() <= 9.0 + 1e-9
        directions = np.array(turns) / np.linalg.norm(turns, axis=1, keepdims=True)
        np.testing.assert_allclose(directions.mean(axis=0), 0.0, atol=0.06)
        np.testing.assert_allclose(np.cov(directions.T), np.eye(3) / 3, atol=0.04)

    def test_a_pose_by_two_points_stays_one(self) -> None:
        pose = {"look_from_m": [2.0, 0.0, 1.0], "look_at_m": [0.0, 0.0, 0.0], "roll_deg": 10.0}
        made = self.poses(pose)
        sight = np.array([-2.0, 0.0, -1.0])
        assert all(set(m) == set(pose) for m in made)
        new = np.array([m["look_at_m"] for m in made]) - [m["look_from_m"] for m in made]
        np.testing.assert_allclose(np.linalg.norm(new, axis=1), np.linalg.norm(sight), rtol=1e-12)
        tilt = np.degrees(np.arccos(np.clip(new @ sight / 5.0, -1, 1)))
        roll = np.array([m["roll_deg"] for m in made]) - 10.0
        narrowed = stats.truncnorm(-3, 3).std()
        np.testing.assert_allclose(np.sqrt(np.mean(tilt**2 + roll**2)), 3.0 * narrowed, rtol=0.06)
        np.testing.assert_allclose(np.mean(roll**2) / np.mean(tilt**2), 0.5, atol=0.08)
        assert np.sqrt(tilt**2 + roll**2).max() <= 9.0 + 1e-6

    def test_no_size_no_change(self) -> None:
        pose = {"look_from_m": [2.0, 0.0, 1.0], "look_at_m": [0.0, 0.0, 0.0]}
        same = jittered(pose, Jitter(), Stream(1, "p", 0))
        assert same == {**pose, "roll_deg": 0.0}
        turned = jittered({"quaternion_wxyz": [2, 0, 0, 0]}, Jitter(), Stream(1, "p", 0))
        assert turned == {"position_m": [0, 0, 0], "quaternion_wxyz": [1, 0, 0, 0]}

    def test_a_default_pose_can_be_jittered(self) -> None:
        drawn, values = sample(scene({"bodies.duck.pose": {"jitter": {"position_m": 0.1}}}), 0)
        assert drawn.bodies[0].pose.position_m == tuple(values["bodies.duck.pose"]["position_m"])
        assert any(drawn.bodies[0].pose.position_m)
