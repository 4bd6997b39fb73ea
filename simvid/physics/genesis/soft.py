"""Deformable bodies by Genesis' MPM, coupled to its rigid bodies in every substep.

The particles are simvid's own, at their places, with their masses; only the solver is Genesis'. It knows one volume for
all particles, so a body whose particles stand for more or less of it gets moduli by that factor: stress times volume,
which is all that counts, is then right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.errors import PhysicsError, SceneError
from simvid.physics.contact_table import FrameContacts
from simvid.physics.genesis.kernels import flow
from simvid.physics.genesis.stopping import Links, Stopper
from simvid.physics.genesis.walls import LOOSE, check_kept_out
from simvid.physics.mpm.domain import stable_step
from simvid.physics.mpm.materials import MpmMaterial
from simvid.physics.newton.ledger import Ledger
from simvid.physics.newton.obstacles import obstacles_of
from simvid.physics.newton.soft import SoftBodies
from simvid.physics.newton.world import World

Array = NDArray[np.float64]
SHARE = 0.8
"""Of the stable step."""
ROOM_M = 0.6
"""What particles may travel beyond where things are at the start, sideways and upwards; Genesis keeps every cell."""
NOTHING = 1e-9
"""Impulse per mass [m/s] that is none."""
PADDING = 6
"""Cells between the domain and Genesis' own border."""
SCALE = 1e3
"""Genesis reckons masses and volumes of particles a thousand times too large (``_particle_volume_scale``)."""
MOST_CELLS = 3e7
"""A cell takes 112 bytes."""
NEAR_M = 1e-5
"""Rigid bodies act on cells this far away; Genesis' default of 2 mm holds things off."""


@dataclass(frozen=True, eq=False)
class SoftModel:
    """What Genesis needs to build.

    Attributes:
        materials: of each body, with the factor on its moduli.
        counts: particles of each body.
        spacing_m: of the grid.
        low_m, high_m: corners of the domain.
        volume_m3: of one particle.
        substeps: per physics step.
    """

    materials: tuple[tuple[MpmMaterial, float], ...]
    counts: tuple[int, ...]
    spacing_m: float
    low_m: Array
    high_m: Array
    volume_m3: float
    substeps: int


def genesis_material(gs: Any, material: MpmMaterial, factor: float) -> Any:
    """The Genesis material of one of simvid's; their models compared in docs/engines.md.

    Args:
        gs: the module.
        material: not a liquid with viscosity, nor snow that hardens otherwise than by 10.
        factor: on all moduli and stresses.
    """
    kinds = gs.materials.MPM
    if material.model == "fluid":  # pressure K (1 - J): lambda is the bulk modulus
        return kinds.Liquid(lam=factor * material.bulk_modulus_pa, mu=0.0, sampler="regular")
    common = {"E": factor * material.young_modulus_pa, "nu": material.poisson_ratio, "sampler": "regular"}
    match material.model:
        case "fixed_corotated":
            return kinds.Elastic(model="corotation", **common)
        case "neo_hookean":
            return kinds.Elastic(model="neohooken", **common)
        case "von_mises":  # |dev tau| <= its yield stress, where the equivalent stress is sqrt(3 / 2) |dev tau|
            limit = math.sqrt(2 / 3) * factor * material.yield_stress_pa
            return kinds.ElastoPlastic(use_von_mises=True, von_mises_yield_stress=limit, **common)
        case "drucker_prager":
            return kinds.Sand(friction_angle=sand_angle_deg(material.friction_angle_rad), **common)
        case "snow":
            give = {"yield_lower": material.critical_compression, "yield_higher": material.critical_stretch}
            return kinds.Snow(**give, **common)
    raise PhysicsError(f"genesis_material: no model {material.model!r}")


def sand_angle_deg(friction_angle_rad: float) -> float:
    """The angle to tell Genesis for a friction angle.

    The cone of Drucker and Prager has |dev tau| <= alpha' p. simvid takes alpha = sqrt(2) tan(phi) / 3, which meets
    Mohr and Coulomb's law in plane strain; Genesis takes alpha = sqrt(2 / 3) 2 sin(angle) / (3 - sin(angle)), its
    corners in triaxial compression. Both give the same cone for sin(angle) = 3 alpha / (2 sqrt(2 / 3) + alpha).
    """
    alpha = math.sqrt(2) * math.tan(friction_angle_rad) / 3
    sine = 3 * alpha / (2 * math.sqrt(2 / 3) + alpha)
    return math.degrees(math.asin(min(sine, 1.0)))


class NoForces:
    """Stands for ``SoftForces``: Genesis' particles feel gravity and contacts alone (``abilities``)."""

    events: ClassVar[tuple[()]] = ()
    needs_state = False

    def begin(self, step: int) -> dict[str, int]:
        """Nothing begins."""
        return {}

    def write(self, ledger: Ledger) -> None:
        """Nothing is written."""


class GenesisSoft(SoftBodies):
    """All deformable bodies of a scene in Genesis' MPM. ``attach`` gives it the built scene."""

    def __init__(self, assets: SceneAssets, world: World) -> None:
        """Lay out particles and grid.

        Raises:
            SceneError: too large a grid.
        """
        self._lay_out(assets, world)
        self.forces = NoForces()  # type: ignore[assignment]
        scene = assets.scene
        spacing = self._spacing_m
        self._assets, self._things = assets, obstacles_of(world, spacing)
        volume = float(self._soft[0].body.volumes_m3.mean())
        low, high = _domain(assets, self._particles.positions.astype(np.float64), spacing)
        cells = float(np.prod((high - low) / spacing + 1))
        if cells > MOST_CELLS:
            raise SceneError(
                f"{scene.where('bodies')}: engine 'genesis' would need {cells:.3g} cells for the deformable bodies, "
                f"{MOST_CELLS:.3g} at most: give a larger particle_spacing_m, move things closer, or use engine newton"
            )
        step = SHARE * stable_step(self._particles, spacing, _fastest(assets, self._particles.velocities, high))
        self.model = SoftModel(
            materials=tuple(
                (material, float(s.body.volumes_m3.mean()) / volume)
                for material, s in zip(self._particles.materials, self._soft, strict=True)
            ),
            counts=tuple(len(s.body.rest) for s in self._soft),
            spacing_m=spacing,
            low_m=low,
            high_m=high,
            volume_m3=volume,
            substeps=max(1, math.ceil(scene.step_s / step)),
        )
        frames = scene.frame_count
        self._x = np.zeros((frames, len(self._particles), 3), np.float32)
        self._F = np.zeros((frames, len(self._particles), 3, 3), np.float32)
        flowing = {"plastic", "snow"}
        self._flows = np.concatenate([np.full(len(s.body.rest), s.body.kind in flowing) for s in self._soft])
        self._total = np.tile(np.eye(3), (int(self._flows.sum()), 1, 1))
        self._impulses = _Impulses()
        self._gravity, self._reach = scene.physics.gravity_m_s2, _reaches(assets)
        ground = [k for k, p in enumerate(assets.parts) if p.part.kind == "ground"]
        fixed = [k for k, p in enumerate(assets.parts) if p.part.fixed and p.colliders]
        self._floor = (ground + fixed + [-1])[0]

    def attach(self, solver: Any, step_s: float, links: list[str], state: Any) -> None:
        """Fill Genesis' particles.

        Args:
            solver: Genesis' MPM.
            step_s: of a substep.
            links: names of Genesis' rigid links, which are those of MuJoCo's bodies.
            state: Genesis' record of those links.
        """
        self._mpm, self._h = solver, step_s
        self._given = np.zeros((len(links), 3))
        m = self._world.m
        self._bodies = [int(m.body(name).id) for name in links]
        self._links = Links(state, self._things, self._bodies, np.asarray(m.body_ipos, np.float64))
        x = solver.particles.pos.to_numpy()
        v, active = np.zeros_like(x), solver.particles_ng.active.to_numpy()
        x[0, :, 0] = self._particles.positions
        v[0, :, 0] = self._particles.velocities
        active[:] = 1
        solver.particles.pos.from_numpy(x)
        solver.particles.vel.from_numpy(v)
        solver.particles_ng.active.from_numpy(active)
        masses = np.concatenate([s.body.masses_kg for s in self._soft])
        self._momenta = [s.body.masses_kg @ self._particles.velocities[s.rows].astype(np.float64) for s in self._soft]
        solver.particles_info.mass.from_numpy(masses * SCALE)
        self._loose = np.concatenate(
            [np.arange(s.rows.start, s.rows.stop) for s in self._soft if s.body.kind in LOOSE] or [np.zeros(0, np.intp)]
        )
        spacings = np.concatenate([np.full(len(s.body.rest), s.body.spacing_m) for s in self._soft])
        own = (masses[self._loose], spacings[self._loose])
        self._stopper = Stopper(self._things, *own, self.model.low_m)

    def step(self, time_s: float) -> None:
        """Clear the forces on bodies; the core takes the particles' substeps with its own."""
        self._world.d.xfrc_applied[:] = 0.0

    def substep(self) -> None:
        """After a substep of the core: stop what is loose at bodies, note what links were given and what flowed."""
        if len(self._loose):
            self._stop()
        self._given -= self._links.push * self._h
        if len(self._total):
            flow(self._total, self._mpm.particles.C.to_numpy()[0, self._flows, 0], self._h)

    def _stop(self) -> None:
        """Put sand and liquid that got into bodies back before them."""
        x, v = (a.to_numpy() for a in (self._mpm.particles.pos, self._mpm.particles.vel))
        self._links.tell(self._stopper)
        found = self._stopper.stop(x[0, self._loose, 0], v[0, self._loose, 0])
        if not len(found.rows):
            return
        rows = self._loose[found.rows]
        x[0, rows, 0] += found.shifts_m
        v[0, rows, 0] = found.velocities_m_s
        self._mpm.particles.pos.from_numpy(x)
        self._mpm.particles.vel.from_numpy(v)
        self._links.take(found, self._h)

    def read(self, frame: int) -> None:
        """Keep the state as a frame."""
        x = self._mpm.particles.pos.to_numpy()[0, :, 0]
        deformation = self._mpm.particles.F.to_numpy()[0, :, 0]
        deformation[self._flows] = self._total
        self._check_border(x)
        check_kept_out(self._assets, self._soft, self._things, x, frame / self._assets.scene.fps)
        self._x[frame] = x
        self._F[frame] = deformation @ self._turns

    def _check_border(self, x: Array) -> None:
        """Genesis would hold particles at the border of its grid as at a wall."""
        if not np.isfinite(x).all():
            raise PhysicsError(
                "the simulation diverged: a particle's place is no number any more; take a smaller physics.step_s"
            )
        pad = (3 + 0.5) * self.model.spacing_m
        out = ((x < self.model.low_m + pad) | (x > self.model.high_m - pad)).any(axis=1)
        if out.any():
            k = int(np.argmax(out))
            body = next(s.body for s in self._soft if s.rows.start <= k < s.rows.stop)
            place = np.round(x[k], 3).tolist()
            raise PhysicsError(
                f"a particle of {body.kind} material has left the grid of engine 'genesis' at {place} m, {ROOM_M} m "
                "from where things began: keep it in by walls, shorten the clip, or use engine newton"
            )

    def contacts(self) -> FrameContacts:
        """Contacts of the steps since this was last called."""
        return self._impulses.take()

    def after(self, time_s: float) -> None:
        """Work out, after a step that ends at ``time_s``, which impulses the bodies got, and from whom.

        Genesis' coupling says what it gave to each rigid link, and not from which body. What a body got in all is its
        change of momentum less that by gravity; it is shared among the links that touch it, by what these gave.
        """
        velocity = self._mpm.particles.vel.to_numpy()[0, :, 0]
        place = self._mpm.particles.pos.to_numpy()[0, :, 0]
        gravity = np.array(self._gravity) * self.step_s
        for k, (soft, given) in enumerate(zip(self._soft, self._links_near(place), strict=True)):
            masses = soft.body.masses_kg
            momentum = masses @ velocity[soft.rows]
            impulse = momentum - self._momenta[k] - masses.sum() * gravity
            self._momenta[k] = momentum
            size = float(np.linalg.norm(impulse))
            if not given or size < NOTHING * float(masses.sum()):
                continue
            whole = sum(given.values())
            for part, share in given.items():
                self._impulses.push(
                    (part, soft.part), time_s, -impulse * share / whole, self._spot(place[soft.rows], part)
                )
        self._given[:] = 0.0

    def _links_near(self, place: Array) -> list[dict[int, float]]:
        """Of each deformable body the rigid parts that touched something and are near it, with what they gave [N s]."""
        world, found = self._world, []
        size = np.linalg.norm(self._given, axis=1)
        touched = [(int(link), float(size[link])) for link in np.flatnonzero(size > 0)]
        for soft in self._soft:
            low, high = place[soft.rows].min(axis=0), place[soft.rows].max(axis=0)
            near: dict[int, float] = {}
            for link, amount in touched:
                body = self._bodies[link]
                part = self._floor if body == 0 else world.part_of_body(body)
                reach = np.inf if body == 0 else self._reach[part] + self._spacing_m
                center = world.d.xpos[body]
                gap = float(np.linalg.norm(np.maximum(np.maximum(low - center, center - high), 0.0)))
                if part >= 0 and gap < reach:
                    near[part] = near.get(part, 0.0) + amount
            found.append(near)
        return found

    def _spot(self, place: Array, part: int) -> Array:
        """A place for the contact: the middle of the particles nearest to a part."""
        body = int(self._world.bodies[part])
        far = place[:, 2] if body == 0 else np.linalg.norm(place - self._world.d.xpos[body], axis=1)
        return np.asarray(place[far <= np.quantile(far, 0.05)].mean(axis=0))


class _Impulses:
    """Sums of what rigid parts got from deformable bodies in the steps of a frame."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], list[Any]] = {}

    def push(self, pair: tuple[int, int], time_s: float, impulse: Array, point: Array) -> None:
        """Take a step's impulse on the rigid part, the first of the pair."""
        row = self._open.setdefault(pair, [time_s, np.zeros(3), np.zeros(3), 0.0])
        weight = float(np.linalg.norm(impulse))
        row[1] += impulse
        row[2] += weight * point
        row[3] += weight

    def take(self) -> FrameContacts:
        """As a table; starts anew."""
        kept, self._open = list(self._open.items()), {}
        n = len(kept)
        ids, impulses = np.zeros((n, 2), np.int64), np.zeros((n, 3))
        normals, points, times = np.zeros((n, 3)), np.zeros((n, 3)), np.zeros(n)
        for k, ((rigid, soft), (time_s, impulse, point, weight)) in enumerate(kept):
            sign = 1.0 if rigid < soft else -1.0
            ids[k] = min(rigid, soft) + 1, max(rigid, soft) + 1
            impulses[k], points[k], times[k] = sign * impulse, point / weight, time_s
            length = float(np.linalg.norm(impulse))
            normals[k] = sign * impulse / length if length > 0 else (0.0, 0.0, 1.0)
        return FrameContacts(ids[:, 0], ids[:, 1], times, points, normals, impulses, np.zeros(n))


def _domain(assets: SceneAssets, x: Array, spacing: float) -> tuple[Array, Array]:
    """Corners, whole numbers of cells from the world's origin."""
    places = [x, *(p.pose[None, :3, 3] for p in assets.parts if p.deformable is not None)]
    low = np.min([p.min(axis=0) for p in places], axis=0) - ROOM_M
    high = np.max([p.max(axis=0) for p in places], axis=0) + ROOM_M
    ground = [p.pose[2, 3] for p in assets.parts if p.part.kind == "ground"]
    if ground:
        low[2] = max(ground)
    low = (np.floor(low / spacing) - PADDING) * spacing
    high = (np.ceil(high / spacing) + PADDING) * spacing
    return low, high


def _reaches(assets: SceneAssets) -> Array:
    """How far each rigid part reaches from its origin [m], 0 without colliders, [B]."""
    links = {n: link for r in assets.robots for n, link in zip(r.part_names, r.links, strict=True)}
    out = np.zeros(len(assets.parts))
    for k, part in enumerate(assets.parts):
        link = links.get(part.part.name)
        for c in part.colliders if link is None else link.colliders:
            size = float(np.linalg.norm(c.dimensions)) if c.mesh is None else float(
                np.linalg.norm(c.mesh.vertices, axis=1).max())  # fmt: skip
            out[k] = max(out[k], float(np.linalg.norm(c.pose[:3, 3])) + size)
    return out


def _fastest(assets: SceneAssets, velocities: NDArray[np.floating], high: Array) -> float:
    """A speed that particles will hardly exceed [m/s]: as they start, and a fall through the domain."""
    scene = assets.scene
    start = float(np.linalg.norm(velocities, axis=1).max(initial=0.0))
    ground = max((p.pose[2, 3] for p in assets.parts if p.part.kind == "ground"), default=high[2] - 2.0)
    fall = max(float(high[2] - ROOM_M - ground), 0.0)
    weight = float(np.linalg.norm(scene.physics.gravity_m_s2))
    return math.sqrt(start**2 + 2 * weight * fall)
