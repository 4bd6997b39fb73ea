"""What samples share is made once, and only while somebody looks at all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from simvid.assets import bodies, once
from simvid.assets.meshes import load_mesh
from simvid.assets.once import remembering
from simvid.assets.prepare import prepare
from simvid.mesh import Mesh
from simvid.parsing import parse_scene

SCENE = """
simvid: 1
duration_s: 1
bodies:
  - {name: a, shape: {mesh: one.obj}, fixed: true}
  - {name: b, shape: {mesh: {path: one.obj, scale: 2}}, fixed: true}
cameras: [{name: front, pose: {position_m: [0, 0, 9]}}]
"""


def test_equal_arguments_give_the_same_thing_inside_alone() -> None:
    assert once.once(list, (1, 2)) is not once.once(list, (1, 2))
    with remembering():
        kept = once.once(list, (1, 2))
        assert once.once(list, (1, 2)) is kept
        assert once.once(tuple, (1, 2)) == (1, 2), "by another function it is another thing"
        with remembering():
            assert once.once(list, (1, 2)) is kept
        assert once.once(list, (1, 2)) is kept, "the outer one goes on"
    assert once.once(list, (1, 2)) is not kept


def test_what_was_not_asked_for_longest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "MOST", 2)
    with remembering():
        a, b = once.once(list, (1,)), once.once(list, (2,))
        assert once.once(list, (1,)) is a
        once.once(list, (3,))
        assert once.once(list, (1,)) is a
        assert once.once(list, (2,)) is not b


def test_files_are_read_once_for_equal_bodies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    scene = parse_scene(SCENE, base=tmp_path)
    read: list[Path] = []

    def load(path: Path) -> tuple[Mesh, ...]:
        read.append(path)
        return load_mesh(path)

    monkeypatch.setattr(bodies, "load_mesh", load)
    with remembering():
        first, again = prepare(scene), prepare(scene)
    assert len(read) == 2, "two bodies that differ, however often they are looked at"
    for one, two, wide in zip(first.parts, again.parts, (1, 2), strict=True):
        mesh = one.visuals[0].mesh
        assert mesh is two.visuals[0].mesh
        assert mesh is not None
        assert mesh.vertices.max() == pytest.approx(wide)
    (tmp_path / "one.obj").write_text("v 0 0 0\nv 4 0 0\nv 0 1 0\nf 1 2 3\n")
    mesh = prepare(scene).parts[0].visuals[0].mesh
    assert mesh is not None
    assert mesh.vertices.max() == pytest.approx(4), "outside, what is there now is read"
