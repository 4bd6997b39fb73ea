"""From values to the arrays that kernels read, on one device."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import warp as wp  # noqa: TID253  part of the MPM solver, which is loaded only when it is asked for
from numpy.typing import NDArray

from simvid.physics.influences import Place
from simvid.physics.mpm.colliders import KINDS, Obstacle
from simvid.physics.mpm.domain import Domain
from simvid.physics.mpm.fields import Field
from simvid.physics.mpm.materials import MODELS
from simvid.physics.mpm.particles import Particles
from simvid.physics.mpm.warp_colliders import Obstacles, Pieces
from simvid.physics.mpm.warp_grid import Grid
from simvid.physics.mpm.warp_structs import Fields, Free, Matter, Six, State, Wrench
from simvid.rotations import pose_vector

Array = NDArray[Any]
SOLID = tuple(MODELS.index(m) for m in ("von_mises", "snow"))
"""Models whose own motion is kept beside their elastic part."""


def device_array(values: Any, dtype: Any, device: str) -> Any:
    """A copy on the device; one element that nobody reads where there are none."""
    values = np.asarray(values)
    if not len(values):
        return wp.zeros(1, dtype=dtype, device=device)[:0]
    return wp.array(np.ascontiguousarray(values), dtype=dtype, device=device)


def make_state(particles: Particles, origin: Array, device: str) -> Any:
    """``State`` at t = 0, stress not yet computed."""
    n = len(particles)
    model = particles.per_particle()[0]
    s = State()
    s.x = device_array((particles.positions.astype(np.float64) - origin).astype(np.float32), wp.vec3, device)
    s.v = device_array(particles.velocities, wp.vec3, device)
    s.C = device_array(particles.affine, wp.mat33, device)
    s.F = device_array(particles.deformation, wp.mat33, device)
    s.tau = wp.zeros(n, dtype=wp.mat33, device=device)
    fluid = model == MODELS.index("fluid")
    memory = np.where(fluid, np.linalg.det(particles.deformation), 0).astype(np.float32)
    s.memory = device_array(memory, wp.float32, device)
    s.total = device_array(particles.deformation if np.isin(model, SOLID).any() else [], wp.mat33, device)
    return s


def make_matter(particles: Particles, device: str) -> Any:
    """``Matter``."""
    model, lame, give = particles.per_particle()
    m = Matter()
    m.mass = device_array(particles.masses, wp.float32, device)
    m.volume = device_array(particles.volumes, wp.float32, device)
    m.body = device_array(particles.body, wp.int32, device)
    m.model = device_array(model, wp.int32, device)
    m.lame = device_array(lame, wp.vec2, device)
    m.give = device_array(give, wp.vec4, device)
    return m


def make_grid(domain: Domain, capacity: int, bodies: int, device: str) -> Any:
    """``Grid`` with room for ``capacity`` blocks."""
    g = Grid()
    g.blocks = wp.vec3i(*domain.blocks)
    g.spacing = domain.spacing_m
    g.slot = wp.full(int(np.prod(domain.blocks)), -1, dtype=wp.int32, device=device)
    g.count = wp.zeros(1, dtype=wp.int32, device=device)
    g.flags = wp.zeros(2, dtype=wp.int32, device=device)
    resize(g, capacity, bodies, device)
    return g


def resize(grid: Any, capacity: int, bodies: int, device: str) -> None:
    """Room for other blocks."""
    grid.active = wp.zeros(capacity, dtype=wp.int32, device=device)
    grid.near = wp.zeros(capacity, dtype=wp.uint64, device=device)
    grid.touching = wp.zeros(capacity * 64, dtype=wp.uint64, device=device)
    grid.node = wp.zeros(capacity * 64, dtype=wp.vec4, device=device)
    grid.shares = wp.zeros((capacity * 64 if bodies > 1 else 1, bodies), dtype=wp.float32, device=device)


def transform(pose: Array, origin: Array | float = 0.0) -> Array:
    """Warp's order (x, y, z, qx, qy, qz, qw) of a matrix [4, 4], [7]."""
    p = pose_vector(pose)
    return np.array([*(p[:3] - origin), *p[4:], p[3]], np.float32)


def make_pieces(obstacles: Sequence[Obstacle], device: str) -> Any:
    """``Pieces`` of all obstacles."""
    all_pieces = [(o, piece) for o, obstacle in enumerate(obstacles) for piece in obstacle.pieces]
    bounds = [piece.bounds() for _, piece in all_pieces]
    first, voxels = [], [np.zeros(1, np.float32)]
    for _, piece in all_pieces:
        first.append(-1 if piece.volume is None else sum(len(v) for v in voxels))
        if piece.volume is not None:
            voxels.append(piece.volume.values.ravel())
    volumes = [piece.volume for _, piece in all_pieces]
    p = Pieces()
    p.kind = device_array([KINDS.index(piece.kind) for _, piece in all_pieces], wp.int32, device)
    p.obstacle = device_array([o for o, _ in all_pieces], wp.int32, device)
    p.dimensions = device_array(
        [(*piece.dimensions, *(0.0,) * (3 - len(piece.dimensions))) for _, piece in all_pieces], wp.vec3, device
    )
    p.pose = device_array([transform(piece.pose) for _, piece in all_pieces], wp.transform, device)
    p.friction = device_array([piece.friction for _, piece in all_pieces], wp.float32, device)
    p.sticky = device_array([int(piece.sticky) for _, piece in all_pieces], wp.int32, device)
    p.center = device_array([c for c, _ in bounds], wp.vec3, device)
    p.radius = device_array([min(r, 1e9) for _, r in bounds], wp.float32, device)
    p.first = device_array(first, wp.int32, device)
    p.shape = device_array([(0, 0, 0) if v is None else v.values.shape for v in volumes], wp.vec3i, device)
    p.low = device_array([np.zeros(3) if v is None else v.low_m for v in volumes], wp.vec3, device)
    p.spacing = device_array([1.0 if v is None else v.spacing_m for v in volumes], wp.float32, device)
    p.voxels = device_array(np.concatenate(voxels), wp.float32, device)
    return p


def make_obstacles(obstacles: Sequence[Obstacle], origin: Array, device: str) -> Any:
    """``Obstacles`` at their start."""
    s = Obstacles()
    s.pose = device_array([transform(o.pose, origin) for o in obstacles], wp.transform, device)
    s.velocity = device_array([o.velocity_m_s for o in obstacles], wp.vec3, device)
    s.spin = device_array([o.spin_rad_s for o in obstacles], wp.vec3, device)
    s.mass = device_array([o.mass_kg if o.free else 0.0 for o in obstacles], wp.float32, device)
    s.inertia = device_array([o.inertia_kg_m2 for o in obstacles], wp.mat33, device)
    m = max(len(obstacles), 1)
    s.belt, s.belt_middle = (wp.zeros(m, dtype=wp.vec3, device=device) for _ in range(2))
    s.belt_low, s.belt_high = (device_array(np.full((m, 3), e), wp.vec3, device) for e in (-1e9, 1e9))
    s.belt_reach = device_array(np.full(m, 1e9), wp.float32, device)
    return s


def set_kept(rigid: Any, obstacles: Sequence[Obstacle], kept: Collection[int]) -> None:
    """Let obstacles that float move as they are told, as long as they are among ``kept``."""
    masses = [o.mass_kg if o.free and k not in kept else 0.0 for k, o in enumerate(obstacles)]
    rigid.mass.assign(np.array(masses, np.float32))


def set_belt(rigid: Any, origin: Array, k: int, velocity_m_s: Any, place: Place) -> None:
    """Let the surface of obstacle k run with a velocity in its axes, in a place of the world; zero stops it."""
    for array, value in (
        (rigid.belt, velocity_m_s),
        (rigid.belt_low, np.maximum(place.low_m, -1e9) - origin),
        (rigid.belt_high, np.minimum(place.high_m, 1e9) - origin),
        (rigid.belt_middle, np.array(place.center_m) - origin),
        (rigid.belt_reach, min(place.radius_m, 1e9)),
    ):
        rows = array.numpy()
        rows[k] = value
        array.assign(rows)


def make_free(count: int, device: str) -> Any:
    """``Free`` with empty sums."""
    f = Free()
    f.A = wp.zeros(count, dtype=Six, device=device)
    f.b = wp.zeros(count, dtype=Wrench, device=device)
    f.velocity = wp.zeros(count, dtype=wp.vec3, device=device)
    f.spin = wp.zeros(count, dtype=wp.vec3, device=device)
    return f


def make_fields(gravity: Sequence[float], fields: Sequence[Field], origin: Array, device: str) -> Any:
    """``Fields``."""
    f = Fields()
    f.gravity = device_array([gravity], wp.vec3, device)
    f.low = device_array([np.asarray(k.low_m) - origin for k in fields], wp.vec3, device)
    f.high = device_array([np.asarray(k.high_m) - origin for k in fields], wp.vec3, device)
    f.vector = device_array([k.vector for k in fields], wp.vec3, device)
    f.drag = device_array([k.drag_1_s for k in fields], wp.float32, device)
    return f
