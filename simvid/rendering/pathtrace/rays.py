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


def cast(scene: Any, origins: Array, directions: Array, *, vectorised: bool) -> Hits:
    """First surfaces along rays.

    Args:
        scene: Mitsuba's.
        origins: where they start [m], [N, 3].
        directions: [N, 3].
        vectorised: whether the active variant traces many rays at once.
    """
    return _at_once(scene, origins, directions) if vectorised else _one_by_one(scene, origins, directions)


def _at_once(scene: Any, origins: Array, directions: Array) -> Hits:
    ids = {number_of(mi.ShapePtr(shape))[0]: part_id_of(shape.id()) for shape in scene.shapes()}
    owners = np.zeros(max(ids, default=0) + 1, np.int32)
    owners[list(ids)] = list(ids.values())
    starts, along = (np.ascontiguousarray(a.T, np.float32) for a in (origins, directions))
    found = scene.ray_intersect(mi.Ray3f(mi.Point3f(*starts), mi.Vector3f(*along)))
    number, normal = dr.reinterpret_array(mi.UInt32, found.shape), found.sh_frame.n
    dr.eval(found.t, number, normal)
    return Hits(np.array(found.t, np.float64), owners[np.array(number)], np.array(normal, np.float64).T)


def number_of(pointers: Any) -> NDArray[np.int64]:
    """Mitsuba's own numbers of shapes, from 1; 0 is none."""
    return np.array(dr.reinterpret_array(mi.UInt32, pointers), np.int64)


def _one_by_one(scene: Any, origins: Array, directions: Array) -> Hits:
    n = len(directions)
    t, ids, normals = np.full(n, np.inf), np.zeros(n, np.int32), np.zeros((n, 3))
    for i, (start, direction) in enumerate(zip(origins.tolist(), directions.tolist(), strict=True)):
        found = scene.ray_intersect(mi.Ray3f(mi.Point3f(start), mi.Vector3f(direction)))
        if found.is_valid():
            t[i], ids[i], normals[i] = found.t, part_id_of(found.shape.id()), found.sh_frame.n
    return Hits(t, ids, normals)
