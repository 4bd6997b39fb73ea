"""Part Gaussians in their own frames -> the world at a frame.

A rigid part moves its Gaussians rigidly: means by the matrix, orientations by the quaternion product, normals by the
rotation. Scales and opacities stay. Buffers are reused, and a part that did not move since the last frame is left
alone, so what never moves is posed once. Deformable parts are carried by their particles (``deforming``); loose
particles get Gaussians of their own at every time (``loose``), which follow those of all other parts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from simvid.assets.color import srgb_to_linear
from simvid.gaussians import SH_C0
from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import Array, Flags, Floats, SplatArrays
from simvid.rendering.splats.appearance import Appearance
from simvid.rendering.splats.deforming import DeformingSplats
from simvid.rendering.splats.loose import LooseSplats
from simvid.trajectory import ParticleMotion, pose_matrices


class PosedSplats:
    """The Gaussians at the frame posed last.

    Attributes:
        arrays: in the world.
        rotations: world_from_part of each part, float64 [B, 3, 3]; for spherical harmonics.
        deforming: parts that are carried by particles; ``turns`` of theirs are for spherical harmonics.
    """

    def __init__(
        self,
        appearance: Appearance,
        particles: Sequence[ParticleMotion] = (),
        loose: Sequence[LooseSplats] = (),
        flowing: Collection[int] = (),
    ) -> None:
        """For all parts; ``particles`` are those of the deformable ones, ``loose`` what draws the loose ones.

        Gaussians of parts ``flowing`` grow round where they are stretched far (``torn_captures``).
        """
        splats = appearance.gaussians
        self.deforming = tuple(
            DeformingSplats(m, appearance, flows=m.part in flowing) for m in particles if m.form != "loose"
        )
        self._loose, self._carried = tuple(loose), np.array([m.part for m in particles], np.int64)
        bends = bool(self.deforming)
        self._local = _Local(splats.means, splats.quats, appearance.normals, appearance.points)
        self._starts = appearance.starts
        self._poses = np.full((len(appearance.starts) - 1, 7), np.nan)
        self.rotations = np.zeros((len(self._poses), 3, 3))
        self._fixed = SplatArrays(
            means=np.empty_like(splats.means),
            quats=np.empty_like(splats.quats),
            normals=np.empty_like(splats.means),
            scales=splats.scales.copy() if bends else splats.scales,
            opacities=splats.opacities,
            owner=splats.owner,
            points=np.empty_like(splats.means),
            radius=appearance.radius_m.copy() if bends else appearance.radius_m,
            back=appearance.back,
            baked=appearance.baked,
            albedo=srgb_to_linear(np.clip(0.5 + SH_C0 * splats.sh[:, 0], 0, 1)),
            gloss=appearance.gloss,
            sheer=appearance.sheer,
        )
        self.arrays = self._fixed

    def pose(self, poses: Array, workers: Workers, when: float = 0.0) -> Flags:
        """Move every part to its pose, or its particles to theirs.

        Args:
            poses: position [m] and quaternion (w, x, y, z) of each part, [B, 7].
            workers: threads.
            when: time [frames]; only particles ask for it.

        Returns:
            Which parts were moved, bool [B].
        """
        moved = np.asarray((poses != self._poses).any(axis=1))
        moved[self._carried] = False
        self._poses[:] = poses
        matrices = pose_matrices(poses)
        self.rotations[:] = matrices[:, :3, :3]
        for part in np.flatnonzero(moved):
            first, last = int(self._starts[part]), int(self._starts[part + 1])
            motion = np.concatenate([matrices[part, :3].ravel(), poses[part, 3:]]).astype(np.float32)

            def some(start: int, stop: int, first: int = first, motion: Floats = motion) -> None:
                _pose(self._local, motion, self._fixed, first + start, first + stop)

            if last > first:
                workers.run(some, last - first, least=8192)
        for splats in self.deforming:
            moved[splats.part] = splats.pose(when, self._fixed, workers)
        if self._loose:
            groups = [self._fixed, *(splats.at(when) for splats in self._loose)]
            self.arrays = SplatArrays(*(np.concatenate(columns) for columns in zip(*groups, strict=True)))
            moved[[splats.part for splats in self._loose]] = True
        return moved


class _Local(NamedTuple):
    """As in ``Appearance``, in the parts' own frames."""

    means: Floats
    quats: Floats
    normals: Floats
    points: Floats


@kernel
def _pose(local: _Local, motion: Floats, out: SplatArrays, start: int, stop: int) -> None:
    """``motion`` is a 3 x 4 matrix by rows and a quaternion, [16]."""
    m = motion
    aw, ax, ay, az = m[12], m[13], m[14], m[15]
    for i in range(start, stop):
        x, y, z = local.means[i, 0], local.means[i, 1], local.means[i, 2]
        for k in range(3):
            out.means[i, k] = m[4 * k] * x + m[4 * k + 1] * y + m[4 * k + 2] * z + m[4 * k + 3]
        x, y, z = local.points[i, 0], local.points[i, 1], local.points[i, 2]
        for k in range(3):
            out.points[i, k] = m[4 * k] * x + m[4 * k + 1] * y + m[4 * k + 2] * z + m[4 * k + 3]
        x, y, z = local.normals[i, 0], local.normals[i, 1], local.normals[i, 2]
        for k in range(3):
            out.normals[i, k] = m[4 * k] * x + m[4 * k + 1] * y + m[4 * k + 2] * z
        bw, bx, by, bz = local.quats[i, 0], local.quats[i, 1], local.quats[i, 2], local.quats[i, 3]
        out.quats[i, 0] = aw * bw - ax * bx - ay * by - az * bz
        out.quats[i, 1] = aw * bx + ax * bw + ay * bz - az * by
        out.quats[i, 2] = aw * by - ax * bz + ay * bw + az * bx
        out.quats[i, 3] = aw * bz + ax * by - ay * bx + az * bw
