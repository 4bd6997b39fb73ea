"""Masses that engines cannot reckon with are refused with file, line and field, not by a traceback of MuJoCo's."""

from __future__ import annotations

from pathlib import Path

import pytest

from simvid.assets.prepare import prepare
from simvid.errors import SceneError
from simvid.parsing import load_scene

SCENE = """\
simvid: 1
duration_s: 0.5
bodies:
  - {name: thing, pose: {position_m: [0, 0, 1]}, BODY}
cameras: [{name: c, pose: {look_from_m: [3, -3, 2], look_at_m: [0, 0, 0.3]}}]
"""


def fault(folder: Path, body: str) -> str:
    """What is wrong with a scene of one body; empty where nothing is."""
    path = folder / "scene.yaml"
    path.write_text(SCENE.replace("BODY", body))
    try:
        prepare(load_scene(path))
    except SceneError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("shape: {box: {size_m: 0.0003}}", "bodies[0].shape (thing): expected a mass and moments of inertia above"),
        ("shape: {box: {size_m: 0.1}}, mass_kg: 1e-15", "bodies[0].mass_kg (thing): expected a mass and moments"),
        ("shape: {sphere: {radius_m: 1e-200}}", "bodies[0].shape (thing): total mass must be > 0 kg"),
        ("shape: {box: {size_m: 0.1}}, mass_kg: 1e300", "bodies[0].mass_kg (thing): expected a mass and moments"),
        ("shape: {box: {size_m: 0.1}}, material: {density_kg_m3: 1e300}", "moments of inertia of at most 1e+30 kg"),
        ("shape: {box: {size_m: 1e30}}, mass_kg: 1e300", "moments of inertia of at most 1e+30 kg"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_masses_out_of_range_are_refused(tmp_path: Path, body: str, said: str) -> None:
    """By scene.yaml, line 4."""
    text = fault(tmp_path, body)
    assert "scene.yaml:4: " in text
    assert said in text


@pytest.mark.parametrize("body", ["shape: {box: {size_m: 0.0005}}", "shape: {box: {size_m: 0.0003}}, fixed: true"])
def test_small_bodies_in_range_are_not(tmp_path: Path, body: str) -> None:
    """Half a millimetre, or what never moves."""
    assert not fault(tmp_path, body)
