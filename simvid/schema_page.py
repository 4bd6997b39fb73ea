"""The scene language as a page for people: every key with what it may be, its default and its meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from simvid.schema import scene_schema

Json: TypeAlias = dict[str, Any]
HEAD = """\
# Every key of a scene file

Made by `simvid schema --markdown`. Start with the [README](../README.md) and [scenes/](../scenes/README.md); this \
is the page to look things up. A key's ending is its unit: `_m` `_s` `_kg` `_deg` `_px` `_pa` `_m_s` …; joint \
positions of robots are in radians, and in metres for joints that slide. A key without a default must be given.
"""


def schema_page() -> str:
    """The page, Markdown."""
    schema = scene_schema()
    definitions: Json = schema["$defs"]
    order = _reached(schema, definitions)
    parts = [HEAD, *_section("Scene", schema), *(line for name in order for line in _section(name, definitions[name]))]
    return "\n".join(parts).rstrip("\n") + "\n"


def _reached(schema: Json, definitions: Json) -> list[str]:
    """Names of definitions in the order in which the page speaks of them, each after what uses it first."""
    order: list[str] = []
    for name in _references(schema, skip="$defs"):
        _visit(name, definitions, order)
    return order


def _visit(name: str, definitions: Json, order: list[str]) -> None:
    if name not in order:
        order.append(name)
        for inner in _references(definitions[name]):
            _visit(inner, definitions, order)


def _references(node: Any, skip: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        for key, value in node.items():
            if key != skip:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _section(name: str, schema: Json) -> Iterator[str]:
    """Heading, what it is, and the table of its keys."""
    yield f"\n## {name}\n"
    if schema.get("description"):
        yield " ".join(schema["description"].split()) + "\n"
    arms = [arm for arm in schema.get("anyOf", ()) if "properties" in arm]
    holder = arms[0] if arms else schema
    others = [_kind(arm) for arm in schema.get("anyOf", ()) if arm not in arms]
    if others:
        yield f"May also be written as {' or '.join(others)}.\n"
    if not holder.get("properties"):
        return
    yield "| key | what | default | |"
    yield "|---|---|---|---|"
    required = holder.get("required", ())
    for key, value in holder["properties"].items():
        default = "" if key in required else f"`{_plain(value.get('default'))}`"
        text = " ".join(value.get("description", "").split()).replace("|", "\\|")
        yield f"| `{key}` | {_kind(value)} | {default} | {text} |"


def _kind(value: Json) -> str:
    """What a value may be, in words."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in value or "enum" in value:
        return ", ".join(f"`{item}`" for item in value.get("enum", [value.get("const")]))
    choices = next((value[key] for key in ("allOf", "anyOf", "oneOf") if key in value), None)
    if choices is not None:
        return " or ".join(dict.fromkeys(_kind(inner) for inner in choices if inner.get("type") != "null"))
    return _TYPES[value["type"]](value) if "type" in value else "any value"


def _mapping(value: Json) -> str:
    inner = value.get("additionalProperties") or next(iter(value.get("patternProperties", {}).values()), None)
    return f"name: {_kind(inner)}" if inner else "mapping"


def _array(value: Json) -> str:
    least, most = value.get("minItems", 0), value.get("maxItems")
    inner = _kind(value.get("items", {}))
    if least == most:
        return f"{least} × {inner}"
    return f"list of {inner}" + (f", {least} or more" if least else "")


def _range(value: Json) -> str:
    found = [
        f"{sign} {value[key]:g}"
        for key, sign in (("exclusiveMinimum", ">"), ("minimum", "≥"), ("exclusiveMaximum", "<"), ("maximum", "≤"))
        if key in value
    ]
    return f" {', '.join(found)}" if found else ""


_TYPES: dict[str, Callable[[Json], str]] = {
    "array": _array,
    "object": _mapping,
    "boolean": lambda _: "`true` or `false`",
    "number": lambda value: f"number{_range(value)}",
    "integer": lambda value: f"whole number{_range(value)}",
    "string": lambda _: "text",
}


def _plain(value: object) -> str:
    """A default as it would be written in YAML."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_plain(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_plain(v)}" for k, v in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)
