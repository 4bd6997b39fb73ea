"""One deformable body of a scene -> its particles, what is seen of it, and its mass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.arrange import body_pose
from simvid.assets.bodies import (
    NEUTRAL_GREY,
    BodyGeometry,
    capture_in_body,
    clear_centers,
    clear_spots,
    joined,
    meshes_in_body,
    primitive_dimensions,
    transform_gaussians,
)
from simvid.assets.capture_splitting import split
from simvid.assets.mass import mesh_volume_inertia, primitive_volume_inertia
from simvid.assets.occupancy import occupancy_mesh
from simvid.assets.particles import USUAL, Particles, box_sheet, filled, line, mesh_sheet, meshed, shell
from simvid.assets.parts import DeformableBody, MassProperties, PartAssets
from simvid.assets.pieces import Visual
from simvid.assets.primitives import bowl_mesh, primitive_mesh
from simvid.assets.solidity import mesh_problems
from simvid.assets.subdividing import with_short_edges
from simvid.errors import AssetError
from simvid.mesh import Mesh
from simvid.scene import Body, DeformableKind, Material, Scene, Shape
from simvid.trajectory import ParticleForm, ParticleMotion

Array: TypeAlias = NDArray[np.float64]
FORMS: dict[DeformableKind, ParticleForm] = {
    "elastic": "solid", "plastic": "solid", "snow": "solid", "granular": "loose", "liquid": "loose", "cloth": "sheet",
    "rope": "line",
}  # fmt: skip
CLOSE = 3.0
"""Most radii of a rope between its particles where the scene does not say: nothing passes between them."""
LONGEST = 0.5
"""Standard deviation of a capture's Gaussians, at most, in spacings of the particles."""
CAPTURE_CELLS = (24, 96)
"""Cells along the longest edge of a capture, at least and at most, that tell its inside."""


@dataclass(frozen=True, eq=False)
class _Solid:
    """What is seen of a shape, and what it fills: closed meshes and the sum of their volumes, <= 0 if not known."""

    visuals: tuple[Visual, ...]
    solids: tuple[Mesh, ...]
    volume_m3: float


def deformable_geometry(body: Body, scene: Scene, base: Path) -> BodyGeometry:
    """Read a deformable body's files, fill it with particles, and bring it into the frame of its centre of mass.

    Raises:
        AssetError: a file that cannot be read, a shape that the kind of material cannot have, or a spacing that does
            not fit it.
    """
    material = scene.material(body.material)
    kind, model = material.kind, material.deformable
    assert kind is not None
    assert model is not None
    _check_body(body, kind)
    particles, visuals, volume, radius = _made(body, material, base)
    mass = body.mass_kg if body.mass_kg is not None else material.density_kg_m3 * volume
    center = particles.shares @ particles.places
    rest = (particles.places - center).astype(np.float32)
    deformable = DeformableBody(
        kind=kind,
        material=material,
        form=FORMS[kind],
        spacing_m=particles.spacing_m,
        rest=rest,
        masses_kg=mass * particles.shares,
        volumes_m3=volume * particles.shares,
        triangles=particles.triangles,
        radius_m=radius,
        tetrahedra=particles.tetrahedra,
    )
    seen = np.concatenate([v.mesh.vertices if v.mesh is not None else clear_centers(v.capture) for v in visuals])
    bounds = np.stack([seen.min(axis=0), seen.max(axis=0)]).astype(np.float64)
    shift = np.eye(4)
    shift[:3, 3] = -center
    reach = float(np.linalg.norm(seen, axis=1).max())
    moved = tuple(_moved(v, shift) for v in visuals)
    return BodyGeometry(moved, (), (), bounds, reach, deformable, _point_masses(deformable), center)


def _check_body(body: Body, kind: DeformableKind) -> None:
    """Refuse what only rigid bodies have."""
    for name in ("fixed", "motion", "joint"):
        if getattr(body, name):
            raise AssetError(f"a body of a deformable material ({kind}) moves freely: leave out {name}")
    if body.collision != "auto":
        raise AssetError(f"a body of a deformable material ({kind}) touches with its particles: leave out collision")


def _made(body: Body, material: Material, base: Path) -> tuple[Particles, tuple[Visual, ...], float, float]:
    """Particles, visuals in the body's frame, volume [m^3], and half the thickness of sheets and lines [m]."""
    look, shape = body.look or material.look, body.shape
    model = material.deformable
    assert model is not None
    plain = look if look.base_color is not None else look.model_copy(update={"base_color": NEUTRAL_GREY})
    spacing = model.particle_spacing_m
    if material.rope is not None:
        if shape.capsule is None and shape.cylinder is None:
            raise AssetError(f"a rope: expected a capsule or a cylinder, got a {shape.kind}")
        radius, half = primitive_dimensions(shape)
        usual = min(2 * half / (USUAL["line"] - 1), CLOSE * radius)
        made = line(2 * half, usual if spacing is None else spacing)
        seen = with_short_edges(primitive_mesh(shape.kind, (radius, half), 16), max(made.spacing_m, radius / 2))
        return made, (Visual(plain, mesh=seen),), primitive_volume_inertia(shape.kind, (radius, half))[0], radius
    if material.cloth is not None:
        if shape.box is not None:
            made = box_sheet(shape.box.size_m, spacing)
            thin = min(shape.box.size_m)
            seen = with_short_edges(primitive_mesh("box", primitive_dimensions(shape)), made.spacing_m)
            return made, (Visual(plain, mesh=seen),), made.volume_m3 * thin, thin / 2
        if shape.mesh is None:
            raise AssetError(f"a cloth: expected a thin box or an open mesh, got a {shape.kind}")
        meshes = meshes_in_body(shape.mesh, np.eye(4), base)
        thick = material.cloth.thickness_m
        made = mesh_sheet(joined(meshes), spacing)
        visuals = tuple(Visual(look, mesh=with_short_edges(m, made.spacing_m)) for m in meshes)
        return made, visuals, made.volume_m3 * thick, thick / 2
    whole = _solid(shape, material, np.eye(4), body, base)
    loose = material.kind is not None and FORMS[material.kind] == "loose"
    usual = USUAL["elements" if material.by_elements else "volume"]
    made = filled(whole.solids, whole.volume_m3, spacing, blocky=shape.splat is not None, loose=loose, usual=usual)
    if shape.splat is not None and shape.splat.fill == "shell":
        made = shell(made, clear_centers(whole.visuals[0].capture).astype(np.float64))
        whole = replace(whole, volume_m3=0.0)
    if material.by_elements:
        made = meshed(made)
    volume = whole.volume_m3 if whole.volume_m3 > 0 and not made.overlap else made.volume_m3
    return made, tuple(_fine(v, made.spacing_m) for v in whole.visuals), volume, made.spacing_m / 2


def _fine(visual: Visual, spacing_m: float) -> Visual:
    """A visual fine enough to bend as particles of a spacing do."""
    if visual.mesh is not None:
        return replace(visual, mesh=with_short_edges(visual.mesh, spacing_m))
    assert visual.capture is not None
    return replace(visual, capture=split(visual.capture, LONGEST * spacing_m))


def _solid(shape: Shape, material: Material, pose: Array, body: Body, base: Path) -> _Solid:
    look = body.look or material.look
    if shape.compound is not None:
        pieces = []
        for piece in shape.compound.parts:
            if piece.material is not None:
                raise AssetError(
                    f"a deformable body is of one material: leave material out of the parts of {body.name!r}"
                )
            if not piece.collide:
                raise AssetError(
                    "every part of a deformable body is full of particles, which collide: leave collide: false out of "
                    f"the parts of {body.name!r}, or make what is only seen a body of its own"
                )
            pieces.append(_solid(piece.shape, material, pose @ body_pose(piece.pose), body, base))
        known = all(p.volume_m3 > 0 for p in pieces)
        return _Solid(
            tuple(v for p in pieces for v in p.visuals),
            tuple(m for p in pieces for m in p.solids),
            sum(p.volume_m3 for p in pieces) if known else 0.0,
        )
    if shape.mesh is not None:
        meshes = meshes_in_body(shape.mesh, pose, base)
        whole = joined(meshes)
        sound = all(not mesh_problems(m) for m in meshes) or not mesh_problems(whole)
        volume = sum(mesh_volume_inertia(m)[0] for m in meshes) if sound else 0.0
        return _Solid(tuple(Visual(look, mesh=m) for m in meshes), (whole,), volume)
    if shape.splat is not None:
        capture = capture_in_body(shape.splat, pose, base)
        model = material.deformable
        spacing = None if model is None else model.particle_spacing_m
        core = clear_centers(capture)
        longest = float(np.ptp(core, axis=0).max())
        cells = 48 if spacing is None else int(np.clip(round(2 * longest / spacing), *CAPTURE_CELLS))
        solid = occupancy_mesh(clear_spots(capture), cells)
        return _Solid((Visual(look, capture=capture),), (solid,), mesh_volume_inertia(solid)[0])
    if look.base_color is None:
        look = look.model_copy(update={"base_color": NEUTRAL_GREY})
    if shape.bowl is not None:
        seen = bowl_mesh(shape.bowl.radius_m, shape.bowl.thickness_m)
        volume = mesh_volume_inertia(seen)[0]
    else:
        dimensions = primitive_dimensions(shape)
        seen = primitive_mesh(shape.kind, dimensions)
        volume = primitive_volume_inertia(shape.kind, dimensions)[0]
    placed = seen.transformed(pose)
    return _Solid((Visual(look, mesh=placed),), (placed,), volume)


def _moved(visual: Visual, matrix: Array) -> Visual:
    if visual.mesh is not None:
        return replace(visual, mesh=visual.mesh.transformed(matrix))
    assert visual.capture is not None
    return replace(visual, capture=transform_gaussians(visual.capture, matrix))


def particle_motion(
    parts: Sequence[PartAssets], index: int, positions: NDArray[np.floating], deformation: NDArray[np.floating]
) -> ParticleMotion:
    """What an engine hands over for one deformable part, whose F starts as the identity in the world.

    F of a ``ParticleMotion`` is taken from the part's frame: the rotation that the part starts with is put before it.
    Sheets and lines have F from their positions: ``deforming.frames.sheet_deformation`` and ``line_deformation``, which
    take it from the part's frame already.

    Args:
        parts: of the scene.
        index: of the part among them.
        positions: world [m], [T, P, 3].
        deformation: F from where the particles started, plastic flow included, [T, P, 3, 3].
    """
    part = parts[index]
    body = part.deformable
    assert body is not None, f"{part.part.name} is rigid"
    turned = np.asarray(deformation, np.float64) @ part.pose[:3, :3]
    return ParticleMotion(
        part.part.name, index, part.part.instance_id, body.form, np.asarray(positions, np.float32),
        turned.astype(np.float32), body.rest, body.triangles,
    )  # fmt: skip


def _point_masses(body: DeformableBody) -> MassProperties:
    """Of the undeformed body, its particles taken as points."""
    r, m = body.rest.astype(np.float64), body.masses_kg
    second = np.einsum("p,pi,pj->ij", m, r, r)
    return MassProperties(float(m.sum()), np.zeros(3), np.trace(second) * np.eye(3) - second)
