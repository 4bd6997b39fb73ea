"""Building blocks of every scene model: strict, frozen, no unknown keys, finite numbers."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic_core import CoreSchema

from simvid.scene.rules import Problem, Rule, hold, nonzero


class Model(BaseModel):
    """Base of the scene language. Unknown keys, wrong types, NaN and infinity are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    RULES: ClassVar[tuple[Rule, ...]] = ()
    """What must hold between the fields."""

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        hold(self, self.RULES)
        return self


def as_tuple(value: object) -> object:
    """YAML has lists only; strict models want tuples."""
    return tuple(value) if isinstance(value, list) else value


class OneOf(Model):
    """A mapping with exactly one key, as in ``shape: {box: …}``; the key says which kind it is."""

    @model_validator(mode="before")
    @classmethod
    def _exactly_one(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        given = [str(k) for k, v in value.items() if v is not None]
        if len(given) != 1:
            got = ", ".join(given) or ("none" if not value else f"{', '.join(map(str, value))} without a value")
            raise Problem((), f"exactly one of {', '.join(cls.model_fields)}", got).error()
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Exactly one key, and none of them null."""
        reference = handler(core_schema)
        schema = handler.resolve_ref_schema(reference)
        for field in schema["properties"].values():
            field.pop("default", None)
            kinds = [kind for kind in field.pop("anyOf") if kind != {"type": "null"}]
            field.update(kinds[0] if len(kinds) == 1 else {"anyOf": kinds})
        schema.update(minProperties=1, maxProperties=1)
        return reference

    @property
    def kind(self) -> str:
        """Name of the key that was given."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def value(self) -> Any:
        """The model under that key."""
        return getattr(self, self.kind)


def splat3(value: object) -> object:
    """A single number stands for three equal ones."""
    return (value,) * 3 if isinstance(value, int | float) and not isinstance(value, bool) else as_tuple(value)


Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Unit: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Vec2: TypeAlias = Annotated[tuple[Number, Number], BeforeValidator(as_tuple)]
Vec3: TypeAlias = Annotated[tuple[Number, Number, Number], BeforeValidator(as_tuple)]
Size3: TypeAlias = Annotated[
    tuple[Positive, Positive, Positive],
    BeforeValidator(splat3, json_schema_input_type=Positive | tuple[Positive, Positive, Positive]),
]
Quat: TypeAlias = Annotated[tuple[Number, Number, Number, Number], BeforeValidator(as_tuple)]
Color: TypeAlias = Annotated[tuple[Unit, Unit, Unit], BeforeValidator(as_tuple)]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]


TEXT_ARM, MAPPING_ARM = "~text", "~mapping"
"""Names of the two arms of a "text or mapping" field in pydantic's locations."""


def text_or_mapping(value: object) -> str | None:
    """Which arm a value takes, so that only that one's faults are told."""
    if isinstance(value, str):
        return TEXT_ARM
    return MAPPING_ARM if isinstance(value, Mapping | BaseModel) else None


def _one_rotation(pose: "Pose") -> Iterator[Problem]:
    if pose.rotation_deg is not None and pose.quaternion_wxyz is not None:
        yield Problem((), "rotation_deg or quaternion_wxyz", "both")


class Pose(Model):
    """Where a thing stands, in its parent's frame (the world unless said otherwise)."""

    position_m: Vec3 = (0.0, 0.0, 0.0)
    """Position [m]."""
    rotation_deg: Vec3 | None = None
    """Turn about the fixed x, then y, then z axis (roll, pitch, yaw) [deg]."""
    quaternion_wxyz: Quat | None = None
    """The same as a quaternion (w, x, y, z); normalised when read."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(("rotation_deg", "quaternion_wxyz"), _one_rotation),
        nonzero("quaternion_wxyz", "the identity, [1, 0, 0, 0]"),
    )
