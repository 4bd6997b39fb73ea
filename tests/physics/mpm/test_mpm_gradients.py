"""Gradients of differentiable MPM against central differences, and its motion against the solver's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.mpm.colliders import Obstacle, Piece, plane
from simvid.physics.mpm.differentiable import DifferentiableMpm
from simvid.physics.mpm.domain import Domain
from simvid.physics.mpm.materials import Model, MpmMaterial
from simvid.physics.mpm.particles import Particles, lattice
from simvid.physics.mpm.solver import Solver

ROOM = Domain((-0.3, -0.3, -0.1), (0.5, 0.5, 0.5), 0.05)
FLOOR = plane((0, 0, 1), (0, 0, 0))
YOUNG, NU, V = 4e4, 0.25, np.array([0.4, 0.05, -1.1])


def cube(model: Model = "fixed_corotated") -> Particles:
    points, volume = lattice((0, 0, 0.03), (0.15, 0.15, 0.18), 0.025)
    return Particles.of(points, volume, MpmMaterial(model, 1000.0, young_modulus_pa=5e4))


def world(model: Model = "fixed_corotated") -> DifferentiableMpm:
    return DifferentiableMpm(cube(model), ROOM, frames=4, frame_s=1 / 30, largest_young_pa=1e5, planes=[FLOOR])


@pytest.mark.slow
@pytest.mark.parametrize("model", ["fixed_corotated", "neo_hookean"])
def test_gradients_are_those_of_central_differences(model: Model) -> None:
    """Through four frames, the impact on the ground and its friction, and so through the checkpoints."""
    system = world(model)
    target = system.simulate(5e4, 0.3, (0.3, 0, -1.0))

    def loss(young: float, nu: float, v: NDArray[np.float64]) -> float:
        return float(((system.simulate(young, nu, v) - target) ** 2).sum() / 2)

    gradients = system.gradients(system.simulate(YOUNG, NU, V) - target)
    e = 0.01 * YOUNG
    wanted = (loss(YOUNG + e, NU, V) - loss(YOUNG - e, NU, V)) / (2 * e)
    assert gradients.young.sum() == pytest.approx(wanted, rel=0.01)
    wanted = (loss(YOUNG, NU + 2e-3, V) - loss(YOUNG, NU - 2e-3, V)) / 4e-3
    assert gradients.poisson.sum() == pytest.approx(wanted, rel=0.01)
    for axis in range(3):
        step = 2e-3 * np.eye(3)[axis]
        wanted = (loss(YOUNG, NU, V + step) - loss(YOUNG, NU, V - step)) / 4e-3
        assert gradients.velocity[:, axis].sum() == pytest.approx(wanted, rel=0.01, abs=1e-3)


def test_gradients_of_a_field_of_moduli() -> None:
    """Each particle has its own: the upper half is softened, and both halves' derivatives are right."""
    system = world()
    upper = cube().positions[:, 2] > 0.105
    target = system.simulate(5e4, 0.3, V)

    def loss(low: float, high: float) -> float:
        return float(((system.simulate(np.where(upper, high, low), 0.3, V) - target) ** 2).sum() / 2)

    gradients = system.gradients(system.simulate(np.where(upper, 3e4, 6e4), 0.3, V) - target).young
    softer, stiffer = loss(6e4, 2.97e4), loss(6e4, 3.03e4)
    assert gradients[upper].sum() == pytest.approx((stiffer - softer) / 600, rel=0.02)
    softer, stiffer = loss(5.94e4, 3e4), loss(6.06e4, 3e4)
    assert gradients[~upper].sum() == pytest.approx((stiffer - softer) / 1200, rel=0.02)


def test_it_moves_as_the_solver_does() -> None:
    """In the air bit for bit the same laws; sums in another order differ by rounding."""
    points = cube()
    system = DifferentiableMpm(points, ROOM, frames=2, frame_s=1 / 60, largest_young_pa=1e5)
    moved = system.simulate(5e4, 0.3, (0.5, 0.3, 1.0))
    start = Particles.of(
        points.positions, points.volumes, MpmMaterial("fixed_corotated", 1000.0, 5e4, 0.3),
        velocity_m_s=(0.5, 0.3, 1.0),
    )  # fmt: skip
    solver = Solver(start, ROOM, step_s=system.step_s)
    for frame in range(2):
        solver.advance(1 / 60)
        assert np.abs(solver.positions() - moved[frame]).max() < 1e-5


def test_bad_input_is_named() -> None:
    points, volume = lattice((0, 0, 0.03), (0.1, 0.1, 0.1), 0.05)
    sand = Particles.of(points, volume, MpmMaterial("drucker_prager", 1600.0, young_modulus_pa=1e5))
    common = {"frames": 1, "frame_s": 0.01, "largest_young_pa": 1e5}
    with pytest.raises(PhysicsError, match="expected fixed_corotated and neo_hookean, got drucker_prager"):
        DifferentiableMpm(sand, ROOM, **common)  # type: ignore[arg-type]
    with pytest.raises(PhysicsError, match="obstacles of one plane each"):
        DifferentiableMpm(cube(), ROOM, planes=[Obstacle((Piece("sphere", (0.1,)),))], **common)  # type: ignore[arg-type]
    with pytest.raises(PhysicsError, match="nodes are more than"):
        DifferentiableMpm(cube(), Domain((-9, -9, -9), (9, 9, 9), 0.05), **common)  # type: ignore[arg-type]
    system = DifferentiableMpm(cube(), ROOM, **common)  # type: ignore[arg-type]
    with pytest.raises(PhysicsError, match="simulate first"):
        system.gradients(np.zeros((1, len(cube()), 3)))
    with pytest.raises(PhysicsError, match=r"up to 100000 Pa \(largest_young_pa\), got 200000"):
        system.simulate(2e5, 0.3, (0, 0, 0))
    with pytest.raises(PhysicsError, match=r"Poisson's ratios from 0 to 0\.45, got 0\.49"):
        system.simulate(1e4, 0.49, (0, 0, 0))
    with pytest.raises(PhysicsError, match="left the domain in frame 1"):
        system.simulate(1e4, 0.3, (0, 0, -20.0))


@pytest.mark.gpu
def test_cuda_gradients_agree_with_the_processors() -> None:
    made = []
    for device in ("cpu", "cuda:0"):
        system = DifferentiableMpm(
            cube(), ROOM, frames=3, frame_s=1 / 30, largest_young_pa=1e5, planes=[FLOOR], device=device
        )
        x = system.simulate(YOUNG, NU, V)
        g = system.gradients(x)
        made.append((x, g.young.sum(), g.poisson.sum(), g.velocity.sum(axis=0)))
    assert np.abs(made[0][0] - made[1][0]).max() < 1e-5
    for ours, theirs in zip(made[0][1:], made[1][1:], strict=True):
        assert np.allclose(ours, theirs, rtol=1e-3)
