"""Geoms of a compiled MuJoCo model as visuals and colliders."""

from __future__ import annotations

import mujoco  # noqa: TID253  this module is loaded for MJCF files alone
import numpy as np
from numpy.typing import NDArray

from simvid.assets.pieces import Collider, ColliderKind, Visual
from simvid.assets.primitives import primitive_mesh
from simvid.mesh import Mesh
from simvid.rotations import pose_matrix
from simvid.scene import Look

Array = NDArray[np.float64]
VISIBLE_GROUPS = 3
"""MuJoCo's viewer shows geom groups 0, 1 and 2 until asked for more."""
DEFAULT_RGBA = (0.5, 0.5, 0.5, 1.0)
"""A geom's rgba that was not set; its material counts then."""
SIMPLE: dict[int, ColliderKind] = {
    int(mujoco.mjtGeom.mjGEOM_BOX): "box",
    int(mujoco.mjtGeom.mjGEOM_SPHERE): "sphere",
    int(mujoco.mjtGeom.mjGEOM_CAPSULE): "capsule",
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): "cylinder",
    int(mujoco.mjtGeom.mjGEOM_ELLIPSOID): "ellipsoid",
}
SIZES = {"box": 3, "sphere": 1, "capsule": 2, "cylinder": 2, "ellipsoid": 3}
MESH = int(mujoco.mjtGeom.mjGEOM_MESH)


def link_geometry(m: mujoco.MjModel, body: int) -> tuple[tuple[Visual, ...], tuple[Collider, ...]]:
    """What is seen of a body and what touches, in its frame.

    MuJoCo moves a mesh into its own inertia frame when it compiles; the geom's pose undoes that, so both together are
    right here.
    """
    visuals: list[Visual] = []
    colliders: list[Collider] = []
    first = int(m.body_geomadr[body])
    for g in range(first, first + int(m.body_geomnum[body])):
        kind = int(m.geom_type[g])
        if kind != MESH and kind not in SIMPLE:
            continue
        pose = pose_matrix(m.geom_pos[g], m.geom_quat[g])
        rgba = _rgba(m, g)
        if int(m.geom_group[g]) < VISIBLE_GROUPS and rgba[3] > 0:
            visuals.append(_visual(m, g, rgba, pose))
        if m.geom_contype[g] or m.geom_conaffinity[g]:
            colliders.append(_collider(m, g, pose))
    return tuple(visuals), tuple(colliders)


def _rgba(m: mujoco.MjModel, g: int) -> Array:
    own, material = m.geom_rgba[g], int(m.geom_matid[g])
    use_material = material >= 0 and np.allclose(own, DEFAULT_RGBA)
    return np.asarray(m.mat_rgba[material] if use_material else own, dtype=np.float64)


def _visual(m: mujoco.MjModel, g: int, rgba: Array, pose: Array) -> Visual:
    red, green, blue = (float(c) for c in np.clip(rgba[:3], 0, 1))
    texture = _texture(m, int(m.geom_matid[g]))
    kind = int(m.geom_type[g])
    if kind == MESH:
        mesh = _mesh(m, int(m.geom_dataid[g]), textured=texture is not None)
    else:
        name = SIMPLE[kind]
        mesh = primitive_mesh(name, tuple(float(s) for s in m.geom_size[g, : SIZES[name]]))
        mesh = Mesh(mesh.vertices, mesh.faces, mesh.normals)
    if texture is not None and mesh.uvs is None:
        mean = texture[..., :3].reshape(-1, 3).mean(axis=0) / 255
        red, green, blue = red * float(mean[0]), green * float(mean[1]), blue * float(mean[2])
        texture = None
    mesh = Mesh(mesh.vertices, mesh.faces, mesh.normals, mesh.uvs, texture, None, (red, green, blue))
    return Visual(_look(m, int(m.geom_matid[g])), mesh=mesh.transformed(pose))


def _look(m: mujoco.MjModel, material: int) -> Look:
    """Roughness and metalness where the material has them (else from its shininess, Phong's, or simvid's default)."""
    if material < 0:
        return Look()
    rough, metal = float(m.mat_roughness[material]), float(m.mat_metallic[material])
    if rough < 0:
        rough = 1 - float(m.mat_shininess[material])
    return Look(roughness=float(np.clip(rough, 0, 1)), metallic=float(np.clip(metal, 0, 1)))


def _texture(m: mujoco.MjModel, material: int) -> NDArray[np.uint8] | None:
    """The material's colour texture, uint8 [h, w, 4]."""
    if material < 0:
        return None
    roles = (int(mujoco.mjtTextureRole.mjTEXROLE_RGB), int(mujoco.mjtTextureRole.mjTEXROLE_RGBA))
    ids = [int(m.mat_texid[material, role]) for role in roles if m.mat_texid[material, role] >= 0]
    if not ids:
        return None
    t = ids[0]
    h, w, c = int(m.tex_height[t]), int(m.tex_width[t]), int(m.tex_nchannel[t])
    start = int(m.tex_adr[t])
    pixels = np.asarray(m.tex_data[start : start + h * w * c], dtype=np.uint8).reshape(h, w, c)
    out = np.full((h, w, 4), 255, dtype=np.uint8)
    out[..., : min(c, 4)] = pixels[..., :4] if c >= 3 else pixels[..., :1].repeat(3, axis=-1)
    return out


def _mesh(m: mujoco.MjModel, k: int, *, textured: bool) -> Mesh:
    """Mesh k of the model; corners are split where its normals or texture coordinates differ.

    MuJoCo keeps texture coordinates with t = 0 in the first row of the image; here v = 0 is at the bottom.
    """
    vertices = m.mesh_vert[m.mesh_vertadr[k] :][: m.mesh_vertnum[k]]
    faces = m.mesh_face[m.mesh_faceadr[k] :][: m.mesh_facenum[k]]
    corners = [faces, m.mesh_facenormal[m.mesh_faceadr[k] :][: m.mesh_facenum[k]]]
    normals = m.mesh_normal[m.mesh_normaladr[k] :][: m.mesh_normalnum[k]]
    has_uv = textured and int(m.mesh_texcoordadr[k]) >= 0
    if has_uv:
        corners.append(m.mesh_facetexcoord[m.mesh_faceadr[k] :][: m.mesh_facenum[k]])
    if not has_uv and len(normals) == len(vertices) and np.array_equal(corners[0], corners[1]):
        return Mesh(vertices.astype(np.float32), faces.astype(np.int32), normals.astype(np.float32))
    keys = np.stack([c.reshape(-1) for c in corners], axis=1)
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    uvs = None
    if has_uv:
        own = m.mesh_texcoord[m.mesh_texcoordadr[k] :][: m.mesh_texcoordnum[k]]
        uvs = (own[unique[:, 2]] * (1, -1) + (0, 1)).astype(np.float32)
    return Mesh(
        vertices[unique[:, 0]].astype(np.float32),
        inverse.reshape(-1, 3).astype(np.int32),
        normals[unique[:, 1]].astype(np.float32),
        uvs,
    )


def _collider(m: mujoco.MjModel, g: int, pose: Array) -> Collider:
    """Meshes touch with their convex hull, as in MuJoCo."""
    friction = float(m.geom_friction[g, 0])
    kind = int(m.geom_type[g])
    if kind == MESH:
        return Collider("convex", (), pose, friction, 0.0, mesh=_hull(m, int(m.geom_dataid[g])))
    name = SIMPLE[kind]
    size = tuple(float(s) for s in m.geom_size[g, : SIZES[name]])
    return Collider(name, size, pose, friction, 0.0)


def _hull(m: mujoco.MjModel, k: int) -> Mesh:
    """Convex hull of mesh k, out of MuJoCo's ``mesh_graph`` (counts, edges, then the hull's faces at the end)."""
    vertices = m.mesh_vert[m.mesh_vertadr[k] :][: m.mesh_vertnum[k]].astype(np.float32)
    start = int(m.mesh_graphadr[k])
    if start < 0:
        faces = m.mesh_face[m.mesh_faceadr[k] :][: m.mesh_facenum[k]]
    else:
        count, triangles = (int(n) for n in m.mesh_graph[start : start + 2])
        at = start + 2 + 2 * count + count + 3 * triangles
        faces = m.mesh_graph[at : at + 3 * triangles].reshape(-1, 3)
    used, compact = np.unique(faces, return_inverse=True)
    return Mesh(vertices[used], compact.reshape(-1, 3).astype(np.int32))
