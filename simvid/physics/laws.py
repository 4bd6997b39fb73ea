"""Closed forms of mechanics that every engine is tested against, with their sources.

Sources: [LL] Landau and Lifshitz, Mechanics, 3rd ed. 1976. [G] Goldstein, Poole and Safko, Classical Mechanics, 3rd ed.
2002. [HLW] Hairer, Lubich and Wanner, Geometric Numerical Integration, 2nd ed. 2006.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def free_flight(position_m: Array, velocity_m_s: Array, gravity_m_s2: Array, t_s: float) -> Array:
    """x + v t + g t^2 / 2 [m]; [G] ch. 1."""
    return np.asarray(position_m + velocity_m_s * t_s + gravity_m_s2 * t_s**2 / 2)


def semi_implicit_offset(gravity_m_s2: Array, step_s: float, t_s: float) -> Array:
    """What a semi-implicit Euler step adds to a free flight: g h t / 2 [m].

    v_n = v_0 + n h g, and x_n = x_0 + h sum of v_1 ... v_n = x_0 + v_0 t + g t^2 / 2 + g h t / 2; [HLW] I.1.
    """
    return np.asarray(gravity_m_s2 * step_s * t_s / 2)


def incline_acceleration(angle_rad: float, friction: float, gravity_m_s2: float = 9.81) -> float:
    """Of a block on an incline: max(0, g (sin a - mu cos a)) [m/s^2]; Coulomb, [G] ch. 1."""
    return max(0.0, float(gravity_m_s2 * (np.sin(angle_rad) - friction * np.cos(angle_rad))))


def rolling_acceleration(angle_rad: float, gyration: float = 0.4, gravity_m_s2: float = 9.81) -> float:
    """Of a round body that rolls down an incline without slip: g sin a / (1 + k) [m/s^2], k = I / (m r^2).

    2/5 for a solid ball, which gives 5/7 g sin a; it rolls where mu >= tan a k / (1 + k). [LL] sec. 32.
    """
    return float(gravity_m_s2 * np.sin(angle_rad) / (1 + gyration))


def pendulum_period(amplitude_rad: float, inertia: float, torque: float) -> float:
    """Of a physical pendulum: 4 sqrt(I / (m g l)) K(sin(a / 2)) [s], by the arithmetic-geometric mean.

    K(k) = pi / (2 agm(1, sqrt(1 - k^2))). [LL] sec. 11, problem 1.

    Args:
        amplitude_rad: largest angle from the vertical, below pi.
        inertia: about the pivot [kg m^2].
        torque: m g l, weight times distance of the centre of mass [N m].
    """
    a, b = 1.0, float(np.cos(amplitude_rad / 2))
    for _ in range(60):  # converges quadratically
        if abs(a - b) < 1e-16 * a:
            break
        a, b = (a + b) / 2, float(np.sqrt(a * b))
    return float(2 * np.pi * np.sqrt(inertia / torque) / a)


def rebound_height(height_m: float, restitution: float) -> float:
    """e^2 h [m]; Newton's law of impact."""
    return restitution**2 * height_m


def collision(m1: float, v1: float, m2: float, v2: float, restitution: float) -> tuple[float, float]:
    """Speeds of two bodies after a central impact [m/s]: momentum is kept, (v2' - v1') = e (v1 - v2). [LL] sec. 17."""
    center = (m1 * v1 + m2 * v2) / (m1 + m2)
    closing = v1 - v2
    return center - restitution * m2 / (m1 + m2) * closing, center + restitution * m1 / (m1 + m2) * closing


def oblique_bounce(
    normal_m_s: float, tangent_m_s: float, restitution: float, friction: float, gyration: float = 0.4
) -> tuple[float, float, float]:
    """A round body without spin that hits a wall: normal and tangential speed after it, spin times radius [m/s].

    The friction impulse is what stops the slip, or mu times the normal impulse if that is less (Walton 1993).
    """
    normal = (1 + restitution) * normal_m_s
    tangent = min(friction * normal, tangent_m_s * gyration / (1 + gyration))
    return restitution * normal_m_s, tangent_m_s - tangent, tangent / gyration


def fast_top_rate(mass_kg: float, distance_m: float, spin_inertia: float, spin_rad_s: float, gravity: float) -> float:
    """Slow precession of a fast symmetric top about the vertical: m g l / (I3 w3) [rad/s]; [G] eq. 5.73."""
    return mass_kg * gravity * distance_m / (spin_inertia * spin_rad_s)


def free_top_rate(side_inertia: float, spin_inertia: float, spin_rad_s: float, tilt_rad: float) -> float:
    """Rate at which a free symmetric top's axis circles its angular momentum: L / I1 [rad/s]; [LL] sec. 33.

    Args:
        side_inertia, spin_inertia: I1 = I2 and I3 [kg m^2].
        spin_rad_s: component of the angular velocity along the axis.
        tilt_rad: angle between axis and angular momentum; L = I3 w3 / cos(tilt).
    """
    return float(spin_inertia * spin_rad_s / np.cos(tilt_rad) / side_inertia)


def terminal_speed(mass_kg: float, air_density_kg_m3: float, drag_coefficient: float, area_m2: float) -> float:
    """At which 1/2 rho c A v^2 = m g [m/s]; [LL] Fluid Mechanics, 2nd ed. 1987, sec. 45."""
    return float(np.sqrt(2 * mass_kg * 9.81 / (air_density_kg_m3 * drag_coefficient * area_m2)))


def fall_in_air(terminal_m_s: float, t_s: Array) -> Array:
    """Speed of a fall from rest with drag as the square of the speed: v tanh(g t / v) [m/s]; [G] ch. 1."""
    return np.asarray(terminal_m_s * np.tanh(9.81 * t_s / terminal_m_s))


def domino_wave_speed(height_m: float, thickness_m: float, gap_m: float, gravity_m_s2: float = 9.81) -> float:
    """Of the wave along an endless row of dominoes that do not slip on the ground and slide on each other [m/s].

    van Leeuwen, The domino effect, Am. J. Phys. 78 (2010) 721, without friction. All that have fallen lean on each
    other and turn as one: h sin(a' - a) = (s + d) cos a - d ties the angle a' of a domino to that of the next. An
    impact keeps the momentum that belongs to the angle of the first, w' = w S / (1 + S) with S the sum of the squares
    of the others' speeds over its own; between impacts energy is kept. In the steady wave what one domino's fall gives
    is what an impact takes.
    """
    h, d, pitch = height_m, thickness_m, gap_m + thickness_m
    inertia = (h * h + d * d) / 3  # about the lower edge, per mass
    meets = float(np.arcsin(gap_m / h))

    def train(first: float) -> tuple[Array, Array]:
        """Angles of the leaning dominoes from the first on, and their speeds over its own."""
        angles, speeds = [first], [1.0]
        for _ in range(60):
            a = angles[-1]
            angles.append(a + float(np.arcsin((pitch * np.cos(a) - d) / h)))
            speeds.append(speeds[-1] * (1 - pitch * np.sin(a) / (h * np.cos(angles[-1] - a))))
        return np.array(angles), np.array(speeds)

    def lift(angles: Array) -> Array:
        """Height of the centres, per gravity."""
        return np.asarray(gravity_m_s2 * (h * np.cos(angles) + d * np.sin(angles)) / 2)

    others = float((train(meets)[1] ** 2).sum())
    last = float(np.arccos(d / pitch))
    given = float(lift(np.zeros(1))[0] - lift(np.array([last]))[0])
    before = np.sqrt(2 * given * (1 + others) / (inertia * others))
    after = before * others / (1 + others)
    energy = inertia * (1 + others) * after**2 / 2
    start = lift(train(0.0)[0])
    points, weights = np.polynomial.legendre.leggauss(40)
    time_s = 0.0
    for x, weight in zip((points + 1) / 2 * meets, weights / 2 * meets, strict=True):
        angles, speeds = train(float(x))
        kinetic = energy - float((lift(angles) - start).sum())
        time_s += weight / np.sqrt(2 * kinetic / (inertia * float((speeds**2).sum())))
    return float(pitch / time_s)
