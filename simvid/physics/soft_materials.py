"""From the materials of a scene to those of MPM and of thin bodies."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import DeformableBody
from simvid.physics.mpm.materials import MpmMaterial
from simvid.physics.thin.bodies import Thin, block, line, sheet

SUPPORTED = ("elastic", "plastic", "granular", "snow", "liquid")
"""Kinds that MPM moves, but for bodies with elements."""
THIN = ("cloth", "rope")
"""Kinds that the solver of thin bodies moves (``simvid.physics.thin``), beside bodies with elements."""


def by_mpm(body: DeformableBody | None) -> bool:
    """Whether MPM moves it."""
    return body is not None and body.kind in SUPPORTED and body.tetrahedra is None


def by_thin(body: DeformableBody | None) -> bool:
    """Whether the solver of cloth, rope and elements moves it."""
    return body is not None and (body.kind in THIN or body.tetrahedra is not None)


def mpm_material(body: DeformableBody, density_kg_m3: float) -> MpmMaterial:
    """The MPM material of a body.

    Args:
        body: of a kind in ``SUPPORTED``.
        density_kg_m3: mass over volume, which counts before the material's own where the body gives a mass.

    Raises:
        ValueError: another kind.
    """
    m = body.material
    if m.liquid is not None:
        liquid = m.liquid
        return MpmMaterial(
            "fluid", density_kg_m3, bulk_modulus_pa=liquid.bulk_modulus_pa, viscosity_pa_s=liquid.viscosity_pa_s
        )
    solid = m.elastic or m.plastic or m.granular or m.snow
    if solid is None:
        raise ValueError(f"mpm_material: expected one of {', '.join(SUPPORTED)}, got {body.kind}")
    young, nu = solid.young_modulus_pa, solid.poisson_ratio
    if m.elastic is not None:
        return MpmMaterial(m.elastic.model, density_kg_m3, young, nu)
    if m.plastic is not None:
        return MpmMaterial("von_mises", density_kg_m3, young, nu, yield_stress_pa=m.plastic.yield_stress_pa)
    if m.granular is not None:
        angle = math.radians(m.granular.friction_angle_deg)
        return MpmMaterial("drucker_prager", density_kg_m3, young, nu, friction_angle_rad=angle)
    assert m.snow is not None
    return MpmMaterial(
        "snow", density_kg_m3, young, nu, critical_compression=m.snow.critical_compression,
        critical_stretch=m.snow.critical_stretch, hardening=m.snow.hardening,
    )  # fmt: skip


def thin_body(body: DeformableBody, positions: NDArray[np.float64], velocities: NDArray[np.float64]) -> Thin:
    """A cloth, a rope or a body of elements at t = 0.

    Args:
        body: one that ``by_thin`` is true of.
        positions, velocities: of its particles, world, [P, 3].

    Raises:
        ValueError: another kind.
        PhysicsError: a spacing that does not fit its thickness.
    """
    m, rest = body.material, body.rest.astype(np.float64)
    if m.cloth is not None:
        assert body.triangles is not None
        made = sheet(
            rest, body.triangles, body.masses_kg, stretch_n_m=m.cloth.stretch_n_m, bend_n_m=m.cloth.bend_n_m,
            thickness_m=2 * body.radius_m, friction=m.friction,
        )  # fmt: skip
    elif m.rope is not None:
        made = line(
            rest, body.masses_kg, stretch_n=m.rope.young_modulus_pa * math.pi * body.radius_m**2,
            bend_n_m2=m.rope.bend_n_m2, radius_m=body.radius_m, friction=m.friction,
        )  # fmt: skip
    elif m.elastic is not None and body.tetrahedra is not None:
        made = block(
            rest, body.tetrahedra, float(body.masses_kg.sum()), young_modulus_pa=m.elastic.young_modulus_pa,
            poisson_ratio=m.elastic.poisson_ratio, law=m.elastic.model, friction=m.friction,
        )  # fmt: skip
    else:
        raise ValueError(f"thin_body: expected one of {', '.join(THIN)} or elements, got {body.kind}")
    return replace(made, positions=positions, velocities=velocities)
