"""Particles of MPM beside cloth and rope: one step of both, and forces on all of them as on one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.physics.contact_table import FrameContacts
from simvid.physics.influences import Place
from simvid.physics.mixed.solver import Mixture
from simvid.physics.newton.ledger import Ledger
from simvid.physics.newton.pairs import Pairs
from simvid.physics.newton.particle_forces import ParticleForces
from simvid.physics.newton.soft import SoftBodies
from simvid.physics.newton.thin import ThinBodies
from simvid.physics.watch import Overlap
from simvid.trajectory import TieEvent

Array = NDArray[np.float64]
Ints = NDArray[np.intp]


class MixedBodies:
    """Deformable bodies of both solvers, which touch each other."""

    def __init__(self, assets: SceneAssets, soft: SoftBodies, thin: ThinBodies) -> None:
        """Couple them; both are at t = 0."""
        friction = [assets.parts[k].deformable for k in soft.parts]
        self._soft, self._thin = soft, thin
        self._mixture = Mixture(soft.solver, thin.solver, [d.material.friction for d in friction if d is not None])
        self._pairs = Pairs(np.array(thin.parts), np.array(soft.parts))
        self.forces: ParticleForces = AllForces(soft.forces, len(soft.solver), thin.forces)

    def overlaps(self) -> list[Overlap]:
        """Where particles are inside cloth or rope now, the deepest of each pair."""
        return [
            Overlap(self._soft.parts[b], self._thin.parts[t], depth, (float(way[0]), float(way[1]), float(way[2])))
            for t, b, depth, way in self._mixture.overlaps()
        ]

    def step(self, time_s: float) -> None:
        """As ``SoftBodies.step``, of both."""
        self._soft.prepare(time_s)
        self._thin.prepare(time_s)
        with self._soft.named():
            self._mixture.advance(self._soft.step_s)
        found = self._mixture.touches()
        self._pairs.add(found, time_s)
        self._soft.finish(time_s)
        self._thin.finish(time_s, found)

    def contacts(self) -> FrameContacts:
        """Of particles with cloth and rope, in the steps since this was last called."""
        return self._pairs.take()


class AllForces:
    """``ParticleForces`` of both solvers; the particles are those of the one, then those of the other."""

    def __init__(self, first: ParticleForces, count: int, second: ParticleForces) -> None:
        """``count`` is the number of particles of ``first``."""
        self._first, self._count, self._second = first, count, second

    @property
    def events(self) -> Sequence[TieEvent]:
        """As ``ParticleForces.events``."""
        return [*self._first.events, *self._second.events]

    def keep(self, parts: frozenset[int]) -> None:
        """As ``ParticleForces.keep``."""
        self._first.keep(parts)
        self._second.keep(parts)

    def begin(self, step: int) -> dict[str, int]:
        """As ``ParticleForces.begin``."""
        held = self._first.begin(step)
        for field, count in self._second.begin(step).items():
            held[field] = held.get(field, 0) + count
        return held

    def chosen(self, names: tuple[str, ...], place: Place) -> Ints:
        """As ``ParticleForces.chosen``."""
        return np.concatenate([self._first.chosen(names, place), self._second.chosen(names, place) + self._count])

    def mass_kg(self, which: Ints) -> float:
        """As ``ParticleForces.mass_kg``."""
        return self._first.mass_kg(which[which < self._count]) + self._second.mass_kg(self._others(which))

    def kick(self, which: Ints, change_m_s: Array, ledger: Ledger) -> None:
        """As ``ParticleForces.kick``."""
        self._first.kick(which[which < self._count], change_m_s, ledger)
        self._second.kick(self._others(which), change_m_s, ledger)

    def write(self, ledger: Ledger) -> None:
        """As ``ParticleForces.write``."""
        self._first.write(ledger)
        self._second.write(ledger)

    def _others(self, which: Ints) -> Ints:
        """Rows of the second solver."""
        return np.asarray(which[which >= self._count] - self._count, np.intp)
