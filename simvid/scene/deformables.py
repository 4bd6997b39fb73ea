"""Materials of bodies that change their shape. Units are SI; moduli are those of small strains."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from simvid.scene.base import Model, NonNegative, Positive

DeformableKind: TypeAlias = Literal["elastic", "plastic", "granular", "snow", "liquid", "cloth", "rope"]
"""The keys of a material that make what is made of it deformable."""


class Deformable(Model):
    """What all kinds have."""

    particle_spacing_m: Positive | None = None
    """Distance between the particles [m] that stand for the body. None: so that there are about 8 000 of them, 2 500 in
    a cloth, 64 along a rope, more along a thin one (three radii apart)."""


class Solid(Deformable):
    """Isotropic elasticity."""

    young_modulus_pa: Positive
    """Stress over strain when pulled [Pa]: jelly 1e4, soft rubber 1e6."""
    poisson_ratio: Annotated[float, Field(ge=0, lt=0.5)] = 0.3
    """Thinning over stretch; 0.5, which keeps the volume exactly, is out of reach."""


class Elastic(Solid):
    """Springs back: jelly, rubber, foam, flesh."""

    model: Literal["fixed_corotated", "neo_hookean"] = "fixed_corotated"
    """Energy at large strains (Stomakhin et al. 2012; Bonet & Wood 2008, of elements Smith et al. 2018)."""
    method: Literal["mpm", "fem"] = "mpm"
    """``mpm`` moves particles over a grid, ``fem`` nodes of linear tetrahedra, which have no damping by a grid; their
    ``particle_spacing_m`` is the edge of a cell of six, None: so that there are about 2 000 cells."""


class Plastic(Solid):
    """Keeps its shape below a yield stress and flows above it (von Mises): clay, dough, soft metal."""

    yield_stress_pa: Positive
    """Equivalent (von Mises) stress at which it starts to flow [Pa]."""


class Granular(Solid):
    """Grains that hold by friction alone (Drucker & Prager 1952): sand, gravel, rice."""

    young_modulus_pa: Positive = 1e6
    friction_angle_deg: Annotated[float, Field(gt=0, lt=90)] = 35.0
    """Internal friction angle: steepest slope of a heap [deg]."""


class Snow(Solid):
    """Packs and crumbles (Stomakhin et al. 2013, "A material point method for snow simulation")."""

    young_modulus_pa: Positive = 1.4e5
    poisson_ratio: Annotated[float, Field(ge=0, lt=0.5)] = 0.2
    critical_compression: Annotated[float, Field(gt=0, lt=1)] = 0.025
    """Squeeze of a principal stretch from which on it gives way."""
    critical_stretch: Annotated[float, Field(gt=0, lt=1)] = 0.0075
    """Stretch from which on it breaks."""
    hardening: NonNegative = 10.0
    """How fast packed snow stiffens, as the power of e per unit of volume that was lost."""


class Liquid(Deformable):
    """A weakly compressible Newtonian liquid: water, oil, honey."""

    bulk_modulus_pa: Positive = 2e5
    """Pressure per share of volume lost [Pa]. Real water has 2.2e9, which needs steps of microseconds; enough is what
    keeps the volume within a percent: 100 times density x gravity x depth."""
    viscosity_pa_s: NonNegative = 1e-3
    """Dynamic viscosity [Pa s]: water 1e-3, olive oil 0.08, honey 10."""


class Cloth(Deformable):
    """A thin sheet. The body's shape is a box, whose thinnest side is the thickness, or an open mesh."""

    stretch_n_m: Positive = 1000.0
    """Force per width at a strain of one, as Young's modulus times thickness [N/m]."""
    bend_n_m: NonNegative = 1e-4
    """Moment per width and curvature [N m]: silk 1e-5, denim 1e-3."""
    thickness_m: Positive = 0.002
    """Of an open mesh [m]; a box brings its own. At most the distance between the particles."""


class Rope(Deformable):
    """A cable. The body's shape is a capsule or a cylinder, which says its radius and length."""

    young_modulus_pa: Positive = 1e7
    """Along the rope [Pa]."""
    bend_n_m2: NonNegative = 1e-4
    """Moment over curvature [N m^2]."""
