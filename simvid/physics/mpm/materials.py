"""What particles are made of: constitutive models with their parameters, and the numbers that kernels read."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args

from simvid.errors import PhysicsError

Model: TypeAlias = Literal["fixed_corotated", "neo_hookean", "von_mises", "drucker_prager", "snow", "fluid"]
MODELS: tuple[Model, ...] = get_args(Model)
TAIT_POWER = 7.0
"""Of Tait's equation of state; water's."""
FASTEST_HARDENING = 20.0
"""Packed snow is at most this many times as stiff as fresh snow, and crumbled snow at least that much softer."""


@dataclass(frozen=True)
class MpmMaterial:
    """A material in SI units. Which numbers count says ``model``; the others are left alone.

    Attributes:
        model: one of ``MODELS``.
        density_kg_m3: at rest.
        young_modulus_pa, poisson_ratio: of all but fluids.
        yield_stress_pa: of von Mises, in uniaxial tension.
        hardening_pa: by which the yield stress grows per plastic strain.
        friction_angle_rad: of Drucker-Prager: the steepest slope that holds. The cone is fitted to shear along a slope
            (|dev tau| <= sqrt(2) tan(phi) p), not to triaxial compression as in Klar et al. 2016, by which sand of 35
            degrees would hold slopes of 39.
        critical_compression, critical_stretch, hardening: theta_c, theta_s and xi of snow (Stomakhin et al. 2013).
        bulk_modulus_pa: of fluids, density times the square of the speed of sound.
        viscosity_pa_s: of fluids, dynamic.
    """

    model: Model
    density_kg_m3: float
    young_modulus_pa: float = 0.0
    poisson_ratio: float = 0.3
    yield_stress_pa: float = 0.0
    hardening_pa: float = 0.0
    friction_angle_rad: float = math.radians(35)
    critical_compression: float = 0.025
    critical_stretch: float = 0.0075
    hardening: float = 10.0
    bulk_modulus_pa: float = 0.0
    viscosity_pa_s: float = 0.0

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise PhysicsError(f"MpmMaterial.model: expected one of {', '.join(MODELS)}, got {self.model!r}")
        for f in fields(self):
            if f.name != "model" and not math.isfinite(getattr(self, f.name)):
                raise PhysicsError(f"MpmMaterial.{f.name}: expected a number, got {getattr(self, f.name)!r}")
        self._expect("density_kg_m3", "more than 0", self.density_kg_m3 > 0)
        if self.model == "fluid":
            self._expect("bulk_modulus_pa", "more than 0", self.bulk_modulus_pa > 0)
            self._expect("viscosity_pa_s", "0 or more", self.viscosity_pa_s >= 0)
            return
        self._expect("young_modulus_pa", "more than 0", self.young_modulus_pa > 0)
        self._expect("poisson_ratio", "0 or more and less than 0.5", 0 <= self.poisson_ratio < 0.5)
        if self.model == "von_mises":
            self._expect("yield_stress_pa", "more than 0", self.yield_stress_pa > 0)
            self._expect("hardening_pa", "0 or more", self.hardening_pa >= 0)
        if self.model == "drucker_prager":
            self._expect("friction_angle_rad", "between 0 and pi / 2", 0 < self.friction_angle_rad < math.pi / 2)
        if self.model == "snow":
            self._expect("critical_compression", "between 0 and 1", 0 < self.critical_compression < 1)
            self._expect("critical_stretch", "more than 0", self.critical_stretch > 0)
            self._expect("hardening", "0 or more", self.hardening >= 0)

    def _expect(self, name: str, allowed: str, fine: bool) -> None:
        if not fine:
            raise PhysicsError(f"MpmMaterial.{name}: expected {allowed} for {self.model}, got {getattr(self, name):g}")

    @property
    def lame(self) -> tuple[float, float]:
        """Lame's mu and lambda [Pa]; of a fluid 0 and its bulk modulus."""
        if self.model == "fluid":
            return 0.0, self.bulk_modulus_pa
        e, nu = self.young_modulus_pa, self.poisson_ratio
        return e / (2 * (1 + nu)), e * nu / ((1 + nu) * (1 - 2 * nu))

    @property
    def sound_speed_m_s(self) -> float:
        """Of pressure waves, sqrt((lambda + 2 mu) / rho); of snow, when it is packed as hard as it gets."""
        mu, lam = self.lame
        stiffer = FASTEST_HARDENING if self.model == "snow" and self.hardening > 0 else 1.0
        return math.sqrt(stiffer * (lam + 2 * mu) / self.density_kg_m3)

    @property
    def give(self) -> tuple[float, float, float, float]:
        """The model's own four numbers, as the kernels read them."""
        if self.model == "von_mises":
            return self.yield_stress_pa, self.hardening_pa, 0.0, 0.0
        if self.model == "drucker_prager":
            return math.sqrt(2) * math.tan(self.friction_angle_rad) / 3, 0.0, 0.0, 0.0
        if self.model == "snow":
            return self.critical_compression, self.critical_stretch, self.hardening, FASTEST_HARDENING
        if self.model == "fluid":
            return self.viscosity_pa_s, 0.0, 0.0, 0.0
        return 0.0, 0.0, 0.0, 0.0
