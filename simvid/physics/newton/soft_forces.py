"""Forces, holds, attachments and conveyors as the particles of a scene feel them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.errors import SceneError
from simvid.physics.influences import Place, influences
from simvid.physics.mpm.outside import Outside
from simvid.physics.mpm.solver import Solver
from simvid.physics.newton.belts import belt_changes
from simvid.physics.newton.ledger import Ledger
from simvid.physics.newton.obstacles import Hindrances, floats
from simvid.physics.newton.particle_forces import bodies_meant, check_weight, grips_of, rows_inside, told
from simvid.physics.newton.world import World
from simvid.physics.watch import cross
from simvid.rotations import matrix_from_quat
from simvid.trajectory import TieEvent

Array = NDArray[np.float64]
Ints = NDArray[np.intp]


class SoftForces:
    """Makes the ``Outside`` of a solver and keeps it up to date."""

    def __init__(self, assets: SceneAssets, world: World, soft: tuple[int, ...], rows: tuple[slice, ...]) -> None:
        """Plan.

        Args:
            assets: with the deformable parts.
            world: what carries grips.
            soft: part of each deformable body.
            rows: its particles.
        """
        self._assets, self._world, self._soft, self._rows = assets, world, soft, rows
        self._step_s = assets.scene.step_s
        self._influences = influences(assets)
        acts = np.array([[k in i.parts for k in soft] for i in self._influences], bool).reshape(-1, len(soft))
        self._grips = grips_of(assets, soft)
        self._frames = [(grip, k) for grip in self._grips for k in grip.soft]  # each body apart: the record says whose
        self.outside = Outside(self._influences, acts, len(self._frames))
        self._times = {g.start for g in self._grips} | {g.end for g in self._grips}
        self.events: list[TieEvent] = []
        self._felt = np.zeros((0, 6))
        self._kept: frozenset[int] = frozenset()

    def bind(self, solver: Solver, things: Hindrances) -> None:
        """Take the solver that the outside was given to, and its obstacles."""
        self._solver, self._things, self._belts = solver, things, belt_changes(self._assets, things)

    def chosen(self, names: tuple[str, ...], place: Place) -> Ints:
        """As ``ParticleForces.chosen``."""
        soft = bodies_meant(self._assets, self._soft, names)
        return rows_inside(self._rows, soft, place, self._solver.positions())

    def mass_kg(self, which: Ints) -> float:
        """As ``ParticleForces.mass_kg``."""
        return float(self._solver.particles.masses[which].astype(np.float64).sum())

    def keep(self, parts: frozenset[int]) -> None:
        """As ``ParticleForces.keep``."""
        self._kept = parts
        self._solver.keep(self._things.of_parts(parts))
        for n, (grip, _) in enumerate(self._frames):
            if grip.on and grip.part >= 0:
                self.outside.weigh(n, self._free(grip.part))

    def begin(self, step: int) -> dict[str, int]:
        """As ``ParticleForces.begin``."""
        for obstacle, (velocity, place) in self._belts.get(step, {}).items():
            self._solver.set_belt(obstacle, velocity, place)
        if step not in self._times:
            return {}
        held: dict[str, int] = {}
        for grip in self._grips:
            frames = [(n, self._rows[k]) for n, (other, k) in enumerate(self._frames) if other is grip]
            if grip.on and step == grip.end:
                grip.on = False
                for n, _ in frames:
                    self.outside.let_go(n)
                self.events.append(told(self._assets, grip, self._soft, "release", step * self._step_s))
            elif step == grip.start:
                places, masses = self._solver.positions(), self._solver.particles.masses.astype(np.float64)
                which = rows_inside(self._rows, grip.soft, grip.place, places)
                if grip.is_hold:
                    held[grip.field] = len(which)
                else:
                    if not len(which):
                        name = self._assets.parts[self._soft[grip.soft[0]]].part.name
                        where = self._assets.scene.where(f"{grip.field}.region")
                        raise SceneError(f"{where}: no particle of {name!r} is in it when it begins")
                    check_weight(self._assets, self._world, grip, self._soft, masses[which], places[which])
                grip.on = len(which) > 0
                pose, free = self._carrier(grip.part)[0], self._free(grip.part)
                for n, rows in frames:
                    own = which[(which >= rows.start) & (which < rows.stop)]
                    self.outside.take_hold(n, own, places, pose, free)
                if step:
                    self.events.append(told(self._assets, grip, self._soft, "tie", step * self._step_s))
        return held

    def _free(self, part: int) -> tuple[float, Array] | None:
        """Mass and inertia about the centre of mass of a body that floats freely, in its own axes."""
        m = self._world.m
        body = 0 if part < 0 else int(self._world.bodies[part])
        if not body or part in self._kept or not self._world.moving[part] or not floats(m, body):
            return None
        turn = matrix_from_quat(np.asarray(m.body_iquat[body], np.float64))
        return float(m.body_mass[body]), np.asarray(turn @ np.diag(m.body_inertia[body]) @ turn.T)

    def _carrier(self, part: int) -> tuple[Array, Array, Array]:
        """Pose, velocity and spin of what carries a grip; its frame is that of the centre of mass of MuJoCo's body."""
        m, d = self._world.m, self._world.d
        body = 0 if part < 0 else int(self._world.bodies[part])
        pose = np.eye(4)
        if not body:
            return pose, np.zeros(3), np.zeros(3)
        pose[:3, :3], pose[:3, 3] = d.xmat[body].reshape(3, 3), d.xipos[body]
        spin = np.array(d.cvel[body, :3])
        arm = d.xipos[body] - d.subtree_com[m.body_rootid[body]]
        return pose, d.cvel[body, 3:] + cross(spin[None], arm[None])[0], spin

    @property
    def needs_state(self) -> bool:
        """Whether the coming step needs MuJoCo's places and speeds."""
        return any(g.on and g.part >= 0 for g in self._grips)

    def before(self, step: int) -> None:
        """Set what acts in a step; MuJoCo's places and speeds are those of its start."""
        shares = [i.share(step * self._step_s, self._step_s) for i in self._influences]
        self.outside.set_on(np.array(shares))
        for n, (grip, _) in enumerate(self._frames):
            if grip.on and grip.part >= 0:
                self.outside.move(n, *self._carrier(grip.part))

    def kick(self, which: Ints, change_m_s: Array, ledger: Ledger) -> None:
        """As ``ParticleForces.kick``."""
        masses = self._solver.particles.masses.astype(np.float64)
        before = self._solver.velocities().astype(np.float64)
        self._solver.kick(which, change_m_s)
        for k, rows in enumerate(self._rows):
            own = which[(which >= rows.start) & (which < rows.stop)]
            push = masses[own].sum() * change_m_s
            ledger.push(self._soft[k], push, float(masses[own] @ ((before[own] + change_m_s / 2) @ change_m_s)))

    def write(self, ledger: Ledger) -> None:
        """As ``ParticleForces.write``."""
        if self._influences:
            for k, row in enumerate(self.outside.given()):
                ledger.push(self._soft[k], row[:3], float(row[3]))
        for (grip, k), found in zip(self._frames, self._felt, strict=False):
            ledger.push(self._soft[k], -found[:3], 0.0)
            if grip.part >= 0:
                ledger.push(grip.part, found[:3], 0.0, float(np.linalg.norm(found[3:])))

    def after(self) -> None:
        """Give MuJoCo's bodies what their grips felt, as forces over the step."""
        if not self._grips:
            return
        found = self._felt = self.outside.reactions()
        for (grip, _), row in zip(self._frames, found, strict=True):
            body = 0 if grip.part < 0 else int(self._world.bodies[grip.part])
            if body:
                self._world.d.xfrc_applied[body] += row / self._step_s
