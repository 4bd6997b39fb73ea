"""The surface around loose particles: a smooth skin over grains and drops, anew at every frame.

The skin is where the field of their blobs (``simvid.deforming.blobs``) takes one value. Its triangles come from surface
nets (Gibson 1998, "Constrained elastic surface nets"): one vertex in each cell of a grid that the surface runs through,
at the mean of where it crosses the cell's edges, and one quadrilateral across each edge that it crosses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.deforming.blobs import FLATTEST, LEVEL, SIZE, blobs_of

Array: TypeAlias = NDArray[np.float64]
CELL = 0.7
"""Edge of the grid's cells, in spacings."""
REACH = SIZE * FLATTEST ** (2 / 3)
"""How far a blob may reach, in spacings."""
MOST_NODES = 6_000_000
"""Nodes of the grid; it gets coarser rather than larger."""
FAR_OFF = (0.5, 99.5)
"""Percentiles of the places along each axis; what is far beyond them is left out of too large a grid."""
_CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])


@dataclass(frozen=True, eq=False)
class Net:
    """A closed surface.

    Attributes:
        vertices: [m], float64 [V, 3].
        normals: unit, outward, [V, 3].
        faces: counter-clockwise seen from outside, int32 [F, 3].
        cell_m: about the distance of neighbouring vertices.
    """

    vertices: Array
    normals: Array
    faces: NDArray[np.int32]
    cell_m: float


def surface_net(particles: Array, spacing_m: float) -> Net:
    """The skin around particles [P, 3] that stood ``spacing_m`` apart when they were packed.

    Where they fly so far apart that the grid would be too large, those far off have none, and then cells are larger.
    """
    cell = CELL * spacing_m
    if _nodes(particles, cell) > MOST_NODES:
        low, high = np.percentile(particles, FAR_OFF, axis=0)
        near = ((particles >= low - 10 * spacing_m) & (particles <= high + 10 * spacing_m)).all(axis=1)
        particles = particles[near]
        while _nodes(particles, cell) > MOST_NODES:
            cell *= 1.25
    blobs = blobs_of(particles, cell / CELL)
    low = (blobs.centers - blobs.reach_m).min(axis=0) - 2 * cell
    high = (blobs.centers + blobs.reach_m).max(axis=0) + 2 * cell
    field = np.zeros(np.ceil((high - low) / cell).astype(int) + 1)
    from simvid.deforming.kernels import add_blobs

    add_blobs(blobs.centers, blobs.maps, blobs.reach_m, blobs.weights, low, cell, field)
    return _net(LEVEL - field, low, cell)


def _nodes(particles: Array, cell: float) -> float:
    """How many nodes a grid of such cells around particles and their blobs has, at most."""
    return float((np.ptp(particles, axis=0) / cell + 2 * REACH / CELL + 6).prod())


def _net(values: Array, origin: Array, cell: float) -> Net:
    inside = values < 0
    shape = np.array(values.shape)
    cells = np.zeros(tuple(shape - 1), np.int8)
    for c in _CORNERS:
        cells += inside[c[0] : shape[0] - 1 + c[0], c[1] : shape[1] - 1 + c[1], c[2] : shape[2] - 1 + c[2]]
    crossed = np.argwhere((cells > 0) & (cells < 8))
    number = np.full(cells.shape, -1, np.int64)
    number[tuple(crossed.T)] = np.arange(len(crossed))
    places = _crossings(values, inside, crossed)
    gradient = _gradient(values, places)
    length = np.linalg.norm(gradient, axis=1, keepdims=True)
    normals = np.where(length > 1e-12, gradient / np.maximum(length, 1e-12), [0.0, 0.0, 1.0])
    return Net(origin + cell * places, normals, _faces(inside, number), cell)


def _crossings(values: Array, inside: NDArray[np.bool_], crossed: NDArray[np.int64]) -> Array:
    """Mean of the places where the surface crosses the edges of each cell, in cells, [V, 3]."""
    total, count = np.zeros((len(crossed), 3)), np.zeros((len(crossed), 1))
    for a in _CORNERS:
        for axis in range(3):
            if a[axis]:
                continue
            b = a.copy()
            b[axis] = 1
            one, two = tuple((crossed + a).T), tuple((crossed + b).T)
            cut = inside[one] != inside[two]
            va, vb = values[one][cut], values[two][cut]
            place = np.tile(a.astype(np.float64), (int(cut.sum()), 1))
            place[:, axis] = va / (va - vb)
            total[cut] += place
            count[cut] += 1
    return np.asarray(crossed + total / count)


def _gradient(values: Array, places: Array) -> Array:
    """Of the trilinear interpolation's central differences, per cell, [V, 3]."""
    low = np.floor(places).astype(np.int64)
    low = np.clip(low, 0, np.array(values.shape) - 2)
    share = places - low
    out = np.zeros((len(places), 3))
    for c in _CORNERS:
        corner = values[tuple((low + c).T)]
        weight = np.where(c, share, 1 - share)
        for k in range(3):
            others = [j for j in range(3) if j != k]
            out[:, k] += (1 if c[k] else -1) * corner * weight[:, others].prod(axis=1)
    return out


def _faces(inside: NDArray[np.bool_], number: NDArray[np.int64]) -> NDArray[np.int32]:
    """Two triangles across each edge of the grid that the surface crosses."""
    made = [np.zeros((0, 3), np.int64)]
    for axis in range(3):
        ahead = np.eye(3, dtype=int)[axis]
        size = np.array(inside.shape) - ahead
        one = inside[: size[0], : size[1], : size[2]]
        two = inside[ahead[0] :, ahead[1] :, ahead[2] :]
        edges = np.argwhere(one != two)
        u, v = np.eye(3, dtype=int)[(axis + 1) % 3], np.eye(3, dtype=int)[(axis + 2) % 3]
        quads = np.stack([number[tuple((edges - s).T)] for s in (u + v, v, 0 * u, u)], axis=1)
        flipped = two[tuple(edges.T)]  # the inside is ahead: the face looks back
        quads[flipped] = quads[flipped][:, ::-1]
        made += [quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]
    return np.concatenate(made).astype(np.int32)
