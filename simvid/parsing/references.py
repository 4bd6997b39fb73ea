"""What one part of a scene says about another: names, parents, times. Checked on the tree as written, so that it is
reported together with the faults of single fields; what is not of the right type is left to those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from simvid.errors import Fault
from simvid.field_paths import Loc
from simvid.parsing.force_references import attachments, forces, joint_drives
from simvid.parsing.names import did_you_mean
from simvid.parsing.scene_tree import Broken as _Broken
from simvid.parsing.scene_tree import SceneTree as _Tree
from simvid.parsing.scene_tree import Tree
from simvid.parsing.scene_tree import as_count as _count
from simvid.parsing.scene_tree import as_number as _number
from simvid.parsing.wording import fault
from simvid.scene import GripperTo
from simvid.scene.library import LIBRARY
from simvid.yaml_reading import Document

RESERVED = "ground"
MAX_BODIES = 10_000
"""Bodies in one scene, copies counted."""
_GRIPPER_S = float(GripperTo.model_fields["over_s"].default)


def reference_faults(document: Document, *, cut: bool = False) -> list[Fault]:
    """Every fault between the parts of a scene; of one that was cut, what comes after its end is none."""
    tree = document.tree if isinstance(document.tree, dict) else {}
    scene = _Tree({key: value for key, value in tree.items() if not (cut and key == "duration_s")})
    checks: tuple[Callable[[_Tree], Iterator[_Broken]], ...] = (
        _materials, _names, _parents, _views, _times, _scripts, forces, attachments, joint_drives,
    )  # fmt: skip
    return [fault(document, b.loc, f"expected {b.expected}, got {b.got}", b.hint) for c in checks for b in c(scene)]


def _materials(scene: _Tree) -> Iterator[_Broken]:
    """Materials that are named but not defined."""
    materials = scene.tree.get("materials")
    known = [*(materials if isinstance(materials, Mapping) else ()), *LIBRARY]
    users = [(loc, body) for loc, body in scene.items("bodies")]
    ground = scene.tree.get("ground")
    if isinstance(ground, Mapping):
        users.append((("ground",), ground))
    while users:
        loc, user = users.pop()
        name = user.get("material")
        if isinstance(name, str) and name not in known:
            yield _Broken((*loc, "material"), "a name from materials", f"'{name}'", did_you_mean(name, known))
        parts: Any = user.get("shape")
        for key in ("compound", "parts"):
            parts = parts.get(key) if isinstance(parts, Mapping) else None
        for k, part in enumerate(parts if isinstance(parts, list | tuple) else ()):
            if isinstance(part, Mapping):
                users.append(((*loc, "shape", "compound", "parts", k), part))


def _names(scene: _Tree) -> Iterator[_Broken]:
    """Names that are used twice or reserved, copies that would share one, and too many bodies."""
    for key, groups in (("things", ("bodies", "robots")), ("cameras", ("cameras",)), ("rigs", ("rigs",))):
        taken: dict[str, str] = {}
        for loc, item in (entry for group in groups for entry in scene.items(group)):
            name = item.get("name")
            if not isinstance(name, str):
                continue
            here = f"{loc[0]}[{loc[1]}]"
            if key == "things" and name == RESERVED:
                yield _Broken((*loc, "name"), f"a name other than {RESERVED}, which is the floor's", f"'{name}'")
            for own in (f"{name}_left", f"{name}_right") if item.get("stereo") is not None else (name,):
                if own in taken and own != RESERVED:
                    yield _Broken((*loc, "name"), "a name of its own", f"'{own}', the name of {taken[own]}")
                taken.setdefault(own, here)
            base = scene.copied(name) if key == "things" else None
            if base is not None:
                got = f"'{name}', which is also a copy of {base!r} (count: {scene.copies[base]})"
                yield _Broken((*loc, "name"), "a name of its own", got)
    total = sum(_count(body) for _, body in scene.items("bodies"))
    if total > MAX_BODIES and all(_count(body) <= MAX_BODIES for _, body in scene.items("bodies")):
        yield _Broken(("bodies",), f"at most {MAX_BODIES} bodies, copies counted", str(total))
    for loc, body in scene.items("bodies"):
        yield from _grid_room(loc, body)


def _grid_room(loc: Loc, body: Tree) -> Iterator[_Broken]:
    """A grid has a cell for every copy."""
    grid: Any = body.get("arrange")
    grid = grid.get("grid") if isinstance(grid, Mapping) else None
    counts = grid.get("counts") if isinstance(grid, Mapping) else None
    if not isinstance(counts, list) or len(counts) != 3 or not all(type(n) is int and n > 0 for n in counts):
        return
    cells = counts[0] * counts[1] * counts[2]
    if _count(body) > cells:
        yield _Broken((*loc, "count"), f"at most {cells}, the cells of the grid", str(_count(body)))


def _parents(scene: _Tree) -> Iterator[_Broken]:
    """Joints whose parent is no body, and chains of joints that close on themselves."""
    parent_of: dict[str, str] = {}
    places: dict[str, Loc] = {}
    for loc, body in scene.items("bodies"):
        joint = body.get("joint")
        for kind, value in joint.items() if isinstance(joint, Mapping) else ():
            parent, name = value.get("parent") if isinstance(value, Mapping) else None, body.get("name")
            if not isinstance(parent, str):
                continue
            here = (*loc, "joint", kind, "parent")
            base = scene.part(parent)
            if base is None:
                yield _Broken(here, "the name of a body", f"'{parent}'", scene.unknown_part(parent))
            elif isinstance(name, str):
                parent_of.setdefault(name, base)
                places.setdefault(name, here)
    done: set[str] = set()
    for start in parent_of:
        chain: list[str] = []
        at: str | None = start
        while at is not None and at not in done and at not in chain:
            chain.append(at)
            at = parent_of.get(at)
        if at in chain:
            loop = chain[chain.index(at) :]
            yield _Broken(
                places[loop[0]], "joints that lead to the world", f"the circle {' -> '.join([*loop, loop[0]])}"
            )
        done.update(chain)


def _views(scene: _Tree) -> Iterator[_Broken]:
    """Cameras and rigs on, or looking at, what is not there."""
    rigs = [rig["name"] for _, rig in scene.items("rigs") if isinstance(rig.get("name"), str)]
    for loc, camera in scene.items("cameras"):
        name = camera.get("rig")
        if isinstance(name, str) and name not in rigs:
            yield _Broken((*loc, "rig"), "a name from rigs", f"'{name}'", did_you_mean(name, rigs))
    for loc, camera in [*scene.items("cameras"), *scene.items("rigs")]:
        for key in ("attach_to", "track"):
            name = camera.get(key)
            if not isinstance(name, str):
                continue
            robot, slash, _ = name.partition("/")
            expected = "a body, or a robot's link as ROBOT/LINK"
            if slash and robot not in scene.robots:
                yield _Broken((*loc, key), expected, f"'{name}'", f"robots: {did_you_mean(robot, scene.robots)}")
            elif not slash and name in scene.robots:
                yield _Broken((*loc, key), expected, f"the robot '{name}' alone", f"add a link, as in {name}/hand")
            elif not slash and scene.part(name) is None:
                yield _Broken((*loc, key), expected, f"'{name}'", scene.unknown_part(name))


def _times(scene: _Tree) -> Iterator[_Broken]:
    """Keyframes, impulses and random pushes that the clip never reaches."""
    duration = scene.number("duration_s")
    if duration is None:
        return
    events: list[tuple[Loc, Any]] = []
    for loc, body in scene.items("bodies"):
        motion = body.get("motion")
        events.append(((*loc, "motion", "keyframes"), motion.get("keyframes") if isinstance(motion, Mapping) else None))
        events.append(((*loc, "impulses"), body.get("impulses")))
    mounts = [*scene.items("cameras"), *scene.items("rigs")]
    events.extend(((*loc, "keyframes"), mount.get("keyframes")) for loc, mount in mounts)
    for loc, items in events:
        for k, item in enumerate(items if isinstance(items, list | tuple) else ()):
            at = _number(item.get("t_s")) if isinstance(item, Mapping) else None
            if at is not None and at > duration * (1 + 1e-9):
                hint = f"raise duration_s to {at:g} or more"
                yield _Broken((*loc, k, "t_s"), f"a time within the clip, 0 to {duration:g} s", f"{at:g}", hint)
    for loc, robot in scene.items("robots"):
        ends: Any = robot
        for key in ("noise", "pushes", "between_s"):
            ends = ends.get(key) if isinstance(ends, Mapping) else None
        last = _number(ends[1]) if isinstance(ends, list | tuple) and len(ends) == 2 else None
        if last is not None and last > duration * (1 + 1e-9):
            at_field = (*loc, "noise", "pushes", "between_s")
            yield _Broken(at_field, f"times within the clip, 0 to {duration:g} s", f"up to {last:g} s")


def _scripts(scene: _Tree) -> Iterator[_Broken]:
    """Scripts that take longer than the clip."""
    duration = scene.number("duration_s")
    for loc, robot in scene.items("robots"):
        script = robot.get("script")
        spans = [_span(action) for action in script] if isinstance(script, list | tuple) else []
        known = [span for span in spans if span is not None]
        if duration is None or len(known) < len(spans):
            continue
        total = sum(known)
        if total > duration * (1 + 1e-9):
            expected = f"actions that fit in the clip, duration_s = {duration:g}"
            yield _Broken((*loc, "script"), expected, f"{total:g} s in all", f"raise duration_s to {total:g} or more")


def _span(action: object) -> float | None:
    """Seconds that an action takes; None where that is faulty."""
    if not isinstance(action, Mapping) or len(action) != 1:
        return None
    ((kind, value),) = action.items()
    if kind == "gripper" and not isinstance(value, Mapping):
        return _GRIPPER_S
    if not isinstance(value, Mapping):
        return None
    default = _GRIPPER_S if kind == "gripper" else None
    span = _number(value.get("for_s", value.get("over_s", default)))
    return span if span is not None and span > 0 else None
