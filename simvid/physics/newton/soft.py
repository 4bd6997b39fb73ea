"""Deformable bodies beside MuJoCo: their particles by MPM, coupled to rigid bodies and robots in each physics step.

In a step from t to t + h the obstacles start with MuJoCo's poses and speeds of time t. The particles take as many
substeps as are stable; bodies that float freely feel them in each (``mpm.warp_contact.weigh``), all others move as they
do. What the particles pushed then acts on MuJoCo's bodies as a constant force over the same step, so that momentum is
kept but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import DeformableBody, PartAssets, SceneAssets
from simvid.deforming.frames import poses_of
from simvid.errors import PhysicsError, SceneError
from simvid.physics.contact_table import FrameContacts
from simvid.physics.kinematic import KeyframedPath
from simvid.physics.mpm.domain import MOST_BLOCKS, PAD, Domain, block_counts, stable_step
from simvid.physics.mpm.particles import Particles, joined
from simvid.physics.mpm.solver import LeftDomainError, Solver
from simvid.physics.newton.obstacles import Hindrances, obstacles_of
from simvid.physics.newton.pairs import Pairs
from simvid.physics.newton.particle_forces import clamping_node
from simvid.physics.newton.pieces import Piece
from simvid.physics.newton.soft_forces import SoftForces
from simvid.physics.newton.world import World
from simvid.physics.pace import check_pace
from simvid.physics.soft_materials import by_mpm, mpm_material
from simvid.physics.watch import part_place
from simvid.rotations import quat_multiply
from simvid.trajectory import ParticleMotion

Array = NDArray[np.float64]
CELL = 2.0
"""Grid spacing over the particles' own: eight particles in a cell."""
ROOM_M = 1.5
"""What particles may travel beyond where things are at the start, sideways and upwards."""
CARRIED_M = 1.0
"""The same beyond where keyframes have things at any frame."""


def rigid_view(assets: SceneAssets) -> SceneAssets:
    """The scene as MuJoCo sees it: deformable parts are fixed and have nothing to touch."""
    parts = tuple(
        p if p.deformable is None else PartAssets(replace(p.part, fixed=True), p.pose, (), (), None)
        for p in assets.parts
    )
    return replace(assets, parts=parts)


def has_soft(assets: SceneAssets) -> bool:
    """Whether the scene has bodies for MPM."""
    return any(by_mpm(p.deformable) for p in assets.parts)


class SoftBodies:
    """All deformable bodies of a scene in one MPM simulation."""

    def __init__(self, assets: SceneAssets, world: World) -> None:
        """Fill the grid and find what the particles may meet.

        Args:
            assets: with its deformable parts.
            world: of ``rigid_view(assets)``, at t = 0.

        Raises:
            SceneError: materials that are too stiff, things too far apart for the grid.
        """
        self._lay_out(assets, world)
        scene, particles = assets.scene, self._particles
        rows = tuple(s.rows for s in self._soft)
        places, spacing = particles.positions.astype(np.float64), self._spacing_m
        node = clamping_node(assets, tuple(s.part for s in self._soft), rows, places, spacing)
        domain = _domain(assets, particles, spacing, node)
        self._things: Hindrances = obstacles_of(world, domain.spacing_m)
        self.forces = SoftForces(assets, world, tuple(s.part for s in self._soft), rows)
        self.solver = Solver(
            particles, domain, obstacles=self._things.obstacles, gravity_m_s2=scene.physics.gravity_m_s2,
            outside=self.forces.outside,
        )  # fmt: skip
        self.forces.bind(self.solver, self._things)
        self._pairs = Pairs(self._things.parts, np.array([s.part for s in self._soft]))
        frames = scene.frame_count
        self._x = np.zeros((frames, len(particles), 3), np.float32)
        self._F = np.zeros((frames, len(particles), 3, 3), np.float32)

    def _lay_out(self, assets: SceneAssets, world: World) -> None:
        """All particles at their places, and how wide the grid's cells are."""
        self._world, scene = world, assets.scene
        self.step_s = scene.step_s
        self._soft: list[Piece] = []
        groups: list[Particles] = []
        for k, part in enumerate(assets.parts):
            if part.deformable is not None and by_mpm(part.deformable):
                first = sum(len(g) for g in groups)
                groups.append(_particles(part, part.deformable))
                self._soft.append(Piece(k, part.deformable, slice(first, first + len(groups[-1]))))
        self._particles = joined(groups)
        self._turns = np.concatenate([np.tile(assets.parts[s.part].pose[:3, :3], (len(g), 1, 1))
                                      for s, g in zip(self._soft, groups, strict=True)])  # fmt: skip
        self._spacing_m = CELL * min(s.body.spacing_m for s in self._soft)
        for s, group in zip(self._soft, groups, strict=True):
            check_pace(assets, assets.parts[s.part], stable_step(group, self._spacing_m), self._spacing_m)

    @property
    def parts(self) -> tuple[int, ...]:
        """Of the bodies, as the solver has them."""
        return tuple(s.part for s in self._soft)

    def step(self, time_s: float) -> None:
        """Take one physics step that ends at ``time_s``; leaves the forces on MuJoCo's bodies in ``xfrc_applied``."""
        self.prepare(time_s)
        with self.named():
            self.solver.advance(self.step_s)
        self.finish(time_s)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Where particles leave the grid, say whose they are and what a scene can do about it."""
        try:
            yield
        except LeftDomainError as left:
            part = next(s.part for s in self._soft if s.rows.start <= left.particle < s.rows.stop)
            name = self._world.assets.parts[part].part.name
            place = ", ".join(f"{c:.3g}" for c in left.place_m)
            raise PhysicsError(
                f"at t = {self.solver.time_s:.4g} s particles of {name!r} have left the grid, such as one at [{place}] "
                f"m: it ends {ROOM_M} m from where things are at the start, {CARRIED_M:g} m from where keyframes bring "
                "them, and just below the ground; keep them in by ground or walls, let them be slower, or give a "
                "shorter duration_s"
            ) from left

    def prepare(self, time_s: float) -> None:
        """Put obstacles and forces in place for a step; nothing pushes MuJoCo's bodies yet."""
        m, d = self._world.m, self._world.d
        things = self._things
        if len(things.moving) or self.forces.needs_state:
            mujoco.mj_kinematics(m, d)
            mujoco.mj_comPos(m, d)
            mujoco.mj_comVel(m, d)
        if len(things.moving):
            self.solver.set_obstacles(things.moving, *things.state(m, d))
        self.forces.before(round(time_s / self.step_s) - 1)
        d.xfrc_applied[:] = 0.0

    def finish(self, time_s: float) -> None:
        """Push MuJoCo's bodies as the particles did."""
        found = self.solver.touches()
        self._pairs.add(found, time_s)
        self._things.push(self._world.d, found, self.step_s)
        self.forces.after()

    def read(self, frame: int) -> None:
        """Keep the state as a frame."""
        self._x[frame] = self.solver.positions()
        self._F[frame] = self.solver.deformation() @ self._turns.astype(np.float32)

    def contacts(self) -> FrameContacts:
        """Contacts of the steps since this was last called."""
        return self._pairs.take()

    def motions(self, assets: SceneAssets) -> tuple[ParticleMotion, ...]:
        """All frames of all bodies."""
        out = []
        for s in self._soft:
            part = assets.parts[s.part].part
            out.append(
                ParticleMotion(
                    name=part.name, part=s.part, instance_id=part.instance_id, form=s.body.form,
                    positions=self._x[:, s.rows].copy(), deformation=self._F[:, s.rows].copy(), rest=s.body.rest,
                )
            )  # fmt: skip
        return tuple(out)

    def poses(self, motions: tuple[ParticleMotion, ...]) -> dict[int, tuple[Array, float]]:
        """Poses [T, 7] and mass of each deformable part."""
        return {
            s.part: (
                poses_of(p.positions, p.deformation, s.body.masses_kg, s.body.form),
                float(s.body.masses_kg.sum()),
            )
            for s, p in zip(self._soft, motions, strict=True)
        }


def _particles(part: PartAssets, body: DeformableBody) -> Particles:
    turn, place = part.pose[:3, :3], part.pose[:3, 3]
    density = float(body.masses_kg.sum() / body.volumes_m3.sum())
    given = part.body
    return Particles.of(
        body.rest.astype(np.float64) @ turn.T + place,
        body.volumes_m3,
        mpm_material(body, density),
        velocity_m_s=(0.0, 0.0, 0.0) if given is None else given.velocity_m_s,
        spin_rad_s=(0.0, 0.0, 0.0) if given is None else given.angular_velocity_rad_s,
    )


def _domain(
    assets: SceneAssets, particles: Particles, spacing: float, node: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> Domain:
    """Round the particles and all that is not endless, with room to fly; down to just below the ground."""
    places = [particles.positions.astype(np.float64)]
    places += [p.pose[None, :3, 3] for p in assets.parts if p.part.kind != "ground"]
    low, high = np.min([x.min(axis=0) for x in places], axis=0), np.max([x.max(axis=0) for x in places], axis=0)
    ground = [p.pose[2, 3] for p in assets.parts if p.part.kind == "ground"]
    low, high = _along_paths(assets, low - ROOM_M, high + ROOM_M, spacing)
    if ground:
        low[2] = max(ground) - 4 * spacing
    _check_room(assets, particles, low, high, spacing)
    return Domain((low[0], low[1], low[2]), (high[0], high[1], high[2]), spacing, node)


def _along_paths(assets: SceneAssets, low: Array, high: Array, spacing: float) -> tuple[Array, Array]:
    """The room from ``low`` to ``high``, and what keyframes carry things to, if the grid can be that large."""
    scene = assets.scene
    times = np.arange(scene.frame_count) / scene.fps
    moved = [p.body.motion for p in assets.parts if p.body is not None and p.body.motion is not None]
    places = [KeyframedPath.of(motion).at(times)[0][:, :3] for motion in moved]
    lowest = np.min([low, *(x.min(axis=0) - CARRIED_M for x in places)], axis=0)
    highest = np.max([high, *(x.max(axis=0) + CARRIED_M for x in places)], axis=0)
    if np.prod(block_counts(lowest - PAD * spacing, highest, spacing)) > MOST_BLOCKS:
        return low, high
    return lowest, highest


def _check_room(assets: SceneAssets, particles: Particles, low: Array, high: Array, spacing: float) -> None:
    """Refuse a grid of too many blocks, which something far away makes so large.

    Raises:
        SceneError: what is farthest from the particles.
    """
    if np.prod(block_counts(low - PAD * spacing, high, spacing)) <= MOST_BLOCKS:
        return
    middle = np.median(particles.positions.astype(np.float64), axis=0)
    away = [float(np.linalg.norm(p.pose[:3, 3] - middle)) * (p.part.kind != "ground") for p in assets.parts]
    far = int(np.argmax(away))
    raise SceneError(
        f"{part_place(assets, assets.parts[far].part)}: {assets.parts[far].part.name!r} is {away[far]:.4g} m away from "
        f"the deformable bodies, and the grid around all things is too large with cells of {spacing:.3g} m (two "
        "particle_spacing_m): move it closer, leave it out, or give a larger particle_spacing_m"
    )


def merged(one: FrameContacts, two: FrameContacts) -> FrameContacts:
    """Both tables; no pair is in both."""
    return FrameContacts(
        *(np.concatenate([getattr(one, n), getattr(two, n)]) for n in FrameContacts.__dataclass_fields__)
    )


def twists_between(poses: Array, fps: float) -> Array:
    """Speeds [T, 6] of a part from its poses [T, 7] at the frames, by central differences."""
    out = np.zeros((len(poses), 6))
    if len(poses) < 2:
        return out
    out[:, :3] = np.gradient(poses[:, :3], axis=0) * fps
    for t in range(len(poses)):
        a, b = max(t - 1, 0), min(t + 1, len(poses) - 1)
        turn = quat_multiply(poses[b, 3:], poses[a, 3:] * (1, -1, -1, -1))
        sine = float(np.linalg.norm(turn[1:]))
        if sine > 1e-12:
            out[t, 3:] = turn[1:] * (2 * np.arctan2(sine, turn[0]) / sine * fps / (b - a))
    return out
