"""The solver around its kernels: steps, errors, same bytes again, several devices."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from simvid.errors import PhysicsError
from simvid.physics.mpm import domain as domain_module
from simvid.physics.mpm.colliders import plane
from simvid.physics.mpm.domain import Domain, stable_step
from simvid.physics.mpm.fields import Field
from simvid.physics.mpm.materials import MODELS, MpmMaterial
from simvid.physics.mpm.particles import Particles, joined, lattice
from simvid.physics.mpm.solver import Solver
from simvid.testing.fresh import fresh_digest

ROOM = Domain((-0.5, -0.5, -0.2), (0.5, 0.5, 0.6), 0.02)
FLOOR = plane((0, 0, 1), (0, 0, 0))


def material(model: str) -> MpmMaterial:
    return MpmMaterial(model, 1000.0, young_modulus_pa=1e5, yield_stress_pa=2e3, bulk_modulus_pa=1e5)  # type: ignore[arg-type]


def block(model: str = "fixed_corotated", height: float = 0.02, **given: object) -> Particles:
    points, volume = lattice((-0.04, -0.04, height), (0.04, 0.04, height + 0.08), 0.01)
    return Particles.of(points, volume, material(model), **given)  # type: ignore[arg-type]


def everything() -> bytes:
    """All materials in one heap, some frames."""
    groups = [block(m, 0.02 + 0.1 * k).moved((0.01 * k, 0, 0)) for k, m in enumerate(MODELS[:5])]
    solver = Solver(joined([*groups, block("fluid").moved((0.2, 0, 0))]), ROOM, obstacles=[FLOOR])
    for _ in range(3):
        solver.advance(0.02)
    return b"".join(a.tobytes() for a in (solver.positions(), solver.velocities(), solver.deformation()))


def test_same_bytes_in_fresh_processes() -> None:
    made = {fresh_digest(__file__) for _ in range(2)}
    assert made == {hashlib.sha256(everything()).hexdigest()}


@pytest.mark.parametrize("model", MODELS)
def test_stable_step_has_a_margin(model: str) -> None:
    """A step a third larger than the largest allowed is still quiet: a block that lands neither explodes nor jumps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(domain_module, "COURANT", domain_module.COURANT * 4 / 3)
        solver = Solver(block(model, velocity_m_s=(0.3, 0, -1.0)), ROOM, obstacles=[FLOOR])
        for _ in range(10):
            solver.advance(0.02)
            assert solver.velocities()[:, 2].max() < 1.5
    assert solver.positions()[:, 2].max() < 0.2


def test_stable_step_is_the_least_of_its_three() -> None:
    water = MpmMaterial("fluid", 1000.0, bulk_modulus_pa=1e5)
    honey = MpmMaterial("fluid", 1000.0, bulk_modulus_pa=1e5, viscosity_pa_s=1e3)
    points, volume = lattice((0, 0, 0), (0.1, 0.1, 0.1), 0.05)
    assert stable_step(Particles.of(points, volume, water), 0.02) == pytest.approx(0.5 * 0.02 / 10)
    assert stable_step(Particles.of(points, volume, honey), 0.02) == pytest.approx(0.1 * 1000 * 0.02**2 / 1e3)
    assert stable_step(Particles.of(points, volume, water), 0.02, 100.0) == pytest.approx(0.4 * 0.02 / 100)
    stiff = Particles.of(points, volume, water, young_scale=4.0)
    assert stable_step(stiff, 0.02) == pytest.approx(0.5 * 0.02 / 20)


def test_a_step_too_large_names_the_right_one() -> None:
    limit = stable_step(block(), 0.02)
    with pytest.raises(PhysicsError, match=f"step_s: 0.01 s is too large.*take {limit:.3g} s or less"):
        Solver(block(), ROOM, step_s=0.01)
    Solver(block(), ROOM, step_s=limit)
    falling = Solver(block(), ROOM, step_s=limit)
    with pytest.raises(PhysicsError, match="too large for the speed of sound"):
        falling.advance(0.05)  # it gets faster


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MpmMaterial("rock", 1.0), "model: expected one of fixed_corotated"),  # type: ignore[arg-type]
        (lambda: MpmMaterial("fluid", 1000.0), "bulk_modulus_pa: expected more than 0 for fluid, got 0"),
        (lambda: MpmMaterial("snow", math.nan), "density_kg_m3: expected a number, got nan"),
        (lambda: MpmMaterial("neo_hookean", 1.0, 1e5, 0.5), "poisson_ratio: expected 0 or more and less than 0.5"),
        (lambda: MpmMaterial("von_mises", 1.0, 1e5), "yield_stress_pa: expected more than 0"),
        (lambda: MpmMaterial("drucker_prager", 1.0, 1e5, friction_angle_rad=2.0), "between 0 and pi / 2"),
        (lambda: block(velocity_m_s=(math.nan, 0, 0)), "velocities: particle 0 is no number"),
        (lambda: Particles.of(np.zeros((0, 3)), 1.0, material("snow")), r"shape \(N, 3\) with N > 0"),
        (lambda: Particles.of(np.zeros((2, 3)), -1.0, material("snow")), "volumes: expected more than 0, got -1"),
        (lambda: Domain((0, 0, 0), (1, 1, 0), 0.1), "low_m below high_m"),
        (lambda: Domain((0, 0, 0), (1, 1, 1), 0.0), "spacing_m: expected more than 0"),
        (lambda: Domain((0, 0, 0), (10, 10, 10), 0.001), "larger than 0.001 m, or a domain smaller than 10 m"),
        (lambda: Field((0, math.inf, 0)), "expected three numbers"),
        (lambda: Field((0, 0, 0), drag_1_s=-1), "drag_1_s: expected 0 or more"),
        (lambda: Solver(block(height=0.55), ROOM), r"\d+ of 512 particles start outside the domain"),
        (lambda: Solver(block(), ROOM, step_s=-1.0), "step_s: expected more than 0, got -1"),
    ],
)
def test_bad_input_is_named(make: object, said: str) -> None:
    with pytest.raises(PhysicsError, match=said):
        make()  # type: ignore[operator]


def test_particles_that_leave_are_named() -> None:
    solver = Solver(block(velocity_m_s=(0, 0, 3.0)), ROOM, gravity_m_s2=(0, 0, 0))
    solver.advance(0.12)
    with pytest.raises(PhysicsError, match=r"left the domain .* by t = 0\.12.* take a larger domain"):
        solver.advance(0.2)


def test_a_blow_up_is_told() -> None:
    solver = Solver(block(), ROOM)
    v = solver.velocities()
    v[17] = np.nan
    solver._state.v.assign(v)
    with pytest.raises(PhysicsError, match="diverged at t = 0 s: particle 17"):
        solver.advance(0.01)


def test_room_for_blocks_grows() -> None:
    """A wide splash needs more blocks than the solver has room for at first, and each is found where it is."""
    points, volume = lattice((-0.4, -0.4, 0.0), (0.4, 0.4, 0.04), 0.02)
    p = Particles.of(points, volume, material("fixed_corotated"), velocity_m_s=(0.1, 0, 0))
    solver = Solver(p, Domain((-1, -1, -1), (1, 1, 1), 0.04), gravity_m_s2=(0, 0, 0))
    before = solver.positions()
    solver.advance(0.05)
    assert len(solver._grid.active) > 64
    assert np.abs(solver.positions() - before - (0.005, 0, 0)).max() < 1e-5


@pytest.mark.gpu
def test_cuda_agrees_with_the_processor() -> None:
    parts = joined([block(), block("drucker_prager", 0.12), block("fluid").moved((0.2, 0, 0))])
    places = []
    for device in ("cpu", "cuda:0"):
        solver = Solver(parts, ROOM, obstacles=[FLOOR], device=device)
        solver.advance(0.05)
        places.append(solver.positions())
    assert np.abs(places[0] - places[1]).max() < 1e-4
