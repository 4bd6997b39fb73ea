"""Solids of tetrahedra against closed forms, and their kernel against its twin."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.lattice import lattice_tetrahedra
from simvid.deforming.frames import solid_deformation
from simvid.errors import AssetError, PhysicsError
from simvid.physics.mpm.colliders import plane
from simvid.physics.thin.bodies import Thin, block, joined
from simvid.physics.thin.energy import elastic_energy
from simvid.physics.thin.solver import Solver
from simvid.physics.thin.tetrahedra import LAWS, gradients, surface_of

Array = NDArray[np.float64]
G, RHO = 9.81, 1000.0
REPOSITORY = Path(__file__).parents[3]


def cells(counts: tuple[int, int, int], step: float) -> tuple[Array, NDArray[np.int32]]:
    """Nodes and tetrahedra of a box whose least corner is the origin."""
    axes = [(np.arange(n) + 0.5) * step for n in counts]
    middles = np.asarray(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3), np.float64)
    return lattice_tetrahedra(middles, np.full(3, step))


def box(counts: tuple[int, int, int] = (2, 2, 2), step: float = 0.02, **given: Any) -> Thin:
    nodes, corners = cells(counts, step)
    law = {"young_modulus_pa": 1e5, "poisson_ratio": 0.3, **given}
    return block(nodes, corners, RHO * math.prod(counts) * step**3, **law)


def undamped(solver: Solver) -> Solver:
    solver._solids.damping = 0.0
    return solver


def settle(solver: Solver, seconds: float, keep: float = 0.9, step: float = 0.002) -> None:
    """Let it come to rest, slowed from outside; ``keep`` of the speed is left after each step."""
    for _ in range(round(seconds / step)):
        solver.advance(step)
        solver.kick((keep - 1) * solver.velocities())


def forces(thin: Thin) -> Array:
    """Of the kernel, from what it does to speeds in the last of a few tiny steps: rotations find F's in the first."""
    solver = Solver(replace(thin, velocities=np.zeros_like(thin.positions)), gravity_m_s2=(0, 0, 0), step_s=1e-10)
    before = solver.velocities()
    for _ in range(10):
        before = solver.velocities()
        solver.advance(1e-10)
    return (solver.velocities() - before) * thin.masses[:, None] / 1e-10


def test_the_lattice_is_whole() -> None:
    nodes, corners = cells((3, 2, 2), 0.1)
    assert len(nodes) == 4 * 3 * 3
    assert len(corners) == 6 * 12
    faces = np.sort(np.concatenate([corners[:, f] for f in ([0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3])]), axis=1)
    assert np.unique(faces, axis=0, return_counts=True)[1].max() == 2, "faces of neighbours fit"
    skin = surface_of(corners)
    assert len(skin) == 4 * (3 * 2 + 3 * 2 + 2 * 2)
    a, b, c = (nodes[skin[:, k]] for k in range(3))
    assert (a * np.cross(b, c)).sum() / 6 == pytest.approx(12e-3), "seen from outside they go round the volume"


def test_pieces_that_share_no_face_are_refused() -> None:
    with pytest.raises(AssetError, match="2 pieces"):
        lattice_tetrahedra(np.array([[0.0, 0, 0], [0.1, 0.1, 0]]), np.full(3, 0.1))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("wild", [0.002, 0.008], ids=["a tenth", "some inside out"])
def test_forces_are_the_slope_of_the_twins_energy(law: str, wild: float) -> None:
    thin = box(law=law, poisson_ratio=0.4)
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    thin = replace(thin, positions=(thin.rest + rng.normal(0, wild, thin.rest.shape)) @ turn.T)
    assert (np.linalg.det(gradients(thin.solid, thin.positions)) < 0).any() == (wild > 0.005)
    found, wanted = forces(thin), np.zeros_like(thin.rest)
    for k, axis in np.ndindex(wanted.shape):
        way = np.zeros_like(wanted)
        way[k, axis] = 1e-8
        up, down = elastic_energy(thin, thin.positions + way), elastic_energy(thin, thin.positions - way)
        wanted[k, axis] = (down - up) / 2e-8
    assert np.abs(found - wanted).max() < 2e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("law", LAWS)
def test_uniform_strain_is_exact(law: str) -> None:
    """Patch test: nodes within stay in balance, and F is that of the strain, also at the nodes."""
    thin = box((3, 3, 3), law=law)
    strain = np.eye(3) + np.array([[0.05, 0.02, 0.0], [0.01, -0.03, 0.04], [0.0, 0.02, 0.02]])
    x = thin.rest @ strain.T
    inner = ((thin.rest > 1e-6) & (thin.rest < 0.06 - 1e-6)).all(axis=1)
    assert inner.sum() == 8
    found = forces(replace(thin, positions=x))
    assert np.abs(found[inner]).max() < 1e-6 * np.abs(found).max()
    nodes = solid_deformation(x[None].astype(np.float32), thin.rest.astype(np.float32), thin.solid.corners)
    assert np.abs(nodes - strain).max() < 1e-5


@pytest.mark.parametrize("law", LAWS)
def test_a_pulled_bar(law: str) -> None:
    """E A strain, and thinner by Poisson's ratio; at 2 % the laws are still linear to 3 %."""
    young, nu, strain = 1e5, 0.35, 0.02
    thin = box((12, 2, 2), 0.01, young_modulus_pa=young, poisson_ratio=nu, law=law)
    ends = np.flatnonzero((thin.rest[:, 0] < 1e-6) | (thin.rest[:, 0] > 0.12 - 1e-6))
    stretched = thin.rest * [1 + strain, 1 - nu * strain, 1 - nu * strain]
    solver = Solver(replace(thin, positions=stretched), gravity_m_s2=(0, 0, 0))
    solver.hold(ends)
    settle(solver, 0.2)
    x = solver.positions()
    pull = forces(replace(thin, positions=x))[thin.rest[:, 0] < 1e-6, 0].sum()
    assert pull == pytest.approx(young * 0.02**2 * strain, rel=0.03)
    middle = np.abs(thin.rest[:, 0] - 0.06) < 1e-6
    assert np.ptp(x[middle, 1]) == pytest.approx(0.02 * (1 - nu * strain), rel=2e-4)


@pytest.mark.parametrize("across", [2, 3])
def test_a_cantilever_is_as_much_too_stiff_as_linear_tetrahedra_are(across: int) -> None:
    """By 4 / n^2 of Timoshenko's stiffness with n cells across: they have one strain each, and bending has many.

    A square bar eight times as long as thick swings about its rest under its weight: by its mean the deflection, by
    its period the first frequency, against Euler and Bernoulli's.
    """
    thick, length, young, nu, pull = 0.04, 0.32, 4e5, 0.3, 0.2
    thin = box((8 * across, across, across), thick / across, young_modulus_pa=young, poisson_ratio=nu)
    solver = undamped(Solver(thin, gravity_m_s2=(0, 0, -pull)))
    solver.hold(np.flatnonzero(thin.rest[:, 0] < 1e-6))
    tip = np.flatnonzero(thin.rest[:, 0] > length - 1e-6)
    load, inertia = RHO * thick**2 * pull, thick**4 / 12
    shear = young / (2 * (1 + nu)) * 5 / 6 * thick**2
    down = load * length**4 / (8 * young * inertia) + load * length**2 / (2 * shear)
    wave = 1.8751**2 / length**2 * math.sqrt(young * inertia / (RHO * thick**2))
    depths = []
    for _ in range(round(2.2 * 2 * math.pi / wave / 0.004)):
        solver.advance(0.004)
        depths.append(float(thin.rest[tip, 2].mean() - solver.positions()[tip, 2].mean()))
    crossed = [k + a / (a - b) for k, (a, b) in enumerate(pairwise(np.array(depths) - np.mean(depths))) if a < 0 <= b]
    period = crossed[1] - crossed[0]
    stiffer = down / np.mean(depths[: round(2 * period)]) - 1
    assert 3.5 < stiffer * across**2 < 4.6
    assert (2 * math.pi / (period * 0.004) / wave) ** 2 == pytest.approx(1 + stiffer, rel=0.05)


def test_a_cube_rests_on_the_ground_with_its_weight() -> None:
    """Its top sinks by rho g h^2 / 2 E, less what the flat ground takes off (its sections would curve by Poisson's
    ratio); nothing creeps, and the ground feels its weight."""
    thin = box((4, 4, 4), 0.025, young_modulus_pa=2e4, poisson_ratio=0.3, friction=0.0)
    solver = Solver(thin, obstacles=[plane((0, 0, 1), (0, 0, -1e-4), friction=0.0)])
    settle(solver, 0.6)
    top = solver.positions()[thin.rest[:, 2] > 0.1 - 1e-6, 2].mean()
    bottom = solver.positions()[thin.rest[:, 2] < 1e-6, 2]
    assert 0.1 - (top - bottom.mean()) == pytest.approx(RHO * G * 0.1**2 / 2 / 2e4, rel=0.06)
    assert np.abs(bottom - (-1e-4 + thin.radius[0])).max() < 2e-5
    solver.touches()
    solver.advance(0.1)
    weight = float(thin.masses.sum()) * G
    assert -solver.touches().impulse_n_s.sum(axis=0)[2] == pytest.approx(weight * 0.1, rel=0.01)


@pytest.mark.parametrize("law", LAWS)
def test_what_is_thrown_keeps_momentum_spin_and_energy(law: str) -> None:
    thin = box((3, 2, 2), law=law)
    rng = np.random.default_rng(1)
    away = thin.positions - np.average(thin.positions, axis=0, weights=thin.masses)
    velocity = np.array([1.0, 0.5, 2.0]) + np.cross([1.0, 6.0, 2.0], away) + rng.normal(0, 0.05, away.shape)
    solver = undamped(Solver(replace(thin, velocities=velocity), gravity_m_s2=(0, 0, 0), meet=False))
    m = thin.masses[:, None]
    before = (m * velocity).sum(axis=0), (m * np.cross(thin.positions, velocity)).sum(axis=0), sum(solver.energy())
    for _ in range(100):
        solver.advance(0.002)
        assert sum(solver.energy()) == pytest.approx(before[2], rel=2e-3)
    x, v = solver.positions(), solver.velocities()
    assert (m * v).sum(axis=0) == pytest.approx(before[0], rel=1e-9)
    assert (m * np.cross(x, v)).sum(axis=0) == pytest.approx(before[1], rel=2e-3), "to the order of the step"


@pytest.mark.parametrize("law", LAWS)
def test_what_is_inside_out_turns_back(law: str) -> None:
    thin = box((2, 2, 2), law=law, poisson_ratio=0.4)
    rng = np.random.default_rng(5)
    solver = Solver(replace(thin, positions=thin.rest + rng.normal(0, 0.007, thin.rest.shape)), gravity_m_s2=(0, 0, 0))
    assert np.linalg.det(gradients(thin.solid, solver.positions())).min() < -0.1
    settle(solver, 0.4)
    found = gradients(thin.solid, solver.positions())
    assert np.abs(np.linalg.det(found) - 1).max() < 1e-3
    assert elastic_energy(thin, solver.positions()) < 1e-9


@pytest.mark.parametrize("law", LAWS)
def test_stable_step_has_a_margin_and_is_no_waste(law: str) -> None:
    thin = box((3, 3, 3), law=law)
    rng = np.random.default_rng(2)
    thin = replace(thin, velocities=rng.normal(0, 0.01, thin.rest.shape))
    largest = Solver(thin).stability.step_s()

    def grows(factor: float) -> bool:
        solver = undamped(Solver(thin, gravity_m_s2=(0, 0, 0), step_s=largest))
        for _ in range(20):
            solver.begin(25 * factor * largest, 25)
            for _ in range(25):
                solver.substep()
        return not np.abs(solver.velocities()).max() < 0.1

    assert not grows(1.0)
    assert grows(2.5)


def everything() -> bytes:
    """A cube that falls on its edge, as bytes."""
    thin = box((3, 3, 3))
    c, s = math.cos(0.6), math.sin(0.6)
    positions = thin.rest @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
    positions[:, 2] += 0.01 - positions[:, 2].min()
    solver = Solver(replace(thin, positions=positions), obstacles=[plane((0, 0, 1), (0, 0, 0), friction=0.5)])
    for _ in range(20):
        solver.advance(0.005)
    return solver.positions().tobytes()


def test_same_bytes_in_fresh_processes() -> None:
    code = "import hashlib; from test_solids import everything; print(hashlib.sha256(everything()).hexdigest())"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=Path(__file__).parent, env=dict(os.environ, PYTHONPATH=str(REPOSITORY)),
            capture_output=True, text=True, check=True,
        ).stdout
        for _ in range(2)
    ]  # fmt: skip
    assert runs[0] == runs[1]
    assert len(runs[0]) > 60


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: box(young_modulus_pa=math.nan), "young_modulus_pa: expected more than 0"),
        (lambda: box(poisson_ratio=0.5), "poisson_ratio: expected 0 <= nu < 0.5"),
        (lambda: box(law="hooke"), "law: expected one of"),
        (lambda: block(*flipped(), 1.0, young_modulus_pa=1e5, poisson_ratio=0.3), "right-handed"),
        (lambda: Solver(box(), step_s=1.0), "too large"),
        (lambda: block(np.zeros((4, 3)), np.zeros((0, 4), np.int32), 1.0, young_modulus_pa=1.0, poisson_ratio=0.0),
         "expected some, got none"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make: Any, said: str) -> None:
    with pytest.raises(PhysicsError, match=said):
        make()


def flipped() -> tuple[Array, NDArray[np.int32]]:
    nodes, corners = cells((1, 1, 1), 0.1)
    corners[2] = corners[2, [1, 0, 2, 3]]
    return nodes, corners


def test_bodies_are_joined_in_order() -> None:
    both = joined([box(), box(law="neo_hookean")])
    assert both.solid.corners.max() == len(both) - 1
    assert set(both.solid.law.tolist()) == {0, 1}
