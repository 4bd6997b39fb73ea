"""A scene's MuJoCo model -> a Genesis scene with one entity, which has the same links, joints and geoms.

Genesis reads MJCF by compiling it with MuJoCo and copying what it needs from the model. It is handed the model that the
Newton engine steps (``physics.newton.world``), so both engines have the same masses, inertias, joints, colliders and
friction, to the last bit.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import finalize

import mujoco  # noqa: TID253  only the Genesis engine imports this module
import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.genesis.session import quiet, start
from simvid.physics.genesis.soft import NEAR_M, SoftModel, genesis_material
from simvid.physics.newton.stepping import is_smooth
from simvid.physics.newton.world import World

Ints = NDArray[np.int32]
STUB = "<mujoco/>"
"""Stands for a file while Genesis is handed the compiled model."""
PLANE_M = 1e4
"""Half the edge of a plane."""
CHAIN_SUBSTEPS = 8
"""For joints on joints: Genesis' step is of first order, and gives a double pendulum 6.6 % of its kinetic energy in 5 s
of steps of 2 ms, 0.8 % of an eighth of that. Newton takes steps of fourth order there (``is_smooth``)."""


def own_damping(m: Any) -> NDArray[np.float64]:
    """Damping that Genesis takes implicitly, [nv]: none where it is in the armature already (``fold_damping``)."""
    folded = int(m.opt.integrator) == int(mujoco.mjtIntegrator.mjINT_EULER)
    return np.zeros(m.nv) if folded else np.array(m.dof_damping)


class _Handed:
    """A MuJoCo model as Genesis shall read it.

    Without excluded pairs: Genesis would turn those into 32 bits, for which they may be too many; ``_exclude`` leaves
    them out afterwards. Without actuators and springs: ``stepping`` reckons their forces with MuJoCo, since
    Genesis has no tendons, gears or force limits of several actuators on one joint. With planes of a size: MuJoCo's
    have no end whatever their size says.
    """

    nexclude = 0

    def __init__(self, m: Any) -> None:
        self._m = copy.copy(m)
        self._m.geom_size[m.geom_type == int(mujoco.mjtGeom.mjGEOM_PLANE), :2] = PLANE_M
        self.actuator_trnid = np.zeros((0, 2), np.int32)
        self.actuator_trntype = self.wrap_type = self.wrap_objid = np.zeros(0, np.int32)
        self.jnt_actfrclimited = np.zeros(m.njnt, np.int32)
        self.jnt_stiffness, self.dof_damping = np.zeros(m.njnt), own_damping(m)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._m, name)


@dataclass(frozen=True, eq=False)
class GenesisModel:
    """A built Genesis scene.

    Attributes:
        scene: the ``genesis.Scene``.
        solver: its ``RigidSolver``.
        geoms: MuJoCo's geom of each of Genesis' collision geoms, [G].
        world: what it was built from; positions and speeds have the same places in both.
        substeps: of Genesis, for one step.
    """

    scene: Any
    solver: Any
    geoms: Ints
    world: World
    substeps: int = 1


def build(world: World, soft: SoftModel | None = None) -> GenesisModel:
    """Build a scene; compiles kernels where they are not in the cache.

    Args:
        world: rigid bodies and robots.
        soft: deformable bodies, whose particles are put in their places later.

    Raises:
        MissingExtraError: Genesis is not installed.
        PhysicsError: Genesis built another model than it was given.
    """
    gs = start()
    m = world.m
    substeps = soft.substeps if soft is not None else CHAIN_SUBSTEPS if is_smooth(m) else 1
    options = _options(gs, m, substeps)
    touch = {"needs_coup": False} if soft is None else {"coup_softness": NEAR_M}
    if soft is not None:
        options["mpm_options"] = _mpm_options(gs, soft)
    with quiet(), _model_for(gs, m):
        scene = gs.Scene(show_viewer=False, **options)
        morph = gs.morphs.MJCF(
            file=STUB, decimate=False, convexify=True, align=False, default_armature=None, visualization=False,
            decompose_object_error_threshold=float("inf"), decompose_robot_error_threshold=float("inf"),
        )  # fmt: skip
        entity = scene.add_entity(morph, material=gs.materials.Rigid(**touch))
        if soft is not None:
            _add_particles(gs, scene, soft)
        scene.build()
    solver = scene.sim.rigid_solver
    _check_places(m, entity)
    geoms = _geoms(m, solver)
    _exclude(m, solver, geoms)
    _set_friction(m, solver.dyn_info.geoms, geoms)
    model = GenesisModel(scene, solver, geoms, world, substeps)
    finalize(model, scene.destroy).atexit = False  # while it is whole: collected in any order, it complains
    return model


def _set_friction(m: Any, info: Any, geoms: Ints) -> None:
    """Friction of geoms as MuJoCo has it: Genesis' reader keeps rolling friction of some scenes and not of others.

    Particles feel that of the geom that they touch, as on Newton; their own material's counts for nothing there.

    Args:
        m: the model.
        info: Genesis' record of its geoms.
        geoms: MuJoCo's, in Genesis' order.
    """
    friction, condim = m.geom_friction[geoms], m.geom_condim[geoms]
    info.friction.from_numpy(friction[:, 0])
    info.friction_torsional.from_numpy(np.where(condim >= 4, friction[:, 1], 0.0))
    info.friction_rolling.from_numpy(np.where(condim >= 6, friction[:, 2], 0.0))
    kind = info.coup_friction.to_numpy().dtype
    info.coup_friction.from_numpy(friction[:, 0].astype(kind))


def _mpm_options(gs: Any, soft: SoftModel) -> Any:
    return gs.options.MPMOptions(
        grid_density=1 / soft.spacing_m,
        particle_size=soft.volume_m3 ** (1 / 3),
        lower_bound=tuple(soft.low_m.tolist()),
        upper_bound=tuple(soft.high_m.tolist()),
    )


def _add_particles(gs: Any, scene: Any, soft: SoftModel) -> None:
    """An entity for each deformable body, its particles nowhere yet."""
    for (material, factor), count in zip(soft.materials, soft.counts, strict=True):
        scene.add_entity(
            gs.morphs.Nowhere(n_particles=count),
            material=genesis_material(gs, material, factor),
            surface=gs.surfaces.Default(vis_mode="particle"),
        )


def _options(gs: Any, m: Any, substeps: int) -> dict[str, Any]:
    torsion = bool((m.geom_condim >= 4).any())
    return {
        "sim_options": gs.options.SimOptions(dt=float(m.opt.timestep), substeps=substeps, gravity=tuple(m.opt.gravity)),
        "rigid_options": gs.options.RigidOptions(
            integrator=gs.integrator.implicitfast,
            constraint_solver=gs.constraint_solver.Newton,
            friction_cone=gs.friction_cone.elliptic,
            enable_torsional_friction=torsion,
            enable_rolling_friction=torsion,
            iterations=int(m.opt.iterations),
            tolerance=float(m.opt.tolerance),
            constraint_timeconst=None,
            contact_pruning_tolerance=None,
            enable_self_collision=True,
            enable_neutral_collision=True,
            max_collision_pairs=max(150, 4 * int(m.ngeom)),
            broadphase_traversal=gs.broadphase_traversal.SAP,
        ),
    }


@contextmanager
def _model_for(gs: Any, m: Any) -> Iterator[None]:
    """Let Genesis' reader of MJCF find a compiled model in place of a file."""
    import genesis.utils.mjcf as reader

    before = reader.build_model
    reader.build_model = lambda *_, **__: _Handed(m)
    try:
        yield
    finally:
        reader.build_model = before


def _check_places(m: Any, entity: Any) -> None:
    """Joint positions and speeds must be where MuJoCo has them."""
    starts = {joint.name: (joint.q_start, joint.dof_start) for joint in entity.joints if joint.n_dofs}
    for j in range(m.njnt):
        name = m.joint(j).name or m.body(int(m.jnt_bodyid[j])).name
        wanted = (int(m.jnt_qposadr[j]), int(m.jnt_dofadr[j]))
        if starts.get(name) != wanted:
            raise PhysicsError(
                f"genesis put the joint {name!r} at {starts.get(name)}, not at {wanted}; please report it"
            )


def _geoms(m: Any, solver: Any) -> Ints:
    """MuJoCo's geoms that touch, in Genesis' order: link by link."""
    names = {link.name: link for link in solver.links}
    out = np.full(len(solver.geoms), -1, np.int32)
    for body in range(m.nbody):
        own = [g for g in range(m.ngeom) if m.geom_bodyid[g] == body and (m.geom_contype[g] or m.geom_conaffinity[g])]
        if not own:
            continue
        link = names.get(m.body(body).name)
        if link is None or len(link.geoms) != len(own):
            raise PhysicsError(f"genesis lost colliders of {m.body(body).name!r}; please report it")
        for geom, mine in zip(link.geoms, own, strict=True):
            out[geom.idx] = mine
    return out


def _exclude(m: Any, solver: Any, geoms: Ints) -> None:
    """Leave out the pairs that MuJoCo leaves out, of the pairs that Genesis would look at."""
    table = solver.collider.collider_info.collision_pair_idx
    pairs = table.to_numpy()
    bodies = m.geom_bodyid[geoms]
    barred = {(int(s) >> 16, int(s) & 0xFFFF) for s in m.exclude_signature}
    for one, two in barred:
        first, second = np.flatnonzero(bodies == one), np.flatnonzero(bodies == two)
        pairs[np.ix_(first, second)] = -1
        pairs[np.ix_(second, first)] = -1
    if barred:
        table.from_numpy(pairs)
