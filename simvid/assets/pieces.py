"""The pieces of a part: what is seen of it, and what is solid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.gaussians import Gaussians
from simvid.mesh import Mesh
from simvid.scene import Look

ColliderKind: TypeAlias = Literal[
    "box", "sphere", "capsule", "cylinder", "cone", "ellipsoid", "plane", "convex", "mesh"
]


@dataclass(frozen=True, eq=False)
class Visual:
    """One visible piece in its part's frame: a mesh with a look, or a capture."""

    look: Look
    mesh: Mesh | None = None
    capture: Gaussians | None = None

    def __post_init__(self) -> None:
        if (self.mesh is None) == (self.capture is None):
            raise ValueError("Visual: give a mesh or a capture")


@dataclass(frozen=True, eq=False)
class Collider:
    """One solid piece in its part's frame.

    ``dimensions`` [m] by kind: box half extents (x, y, z); sphere (radius,); capsule, cylinder and cone (radius, half
    length along z); ellipsoid radii (x, y, z); plane none (z = 0, solid below); convex and mesh none (see ``mesh``).
    """

    kind: ColliderKind
    dimensions: tuple[float, ...]
    pose: NDArray[np.float64]
    """part_from_collider, [4, 4]."""
    friction: float
    restitution: float
    rolling_friction_m: float = 0.0
    mesh: Mesh | None = None
