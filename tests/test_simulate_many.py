"""Samples run together are the samples run alone, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simvid
from simvid.errors import SceneError
from simvid.physics.newton import templates
from simvid.randomize import sample
from simvid.scene import Scene
from simvid.trajectory_io import digest

TEXT = """\
simvid: 1
name: falling
duration_s: 0.2
fps: 20
physics: {engine: ENGINE}
ground: {}
materials: {own: {friction: 0.5}}
bodies:
  - name: brick
    shape: {box: {size_m: [0.1, 0.06, 0.04]}}
    material: own
    pose: {position_m: [0, 0, 0.03], rotation_deg: [0, 0, 0]}
    velocity_m_s: [1, 0, 0]
  - {name: ball, shape: {sphere: {radius_m: 0.05}}, pose: {position_m: [0, 0, 0.11]}}
cameras: [{name: front, pose: {look_from_m: [0, -1, 0.5], look_at_m: [0, 0, 0]}}]
randomize:
  bodies.brick.pose.rotation_deg[2]: {uniform: [-40, 40]}
  materials.own.friction: {uniform: [0.1, 0.9]}
  bodies.ball.mass_kg: {uniform: [0.2, 2]}
"""


def falling(tmp_path: Path, engine: str = "newton", **more: object) -> Scene:
    path = tmp_path / "falling.yaml"
    path.write_text(TEXT.replace("ENGINE", engine))
    scene = simvid.load_scene(path)
    if not more:
        return scene
    path.write_text(path.read_text() + "".join(f"  {key}: {value}\n" for key, value in more.items()))
    return simvid.load_scene(path)


def alone(scene: Scene, index: int) -> str:
    return digest(simvid.simulate(sample(scene, index)[0]))


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made, real = list[int](), templates.converted

    def counted(assets: Any) -> Any:
        made.append(1)
        return real(assets)

    monkeypatch.setattr(templates, "converted", counted)
    return made


def test_each_is_what_it_is_alone_and_one_structure_is_converted_once(tmp_path: Path, conversions: list[int]) -> None:
    scene = falling(tmp_path)
    found = [digest(t) for t in simvid.simulate_many(scene, [0, 3, 1])]
    assert len(conversions) == 1
    assert found == [alone(scene, k) for k in (0, 3, 1)]
    assert len(set(found)) == 3


def test_other_shapes_are_other_structures_and_the_same_bytes_still(tmp_path: Path, conversions: list[int]) -> None:
    scene = falling(tmp_path, **{"bodies.ball.shape.sphere.radius_m": "{grid: [0.03, 0.04]}"})
    found = [digest(t) for t in simvid.simulate_many(scene, range(4))]
    assert len(conversions) == 2
    assert found == [alone(scene, k) for k in range(4)]


def test_an_engine_that_runs_one_at_a_time_gives_the_same(free_fall: None, tmp_path: Path) -> None:
    scene = falling(tmp_path, "free_fall")
    assert [digest(t) for t in simvid.simulate_many(scene, range(2))] == [alone(scene, k) for k in range(2)]


def test_they_come_one_by_one_and_a_fault_names_its_sample(tmp_path: Path) -> None:
    scene = falling(tmp_path, **{"bodies.ball.pose.position_m[2]": "{sequence: [0.11, 0.2, 0.05]}"})
    asked = list[int]()

    def samples() -> Iterator[int]:
        for k in range(4):
            asked.append(k)
            yield k

    coming = simvid.simulate_many(scene, samples())
    assert asked == []
    assert next(coming).poses[0, 2, 2] == 0.11
    assert asked == [0]
    assert next(coming).poses[0, 2, 2] == 0.2
    with pytest.raises(SceneError, match=r"^sample 2: .*'ball' and 'brick' are .* inside each other"):
        next(coming)


def test_what_cannot_be_run_together_is_refused_at_once(tmp_path: Path) -> None:
    scene = falling(tmp_path)
    with pytest.raises(SceneError, match="expected a scene that randomizes something, got falling"):
        simvid.simulate_many(sample(scene, 0)[0], range(2))
    other = falling(tmp_path, **{"physics.engine": "{choice: [newton, genesis]}"})
    with pytest.raises(SceneError, match=r"falling\.yaml:.*one engine; leave out physics\.engine"):
        simvid.simulate_many(other, range(2))
    with pytest.raises(SceneError, match="sample index: expected a whole number"):
        next(simvid.simulate_many(scene, [-1]))
