"""Whether ``randomize`` can work: its paths lead somewhere, and the outermost values it may draw are allowed there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simvid.errors import Fault
from simvid.field_paths import Loc, text
from simvid.parsing.backends import backend_faults
from simvid.parsing.names import did_you_mean
from simvid.parsing.references import reference_faults
from simvid.parsing.subtrees import inner_draws, path_below, with_value
from simvid.parsing.targets import NoSuchFieldError, Target, find, replaced
from simvid.parsing.wording import fault, schema_faults, shown
from simvid.scene import Place, Pose, Random, Scene
from simvid.yaml_reading import Document

_FIXED = ("simvid", "name", "seed", "randomize")
_CLOCK: tuple[Loc, ...] = (("duration_s",), ("fps",), ("physics", "step_s"))
"""Fields of which few values fit each other: a clip has whole frames, and these have whole steps."""
_RANGES = ("uniform", "log_uniform", "normal")
_CAMERA = {"name": "stand_in", "pose": {}}


def variation_faults(document: Document, base: Path, randomize: Mapping[str, Random]) -> list[Fault]:
    """Every fault of ``randomize`` in a scene that is sound without it."""
    tree = document.tree
    assert isinstance(tree, dict)
    faults, sound = list[Fault](), dict[str, Loc]()
    for path, random in randomize.items():
        found = list(_entry_faults(document, tree, base, path, random))
        faults += found
        if not found:
            sound[path] = find(tree, path).loc
    return [*faults, *_overlap_faults(document, base, randomize, sound)]


def takes_whole_numbers(target: Target) -> bool:
    """Whether the field holds whole numbers only."""
    return bool(target.expected) and all(kind.type is int for kind in target.expected)


def is_pose(target: Target) -> bool:
    """Whether the field holds a pose, and has one."""
    return isinstance(target.value, Mapping) and any(k.model and issubclass(k.model, Pose) for k in target.expected)


def extremes(random: Random, *, whole: bool) -> tuple[Any, ...]:
    """The outermost values that may be drawn; all of a list, none of a jitter or a place.

    Raises:
        ValueError: the field wants whole numbers, and there are none in the range.
    """
    listed = random.choice or random.grid or random.sequence
    if listed is not None:
        return listed
    if random.normal is not None:
        ends = random.normal.ends
    elif (span := random.uniform or random.log_uniform) is not None:
        ends = (span.low, span.high)
    else:
        return ()
    return whole_ends(*ends) if whole else ends


def whole_ends(low: float, high: float) -> tuple[int, int]:
    """The first and the last whole number of a range.

    Raises:
        ValueError: there is none.
    """
    first, last = math.ceil(low), math.floor(high)
    if first > last:
        raise ValueError(f"[{low:g}, {high:g}]")
    return first, last


def outermost(tree: Mapping[str, Any], path: str, options: Sequence[Any]) -> Iterator[Any]:
    """Of each subtree: all values in it at their first extremes, and each in turn at its others.

    Raises:
        ValueError, pydantic.ValidationError: a distribution in a subtree cannot be.
        NoSuchFieldError: it stands where no field is.
    """
    for option in options:
        inner = dict(inner_draws(option))
        ends: dict[Any, tuple[Any, ...]] = {}
        for loc, random in inner.items():
            ends[loc] = extremes(random, whole=whole_below(tree, path, option, loc))
        first = option
        for loc, values in ends.items():
            first = with_value(first, loc, values[0])
        yield first
        for loc, values in ends.items():
            yield from (with_value(first, loc, value) for value in values[1:])


def whole_below(tree: Mapping[str, Any], path: str, option: object, loc: Loc) -> bool:
    """Whether a place in a subtree, put where ``path`` says, holds whole numbers only."""
    placed, target = replaced(tree, path, option, create=False)
    return takes_whole_numbers(find(placed, path_below(path, loc)) if loc else target)


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
        elif random.jitter.position_m and _is_arranged(tree, target.loc):
            hint = "arrange says where the copies are: jitter rotation_deg alone, or draw fields of arrange"
            yield fault(document, loc, "expected no position_m in the jitter of a body with arrange, got "
                                       f"{random.jitter.position_m:g}", hint)  # fmt: skip
        return
    if random.place is not None:
        yield from _place_faults(document, loc, target, random.place)
        return
    yield from _value_faults(document, base, target, path, random)


def _value_faults(document: Document, base: Path, target: Target, path: str, random: Random) -> Iterator[Fault]:
    """What is wrong with the values that may be drawn, each in its place."""
    tree, loc = document.tree, ("randomize", path)
    assert isinstance(tree, dict)
    try:
        values = _values(tree, path, random)
    except NoSuchFieldError as error:
        yield fault(document, loc, error.message, error.hint)
        return
    except ValidationError as error:
        yield fault(document, loc, f"expected distributions that can be in the subtrees, got {_first(error)}")
        return
    except ValueError as error:
        yield fault(document, loc, f"expected a range that holds a whole number, got {error}")
        return
    clock = _clock_in_ranges(random, target.loc)
    if clock is not None:
        hint = "between the ends hardly a value makes whole frames and steps: give some that do as choice or grid"
        yield fault(document, loc, f"expected values one by one for {text(clock)}, got a range of them", hint)
        return
    before = {str(f) for f in _faults(document, base, target)}
    for value in values:
        varied, _ = replaced(tree, path, value, create=False)
        for found in _faults(replace(document, tree=varied), base, target):
            if str(found) not in before:
                message = f"{found.message} (with {shown(value)}, which may be drawn)"
                yield fault(document, loc, message, found.hint)
                break


def _clock_in_ranges(random: Random, loc: Loc) -> Loc | None:
    """The first of ``_CLOCK`` that is drawn from a range, at ``loc`` or in a subtree there."""
    inner = [draw for option in random.one_of or () for draw in inner_draws(option)]
    ranges = ((*loc, *at) for at, how in [((), random), *inner] if how.kind in _RANGES)
    return next((field for field in ranges if field in _CLOCK), None)


def _values(tree: Mapping[str, Any], path: str, random: Random) -> Sequence[Any]:
    """What to try of all that an entry may put in its place; raises as ``outermost``."""
    if random.one_of is not None:
        return list(outermost(tree, path, random.one_of))
    target = find(tree, path)
    if random.jitter is not None:
        pose = {key: value for key, value in target.value.items() if key != "rotation_deg"}
        return (pose if pose.get("look_from_m") is not None else {**pose, "quaternion_wxyz": [1.0, 0.0, 0.0, 0.0]},)
    return extremes(random, whole=takes_whole_numbers(target))


def _overlap_faults(
    document: Document, base: Path, randomize: Mapping[str, Random], locs: Mapping[str, Loc]
) -> Iterator[Fault]:
    """Draws that others undo: of one field twice, of what ``place`` draws, of what an outer draw may take away."""
    tree = document.tree
    assert isinstance(tree, dict)
    for (outer, above), (inner, loc) in permutations(locs.items(), 2):
        here, random = ("randomize", inner), randomize[outer]
        if loc == above and list(locs).index(outer) < list(locs).index(inner):
            message = f"expected one entry for each field, got {inner} beside {outer}, which is the same"
            yield fault(document, here, message)
        elif random.place is not None:
            drawn: tuple[Loc, ...] = ((*above, "position_m"), (*above[:2], "arrange"))
            if any(loc[: len(d)] == d for d in drawn):
                yield fault(document, here, f"expected no draw of what {outer} places, got one", "leave one out")
        elif len(loc) > len(above) and loc[: len(above)] == above:
            for value in _values(tree, outer, random):
                varied, _ = replaced(tree, outer, value, create=False)
                found = next(_entry_faults(replace(document, tree=varied), varied, base, inner, randomize[inner]), None)
                if found is not None:
                    message = f"{found.message} (where {outer} is {shown(value)}, which may be drawn)"
                    yield fault(document, here, message, found.hint)
                    break


def _is_arranged(tree: Mapping[str, Any], loc: Loc) -> bool:
    """Whether a place in the tree is the pose of a body with ``arrange``."""
    is_pose_of_body = len(loc) == 3 and (loc[0], loc[2]) == ("bodies", "pose")
    return is_pose_of_body and tree["bodies"][int(loc[1])].get("arrange") is not None


def _place_faults(document: Document, loc: Loc, target: Target, place: Place) -> Iterator[Fault]:
    """A place is for the pose of a body that no path moves, on the ground or on one other body."""
    tree = document.tree
    assert isinstance(tree, dict)
    if len(target.loc) != 3 or (target.loc[0], target.loc[2]) != ("bodies", "pose"):
        yield fault(document, loc, f"expected the path of a body's pose for place, got {loc[-1]}", "bodies.NAME.pose")
        return
    bodies = [body for body in tree.get("bodies", ()) if isinstance(body, Mapping)]
    body = tree["bodies"][int(target.loc[1])]
    for key in ("motion", "joint"):
        if body.get(key) is not None:
            yield fault(document, loc, f"expected a body without {key} to place, got {body.get('name')}")
    single = [str(b["name"]) for b in bodies if b is not body and b.get("count", 1) == 1 and "name" in b]
    if place.on == "ground":
        if tree.get("ground") is None:
            yield fault(
                document, loc, "expected a scene with ground, to place things on it, got none", "add  ground: {}"
            )
    elif place.on not in single:
        hint = did_you_mean(place.on, single)
        yield fault(document, loc, f"expected ground or another body without copies for on, got '{place.on}'", hint)


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"


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
