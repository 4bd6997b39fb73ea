"""Mass, centre and inertia of colliders, by closed forms and by integrals over closed meshes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import MassProperties
from simvid.assets.pieces import Collider
from simvid.mesh import Mesh

Array = NDArray[np.float64]
LEAST = 1e-15
"""MuJoCo's mjMINVAL: it refuses moving bodies of less mass [kg] or inertia [kg m^2]."""
MOST = 1e30
"""Engines keep masses and inertias as float32 too, which end at 3e38."""


def primitive_volume_inertia(kind: str, dimensions: tuple[float, ...]) -> tuple[float, Array, Array]:
    """Volume [m^3], centre [3] and unit-density inertia about it [m^5] [3, 3] of a primitive in its own frame.

    ``dimensions`` as in ``Collider``. Closed forms from any mechanics handbook; a cone's centre is a quarter of its
    height above its base, a capsule is a cylinder and two half balls moved out by the parallel-axis theorem.
    """
    zero = np.zeros(3)
    if kind == "box":
        x, y, z = (2 * d for d in dimensions)
        v = x * y * z
        return v, zero, v / 12 * np.diag([y * y + z * z, x * x + z * z, x * x + y * y])
    if kind in {"sphere", "ellipsoid"}:
        a, b, c = dimensions * 3 if kind == "sphere" else dimensions
        v = 4 / 3 * np.pi * a * b * c
        return v, zero, v / 5 * np.diag([b * b + c * c, a * a + c * c, a * a + b * b])
    r, half = dimensions
    h = 2 * half
    if kind == "cylinder":
        v = np.pi * r * r * h
        side = v * (3 * r * r + h * h) / 12
        return v, zero, np.diag([side, side, v * r * r / 2])
    if kind == "cone":
        v = np.pi * r * r * h / 3
        side = v * (3 * r * r / 20 + 3 * h * h / 80)
        return v, np.array([0, 0, -h / 4]), np.diag([side, side, 0.3 * v * r * r])
    if kind == "capsule":
        vc, vs = np.pi * r * r * h, 4 / 3 * np.pi * r**3
        side = vc * (3 * r * r + h * h) / 12 + vs * (0.4 * r * r + half * half + 0.75 * r * half)
        return vc + vs, zero, np.diag([side, side, vc * r * r / 2 + vs * 0.4 * r * r])
    raise ValueError(f"no volume for a {kind!r} collider")


def mesh_volume_inertia(mesh: Mesh) -> tuple[float, Array, Array]:
    """Volume, centre and unit-density inertia about it of a closed mesh, from signed tetrahedra (Tonon 2004)."""
    v = mesh.vertices.astype(np.float64)
    origin = v.mean(axis=0)
    a, b, c = (v[mesh.faces[:, i]] - origin for i in range(3))
    six_volume = np.einsum("ij,ij->i", a, np.cross(b, c))
    volume = float(six_volume.sum() / 6)
    if abs(volume) < 1e-18:
        return 0.0, origin, np.zeros((3, 3))
    center = (six_volume[:, None] * (a + b + c)).sum(axis=0) / (24 * volume)
    s = a + b + c
    second = sum(np.einsum("i,ij,ik->jk", six_volume, p, p) for p in (a, b, c, s)) / 120
    covariance = np.asarray(second) - volume * np.outer(center, center)
    inertia = np.trace(covariance) * np.eye(3) - covariance
    return volume, origin + center, np.asarray(inertia)


def collider_volume_inertia(collider: Collider) -> tuple[float, Array, Array]:
    """Volume, centre and unit-density inertia of a collider in its part's frame."""
    if collider.mesh is not None:
        volume, center, inertia = mesh_volume_inertia(collider.mesh)
    else:
        volume, center, inertia = primitive_volume_inertia(collider.kind, collider.dimensions)
    turn = collider.pose[:3, :3]
    return volume, turn @ center + collider.pose[:3, 3], turn @ inertia @ turn.T


def combine(pieces: Iterable[tuple[float, Array, Array]]) -> MassProperties:
    """Join (mass, centre, inertia about that centre) by the parallel-axis theorem."""
    listed = list(pieces)
    mass = sum(m for m, _, _ in listed)
    if mass <= 0:
        raise ValueError(f"total mass must be > 0 kg, got {mass}")
    center = np.sum([m * c for m, c, _ in listed], axis=0) / mass
    total = np.zeros((3, 3))
    for m, c, inertia in listed:
        d = c - center
        total += inertia + m * (d @ d * np.eye(3) - np.outer(d, d))
    return MassProperties(float(mass), center, total)


def out_of_range(mass: MassProperties) -> str:
    """What is wrong with a mass that engines cannot reckon with; empty where nothing is."""
    inertia = mass.inertia_kg_m2
    finite = bool(np.isfinite(inertia).all())
    least = float(np.linalg.eigvalsh(inertia)[0]) if finite else np.inf
    if min(mass.mass_kg, least) <= LEAST:
        return (
            f"expected a mass and moments of inertia above {LEAST:g} (water in a cube of 0.4 mm has more), got "
            f"{mass.mass_kg:.2g} kg and {least:.2g} kg m^2; make it larger (sizes are in metres) or heavier"
        )
    if not finite or max(mass.mass_kg, float(np.abs(inertia).max())) > MOST:
        return (
            f"expected a mass and moments of inertia of at most {MOST:g} kg and kg m^2, got {mass.mass_kg:.2g} kg; "
            "make it smaller (sizes are in metres) or lighter"
        )
    return ""
