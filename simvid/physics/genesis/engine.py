"""The Genesis engine: a scene's MuJoCo model, stepped by Genesis' rigid-body solver."""

from __future__ import annotations

import time
from typing import ClassVar

from simvid.assets.parts import SceneAssets
from simvid.physics import features
from simvid.physics.abilities import GENESIS
from simvid.physics.base import Progress
from simvid.physics.capabilities import check_capabilities
from simvid.physics.genesis import session
from simvid.physics.genesis.compiling import Compiling, kind_of
from simvid.physics.genesis.model import build
from simvid.physics.genesis.situation import GenesisSituation
from simvid.physics.genesis.soft import GenesisSoft
from simvid.physics.genesis.stepping import GenesisStepper, SolverFault
from simvid.physics.genesis.walls import check_walls
from simvid.physics.newton.engine import (
    Run,
    anything_moves,
    check_deformables,
    check_start,
    mujoco_warnings,
    simulate_world,
)
from simvid.physics.newton.loop import Core, Loop
from simvid.physics.newton.situation import NewtonSituation
from simvid.physics.newton.soft import SoftBodies, rigid_view
from simvid.physics.newton.world import World, build_world
from simvid.trajectory import Trajectory

ABLE = frozenset(name for name in features.ALL if GENESIS[name].cpu)
"""What of the language of forces it can do."""


class GenesisPhysics:
    """Rigid bodies and robots by Genesis: elliptic friction cones, Coulomb friction, restitution.

    Newton builds the model, as for the Newton engine; collision detection, constraints and integration are Genesis'.
    """

    name = "genesis"
    features: ClassVar[frozenset[str]] = ABLE

    def version(self) -> str:
        """Genesis', Quadrants' and MuJoCo's versions."""
        from importlib.metadata import version

        session.require()
        return (
            f"genesis-world {session.version()}, quadrants {version('quadrants')}, mujoco {version('mujoco')} (model)"
        )

    def check(self, assets: SceneAssets) -> None:
        """Refuse what this engine cannot do and bodies that start inside each other; see ``PhysicsEngine``."""
        session.require()
        check_capabilities(self.name, assets.scene)
        check_deformables(assets)
        check_walls(assets)
        if anything_moves(assets):
            with mujoco_warnings():
                check_start(assets, build_world(rigid_view(assets)))

    def simulate(self, assets: SceneAssets, progress: Progress | None = None) -> Trajectory:
        """Run the scene; see ``PhysicsEngine``."""
        started = time.perf_counter()
        session.require()
        check_capabilities(self.name, assets.scene)
        check_deformables(assets)
        check_walls(assets)
        if not anything_moves(assets):
            run = Run.still(assets, assets.scene.frame_count)
        else:
            with mujoco_warnings() as warnings:
                run = simulate_world(assets, warnings, progress, GenesisLoop)
        return run.trajectory(self, time.perf_counter() - started)


class GenesisLoop(Loop):
    """Newton's loop with Genesis' step."""

    features: ClassVar[frozenset[str]] = ABLE

    @staticmethod
    def make_soft(assets: SceneAssets, world: World) -> SoftBodies:
        """What moves the deformable bodies of a scene."""
        return GenesisSoft(assets, world)

    def make_core(self) -> Core:
        """What takes a step of ``world.d``."""
        soft = self._soft if isinstance(self._soft, GenesisSoft) else None
        self._compiling = Compiling(kind_of(self.world.m, None if soft is None else soft.model.materials))
        try:
            self._stepper = GenesisStepper(build(self.world, None if soft is None else soft.model), soft)
        except BaseException:
            self._compiling.give_up()
            raise
        return self._stepper

    def make_situation(self) -> NewtonSituation:
        """What scripts look at."""
        return GenesisSituation(self.world, self._stepper)

    def advance(self, first: int, count: int) -> None:
        """Steps ``first`` to ``first + count``."""
        try:
            if not first:
                super().advance(0, 1)
                self._compiling.finish()
                first, count = 1, count - 1
            super().advance(first, count)
        except SolverFault as fault:
            raise self._watch.diverged(max(self.world.part_of_body(fault.body), 0), fault.what) from fault
        finally:
            self._compiling.give_up()
