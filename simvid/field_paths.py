"""Field paths such as ``bodies[2].shape.box.size_m``: how messages, marks, ``--set`` and ``randomize`` name a field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

Loc: TypeAlias = tuple[str | int, ...]
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART = re.compile(r'\["([^"]*)"\]|\[([^\[\]"]+)\]|([^.\[\]]+)')


def join(path: str, key: str | int) -> str:
    """The path of what lies under ``key``; keys that would be read as a path are quoted: ``randomize["fps"]``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not _PLAIN.fullmatch(key):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


def text(loc: Loc) -> str:
    """A location as a path."""
    path = ""
    for key in loc:
        path = join(path, key)
    return path


def parts(path: str) -> tuple[str, ...]:
    """The keys of a path; ``bodies.duck.pose``, ``bodies[duck].pose`` and ``bodies[2].pose`` are all allowed.

    Raises:
        ValueError: the text is no path.
    """
    found: list[str] = []
    at = 0
    while at < len(path):
        if found and path[at] == ".":
            at += 1
        elif found and path[at] != "[":
            raise ValueError(path)
        match = _PART.match(path, at)
        if match is None:
            raise ValueError(path)
        found.append(next(group for group in match.groups() if group is not None))
        at = match.end()
    if not found or path.endswith("."):
        raise ValueError(path)
    return tuple(found)


def item_name(tree: object, loc: Loc) -> str | None:
    """The ``name`` of the list item that ``loc`` lies in, where it has one: ``duck`` for ``bodies[2].shape``."""
    name = None
    for key in loc:
        if isinstance(tree, Mapping) and key in tree:
            tree = tree[key]
        elif isinstance(tree, list | tuple) and isinstance(key, int) and key < len(tree):
            tree = tree[key]
            if isinstance(tree, Mapping) and isinstance(tree.get("name"), str):
                name = tree["name"]
        else:
            break
    return name if name is not None and _PLAIN.fullmatch(name) else None
