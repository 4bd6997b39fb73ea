"""Cloth and rope together with particles in the newton engine: holds, forces, receipts, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.assets.parts import SceneAssets
from simvid.assets.prepare import prepare
from simvid.checking.receipts.receipt import receipt_of
from simvid.errors import SceneError
from simvid.parsing import load_scene
from simvid.physics.newton.engine import NewtonPhysics
from simvid.trajectory import Trajectory

HEAD = """\
simvid: 1
duration_s: {seconds}
fps: 25
seed: 1
physics: {{gravity_m_s2: [0, 0, {gravity}]}}
materials:
  canvas: {{density_kg_m3: 200, cloth: {{stretch_n_m: 400, particle_spacing_m: 0.025}}}}
  cord: {{density_kg_m3: 1000, rope: {{young_modulus_pa: 1.0e+7, bend_n_m2: 1.0e-5}}}}
  sand: {{density_kg_m3: 1600, granular: {{young_modulus_pa: 1.0e+5, particle_spacing_m: 0.014}}}}
  jelly: {{elastic: {{young_modulus_pa: 2.0e+4, particle_spacing_m: 0.014}}}}
cameras: [{{name: front, pose: {{look_from_m: [1, -1, 1], look_at_m: [0, 0, 0]}}}}]
bodies:
"""
CANVAS = "  - {name: canvas, shape: {box: {size_m: [0.25, 0.25, 0.002]}}, material: canvas}\n"
HOLD = """\
forces:
  - {hold: {bodies: [canvas], region: {box: {low_m: [-1, -1, -1], high_m: [-0.11, 1, 1]}}}}
  - {hold: {bodies: [canvas], region: {box: {low_m: [0.11, -1, -1], high_m: [1, 1, 1]}}}}
"""


def assets(folder: Path, bodies: str, *, seconds: float = 0.4, gravity: float = -9.81) -> SceneAssets:
    path = folder / "mixed.yaml"
    path.write_text(HEAD.format(seconds=seconds, gravity=gravity) + bodies)
    return prepare(load_scene(path))


def lump(material: str, height: float, more: str = "") -> str:
    shape = "box: {size_m: [0.084, 0.084, 0.056]}"
    pose = f"position_m: [0, 0, {height}]"
    return f"  - {{name: {material}, shape: {{{shape}}}, material: {material}, pose: {{{pose}}}{more}}}\n"


@pytest.fixture(scope="module")
def borne(tmp_path_factory: pytest.TempPathFactory) -> tuple[SceneAssets, Trajectory]:
    """Sand on a cloth that is held along two edges."""
    made = assets(tmp_path_factory.mktemp("mixed"), CANVAS + lump("sand", 0.04) + HOLD, seconds=1.0)
    return made, NewtonPhysics().simulate(made)


def push_between(made: Trajectory, rows: np.ndarray, first: int) -> Any:
    """Sum of impulses by frame [T, 3] from the middle after frame ``first`` to the middle before the last [N s]."""
    return rows[first + 2 : -1].sum(axis=0) + (rows[first + 1] + rows[-1]) / 2


def test_the_holds_bear_the_weight_of_both(borne: tuple[SceneAssets, Trajectory]) -> None:
    """And what swings of both; the same of the sand alone."""
    made = borne[1]
    assert made.outside is not None
    first, n = 5, made.frame_count
    speed = np.diff(made.poses[:, :, :3], axis=0) * 25
    momentum = made.masses_kg[:, None] * speed
    weight = made.masses_kg * 9.81 * (n - 2 - first) / 25
    off = 0.02 * weight.sum()
    gained = (momentum[-1] - momentum[first]).sum(axis=0)
    given = push_between(made, made.outside.impulses[:, 0], first)
    assert given == pytest.approx(gained + np.array([0, 0, weight.sum()]), abs=off)
    assert given[2] == pytest.approx(weight.sum(), rel=0.15), "they swing only so much"
    c = made.contacts
    assert set(zip(c.id_a.tolist(), c.id_b.tolist(), strict=True)) == {(1, 2)}
    rows = np.zeros((n, 3))
    np.add.at(rows, c.frame, -c.impulse_n_s)
    wanted = momentum[-1, 1] - momentum[first, 1] + np.array([0, 0, weight[1]])
    assert push_between(made, rows, first) == pytest.approx(wanted, abs=off)
    late = c.frame >= n - 10
    assert (np.abs(c.normal[late][:, 2]) > 0.9).all()
    assert c.depth_m.max() < 3e-3


def test_receipts_pass_it_and_fail_what_went_through(borne: tuple[SceneAssets, Trajectory]) -> None:
    made, found = borne
    receipt = receipt_of(made, found)
    assert [law.line() for law in receipt.broken] == []
    assert {law.name for law in receipt.laws if law.passed} >= {"energy", "momentum", "through_cloth", "volume"}
    sunk = [replace(p, positions=p.positions.copy()) for p in found.particles]
    sand = next(p for p in sunk if p.name == "sand")
    sand.positions[-5:, :20, 2] -= 0.2
    broken = {law.name for law in receipt_of(made, replace(found, particles=tuple(sunk))).broken}
    assert "through_cloth" in broken
    light = np.array(found.contacts.impulse_n_s) * 0.5
    robbed = replace(found, contacts=replace(found.contacts, impulse_n_s=light))
    assert "momentum" in {law.name for law in receipt_of(made, robbed).broken}


def test_a_jelly_lands_on_a_rope_and_both_fly_on(tmp_path: Path) -> None:
    """Without gravity and holds: momentum is shared, to rounding; an impulse on all is shared by mass."""
    cord = "  - {name: cord, shape: {capsule: {radius_m: 0.006, length_m: 0.2}}, material: cord, pose: {rotation_deg: "
    cord += "[0, 90, 0]}}\n"
    more = "forces: [{impulse: {t_s: 0.2, impulse_n_s: [0, 0.1, 0], bodies: [cord, jelly]}}]\n"
    scene = assets(tmp_path, cord + lump("jelly", 0.05, ", velocity_m_s: [0, 0, -1]") + more, gravity=0.0)
    made = NewtonPhysics().simulate(scene)
    speeds = np.diff(made.poses[:, :, :3], axis=0) * 25
    total = (made.masses_kg[:, None] * speeds).sum(axis=1)
    assert total[3, :] == pytest.approx([0, 0, -made.masses_kg[1]], abs=5e-4 * made.masses_kg[1])
    assert total[-1] == pytest.approx([0, 0.1, -made.masses_kg[1]], abs=5e-4 * made.masses_kg[1])
    assert speeds[-1, 0, 2] < -0.5, "the rope goes along"
    assert made.contacts.depth_m.max() < 5e-3


def test_same_bytes_again(tmp_path: Path) -> None:
    """Two runs; fresh processes are compared in tests/physics/mixed."""
    scene = assets(tmp_path, CANVAS + lump("sand", 0.04), seconds=0.08)
    one, two = (NewtonPhysics().simulate(scene) for _ in range(2))
    assert [p.positions.tobytes() for p in one.particles] == [p.positions.tobytes() for p in two.particles]
    assert one.contacts.impulse_n_s.tobytes() == two.contacts.impulse_n_s.tobytes()


def test_what_starts_inside_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"mixed.yaml:14: .*'sand' and 'canvas' are 4 mm inside each other.*: move"):
        NewtonPhysics().check(assets(tmp_path, CANVAS + lump("sand", 0.025)))


def test_the_shelf_scene_holds_its_sand() -> None:
    """The first half second, with coarser grains."""
    change: list[Any] = ["duration_s=0.5", "fps=24", "materials.sand.granular.particle_spacing_m=0.016"]
    scene = prepare(load_scene("sand_on_cloth", change))
    found = NewtonPhysics().simulate(scene)
    assert [law.line() for law in receipt_of(scene, found).broken] == []
    sand, cloth = (next(p for p in found.particles if p.name == n) for n in ("sand", "cloth"))
    assert cloth.positions[-1, :, 2].min() < 0.28, "it sags"
    assert sand.positions[-1, :, 2].min() > cloth.positions[-1, :, 2].min()


def test_a_robot_pushes_a_jelly_that_a_cloth_lies_on(tmp_path: Path) -> None:
    """All three kinds of motion in one scene: the hand moves both, the cloth stays on, and the receipts hold."""
    bodies = (
        "  - {name: table, fixed: true, shape: {box: {size_m: [1, 1, 0.04]}}, pose: {position_m: [0.3, 0, -0.02]}}\n"
        "  - {name: jelly, shape: {box: {size_m: 0.1}}, material: jelly, pose: {position_m: [0.5, -0.16, 0.051]}}\n"
        "  - {name: canvas, shape: {box: {size_m: [0.2, 0.16, 0.002]}}, material: canvas, pose: {position_m: [0.5, "
        "-0.13, 0.106]}}\n"
        "robots:\n"
        "  - name: arm\n"
        "    model: package://genesis/assets/xml/franka_emika_panda/panda.xml\n"
        "    initial_joints: {joint1: -0.465, joint2: 0.462, joint3: -0.135, joint4: -2.014, joint5: 0.097, "
        "joint6: 2.469, joint7: -1.447}\n"
        "    script: [{reach: {to_m: [0.5, -0.28, 0.05], over_s: 0.2}}, {push: {by_m: [0, 0.15, 0], over_s: 0.6}}]\n"
    )
    made = assets(tmp_path, bodies, seconds=0.8)
    found = NewtonPhysics().simulate(made)
    receipt = receipt_of(made, found)
    assert [law.line() for law in receipt.broken] == []
    assert {law.name for law in receipt.laws if law.passed} >= {"energy", "momentum", "through_cloth", "joint_limits"}
    jelly, canvas = (found.part_index(name) for name in ("jelly", "canvas"))
    assert found.poses[-1, jelly, 1] > found.poses[0, jelly, 1] + 0.04
    assert found.poses[-1, canvas, 1] > found.poses[0, canvas, 1] + 0.02
    pairs = set(zip(found.contacts.id_a.tolist(), found.contacts.id_b.tolist(), strict=True))
    links = {k + 1 for k, part in enumerate(found.parts) if part.kind == "link"}
    assert (jelly + 1, canvas + 1) in pairs
    assert any(a == jelly + 1 and b in links for a, b in pairs), "the hand touches the jelly"
