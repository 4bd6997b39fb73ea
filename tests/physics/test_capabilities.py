"""Which engine does what: the table is whole and current, and its refusals name the place and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

import simvid
from simvid import cli
from simvid.errors import MissingExtraError, SceneError
from simvid.physics import capabilities
from simvid.physics.abilities import ABILITIES, SUMMARIES, Ability
from simvid.physics.capabilities import FEATURES, abilities_of, check_capabilities
from simvid.physics.capability_page import engines_page, mark, rows
from simvid.physics.genesis import session
from simvid.registry import BUILT_IN
from simvid.scene import Scene

ROOT = Path(__file__).parents[2]
EVERYTHING = """\
simvid: 1
duration_s: 1
forces:
  - wind: {velocity_m_s: [1, 0, 0]}
  - vortex: {center_m: [0, 0, 0], angular_velocity_rad_s: 1, core_m: 1}
  - acceleration: {acceleration_m_s2: [0, 0, 1]}
  - attract: {to_m: [0, 0, 1], acceleration_m_s2: 1, radius_m: 1}
  - impulse: {t_s: 0.5, impulse_n_s: [1, 0, 0], bodies: [wood]}
  - hold: {region: {sphere: {center_m: [0, 0, 0], radius_m: 1}}}
  - conveyor: {body: lift, velocity_m_s: [1, 0, 0]}
attachments:
  - {name: tie, a: wood, b: jelly, breaks: {force_n: 10}}
cameras: [{name: view, pose: {look_from_m: [2, 0, 1], look_at_m: [0, 0, 0]}}]
bodies:
  - {name: wood, shape: {box: {size_m: 0.1}}, material: {restitution: 0.5, rolling_friction_m: 0.01},
     impulses: [{t_s: 0.1, impulse_n_s: [0, 0, 1]}]}
  - {name: door, shape: {box: {size_m: 0.1}}, joint: {hinge: {anchor_m: [0, 0, 1], axis: [0, 1, 0],
     stiffness_n_m_rad: 1, limits_deg: [-90, 90], motors: [{torque_n_m: 1}]}}}
  - {name: lift, shape: {box: {size_m: 0.1}}, motion: {keyframes: [{t_s: 0, pose: {}}]}}
  - {name: jelly, shape: {box: {size_m: 0.1}}, material: {elastic: {young_modulus_pa: 1.0e+4}}}
  - {name: gum, shape: {box: {size_m: 0.1}}, material: {elastic: {young_modulus_pa: 1.0e+4, model: neo_hookean}}}
  - {name: foam, shape: {box: {size_m: 0.1}}, material: {elastic: {young_modulus_pa: 1.0e+4, method: fem}}}
  - {name: clay, shape: {box: {size_m: 0.1}}, material: {plastic: {young_modulus_pa: 1.0e+4, yield_stress_pa: 100}}}
  - {name: sand, shape: {box: {size_m: 0.1}}, material: {granular: {friction_angle_deg: 65}}}
  - {name: snow, shape: {box: {size_m: 0.1}}, material: {snow: {hardening: 5}}}
  - {name: water, shape: {box: {size_m: 0.1}}, material: {liquid: {}}}
  - {name: towel, shape: {box: {size_m: [0.1, 0.1, 0.002]}}, material: {cloth: {}}}
  - {name: string, shape: {capsule: {radius_m: 0.01, length_m: 1}}, material: {rope: {}}}
robots:
  - {name: arm, model: arm.xml, script: [{wait: {for_s: 1}}, {grasp: {body: wood}}]}
  - {name: dog, model: dog.urdf}
"""


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A scene that asks for every feature."""
    path = tmp_path_factory.mktemp("scene") / "everything.yaml"
    path.write_text(EVERYTHING)
    return simvid.load_scene(path)


def test_every_engine_speaks_of_every_feature() -> None:
    names = {feature.name for feature in FEATURES}
    assert set(ABILITIES) == set(SUMMARIES) == set(BUILT_IN["physics"])
    for own in ABILITIES.values():
        assert set(own) == names


def test_every_feature_is_found_in_a_scene_that_asks_for_it(everything: Scene) -> None:
    for feature in FEATURES:
        assert list(feature.used(everything)), feature.name


def test_an_unable_engine_is_refused_for_real(everything: Scene) -> None:
    with pytest.raises(
        SceneError, match=r"everything.yaml:26: bodies\[9\].material \(water\): engine 'genesis' does not"
    ):
        check_capabilities("genesis", everything)
    check_capabilities("newton", everything)


def test_cloth_among_particles_is_refused_where_they_do_not_meet(everything: Scene) -> None:
    with pytest.raises(SceneError) as caught:
        check_capabilities("genesis", everything)
    line = next(line for line in str(caught.value).splitlines() if "cloth or rope that touches" in line)
    assert "bodies[10].material (towel): engine 'genesis' does not do" in line
    assert "use physics: {engine: newton}" in line


def test_a_plain_scene_asks_for_rigid_bodies_alone() -> None:
    scene = simvid.load_scene("falling_stack")
    assert {f.name for f in FEATURES if list(f.used(scene))} <= {"rigid", "restitution"}


def test_a_refusal_says_file_line_field_and_who_can(everything: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    unable = {name: Ability(False, note="too thin" if name == "cloth" else "") for name in ABILITIES["genesis"]}
    able = {name: Ability(name not in {"cloth", "rope"}) for name in ABILITIES["newton"]}
    monkeypatch.setattr(capabilities, "ABILITIES", {"genesis": unable, "newton": able})
    with pytest.raises(SceneError) as caught:
        check_capabilities("genesis", everything)
    lines = str(caught.value).splitlines()
    jelly = next(line for line in lines if "jelly" in line)
    assert "everything.yaml:20: bodies[3].material (jelly): engine 'genesis' does not do elastic" in jelly
    assert "use physics: {engine: newton}" in jelly
    towel = next(line for line in lines if "towel" in line and "cloth" in line)
    assert "(too thin)" in towel
    assert "no installed engine does" in towel
    assert any("robots[0].script[1]" in line and "'grasp'" in line for line in lines)
    check_capabilities("an engine that says nothing", everything)


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "engines.md").read_text() == engines_page(), (
        "run: simvid list engines --markdown --output docs/engines.md"
    )


def test_where_the_page_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, file = tmp_path / "new" / "page.md", tmp_path / "file"
    assert cli.main(["list", "engines", "--markdown", "--output", str(page)]) == 0
    assert page.read_text() == engines_page()
    file.touch()
    assert cli.main(["list", "engines", "--markdown", "--output", str(file / "page.md")]) == 6
    assert "page.md: cannot be written (Not a directory); choose another place" in capsys.readouterr().err
    assert cli.main(["list", "scenes", "--output", str(page)]) == 2
    assert "--output: expected --markdown beside it" in capsys.readouterr().err


def test_the_table_has_a_row_for_each_feature_and_a_column_for_each_engine() -> None:
    table = rows(sorted(ABILITIES))
    assert table[0][1:] == tuple(sorted(ABILITIES))
    assert len(table) == len(FEATURES) + 1
    assert [mark(a) for a in (None, Ability(True, True), Ability(True), Ability(False, True), Ability(False))] == [
        "?", "CPU, CUDA", "CPU", "CUDA", "–",
    ]  # fmt: skip


def test_without_its_packages_genesis_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None if name == "quadrants" else object())
    with pytest.raises(MissingExtraError, match=r"'quadrants'.*\[genesis\]"):
        session.require()


def test_an_engine_that_cannot_be_loaded_says_nothing() -> None:
    assert abilities_of("no such engine") is None
