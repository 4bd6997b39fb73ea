"""YAML made strict: numbers of YAML 1.2, no tags, no duplicate keys, bounded size, and the line of every field kept.

PyYAML is used for its scanner alone. Its own rules would read ``1e-3`` as text, ``on`` as true, ``012`` as ten and
``12:30`` as 750, and would keep the last of two equal keys in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import yaml

from simvid.errors import Fault, SceneError
from simvid.field_paths import join
from simvid.yaml_hints import explain

MAX_BYTES = 4 * 2**20
MAX_NODES = 100_000
"""Values in a file, aliases written out."""
MAX_DEPTH = 64
SET_LINE = 0
"""The line of what does not stand in the file but was given by ``--set``."""

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,39})")
_BASED = re.compile(r"0x[0-9a-fA-F]{1,32}|0o[0-7]{1,32}")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_CORE = "tag:yaml.org,2002:"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's scanner where PyYAML has it (its wheels do), else the same in Python: slower, not different."""
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Document:
    """A file as plain values: mappings (text keys), lists, text, numbers, booleans, None."""

    file: str
    tree: Any
    """As read; after ``--set`` with whatever was set in it."""
    lines: dict[str, int]
    """Field path, such as ``bodies[0].shape.mesh``, to its line, from 1."""
    faults: tuple[Fault, ...] = ()
    """Duplicate keys and the like; the rest could be read all the same."""


@dataclass(slots=True)
class _Node:
    line: int
    value: bool | int | float | str | list[_Node] | dict[str, tuple[int, _Node]] | None
    notes: list[tuple[str, int, str, str]] = field(default_factory=list)
    """Faults in this very mapping: key, line, message, hint."""


def scalar(text: str) -> bool | int | float | str | None:
    """An unquoted word of YAML: a number, ``true``, ``false``, ``null``, ``~`` or else text.

    Integers of more than forty digits become floats.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def read_text(path: Path) -> str:
    """The text of a YAML file of at most 4 MiB.

    Raises:
        SceneError: it is missing, no plain file, too long, or not UTF-8.
    """
    file = str(path)
    try:
        if not path.is_file():
            got = "a folder" if path.is_dir() else "something else" if path.exists() else "no file there"
            raise SceneError.of([Fault(file, None, "file", f"expected a YAML file, got {got}")])
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SceneError.of([Fault(file, None, "file", f"expected a readable file, got: {error.strerror}")]) from error
    if len(data) > MAX_BYTES:
        raise SceneError.of([_too_long(file)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        message = f"expected UTF-8 text, got the byte 0x{data[error.start]:02x}"
        raise SceneError.of([Fault(file, line, "YAML", message, "save the file as UTF-8")]) from error


def read_yaml(text: str, file: str) -> Document:
    """Read one YAML document.

    Raises:
        SceneError: the text is no YAML, is empty, holds several documents, or is larger than any scene needs to be.
    """
    if len(text) > MAX_BYTES:
        raise SceneError.of([_too_long(file)])
    text = text.removeprefix("\ufeff")
    bad = _FORBIDDEN.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        message = f"expected printable text, got the character U+{ord(bad[0]):04X}"
        raise SceneError.of([Fault(file, line, "YAML", message)])
    try:
        node = _Composer(text, file).document()
    except yaml.MarkedYAMLError as error:
        line, message, hint = explain(error, text)
        raise SceneError.of([Fault(file, line, "YAML", message, hint)]) from error
    return _Expander(file).document(node)


def read_value(text: str) -> Value:
    """The value of ``--set PATH=VALUE``: a YAML value such as ``60``, ``[1, 2]`` or ``{box: {size_m: 1}}``.

    Raises:
        SceneError: as for a file; its faults are at ``<value>``.
    """
    document = read_yaml(text if text.strip() else "~", "<value>")
    if document.faults:
        raise SceneError.of(document.faults)
    value: Value = document.tree
    return value


def _too_long(file: str) -> Fault:
    return Fault(file, None, "file", f"expected at most {MAX_BYTES // 2**20} MiB of YAML, got more")


class _Composer:
    """YAML events to nodes, one each however often an alias names it."""

    def __init__(self, text: str, file: str) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        self._file = file
        self._anchors: dict[str, _Node | None] = {}
        self._count = 0

    def document(self) -> _Node:
        """The one document of the text."""
        next(self._events)  # stream start
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            self._fail(1, "expected a mapping of keys, got an empty file")
        node = self._node(next(self._events), 0)
        next(self._events)  # document end
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._fail(_line(event), "expected one YAML document, got a second one", "remove the line ---")
        return node

    def _fail(self, line: int, message: str, hint: str = "") -> NoReturn:
        raise SceneError.of([Fault(self._file, line, "YAML", message, hint)])

    def _node(self, event: yaml.Event, depth: int) -> _Node:
        line = _line(event)
        self._count += 1
        if self._count > MAX_NODES:
            self._fail(line, f"expected at most {MAX_NODES} values, got more")
        if depth > MAX_DEPTH:
            self._fail(line, f"expected at most {MAX_DEPTH} levels, got more")
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event)
        assert isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent)
        if event.tag is not None:
            hint = "put text in quotes; simvid reads plain values only"
            self._fail(line, f"expected a value without a tag, got the tag {event.tag.replace(_CORE, '!!')}", hint)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = _Node(line, scalar(event.value) if event.implicit[0] else event.value)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(line, depth)
        else:
            node = self._mapping(line, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _aliased(self, event: yaml.AliasEvent) -> _Node:
        line, name = _line(event), event.anchor
        if name not in self._anchors:
            self._fail(line, f"expected the name of an anchor above, got *{name}", _known("anchors", self._anchors))
        node = self._anchors[name]
        if node is None:
            self._fail(line, f"expected a value that does not hold itself, got *{name} inside &{name}")
        return node

    def _sequence(self, line: int, depth: int) -> _Node:
        items: list[_Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return _Node(line, items)

    def _mapping(self, line: int, depth: int) -> _Node:
        entries: dict[str, tuple[int, _Node]] = {}
        node = _Node(line, entries)
        merged: list[_Node] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            at = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                self._fail(at, "expected a key that is text, got a list, mapping or alias")
            if event.tag is not None:
                self._fail(at, f"expected a key without a tag, got the tag {event.tag.replace(_CORE, '!!')}")
            key = event.value
            value = self._node(next(self._events), depth + 1)
            if key == "<<" and event.implicit[0]:
                merged.append(value)
            elif key in entries:
                hint = "remove one of them"
                node.notes.append(
                    (key, at, f"expected each key once, got it again (first in line {entries[key][0]})", hint)
                )
            else:
                entries[key] = (at, value)
        for value in merged:
            self._merge(entries, value)
        return node

    def _merge(self, entries: dict[str, tuple[int, _Node]], value: _Node) -> None:
        """``<<: *base`` takes the keys of another mapping (or of several) that are not given here."""
        for source in value.value if isinstance(value.value, list) else [value]:
            if not isinstance(source.value, dict):
                self._fail(
                    value.line, "expected a mapping after <<, got something else", "write <<: *name_of_a_mapping"
                )
            self._count += len(source.value)
            if self._count > MAX_NODES:
                self._fail(value.line, f"expected at most {MAX_NODES} values, got more")
            for key, entry in source.value.items():
                entries.setdefault(key, entry)


class _Expander:
    """Nodes to plain values, aliases written out, with the line of every path."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[str, int] = {}
        self._faults: list[Fault] = []
        self._told: set[int] = set()

    def document(self, root: _Node) -> Document:
        tree = self._value(root, "", root.line, 0)
        return Document(self._file, tree, self._lines, tuple(self._faults))

    def _value(self, node: _Node, path: str, line: int, depth: int) -> Value:
        self._lines[path] = line
        for limit, got, what in ((MAX_NODES, len(self._lines), "values"), (MAX_DEPTH, depth, "levels")):
            if got > limit:
                message = f"expected at most {limit} {what} with aliases written out, got more"
                raise SceneError.of([Fault(self._file, line, "YAML", message, "use fewer aliases (*name)")])
        if isinstance(node.value, list):
            return [self._value(item, join(path, k), item.line, depth + 1) for k, item in enumerate(node.value)]
        if isinstance(node.value, dict):
            if node.notes and id(node) not in self._told:
                self._told.add(id(node))
                notes = (Fault(self._file, at, join(path, key), text, hint) for key, at, text, hint in node.notes)
                self._faults.extend(notes)
            return {k: self._value(v, join(path, k), at, depth + 1) for k, (at, v) in node.value.items()}
        return node.value


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1


def _known(what: str, names: Mapping[str, object]) -> str:
    return f"{what}: {', '.join(names)}" if names else f"there are no {what} in the file"
