"""The meshes of all parts with what they look like, in arrays, and where they are at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.color import srgb_to_linear
from simvid.assets.parts import SceneAssets
from simvid.deforming.loose import LooseSkin
from simvid.deforming.skins import Skin
from simvid.mesh import Mesh
from simvid.rendering.kernels.types import Floats, Ints
from simvid.rendering.sharp.textures import Atlas, atlas
from simvid.rendering.splats.appearance import dressed
from simvid.rendering.splats.clear import cover_of
from simvid.rendering.splats.loose import plain_albedo
from simvid.trajectory import Trajectory, pose_matrices

Array: TypeAlias = NDArray[np.float64]


class Posed(NamedTuple):
    """Triangles in a camera's frame at one time.

    Attributes:
        vertices: [m], float64 [V, 3].
        normals: of the smooth surface, 0 where faces are flat, [V, 3].
        faces: [F, 3].
        color: linear RGB that multiplies the texture, or is the colour without one, [V, 3].
        uvs: texture coordinates, origin at the bottom left, [V, 2].
        texture: of each face, -1 without, [F].
        opaque: of each face, 0 where it lets light through, else 1, [F].
    """

    vertices: Array
    normals: Floats
    faces: Ints
    color: Floats
    uvs: Floats
    texture: Ints
    opaque: Floats


@dataclass(frozen=True, eq=False)
class _Bound:
    """A mesh on a deformable body: its vertices among all."""

    rows: slice
    skin: Skin
    smooth: NDArray[np.bool_]
    """Which of its vertices have a normal, [V]."""


class SharpMeshes:
    """What of a scene is meshes, dressed in its looks. The ground and captures are not.

    Attributes:
        atlas: of all textures.
    """

    def __init__(self, assets: SceneAssets, trajectory: Trajectory) -> None:
        self._trajectory = trajectory
        self._bound: list[_Bound] = []
        self._loose: list[tuple[LooseSkin, Floats, bool]] = []
        pieces, owners, images = [_nothing()], [np.zeros(0, np.int32)], _Images()
        bending = {motion.part: motion for motion in trajectory.particles}
        count = 0
        for k, part in enumerate(assets.parts):
            motion = bending.get(k)
            if motion is not None and motion.form == "loose":
                grains = part.deformable is not None and part.deformable.kind == "granular"
                clear = part.visuals[0].look.transmission > 0
                self._loose.append((LooseSkin(motion, grains=grains), plain_albedo(part), clear))
            if part.part.kind == "ground" or (motion is not None and motion.form == "loose"):
                continue
            for look, mesh in ((v.look, v.mesh) for v in part.visuals if v.mesh is not None):
                piece = _piece(dressed(mesh, look), 1 - look.transmission, images)
                if motion is not None:
                    rows, normals = slice(count, count + len(piece.vertices)), piece.normals.astype(np.float64)
                    skin = Skin(motion, piece.vertices, normals)
                    self._bound.append(_Bound(rows, skin, np.asarray(normals.any(axis=1))))
                pieces.append(piece._replace(faces=piece.faces + np.int32(count)))
                owners.append(np.full(len(piece.vertices), k, np.int32))
                count += len(piece.vertices)
        self._rest, self._owner = _joined(pieces), np.concatenate(owners)
        self._normals = self._rest.normals.astype(np.float64)
        self.atlas: Atlas = atlas(images.all)

    def posed(self, when: float, camera_from_world: Array) -> Posed:
        """All triangles at a frame, or between two, as a camera of this pose sees them."""
        from simvid.surfaces.zbuffer import pose_vertices

        maps = camera_from_world @ pose_matrices(self._trajectory.poses_at(when))
        turns = np.concatenate([maps[:, :3, :3], np.zeros((len(maps), 3, 1))], axis=2)
        vertices, normals = np.empty_like(self._rest.vertices), np.empty_like(self._rest.vertices)
        pose_vertices(self._rest.vertices, self._owner, np.ascontiguousarray(maps[:, :3]), vertices)
        pose_vertices(self._normals, self._owner, turns, normals)
        turn, shift = camera_from_world[:3, :3], camera_from_world[:3, 3]
        for bound in self._bound:
            places, turned = bound.skin.at(when)
            assert turned is not None, "it was bound with normals"
            vertices[bound.rows] = places @ turn.T + shift
            normals[bound.rows] = (turned * bound.smooth[:, None]) @ turn.T
        posed = self._rest._replace(vertices=vertices, normals=normals.astype(np.float32))
        if not self._loose:
            return posed
        return _joined([posed, *(_grown(*loose, when, turn, shift) for loose in self._loose)], shifted=True)


class _Images:
    """Textures, each once."""

    def __init__(self) -> None:
        self.all: list[NDArray[np.uint8]] = []
        self._row: dict[int, int] = {}

    def row(self, image: NDArray[np.uint8]) -> int:
        """Where an image is among all."""
        if id(image) not in self._row:
            self._row[id(image)] = len(self.all)
            self.all.append(image)
        return self._row[id(image)]


def _piece(mesh: Mesh, opaque: float, images: _Images) -> Posed:
    """A mesh at rest, in its part's frame."""
    count, f = len(mesh.vertices), np.float32
    color = np.tile(srgb_to_linear(np.asarray(mesh.base_color)).astype(f) * f(opaque), (count, 1))
    uvs, texture = np.zeros((count, 2), f), -1
    if mesh.texture is not None and mesh.uvs is not None:
        uvs, texture = mesh.uvs, images.row(mesh.texture)
    elif mesh.vertex_colors is not None:
        color *= srgb_to_linear(mesh.vertex_colors[:, :3] / f(255)).astype(f)
    normals = np.zeros((count, 3), f) if mesh.normals is None else mesh.normals
    which = np.full(len(mesh.faces), texture, np.int32)
    solid = np.full(len(mesh.faces), opaque * cover_of(mesh) == 1, f)
    return Posed(mesh.vertices.astype(np.float64), normals, mesh.faces, color, uvs, which, solid)


def _grown(skin: LooseSkin, albedo: Floats, clear: bool, when: float, turn: Array, shift: Array) -> Posed:
    """Loose particles, seen from the camera."""
    net, light = skin.at(when)
    color = np.clip(light[:, None] * albedo, 0, 1).astype(np.float32)
    uvs, none = np.zeros((len(color), 2), np.float32), np.full(len(net.faces), -1, np.int32)
    normals = (net.normals @ turn.T).astype(np.float32)
    solid = np.full(len(none), not clear, np.float32)
    return Posed(net.vertices @ turn.T + shift, normals, net.faces.astype(np.int32), color, uvs, none, solid)


def _joined(pieces: Sequence[Posed], *, shifted: bool = False) -> Posed:
    """Several as one; ``shifted``: their faces count from their own first vertex."""
    starts = np.cumsum([0, *(len(p.vertices) for p in pieces)])[:-1] * shifted
    faces = np.concatenate([p.faces + np.int32(start) for p, start in zip(pieces, starts, strict=True)])
    rest = {name: np.concatenate([getattr(p, name) for p in pieces]) for name in Posed._fields if name != "faces"}
    return Posed(faces=faces, **rest)


def _nothing() -> Posed:
    f, i = np.float32, np.int32
    none = np.zeros((0, 3), f)
    return Posed(np.zeros((0, 3)), none, np.zeros((0, 3), i), none, np.zeros((0, 2), f), np.zeros(0, i), np.zeros(0, f))
