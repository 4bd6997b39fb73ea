"""Deformable bodies so stiff that explicit substeps would take for ever: refused before the first step."""

from __future__ import annotations

from simvid.assets.parts import DeformableBody, PartAssets, SceneAssets
from simvid.errors import SceneError
from simvid.physics.mpm.domain import VISCOUS
from simvid.physics.watch import part_place

MOST_PER_S = 2.5e6
"""Substeps in a simulated second. Steel in cells of 5 mm takes 2.4e6; beyond, a clip takes hours."""
NEARLY_HALF = 0.49
COARSER = ", a larger particle_spacing_m"


def check_pace(assets: SceneAssets, part: PartAssets, step_s: float, spacing_m: float) -> None:
    """Refuse a deformable body that needs more than ``MOST_PER_S`` substeps in a simulated second.

    Args:
        assets: of the scene.
        part: the body.
        step_s: largest stable substep of the body alone.
        spacing_m: of the grid's cells, or of the body's particles where there is no grid.

    Raises:
        SceneError: how many there would be, and what to change by how much.
    """
    body = part.deformable
    assert body is not None, "a deformable part"
    too_fast = 1 / (step_s * MOST_PER_S)
    if too_fast <= 1:
        return
    raise SceneError(
        f"{part_place(assets, part.part)}: its material needs substeps of {step_s:.3g} s, {1 / step_s:.3g} of them in "
        f"a simulated second (at most {MOST_PER_S:g}): {_remedy(body, too_fast, spacing_m)}, or "
        "make it a rigid body"
    )


def _remedy(body: DeformableBody, too_fast: float, spacing_m: float) -> str:
    """What to give. Substeps are proportional to the root of the stiffness over the mass, or to the viscosity."""
    m = body.material
    if m.liquid is not None:
        density = float(body.masses_kg.sum() / body.volumes_m3.sum())
        most = VISCOUS * density * spacing_m**2 * MOST_PER_S
        if m.liquid.viscosity_pa_s > most:
            return f"give a viscosity_pa_s of at most {most:.2g} (it is {m.liquid.viscosity_pa_s:g}){COARSER}"
        return f"give a bulk_modulus_pa of at most {_softer(m.liquid.bulk_modulus_pa, too_fast)}{COARSER}"
    solid = m.elastic or m.plastic or m.granular or m.snow
    if solid is None:
        return f"make it {too_fast**2:.2g} times softer, or as much heavier, give a larger particle_spacing_m"
    give = f"give a young_modulus_pa of at most {_softer(solid.young_modulus_pa, too_fast)}"
    if solid.poisson_ratio > NEARLY_HALF:
        give += f", a poisson_ratio of at most {NEARLY_HALF} (it is {solid.poisson_ratio:.15g})"
    return give + COARSER


def _softer(stiffness_pa: float, too_fast: float) -> str:
    return f"{stiffness_pa / too_fast**2:.2g} (it is {stiffness_pa:g})"
