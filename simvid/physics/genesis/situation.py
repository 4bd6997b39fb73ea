"""The running simulation as scripts see it: poses from MuJoCo's data, contacts from Genesis."""

from __future__ import annotations

from dataclasses import replace

from simvid.physics.genesis.stepping import GenesisStepper
from simvid.physics.newton.situation import NewtonSituation
from simvid.physics.newton.world import World
from simvid.success import Moment


class GenesisSituation(NewtonSituation):
    """As for the Newton engine; what is tried out in a copy is tried out by MuJoCo."""

    def __init__(self, world: World, core: GenesisStepper) -> None:
        """Prepare, beside what steps the world."""
        super().__init__(world)
        self._core = core

    def moment(self) -> Moment:
        """As ``Situation.moment``."""
        return replace(super().moment(), touching=self._core.touching())
