"""Non-convex meshes that stand still, as convex pieces that together have exactly the mesh's surface.

MuJoCo takes the convex hull of every mesh it collides. So a closed convex shell becomes one piece (the hull is the
mesh), and any other surface becomes one plate behind each flat convex patch: its outer face is the patch itself. All
errors of shape are those of the mesh; only speed depends on the number of pieces.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simvid.errors import AssetError
from simvid.mesh import Mesh

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
MAX_PIECES = 50_000
"""A static piece costs about 0.3 ms to build and 25 ns in every step."""
PLATE_M = 0.05
"""Thickness of a plate where the solid behind it is thick enough; what goes deeper in one step falls through."""
FLAT = 1e-5
"""Relative to the mesh's size: what counts as flat, convex or the same point."""


def exact_pieces(mesh: Mesh) -> list[Array]:
    """Points of the convex pieces, [P_k, 3] each, in the mesh's frame.

    Raises:
        AssetError: no face with an area, or more than ``MAX_PIECES`` pieces.
    """
    vertices, faces = _welded(mesh)
    pieces: list[Array] = []
    plates: list[Array] = []
    for shell in _groups(faces, _shared_edges(faces), len(faces)):
        part = faces[shell]
        closed = _closed(part)
        if closed and _volume(vertices, part) < 0:  # inside out
            part = part[:, ::-1]
        if closed and _convex(vertices, part):
            pieces.append(vertices[np.unique(part)])
        else:
            plates.extend(_patches(vertices, part))
    if len(pieces) + len(plates) > MAX_PIECES:
        raise AssetError(
            f"collision: exact: the mesh has {len(pieces) + len(plates)} flat patches, at most {MAX_PIECES} can be "
            "kept exactly; say collision: convex_parts, or simplify the mesh"
        )
    if not pieces and not plates:
        raise AssetError("collision: exact: the mesh has no face with an area")
    return pieces + _thickened(plates, vertices, faces)


def _welded(mesh: Mesh) -> tuple[Array, Ints]:
    """Vertices merged where they coincide, faces without those that have no area."""
    points = mesh.vertices.astype(np.float64)
    size = max(float(np.ptp(points, axis=0).max()), 1e-9)
    _, first, inverse = np.unique(np.round(points / (size * 1e-6)), axis=0, return_index=True, return_inverse=True)
    vertices, faces = points[first], inverse.reshape(-1)[mesh.faces].astype(np.int64)
    normals = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    return vertices, faces[np.linalg.norm(normals, axis=1) > (size * 1e-6) ** 2]


def _edges(faces: Ints) -> Ints:
    """Directed edges, [3 F, 2]; edge e belongs to face e % F."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def _shared_edges(faces: Ints) -> Ints:
    """Pairs of faces with a common edge, [P, 2]; of edges with many faces, neighbours in order."""
    edges = np.sort(_edges(faces), axis=1)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    same = np.flatnonzero((edges[order[1:]] == edges[order[:-1]]).all(axis=1))
    return np.stack([order[same], order[same + 1]], axis=1) % max(len(faces), 1)


def _groups(faces: Ints, pairs: Ints, count: int) -> Iterator[Ints]:
    """Indices of faces that hang together through the pairs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    order = np.argsort(label, kind="stable")
    bounds = np.flatnonzero(np.diff(label[order])) + 1
    return iter(np.split(order, bounds) if count else [])


def _closed(faces: Ints) -> bool:
    """Every edge has one face on each side, with opposite sense."""
    edges = _edges(faces)
    forward = np.unique(edges, axis=0)
    backward = np.unique(edges[:, ::-1], axis=0)
    return len(forward) == len(edges) and np.array_equal(forward, backward)


def _volume(vertices: Array, faces: Ints) -> float:
    """Six times the signed volume of a closed shell."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)))


def _convex(vertices: Array, faces: Ints) -> bool:
    """All corners lie behind all faces."""
    corners = vertices[np.unique(faces)]
    a = vertices[faces[:, 0]]
    normals = _normals(vertices, faces)
    size = float(np.ptp(corners, axis=0).max())
    for start in range(0, len(faces), 512):
        rows = slice(start, start + 512)
        above = corners @ normals[rows].T - np.einsum("ij,ij->i", a[rows], normals[rows])
        if float(above.max()) > FLAT * size:
            return False
    return True


def _normals(vertices: Array, faces: Ints) -> Array:
    cross = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    return np.asarray(cross / np.linalg.norm(cross, axis=1, keepdims=True))


def _patches(vertices: Array, faces: Ints) -> list[Array]:
    """Corners of the flat convex patches with their normal as last row, [P + 1, 3] each."""
    normals = _normals(vertices, faces)
    pairs = _shared_edges(faces)
    size = float(np.ptp(vertices, axis=0).max())
    flat = np.einsum("ij,ij->i", normals[pairs[:, 0]], normals[pairs[:, 1]]) > 1 - FLAT**2 * 10
    found: list[Array] = []
    for group in _groups(faces, pairs[flat], len(faces)):
        normal = normals[group].mean(axis=0)
        normal /= np.linalg.norm(normal)
        corners = vertices[np.unique(faces[group])]
        level = corners @ normal
        if len(group) > 1 and np.ptp(level) <= FLAT * size and _fills_hull(vertices, faces[group], normal):
            found.append(np.vstack([corners, normal]))
        else:
            found.extend(np.vstack([vertices[faces[f]], normals[f]]) for f in group)
    return found


def _fills_hull(vertices: Array, faces: Ints, normal: Array) -> bool:
    """Whether coplanar faces cover exactly the convex hull of their corners."""
    from scipy.spatial import ConvexHull

    side = np.eye(3)[int(np.argmin(np.abs(normal)))]
    u = np.cross(normal, side)
    u /= np.linalg.norm(u)
    plane = np.stack([u, np.cross(normal, u)], axis=1)
    cross = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    area = float(np.linalg.norm(cross, axis=1).sum() / 2)
    hull = float(ConvexHull(vertices[np.unique(faces)] @ plane).volume)
    return abs(hull - area) <= 1e-5 * hull


def _thickened(plates: list[Array], vertices: Array, faces: Ints) -> list[Array]:
    """Plates of ``PLATE_M`` behind each patch, or of half of what is behind it where that is less."""
    if not plates:
        return []
    import mujoco

    spec = mujoco.MjSpec()
    shell = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    spec.add_mesh(name="m", uservert=vertices.ravel(), userface=faces.astype(np.int32).ravel(), inertia=shell)
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="m")
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    hit, out = np.zeros(1, np.int32), []
    skin = 1e-6 * float(np.ptp(vertices, axis=0).max())
    for plate in plates:
        corners, normal = plate[:-1], plate[-1]
        start = corners.mean(axis=0) - skin * normal
        behind = mujoco.mj_ray(model, data, start, -normal, None, 1, -1, hit)
        depth = PLATE_M if behind < 0 else min(PLATE_M, max(behind / 2, 10 * skin))
        out.append(np.vstack([corners, corners - depth * normal]))
    return out
