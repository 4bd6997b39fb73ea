"""Our explicit MPM over Newton's implicit one and Genesis' explicit one, equal particles and cells, CPU time, best of
several interleaved runs.

Per particle and substep, and per particle and simulated second: an implicit step is far dearer than an explicit one and
far longer, so the first ratio says how fast the loops are and the second what a user waits for. Genesis gets our
substeps (``rivals_genesis``); what it takes to compile is told apart. A profile says what of ours and of its goes into
particles (stress, to the grid and back) and what into grid and contact; timing each kernel costs ours some 3 %, so the
whole is taken without.

python benchmarks/run.py --only mpm, or python benchmarks/bench_mpm.py [--quick] [--json FILE]
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import rivals_genesis
import warp as wp

from simvid.physics.mpm.colliders import plane
from simvid.physics.mpm.domain import Domain
from simvid.physics.mpm.materials import MpmMaterial
from simvid.physics.mpm.particles import Particles, lattice
from simvid.physics.mpm.solver import Solver

YOUNG, NU, DENSITY, H = 1e5, 0.3, 1000.0, 0.02
IMPLICIT_STEP = 0.005
MATERIALS = {
    "jelly": MpmMaterial("fixed_corotated", DENSITY, young_modulus_pa=YOUNG, poisson_ratio=NU),
    "sand": MpmMaterial("drucker_prager", DENSITY, young_modulus_pa=1e6, poisson_ratio=NU),
    "water": MpmMaterial("fluid", DENSITY, bulk_modulus_pa=1e5),
}


def filled(side: float) -> tuple[Any, float]:
    """Particles of a cube that is about to land, eight in each cell."""
    return lattice((0, 0, 0.01), (side, side, side + 0.01), H / 2)


def prepared(name: str, side: float) -> Solver:
    """Ours, above the ground."""
    points, volume = filled(side)
    return Solver(
        Particles.of(points, volume, MATERIALS[name]), Domain((-1, -1, -0.2), (1.5, 1.5, 1), H),
        obstacles=[plane((0, 0, 1), (0, 0, 0))],
    )  # fmt: skip


def ours(name: str, side: float, seconds: float) -> tuple[float, int]:
    """CPU seconds and substeps."""
    solver = prepared(name, side)
    solver.advance(0.001)
    started, substeps = time.process_time(), 0
    for _ in range(round(seconds / IMPLICIT_STEP)):
        substeps += solver.advance(IMPLICIT_STEP)
    return time.process_time() - started, substeps


def our_profile(name: str, side: float, seconds: float) -> tuple[float, float, float]:
    """CPU seconds per substep, those in the kernels ``give`` and ``take``, and the mean height [m] at the end."""
    solver = prepared(name, side)
    solver.advance(IMPLICIT_STEP)
    launch, inside = wp.launch, [0.0]

    def timed(kernel: Any, *given: Any, **named: Any) -> Any:
        started = time.process_time()
        found = launch(kernel, *given, **named)
        inside[0] += (time.process_time() - started) * (kernel.key in {"give", "take"})
        return found

    wp.launch, solver._substep = timed, solver._launch  # type: ignore[method-assign]  # kernels, not their graph
    try:
        started = time.process_time()
        substeps = sum(solver.advance(IMPLICIT_STEP) for _ in range(round(seconds / IMPLICIT_STEP)))
        spent = time.process_time() - started
    finally:
        wp.launch = launch
    return spent / substeps, inside[0] / substeps, float(solver.positions()[:, 2].mean())


def newtons(name: str, side: float, seconds: float) -> tuple[float, int]:
    """CPU seconds and steps of ``newton.solvers.SolverImplicitMPM``."""
    import newton
    from newton.solvers import SolverImplicitMPM

    points, volume = filled(side)
    builder = newton.ModelBuilder()
    SolverImplicitMPM.register_custom_attributes(builder)
    builder.add_particles(
        pos=[wp.vec3(*p) for p in points], vel=[wp.vec3()] * len(points), mass=[DENSITY * volume] * len(points),
        radius=[volume ** (1 / 3) / 2] * len(points),
    )  # fmt: skip
    builder.add_ground_plane()
    model = builder.finalize(device="cpu")
    young, friction = {"jelly": (YOUNG, 0.0), "sand": (1e6, 0.7), "water": (1e6, 0.0)}[name]
    model.mpm.young_modulus.fill_(young)
    model.mpm.poisson_ratio.fill_(NU)
    model.mpm.friction.fill_(friction)
    if name == "jelly":
        model.mpm.yield_pressure.fill_(1e10)
        model.mpm.tensile_yield_ratio.fill_(1.0)
        model.mpm.yield_stress.fill_(1e10)
    config = SolverImplicitMPM.Config()
    config.voxel_size = H
    before, after = model.state(), model.state()
    solver = SolverImplicitMPM(model, config)
    solver.step(before, after, None, None, IMPLICIT_STEP)
    steps = round(seconds / IMPLICIT_STEP)
    started = time.process_time()
    for _ in range(steps):
        before, after = after, before
        solver.step(before, after, None, None, IMPLICIT_STEP)
    spent = time.process_time() - started
    if not np.isfinite(after.particle_q.numpy()).all():
        raise RuntimeError("Newton's MPM diverged")
    return spent, steps


def run(quick: bool = False) -> dict[str, Any]:
    """Microseconds of CPU per particle and (sub)step and milliseconds per particle and simulated second."""
    wp.config.log_level = wp.LOG_ERROR
    side, seconds = (0.08, 0.02) if quick else (0.2, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: compared(name, side, seconds, 1 if quick else 3) for name in (["jelly"] if quick else MATERIALS)}


def compared(name: str, side: float, seconds: float, runs: int) -> dict[str, Any]:
    """The figures of one material."""
    points, volume = filled(side)
    count = len(points)
    times: dict[str, list[tuple[float, int]]] = {"ours": [], "newton": [], "genesis": []}
    others: list[rivals_genesis.Took] = []
    for _ in range(runs):
        own = ours(name, side, seconds)
        times["ours"].append(own)
        times["newton"].append(newtons(name, side, seconds))
        if rivals_genesis.here():
            work = rivals_genesis.Work(points, volume, MATERIALS[name], H, seconds, IMPLICIT_STEP, seconds / own[1])
            others.append(rivals_genesis.falling(work))
            times["genesis"].append((others[-1].cpu_s, others[-1].substeps))
    figures: dict[str, Any] = {"particles": count}
    for key, values in times.items():
        if values:
            spent, steps = min(values)
            figures[f"{key}_us"] = 1e6 * spent / steps / count
            figures[f"{key}_ms_per_s"] = 1e3 * spent / seconds / count
            figures[f"{key}_step_ms"] = 1e3 * seconds / steps
    figures["step_ratio"] = figures["newton_us"] / figures["ours_us"]
    figures["second_ratio"] = figures["newton_ms_per_s"] / figures["ours_ms_per_s"]
    if others:
        whole, particles, height = min(our_profile(name, side, seconds) for _ in range(runs))
        took = min(others, key=lambda t: t.cpu_s)
        inside = 1e6 * took.particles_s / took.substeps / count
        figures["genesis_ratio"] = figures["genesis_us"] / figures["ours_us"]
        figures["ours_profile_us"] = {"particles": 1e6 * particles / count, "rest": 1e6 * (whole - particles) / count}
        figures["genesis_profile_us"] = {"particles": inside, "rest": figures["genesis_us"] - inside}
        figures["genesis_ready_s"] = max(t.ready_s for t in others)
        figures["genesis_apart_mm"] = 1e3 * abs(took.height_m - height)
    return figures


HEADER = (
    "material", "particles", "ours us/particle/substep", "genesis", "genesis/ours", "ours, of it particles",
    "genesis, of it particles", "newton us/particle/step", "newton/ours", "our substep ms", "newton's step ms",
    "newton/ours per simulated second",
)  # fmt: skip


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Table rows."""
    return [(name, *row(f)) for name, f in result.items()]


def row(f: dict[str, Any]) -> tuple[str, ...]:
    """Cells of one material; Genesis' are empty where it is not installed."""
    beside = ("-", "-", "-", "-")
    if "genesis_us" in f:
        beside = (
            f"{f['genesis_us']:.3f}", f"{f['genesis_ratio']:.2f}", f"{f['ours_profile_us']['particles']:.3f}",
            f"{f['genesis_profile_us']['particles']:.3f}",
        )  # fmt: skip
    return (
        str(f["particles"]), f"{f['ours_us']:.3f}", *beside, f"{f['newton_us']:.2f}", f"{f['step_ratio']:.1f}",
        f"{f['ours_step_ms']:.3f}", f"{f['newton_step_ms']:.1f}", f"{f['second_ratio']:.2f}",
    )  # fmt: skip


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
