"""Loop: the steps of a simulation, what acts in them, and the record frame by frame."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import mujoco  # noqa: TID253  this module is the backend, loaded when the engine is asked for
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.errors import PhysicsError
from simvid.physics.contact_table import ContactTable
from simvid.physics.features import check_features
from simvid.physics.newton.belts import Belts
from simvid.physics.newton.contacts import ContactRecorder
from simvid.physics.newton.drives import Drives
from simvid.physics.newton.kernels import Rows
from simvid.physics.newton.mixed import MixedBodies
from simvid.physics.newton.outside import Outside
from simvid.physics.newton.situation import NewtonSituation, read_state
from simvid.physics.newton.soft import SoftBodies, merged
from simvid.physics.newton.spin import Spinner
from simvid.physics.newton.stepping import Stepper
from simvid.physics.newton.thin import ThinBodies
from simvid.physics.newton.world import World
from simvid.physics.scripts import JointTargets
from simvid.physics.tasks.runner import Runner
from simvid.physics.watch import Watch
from simvid.rotations import pose_vector
from simvid.trajectory import OutsideRecord, TieEvent

Array = NDArray[np.float64]
MEMORY_WARNINGS = ("mjWARN_CONTACTFULL", "mjWARN_CNSTRFULL")


class Core(Protocol):
    """Takes steps of MuJoCo's data. After one, ``contact`` and ``rows`` are its contacts, or None."""

    contact: Any
    rows: Rows | None

    @property
    def forces(self) -> Array:
        """Of the constraint rows of the step."""
        ...

    def step(self) -> None:
        """Advance by one step; again, where a tie has broken, from the state that has been put back."""
        ...


class _SpinningStepper(Stepper):
    """MuJoCo's step, with the spin of free bodies put right."""

    def __init__(self, world: World, belts: Belts) -> None:
        super().__init__(world.m, world.d, world.restitution, belts)
        self._spinner = Spinner(world.m, world.d, world.assets, world.bodies)

    def step(self) -> None:
        """As ``Stepper.step``."""
        self._spinner.before()
        super().step()
        self._spinner.after()


class Loop:
    """The simulation loop and its record. Another engine of MuJoCo's model overrides ``make_core``, and says in
    ``features`` what of forces, ties and motors its core can do (``simvid.physics.features``)."""

    features: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self, world: World, drives: Drives, warnings: list[str], soft: SoftBodies | None = None,
        looking: tuple[JointTargets, ...] | None = None, thin: ThinBodies | None = None,
        mixed: MixedBodies | None = None,
    ) -> None:  # fmt: skip
        """Prepare.

        Args:
            world: at t = 0.
            drives: what acts from outside.
            warnings: MuJoCo's, as they come.
            soft: deformable bodies.
            looking: joint targets of the robots, where scripts look at the simulation.
            thin: cloth and rope.
            mixed: both, where there are both.
        """
        self.world, self.drives, self._soft, self._thin, self._mixed = world, drives, soft, thin, mixed
        scene = world.assets.scene
        if type(self) is not Loop:
            check_features(scene, scene.physics.engine, self.features)
        frames, parts = scene.frame_count, len(world.assets.parts)
        self.poses, self.twists = np.zeros((frames, parts, 7)), np.zeros((frames, parts, 6))
        self.table = ContactTable()
        self._fixed = np.stack([pose_vector(p.pose) for p in world.assets.parts])
        self._joints = [np.zeros((3, frames, len(r.model.joints))) for r in world.robots]
        particles = next((bodies.forces for bodies in (mixed, soft, thin) if bodies is not None), None)
        self._outside = Outside(world, particles)
        self._core = self.make_core()
        self.runner = None if looking is None else Runner(self.make_situation(), looking)
        self._recorder = ContactRecorder(world.geom_ids, scene.step_s)
        driven = bool(world.robots) or bool(drives.paths) or soft is not None or thin is not None
        driven = driven or self._outside.drives
        self._watch = Watch(world.assets, world.moving, driven)
        self._warnings = warnings
        self._plan(0)
        self._outside.begin(0)
        drives.apply(0)
        mujoco.mj_forward(world.m, world.d)  # speeds and efforts of frame 0

    @staticmethod
    def make_soft(assets: SceneAssets, world: World) -> SoftBodies:
        """What moves the deformable bodies of a scene; ``world`` is that of ``rigid_view(assets)``."""
        return SoftBodies(assets, world)

    def make_core(self) -> Core:
        """What takes a step of ``world.d``."""
        return _SpinningStepper(self.world, self._outside.belts)

    def make_situation(self) -> NewtonSituation:
        """What scripts look at."""
        return NewtonSituation(self.world)

    def advance(self, first: int, count: int) -> None:
        """Steps ``first`` to ``first + count``."""
        h = float(self.world.m.opt.timestep)
        core, recorder, drives = self._core, self._recorder, self.drives
        deforms, outside = self._mixed or self._soft or self._thin, self._outside
        busy = not outside.idle
        for step in range(first, first + count):
            self._plan(step)
            drives.apply(step)
            if busy:
                outside.begin(step)
            if deforms is not None:
                deforms.step((step + 1) * h)
            if busy:
                outside.push(step)
                outside.save()
            core.step()
            while busy and outside.broke(step):
                core.step()
            if core.rows is not None:
                recorder.add(core.contact, core.rows, core.forces, (step + 1) * h)
            if self._warnings:
                self._fail((step + 1) * h)
        drives.finish(first + count)

    def _plan(self, step: int) -> None:
        """Let scripts that look at the simulation say what comes next."""
        if self.runner is not None:
            for robot, first, end in self.runner.before(step):
                self.drives.retarget(robot, first, end)

    def _fail(self, time_s: float) -> None:
        """Turn MuJoCo's warning into an error."""
        text = " ".join(self._warnings).strip()
        d = self.world.d
        if any(d.warning[int(getattr(mujoco.mjtWarning, name))].number for name in MEMORY_WARNINGS):
            raise PhysicsError(
                f"too many contacts for MuJoCo's memory at t = {time_s:.4g} s ({text}): use fewer or simpler colliders "
                "(collision: convex_hull), or fewer bodies"
            )
        bad = ~np.isfinite(d.qacc) | (np.abs(d.qacc) > 1e10) | ~np.isfinite(d.qvel) | (np.abs(d.qvel) > 1e10)
        body = int(self.world.m.dof_bodyid[int(np.argmax(bad))]) if bad.any() else 0
        raise self._watch.diverged(max(self.world.part_of_body(body), 0), f"has an acceleration without bound ({text})")

    def read(self, frame: int) -> None:
        """Take the state as a frame, and check it."""
        m, d = self.world.m, self.world.d
        poses, twists = self.poses[frame], self.twists[frame]
        poses[:], twists[:] = read_state(self.world, d, self._fixed)
        now = np.array([frame / self.world.assets.scene.fps])
        for part, path in self.drives.paths.items():
            poses[part], twists[part] = (values[0] for values in path.at(now))
        contacts = self._recorder.take()
        for bodies in (self._soft, self._thin):
            if bodies is not None:
                bodies.read(frame)
                contacts = merged(contacts, bodies.contacts())
        if self._mixed is not None:
            contacts = merged(contacts, self._mixed.contacts())
        self._watch.frame(poses, twists, contacts)
        if frame:
            self.table.add(contacts, float(now[0]))
        for record, robot in zip(self._joints, self.world.robots, strict=True):
            record[:, frame] = d.qpos[robot.position_at], d.qvel[robot.velocity_at], robot.efforts(m, d)

    def ties(self) -> tuple[TieEvent, ...]:
        """What was tied, released and broken."""
        return self._outside.events()

    def outside(self) -> OutsideRecord | None:
        """What acted from outside."""
        return self._outside.record()

    def joints(self, robot: int) -> tuple[Array, Array, Array]:
        """Positions, velocities and efforts of a robot, [T, J] each."""
        positions, velocities, efforts = self._joints[robot]
        return positions, velocities, efforts
