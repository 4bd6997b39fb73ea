"""From a scene file to a ``Scene``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simvid import catalogue
from simvid.errors import Fault, SceneError
from simvid.parsing.backends import backend_faults
from simvid.parsing.overrides import Overrides, apply
from simvid.parsing.references import reference_faults
from simvid.parsing.variation import variation_faults
from simvid.parsing.wording import named, schema_faults, shown
from simvid.scene import Scene
from simvid.yaml_reading import Document, read_text, read_yaml


def load_scene(path_or_name: str | Path, overrides: Overrides = ()) -> Scene:
    """Read a scene file, or an entry of the ``scenes/`` shelf by its name.

    Values that vary (``randomize``) keep what is written; ``simvid.randomize.sample`` draws them.

    Args:
        path_or_name: ``my/scene.yaml``, or ``domino_row``.
        overrides: ``{"cameras.front.fov_y_deg": 60}``, or ``["cameras.front.fov_y_deg=60"]`` with values in YAML. Items
            of a list are named by their ``name`` or their index.

    Raises:
        SceneError: every fault of the file in one text, a line each: ``file:line: field: expected …, got …``.
    """
    path = catalogue.find("scenes", str(path_or_name))
    return parse_scene(read_text(path), str(path), path.parent, overrides)


def parse_scene(
    text: str, file: str = "<text>", base: str | Path = ".", overrides: Overrides = (), *, cut: bool = False
) -> Scene:
    """Read a scene from text.

    Args:
        text: YAML.
        file: its name in messages; the scene's ``name`` defaults to its stem.
        base: folder that relative paths of assets start from.
        overrides: as for ``load_scene``.
        cut: it is that of a clip that may be the first frames of its scene: what comes after its end is no fault.

    Raises:
        SceneError: as ``load_scene``.
    """
    document = read_yaml(text, file)
    if not isinstance(document.tree, dict):
        hint = "a scene file starts with simvid: 1"
        raise SceneError.of([Fault(file, 1, "file", f"expected a mapping of keys, got {shown(document.tree)}", hint)])
    applied = apply(document.tree, document.lines, file, overrides)
    tree = {"name": default_name(file), **applied.tree}
    document = replace(document, tree=tree, lines=applied.lines)
    return checked(document, Path(base), applied.faults, cut=cut)


def checked(document: Document, base: Path, known: list[Fault] | None = None, *, cut: bool = False) -> Scene:
    """The scene of a tree.

    Args:
        document: tree and lines.
        base: folder that relative paths start from.
        known: faults found before.
        cut: as for ``parse_scene``.

    Raises:
        SceneError: the faults known and all others.
    """
    faults = [*(known or ()), *(named(document, found) for found in document.faults)]
    scene: Scene | None = None
    try:
        scene = Scene.model_validate(document.tree)
    except ValidationError as error:
        faults += schema_faults(Scene, document, error)
    faults += reference_faults(document, cut=cut)
    faults += backend_faults(document, base)
    if scene is not None and scene.randomize:
        faults += variation_faults(document, base, scene.randomize)
    if faults or scene is None:
        raise SceneError.of(faults)
    return placed(scene, document, base)


def placed(scene: Scene, document: Document, base: Path) -> Scene:
    """The scene, told where it comes from."""
    scene._file = document.file
    scene._base = str(base)
    scene._lines = dict(document.lines)
    return scene


def default_name(file: str) -> str:
    """A scene's name from that of its file: what a name may not hold becomes ``_``."""
    stem = re.sub(r"[^A-Za-z0-9_]", "_", Path(file).stem).strip("_") or "scene"
    return (stem if stem[0].isalpha() else f"scene_{stem}")[:64]


def tree_of(scene: Scene) -> Mapping[str, Any]:
    """What is set in a scene, as the plain values of a file."""
    return scene.model_dump(exclude_unset=True)
