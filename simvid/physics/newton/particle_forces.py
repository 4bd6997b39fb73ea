"""What the two solvers of deformable bodies offer to forces, holds, attachments and conveyors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.errors import SceneError
from simvid.physics.influences import Place, targets, window_steps
from simvid.physics.newton.ledger import Ledger
from simvid.physics.newton.obstacles import floats
from simvid.physics.newton.world import World
from simvid.trajectory import TieEvent

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
CLAMPED = 0.25
"""Cells from where a body is clamped to the last plane of held nodes; see ``HELD`` in ``mpm.warp_outside``."""

MOST_SHARE = 0.5
"""Of the mass that what they are tied to resists with may hang on it as particles; it feels them a step late."""


class ParticleForces(Protocol):
    """Particles that feel what acts from outside."""

    @property
    def events(self) -> Sequence[TieEvent]:
        """What was tied and released."""
        ...

    def keep(self, parts: frozenset[int]) -> None:
        """These parts do not float from now on, all others that can do: ties of rigid bodies have changed."""
        ...

    def begin(self, step: int) -> dict[str, int]:
        """Begin and end holds, attachments and conveyors with a step; the number of particles of each hold begun."""
        ...

    def chosen(self, names: tuple[str, ...], place: Place) -> Ints:
        """Particles of the bodies meant that are in a place now."""
        ...

    def mass_kg(self, which: Ints) -> float:
        """Of some particles together."""
        ...

    def kick(self, which: Ints, change_m_s: Array, ledger: Ledger) -> None:
        """Give particles another velocity at once."""
        ...

    def write(self, ledger: Ledger) -> None:
        """Write down what acted on them in the step."""
        ...


@dataclass(eq=False)
class Grip:
    """A hold or an attachment of particles: which, on what, when (in steps)."""

    name: str
    field: str
    soft: tuple[int, ...]
    """Indices of the deformable bodies."""
    place: Place
    part: int
    """What carries it; -1 is the world."""
    start: int
    end: int
    is_hold: bool
    on: bool = False


def grips_of(assets: SceneAssets, soft: Sequence[int]) -> list[Grip]:
    """Holds and attachments of deformable bodies; ``soft`` has their parts."""
    found = []
    names, step_s = [p.part.name for p in assets.parts], assets.scene.step_s
    for n, force in enumerate(assets.scene.forces):
        if force.hold is not None and (own := bodies_meant(assets, soft, force.hold.bodies)):
            field, place = f"forces[{n}].hold", Place.of(force.hold.region)
            found.append(Grip(field, field, own, place, -1, *window_steps(force.hold, step_s), True))
    for n, tie in enumerate(assets.scene.attachments):
        if tie.region is not None and names.index(tie.a) in soft:
            place, part = Place.of(tie.region), names.index(tie.b)
            field, own = f"attachments[{n}]", (list(soft).index(names.index(tie.a)),)
            found.append(Grip(tie.name, field, own, place, part, *window_steps(tie, step_s), False))
    return found


def bodies_meant(assets: SceneAssets, soft: Sequence[int], names: tuple[str, ...]) -> tuple[int, ...]:
    """Indices of the deformable bodies that a force's ``bodies`` mean."""
    meant = set(targets(assets, names))
    return tuple(k for k, part in enumerate(soft) if part in meant)


def rows_inside(rows: Sequence[slice], soft: tuple[int, ...], place: Place, places: Array) -> Ints:
    """Particles of some bodies that are in a place; ``places`` are those of all, [N, 3]."""
    own = [np.arange(rows[k].start, rows[k].stop) for k in soft]
    every = np.concatenate([np.zeros(0, np.intp), *own])
    return np.asarray(every[place.holds(places[every])], np.intp)


def check_weight(
    assets: SceneAssets, world: World, grip: Grip, soft: Sequence[int], masses: Array, places: Array
) -> None:
    """Refuse an attachment of particles that weigh too much for what carries them, unless that floats.

    Args:
        assets: with the deformable parts.
        world: what carries it.
        grip: the attachment.
        soft: part of each deformable body.
        masses, places: of the particles in its region, [H] and [H, 3].

    Raises:
        SceneError: how much they weigh, and what to do.
    """
    body = int(world.bodies[grip.part])
    if not world.moving[grip.part] or floats(world.m, body):
        return
    far = places - world.d.xipos[body]
    held = np.array([masses.sum(), float(masses @ (far * far).sum(axis=1))])
    share = float((held * world.m.body_invweight0[body]).max())
    if share > MOST_SHARE:
        a, b = (assets.parts[k].part.name for k in (soft[grip.soft[0]], grip.part))
        raise SceneError(
            f"{assets.scene.where(grip.field + '.region')}: the particles of {a!r} in it weigh {held[0]:.3g} kg, which "
            f"is {share:.3g} times the inertia with which {b!r} resists (its joints give way); expected at most "
            f"{MOST_SHARE:g} times: take a smaller region or a heavier body"
        )


def told(assets: SceneAssets, grip: Grip, soft: Sequence[int], kind: Any, time_s: float) -> TieEvent:
    """The event of a grip that takes hold or lets go."""
    parts = [*(soft[k] for k in grip.soft), *([grip.part] if grip.part >= 0 else [])]
    return TieEvent(kind, grip.name, tuple(assets.parts[k].part.name for k in parts), time_s)


def clamping_node(
    assets: SceneAssets, soft: Sequence[int], rows: Sequence[slice], places: Array, spacing_m: float
) -> tuple[float, float, float]:
    """A place for a node of the grid, so that bodies are clamped in the faces of the boxes that hold them.

    The last plane of held nodes is ``CLAMPED`` cells beyond such a face. Of several faces across one axis the first
    that cuts what it holds counts; 0 where there is none.

    Args:
        assets: with the deformable parts.
        soft: part of each deformable body.
        rows: its particles.
        places: of all particles at t = 0 [m], [N, 3].
        spacing_m: of the grid.
    """
    found: dict[int, float] = {}
    for grip in grips_of(assets, soft):
        for k in grip.soft if grip.is_hold else ():
            low, high = places[rows[k]].min(axis=0), places[rows[k]].max(axis=0)
            for face, side in ((np.array(grip.place.low_m), -1.0), (np.array(grip.place.high_m), 1.0)):
                for axis in np.flatnonzero((face > low) & (face < high)):
                    found.setdefault(int(axis), float(face[axis]) + side * CLAMPED * spacing_m)
    return found.get(0, 0.0), found.get(1, 0.0), found.get(2, 0.0)
