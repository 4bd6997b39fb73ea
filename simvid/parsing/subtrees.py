"""The distributions inside the subtrees of ``one_of``: where they are, and a subtree with values in their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simvid.field_paths import Loc, join
from simvid.scene import Random
from simvid.scene.distributions import NESTED


def inner_draws(option: object, loc: Loc = ()) -> Iterator[tuple[Loc, Random]]:
    """Where in a subtree something is drawn, and from what.

    Raises:
        pydantic.ValidationError: something that looks like a distribution is none.
    """
    if isinstance(option, Mapping):
        if len(option) == 1 and next(iter(option)) in NESTED:
            yield loc, Random.model_validate(dict(option))
            return
        for key, item in option.items():
            yield from inner_draws(item, (*loc, str(key)))
    elif isinstance(option, list | tuple):
        for k, item in enumerate(option):
            yield from inner_draws(item, (*loc, k))


def with_value(option: Any, loc: Loc, value: object) -> Any:
    """A copy of a subtree with one value in place of what stands at ``loc``."""
    if not loc:
        return value
    if isinstance(option, Mapping):
        return {key: with_value(item, loc[1:], value) if str(key) == loc[0] else item for key, item in option.items()}
    return [with_value(item, loc[1:], value) if k == loc[0] else item for k, item in enumerate(option)]


def path_below(path: str, loc: Loc) -> str:
    """The path of something inside the field that ``path`` names."""
    for key in loc:
        path = join(path, key)
    return path
