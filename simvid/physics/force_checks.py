"""Faults of forces, attachments and joints that only show with the bodies made; all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.errors import SceneError
from simvid.physics.influences import AIR, Place, movable, solid_pieces, targets, window_steps
from simvid.scene import Region


def check_forces(assets: SceneAssets) -> None:
    """Refuse what cannot act, be held or be tied.

    Raises:
        SceneError: one line for each fault, with file, line and field.
    """
    faults = [*_forces(assets), *_belts(assets), *_attachments(assets), *_joints(assets)]
    if faults:
        scene = assets.scene
        raise SceneError("\n".join(f"{scene.where(field)}: {text}" for field, text in faults))


def _forces(assets: SceneAssets) -> Iterator[tuple[str, str]]:
    names = {p.part.name: k for k, p in enumerate(assets.parts)}
    for n, force in enumerate(assets.scene.forces):
        field, value = f"forces[{n}].{force.kind}", force.value
        if force.conveyor is not None:
            part = assets.parts[names[force.conveyor.body]]
            got = f"got {part.part.name!r}"
            if part.deformable is not None:
                yield f"{field}.body", f"expected a rigid body, {got}, which is deformable"
            elif not part.colliders:
                yield f"{field}.body", f"expected a body that things can lie on, {got}, which touches nothing"
            continue
        yield from _named(assets, field, value.bodies)
        parts = targets(assets, value.bodies)
        if not value.bodies and not parts:
            yield field, "expected something that it can act on, got a scene without bodies that can move"
            continue
        if force.kind in AIR and value.area_m2 is None:
            yield from _without_outline(assets, field, parts)
        begins = force.impulse.t_s if force.impulse is not None else force.hold.start_s if force.hold is not None else 1
        if parts and begins == 0 and value.region is not None and not _some_inside(assets, parts, value.region):
            hint = "move or enlarge it"
            yield f"{field}.region", f"expected a region with a body in it at t = 0, got one with nothing in it: {hint}"


def _belts(assets: SceneAssets) -> Iterator[tuple[str, str]]:
    """Belts that run on one body at a time: particles, cloth and rope feel one of them, rigid bodies all."""
    if not any(p.deformable is not None for p in assets.parts):
        return
    step_s = assets.scene.step_s
    belts = [(n, force.conveyor) for n, force in enumerate(assets.scene.forces) if force.conveyor is not None]
    for k, (n, belt) in enumerate(belts):
        first, end = window_steps(belt, step_s)
        for earlier, other in belts[:k]:
            start, stop = window_steps(other, step_s)
            if other.body == belt.body and max(first, start) < min(end, stop):
                got = f"got {belt.body!r}, which has that of forces[{earlier}] at the same time"
                hint = "give each a body of its own, or one after the other with start_s and end_s"
                yield f"forces[{n}].conveyor.body", f"expected one belt on a body beside deformable ones, {got}: {hint}"


def _without_outline(assets: SceneAssets, field: str, parts: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Rigid parts on which a wind finds nothing to push."""
    for k in parts:
        part = assets.parts[k]
        if part.deformable is None and not solid_pieces(assets, k):
            got = f"got {part.part.name!r}, which touches nothing and so has no outline"
            yield f"{field}.area_m2", f"expected an area for what the wind cannot measure, {got}; or name other bodies"


def _named(assets: SceneAssets, field: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Targets that are not there, and those that cannot move."""
    for k, name in enumerate(names):
        parts = targets(assets, [name])
        if not parts:
            yield f"{field}.bodies[{k}]", f"expected {_THING}, got {name!r}: {_links(assets, name)}"
        for j in parts:
            if not movable(assets, j):
                part = assets.parts[j]
                got = f"got {part.part.name!r}, which is {_stuck(part)}"
                yield f"{field}.bodies[{k}]", f"expected a body that can move, {got}"


_THING = "a body, or a robot's link as ROBOT/LINK"


def _links(assets: SceneAssets, name: str) -> str:
    robot = name.partition("/")[0]
    links = [p.part.name for p in assets.parts if p.part.kind == "link" and p.part.instance == robot]
    return f"links are {', '.join(links)}" if links else "no part has that name"


def _stuck(part: PartAssets) -> str:
    return "on keyframes" if part.body is not None and part.body.motion is not None else "fixed"


def _some_inside(assets: SceneAssets, parts: Sequence[int], region: Region) -> bool:
    return any(_inside(assets.parts[k], Place.of(region)) for k in parts)


def _inside(part: PartAssets, place: Place) -> int:
    """How many of a part's particles are in a place, or whether its centre of mass is."""
    turn, shift = part.pose[:3, :3], part.pose[:3, 3]
    if part.deformable is not None:
        return int(place.holds(part.deformable.rest.astype(np.float64) @ turn.T + shift).sum())
    center = np.zeros(3) if part.mass is None else part.mass.center_m
    return int(place.holds((turn @ center + shift)[None])[0])


def _attachments(assets: SceneAssets) -> Iterator[tuple[str, str]]:
    parts = {p.part.name: p for p in assets.parts}
    for n, tie in enumerate(assets.scene.attachments):
        field, a, b = f"attachments[{n}]", parts[tie.a], parts.get(tie.b)
        if b is None:
            yield f"{field}.b", f"expected {_THING}, got {tie.b!r}: {_links(assets, tie.b)}"
            continue
        if b.deformable is not None:
            hint = "give the deformable one as a, with a region, and a rigid one as b"
            yield f"{field}.b", f"expected a rigid body, got {tie.b!r}, which is deformable: {hint}"
            continue
        if (a.deformable is not None) != (tie.region is not None):
            what = "deformable and needs one" if a.deformable is not None else "rigid and tied at a point"
            yield f"{field}.region", f"expected a region for a deformable body alone, got {tie.a!r}, which is {what}"
            continue
        if a.deformable is None and a.part.fixed:
            hint = "swap a and b" if not b.part.fixed else "neither of the two can move"
            yield f"{field}.a", f"expected a body that can move, got {tie.a!r}, which is {_stuck(a)}: {hint}"
        if a.body is not None and a.body.joint is not None and a.body.joint.value.parent == tie.b:
            yield f"{field}.b", f"expected a body that {tie.a!r} is not tied to yet, got the parent of its joint"
        if tie.region is not None and not tie.start_s and not _inside(a, Place.of(tie.region)):
            yield f"{field}.region", f"expected a region with particles of {tie.a!r} in it, got one with nothing in it"


def _joints(assets: SceneAssets) -> Iterator[tuple[str, str]]:
    parts = {p.part.name: p for p in assets.parts}
    names = [b.name for b in assets.scene.bodies]
    for part in assets.parts:
        joint = None if part.body is None else part.body.joint
        if joint is None or part.body is None:
            continue
        name = part.body.name if part.body.name in names else part.body.name.rpartition("_")[0]
        field = f"bodies[{names.index(name)}].joint.{joint.kind}" if name in names else "bodies"
        if part.deformable is not None:
            got = f"got {part.part.name!r}, which is deformable: use attachments"
            yield field, f"expected a rigid body on a joint, {got}"
        above = parts.get(joint.value.parent or "")
        if above is not None and above.deformable is not None:
            yield f"{field}.parent", f"expected a rigid body, got {above.part.name!r}, which is deformable"
