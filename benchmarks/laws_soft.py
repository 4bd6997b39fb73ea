"""Cases of deformable bodies: elastic, granular, liquid, cloth."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from laws_cases import Case, Measure, Quantity, scene
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.trajectory import Trajectory

Array = NDArray[np.float64]
G = 9.81


def cases() -> Iterator[Case]:
    """All of them."""
    yield _cantilever()
    yield _column_collapse()
    yield _dam_break()
    yield _buoyancy(500.0)
    yield _buoyancy(2000 / 3)
    yield _buoyancy(500.0, dropped=True)
    yield _film(asked=False)
    yield _peirce(asked=False)


def asked() -> Iterator[Case]:
    """Numbers of the scene file that should happen."""
    yield _compressed()
    yield _film(asked=True)
    yield _peirce(asked=True)


def places(made: Trajectory, part: str) -> Array:
    """Of a body's particles, [T, P, 3]."""
    return next(p.positions for p in made.particles if p.name == part).astype(np.float64)


def walls(width: float, length: float, height: float) -> str:
    """Smooth walls at y = 0, y = width and x = 0, thick enough for any grid."""
    t = 0.1
    boxes = {
        "left": ([length / 2, -t / 2, height / 2], [length + 2 * t, t, height]),
        "right": ([length / 2, width + t / 2, height / 2], [length + 2 * t, t, height]),
        "back": ([-t / 2, width / 2, height / 2], [t, width, height]),
    }
    return "\n".join(
        f"  - {{name: {name}, fixed: true, material: smooth, shape: {{box: {{size_m: {size}}}}}, "
        f"pose: {{position_m: {at}}}}}"
        for name, (at, size) in boxes.items()
    )


def _cantilever() -> Case:
    """Held from x = -0.05 to 0; gravity 1 m/s^2 and an even cross section of four cells."""
    length, side, young, g, density = 0.4, 0.1, 2e5, 1.0, 1000.0
    material = (
        f"  jelly: {{density_kg_m3: {density}, elastic: {{young_modulus_pa: {young}, poisson_ratio: 0.0, "
        "particle_spacing_m: 0.0125}}"
    )
    body = (
        f"  - {{name: beam, shape: {{box: {{size_m: [{length + 0.05}, {side}, {side}]}}}}, material: jelly, "
        f"pose: {{position_m: [{(length - 0.05) / 2}, 0, 0]}}}}"
    )
    hold = "forces: [{hold: {region: {box: {low_m: [-0.06, -0.1, -0.1], high_m: [0, 0.1, 0.1]}}}}]"
    inertia, weight = side**4 / 12, density * side**2 * g
    period = 2 * math.pi / 1.8751**2 * math.sqrt(density * side**2 * length**4 / (young * inertia))
    bent = weight * length**4 / (8 * young * inertia) + weight * length**2 / (2 * 5 / 6 * young / 2 * side**2)
    text = scene(body, seconds=2 * period, fps=50 / period, gravity=(0, 0, -g), materials=material, more=hold,
                 step_s=None)  # fmt: skip

    def tip(made: Trajectory) -> Array:
        x = places(made, "beam")
        end = x[0, :, 0] > length - 0.013
        return np.asarray((x[0, end, 2] - x[:, end, 2]).mean(axis=1))

    def deflection(made: Trajectory, _: SceneAssets) -> float:
        return float(tip(made)[1:51].mean())

    def frequency(made: Trajectory, _: SceneAssets) -> float:
        z = tip(made)
        t = np.arange(len(z)) / made.fps
        line = z - z[1:51].mean()
        k = np.flatnonzero((line[:-1] < 0) & (line[1:] >= 0))
        at = t[k] + line[k] / (line[k] - line[k + 1]) / made.fps
        return float(1 / np.diff(at).mean()) if len(at) > 1 else math.nan

    return Case("cantilever", text, (
        Quantity("mean deflection", "m", bent, deflection, source="Timoshenko"),
        Quantity("frequency", "Hz", 1 / period, frequency, source="Euler-Bernoulli (shear lowers it by 2 %)"),
    ))  # fmt: skip


def _column_collapse() -> Case:
    first, aspect, spacing = 0.1, 1.5, 0.00625
    materials = (
        "  smooth: {friction: 0.0}\n  rough: {friction: 1.0}\n"
        "  beads: {density_kg_m3: 1600, friction: 0.0, granular: {young_modulus_pa: 2e5, friction_angle_deg: 22, "
        f"particle_spacing_m: {spacing}}}}}"
    )
    body = (
        f"  - {{name: column, shape: {{box: {{size_m: [{first}, 0.05, {aspect * first}]}}}}, material: beads, "
        f"pose: {{position_m: [{first / 2}, 0.025, {aspect * first / 2}]}}}}\n" + walls(0.05, 0.5, 0.2)
    )

    def run_out(made: Trajectory, _: SceneAssets) -> float:
        return float(np.quantile(places(made, "column")[-1, :, 0], 0.995)) / first - 1

    def slope(made: Trajectory, _: SceneAssets) -> float:
        """Steepest mean slope over 4 cm of the heap's outline at rest [deg]."""
        x = places(made, "column")[-1]
        edges = np.arange(0.0, x[:, 0].max(), 0.01)
        tops = np.array([np.quantile(x[(x[:, 0] >= a) & (x[:, 0] < a + 0.01), 2], 0.97) for a in edges[:-1]])
        return float(np.degrees(np.arctan(((tops[:-4] - tops[4:]) / 0.04).max())))

    return Case("granular column of 1.5", scene(body, seconds=0.6, materials=materials, ground="rough"), (
        Quantity("run-out over width", "", 1.2 * aspect, run_out, source="Lajeunesse et al. 2005, beads of 22 deg"),
        Quantity("steepest slope at rest", "deg", 22.0, slope, source="angle of repose is the friction angle"),
    ))  # fmt: skip


def _dam_break() -> Case:
    a, spacing = 0.1, 0.00625
    materials = (
        "  smooth: {friction: 0.0}\n  water: {density_kg_m3: 1000, friction: 0.0, liquid: {bulk_modulus_pa: 2e5, "
        f"viscosity_pa_s: 0, particle_spacing_m: {spacing}}}}}"
    )
    body = (
        f"  - {{name: water, shape: {{box: {{size_m: [{a}, 0.05, {2 * a}]}}}}, material: water, "
        f"pose: {{position_m: [{a / 2}, 0.025, {a}]}}}}\n{walls(0.05, 0.6, 0.3)}"
    )

    def front(when: float) -> Measure:
        def measure(made: Trajectory, _: SceneAssets) -> float:
            frame = when * math.sqrt(a / (2 * G)) * made.fps
            x = places(made, "water")[:, :, 0]
            reach = np.quantile(x, 0.995, axis=1)
            return float(np.interp(frame, np.arange(len(reach)), reach)) / a

        return measure

    quantities = tuple(
        Quantity(f"front at T = {when:g}", "Z", wanted, front(when), source="Martin and Moyce 1952, n^2 = 2")
        for when, wanted in ((1.19, 1.44), (1.98, 2.33), (2.65, 3.22))
    )
    return Case("dam break", scene(body, seconds=0.2, fps=100, materials=materials, ground="smooth"), quantities)


def _buoyancy(density: float, *, dropped: bool = False) -> Case:
    """A slab that is flat enough to float level (a cube of half the water's density turns over), for 1.2 s.

    It begins where it floats, with the water around it, or just above the water.
    """
    side, high, wide, deep, spacing = 0.1, 0.06, 0.22, 0.12, 0.01
    wanted = density / 1000 * high
    materials = (
        "  smooth: {friction: 0.0}\n  water: {density_kg_m3: 1000, friction: 0.0, liquid: {bulk_modulus_pa: 1e5, "
        f"viscosity_pa_s: 0, particle_spacing_m: {spacing}}}}}\n  cork: {{density_kg_m3: {density}, friction: 0.0}}"
    )
    room, low = (wide - side) / 2, deep if dropped else deep - wanted
    boxes = [((wide, wide, low), (0.0, 0.0, low / 2))]
    if not dropped:
        at = (side + room) / 2
        sides = [((room, wide), (at, 0)), ((room, wide), (-at, 0)), ((side, room), (0, at)), ((side, room), (0, -at))]
        boxes += [((*size, wanted), (*place, deep - wanted / 2)) for size, place in sides]
    parts = ", ".join(
        f"{{shape: {{box: {{size_m: {list(size)}}}}}, pose: {{position_m: {list(place)}}}}}" for size, place in boxes
    )
    middle = wide / 2
    body = (
        f"  - {{name: water, material: water, shape: {{compound: {{parts: [{parts}]}}}}, "
        f"pose: {{position_m: [{middle}, {middle}, 0]}}}}\n"
        f"  - {{name: slab, shape: {{box: {{size_m: [{side}, {side}, {high}]}}}}, material: cork, "
        f"pose: {{position_m: [{middle}, {middle}, {low + high / 2}]}}}}\n"
        + walls(wide, wide, 0.3)
        + f"\n  - {{name: front, fixed: true, material: smooth, shape: {{box: {{size_m: [0.1, {wide}, 0.3]}}}}, "
        f"pose: {{position_m: [{wide + 0.05}, {middle}, 0.15]}}}}"
    )

    def draught(made: Trajectory, _: SceneAssets) -> float:
        """Depth of the underside below the level around it, at the end."""
        late = slice(-10, None)
        x = places(made, "water")[late]
        at = made.poses[late, made.part_index("slab"), :3]
        beside = np.abs(x[:, :, :2] - at[:, None, :2]).max(axis=2) > side / 2 + spacing
        level = np.mean([np.quantile(row[mask, 2], 0.97) for row, mask in zip(x, beside, strict=True)]) + spacing / 2
        return float(level - at[:, 2].mean() + high / 2)

    name = f"slab of density {density:g} {'dropped into' if dropped else 'afloat in'} water"
    return Case(name, scene(body, seconds=1.2, fps=25, materials=materials, ground="smooth"), (
        Quantity("draught", "m", wanted, draught, source="Archimedes"),
    ))  # fmt: skip


def _film(*, asked: bool) -> Case:
    depth, g, eta = 0.06, 1.0, 40.0
    materials = (
        "  smooth: {friction: 0.0}\n  rough: {friction: 10.0}\n"
        f"  honey: {{density_kg_m3: 1000, friction: 0.0, liquid: {{bulk_modulus_pa: 5e3, viscosity_pa_s: {eta}, "
        "particle_spacing_m: 0.00625}}"
    )
    body = (
        f"  - {{name: honey, shape: {{box: {{size_m: [0.5, 0.05, {depth}]}}}}, material: honey, "
        f"pose: {{position_m: [0.25, 0.025, {depth / 2}]}}}}\n"
        + "\n".join(line for line in walls(0.05, 1.0, 0.15).splitlines() if "back" not in line)
    )
    wanted = 1000 * 0.3 * g * depth**2 / (2 * eta)

    def surface_speed(made: Trajectory, _: SceneAssets) -> float:
        x = places(made, "honey")
        middle = (np.abs(x[-1, :, 0] - 0.25) < 0.05) & (x[-1, :, 2] > depth - 0.015)
        return float((x[-1, middle, 0] - x[-2, middle, 0]).mean() * made.fps)

    text = scene(body, seconds=0.26, fps=50, gravity=(0.3 * g, 0.0, -g), materials=materials, ground="rough")
    if asked:
        quantity = Quantity(
            "viscosity of the film", "Pa s", eta, lambda m, a: eta * wanted / surface_speed(m, a), source="Nusselt 1916"
        )
        return Case(f"viscosity_pa_s: {eta:g}", text, (quantity,), asked=True)
    return Case("viscous film on a slope", text, (
        Quantity("speed at the surface", "m/s", wanted, surface_speed, source="Nusselt 1916"),
    ))  # fmt: skip


def _peirce(*, asked: bool) -> Case:
    """A strip that is held on a table hangs over its edge: c = L (cos(a / 2) / (8 tan a))^(1/3), B = w c^3."""
    over, angle, thick, density = 0.08, math.radians(41.5), 0.001, 300.0
    weight = density * thick * G
    bend = weight * (over * (math.cos(angle / 2) / (8 * math.tan(angle))) ** (1 / 3)) ** 3
    materials = (
        "  table: {friction: 1.0}\n"
        f"  cloth: {{density_kg_m3: {density}, friction: 1.0, cloth: {{stretch_n_m: 300, bend_n_m: {bend:.6g}, "
        "particle_spacing_m: 0.005}}"
    )
    body = (
        "  - {name: table, fixed: true, material: table, shape: {box: {size_m: [0.3, 0.2, 0.1]}}, "
        "pose: {position_m: [-0.15, 0, 0.45]}}\n"
        f"  - {{name: strip, material: cloth, shape: {{box: {{size_m: [{0.12 + over}, 0.03, {thick}]}}}}, "
        f"pose: {{position_m: [{(over - 0.12) / 2}, 0, {0.5 + thick}]}}}}"
    )

    def hangs(made: Trajectory, _: SceneAssets) -> float:
        """Angle of the line from the edge to the tip, mean of the last half second [rad]."""
        x = places(made, "strip")[-25:].mean(axis=0)
        tip = x[x[:, 0] > x[:, 0].max() - 0.002].mean(axis=0)
        return float(np.arctan2(0.5 + thick / 2 - tip[2], tip[0]))

    still = (
        "forces: [{hold: {region: {box: {low_m: [-1, -1, 0], high_m: [0.0005, 1, 1]}}}}, "
        "{wind: {air_density_kg_m3: 60}}]"
    )  # thick air, so that it comes to rest
    text = scene(body, seconds=2.0, fps=50, materials=materials, more=still)
    if asked:

        def stiffness(made: Trajectory, scene_assets: SceneAssets) -> float:
            a = hangs(made, scene_assets)
            return float(weight * over**3 * math.cos(a / 2) / (8 * math.tan(a)))

        return Case(f"bend_n_m: {bend:.3g}", text, (
            Quantity("bending stiffness by overhang", "N m", bend, stiffness, source="Peirce 1930"),
        ), asked=True)  # fmt: skip
    return Case("cloth over an edge", text, (
        Quantity("angle of the overhang", "deg", 41.5, lambda m, a: math.degrees(hangs(m, a)), source="Peirce 1930"),
    ))  # fmt: skip


def _compressed() -> Case:
    """A column under its own weight on a smooth floor shortens by rho g H^2 / (2 E); mean of its swing."""
    high, side, young, density = 0.2, 0.1, 2e4, 1000.0
    materials = (
        "  smooth: {friction: 0.0}\n"
        f"  jelly: {{density_kg_m3: {density}, friction: 0.0, elastic: {{young_modulus_pa: {young}, "
        "poisson_ratio: 0.0, particle_spacing_m: 0.0125}}"
    )
    body = (
        f"  - {{name: column, material: jelly, shape: {{box: {{size_m: [{side}, {side}, {high}]}}}}, "
        f"pose: {{position_m: [0, 0, {high / 2}]}}}}"
    )
    g = 4.0
    period = 4 * high * math.sqrt(density / young)

    def modulus(made: Trajectory, _: SceneAssets) -> float:
        z = places(made, "column")[:, :, 2]
        low, top = z[0] < z[0].min() + 1e-4, z[0] > z[0].max() - 1e-4
        tall = z[:, top].mean(axis=1) - z[:, low].mean(axis=1)
        per = round(period * made.fps)
        bottom, upper = z[0].min(), z[0].max()
        shorter = tall[0] - tall[-2 * per :].mean()
        strain = (high - bottom) * (upper - bottom) - (upper**2 - bottom**2) / 2  # integral of H - z
        return float(density * g * strain / shorter)

    text = scene(body, seconds=1.2, fps=100, gravity=(0.0, 0.0, -g), materials=materials, ground="smooth")
    return Case(f"young_modulus_pa: {young:g}", text, (
        Quantity("modulus from the weight's strain", "Pa", young, modulus, source="rho g H^2 / (2 E)"),
    ), asked=True)  # fmt: skip
