"""Predicates on a moment of a simulation: success of a task from a trajectory, and what a script waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.assets.primitives import primitive_mesh
from simvid.scene.predicates import (
    Above,
    Apart,
    InLine,
    Inside,
    MovedBy,
    Near,
    Predicate,
    Still,
    Touching,
    TurnedBy,
    Upright,
)
from simvid.trajectory import Part, ParticleMotion, Trajectory, pose_matrices

Array = NDArray[np.float64]
Pair = tuple[int, int]
"""Two part indices, the smaller first."""
GROUND = np.array([[-np.inf] * 3, [np.inf, np.inf, 0.0]])
"""Its box."""


@dataclass(frozen=True, eq=False)
class Moment:
    """What predicates look at.

    Attributes:
        parts: the B parts.
        boxes: lowest and highest corner of each part in its own frame [m], NaN without, [B, 2, 3].
        first: world_from_part at t = 0, [B, 7].
        poses: now, [B, 7].
        twists: now, [B, 6].
        touching: pairs of parts in contact now.
        around: lowest and highest world corner of what deforms, as it is now [m], [2, 3].
    """

    parts: Sequence[Part]
    boxes: Array
    first: Array
    poses: Array
    twists: Array
    touching: frozenset[Pair]
    around: Mapping[int, Array] = field(default_factory=dict)

    def index(self, name: str) -> int:
        """Index of a body or ROBOT/LINK; KeyError for others."""
        for k, part in enumerate(self.parts):
            if part.name == name:
                return k
        raise KeyError(name)

    def is_ground(self, part: int) -> bool:
        """Whether it is the ground, which has no end sideways and downwards."""
        return self.parts[part].kind == "ground"

    def all_of(self, name: str) -> set[int]:
        """Parts called so, or all links of the robot called so."""
        return {k for k, part in enumerate(self.parts) if name in (part.name, part.instance)}

    def box(self, part: int) -> Array:
        """The part's box, a point at its origin where it has none, [2, 3]."""
        box = self.boxes[part]
        return np.zeros((2, 3)) if np.isnan(box).any() else box

    def corners(self, part: int) -> Array:
        """World corners of the part's box [m], [8, 3]."""
        low, high = self.box(part)
        points = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
        pose = pose_matrices(self.poses[part])
        return np.asarray(points @ pose[:3, :3].T + pose[:3, 3])

    def extent(self, part: int) -> Array:
        """Lowest and highest world coordinates of the part's box, or of what deforms [m], [2, 3]."""
        corners = self.around[part] if part in self.around else self.corners(part)
        return np.stack([corners.min(axis=0), corners.max(axis=0)])

    def middle(self, part: int) -> Array:
        """World middle of the part's box [m], [3]."""
        return np.asarray(self.corners(part).mean(axis=0))


def part_boxes(assets: SceneAssets) -> Array:
    """Boxes of what each part collides with (shows, where it collides with nothing), in its frame, NaN without.

    Robot links count with the colliders of their file. [B, 2, 3].
    """
    boxes = np.full((len(assets.parts), 2, 3), np.nan)
    links = {
        f"{robot.name}/{link.name}": link.colliders for robot in assets.robots for link in robot.links
    }  # fmt: skip
    for k, part in enumerate(assets.parts):
        points = []
        for collider in part.colliders or links.get(part.part.name, ()):
            if collider.kind == "plane":
                continue
            mesh = collider.mesh or primitive_mesh(collider.kind, collider.dimensions, 24)
            points.append(mesh.vertices @ collider.pose[:3, :3].T + collider.pose[:3, 3])
        if not points:
            points = [v.mesh.vertices.astype(np.float64) for v in part.visuals if v.mesh is not None]
        if points:
            cloud = np.concatenate(points)
            boxes[k] = cloud.min(axis=0), cloud.max(axis=0)
    return boxes


def unknown_body(name: str, known: Iterable[str]) -> str:
    """The message for a name that is no body's."""
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known)[:12])}"
    return f"expected a body, or ROBOT/LINK, got {name!r}; {hint}"


def holds(predicate: Predicate, moment: Moment) -> tuple[bool, str]:
    """Whether a predicate is true, and what was found, in a few words."""
    value = predicate.value
    return TESTS[type(value)](value, moment)


def _touching(p: Touching, moment: Moment) -> tuple[bool, str]:
    met = _touch(p.body, p.other, moment)
    return met, "they touch" if met else "they do not touch"


def _apart(p: Apart, moment: Moment) -> tuple[bool, str]:
    met = _touch(p.body, p.other, moment)
    return not met, "they touch" if met else "they do not touch"


def _upright(p: Upright, moment: Moment) -> tuple[bool, str]:
    axis = np.asarray(p.axis) / np.linalg.norm(p.axis)
    up = pose_matrices(moment.poses[moment.index(p.body)])[:3, :3] @ axis
    lean = float(np.degrees(np.arccos(np.clip(up[2], -1, 1))))
    return lean <= p.within_deg, f"leans by {lean:.1f} deg"


def _turned(p: TurnedBy, moment: Moment) -> tuple[bool, str]:
    part = moment.index(p.body)
    dot = abs(float(moment.first[part, 3:] @ moment.poses[part, 3:]))
    angle = float(np.degrees(2 * np.arccos(min(dot, 1.0))))
    return angle >= p.at_least_deg, f"turned by {angle:.1f} deg"


def _still(p: Still, moment: Moment) -> tuple[bool, str]:
    speed = float(np.linalg.norm(moment.twists[moment.index(p.body), :3]))
    return speed < p.below_m_s, f"moves at {speed:.3f} m/s"


def _above(p: Above, moment: Moment) -> tuple[bool, str]:
    part, of = moment.index(p.body), moment.index(p.of)
    middle, (low, high) = moment.middle(part)[:2], moment.extent(of)
    gap = float(moment.extent(part)[0, 2] - high[2])
    over = moment.is_ground(of) or bool((middle >= low[:2]).all() and (middle <= high[:2]).all())
    return over and p.gap_m[0] <= gap <= p.gap_m[1], f"{'over' if over else 'beside'} it, {gap:.3f} m over its top"


def _inside(p: Inside, moment: Moment) -> tuple[bool, str]:
    local, of = moment.middle(moment.index(p.body)), moment.index(p.of)
    if of in moment.around:
        low, high = moment.around[of]
    else:
        pose = pose_matrices(moment.poses[of])
        local = (local - pose[:3, 3]) @ pose[:3, :3]
        low, high = GROUND if moment.is_ground(of) else moment.box(of)
    out = float(np.max(np.maximum(low - p.margin_m - local, local - high - p.margin_m)))
    return out <= 0, f"{abs(out):.3f} m {'inside' if out <= 0 else 'outside'}"


def _touch(a: str, b: str, moment: Moment) -> bool:
    one, two = moment.all_of(a), moment.all_of(b)
    return any((x in one and y in two) or (x in two and y in one) for x, y in moment.touching)


def _moved(p: MovedBy, moment: Moment) -> tuple[bool, str]:
    part = moment.index(p.body)
    way = moment.poses[part, :3] - moment.first[part, :3]
    along = None if p.along is None else np.asarray(p.along) / np.linalg.norm(p.along)
    moved = float(np.linalg.norm(way)) if along is None else float(way @ along)
    low = -np.inf if p.at_least_m is None else p.at_least_m
    high = np.inf if p.at_most_m is None else p.at_most_m
    return low <= moved <= high, f"moved by {moved:.3f} m"


def _near(p: Near, moment: Moment) -> tuple[bool, str]:
    goal = np.asarray(p.to_m) if p.of is None else moment.middle(moment.index(p.of))
    way = moment.middle(moment.index(p.body)) - goal
    distance = float(np.linalg.norm(way[:2] if p.flat else way))
    return distance <= p.within_m, f"{distance:.3f} m away"


def _in_line(p: InLine, moment: Moment) -> tuple[bool, str]:
    """Distance of the farthest one from the line of least squares (the first principal axis)."""
    points = np.stack([moment.middle(moment.index(name))[:2] for name in p.bodies])
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred)
    worst = float(np.abs(centred @ axes[-1]).max())
    return worst <= p.within_m, f"{worst:.3f} m off the line"


TESTS: dict[type, Callable[..., tuple[bool, str]]] = {
    Above: _above, Apart: _apart, InLine: _in_line, Inside: _inside, MovedBy: _moved, Near: _near, Still: _still,
    Touching: _touching, TurnedBy: _turned, Upright: _upright,
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How one predicate stands at the last frame."""

    predicate: Predicate
    true: bool
    found: str
    since_frame: int | None
    """First frame from which it is true to the end; None where it is not."""

    def text(self) -> str:
        """``above(body=cube, of=board)``."""
        given = self.predicate.value.model_dump(exclude_unset=True)
        return f"{self.predicate.kind}({', '.join(f'{k}={_shown(v)}' for k, v in given.items())})"


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_shown(v) for v in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _extents(assets: SceneAssets, motion: ParticleMotion) -> Array:
    """Lowest and highest world corner of what deforms at each frame [m], [T, 2, 3]."""
    body = assets.parts[motion.part].deformable
    margin = 0.0 if body is None or body.tetrahedra is not None else body.radius_m
    x = motion.positions.astype(np.float64)
    return np.stack([x.min(axis=1) - margin, x.max(axis=1) + margin], axis=1)


def outcomes(assets: SceneAssets, trajectory: Trajectory) -> tuple[Outcome, ...]:
    """How the scene's ``success`` predicates stand at the end of a trajectory."""
    wanted = assets.scene.success
    if not wanted:
        return ()
    boxes, table = part_boxes(assets), trajectory.contacts
    live = table.event < 2
    around = {p.part: _extents(assets, p) for p in trajectory.particles}
    found: list[list[tuple[bool, str]]] = []
    for frame in range(trajectory.frame_count):
        rows = live & (table.frame == frame)
        pairs = frozenset((int(a) - 1, int(b) - 1) for a, b in zip(table.id_a[rows], table.id_b[rows], strict=True))
        moment = Moment(
            trajectory.parts, boxes, trajectory.poses[0], trajectory.poses[frame], trajectory.twists[frame], pairs,
            {part: extents[frame] for part, extents in around.items()},
        )  # fmt: skip
        found.append([holds(predicate, moment) for predicate in wanted])
    results = []
    for k, predicate in enumerate(wanted):
        true = [bool(frame[k][0]) for frame in found]
        misses = [frame for frame, met in enumerate(true) if not met]
        since = None if not true[-1] else (misses[-1] + 1 if misses else 0)
        results.append(Outcome(predicate, true[-1], found[-1][k][1], since))
    return tuple(results)
