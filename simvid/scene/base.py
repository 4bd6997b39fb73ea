"""Building blocks of every scene model: strict, frozen, no unknown keys, finite numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator


class Model(BaseModel):
    """Base of the scene language. Unknown keys, wrong types, NaN and infinity are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


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
        names = list(cls.model_fields)
        given = [k for k, v in value.items() if v is not None]
        if len(given) != 1:
            got = "none" if not given else ", ".join(map(str, given))
            raise ValueError(f"expected exactly one of {', '.join(names)}; got {got}")
        return value

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
Size3: TypeAlias = Annotated[tuple[Positive, Positive, Positive], BeforeValidator(splat3)]
Quat: TypeAlias = Annotated[tuple[Number, Number, Number, Number], BeforeValidator(as_tuple)]
Color: TypeAlias = Annotated[tuple[Unit, Unit, Unit], BeforeValidator(as_tuple)]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]


class Pose(Model):
    """Where a thing stands, in its parent's frame (the world unless said otherwise)."""

    position_m: Vec3 = (0.0, 0.0, 0.0)
    """Position [m]."""
    rotation_deg: Vec3 | None = None
    """Turn about the fixed x, then y, then z axis (roll, pitch, yaw) [deg]."""
    quaternion_wxyz: Quat | None = None
    """The same as a quaternion (w, x, y, z); normalised when read."""

    @model_validator(mode="after")
    def _one_rotation(self) -> Pose:
        if self.rotation_deg is not None and self.quaternion_wxyz is not None:
            raise ValueError("give rotation_deg or quaternion_wxyz, not both")
        if self.quaternion_wxyz is not None and sum(c * c for c in self.quaternion_wxyz) < 1e-12:
            raise ValueError("quaternion_wxyz has length zero; the identity is [1, 0, 0, 0]")
        return self
