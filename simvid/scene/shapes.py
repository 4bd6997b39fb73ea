"""Shapes of bodies. Every shape is centred on its body's frame; round ones have their axis along z."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from simvid.scene.base import Model, OneOf, Pose, Positive, Size3, Unit, as_tuple
from simvid.scene.materials import MaterialRef
from simvid.scene.rules import Problem, Rule


class Box(Model):
    """A cuboid."""

    size_m: Size3
    """Edge lengths [m]; one number makes a cube."""


class Sphere(Model):
    """A ball."""

    radius_m: Positive


class Capsule(Model):
    """A cylinder with round ends; total height is length_m + 2 radius_m."""

    radius_m: Positive
    length_m: Positive


class Cylinder(Model):
    """A solid cylinder."""

    radius_m: Positive
    length_m: Positive


class Cone(Model):
    """A solid cone, tip up; its frame is at half height."""

    radius_m: Positive
    length_m: Positive


class Ellipsoid(Model):
    """An ellipsoid."""

    radii_m: Annotated[tuple[Positive, Positive, Positive], BeforeValidator(as_tuple)]


def _thin(bowl: "Bowl") -> Iterator[Problem]:
    if bowl.thickness_m >= bowl.radius_m:
        yield Problem(("thickness_m",), f"a number below radius_m = {bowl.radius_m:g}", f"{bowl.thickness_m:g}")


class Bowl(Model):
    """An open hemispherical shell, opening upwards; its frame is at the sphere's centre."""

    radius_m: Positive
    """Inner radius [m]."""
    thickness_m: Positive
    """Of the wall [m]."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("radius_m", "thickness_m"), _thin),)


class MeshShape(Model):
    """A mesh file: OBJ, STL, PLY, GLB or GLTF."""

    path: Annotated[str, Field(min_length=1)]
    """Relative to the scene file, or package://PACKAGE/PATH."""
    scale: Size3 = (1.0, 1.0, 1.0)
    """Factor along the file's own axes; one number for all three."""
    up: Literal["y", "z"] = "z"
    """Which of the file's axes points up; y is turned to z."""
    origin: Literal["file", "center", "bottom"] = "file"
    """Where the body's frame sits: the file's own origin, the centre of its box, or the middle of the box's floor."""

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The path may stand alone."""
        return {"anyOf": [{"type": "string", "minLength": 1}, handler(core_schema)]}


class SplatShape(MeshShape):
    """A Gaussian capture: 3DGS .ply, SuperSplat .compressed.ply or .spz. Its collider is made from its Gaussians."""

    min_opacity: Unit = 0.0
    """Fainter Gaussians are left out."""
    drop_strays: bool = False
    """Leave out what floats far from all else, and what is wider than a quarter of the capture."""
    ground: Literal["keep", "level", "cut"] = "keep"
    """level turns the capture so that the plane it stands on is level; cut also takes that plane and all below away."""
    fill: Literal["solid", "shell"] = "solid"
    """Where particles are, if it is deformable: everywhere inside, or near its Gaussians alone."""


class CompoundPart(Model):
    """One shape of a compound."""

    shape: "Shape"
    pose: Pose = Pose()
    material: MaterialRef | None = None
    """Defaults to the body's material."""
    collide: bool = True
    """False: seen, but touches nothing and weighs nothing."""


class Compound(Model):
    """Several shapes that move as one; where they overlap, a rigid body weighs each of them."""

    parts: Annotated[tuple[CompoundPart, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=256)]


class Shape(OneOf):
    """Exactly one kind of shape."""

    box: Box | None = None
    sphere: Sphere | None = None
    capsule: Capsule | None = None
    cylinder: Cylinder | None = None
    cone: Cone | None = None
    ellipsoid: Ellipsoid | None = None
    bowl: Bowl | None = None
    mesh: MeshShape | None = None
    splat: SplatShape | None = None
    compound: Compound | None = None


CompoundPart.model_rebuild()
Compound.model_rebuild()
Shape.model_rebuild()
