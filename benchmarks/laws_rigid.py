"""Cases of rigid bodies."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from laws_cases import Case, Measure, Quantity, scene
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.physics import laws
from simvid.physics.watch import Bodies
from simvid.trajectory import Trajectory

Array = NDArray[np.float64]
G = 9.81
BALL = "{sphere: {radius_m: 0.05}}"
BOX = "{box: {size_m: 0.1}}"
LL = "Landau and Lifshitz, Mechanics"


def tilted(degrees: float) -> tuple[float, float, float]:
    """Gravity seen from an incline."""
    angle = math.radians(degrees)
    return G * math.sin(angle), 0.0, -G * math.cos(angle)


def cases() -> Iterator[Case]:
    """All of them."""
    yield Case("free fall", scene(f"  - {{name: ball, shape: {BALL}, pose: {{position_m: [0, 0, 9]}}}}", seconds=1.0), (
        Quantity("height after 1 s", "m", 9 - G / 2, place("ball", 2), "absolute", "x = g t^2 / 2"),
    ), quick=True)  # fmt: skip
    yield from _inclines()
    yield from _pendulums()
    for e in (0.0, 0.5, 0.8):
        yield _bounce(e, asked=False)
    yield from _tops()
    yield _stack()
    yield _dominoes()


def asked() -> Iterator[Case]:
    """Numbers of the scene file that should happen."""
    for e in (0.0, 0.3, 0.5, 0.8, 1.0):
        yield _bounce(e, asked=True)
    for mu in (0.1, 0.3, 0.6):
        yield _slide(mu)
    yield _density()
    yield _rolling_friction()


def place(part: str, axis: int, frame: int = -1) -> Measure:
    """A coordinate of a part's origin [m]."""
    return lambda made, _: float(made.poses[frame, made.part_index(part), axis])


def gained(part: str, first: int) -> Measure:
    """Mean acceleration along x from a frame to the last [m/s^2]."""

    def measure(made: Trajectory, _: SceneAssets) -> float:
        v = made.twists[:, made.part_index(part), 0]
        return float((v[-1] - v[first]) / ((len(v) - 1 - first) / made.fps))

    return measure


def total_energy(made: Trajectory, assets: SceneAssets) -> tuple[Array, Array]:
    """Energy and its kinetic part of all bodies [J], [T]."""
    bodies, g = Bodies.of(assets), np.array(assets.scene.physics.gravity_m_s2)
    pairs = [bodies.energy(g, p, t) for p, t in zip(made.poses, made.twists, strict=True)]
    kinetic = np.array([k.sum() for k, _ in pairs])
    return kinetic + np.array([p.sum() for _, p in pairs]), kinetic


def drift(made: Trajectory, assets: SceneAssets) -> float:
    """Largest change of the energy over the largest kinetic energy."""
    energy, kinetic = total_energy(made, assets)
    off = energy - energy[0]
    return float(off[np.argmax(np.abs(off))] / kinetic.max())


def _inclines() -> Iterator[Case]:
    def text(degrees: float, mu: float, shape: str = BOX, seconds: float = 1.0) -> str:
        body = f"  - {{name: thing, shape: {shape}, material: rough, pose: {{position_m: [0, 0, 0.05]}}}}"
        return scene(
            body, seconds=seconds, gravity=tilted(degrees), materials=f"  rough: {{friction: {mu}}}", ground="rough"
        )

    def creep(made: Trajectory, _: SceneAssets) -> float:
        path = made.poses[:, made.part_index("thing"), :3]
        return float(np.linalg.norm(path[-1] - path[5]) / ((len(path) - 6) / made.fps))

    yield Case("incline of 20 deg, mu 0.5", text(20, 0.5), (
        Quantity("creep", "m/s", 0.0, creep, "absolute", "Coulomb"),
    ), quick=True)  # fmt: skip
    wanted = laws.incline_acceleration(math.radians(35), 0.5)
    yield Case("incline of 35 deg, mu 0.5", text(35, 0.5), (
        Quantity("acceleration", "m/s^2", wanted, gained("thing", 10), source="Coulomb"),
    ))  # fmt: skip
    wanted = laws.rolling_acceleration(math.radians(20))
    yield Case("ball on an incline of 20 deg", text(20, 0.5, BALL), (
        Quantity("acceleration", "m/s^2", wanted, gained("thing", 10), source=f"5/7 g sin a; {LL} 32"),
    ))  # fmt: skip


def _pendulums() -> Iterator[Case]:
    length = 0.5
    for degrees in (5.0, 90.0):
        a = math.radians(degrees)
        at = [-length * math.sin(a), 0.0, 2 - length * math.cos(a)]
        body = (
            f"  - {{name: bob, shape: {BALL}, pose: {{position_m: {at}}}, "
            "joint: {hinge: {anchor_m: [0, 0, 2], axis: [0, 1, 0]}}}"
        )
        wanted = laws.pendulum_period(a, length**2 + 0.4 * 0.05**2, G * length)
        yield Case(f"pendulum of {degrees:g} deg", scene(body, seconds=3.6, fps=250), (
            Quantity("period", "s", wanted, _period, source=f"elliptic integral; {LL} 11"),
            Quantity("energy drift", "of kinetic", 0.0, drift, "absolute", "conservation"),
        ))  # fmt: skip
    double = "\n".join([
        f"  - {{name: upper, shape: {BALL}, pose: {{position_m: [0.3, 0, 2]}}, "
        "joint: {hinge: {anchor_m: [0, 0, 2], axis: [0, 1, 0]}}}",
        f"  - {{name: lower, shape: {BALL}, pose: {{position_m: [0.6, 0, 2]}}, "
        "joint: {hinge: {anchor_m: [0.3, 0, 2], axis: [0, 1, 0], parent: upper}}}",
    ])  # fmt: skip
    yield Case("double pendulum, 5 s", scene(double, seconds=5.0, fps=100), (
        Quantity("energy drift", "of kinetic", 0.0, drift, "absolute", "conservation"),
    ))  # fmt: skip


def _period(made: Trajectory, _: SceneAssets) -> float:
    bob = made.poses[:, made.part_index("bob")]
    angle = np.arctan2(bob[:, 0], 2 - bob[:, 2])
    up = np.flatnonzero((angle[:-1] < 0) & (angle[1:] >= 0))
    crossing = [(k + angle[k] / (angle[k] - angle[k + 1])) / made.fps for k in up]
    return float(np.diff(crossing).mean())


def _bounce(e: float, *, asked: bool) -> Case:
    body = f"  - {{name: ball, shape: {BALL}, material: bouncy, pose: {{position_m: [0, 0, 1.05]}}}}"
    text = scene(
        body, seconds=1.2, fps=500, materials=f"  bouncy: {{restitution: {e}}}\n  floor: {{restitution: {e}}}",
        ground="floor",
    )  # fmt: skip

    def got(made: Trajectory, _: SceneAssets) -> float:
        height = made.poses[:, made.part_index("ball"), 2] - 0.05
        low = int(np.argmax(height < 1e-3))
        return float(np.sqrt(max(height[low + 10 :].max(), 0.0)))

    name = f"restitution: {e:g}" if asked else f"drop of 1 m, e = {e:g}"
    quantity = Quantity("rebound speed over impact speed", "", e, got, "absolute", "Newton's law of impact")
    return Case(name, text, (quantity,), asked=asked, quick=asked and e == 0.5)


def _tops() -> Iterator[Case]:
    wheel = (
        "  - {name: wheel, shape: {cylinder: {radius_m: 0.1, length_m: 0.02}}, mass_kg: 1.0, "
        "pose: {position_m: [0.1, 0, 1], rotation_deg: [0, 90, 0]}, angular_velocity_rad_s: [300, 0, 0], "
        "joint: {ball: {anchor_m: [0, 0, 1]}}}"
    )
    wanted = laws.fast_top_rate(1.0, 0.1, 0.5 * 0.1**2, 300.0, G)

    def precession(made: Trajectory, _: SceneAssets) -> float:
        at = made.poses[:, made.part_index("wheel")]
        angle = np.unwrap(np.arctan2(at[:, 1], at[:, 0]))
        return float(np.polyfit(np.arange(len(angle)) / made.fps, angle, 1)[0])

    yield Case("spinning top", scene(wheel, seconds=1.0), (
        Quantity("precession", "rad/s", wanted, precession, source="m g l / (I w); Goldstein 5.73"),
    ))  # fmt: skip
    racket = (
        "  - {name: racket, shape: {box: {size_m: [0.1, 0.2, 0.3]}}, pose: {position_m: [0, 0, 1]}, "
        "angular_velocity_rad_s: [0.01, 10, 0.01]}"
    )

    def spin_kept(made: Trajectory, assets: SceneAssets) -> float:
        return _momentum_drift(made, assets)

    yield Case("Dzhanibekov: tumbling about the middle axis, 4 s", scene(racket, seconds=4.0, gravity=(0, 0, 0)), (
        Quantity("change of angular momentum", "of it", 0.0, spin_kept, "absolute", f"Euler; {LL} 36"),
        Quantity("energy drift", "of kinetic", 0.0, drift, "absolute", "conservation"),
    ))  # fmt: skip


def _momentum_drift(made: Trajectory, assets: SceneAssets) -> float:
    from simvid.trajectory import pose_matrices

    k = made.part_index("racket")
    mass = assets.parts[k].mass
    assert mass is not None, "it is free"
    turn = pose_matrices(made.poses[:, k])[:, :3, :3]
    inertia = turn @ mass.inertia_kg_m2 @ turn.transpose(0, 2, 1)
    momentum = np.einsum("tij,tj->ti", inertia, made.twists[:, k, 3:])
    return float(np.linalg.norm(momentum - momentum[0], axis=1).max() / np.linalg.norm(momentum[0]))


def _stack() -> Case:
    boxes = "\n".join(
        f"  - {{name: box_{k}, shape: {BOX}, pose: {{position_m: [0, 0, {0.05 + 0.1 * k:.2f}]}}}}" for k in range(10)
    )

    def moved(made: Trajectory, _: SceneAssets) -> float:
        boxes = [k for k, p in enumerate(made.parts) if p.kind == "body"]
        return float(np.abs(made.poses[:, boxes, :3] - made.poses[0, boxes, :3]).max())

    return Case("stack of ten boxes, 2 s", scene(boxes, seconds=2.0, ground="{}"), (
        Quantity("largest way of a box", "m", 0.0, moved, "absolute", "rest"),
    ))  # fmt: skip


def _dominoes() -> Case:
    h, d, s, count = 0.1, 0.012, 0.03, 24
    row = (
        f"  - {{name: domino, count: {count}, shape: {{box: {{size_m: [{d}, 0.05, {h}]}}}}, material: smooth, "
        f"arrange: {{line: {{start_m: [0, 0, {h / 2}], step_m: [{d + s}, 0, 0]}}}}}}\n"
        "  - {name: push, shape: {sphere: {radius_m: 0.02}}, material: smooth, mass_kg: 0.03, "
        f"pose: {{position_m: [{-d / 2 - 0.021}, 0, 0.09]}}, velocity_m_s: [0.6, 0, 0]}}"
    )
    text = scene(
        row, seconds=1.6, fps=250, materials="  smooth: {friction: 0.0, density_kg_m3: 600}\n  floor: {friction: 2.0}",
        ground="floor",
    )  # fmt: skip

    def speed(made: Trajectory, _: SceneAssets) -> float:
        from simvid.trajectory import pose_matrices

        row = [made.part_index(f"domino_{k}") for k in range(count)]
        tilt = np.arccos(np.clip(pose_matrices(made.poses[:, row])[:, :, 2, 2], -1, 1))
        first = np.argmax(tilt > math.radians(3), axis=0) / made.fps
        return float((d + s) * 10 / (first[20] - first[10]))

    wanted = laws.domino_wave_speed(h, d, s, G)
    return Case("row of dominoes", text, (
        Quantity("speed of the wave", "m/s", wanted, speed, source="van Leeuwen 2010, without friction between them"),
    ))  # fmt: skip


def _slide(mu: float) -> Case:
    body = (
        f"  - {{name: thing, shape: {BOX}, material: rough, pose: {{position_m: [0, 0, 0.05]}}, "
        "velocity_m_s: [4, 0, 0]}"
    )
    text = scene(body, seconds=0.5, materials=f"  rough: {{friction: {mu}}}", ground="rough")
    back = gained("thing", 5)
    quantity = Quantity("deceleration over g", "", mu, lambda m, a: -back(m, a) / G, "relative", "Coulomb")
    return Case(f"friction: {mu:g}", text, (quantity,), asked=True)


def _density() -> Case:
    body = f"  - {{name: ball, shape: {BALL}, material: {{density_kg_m3: 2500}}, pose: {{position_m: [0, 0, 1]}}}}"
    volume = 4 / 3 * math.pi * 0.05**3

    def got(made: Trajectory, _: SceneAssets) -> float:
        return float(made.masses_kg[made.part_index("ball")] / volume)

    quantity = Quantity("mass over volume", "kg/m^3", 2500.0, got)
    return Case("density_kg_m3: 2500", scene(body, seconds=0.1), (quantity,), asked=True, quick=True)


def _rolling_friction() -> Case:
    lever = 0.002
    body = (
        f"  - {{name: ball, shape: {BALL}, material: tyre, pose: {{position_m: [0, 0, 0.05]}}, "
        "velocity_m_s: [0.5, 0, 0], angular_velocity_rad_s: [0, 10, 0]}"
    )
    text = scene(
        body, seconds=0.5, ground="floor",
        materials=f"  tyre: {{friction: 0.5, rolling_friction_m: {lever}}}\n  floor: {{friction: 0.5}}",
    )  # fmt: skip

    def got(made: Trajectory, _: SceneAssets) -> float:
        v = made.twists[:, made.part_index("ball"), 0]
        return float((v[5] - v[20]) / (15 / made.fps) / (5 / 7 * G / 0.05))

    return Case(
        "rolling_friction_m: 0.002", text, (Quantity("5/7 m g l / r slows the ball; l", "m", lever, got),), asked=True
    )
