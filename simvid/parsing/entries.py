"""Entries of the renderers and refiners shelves, and YAML files of any pydantic model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError, create_model

from simvid.errors import Fault, SceneError
from simvid.parsing.wording import schema_faults, shown
from simvid.scene.base import Model, Name
from simvid.yaml_reading import Document, read_text, read_yaml

ModelT = TypeVar("ModelT", bound=BaseModel)


class EntryFile(Model):
    """A file on the renderers or refiners shelf."""

    backend: Name
    """A registered name."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What the backend can be told."""


def validated(model: type[ModelT], document: Document) -> ModelT:
    """A document as a model.

    Raises:
        SceneError: every fault of the document, with its line.
    """
    if not isinstance(document.tree, dict):
        message = f"expected a mapping of keys, got {shown(document.tree)}"
        raise SceneError.of([*document.faults, Fault(document.file, 1, "file", message)])
    faults = list(document.faults)
    try:
        value = model.model_validate(document.tree)
    except ValidationError as error:
        raise SceneError.of([*faults, *schema_faults(model, document, error)]) from error
    if faults:
        raise SceneError.of(faults)
    return value


def read_entry(path: Path) -> tuple[Document, str, dict[str, Any]]:
    """Document, backend and settings of an entry.

    Raises:
        SceneError: the file's faults.
    """
    document = read_yaml(read_text(path), str(path))
    entry = validated(EntryFile, document)
    return document, entry.backend, entry.settings


def settings_of(document: Document, model: type[ModelT]) -> ModelT:
    """The settings of an entry as the backend's model.

    Raises:
        SceneError: every unknown key and wrong value.
    """
    fields: Any = {"settings": (model, Field(default_factory=model))}
    whole: Any = validated(create_model("Entry", __base__=EntryFile, **fields), document)
    settings: ModelT = whole.settings
    return settings
