"""All that acts on a running world from outside: fields, winds and impulses, ties, motors, conveyors."""

from __future__ import annotations

from simvid.errors import PhysicsError
from simvid.physics.newton.belts import Belts
from simvid.physics.newton.ledger import Ledger
from simvid.physics.newton.motors import Motors
from simvid.physics.newton.particle_forces import ParticleForces
from simvid.physics.newton.pushes import Pushes
from simvid.physics.newton.tie_plans import ties_of
from simvid.physics.newton.ties import Ties
from simvid.physics.newton.world import World
from simvid.trajectory import OutsideRecord, TieEvent


class Outside:
    """Call ``begin`` before a step, ``push`` after deformable bodies have moved in it, ``save`` right before it and
    ``broke`` after it, until that says no."""

    def __init__(self, world: World, particles: ParticleForces | None) -> None:
        self.belts = Belts(world)
        self._world, self._particles = world, particles
        self._begun = -1
        self._kept: frozenset[int] = frozenset()
        self._ledger = Ledger(world)
        self._ties, self._motors, self._pushes = Ties(world), Motors(world), Pushes(world, particles, self._ledger)
        self._recorded = bool(world.assets.scene.forces or ties_of(world.assets) or world.assets.scene.attachments)
        self.idle = not (self._recorded or self._motors.some)
        """Nothing acts: the methods below need not be called."""
        self.drives = bool(world.assets.scene.forces) or self._motors.some or bool(world.assets.scene.attachments)

    def begin(self, step: int) -> None:
        """Ties, motors and what holds particles, for a step; once for each."""
        if step == self._begun:
            return
        self._begun = self.belts.step = step
        self._ledger.begin(step)
        held = self._ties.before(step)
        if self._particles is not None:
            if self._kept != self._ties.kept:
                self._kept = self._ties.kept
                self._particles.keep(self._kept)
            for field, count in self._particles.begin(step).items():
                held[field] = held.get(field, 0) + count
        empty = [field for field, count in held.items() if not count]
        if empty:
            scene = self._world.assets.scene
            raise PhysicsError("\n".join(
                f"{scene.where(field)}: nothing is in the region at t = {step * scene.step_s:.4g} s, when it begins: "
                "move the region, or take another time"
                for field in empty
            ))  # fmt: skip
        self._motors.apply(step)

    def push(self, step: int) -> None:
        """Forces of a step, added to those of the particles."""
        if self._particles is not None:
            self._particles.write(self._ledger)
        if not self._pushes.some:
            return
        if self._particles is None:
            self._world.d.xfrc_applied[:] = 0.0
        self._pushes.apply(step)

    def save(self) -> None:
        """Remember the state, where a step may break something."""
        self._ties.save()

    def broke(self, step: int) -> bool:
        """Whether a step broke something; the state is then that before the step, to be taken again without it."""
        if self._ties.broke(step):
            return True
        pulls = self._ties.forces()
        if pulls is not None:
            self._ledger.pull(pulls)
        return False

    def record(self) -> OutsideRecord | None:
        """What acted from outside; None in a scene without forces, attachments and joints that break."""
        return self._ledger.record() if self._recorded else None

    def events(self) -> tuple[TieEvent, ...]:
        """What was tied, released and broken, by time."""
        soft = [] if self._particles is None else self._particles.events
        return tuple(sorted([*self._ties.events, *soft], key=lambda e: e.time_s))
