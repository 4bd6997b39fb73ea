"""What a running script may ask of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.physics.segments import Segment
from simvid.success import Moment

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Carried:
    """A body that goes where a robot's tool goes."""

    part: int
    tool_from_part: Array
    """[4, 4]"""


@dataclass(frozen=True)
class Clash:
    """Two parts that would touch."""

    a: int
    b: int
    depth_m: float
    """How deep; negative is the gap between them."""

    @property
    def pair(self) -> tuple[int, int]:
        """The parts in order."""
        return min(self.a, self.b), max(self.a, self.b)


class Situation(Protocol):
    """The simulation as it stands."""

    @property
    def assets(self) -> SceneAssets:
        """The scene."""
        ...

    @property
    def time_s(self) -> float:
        """Now."""
        ...

    def moment(self) -> Moment:
        """Where everything is, and what touches what."""
        ...

    def joints(self, robot: int) -> Array:
        """Joint positions of a robot now, [J]."""
        ...

    def clashes(self, robot: int, q: Array, carried: Carried | None, clearance_m: float) -> list[Clash]:
        """What a robot (and what it carries) would touch, or come nearer to than a clearance, at joint positions [J].

        Everything else stands where it is. Its own links count too, as far as their file lets them touch.
        """
        ...

    def rehearse(self, robot: int, start: Array, segments: list[Segment]) -> tuple[Moment, Array]:
        """What would come of some motions: the simulation goes on in a copy, the robot at ``start`` [J] and at rest.

        Returns:
            The moment afterwards, and the robot's joint positions then, [J].
        """
        ...
