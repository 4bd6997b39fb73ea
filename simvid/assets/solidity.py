"""Is a mesh a solid? What is wrong with it, in words, and what to do about it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.errors import AssetError
from simvid.mesh import Mesh


def welded(mesh: Mesh) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vertices [W, 3] and faces [F, 3] with vertices at the same place (bit for bit) made one: seams split them."""
    places = mesh.vertices + np.float32(0.0)  # turns -0.0 into 0.0
    bits = np.ascontiguousarray(places).view(np.uint32).astype(np.uint64)
    mixed = bits[:, 0] * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(29)) ^ bits[:, 1]) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(32)) ^ bits[:, 2]) * np.uint64(0x94D049BB133111EB)
    _, first, index = np.unique(mixed ^ (mixed >> np.uint64(31)), return_index=True, return_inverse=True)
    return places[first], index[mesh.faces]


def with_small_holes_closed(
    vertices: NDArray[np.float32], faces: NDArray[np.int64], largest_share: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A welded mesh with fans over its holes.

    Args:
        vertices: [W, 3], each place once.
        faces: [F, 3].
        largest_share: holes whose fan would have more than this share of the mesh's area stay open.

    Returns:
        Vertices with the middles of the fans appended, faces with the fans appended.
    """
    loops = _boundary_loops(faces)
    if not loops:
        return vertices, faces
    corners = vertices[faces].astype(np.float64)
    area = float(np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum())
    middles: list[NDArray[np.float64]] = []
    fans: list[NDArray[np.int64]] = []
    for loop in loops:
        rim = vertices[loop].astype(np.float64)
        middle = rim.mean(axis=0)
        following = np.roll(loop, -1)
        spokes = rim - middle
        fan_area = float(np.linalg.norm(np.cross(spokes, np.roll(spokes, -1, axis=0)), axis=1).sum())
        if fan_area <= largest_share * area:
            # faces run along the rim, so the fan runs against it
            fans.append(np.stack([following, loop, np.full(len(loop), len(vertices) + len(middles))], axis=1))
            middles.append(middle)
    if not fans:
        return vertices, faces
    return np.concatenate([vertices, np.array(middles, np.float32)]), np.concatenate([faces, *fans])


def _boundary_loops(faces: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Closed chains of edges that only one face has, in that face's direction."""
    tails, heads = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    low, high = np.minimum(tails, heads), np.maximum(tails, heads)
    _, edge, uses = np.unique(low * (int(faces.max()) + 1) + high, return_inverse=True, return_counts=True)
    single = uses[edge] == 1
    onward: dict[int, list[int]] = {}
    for tail, head in zip(tails[single].tolist(), heads[single].tolist(), strict=True):
        onward.setdefault(tail, []).append(head)
    loops = []
    for start in list(onward):
        while onward[start]:
            loop, at = [start], onward[start].pop()
            while at != start and onward.get(at):
                loop.append(at)
                at = onward[at].pop()
            if at == start and len(loop) > 2:
                loops.append(np.array(loop, np.int64))
    return loops


def mesh_problems(mesh: Mesh) -> list[str]:
    """What keeps a mesh from being a solid, as words that follow "it is"; empty for a sound one.

    Looked for: no faces, holes (edges of one face), non-manifold edges (of three or more), faces turned against their
    neighbours, inside out (negative volume), flat (no volume). Faces without area are left out of account.
    """
    faces = welded(mesh)[1]
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    corners = mesh.vertices[mesh.faces[distinct]].astype(np.float64)
    faces = faces[distinct]
    if not len(faces):
        return ["empty (no face has an area)"]
    tails, heads = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    low, high = np.minimum(tails, heads), np.maximum(tails, heads)
    _, edge, uses = np.unique(low * (faces.max() + 1) + high, return_inverse=True, return_counts=True)
    balance = np.bincount(edge, np.where(tails < heads, 1, -1))
    holes, crowded = int((uses == 1).sum()), int((uses > 2).sum())
    turned = int(((uses == 2) & (balance != 0)).sum())
    problems = []
    if holes:
        problems.append(f"open ({holes} edges belong to one face only)")
    if crowded:
        problems.append(f"non-manifold ({crowded} edges belong to three or more faces)")
    if turned:
        problems.append(f"inconsistent ({turned} edges join faces that are turned against each other)")
    if not problems:
        middle = corners.reshape(-1, 3).mean(axis=0)
        a, b, c = (corners[:, k] - middle for k in range(3))
        volume = float(np.einsum("fk,fk->", a, np.cross(b, c))) / 6
        diagonal = float(np.linalg.norm(np.ptp(corners.reshape(-1, 3), axis=0)))
        if abs(volume) <= 1e-9 * diagonal**3:
            problems.append("flat (it encloses no volume)")
        elif volume < 0:
            problems.append("inside out (its faces point inwards)")
    return problems


def require_solid(mesh: Mesh, name: str) -> None:
    """Demand a closed, outward-facing mesh.

    Args:
        mesh: to be used as it is for volume or collision.
        name: of the field or file, for the message.

    Raises:
        AssetError: says what is wrong and what can be done.
    """
    problems = mesh_problems(mesh)
    if problems:
        raise AssetError(
            f"{name}: expected a closed mesh for a solid, got one that is {', '.join(problems)}; use "
            "collision: convex_parts or convex_hull, which do not need one, or fixed: true, or repair the mesh"
        )
