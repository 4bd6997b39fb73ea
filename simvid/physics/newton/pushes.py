"""Winds, fields and shared impulses on rigid parts, as forces on MuJoCo's bodies that hold for one step."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.influences import AIR, Influence, Outline, Place, influences, solid_pieces, targets
from simvid.physics.newton.ledger import Ledger
from simvid.physics.newton.particle_forces import ParticleForces
from simvid.physics.newton.world import World
from simvid.physics.watch import cross
from simvid.scene import SharedImpulse

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Push:
    """An influence with the MuJoCo bodies that it acts on."""

    influence: Influence
    bodies: NDArray[np.int32]
    outlines: tuple[Outline, ...]
    """Of a wind without a given area."""


class Pushes:
    """All fields, winds and impulses of a scene. ``apply`` adds the forces of a step to ``xfrc_applied``."""

    def __init__(self, world: World, particles: ParticleForces | None, ledger: Ledger) -> None:
        """Find who feels what; ``particles`` share the impulses, ``ledger`` writes them down."""
        self._world, self._particles, self._ledger = world, particles, ledger
        self._part = {int(b): k for k, b in enumerate(world.bodies.tolist()) if b > 0}
        self._step_s = float(world.m.opt.timestep)
        self._pushes = [p for i in influences(world.assets) if len((p := self._push(i)).bodies)]
        self._blows: dict[int, list[tuple[str, SharedImpulse]]] = {}
        for k, force in enumerate(world.assets.scene.forces):
            if force.impulse is not None:
                step = round(force.impulse.t_s / self._step_s)
                self._blows.setdefault(step, []).append((f"forces[{k}].impulse", force.impulse))
        self.some = bool(self._pushes or self._blows)

    def _rigid(self, parts: list[int]) -> list[int]:
        world = self._world
        return [k for k in parts if world.moving[k] and world.assets.parts[k].deformable is None]

    def _push(self, influence: Influence) -> _Push:
        world = self._world
        parts = self._rigid(sorted(influence.parts))
        bodies = np.array([world.bodies[k] for k in parts], np.int32)
        outlines: tuple[Outline, ...] = ()
        if influence.kind in AIR and influence.area_m2 is None:
            outlines = tuple(Outline(solid_pieces(world.assets, k)) for k in parts)
        return _Push(influence, bodies, outlines)

    def apply(self, step: int) -> None:
        """Add the forces of a step to ``xfrc_applied``."""
        time_s, d = step * self._step_s, self._world.d
        active = [(p, s) for p in self._pushes if (s := p.influence.share(time_s, self._step_s)) > 0]
        blows = self._blows.get(step, [])
        if not active and not blows:
            return
        mujoco.mj_kinematics(self._world.m, d)
        mujoco.mj_comPos(self._world.m, d)
        mujoco.mj_comVel(self._world.m, d)
        for push, share in active:
            self._field(push, share)
        for field, blow in blows:
            self._blow(field, blow)

    def _field(self, push: _Push, share: float) -> None:
        m, d, bodies = self._world.m, self._world.d, push.bodies
        centers = d.xipos[bodies]
        inside = np.flatnonzero(push.influence.place.holds(centers))
        if not len(inside):
            return
        bodies, centers = bodies[inside], centers[inside]
        found = push.influence.at(centers)
        masses = m.body_mass[bodies][:, None]
        velocity = self._velocity(bodies)
        if push.influence.kind not in AIR:
            self._give(bodies, masses * found * (share * self._step_s), velocity)
            return
        wind = found - velocity
        speed = np.linalg.norm(wind, axis=1, keepdims=True)
        areas = np.array([self._area(push, int(k), int(b), w) for k, b, w in zip(inside, bodies, wind, strict=True)])
        drag = push.influence.pressure * areas[:, None] * speed
        braked = drag / (1 + drag * (share * self._step_s) / masses)
        self._give(bodies, braked * wind * (share * self._step_s), velocity)

    def _velocity(self, bodies: NDArray[np.int32]) -> Array:
        """Of their centres of mass [m/s]."""
        m, d = self._world.m, self._world.d
        arm = d.xipos[bodies] - d.subtree_com[m.body_rootid[bodies]]
        return np.asarray(d.cvel[bodies, 3:] + cross(d.cvel[bodies, :3], arm))

    def _give(self, bodies: NDArray[np.int32], impulses: Array, velocity: Array) -> None:
        """Impulses in this step, as forces; their work is J (v + J / 2 m)."""
        self._world.d.xfrc_applied[bodies, :3] += impulses / self._step_s
        masses = self._world.m.body_mass[bodies][:, None]
        work = (impulses * (velocity + impulses / (2 * masses))).sum(axis=1)
        for body, impulse, done in zip(bodies.tolist(), impulses, work.tolist(), strict=True):
            self._ledger.push(self._part[body], impulse, done)

    def _area(self, push: _Push, k: int, body: int, wind: Array) -> float:
        given = push.influence.area_m2
        if given is not None:
            return given
        if not wind.any():
            return 0.0
        return push.outlines[k].area_m2(self._world.d.xmat[body].reshape(3, 3).T @ wind)

    def _blow(self, field: str, blow: SharedImpulse) -> None:
        """The same change of velocity for all that is there."""
        m, d, world = self._world.m, self._world.d, self._world
        place, parts = Place.of(blow.region), self._rigid(targets(world.assets, blow.bodies))
        bodies = world.bodies[np.array(parts, np.intp)]
        bodies = bodies[place.holds(d.xipos[bodies])]
        mass = float(m.body_mass[bodies].sum())
        found = np.zeros(0, np.intp) if self._particles is None else self._particles.chosen(blow.bodies, place)
        if self._particles is not None and len(found):
            mass += self._particles.mass_kg(found)
        if mass <= 0:
            raise PhysicsError(
                f"{world.assets.scene.where(field)}: nothing is in the region at t = {blow.t_s:g} s for the impulse to "
                "act on: move the region, or take another time"
            )
        change = np.array(blow.impulse_n_s) / mass
        self._give(bodies, m.body_mass[bodies][:, None] * change, self._velocity(bodies))
        if self._particles is not None and len(found):
            self._particles.kick(found, change, self._ledger)
