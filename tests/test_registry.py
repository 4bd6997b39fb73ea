"""Backends by name: simvid's own, those of other packages, and what goes wrong with either."""

from __future__ import annotations

import importlib
import runpy
import tomllib
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import SimpleNamespace

import pytest

from simvid import registry
from simvid.errors import MissingExtraError, SimvidError

Plant = Callable[[Sequence[tuple[str, str, str]]], None]


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Other packages' entry points: name, value, distribution. Their modules may lie in ``tmp_path``."""
    monkeypatch.syspath_prepend(tmp_path)

    def plant(points: Sequence[tuple[str, str, str]]) -> None:
        made = []
        for name, value, distribution in points:
            point = EntryPoint(name, value, "simvid.rendering")
            vars(point).update(dist=SimpleNamespace(name=distribution))
            made.append(point)
        monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: EntryPoints(made).select(group=group))

    return plant


def test_the_built_in_table_is_that_of_pyproject(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    points = {group.removeprefix("simvid."): table for group, table in project["entry-points"].items()}
    untouched = runpy.run_path(str(root / "simvid" / "registry.py"))  # other tests add engines to the imported one
    assert {group: dict(table) for group, table in untouched["BUILT_IN"].items()} == points
    extras = {extra for table in registry.EXTRAS.values() for extra in table.values()}
    assert extras <= set(project["optional-dependencies"])


def test_extras_bring_what_they_are_named_for(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for table in registry.EXTRAS.values():
        for package, extra in table.items():
            brought = [line.split(">")[0] for line in project["optional-dependencies"][extra]]
            assert any(name.startswith(package) for name in brought), (package, extra)


def test_what_is_installed_is_looked_through_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looked = []

    def look(*, group: str) -> EntryPoints:
        looked.append(group)
        return EntryPoints(())

    monkeypatch.setattr("importlib.metadata.entry_points", look)
    for _ in range(3):
        registry.load("rendering", "reference")
        assert "identity" in registry.names("refining")
    assert looked == ["simvid.rendering", "simvid.refining"]
    monkeypatch.syspath_prepend(tmp_path)
    registry.load("rendering", "reference")
    assert looked[2:] == ["simvid.rendering"], "another path may have other packages"


@pytest.mark.parametrize("group", ["physics", "rendering", "refining"])
def test_own_backends_load(group: registry.Group) -> None:
    for name, value in registry.BUILT_IN[group].items():
        module, _, attribute = value.partition(":")
        assert registry.load(group, name) is getattr(importlib.import_module(module), attribute)


def test_unknown_name_lists_what_is_there(plugins: Plant) -> None:
    plugins([])
    with pytest.raises(SimvidError) as caught:
        registry.load("rendering", "cup")
    assert str(caught.value) == (
        "expected a registered renderer backend, got 'cup'\n"
        "  hint: did you mean 'cpu'? registered: cpu, cuda, pathtrace, reference"
    )
    assert not registry.known("rendering", "cup")
    assert registry.known("rendering", "cpu")


def test_a_plug_in_is_found_and_loaded_on_first_use(plugins: Plant, tmp_path: Path) -> None:
    (tmp_path / "my_renderer.py").write_text("class Mine: ...\n")
    plugins([("mine", "my_renderer:Mine", "my-package"), ("late", "not_there:X", "other")])
    assert registry.names("rendering") == ("cpu", "cuda", "late", "mine", "pathtrace", "reference")
    assert registry.load("rendering", "mine").__name__ == "Mine"
    assert set(registry.names("refining")) == set(registry.BUILT_IN["refining"])


def test_an_installed_simvid_does_not_clash_with_itself(plugins: Plant) -> None:
    plugins([("cpu", registry.BUILT_IN["rendering"]["cpu"], "simvid")])
    assert registry.names("rendering") == ("cpu", "cuda", "pathtrace", "reference")
    assert registry._collected("rendering")["cpu"] == [
        registry._Source(registry.BUILT_IN["rendering"]["cpu"], "simvid")
    ]


def test_two_of_one_name_is_an_error_that_names_both(plugins: Plant) -> None:
    plugins([("mine", "a:A", "first"), ("mine", "b:B", "second"), ("cpu", "c:C", "third")])
    with pytest.raises(
        SimvidError, match=r"renderer backend 'mine' is registered twice, by first \(a:A\) and second \(b:B\)"
    ):
        registry.load("rendering", "mine")
    with pytest.raises(
        SimvidError, match=r"'cpu' is registered twice, by simvid \(.*CpuRasterizer\) and third \(c:C\)"
    ):
        registry.load("rendering", "cpu")


def test_a_missing_package_names_the_extra(plugins: Plant, tmp_path: Path) -> None:
    (tmp_path / "needs_extra.py").write_text("import pyoidn_not_real\n")
    (tmp_path / "needs_known.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'gsplat'\", name='gsplat.cuda')\n"
    )
    plugins([("a", "needs_extra:A", "my-package"), ("b", "needs_known:B", "my-package")])
    with pytest.raises(MissingExtraError, match=r"renderer backend 'b' needs the package 'gsplat': .*\[cuda\]'$"):
        registry.load("rendering", "b")
    with pytest.raises(SimvidError, match="renderer backend 'a' of my-package needs the module 'pyoidn_not_real'"):
        registry.load("rendering", "a")


def test_what_a_module_says_itself_when_imported_is_left_as_it_is(plugins: Plant, tmp_path: Path) -> None:
    (tmp_path / "speaks.py").write_text("from simvid.errors import PhysicsError\nraise PhysicsError('no GPU here')\n")
    plugins([("a", "speaks:A", "my-package")])
    with pytest.raises(SimvidError, match=r"^no GPU here$"):
        registry.load("rendering", "a")


def test_what_is_not_there_or_no_class(plugins: Plant, tmp_path: Path) -> None:
    (tmp_path / "half_made.py").write_text("thing = 5\n")
    plugins([("a", "half_made:Gone", "my-package"), ("b", "half_made:thing", "my-package")])
    with pytest.raises(SimvidError, match="'a' of my-package is half_made:Gone, but that does not exist"):
        registry.load("rendering", "a")
    with pytest.raises(SimvidError, match="'b' of my-package: expected a class at half_made:thing, got 5"):
        registry.load("rendering", "b")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("from simvid.errors import Gone\n", "ImportError: cannot import name 'Gone'"),
        ("import simvid\nsimvid.gone\n", "AttributeError: module 'simvid' has no attribute 'gone'"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_plug_in_that_fails_when_imported_is_named(plugins: Plant, tmp_path: Path, text: str, cause: str) -> None:
    module = f"fails_by_{cause.partition(':')[0]}"  # one each: imports are remembered
    (tmp_path / f"{module}.py").write_text(text)
    plugins([("old", f"{module}:Old", "old-package")])
    with pytest.raises(SimvidError, match=f"renderer backend 'old' of old-package cannot be imported: {cause}"):
        registry.load("rendering", "old")
