"""The shelves: what stands on them, found by name or path, in a checkout and where they are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from simvid import catalogue, registry
from simvid.catalogue import SHELVES, Shelf, entries, find, folder, load_entry
from simvid.errors import SceneError
from simvid.parsing import load_scene
from simvid.scene.base import Model


class Settings(Model):
    threads: Annotated[int, Field(ge=1)] | None = None
    detail_px: float = 1.0


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own set of shelves, found as those of an installed package are."""
    for name in SHELVES:
        (tmp_path / "simvid" / "catalogue_data" / name).mkdir(parents=True)
    monkeypatch.setattr(catalogue, "__file__", str(tmp_path / "simvid" / "catalogue.py"))
    return tmp_path / "simvid" / "catalogue_data" / "renderers"


def test_every_file_of_a_checkout_is_an_entry(root: Path) -> None:
    for name in SHELVES:
        assert folder(name) == root / name
        files = {path.stem for path in (root / name).rglob("*.yaml")}
        assert {entry.name for entry in entries(name)} == files
        assert files


@pytest.mark.parametrize("name", ["renderers", "refiners"])
def test_every_backend_entry_names_a_registered_backend(name: catalogue.BackendShelf) -> None:
    group: registry.Group = "rendering" if name == "renderers" else "refining"
    for entry in entries(name):
        assert load_entry(name, entry.name).backend in registry.names(group)


def test_every_scene_is_sound() -> None:
    for entry in entries("scenes"):
        scene = load_scene(entry.name)
        assert scene.name == entry.name


@pytest.mark.parametrize("name", SHELVES)
def test_every_entry_says_in_its_first_line_what_it_is(name: Shelf) -> None:
    assert all(len(entry.summary) > 20 for entry in entries(name))


def test_installed_shelves_come_first(shelf: Path) -> None:
    (shelf / "fast.yaml").write_text("# Quick.\nbackend: cpu\n")
    assert folder("renderers") == shelf
    assert [(e.name, e.path, e.summary) for e in entries("renderers")] == [("fast", shelf / "fast.yaml", "Quick.")]


def test_a_checkout_has_them_beside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "__file__", str(tmp_path / "simvid" / "catalogue.py"))
    assert folder("scenes") == tmp_path.resolve() / "scenes"


def test_subfolders_names_and_order(shelf: Path) -> None:
    (shelf / "deep" / "er").mkdir(parents=True)
    for path in ("b.yaml", "deep/er/a.yml", "deep/c.yaml", "README.md", "scene.schema.json"):
        (shelf / path).write_text("# x\n")
    assert [entry.name for entry in entries("renderers")] == ["a", "b", "c"]
    assert find("renderers", "a") == shelf / "deep" / "er" / "a.yml"


def test_one_name_twice_is_an_error_that_names_both(shelf: Path) -> None:
    (shelf / "deep").mkdir()
    (shelf / "a.yaml").write_text("backend: cpu\n")
    (shelf / "deep" / "a.yaml").write_text("backend: cpu\n")
    with pytest.raises(SceneError, match=r"expected each name once, got 'a' in .*renderers/a.yaml and .*deep/a.yaml"):
        entries("renderers")


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("# yaml-language-server: $schema=x.json\n#\n#  Two ducks. \n# more\nsimvid: 1\n", "Two ducks."),
        ("\n\n# After blank lines\n", "After blank lines"),
        ("simvid: 1\n# too late\n", ""),
        ("", ""),
    ],
)
def test_summary(shelf: Path, text: str, summary: str) -> None:
    (shelf / "a.yaml").write_text(text)
    assert entries("renderers")[0].summary == summary


def test_find_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text("backend: cpu\n")
    monkeypatch.chdir(tmp_path)
    assert find("renderers", "mine.yaml") == Path("mine.yaml")
    assert find("renderers", "./mine.yaml") == Path("mine.yaml")
    assert find("renderers", str(tmp_path / "mine.yaml")) == tmp_path / "mine.yaml"
    assert find("renderers", "mine.yaml", base=tmp_path) == tmp_path / "mine.yaml"
    with pytest.raises(SceneError, match=r"expected a file, got 'mine.yaml': nothing there"):
        find("renderers", "mine.yaml", base=tmp_path / "other")
    with pytest.raises(SceneError, match=r"got 'mime.yaml': nothing there\n  hint: did you mean 'mine.yaml'\?$"):
        find("renderers", "mime.yaml")
    with pytest.raises(SceneError, match=r"got 'far.yaml': nothing there$"):
        find("renderers", "far.yaml")


def test_unknown_name(shelf: Path) -> None:
    with pytest.raises(SceneError, match=r"renderers: expected a name on the shelf, got 'cpu'\n  hint: known: none"):
        find("renderers", "cpu")
    (shelf / "cuda.yaml").write_text("backend: cpu\n")
    (shelf / "other.yaml").write_text("backend: cpu\n")
    with pytest.raises(SceneError, match=r"got 'cud'\n  hint: did you mean 'cuda'\? known: cuda, other"):
        find("renderers", "cud")


def test_load_entry(shelf: Path) -> None:
    (shelf / "fast.yaml").write_text("# Quick.\nbackend: cpu\nsettings:\n  threads: 2\n")
    entry = load_entry("renderers", "fast")
    assert (entry.name, entry.backend, entry.settings) == ("fast", "cpu", {"threads": 2})
    assert entry.path == shelf / "fast.yaml"
    assert entry.settings_as(Settings) == Settings(threads=2)


def test_settings_default_to_nothing(shelf: Path) -> None:
    (shelf / "fast.yaml").write_text("backend: cpu\n")
    entry = load_entry("renderers", "fast")
    assert entry.settings == {}
    assert entry.settings_as(Settings) == Settings()


def test_faults_of_settings_have_lines(shelf: Path) -> None:
    (shelf / "fast.yaml").write_text("# Quick.\nbackend: cpu\nsettings:\n  threads: 0\n  detail: 2\n")
    with pytest.raises(SceneError) as caught:
        load_entry("renderers", "fast").settings_as(Settings)
    assert str(caught.value).splitlines() == [
        f"{shelf}/fast.yaml:4: settings.threads: expected a whole number >= 1, got 0",
        f"{shelf}/fast.yaml:5: settings.detail: expected a known key, got 'detail'",
        "  hint: did you mean 'detail_px' (pixels)?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("settings: {}\n", "fast.yaml:1: backend: expected a name"),
        ("backend: simvid.rendering.cpu.rasterizer:CpuRasterizer\n", "fast.yaml:1: backend: expected a name"),
        ("backend: cpu\nsettings: 5\n", "fast.yaml:2: settings: expected a mapping, got 5"),
        ("backend: cpu\nbackend: cpu\n", "fast.yaml:2: backend: expected each key once"),
        ("- backend\n", "fast.yaml:1: file: expected a mapping of keys, got ['backend']"),
        ("backend: [\n", "fast.yaml:"),
    ],
)
def test_faults_of_an_entry(shelf: Path, text: str, said: str) -> None:
    (shelf / "fast.yaml").write_text(text)
    with pytest.raises(SceneError) as caught:
        load_entry("renderers", "fast")
    assert str(caught.value).startswith(f"{shelf}/{said}")


def test_listing_loads_nothing_heavy() -> None:
    code = (
        "import sys, simvid.catalogue, simvid.registry; simvid.catalogue.entries('scenes'); "
        "simvid.registry.names('rendering'); print(sorted({'numpy', 'pydantic', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
