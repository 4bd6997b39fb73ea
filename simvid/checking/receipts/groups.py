"""Who is tied to whom, and what puts energy in.

A **group** is what only unrecorded inner forces hold together: one free body, bodies tied by joints, all bodies of
particles, which touch each other on the grid of their solver, or all cloth, rope and bodies of elements, whose contacts
with each other no table holds. It is *held* where the world, a fixed body or a drive holds it by a joint: then its
momentum is not its own. Joints that may break, attachments and holds are in the record of what acts from outside, so
they tie no group. A **drive** is what moves by itself: robots, keyframed bodies and what hangs on them or is attached
to them, bodies on motors, conveyors, and bodies that the script pushes at random. What carries a drive by a joint, such
as the chassis of driven wheels, is held and driven by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.scene import Impulse
from simvid.scene.bodies import may_break
from simvid.trajectory import Trajectory

Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Group:
    """Parts that are tied together."""

    members: tuple[int, ...]
    held: bool
    """By the world or a drive."""
    driven: bool
    """By a drive."""

    def mask(self, count: int) -> Mask:
        """As a mask over the parts, [B]."""
        mask = np.zeros(count, np.bool_)
        mask[list(self.members)] = True
        return mask


@dataclass(frozen=True, eq=False)
class Groups:
    """All groups of a scene.

    Attributes:
        groups: what moves and is no drive by itself.
        drives: of each part that drives the name of its drive, such as ``robot arm``.
        tied: pairs of parts that a joint ties, the child first, joints that may break included.
        kicks: (part, impulse) of the scene.
    """

    groups: tuple[Group, ...]
    drives: dict[int, str]
    tied: tuple[tuple[int, int], ...]
    kicks: tuple[tuple[int, Impulse], ...]

    def names(self) -> tuple[str, ...]:
        """Of all drives."""
        return tuple(dict.fromkeys(self.drives.values()))


def groups_of(assets: SceneAssets, trajectory: Trajectory) -> Groups:
    """The groups of a scene."""
    parts = assets.parts
    index = {p.part.name: k for k, p in enumerate(parts)}
    drives = _drives(assets)
    tied = tuple(_tied(assets, index))
    soft = {p.part for p in trajectory.particles}
    free = {k for k, p in enumerate(parts) if p.mass is not None and k not in drives}
    root = {k: k for k in free}

    def top(k: int) -> int:
        while root[k] != k:
            k = root[k]
        return k

    held, driven = set[int](), set[int]()
    firm = [(child, parent) for child, parent in tied if not _breaks(assets, child)]
    for child, parent in firm:
        if child in free and parent in free:
            root[top(child)] = top(parent)
    for child, parent in firm:
        if child in free and parent not in free:
            held.add(child)
            if parent in drives:
                driven.add(child)
        elif child in drives and parent in free:  # a motor pushes back on what carries it
            held.add(parent)
            driven.add(parent)
    for tie in assets.scene.attachments:
        a, b = index[tie.a], index[tie.b]
        driven |= {k for k, other in ((a, b), (b, a)) if k in free and other in drives}
    driven |= {child for child, parent in tied if _breaks(assets, child) and parent in drives}
    thin = {p.part for p in trajectory.particles if p.form in ("sheet", "line") or _elements(parts[p.part])}
    for solver in (sorted((soft - thin) & free), sorted(thin & free)):
        for k in solver[1:]:
            root[top(k)] = top(solver[0])
    members: dict[int, list[int]] = {}
    for k in sorted(free):
        members.setdefault(top(k), []).append(k)
    groups = tuple(Group(tuple(m), bool(held & set(m)), bool(driven & set(m))) for m in members.values())
    kicks = tuple((k, kick) for k, p in enumerate(parts) if p.body is not None for kick in p.body.impulses)
    return Groups(groups, drives, tied, kicks)


def _elements(part: PartAssets) -> bool:
    """Whether a part is moved by finite elements."""
    return part.deformable is not None and part.deformable.tetrahedra is not None


def _breaks(assets: SceneAssets, k: int) -> bool:
    """Whether the joint of a part may break."""
    body = assets.parts[k].body
    return body is not None and may_break(body.joint) is not None


def _drives(assets: SceneAssets) -> dict[int, str]:
    found = {}
    pushed = {
        name
        for robot in assets.scene.robots
        if robot.noise is not None and robot.noise.pushes is not None
        for name in robot.noise.pushes.of
    }
    belts = {force.conveyor.body for force in assets.scene.forces if force.conveyor is not None}
    for k, p in enumerate(assets.parts):
        if p.part.name in belts:
            found[k] = f"conveyor {p.part.name}"
        elif p.body is not None and p.body.joint is not None and getattr(p.body.joint.value, "motors", None):
            found[k] = f"motor of {p.part.name}"
        elif p.part.kind == "link":
            found[k] = f"robot {p.part.instance}"
        elif p.body is not None and p.body.motion is not None:
            found[k] = f"keyframes of {p.part.name}"
        elif p.part.name in pushed:
            found[k] = f"random pushes on {p.part.name}"
    return found


def _tied(assets: SceneAssets, index: dict[str, int]) -> Iterator[tuple[int, int]]:
    """Child and parent of every joint; parent -1 for the world."""
    for k, part in enumerate(assets.parts):
        joint = part.body.joint if part.body is not None else None
        if joint is not None:
            parent = joint.value.parent
            yield k, (-1 if parent is None else index[parent])
