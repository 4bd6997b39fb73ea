"""Bodies of elements: nothing else that deforms is inside them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import DeformableBody
from simvid.checking.receipts import limits
from simvid.checking.receipts.evidence import Array, Curve, Evidence, Finding, nothing
from simvid.checking.receipts.matter import looked_at
from simvid.trajectory import ParticleMotion

Ints = NDArray[np.integer]
AROUND = 32
"""Elements and faces round a point that are looked at: a cell has six, and twelve faces at most."""


def element_depth(e: Evidence) -> Finding:
    """Particles and vertices of other bodies do not get into a body of elements: one percent of a body's at most have
    been deeper in it than a quarter of a cell."""
    hosts = {k: (m, b) for k, m in e.soft.items() if (b := e.parts[k].deformable) and b.tetrahedra is not None}
    if not hosts or len(e.soft) < 2:
        return nothing("element_depth", "no body of elements together with others that deform")
    found, series = [], {}
    for k, (motion, body) in hosts.items():
        allowed = limits.ELEMENT_DEPTH_CELLS * body.spacing_m
        for other, grains in e.soft.items():
            if other != k:
                shares, deepest = _inside(grains, motion, body, allowed)
                series[f"{e.name(other)} in {e.name(k)}"] = shares
                found.append((float(np.nanmax(shares)), deepest / allowed, other, k, deepest, allowed))
    share, _, other, k, deepest, allowed = max(found)
    frame = int(np.nanargmax(series[f"{e.name(other)} in {e.name(k)}"]))
    record = e.law(
        "element_depth", {"inside_share": share}, {"inside_share": limits.PARTICLE_SHARE},
        part=f"{e.name(other)} and {e.name(k)}", time_s=e.time(frame),
        note=f"{share:.1%} of the particles of {e.name(other)!r} are or were more than {allowed * 1000:.3g} mm inside "
        f"{e.name(k)!r}, the deepest {deepest * 1000:.3g} mm",
    )  # fmt: skip
    return Finding(record, (Curve("Particles inside bodies of elements", "share", series),))


def _inside(
    grains: ParticleMotion, motion: ParticleMotion, body: DeformableBody, allowed_m: float
) -> tuple[Array, float]:
    """Share of particles that have been deeper in a body of elements than allowed, [T], NaN in frames between those
    looked at; and the deepest [m]."""
    assert body.tetrahedra is not None, "of elements"
    surface, count = surface_of(body.tetrahedra), len(motion.positions)
    been, deepest, shares = np.zeros(grains.positions.shape[1], np.bool_), 0.0, np.full(count, np.nan)
    for t in looked_at(count):
        points, nodes = (m.positions[t].astype(np.float64) for m in (grains, motion))
        depth = depths(points, nodes, body.tetrahedra, surface)
        been |= depth > allowed_m
        deepest, shares[t] = max(deepest, float(depth.max())), float(been.mean())
    return shares, deepest


def surface_of(tetrahedra: Ints) -> Ints:
    """Triangles of one tetrahedron alone, [S, 3]."""
    faces = np.concatenate([tetrahedra[:, f] for f in ([0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3])])
    _, first, count = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
    return np.asarray(faces[first[count == 1]])


def depths(points: Array, nodes: Array, tetrahedra: Ints, surface: Ints) -> Array:
    """How deep points [P, 3] are inside tetrahedra over nodes [V, 3]: to the nearest face of the surface [m], 0 of what
    is in none of them, [P]."""
    from scipy.spatial import cKDTree

    out = np.zeros(len(points))
    near = np.flatnonzero(((points > nodes.min(axis=0)) & (points < nodes.max(axis=0))).all(axis=1))
    if not len(near):
        return out
    corners = nodes[tetrahedra]
    around = cKDTree(corners.mean(axis=1)).query(points[near], min(AROUND, len(tetrahedra)))[1].reshape(len(near), -1)
    edges = np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2)
    flat = np.abs(np.linalg.det(edges)) < 1e-30
    inverse = np.linalg.inv(np.where(flat[:, None, None], np.eye(3), edges))
    away = points[near][:, None] - corners[around, 0]
    weights = np.einsum("pkij,pkj->pki", inverse[around], away)
    inside = ((weights >= 0).all(axis=2) & (weights.sum(axis=2) <= 1) & ~flat[around]).any(axis=1)
    near = near[inside]
    if len(near):
        faces = nodes[surface]
        found = cKDTree(faces.mean(axis=1)).query(points[near], min(AROUND, len(faces)))[1].reshape(len(near), -1)
        out[near] = distances(points[near][:, None], faces[found]).min(axis=1)
    return out


def distances(points: Array, triangles: Array) -> Array:
    """Of points [..., 3] from triangles [..., 3, 3] [m]."""
    a, one, two = triangles[..., 0, :], triangles[..., 1, :], triangles[..., 2, :]
    normal = np.cross(one - a, two - a)
    size = np.maximum(np.linalg.norm(normal, axis=-1), 1e-30)
    over, least = np.ones(size.shape, np.bool_), np.full(size.shape, np.inf)
    for k in range(3):
        start, way = triangles[..., k, :], triangles[..., (k + 1) % 3, :] - triangles[..., k, :]
        off = points - start
        over &= (np.cross(way, off) * normal).sum(axis=-1) >= 0
        t = np.clip((off * way).sum(axis=-1) / np.maximum((way * way).sum(axis=-1), 1e-30), 0, 1)
        least = np.minimum(least, np.linalg.norm(off - t[..., None] * way, axis=-1))
    return np.where(over, np.abs(((points - a) * normal).sum(axis=-1)) / size, least)
