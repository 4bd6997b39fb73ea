"""What is tied to what: joints that break, attachments and holds of rigid parts, as constraints in MuJoCo's spec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.physics.influences import Place, targets, window
from simvid.physics.newton.links import body_names
from simvid.scene import Breaks
from simvid.scene.bodies import may_break

Array = NDArray[np.float64]
STIFF = (0.9999, 0.9999, 0.001, 0.5, 2.0)
"""Impedance: a tie yields by 1e-4 of what a resting contact would."""


@dataclass(frozen=True, eq=False)
class Tie:
    """Attributes:
    name: of an attachment; of a joint the field, ``bodies[2].joint``; of a hold the field, ``forces[0].hold``.
    a, b: parts; b is -1 for the world.
    kind: weld, ball or hinge.
    point: the anchor, in a's frame.
    axis: of a hinge, in a's frame.
    start_s, end_s: window.
    breaks: the load that it bears.
    place: a hold takes only what is in it when it begins.
    """

    name: str
    a: int
    b: int
    kind: str = "weld"
    point: Array = field(default_factory=lambda: np.zeros(3))
    axis: Array = field(default_factory=lambda: np.array([0.0, 0.0, 1.0]))
    start_s: float = 0.0
    end_s: float = float("inf")
    breaks: Breaks | None = None
    place: Place | None = None


def ties_of(assets: SceneAssets) -> tuple[Tie, ...]:
    """All ties of rigid parts: joints that break, attachments, holds."""
    return (*_joints(assets), *_attachments(assets), *_holds(assets))


def _joints(assets: SceneAssets) -> Iterator[Tie]:
    names = {p.part.name: k for k, p in enumerate(assets.parts)}
    for k, part in enumerate(assets.parts):
        joint = None if part.body is None else part.body.joint
        breaks = may_break(joint)
        if joint is None or breaks is None:
            continue
        value, inverse = joint.value, np.linalg.inv(part.pose)
        anchor = np.array(getattr(value, "anchor_m", part.pose[:3, 3]))
        axis = np.array(getattr(value, "axis", (0.0, 0.0, 1.0)), np.float64)
        yield Tie(
            f"{part.part.name}.joint", k, -1 if value.parent is None else names[value.parent], joint.kind,
            inverse[:3, :3] @ anchor + inverse[:3, 3], inverse[:3, :3] @ axis / np.linalg.norm(axis), breaks=breaks,
        )  # fmt: skip


def _attachments(assets: SceneAssets) -> Iterator[Tie]:
    names = {p.part.name: k for k, p in enumerate(assets.parts)}
    for tie in assets.scene.attachments:
        if tie.region is None:
            kind = "weld" if tie.kind == "rigid" else "ball"
            start, end = window(tie)
            yield Tie(
                tie.name, names[tie.a], names[tie.b], kind, np.array(tie.at_m), start_s=start, end_s=end,
                breaks=tie.breaks,
            )  # fmt: skip


def _holds(assets: SceneAssets) -> Iterator[Tie]:
    for n, force in enumerate(assets.scene.forces):
        if force.hold is None:
            continue
        start, end = window(force.hold)
        for k in targets(assets, force.hold.bodies):
            part = assets.parts[k]
            if part.part.kind == "body" and not part.part.fixed and part.deformable is None:
                place = Place.of(force.hold.region)
                yield Tie(f"forces[{n}].hold", k, -1, start_s=start, end_s=end, place=place)


def add_ties(spec: Any, assets: SceneAssets) -> None:
    """Add the constraints of all ties, off, and what keeps tied bodies from colliding."""
    names = body_names(assets)
    bodies = {body.name for body in spec.bodies}
    for n, tie in enumerate(ties_of(assets)):
        one = names[tie.a]
        two = names[tie.b] if tie.b >= 0 and names[tie.b] in bodies else "world"
        kind = mujoco.mjtEq.mjEQ_WELD if tie.kind == "weld" else mujoco.mjtEq.mjEQ_CONNECT
        for side in range(2 if tie.kind == "hinge" else 1):
            equality = spec.add_equality(
                name=f"tie{n}_{side}", type=kind, objtype=mujoco.mjtObj.mjOBJ_BODY, name1=one, name2=two, active=False
            )
            equality.solref = (2 * assets.scene.step_s, 1.0)
            equality.solimp = STIFF
        if two != "world":
            spec.add_exclude(name=f"tie{n}", bodyname1=one, bodyname2=two)
