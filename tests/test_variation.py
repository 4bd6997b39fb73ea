"""The distributions beyond single numbers: cut bell curves, grids, sequences, subtrees, places."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy import stats

from simvid.errors import SceneError
from simvid.parsing import parse_scene
from simvid.randomize import as_written, combinations, sample
from simvid.scene import Scene

TREE: dict[str, Any] = {
    "simvid": 1, "duration_s": 1, "fps": 20, "seed": 7, "ground": {},
    "bodies": [
        {"name": "table", "fixed": True, "shape": {"box": {"size_m": [1.0, 0.6, 0.05]}},
         "pose": {"position_m": [0.3, 0.1, 0.5], "rotation_deg": [0, 0, 30]}},
        {"name": "duck", "shape": {"box": {"size_m": [0.1, 0.06, 0.04]}}, "pose": {"rotation_deg": [0, 90, 0]}},
        {"name": "block", "count": 4, "shape": {"box": {"size_m": [0.12, 0.05, 0.05]}},
         "arrange": {"line": {"start_m": [3, 0, 0.1], "step_m": [1, 0, 0]}}},
    ],
    "cameras": [{"name": "look", "pose": {"look_from_m": [2, 0, 1], "look_at_m": [0, 0, 0]}}],
}  # fmt: skip
ON_TABLE = {"place": {"on": "table", "margin_m": 0.02, "apart_m": 0.01}}


def scene(randomize: dict[str, Any], **more: Any) -> Scene:
    return parse_scene(json.dumps({**TREE, **more, "randomize": randomize}), "s.yaml")


def values(randomize: dict[str, Any], count: int) -> list[dict[str, Any]]:
    made = scene(randomize)
    return [sample(made, k)[1] for k in range(count)]


class TestNormal:
    def test_it_ends_where_it_is_told(self) -> None:
        path = "bodies.duck.mass_kg"
        drawn = [v[path] for v in values({path: {"normal": {"mean": 2, "std": 1, "low": 1.5, "high": 4}}}, 600)]
        assert stats.kstest(drawn, stats.truncnorm(-0.5, 2, 2, 1).cdf).pvalue > 0.01
        assert 1.5 <= min(drawn) < 1.52
        assert max(drawn) <= 4

    def test_three_standard_deviations_are_the_end_anyway(self) -> None:
        path = "bodies.duck.mass_kg"
        drawn = [v[path] for v in values({path: {"normal": {"mean": 9, "std": 1, "low": 8}}}, 400)]
        assert stats.kstest(drawn, stats.truncnorm(-1, 3, 9, 1).cdf).pvalue > 0.01

    def test_nothing_left_is_told(self) -> None:
        with pytest.raises(SceneError, match="expected low and high with some of the bell curve between them"):
            scene({"fps": {"normal": {"mean": 2, "std": 0.1, "low": 3}}})


class TestInTurn:
    def test_grids_make_every_combination_once(self) -> None:
        grids = {"fps": {"grid": [10, 20, 25]}, "bodies.duck.mass_kg": {"grid": [1, 2]}}
        made = scene({**grids, "bodies.duck.shape.box.size_m[0]": {"uniform": [0.1, 1]}})
        assert combinations(made) == 6
        drawn = [sample(made, k)[1] for k in range(12)]
        pairs = [(v["fps"], v["bodies.duck.mass_kg"]) for v in drawn]
        assert pairs == [*product([10, 20, 25], [1, 2])] * 2
        assert len({v["bodies.duck.shape.box.size_m[0]"] for v in drawn}) == 12

    def test_sequences_step_together(self) -> None:
        drawn = values({"fps": {"sequence": [10, 20, 25]}, "bodies.duck.mass_kg": {"sequence": [1, 2]}}, 6)
        pairs = [(v["fps"], v["bodies.duck.mass_kg"]) for v in drawn]
        assert pairs == [(10, 1), (20, 2), (25, 1), (10, 2), (20, 1), (25, 2)]

    def test_every_value_is_checked_before_any_is_drawn(self) -> None:
        with pytest.raises(SceneError, match=r'randomize\["bodies.duck.mass_kg"\].*with -1, which may be drawn'):
            scene({"bodies.duck.mass_kg": {"grid": [1, -1]}})
        with pytest.raises(SceneError, match="with 0, which may be drawn"):
            scene({"fps": {"sequence": [10, 0]}})


@pytest.mark.parametrize(
    ("field", "randomize"),
    [
        ("duration_s", {"duration_s": {"uniform": [1, 3]}}),
        ("fps", {"fps": {"normal": {"mean": 20, "std": 1}}}),
        ("physics.step_s", {"physics.step_s": {"log_uniform": [0.001, 0.002]}}),
        ("physics.step_s", {"physics": {"one_of": [{"step_s": {"uniform": [0.001, 0.002]}}]}}),
    ],
)
def test_a_clock_from_a_range_is_refused(field: str, randomize: dict[str, Any]) -> None:
    """Both ends fit, and hardly a value between them."""
    with pytest.raises(SceneError, match=f"expected values one by one for {field}, got a range"):
        scene(randomize, physics={"step_s": 0.001})


class TestSubtrees:
    SHAPES: ClassVar[dict[str, Any]] = {"bodies.duck.shape": {"one_of": [
        {"box": {"size_m": {"uniform": [0.04, 0.08]}}},
        {"sphere": {"radius_m": {"log_uniform": [0.01, 0.1]}}},
        {"cylinder": {"radius_m": 0.05, "length_m": {"choice": [0.1, 0.2]}}},
    ]}}  # fmt: skip

    def test_one_is_taken_and_its_values_are_drawn(self) -> None:
        drawn = [v["bodies.duck.shape"] for v in values(self.SHAPES, 900)]
        kinds = [next(iter(d)) for d in drawn]
        assert stats.chisquare([kinds.count(k) for k in ("box", "sphere", "cylinder")]).pvalue > 0.01
        sizes = [d["box"]["size_m"] for d in drawn if "box" in d]
        assert stats.kstest(sizes, stats.uniform(0.04, 0.04).cdf).pvalue > 0.01
        radii = [d["sphere"]["radius_m"] for d in drawn if "sphere" in d]
        assert stats.kstest(radii, stats.loguniform(0.01, 0.1).cdf).pvalue > 0.01
        assert {d["cylinder"]["length_m"] for d in drawn if "cylinder" in d} == {0.1, 0.2}
        json.dumps(drawn)

    def test_they_are_in_the_scene(self) -> None:
        made, drawn = sample(scene(self.SHAPES), 3)
        assert made.bodies[1].shape.kind == next(iter(drawn["bodies.duck.shape"]))

    def test_whole_numbers_where_fields_inside_want_them(self) -> None:
        path = "bodies.block.arrange"
        grid = {"origin_m": [0, 0, 1], "counts": [{"uniform": [2, 4]}, 2, 1], "spacing_m": 0.3}
        drawn = [v[path]["grid"]["counts"][0] for v in values({path: {"one_of": [{"grid": grid}]}}, 60)]
        assert set(drawn) == {2, 3, 4}
        assert all(type(n) is int for n in drawn)

    def test_the_ends_inside_are_checked(self) -> None:
        with pytest.raises(SceneError, match=r'randomize\["bodies.duck.shape"\].*which may be drawn'):
            scene({"bodies.duck.shape": {"one_of": [{"box": {"size_m": {"uniform": [-0.1, 0.08]}}}]}})
        with pytest.raises(SceneError, match="expected distributions that can be in the subtrees"):
            scene({"bodies.duck.shape": {"one_of": [{"box": {"size_m": {"uniform": [0.1]}}}]}})


class TestPlaces:
    def test_things_stand_on_the_table_and_apart(self) -> None:
        made = scene({"bodies.block.pose": ON_TABLE, "bodies.duck.pose": ON_TABLE})
        for k in range(40):
            drawn, put = sample(made, k)
            blocks = put["bodies.block.pose"]
            assert len(blocks) == 4
            assert [p.model_dump(exclude_unset=True) for p in drawn.bodies[2].arrange.value.poses] == [  # type: ignore[union-attr]
                {name: tuple(v) for name, v in pose.items()} for pose in blocks
            ]
            boxes = [(pose, [0.12, 0.05]) for pose in blocks]
            turned = put["bodies.duck.pose"]
            assert turned["position_m"][2] == pytest.approx(0.525 + 0.001 + 0.05)
            clouds = [cloud(pose, size) for pose, size in boxes]
            clouds.append(cloud(untilted(turned), [0.04, 0.06]))
            for one in clouds:
                local = (one - [0.3, 0.1]) @ turn(np.radians(30))
                assert (np.abs(local) <= [0.48 + 1e-9, 0.28 + 1e-9]).all()
            gaps = [np.linalg.norm(a[:, None] - b, axis=-1).min()
                    for i, a in enumerate(clouds) for b in clouds[:i]]  # fmt: skip
            assert min(gaps) >= 0.01 - 1e-9

    def test_a_single_copy_stands_where_it_was_placed(self) -> None:
        drawn, put = sample(scene({"bodies.block.count": {"choice": [1]}, "bodies.block.pose": ON_TABLE}), 0)
        [single] = put["bodies.block.pose"]
        arrange = drawn.bodies[2].arrange
        assert arrange is not None
        assert arrange.places is not None
        assert [list(pose.position_m) for pose in arrange.places.poses] == [single["position_m"]]

    def test_it_keeps_away_from_what_stands_there(self) -> None:
        still = {"name": "lamp", "fixed": True, "shape": {"box": {"size_m": [0.4, 0.4, 0.2]}},
                 "pose": {"position_m": [0, 0, 0.1]}}  # fmt: skip
        on_ground = {"place": {"on": "ground", "low_m": [-0.4, -0.4], "high_m": [0.4, 0.4], "turn": "none"}}
        made = scene({"bodies.duck.pose": on_ground}, bodies=[TREE["bodies"][1], still])
        for k in range(60):
            x, y, z = sample(made, k)[1]["bodies.duck.pose"]["position_m"]
            assert max(abs(x), abs(y)) <= 0.4
            assert abs(x) >= 0.2 + 0.02 + 0.005 - 1e-9 or abs(y) >= 0.2 + 0.03 + 0.005 - 1e-9
            assert z == pytest.approx(0.051)

    def test_beside_and_of_a_cloth_of_an_open_mesh(self, tmp_path: Path) -> None:
        (tmp_path / "sheet.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\nf 1 2 4\nf 1 4 3\n")
        rag = {"name": "rag", "shape": {"mesh": "sheet.obj"}, "material": {"cloth": {}}}
        on_ground = {"place": {"on": "ground", "low_m": [-2, -2], "high_m": [2, 2]}}
        for name in ("duck", "rag"):
            tree = {**TREE, "bodies": [TREE["bodies"][1], rag], "randomize": {f"bodies.{name}.pose": on_ground}}
            _, put = sample(parse_scene(json.dumps(tree), "s.yaml", tmp_path), 0)
            assert np.abs(put[f"bodies.{name}.pose"]["position_m"][:2]).max() <= 2.71

    def test_places_follow_the_sizes_that_were_drawn_before(self) -> None:
        made = scene(
            {"bodies.duck.pose": ON_TABLE, "bodies.duck.shape.box.size_m": {"sequence": [[0.1] * 3, [0.2] * 3]}}
        )
        heights = [sample(made, k)[1]["bodies.duck.pose"]["position_m"][2] for k in (0, 1)]
        assert heights == pytest.approx([0.526 + 0.05, 0.526 + 0.1])

    def test_counts_that_vary_get_as_many_places(self) -> None:
        made = scene({"bodies.block.count": {"uniform": [1, 4]}, "bodies.block.pose": ON_TABLE})
        found = set()
        for k in range(40):
            drawn, put = sample(made, k)
            poses = put["bodies.block.pose"]
            found.add(drawn.bodies[2].count)
            assert (len(poses) if isinstance(poses, list) else 1) == drawn.bodies[2].count
        assert found == {1, 2, 3, 4}

    def test_a_sample_does_not_depend_on_those_before(self) -> None:
        made = scene({"bodies.block.pose": ON_TABLE, "bodies.duck.pose": ON_TABLE})
        forward = [sample(made, k)[1] for k in range(4)]
        assert [sample(made, k)[1] for k in (3, 2, 1, 0)] == forward[::-1]
        assert len({json.dumps(v) for v in forward}) == 4

    def test_no_room_is_told_with_the_place(self) -> None:
        large = {"bodies.block.pose": ON_TABLE, "bodies.block.shape.box.size_m": {"choice": [[0.5, 0.5, 0.1]]}}
        with pytest.raises(SceneError, match=r"s.yaml:1: randomize.*expected room for block on table beside 2 other"):
            sample(scene(large), 0)

    def test_a_tilted_table_is_refused(self) -> None:
        tilted = {"bodies.table.pose.rotation_deg": {"choice": [[10, 0, 0]]}, "bodies.duck.pose": ON_TABLE}
        with pytest.raises(SceneError, match="expected 'table' to stand upright"):
            sample(scene(tilted), 0)

    @pytest.mark.parametrize(
        ("count", "turn", "text"),
        [(2, [0, 0, 0], "expected one 'board' to place things on, got 2"),
         (1, [90, 0, 0], "expected 'board' to stand upright")],
        ids=["copies", "tilted by arrange"],
    )  # fmt: skip
    def test_a_carrier_is_one_and_upright_once_it_is_drawn(self, count: int, turn: list[float], text: str) -> None:
        poses = [{"position_m": [x, 0, 2], "rotation_deg": turn} for x in (0, 5)]
        board = {"name": "board", "fixed": True, "shape": {"box": {"size_m": [1, 1, 0.1]}},
                 "arrange": {"places": {"poses": poses}}}  # fmt: skip
        varied = {"bodies.board.count": {"choice": [count]}, "bodies.duck.pose": {"place": {"on": "board"}}}
        with pytest.raises(SceneError, match=text):
            sample(scene(varied, bodies=[TREE["bodies"][1], board]), 0)


class TestOverlap:
    FRICTION: ClassVar[dict[str, Any]] = {"bodies.duck.material.friction": {"normal": {"mean": 0.9, "std": 0.01}}}

    @pytest.mark.parametrize("inner_first", [True, False])
    def test_what_is_inside_is_drawn_on_top(self, inner_first: bool) -> None:
        outer = {"bodies.duck.material": {"choice": ["wood", "steel"]}}
        entries = {**self.FRICTION, **outer} if inner_first else {**outer, **self.FRICTION}
        made = scene(entries)
        for k in range(6):
            drawn, put = sample(made, k)
            assert list(put) == list(entries)
            material = drawn.material(drawn.bodies[1].material)
            assert material.friction == put["bodies.duck.material.friction"]
            assert material.density_kg_m3 == made.material(put["bodies.duck.material"]).density_kg_m3

    def test_a_coordinate_of_a_jittered_pose(self) -> None:
        height, jitter = "bodies.duck.pose.position_m[2]", {"jitter": {"position_m": 0.1, "rotation_deg": 2}}
        drawn, put = sample(scene({height: {"uniform": [1, 2]}, "bodies.duck.pose": jitter}), 0)
        x, y, z = drawn.bodies[1].pose.position_m
        assert [x, y] == put["bodies.duck.pose"]["position_m"][:2]
        assert z == put[height]

    @pytest.mark.parametrize(
        ("randomize", "text"),
        [
            ({"bodies.duck.mass_kg": {"uniform": [1, 2]}, "bodies[1].mass_kg": {"uniform": [5, 6]}},
             r'randomize\["bodies\[1\].mass_kg"\].*bodies\[1\].mass_kg beside bodies.duck.mass_kg, which is the same'),
            ({"bodies.duck.shape.box.size_m": {"uniform": [1, 2]}, **TestSubtrees.SHAPES},
             r"expected sphere, the kind that is given, got 'box' \(where bodies.duck.shape is"),
            ({"bodies.duck.pose": {"choice": [{}, {"quaternion_wxyz": [1, 0, 0, 0]}]},
              "bodies.duck.pose.rotation_deg": {"choice": [[0, 0, 9]]}}, r"got both .*\(where bodies.duck.pose is"),
            ({"bodies.duck.pose": {"jitter": {"rotation_deg": 2}},
              "bodies.duck.pose.rotation_deg[2]": {"uniform": [0, 9]}}, r"nothing there \(where bodies.duck.pose is"),
            ({"bodies.duck.pose": ON_TABLE, "bodies.duck.pose.position_m[0]": {"uniform": [0, 1]}},
             "expected no draw of what bodies.duck.pose places, got one"),
            ({"bodies.block.arrange.line.step_m[0]": {"uniform": [1, 2]}, "bodies.block.pose": ON_TABLE},
             "expected no draw of what bodies.block.pose places, got one"),
        ],
        ids=["same", "other kind", "both rotations", "jitter", "place", "place of copies"],
    )  # fmt: skip
    def test_what_another_draw_undoes_is_refused(self, randomize: dict[str, Any], text: str) -> None:
        with pytest.raises(SceneError, match=text):
            scene(randomize)

    def test_a_rotation_drawn_beside_a_place_stays(self) -> None:
        still = {"place": {**ON_TABLE["place"], "turn": "none"}}
        made = scene({"bodies.duck.pose.rotation_deg[2]": {"sequence": [0, 90]}, "bodies.duck.pose": still})
        turns = [sample(made, k)[1]["bodies.duck.pose"]["quaternion_wxyz"] for k in (0, 1)]
        assert abs(np.dot(*turns)) == pytest.approx(np.sqrt(0.5))


def test_samples_after_the_first_have_seeds_of_their_own() -> None:
    made = scene({"bodies.duck.mass_kg": {"uniform": [1, 2]}})
    seeds = [sample(made, k)[0].seed for k in range(50)]
    assert seeds[0] == made.seed
    assert len(set(seeds)) == 50
    assert sample(scene({}), 3)[0].seed == made.seed


def test_no_look_drawn_has_the_lights_of_no_look() -> None:
    made = scene({"look": {"sequence": [None, "studio"]}}, look="kitchen")
    again = parse_scene(json.dumps(made.model_dump(mode="json", exclude_unset=True)), "s.yaml")
    assert made.lights == again.lights == ()
    for known in (made, again):
        assert sample(known, 0)[0].lights == scene({}).lights
        assert sample(known, 1)[0].lights == ()
    dark = scene({"look": {"choice": [None]}}, look="kitchen", lights=[])
    assert sample(dark, 0)[0].lights == ()


def test_as_written_draws_nothing() -> None:
    made = scene({"bodies.duck.mass_kg": {"uniform": [1, 2]}, "bodies.duck.pose": ON_TABLE})
    plain = as_written(made)
    assert plain.randomize == {}
    assert plain.bodies == made.bodies
    assert (plain._file, plain._base, plain._lines) == (made._file, made._base, made._lines)


def turn(angle: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def cloud(pose: dict[str, Any], size: list[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Points along the edges of a box seen from above, turned about z by its quaternion, [80, 2]."""
    w, _, _, z = pose["quaternion_wxyz"]
    u = np.linspace(-0.5, 0.5, 20)
    edges = [np.stack([u, np.full(20, side)], axis=1) for side in (-0.5, 0.5)]
    points = np.concatenate([*edges, *(e[:, ::-1] for e in edges)]) * size
    return np.asarray(points @ turn(2 * np.arctan2(z, w)).T + pose["position_m"][:2])


def untilted(pose: dict[str, Any]) -> dict[str, Any]:
    """The pose less a tilt of 90 degrees about its own y, which the scene had given it."""
    w, x, y, z = pose["quaternion_wxyz"]
    a = np.sqrt(0.5)
    assert (abs(w * a + y * a) ** 2 + abs(z * a - x * a) ** 2) == pytest.approx(1)
    return {**pose, "quaternion_wxyz": [w * a + y * a, 0, 0, z * a - x * a]}
