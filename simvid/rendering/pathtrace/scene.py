"""SceneAssets -> a Mitsuba scene that is built once and moved from frame to frame.

Every mesh is a shape of its own with its vertices in the world: moving it costs a matrix product and a new search tree
of that mesh, and rays are about twice as fast as through Mitsuba's instances. Deforming meshes go the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import mitsuba as mi  # noqa: TID253  part of the path tracer, which is loaded only when it is asked for
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.mesh import Mesh
from simvid.rendering.light.environment import ground_look
from simvid.rendering.pathtrace.materials import Described, attributes, ground_material, has_holes, material, pane_tint
from simvid.rendering.splats.appearance import dressed
from simvid.scene import Look, Scene

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
FACING = np.diag([-1.0, -1.0, 1.0, 1.0])
"""OpenCV's camera axes from Mitsuba's, whose +x points left and whose +y points up."""


class StagedScene:
    """The shapes, materials and lights of a scene.

    Attributes:
        scene: Mitsuba's scene, to trace rays in. Its shapes are called ``part3`` (the ground) or ``part3_0``: the id of
            the part, and which of its meshes.
        tints: what of a light goes straight through a surface, [3], of shapes that light goes through, by name.
        see_through: whether any shape has a tint or holes.
    """

    def __init__(
        self,
        assets: SceneAssets,
        described: Described,
        *,
        center: Array,
        reach_m: float,
        skins: Mapping[int, Mesh] | None = None,
        carried: Collection[int] = (),
    ) -> None:
        """Build the scene; nothing is in its place before the first ``pose``.

        Args:
            assets: parts that are meshes.
            described: lights and sensors, by name.
            center: middle of the ground [m], [3].
            reach_m: how far the ground goes.
            skins: by part id, a mesh that stands for all meshes of a part.
            carried: ids of parts that ``pose`` leaves alone, since they deform.
        """
        self._carried = frozenset(carried)
        self._meshes: dict[int, list[Mesh]] = {}
        self._poses: dict[int, Array] = {}
        self.tints: dict[str, Floats] = {}
        self.see_through = False
        whole: Described = {"type": "scene", **described}
        for k, part in enumerate(assets.parts, start=1):
            if part.part.kind == "ground":
                whole[f"part{k}"] = ground_shape(assets.scene, center, reach_m)
                continue
            dressed_up = [(v.look, dressed(v.mesh, v.look)) for v in part.visuals if v.mesh is not None]
            if skins is not None and k in skins:
                dressed_up = [(part.visuals[0].look, skins[k])]
            whole |= {f"part{k}_{j}": mesh_shape(*pair) for j, pair in enumerate(dressed_up)}
            self._meshes[k] = [mesh for _, mesh in dressed_up]
            clear = {f"part{k}_{j}": pair for j, pair in enumerate(dressed_up) if pair[0].transmission > 0}
            self.tints |= {name: pane_tint(*pair) for name, pair in clear.items()}
            self.see_through |= bool(clear) or any(has_holes(mesh) for mesh in self._meshes[k])
        self.scene: Any = mi.load_dict(whole)
        self._params: Any = mi.traverse(self.scene)

    def pose(self, poses: Array) -> None:
        """Move parts to their places in a frame; those that have not moved cost nothing. See ``update``.

        Args:
            poses: world_from_part, [B, 4, 4].
        """
        for part_id, meshes in self._meshes.items():
            pose = poses[part_id - 1]
            if part_id in self._carried:
                continue
            if part_id in self._poses and np.array_equal(self._poses[part_id], pose):
                continue
            self._poses[part_id] = pose.copy()
            for j, mesh in enumerate(meshes):
                moved = mesh.transformed(pose)
                self.set_vertices(part_id, j, moved.vertices, moved.normals)

    def place(self, sensor: str, camera: Array) -> None:
        """Move a sensor of Mitsuba's to world_from_camera, [4, 4]; see ``update``."""
        self._params[f"{sensor}.to_world"] = mi.ScalarTransform4f(camera @ FACING)

    def update(self) -> None:
        """Make what was moved since the last call be seen."""
        self._params.update()

    def set_vertices(self, part_id: int, mesh: int, vertices: Floats, normals: Floats | None = None) -> None:
        """Give a mesh new vertices, for what deforms; see ``update``.

        Args:
            part_id: whose mesh.
            mesh: which of its meshes.
            vertices: in the world [m], [V, 3].
            normals: unit, in the world, [V, 3]; None keeps the old ones.
        """
        path = f"part{part_id}_{mesh}"
        self._params[f"{path}.vertex_positions"] = np.ascontiguousarray(vertices, np.float32).ravel()
        if normals is not None:
            self._params[f"{path}.vertex_normals"] = np.ascontiguousarray(normals, np.float32).ravel()

    def set_mesh(self, part_id: int, mesh: int, new: Mesh) -> None:
        """Give a mesh new vertices, faces and colours of the same numbers; see ``update``."""
        assert new.normals is not None, "staged with normals"
        self.set_vertices(part_id, mesh, new.vertices, new.normals)
        path = f"part{part_id}_{mesh}"
        self._params[f"{path}.faces"] = np.ascontiguousarray(new.faces, np.uint32).ravel()
        for name, values in attributes(new).items():
            self._params[f"{path}.{name}"] = np.ascontiguousarray(values, np.float32).ravel()


def mesh_shape(look: Look, mesh: Mesh) -> Any:
    """A mesh with its material as Mitsuba's shape."""
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(material(look, mesh))
    smooth, mapped = mesh.normals is not None, mesh.uvs is not None
    shape = mi.Mesh(
        "mesh", len(mesh.vertices), len(mesh.faces), properties, has_vertex_normals=smooth, has_vertex_texcoords=mapped
    )
    params: Any = mi.traverse(shape)
    params["vertex_positions"] = np.ascontiguousarray(mesh.vertices, np.float32).ravel()
    params["faces"] = np.ascontiguousarray(mesh.faces, np.uint32).ravel()
    if mesh.normals is not None:
        params["vertex_normals"] = np.ascontiguousarray(mesh.normals, np.float32).ravel()
    if mesh.uvs is not None:
        params["vertex_texcoords"] = np.ascontiguousarray(mesh.uvs, np.float32).ravel()
    params.update()
    for name, values in attributes(mesh).items():
        shape.add_attribute(name, values.shape[1], np.ascontiguousarray(values, np.float32).ravel())
    return shape


def ground_shape(scene: Scene, center: Array, reach_m: float) -> Described:
    """The ground as a square about a point, its texture where the splat renderer has it: corner of a tile at (0, 0)."""
    assert scene.ground is not None
    look = ground_look(scene)
    tile = look.texture_size_m
    half = np.ceil(reach_m / tile) * tile
    x, y = np.round(center[:2] / tile) * tile
    at = (
        mi.ScalarTransform4f()
        .translate([float(x), float(y), scene.ground.height_m])
        .scale([float(half), float(half), 1.0])
    )
    return {"type": "rectangle", "to_world": at, "bsdf": ground_material(look, float(2 * half / tile))}
