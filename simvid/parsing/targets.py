"""Setting one value of a scene tree by its path, for ``--set`` and for ``randomize``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from simvid.errors import SimvidError
from simvid.field_paths import Loc, parts
from simvid.parsing.kinds import Kind, below, chosen, describe, kinds
from simvid.parsing.names import did_you_mean, key_hint
from simvid.parsing.wording import shown
from simvid.scene import Scene
from simvid.scene.base import OneOf
from simvid.scene.library import LIBRARY


class NoSuchFieldError(SimvidError):
    """A path leads nowhere. ``message`` is ``expected …, got …``."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True)
class Target:
    """A field that a path leads to."""

    loc: Loc
    expected: tuple[Kind, ...]
    value: Any
    """What stands there now, defaults included; None for nothing."""


def find(tree: Mapping[str, Any], path: str) -> Target:
    """The field that a path names, as it stands.

    Raises:
        NoSuchFieldError: there is none. Optional things that the scene does not have are not there.
    """
    return _Walk(tree, create=False).target(path)


def replaced(tree: Mapping[str, Any], path: str, value: object, *, create: bool) -> tuple[dict[str, Any], Target]:
    """A copy of the tree with one field set, and that field.

    A body's material that is only a name becomes a copy of that material first, so that its neighbours keep theirs; a
    single number for three becomes three. With ``create``, optional parts that the scene lacks are added on the way.

    Raises:
        NoSuchFieldError: the path leads nowhere.
    """
    walk = _Walk(tree, create=create)
    target = walk.target(path)
    walk.container[target.loc[-1]] = value
    return walk.root, target


class _Walk:
    """One way down a tree. What lies on the way is copied, the rest is shared."""

    def __init__(self, tree: Mapping[str, Any], *, create: bool) -> None:
        self.root: dict[str, Any] = dict(tree)
        self.container: Any = self.root
        self._create = create
        self._expected: tuple[Kind, ...] = kinds(Scene)
        self._kind = self._expected[0]

    def target(self, path: str) -> Target:
        """Go there."""
        try:
            keys = parts(path)
        except ValueError:
            message = f"expected a path such as cameras.front.fov_y_deg, got {path!r}"
            raise NoSuchFieldError(message) from None
        *outer, last = keys
        loc: Loc = ()
        for name in outer:
            key = self._key(name, last=False)
            self._expected = below(self._kind, key)
            loc = (*loc, key)
            self._enter(key, loc)
        key = self._key(last, last=True)
        self._expected = below(self._kind, key)
        return Target((*loc, key), self._expected, self._present(key))

    def _key(self, name: str, *, last: bool) -> str | int:
        """The name as a key of the container; checks that it may be one."""
        if isinstance(self.container, list):
            return self._index(name)
        model = self._kind.model
        if model is not None and name not in model.model_fields:
            message = f"expected a known key, got '{name}'"
            raise NoSuchFieldError(message, key_hint(name, model, Scene))
        if model is not None and issubclass(model, OneOf) and name not in self.container:
            if not (last and self._create):
                kind = next(iter(self.container), "nothing")
                raise NoSuchFieldError(f"expected {kind}, the kind that is given, got '{name}'")
            self.container.clear()
        if model is None and name not in self.container:
            inner = below(self._kind, name)
            if any(kind.model for kind in inner) and not (last and self._create):
                raise NoSuchFieldError(f"expected a known name, got '{name}'", did_you_mean(name, self.container))
        return name

    def _index(self, name: str) -> int:
        items: list[Any] = self.container
        if name.isdecimal():
            if int(name) < len(items):
                return int(name)
            raise NoSuchFieldError(f"expected an index below {len(items)}, got {name}")
        names = [item.get("name") if isinstance(item, Mapping) else None for item in items]
        if name in names:
            return names.index(name)
        known = [n for n in names if isinstance(n, str)]
        if not known:
            raise NoSuchFieldError(f"expected an index below {len(items)}, got '{name}'")
        base = name.rstrip("0123456789").removesuffix("_")
        if base != name and base in known:
            raise NoSuchFieldError(
                f"expected a name in the file, got '{name}'", f"the copies of {base!r} are set together"
            )
        raise NoSuchFieldError(f"expected a known name, got '{name}'", did_you_mean(name, known))

    def _enter(self, key: str | int, loc: Loc) -> None:
        """Make ``container[key]`` the container: a copy of what stands there, or of its default."""
        value = self._present(key)
        path = ".".join(map(str, loc))
        if value is None and self._create and any(kind.model for kind in self._expected):
            value = {}
        if value is None:
            raise NoSuchFieldError(f"expected something at {path}, got nothing there")
        if isinstance(value, str) and any(kind.model for kind in self._expected):
            value = self._spelled_out(value)
        kind = chosen(self._expected, value)
        if kind is not None and kind.splats and isinstance(value, int | float):
            value = [value] * 3
        if kind is None or not isinstance(value, Mapping | list | tuple):
            message = f"expected a field inside {path}, which is {describe(self._expected)}, got {shown(value)}"
            raise NoSuchFieldError(message)
        copy: Any = dict(value) if isinstance(value, Mapping) else list(value)
        self.container[key] = copy
        self.container, self._kind = copy, kind

    def _spelled_out(self, text: str) -> object:
        """The mapping that a text stands for: a material by name, or a path alone."""
        fields = next(kind.model.model_fields for kind in self._expected if kind.model)
        if "path" in fields:
            return {"path": text}
        own = self.root.get("materials")
        materials = own if isinstance(own, Mapping) and "base_color" not in fields else {}
        if text in materials:
            return materials[text]
        if text not in LIBRARY:
            known = [*materials, *LIBRARY]
            raise NoSuchFieldError(f"expected a known material, got '{text}'", did_you_mean(text, known))
        found = LIBRARY[text] if "look" in fields else LIBRARY[text].look
        return found.model_dump(mode="json", exclude_defaults=True)

    def _present(self, key: str | int) -> Any:
        """What stands under a key of the container, or the default of its field, as plain values."""
        if isinstance(self.container, list):
            return self.container[int(key)]
        if key in self.container:
            return self.container[key]
        model = self._kind.model
        return None if model is None else plain(model.model_fields[str(key)].get_default(call_default_factory=True))


def plain(value: object) -> Any:
    """A default as the plain values of a file; None for "required"."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump(exclude_unset=True))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value if isinstance(value, bool | int | float | str) else None
