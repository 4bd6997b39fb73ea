"""What simvid's own engines say they do; light, so that a list of engines loads none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from simvid.physics.features import FEATURES as LANGUAGE_OF_FORCES


@dataclass(frozen=True)
class Ability:
    """What an engine says of a feature.

    Attributes:
        cpu, cuda: whether it does it there.
        note: how, or why not.
    """

    cpu: bool
    cuda: bool = False
    note: str = ""


_YES = Ability(True)
_ALONE = Ability(False, False, "not measured beside Genesis; give method: mpm, or one deformable body alone")
_TIES = Ability(False, False, "its constraints are made when the scene is built")


def _own_mpm(law: str) -> Ability:
    return Ability(True, False, f"simvid's own MPM: {law}")


_WALLS = "; simvid stops its particles at bodies; those thinner than a cell (two particle spacings) are refused"


def _genesis_mpm(law: str) -> Ability:
    return Ability(
        True, False, f"Genesis' MPM: {law}; of fixed bodies the ground, or the first, stands for all in its contacts"
    )


NEWTON: Mapping[str, Ability] = {
    "rigid": _YES,
    "restitution": _YES,
    "rolling": _YES,
    "joints": _YES,
    "keyframes": _YES,
    "impulses": _YES,
    "mjcf": _YES,
    "urdf": _YES,
    "scripts": _YES,
    "tasks": _YES,
    "elastic": _own_mpm("fixed corotated"),
    "neo_hookean": _own_mpm("Neo-Hookean"),
    "elements": Ability(True, False, "simvid's own linear tetrahedra, explicit: fixed corotated or stable Neo-Hookean"),
    "element_mixtures": Ability(True, False, "impulses between points and faces, in shared substeps"),
    "plastic": _own_mpm("von Mises"),
    "granular": _own_mpm("Drucker–Prager"),
    "snow": _own_mpm("Stomakhin et al. 2013"),
    "liquid": _own_mpm("weakly compressible, Newtonian"),
    "viscosity": _YES,
    "hardening": _YES,
    "steep": _YES,
    "cloth": Ability(True, False, "simvid's own, explicit"),
    "rope": Ability(True, False, "simvid's own, explicit"),
    "mixtures": Ability(True, False, "impulses between particles and faces, in shared substeps"),
    **dict.fromkeys((*LANGUAGE_OF_FORCES, "soft_forces"), _YES),
}
"""Newton builds, MuJoCo's C core steps, simvid's MPM moves what deforms."""
GENESIS: Mapping[str, Ability] = {
    "rigid": _YES,
    "restitution": Ability(True, False, "simvid's law of impact in Genesis' constraints"),
    "rolling": _YES,
    "joints": _YES,
    "keyframes": _YES,
    "impulses": _YES,
    "mjcf": _YES,
    "urdf": _YES,
    "scripts": _YES,
    "tasks": Ability(True, False, "rehearsals by MuJoCo"),
    "elastic": _genesis_mpm("fixed corotated"),
    "neo_hookean": _genesis_mpm("Neo-Hookean"),
    "elements": Ability(True, False, "simvid's own, as on newton, coupled to Genesis' bodies"),
    "element_mixtures": _ALONE,
    "plastic": _genesis_mpm("von Mises; its yield stress is told sqrt(2/3) of ours, as it bounds the deviator's norm"),
    "granular": _genesis_mpm("Drucker–Prager; its friction angle is told so that both have the same cone" + _WALLS),
    "snow": _genesis_mpm("Stomakhin et al. 2013, hardening 10"),
    "liquid": _genesis_mpm("weakly compressible; lambda is the bulk modulus" + _WALLS),
    "viscosity": Ability(False, False, "its viscous liquid has a shear modulus, no viscosity; give viscosity_pa_s: 0"),
    "hardening": Ability(False, False, "give hardening: 10"),
    "steep": Ability(False, False, "no cone of its sand is that wide"),
    "cloth": Ability(True, False, "simvid's own, as on newton, coupled to Genesis' bodies"),
    "rope": Ability(True, False, "simvid's own, as on newton, coupled to Genesis' bodies"),
    "mixtures": Ability(False, False, "its particles do not know our cloth"),
    **dict.fromkeys(LANGUAGE_OF_FORCES, _YES),
    "forces.hold": _TIES,
    "forces.conveyor": Ability(False, False, "its contacts have no belts"),
    "attachments": _TIES,
    "joint.breaks": _TIES,
    "joint.motors": Ability(False, False, "stiff motors need MuJoCo's implicit step"),
    "soft_forces": Ability(False, False, "its particles feel gravity and contacts alone"),
}
"""Newton and MuJoCo build, Genesis steps."""
ABILITIES: Mapping[str, Mapping[str, Ability]] = MappingProxyType({"genesis": GENESIS, "newton": NEWTON})
"""By engine."""
SUMMARIES: Mapping[str, str] = MappingProxyType(
    {
        "genesis": "the same model stepped by Genesis' rigid-body solver; compiles for minutes once (extra: genesis)",
        "newton": "Newton builds, MuJoCo's C core steps, simvid's MPM moves what deforms; nothing to compile",
    }
)
"""One line on each."""
