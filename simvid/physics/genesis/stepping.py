"""One step of Genesis' rigid-body solver on the state of MuJoCo's data, with impacts as the scene asks for them.

MuJoCo's ``d`` stays the state that scripts, drives and records work on. Before a step its positions and speeds go to
Genesis, and so do the forces that act from outside (actuators, springs, dampers, kicks), which MuJoCo reckons from the
same model; after the step the new state comes back. Collision detection, contact and joint constraints, the equations
of motion and their integration are Genesis' own.

Genesis knows no restitution. As in ``physics.newton.stepping``, a contact that closes faster than ``fast`` is told, in
between the making of the constraints and their solution, to leave with v+ = -e v-. Its step gives bodies that spin fast
on ball joints energy; their rotation is done again, as on Newton (``physics.newton.spin``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import mujoco  # noqa: TID253  only the Genesis engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.genesis.kernels import contact_frames, dense_rows, impedances, row_speeds
from simvid.physics.genesis.model import GenesisModel, own_damping
from simvid.physics.genesis.session import view
from simvid.physics.genesis.soft import GenesisSoft
from simvid.physics.newton.kernels import Impact, Rows, set_impacts
from simvid.physics.newton.spin import Spinner
from simvid.physics.newton.stepping import impact_speed

Array = NDArray[np.float64]
GENESIS_FRICTION = 0.01
"""Smallest that Genesis takes by itself."""
LEAST_FRICTION = 1e-6
"""Its friction cone needs some."""


RESIDUE_M_S = 1e-5
"""Speed in a step that no force accounts for, above which forces are put right."""


class SolverFault(Exception):  # noqa: N818  what is told to the user is ``Watch.diverged``
    """The solution is no number any more."""

    def __init__(self, body: int, what: str) -> None:
        super().__init__(what)
        self.body, self.what = body, what


class Touch(NamedTuple):
    """This step's contacts, named as MuJoCo names them."""

    dist: Array
    """Negative where they penetrate [m], [K]."""
    pos: Array
    """World [m], [K, 3]."""
    frame: Array
    """Normal from the first geom to the second, and two tangents, [K, 9]."""


class GenesisStepper:
    """Steps one model; offers what ``physics.newton.stepping.Stepper`` does.

    Attributes:
        contact, rows: this step's contacts and where their forces are in ``forces``; rows is None without contacts.
    """

    def __init__(self, model: GenesisModel, soft: GenesisSoft | None = None) -> None:
        """Prepare.

        Args:
            model: built; its world's ``d`` is the state.
            soft: deformable bodies of the same scene.
        """
        self._soft = soft
        if soft is not None:
            links = [link.name for link in model.solver.links]
            step_s = float(model.world.m.opt.timestep) / model.substeps
            soft.attach(model.scene.sim.mpm_solver, step_s, links, model.solver.dyn_state.links)
        self._model = model
        world = model.world
        self._m, self._d = world.m, world.d
        step = float(self._m.opt.timestep) / model.substeps
        self._law = Impact(world.restitution, impact_speed(self._m.opt.gravity, step), step)
        self._slippery = bool((self._m.geom_friction[model.geoms, 0] < GENESIS_FRICTION).any())
        self._outside = _has_forces(self._m)
        self._width = int(model.solver.rigid_config.rows_per_contact)
        self._spinner = Spinner(self._m, self._d, world.assets, world.bodies, hung_only=True)
        self._views = _Views(model.solver)
        self._views.mode[:] = 2  # force
        self._found: list[tuple[Touch, Rows, Array]] = []
        self._forces_now: Array = np.zeros(0)
        self.contact: Touch | None = None
        self.rows: Rows | None = None

    @property
    def forces(self) -> Array:
        """Of this step's constraint rows [N]."""
        return self._forces_now

    def touching(self) -> frozenset[tuple[int, int]]:
        """Pairs of parts (smaller index first) that were in contact in the last step."""
        if self.rows is None:
            return frozenset()
        parts = np.sort(self._model.world.geom_ids[self.rows.geoms] - 1, axis=1)
        return frozenset((int(a), int(b)) for a, b in parts)

    def step(self) -> None:
        """Advance by one step of the scene, which may be several of Genesis'."""
        m, d, views = self._m, self._d, self._views
        self._spinner.before()
        views.positions[: m.nq, 0], views.speeds[: m.nv, 0] = d.qpos, d.qvel
        views.applied[: m.nv, 0] = self._forces()
        solver = self._model.solver
        solver._is_forward_pos_updated = solver._is_forward_vel_updated = False
        self._found.clear()
        for _ in range(self._model.substeps):
            self._substep()
            if self._soft is not None:
                self._couple(self._soft)
            self._note()
        self._join()
        d.qpos[:], d.qvel[:] = views.positions[: m.nq, 0], views.speeds[: m.nv, 0]
        d.qacc[:] = views.accelerations[: m.nv, 0]
        if self._model.substeps == 1:
            self._spinner.after()
        d.time += float(m.opt.timestep)
        if self._soft is not None:
            self._soft.after(d.time)

    def _couple(self, soft: GenesisSoft) -> None:
        """A substep of the particles, as ``Simulator.substep`` of Genesis has it around that of the rigid bodies."""
        sim = self._model.scene.sim
        sim.coupler.preprocess(0)
        sim.mpm_solver.substep_pre_coupling(0)
        sim.coupler.couple(0)
        sim.mpm_solver.substep_post_coupling(0)
        sim.mpm_solver.copy_frame(1, 0)
        soft.substep()

    def _note(self) -> None:
        """Keep a substep's contacts with their forces."""
        if self.rows is not None and self.contact is not None:
            rows = self.rows.address[:, None] + np.arange(3)
            self._found.append((self.contact, self.rows, self._views.force[rows, 0] + self._left_over(self.rows)))

    def _left_over(self, rows: Rows) -> Array:
        """What to add to the forces of contacts so that they account for the accelerations, [K, 3].

        Genesis' solver stops now and then before its forces belong to the accelerations that it has found and that it
        goes on with. The difference, M a - f - J^T force, is its gradient; here it is given to the contacts by the
        smallest forces that make it up.
        """
        v, m = self._views, self._m
        gradient = v.gradient[: m.nv, 0]
        if float(np.abs(gradient * m.dof_invweight0).max()) * float(m.opt.timestep) < RESIDUE_M_S:
            return np.zeros((len(rows.address), 3))
        jacobian = dense_rows(rows.address, v.jacobian[..., 0], v.dofs_of[..., 0], v.dof_counts[:, 0], m.nv)
        forces = np.linalg.lstsq(jacobian.T, gradient, rcond=None)[0]
        return np.asarray(forces, np.float64).reshape(-1, 3)

    def _join(self) -> None:
        """All contacts of the step as one table; the force of each counts for its share of the step."""
        if not self._found:
            self.contact = self.rows = None
            return
        touches, rows, forces = zip(*self._found, strict=True)
        self.contact = Touch(*(np.concatenate(columns) for columns in zip(*touches, strict=True)))
        count = len(self.contact.dist)
        self.rows = Rows(
            3 * np.arange(count, dtype=np.int32), np.full(count, 3, np.int32),
            np.concatenate([r.geoms for r in rows]), np.concatenate([r.friction for r in rows]),
        )  # fmt: skip
        self._forces_now = np.concatenate(forces).ravel() / self._model.substeps

    def _forces(self) -> Array:
        """Generalised forces from outside, [nv]; those of dampers that Genesis has itself are left out."""
        m, d = self._m, self._d
        pushed = np.flatnonzero(d.xfrc_applied.any(axis=1))
        if not self._outside and not len(pushed):
            return np.asarray(d.qfrc_applied)
        flags = int(m.opt.disableflags)
        m.opt.disableflags = flags | int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)  # contacts and limits are Genesis'
        try:
            mujoco.mj_fwdPosition(m, d)
            mujoco.mj_fwdVelocity(m, d)
            mujoco.mj_fwdActuation(m, d)
        finally:
            m.opt.disableflags = flags
        total = d.qfrc_passive + d.qfrc_actuator + d.qfrc_applied + own_damping(m) * d.qvel
        for body in pushed:
            push = d.xfrc_applied[body]
            mujoco.mj_applyFT(m, d, push[:3], push[3:], d.xipos[body], int(body), total)
        return np.asarray(total)

    def _substep(self) -> None:
        """``RigidSolver.substep`` of Genesis 1.4.5, with the law of impact before the solution."""
        import genesis.engine.solvers.rigid.rigid_solver as kernels

        solver, views = self._model.solver, self._views
        collider, constraints = solver.collider, solver.constraint_solver
        state = solver.dyn_state, constraints.constraint_state
        model = solver.dyn_info, solver.rigid_info, solver.rigid_config
        collider._contact_data_cache.clear()
        constraints._eq_const_info_cache.clear()
        whole = solver.dyn_state, collider.collider_state, constraints.constraint_state, *model
        kernels.kernel_substep_dynamics(*whole, False, False, False, True)
        collider.detection()
        if self._slippery:
            self._lower_friction()
        kernels.kernel_substep_inequality(*whole, collider.collider_config)
        self._look(int(views.contacts[0]))
        kernels.func_solve_body(*state, *model, constraints._n_iterations)
        kernels.kernel_substep_post(*whole, False, True, False, solver._errno)
        if views.errors.any():
            self._fail()

    def _lower_friction(self) -> None:
        """Genesis takes no friction below 0.01; take what the scene has, in every place for a contact."""
        v = self._views
        pairs = self._model.geoms[np.stack([v.geom_a[:, 0], v.geom_b[:, 0]])]
        v.friction[:, 0] = np.maximum(self._m.geom_friction[pairs, 0].max(axis=0), LEAST_FRICTION)

    def _look(self, count: int) -> None:
        """Take note of the contacts, and set the impacts among them."""
        if not count:
            self.rows = self.contact = None
            return
        v = self._views
        order = v.order[:count, 0]
        normal = v.normal[order, 0]
        depth = v.depth[order, 0]
        first = int(v.equalities[0] + v.dry[0])
        address = first + self._width * np.arange(count, dtype=np.int32)
        geoms = self._model.geoms[np.stack([v.geom_a[order, 0], v.geom_b[order, 0]], axis=1)]
        friction = np.repeat(v.friction[order], 5, axis=1)
        self.rows = Rows(address, np.full(count, 3, np.int32), geoms, friction)
        self.contact = Touch(-depth, v.point[order, 0], contact_frames(normal))
        speeds = row_speeds(address, v.jacobian[..., 0], v.dofs_of[..., 0], v.dof_counts[:, 0], v.speeds[:, 0])
        fast = -speeds[address] > self._law.fast
        if fast.any() or (speeds[address] > self._law.fast).any():
            softness, wanted = np.zeros((len(speeds), 3)), np.zeros(count)
            softness[address, 2] = impedances(v.softness[order, 0], depth)
            reference = v.reference[:, 0]
            set_impacts(self.rows, speeds, reference, softness, self._law, wanted)
            reference[address] = wanted

    def _fail(self) -> None:
        """Turn Genesis' error code into an error."""
        from genesis.utils.array_class import ErrorCode

        code = int(np.bitwise_or.reduce(self._views.errors))
        full = ErrorCode.OVERFLOW_CANDIDATE_CONTACTS | ErrorCode.OVERFLOW_COLLISION_PAIRS | ErrorCode.OVERFLOW_CONTACTS
        if code & full:
            raise PhysicsError(
                f"too many contacts for Genesis at t = {self._d.time:.4g} s: use fewer or simpler colliders "
                "(collision: convex_hull), fewer bodies, or engine 'newton'"
            )
        bad = ~np.isfinite(self._views.accelerations[:, 0])
        raise SolverFault(int(self._m.dof_bodyid[int(np.argmax(bad))]), "has an acceleration that is no number")


class _Views:
    """Genesis' arrays as numpy sees them, without a copy. All have a last axis of length 1, for the one world."""

    def __init__(self, solver: Any) -> None:
        c, k = solver.constraint_solver.constraint_state, solver.collider.collider_state
        d, data = solver.dyn_state.dofs, k.contact_data
        self.positions, self.speeds = view(solver.rigid_info.qpos), view(d.vel)
        self.accelerations = view(d.acc)
        self.applied, self.mode = view(d.ctrl_force), view(d.ctrl_mode)
        self.contacts, self.order = view(k.n_contacts), view(k.contact_sort_idx)
        self.geom_a, self.geom_b = view(data.geom_a), view(data.geom_b)
        self.normal, self.point, self.depth = view(data.normal), view(data.pos), view(data.penetration)
        self.friction, self.softness = view(data.friction), view(data.sol_params)
        self.equalities, self.dry = view(c.n_constraints_equality), view(c.n_constraints_frictionloss)
        self.jacobian, self.dofs_of, self.dof_counts = view(c.jac), view(c.jac_dofs_idx), view(c.jac_n_dofs)
        self.gradient = view(c.grad)
        self.reference, self.force = view(c.aref), view(c.efc_force)
        self.errors = view(solver._errno)


def _has_forces(m: Any) -> bool:
    """Whether anything but kicks acts from outside: actuators, springs, dampers, gravity compensation."""
    return bool(m.nu or m.ntendon or m.jnt_stiffness.any() or m.dof_damping.any() or m.body_gravcomp.any())
