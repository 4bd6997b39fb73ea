"""Is a camera inside something solid? Then its pictures would be nonsense, and the scene is at fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.assets.pieces import Collider
from simvid.errors import SceneError
from simvid.frames import CameraPath
from simvid.mesh import Mesh
from simvid.motion import motion_of
from simvid.trajectory import ParticleMotion, Trajectory

Array = NDArray[np.float64]
NEAR = 2.0
"""Whether a place is in a body that deforms is asked up to so far from its particles [spacings]."""
PACKED = 0.87
"""Hardly a place among packed particles is farther from the nearest [spacings]: half the diagonal of a cell."""


@dataclass(frozen=True)
class Inside:
    """The first frame at which a camera's centre lies inside a part."""

    part: str
    frame: int
    time_s: float


def check_camera(path: CameraPath, assets: SceneAssets, trajectory: Trajectory) -> None:
    """Refuse a camera that is ever inside a solid part.

    Raises:
        SceneError: naming the camera, the part and the time.
    """
    found = camera_inside(path, assets, trajectory)
    if found is None:
        return
    scene = assets.scene
    where = scene.where(scene.camera_path(path.name))
    thing = "below the ground" if found.part == "ground" else f"inside {found.part!r}"
    raise SceneError(
        f"{where}: camera {path.name!r} is {thing} at t = {found.time_s:.3f} s (frame {found.frame}), where it sees "
        "nothing; expected a place in the open: move the camera, or the part"
    )


def camera_inside(path: CameraPath, assets: SceneAssets, trajectory: Trajectory) -> Inside | None:
    """The earliest (frame, part) at which the camera's centre is inside a part's solid, or None.

    Solid are: below the ground; primitive colliders; visual meshes (inside where the generalised winding number,
    Jacobson et al. 2013, is over a half, which forgives small holes); the colliders of captures. Bodies with particles
    are as these have them at each frame.
    """
    earliest: Inside | None = None
    frames = len(path.world_from_camera)
    centers = path.world_from_camera[:, :3, 3]
    deforming = {motion.part: motion for motion in trajectory.particles}
    for k, assets_of_part in enumerate(assets.parts):
        if k in deforming:
            inside = np.flatnonzero(_inside_particles(centers, assets_of_part, deforming[k], trajectory))
        else:
            rotations = np.stack([trajectory.matrices(i)[k] for i in range(frames)])
            local = np.einsum("tji,tj->ti", rotations[:, :3, :3], centers - rotations[:, :3, 3])
            inside = np.flatnonzero(_inside(local, assets_of_part))
        if len(inside) and (earliest is None or inside[0] < earliest.frame):
            frame = int(inside[0])
            earliest = Inside(assets_of_part.part.name, frame, trajectory.time_s(frame))
    return earliest


def _inside_particles(
    centers: Array, part: PartAssets, motion: ParticleMotion, trajectory: Trajectory
) -> NDArray[np.bool_]:
    """Which places [T, 3] of the world, one a frame, lie in a body that deforms.

    Those of a body with a map from rest (see ``simvid.motion``) are looked for in its meshes at rest.
    """
    assert part.deformable is not None, "what has particles in motion has them at rest"
    spacing = part.deformable.spacing_m
    nearest = np.array([((at - c) ** 2).sum(axis=1).min() for at, c in zip(motion.positions, centers, strict=True)])
    if motion.form == "loose" or not any(v.mesh is not None for v in part.visuals):
        return np.asarray(nearest < (PACKED * spacing) ** 2)
    found = np.zeros(len(centers), dtype=bool)
    near = np.flatnonzero(nearest < (NEAR * spacing) ** 2)
    if len(near):
        ids = np.full(len(near), motion.part + 1, np.int32)
        found[near] = _inside(motion_of(trajectory).rest(centers[near], ids, near.astype(np.float64)), part)
    return found


def _inside(points: Array, part: PartAssets) -> NDArray[np.bool_]:
    """Which points [T, 3] of the part's frame lie in its solid."""
    found = np.zeros(len(points), dtype=bool)
    meshes = [v.mesh for v in part.visuals if v.mesh is not None]
    for collider in part.colliders:
        if collider.mesh is None:
            found |= _inside_primitive(points, collider)
        elif not meshes:
            found |= _inside_meshes(points, [collider.mesh])
    return found | _inside_meshes(points, meshes)


def _inside_primitive(points: Array, collider: Collider) -> NDArray[np.bool_]:
    p = (points - collider.pose[:3, 3]) @ collider.pose[:3, :3]
    size = np.array(collider.dimensions)
    radial = np.hypot(p[:, 0], p[:, 1])
    inside: NDArray[np.bool_]
    match collider.kind:
        case "plane":
            inside = p[:, 2] < 0
        case "box":
            inside = np.asarray((np.abs(p) < size).all(axis=1))
        case "sphere":
            inside = np.linalg.norm(p, axis=1) < size[0]
        case "ellipsoid":
            inside = np.linalg.norm(p / size, axis=1) < 1
        case "capsule":
            inside = np.hypot(radial, np.maximum(np.abs(p[:, 2]) - size[1], 0)) < size[0]
        case "cylinder":
            inside = (radial < size[0]) & (np.abs(p[:, 2]) < size[1])
        case "cone":
            inside = (np.abs(p[:, 2]) < size[1]) & (radial < size[0] * (size[1] - p[:, 2]) / (2 * size[1]))
        case "convex" | "mesh":
            raise ValueError(f"a {collider.kind} collider needs a mesh")
    return inside


def _inside_meshes(points: Array, meshes: Sequence[Mesh]) -> NDArray[np.bool_]:
    """Inside the surface that all meshes make together (robots' meshes are often split by material into patches)."""
    found = np.zeros(len(points), dtype=bool)
    if not meshes:
        return found
    bounds = np.stack([m.bounds for m in meshes])
    near = np.flatnonzero(((points > bounds[:, 0].min(axis=0)) & (points < bounds[:, 1].max(axis=0))).all(axis=1))
    if len(near):
        places, back = np.unique(points[near], axis=0, return_inverse=True)
        turns = [abs(sum(winding_number(p, m) for m in meshes)) > 0.5 for p in places]
        found[near] = np.array(turns)[back.ravel()]
    return found


def winding_number(point: Array, mesh: Mesh) -> float:
    """How often a mesh wraps around a point: 1 inside a closed one, 0 outside (van Oosterom & Strackee 1983)."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces].astype(np.float64) - point, 1, 0)
    la, lb, lc = (np.linalg.norm(v, axis=1) for v in (a, b, c))
    over = np.einsum("ij,ij->i", a, np.cross(b, c))
    under = (
        la * lb * lc
        + np.einsum("ij,ij->i", a, b) * lc
        + np.einsum("ij,ij->i", b, c) * la
        + np.einsum("ij,ij->i", c, a) * lb
    )
    return float(np.arctan2(over, under).sum() / (2 * np.pi))
