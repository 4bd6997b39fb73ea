"""What particles say about a body as a whole: its pose, and F of sheets and lines, whose solvers have none."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.rotations import quat_from_matrix
from simvid.trajectory import ParticleForm

Array: TypeAlias = NDArray[np.float64]


def polar_rotation(matrices: Array) -> Array:
    """The rotation R of the polar decomposition A = R S, by singular values, [..., 3, 3].

    Where A turns space inside out (det A < 0) the axis of the least stretch is turned back, so that R is the proper
    rotation nearest to A (Higham 1986; Kabsch 1978).
    """
    u, _, vt = np.linalg.svd(np.asarray(matrices, np.float64))
    u[..., :, 2] *= np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)[..., None]
    return np.asarray(u @ vt)


def poses_of(
    positions: NDArray[np.float32], deformation: NDArray[np.float32], masses: Array, form: ParticleForm
) -> Array:
    """The pose of a deformable body at every frame: centre of mass, and the rotation nearest to the mean of F.

    Loose particles have no orientation: theirs is the identity. Quaternions keep their sign from frame to frame.

    Args:
        positions: world [m], [T, P, 3].
        deformation: F, [T, P, 3, 3].
        masses: [kg], [P].
        form: of the particles.

    Returns:
        Position [m] and quaternion (w, x, y, z), float64 [T, 7].
    """
    share = masses / masses.sum()
    poses = np.zeros((len(positions), 7))
    poses[:, :3] = np.einsum("p,tpk->tk", share, positions.astype(np.float64))
    poses[:, 3] = 1.0
    if form == "loose":
        return poses
    mean = np.einsum("p,tpij->tij", share, deformation.astype(np.float64))
    for t, rotation in enumerate(polar_rotation(mean)):
        quat = quat_from_matrix(rotation)
        poses[t, 3:] = -quat if t and quat @ poses[t - 1, 3:] < 0 else quat
    return poses


def sheet_deformation(
    positions: NDArray[np.float32], rest: NDArray[np.float32], triangles: NDArray[np.int32]
) -> NDArray[np.float32]:
    """F at the vertices of a sheet: along the sheet that of its triangles, across it the unit normal's turn.

    F of a triangle with edges (e1, e2) and unit normal n, and (E1, E2), N at rest, is [e1 e2 n] [E1 E2 N]^-1; a
    vertex has the mean of its triangles', by their area at rest.

    Args:
        positions: world [m], [T, P, 3].
        rest: undeformed [m], [P, 3].
        triangles: over the vertices, [F, 3].

    Returns:
        float32 [T, P, 3, 3]; the identity at vertices without a triangle that has an area.
    """
    frame, area = _triangle_frames(rest.astype(np.float64), triangles)
    sound = area > 1e-12 * max(float(area.max(initial=0.0)), 1e-30)
    inverse = np.linalg.inv(frame[sound])
    corners, weights = triangles[sound], area[sound]
    total = np.zeros(len(rest))
    for k in range(3):
        np.add.at(total, corners[:, k], weights)
    out = np.empty((*positions.shape, 3), np.float32)
    for t, places in enumerate(positions.astype(np.float64)):
        each = (_triangle_frames(places, corners)[0] @ inverse) * weights[:, None, None]
        mean = np.zeros((len(rest), 3, 3))
        for k in range(3):
            np.add.at(mean, corners[:, k], each)
        mean[total > 0] /= total[total > 0, None, None]
        mean[total == 0] = np.eye(3)
        out[t] = mean
    return out


def solid_deformation(
    positions: NDArray[np.float32], rest: NDArray[np.float32], tetrahedra: NDArray[np.int32]
) -> NDArray[np.float32]:
    """F at the nodes of a solid: the mean of that of its linear tetrahedra, by their volume at rest.

    Args:
        positions: world [m], [T, P, 3].
        rest: undeformed [m], [P, 3].
        tetrahedra: over the nodes, [N, 4]; each node has one.

    Returns:
        float32 [T, P, 3, 3].
    """
    frame = _edge_frames(rest.astype(np.float64), tetrahedra)
    inverse, volume = np.linalg.inv(frame), np.abs(np.linalg.det(frame))
    rows = tetrahedra.T.ravel()
    total = np.bincount(rows, np.tile(volume, 4), len(rest))
    out = np.empty((*positions.shape, 3), np.float32)
    for t, places in enumerate(positions.astype(np.float64)):
        each = (_edge_frames(places, tetrahedra) @ inverse * volume[:, None, None]).reshape(-1, 9)
        for k in range(9):
            mean = np.bincount(rows, np.tile(each[:, k], 4), len(rest)) / total
            out[t].reshape(-1, 9)[:, k] = mean
    return out


def _edge_frames(places: Array, tetrahedra: NDArray[np.int32]) -> Array:
    """Columns: the edges from the first corner, [N, 3, 3]."""
    x = places[tetrahedra]
    return np.stack([x[:, k] - x[:, 0] for k in (1, 2, 3)], axis=-1)


def _triangle_frames(places: Array, triangles: NDArray[np.int32]) -> tuple[Array, Array]:
    """Columns (first edge, second edge, unit normal) [F, 3, 3] and areas [F]."""
    a, b, c = (places[triangles[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    double = np.linalg.norm(cross, axis=1)
    normal = cross / np.maximum(double, 1e-30)[:, None]
    return np.stack([b - a, c - a, normal], axis=-1), double / 2


def line_deformation(positions: NDArray[np.float32], rest: NDArray[np.float32]) -> NDArray[np.float32]:
    """F at the points of a rope: its stretch along the tangent, and across it a frame that does not twist.

    The tangent at rest is carried to the tangent now by the least rotation, from one point to the next along the rope
    (Bishop 1975, "There is more than one way to frame a curve"); at the first point from the frame before.

    Args:
        positions: world [m], along the rope, [T, P, 3] with P >= 2.
        rest: undeformed [m], on a straight or bent line, [P, 3].

    Returns:
        float32 [T, P, 3, 3].
    """
    start, length = _tangents(rest.astype(np.float64))
    out = np.empty((*positions.shape, 3), np.float32)
    before = np.eye(3)
    for t, places in enumerate(positions.astype(np.float64)):
        tangent, long = _tangents(places)
        turn = _least_turn(before @ start[0], tangent[0]) @ before
        before = turn
        for p in range(len(rest)):
            if p:
                turn = _least_turn(turn @ start[p], tangent[p]) @ turn
            stretch = long[p] / length[p] - 1
            out[t, p] = (np.eye(3) + stretch * np.outer(tangent[p], tangent[p])) @ turn
    return out


def _tangents(places: Array) -> tuple[Array, Array]:
    """Unit tangents [P, 3] by central differences, and the distance of the neighbours they are taken between [P]."""
    steps = np.concatenate([places[1:2] - places[:1], places[2:] - places[:-2], places[-1:] - places[-2:-1]])
    length = np.maximum(np.linalg.norm(steps, axis=1), 1e-12)
    return steps / length[:, None], length


def _least_turn(a: Array, b: Array) -> Array:
    """The rotation by the least angle that takes the unit vector a to b (Rodrigues)."""
    axis, cosine = np.cross(a, b), float(a @ b)
    if cosine < -1 + 1e-9:
        side = np.eye(3)[int(np.argmin(np.abs(a)))]
        side = side - (side @ a) * a
        side /= np.linalg.norm(side)
        return np.asarray(2 * np.outer(side, side) - np.eye(3))
    x = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(np.eye(3) + x + x @ x / (1 + cosine))
