"""SceneAssets -> a Mitsuba scene that is built once and moved from frame to frame.

Variants that trace many rays at once get every part as an instance, so that only a matrix changes when it moves, and
parts that look alike share their meshes. In the scalar variant, which cannot tell instances apart, the vertices of
plain meshes are moved.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import mitsuba as mi  # noqa: TID253  part of the path tracer, which is loaded only when it is asked for
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.mesh import Mesh
from simvid.rendering.appearance import dressed
from simvid.rendering.environment import ground_look
from simvid.rendering.pathtrace_materials import Described, attributes, ground_material, material
from simvid.scene import Look, Scene

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
FACING = np.diag([-1.0, -1.0, 1.0, 1.0])
"""OpenCV's camera axes from Mitsuba's, whose +x points left and whose +y points up."""


class StagedScene:
    """The shapes, materials and lights of a scene.

    Attributes:
        scene: Mitsuba's scene, to trace rays in. Its shapes are called ``part3``, or ``part3_0`` where they are not
            instances: the id of the part, and which of its meshes.
    """

    def __init__(
        self, assets: SceneAssets, described: Described, *, instanced: bool, center: Array, reach_m: float
    ) -> None:
        """Build the scene; nothing is in its place before the first ``pose``.

        Args:
            assets: parts that are meshes.
            described: lights, sensors and integrators, by name.
            instanced: whether parts are instances or plain meshes.
            center: middle of the ground [m], [3].
            reach_m: how far the ground goes.
        """
        self._instanced = instanced
        self._paths: dict[int, list[str]] = {}
        self._rest: dict[int, list[Mesh]] = {}
        self._poses: dict[int, Array] = {}
        whole: Described = {"type": "scene", **described}
        groups: dict[tuple[int, ...], int] = {}
        for k, part in enumerate(assets.parts, start=1):
            if part.part.kind == "ground":
                whole[f"part{k}"] = ground_shape(assets.scene, center, reach_m)
            elif part.visuals:
                self._add(whole, groups, k, part)
        self.scene: Any = mi.load_dict(whole)
        self._params: Any = mi.traverse(self.scene)

    def _add(self, whole: Described, groups: dict[tuple[int, ...], int], part_id: int, part: PartAssets) -> None:
        alike = tuple(id(visual) for visual in part.visuals)
        first = groups.setdefault(alike, part_id) if self._instanced else part_id
        if first == part_id:
            dressed_up = [(v.look, dressed(v.mesh, v.look)) for v in part.visuals if v.mesh is not None]
            shapes = {f"part{part_id}_{j}": mesh_shape(*pair) for j, pair in enumerate(dressed_up)}
            self._rest[part_id] = [mesh for _, mesh in dressed_up]
            self._paths[part_id] = [f"group{part_id}.{name}" if self._instanced else name for name in shapes]
            whole.update({f"group{part_id}": {"type": "shapegroup", **shapes}} if self._instanced else shapes)
        else:
            self._rest[part_id], self._paths[part_id] = self._rest[first], self._paths[first]
        if self._instanced:
            whole[f"part{part_id}"] = {"type": "instance", "meshes": {"type": "ref", "id": f"group{first}"}}

    def pose(self, poses: Array, camera: Array, sensor: str) -> None:
        """Move parts and the sensor to their places in a frame.

        Args:
            poses: world_from_part, [B, 4, 4].
            camera: world_from_camera, [4, 4].
            sensor: its name.
        """
        self._params[f"{sensor}.to_world"] = mi.ScalarTransform4f(camera @ FACING)
        for part_id, meshes in self._rest.items():
            pose = poses[part_id - 1]
            if part_id in self._poses and np.array_equal(self._poses[part_id], pose):
                continue
            self._poses[part_id] = pose.copy()
            if self._instanced:
                self._params[f"part{part_id}.to_world"] = mi.ScalarTransform4f(pose)
                continue
            for j, mesh in enumerate(meshes):
                moved = mesh.transformed(pose)
                self.set_vertices(part_id, j, moved.vertices, moved.normals)
        self._params.update()

    def set_vertices(self, part_id: int, visual: int, vertices: Floats, normals: Floats | None = None) -> None:
        """Give a mesh new vertices, for what deforms; they are seen after the next ``pose``.

        Args:
            part_id: whose mesh. Parts that look alike share theirs.
            visual: which of its meshes.
            vertices: in the part's frame where parts are instances, in the world where they are not [m], [V, 3].
            normals: unit, in the same frame, [V, 3]; None keeps the old ones.
        """
        path = self._paths[part_id][visual]
        self._params[f"{path}.vertex_positions"] = np.ascontiguousarray(vertices, np.float32).ravel()
        if normals is not None:
            self._params[f"{path}.vertex_normals"] = np.ascontiguousarray(normals, np.float32).ravel()


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
