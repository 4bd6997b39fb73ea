"""Imports point down: values < reading < assets < stages < pipeline < tools; stages never import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "simvid"
STAGES = ("physics", "rendering", "refining", "export", "checking", "evaluating")
LAYERS: dict[str, int] = {
    **dict.fromkeys(
        ("errors", "field_paths", "rotations", "spherical_harmonics", "mesh", "gaussians", "frames", "trajectory"), 0
    ),
    **dict.fromkeys(("optics", "camera_path", "notebook", "collector"), 0),
    **dict.fromkeys(("scene",), 1),
    **dict.fromkeys(
        (
            "yaml_reading",
            "yaml_hints",
            "catalogue",
            "registry",
            "parsing",
            "schema",
            "schema_page",
            "trajectory_io",
        ),
        2,
    ),
    **dict.fromkeys(("clip", "clips", "progress", "lens", "shutter", "motion", "tracks", "derived", "deforming"), 2),
    **dict.fromkeys(("assets", "surfaces", "perception", "captions", "randomize", "success"), 3),
    **dict.fromkeys(STAGES, 4),
    **dict.fromkeys(("pipeline", "jobs"), 5),
    **dict.fromkeys(("generating", "viewing", "dataset", "commands", "doctor", "testing", "calibrating"), 6),
    **dict.fromkeys(("cli", "cli_jobs", "cli_data", "cli_values"), 7),
}
VALUES_MAY_IMPORT = {"numpy", "pydantic", "pydantic_core", "simvid"}


def imports(path: Path, *, with_type_checking: bool) -> Iterator[str]:
    """Absolute names of the modules that a file imports, wherever in it."""
    tree = ast.parse(path.read_text())
    skipped: set[int] = set()
    if not with_type_checking:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                skipped |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the absolute name"
            yield from (
                [f"{node.module}.{a.name}" for a in node.names] if node.module == "simvid" else [node.module or ""]
            )


def faults(path: Path, package: Path = PACKAGE) -> list[str]:
    """What a file imports against the rule."""
    relative = path.relative_to(package)
    home = relative.parts[0].removesuffix(".py")
    if home == "__init__":
        return []
    if home not in LAYERS:
        return [f"{relative}: say in tests/test_layers.py on which layer it is"]
    found = []
    for name in imports(path, with_type_checking=False):
        parts = name.split(".")
        if parts[0] != "simvid" or len(parts) == 1 or parts[1] == home:
            continue
        if parts[1] not in LAYERS:
            continue  # a public name of simvid itself, such as __version__
        if home in STAGES and parts[1] in STAGES:
            found.append(f"{relative}: {home} must not import {parts[1]}")
        elif LAYERS[parts[1]] > LAYERS[home]:
            found.append(f"{relative}: layer {LAYERS[home]} must not import {name} of layer {LAYERS[parts[1]]}")
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


def test_all_files_are_seen() -> None:
    assert len(FILES) > 40


def test_imports_point_down() -> None:
    assert [f for path in FILES for f in faults(path)] == []


def test_values_need_numpy_and_pydantic_only() -> None:
    import sys

    bad = []
    for path in FILES:
        home = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if LAYERS.get(home, 9) > 1:
            continue
        roots = {name.split(".")[0] for name in imports(path, with_type_checking=True)}
        bad += [f"{path.name}: {r}" for r in roots - VALUES_MAY_IMPORT - set(sys.stdlib_module_names)]
    assert bad == []


@pytest.mark.parametrize(
    ("where", "text", "said"),
    [
        ("physics/a.py", "from simvid.rendering import base", "physics must not import rendering"),
        ("mesh.py", "import simvid.assets.meshes", "must not import simvid.assets.meshes"),
        ("nowhere.py", "", "on which layer"),
    ],
)
def test_a_planted_fault_is_found(tmp_path: Path, where: str, text: str, said: str) -> None:
    path = tmp_path / where
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert len(faults(path, tmp_path)) == 1
    assert said in faults(path, tmp_path)[0]
