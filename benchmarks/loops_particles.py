"""What simvid's loop adds to its particles' bare solver, on shelf scenes with a body of particles.

Bare is ``mpm.Solver.advance`` alone, from the same start, for as long a step: the same particles, grid, colliders and
substeps. Outside the clock, rigid bodies are put before each step where the loop had them, and impulses on them taken
after it, so that both runs end with the same bytes, which is checked. Ours has MuJoCo's step of the rigid bodies and
the coupling both ways, contacts, the watch and the record of frames besides. Both go on in turns, frame by frame, so
that a busy machine slows both.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from simvid.assets.parts import SceneAssets
from simvid.assets.prepare import prepare
from simvid.parsing import load_scene
from simvid.physics.mpm.solver import Solver
from simvid.physics.newton.drives import Drives
from simvid.physics.newton.loop import Loop
from simvid.physics.newton.soft import SoftBodies, rigid_view
from simvid.physics.newton.world import build_world

SCENES = {"jelly": "jelly_drop", "sand": "sand_pour"}
WARM = 2
"""Frames before the clock starts; kernels and modules are loaded in them."""


class Ours:
    """The loop of a scene, whose solver's obstacles are noted at each step."""

    def __init__(self, assets: SceneAssets) -> None:
        self._scene = assets.scene
        world = build_world(rigid_view(assets))
        self.soft = SoftBodies(assets, world)
        steps = (assets.scene.frame_count - 1) * assets.scene.steps_per_frame
        self._loop = Loop(world, Drives(world, (), steps), [], self.soft)
        self._loop.read(0)
        self.noted: list[tuple[Any, ...]] = []
        self._set = self.soft.solver.set_obstacles
        self.soft.solver.set_obstacles = self._note  # type: ignore[method-assign]

    def _note(self, *state: Any) -> None:
        self.noted.append(state)
        self._set(*state)

    def frame(self, frame: int) -> float:
        """CPU seconds of going on to a frame."""
        self.noted, per_frame = [], self._scene.steps_per_frame
        started = time.process_time()
        self._loop.advance((frame - 1) * per_frame, per_frame)
        self._loop.read(frame)
        return time.process_time() - started


class Bare:
    """The solver of a scene alone."""

    def __init__(self, assets: SceneAssets) -> None:
        self.solver: Solver = SoftBodies(assets, build_world(rigid_view(assets))).solver
        self._step_s = assets.scene.step_s

    def frame(self, noted: list[tuple[Any, ...]]) -> float:
        """CPU seconds of the steps in a frame; obstacles are put in place between them."""
        spent = 0.0
        for state in noted:
            self.solver.set_obstacles(*state)
            started = time.process_time()
            self.solver.advance(self._step_s)
            spent += time.process_time() - started
            self.solver.touches()  # sums of impulses start anew in each step, as in the loop
        return spent


def particles(name: str, seconds: float) -> dict[str, Any]:
    """Milliseconds per physics step of both.

    Raises:
        RuntimeError: they do not end with the same bytes.
    """
    assets = prepare(load_scene(SCENES[name], [f"duration_s={seconds}"]))
    started = time.process_time()
    ours, bare = Ours(assets), Bare(assets)
    set_up = time.process_time() - started
    spent = np.zeros((assets.scene.frame_count, 2))
    for frame in range(1, assets.scene.frame_count):
        spent[frame, 0] = ours.frame(frame)
        spent[frame, 1] = bare.frame(ours.noted)
    one, two = ours.soft.solver, bare.solver
    if one.substeps != two.substeps or one.positions().tobytes() != two.positions().tobytes():
        raise RuntimeError(f"{name}: the loop's particles and the bare solver's are not the same")
    counted = spent[WARM:]
    step = 1e3 * counted.sum(axis=0) / (len(counted) * assets.scene.steps_per_frame)
    return {
        "particles": len(one), "substeps": one.substeps, "set_up_s": set_up,
        "ours_ms": float(step[0]), "solver_ms": float(step[1]), "over_solver": float(step[0] / step[1]),
    }  # fmt: skip
