"""Forces, holds, attachments and conveyors as cloth and rope feel them.

A wind pushes on each triangle with the area that it shows it, 1/2 rho c |w . a| w with w = u - v and a its vector of
area, and on each segment of a rope with its shadow 2 r |w x d| / |w|; none shelters another. Of a solid's surface only
what faces the wind counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.errors import SceneError
from simvid.physics.influences import AIR, Influence, Place, influences
from simvid.physics.mpm.touches import Touches
from simvid.physics.newton.belts import belt_changes
from simvid.physics.newton.ledger import Ledger
from simvid.physics.newton.obstacles import Hindrances
from simvid.physics.newton.particle_forces import bodies_meant, check_weight, grips_of, rows_inside, told
from simvid.physics.newton.world import World
from simvid.physics.thin.solver import Solver
from simvid.trajectory import TieEvent

Array = NDArray[np.float64]
Ints = NDArray[np.intp]


class ThinForces:
    """Sets what acts on a solver of thin bodies, step by step."""

    def __init__(
        self, assets: SceneAssets, world: World, solver: Solver, things: Hindrances, soft: tuple[int, ...],
        rows: tuple[slice, ...],
    ) -> None:  # fmt: skip
        """Plan.

        Args:
            assets: with the deformable parts.
            world: what carries attachments.
            solver: of the thin bodies, with these obstacles.
            things: the obstacles.
            soft: part of each thin body.
            rows: its vertices.
        """
        self._assets, self._world, self._solver, self._things = assets, world, solver, things
        self._soft, self._rows, self._step_s = soft, rows, assets.scene.step_s
        self._masses, self._skin = solver.thin.masses, solver.thin.solid.surface
        self._gravity = np.array(world.m.opt.gravity, np.float64)
        self._influences = [i for i in influences(assets) if i.parts & set(soft)]
        self._acts = [np.isin(solver.thin.body, [k for k, part in enumerate(soft) if part in i.parts])
                      for i in self._influences]  # fmt: skip
        self._grips = grips_of(assets, soft)
        self._held: dict[int, Ints] = {}
        self._belts = belt_changes(assets, things)
        self.events: list[TieEvent] = []
        self._pushed, self._blown = np.zeros_like(solver.thin.positions), False
        self._before = (solver.positions(), solver.velocities())
        self._reaction: dict[int, Array] = {}
        self._pulled: Touches | None = None

    def chosen(self, names: tuple[str, ...], place: Place) -> Ints:
        """As ``ParticleForces.chosen``."""
        soft = bodies_meant(self._assets, self._soft, names)
        return rows_inside(self._rows, soft, place, self._solver.positions())

    def mass_kg(self, which: Ints) -> float:
        """As ``ParticleForces.mass_kg``."""
        return float(self._masses[which].sum())

    def kick(self, which: Ints, change_m_s: Array, ledger: Ledger) -> None:
        """As ``ParticleForces.kick``."""
        change = np.zeros_like(self._pushed)
        change[which] = change_m_s
        self._note(ledger, change, self._solver.velocities())
        self._solver.kick(change)

    def keep(self, parts: frozenset[int]) -> None:
        """As ``ParticleForces.keep``."""
        self._solver.keep(self._things.of_parts(parts))

    def begin(self, step: int) -> dict[str, int]:
        """As ``ParticleForces.begin``."""
        for obstacle, (velocity, place) in self._belts.get(step, {}).items():
            self._solver.set_belt(obstacle, velocity, place)
        held: dict[str, int] = {}
        for g, grip in enumerate(self._grips):
            if grip.on and step == grip.end:
                grip.on = False
                self._solver.let_go(self._held.pop(g))
                self.events.append(told(self._assets, grip, self._soft, "release", step * self._step_s))
            elif step == grip.start:
                which = rows_inside(self._rows, grip.soft, grip.place, self._solver.positions())
                if grip.is_hold:
                    held[grip.field] = len(which)
                elif not len(which):
                    where = self._assets.scene.where(f"{grip.field}.region")
                    raise SceneError(f"{where}: no vertex of the cloth or rope is in it when it begins")
                else:
                    places = self._solver.positions()[which]
                    check_weight(self._assets, self._world, grip, self._soft, self._masses[which], places)
                grip.on = len(which) > 0
                self._held = {n: np.setdiff1d(own, which) for n, own in self._held.items()} | {g: which}
                self._solver.hold(which, None if grip.part < 0 else self._obstacle(grip.field, grip.part))
                if step:
                    self.events.append(told(self._assets, grip, self._soft, "tie", step * self._step_s))
        return held

    def _obstacle(self, field: str, part: int) -> int:
        found = np.flatnonzero(self._things.parts == part)
        if not len(found):
            where, name = self._assets.scene.where(f"{field}.b"), self._assets.parts[part].part.name
            raise SceneError(f"{where}: expected a body that touches things, got {name!r}, which has no colliders")
        return int(found[0])

    def before(self, step: int) -> None:
        """Set what acts in a step."""
        self._before = (self._solver.positions(), self._solver.velocities())
        total = np.zeros_like(self._pushed)
        for influence, acts in zip(self._influences, self._acts, strict=True):
            share = influence.share(step * self._step_s, self._step_s)
            if share > 0:
                total += share * self._acceleration(influence, acts)
        if total.any() or self._blown:
            self._solver.accelerate(total)
        self._pushed, self._blown = total, bool(total.any())

    def _acceleration(self, influence: Influence, acts: NDArray[np.bool_]) -> Array:
        """What an influence gives each vertex [m/s^2], [V, 3]."""
        x, v = self._before
        if influence.kind not in AIR:
            return np.where((acts & influence.place.holds(x))[:, None], influence.at(x), 0.0)
        thin = self._solver.thin
        push, drag = np.zeros_like(x), np.zeros(len(x))
        faces, ends, skin = thin.membrane.corners, thin.springs.ends, self._skin
        areas, plates = (np.cross(x[f[:, 1]] - x[f[:, 0]], x[f[:, 2]] - x[f[:, 0]]) / 2 for f in (faces, skin))
        sticks = (x[ends[:, 1]] - x[ends[:, 0]]) * (2 * thin.radius[ends].mean(axis=1))[:, None]
        for corners, shadow in ((faces, areas), (ends, sticks), (skin, plates)):
            if not len(corners):
                continue
            middle = x[corners].mean(axis=1)
            on = acts[corners[:, 0]] & influence.place.holds(middle)
            wind = influence.at(middle) - v[corners].mean(axis=1)
            across = np.linalg.norm(np.cross(wind, shadow), axis=1) if corners is ends else (wind * shadow).sum(axis=1)
            if corners is skin:
                across = np.minimum(across, 0.0)
            rate = influence.pressure * np.abs(across) * on / corners.shape[1]
            for k in range(corners.shape[1]):
                np.add.at(push, corners[:, k], rate[:, None] * wind)
                np.add.at(drag, corners[:, k], rate)
        return np.asarray(push / (self._masses + drag * self._step_s)[:, None])

    def after(self, found: Touches, pulled: Touches, by_particles: Touches | None = None) -> None:
        """What the world felt of what it holds, from the balance of momentum in the step.

        Args:
            found: what thin bodies did to obstacles.
            pulled: what they did to those that hold them.
            by_particles: what particles of another solver did to thin bodies.
        """
        self._reaction, self._pulled = {}, pulled
        for g, grip in enumerate(self._grips):
            if not grip.on or grip.part >= 0 or not len(self._held[g]):
                continue
            for k in grip.soft:
                rows = self._rows[k]
                mass = self._masses[rows, None]
                gained = (mass * (self._solver.velocities()[rows] - self._before[1][rows])).sum(axis=0)
                explained = (mass * (self._gravity + self._pushed[rows])).sum(axis=0) * self._step_s
                given = sum(t.impulse_n_s[t.body == k].sum(axis=0) for t in (found, pulled))
                if by_particles is not None:
                    given = given - by_particles.impulse_n_s[by_particles.obstacle == k].sum(axis=0)
                self._reaction[k] = gained - explained + given

    def write(self, ledger: Ledger) -> None:
        """As ``ParticleForces.write``."""
        if self._blown:
            self._note(ledger, self._pushed * self._step_s, self._before[1])
        for k, push in self._reaction.items():
            ledger.push(self._soft[k], push, 0.0)
        pulled = self._pulled
        if pulled is None:
            return
        for n in range(len(pulled.obstacle)):
            push, turn = pulled.impulse_n_s[n], float(np.linalg.norm(pulled.moment_n_m_s[n]))
            ledger.push(self._soft[pulled.body[n]], -push, 0.0)
            ledger.push(int(self._things.parts[pulled.obstacle[n]]), push, 0.0, turn)

    def _note(self, ledger: Ledger, change: Array, velocity: Array) -> None:
        """A change of velocities of all vertices [V, 3], from what they were."""
        for k, rows in enumerate(self._rows):
            push = self._masses[rows, None] * change[rows]
            ledger.push(self._soft[k], push.sum(axis=0), float((push * (velocity[rows] + change[rows] / 2)).sum()))
