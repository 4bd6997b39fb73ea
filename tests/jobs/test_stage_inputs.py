"""Results of stages are kept under all that they depend on: values, files and code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import simvid
from simvid.assets.parts import DeformableBody, PartAssets, SceneAssets
from simvid.clips.records import Backend
from simvid.jobs.stage_inputs import Inputs, code_files, physics_inputs, render_inputs
from simvid.scene import Material

PACKAGE = Path(simvid.__file__).parent
NO_RESULTS = {"errors", "notebook", "registry", "collector", "clip", "clips"}
"""What errors say, how values are shown, how backends are found and clips are read and recorded changes no result."""


def imported(path: Path) -> Iterator[Path]:
    """Files of simvid that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            place = PACKAGE.parent.joinpath(*name.split("."))
            if name.startswith("simvid.") and place.with_suffix(".py").is_file():
                yield place.with_suffix(".py")


@pytest.mark.parametrize("stage", ["physics", "rendering", "refining", "checking", "export"])
def test_all_code_of_a_stage_counts(stage: str) -> None:
    todo = list((PACKAGE / stage).rglob("*.py"))
    seen = set(todo)
    while todo:
        found = set(imported(todo.pop())) - seen
        seen |= found
        todo += found
    parts = {path: path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in seen - set(code_files(stage))}
    assert [str(path) for path, home in parts.items() if home not in NO_RESULTS] == []


def with_particles(assets: SceneAssets, rest: list[list[float]]) -> SceneAssets:
    """The scene, its second part made of two particles."""
    body = DeformableBody(
        "elastic", Material(), "solid", 0.01, np.array(rest, np.float32), np.ones(2), np.ones(2), None, 0.005
    )
    parts: list[PartAssets] = list(assets.parts)
    parts[1] = replace(parts[1], deformable=body, colliders=())
    return replace(assets, parts=tuple(parts))


def test_where_particles_are_counts(free_fall: None, flying_file: Path) -> None:
    from simvid.jobs.preflight import prepared

    assets = prepared(simvid.load_scene(flying_file))
    one, two = (with_particles(assets, [[0, 0, z], [0, 0, -z]]) for z in (0.01, 0.02))
    engine = Backend(backend="free_fall", version="1")

    def inputs(of: SceneAssets) -> list[Inputs]:
        return [physics_inputs(of, engine), render_inputs(of, "front", engine, "a" * 64)]

    assert inputs(one) == inputs(with_particles(assets, [[0, 0, 0.01], [0, 0, -0.01]]))
    assert [a == b for a, b in zip(inputs(one), inputs(two), strict=True)] == [False, False]
