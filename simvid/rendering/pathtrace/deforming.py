"""Deformable parts in a staged scene: their meshes are carried by particles, loose ones get a skin at every frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simvid.assets.color import linear_to_srgb
from simvid.assets.parts import SceneAssets
from simvid.deforming.loose import LooseSkin
from simvid.deforming.skins import Skin
from simvid.mesh import Mesh
from simvid.rendering.kernels.types import Floats
from simvid.rendering.splats.appearance import dressed
from simvid.rendering.splats.loose import plain_albedo
from simvid.trajectory import ParticleMotion, Trajectory

if TYPE_CHECKING:
    from simvid.rendering.pathtrace.scene import StagedScene


class DeformingMeshes:
    """The meshes of all deformable parts of a trajectory.

    Attributes:
        skins: meshes in which loose parts are staged, by part id. They have room for the largest skin of the clip,
            since Mitsuba's scalar variant cannot change the number of triangles; what is left over is folded into one
            point.
    """

    def __init__(self, assets: SceneAssets, trajectory: Trajectory) -> None:
        self.skins: dict[int, Mesh] = {}
        self._bound: list[tuple[int, int, Skin]] = []
        self._loose: dict[int, LooseSkin] = {}
        self._colors: dict[int, Floats] = {}
        for motion in trajectory.particles:
            part, k = assets.parts[motion.part], motion.part + 1
            if motion.form == "loose":
                grains = part.deformable is not None and part.deformable.kind == "granular"
                self._loose[k], self._colors[k] = LooseSkin(motion, grains=grains), plain_albedo(part)
                self.skins[k] = self._largest(k, motion)
                continue
            meshes = [dressed(v.mesh, v.look) for v in part.visuals if v.mesh is not None]
            for j, mesh in enumerate(meshes):
                normals = None if mesh.normals is None else mesh.normals.astype(np.float64)
                self._bound.append((k, j, Skin(motion, mesh.vertices.astype(np.float64), normals)))

    def ids(self) -> frozenset[int]:
        """Parts that are not moved by their pose."""
        return frozenset({k for k, _, _ in self._bound} | set(self._loose))

    def pose(self, staged: StagedScene, frame: int) -> None:
        """Move all to a frame; see ``StagedScene.update``."""
        for k, j, skin in self._bound:
            vertices, normals = skin.at(frame)
            turned = None if normals is None else normals.astype(np.float32)
            staged.set_vertices(k, j, vertices.astype(np.float32), turned)
        for k in self._loose:
            mesh = self._skin(k, frame, self.skins[k])
            staged.set_mesh(k, 0, mesh)

    def _largest(self, k: int, motion: ParticleMotion) -> Mesh:
        """A mesh with as many vertices and faces as the skin ever has."""
        nets = [self._loose[k].at(i)[0] for i in range(len(motion.positions))]
        v, f = max(len(n.vertices) for n in nets), max(len(n.faces) for n in nets)
        return Mesh(
            np.zeros((v, 3), np.float32), np.zeros((f, 3), np.int32), np.tile(np.array([0, 0, 1], np.float32), (v, 1)),
            vertex_colors=np.full((v, 4), 255, np.uint8),
        )  # fmt: skip

    def _skin(self, k: int, frame: int, room: Mesh) -> Mesh:
        net, light = self._loose[k].at(frame)
        color = linear_to_srgb(np.clip(light[:, None] * self._colors[k], 0, 1))
        v, f = len(room.vertices) - len(net.vertices), len(room.faces) - len(net.faces)
        painted = np.concatenate([np.round(255 * color), np.full((len(color), 1), 255)], axis=1).astype(np.uint8)
        return Mesh(
            np.concatenate([net.vertices, np.repeat(net.vertices[:1], v, axis=0)]).astype(np.float32),
            np.concatenate([net.faces, np.zeros((f, 3), np.int32)]),
            np.concatenate([net.normals, np.repeat(net.normals[:1], v, axis=0)]).astype(np.float32),
            vertex_colors=np.concatenate([painted, np.repeat(painted[:1], v, axis=0)]),
        )
