"""The JSON Schema of scene files says what the parser does."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema.validators import validator_for

from simvid import schema
from simvid.catalogue import entries
from simvid.errors import SceneError
from simvid.parsing import parse_scene
from simvid.scene import Body, Scene, SplatShape
from simvid.schema import field_texts, scene_schema, schema_text
from simvid.schema_page import schema_page
from simvid.yaml_reading import read_text, read_yaml

SCHEMA = scene_schema()
BASE: dict[str, Any] = {"simvid": 1, "duration_s": 1, "cameras": [{"name": "c", "pose": {}}]}


def body(**more: Any) -> dict[str, Any]:
    return {**BASE, "bodies": [{"name": "b", "shape": {"sphere": {"radius_m": 1}}, **more}]}


def shape(kind: str, value: Any) -> dict[str, Any]:
    return {**BASE, "bodies": [{"name": "b", "shape": {kind: value}}]}


def complaints(tree: Any) -> list[str]:
    return [error.message for error in validator_for(SCHEMA)(SCHEMA).iter_errors(tree)]


def test_it_is_a_schema() -> None:
    assert validator_for(SCHEMA) is jsonschema.Draft7Validator
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_the_file_beside_the_scenes_is_up_to_date(root: Path) -> None:
    assert (root / "scenes" / schema.FILE).read_text(encoding="utf-8") == schema_text(), "run: make schema"


def test_the_page_of_keys_is_up_to_date(root: Path) -> None:
    text = (root / "docs" / "scene-language.md").read_text(encoding="utf-8")
    assert text == schema_page(), "run: make schema"
    for name in scene_schema()["$defs"]:
        assert f"\n## {name}\n" in text
    assert "| `length_m` | number > 0 |" in text


def test_every_scene_on_the_shelf_names_it_and_fits() -> None:
    for entry in entries("scenes"):
        text = read_text(entry.path)
        assert f"# yaml-language-server: $schema={schema.FILE}" in text.splitlines()[:4], entry.path
        assert complaints(read_yaml(text, "f").tree) == [], entry.path


@pytest.mark.parametrize(
    "tree",
    [
        BASE,
        shape("box", {"size_m": 0.5}),
        shape("box", {"size_m": [1, 2, 3]}),
        shape("mesh", "duck.obj"),
        shape("mesh", {"path": "duck.obj", "scale": 2}),
        shape("splat", {"path": "a.ply", "scale": [1, 2, 3], "up": "y"}),
        shape("compound", {"parts": [{"shape": {"box": {"size_m": 1}}, "collide": False}]}),
        {**body(material="wood"), "materials": {"wood": {"friction": 0.5}}},
        body(material={"density_kg_m3": 7800, "look": {"base_color": [0.5, 0.5, 0.5]}}),
        body(joint={"hinge": {"anchor_m": [0, 0, 1], "axis": [0, 1, 0], "parent": None}}),
        body(count=4, arrange={"grid": {"origin_m": [0, 0, 0], "counts": [2, 2, 1], "spacing_m": 1}}),
        {**body(), "randomize": {"bodies.b.mass_kg": {"uniform": [1, 2]}, "fps": {"choice": [10, 20]}}},
        {**body(), "randomize": {"bodies.b.mass_kg": {"log_uniform": {"low": 1, "high": 2}}}},
        {**BASE, "robots": [{"name": "a", "model": "a.xml", "gripper_joints": ["f1", "f2"], "initial_joints": {"j": 0},
                             "script": [{"gripper": "open"}, {"gripper": {"width_m": 0.01, "over_s": 0.1}}]}]},
        {**BASE, "lights": [{"point": {"position_m": [0, 0, 2]}}], "labels": []},
    ],
    ids=str,
)  # fmt: skip
def test_sound_trees_fit(tree: dict[str, Any]) -> None:
    assert complaints(tree) == []
    parse_scene(json.dumps(tree))


@pytest.mark.parametrize(
    "tree",
    [
        {**BASE, "simvid": 2},
        {k: v for k, v in BASE.items() if k != "simvid"},
        {**BASE, "duration_s": 0},
        {**BASE, "duration_s": "2 s"},
        {**BASE, "frames": 49},
        {**BASE, "cameras": []},
        {**BASE, "cameras": [{"name": "two words", "pose": {}}]},
        {**BASE, "cameras": [{"name": "c", "pose": {}, "resolution_px": [640]}]},
        {**BASE, "cameras": [{"name": "c", "pose": {"look_from_m": [1, 2, 3, 4], "look_at_m": [0, 0, 0]}}]},
        {**BASE, "labels": ["normal"]},
        {**BASE, "materials": {"1st": {}}},
        {**BASE, "lights": [{"sun": {"direction": [0, 0, -1]}, "sky": {}}]},
        {**BASE, "lights": [{}]},
        {**BASE, "lights": [{"sky": None}]},
        {**BASE, "randomize": {"fps": {"uniform": [1]}}},
        {**BASE, "randomize": {"fps": {"choice": []}}},
        shape("cube", {"size_m": 1}),
        shape("box", {"size_m": [1, 2]}),
        shape("box", {"size_m": [1, 2, 0]}),
        shape("box", {"size_m": 0}),
        shape("mesh", {"scale": 2}),
        shape("mesh", ""),
        shape("mesh", {"path": "a.obj", "unit": "mm"}),
        shape("compound", {"parts": []}),
        body(count=0),
        body(material=5),
        body(material={"frction": 1}),
        body(fixed="yes"),
        {**BASE, "robots": [{"name": "a", "model": "a.xml", "script": [{"gripper": "shut"}]}]},
    ],
    ids=str,
)
def test_faulty_trees_do_not_fit_either_of_the_two(tree: dict[str, Any]) -> None:
    assert complaints(tree) != []
    with pytest.raises(SceneError):
        parse_scene(json.dumps(tree))


def test_texts_under_fields_are_descriptions() -> None:
    assert field_texts(Body)["fixed"] == "Held in place by the world."
    assert "path" in field_texts(SplatShape)
    assert SCHEMA["properties"]["render"]["description"] == "An entry of renderers/."
    assert SCHEMA["$defs"]["Box"]["properties"]["size_m"]["description"].startswith("Edge lengths [m]")


def test_every_text_of_every_model_is_in_it() -> None:
    definitions = {**SCHEMA["$defs"], "Scene": SCHEMA}
    count = 0
    for model in schema._models(Scene, set()):
        found = definitions.get(model.__name__)
        if found is None:
            continue
        arms = [arm for arm in found.get("anyOf", []) if "properties" in arm]
        for name, text in field_texts(model).items():
            assert (arms or [found])[0]["properties"][name]["description"] == text
            count += 1
    assert count > 60


def test_defaults_are_written_as_in_a_file() -> None:
    """Whoever takes a default over into a scene gets the same scene."""
    for name, value in SCHEMA["properties"].items():
        if value.get("default") is not None and name != "name":
            tree = {**copy.deepcopy(BASE), name: value["default"]}
            assert complaints(tree) == [], name
            assert getattr(parse_scene(json.dumps(tree)), name) == getattr(parse_scene(json.dumps(BASE)), name)
