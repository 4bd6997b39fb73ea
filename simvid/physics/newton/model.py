"""SceneAssets -> newton.ModelBuilder: links, joints, shapes. One Newton body per part that moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import PartAssets, SceneAssets
from simvid.assets.pieces import Collider
from simvid.errors import SceneError
from simvid.mesh import Mesh
from simvid.physics.exact_mesh import exact_pieces
from simvid.physics.kinematic import start_pose
from simvid.physics.newton.links import add_urdf_robots, body_name
from simvid.physics.newton.package import load_newton
from simvid.rotations import quat_from_matrix
from simvid.scene.bodies import may_break

Array = NDArray[np.float64]
WORLD = -1
"""Newton's index of the world."""


def shape_name(part: int, collider: int) -> str:
    """Label of a collider's shape; Newton appends an underscore and a number."""
    return f"part{part}_c{collider}"


@dataclass(eq=False)
class SceneBuilder:
    """Builds the Newton model of a scene.

    Attributes:
        assets: the scene.
        builder: the ``newton.ModelBuilder``.
        parents: of each part the part that its joint ties it to, -1 for none, [B].
        anchored: whether the world holds a part for good: fixed, or welded to such a part, [B].
        exact: (part, collider, points of a convex piece in the part's frame) of non-convex meshes, which MuJoCo would
            fill up.
        tied: parts that ties may hold on to; they get bodies of their own even where the world holds them.
    """

    assets: SceneAssets
    builder: Any
    parents: tuple[int, ...]
    anchored: tuple[bool, ...]
    exact: list[tuple[int, int, Array]] = field(default_factory=list)
    tied: frozenset[int] = frozenset()
    _links: dict[int, int] = field(default_factory=dict)
    _meshes: dict[int, Any] = field(default_factory=dict)

    def has_body(self, part: int) -> bool:
        """Whether a part has a MuJoCo body of its own; else its shapes belong to the world."""
        return part in self._links

    def _body(self, k: int) -> int | None:
        """Add the link, joint and shapes of a body; the index of its joint."""
        part = self.assets.parts[k]
        if self.anchored[k] and k not in self.parents and k not in self.tied:
            self._shapes(k, WORLD, part.pose)
            return None
        mass = part.mass
        driven = part.body is not None and part.body.motion is not None
        link = self.builder.add_link(
            xform=transform(start_pose(part)),
            mass=1.0 if driven or mass is None else mass.mass_kg,
            com=None if driven or mass is None else tuple(mass.center_m),
            inertia=_mat33(np.eye(3) if driven or mass is None else mass.inertia_kg_m2),
            label=body_name(k),
            lock_inertia=True,
        )
        self._links[k] = link
        joint = self._joint(k, link)
        self._shapes(k, link, np.eye(4))
        return joint

    def _joint(self, k: int, link: int) -> int | None:
        part, up = self.assets.parts[k], self.parents[k]
        if self.anchored[k]:
            return int(self.builder.add_joint_fixed(WORLD, link, parent_xform=transform(part.pose)))
        joint = part.body.joint if part.body is not None else None
        if joint is None or may_break(joint) is not None:  # what can break is tied later
            return int(self.builder.add_joint_free(link))
        value = joint.value
        anchor = np.eye(4)
        anchor[:3, 3] = getattr(value, "anchor_m", part.pose[:3, 3])
        held = up < 0 or self.anchored[up]
        above = np.eye(4) if held else start_pose(self.assets.parts[up])
        frames = {
            "parent": WORLD if held else self._links[up],
            "child": link,
            "parent_xform": transform(np.linalg.inv(above) @ anchor),
            "child_xform": transform(np.linalg.inv(part.pose) @ anchor),
        }
        match joint.kind:
            case "hinge":
                options = {"axis": value.axis, "damping": value.damping_n_m_s, "armature": 0.0}
                return int(self.builder.add_joint_revolute(**frames, **options))
            case "slider":
                options = {"axis": value.axis, "damping": value.damping_n_s_m, "armature": 0.0}
                return int(self.builder.add_joint_prismatic(**frames, **options))
            case "ball":
                return int(self.builder.add_joint_ball(**frames, armature=0.0))
        return int(self.builder.add_joint_fixed(**frames))

    def _shapes(self, k: int, link: int, place: Array) -> None:
        import newton

        part = self.assets.parts[k]
        for c, collider in enumerate(part.colliders):
            pose = place @ collider.pose
            config = newton.ModelBuilder.ShapeConfig(
                density=0.0, mu=collider.friction, mu_rolling=collider.rolling_friction_m, gap=0.0,
                restitution=collider.restitution,
            )  # fmt: skip
            common = {"body": link, "xform": transform(pose), "cfg": config, "label": shape_name(k, c)}
            if collider.kind == "mesh":
                self._exact(k, c, collider)
            else:
                self._primitive(part, collider, common)

    def _exact(self, k: int, c: int, collider: Collider) -> None:
        part = self.assets.parts[k]
        if collider.mesh is None or not part.part.fixed:
            raise SceneError(
                f"body {part.part.name!r}: engine 'newton' collides moving meshes as convex pieces; expected "
                "collision: convex_parts or convex_hull, got exact"
            )
        turn, shift = collider.pose[:3, :3], collider.pose[:3, 3]
        self.exact.extend((k, c, points @ turn.T + shift) for points in exact_pieces(collider.mesh))

    def _primitive(self, part: PartAssets, collider: Collider, common: dict[str, Any]) -> None:
        b, d = self.builder, collider.dimensions
        match collider.kind:
            case "box":
                b.add_shape_box(hx=d[0], hy=d[1], hz=d[2], **common)
            case "sphere":
                b.add_shape_sphere(radius=d[0], **common)
            case "capsule":
                b.add_shape_capsule(radius=d[0], half_height=d[1], **common)
            case "cylinder":
                b.add_shape_cylinder(radius=d[0], half_height=d[1], **common)
            case "cone":
                b.add_shape_cone(radius=d[0], half_height=d[1], **common)
            case "ellipsoid":
                b.add_shape_ellipsoid(rx=d[0], ry=d[1], rz=d[2], **common)
            case "plane":
                if not part.part.fixed or (part.body is not None and part.body.motion is not None):
                    raise SceneError(f"body {part.part.name!r}: a plane without end cannot move; use a box")
                b.add_shape_plane(plane=None, width=0.0, length=0.0, **common)
            case _:
                b.add_shape_mesh(mesh=self._mesh(collider.mesh), **common)

    def _mesh(self, mesh: Mesh | None) -> Any:
        """Newton's mesh, one for all copies of a body."""
        import newton

        if mesh is None:
            raise ValueError("Collider: kind 'convex' needs a mesh")
        if id(mesh) not in self._meshes:
            self._meshes[id(mesh)] = newton.Mesh(mesh.vertices, mesh.faces.ravel(), compute_inertia=False)
        return self._meshes[id(mesh)]


def build_model(assets: SceneAssets) -> SceneBuilder:
    """The Newton model of a scene, not yet finalized.

    Raises:
        SceneError: unknown or circular joint parents, and what MuJoCo cannot collide.
    """
    load_newton()
    import newton

    builder = newton.ModelBuilder(gravity=(0.0, 0.0, 0.0))  # the scene's own, in float64, is set on MuJoCo's model
    builder.rigid_gap = 0.0
    newton.solvers.SolverMuJoCo.register_custom_attributes(builder)
    parents = _parents(assets)
    scene = SceneBuilder(assets, builder, parents, _anchored(assets, parents), tied=_tied(assets))
    bodies = [k for k, part in enumerate(assets.parts) if part.part.kind != "link"]
    for k in bodies:
        if scene.anchored[k] and (joint := scene._body(k)) is not None:
            builder.add_articulation([joint])
    for k in bodies:
        if not scene.anchored[k] and (parents[k] < 0 or scene.anchored[parents[k]]):
            joints = [joint for j in _below(k, parents) if (joint := scene._body(j)) is not None]
            builder.add_articulation(joints)
    add_urdf_robots(builder, assets)
    if not builder.joint_count:  # Newton converts no model without a joint
        builder.add_articulation([builder.add_joint_fixed(WORLD, builder.add_link(label="nothing"))])
    return scene


def _parents(assets: SceneAssets) -> tuple[int, ...]:
    index = {p.part.name: k for k, p in enumerate(assets.parts) if p.part.kind == "body"}
    parents = []
    for part in assets.parts:
        joint = part.body.joint if part.body is not None else None
        name = joint.value.parent if joint is not None else None
        if name is not None and name not in index:
            known = ", ".join(sorted(index))
            raise SceneError(f"body {part.part.name!r}: unknown joint parent {name!r}; bodies are {known}")
        parents.append(-1 if name is None or may_break(joint) is not None else index[name])
    for k, part in enumerate(assets.parts):
        at, steps = k, 0
        while at >= 0:
            at, steps = parents[at], steps + 1
            if steps > len(parents):
                raise SceneError(f"body {part.part.name!r}: the parents of its joint lead back to itself")
    return tuple(parents)


def _anchored(assets: SceneAssets, parents: tuple[int, ...]) -> tuple[bool, ...]:
    def held(k: int) -> bool:
        part = assets.parts[k]
        body = part.body
        if body is not None and body.joint is not None and body.joint.weld is not None and parents[k] >= 0:
            return held(parents[k])
        return part.part.fixed and (body is None or body.motion is None)

    return tuple(held(k) for k in range(len(assets.parts)))


def _tied(assets: SceneAssets) -> frozenset[int]:
    """Parts on the far side of attachments and of joints that break."""
    names = {tie.b for tie in assets.scene.attachments}
    for part in assets.parts:
        joint = part.body.joint if part.body is not None else None
        if joint is not None and may_break(joint) is not None:
            names.add(joint.value.parent)
    return frozenset(k for k, part in enumerate(assets.parts) if part.part.kind == "body" and part.part.name in names)


def _below(root: int, parents: tuple[int, ...]) -> list[int]:
    """A part and all that hangs on it, depth first."""
    children: dict[int, list[int]] = {}
    for k, up in enumerate(parents):
        children.setdefault(up, []).append(k)
    order, stack = [], [root]
    while stack:
        order.append(stack.pop())
        stack.extend(reversed(children.get(order[-1], [])))
    return order


def transform(matrix: Array) -> Any:
    """A homogeneous matrix [4, 4] as ``warp.transform`` (its quaternions are x, y, z, w)."""
    import warp

    w, x, y, z = quat_from_matrix(matrix[:3, :3])
    return warp.transform(tuple(matrix[:3, 3]), (x, y, z, w))


def _mat33(matrix: Array) -> Any:
    import warp

    return warp.mat33(matrix)
