"""The library: materials that every scene knows by name, with how they behave and how they look.

Numbers are typical and rounded, of no sample in particular. Densities are handbook values at room temperature (CRC
Handbook of Chemistry and Physics; for woods the Wood Handbook of the Forest Products Laboratory; for concrete,
cardboard and foams Ashby, Materials Selection in Mechanical Design). Friction is that of dry sliding on itself or on
steel, as tables of physics and machinery give it (Serway & Jewett; Machinery's Handbook). Restitution is that of a
small hard ball on a thick plate at about 1 m/s (Goldsmith, Impact); for soft things it is a round estimate, as is
resistance to rolling. Colours of metals follow their reflectance head-on (Lagarde & de Rousiers 2014, Moving Frostbite
to physically based rendering); the rest is by eye.
"""

from collections.abc import Mapping
from types import MappingProxyType

from simvid.scene.materials import Look, Material


def _made(density: float, friction: float, restitution: float, look: Look, rolling_m: float = 0.0) -> Material:
    return Material(
        density_kg_m3=density, friction=friction, restitution=restitution, rolling_friction_m=rolling_m, look=look
    )


STEEL = (0.77, 0.76, 0.75)
_LIBRARY: dict[str, Material] = {
    "wood": _made(
        680, 0.4, 0.5, Look(base_color=(0.66, 0.46, 0.28), roughness=0.55, texture="wood", texture_size_m=0.35)
    ),
    "dark_wood": _made(
        640, 0.4, 0.5, Look(base_color=(0.36, 0.21, 0.13), roughness=0.4, texture="wood", texture_size_m=0.35,
                            clearcoat=0.5),
    ),
    "steel": _made(7850, 0.57, 0.65, Look(base_color=STEEL, roughness=0.25, metallic=1)),
    "brushed_steel": _made(
        7850, 0.57, 0.65,
        Look(base_color=STEEL, roughness=0.38, metallic=1, texture="brushed_metal", texture_size_m=0.25),
    ),
    "rough_steel": _made(7850, 0.74, 0.55, Look(base_color=(0.58, 0.57, 0.56), roughness=0.62, metallic=1)),
    "cast_iron": _made(7200, 1.0, 0.5, Look(base_color=(0.34, 0.34, 0.35), roughness=0.7, metallic=0.8)),
    "chrome": _made(7190, 0.41, 0.7, Look(base_color=(0.83, 0.845, 0.855), roughness=0.06, metallic=1)),
    "aluminium": _made(2700, 0.47, 0.6, Look(base_color=(0.95, 0.955, 0.96), roughness=0.32, metallic=1)),
    "copper": _made(8960, 0.53, 0.55, Look(base_color=(0.97, 0.79, 0.70), roughness=0.28, metallic=1)),
    "brass": _made(8500, 0.44, 0.6, Look(base_color=(0.95, 0.86, 0.58), roughness=0.24, metallic=1)),
    "gold": _made(19300, 0.49, 0.45, Look(base_color=(1.0, 0.86, 0.57), roughness=0.2, metallic=1)),
    "rubber": _made(1100, 0.9, 0.75, Look(base_color=(0.12, 0.12, 0.125), roughness=0.85), 0.003),
    "silicone": _made(1150, 0.8, 0.45, Look(base_color=(0.88, 0.68, 0.58), roughness=0.5, specular=0.35, sheen=0.25),
                      0.003),
    "plastic": _made(1050, 0.35, 0.6, Look(base_color=(0.16, 0.36, 0.68), roughness=0.42)),
    "glossy_plastic": _made(1050, 0.3, 0.65, Look(base_color=(0.80, 0.12, 0.10), roughness=0.15)),
    "ceramic": _made(2400, 0.45, 0.7, Look(base_color=(0.86, 0.85, 0.82), roughness=0.22, clearcoat=0.6)),
    "porcelain": _made(2400, 0.4, 0.75, Look(base_color=(0.93, 0.93, 0.92), roughness=0.1)),
    "glass": _made(2500, 0.5, 0.85, Look(base_color=(0.95, 0.98, 0.96), roughness=0.03, transmission=1, ior=1.52)),
    "ice": _made(917, 0.05, 0.6, Look(base_color=(0.86, 0.93, 0.97), roughness=0.25, transmission=0.7, ior=1.31)),
    "fabric": _made(
        350, 0.55, 0.1,
        Look(base_color=(0.34, 0.42, 0.55), roughness=0.95, specular=0.2, sheen=0.6, texture="fabric",
             texture_size_m=0.12),
        0.003,
    ),
    "leather": _made(900, 0.6, 0.25, Look(base_color=(0.40, 0.24, 0.15), roughness=0.5, sheen=0.1), 0.002),
    "concrete": _made(
        2400, 0.8, 0.4, Look(base_color=(0.62, 0.61, 0.59), roughness=0.85, texture="concrete", texture_size_m=0.8)
    ),
    "stone": _made(2650, 0.7, 0.5, Look(base_color=(0.50, 0.48, 0.45), roughness=0.8, texture="concrete",
                                        texture_size_m=0.4)),
    "marble": _made(
        2700, 0.5, 0.65, Look(base_color=(0.90, 0.89, 0.87), roughness=0.15, texture="marble", texture_size_m=0.4)
    ),
    "tiles": _made(
        2300, 0.5, 0.6, Look(base_color=(0.74, 0.74, 0.72), roughness=0.25, texture="tiles", texture_size_m=0.4)
    ),
    "cardboard": _made(160, 0.5, 0.2, Look(base_color=(0.70, 0.54, 0.38), roughness=0.9, specular=0.3)),
    "paper": _made(800, 0.5, 0.1, Look(base_color=(0.92, 0.91, 0.88), roughness=0.9, specular=0.3)),
    "paint": _made(1300, 0.4, 0.5, Look(base_color=(0.14, 0.45, 0.30), roughness=0.35, clearcoat=1)),
    "foam": _made(30, 0.6, 0.3, Look(base_color=(0.95, 0.82, 0.36), roughness=1, specular=0.1), 0.004),
    "wax": _made(900, 0.35, 0.25, Look(base_color=(0.92, 0.86, 0.70), roughness=0.45, specular=0.4)),
}  # fmt: skip
LIBRARY: Mapping[str, Material] = MappingProxyType(_LIBRARY)
"""Name -> material. A scene's own materials of the same name come first."""
