"""Materials (how things behave) and looks (how they appear)."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, ClassVar, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag

from simvid.scene.base import (
    MAPPING_ARM,
    TEXT_ARM,
    Color,
    Model,
    Name,
    NonNegative,
    Positive,
    Unit,
    text_or_mapping,
)
from simvid.scene.deformables import (
    Cloth,
    Deformable,
    DeformableKind,
    Elastic,
    Granular,
    Liquid,
    Plastic,
    Rope,
    Snow,
)
from simvid.scene.rules import Problem, Rule

Texture: TypeAlias = Literal["plain", "checker", "wood", "concrete", "brushed_metal", "marble", "fabric", "tiles"]


class Look(Model):
    """Appearance. Colours are sRGB in [0, 1]; the parameters are those of the principled model (Burley 2012)."""

    base_color: Color | None = None
    """Albedo; None keeps the mesh's own colours (or a neutral grey for primitives)."""
    roughness: Unit = 0.6
    metallic: Unit = 0.0
    specular: Unit = 0.5
    """Reflectance head-on of what is no metal, in units of 0.08; 0.5 is plastic's 4 %. Where light goes through, ior
    counts instead."""
    transmission: Unit = 0.0
    """Share of the light that is not reflected which goes through, tinted by base_color; the rest is scattered back."""
    ior: Annotated[float, Field(ge=1.01, le=3)] = 1.5
    """Refractive index of what light goes through."""
    sheen: Unit = 0.0
    """Soft gleam at grazing angles, as of cloth."""
    clearcoat: Unit = 0.0
    """A second, sharper gloss on top, as of lacquer; 1 reflects a quarter as much as plastic."""
    texture: Texture = "plain"
    """Procedural texture tinted by base_color; meshes with their own texture keep it when this is plain."""
    texture_size_m: Positive = 0.5
    """Edge of one texture tile [m]."""


LibraryName: TypeAlias = Literal[
    "wood", "dark_wood", "steel", "brushed_steel", "rough_steel", "cast_iron", "chrome", "aluminium", "copper",
    "brass", "gold", "rubber", "silicone", "plastic", "glossy_plastic", "ceramic", "porcelain", "glass", "ice",
    "fabric", "leather", "concrete", "stone", "marble", "tiles", "cardboard", "paper", "paint", "foam", "wax",
]  # fmt: skip
"""As ``simvid.scene.library.LIBRARY``."""


def _named(value: object) -> object:
    """A look by its name in the library."""
    if not isinstance(value, str):
        return value
    from simvid.scene.library import LIBRARY

    if value not in LIBRARY:
        near = get_close_matches(value, LIBRARY, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(LIBRARY)}"
        raise Problem((), "the name of a material in the library, or a look", repr(value), hint).error()
    return LIBRARY[value].look


LookRef: TypeAlias = Annotated[Look, BeforeValidator(_named, json_schema_input_type=Look | LibraryName)]
"""A look, or the name of a material in the library, which stands for its look."""


KINDS: tuple[DeformableKind, ...] = get_args(DeformableKind)


def _one_kind(material: "Material") -> Iterator[Problem]:
    given = [name for name in KINDS if getattr(material, name) is not None]
    if len(given) > 1:
        yield Problem((given[1],), f"at most one of {', '.join(KINDS)}", " and ".join(given))


class Material(Model):
    """A rigid material, or a deformable one where one of the kinds from ``elastic`` to ``rope`` is given."""

    density_kg_m3: Positive = 1000.0
    friction: Annotated[float, Field(ge=0, le=10)] = 0.5
    """Coulomb coefficient; of two touching materials the larger counts. Particles of MPM (``plastic``, ``granular``,
    ``snow``, ``liquid``, ``elastic`` by ``mpm``) feel that of the rigid part that they touch, however large or small
    their own, which counts beside cloth, rope and elements alone."""
    restitution: Unit = 0.0
    """Rebound speed over approach speed; of two touching materials the larger counts."""
    rolling_friction_m: NonNegative = 0.0
    """Resistance to rolling, as a lever arm [m]."""
    elastic: Elastic | None = None
    plastic: Plastic | None = None
    granular: Granular | None = None
    snow: Snow | None = None
    liquid: Liquid | None = None
    cloth: Cloth | None = None
    rope: Rope | None = None
    look: LookRef = Look()

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(KINDS, _one_kind),)

    @property
    def kind(self) -> DeformableKind | None:
        """Which deformable kind it is; None for a rigid material."""
        return next((name for name in KINDS if getattr(self, name) is not None), None)

    @property
    def by_elements(self) -> bool:
        """Whether finite elements move it."""
        return self.elastic is not None and self.elastic.method == "fem"

    @property
    def deformable(self) -> Deformable | None:
        """The model under that key."""
        return None if self.kind is None else getattr(self, self.kind)


MaterialRef: TypeAlias = Annotated[
    Annotated[Name, Tag(TEXT_ARM)] | Annotated[Material, Tag(MAPPING_ARM)], Discriminator(text_or_mapping)
]
"""A name from the scene's ``materials`` or from the library, or a material written in place."""
