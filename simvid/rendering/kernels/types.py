"""Types and constants of the kernels that pose, light and compose.

Files that contain the words ``rendering.jit import``, as this one does, are part of the key of the kernels' cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int32]
Flags: TypeAlias = NDArray[np.bool_]
Array: TypeAlias = NDArray[np.float64]
Real: TypeAlias = Any
"""A float32 inside a kernel. Python's own numbers are float64 there, which would make everything they touch slower."""
Vec: TypeAlias = tuple[Real, Real, Real]

ZERO: Real = np.float32(0)
HALF: Real = np.float32(0.5)
ONE: Real = np.float32(1)
TWO: Real = np.float32(2)
PI: Real = np.float32(np.pi)
NO_GROUND = -1e30
"""Height of the ground where there is none [m]."""


class SplatArrays(NamedTuple):
    """All Gaussians of a scene in the world at one frame, N rows sorted by part; see ``Appearance`` for the rest."""

    means: Floats
    quats: Floats
    normals: Floats
    scales: Floats
    opacities: Floats
    owner: Ints
    points: Floats
    radius: Floats
    back: Floats
    baked: Flags
    albedo: Floats
    """Linear RGB, [N, 3]."""
    gloss: Floats
    sheer: Flags
    """What is behind them is seen through them, [N]."""
