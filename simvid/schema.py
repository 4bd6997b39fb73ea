"""The JSON Schema of scene files, for editors: completion, hover texts and red lines while a scene is written."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from simvid.parsing.kinds import field_kinds
from simvid.parsing.targets import plain
from simvid.scene import Scene

FILE = "scene.schema.json"
"""Its name beside the scenes, as in their first lines: ``# yaml-language-server: $schema=scene.schema.json``."""


def scene_schema() -> dict[str, Any]:
    """JSON Schema, draft 7 (what editors understand), of a scene file with the texts that stand under the fields."""
    schema = Scene.model_json_schema()
    definitions: dict[str, Any] = schema.pop("$defs")
    for model in _models(Scene, set()):
        found = schema if model is Scene else definitions.get(model.__name__)
        if found is not None:
            _annotate(model, found)
    _in_every_draft(schema)
    _in_every_draft(definitions)
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "simvid scene"}
    return {**head, **{key: value for key, value in schema.items() if key != "title"}, "$defs": definitions}


def schema_text() -> str:
    """The same as text."""
    return json.dumps(scene_schema(), indent=1, ensure_ascii=False) + "\n"


def _models(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """A model and all that its fields can hold, however deep."""
    if model in seen:
        return
    seen.add(model)
    yield model
    for field in model.model_fields.values():
        for kind in field_kinds(field):
            for inner in kind.models_inside():
                yield from _models(inner, seen)


def _annotate(model: type[BaseModel], schema: dict[str, Any]) -> None:
    """Defaults as they would be written, and descriptions; without titles that only repeat the key."""
    arms = [arm for arm in schema.get("anyOf", ()) if "properties" in arm]
    properties: dict[str, dict[str, Any]] = (arms[0] if arms else schema).get("properties", {})
    texts = field_texts(model)
    for name, value in properties.items():
        value.pop("title", None)
        default = plain(model.model_fields[name].get_default(call_default_factory=True))
        if default is not None and "default" in value:
            value["default"] = default
        if name in texts:
            reference = value.pop("$ref", None)
            if reference is not None:
                value["allOf"] = [{"$ref": reference}]
            value["description"] = texts[name]


def field_texts(model: type[BaseModel]) -> dict[str, str]:
    """Field name to the text that stands under it in the source; those of base classes too.

    Pydantic could collect these itself (``use_attribute_docstrings``), but would read the sources whenever the models
    are imported.
    """
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not (issubclass(base, BaseModel) and base.__module__.startswith("simvid.")):
            continue
        tree = ast.parse(inspect.getsource(base))
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, text in pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and field.target.id in model.model_fields
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                found[field.target.id] = inspect.cleandoc(text.value.value)
    return found


def _in_every_draft(schema: Any) -> None:
    """Lists of n equal kinds as ``items`` with a length, and what pydantic leaves out or misnames."""
    if isinstance(schema, dict):
        kinds = schema.pop("prefixItems", None)
        if kinds is not None:
            if any(kind != kinds[0] for kind in kinds):
                raise AssertionError(f"a tuple of different kinds: {kinds}")
            schema["items"] = kinds[0]
        if schema.get("type") == "array":
            for wrong, right in (("minLength", "minItems"), ("maxLength", "maxItems")):
                if wrong in schema:
                    schema[right] = schema.pop(wrong)
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _in_every_draft(value)
