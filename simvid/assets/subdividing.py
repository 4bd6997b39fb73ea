"""Meshes with shorter edges, for what bends: neighbours stay joined, along seams too."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.mesh import Mesh

Ints: TypeAlias = NDArray[np.int64]
ROUNDS = 12
MOST_FACES = 400_000


def with_short_edges(mesh: Mesh, longest_m: float) -> Mesh:
    """The mesh with every edge longer than ``longest_m`` halved, again and again.

    Whether an edge is halved depends on its length alone, so faces on both sides of it agree, also where they have
    vertices of their own there (texture seams, sharp edges): no cracks appear when the vertices move. Stops early
    rather than make more than ``MOST_FACES`` faces.
    """
    for _ in range(ROUNDS):
        faces = mesh.faces.astype(np.int64)
        ends = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1)  # edge k runs from corner k to corner k + 1
        places = mesh.vertices.astype(np.float64)
        long = np.linalg.norm(places[ends[..., 0]] - places[ends[..., 1]], axis=-1) > longest_m
        if not long.any() or len(faces) + int(long.sum()) > MOST_FACES:
            break
        mesh = _halved(mesh, faces, ends, long)
    return mesh


def _halved(mesh: Mesh, faces: Ints, ends: Ints, long: NDArray[np.bool_]) -> Mesh:
    ordered = np.sort(ends[long], axis=-1)
    pairs, which = np.unique(ordered, axis=0, return_inverse=True)
    middle = np.full(long.shape, -1, np.int64)
    middle[long] = len(mesh.vertices) + which.reshape(-1)
    cut = long.sum(axis=1)
    made = [faces[cut == 0]]
    for k in range(3):
        a, b, c = (np.roll(faces, -k, axis=1)[:, j] for j in range(3))
        ab, bc, ca = (np.roll(middle, -k, axis=1)[:, j] for j in range(3))
        one = (cut == 1) & (ab >= 0)
        made += _rows(one, (a, ab, c), (ab, b, c))
        two = (cut == 2) & (ca < 0)  # the edges ab and bc are cut
        made += _rows(two, (ab, b, bc), (a, ab, bc), (a, bc, c))
    a, b, c = faces.T
    ab, bc, ca = middle.T
    made += _rows(cut == 3, (a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    return _grown(mesh, pairs, np.concatenate(made))


def _rows(chosen: NDArray[np.bool_], *corners: tuple[Ints, Ints, Ints]) -> list[Ints]:
    return [np.stack([column[chosen] for column in triple], axis=1) for triple in corners]


def _grown(mesh: Mesh, pairs: Ints, faces: Ints) -> Mesh:
    """The mesh with a vertex in the middle of each pair, and other faces."""

    def with_middles(values: NDArray[np.float32]) -> NDArray[np.float32]:
        ends = values.astype(np.float32)[pairs]
        return np.concatenate([values, (ends[:, 0] + ends[:, 1]) / 2]).astype(np.float32)

    normals, colors = mesh.normals, mesh.vertex_colors
    if normals is not None:
        normals = with_middles(normals)
        normals = (normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    if colors is not None:
        colors = np.round(with_middles(colors.astype(np.float32))).astype(np.uint8)
    return replace(
        mesh,
        vertices=with_middles(mesh.vertices),
        faces=faces.astype(np.int32),
        normals=normals,
        uvs=None if mesh.uvs is None else with_middles(mesh.uvs),
        vertex_colors=colors,
    )
