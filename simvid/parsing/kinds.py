"""What a field of a model may hold, read off its type: the way down a path, and the words for "expected …"."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import annotated_types as bounds
from pydantic import BaseModel, BeforeValidator, StringConstraints
from pydantic.fields import FieldInfo

from simvid.scene.base import Name, OneOf, splat3
from simvid.scene.shapes import MeshShape

Constraints: TypeAlias = tuple[Any, ...]
_NAME_PATTERN = next(m.pattern for m in get_args(Name) if isinstance(m, StringConstraints))
_LISTED = 12


@dataclass(frozen=True)
class Kind:
    """A type without its ``Annotated`` and ``None``, and the constraints that stood there."""

    type: Any
    constraints: Constraints = ()

    @property
    def model(self) -> type[BaseModel] | None:
        """The model class, where it is one."""
        return self.type if isinstance(self.type, type) and issubclass(self.type, BaseModel) else None

    def models_inside(self) -> tuple[type[BaseModel], ...]:
        """The model itself, or those that a list or mapping of this kind holds."""
        if self.model is not None:
            return (self.model,)
        inner = [kind for argument in get_args(self.type) if argument is not Ellipsis for kind in kinds(argument)]
        return tuple(model for kind in inner for model in kind.models_inside())

    @property
    def splats(self) -> bool:
        """Whether one number stands for three."""
        return any(isinstance(c, BeforeValidator) and c.func is splat3 for c in self.constraints)


def kinds(annotation: Any, constraints: Constraints = ()) -> tuple[Kind, ...]:
    """The alternatives of an annotation, ``None`` left out."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return kinds(inner, (*constraints, *_flat(more)))
    if origin in (Union, types.UnionType):
        arms = [arm for arm in get_args(annotation) if arm is not type(None)]
        return tuple(kind for arm in arms for kind in kinds(arm, constraints))
    return (Kind(annotation, constraints),)


def field_kinds(field: FieldInfo) -> tuple[Kind, ...]:
    """The alternatives of a model's field."""
    return kinds(field.annotation, _flat(field.metadata))


def _flat(metadata: Any) -> Constraints:
    found: list[Any] = []
    for item in metadata:
        found.extend(_flat(item.metadata) if isinstance(item, FieldInfo) else [item])
    return tuple(found)


def chosen(alternatives: tuple[Kind, ...], value: object) -> Kind | None:
    """The alternative that ``value`` is an attempt at; the only one where there is no choice."""
    if len(alternatives) == 1:
        return alternatives[0]
    for kind in alternatives:
        if isinstance(value, Mapping) and (kind.model or get_origin(kind.type) is dict):
            return kind
        if isinstance(value, str) and (kind.type is str or get_origin(kind.type) is Literal):
            return kind
    return None


def below(kind: Kind | None, key: str | int) -> tuple[Kind, ...]:
    """What may stand under ``key`` of a mapping or list of this kind; empty where nothing may."""
    if kind is None:
        return ()
    if kind.model is not None:
        field = kind.model.model_fields.get(str(key))
        return field_kinds(field) if field is not None else ()
    origin, arguments = get_origin(kind.type), get_args(kind.type)
    if origin is dict:
        return kinds(arguments[1])
    if origin is tuple and isinstance(key, int):
        if arguments[1:] == (Ellipsis,):
            return kinds(arguments[0])
        return kinds(arguments[key]) if key < len(arguments) else ()
    return ()


def describe(alternatives: tuple[Kind, ...]) -> str:
    """In words, without the article of grammar: ``a number > 0 and < 180``."""
    return " or ".join(dict.fromkeys(_words(kind) for kind in alternatives)) or "nothing"


def _words(kind: Kind) -> str:
    if kind.model is not None:
        return _model_words(kind.model)
    if get_origin(kind.type) is not None:
        return _generic_words(kind)
    if kind.type is bool:
        return "true or false"
    if kind.type in (int, float):
        return ("a whole number" if kind.type is int else "a number") + _range(kind.constraints)
    if kind.type is str:
        return _text_words(kind.constraints)
    return "a value"


def _generic_words(kind: Kind) -> str:
    origin, arguments = get_origin(kind.type), get_args(kind.type)
    if origin is Literal:
        values = [str(value) for value in arguments]
        return values[0] if len(values) == 1 else f"one of {', '.join(values)}"
    if origin is dict:
        return "a mapping" + _length(kind.constraints)
    if origin is tuple and arguments[1:] != (Ellipsis,):
        item = kinds(arguments[0])[0]
        noun = "whole numbers" if item.type is int else "numbers"
        one = ", or one number for all" if kind.splats else ""
        return f"a list of {len(arguments)} {noun}{_range(item.constraints)}{one}"
    if origin is tuple:
        return "a list" + _length(kind.constraints)
    return "a value"


def _model_words(model: type[BaseModel]) -> str:
    names = list(model.model_fields)
    if issubclass(model, OneOf):
        return f"a mapping with exactly one of {', '.join(names)}"
    shown = ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")
    path = "a path, or " if issubclass(model, MeshShape) else ""
    return f"{path}a mapping with keys such as {shown}"


def _range(constraints: Constraints) -> str:
    signs = {bounds.Gt: (">", "gt"), bounds.Ge: (">=", "ge"), bounds.Lt: ("<", "lt"), bounds.Le: ("<=", "le")}
    found = [
        f" {sign} {getattr(c, name):.12g}" for c in constraints for t, (sign, name) in signs.items() if isinstance(c, t)
    ]
    return " and".join(found)


def _length(constraints: Constraints) -> str:
    low = next((c.min_length for c in constraints if isinstance(c, bounds.MinLen)), 0)
    high = next((c.max_length for c in constraints if isinstance(c, bounds.MaxLen)), None)
    if high is not None:
        return f" of {low} to {high} items" if low else f" of at most {high} items"
    return f" of at least {low} item{'s' if low > 1 else ''}" if low else ""


def _text_words(constraints: Constraints) -> str:
    patterns = {getattr(c, "pattern", None) for c in constraints}
    if _NAME_PATTERN in patterns:
        return "a name (a letter, then letters, digits or _, at most 64)"
    return "text"


def models_below(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Fields that hold another model, with that model."""
    for name, field in model.model_fields.items():
        for kind in field_kinds(field):
            if kind.model is not None:
                yield name, kind.model
