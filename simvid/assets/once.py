"""What several samples of a scene have in common is made once, while somebody looks at all of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
MOST = 512
"""Results that are kept at a time; those go first that were not asked for longest."""
_kept: ContextVar[OrderedDict[Hashable, Any] | None] = ContextVar("kept", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Inside, ``once`` remembers what it made, in this thread; files that change meanwhile are not read again."""
    if _kept.get() is not None:
        yield
        return
    token = _kept.set(OrderedDict())
    try:
        yield
    finally:
        _kept.reset(token)


def once(make: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """``make(*arguments)``, or what it gave for equal arguments before, inside ``remembering``.

    Args:
        make: gives the same for the same arguments; nobody changes what it gives.
        arguments, named: hashable; meshes are equal when they are the same object.
    """
    kept = _kept.get()
    if kept is None:
        return make(*arguments, **named)
    key = (make, arguments, tuple(named.items()))
    if key not in kept:
        kept[key] = make(*arguments, **named)
        while len(kept) > MOST:
            kept.popitem(last=False)
    kept.move_to_end(key)
    made: R = kept[key]
    return made
