"""Materials by name."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from simvid import load_scene
from simvid.errors import SceneError
from simvid.scene.library import LIBRARY
from simvid.scene.materials import LibraryName, Look

HEAD = "simvid: 1\nduration_s: 1\ncameras: [{name: c, pose: {look_from_m: [2, 0, 1], look_at_m: [0, 0, 0]}}]\n"
BALL = "bodies: [{name: ball, shape: {sphere: {radius_m: 0.1}}, %s}]\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "scene.yaml"
    path.write_text(HEAD + text)
    return path


def test_names_are_those_of_the_language() -> None:
    assert list(LIBRARY) == list(get_args(LibraryName))
    assert len(LIBRARY) >= 20


@pytest.mark.parametrize("name", LIBRARY)
def test_numbers_are_within_reason(name: str) -> None:
    material = LIBRARY[name]
    assert 10 < material.density_kg_m3 < 20_000
    assert 0 < material.friction <= 1.2
    assert material.look.base_color is not None
    assert (material.look.metallic >= 0.5) == (
        name in {"steel", "brushed_steel", "rough_steel", "cast_iron", "chrome", "aluminium", "copper", "brass", "gold"}
    )


def test_a_body_takes_a_material_by_name(tmp_path: Path) -> None:
    scene = load_scene(written(tmp_path, BALL % "material: steel"))
    assert scene.material(scene.bodies[0].material) == LIBRARY["steel"]


def test_a_scenes_own_material_comes_first(tmp_path: Path) -> None:
    own = "materials: {steel: {density_kg_m3: 1, look: chrome}}\n"
    scene = load_scene(written(tmp_path, own + BALL % "material: steel"))
    material = scene.material(scene.bodies[0].material)
    assert material.density_kg_m3 == 1
    assert material.look == LIBRARY["chrome"].look


def test_a_look_by_name_can_be_changed_from_outside(tmp_path: Path) -> None:
    path = written(tmp_path, "ground: {look: tiles}\n" + BALL % "material: wood, look: chrome")
    scene = load_scene(path, ["bodies.ball.look.roughness=0.4", "bodies.ball.material.friction=0.2"])
    assert scene.bodies[0].look == LIBRARY["chrome"].look.model_copy(update={"roughness": 0.4})
    assert scene.material(scene.bodies[0].material) == LIBRARY["wood"].model_copy(update={"friction": 0.2})
    assert scene.ground is not None
    assert isinstance(scene.ground.look, Look)


@pytest.mark.parametrize(("keys", "words"), [
    ("material: stel", "did you mean 'steel'"),
    ("look: chrom", "did you mean 'chrome'"),
    ("look: 7", "look"),
])  # fmt: skip
def test_unknown_names_are_told(tmp_path: Path, keys: str, words: str) -> None:
    with pytest.raises(SceneError, match=words):
        load_scene(written(tmp_path, BALL % keys))
