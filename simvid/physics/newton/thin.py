"""Cloth, rope and solids of elements beside MuJoCo: explicit substeps within each physics step, coupled to rigid bodies
and robots.

In a step from t to t + h the obstacles start with MuJoCo's poses and speeds of time t. Bodies that float freely feel
the cloth in each substep, all others move as they do. What cloth and rope pushed then acts on MuJoCo's bodies as a
constant force over the same step, so that momentum is kept but for rounding.
"""

from __future__ import annotations

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import DeformableBody, PartAssets, SceneAssets
from simvid.deforming.frames import line_deformation, poses_of, sheet_deformation, solid_deformation
from simvid.errors import PhysicsError, SceneError
from simvid.physics.contact_table import FrameContacts
from simvid.physics.mpm.touches import Touches
from simvid.physics.newton.obstacles import Hindrances, obstacles_of
from simvid.physics.newton.pairs import Pairs
from simvid.physics.newton.pieces import Piece
from simvid.physics.newton.thin_forces import ThinForces
from simvid.physics.newton.world import World
from simvid.physics.pace import check_pace
from simvid.physics.soft_materials import by_thin, thin_body
from simvid.physics.thin.bodies import Thin, joined
from simvid.physics.thin.solver import Solver
from simvid.physics.thin.stable import stability
from simvid.physics.watch import Overlap, cross
from simvid.trajectory import ParticleMotion

Array = NDArray[np.float64]
FINEST_M = 0.012
"""Twice the spacing of volumes for meshes, at most."""


def has_thin(assets: SceneAssets) -> bool:
    """Whether the scene has cloth, rope or elements."""
    return any(by_thin(p.deformable) for p in assets.parts)


class ThinBodies:
    """All cloth, rope and solids of elements of a scene in one simulation."""

    def __init__(self, assets: SceneAssets, world: World) -> None:
        """Find what they may meet.

        Args:
            assets: with its deformable parts.
            world: of ``rigid_view(assets)``, at t = 0.

        Raises:
            SceneError: a material or spacing that cannot be.
        """
        self._assets, self._world, scene = assets, world, assets.scene
        self._step_s = scene.step_s
        self._pieces: list[Piece] = []
        made: list[Thin] = []
        for k, part in enumerate(assets.parts):
            if part.deformable is not None and by_thin(part.deformable):
                first = sum(len(t) for t in made)
                made.append(_thin(assets, part, part.deformable))
                check_pace(assets, part, stability(made[-1]).step_s(), part.deformable.spacing_m)
                self._pieces.append(Piece(k, part.deformable, slice(first, first + len(made[-1]))))
        spacing = min([FINEST_M, *(p.body.spacing_m for p in self._pieces)])
        self._things: Hindrances = obstacles_of(world, spacing, apart=True)
        self.solver = Solver(joined(made), obstacles=self._things.obstacles, gravity_m_s2=scene.physics.gravity_m_s2)
        parts, rows = tuple(p.part for p in self._pieces), tuple(p.rows for p in self._pieces)
        self.forces = ThinForces(assets, world, self.solver, self._things, parts, rows)
        self._pairs = Pairs(self._things.parts, np.array([p.part for p in self._pieces]))
        self._x = np.zeros((scene.frame_count, len(self.solver), 3), np.float32)

    def overlaps(self) -> list[Overlap]:
        """Where they are inside something at the start, or one inside a body of elements, the deepest of each pair."""
        from simvid.physics.mpm.warp_volumes import distances

        found, x, radius = [], self.solver.positions(), self.solver.thin.radius
        for o, part in zip(self._things.obstacles, self._things.parts, strict=True):
            turn = o.pose[:3, :3]
            local = (x - o.pose[:3, 3]) @ turn
            for piece in o.pieces:
                away, normals = distances(piece, local)
                depth = radius - away
                for thin in self._pieces:
                    k = int(np.argmax(depth[thin.rows])) + thin.rows.start
                    if depth[k] > 0:
                        n = -turn @ normals[k]
                        found.append(Overlap(int(part), thin.part, float(depth[k]), (n[0], n[1], n[2])))
        for a, b, deep, way in self.solver.overlaps():
            up = -1.0 if way[2] < 0 else 1.0
            one, two = (self.parts[k] for k in ((b, a) if up > 0 else (a, b)))
            found.append(Overlap(one, two, deep, (up * float(way[0]), up * float(way[1]), up * float(way[2]))))
        return found

    @property
    def parts(self) -> tuple[int, ...]:
        """Of the bodies, as the solver has them."""
        return tuple(p.part for p in self._pieces)

    def step(self, time_s: float) -> None:
        """Take one physics step that ends at ``time_s``; leaves the forces on MuJoCo's bodies in ``xfrc_applied``."""
        self.prepare(time_s)
        self.solver.advance(self._step_s)
        self._world.d.xfrc_applied[:] = 0.0
        self.finish(time_s)

    def prepare(self, time_s: float) -> None:
        """Put obstacles and forces in place for a step."""
        m, d, things = self._world.m, self._world.d, self._things
        if len(things.moving):
            mujoco.mj_kinematics(m, d)
            mujoco.mj_comPos(m, d)
            mujoco.mj_comVel(m, d)
            self.solver.set_obstacles(things.moving, *things.state(m, d))
        self.forces.before(round(time_s / self._step_s) - 1)

    def finish(self, time_s: float, by_particles: Touches | None = None) -> None:
        """Push MuJoCo's bodies as cloth and rope did; ``by_particles`` is what particles did to these."""
        found, pulled = self.solver.touches(), self.solver.pulls()
        self.forces.after(found, pulled, by_particles)
        self._pairs.add(found, time_s)
        for each in (found, pulled):
            self._things.push(self._world.d, each, self._step_s)

    def read(self, frame: int) -> None:
        """Keep the state as a frame."""
        self._x[frame] = self.solver.positions()

    def contacts(self) -> FrameContacts:
        """Contacts with rigid parts in the steps since this was last called."""
        return self._pairs.take()

    def motions(self) -> tuple[ParticleMotion, ...]:
        """All frames of all bodies."""
        out = []
        for p in self._pieces:
            part, x = self._assets.parts[p.part].part, self._x[:, p.rows].copy()
            if p.body.tetrahedra is not None:
                deformation = solid_deformation(x, p.body.rest, p.body.tetrahedra)
            elif p.body.triangles is not None:
                deformation = sheet_deformation(x, p.body.rest, p.body.triangles)
            else:
                deformation = line_deformation(x, p.body.rest)
            out.append(
                ParticleMotion(
                    name=part.name, part=p.part, instance_id=part.instance_id, form=p.body.form, positions=x,
                    deformation=deformation, rest=p.body.rest, triangles=p.body.triangles,
                )
            )  # fmt: skip
        return tuple(out)

    def poses(self, motions: tuple[ParticleMotion, ...]) -> dict[int, tuple[Array, float]]:
        """Poses [T, 7] and mass of each deformable part."""
        return {
            p.part: (poses_of(m.positions, m.deformation, p.body.masses_kg, p.body.form), float(p.body.masses_kg.sum()))
            for p, m in zip(self._pieces, motions, strict=True)
        }


def _thin(assets: SceneAssets, part: PartAssets, body: DeformableBody) -> Thin:
    turn, place, given = part.pose[:3, :3], part.pose[:3, 3], part.body
    away = body.rest.astype(np.float64) @ turn.T
    velocities = np.zeros_like(away)
    if given is not None:
        spin = np.tile(np.asarray(given.angular_velocity_rad_s, np.float64), (len(away), 1))
        velocities = np.asarray(given.velocity_m_s, np.float64) + cross(spin, away)
    try:
        return thin_body(body, away + place, velocities)
    except PhysicsError as error:
        names = [b.name for b in assets.scene.bodies]
        name = part.part.instance
        while name not in names and "_" in name:
            name = name.rpartition("_")[0]
        where = assets.scene.where(f"bodies[{names.index(name)}].material" if name in names else "bodies")
        raise SceneError(f"{where}: {part.part.name!r}: {error}") from error
