"""The compiled world: MuJoCo's model and data for a scene, and what in it belongs to which part."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.assets.pieces import Collider
from simvid.errors import PhysicsError
from simvid.physics.newton.joint_settings import tune_joints
from simvid.physics.newton.links import (
    add_missing_actuators,
    attach_mjcf_robots,
    body_name,
    body_names,
    exclude_touching_links,
)
from simvid.physics.newton.model import SceneBuilder, shape_name
from simvid.physics.newton.robots import NewtonRobot, set_up_robots
from simvid.physics.newton.start import set_start
from simvid.physics.newton.templates import Templates, converted
from simvid.physics.newton.tie_plans import add_ties
from simvid.physics.watch import OVERLAP_M

Array = NDArray[np.float64]
Ints = NDArray[np.int32]
SOLIMP = (0.995, 0.999, 0.001, 0.5, 2.0)
"""Contact impedance: a resting contact yields by 0.5 % (a body sinks 0.02 mm by its weight, which keeps it in touch),
one that is 1 mm deep by 0.1 %."""
SOFTNESS_S = 0.02
"""Time in which a resting contact pushes penetration out, critically damped (MuJoCo's default); at least two steps."""
OUR_SHARE = 1000.0
"""Weight of the scene's contact softness against that of a robot's file."""
TOLERANCE = 1e-10
"""Of the solver, relative to the trace of the mass matrix; tight, for the sake of light bodies beside heavy ones."""
IMPRATIO = 10.0
"""Friction holds ten times harder than the normal direction (MuJoCo's advice for grasping)."""
DRIVE_FACTOR = 1e6
"""Armature of keyframed bodies over the heaviest other mass: they feel one part in 10^6 of a contact, for one step."""
EVERYTHING = 1 << 30
"""Collision bit of the scene: bodies and robots touch what has it in its contype, fixed parts do not look for it."""

GEOM_NAME = re.compile(r"part(\d+)_c(\d+)_\d+$")


@dataclass(frozen=True, eq=False)
class World:
    """A scene, ready to step.

    Attributes:
        assets: the scene.
        m, d: MuJoCo's model and data at t = 0.
        bodies: MuJoCo body of each part, 0 for parts that belong to the world, [B].
        moving: whether a part's pose can change, [B].
        geom_ids: part id of each geom, [ngeom].
        restitution: of each geom, [ngeom].
        robots: in the scene's order.
    """

    assets: SceneAssets
    m: Any
    d: Any
    bodies: Ints
    moving: NDArray[np.bool_]
    geom_ids: Ints
    restitution: Array
    robots: tuple[NewtonRobot, ...]

    def part_of_body(self, body: int) -> int:
        """Index of the part that a MuJoCo body is, -1 for the world."""
        found = np.flatnonzero(self.bodies == body)
        return int(found[0]) if body > 0 and len(found) else -1


def build_world(assets: SceneAssets, templates: Templates | None = None) -> World:
    """Build a scene with Newton and compile it for MuJoCo.

    Args:
        assets: the scene.
        templates: conversions of scenes like it.

    Raises:
        SceneError: what this engine cannot do, initial speeds that a joint forbids.
        AssetError: a mesh or robot that cannot be used.
    """
    scene, spec = converted(assets) if templates is None else templates.converted(assets)
    _set_options(spec, assets)
    _tune_bodies(spec, scene)
    _tune_geoms(spec, scene)
    _add_exact(spec, scene)
    _exclude_neighbours(spec, scene)
    attach_mjcf_robots(spec, assets)
    add_missing_actuators(spec, assets)
    tune_joints(spec, assets)
    add_ties(spec, assets)
    m, d, bodies, robots = _compiled(spec, scene)
    overlapping = exclude_touching_links(m, d, assets, OVERLAP_M)
    for one, two in overlapping:
        spec.add_exclude(bodyname1=one, bodyname2=two)
    if overlapping:
        m, d, bodies, robots = _compiled(spec, scene)
    set_start(m, d, assets, bodies, scene.parents)
    mujoco.mj_forward(m, d)
    ids, restitution = _geom_parts(m, assets, bodies)
    moving = np.array([b > 0 and int(m.body_weldid[b]) > 0 for b in bodies])
    return World(assets, m, d, bodies, moving, ids, restitution, robots)


def _compiled(spec: Any, scene: SceneBuilder) -> tuple[Any, Any, Ints, tuple[NewtonRobot, ...]]:
    """Model and data with robots at their start, and the body of each part."""
    try:
        m = spec.compile()
    except ValueError as error:
        raise PhysicsError(f"MuJoCo refuses the scene: {' '.join(str(error).split())}") from error
    if mujoco.mj_versionString() == "4.0.0" and _has_chains(m):
        # 4.0.0 factors a sparse Hessian of articulated trees wrongly (put right in 4.0.1 by its release notes)
        m.opt.jacobian = int(mujoco.mjtJacobian.mjJAC_DENSE)
    kind = mujoco.mjtObj.mjOBJ_BODY
    bodies = np.array([max(mujoco.mj_name2id(m, kind, n), 0) for n in body_names(scene.assets)], np.int32)
    _set_masks(m, scene.assets, bodies)
    d = mujoco.MjData(m)
    _drive_keyframed(m, d, scene.assets, bodies)
    return m, d, bodies, set_up_robots(m, d, scene.assets, bodies)


def _has_chains(m: Any) -> bool:
    """Whether a body with joints hangs on another one that moves."""
    above = m.body_weldid[m.body_parentid[m.body_weldid]]
    return bool(((m.body_weldid > 0) & (above > 0) & (above != m.body_weldid)).any())


def _set_options(spec: Any, assets: SceneAssets) -> None:
    physics, option = assets.scene.physics, spec.option
    option.timestep = assets.scene.step_s
    option.gravity = physics.gravity_m_s2
    option.iterations = physics.iterations
    option.tolerance = TOLERANCE
    option.impratio = IMPRATIO
    option.disableflags = int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)  # simvid watches for NaN itself


def _tune_bodies(spec: Any, scene: SceneBuilder) -> None:
    """Masses in float64, since Newton keeps float32; and what the world holds for good is no mocap body."""
    for body in spec.bodies:
        body.mocap = False
    for k, part in enumerate(scene.assets.parts):
        if part.mass is None or scene.anchored[k] or not scene.has_body(k):
            continue
        body, mass = spec.body(body_name(k)), part.mass
        body.mass, body.ipos, body.iquat = mass.mass_kg, mass.center_m, (1.0, 0.0, 0.0, 0.0)
        i = mass.inertia_kg_m2
        if np.abs(i - np.diag(np.diag(i))).max() > 1e-12 * np.trace(i):
            body.fullinertia = (i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2])
        else:
            body.inertia, body.fullinertia = np.diag(i), (np.nan,) * 6


def _contact_settings(collider: Collider, step_s: float) -> dict[str, Any]:
    rolling = collider.rolling_friction_m
    return {
        "friction": (collider.friction, rolling, rolling),
        "condim": 6 if rolling > 0 else 3,
        "solref": (max(SOFTNESS_S, 2 * step_s), 1.0),
        "solimp": SOLIMP,
        "solmix": OUR_SHARE,
        "margin": 0.0,
        "gap": 0.0,
    }


def _tune_geoms(spec: Any, scene: SceneBuilder) -> None:
    """Contact settings of the bodies' geoms; those of robots stay as their file has them."""
    for geom in spec.geoms:
        found = _collider(geom.name, scene.assets)
        if found is not None:
            for name, value in _contact_settings(found[1], scene.assets.scene.step_s).items():
                setattr(geom, name, value)


def _collider(geom: str, assets: SceneAssets) -> tuple[int, Collider] | None:
    """Part index and collider of a geom called LABEL_NUMBER by Newton; None for a robot's."""
    label = GEOM_NAME.match(geom)
    if label is None:
        return None
    part = int(label[1])
    return part, assets.parts[part].colliders[int(label[2])]


def _add_exact(spec: Any, scene: SceneBuilder) -> None:
    """Pieces of non-convex meshes, straight into MuJoCo's spec: Newton takes 4 ms for each, MuJoCo 0.1 ms."""
    for n, (k, c, points) in enumerate(scene.exact):
        name = f"{shape_name(k, c)}_{n}"
        part = scene.assets.parts[k]
        own = scene.has_body(k)
        body = spec.body(body_name(k)) if own else spec.worldbody
        place = points if own else points @ part.pose[:3, :3].T + part.pose[:3, 3]
        spec.add_mesh(name=name, uservert=place.ravel(), inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX)
        geom = body.add_geom(name=name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name)
        geom.mass = 0.0
        for key, value in _contact_settings(part.colliders[c], scene.assets.scene.step_s).items():
            setattr(geom, key, value)


def _exclude_neighbours(spec: Any, scene: SceneBuilder) -> None:
    """Parts tied by a joint do not touch. MuJoCo leaves out moving parents by itself, but not anchored ones."""
    for k, up in enumerate(scene.parents):
        if up >= 0 and scene.anchored[up] and not scene.anchored[k]:
            spec.add_exclude(bodyname1=body_name(up), bodyname2=body_name(k))


def _set_masks(m: Any, assets: SceneAssets, bodies: Ints) -> None:
    """Who may touch whom: all that moves touches everything; the world, keyframed parts and each other do not.

    A robot's own bits keep deciding about contacts between its links.
    """
    parts = list(zip(assets.parts, bodies.tolist(), strict=True))
    driven = {body for p, body in parts if p.body is not None and p.body.motion is not None}
    robot = {body for p, body in parts if p.part.kind == "link"}
    for geom in range(m.ngeom):
        body = int(m.geom_bodyid[geom])
        held = int(m.body_weldid[body]) == 0 or body in driven
        looks = 0 if held else EVERYTHING
        if body not in robot:
            m.geom_contype[geom], m.geom_conaffinity[geom] = EVERYTHING, looks
        elif m.geom_contype[geom] or m.geom_conaffinity[geom]:
            m.geom_contype[geom] = int(m.geom_contype[geom]) & ~EVERYTHING | (EVERYTHING if held else 0)
            m.geom_conaffinity[geom] = int(m.geom_conaffinity[geom]) & ~EVERYTHING | looks
    for body in range(m.nbody):
        own = m.geom_bodyid == body
        m.body_contype[body] = np.bitwise_or.reduce(m.geom_contype[own], initial=0)
        m.body_conaffinity[body] = np.bitwise_or.reduce(m.geom_conaffinity[own], initial=0)


def _drive_keyframed(m: Any, d: Any, assets: SceneAssets, bodies: Ints) -> None:
    """Make keyframed bodies immovable for all but their path."""
    driven = [bodies[k] for k, p in enumerate(assets.parts) if p.body is not None and p.body.motion is not None]
    if not driven:
        return
    for body in driven:
        first = int(m.body_dofadr[body])
        m.dof_armature[first : first + 6] = DRIVE_FACTOR * float(m.body_mass.max())
    m.opt.tolerance /= DRIVE_FACTOR  # the solver takes it relative to the trace of the mass matrix
    mujoco.mj_setConst(m, d)


def _geom_parts(m: Any, assets: SceneAssets, bodies: Ints) -> tuple[Ints, Array]:
    """Part id and restitution of each geom; a robot's links have none."""
    ids, restitution = np.zeros(m.ngeom, np.int32), np.zeros(m.ngeom)
    for geom in range(m.ngeom):
        found = _collider(m.geom(geom).name, assets)
        if found is not None:
            ids[geom], restitution[geom] = found[0] + 1, found[1].restitution
        else:
            ids[geom] = int(np.flatnonzero(bodies == m.geom_bodyid[geom])[0]) + 1
    return ids, restitution
