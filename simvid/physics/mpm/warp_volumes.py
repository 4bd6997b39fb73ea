"""Signed distances at points: of meshes, by Warp's bounding volume tree, and of pieces, as the kernels see them."""

from __future__ import annotations

import numpy as np
import warp as wp  # noqa: TID253  part of the MPM solver, which is loaded only when it is asked for
from numpy.typing import NDArray

from simvid.mesh import Mesh
from simvid.physics.mpm.colliders import Obstacle, Piece
from simvid.physics.mpm.warp_arrays import make_pieces
from simvid.physics.mpm.warp_colliders import Pieces, distance

wp.set_module_options({"enable_backward": False, "optimization_level": 2})
wp.config.log_level = wp.LOG_ERROR


def signed_distances(mesh: Mesh, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance [m] of points [N, 3] to a closed mesh, negative inside, [N]."""
    tree = wp.Mesh(
        points=wp.array(np.asarray(mesh.vertices, np.float32), dtype=wp.vec3, device="cpu"),
        indices=wp.array(np.asarray(mesh.faces, np.int32).ravel(), dtype=wp.int32, device="cpu"),
        support_winding_number=True,
    )
    out = wp.zeros(len(points), dtype=wp.float32, device="cpu")
    places = wp.array(points.astype(np.float32), dtype=wp.vec3, device="cpu")
    wp.launch(_measure, len(points), [tree.id, places], [out], device="cpu")
    return np.asarray(out.numpy(), np.float64)


@wp.kernel
def _measure(tree: wp.uint64, points: wp.array(dtype=wp.vec3), out: wp.array(dtype=wp.float32)) -> None:
    i = wp.tid()
    hit = wp.mesh_query_point_sign_winding_number(tree, points[i], 1.0e6)
    out[i] = hit.sign * wp.length(wp.mesh_eval_position(tree, hit.face, hit.u, hit.v) - points[i])


def distances(piece: Piece, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance [m] of points [N, 3] to a piece in its pose, negative inside, [N], and its unit gradient [N, 3]."""
    out = wp.zeros(len(points), dtype=wp.float32, device="cpu")
    normals = wp.zeros(len(points), dtype=wp.vec3, device="cpu")
    places = wp.array(points.astype(np.float32), dtype=wp.vec3, device="cpu")
    wp.launch(
        _measure_piece, len(points), [make_pieces([Obstacle((piece,))], "cpu"), places], [out, normals], device="cpu"
    )
    return np.asarray(out.numpy(), np.float64), np.asarray(normals.numpy(), np.float64)


@wp.kernel
def _measure_piece(
    pieces: Pieces,
    points: wp.array(dtype=wp.vec3),
    out: wp.array(dtype=wp.float32),
    normals: wp.array(dtype=wp.vec3),
) -> None:
    i = wp.tid()
    d = distance(pieces, 0, pieces.pose[0], points[i])
    out[i] = d.depth
    normals[i] = d.normal
