"""What a scene may ask of which body: everything else is refused by field before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from simvid.errors import SceneError
from simvid.jobs.preflight import prepared
from simvid.parsing import load_scene

SCENE = """\
simvid: 1
duration_s: 0.5
ground: {}
materials:
  jelly: {density_kg_m3: 1000, elastic: {particle_spacing_m: 0.02, young_modulus_pa: 2.0e+4}}
  rubber: {density_kg_m3: 1000, elastic: {method: fem, particle_spacing_m: 0.05, young_modulus_pa: 2.0e+4}}
  cloth: {density_kg_m3: 300, cloth: {particle_spacing_m: 0.05}}
cameras: [{name: c, resolution_px: [64, 48], pose: {look_from_m: [3, -3, 2], look_at_m: [0, 0, 0.3]}}]
"""  # fmt: skip


def faults(folder: Path, rest: str) -> str:
    """What is wrong with a scene; empty where nothing is."""
    path = folder / "scene.yaml"
    path.write_text(SCENE + rest)
    try:
        prepared(load_scene(path))
    except SceneError as error:
        return str(error)
    return ""


def body(name: str, more: str = "", at: float = 0.0, size: str = "0.1") -> str:
    return f"  - {{name: {name}, shape: {{box: {{size_m: {size}}}}}, pose: {{position_m: [{at}, 0, 0.3]}}{more}}}\n"


KICKED = ", impulses: [{t_s: 0.1, impulse_n_s: [1, 0, 0]}]"


@pytest.mark.parametrize(("material", "size"), [("jelly", "0.1"), ("rubber", "0.1"), ("cloth", "[0.2, 0.2, 0.002]")])
def test_impulses_of_what_deforms_are_refused(tmp_path: Path, material: str, size: str) -> None:
    """The engines would leave them out."""
    text = faults(tmp_path, "bodies:\n" + body("thing", f", material: {material}{KICKED}", size=size))
    assert "bodies[0].impulses (thing): expected none on a body that deforms, got 1 on 'thing': write" in text
    assert "forces: [{impulse: {bodies: [thing], " in text
    assert not faults(tmp_path, "bodies:\n" + body("thing", KICKED))


def test_predicates_that_nothing_measures_are_refused(tmp_path: Path) -> None:
    """The ground has no middle; the solver of cloth, rope and elements keeps its own contacts to itself."""
    bodies = "bodies:\n" + body("box") + body("a", ", material: rubber", 0.3) + body("b", ", material: rubber", 0.6)
    bodies += body("soft", ", material: jelly", 0.9)
    pairs = "touching: {body: a, other: b}, apart: {body: b, other: a}"
    text = faults(tmp_path, f"{bodies}success: [near: {{body: box, of: ground}}, {pairs}]\n")
    assert "success[0].near.of: expected a body with a middle, got 'ground': use above" in text
    assert "success[1].touching.other: expected a thing whose contacts with 'a' are recorded, got 'b'" in text
    assert "success[2].apart.other: " in text
    fine = "success: [near: {body: box, of: a}, touching: {body: a, other: box}, touching: {body: a, other: soft}]\n"
    assert not faults(tmp_path, bodies + fine)


ARM = "robots:\n  - {name: arm, model: package://genesis/assets/xml/franka_emika_panda/panda.xml, "


def test_scripts_that_name_what_deforms_are_refused(tmp_path: Path) -> None:
    """They would find it where it was at first, for ever, and touching nothing."""
    bodies = "bodies:\n" + body("soft", ", material: jelly", 0.9) + body("box", at=0.5)
    script = "{wait_until: {all: [touching: {body: soft, other: ground}]}}, {reach: {to: {body: soft}}}"
    text = faults(tmp_path, f"{bodies}{ARM}script: [{script}]}}\n")
    assert "robots[0].script[0].wait_until.all[0].touching.body (arm): expected a rigid body, or" in text
    assert "robots[0].script[1].reach.to.body (arm): expected a rigid body, or ROBOT/LINK, got 'soft'" in text
    assert not faults(tmp_path, f"{bodies}{ARM}script: [{script.replace('soft', 'box')}]}}\n")


def test_pushes_of_what_they_cannot_move_are_refused(tmp_path: Path) -> None:
    """The kicks would go to the world."""
    bodies = "bodies:\n" + body("soft", ", material: jelly", 0.9) + body("post", ", fixed: true", 0.7)
    bodies += body("box", at=0.5)
    noise = "noise: {pushes: {of: [soft, post, box, arm/hand, arm/link0], impulse_n_s: 0.5}}"
    text = faults(tmp_path, f"{bodies}{ARM}{noise}}}\n")
    wanted = "expected a rigid body that can move, or ROBOT/LINK, got"
    assert f"noise.pushes.of[0] (arm): {wanted} 'soft', which deforms" in text
    assert f"noise.pushes.of[1] (arm): {wanted} 'post', which is fixed or on keyframes" in text
    assert f"noise.pushes.of[4] (arm): {wanted} 'arm/link0', which is fixed or on keyframes" in text
    assert len(text.splitlines()) == 3


def test_speeds_that_no_simulation_bears_are_refused(tmp_path: Path) -> None:
    """Before any work, not at its first frame."""
    text = faults(tmp_path, "bodies:\n" + body("shot", ", velocity_m_s: [3000, 0, 0]"))
    assert "bodies[0].velocity_m_s (shot): expected at most 1000 m/s, got 3e+03 m/s" in text
    assert not faults(tmp_path, "bodies:\n" + body("shot", ", velocity_m_s: [900, 0, 0]"))
