"""Meshes on deformable bodies: where their vertices and normals are at any time."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.deforming.binding import Binding, bind, carried
from simvid.trajectory import ParticleMotion

Array: TypeAlias = NDArray[np.float64]


class Skin:
    """Points bound to a body's particles, with unit normals where they have them.

    Attributes:
        binding: of the points, which are in the part's frame at rest.
    """

    def __init__(self, motion: ParticleMotion, points: Array, normals: Array | None = None) -> None:
        """Bind points [N, 3]; ``normals`` are at rest, [N, 3]."""
        self._motion, self._normals = motion, normals
        self._rest = motion.rest.astype(np.float64)
        self.binding: Binding = bind(np.asarray(points, np.float64), self._rest, motion.form)

    def at(self, when: float) -> tuple[Array, Array | None]:
        """Points in the world [m] [N, 3], and unit normals, None without, at a frame or between two."""
        positions, deformation = (a.astype(np.float64) for a in self._motion.at(when))
        places, f = carried(self.binding, self._rest, positions, deformation)
        return places, None if self._normals is None else turned_normals(f, self._normals)


def turned_normals(f: Array, normals: Array) -> Array:
    """Normals of a surface under maps F [N, 3, 3]: along F^-T n, as the cofactors of F give it, unit [N, 3].

    Cofactors are the cross products of F's columns, so the result is that of tangents carried along, for maps that
    turn inside out too. Where nothing is left of a surface the normal stays as it was.
    """
    a, b, c = (f[..., k] for k in range(3))
    cofactors = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=-1)
    turned = np.einsum("nij,nj->ni", cofactors, normals)
    length = np.linalg.norm(turned, axis=-1, keepdims=True)
    return np.where(length > 1e-12, turned / np.maximum(length, 1e-12), normals)
