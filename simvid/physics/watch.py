"""Watches a simulation: parts that start inside each other, and runs that diverge. Independent of the engine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.assets.pieces import Collider
from simvid.assets.springs import Springs
from simvid.errors import PhysicsError, SceneError
from simvid.physics.contact_table import FrameContacts
from simvid.trajectory import Part, pose_matrices

Array = NDArray[np.float64]
OVERLAP_M = 1e-3
"""Parts may start this deep inside each other; contacts push that out gently."""
OWN_OVERLAP_M = 5e-3
"""The same for links of one robot, where its file lets them touch: some are made to rub."""
MAX_SPEED_M_S = 1e3
MAX_TURN_RAD = 3.0
"""Per step; beyond half a turn a rotation is not even known any more."""
DEEP_M, DEEP_SHARE, DEEP_S = 5e-3, 0.25, 0.25
"""Penetration is a fault if deeper than both this and this share of the thinner part, for this long."""
DEEP_FRAMES = 3
"""In so many frames at least: one frame tells of the deepest of its steps, so of a hard impact as of a wedge."""
ENERGY_SHARE, LIFT_M, DRIFT_M_S = 0.2, 0.01, 0.05
"""A scene that nothing drives may gain this share of its largest kinetic energy, and what lifts all by this height and
moves all at this speed (touching parts that start a little inside each other); that is far beyond rounding."""
SHOWN = 10


@dataclass(frozen=True)
class Overlap:
    """Two parts that start inside each other."""

    a: int
    b: int
    """Part indices."""
    depth_m: float
    normal: tuple[float, float, float]
    """The way to move a, world."""


def check_overlaps(assets: SceneAssets, overlaps: Iterable[Overlap]) -> None:
    """Refuse a start in which parts are deeper than ``OVERLAP_M`` (links of one robot ``OWN_OVERLAP_M``) inside each
    other.

    Raises:
        SceneError: one line per pair, deepest first, with the way out.
    """
    parts = assets.parts
    deepest: dict[tuple[int, int], Overlap] = {}
    for overlap in overlaps:
        pair = (min(overlap.a, overlap.b), max(overlap.a, overlap.b))
        if overlap.depth_m > _allowed(parts[overlap.a].part, parts[overlap.b].part):
            before = deepest.get(pair)
            if before is None or overlap.depth_m > before.depth_m:
                deepest[pair] = overlap
    if not deepest:
        return
    found = sorted(deepest.values(), key=lambda o: (-o.depth_m, o.a, o.b))
    lines = [_overlap_line(assets, overlap) for overlap in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"and {len(found) - SHOWN} more pairs")
    raise SceneError("\n".join(lines))


def _allowed(one: Part, two: Part) -> float:
    return OWN_OVERLAP_M if one.instance == two.instance else OVERLAP_M


def _overlap_line(assets: SceneAssets, o: Overlap) -> str:
    parts, a, b, normal = assets.parts, o.a, o.b, np.array(o.normal)
    if parts[a].part.fixed and not parts[b].part.fixed:
        a, b, normal = b, a, -normal
    first, second = (parts[k].part for k in (a, b))
    way = ", ".join(f"{x:.3g}" for x in np.round(normal * (o.depth_m + 1e-4), 4) + 0.0)
    remedy = f"move {first.name!r} by [{way}] m"
    if "link" in (first.kind, second.kind):
        robot, other = (first, second) if first.kind == "link" else (second, first)
        remedy = f"start {robot.instance!r} in another pose (initial_joints)"
        if robot.instance != other.instance:
            remedy += ", or raise it" if other.kind == "ground" else f", or move {other.instance!r} out of its way"
    elif first.kind == second.kind == "body":
        remedy += ", or tie them by a joint"
    depth = f"{o.depth_m * 1000:.3g} mm"
    return (
        f"{part_place(assets, first)}: {first.name!r} and {second.name!r} are {depth} inside each other at t = 0 "
        f"(at most {_allowed(first, second) * 1000:g} mm is allowed): {remedy}"
    )


def part_place(assets: SceneAssets, part: Part) -> str:
    """File, line and field of a body or robot."""
    scene = assets.scene
    link = part.kind == "link"
    kind, names = ("robots", [r.name for r in scene.robots]) if link else ("bodies", [b.name for b in scene.bodies])
    for k, name in enumerate(names):
        if part.instance == name or re.fullmatch(rf"{re.escape(name)}_\d+", part.instance):
            return scene.where(f"{kind}[{k}]")
    return scene.where(kind)


def _kept(assets: SceneAssets) -> frozenset[int]:
    """Deformable parts (MuJoCo's view of a scene has no body for them) that something holds from the start on."""
    scene = assets.scene
    holds = [force.hold for force in scene.forces if force.hold is not None and not force.hold.start_s]
    tied = {tie.a for tie in scene.attachments if not tie.start_s}
    return frozenset(
        k for k, p in enumerate(assets.parts)
        if p.part.kind == "body" and p.body is None
        and (p.part.name in tied or any(not hold.bodies or p.part.instance in hold.bodies for hold in holds))
    )  # fmt: skip


@dataclass(eq=False)
class Watch:
    """Checks a running simulation frame by frame.

    Attributes:
        assets: the scene.
        moving: whether a part's pose can change, [B].
        driven: whether something puts energy in: robots, keyframes. Impulses are counted when they come.
    """

    assets: SceneAssets
    moving: NDArray[np.bool_]
    driven: bool
    _sizes: Array = field(init=False)
    _bodies: Bodies = field(init=False)
    _springs: Springs = field(init=False)
    _stretch: Array = field(init=False)
    _gravity: Array = field(init=False)
    _kicks: list[float] = field(init=False)
    _slack: float = field(init=False)
    _deep: dict[tuple[int, int], int] = field(default_factory=dict)
    _kept: frozenset[int] = field(init=False)
    """Parts that may begin with a rigid one inside."""
    _inside: set[tuple[int, int]] = field(default_factory=set)
    _highest: float = 0.0
    _swing: float = 0.0
    _start: float | None = None
    _frame: int = -1

    def __post_init__(self) -> None:
        self._sizes = part_sizes(self.assets)
        self._bodies = Bodies.of(self.assets)
        self._springs = Springs.of(self.assets)
        self._stretch = np.zeros(len(self._springs.child))
        self._gravity = np.array(self.assets.scene.physics.gravity_m_s2)
        self._kept = _kept(self.assets)
        self._kicks = [i.t_s for p in self.assets.parts if p.body is not None for i in p.body.impulses]
        weight = float(np.linalg.norm(self._gravity))
        self._slack = float(self._bodies.mass.sum()) * (weight * LIFT_M + DRIFT_M_S**2 / 2)

    def frame(self, poses: Array, twists: Array, contacts: FrameContacts) -> None:
        """Check the next frame, from frame 0 on.

        Args:
            poses: [B, 7]; twists: [B, 6], as in ``Trajectory``.
            contacts: of the steps since the last frame.

        Raises:
            PhysicsError: the part, the time and the remedy.
            SceneError: it starts too fast.
        """
        self._frame += 1
        self._check_numbers(poses, twists)
        self._check_depth(contacts)
        if not self.driven and len(self._bodies.parts):
            self._check_energy(poses, twists)

    @property
    def _time(self) -> float:
        return self._frame / self.assets.scene.fps

    def diverged(self, part: int, what: str, step_s: float | None = None) -> PhysicsError:
        """The error for a part that ran away."""
        now = self.assets.scene.step_s
        needed = min(now / 4, step_s if step_s is not None else now / 4)
        return PhysicsError(
            f"the simulation diverged at t = {self._time:.4g} s: {self.assets.parts[part].part.name!r} {what}. The "
            f"physics step is {now:.3g} s; try physics.step_s: {needed:.2g} or less, and check masses, sizes and gains"
        )

    def _check_numbers(self, poses: Array, twists: Array) -> None:
        if not (np.isfinite(poses).all() and np.isfinite(twists).all()):
            broken = ~(np.isfinite(poses).all(axis=1) & np.isfinite(twists).all(axis=1))
            raise self.diverged(int(np.argmax(broken)), "has a pose that is no number any more")
        with np.errstate(over="ignore"):
            squares = twists * twists
            speed, spin = np.sqrt(squares[:, :3].sum(axis=1)), np.sqrt(squares[:, 3:].sum(axis=1))
        fastest = int(np.argmax(speed))
        if speed[fastest] > MAX_SPEED_M_S:
            if not self._frame:
                part = self.assets.parts[fastest].part
                raise SceneError(
                    f"{part_place(self.assets, part)}: {part.name!r} starts with {speed[fastest]:.3g} m/s: expected at "
                    f"most {MAX_SPEED_M_S:g} m/s; give a smaller velocity_m_s"
                )
            step = float(self._sizes[fastest] / (2 * speed[fastest])) if np.isfinite(self._sizes[fastest]) else None
            raise self.diverged(fastest, f"moves at {speed[fastest]:.3g} m/s", step)
        wildest = int(np.argmax(spin))
        if spin[wildest] * self.assets.scene.step_s > MAX_TURN_RAD:
            raise self.diverged(wildest, f"turns at {spin[wildest]:.3g} rad/s", 0.5 / float(spin[wildest]))

    def _check_depth(self, contacts: FrameContacts) -> None:
        parts = self.assets.parts
        deep: dict[tuple[int, int], int] = {}
        for a, b, depth in zip(contacts.id_a - 1, contacts.id_b - 1, contacts.depth_m, strict=True):
            thin = min(self._sizes[a], self._sizes[b])
            if depth < max(DEEP_M, DEEP_SHARE * thin) or parts[a].part.instance == parts[b].part.instance:
                continue
            pair = (int(a), int(b))
            if self._frame <= 1 and self._kept & {a, b}:
                self._inside.add(pair)
            if pair in self._inside:
                continue
            deep[pair] = self._deep.get(pair, 0) + 1
            if deep[pair] >= max(DEEP_FRAMES, DEEP_S * self.assets.scene.fps):
                names = f"{parts[a].part.name!r} and {parts[b].part.name!r}"
                raise PhysicsError(
                    f"{names} have been up to {depth * 1000:.3g} mm inside each other for "
                    f"{deep[pair] / self.assets.scene.fps:.2g} s at "
                    f"t = {self._time:.4g} s: something presses them together (a keyframed path, a strong joint, a "
                    "wedge); free the way, or take a smaller physics.step_s "
                    f"(now {self.assets.scene.step_s:.3g} s)"
                )
        self._deep = deep

    def _check_energy(self, poses: Array, twists: Array) -> None:
        """A scene that nothing drives cannot gain energy."""
        kinetic, potential = self._bodies.energy(self._gravity, poses, twists)
        total = float(kinetic.sum() + potential.sum()) + self._stored(poses, twists)
        self._highest = max(self._highest, float(kinetic.sum()))
        before = (self._frame - 1) / self.assets.scene.fps - self.assets.scene.step_s
        if self._start is None or any(before <= t <= self._time for t in self._kicks):
            self._start = total
        self._start = min(self._start, total)
        if total - self._start > ENERGY_SHARE * self._highest + self._slack + self._swing:
            raise self.diverged(
                int(self._bodies.parts[np.argmax(kinetic)]),
                f"has {kinetic.max():.3g} J of kinetic energy, and all together gained {total - self._start:.3g} J "
                "though nothing drives them",
            )

    def _stored(self, poses: Array, twists: Array) -> float:
        """Energy in the springs of joints [J]."""
        springs = self._springs
        if not len(springs.child):
            return 0.0
        self._stretch = springs.stretch(poses, self._stretch)
        swing = springs.swing(self._stretch, springs.speeds(poses, twists), self.assets.scene.step_s)
        self._swing = max(self._swing, swing)
        return float(springs.energy(self._stretch).sum())


@dataclass(frozen=True, eq=False)
class Bodies:
    """Mass properties of the parts that have some, stacked.

    Attributes:
        parts: their indices, [N].
        mass: [kg], [N].
        center: in the part's frame [m], [N, 3].
        inertia: about the centre, in the part's axes [kg m^2], [N, 3, 3].
    """

    parts: NDArray[np.intp]
    mass: Array
    center: Array
    inertia: Array

    @staticmethod
    def of(assets: SceneAssets) -> Bodies:
        """All parts with mass properties."""
        found = [(k, p.mass) for k, p in enumerate(assets.parts) if p.mass is not None]
        return Bodies(
            np.array([k for k, _ in found], np.intp),
            np.array([m.mass_kg for _, m in found]),
            np.array([m.center_m for _, m in found]).reshape(-1, 3),
            np.array([m.inertia_kg_m2 for _, m in found]).reshape(-1, 3, 3),
        )

    def energy(self, gravity: Array, poses: Array, twists: Array) -> tuple[Array, Array]:
        """Kinetic and potential energy [J], [N] each, at poses [B, 7] and twists [B, 6] of all parts."""
        turn = pose_matrices(poses[self.parts])[:, :3, :3]
        arm = np.einsum("kij,kj->ki", turn, self.center)
        spin = twists[self.parts, 3:]
        velocity = twists[self.parts, :3] + cross(spin, arm)
        own = np.einsum("kji,kj->ki", turn, spin)
        turning = np.einsum("ki,kij,kj->k", own, self.inertia, own) / 2
        moving = self.mass * (velocity * velocity).sum(axis=1) / 2
        return turning + moving, -self.mass * ((poses[self.parts, :3] + arm) @ gravity)


def cross(a: Array, b: Array) -> Array:
    """Cross products of rows [N, 3]; numpy's own takes five times as long for a few rows."""
    out = np.empty_like(a)
    out[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    out[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    out[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return out


def part_sizes(assets: SceneAssets) -> Array:
    """Half of the smallest extent of each part's thinnest collider [m], inf without one, [B]."""
    links = {name: link for robot in assets.robots for name, link in zip(robot.part_names, robot.links, strict=True)}
    sizes = np.full(len(assets.parts), np.inf)
    for k, part in enumerate(assets.parts):
        link = links.get(part.part.name)
        colliders = link.colliders if link is not None else part.colliders
        sizes[k] = min((_half_size(c) for c in colliders), default=np.inf)
    return sizes


def _half_size(collider: Collider) -> float:
    if collider.mesh is not None:
        return float(np.ptp(collider.mesh.vertices, axis=0).min() / 2)
    return float(min(collider.dimensions, default=np.inf))
