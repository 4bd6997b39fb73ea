"""Raw MuJoCo beside the engines: the same rigid bodies with MuJoCo's own defaults, stepped by ``mj_step`` alone."""

from __future__ import annotations

import time

import mujoco
import numpy as np

from simvid.assets.parts import SceneAssets
from simvid.errors import PhysicsError, SceneError
from simvid.rotations import matrix_from_quat, pose_vector
from simvid.trajectory import Contacts, Trajectory

KINDS = {
    "box": mujoco.mjtGeom.mjGEOM_BOX, "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER, "plane": mujoco.mjtGeom.mjGEOM_PLANE,
}  # fmt: skip


class RawMujoco:
    """MuJoCo 3/4 as it comes: Euler, pyramidal cones, soft contacts, no restitution."""

    name = "mujoco"

    def version(self) -> str:
        """MuJoCo's."""
        return f"mujoco {mujoco.mj_versionString()}"

    def simulate(self, assets: SceneAssets) -> Trajectory:
        """Run a scene of primitives on joints.

        Raises:
            SceneError: deformable bodies or forces.
        PhysicsError: it diverged.
        """
        started = time.perf_counter()
        scene, parts = assets.scene, assets.parts
        if any(p.deformable is not None for p in parts) or getattr(scene, "forces", ()):
            raise SceneError("raw MuJoCo: rigid bodies only")
        m, bodies = model_of(assets)
        d = mujoco.MjData(m)
        _start(m, d, assets, bodies)
        mujoco.mj_forward(m, d)
        poses = np.zeros((scene.frame_count, len(parts), 7))
        twists = np.zeros((scene.frame_count, len(parts), 6))
        caught: list[str] = []
        mujoco.set_mju_user_warning(caught.append)
        for frame in range(scene.frame_count):
            for _ in range(scene.steps_per_frame if frame else 0):
                mujoco.mj_step(m, d)
            mujoco.mj_kinematics(m, d)
            mujoco.mj_comPos(m, d)
            mujoco.mj_comVel(m, d)
            for k, body in enumerate(bodies):
                if body == 0:
                    poses[frame, k] = pose_vector(parts[k].pose)
                    continue
                found = np.zeros(6)
                mujoco.mj_objectVelocity(m, d, mujoco.mjtObj.mjOBJ_XBODY, body, found, 0)
                poses[frame, k] = np.concatenate([d.xpos[body], d.xquat[body]])
                twists[frame, k] = np.concatenate([found[3:], found[:3]])
        mujoco.set_mju_user_warning(None)
        if caught:
            raise PhysicsError(f"raw MuJoCo: {caught[0]}")
        masses = np.array([m.body_mass[b] if b else np.inf for b in bodies])
        return Trajectory(
            fps=scene.fps, parts=tuple(p.part for p in parts), poses=poses, twists=twists, contacts=Contacts.none(),
            engine=self.name, engine_version=self.version(), step_s=scene.step_s, masses_kg=masses,
            wall_s=time.perf_counter() - started,
        )  # fmt: skip


def model_of(assets: SceneAssets) -> tuple[mujoco.MjModel, list[int]]:
    """The model, and the body of each part (0 for the world)."""
    spec = mujoco.MjSpec()
    spec.option.timestep, spec.option.gravity = assets.scene.step_s, assets.scene.physics.gravity_m_s2
    made, names = {}, []
    for k, part in enumerate(assets.parts):
        fixed = part.mass is None
        home = spec.worldbody
        at = pose_vector(part.pose)
        joint = part.body.joint if part.body is not None else None
        if not fixed:
            above = made.get(joint.value.parent) if joint is not None else None
            base = np.eye(4) if above is None else assets.parts[above[1]].pose
            home = spec.worldbody if above is None else above[0]
            place = pose_vector(np.linalg.inv(base) @ part.pose)
            body = home.add_body(name=f"p{k}", pos=place[:3], quat=place[3:])
            made[part.part.name] = (body, k)
            _add_joint(body, joint, part.pose)
            mass = part.mass
            body.mass, body.ipos, body.explicitinertial = mass.mass_kg, mass.center_m, True
            body.inertia = np.diag(mass.inertia_kg_m2)
            home, at = body, np.array([0, 0, 0, 1, 0, 0, 0.0])
        names.append(None if fixed else f"p{k}")
        for collider in part.colliders:
            size = np.zeros(3)
            size[: len(collider.dimensions)] = collider.dimensions
            if collider.kind == "plane":
                size[:] = (0, 0, 1)
            local = pose_vector(collider.pose)
            turn = matrix_from_quat(at[3:])
            quat = np.zeros(4)
            mujoco.mju_mulQuat(quat, at[3:], local[3:])
            friction = [collider.friction, collider.rolling_friction_m, collider.rolling_friction_m]
            condim = 6 if collider.rolling_friction_m > 0 else 3
            home.add_geom(
                type=KINDS[collider.kind], size=size, pos=at[:3] + turn @ local[:3], quat=quat, friction=friction,
                condim=condim, mass=0.0,
            )  # fmt: skip
    m = spec.compile()
    return m, [0 if n is None else m.body(n).id for n in names]


def _add_joint(body: mujoco.MjsBody, joint: object, pose: np.ndarray) -> None:
    if joint is None:
        body.add_freejoint()
        return
    value, kind = joint.value, joint.kind  # type: ignore[attr-defined]  # of the scene language
    kinds = {"hinge": mujoco.mjtJoint.mjJNT_HINGE, "ball": mujoco.mjtJoint.mjJNT_BALL}
    if kind not in kinds:
        raise SceneError(f"raw MuJoCo: no {kind} here")
    anchor = pose[:3, :3].T @ (np.array(value.anchor_m) - pose[:3, 3])
    axis = pose[:3, :3].T @ np.array(value.axis) if kind == "hinge" else (0, 0, 1)
    body.add_joint(type=kinds[kind], pos=anchor, axis=axis)


def _start(m: mujoco.MjModel, d: mujoco.MjData, assets: SceneAssets, bodies: list[int]) -> None:
    """Speeds; on a joint what of them it allows."""
    mujoco.mj_forward(m, d)
    for part, body in zip(assets.parts, bodies, strict=True):
        given = part.body
        if body == 0 or given is None:
            continue
        first, count = int(m.body_dofadr[body]), int(m.body_dofnum[body])
        spin = part.pose[:3, :3].T @ np.array(given.angular_velocity_rad_s)
        if count == 6:
            d.qvel[first : first + 3], d.qvel[first + 3 : first + 6] = given.velocity_m_s, spin
        elif count == 3:
            d.qvel[first : first + 3] = spin
