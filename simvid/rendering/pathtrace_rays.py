"""Single rays into a staged scene: which part they meet, how far away, and which way it faces."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeAlias

import drjit as dr
import mitsuba as mi  # noqa: TID253  as above
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


class Hits(NamedTuple):
    """What rays met.

    Attributes:
        t: in lengths of the direction, +inf for nothing, [N].
        ids: part id, 0 for nothing or a light, int32 [N].
        normals: of the shaded surface, in the world, [N, 3].
    """

    t: Array
    ids: NDArray[np.int32]
    normals: Array


def part_id_of(name: str) -> int:
    """Part id of a shape by the name that it was given: ``part3`` or ``part3_0``; 0 for lights."""
    match = re.match(r"part(\d+)", name)
    return int(match[1]) if match else 0


def cast(scene: Any, origin: Array, directions: Array, *, vectorised: bool) -> Hits:
    """First surfaces along rays from one point.

    Args:
        scene: Mitsuba's.
        origin: [m], [3].
        directions: [N, 3].
        vectorised: whether the active variant traces many rays at once.
    """
    return _at_once(scene, origin, directions) if vectorised else _one_by_one(scene, origin, directions)


def _at_once(scene: Any, origin: Array, directions: Array) -> Hits:
    ids = {}
    for shape in scene.shapes():
        ids[_number(mi.ShapePtr(shape))[0]] = part_id_of(shape.id())
    owners = np.zeros(max(ids, default=0) + 1, np.int32)
    owners[list(ids)] = list(ids.values())
    x, y, z = np.ascontiguousarray(directions.T, np.float32)
    found = scene.ray_intersect(mi.Ray3f(mi.Point3f(*map(float, origin)), mi.Vector3f(x, y, z)))
    met = owners[_number(found.shape)]
    normals = np.array(found.sh_frame.n, np.float64).T
    return Hits(np.array(found.t, np.float64), met, normals)


def _number(pointers: Any) -> NDArray[np.int64]:
    """Mitsuba's own numbers of shapes, from 1; 0 is none."""
    return np.array(dr.reinterpret_array(mi.UInt32, pointers), np.int64)


def _one_by_one(scene: Any, origin: Array, directions: Array) -> Hits:
    n = len(directions)
    t, ids, normals = np.full(n, np.inf), np.zeros(n, np.int32), np.zeros((n, 3))
    start = mi.Point3f(*map(float, origin))
    for i, direction in enumerate(directions.tolist()):
        found = scene.ray_intersect(mi.Ray3f(start, mi.Vector3f(direction)))
        if found.is_valid():
            t[i], ids[i], normals[i] = found.t, part_id_of(found.shape.id()), found.sh_frame.n
    return Hits(t, ids, normals)
