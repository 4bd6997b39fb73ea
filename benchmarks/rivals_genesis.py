"""Rival: Genesis' MPM, explicit MLS-MPM as ours, on the processor as it comes: one thread, single precision.

It gets our work: the same particles, masses and material, the same grid spacing and substep, a ground with friction.
Its grid is whole, so it is made just large enough. Kernels are compiled before anything counts (a minute on the first
run, later they come from simvid's cache of them).
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.physics.genesis.session import KERNELS, NEEDED, kernel_folder, quiet
from simvid.physics.genesis.soft import genesis_material
from simvid.physics.mpm.materials import MpmMaterial

BORDER = 3
"""Cells that it keeps to itself round its domain."""
ROOM = np.array([0.1, 0.1, 0.1])
"""What the particles may spread [m]."""


def here() -> bool:
    """Whether it is installed."""
    return all(find_spec(name) is not None for name in NEEDED)


def start() -> Any:
    """The ``genesis`` module, initialised once."""
    kernel_folder().mkdir(parents=True, exist_ok=True)
    os.environ.setdefault(KERNELS, str(kernel_folder()))
    os.environ.setdefault("QD_ENABLE_PYBUF", "0")
    with quiet():
        import genesis
        import torch

        if not genesis._initialized:
            genesis.init(backend=genesis.cpu, precision="32", logging_level=logging.ERROR)
            torch.set_flush_denormal(False)  # else it stays so for the others of this process
    return genesis


@dataclass(frozen=True, eq=False)
class Work:
    """Particles about to land on z = 0.

    Attributes:
        points: [N, 3], above 0.
        volume_m3: of one.
        material: one that both know.
        spacing_m: of the grid.
        seconds: of which CPU seconds are taken.
        step_s: of a step.
        substep_s: at most.
    """

    points: NDArray[np.float64]
    volume_m3: float
    material: MpmMaterial
    spacing_m: float
    seconds: float
    step_s: float
    substep_s: float

    @property
    def substeps(self) -> int:
        """Of a step."""
        return math.ceil(self.step_s / self.substep_s - 1e-9)


def built(gs: Any, work: Work) -> Any:
    """A scene with the particles in place."""
    h, solid = work.spacing_m, np.array([0.0, 0.0, 2 * work.spacing_m])
    low, high = work.points.min(axis=0) - ROOM, work.points.max(axis=0) + ROOM
    low = (np.round(np.append(low[:2], 0.0) / h) - BORDER) * h - solid
    high = (np.round(high / h) + BORDER) * h
    with quiet():
        scene = gs.Scene(
            show_viewer=False,
            sim_options=gs.options.SimOptions(dt=work.step_s, substeps=work.substeps, gravity=(0, 0, -9.81)),
            mpm_options=gs.options.MPMOptions(
                grid_density=1 / h, particle_size=work.volume_m3 ** (1 / 3), lower_bound=tuple(low),
                upper_bound=tuple(high),
            ),
        )  # fmt: skip
        scene.add_entity(gs.morphs.Plane(), material=gs.materials.Rigid(coup_friction=0.5))
        scene.add_entity(
            gs.morphs.Nowhere(n_particles=len(work.points)), material=genesis_material(gs, work.material, 1.0),
            surface=gs.surfaces.Default(vis_mode="particle"),
        )  # fmt: skip
        scene.build()
    solver = scene.sim.mpm_solver
    x, active = solver.particles.pos.to_numpy(), solver.particles_ng.active.to_numpy()
    x[0, :, 0], active[:] = work.points, True
    solver.particles.pos.from_numpy(x)
    solver.particles_ng.active.from_numpy(active)
    solver.particles_info.mass.fill(work.material.density_kg_m3 * work.volume_m3 * solver._particle_volume_scale)
    return scene


@dataclass(frozen=True)
class Took:
    """Attributes:
    cpu_s, substeps: after the first step.
    particles_s: of the CPU seconds, what stress, particles to grid and grid to particles took.
    height_m: of the particles' mean at the end, after the first step and ``seconds``.
    ready_s: by the clock, building and the first step, compiling included.
    """

    cpu_s: float
    substeps: int
    particles_s: float
    height_m: float
    ready_s: float


def falling(work: Work) -> Took:
    """Let the particles fall.

    Raises:
        RuntimeError: they are no numbers, or went through the ground.
    """
    began = time.perf_counter()
    scene = built(start(), work)
    scene.step()
    ready, spent = time.perf_counter() - began, Counter[str]()
    solver = scene.sim.mpm_solver
    for name in ("substep_pre_coupling", "substep_post_coupling"):
        setattr(solver, name, _timed(getattr(solver, name), spent))
    steps, started = round(work.seconds / work.step_s), time.process_time()
    for _ in range(steps):
        scene.step()
    whole = time.process_time() - started
    places = solver.particles.pos.to_numpy()[0, :, 0]
    scene.destroy()
    if not np.isfinite(places).all() or places[:, 2].min() < -work.spacing_m:
        raise RuntimeError("Genesis' MPM diverged")
    return Took(whole, steps * work.substeps, spent["s"], float(places[:, 2].mean()), ready)


def _timed(call: Callable[..., Any], spent: Counter[str]) -> Callable[..., Any]:
    def timed(*given: Any) -> Any:
        started = time.process_time()
        found = call(*given)
        spent["s"] += time.process_time() - started
        return found

    return timed
