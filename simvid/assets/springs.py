"""Springs in the joints of bodies: how far each is stretched, by poses alone, and what it stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.scene import Hinge, Slider
from simvid.trajectory import pose_matrices

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Springs:
    """All N springs of a scene. They rest at the start.

    Attributes:
        child, parent: parts that each is between, parent -1 for the world, [N].
        stiffness: [N/m] of sliders, [N m/rad] of hinges, [N].
        hinge: whether it is of a hinge, [N].
        axis: in the parent's frame, [N, 3].
        rest: parent_from_child at the start, [N, 4, 4].
    """

    child: NDArray[np.intp]
    parent: NDArray[np.intp]
    stiffness: Array
    hinge: NDArray[np.bool_]
    axis: Array
    rest: Array

    @staticmethod
    def of(assets: SceneAssets) -> Springs:
        """Of a scene."""
        index = {p.part.name: k for k, p in enumerate(assets.parts)}
        found = []
        for k, part in enumerate(assets.parts):
            joint = None if part.body is None else part.body.joint
            if joint is None or not isinstance(value := joint.value, Hinge | Slider):
                continue
            given = value.stiffness_n_m_rad if isinstance(value, Hinge) else value.stiffness_n_m
            if given:
                found.append((k, -1 if value.parent is None else index[value.parent], given, joint.kind, value.axis))
        child, parent = (np.array([row[n] for row in found], np.intp) for n in (0, 1))
        start = np.stack([*(p.pose for p in assets.parts), np.eye(4)])
        axes = np.array([row[4] for row in found], np.float64).reshape(-1, 3)
        axes = np.einsum("nji,nj->ni", start[parent, :3, :3], axes / np.linalg.norm(axes, axis=1, keepdims=True))
        stiffness, hinge = np.array([row[2] for row in found]), np.array([row[3] == "hinge" for row in found], np.bool_)
        return Springs(child, parent, stiffness, hinge, axes, np.linalg.inv(start[parent]) @ start[child])

    def stretch(self, poses: Array, before: Array) -> Array:
        """Turn [rad] or way [m] of each since the start at poses [B, 7], [N]; whole turns are those next to
        ``before``, of the frame before (0 at the start)."""
        world = np.concatenate([pose_matrices(poses), np.eye(4)[None]])
        moved = np.linalg.inv(world[self.parent]) @ world[self.child]
        way = np.einsum("ni,ni->n", moved[:, :3, 3] - self.rest[:, :3, 3], self.axis)
        turn = moved[:, :3, :3] @ self.rest[:, :3, :3].transpose(0, 2, 1)
        sine = np.stack(
            [turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0], turn[:, 1, 0] - turn[:, 0, 1]], 1
        )
        angle = np.arctan2((sine * self.axis).sum(axis=1), np.trace(turn, axis1=1, axis2=2) - 1)
        angle += 2 * np.pi * np.round((before - angle) / (2 * np.pi))
        return np.asarray(np.where(self.hinge, angle, way))

    def speeds(self, poses: Array, twists: Array) -> Array:
        """How fast each is stretched [rad/s or m/s], [N], at poses [B, 7] and twists [B, 6]."""
        world = np.concatenate([pose_matrices(poses), np.eye(4)[None]])
        twist = np.concatenate([twists, np.zeros((1, 6))])
        one, two = twist[self.child], twist[self.parent]
        arm = world[self.child, :3, 3] - world[self.parent, :3, 3]
        slid = one[:, :3] - two[:, :3] - np.cross(two[:, 3:], arm)
        axis = np.einsum("nij,nj->ni", world[self.parent, :3, :3], self.axis)
        turned = one[:, 3:] - two[:, 3:]
        return np.asarray((np.where(self.hinge[:, None], turned, slid) * axis).sum(axis=1))

    def energy(self, stretch: Array) -> Array:
        """Stored [J], of stretches [..., N]."""
        return np.asarray(self.stiffness * stretch * stretch / 2)

    def swing(self, stretch: Array, speeds: Array, step_s: float) -> float:
        """How much the energy at frames may swing about the true one [J]: steps of first order have positions and
        speeds half a step apart, in which the spring does that share of its work; from the least to the most."""
        return step_s * float(np.abs(self.stiffness * stretch * speeds).sum(axis=-1).max(initial=0.0))
