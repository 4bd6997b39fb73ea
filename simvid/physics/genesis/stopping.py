"""Particles stopped at rigid bodies one by one, after Genesis' grid has stopped its nodes.

Genesis stops a node of its grid that is inside a body, by the way out that is nearest from there. A wall of a cell has
one layer of such nodes or two, and those behind its middle let everything out at the back: sand and water run through
it. So a particle that a substep has brought into a body, or nearer than a quarter of its spacing, is put back there,
and loses its speed into the body, with Coulomb's friction: the particle-based collisions of Stomakhin et al. 2013,
section 8, "A material point method for snow simulation". The body gets what the particle loses. In a substep a particle
moves a small part of a cell, so the nearest surface is the one that it came to; and the room before the surface keeps
it out of the seam of two boxes, where the nearest surface would be one of the seam.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp  # noqa: TID253  part of what moves particles, which is loaded only when it is asked for
from numpy.typing import NDArray

from simvid.physics.genesis.session import view
from simvid.physics.genesis.warp_stopping import stop
from simvid.physics.mpm.warp_arrays import device_array, make_obstacles, make_pieces
from simvid.physics.newton.obstacles import Hindrances
from simvid.rotations import matrix_from_quat

Array = NDArray[np.float64]
DEVICE = "cpu"
REACH = 0.25
"""Of a particle's spacing: what it keeps off. Bodies begin half a spacing off, by their outermost particles."""


@dataclass(frozen=True, eq=False)
class Stopped:
    """What one pass did to P particles and M obstacles.

    Attributes:
        rows: of the particles that were too near to something.
        shifts_m: what those are moved by, [len(rows), 3].
        velocities_m_s: of those from now on, [len(rows), 3].
        impulses_n_s: what each obstacle got, [M, 3].
        moments_n_m_s: and about its origin, [M, 3].
    """

    rows: NDArray[np.intp]
    shifts_m: Array
    velocities_m_s: Array
    impulses_n_s: Array
    moments_n_m_s: Array


class Stopper:
    """Keeps P particles out of the obstacles of a scene."""

    def __init__(self, things: Hindrances, masses_kg: Array, spacings_m: Array, origin_m: Array) -> None:
        """Prepare.

        Args:
            things: at t = 0.
            masses_kg, spacings_m: of the particles, [P].
            origin_m: from which places are reckoned in single precision.
        """
        self._origin = np.asarray(origin_m, np.float64)
        self._pieces = make_pieces(things.obstacles, DEVICE)
        self._obstacles = make_obstacles(things.obstacles, self._origin, DEVICE)
        masses, reaches = np.asarray(masses_kg, np.float32), np.asarray(REACH * spacings_m, np.float32)
        self._masses, self._reaches = (device_array(a, wp.float32, DEVICE) for a in (masses, reaches))
        self._count, self._many = len(things.obstacles), int(self._pieces.kind.shape[0])
        o = self._obstacles
        self._poses, self._velocities, self._spins = o.pose.numpy(), o.velocity.numpy(), o.spin.numpy()

    def move(self, obstacle: int, place_m: Array, quaternion: Array, velocity_m_s: Array, spin_rad_s: Array) -> None:
        """Say where an obstacle is and how it moves: its origin [3], w x y z [4], and both of the origin, world [3]."""
        self._poses[obstacle] = [*(place_m - self._origin), *quaternion[1:], quaternion[0]]
        self._velocities[obstacle], self._spins[obstacle] = velocity_m_s, spin_rad_s

    def stop(self, places_m: Array, velocities_m_s: Array) -> Stopped:
        """Look at all particles, [P, 3] each, world."""
        before = (places_m - self._origin).astype(np.float32)
        x, v = (device_array(a.astype(np.float32), wp.vec3, DEVICE) for a in (before, velocities_m_s))
        inside = wp.zeros(len(before), dtype=wp.int32, device=DEVICE)
        impulses, moments = (wp.zeros(max(self._count, 1), dtype=wp.vec3, device=DEVICE) for _ in range(2))
        wp.launch(
            stop, len(before), [self._pieces, self._obstacles, self._many, self._masses, self._reaches],
            [x, v, inside, impulses, moments], device=DEVICE,
        )  # fmt: skip
        rows = np.flatnonzero(inside.numpy())
        shifts = x.numpy()[rows].astype(np.float64) - before[rows]
        taken = [a.numpy()[: self._count].astype(np.float64) for a in (impulses, moments)]
        return Stopped(rows, shifts, v.numpy()[rows].astype(np.float64), *taken)


class Links:
    """Where Genesis' rigid links are in this substep, and the forces on them: Genesis' own arrays."""

    def __init__(self, state: Any, things: Hindrances, bodies: list[int], middles_m: Array) -> None:
        """Prepare.

        Args:
            state: Genesis' record of its links.
            things: the obstacles.
            bodies: MuJoCo's body of each link.
            middles_m: each MuJoCo body's centre of mass in its frame, [N, 3].
        """
        names = ("pos", "quat", "cd_vel", "cd_ang", "root_COM", "cfrc_coupling_vel", "cfrc_coupling_ang")
        views = (view(getattr(state, name))[:, 0] for name in names)
        self._pos, self._quat, self._velocity, self._spin, self._root, self.push, self._turn = views
        self._moving = [int(o) for o in things.moving]
        links = {body: link for link, body in enumerate(bodies)}
        self._link = [links[int(body)] for body in things.bodies]
        self._middle = middles_m[things.bodies]
        self._origin = np.array([o.pose[:3, 3] for o in things.obstacles]).reshape(-1, 3)

    def tell(self, stopper: Stopper) -> None:
        """Tell where the obstacles that move are, and how fast."""
        for o in self._moving:
            link = self._link[o]
            place = self._pos[link] + matrix_from_quat(self._quat[link]) @ self._middle[o]
            spin = self._spin[link]
            velocity = self._velocity[link] + np.cross(spin, place - self._root[link])
            stopper.move(o, place, self._quat[link], velocity, spin)
            self._origin[o] = place

    def take(self, found: Stopped, step_s: float) -> None:
        """Add what obstacles got in a substep to the forces of the coupling, which have the sign turned."""
        for o in np.flatnonzero(found.impulses_n_s.any(axis=1)):
            link, force = self._link[o], found.impulses_n_s[o] / step_s
            self.push[link] -= force
            self._turn[link] -= found.moments_n_m_s[o] / step_s + np.cross(self._origin[o] - self._root[link], force)
