"""The Newton engine under the contract of all engines."""

from __future__ import annotations

from simvid.physics.newton.engine import NewtonPhysics
from simvid.testing.physics import PhysicsContract


class TestNewton(PhysicsContract):
    def engine(self) -> NewtonPhysics:
        return NewtonPhysics()
