"""``--set cameras.front.fov_y_deg=60``: values given from outside, put into the tree before it is checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel

from simvid.errors import Fault, SceneError
from simvid.field_paths import text
from simvid.parsing.targets import NoSuchFieldError, replaced
from simvid.yaml_reading import SET_LINE, read_value

Overrides: TypeAlias = Mapping[str, object] | Sequence[str]


@dataclass(frozen=True)
class Applied:
    """A tree with overrides in it."""

    tree: dict[str, Any]
    lines: dict[str, int]
    faults: list[Fault] = field(default_factory=list)


def apply(tree: Mapping[str, Any], lines: Mapping[str, int], file: str, overrides: Overrides) -> Applied:
    """Set each override in turn. What it set, and all below, gets the line 0, which stands for ``--set``."""
    faults: list[Fault] = []
    result, marks = dict(tree), dict(lines)
    for path, value in _pairs(overrides, file, faults):
        try:
            result, target = replaced(result, path, value, create=True)
        except NoSuchFieldError as error:
            faults.append(Fault(file, SET_LINE, path, error.message, error.hint))
            continue
        at = text(target.loc)
        marks = {p: line for p, line in marks.items() if not p.startswith((f"{at}.", f"{at}["))}
        marks[at] = SET_LINE
    return Applied(result, marks, faults)


def _pairs(overrides: Overrides, file: str, faults: list[Fault]) -> Iterable[tuple[str, object]]:
    if isinstance(overrides, Mapping):
        yield from ((path, _as_read(value)) for path, value in overrides.items())
        return
    for item in [overrides] if isinstance(overrides, str) else overrides:
        path, equals, value = item.partition("=")
        if not equals or not path.strip():
            faults.append(Fault(file, SET_LINE, item, f"expected PATH=VALUE, got {item!r}", "as in fps=12"))
            continue
        try:
            yield path.strip(), read_value(value)
        except SceneError as error:
            faults.extend(Fault(file, SET_LINE, path.strip(), fault.message, fault.hint) for fault in error.faults)


def _as_read(value: object) -> object:
    """A Python value as a YAML file would hold it."""
    if isinstance(value, BaseModel):
        return _as_read(value.model_dump(exclude_unset=True))
    if isinstance(value, list | tuple):
        return [_as_read(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _as_read(item) for key, item in value.items()}
    return value
