"""What forces, attachments and motors say of other parts of a scene: names of bodies and links, times in the clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simvid.field_paths import Loc
from simvid.parsing.names import did_you_mean
from simvid.parsing.scene_tree import Broken, SceneTree, Tree, as_number

WINDOWS = ("start_s", "t_s")
"""Times that the clip must reach; ``end_s`` may lie beyond it."""
THING = "a body, or a robot's link as ROBOT/LINK"


def forces(scene: SceneTree) -> Iterator[Broken]:
    """Forces on what is not there, and at times that the clip never reaches."""
    for loc, force in scene.items("forces"):
        for kind, value in force.items():
            if not isinstance(value, Mapping):
                continue
            here = (*loc, kind)
            yield from _times(scene, here, value)
            names = value.get("bodies")
            for k, name in enumerate(names if isinstance(names, list | tuple) else ()):
                if isinstance(name, str):
                    yield from _thing(scene, (*here, "bodies", k), name, copies=True)
            name = value.get("body")
            if kind == "conveyor" and isinstance(name, str):
                yield from _surface(scene, (*here, "body"), name)


def attachments(scene: SceneTree) -> Iterator[Broken]:
    """Ties of what is not there, names twice, and times that the clip never reaches."""
    taken: dict[str, str] = {}
    for loc, tie in scene.items("attachments"):
        yield from _times(scene, loc, tie)
        for key in ("a", "b"):
            name = tie.get(key)
            if isinstance(name, str):
                yield from _thing(scene, (*loc, key), name, links=key == "b")
        name = tie.get("name")
        if isinstance(name, str):
            if name in taken:
                yield Broken((*loc, "name"), "a name of its own", f"'{name}', the name of {taken[name]}")
            taken.setdefault(name, f"{loc[0]}[{loc[1]}]")


def joint_drives(scene: SceneTree) -> Iterator[Broken]:
    """Motors that begin after the end of the clip."""
    for loc, body in scene.items("bodies"):
        joint = body.get("joint")
        for kind, value in joint.items() if isinstance(joint, Mapping) else ():
            motors: Any = value.get("motors") if isinstance(value, Mapping) else None
            for k, motor in enumerate(motors if isinstance(motors, list | tuple) else ()):
                if isinstance(motor, Mapping):
                    yield from _times(scene, (*loc, "joint", kind, "motors", k), motor)


def _times(scene: SceneTree, loc: Loc, value: Tree) -> Iterator[Broken]:
    duration = scene.number("duration_s")
    for key in WINDOWS:
        at = as_number(value.get(key))
        if duration is not None and at is not None and at >= duration * (1 - 1e-9):
            expected = f"a time within the clip, 0 to {duration:g} s"
            yield Broken((*loc, key), expected, f"{at:g}", f"raise duration_s above {at:g}")


def _thing(scene: SceneTree, loc: Loc, name: str, *, links: bool = True, copies: bool = False) -> Iterator[Broken]:
    robot, slash, _ = name.partition("/")
    expected = THING if links else "the name of a body"
    if slash:
        if not links:
            yield Broken(loc, expected, f"'{name}'", "give the link as b, and the body as a")
        elif robot not in scene.robots:
            yield Broken(loc, expected, f"'{name}'", f"robots: {did_you_mean(robot, scene.robots)}")
    elif name in scene.robots:
        yield Broken(loc, expected, f"the robot '{name}' alone", f"add a link, as in {name}/hand")
    elif scene.part(name) is None and not (copies and name in scene.copies):
        yield Broken(loc, expected, f"'{name}'", scene.unknown_part(name))


def _surface(scene: SceneTree, loc: Loc, name: str) -> Iterator[Broken]:
    if name == "ground":
        if not isinstance(scene.tree.get("ground"), Mapping):
            yield Broken(loc, "a body of the scene", "'ground', which it does not have", "add ground: {}")
    elif scene.part(name) is None:
        yield Broken(loc, "the name of a body, or ground", f"'{name}'", scene.unknown_part(name))
