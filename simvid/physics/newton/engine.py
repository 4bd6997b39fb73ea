"""The Newton engine: Newton builds the model, MuJoCo's C core steps it.

Newton's ``SolverMuJoCo`` with ``use_mujoco_cpu`` would step the same core, but copies the whole state to float32 and
back around every step, which costs ten times the step itself; so the core is stepped directly here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

import mujoco  # noqa: TID253  this module is the backend, loaded when the engine is asked for
import numpy as np
from numpy.typing import NDArray

from simvid import registry
from simvid.assets.parts import SceneAssets
from simvid.errors import SceneError
from simvid.physics import features
from simvid.physics.apart import check_apart
from simvid.physics.base import PhysicsEngine, Progress
from simvid.physics.contact_table import ContactTable
from simvid.physics.features import check_features
from simvid.physics.force_checks import check_forces
from simvid.physics.newton.drives import Drives
from simvid.physics.newton.loop import Loop
from simvid.physics.newton.mixed import MixedBodies
from simvid.physics.newton.soft import SoftBodies, has_soft, rigid_view, twists_between
from simvid.physics.newton.soft_start import check_soft_start
from simvid.physics.newton.templates import Templates
from simvid.physics.newton.thin import ThinBodies, has_thin
from simvid.physics.newton.world import World, build_world
from simvid.physics.scripts import JointTargets, held_start, plan_script
from simvid.physics.soft_materials import SUPPORTED, THIN
from simvid.physics.tasks.noise import with_noise
from simvid.physics.tasks.record import recorded
from simvid.physics.watch import Overlap, check_overlaps
from simvid.rotations import pose_vector
from simvid.scene import Scene
from simvid.trajectory import OutsideRecord, ParticleMotion, RobotMotion, TieEvent, Trajectory

Array = NDArray[np.float64]


class NewtonPhysics:
    """Rigid bodies and robots by Newton and MuJoCo's C core: elliptic friction cones, Coulomb friction, restitution.

    Bodies of elastic, plastic, granular and liquid materials and snow are moved by simvid's own MPM, cloth and rope by
    its solver of thin bodies; both are coupled to them and to each other.
    """

    name = "newton"
    features: ClassVar[frozenset[str]] = features.ALL

    def version(self) -> str:
        """Newton's and MuJoCo's versions."""
        return _versions()

    def check(self, assets: SceneAssets) -> None:
        """Refuse materials too stiff or never together, and bodies inside each other; see ``PhysicsEngine``."""
        _check_supported(assets)
        if anything_moves(assets):
            with mujoco_warnings():
                world = build_world(rigid_view(assets))
                check_start(assets, world)
                soft = SoftBodies(assets, world) if has_soft(assets) else None
                _mixed_bodies(assets, soft, _thin_bodies(assets, world))

    def simulate(self, assets: SceneAssets, progress: Progress | None = None) -> Trajectory:
        """Run the scene; see ``PhysicsEngine``."""
        return self._simulated(assets, progress, None)

    def simulate_many(self, worlds: Iterable[SceneAssets]) -> Iterator[Trajectory]:
        """Run scene after scene; see ``Batching``. Scenes of one structure share one conversion by Newton."""
        templates = Templates()
        for assets in worlds:
            yield self._simulated(assets, None, templates)

    def _simulated(self, assets: SceneAssets, progress: Progress | None, templates: Templates | None) -> Trajectory:
        started = time.perf_counter()
        _check_supported(assets)
        frames = assets.scene.frame_count
        if not anything_moves(assets):
            run = Run.still(assets, frames)
        else:
            with mujoco_warnings() as warnings:
                run = simulate_world(assets, warnings, progress, templates=templates)
        return run.trajectory(self, time.perf_counter() - started)


@cache
def _versions() -> str:
    from importlib.metadata import version

    return f"newton {version('newton')}, mujoco {version('mujoco')}"


@dataclass(frozen=True, eq=False)
class Run:
    """What a run leaves behind."""

    assets: SceneAssets
    poses: Array
    twists: Array
    masses: Array
    contacts: ContactTable
    robots: tuple[RobotMotion, ...] = ()
    particles: tuple[ParticleMotion, ...] = ()
    ties: tuple[TieEvent, ...] = ()
    outside: OutsideRecord | None = None

    @staticmethod
    def still(assets: SceneAssets, frames: int) -> Run:
        """A scene in which nothing can move."""
        pose = np.stack([pose_vector(p.pose) for p in assets.parts]) if assets.parts else np.zeros((0, 7))
        count = len(assets.parts)
        return Run(
            assets, np.tile(pose, (frames, 1, 1)), np.zeros((frames, count, 6)), np.full(count, np.inf), ContactTable()
        )

    def trajectory(self, engine: PhysicsEngine, wall_s: float) -> Trajectory:
        """What the run is for others, under the name of the engine that made it."""
        scene = self.assets.scene
        return Trajectory(
            fps=scene.fps,
            parts=tuple(p.part for p in self.assets.parts),
            poses=self.poses,
            twists=self.twists,
            contacts=self.contacts.finish(),
            robots=self.robots,
            particles=self.particles,
            engine=engine.name,
            engine_version=engine.version(),
            step_s=scene.step_s,
            masses_kg=self.masses,
            wall_s=wall_s,
            ties=self.ties,
            outside=self.outside,
        )


def _check_supported(assets: SceneAssets) -> None:
    check_features(assets.scene, NewtonPhysics.name, NewtonPhysics.features)
    check_forces(assets)
    for k, body in enumerate(assets.scene.bodies):
        kind = assets.scene.material(body.material).kind
        if kind is not None and kind not in SUPPORTED + THIN:
            raise SceneError(
                f"{assets.scene.where(f'bodies[{k}].material')}: engine 'newton' moves rigid bodies, robots and bodies "
                f"of {', '.join(SUPPORTED + THIN)} materials; the material of {body.name!r} is {kind}. Leave {kind} "
                f"out, or use an engine that has it (installed engines: {', '.join(registry.names('physics'))})"
            )
    check_deformables(assets)


def check_deformables(assets: SceneAssets) -> None:
    """Refuse deformable bodies without particles, which would be moved as rigid ones.

    Raises:
        SceneError: the body.
    """
    for part in assets.parts:
        if part.body is not None and part.deformable is None and assets.scene.material(part.body.material).kind:
            raise SceneError(
                f"{part.part.name!r} is of a deformable material, but its assets have no particles: make them with "
                "simvid.assets.prepare"
            )


def anything_moves(assets: SceneAssets) -> bool:
    """Robots and bodies that are not fixed; a body welded to a fixed one needs no engine but does no harm to one."""
    return bool(assets.robots) or any(
        p.body is not None and (p.deformable is not None or not p.part.fixed or p.body.motion is not None)
        for p in assets.parts
    )


def simulate_world(
    assets: SceneAssets, warnings: list[str], progress: Progress | None, kind: type[Loop] | None = None,
    templates: Templates | None = None,
) -> Run:  # fmt: skip
    """Build the world of a scene and step it to its end; ``kind`` of loop is Newton's own unless given."""
    scene = assets.scene
    frames, per_frame = scene.frame_count, scene.steps_per_frame
    steps = (frames - 1) * per_frame
    times = np.arange(steps + 1, dtype=np.float64) * np.float64(scene.step_s)
    targets = tuple(_targets(assets, k, times) for k in range(len(scene.robots)))
    world = build_world(rigid_view(assets), templates)
    check_start(assets, world)
    loop_kind = kind or Loop
    soft = loop_kind.make_soft(assets, world) if has_soft(assets) else None
    thin = _thin_bodies(assets, world)
    mixed = _mixed_bodies(assets, soft, thin)
    looking = targets if _looking(scene) else None
    loop = loop_kind(world, Drives(world, targets, steps), warnings, soft, looking, thin, mixed)
    for frame in range(frames):
        if frame:
            loop.advance((frame - 1) * per_frame, per_frame)
        loop.read(frame)
        if progress is not None:
            progress(frame + 1, frames)
    motions = []
    for k, (robot, target) in enumerate(zip(world.robots, targets, strict=True)):
        motion = robot.motion(*loop.joints(k), _commanded(target, robot.control.mode, frames, per_frame))
        motions.append(recorded(motion, robot.model, scene.robots[k], scene.fps, loop.runner))
    run = Run(
        assets,
        loop.poses,
        loop.twists,
        _masses(world),
        loop.table,
        tuple(motions),
        ties=loop.ties(),
        outside=loop.outside(),
    )
    if soft is not None:
        run = _with_particles(run, soft, soft.motions(assets))
    return run if thin is None else _with_particles(run, thin, thin.motions())


def _thin_bodies(assets: SceneAssets, world: World) -> ThinBodies | None:
    """Cloth and rope, if there are any, outside of everything."""
    if not has_thin(assets):
        return None
    thin = ThinBodies(assets, world)
    check_overlaps(assets, thin.overlaps())
    return thin


def _mixed_bodies(assets: SceneAssets, soft: SoftBodies | None, thin: ThinBodies | None) -> MixedBodies | None:
    """What couples particles with cloth and rope, where there are both, outside of each other."""
    if soft is None or thin is None:
        return None
    mixed = MixedBodies(assets, soft, thin)
    check_overlaps(assets, mixed.overlaps())
    return mixed


def _looking(scene: Scene) -> bool:
    """Whether a script looks at the simulation."""
    return any(action.looks for robot in scene.robots for action in robot.script)


def _targets(assets: SceneAssets, k: int, times: Array) -> JointTargets:
    """Joint targets of robot k, to be filled while it runs where its script looks at the simulation."""
    robot, model = assets.scene.robots[k], assets.robots[k]
    if any(action.looks for action in robot.script):
        return held_start(model, times)
    return with_noise(plan_script(model, robot, times), assets.scene, robot, model)


def _with_particles(run: Run, bodies: SoftBodies | ThinBodies, motions: tuple[ParticleMotion, ...]) -> Run:
    """The run with the deformable bodies' particles, poses, speeds and masses."""
    for part, (poses, mass) in bodies.poses(motions).items():
        run.poses[:, part], run.masses[part] = poses, mass
        run.twists[:, part] = twists_between(poses, run.assets.scene.fps)
    return replace(run, particles=run.particles + motions)


def _commanded(targets: JointTargets, mode: str, frames: int, per_frame: int) -> Array:
    """What the joints are told to have reached by the next frame; after the last frame, to stay."""
    values = targets.positions if mode == "position" else targets.velocities
    return values[np.minimum((np.arange(frames) + 1) * per_frame, len(values) - 1)]


def check_start(assets: SceneAssets, world: World) -> None:
    """Refuse parts that start inside each other: rigid ones, deformable ones, and particles inside rigid ones.

    Raises:
        SceneError: one line for each pair.
    """
    check_overlaps(assets, overlaps_at_start(world))
    check_apart(assets)
    check_soft_start(assets, world)


def overlaps_at_start(world: World) -> list[Overlap]:
    """Contacts at the start that are deeper than touching."""
    d, found = world.d, []
    for k in range(d.ncon):
        contact = d.contact[k]
        a, b = (int(world.geom_ids[g]) - 1 for g in contact.geom)
        if contact.dist < 0 and contact.exclude == 0:
            normal = -contact.frame[:3]
            found.append(Overlap(a, b, -float(contact.dist), (float(normal[0]), float(normal[1]), float(normal[2]))))
    return found


def _masses(world: World) -> Array:
    masses = np.full(len(world.bodies), np.inf)
    free = world.moving.copy()
    for k, part in enumerate(world.assets.parts):
        free[k] &= not part.part.fixed
    masses[free] = world.m.body_mass[world.bodies[free]]
    return masses


@contextmanager
def mujoco_warnings() -> Iterator[list[str]]:
    """MuJoCo's warnings as a list, instead of on stderr and in a file MUJOCO_LOG.TXT."""
    caught: list[str] = []
    before: Any = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(caught.append)
    try:
        yield caught
    finally:
        mujoco.set_mju_user_warning(before)
