"""What a clip says about the files that its scene names."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

import numpy
import pytest

from simvid.clips.records import AssetRecord
from simvid.jobs.asset_records import asset_records, licence_name, needs_its_folder
from simvid.parsing import parse_scene

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
SCENE = """
simvid: 1
duration_s: 1
bodies:
  - {{name: a, shape: {{mesh: {first}}}, fixed: true}}
  - {{name: b, shape: {{mesh: {first}}}, fixed: true}}
  - name: c
    shape: {{compound: {{parts: [{{shape: {{mesh: {second}}}}}, {{shape: {{sphere: {{radius_m: 1}}}}}}]}}}}
cameras: [{{name: front, pose: {{position_m: [0, 0, 9]}}}}]
"""


def records(base: Path, first: str, second: str) -> dict[str, AssetRecord]:
    scene = parse_scene(SCENE.format(first=first, second=second), base=base)
    return {record.path: record for record in asset_records(scene)}


def test_files_are_listed_once_with_their_nearest_licence(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("one.obj", "deep/er/two.obj"):
        (tmp_path / name).write_text(TRIANGLE)
    (tmp_path / "LICENSE").write_text("\n  CC0 1.0 Universal\nmore\n")
    (tmp_path / "deep" / "licence.txt").write_text("CC-BY 4.0, by A. Modeller\n")
    found = records(tmp_path, "one.obj", "deep/er/two.obj")
    assert list(found) == ["one.obj", "deep/er/two.obj"]
    one, two = found.values()
    assert one.sha256 == hashlib.sha256(TRIANGLE.encode()).hexdigest()
    assert one.licence == "CC0-1.0 (LICENSE)"
    assert two.licence == "CC-BY 4.0, by A. Modeller (licence.txt)"
    assert two.source is None


def test_licences_outside_the_scene_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("of something else\n")
    base = tmp_path / "scenes"
    base.mkdir()
    (base / "one.obj").write_text(TRIANGLE)
    assert records(base, "one.obj", "one.obj")["one.obj"].licence is None


def test_packages_tell_version_and_licence(tmp_path: Path) -> None:
    path = "package://numpy/__init__.py"
    record = records(tmp_path, path, path)[path]
    assert record.source == f"numpy {numpy.__version__}"
    assert "BSD" in str(record.licence)


@pytest.mark.parametrize(
    ("package", "inside", "name"),
    [("numpy", "LICENSE.txt", "BSD-3-Clause"), ("pydantic", "LICENSE", "MIT"), ("yaml", "LICENSE", "MIT")],
)
def test_licences_are_known_by_their_texts(package: str, inside: str, name: str) -> None:
    text = next(
        file.read_text() for file in metadata.files(metadata.packages_distributions()[package][0]) or ()
        if file.name == inside
    )  # fmt: skip
    assert licence_name(text) == name
    assert licence_name(f"{text[:20]}\nof our own") != name


def test_only_relative_paths_need_the_scene_s_folder(tmp_path: Path) -> None:
    def needs(first: str, second: str, **changes: str) -> bool:
        return needs_its_folder(
            parse_scene(SCENE.format(first=first, second=second), base=tmp_path).model_copy(update=changes)
        )

    package = "package://numpy/__init__.py"
    assert not needs(package, package)
    assert needs(package, "one.obj")
    assert needs(package, package, render="mine/fast.yaml")
