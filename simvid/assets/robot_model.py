"""RobotModel: what a robot file says, for physics (joints), rendering (visuals) and scripts (kinematics)."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.assets.pieces import Collider, Visual

Array = NDArray[np.float64]
JointKind: TypeAlias = Literal["hinge", "slide"]
RobotFormat: TypeAlias = Literal["mjcf", "urdf"]


@dataclass(frozen=True, eq=False)
class RobotLink:
    """One rigid link. Links without joints of their own are fixed to their parent."""

    name: str
    parent: int
    """Index of the parent link, -1 for a root; parents come before their children."""
    pose: Array
    """parent_from_link with all joints at their reference (base_from_link for a root), [4, 4]."""
    visuals: tuple[Visual, ...] = ()
    """In the link's frame, with the file's own colours and textures."""
    colliders: tuple[Collider, ...] = ()
    """In the link's frame; for overlap checks and tool guesses, engines read the file themselves."""


@dataclass(frozen=True)
class Mimic:
    """A joint that follows another: q - reference = sum of coefficients[k] * (leader's q - its reference)^k."""

    leader: int
    """Index of the joint that leads."""
    coefficients: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class RobotJoint:
    """One degree of freedom. Several joints may move one link (MJCF); they act in the order of ``joints``."""

    name: str
    link: int
    """Index of the link that it moves."""
    kind: JointKind
    axis: Array
    """Unit, in the link's frame, [3]."""
    anchor: Array
    """A point on a hinge's axis, in the link's frame [m], [3]."""
    lower: float
    """[rad or m]; -inf without a limit."""
    upper: float
    effort_limit: float
    """[N m or N]; inf where the file gives none."""
    velocity_limit: float
    """[rad/s or m/s]; inf where the file gives none (MJCF never does)."""
    actuated: bool
    """True where the file has an actuator for it; a file with no actuators at all has all joints actuated."""
    stiffness: float | None = None
    """Position gain of the file's actuator [N m/rad or N/m]; None where it has none (motors, URDF)."""
    damping: float | None = None
    """Velocity gain of the file's actuator [N m s/rad or N s/m]."""
    mimic: Mimic | None = None
    reference: float = 0.0
    """Position at which the link stands at its fixed pose (MJCF ``ref``) [rad or m]."""


@dataclass(frozen=True, eq=False)
class RobotModel:
    """A robot as its file describes it, standing at its base pose.

    Attributes:
        name: the robot's name in the scene; its parts are called ``NAME/LINK``.
        path: the file.
        format: mjcf or urdf.
        xml: the file with includes expanded, unnamed links and joints named, and every path absolute and checked:
            what engines should read. URDF visuals, and MJCF planes, lights, cameras and keyframes, are left out.
        links: L links, parents first.
        joints: J joints of one degree of freedom each.
        home: start positions [rad or m], [J]: the scene's ``initial_joints`` over the file's ``home`` keyframe (MJCF)
            over zero clamped to the limits. ``simvid.physics.scripts`` checks the names and values of the former.
        base: world_from_base, [4, 4].
        fixed_base: whether the root is held by the world.
    """

    name: str
    path: Path
    format: RobotFormat
    xml: str = field(repr=False)
    links: tuple[RobotLink, ...] = field(repr=False)
    joints: tuple[RobotJoint, ...] = field(repr=False)
    home: Array = field(repr=False)
    base: Array = field(repr=False)
    fixed_base: bool = True

    def link_index(self, name: str) -> int:
        """Index of a link; KeyError for an unknown name."""
        return _index([link.name for link in self.links], name, "link")

    def joint_index(self, name: str) -> int:
        """Index of a joint; KeyError for an unknown name."""
        return _index(self.joint_names, name, "joint")

    @property
    def joint_names(self) -> list[str]:
        """J names."""
        return [joint.name for joint in self.joints]

    @property
    def part_names(self) -> list[str]:
        """``ROBOT/LINK`` for every link, base included, [L]."""
        return [f"{self.name}/{link.name}" for link in self.links]

    @property
    def lower(self) -> Array:
        """Lower limits [rad or m], [J]."""
        return np.array([joint.lower for joint in self.joints], dtype=np.float64)

    @property
    def upper(self) -> Array:
        """Upper limits [rad or m], [J]."""
        return np.array([joint.upper for joint in self.joints], dtype=np.float64)

    def joints_of(self, link: int) -> list[int]:
        """Indices of the joints that move a link against its parent, in order."""
        return [j for j, joint in enumerate(self.joints) if joint.link == link]

    def chain(self, link: int) -> list[int]:
        """Indices of all joints between the base and a link, base first."""
        found: list[int] = []
        while link >= 0:
            found[:0] = self.joints_of(link)
            link = self.links[link].parent
        return found

    def coupled(self, q: Array) -> Array:
        """Joint positions [..., J] with every follower where its leader puts it."""
        q = np.array(q, dtype=np.float64)
        for k, joint in enumerate(self.joints):
            if joint.mimic is not None:
                leader = self.joints[joint.mimic.leader]
                move = q[..., joint.mimic.leader] - leader.reference
                q[..., k] = joint.reference + np.polynomial.polynomial.polyval(move, joint.mimic.coefficients)
        return q

    def forward(self, q: Array) -> Array:
        """Forward kinematics: joint positions [..., J] to world_from_link [..., L, 4, 4].

        A link's pose is its parent's, times its fixed pose, times the motion of its joints in order; a hinge turns by q
        about its axis through its anchor (Rodrigues), a slide shifts by q along it, both as in MuJoCo's mj_kinematics.
        """
        q = np.asarray(q, dtype=np.float64)
        if q.shape[-1:] != (len(self.joints),):
            raise ValueError(f"RobotModel.forward: expected q of shape (..., {len(self.joints)}), got {q.shape}")
        world = np.empty((*q.shape[:-1], len(self.links), 4, 4))
        for k, link in enumerate(self.links):
            above = self.base if link.parent < 0 else world[..., link.parent, :, :]
            pose = above @ link.pose
            for j in self.joints_of(k):
                pose = pose @ joint_motion(self.joints[j], q[..., j] - self.joints[j].reference)
            world[..., k, :, :] = pose
        return world


def joint_motion(joint: RobotJoint, q: Array) -> Array:
    """link_before_from_link_after for moves from the reference [...], as matrices [..., 4, 4]."""
    motion = np.zeros((*np.shape(q), 4, 4))
    motion[..., 3, 3] = 1.0
    if joint.kind == "slide":
        motion[..., :3, :3] = np.eye(3)
        motion[..., :3, 3] = np.asarray(q)[..., None] * joint.axis
        return motion
    x, y, z = joint.axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.asarray(q)[..., None, None]
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    motion[..., :3, :3] = turn
    motion[..., :3, 3] = joint.anchor - turn @ joint.anchor
    return motion


def closest(name: str, known: list[str]) -> str:
    """``; did you mean 'x'?`` or the known names, for messages."""
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def _index(names: list[str], name: str, what: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise KeyError(f"no {what} {name!r}; {closest(name, names)}") from None
