"""One step of MuJoCo's C core, with impacts and sliding friction as the scene asks for them.

MuJoCo knows no restitution, and its friction cone is convex: a contact that slides is lifted off the surface with
mu |slip acceleration| (Anitescu 2006), so that a sliding box hops by millimetres and brakes 5 % too little or too much.
Both are put right between ``mj_step1``, which finds the contacts and what acceleration each shall have
(``efc_aref``), and the constraint solver:

- a contact that closes faster than ``fast`` shall leave with v+ = -e v-, e the larger restitution of the two;
- the lift that sliding will add (known from the last step's acceleration) is taken out of the normal reference, and the
  solver runs again where the lift it found differs: the fixed point of De Saxce and Feng (1998), which is Coulomb's
  law. The correction shrinks by c / (1 + c) per run, c = mu^2 times tangential over normal mobility.

A scene without impacts and slip takes exactly MuJoCo's own step.

Its step is of first order, and gives chains of joints energy: a double pendulum gains 7 % of its kinetic energy in 5 s
at 2 ms. Where nothing stiff acts on such a chain (``is_smooth``) and nothing touches it, the step is the fourth-order
Runge-Kutta step instead: 1e-8 there.
"""

from __future__ import annotations

from typing import Any

import mujoco  # noqa: TID253  only the Newton engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.physics.newton.belts import Belts
from simvid.physics.newton.kernels import Impact, Lifts, Rows, correct_lift, set_impacts, set_lift, wants_correction

Array = NDArray[np.float64]
MAX_RUNS = 4
"""Runs of the constraint solver in one step; what is left over then is corrected in the next."""
LIFT_M_S = 0.02
"""Error of a contact's normal speed [m/s] that needs no further run; 0.02 mm of hop."""
SMOOTH = 0.1
"""Damping times step over inertia, and stiffness times step squared over inertia, at most, for an explicit step."""
SLOW_M_S = 1e-3
"""Without gravity, slower contacts than this do not bounce. Gravity adds what a few steps of free fall give."""


def impact_speed(gravity: Array, step_s: float) -> float:
    """Contacts that close more slowly than this [m/s] come to rest instead of bouncing for ever.

    2.5 g h is what a body picks up in a few steps; at 2 ms it is 0.05 m/s, a rebound of 0.1 mm.
    """
    return SLOW_M_S + 2.5 * float(np.linalg.norm(gravity)) * step_s


def is_smooth(m: Any) -> bool:
    """Whether a model may be stepped explicitly, and gains by it: joints that hang on joints.

    There are no free bodies and balls (their spin is put right elsewhere), no actuators, and no springs or damping that
    are stiff for the step.
    """
    root = np.asarray(m.body_weldid)[np.asarray(m.body_parentid)[np.asarray(m.jnt_bodyid)]]
    kinds = {int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)}
    if m.nu or m.ntendon or not m.njnt or not root.any() or not kinds.issuperset(np.asarray(m.jnt_type).tolist()):
        return False
    h, give = float(m.opt.timestep), np.asarray(m.dof_invweight0)
    stiff = h * h * np.asarray(m.jnt_stiffness)[np.asarray(m.dof_jntid)]
    return bool((np.maximum(h * np.asarray(m.dof_damping), stiff) * give).max() < SMOOTH)


class Stepper:
    """Steps one model. After ``step``, ``contact`` and ``rows`` are this step's contacts, or None."""

    def __init__(self, m: Any, d: Any, restitution: Array, belts: Belts | None = None) -> None:
        """Prepare.

        Args:
            m, d: MuJoCo's model and data; integrator implicitfast or Euler, elliptic cones.
            restitution: of each geom, [ngeom].
            belts: conveyors, which run with the steps taken here.
        """
        self._belts = belts if belts is not None and belts.some else None
        self._m, self._d = m, d
        self._smooth = is_smooth(m)
        step = float(m.opt.timestep)
        self._law = Impact(restitution, impact_speed(m.opt.gravity, step), step)
        self._tolerance = LIFT_M_S / step
        self._acceleration = np.zeros(0)
        self._lifts = _lifts(64)
        self.contact: Any = None
        self.rows: Rows | None = None

    @property
    def forces(self) -> Array:
        """Of this step's constraint rows [N]."""
        return np.asarray(self._d.efc_force)

    def step(self) -> None:
        """Advance by one step."""
        m, d = self._m, self._d
        mujoco.mj_step1(m, d)
        if not d.ncon:
            self.rows = None
            if self._smooth and not d.nefc:
                self._fourth_order()
            else:
                mujoco.mj_step2(m, d)
            return
        self.contact = contact = d.contact
        self.rows = rows = Rows(contact.efc_address, contact.dim, contact.geom, contact.friction)
        velocity, reference = d.efc_vel, d.efc_aref
        if self._belts is not None:
            self._belts.run(contact, rows, velocity, reference, d.efc_KBIP)
        if wants_correction(rows, velocity, reference, self._law.fast, 0.2 * self._tolerance):
            self._corrected(rows, velocity, reference)
        else:
            mujoco.mj_step2(m, d)

    def _fourth_order(self) -> None:
        m, d = self._m, self._d
        mujoco.mj_fwdActuation(m, d)
        mujoco.mj_fwdAcceleration(m, d)
        mujoco.mj_fwdConstraint(m, d)
        mujoco.mj_checkAcc(m, d)
        mujoco.mj_RungeKutta(m, d, 4)

    def _corrected(self, rows: Rows, velocity: Array, reference: Array) -> None:
        m, d = self._m, self._d
        count = len(rows.address)
        if count > len(self._lifts.wanted):
            self._lifts = _lifts(2 * count)
        if len(self._acceleration) != len(velocity):
            self._acceleration = np.zeros(len(velocity))
        lifts, acceleration = self._lifts, self._acceleration
        mujoco.mj_mulJacVec(m, d, acceleration, d.qacc)  # the last step's
        mujoco.mj_fwdActuation(m, d)
        mujoco.mj_fwdAcceleration(m, d)
        set_impacts(rows, velocity, reference, d.efc_KBIP, self._law, lifts.wanted)
        set_lift(rows, acceleration, reference, lifts)
        for run in range(MAX_RUNS):
            mujoco.mj_fwdConstraint(m, d)
            mujoco.mj_mulJacVec(m, d, acceleration, d.qacc)
            if not correct_lift(rows, acceleration, reference, d.efc_force, lifts, self._tolerance, run == 0):
                break
        mujoco.mj_checkAcc(m, d)
        if m.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER:
            mujoco.mj_Euler(m, d)
        else:
            mujoco.mj_implicit(m, d)


def _lifts(count: int) -> Lifts:
    return Lifts(np.zeros(count), np.zeros(count), np.zeros(count), np.zeros(count))
