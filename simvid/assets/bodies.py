"""One body of a scene -> what is seen of it, what collides, what weighs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from simvid.assets.arrange import body_pose
from simvid.assets.bowl import bowl_pieces
from simvid.assets.capture_cleaning import on_ground, without_faint, without_strays
from simvid.assets.captures import load_capture
from simvid.assets.convex import convex_hull, convex_parts
from simvid.assets.meshes import load_mesh, mesh_problems
from simvid.assets.occupancy import occupancy_mesh
from simvid.assets.once import once
from simvid.assets.parts import DeformableBody, MassProperties
from simvid.assets.paths import resolve_asset
from simvid.assets.pieces import Collider, ColliderKind, Visual
from simvid.assets.primitives import bowl_mesh, primitive_mesh
from simvid.errors import AssetError
from simvid.gaussians import Gaussians
from simvid.mesh import Mesh
from simvid.rotations import quat_from_matrix, quat_multiply
from simvid.scene import Body, Look, Material, MeshShape, Scene, Shape, SplatShape
from simvid.spherical_harmonics import rotated

Array: TypeAlias = NDArray[np.float64]
NEUTRAL_GREY = (0.7, 0.7, 0.7)


@dataclass(frozen=True, eq=False)
class BodyGeometry:
    """All copies of a body share one geometry.

    Attributes:
        visuals: what is seen.
        colliders: what touches.
        weighing: closed pieces and their density [kg/m^3]; they make mass and inertia.
        bounds_m: corners of its box in the body's frame, [2, 3].
        radius_m: distance of its farthest point from the body's origin.
        deformable: its particles, where it is one; visuals are then in the frame of its centre of mass.
        mass: of a deformable body, in that frame.
        center_m: where that frame is in the body's, [3]; None for rigid bodies.
    """

    visuals: tuple[Visual, ...]
    colliders: tuple[Collider, ...]
    weighing: tuple[tuple[Collider, float], ...]
    bounds_m: Array
    radius_m: float
    deformable: DeformableBody | None = None
    mass: MassProperties | None = None
    center_m: Array | None = None


@dataclass(frozen=True, eq=False)
class _Context:
    body: Body
    scene: Scene
    base: Path

    @property
    def moves(self) -> bool:
        return not (self.body.fixed or self.body.motion is not None)


def body_geometry(body: Body, scene: Scene, base: Path) -> BodyGeometry:
    """Read a body's files and build its geometry.

    Raises:
        AssetError: a missing or unreadable file, or a mesh that cannot be the solid it is asked to be.
    """
    context = _Context(body, scene, base)
    material = scene.material(body.material)
    visuals, colliders, weighing = _shape(body.shape, material, np.eye(4), context, collide=body.collision != "none")
    if not weighing and context.moves:
        raise AssetError("a moving body needs at least one part that collides, or it weighs nothing; got none")
    points = [v.mesh.vertices if v.mesh is not None else clear_centers(v.capture) for v in visuals]
    stacked = np.concatenate(points).astype(np.float64)
    bounds = np.stack([stacked.min(axis=0), stacked.max(axis=0)])
    return BodyGeometry(visuals, colliders, weighing, bounds, float(np.linalg.norm(stacked, axis=1).max()))


Pieces: TypeAlias = tuple[tuple[Visual, ...], tuple[Collider, ...], tuple[tuple[Collider, float], ...]]


def _shape(shape: Shape, material: Material, pose: Array, context: _Context, *, collide: bool) -> Pieces:
    look = context.body.look or material.look
    if shape.compound is not None:
        return _compound(shape, material, pose, context, collide=collide)
    if shape.mesh is not None:
        return _mesh(shape.mesh, material, look, pose, context, collide=collide)
    if shape.splat is not None:
        return _capture(shape.splat, material, look, pose, context, collide=collide)
    if look.base_color is None:
        look = look.model_copy(update={"base_color": NEUTRAL_GREY})
    if shape.bowl is not None:
        radius, thickness = shape.bowl.radius_m, shape.bowl.thickness_m
        seen = bowl_mesh(radius, thickness)
        solid = tuple(_collider("convex", (), pose, material, m) for m in bowl_pieces(radius, thickness))
    else:
        dimensions = primitive_dimensions(shape)
        seen = primitive_mesh(shape.kind, dimensions)
        solid = (_collider(cast("ColliderKind", shape.kind), dimensions, pose, material),)
    visual = Visual(look, mesh=seen.transformed(pose))
    weighing = tuple((c, material.density_kg_m3) for c in solid) if collide or context.body.collision == "none" else ()
    return (visual,), solid if collide else (), weighing


def primitive_dimensions(shape: Shape) -> tuple[float, ...]:
    """Dimensions [m] of a primitive as ``Collider`` wants them."""
    value = shape.value
    match shape.kind:
        case "box":
            return tuple(s / 2 for s in value.size_m)
        case "sphere":
            return (value.radius_m,)
        case "ellipsoid":
            return tuple(value.radii_m)
        case _:
            return (value.radius_m, value.length_m / 2)


def _compound(shape: Shape, material: Material, pose: Array, context: _Context, *, collide: bool) -> Pieces:
    visuals: list[Visual] = []
    colliders: list[Collider] = []
    weighing: list[tuple[Collider, float]] = []
    assert shape.compound is not None
    for k, piece in enumerate(shape.compound.parts):
        own = context.scene.material(piece.material) if piece.material is not None else material
        if own.kind is not None:
            raise AssetError(
                f"parts[{k}].material: a part of a rigid body is rigid, but this material is {own.kind}; "
                "make the part a body of its own, and tie it with attachments"
            )
        inner = _shape(piece.shape, own, pose @ body_pose(piece.pose), context, collide=collide and piece.collide)
        visuals.extend(inner[0])
        colliders.extend(inner[1])
        weighing.extend(inner[2] if piece.collide else ())
    return tuple(visuals), tuple(colliders), tuple(weighing)


def meshes_in_body(spec: MeshShape, pose: Array, base: Path) -> tuple[Mesh, ...]:
    """The meshes of a file in the body's frame, below a pose in it [4, 4].

    Raises:
        AssetError: a file that cannot be read.
    """
    return once(_placed_meshes, spec, tuple(pose.ravel().tolist()), base)


def _placed_meshes(spec: MeshShape, pose: tuple[float, ...], base: Path) -> tuple[Mesh, ...]:
    meshes = load_mesh(resolve_asset(spec.path, base))
    place = np.reshape(pose, (4, 4)) @ file_frame(spec, _bounds([m.vertices for m in meshes]))
    return tuple(m.transformed(place) for m in meshes)


def capture_in_body(spec: SplatShape, pose: Array, base: Path) -> Gaussians:
    """The Gaussians of a capture in the body's frame, below a pose in it [4, 4].

    Raises:
        AssetError: a file that cannot be read, an empty one, or scales that differ.
    """
    path = resolve_asset(spec.path, base)
    gaussians = load_capture(path)
    if not len(gaussians):
        raise AssetError(f"{path.name}: expected Gaussians, got an empty capture")
    if len(set(spec.scale)) > 1:
        raise AssetError(f"scale: a capture takes one scale for all axes, got {spec.scale}")
    turn = np.eye(4)
    if spec.min_opacity > 0:
        gaussians = without_faint(gaussians, spec.min_opacity)
    if spec.drop_strays:
        gaussians = without_strays(gaussians)
    if spec.ground != "keep":
        up = np.array([0.0, 1, 0] if spec.up == "y" else [0.0, 0, 1])
        gaussians, turn[:3, :3] = on_ground(gaussians, spec.ground, up)
        gaussians = transform_gaussians(gaussians, turn)
    return transform_gaussians(gaussians, pose @ file_frame(spec, _bounds([clear_centers(gaussians)])))


def _mesh(spec: MeshShape, material: Material, look: Look, pose: Array, context: _Context, *, collide: bool) -> Pieces:
    moved = meshes_in_body(spec, pose, context.base)
    visuals = tuple(Visual(look, mesh=m) for m in moved)
    solid = _solids(joined(moved), material, context)
    return visuals, solid if collide else (), _weighing(solid, moved, material, context)


def _solids(mesh: Mesh, material: Material, context: _Context) -> tuple[Collider, ...]:
    """Colliders of a mesh by the body's ``collision``."""
    how = context.body.collision
    if how == "exact" and context.moves:
        raise AssetError(
            "collision: exact is for fixed and keyframed bodies (moving ones must be convex); "
            "expected convex_parts or convex_hull"
        )
    if how == "exact" or (how in {"auto", "none"} and not context.moves):
        return (_collider("mesh", (), np.eye(4), material, mesh),)
    if how in {"auto", "none"}:
        problems = mesh_problems(mesh)
        if problems:
            raise AssetError(
                f"expected a closed mesh for a solid that moves, got one that is {', '.join(problems)}; "
                "say collision: convex_parts or convex_hull to use its convex pieces instead, or fixed: true"
            )
    pieces = (convex_hull(mesh),) if how == "convex_hull" else convex_parts(mesh)
    return tuple(_collider("convex", (), np.eye(4), material, p) for p in pieces)


def _weighing(
    solid: tuple[Collider, ...], meshes: tuple[Mesh, ...], material: Material, context: _Context
) -> tuple[tuple[Collider, float], ...]:
    """The mesh itself where it is closed, else its convex pieces."""
    if not context.moves:
        return ()
    density = material.density_kg_m3
    if all(not mesh_problems(m) for m in meshes):
        return tuple((_collider("mesh", (), np.eye(4), material, m), density) for m in meshes)
    return tuple((c, density) for c in solid)


def _capture(
    spec: SplatShape, material: Material, look: Look, pose: Array, context: _Context, *, collide: bool
) -> Pieces:
    moved = capture_in_body(spec, pose, context.base)
    surface = occupancy_mesh(clear_centers(moved))
    solid = _solids(surface, material, context)
    weighing = tuple((c, material.density_kg_m3) for c in solid) if context.moves else ()
    return (Visual(look, capture=moved),), solid if collide else (), weighing


def clear_centers(gaussians: Gaussians | None) -> NDArray[np.float32]:
    """Centres of the clearly visible Gaussians without the outliers of a capture."""
    assert gaussians is not None
    means = gaussians.means[gaussians.opacities >= 0.3]
    means = means if len(means) else gaussians.means
    low, high = np.percentile(means, [0.5, 99.5], axis=0)
    inside = ((means >= low) & (means <= high)).all(axis=1)
    return means[inside] if inside.any() else means


def clear_spots(gaussians: Gaussians) -> NDArray[np.float32]:
    """The clear centres, and spots one standard deviation to both sides of them: what is drawn without gaps has none.

    Spots beyond the box of the centres are left out.
    """
    centers = clear_centers(gaussians)
    low, high = centers.min(axis=0), centers.max(axis=0)
    rows = (gaussians.opacities >= 0.3) & ((gaussians.means >= low) & (gaussians.means <= high)).all(axis=1)
    w, x, y, z = gaussians.quats[rows].T
    axes = np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], axis=1),
            np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], axis=1),
            np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=1),
        ],
        axis=1,
    )
    sides = (axes * gaussians.scales[rows][..., None]).reshape(-1, 3)
    middles = np.repeat(gaussians.means[rows], 3, axis=0)
    spots = np.concatenate([centers, middles + sides, middles - sides])
    return np.asarray(spots[((spots >= low) & (spots <= high)).all(axis=1)], np.float32)


def transform_gaussians(gaussians: Gaussians, matrix: Array) -> Gaussians:
    """Gaussians under a similarity [4, 4]. A rotation must leave SH of degree > 0 meaningful, so it turns them too."""
    scale = float(np.cbrt(np.linalg.det(matrix[:3, :3])))
    rotation = matrix[:3, :3] / scale
    means = gaussians.means @ matrix[:3, :3].T + matrix[:3, 3]
    quats = quat_multiply(quat_from_matrix(rotation), gaussians.quats.astype(np.float64))
    return Gaussians(
        means.astype(np.float32),
        quats.astype(np.float32),
        (gaussians.scales * scale).astype(np.float32),
        gaussians.opacities,
        rotated(gaussians.sh, rotation),
        gaussians.owner,
    )


Y_UP_TO_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


def file_frame(spec: MeshShape, bounds: Array) -> Array:
    """body_from_file [4, 4]: scale, up axis and origin. ``bounds`` are the file's own corners, [2, 3]."""
    linear = np.diag([*spec.scale, 1.0])
    if spec.up == "y":
        linear = linear @ Y_UP_TO_Z_UP
    if spec.origin == "file":
        return linear
    corners = np.array([[x, y, z, 1.0] for x in bounds[:, 0] for y in bounds[:, 1] for z in bounds[:, 2]])
    low, high = (f((corners @ linear.T)[:, :3], axis=0) for f in (np.min, np.max))
    shift = np.eye(4)
    shift[:3, 3] = -(low + high) / 2
    if spec.origin == "bottom":
        shift[2, 3] = -low[2]
    return np.asarray(shift @ linear)


def _bounds(points: list[NDArray[np.float32]]) -> Array:
    stacked = np.concatenate(points).astype(np.float64)
    return np.stack([stacked.min(axis=0), stacked.max(axis=0)])


def joined(meshes: tuple[Mesh, ...]) -> Mesh:
    """The triangles of several meshes as one."""
    offsets = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    faces = np.concatenate([m.faces + o for m, o in zip(meshes, offsets, strict=True)]).astype(np.int32)
    return Mesh(np.concatenate([m.vertices for m in meshes]), faces)


def _collider(
    kind: ColliderKind, dimensions: tuple[float, ...], pose: Array, material: Material, mesh: Mesh | None = None
) -> Collider:
    """A collider; meshes are moved into the part's frame, primitives keep a pose."""
    if mesh is not None:
        mesh, pose = mesh.transformed(pose), np.eye(4)
    return Collider(kind, dimensions, pose, material.friction, material.restitution, material.rolling_friction_m, mesh)
