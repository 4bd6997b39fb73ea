"""Obstacles: rigid things that particles meet, made of pieces, each a signed distance in its own frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.mesh import Mesh

Array = NDArray[np.float64]
PieceKind: TypeAlias = Literal["plane", "box", "sphere", "capsule", "cylinder", "volume"]
KINDS: tuple[PieceKind, ...] = get_args(PieceKind)
DIMENSIONS = {"plane": 0, "box": 3, "sphere": 1, "capsule": 2, "cylinder": 2, "volume": 0}
MOST_PIECES = 63
"""Pieces in one simulation; each is one bit of a number that blocks of the grid hold."""
MOST_VOXELS = 96
"""Along the longest side of a volume."""


@dataclass(frozen=True, eq=False)
class Volume:
    """Signed distances [m] at the points of a lattice, negative inside: values [X, Y, Z], point (i, j, k) is at
    ``low_m + spacing_m * (i, j, k)`` in the piece's frame."""

    values: NDArray[np.float32]
    low_m: Array
    spacing_m: float

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or min(self.values.shape) < 2 or not np.isfinite(self.values).all():
            raise PhysicsError(f"Volume.values: expected numbers [X, Y, Z], 2 or more each, got {self.values.shape}")


@dataclass(frozen=True, eq=False)
class Piece:
    """One convex or measured shape.

    Attributes:
        kind: plane (solid below z = 0), box, sphere, capsule and cylinder (along z), or a volume.
        dimensions: [m]: box half extents; sphere (radius,); capsule and cylinder (radius, half length).
        pose: obstacle_from_piece, [4, 4].
        friction: Coulomb's coefficient.
        sticky: True holds what touches it, without slip and separation.
        volume: of kind ``volume``.
    """

    kind: PieceKind
    dimensions: tuple[float, ...] = ()
    pose: Array = field(default_factory=lambda: np.eye(4))
    friction: float = 0.5
    sticky: bool = False
    volume: Volume | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise PhysicsError(f"Piece.kind: expected one of {', '.join(KINDS)}, got {self.kind!r}")
        wanted = DIMENSIONS[self.kind]
        if len(self.dimensions) != wanted or not all(d > 0 and math.isfinite(d) for d in self.dimensions):
            raise PhysicsError(f"Piece.dimensions: expected {wanted} lengths above 0 for a {self.kind}, "
                               f"got {self.dimensions}")  # fmt: skip
        if not (math.isfinite(self.friction) and self.friction >= 0):
            raise PhysicsError(f"Piece.friction: expected 0 or more, got {self.friction}")
        if (self.kind == "volume") != (self.volume is not None):
            raise PhysicsError("Piece.volume: expected for kind 'volume', and for that alone")

    def bounds(self) -> tuple[Array, float]:
        """Centre in the piece's frame [3] and radius of a ball around it [m]; infinite for planes."""
        d = self.dimensions
        if self.volume is not None:
            size = (np.array(self.volume.values.shape) - 1) * self.volume.spacing_m
            return self.volume.low_m + size / 2, float(np.linalg.norm(size) / 2)
        radius = {
            "plane": lambda: math.inf,
            "box": lambda: math.hypot(*d),
            "sphere": lambda: d[0],
            "capsule": lambda: d[0] + d[1],
            "cylinder": lambda: math.hypot(*d),
        }[self.kind]()
        return np.zeros(3), radius


@dataclass(frozen=True, eq=False)
class Obstacle:
    """A rigid thing that keeps its velocity, or one with a mass, which feels the particles and gravity.

    Attributes:
        pieces: in its frame, whose origin is the centre of mass where there is one.
        pose: world_from_obstacle at the start, [4, 4].
        velocity_m_s: of the origin, world.
        spin_rad_s: world.
        mass_kg: infinite where nothing moves it.
        inertia_kg_m2: about the origin, in its axes, [3, 3].
    """

    pieces: tuple[Piece, ...]
    pose: Array = field(default_factory=lambda: np.eye(4))
    velocity_m_s: Sequence[float] = (0.0, 0.0, 0.0)
    spin_rad_s: Sequence[float] = (0.0, 0.0, 0.0)
    mass_kg: float = math.inf
    inertia_kg_m2: Array = field(default_factory=lambda: np.zeros((3, 3)))

    def __post_init__(self) -> None:
        if not self.pieces:
            raise PhysicsError("Obstacle.pieces: expected one or more, got none")
        if not self.mass_kg > 0:
            raise PhysicsError(f"Obstacle.mass_kg: expected more than 0, got {self.mass_kg}")
        if self.free and not np.linalg.eigvalsh(self.inertia_kg_m2).min() > 0:
            raise PhysicsError("Obstacle.inertia_kg_m2: expected a positive definite matrix where a mass is given")

    @property
    def free(self) -> bool:
        """Whether the particles move it."""
        return math.isfinite(self.mass_kg)


def plane(normal: Sequence[float], point_m: Sequence[float], friction: float = 0.5, sticky: bool = False) -> Obstacle:
    """A half space, solid on the side that ``normal`` points away from."""
    z = np.asarray(normal, np.float64)
    z = z / np.linalg.norm(z)
    x = np.cross(z, np.eye(3)[int(np.argmin(np.abs(z)))])
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.stack([x, np.cross(z, x), z], axis=1), point_m
    return Obstacle((Piece("plane", pose=pose, friction=friction, sticky=sticky),))


def mesh_volume(meshes: Sequence[Mesh], spacing_m: float) -> Volume:
    """Signed distances of a union of closed meshes, negative inside by their winding number (Barill et al. 2018).

    Args:
        meshes: in the piece's frame.
        spacing_m: of the lattice; it is coarser where that would take more than ``MOST_VOXELS`` along a side.

    Raises:
        PhysicsError: no mesh.
    """
    if not meshes:
        raise PhysicsError("mesh_volume: expected one or more meshes, got none")
    from simvid.physics.mpm.warp_volumes import signed_distances

    low = np.min([m.vertices.min(axis=0) for m in meshes], axis=0).astype(np.float64)
    high = np.max([m.vertices.max(axis=0) for m in meshes], axis=0).astype(np.float64)
    spacing = max(spacing_m, float((high - low).max()) / (MOST_VOXELS - 5))
    low, high = low - 2 * spacing, high + 2 * spacing
    shape = np.ceil((high - low) / spacing).astype(int) + 1
    axes = [low[a] + np.arange(shape[a]) * spacing for a in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    values = np.min([signed_distances(m, points) for m in meshes], axis=0)
    return Volume(values.reshape(shape).astype(np.float32), low, spacing)
