"""What is held or tied stands firm under particles, cloth and elements, however light it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simvid.physics.newton.engine import NewtonPhysics
from simvid.testing.physics_scenes import lawful
from simvid.trajectory import Trajectory

HEAD = """\
simvid: 1
duration_s: 0.5
fps: 24
materials:
  jelly: {density_kg_m3: 1000, elastic: {young_modulus_pa: 5.0e+4, particle_spacing_m: 0.02}}
  rubber: {density_kg_m3: 1000, elastic: {young_modulus_pa: 5.0e+4, particle_spacing_m: 0.04, method: fem}}
  sand: {density_kg_m3: 1600, granular: {particle_spacing_m: 0.02}}
cameras: [{name: front, pose: {look_from_m: [1, -1, 1], look_at_m: [0, 0, 0]}}]
bodies:
  - {name: post, shape: {box: {size_m: 0.02}}, fixed: true, pose: {position_m: [0.4, 0, 0.3]}}
  - {name: block, shape: {box: {size_m: 0.12}}, material: KIND, pose: {position_m: [0, 0, 0.672]}}
  - name: plate
    shape: {box: {size_m: [0.3, 0.3, 0.02]}}
    mass_kg: 0.02
    pose: {position_m: [0, 0, 0.3]}
"""
HOLD = "forces: [{hold: {bodies: [plate], region: {sphere: {center_m: [0, 0, 0.3], radius_m: 0.1}}%s}}]\n"
JOINT = "    joint: {weld: {parent: post, breaks: {force_n: 1.0e+6}}}\n"
CHAIN = """\
  - {name: link, shape: {box: {size_m: 0.02}}, mass_kg: 0.5, pose: {position_m: [0.2, 0, 0.3]}}
attachments: [{name: one, a: plate, b: link}, {name: two, a: link, b: post}]
"""


def fall(folder: Path, kind: str, rest: str) -> Trajectory:
    return lawful(folder / "scene.yaml", HEAD.replace("KIND", kind) + rest, NewtonPhysics())


@pytest.mark.parametrize("kind", ["jelly", "rubber", "sand"])
def test_a_held_plate_stands_as_a_fixed_one(tmp_path: Path, kind: str) -> None:
    """Light, and hit hard: what takes it for floating goes through it, step by step."""
    wanted = fall(tmp_path, kind, "    fixed: true\n").particles[0].positions
    found = fall(tmp_path, kind, HOLD % "").particles[0].positions
    assert np.abs(found - wanted).max() < (2e-3 if kind != "sand" else 0.05)
    assert np.abs(found.mean(axis=1) - wanted.mean(axis=1)).max() < 1e-3


@pytest.mark.parametrize("rest", [JOINT, CHAIN], ids=["joint that may break", "chain of attachments"])
def test_a_tied_plate_stands_firm(tmp_path: Path, rest: str) -> None:
    """Its upper face is 0.31 m high."""
    assert fall(tmp_path, "rubber", rest).particles[0].positions[..., 2].min() > 0.305


def test_what_is_let_go_floats_again(tmp_path: Path) -> None:
    """The block then takes the light plate along."""
    made = fall(tmp_path, "rubber", HOLD % ", end_s: 0.1")
    plate, start = made.poses[:, made.part_index("plate"), 2], 0.3
    way = start - 9.81 * (np.arange(13) / 24 - 0.1) ** 2 / 2
    assert np.abs(plate - way)[3:6].max() < 5e-3, "it falls freely"
    assert np.abs(plate[:3] - start).max() < 1e-6
