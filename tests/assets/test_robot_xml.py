"""Paths inside robot files are found as ROS and MuJoCo would, and never outside the root."""

from __future__ import annotations

from pathlib import Path

import pytest

from simvid.assets.robot_xml import Folder, read_xml
from simvid.errors import AssetError


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    for name in (
        "ws/arm/urdf/a.urdf",
        "ws/arm/meshes/a.stl",
        "ws/hand/meshes/h.stl",
        "ws/arm/urdf/local/l.stl",
        "secret.stl",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return Folder(tmp_path / "ws/arm/urdf", tmp_path / "ws", "a.urdf")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("../meshes/a.stl", "ws/arm/meshes/a.stl"),
        ("local/l.stl", "ws/arm/urdf/local/l.stl"),
        ("local\\l.stl", "ws/arm/urdf/local/l.stl"),
        ("package://arm/meshes/a.stl", "ws/arm/meshes/a.stl"),
        ("package://hand/meshes/h.stl", "ws/hand/meshes/h.stl"),
        ("package://local/l.stl", "ws/arm/urdf/local/l.stl"),
        ("package://ws/hand/meshes/h.stl", "ws/hand/meshes/h.stl"),
    ],
)
def test_uris_are_found(folder: Folder, text: str, found: str) -> None:
    assert folder.find_uri(text).read_text() == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("../../../secret.stl", "leads outside ws/"),
        ("package://../../secret.stl", "leads outside ws/"),
        ("/etc/passwd", "leads outside ws/"),
        ("file:///etc/passwd", "expected a relative path or package://NAME/PATH"),
        ("http://host/a.stl", "expected a relative path or package://NAME/PATH"),
        ("package://arm/meshes/b.stl", r"file 'package://arm/meshes/b\.stl' is missing"),
        ("meshes", "is missing"),
    ],
)
def test_other_uris_are_refused(folder: Folder, text: str, message: str) -> None:
    with pytest.raises(AssetError, match=message):
        folder.find_uri(text)


def test_a_link_out_of_the_root_is_refused(folder: Folder) -> None:
    (folder.home / "trap.stl").symlink_to(folder.root.parent / "secret.stl")
    with pytest.raises(AssetError, match="leads outside"):
        folder.find("trap.stl")


def test_large_and_missing_xml_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssetError, match="cannot be read: No such file"):
        read_xml(tmp_path / "a.xml")
    (tmp_path / "a.xml").write_text("<a/>" + " " * (1 << 20))
    assert read_xml(tmp_path / "a.xml").tag == "a"
    monkeypatch.setattr("simvid.assets.robot_xml.MAX_XML_BYTES", 1 << 19)
    with pytest.raises(AssetError, match="expected at most 0 MiB of XML, got 1 MiB"):
        read_xml(tmp_path / "a.xml")
