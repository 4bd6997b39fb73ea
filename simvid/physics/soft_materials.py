"""From the materials of a scene to those of MPM."""

from __future__ import annotations

import math

from simvid.assets.parts import DeformableBody
from simvid.physics.mpm.materials import MpmMaterial

SUPPORTED = ("elastic", "plastic", "granular", "snow", "liquid")
"""Kinds that MPM moves."""


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
