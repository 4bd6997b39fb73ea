"""Quadratic B-splines on the grid (Steffen et al. 2008), for kernels with and without gradients."""

from __future__ import annotations

import warp as wp  # noqa: TID253  part of the MPM solver, which is loaded only when it is asked for


@wp.func
def corner(x: wp.vec3, spacing: wp.float32) -> wp.vec3:
    """First of the three nodes along each axis, as floats."""
    q = x / spacing
    return wp.vec3(wp.floor(q[0] - 0.5), wp.floor(q[1] - 0.5), wp.floor(q[2] - 0.5))


@wp.func
def weights(f: wp.float32) -> wp.vec3:
    """Quadratic B-splines at distance f from the first of three nodes, in spacings."""
    a, b, c = 1.5 - f, f - 1.0, f - 0.5
    return wp.vec3(0.5 * a * a, 0.75 - b * b, 0.5 * c * c)
