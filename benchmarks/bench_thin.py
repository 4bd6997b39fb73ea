"""Our explicit cloth over Newton's VBD, the same mesh and stiffness, CPU time; and how much longer it really hangs.

A cloth held along one edge gets longer by rho g L^2 / 2 k. An explicit step is short and exact; an implicit one that is
not iterated to its end hangs further than its stiffness says, so both numbers belong together.

python benchmarks/bench_thin.py [--quick] [--json FILE]
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import warp as wp

from simvid.assets.particles import box_sheet
from simvid.physics.thin.bodies import POISSON, sheet
from simvid.physics.thin.solver import Solver

STRETCH, BEND, DENSITY, SIZE, G = 1000.0, 1e-4, 0.3, 0.4, 9.81
FRAME_S = 0.01
VBD = ((4, 10), (4, 40), (10, 10))
"""Substeps in a frame, and iterations in each."""


def mesh(spacing: float) -> tuple[Any, Any]:
    """Particles of a square cloth, and which are held."""
    made = box_sheet((SIZE, SIZE, 0.002), spacing)
    return made, made.places[:, 1] > SIZE / 2 - 1e-6


def ours(spacing: float, seconds: float) -> tuple[float, float]:
    """CPU seconds for a second, and the mean extension of the second half [m]."""
    made, held = mesh(spacing)
    thin = sheet(
        made.places, made.triangles, DENSITY * SIZE**2 * made.shares, stretch_n_m=STRETCH, bend_n_m=BEND,
        thickness_m=0.002,
    )  # fmt: skip
    solver = Solver(thin, gravity_m_s2=(0, -G, 0), meet=False)
    solver.hold(np.flatnonzero(held))
    solver.advance(1e-4)
    end = made.places[:, 1] < -SIZE / 2 + 1e-6
    return _run(lambda: solver.advance(FRAME_S), lambda: solver.positions()[end, 1], seconds)


def newtons(spacing: float, seconds: float, substeps: int, iterations: int) -> tuple[float, float]:
    """The same of ``newton.solvers.SolverVBD`` in a captured graph."""
    import newton
    from newton.solvers import SolverVBD

    made, held = mesh(spacing)
    builder = newton.ModelBuilder(gravity=(0.0, -G, 0.0), up_axis=newton.Axis.Y)
    builder.add_cloth_mesh(
        pos=wp.vec3(0.0, 0.0, 0.0), rot=wp.quat_identity(), scale=1.0, vel=wp.vec3(0.0, 0.0, 0.0),
        vertices=[wp.vec3(*p) for p in made.places], indices=made.triangles.ravel().tolist(), density=DENSITY,
        tri_ke=STRETCH / (2 * (1 + POISSON)), tri_ka=STRETCH * POISSON / (1 - POISSON**2), tri_kd=0.0, edge_ke=BEND,
        edge_kd=0.0, particle_radius=0.001,
    )  # fmt: skip
    for i in np.flatnonzero(held):
        builder.particle_mass[i] = 0.0
        builder.particle_flags[i] = int(builder.particle_flags[i]) & ~int(newton.ParticleFlags.ACTIVE)
    builder.color()
    model = builder.finalize(device="cpu")
    solver = SolverVBD(model, iterations=iterations)
    states, control = [model.state(), model.state()], model.control()

    def frame() -> None:
        for _ in range(substeps):
            states[0].clear_forces()
            solver.step(states[0], states[1], control, None, FRAME_S / substeps)
            states.reverse()

    frame()
    with wp.ScopedCapture(device="cpu") as capture:
        frame()
    end = made.places[:, 1] < -SIZE / 2 + 1e-6
    return _run(lambda: wp.capture_launch(capture.graph), lambda: states[0].particle_q.numpy()[end, 1], seconds)


def _run(step: Any, ends: Any, seconds: float) -> tuple[float, float]:
    started, longer = time.process_time(), []
    for _ in range(round(seconds / FRAME_S)):
        step()
        longer.append(-SIZE / 2 - float(np.mean(ends())))
    return (time.process_time() - started) / seconds, float(np.mean(longer[len(longer) // 2 :]))


def run(quick: bool = False) -> dict[str, Any]:
    """CPU seconds for a simulated second, and the extension over rho g L^2 / 2 k, less 1."""
    wp.config.log_level = wp.LOG_ERROR
    seconds, spacing = (0.3, 0.02) if quick else (1.0, 0.0125)
    wanted = DENSITY * G * SIZE**2 / 2 / STRETCH
    ways: dict[str, Any] = {"ours": lambda: ours(spacing, seconds)}
    for substeps, iterations in VBD[:1] if quick else VBD:
        ways[f"Newton VBD, {1e3 * FRAME_S / substeps:g} ms, {iterations} iterations"] = (
            lambda n=substeps, k=iterations: newtons(spacing, seconds, n, k)
        )
    result: dict[str, Any] = {}
    for name, way in ways.items():
        spent, longer = way()
        result[name] = {
            "vertices": len(mesh(spacing)[0].places), "cpu_s_per_s": spent, "error": longer / wanted - 1,
            "ratio": spent / (result["ours"]["cpu_s_per_s"] if result else spent),
        }  # fmt: skip
    return result


HEADER = ("way", "vertices", "CPU s per simulated s", "over ours", "hangs longer than rho g L^2 / 2 k by")


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Table rows."""
    return [
        (name, str(f["vertices"]), f"{f['cpu_s_per_s']:.2f}", f"{f['ratio']:.1f}", f"{100 * f['error']:+.1f} %")
        for name, f in result.items()
    ]


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
