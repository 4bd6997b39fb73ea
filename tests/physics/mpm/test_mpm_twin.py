"""The Warp kernels against a slow, readable twin in float64, and the laws of materials against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.physics.mpm.domain import Domain
from simvid.physics.mpm.materials import MpmMaterial
from simvid.physics.mpm.particles import Particles, lattice
from simvid.physics.mpm.solver import Solver

Array = NDArray[np.float64]
H = 0.05
ROOM = Domain((-1, -1, -1), (1, 1, 1), H)
ELASTIC = {"young_modulus_pa": 1e5, "poisson_ratio": 0.3}


def elastic_tau(model: str, F: Array, mu: float, lam: float) -> Array:
    """Kirchhoff stress by the formulas, polar decomposition by SVD."""
    J = float(np.linalg.det(F))
    if model == "neo_hookean":
        return np.asarray(mu * (F @ F.T - np.eye(3)) + lam * math.log(J) * np.eye(3))
    U, _, Vt = np.linalg.svd(F)
    return np.asarray(2 * mu * (F - U @ Vt) @ F.T + lam * J * (J - 1) * np.eye(3))


def twin_step(
    p: Particles, x: Array, v: Array, C: Array, F: Array, dt: float, g: Array
) -> tuple[Array, Array, Array, Array]:
    """One substep: three loops over dictionaries of nodes."""
    mu, lam = p.materials[0].lame
    mass: dict[tuple[int, ...], float] = {}
    momentum: dict[tuple[int, ...], Array] = {}

    def stencil(k: int) -> list[tuple[tuple[int, ...], float, Array]]:
        q = (x[k] - ROOM.origin) / H
        first = np.floor(q - 0.5).astype(int)
        f = q - first
        w = np.stack([(1.5 - f) ** 2 / 2, 0.75 - (f - 1) ** 2, (f - 0.5) ** 2 / 2])
        offsets = [(a, b, c) for a in range(3) for b in range(3) for c in range(3)]
        return [(tuple(first + o), float(w[o[0], 0] * w[o[1], 1] * w[o[2], 2]), (np.array(o) - f) * H) for o in offsets]

    for k in range(len(x)):
        tau = elastic_tau(p.materials[0].model, F[k], mu, lam) * float(p.volumes[k])
        affine = p.masses[k] * C[k] - dt * 4 / H**2 * tau
        for node, w, away in stencil(k):
            mass[node] = mass.get(node, 0.0) + w * p.masses[k]
            momentum[node] = momentum.get(node, np.zeros(3)) + w * (p.masses[k] * v[k] + affine @ away)
    speed = {node: momentum[node] / mass[node] + dt * g for node in mass}
    out = [np.zeros_like(a) for a in (x, v, C, F)]
    for k in range(len(x)):
        for node, w, away in stencil(k):
            out[1][k] += w * speed[node]
            out[2][k] += 4 / H**2 * w * np.outer(speed[node], away)
        out[0][k] = x[k] + dt * out[1][k]
        out[3][k] = F[k] + dt * out[2][k] @ F[k]
    return out[0], out[1], out[2], out[3]


@pytest.mark.parametrize("model", ["fixed_corotated", "neo_hookean"])
def test_substeps_are_those_of_the_twin(model: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.uniform(-0.12, 0.12, (60, 3))
    F = np.eye(3) + rng.uniform(-0.2, 0.2, (60, 3, 3))
    C = rng.uniform(-3, 3, (60, 3, 3))
    v = rng.uniform(-1, 1, (60, 3))
    p = Particles.of(x, 1e-5, MpmMaterial(model, 1000.0, **ELASTIC))  # type: ignore[arg-type]
    p = Particles(
        p.positions, v.astype("f4"), p.volumes, p.body, p.materials, C.astype("f4"), F.astype("f4"), p.young_scale
    )
    solver = Solver(p, ROOM, step_s=5e-4)
    state = (x, v, C, F)
    for _ in range(3):
        assert solver.advance(5e-4) == 1
        state = twin_step(p, *state, 5e-4, np.array([0, 0, -9.81]))
    made: list[NDArray[np.floating]] = [solver.positions(), solver.velocities(), solver.affine(), solver.deformation()]
    for ours, wanted in zip(made, state, strict=True):
        assert np.abs(ours - wanted).max() < 2e-5 * np.abs(wanted).max()  # float32 beside float64


def one(material: MpmMaterial, F: Array) -> Solver:
    """A particle with a deformation gradient, mapped and stressed."""
    p = Particles.of(np.zeros((1, 3)), 1e-6, material)
    return Solver(
        Particles(p.positions, p.velocities, p.volumes, p.body, p.materials, p.affine, F[None].astype("f4"),
                  p.young_scale), ROOM
    )  # fmt: skip


def random_f(seed: int, spread: float) -> Array:
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(2))
    U, V = U * np.sign(np.linalg.det(U)), V * np.sign(np.linalg.det(V))
    return np.asarray(U @ np.diag(np.exp(rng.uniform(-spread, spread, 3))) @ V.T)


def hencky(F: Array) -> tuple[Array, Array]:
    """Principal axes and logarithmic strains."""
    U, s, _ = np.linalg.svd(F)
    return U, np.log(s)


@pytest.mark.parametrize("model", ["fixed_corotated", "neo_hookean"])
@pytest.mark.parametrize("seed", range(4))
def test_elastic_stress(model: str, seed: int) -> None:
    material = MpmMaterial(model, 1000.0, **ELASTIC)  # type: ignore[arg-type]
    F = random_f(seed, 0.8)
    wanted = elastic_tau(model, F, *material.lame) / np.linalg.det(F)
    assert np.abs(one(material, F).stress()[0] - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_fixed_corotated_uniaxial_stretch() -> None:
    """A bar pulled to 1.2 of its length, sides free: 2 mu (s - 1) / t^2 + lam (J - 1) along it, nothing across."""
    material = MpmMaterial("fixed_corotated", 1000.0, **ELASTIC)
    mu, lam = material.lame
    s, t = 1.2, 1.0
    for _ in range(200):  # side stress 2 mu (t - 1) t + lam J (J - 1) = 0 by bisection-like relaxation
        J = s * t * t
        t -= 0.2 * (2 * mu * (t - 1) * t + lam * J * (J - 1)) / (2 * mu + 2 * lam)
    J = s * t * t
    stress = one(material, np.diag([s, t, t])).stress()[0]
    assert stress[0, 0] == pytest.approx(2 * mu * (s - 1) * s / J + lam * (J - 1), rel=1e-4)
    assert abs(stress[1, 1]) < 1e-4 * stress[0, 0]
    small = one(material, np.diag([1.001, 1 - 0.0003, 1 - 0.0003])).stress()[0]
    assert small[0, 0] == pytest.approx(1e5 * 0.001, rel=0.01)  # Hooke


def test_inverted_elements_are_pushed_back() -> None:
    """Fixed corotated energy grows through F = diag(1, 1, -0.1); its stress opens the element again."""
    stress = one(MpmMaterial("fixed_corotated", 1000.0, **ELASTIC), np.diag([1.0, 1.0, -0.1]))
    tau = stress._state.tau.numpy()[0] / 1e-6
    mu, lam = stress.particles.materials[0].lame
    s = np.array([1, 1, -0.1])
    J = float(np.prod(s))
    assert np.allclose(np.diag(tau), 2 * mu * (s * s - s) + lam * J * (J - 1), rtol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_von_mises_returns_to_the_yield_surface(seed: int) -> None:
    material = MpmMaterial("von_mises", 1000.0, **ELASTIC, yield_stress_pa=2e3)
    F = random_f(seed, 0.3)
    solver = one(material, F)
    tau = solver._state.tau.numpy()[0].astype(float) / 1e-6
    dev = tau - np.trace(tau) / 3 * np.eye(3)
    assert math.sqrt(1.5) * np.linalg.norm(dev) == pytest.approx(2e3, rel=1e-3)
    mu, lam = material.lame
    assert np.trace(tau) == pytest.approx((3 * lam + 2 * mu) * math.log(np.linalg.det(F)), rel=1e-3, abs=1)
    after = solver.elastic_deformation()[0].astype(float)
    assert np.linalg.det(after) == pytest.approx(np.linalg.det(F), rel=1e-4)  # flow keeps the volume
    assert np.ptp(hencky(after)[1]) < np.ptp(hencky(F)[1])
    _, strain = hencky(F)
    slip = np.linalg.norm(strain - strain.mean()) - np.linalg.norm(dev) / (2 * mu)
    assert solver.memory()[0] == pytest.approx(math.sqrt(2 / 3) * slip, rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_sand_stays_within_the_cone(seed: int) -> None:
    """Shear along a slope under its weight: tau / p = tan(phi), and |dev tau| = sqrt(2) tau."""
    angle = math.radians(35)
    material = MpmMaterial("drucker_prager", 1600.0, young_modulus_pa=1e6, friction_angle_rad=angle)
    F = 0.93 * random_f(seed, 0.1)
    tau = one(material, F)._state.tau.numpy()[0].astype(float) / 1e-6
    pressure = -np.trace(tau) / 3
    dev = np.linalg.norm(tau + pressure * np.eye(3))
    assert dev <= math.sqrt(2) * math.tan(angle) * pressure * (1 + 1e-3)
    sheared = 0.99 * np.array([[1, 0, 0.2], [0, 1, 0], [0, 0, 1]])
    stress = one(material, sheared).stress()[0]
    assert np.linalg.norm(stress - np.trace(stress) / 3 * np.eye(3)) == pytest.approx(
        -math.sqrt(2) * math.tan(angle) * np.trace(stress) / 3, rel=1e-3
    )
    apart = one(material, 1.02 * np.eye(3))
    assert np.abs(apart.stress()).max() == 0
    assert apart.memory()[0] == pytest.approx(3 * math.log(1.02), rel=1e-3)


def test_snow_yields_and_hardens() -> None:
    material = MpmMaterial("snow", 400.0, young_modulus_pa=1.4e5, poisson_ratio=0.2)
    solver = one(material, np.diag([0.9, 1.0, 1.05]))
    after = np.sort(np.linalg.svd(solver.elastic_deformation()[0])[1])
    assert np.allclose(after, [0.975, 1.0, 1.0075], atol=1e-5)
    log_jp = math.log(0.9 / 0.975) + math.log(1.05 / 1.0075)
    assert solver.memory()[0] == pytest.approx(log_jp, rel=1e-3)
    mu, lam = (math.exp(10 * (1 - math.exp(log_jp))) * m for m in material.lame)
    J = float(np.prod(after))
    wanted = 2 * mu * (0.975**2 - 0.975) + lam * J * (J - 1)
    assert solver._state.tau.numpy()[0, 0, 0] / 1e-6 == pytest.approx(wanted, rel=1e-3)


def test_fluid_pressure_is_taits() -> None:
    material = MpmMaterial("fluid", 1000.0, bulk_modulus_pa=1e5)
    solver = one(material, 0.98 ** (1 / 3) * np.eye(3))
    assert solver.stress()[0, 0, 0] == pytest.approx(-1e5 / 7 * (0.98**-7 - 1), rel=1e-3)


def test_lattice_fills_the_box() -> None:
    points, volume = lattice((0, 0, 0), (0.1, 0.2, 0.3), 0.04)
    assert len(points) * volume == pytest.approx(0.1 * 0.2 * 0.3)
    assert points.min() > 0
    assert np.all(points.max(axis=0) < (0.1, 0.2, 0.3))
