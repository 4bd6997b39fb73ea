"""Whether ``randomize`` can work: its paths lead somewhere, and the outermost values it may draw are allowed there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simvid.errors import Fault
from simvid.parsing.backends import backend_faults
from simvid.parsing.references import reference_faults
from simvid.parsing.targets import NoSuchFieldError, Target, find, replaced
from simvid.parsing.wording import fault, schema_faults, shown
from simvid.scene import Pose, Random, Scene
from simvid.yaml_reading import Document

CUT = 3.0
"""Bell curves end at this many standard deviations."""
_FIXED = ("simvid", "name", "seed", "randomize")
_CAMERA = {"name": "stand_in", "pose": {}}


def variation_faults(document: Document, base: Path, randomize: Mapping[str, Random]) -> list[Fault]:
    """Every fault of ``randomize`` in a scene that is sound without it."""
    tree = document.tree
    assert isinstance(tree, dict)
    return [f for path, random in randomize.items() for f in _entry_faults(document, tree, base, path, random)]


def takes_whole_numbers(target: Target) -> bool:
    """Whether the field holds whole numbers only."""
    return bool(target.expected) and all(kind.type is int for kind in target.expected)


def is_pose(target: Target) -> bool:
    """Whether the field holds a pose, and has one."""
    return isinstance(target.value, Mapping) and any(k.model and issubclass(k.model, Pose) for k in target.expected)


def extremes(random: Random, *, whole: bool) -> tuple[Any, ...]:
    """The outermost values that may be drawn; all of a choice, none of a jitter.

    Raises:
        ValueError: the field wants whole numbers, and there are none in the range.
    """
    if random.choice is not None:
        return random.choice
    if random.normal is not None:
        spread = CUT * random.normal.std
        low, high = random.normal.mean - spread, random.normal.mean + spread
        return (round(low), round(high)) if whole else (low, high)
    span = random.uniform or random.log_uniform
    if span is None:
        return ()
    if not whole:
        return (span.low, span.high)
    first, last = math.ceil(span.low), math.floor(span.high)
    if first > last:
        raise ValueError(f"[{span.low:g}, {span.high:g}]")
    return (first, last)


def _entry_faults(
    document: Document, tree: Mapping[str, Any], base: Path, path: str, random: Random
) -> Iterator[Fault]:
    loc = ("randomize", path)
    try:
        target = find(tree, path)
    except NoSuchFieldError as error:
        yield fault(document, loc, error.message, error.hint)
        return
    if target.loc[0] in _FIXED or target.loc[-1] == "name":
        hint = "names, the seed and the version stay as they are"
        yield fault(document, loc, f"expected a field that may vary, got {path}", hint)
        return
    if random.jitter is not None:
        if not is_pose(target):
            yield fault(document, loc, f"expected the path of a pose for jitter, got {shown(target.value)} there")
        return
    try:
        values = extremes(random, whole=takes_whole_numbers(target))
    except ValueError as error:
        yield fault(document, loc, f"expected a range that holds a whole number, got {error}")
        return
    before = {str(f) for f in _faults(document, base, target)}
    for value in values:
        varied, _ = replaced(tree, path, value, create=False)
        for found in _faults(replace(document, tree=varied), base, target):
            if str(found) not in before:
                message = f"{found.message} (with {shown(value)}, which may be drawn)"
                yield fault(document, loc, message, found.hint)
                break


def _faults(document: Document, base: Path, target: Target) -> list[Fault]:
    """Faults of a tree as far as a change at the target may cause them."""
    tree = document.tree
    assert isinstance(tree, dict)
    key = target.loc[0]
    value: Any = tree.get(str(key))
    if len(target.loc) > 1 and isinstance(value, list | tuple):
        value = [value[int(target.loc[1])]]
    kept = {name: tree[name] for name in ("simvid", "duration_s", "fps", "physics") if name in tree}
    small = replace(document, tree={"cameras": [_CAMERA], **kept, str(key): value})
    try:
        Scene.model_validate(small.tree)
    except ValidationError as error:
        return schema_faults(Scene, small, error)
    return reference_faults(document) + (
        backend_faults(document, base) if key in ("render", "refine", "physics") else []
    )
