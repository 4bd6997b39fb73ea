"""Forces that act on particles in a box: an acceleration, or a wind that takes them along."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simvid.errors import PhysicsError

EVERYWHERE = (-math.inf, -math.inf, -math.inf), (math.inf, math.inf, math.inf)


@dataclass(frozen=True)
class Field:
    """Attributes:
    vector: acceleration [m/s^2] where ``drag_1_s`` is 0, else the velocity of a wind [m/s].
    drag_1_s: rate at which a wind takes along: dv/dt = drag (wind - v).
    low_m, high_m: corners of the box, world.
    """

    vector: Sequence[float]
    drag_1_s: float = 0.0
    low_m: Sequence[float] = EVERYWHERE[0]
    high_m: Sequence[float] = EVERYWHERE[1]

    def __post_init__(self) -> None:
        if len(self.vector) != 3 or not all(math.isfinite(v) for v in self.vector):
            raise PhysicsError(f"Field.vector: expected three numbers, got {self.vector}")
        if not (math.isfinite(self.drag_1_s) and self.drag_1_s >= 0):
            raise PhysicsError(f"Field.drag_1_s: expected 0 or more, got {self.drag_1_s}")
        if any(not a <= b for a, b in zip(self.low_m, self.high_m, strict=True)):
            raise PhysicsError(f"Field: expected low_m below high_m, got {self.low_m} and {self.high_m}")
