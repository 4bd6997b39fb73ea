"""Which triangles a part's surface is made of, and where they are at a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.assets.pieces import Collider
from simvid.assets.primitives import primitive_mesh
from simvid.deforming.loose import LooseSkin
from simvid.deforming.skins import Skin
from simvid.frames import CameraPath
from simvid.mesh import Mesh
from simvid.motion import rigid_inverse
from simvid.trajectory import ParticleMotion, Trajectory, pose_matrices

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SurfaceMeshes:
    """The surfaces of all parts but the ground, each in its part's frame.

    Parts that are meshes have their visual meshes. Parts that are captures have the meshes of their colliders, where
    there are such. Deformable parts are carried by their particles; around loose particles a skin is laid at each time.

    Attributes:
        vertices: [m], float64 [V, 3].
        vertex_part: index of the part (id - 1) of each vertex, [V].
        faces: [F, 3].
        face_id: part id of each face, rising, [F].
        captured: parts with a capture, by id, bool [B + 1].
    """

    vertices: Array
    vertex_part: NDArray[np.int32]
    faces: NDArray[np.int32]
    face_id: NDArray[np.int32]
    captured: NDArray[np.bool_]
    _carried: dict[int, tuple[ParticleMotion, Skin | LooseSkin]] = field(default_factory=dict, init=False, repr=False)

    @staticmethod
    def of(assets: SceneAssets) -> SurfaceMeshes:
        """The surfaces of a scene."""
        vertices: list[Array] = [np.zeros((0, 3))]
        faces = [np.zeros((0, 3), np.int32)]
        owners, parts = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
        count = 0
        for k, part in enumerate(assets.parts):
            for mesh in surface_of(part):
                vertices.append(mesh.vertices.astype(np.float64))
                faces.append((mesh.faces + count).astype(np.int32))
                owners.append(np.full(len(mesh.faces), k + 1, np.int32))
                parts.append(np.full(len(mesh.vertices), k, np.int32))
                count += len(mesh.vertices)
        captured = np.array([False, *(is_capture(part) for part in assets.parts)], np.bool_)
        join = np.concatenate
        return SurfaceMeshes(join(vertices), join(parts), join(faces), join(owners), captured)

    def posed(self, trajectory: Trajectory, when: float) -> Array:
        """Vertices of rigid parts in the world at a frame, or between two [m], [V, 3]; ``at`` is for all parts."""
        maps = pose_matrices(trajectory.poses_at(when))[self.vertex_part]
        return np.asarray(np.einsum("vab,vb->va", maps[:, :3, :3], self.vertices) + maps[:, :3, 3])

    def at(self, trajectory: Trajectory, when: float) -> tuple[Array, NDArray[np.int32], NDArray[np.int32]]:
        """Vertices in the world at a frame or between two [m] [V, 3], faces [F, 3] and their part ids [F].

        Faces are those of rest but for loose particles, whose vertices and faces come last.
        """
        vertices, faces, owners = self.posed(trajectory, when), [self.faces], [self.face_id]
        grown, count = [vertices], len(vertices)
        for motion in trajectory.particles:
            skin = self._skin(motion)
            if isinstance(skin, Skin):
                vertices[self.vertex_part == motion.part] = skin.at(when)[0]
                continue
            net = skin.at(when)[0]
            kept = owners[0] != motion.part + 1
            faces[0], owners[0] = faces[0][kept], owners[0][kept]
            faces.append(net.faces + np.int32(count))
            owners.append(np.full(len(net.faces), motion.part + 1, np.int32))
            grown.append(net.vertices)
            count += len(net.vertices)
        return np.concatenate(grown), np.concatenate(faces), np.concatenate(owners)

    def _skin(self, motion: ParticleMotion) -> Skin | LooseSkin:
        """What carries a part's vertices; bound once."""
        known = self._carried.get(motion.part)
        if known is None or known[0] is not motion:
            loose = motion.form == "loose"
            mine = self.vertices[self.vertex_part == motion.part]
            known = (motion, LooseSkin(motion, grains=False) if loose else Skin(motion, mine))
            self._carried[motion.part] = known
        return known[1]

    def in_camera(self, trajectory: Trajectory, camera: CameraPath, at: float) -> Array:
        """Vertices in a camera's frame [m], [V, 3], at a frame or between: ``posed`` and ``to_camera`` in one go."""
        from simvid.surfaces.zbuffer import pose_vertices

        eye = camera.world_from_camera[at] if isinstance(at, int) else camera.poses_at(at)
        maps = rigid_inverse(eye) @ pose_matrices(trajectory.poses_at(at))
        out = np.empty_like(self.vertices)
        pose_vertices(self.vertices, self.vertex_part, np.ascontiguousarray(maps[:, :3]), out)
        return out

    def has_surface(self) -> NDArray[np.bool_]:
        """Which parts have a surface, by id, bool [B + 1]."""
        found = np.zeros(len(self.captured), np.bool_)
        found[self.face_id] = True
        return found


def is_capture(part: PartAssets) -> bool:
    """Whether a part shows a capture."""
    return any(v.capture is not None for v in part.visuals)


def surface_of(part: PartAssets) -> list[Mesh]:
    """The meshes of one part's surface in its frame; none for the ground."""
    if part.part.kind == "ground":
        return []
    meshes = [v.mesh for v in part.visuals if v.mesh is not None]
    if is_capture(part):
        meshes += [mesh for c in part.colliders if (mesh := collider_mesh(c)) is not None]
    return meshes


def collider_mesh(collider: Collider) -> Mesh | None:
    """A collider as a mesh in its part's frame; None for a plane."""
    if collider.kind == "plane":
        return None
    mesh = collider.mesh if collider.mesh is not None else primitive_mesh(collider.kind, collider.dimensions)
    return mesh.transformed(collider.pose)


def part_boxes_m(parts: Sequence[PartAssets]) -> Array:
    """Lowest and highest corner of all that is seen of each part, in its frame [m]; NaN without; [B, 2, 3].

    Captures count to the outermost Gaussian centre.
    """
    boxes = np.full((len(parts), 2, 3), np.nan)
    for k, part in enumerate(parts):
        meshes = [v.mesh.vertices for v in part.visuals if v.mesh is not None]
        captures = [v.capture.means for v in part.visuals if v.capture is not None]
        points = [p for p in (*meshes, *captures) if len(p)]
        if points:
            boxes[k, 0] = np.min([p.min(axis=0) for p in points], axis=0)
            boxes[k, 1] = np.max([p.max(axis=0) for p in points], axis=0)
    return boxes
