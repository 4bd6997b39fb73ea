"""LeRobot's 12-bit logarithmic depth code (version 0.6): finer near the camera, every code used once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOP = 4095


@dataclass(frozen=True)
class LogDepth:
    """q = rint((ln(d + s) - ln(near + s)) / (ln(far + s) - ln(near + s)) 4095), d in metres.

    Attributes:
        near_m, far_m: depths of the first and the last code; what is beyond is held at them.
        shift_m: s.
    """

    near_m: float = 0.01
    far_m: float = 10.0
    shift_m: float = 3.5

    def encode(self, depth_m: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Codes, uint16; no depth (infinite or NaN) is held at the far end."""
        low, high = np.log(self.near_m + self.shift_m), np.log(self.far_m + self.shift_m)
        codes = np.fmin(depth_m, self.far_m, dtype=np.float64)  # of NaN and a number it takes the number
        np.maximum(codes, self.near_m, out=codes)
        codes += self.shift_m
        np.log(codes, out=codes)
        codes -= low
        codes *= TOP / (high - low)
        return np.asarray(np.rint(codes, out=codes), np.uint16)

    def decode(self, codes: NDArray[np.uint16]) -> NDArray[np.float64]:
        """Depths [m]."""
        low, high = np.log(self.near_m + self.shift_m), np.log(self.far_m + self.shift_m)
        return np.asarray(np.exp(codes / TOP * (high - low) + low) - self.shift_m)
