"""Pydantic's complaints in the words of scene files: ``file:line: field: expected …, got …``, and a hint."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic_core import ErrorDetails

from simvid.errors import Fault
from simvid.field_paths import Loc, item_name, parts, text
from simvid.parsing.kinds import Kind, below, chosen, describe, kinds
from simvid.parsing.names import closest, did_you_mean, key_hint, unit
from simvid.scene.base import MAPPING_ARM, TEXT_ARM, Model, Name, OneOf
from simvid.scene.rules import RULE_ERROR, Problem
from simvid.yaml_reading import Document


def fault(document: Document, loc: Loc, message: str, hint: str = "") -> Fault:
    """A fault at a place of a document; without a line of its own it gets that of the nearest thing around it."""
    line = next((document.lines[p] for n in range(len(loc), -1, -1) if (p := text(loc[:n])) in document.lines), None)
    return named(document, Fault(document.file, line, text(loc) or "file", message, hint))


def named(document: Document, found: Fault) -> Fault:
    """A fault whose field says the name of the list item that it lies in: ``bodies[2].shape (duck)``."""
    keys = parts(found.field)
    name = item_name(document.tree, tuple(int(key) if key.isdecimal() else key for key in keys))
    return replace(found, field=f"{found.field} ({name})") if name else found


def shown(value: object) -> str:
    """A value as the reader of a message knows it from the file."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value[:60]}…' (text)" if len(value) > 60 else f"'{value}' (text)"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "infinity" if value > 0 else "-infinity"
    if isinstance(value, int | float):
        return f"{value:.12g}"
    if isinstance(value, Mapping):
        return f"a mapping with {', '.join(map(str, list(value)[:8]))}" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        inside = ", ".join(shown(item).removesuffix(" (text)") for item in value)
        return f"[{inside}]" if len(inside) <= 60 and len(value) <= 8 else f"a list of {len(value)}"
    return type(value).__name__


def schema_faults(root: type[BaseModel], document: Document, error: ValidationError) -> list[Fault]:
    """Every fault that pydantic found, and every rule that it did not get to because of them.

    A key that is missing only because it is misspelt is told once.
    """
    found = error.errors(include_url=False)
    misspelt = {_meant(root, document.tree, details) for details in found if details["type"] == "extra_forbidden"}
    told = [d for d in found if d["type"] != "missing" or d["loc"] not in misspelt]
    problems = [_problem(root, document.tree, details) for details in told]
    faulty = [problem.loc for problem in problems] + [_in_file(loc) for loc in misspelt if loc is not None]
    problems += _rules_behind(root, document.tree, faulty)
    first: dict[tuple[Loc, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.loc, problem.expected), problem)
    return [fault(document, p.loc, f"expected {p.expected}, got {p.got}", p.hint) for p in first.values()]


def _walk(root: type[BaseModel], tree: object, loc: Loc) -> Iterator[tuple[Loc, tuple[Kind, ...], object]]:
    """From the top down along pydantic's location: path in the file, what may stand there, what does stand there.

    The names of a union's arms are left out; ``low`` of a pair written as a list becomes its index; the walk ends where
    the file does.
    """
    here: Loc = ()
    expected: tuple[Kind, ...] = kinds(root)
    yield here, expected, tree
    for key in loc:
        if key in (TEXT_ARM, MAPPING_ARM):
            continue
        kind = chosen(expected, tree)
        step = key
        if isinstance(tree, list | tuple) and isinstance(key, str) and kind is not None and kind.model is not None:
            step = list(kind.model.model_fields).index(key)
        expected = below(kind, key)
        inside = isinstance(tree, Mapping) or (isinstance(tree, list | tuple) and isinstance(step, int))
        if not inside or key == "[key]":
            return
        here = (*here, step)
        if isinstance(tree, Mapping):
            tree = tree.get(step)
        elif isinstance(tree, list | tuple) and isinstance(step, int):
            tree = tree[step] if step < len(tree) else None
        yield here, expected, tree


def _meant(root: type[BaseModel], tree: object, details: ErrorDetails) -> Loc | None:
    """Where the key that was probably meant by an unknown one would be."""
    *_, (_, expected, value), _ = _walk(root, tree, details["loc"])
    kind = chosen(expected, value)
    near = (
        closest(str(details["loc"][-1]), kind.model.model_fields)
        if kind is not None and kind.model is not None
        else None
    )
    return (*details["loc"][:-1], near) if near is not None else None


def _in_file(loc: Loc) -> Loc:
    return tuple(key for key in loc if key not in (TEXT_ARM, MAPPING_ARM))


def _problem(root: type[BaseModel], tree: object, details: ErrorDetails) -> Problem:
    trail = list(_walk(root, tree, details["loc"]))
    here, expected, value = trail[-1]
    context: dict[str, Any] = details.get("ctx", {})
    key = str(here[-1]) if here else ""
    if details["type"] == RULE_ERROR:
        return Problem(here, str(context["expected"]), str(context["got"]), str(context["hint"]))
    if details["type"] == "extra_forbidden":
        kind = chosen(*trail[-2][1:])
        model = kind.model if kind is not None else None
        if model is not None and issubclass(model, OneOf):
            return Problem(
                here, f"one of {', '.join(model.model_fields)}", f"'{key}'", did_you_mean(key, model.model_fields)
            )
        return Problem(here, "a known key", f"'{key}'", key_hint(key, model, root) if model is not None else "")
    if details["loc"][-1:] == ("[key]",):
        return Problem(here, describe(kinds(Name)), f"'{key}'")
    if details["type"] == "missing" and isinstance(here[-1], str):
        words = unit(key)
        return Problem(here, describe(expected), "nothing", f"add the key {key!r}{f' (in {words})' if words else ''}")
    if details["type"] in ("missing", "too_long") and isinstance(here[-1], int):
        here, expected, value = trail[-2]
    return Problem(here, describe(expected), shown(value), _value_hint(key, expected, value))


def _value_hint(key: str, expected: tuple[Kind, ...], value: object) -> str:
    """What to write instead of a value of the wrong type."""
    if not isinstance(value, str):
        whole = isinstance(value, float) and value.is_integer() and any(k.type is int for k in expected)
        return "write 1, not 1.0" if whole else ""
    words = describe(expected)
    if words == "true or false":
        return "write true or false, in small letters and without quotes"
    if words.startswith("one of "):
        near = closest(value, words.removeprefix("one of ").split(", "))
        return f"did you mean {near!r}?" if near else ""
    return _number_hint(key, words, value) if "number" in words else ""


def _number_hint(key: str, words: str, value: str) -> str:
    """How to write the number, or list of numbers, that a text was meant for."""
    several = re.findall(r"[-+]?[0-9]*\.?[0-9]+", value)
    if words.startswith(f"a list of {len(several)} ") and re.fullmatch(r"[-+0-9., x;()]+", value):
        return f"write [{', '.join(several)}]"
    if re.fullmatch(r"[-+]?[0-9_ ]*[0-9.]+([eE][-+]?[0-9]+)?", value):
        return "write the number without quotes, underscores, spaces or leading zeros"
    if re.fullmatch(r"[-+]?[0-9]+,[0-9]+", value):
        return "write a point, not a comma"
    if re.fullmatch(r"[-+]?[0-9.]+ ?[a-zA-Z°%/]+[a-zA-Z0-9/^]*", value):
        return f"write the number alone{f'; {key} is in {unit(key)}' if unit(key) else ''}"
    return ""


def _rules_behind(root: type[BaseModel], tree: object, faulty: list[Loc]) -> Iterator[Problem]:
    """Rules of the models around the faults, as far as what they read is sound.

    Pydantic checks what holds between the fields of a mapping only when each of them is right in itself.
    """
    seen: set[Loc] = set()
    for loc in faulty:
        for here, expected, value in _walk(root, tree, loc):
            kind = chosen(expected, value)
            if here in seen or kind is None or kind.model is None or not isinstance(value, Mapping):
                continue
            seen.add(here)
            for rule in getattr(kind.model, "RULES", ()):
                if any(bad[: len(here) + 1] == (*here, read) for read in rule.reads for bad in faulty):
                    continue
                for problem in rule.check(_partly(kind.model, rule.reads, value)):
                    yield Problem((*here, *problem.loc), problem.expected, problem.got, problem.hint)


def _partly(model: type[BaseModel], fields: tuple[str, ...], value: Mapping[str, object]) -> Model:
    """The model with these fields only, and without its rules."""
    definitions: Any = {name: (model.model_fields[name].annotation, model.model_fields[name]) for name in fields}
    part: type[Model] = create_model(f"Part{model.__name__}", __base__=Model, **definitions)
    return part.model_validate({name: value[name] for name in fields if name in value})
