"""Whether the engine, the renderer and the refiner that a scene names exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from simvid import catalogue, registry
from simvid.catalogue import BackendShelf
from simvid.errors import Fault, SceneError
from simvid.field_paths import Loc
from simvid.parsing.wording import fault
from simvid.registry import Group
from simvid.yaml_reading import Document

_GROUP_OF: Mapping[BackendShelf, Group] = {"renderers": "rendering", "refiners": "refining"}


def backend_faults(document: Document, base: Path) -> list[Fault]:
    """Unknown names, and faults in the entries' own files."""
    tree = document.tree if isinstance(document.tree, dict) else {}
    physics, refine = tree.get("physics"), tree.get("refine")
    faults: list[Fault] = []
    engine = physics.get("engine") if isinstance(physics, dict) else None
    if isinstance(engine, str) and not registry.known("physics", engine):
        hint = registry.hint("physics", engine)
        faults.append(fault(document, ("physics", "engine"), f"expected a registered engine, got '{engine}'", hint))
    refiner = refine.get("refiner") if isinstance(refine, dict) else None
    named: tuple[tuple[BackendShelf, Loc, object], ...] = (
        ("renderers", ("render",), tree.get("render")),
        ("refiners", ("refine", "refiner"), refiner),
    )
    for shelf, loc, name in named:
        if isinstance(name, str):
            faults.extend(_entry_faults(document, shelf, loc, name, base))
    return faults


def _entry_faults(document: Document, shelf: BackendShelf, loc: Loc, name: str, base: Path) -> Iterator[Fault]:
    assert shelf in get_args(BackendShelf)
    try:
        entry = catalogue.load_entry(shelf, name, base)
    except SceneError as error:
        if error.faults:
            yield from error.faults
            return
        known = {found.name: found for found in catalogue.entries(shelf)}
        noun = shelf.removesuffix("s")
        message = f"expected the name of a {noun}, or the path of a YAML file that is there, got '{name}'"
        yield fault(document, loc, message, catalogue.hint(name, known))
        return
    group = _GROUP_OF[shelf]
    if not registry.known(group, entry.backend):
        line = entry.document.lines.get("backend")
        message = f"expected a registered backend, got '{entry.backend}'"
        yield Fault(str(entry.path), line, "backend", message, registry.hint(group, entry.backend))
