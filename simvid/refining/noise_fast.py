"""The numbers of ``simvid.refining.noise.gaussian`` in half the time: one pass over the pixels, by numba."""

from __future__ import annotations

import math
from typing import Any

import numba  # noqa: TID253  this file is loaded only when it is asked for
import numpy as np
from numpy.typing import NDArray

from simvid.refining.noise import Anchors

_kernel: Any = numba.njit(cache=True, nogil=True, error_model="numpy")
# The normal quantile: PPND16 of Wichura 1988 (algorithm AS 241), good to one part in 1e16.
_A = (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
      4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3)  # fmt: skip
_B = (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
      3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3)  # fmt: skip
_C = (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
      1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2,
      7.74545014278341407640e-4)  # fmt: skip
_D = (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
      1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9)  # fmt: skip
_E = (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
      2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5,
      2.01033439929228813265e-7)  # fmt: skip
_F = (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
      1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15)  # fmt: skip


def gaussian(where: Anchors, channels: int, seed: int) -> NDArray[np.float32]:
    """See ``simvid.refining.noise.gaussian``."""
    height, width = where.owners.shape
    out = np.empty((channels, height * width), np.float32)
    cells = np.ascontiguousarray(where.cells.reshape(-1, 3))
    _fill(
        cells,
        where.owners.reshape(-1),
        where.levels.reshape(-1),
        np.uint64(seed & (2**64 - 1)),
        out,
    )
    return out.reshape(channels, height, width)


@_kernel
def _ratio(x: float, over: Any, under: Any) -> Any:
    """Quotient of two polynomials of degree 7, coefficients from the constant up."""
    a, b = over[7], under[7]
    for k in range(6, -1, -1):
        a, b = a * x + over[k], b * x + under[k]
    return a / b


@_kernel
def _quantile(p: float) -> Any:
    """The normal quantile of 0 < p < 1."""
    q = p - 0.5
    if abs(q) <= 0.425:
        return q * _ratio(0.180625 - q * q, _A, _B)
    r = math.sqrt(-math.log(p if q < 0 else 1 - p))
    x = _ratio(r - 1.6, _C, _D) if r <= 5 else _ratio(r - 5, _E, _F)
    return -x if q < 0 else x


@_kernel
def _fill(cells: Any, owners: Any, levels: Any, seed: Any, out: Any) -> None:
    """Philox 4x32-10 for each pixel and block of four channels."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for i in range(len(owners)):
        for block in range((len(out) + 3) // 4):
            x, y = np.uint64(np.uint32(cells[i, 0])), np.uint64(np.uint32(cells[i, 1]))
            z = np.uint64(np.uint32(cells[i, 2]))
            w = np.uint64(owners[i] << 16 | (levels[i] + 128) << 8 | block)
            k0, k1 = seed & low, seed >> half
            for _ in range(10):
                a, b = np.uint64(0xD2511F53) * x, np.uint64(0xCD9E8D57) * z
                x, y, z, w = (
                    (b >> half) ^ y ^ k0,
                    b & low,
                    (a >> half) ^ w ^ k1,
                    a & low,
                )
                k0, k1 = (
                    (k0 + np.uint64(0x9E3779B9)) & low,
                    (k1 + np.uint64(0xBB67AE85)) & low,
                )
            words = (x, y, z, w)
            for c in range(min(4, len(out) - 4 * block)):
                out[4 * block + c, i] = _quantile((np.float64(words[c]) + 0.5) * 2.0**-32)
