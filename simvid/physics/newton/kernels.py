"""Compiled loops over MuJoCo's contacts; import only inside functions of the Newton engine (numba is heavy).

Arrays of contacts are MuJoCo's own, strided, K contacts; arrays of constraint rows are its ``efc_*``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit  # noqa: TID253 - this module is the numba backend and is itself imported lazily
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., Any])

STRIDE = 18
"""Sums kept per pair of parts; see ``record``."""
NEAR_STICKING = 4.0
"""Slip that friction could stop in an impact, over friction coefficient times approach speed change. At a contact point
the tangential mobility is at most 1 + 5/2 (a solid ball) to 4 (a rod's end) times the normal one."""


def compiled(function: F) -> F:
    """Compile on first call and keep the code on disk. Kernels call none of another file, which could go stale."""
    return cast("F", njit(cache=True)(function))


class Rows(NamedTuple):
    """Where the contacts' constraint rows are."""

    address: Ints
    """Row of a contact's normal, -1 without force, [K]."""
    dim: Ints
    """Number of rows: 1, 3, 4 or 6, [K]."""
    geoms: Ints
    """[K, 2]"""
    friction: Floats
    """Coefficients of the rows after the first, [K, 5]."""


class Places(NamedTuple):
    """Where contacts are."""

    distance: Floats
    """Negative where they penetrate [m], [K]."""
    point: Floats
    """World [m], [K, 3]."""
    frame: Floats
    """Normal from the first geom to the second, and two tangents, [K, 9]."""


class Pairs(NamedTuple):
    """A hash table of sums over pairs of parts."""

    keys: Longs
    """a * 2^31 + b, -1 where empty; a power of two long and at most half full, [M]."""
    used: Longs
    """used[0] is the number of pairs, used[1:] their places in the table."""
    sums: Floats
    """[M, STRIDE]: 0 first time, 1-3 impulse on a [N s], 4 sum of weights |impulse|, 5-7 weighted point, 8-10 weighted
    normal, 11 deepest penetration [m], 12-14 sum of points, 15-17 sum of normals."""


class Impact(NamedTuple):
    """The law of impact."""

    restitution: Floats
    """Of each geom."""
    fast: float
    """Contacts that close faster than this [m/s] are impacts."""
    step: float
    """[s]"""


@compiled
def _lift(k: int, row: int, rows: Rows, acceleration: Floats, reference: Floats) -> float:
    total = 0.0
    for i in range(1, rows.dim[k]):
        total += (rows.friction[k, i - 1] * (acceleration[row + i] - reference[row + i])) ** 2
    return float(np.sqrt(total))


class Lifts(NamedTuple):
    """Working memory of the correction, one value per contact."""

    wanted: Floats
    """Normal acceleration that the contact shall have [m/s^2]."""
    assumed: Floats
    """Lift taken out of its reference."""
    before: Floats
    """Lift assumed in the run before."""
    found: Floats
    """Lift found in the run before."""


@compiled
def wants_correction(rows: Rows, velocity: Floats, reference: Floats, fast: float, slip: float) -> bool:
    """Whether a contact closes or opens faster than ``fast`` [m/s], or slides so that it lifts by ``slip`` [m/s^2]."""
    address, dim, friction = rows.address, rows.dim, rows.friction
    for k in range(len(address)):
        row = address[k]
        if row < 0:
            continue
        if abs(velocity[row]) > fast:
            return True
        lift = 0.0
        for i in range(1, dim[k]):
            lift += (friction[k, i - 1] * reference[row + i]) ** 2
        if lift > slip * slip:
            return True
    return False


@compiled
def set_impacts(rows: Rows, velocity: Floats, reference: Floats, softness: Floats, law: Impact, wanted: Floats) -> None:
    """Set the acceleration that each contact shall have along its normal, into ``wanted`` and ``reference``.

    Contacts that close faster than ``fast`` follow Newton's law of impact within the step, v+ = -e v-, and try to stop
    their slip within it. Those that open faster may come to a stop; MuJoCo would keep them opening at nearly the same
    speed, and so push twice at a ball that has just been hit and now hits the next one. The others keep MuJoCo's spring
    and damper. ``softness`` is ``efc_KBIP``; its third column is
    the impedance d, the share of the reference that a single contact attains, which is put right here.
    """
    address, dim, geoms, friction = rows
    restitution, fast, step = law
    for k in range(len(address)):
        row = address[k]
        if row < 0:
            continue
        wanted[k] = reference[row]
        closing = -velocity[row]
        if closing < -fast:
            wanted[k] = min(wanted[k], closing / step)
        if closing <= fast:
            continue
        change = (1 + max(restitution[geoms[k, 0]], restitution[geoms[k, 1]])) * closing
        wanted[k] = max(wanted[k], change / (step * softness[row, 2]))
        if dim[k] < 3:
            continue
        slip = np.sqrt(velocity[row + 1] ** 2 + velocity[row + 2] ** 2)
        if slip > 0:
            stopped = min(slip, NEAR_STICKING * friction[k, 0] * change) / (slip * step)
            for i in (1, 2):
                target = -velocity[row + i] * stopped
                if abs(target) > abs(reference[row + i]):
                    reference[row + i] = target


@compiled
def set_lift(rows: Rows, acceleration: Floats, reference: Floats, lifts: Lifts) -> None:
    """Take the lift that the cone would add at this acceleration out of the normal references."""
    for k in range(len(rows.address)):
        row = rows.address[k]
        if row >= 0:
            lifts.assumed[k] = _lift(k, row, rows, acceleration, reference)
            reference[row] = lifts.wanted[k] - lifts.assumed[k]


@compiled
def correct_lift(
    rows: Rows, acceleration: Floats, reference: Floats, force: Floats, lifts: Lifts, tolerance: float, first: bool
) -> bool:
    """Compare the lift assumed with the lift found; correct it where they differ by more than ``tolerance`` [m/s^2].

    From the second run on by the secant through the last two, which is exact for a single contact that keeps sliding.

    Returns:
        True where something was corrected, so that the solver must run again.
    """
    again = False
    for k in range(len(rows.address)):
        row = rows.address[k]
        if row < 0:
            continue
        assumed = lifts.assumed[k]
        found = assumed
        if force[row] > 0:
            found = _lift(k, row, rows, acceleration, reference)
        elif acceleration[row] < lifts.wanted[k] - tolerance:  # assumed too much: it opened although it closes
            found = 0.5 * assumed
        if abs(found - assumed) > tolerance:
            better = found
            moved = assumed - lifts.before[k]
            if not first and moved != 0:
                slope = min(max((found - lifts.found[k]) / moved, -1.0), 0.9)
                better = max((found - slope * assumed) / (1 - slope), 0.0)
            reference[row] = lifts.wanted[k] - better
            lifts.assumed[k] = better
            again = True
        lifts.before[k], lifts.found[k] = assumed, found
    return again


@compiled
def record(rows: Rows, places: Places, force: Floats, ids: Ints, step: float, time: float, pairs: Pairs) -> None:
    """Add one step's contacts to the sums of their pairs of parts; ``ids`` is the part id of each geom."""
    address, dim, geoms, _ = rows
    distance, point, frame = places
    keys, used, sums = pairs
    mask = len(keys) - 1
    for k in range(len(address)):
        row = address[k]
        if row < 0:
            continue
        first, second = ids[geoms[k, 0]], ids[geoms[k, 1]]
        sign = 1.0 if first > second else -1.0  # MuJoCo's force acts on the second geom, its normal points there
        a, b = min(first, second), max(first, second)
        key = np.int64(a) * np.int64(2147483648) + np.int64(b)
        place = (key ^ (key >> 17)) & mask
        while keys[place] != key:
            if keys[place] == -1:
                keys[place] = key
                used[0] += 1
                used[used[0]] = place
                sums[place, :] = 0.0
                sums[place, 0] = time
                break
            place = (place + 1) & mask
        rows_used = min(dim[k], 3)
        total = 0.0
        for axis in range(3):
            impulse = 0.0
            for i in range(rows_used):
                impulse += force[row + i] * frame[k, 3 * i + axis]
            impulse *= sign * step
            sums[place, 1 + axis] += impulse
            total += impulse * impulse
        weight = np.sqrt(total)
        sums[place, 4] += weight
        sums[place, 11] = max(sums[place, 11], -distance[k])
        for axis in range(3):
            sums[place, 5 + axis] += weight * point[k, axis]
            sums[place, 8 + axis] += weight * sign * frame[k, axis]
            sums[place, 12 + axis] += point[k, axis]
            sums[place, 15 + axis] += sign * frame[k, axis]
