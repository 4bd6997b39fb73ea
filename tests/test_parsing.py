"""Scene files to scenes: names, overrides, places in messages, and that no file can bring the reader down."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import simvid
from simvid import catalogue
from simvid.errors import Fault, SceneError
from simvid.parsing import load_scene, parse_scene
from simvid.parsing.loading import default_name
from simvid.scene import Body, Box, Camera, CameraPose, Pose, Scene, Shape

TEXT = """\
simvid: 1
duration_s: 1
materials: {wood: {friction: 0.3, restitution: 0.1}}
ground: {}
bodies:
  - {name: duck, shape: {mesh: duck.obj}, material: wood}
  - name: block
    count: 3
    shape: {box: {size_m: 0.1}}
    arrange: {stack: {base_m: [0, 0, 0]}}
    material: wood
robots:
  - {name: arm, model: arm.xml, script: [{wait: {for_s: 0.5}}]}
cameras:
  - {name: front, pose: {look_from_m: [2, 0, 1], look_at_m: [0, 0, 0]}}
  - {name: side, attach_to: arm/hand}
"""


def faults(text: str, overrides: Any = ()) -> list[str]:
    with pytest.raises(SceneError) as caught:
        parse_scene(text, "s.yaml", overrides=overrides)
    return str(caught.value).splitlines()


def test_a_scene_is_read_with_its_places() -> None:
    scene = parse_scene(TEXT, "dir/two ducks.yaml", "dir")
    assert scene.name == "two_ducks"
    assert scene.bodies[0].shape.kind == "mesh"
    assert scene.where("bodies[0].shape.mesh") == "dir/two ducks.yaml:6: bodies[0].shape.mesh (duck)"
    assert scene.where("bodies[1].shape.box.size_m[2]") == "dir/two ducks.yaml:9: bodies[1].shape.box.size_m[2] (block)"
    assert scene.where("cameras[1].fov_y_deg") == "dir/two ducks.yaml:16: cameras[1].fov_y_deg (side)"
    assert scene.where("duration_s") == "dir/two ducks.yaml:2: duration_s"
    assert scene.where("bodies[9]") == "dir/two ducks.yaml:5: bodies[9]"
    assert scene._base == "dir"


def test_a_scene_made_in_python_has_places_without_lines() -> None:
    box = Body(name="a", shape=Shape(box=Box(size_m=(1.0, 1.0, 1.0))))
    scene = Scene(simvid=1, duration_s=1.0, bodies=(box,), cameras=(Camera(name="c", pose=CameraPose()),))
    assert scene.where("bodies[0].shape") == "<scene>: bodies[0].shape (a)"


@pytest.mark.parametrize(
    ("file", "name"),
    [("a/domino_row.yaml", "domino_row"), ("my-scene.v2.yaml", "my_scene_v2"), ("01_drop.yml", "scene_01_drop"),
     ("---.yaml", "scene"), ("x" * 80 + ".yaml", "x" * 64), ("ente_ü.yaml", "ente"), ("<text>", "text")],
)  # fmt: skip
def test_default_name(file: str, name: str) -> None:
    assert default_name(file) == name


def test_a_name_in_the_file_wins() -> None:
    assert parse_scene(TEXT + "name: mine\n", "other.yaml").name == "mine"


def test_load_by_name_path_and_from_the_package() -> None:
    entry = catalogue.entries("scenes")[0]
    by_name, by_path = simvid.load_scene(entry.name), load_scene(entry.path)
    assert by_name == by_path
    assert by_name._file == str(entry.path)
    assert by_name._base == str(entry.path.parent)


def test_load_of_nothing() -> None:
    with pytest.raises(
        SceneError,
        match=r"scenes: expected a name on the shelf, got 'domino_rwo'\n  hint: did you mean 'domino_row'\? known: ",
    ):
        load_scene("domino_rwo")
    with pytest.raises(SceneError, match=r"^expected a file, got 'none/here.yaml': nothing there"):
        load_scene("none/here.yaml")


def test_python_users_get_pydantic_errors_of_the_field() -> None:
    with pytest.raises(ValidationError) as caught:
        Pose(rotation_deg=(0.0, 0.0, 0.0), quaternion_wxyz=(0.0, 0.0, 0.0, 0.0))
    assert [(e["loc"], e["msg"]) for e in caught.value.errors()] == [
        ((), "expected rotation_deg or quaternion_wxyz, got both"),
        (
            ("quaternion_wxyz",),
            "expected a vector that is not zero, got [0.0, 0.0, 0.0, 0.0]; give one such as the identity, [1, 0, 0, 0]",
        ),
    ]


def test_faults_are_values_too() -> None:
    with pytest.raises(SceneError) as caught:
        parse_scene(TEXT.replace("0.3", "-1"), "s.yaml")
    expected = Fault("s.yaml", 3, "materials.wood.friction", "expected a number >= 0 and <= 10, got -1")
    assert caught.value.faults == (expected,)


def test_a_long_list_of_faults_is_cut() -> None:
    text = "simvid: 1\n" + "".join(f"key{k}: 1\n" for k in range(300))
    lines = faults(text)
    assert sum(line.startswith("s.yaml:") for line in lines) == 100
    assert lines[-1] == "… and 202 more"


class TestOverrides:
    @pytest.mark.parametrize(
        "path",
        ["cameras.front.fov_y_deg", "cameras.0.fov_y_deg", "cameras[0].fov_y_deg", "cameras[front].fov_y_deg"],
    )
    def test_items_by_name_or_index(self, path: str) -> None:
        assert parse_scene(TEXT, overrides=[f"{path}=60"]).cameras[0].fov_y_deg == 60
        assert parse_scene(TEXT, overrides={path: 60}).cameras[0].fov_y_deg == 60

    def test_values_are_yaml(self) -> None:
        given = ["fps=1e1", "description=yes", "bodies.duck.shape={sphere: {radius_m: .5}}", "physics.engine=newton"]
        scene = parse_scene(TEXT, overrides=[*given, "cameras.front.pose.look_from_m=[1, 2, 3]"])
        assert (scene.fps, scene.description, scene.physics.engine) == (10.0, "yes", "newton")
        assert scene.bodies[0].shape.value.radius_m == 0.5
        assert scene.cameras[0].pose is not None
        assert scene.cameras[0].pose.look_from_m == (1.0, 2.0, 3.0)

    def test_parts_that_the_file_leaves_out_are_added(self) -> None:
        scene = parse_scene(TEXT, overrides=["physics.step_s=0.001", "bodies.duck.look.roughness=0.1", "fps=25"])
        assert scene.physics.step_s == 0.001
        assert scene.bodies[0].look is not None
        assert scene.bodies[0].look.roughness == 0.1

    def test_a_default_keeps_its_other_values(self) -> None:
        scene = parse_scene(TEXT, overrides=["ground.material.restitution=0.5"])
        assert scene.ground is not None
        material = scene.material(scene.ground.material)
        assert (material.restitution, material.friction) == (0.5, 0.8)

    def test_a_shared_material_is_copied_for_the_one_body(self) -> None:
        scene = parse_scene(TEXT, overrides=["bodies.duck.material.friction=0.9"])
        duck, block = (scene.material(body.material) for body in scene.bodies)
        assert (duck.friction, duck.restitution) == (0.9, 0.1)
        assert (block.friction, scene.materials["wood"].friction) == (0.3, 0.3)

    def test_components(self) -> None:
        scene = parse_scene(TEXT, overrides=["bodies.block.shape.box.size_m[2]=0.5", "bodies.duck.velocity_m_s.0=2"])
        assert scene.bodies[1].shape.value.size_m == (0.1, 0.1, 0.5)
        assert scene.bodies[0].velocity_m_s == (2.0, 0.0, 0.0)

    def test_another_kind_takes_the_place_of_the_old(self) -> None:
        scene = parse_scene(TEXT, overrides=["bodies.block.shape.sphere={radius_m: 1}"])
        assert scene.bodies[1].shape.kind == "sphere"

    def test_a_path_alone_can_get_more(self) -> None:
        scene = parse_scene(TEXT, overrides=["bodies.duck.shape.mesh.scale=2"])
        assert scene.bodies[0].shape.value.path == "duck.obj"
        assert scene.bodies[0].shape.value.scale == (2.0, 2.0, 2.0)

    def test_later_ones_win(self) -> None:
        assert parse_scene(TEXT, overrides=["seed=1", "seed=2"]).seed == 2

    def test_python_values(self) -> None:
        scene = parse_scene(
            TEXT, overrides={"bodies.duck.pose": Pose(position_m=(1.0, 2.0, 3.0)), "labels": ("depth",)}
        )
        assert scene.bodies[0].pose.position_m == (1.0, 2.0, 3.0)
        assert scene.labels == ("depth",)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("cameras.frnt.fov_y_deg=60", "cameras.frnt.fov_y_deg: expected a known name, got 'frnt'"
             " | did you mean 'front'?"),
            ("cameras.front.fov=60", "cameras.front.fov: expected a known key, got 'fov'"
             " | did you mean 'fov_y_deg' (degrees)?"),
            ("cameras.7.fov_y_deg=60", "cameras.7.fov_y_deg: expected an index below 2, got 7"),
            ("bodies.block_1.mass_kg=1", "bodies.block_1.mass_kg: expected a name in the file, got 'block_1'"
             " | the copies of 'block' are set together"),
            ("bodies.block.shape.sphere.radius_m=1", "bodies.block.shape.sphere.radius_m: "
             "expected box, the kind that is given, got 'sphere'"),
            ("fps.x=1", "fps.x: expected a field inside fps, which is a number > 0 and <= 1000, got 24"),
            ("materials.iron.friction=1", "materials.iron.friction: expected a known name, got 'iron' | known: wood"),
            ("lights.sun.strength=1", "lights.sun.strength: expected an index below 2, got 'sun'"),
            ("fps", "fps: expected PATH=VALUE, got 'fps' | as in fps=12"),
            ("=3", "=3: expected PATH=VALUE, got '=3' | as in fps=12"),
            ("a..b=3", "a..b: expected a path such as cameras.front.fov_y_deg, got 'a..b'"),
            ("fps=[1,", "fps: expected a value, got the end of the file in column 1"
             " | finish the list or mapping, and close its bracket"),
            ("cameras.front.fov_y_deg=200", "cameras[0].fov_y_deg (front): expected a number > 0 and < 180, got 200"),
            ("fps=fast", "fps: expected a number > 0 and <= 1000, got 'fast' (text)"),
            ("bodies.duck.shape={sphere: {radius_m: 0}}", "bodies[0].shape.sphere.radius_m (duck): "
             "expected a number > 0, got 0"),
            ("bodies.duck.material=iron", "bodies[0].material (duck): expected a name from materials, got 'iron'"
             " | did you mean 'cast_iron'?"),
        ],
    )  # fmt: skip
    def test_faults_say_set_in_place_of_a_line(self, given: str, said: str) -> None:
        first, *hints = said.split(" | ")
        assert faults(TEXT, [given]) == [f"s.yaml:--set: {first}", *(f"  hint: {hint}" for hint in hints)]

    def test_a_fault_of_the_file_beside_it_keeps_its_line(self) -> None:
        lines = faults(TEXT.replace("0.3", "-1"), ["fps=0"])
        assert [line.split(": ")[0] for line in lines] == ["s.yaml:--set", "s.yaml:3"]

    def test_where_says_set_too(self) -> None:
        scene = parse_scene(TEXT, "s.yaml", overrides=["bodies.duck.shape={mesh: none.obj}"])
        assert scene.where("bodies[0].shape.mesh") == "s.yaml:--set: bodies[0].shape.mesh (duck)"


class TestReferences:
    def test_copies_can_be_named(self) -> None:
        text = TEXT.replace("attach_to: arm/hand", "track: block_2, pose: {}")
        assert parse_scene(text).cameras[1].track == "block_2"
        assert "got 'block_3'" in faults(TEXT.replace("attach_to: arm/hand", "attach_to: block_3"))[0]
        assert "got 'block_02'" in faults(TEXT.replace("attach_to: arm/hand", "attach_to: block_02"))[0]

    def test_long_chains_of_joints_are_no_circles(self) -> None:
        links = "".join(
            f"  - {{name: l{k}, shape: {{sphere: {{radius_m: 0.1}}}}, joint: {{weld: {{parent: l{k - 1}}}}}}}\n"
            for k in range(1, 400)
        )
        text = TEXT.replace("robots:", "  - {name: l0, shape: {sphere: {radius_m: 0.1}}}\n" + links + "robots:")
        assert len(parse_scene(text).bodies) == 402
        closed = text.replace("{name: l0, shape", "{name: l0, joint: {weld: {parent: l399}}, shape")
        assert len(faults(closed)) == 1
        assert "expected joints that lead to the world, got the circle l0 -> l399 -> l398" in faults(closed)[0]

    def test_a_renderer_given_by_its_file(self, tmp_path: Path) -> None:
        (tmp_path / "mine.yaml").write_text("backend: cpu\nsettings: {threads: 2}\n")
        assert parse_scene(TEXT + "render: ./mine.yaml\n", "s.yaml", tmp_path).render == "./mine.yaml"

    def test_faults_of_a_renderers_file_are_those_of_the_scene(self, tmp_path: Path) -> None:
        mine = tmp_path / "mine.yaml"
        mine.write_text("# mine\nbackend: gpu\n")
        with pytest.raises(
            SceneError, match=r"mine.yaml:2: backend: expected a registered backend, got 'gpu'\n  hint: "
        ):
            parse_scene(TEXT + "render: ./mine.yaml\n", "s.yaml", tmp_path)
        mine.write_text("# mine\nbackend: cpu\nsetings: {}\n")
        with pytest.raises(
            SceneError,
            match=r"mine.yaml:3: setings: expected a known key, got 'setings'\n  hint: did you mean 'settings'",
        ):
            parse_scene(TEXT + "render: ./mine.yaml\n", "s.yaml", tmp_path)


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 1.5, 1e300, "", "on", "duck", "a b", [], [1], [[]], {}, {"name": "duck"}, {"box": None},
     {"": 1},
     {"position_m": "x"}, [None, {}], "1e-3", "../../etc/passwd", {"a": {"b": {"c": 1}}}, ["a"] * 5, 10**30]
)  # fmt: skip


def nodes(tree: Any, loc: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [loc, *(found for key, value in items for found in nodes(value, (*loc, key)))]


def planted(tree: Any, loc: tuple[str | int, ...], value: Any) -> Any:
    tree = copy.deepcopy(tree)
    at = tree
    for key in loc[:-1]:
        at = at[key]
    at[loc[-1]] = value
    return tree


RICH: dict[str, Any] = json.loads(json.dumps(
    {
        "simvid": 1, "duration_s": 1, "fps": 20, "physics": {"step_s": 0.005, "engine": "newton"},
        "materials": {"wood": {"look": {"base_color": [1, 0, 0]}, "elastic": {"young_modulus_pa": 1e5}}},
        "ground": {"material": "wood"},
        "bodies": [
            {"name": "duck", "shape": {"compound": {"parts": [{"shape": {"box": {"size_m": 1}}, "material": "wood"}]}},
             "joint": {"hinge": {"parent": "tray", "anchor_m": [0, 0, 0], "axis": [0, 0, 1]}},
             "impulses": [{"t_s": 0.5, "impulse_n_s": [0, 0, 1]}]},
            {"name": "tray", "shape": {"mesh": {"path": "a.obj", "scale": 2}},
             "motion": {"keyframes": [{"t_s": 0, "pose": {}}, {"t_s": 1, "pose": {"rotation_deg": [0, 0, 1]}}]}},
            {"name": "b", "count": 4, "shape": {"sphere": {"radius_m": 1}},
             "arrange": {"grid": {"origin_m": [0, 0, 0], "counts": [2, 2, 1], "spacing_m": 1}}},
        ],
        "robots": [{"name": "arm", "model": "a.xml", "initial_joints": {"j": 1}, "control": {"mode": "position"},
                    "script": [{"gripper": "open"}, {"reach": {"to_m": [0, 0, 1], "over_s": 0.2}}]}],
        "cameras": [{"name": "c", "track": "duck", "orbit": {"center_m": [0, 0, 0], "radius_m": 1, "height_m": 1}},
                    {"name": "d", "pose": {"look_from_m": [1, 1, 1], "look_at_m": [0, 0, 0]}}],
        "lights": [{"sun": {"direction": [0, 0, -1]}}, {"sky": {}}],
        "randomize": {"bodies.duck.material.friction": {"uniform": [0.1, 0.2]},
                      "cameras.d.pose": {"jitter": {"position_m": 1}},
                      "fps": {"choice": [10, 20]}, "bodies[1].mass_kg": {"normal": {"mean": 10, "std": 1}}},
        "render": "cpu", "refine": {"refiner": "identity"}, "labels": ["depth"],
    }
))  # fmt: skip
PLACES = nodes(RICH)[1:]


def outcome(tree: Any) -> list[Fault]:
    try:
        parse_scene(json.dumps(tree), "s.yaml")
    except SceneError as error:
        return list(error.faults)
    return []


def test_the_rich_scene_is_sound() -> None:
    assert outcome(RICH) == []
    assert len(PLACES) > 130


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(PLACES), JUNK), min_size=1, max_size=3))
def test_no_junk_anywhere_brings_the_reader_down(planted_at: list[tuple[tuple[str | int, ...], Any]]) -> None:
    tree = RICH
    for loc, value in planted_at:
        try:
            tree = planted(tree, loc, value)
        except (KeyError, IndexError, TypeError):
            continue
    for fault in outcome(tree):
        assert fault.message.startswith("expected ")
        assert ", got " in fault.message
        assert fault.line == 1


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(PLACES), JUNK)
def test_any_value_can_be_set_anywhere(loc: tuple[str | int, ...], value: Any) -> None:
    """What can be read can be set, with the same result as in the file."""
    from simvid.field_paths import text

    expected = {(f.field, f.message) for f in outcome(planted(RICH, loc, value))}
    try:
        parse_scene(json.dumps(RICH), "s.yaml", overrides={text(loc): value})
        found = set()
    except SceneError as error:
        found = {(f.field, f.message) for f in error.faults}
    assert found == expected


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([loc for loc in PLACES if isinstance(loc[-1], str)]), st.sampled_from(["x", "colour", "name2"]))
def test_an_unknown_key_is_told_wherever_it_is(loc: tuple[str | int, ...], key: str) -> None:
    at: Any = RICH
    for step in loc[:-1]:
        at = at[step]
    free = loc[:-1] in {("materials",), ("robots", 0, "initial_joints"), ("randomize",)}
    told = [f for f in outcome(planted(RICH, (*loc[:-1], key), 1)) if key in f.field + f.message]
    assert bool(told) != (free and loc[0] == "robots")
    assert isinstance(at, dict)


def test_loading_is_light() -> None:
    """``load_scene`` needs neither numpy nor anything heavier."""
    code = (
        "import sys; from simvid import load_scene; load_scene('falling_stack'); "
        "print(sorted({'numpy', 'scipy', 'torch', 'numba', 'warp', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


class TestReadme:
    """What scenes/README.md shows can be used as it stands."""

    @staticmethod
    def blocks(root: Path) -> list[str]:
        text = (root / "scenes" / "README.md").read_text(encoding="utf-8")
        return [part.split("```")[0] for part in text.split("```yaml\n")[1:]]

    def test_the_smallest_scene_is_sound(self, root: Path) -> None:
        assert parse_scene(self.blocks(root)[0], "ball.yaml").bodies[0].name == "ball"

    def test_the_varied_values_fit_a_scene(self, root: Path) -> None:
        varied = next(block for block in self.blocks(root) if block.startswith("randomize:"))
        paths = parse_scene(
            TEXT.replace("wood:", "steel: {}, wood:", 1) + varied.replace("on: table", "on: duck"), "s.yaml"
        ).randomize
        assert len(paths) >= 5

    def test_it_names_every_key_of_the_top_and_of_a_body(self, root: Path) -> None:
        text = (root / "scenes" / "README.md").read_text(encoding="utf-8")
        kinds = {**Scene.model_fields, **Body.model_fields, **Shape.model_fields}
        assert [key for key in kinds if f"`{key}`" not in text] == []
