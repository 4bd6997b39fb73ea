"""Our physics loop over two rivals, on the same model in one process, CPU time, best of several interleaved runs.

- newton: ``newton.solvers.SolverMuJoCo.step`` with ``use_mujoco_cpu``, the raw engine loop, on simvid's model. simvid
  attaches robots of MJCF to the model after Newton, whose loop knows nothing of them then; so for the arm Newton reads
  the same MJCF itself, with the same solver, cone, integrator and step, and its arm stands still while ours swings;
- mujoco: ``mujoco.mj_step``, the core alone;
- solver: the particles' own solver alone, see ``loops_particles``.

Ours has restitution, Coulomb friction, contacts, frames and the watch besides. Set-up is shown, but not counted.

python benchmarks/bench_physics.py [--quick] [--json FILE]
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from loops_particles import SCENES, particles

from simvid.assets.parts import SceneAssets
from simvid.assets.paths import resolve_asset
from simvid.physics.newton.convert import quiet_warp
from simvid.physics.newton.drives import Drives
from simvid.physics.newton.loop import Loop
from simvid.physics.newton.model import build_model
from simvid.physics.newton.world import World, build_world
from simvid.physics.scripts import plan_script
from simvid.scene import Action, Body, Ground, Joints, Material, Robot
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene

PANDA = "package://genesis/assets/xml/franka_emika_panda/panda.xml"
STONE = Material(friction=0.5, restitution=0.3)


def stack() -> SceneAssets:
    """Six boxes at rest on each other."""
    bodies = [box(f"box_{k}", pose=at(0, 0, 0.05 + 0.1 * k), material=STONE) for k in range(6)]
    return small_assets(small_scene(bodies, ground=Ground(), seconds=2.0))


def sliders() -> SceneAssets:
    """Twenty boxes that slide and come to rest."""
    bodies = [box(f"box_{k}", pose=at(0, 0.3 * k, 0.05), velocity_m_s=(3.0, 0, 0), material=STONE) for k in range(20)]
    return small_assets(small_scene(bodies, ground=Ground(material=STONE), seconds=2.0))


def pile() -> SceneAssets:
    """Forty balls that fall into a square pit and settle."""
    walls = [
        box(f"wall_{k}", (0.9, 0.1, 0.6), fixed=True, pose=at(x, y, 0.3, rotation_deg=(0, 0, turn)))
        for k, (x, y, turn) in enumerate([(0, 0.35, 0), (0, -0.35, 0), (0.35, 0, 90), (-0.35, 0, 90)])
    ]
    rng = np.random.default_rng(0)
    balls: list[Body] = []
    for k in range(40):
        x, y = rng.uniform(-0.02, 0.02, 2)
        place = at(0.2 * (k % 2) - 0.1 + x, 0.2 * (k // 2 % 2) - 0.1 + y, 0.1 + 0.12 * (k // 4))
        balls.append(ball(f"ball_{k}", pose=place, material=STONE))
    return small_assets(small_scene([*walls, *balls], ground=Ground(material=STONE), seconds=2.0))


def arm() -> SceneAssets:
    """A Panda arm that swings beside a box."""
    swing = Action(joints=Joints(to={"joint1": 0.5, "joint4": -2.0}, over_s=1.0))
    robot = Robot(name="arm", model=PANDA, script=(swing,))
    return small_assets(small_scene([box(pose=at(0.5, 0.3, 0.05))], robots=[robot], ground=Ground(), seconds=2.0))


CASES: dict[str, Callable[[], SceneAssets]] = {"stack": stack, "sliders": sliders, "pile": pile, "arm": arm}


def fresh(assets: SceneAssets) -> tuple[World, Drives, int]:
    """A world at its start."""
    world, scene = build_world(assets), assets.scene
    steps = (scene.frame_count - 1) * scene.steps_per_frame
    times = np.linspace(0.0, steps * scene.step_s, steps + 1)
    targets = tuple(plan_script(m, r, times) for m, r in zip(assets.robots, scene.robots, strict=True))
    return world, Drives(world, targets, steps), steps


def ours(assets: SceneAssets) -> float:
    """Milliseconds per step of our loop, frames and contacts included."""
    world, drives, _ = fresh(assets)
    loop, per_frame = Loop(world, drives, []), assets.scene.steps_per_frame
    loop.read(0)
    started = time.process_time()
    for frame in range(1, assets.scene.frame_count):
        loop.advance((frame - 1) * per_frame, per_frame)
        loop.read(frame)
    return 1e3 * (time.process_time() - started) / ((assets.scene.frame_count - 1) * per_frame)


def core(assets: SceneAssets) -> float:
    """Milliseconds per ``mj_step`` on the same model with the same controls."""
    world, drives, steps = fresh(assets)
    started = time.process_time()
    for step in range(steps):
        drives.apply(step)
        mujoco.mj_step(world.m, world.d)
    return 1e3 * (time.process_time() - started) / steps


def newton_loop(assets: SceneAssets) -> float:
    """Milliseconds per ``SolverMuJoCo.step``, stepping simvid's compiled model, or with a robot Newton's own."""
    from newton.solvers import SolverMuJoCo

    world, _, steps = fresh(assets)
    with quiet_warp(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = newton_arm(world) if assets.robots else build_model(assets).builder.finalize(
            device="cpu", skip_all_validations=True
        )  # fmt: skip
        solver = SolverMuJoCo(
            model, use_mujoco_cpu=True, kinematic_switchable_roots=False, cone="elliptic", integrator="implicitfast"
        )
        if not assets.robots:
            solver.mj_model, solver.mj_data = world.m, world.d
        before, after, control = model.state(), model.state(), model.control()
        solver.step(before, after, control, None, assets.scene.step_s)
        started = time.process_time()
        for _ in range(steps):
            solver.step(before, after, control, None, assets.scene.step_s)
            before, after = after, before
        return 1e3 * (time.process_time() - started) / steps


def newton_arm(world: World) -> Any:
    """Newton's model of ``arm``, by its own reader of MJCF; its joints are those of simvid's model."""
    import newton
    from newton.solvers import SolverMuJoCo

    builder = newton.ModelBuilder()
    SolverMuJoCo.register_custom_attributes(builder)
    builder.add_mjcf(str(resolve_asset(PANDA, Path())), enable_self_collisions=False)
    builder.joint_q[:9] = world.d.qpos[world.robots[0].position_at].tolist()
    crate = builder.add_body(xform=((0.5, 0.3, 0.05), (0, 0, 0, 1)))
    builder.add_shape_box(crate, hx=0.05, hy=0.05, hz=0.05)
    builder.add_ground_plane()
    model = builder.finalize(device="cpu")
    if (model.joint_coord_count, model.joint_dof_count) != (world.m.nq, world.m.nv):
        raise RuntimeError("Newton's arm has other joints than simvid's")
    return model


def run(quick: bool = False) -> dict[str, Any]:
    """Milliseconds per step, and ours over each rival."""
    result: dict[str, Any] = {}
    for name in ("stack",) if quick else CASES:
        assets = CASES[name]()
        loops = {"ours": ours, "mujoco": core, "newton": newton_loop}
        started = time.process_time()
        build_world(assets)
        figures: dict[str, Any] = {"set_up_s": time.process_time() - started}
        times: dict[str, list[float]] = {key: [] for key in loops}
        for _ in range(1 if quick else 3):
            for key, loop in loops.items():
                times[key].append(loop(assets))
        figures |= {f"{key}_ms": min(values) for key, values in times.items()}
        figures |= {f"over_{key}": figures["ours_ms"] / figures[f"{key}_ms"] for key in loops if key != "ours"}
        result[name] = figures
    for name in SCENES:
        result[name] = particles(name, 0.25 if quick else 0.75)
    return result


HEADER = (
    "case", "set-up CPU s", "ours ms/step", "newton ms/step", "mujoco ms/step", "solver ms/step", "ours/newton",
    "ours/mujoco", "ours/solver",
)  # fmt: skip


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Table rows."""
    keys = (
        "set_up_s", "ours_ms", "newton_ms", "mujoco_ms", "solver_ms", "over_newton", "over_mujoco", "over_solver"
    )  # fmt: skip
    return [(name, *(f"{f[k]:.3f}" if k in f else "-" for k in keys)) for name, f in result.items()]


if __name__ == "__main__":
    from benchmarks_table import main

    main(run, HEADER, rows)
