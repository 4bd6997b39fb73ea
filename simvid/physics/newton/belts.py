"""Conveyors: contacts see the surface run. What friction tries to make vanish is the slip against the belt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.physics.influences import Place, window_steps
from simvid.physics.newton.kernels import Rows
from simvid.physics.newton.obstacles import Hindrances
from simvid.physics.newton.world import World

Array = NDArray[np.float64]
Vector = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class _Belt:
    geoms: NDArray[np.bool_]
    """Which geoms are its surface, [ngeom]."""
    body: int
    """MuJoCo's, 0 for the world."""
    turn: Array
    """Of a part of the world, [3, 3]."""
    velocity: Array
    place: Place
    first: int
    end: int
    """Steps."""


def belt_changes(assets: SceneAssets, things: Hindrances) -> dict[int, dict[int, tuple[Vector, Place]]]:
    """Step -> obstacle -> velocity of its surface from then on, in its axes, and where; one belt on each at a time."""
    names = [p.part.name for p in assets.parts]
    begins: dict[int, dict[int, tuple[Vector, Place]]] = {}
    ends: dict[int, dict[int, tuple[Vector, Place]]] = {}
    for belt in (force.conveyor for force in assets.scene.forces if force.conveyor is not None):
        obstacle, place = int(np.flatnonzero(things.parts == names.index(belt.body))[0]), Place.of(belt.region)
        first, end = window_steps(belt, assets.scene.step_s)
        begins.setdefault(first, {})[obstacle] = belt.velocity_m_s, place
        ends.setdefault(end, {})[obstacle] = (0.0, 0.0, 0.0), place
    return {step: ends.get(step, {}) | begins.get(step, {}) for step in {*begins, *ends}}  # one may end as one begins


class Belts:
    """All conveyors of a scene."""

    def __init__(self, world: World) -> None:
        self._d, step = world.d, float(world.m.opt.timestep)
        self.step = 0
        """Number of the step that is taken; whoever takes it says so."""
        self._belts: list[_Belt] = []
        names = [p.part.name for p in world.assets.parts]
        for force in world.assets.scene.forces:
            belt = force.conveyor
            if belt is None:
                continue
            k = names.index(belt.body)
            self._belts.append(
                _Belt(
                    world.geom_ids == k + 1, int(world.bodies[k]), world.assets.parts[k].pose[:3, :3],
                    np.array(belt.velocity_m_s), Place.of(belt.region), *window_steps(belt, step),
                )
            )  # fmt: skip
        self.some = bool(self._belts)

    def run(self, contact: Any, rows: Rows, velocity: Array, reference: Array, softness: Array) -> None:
        """Put the belts into the contacts of a step.

        A tangential row strives for the acceleration -b v, with v the speed of the second geom against the first. The
        surfaces' own speeds s1 and s2 make that v - (s1 - s2).

        Args:
            contact, rows: MuJoCo's contacts.
            velocity, reference, softness: ``efc_vel``, ``efc_aref`` and ``efc_KBIP``, changed in place but the last.
        """
        for belt in self._belts:
            if not belt.first <= self.step < belt.end:
                continue
            sides = belt.geoms[rows.geoms]
            found = np.flatnonzero((sides[:, 0] != sides[:, 1]) & (rows.address >= 0) & (rows.dim >= 3))
            found = found[belt.place.holds(contact.pos[found])] if len(found) else found
            if not len(found):
                continue
            turn = self._d.xmat[belt.body].reshape(3, 3) if belt.body else belt.turn
            sign = np.where(sides[found, 0], 1.0, -1.0)
            frames = contact.frame[found].reshape(-1, 3, 3)
            along = sign[:, None] * (frames[:, 1:] @ (turn @ belt.velocity))
            for i in (1, 2):
                row = rows.address[found] + i
                velocity[row] -= along[:, i - 1]
                reference[row] += softness[row, 1] * along[:, i - 1]
