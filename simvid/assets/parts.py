"""What every part of a scene looks like and collides with: the common ground of physics and rendering."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.assets.pieces import Collider, Visual
from simvid.assets.robot_model import RobotModel
from simvid.scene import Body, DeformableKind, Material, Scene
from simvid.trajectory import Part, ParticleForm


@dataclass(frozen=True, eq=False)
class MassProperties:
    """Mass [kg], centre of mass [m] in the part's frame [3], inertia about it in the part's axes [kg m^2] [3, 3]."""

    mass_kg: float
    center_m: NDArray[np.float64]
    inertia_kg_m2: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DeformableBody:
    """A body as P particles, undeformed, in its part's frame, whose origin is the centre of mass.

    Attributes:
        kind, material: what it is made of; the numbers are ``material.deformable``.
        form: what the particles stand for.
        spacing_m: between neighbours.
        rest: places [m], float32 [P, 3].
        masses_kg: float64 [P]; they sum to density times volume, or to ``mass_kg``.
        volumes_m3: float64 [P]; they sum to the volume of the shape.
        triangles: faces over the particles of a cloth, int32 [F, 3]. The particles of a rope are in order along it.
        radius_m: of a rope; half the thickness of a cloth; half the spacing of others.
        tetrahedra: over the particles, right-handed, int32 [N, 4], where a body is moved by finite elements; its
            outermost particles are then on its surface.
    """

    kind: DeformableKind
    material: Material
    form: ParticleForm
    spacing_m: float
    rest: NDArray[np.float32]
    masses_kg: NDArray[np.float64]
    volumes_m3: NDArray[np.float64]
    triangles: NDArray[np.int32] | None
    radius_m: float
    tetrahedra: NDArray[np.int32] | None = None


@dataclass(frozen=True, eq=False)
class PartAssets:
    """One part with all that physics and rendering need."""

    part: Part
    pose: NDArray[np.float64]
    """world_from_part at t = 0, [4, 4]."""
    visuals: tuple[Visual, ...]
    colliders: tuple[Collider, ...]
    """Empty for robot links: the engine reads those from the model file."""
    mass: MassProperties | None
    """None for the ground, fixed bodies, keyframed bodies and robot links."""
    body: Body | None = None
    """The body after counting and arranging (count = 1), None for ground and links."""
    deformable: DeformableBody | None = None
    """Its particles, where it is no rigid body. It then has no colliders, its visuals and pose are those of the frame
    of its centre of mass, and the edges of its meshes are no longer than the particles' spacing."""


@dataclass(frozen=True, eq=False)
class SceneAssets:
    """A scene with its files read. ``parts[k].part`` has id k + 1: ground first, then bodies, then robot links."""

    scene: Scene
    parts: tuple[PartAssets, ...]
    robots: tuple[RobotModel, ...]
