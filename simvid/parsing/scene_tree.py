"""A scene as it is written, read with tolerance: what checks between its parts look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from simvid.field_paths import Loc
from simvid.parsing.names import did_you_mean

Tree: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Broken:
    """A fault between parts: where, what was expected, what was got, what to do."""

    loc: Loc
    expected: str
    got: str
    hint: str = ""


@dataclass(frozen=True)
class SceneTree:
    """A scene as written, read with tolerance."""

    tree: Tree

    def items(self, key: str) -> list[tuple[Loc, Tree]]:
        """The mappings in a list at the top, with their places."""
        found = self.tree.get(key)
        items = found if isinstance(found, list | tuple) else []
        return [((key, k), item) for k, item in enumerate(items) if isinstance(item, Mapping)]

    def number(self, key: str) -> float | None:
        """A number at the top."""
        return as_number(self.tree.get(key))

    @cached_property
    def copies(self) -> dict[str, int]:
        """Body name to count, first come."""
        found: dict[str, int] = {}
        for _, body in self.items("bodies"):
            if isinstance(body.get("name"), str):
                found.setdefault(body["name"], as_count(body))
        return found

    @cached_property
    def robots(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(robot["name"] for _, robot in self.items("robots") if isinstance(robot.get("name"), str))

    def part(self, name: str) -> str | None:
        """The body entry that a part's name belongs to: ``block`` for ``block_3`` with a count of six."""
        if self.copies.get(name) == 1:
            return name
        return self.copied(name)

    def copied(self, name: str) -> str | None:
        """The body entry that has a copy of this name."""
        base, _, number = name.rpartition("_")
        plain = number.isascii() and number.isdigit() and len(number) <= 6 and str(int(number)) == number
        count = self.copies.get(base, 1)
        return base if plain and count > 1 and int(number) < count else None

    def unknown_part(self, name: str) -> str:
        """A hint for a name that is no part's."""
        count = self.copies.get(name, 0)
        if count > 1:
            return f"{name!r} has {count} copies; name one of {name}_0 to {name}_{count - 1}"
        return did_you_mean(name, self.copies)


def as_number(value: object) -> float | None:
    """A number that is one, else None."""
    return (
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 else None
    )


def as_count(body: Tree) -> int:
    """How many copies a body has; 1 where that is faulty."""
    count = body.get("count", 1)
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 1
