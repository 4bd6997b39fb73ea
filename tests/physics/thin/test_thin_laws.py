"""Cloth and rope against closed forms: fall, hang, bend, slide, and what they do to what they touch."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.particles import box_sheet
from simvid.assets.particles import line as line_particles
from simvid.physics.mpm.colliders import Obstacle, Piece, plane
from simvid.physics.thin.bodies import Thin, joined, line, sheet
from simvid.physics.thin.solver import Solver

Array = NDArray[np.float64]
G = 9.81
RHO = 0.3
"""Of cloth [kg/m^2]."""


def cloth(width: float, length: float, spacing: float = 0.02, **given: Any) -> Thin:
    made = box_sheet((width, length, 0.002), spacing)
    assert made.triangles is not None
    law = {"stretch_n_m": 300.0, "bend_n_m": 1e-4, "thickness_m": 0.002, **given}
    return sheet(made.places, made.triangles, RHO * width * length * made.shares, **law)


def rope(length: float, spacing: float = 0.01, radius: float = 0.004, **given: Any) -> Thin:
    """Along x, 1000 kg/m^3."""
    made = line_particles(length, spacing)
    law = {"stretch_n": 2000.0, "bend_n_m2": 1e-5, "radius_m": radius, **given}
    return line(made.places[:, [2, 1, 0]], 1000 * math.pi * radius**2 * length * made.shares, **law)


def moved(thin: Thin, positions: Array) -> Thin:
    return replace(thin, positions=positions)


def settle(solver: Solver, seconds: float, keep: float) -> None:
    """Let it come to rest, slowed from outside; ``keep`` of the speed is left after each step of 2 ms."""
    for _ in range(round(seconds / 0.002)):
        solver.advance(0.002)
        solver.kick((keep - 1) * solver.velocities())


def turned(angle: float) -> Array:
    """About y."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def test_free_fall_is_exact() -> None:
    solver = Solver(joined([cloth(0.2, 0.2), rope(0.2)]))
    for _ in range(50):
        solver.advance(0.01)
    fallen = solver.positions()[:, 2] - solver.thin.positions[:, 2]
    assert np.abs(fallen + G * 0.5**2 / 2).max() < 1e-9


@pytest.mark.parametrize("make", [lambda: cloth(0.3, 0.2), lambda: rope(0.4)])
def test_what_is_thrown_keeps_momentum_and_spin(make: Any) -> None:
    thin = make()
    rng = np.random.default_rng(1)
    away = thin.positions - np.average(thin.positions, axis=0, weights=thin.masses)
    velocity = np.array([1.0, 0.5, 2.0]) + np.cross([1.0, 3.0, 2.0], away) + rng.normal(0, 0.05, away.shape)
    solver = Solver(replace(thin, velocities=velocity), gravity_m_s2=(0, 0, 0))
    m = thin.masses[:, None]
    before = (m * velocity).sum(axis=0), (m * np.cross(thin.positions, velocity)).sum(axis=0)
    for _ in range(100):
        solver.advance(0.002)
    x, v = solver.positions(), solver.velocities()
    assert (m * v).sum(axis=0) == pytest.approx(before[0], rel=1e-9)
    assert (m * np.cross(x, v)).sum(axis=0) == pytest.approx(before[1], rel=2e-3), "to the order of the step"


def test_cloth_hangs_longer_by_its_weight() -> None:
    """rho g L^2 / 2 k at the end."""
    thin = cloth(0.06, 0.5, stretch_n_m=300.0)
    solver = Solver(thin, gravity_m_s2=(0, -G, 0))
    solver.hold(np.flatnonzero(thin.rest[:, 1] > 0.2499))
    settle(solver, 0.8, 0.97)
    longer = -0.25 - solver.positions()[thin.rest[:, 1] < -0.2499, 1].mean()
    assert longer == pytest.approx(RHO * G * 0.5**2 / 2 / 300, rel=0.015)


def test_rope_hangs_longer_by_its_weight() -> None:
    thin = rope(0.5, stretch_n=5.0)
    solver = Solver(thin, gravity_m_s2=(G, 0, 0))
    solver.hold(np.array([0]))
    settle(solver, 0.8, 0.97)
    density = thin.masses.sum() / 0.5
    assert solver.positions()[-1, 0] - 0.25 == pytest.approx(density * G * 0.5**2 / 2 / 5, rel=0.01)


def test_a_hanging_rope_swings_as_bernoulli_says() -> None:
    """Its slowest period is 4 pi / 2.4048 sqrt(L / g)."""
    length = 0.5
    thin = rope(length, bend_n_m2=0.0)
    depth = thin.positions[:, 0] + length / 2
    start = np.stack([depth, 0.01 * depth**0, 0 * depth], axis=1)
    shape = np.array([_bessel0(2.404826 * math.sqrt(max(1 - d / length, 0))) for d in depth])
    start[:, 1] = 0.01 * shape
    solver = Solver(moved(thin, start), gravity_m_s2=(G, 0, 0))
    solver.hold(np.array([0]))
    sides = []
    for _ in range(600):
        solver.advance(0.002)
        sides.append(solver.positions()[-1, 1])
    crossed = [k + a / (a - b) for k, (a, b) in enumerate(pairwise(sides)) if a * b < 0]
    assert 2 * (crossed[1] - crossed[0]) * 0.002 == pytest.approx(
        4 * math.pi / 2.404826 * math.sqrt(length / G), rel=0.01
    )
    assert max(sides[-400:]) > 0.0085, "little is lost"


def _bessel0(x: float) -> float:
    return float(np.mean(np.cos(x * np.sin(np.linspace(0, math.pi, 400, endpoint=False) + math.pi / 800))))


def test_a_slack_rope_is_a_catenary_of_its_length() -> None:
    length, span = 1.0, 0.6
    thin = rope(length, 0.0125, bend_n_m2=1e-6, stretch_n=3000.0)
    s = np.linspace(-0.5, 0.5, len(thin))
    solver = Solver(moved(thin, np.stack([s * span, 0 * s, -1.32 * (0.25 - s * s)], axis=1)))
    solver.hold(np.array([0, len(thin) - 1]))
    settle(solver, 1.6, 0.98)
    low, high = 0.05, 2.0
    a = high
    for _ in range(60):
        a = (low + high) / 2
        low, high = (low, a) if 2 * a * math.sinh(span / 2 / a) < length else (a, high)
    x = solver.positions()
    wanted = a * np.cosh(x[:, 0] / a) - a * math.cosh(span / 2 / a)
    assert np.abs(x[:, 2] - wanted).max() < 1e-3
    assert np.linalg.norm(np.diff(x, axis=0), axis=1).sum() == pytest.approx(length, rel=2e-3)


def test_a_rope_bends_as_a_cantilever() -> None:
    """w L^4 / 8 E I; held by two vertices, it is free from the middle between them."""
    spacing, stiff = 0.01, 0.03
    thin = rope(0.3 + spacing, spacing, bend_n_m2=stiff, stretch_n=4000.0)
    solver = Solver(thin)
    solver.hold(np.array([0, 1]))
    settle(solver, 0.6, 0.97)
    weight = 1000 * math.pi * 0.004**2 * G
    assert -solver.positions()[-1, 2] == pytest.approx(weight * (0.3 + spacing / 2) ** 4 / 8 / stiff, rel=0.04)


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.0])
def test_cloth_bends_as_a_cantilever_in_all_its_directions(angle: float) -> None:
    """w L^4 / 8 D of a strip cut along, and at an angle to, the rows of its triangles."""
    spacing, over, stiff = 0.0125, 0.1, 5e-3
    thin = cloth(0.5, 0.5, spacing, bend_n_m=stiff, stretch_n_m=2000.0)
    c, s = math.cos(angle), math.sin(angle)
    along, side = thin.rest @ [c, s, 0], thin.rest @ [-s, c, 0]
    faces = thin.membrane.corners[
        (np.abs(along)[thin.membrane.corners].max(axis=1) < 0.08)
        & (np.abs(side)[thin.membrane.corners].max(axis=1) < 0.05)
    ]
    used, corners = np.unique(faces, return_inverse=True)
    rest = thin.rest[used]
    along, side = along[used], side[used]
    masses = np.zeros(len(rest))
    x = rest[corners.reshape(-1, 3)]
    area = np.linalg.norm(np.cross(x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]), axis=1) / 2
    for k in range(3):
        np.add.at(masses, corners.reshape(-1, 3)[:, k], RHO * area / 3)
    strip = sheet(
        rest, corners.reshape(-1, 3).astype(np.int32), masses, stretch_n_m=2000.0, bend_n_m=stiff, thickness_m=0.002
    )
    edge = float(along.max()) - over
    solver = Solver(strip)
    solver.hold(np.flatnonzero(along < edge))
    settle(solver, 0.4, 0.95)
    end = along > along.max() - spacing / 2
    start = float(along[along < edge].max()) - spacing / 2
    reach = float(along[end].mean()) - start
    assert -solver.positions()[end, 2].mean() == pytest.approx(RHO * G * reach**4 / 8 / stiff, rel=0.15)


@pytest.mark.parametrize(("friction", "slides"), [(0.5, True), (0.6, False)])
def test_cloth_on_an_incline(friction: float, slides: bool) -> None:
    """30 degrees: it stays put where mu > tan 30, else it goes with g (sin - mu cos)."""
    angle = math.radians(30)
    thin = cloth(0.2, 0.2, 0.04, friction=friction)
    lifted = (thin.rest + np.array([0, 0, 0.001])) @ turned(angle).T
    slope = plane((math.sin(angle), 0, math.cos(angle)), (0, 0, 0), friction=0.1)
    solver = Solver(moved(thin, lifted), obstacles=[slope])
    for _ in range(100):
        solver.advance(0.002)
    way = float(np.average((solver.positions() - lifted) @ turned(angle) @ [1, 0, 0], weights=thin.masses))
    wanted = G * (math.sin(angle) - friction * math.cos(angle)) * 0.2**2 / 2 if slides else 0.0
    assert way == pytest.approx(wanted, rel=0.01, abs=1e-5)


@pytest.mark.parametrize(("share", "slides"), [(0.93, False), (1.1, True)])
def test_a_rope_over_a_peg_holds_by_eulers_law(share: float, slides: bool) -> None:
    """On the peg dT/dphi = mu (T + w R sin phi) + w R cos phi, so that T grows from A to (A + c) exp(mu pi) + c with
    c = 2 mu w R / (1 + mu^2); ``share`` of what may hang there on the long side does."""
    r, radius, length, mu = 0.03, 0.004, 0.6, 0.305
    thin = rope(length, 0.006, radius, bend_n_m2=1e-6, friction=mu)
    arc = math.pi * (r + radius)
    c = 2 * mu * (r + radius) / (1 + mu**2)
    both, low, high = length - arc, 0.0, length - arc
    short = low
    for _ in range(60):
        short = (low + high) / 2
        low, high = (short, high) if share * ((short + c) * math.exp(mu * math.pi) + c) < both - short else (low, short)
    s = np.linspace(0, length, len(thin)) - short
    phi = np.clip(s / (r + radius), 0, math.pi)
    x = np.stack([-(r + radius) * np.cos(phi), 0 * s, (r + radius) * np.sin(phi)], axis=1)
    x[:, 2] += np.minimum(s, 0) - np.maximum(s - arc, 0)
    pose = np.eye(4)
    pose[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    peg = Obstacle((Piece("cylinder", (r, 0.1), pose=pose, friction=0.1),))
    solver = Solver(moved(thin, x), obstacles=[peg])
    for _ in range(150):
        solver.advance(0.002)
    way = x[-1, 2] - solver.positions()[-1, 2]
    assert (way > 0.02) if slides else (way < 2e-3)
    assert np.linalg.norm(solver.positions()[:, [0, 2]], axis=1).min() > r + radius - 1e-4, "nothing is inside"


def test_a_ball_caught_by_a_cloth_in_the_air() -> None:
    """Momentum goes over, and in the end both go on together."""
    thin = cloth(0.3, 0.3)
    inertia = 0.4 * 0.02 * 0.05**2
    pose = np.eye(4)
    pose[:3, 3] = (0.01, 0, 0.1)
    ball = Obstacle((Piece("sphere", (0.05,)),), pose, (0, 0, -2.0), mass_kg=0.02, inertia_kg_m2=inertia * np.eye(3))
    solver = Solver(thin, obstacles=[ball], gravity_m_s2=(0, 0, 0))
    for _ in range(50):
        solver.advance(0.002)
    _, velocity, _ = solver.obstacle(0)
    total = 0.02 * velocity + (thin.masses[:, None] * solver.velocities()).sum(axis=0)
    assert total == pytest.approx([0, 0, -0.04], abs=2e-5)
    assert velocity[2] > -1.6
    assert solver.touches().impulse_n_s[0] == pytest.approx(0.02 * (velocity - [0, 0, -2.0]), abs=2e-5)
    away = np.linalg.norm(solver.positions() - solver.obstacle(0)[0][:3, 3], axis=1)
    assert away.min() > 0.05 + 0.001 - 1e-4, "nothing is inside"


def test_a_moving_obstacle_takes_along_what_it_holds() -> None:
    thin = rope(0.2)
    hand = Obstacle((Piece("sphere", (0.01,)),), velocity_m_s=(0, 0, 0.5))
    pose = np.eye(4)
    pose[:3, 3] = thin.positions[0] - [0.02, 0, 0]
    solver = Solver(thin, obstacles=[replace(hand, pose=pose)], gravity_m_s2=(0, 0, 0))
    solver.hold(np.array([0]), 0)
    for _ in range(50):
        solver.advance(0.002)
    assert solver.positions()[0, 2] == pytest.approx(0.05, abs=1e-5)
    pulled = solver.pulls().impulse_n_s[0]
    assert -pulled == pytest.approx((thin.masses[:, None] * solver.velocities()).sum(axis=0), abs=1e-5)
    solver.let_go(np.array([0]))
    before = solver.velocities()
    solver.advance(0.002)
    assert (thin.masses[:, None] * (solver.velocities() - before)).sum(axis=0) == pytest.approx([0, 0, 0], abs=1e-9)


def test_layers_lie_on_each_other() -> None:
    """A cloth falls on one that lies: both end a thickness apart, and the ground carries both."""
    low, high = cloth(0.2, 0.2), cloth(0.16, 0.16)
    a, b = moved(low, low.rest + np.array([0, 0, 0.001])), moved(high, high.rest @ turned(0.15).T + [0.01, 0.01, 0.03])
    solver = Solver(joined([a, b]), obstacles=[plane((0, 0, 1), (0, 0, 0))])
    for _ in range(150):
        solver.advance(0.002)
    solver.touches()
    for _ in range(50):
        solver.advance(0.002)
    z = solver.positions()[len(low) :, 2]
    assert 0.0025 < z.min() < z.max() < 0.006
    carried = -solver.touches().impulse_n_s[:, 2].sum() / 0.1
    assert carried == pytest.approx(G * solver.thin.masses.sum(), rel=0.05)


def test_what_holds_a_cloth_feels_all_of_its_weight() -> None:
    thin = cloth(0.1, 0.2)
    pose = np.eye(4)
    pose[:3, 3] = (0, 0.13, 0)
    hand = Obstacle((Piece("sphere", (0.02,)),), pose)
    solver = Solver(thin, obstacles=[hand], gravity_m_s2=(0, -G, 0))
    solver.hold(np.flatnonzero(thin.rest[:, 1] > 0.0999), 0)
    settle(solver, 0.6, 0.95)
    solver.pulls()
    for _ in range(50):
        solver.advance(0.002)
    pulled = solver.pulls().impulse_n_s[0] / 0.1
    assert pulled == pytest.approx([0, -G * thin.masses.sum(), 0], abs=0.01 * G * thin.masses.sum())


def test_corners_and_edges_of_a_box_do_not_come_through() -> None:
    """No point of the cloth's middle is deeper than an eighth of the spacing, where vertices alone let a fourth."""
    spacing, half = 0.02, np.array([0.05, 0.05, 0.04])
    thin = cloth(0.24, 0.24, spacing, bend_n_m=5e-5)
    box = Obstacle((Piece("box", (0.05, 0.05, 0.04), friction=0.5),))
    solver = Solver(moved(thin, thin.rest + np.array([0.01, 0.005, 0.045])), obstacles=[box])
    for _ in range(100):
        solver.advance(0.002)
    corners = solver.positions()[thin.membrane.corners]
    shares = np.random.default_rng(0).dirichlet([1, 1, 1], 30)
    inside = np.abs(np.einsum("kc,fcd->fkd", shares, corners)) - half
    assert np.where((inside < 0).all(axis=2), -inside.max(axis=2), 0).max() < 0.14 * spacing
