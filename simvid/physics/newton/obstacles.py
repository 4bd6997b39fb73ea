"""What particles meet of MuJoCo's world: one obstacle for each part that has something to touch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets
from simvid.assets.pieces import Collider
from simvid.errors import SceneError
from simvid.mesh import Mesh
from simvid.physics.mpm.colliders import MOST_PIECES, Obstacle, Piece, mesh_volume
from simvid.physics.mpm.touches import Touches
from simvid.physics.newton.world import World
from simvid.physics.watch import cross
from simvid.rotations import matrix_from_quat

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
MOST_PRIMITIVES = 6
"""A part with more pieces, or with meshes, becomes one volume of signed distances."""
ROUND = 24
"""Corners of the meshes that stand for cones and ellipsoids."""


@dataclass(frozen=True, eq=False)
class Hindrances:
    """Attributes:
    obstacles: each with its origin at the centre of mass of its MuJoCo body.
    parts: index of the part, [M].
    bodies: MuJoCo's body, 0 for the world, [M].
    moving: which of them move, [K].
    """

    obstacles: tuple[Obstacle, ...]
    parts: Ints
    bodies: NDArray[np.int32]
    moving: Ints

    def of_parts(self, parts: Collection[int]) -> frozenset[int]:
        """Indices of the obstacles that stand for some parts."""
        return frozenset(o for o, k in enumerate(self.parts.tolist()) if k in parts)

    def state(self, m: Any, d: Any) -> tuple[Array, Array, Array]:
        """Poses [K, 4, 4], velocities [K, 3] and spins [K, 3] of the moving ones, from MuJoCo's kinematics."""
        at = self.bodies[self.moving]
        poses = np.tile(np.eye(4), (len(at), 1, 1))
        poses[:, :3, :3] = d.xmat[at].reshape(-1, 3, 3)
        poses[:, :3, 3] = d.xipos[at]
        spin = d.cvel[at, :3]
        velocity = d.cvel[at, 3:] + cross(spin, d.xipos[at] - d.subtree_com[m.body_rootid[at]])
        return poses, velocity, spin

    def push(self, d: Any, found: Touches, step_s: float) -> None:
        """Add what particles did in a step to MuJoCo's bodies, as constant forces over it."""
        for o, impulse, moment in zip(found.obstacle, found.impulse_n_s, found.moment_n_m_s, strict=True):
            body = self.bodies[o]
            if body > 0:
                d.xfrc_applied[body, :3] += impulse / step_s
                d.xfrc_applied[body, 3:] += moment / step_s


def obstacles_of(world: World, spacing_m: float, *, apart: bool = False) -> Hindrances:
    """All parts with colliders.

    Args:
        world: at t = 0.
        spacing_m: twice that of the volumes that stand for meshes.
        apart: keep primitives as they are beside meshes, such as the pads of a finger; else they become one volume.

    Raises:
        SceneError: too many pieces.
    """
    m, d = world.m, world.d
    links = {n: link for r in world.assets.robots for n, link in zip(r.part_names, r.links, strict=True)}
    made, parts, bodies = [], [], []
    for k, part in enumerate(world.assets.parts):
        link = links.get(part.part.name)
        colliders = part.colliders if link is None else link.colliders
        if not colliders:
            continue
        body = int(world.bodies[k])
        free = body > 0 and floats(m, body) and part.mass is not None
        shift, pose = np.zeros(3), part.pose
        if body > 0:
            shift = np.asarray(m.body_ipos[body], np.float64)
            pose = np.eye(4)
            pose[:3, :3], pose[:3, 3] = d.xmat[body].reshape(3, 3), d.xipos[body]
        pieces = _pieces(colliders, shift, spacing_m, apart)
        made.append(_obstacle(m, body, pieces, pose, part, free))
        parts.append(k)
        bodies.append(body)
    count = sum(len(o.pieces) for o in made)
    if count > MOST_PIECES:
        raise SceneError(
            f"{count} pieces of bodies and robots can touch the scene's deformable bodies; at most {MOST_PIECES} are "
            "possible: leave some out, or make them one body"
        )
    all_bodies = np.array(bodies, np.int32)
    moving = [o for o, k in enumerate(parts) if world.moving[k]]
    return Hindrances(tuple(made), np.array(parts, np.intp), all_bodies, np.array(moving, np.intp))


def floats(m: Any, body: int) -> bool:
    """Whether a body has six degrees of freedom of its own and carries nothing."""
    return int(m.body_dofnum[body]) == 6 and float(m.dof_armature[m.body_dofadr[body]]) == 0


def _obstacle(m: Any, body: int, pieces: tuple[Piece, ...], pose: Array, part: PartAssets, free: bool) -> Obstacle:
    if not free:
        return Obstacle(pieces, pose)
    turn = matrix_from_quat(np.asarray(m.body_iquat[body], np.float64))
    inertia = turn @ np.diag(m.body_inertia[body]) @ turn.T
    return Obstacle(pieces, pose, mass_kg=float(m.body_mass[body]), inertia_kg_m2=inertia)


def _pieces(colliders: tuple[Collider, ...], shift: Array, spacing: float, apart: bool) -> tuple[Piece, ...]:
    """Primitives as they are while they are few; else one volume of them all, or of those that are none."""
    simple = [c for c in colliders if c.kind in {"plane", "box", "sphere", "capsule", "cylinder"}]
    if len(simple) > MOST_PRIMITIVES or (len(simple) < len(colliders) and not apart):
        simple = []
    rest = [c for c in colliders if not any(c is s for s in simple)]
    pieces = [Piece(c.kind, c.dimensions, _moved(c.pose, -shift), c.friction) for c in simple]  # type: ignore[arg-type]
    if rest:
        volume = mesh_volume([_mesh(c) for c in rest], spacing / 2)
        pieces.append(Piece("volume", (), _moved(np.eye(4), -shift), max(c.friction for c in rest), volume=volume))
    return tuple(pieces)


def _moved(pose: Array, by: Array) -> Array:
    out = pose.copy()
    out[:3, 3] += by
    return out


def _mesh(c: Collider) -> Mesh:
    """The collider's surface in its part's frame."""
    if c.mesh is not None:
        return c.mesh.transformed(c.pose)
    from simvid.assets.primitives import primitive_mesh

    return primitive_mesh(c.kind, c.dimensions).transformed(c.pose)
