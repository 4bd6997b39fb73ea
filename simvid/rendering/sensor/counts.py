"""From light to what a sensor counts: exposure, photon and read noise, gain, white balance. All in linear light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.kernels.types import Floats
from simvid.rendering.sensor.noise import generator
from simvid.scene import Sensor, WhiteBalance

Array: TypeAlias = NDArray[np.float64]
DAYLIGHT_K = 6504.0
"""The white of sRGB (D65)."""
FULL = 2.0**62
"""Electrons that no pixel has more of on the mean: far above white whatever the sensor, and numpy can draw so many."""
_RGB_OF_XYZ = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
)
"""Linear sRGB from CIE XYZ (IEC 61966-2-1)."""


@dataclass(frozen=True, eq=False)
class Counting:
    """A sensor in numbers.

    The linear camera model of EMVA Standard 1288 (release 4.0, eqs. 1 to 9): light x gathers x E 2^ev electrons on the
    mean, a Poisson-distributed number; reading adds normal noise; the gain makes numbers of them. White balance comes
    last, so it scales the noise of its channel.

    Attributes:
        light: factor of the exposure, 2^ev.
        gain: ISO over 100.
        balance: of red, green and blue, [3].
        electrons: at display white; None counts without noise.
        read_e: standard deviation of the read noise [electrons].
    """

    light: float
    gain: float
    balance: Array
    electrons: float | None
    read_e: float

    @staticmethod
    def of(sensor: Sensor) -> Counting:
        """The sensor of a scene."""
        noise = sensor.noise
        return Counting(
            2.0**sensor.exposure_ev,
            sensor.iso / 100,
            balance_of(sensor.white_balance),
            None if noise is None else noise.electrons_at_white,
            0.0 if noise is None else noise.read_noise_e,
        )

    def count(self, light: Floats, seed: int, camera: str, frame: int) -> Floats:
        """What comes of light [H, W, 3]; the same seed, camera and frame give the same bits."""
        if self.electrons is None:
            return np.asarray(light * (self.light * self.gain * self.balance), np.float32)
        rng = generator(seed, f"sensor {camera}", frame)
        mean = np.minimum(light * (self.light * self.electrons), FULL)
        electrons = rng.poisson(mean) + self.read_e * rng.standard_normal(light.shape)
        return np.asarray(electrons * (self.gain / self.electrons * self.balance), np.float32)


def balance_of(white: WhiteBalance | None) -> Array:
    """Factors on red, green and blue, [3]."""
    if white is None:
        return np.ones(3)
    if white.gains is not None:
        return np.array(white.gains)
    assert white.kelvin is not None, "exactly one is given"
    factors = glow(DAYLIGHT_K) / glow(white.kelvin)
    return np.asarray(factors / factors[1])


def glow(kelvin: float) -> Array:
    """Linear sRGB of a black body at brightness 1, [3]; may be negative or over 1 outside the gamut, floored at 0.02.

    The Planckian locus in CIE 1931 xy by the cubic splines of Kim et al. 2002 (US patent 7024034), 1667 K to 25000 K.
    """
    t = 1e3 / kelvin
    if kelvin <= 4000:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    if kelvin <= 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif kelvin <= 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    return np.asarray(np.maximum(_RGB_OF_XYZ @ np.array([x / y, 1.0, (1 - x - y) / y]), 0.02))
