"""From values to the arrays that kernels of thin bodies read, on one device."""

from __future__ import annotations

from typing import Any

import numpy as np
import warp as wp  # noqa: TID253  part of the solver of thin bodies, which is loaded only when it is asked for
from numpy.typing import NDArray

from simvid.physics.mpm.warp_arrays import device_array
from simvid.physics.mpm.warp_structs import Six, Wrench
from simvid.physics.thin.bodies import Thin
from simvid.physics.thin.stable import Stability
from simvid.physics.thin.warp_solids import Solids
from simvid.physics.thin.warp_structs import FREE, Crowd, Elements, Rigid, Vertices

Array = NDArray[Any]


def make_vertices(thin: Thin, gravity: Array, device: str) -> Any:
    """``Vertices`` at t = 0, none held."""
    n = len(thin)
    s = Vertices()
    s.x = device_array(thin.positions, wp.vec3d, device)
    s.v = device_array(thin.velocities, wp.vec3d, device)
    s.f = wp.zeros(n, dtype=wp.vec3d, device=device)
    s.dv = wp.zeros(n, dtype=wp.vec3d, device=device)
    s.given = device_array(np.tile(gravity, (n, 1)), wp.vec3d, device)
    s.rest = device_array(thin.rest, wp.vec3d, device)
    s.mass = device_array(thin.masses, wp.float64, device)
    s.radius = device_array(thin.radius, wp.float64, device)
    s.friction = device_array(thin.friction, wp.float64, device)
    s.body = device_array(thin.body, wp.int32, device)
    s.deep = device_array(thin.deep, wp.float64, device)
    s.held = wp.full(n, int(FREE), dtype=wp.int32, device=device)
    s.anchor = wp.zeros(n, dtype=wp.vec3d, device=device)
    s.near = wp.zeros(n, dtype=wp.uint64, device=device)
    return s


def make_elements(thin: Thin, stability: Stability, device: str) -> Any:
    """``Elements``."""
    e = Elements()
    e.triangles = device_array(thin.membrane.corners, wp.vec3i, device)
    e.inverse = device_array(thin.membrane.inverse, wp.mat22d, device)
    e.area = device_array(thin.membrane.area_m2, wp.float64, device)
    e.lame = device_array(thin.membrane.lame_n_m, wp.vec2d, device)
    e.hinges = device_array(thin.hinges.corners, wp.vec4i, device)
    e.weights = device_array(thin.hinges.weights, wp.vec4d, device)
    e.fold = device_array(thin.hinges.stiffness, wp.float64, device)
    e.bend = device_array(thin.hinges.bend_m, wp.float64, device)
    e.segments = device_array(thin.springs.ends, wp.vec2i, device)
    e.length = device_array(thin.springs.length_m, wp.float64, device)
    e.stretch = device_array(thin.springs.stiffness_n, wp.float64, device)
    e.corners = device_array(thin.bends.corners, wp.vec3i, device)
    e.flex = device_array(thin.bends.stiffness_n_m, wp.float64, device)
    e.damping = wp.vec2d(stability.stretch_damping_s, stability.bend_damping_s)
    return e


def make_solids(thin: Thin, stability: Stability, device: str) -> Any:
    """``Solids``, none of them turned."""
    t, s = thin.solid, Solids()
    s.corners = device_array(t.corners, wp.vec4i, device)
    s.inverse = device_array(t.inverse, wp.mat33d, device)
    s.volume = device_array(t.volume_m3, wp.float64, device)
    s.lame = device_array(t.lame_pa, wp.vec2d, device)
    s.law = device_array(t.law, wp.int32, device)
    s.turn = device_array(np.tile([0.0, 0.0, 0.0, 1.0], (len(t.corners), 1)), wp.quatd, device)
    s.damping = stability.stretch_damping_s
    return s


def make_inner_edges(thin: Thin, device: str) -> tuple[Any, Any]:
    """Edges of tetrahedra and their lengths at rest."""
    edges = thin.solid.edges
    length = np.linalg.norm(thin.rest[edges[:, 1]] - thin.rest[edges[:, 0]], axis=1)
    return device_array(edges, wp.vec2i, device), device_array(length, wp.float64, device)


def make_crowd(thin: Thin, faces: Array, most: int, device: str) -> Any:
    """``Crowd`` of some faces [F, 3] with nobody near anybody."""
    c = Crowd()
    c.faces = device_array(faces, wp.vec3i, device)
    c.middle = wp.zeros(len(faces), dtype=wp.vec3, device=device)
    c.size = wp.zeros(len(faces), dtype=wp.float32, device=device)
    c.count = wp.zeros(len(thin), dtype=wp.int32, device=device)
    c.found = wp.zeros((len(thin), most), dtype=wp.int32, device=device)
    c.lost = wp.zeros(1, dtype=wp.int32, device=device)
    return c


def make_edges(thin: Thin, device: str) -> tuple[Any, Any, Any]:
    """Edges of triangles, surfaces of solids and segments, lengths at rest, 0.9 over the number of edges of an end."""
    t = np.concatenate([thin.membrane.corners, thin.solid.surface])
    edges = np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]], thin.springs.ends])
    edges = np.unique(np.sort(edges, axis=1), axis=0).astype(np.int32)
    length = np.linalg.norm(thin.rest[edges[:, 1]] - thin.rest[edges[:, 0]], axis=1)
    shares = 0.9 / np.bincount(edges.ravel(), minlength=len(thin))[edges].max(axis=1)
    return tuple(device_array(a, t, device) for a, t in ((edges, wp.vec2i), (length, wp.float64), (shares, wp.float64)))


def make_rigid(count: int, bodies: int, device: str) -> Any:
    """``Rigid`` with nothing felt."""
    r = Rigid()
    r.push = wp.zeros(count, dtype=wp.vec3d, device=device)
    r.turn = wp.zeros(count, dtype=wp.vec3d, device=device)
    r.load = wp.zeros(count, dtype=wp.float64, device=device)
    r.tied = wp.zeros((count, bodies), dtype=wp.int32, device=device)
    r.share = wp.full(count, 1.0, dtype=wp.float64, device=device)
    r.A = wp.zeros(count, dtype=Six, device=device)
    r.b = wp.zeros(count, dtype=Wrench, device=device)
    return r


def sizes(thin: Thin) -> Array:
    """Distance of each farthest corner from the middle, of faces of cloth and rope at rest [m], [F]."""
    x = thin.rest[thin.shells]
    return np.asarray(np.linalg.norm(x - x.mean(axis=1, keepdims=True), axis=2).max(axis=1))
