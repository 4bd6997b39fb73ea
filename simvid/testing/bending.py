"""An engine of closed forms: deformable bodies that are squashed, bent, twisted or poured as a formula says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.deformables import particle_motion
from simvid.assets.parts import SceneAssets
from simvid.deforming.frames import poses_of
from simvid.rotations import pose_vector
from simvid.trajectory import Contacts, Trajectory

Array: TypeAlias = NDArray[np.float64]
Way: TypeAlias = Callable[[Array, float], tuple[Array, Array]]
"""(places at rest [P, 3] [m], time 0 to 1) -> places in the world [P, 3] and F [P, 3, 3]; at time 0 the identity."""


def scripted(assets: SceneAssets, ways: Mapping[str, Way]) -> Trajectory:
    """A trajectory in which deformable bodies go their ways about where they start, and all else stays where it is."""
    scene = assets.scene
    count = scene.frame_count
    poses = np.tile([pose_vector(p.pose) for p in assets.parts], (count, 1, 1))
    particles = []
    for k, part in enumerate(assets.parts):
        body = part.deformable
        if body is None:
            continue
        places, gradients = [], []
        for t in np.linspace(0, 1, count):
            x, f = ways[part.part.name](body.rest.astype(np.float64), float(t))
            places.append(x @ part.pose[:3, :3].T + part.pose[:3, 3])
            gradients.append(part.pose[:3, :3] @ f @ part.pose[:3, :3].T)
        motion = particle_motion(assets.parts, k, np.array(places), np.array(gradients))
        poses[:, k] = poses_of(motion.positions, motion.deformation, body.masses_kg, body.form)
        particles.append(motion)
    return Trajectory(
        fps=scene.fps, parts=tuple(p.part for p in assets.parts), poses=poses,
        twists=np.zeros((count, len(assets.parts), 6)), contacts=Contacts.none(), particles=tuple(particles),
        engine="scripted", step_s=scene.step_s,
    )  # fmt: skip


def squash(to: Array) -> Way:
    """To an affine map [3, 3] about the centre of mass, evenly in time."""

    def way(rest: Array, t: float) -> tuple[Array, Array]:
        f = (1 - t) * np.eye(3) + t * to
        return rest @ f.T, np.tile(f, (len(rest), 1, 1))

    return way


def twist(turns_per_m: float) -> Way:
    """About z: what is higher turns more."""

    def way(rest: Array, t: float) -> tuple[Array, Array]:
        rate = 2 * np.pi * turns_per_m * t
        c, s = np.cos(rate * rest[:, 2]), np.sin(rate * rest[:, 2])
        zero, one = np.zeros(len(rest)), np.ones(len(rest))
        turn = np.stack([c, -s, zero, s, c, zero, zero, zero, one], axis=1).reshape(-1, 3, 3)
        x = np.einsum("nij,nj->ni", turn, rest)
        f = turn.copy()
        f[:, 0, 2], f[:, 1, 2] = -rate * x[:, 1], rate * x[:, 0]
        return x, f

    return way


def bend(radius_m: float) -> Way:
    """To an arc in the x z plane: the x axis becomes a circle of this radius at t = 1, lengths along it kept."""

    def way(rest: Array, t: float) -> tuple[Array, Array]:
        if t == 0:
            return rest.copy(), np.tile(np.eye(3), (len(rest), 1, 1))
        r = radius_m / t
        angle, out = rest[:, 0] / r, r - rest[:, 2]
        c, s = np.cos(angle), np.sin(angle)
        x = np.stack([out * s, rest[:, 1], r - out * c], axis=1)
        f = np.zeros((len(rest), 3, 3))
        f[:, 0, 0], f[:, 0, 2] = out / r * c, -s
        f[:, 2, 0], f[:, 2, 2] = out / r * s, c
        f[:, 1, 1] = 1
        return x, f

    return way


def spread(by_m: float) -> Way:
    """Particles fall apart sideways, those on top the most; F stays the identity. For loose ones."""

    def way(rest: Array, t: float) -> tuple[Array, Array]:
        low = rest[:, 2].min()
        up = (rest[:, 2] - low) / max(float(np.ptp(rest[:, 2])), 1e-9)
        shift = t * by_m * up[:, None] * np.stack([np.sin(9 * rest[:, 1]), np.cos(7 * rest[:, 0]), 0 * up], axis=1)
        x = rest + shift
        x[:, 2] = low + (1 - 0.6 * t) * (rest[:, 2] - low)
        return x, np.tile(np.eye(3), (len(rest), 1, 1))

    return way
