"""The kernels against their readable twin, the stable step, same bytes, and what is refused."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.particles import box_sheet
from simvid.errors import PhysicsError
from simvid.physics.mpm.colliders import Obstacle, Piece, plane
from simvid.physics.thin import stable
from simvid.physics.thin.bodies import Thin, joined, line, sheet
from simvid.physics.thin.energy import elastic_energy
from simvid.physics.thin.solver import Solver
from simvid.testing.fresh import fresh_digest

Array = NDArray[np.float64]


def cloth(size: float = 0.16, curved: bool = False, **given: Any) -> Thin:
    made = box_sheet((size, size, 0.002), 0.02)
    assert made.triangles is not None
    rest = made.places
    if curved:
        rest = np.stack([0.1 * np.sin(rest[:, 0] / 0.1), rest[:, 1], 0.1 * np.cos(rest[:, 0] / 0.1)], axis=1)
    law = {"stretch_n_m": 300.0, "bend_n_m": 1e-3, "thickness_m": 0.002, **given}
    return sheet(rest, made.triangles, 0.3 * size**2 * made.shares, **law)


def rope(**given: Any) -> Thin:
    rest = np.stack([np.linspace(0, 0.2, 21), np.zeros(21), np.full(21, 0.1)], axis=1)
    return line(rest, np.full(21, 5e-4), **{"stretch_n": 1000.0, "bend_n_m2": 1e-3, "radius_m": 0.004, **given})


def both() -> Solver:
    """A cloth and a rope fall on a ball that is free, and on the ground."""
    pose = np.eye(4)
    pose[:3, 3] = (0, 0, 0.04)
    ball = Obstacle((Piece("sphere", (0.04,)),), pose, mass_kg=0.1, inertia_kg_m2=6.4e-5 * np.eye(3))
    thin = cloth()
    thin = replace(thin, positions=thin.rest + np.array([0.01, 0, 0.09]))
    return Solver(joined([thin, rope()]), obstacles=[plane((0, 0, 1), (0, 0, 0)), ball])


def everything() -> bytes:
    solver = both()
    for _ in range(60):
        solver.advance(0.002)
    return solver.positions().tobytes() + solver.velocities().tobytes()


def test_same_bytes_in_fresh_processes() -> None:
    made = {fresh_digest(__file__) for _ in range(2)}
    assert made == {hashlib.sha256(everything()).hexdigest()}


@pytest.mark.parametrize("thin", [cloth(), cloth(curved=True), rope()], ids=["cloth", "curved", "rope"])
def test_forces_are_the_slope_of_the_twins_energy(thin: Thin) -> None:
    """The first substep from rest leaves v = dt f / m."""
    x = thin.positions + np.random.default_rng(3).normal(0, 0.002, thin.positions.shape)
    solver = Solver(replace(thin, positions=x), gravity_m_s2=(0, 0, 0), step_s=1e-6, meet=False)
    solver.advance(1e-6)
    force = thin.masses[:, None] * solver.velocities() / 1e-6
    eps = 1e-6
    for i in range(0, len(thin), 5):
        for c in range(3):
            d = np.zeros_like(x)
            d[i, c] = eps
            slope = (elastic_energy(thin, x + d) - elastic_energy(thin, x - d)) / (2 * eps)
            assert force[i, c] == pytest.approx(-slope, abs=1e-4 * np.abs(force).max())


def test_a_curved_cloth_keeps_its_curve() -> None:
    thin = cloth(curved=True)
    assert np.abs(thin.hinges.bend_m).max() > 1e-4
    assert elastic_energy(thin, thin.rest) == pytest.approx(0, abs=1e-12)
    assert np.abs(cloth().hinges.bend_m).max() == 0


@pytest.mark.parametrize("thin", [cloth(), cloth(bend_n_m=0.05), rope(), rope(bend_n_m2=0.1)])
def test_stable_step_has_a_margin_and_is_no_waste(thin: Thin) -> None:
    """What trembles stays small at the largest step allowed, and grows without bound at three times that."""
    shaken = replace(thin, velocities=np.random.default_rng(0).normal(0, 0.01, thin.positions.shape))
    for factor, calm in ((1.0, True), (1 / stable.SAFETY, True), (3.0, False)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stable, "SAFETY", stable.SAFETY * factor)
            solver = Solver(shaken, gravity_m_s2=(0, 0, 0), meet=False)
            step = solver.stability.step_s()
            try:
                for _ in range(40):
                    solver.advance(10 * step)
                quiet = float(np.abs(solver.velocities()).max()) < 0.05
            except PhysicsError:
                quiet = False
        assert quiet == calm, factor


def test_energy_falls_and_little() -> None:
    thin = rope(bend_n_m2=0.0)
    solver = Solver(thin, meet=False)
    solver.hold(np.array([0]))

    def total() -> float:
        lifted = float((thin.masses * (solver.positions()[:, 2] - 0.1)).sum()) * 9.81
        return sum(solver.energy()) + lifted

    start = total()
    for _ in range(150):
        solver.advance(0.002)
        assert total() < start + 1e-6
    kinetic = solver.energy()[0]
    assert total() > start - 0.05 * kinetic


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: cloth(stretch_n_m=0.0), r"stretch_n_m: expected more than 0 \[N/m\], got 0"),
        (lambda: cloth(bend_n_m=math.nan), r"bend_n_m: expected 0 or more \[N m\], got nan"),
        (lambda: cloth(thickness_m=0.05), r"0.05 m is more than the distance.*particle_spacing_m: 0.06 or more"),
        (lambda: rope(radius_m=0.001), r"0.01 m is too coarse for a rope of radius 0.001 m.*at most 0.004"),
        (lambda: rope(stretch_n=-1.0), r"stretch_n: expected more than 0 \[N\], got -1"),
        (lambda: replace(rope(), masses=np.zeros(21)), r"Thin.masses: expected more than 0"),
        (lambda: replace(rope(), velocities=np.full((21, 3), np.nan)), r"Thin.velocities: expected numbers"),
        (lambda: sheet(np.zeros((3, 3)), np.array([[0, 1, 2]], np.int32), np.ones(3), stretch_n_m=1.0, bend_n_m=0.0,
                       thickness_m=0.1), "triangles with an area"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make: Any, said: str) -> None:
    with pytest.raises(PhysicsError, match=said):
        make()


def test_a_step_that_is_too_large_is_told_the_right_one() -> None:
    largest = Solver(cloth()).stability.step_s()
    with pytest.raises(PhysicsError, match=rf"0.001 s is too large .* take {largest:.3g} s or less"):
        Solver(cloth(), step_s=0.001)
    with pytest.raises(PhysicsError, match="expected more than 0, got nan"):
        Solver(cloth(), step_s=math.nan)
    with pytest.raises(PhysicsError, match=r"would take \d+ substeps .* times softer"):
        Solver(rope(stretch_n=1e13)).advance(0.01)


def test_what_is_torn_apart_is_an_error() -> None:
    thin = rope(stretch_n=2.0)
    fast = np.zeros((21, 3))
    fast[-1] = 100.0
    solver = Solver(replace(thin, velocities=fast), meet=False)
    solver.advance(0.004)
    with pytest.raises(PhysicsError, match=r"thin bodies diverged at t = .*largest stretch is"):
        solver.advance(0.004)
