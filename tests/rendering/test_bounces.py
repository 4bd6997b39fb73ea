"""Light between bodies against closed forms of radiosity, and rays against a plain loop over all discs."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import NO_GROUND, SplatArrays
from simvid.rendering.light.bounces import TIMES, Bounces, sources_of
from simvid.rendering.light.brdf_table import glossy_share
from simvid.rendering.light.bundles import INSIDE, NOTHING, Discs, Plane, bundles, seen
from simvid.rendering.light.environment import environment_of
from simvid.rendering.light.lighting import Lighting
from simvid.rendering.light.surfels import NEAREST
from simvid.scene import Camera, CameraPose, Ground, Light, Look, Scene, Sun

Array: TypeAlias = NDArray[np.float64]
f = np.float32
GAP = 0.02


def square(center: Array, u: Array, v: Array, spacing: float = GAP) -> tuple[Array, Array]:
    """Points in the middle of small cells of a rectangle with half edges u and v, and its normal u x v at each."""
    across = [(np.arange(n) + 0.5) / n * 2 - 1 for n in (round(2 * np.linalg.norm(e) / spacing) for e in (u, v))]
    a, b = (x.reshape(-1, 1) for x in np.meshgrid(*across, indexing="ij"))
    n = np.cross(u, v)
    return center + a * u + b * v, np.broadcast_to(n / np.linalg.norm(n), (a.size, 3))


def splats(*squares: tuple[Array, Array], albedo: float = 0.5, spacing: float = GAP, back: float = 0.5) -> SplatArrays:
    """Gaussians of some squares, each a part, matte through and through."""
    points = np.concatenate([s[0] for s in squares]).astype(f)
    normals = np.concatenate([s[1] for s in squares]).astype(f)
    n = len(points)
    owner = np.repeat(np.arange(len(squares)) + 1, [len(s[0]) for s in squares]).astype(np.int32)
    scales = np.tile(np.array([1, 1, 0.05], f) * f(spacing / 2.6**0.5), (n, 1))
    return SplatArrays(
        points, np.tile([1, 0, 0, 0], (n, 1)).astype(f), normals, scales, np.ones(n, f), owner, points.copy(),
        np.full(n, 0.8 * spacing, f), np.full(n, back, f), np.zeros(n, bool), np.full((n, 3), albedo, f),
        np.tile([1, 0, 0, 0, 0, 0], (n, 1)).astype(f), np.zeros(n, bool),
    )  # fmt: skip


def world(*lights: Light, ground: Ground | None = None) -> Scene:
    camera = Camera(name="c", pose=CameraPose())
    return Scene(simvid=1, duration_s=1, fps=1, cameras=(camera,), lights=lights, ground=ground)


def thrown(arrays: SplatArrays, glow: Array, *lights: Light, ground: Ground | None = None) -> tuple[Bounces, Array]:
    """After one frame: the solver, and the irradiance on each Gaussian's front, [N]. ``glow`` is by part."""
    environment, center = environment_of(world(*lights, ground=ground)), np.zeros(3)
    lighting = Lighting(environment, center, 2.0, 0.02, shadows=False)
    made = Bounces(environment, np.array([1, 0, 0, 0, 0, 0, 0], f), center, 2.0)
    each = np.repeat(glow[arrays.owner - 1, None], 3, axis=1).astype(f)
    n = len(arrays.points)
    sources = sources_of(arrays, arrays.points, arrays.normals, np.ones(n, bool), each, slice(0, n))
    made.fix(sources, Workers(1))
    made.update(arrays, None, lighting.arrays, Workers(2))
    found = made.bounced
    return made, (found.weights * found.irradiance[found.nearest, 0]).sum(axis=1)


E1, E2, E3 = np.eye(3)


def test_a_closed_box_keeps_its_light() -> None:
    """Furnace: walls of radiance 1 and albedo a get pi (1 + a + a^2 + ...), a term for each bounce."""
    walls = [
        square(s * e / 2, -s * g / 2, h / 2) for e, g, h in ((E1, E2, E3), (E2, E3, E1), (E3, E1, E2)) for s in (1, -1)
    ]
    assert all((points @ normals.T < 0).all() for points, normals in walls)
    arrays = splats(*walls, albedo=0.5)
    _, arriving = thrown(arrays, np.ones(6))
    kept = 0.5 + float(glossy_share(np.zeros(1, f), np.ones(1, f))[0])  # the gloss of a surface that has none head-on
    exact = np.pi * sum(kept**k for k in range(TIMES))
    assert np.median(arriving) == pytest.approx(exact, rel=0.002)
    assert arriving.mean() == pytest.approx(exact, rel=0.02)  # a ray or two slips through between discs at edges


def test_parallel_and_perpendicular_squares() -> None:
    """Mean irradiance is pi times the form factor (Howell's catalogue, C-11 and C-14): 0.19982 and 0.20004.

    Discs stand a little over the edges of what they cover, so a lamp is a little larger than it is.
    """
    dark = 0.0
    facing = splats(square(np.zeros(3), E1 / 2, E2 / 2), square(E3, E2 / 2, E1 / 2), albedo=dark)
    _, arriving = thrown(facing, np.array([1.0, 0]))
    assert arriving[facing.owner == 2].mean() == pytest.approx(np.pi * 0.19982, rel=0.08)
    corner = splats(square(np.zeros(3), E1 / 2, E2 / 2), square((E3 - E1) / 2, E2 / 2, E3 / 2), albedo=dark)
    _, arriving = thrown(corner, np.array([1.0, 0]))
    assert arriving[corner.owner == 2].mean() == pytest.approx(np.pi * 0.20004, rel=0.08)


def test_no_light_comes_through_a_plate() -> None:
    lamp, plate, other = (
        square(np.array([0, 0, z]), E1 * h, E2 * h * s) for z, h, s in ((0, 0.5, 1), (0.5, 1.5, -1), (1, 0.5, -1))
    )
    arrays = splats(lamp, plate, other, albedo=0.0, back=1.0)
    _, arriving = thrown(arrays, np.array([1.0, 0, 0]))
    assert arriving[arrays.owner == 2].mean() > 0.2
    assert arriving[arrays.owner == 3].max() == 0


def test_the_back_of_what_is_open_has_light_of_its_own() -> None:
    sheet = splats(square(np.zeros(3), E1 / 2, E2 / 2), square(-E3 / 2, E1 / 2, E2 / 2), albedo=0.0, back=1.0)
    made, front = thrown(sheet, np.array([0, 1.0]))
    found = made.bounced
    behind = found.irradiance[found.back[found.nearest[sheet.owner == 1, 0]], 0]
    assert front[sheet.owner == 1].max() == 0
    assert behind.mean() > 1


def test_ground_gives_and_takes() -> None:
    """What hangs upside down over lit ground gets albedo times the sun's irradiance; a wide lamp gives nearly pi times
    its radiance to the ground below it.
    """
    sun = Light(sun=Sun(direction=(0, 0, -1), strength=2, color=(1, 1, 1)))
    grey = Ground(look=Look(base_color=(0.5, 0.5, 0.5), specular=0))
    small = splats(square(E3 * 0.8, E2 / 50, E1 / 50), albedo=0.0)
    _, arriving = thrown(small, np.zeros(1), sun, ground=grey)
    np.testing.assert_allclose(arriving, 2 * 0.2140411, rtol=0.01)  # without shadow maps the whole ground is lit
    glowing = splats(square(E3 * 0.1, E2 / 2, E1 / 2), albedo=0.0)
    made, _ = thrown(glowing, np.ones(1), ground=grey)
    ground = made.bounced.ground[..., 0]
    assert ground[len(ground) // 2, len(ground) // 2] > 0.9 * np.pi
    assert ground[0, 0] < 0.02


def test_interpolation_keeps_to_what_faces_alike() -> None:
    """Two sides of a thin block: the lit one gives nothing of its light to the dark one."""
    sides = (square(np.zeros(3), E1 / 4, E2 / 4), square(-0.01 * E3, E2 / 4, E1 / 4))
    arrays = splats(*sides)._replace(owner=np.ones(2 * len(sides[0][0]), np.int32))
    made, _ = thrown(arrays, np.zeros(1))
    found, n = made.bounced, len(sides[0][0])
    assert found.nearest.shape == (2 * n, NEAREST)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, rtol=1e-5)
    assert found.weights.min() >= 0
    tops = set(found.nearest[:n][found.weights[:n] > 1e-3])
    assert tops.isdisjoint(found.nearest[n:][found.weights[n:] > 1e-3])


def slow(directions: Array, discs: Discs, height: float) -> NDArray[np.int64]:
    """What ``seen`` finds, disc by disc, with exact edges; of discs alone, [S, D]."""
    p, n, r = (np.asarray(a, np.float64) for a in discs)
    out = np.full((len(p), len(directions)), INSIDE)
    for i in range(len(p)):
        for m, d in enumerate(directions):
            if n[i] @ d <= 0.05:
                continue
            out[i, m] = NOTHING
            nearest = np.inf
            if d[2] < 0:
                out[i, m], nearest = len(p), max((height - p[i, 2]) / d[2], 0)
            facing = -(n @ d)
            t = -np.einsum("sk,sk->s", p - p[i], n) / np.where(facing > 0.15, facing, 1)
            off = np.linalg.norm(p[i] + t[:, None] * d - p, axis=1)
            t[(facing <= 0.15) | (off > r) | (t <= 0.02 * r) | ((p - p[i]) @ n[i] <= -r)] = np.inf
            if t.min() < nearest:
                out[i, m] = int(t.argmin())
    return out


def test_rays_meet_what_a_plain_loop_finds() -> None:
    rng = np.random.default_rng(5)
    n = rng.normal(size=(150, 3))
    discs = Discs(
        rng.uniform(-0.8, 0.8, (150, 3)).astype(f), (n / np.linalg.norm(n, axis=1, keepdims=True)).astype(f),
        rng.uniform(0.05, 0.25, 150).astype(f),
    )  # fmt: skip
    found = bundles(np.zeros(3), 1.2, side=256)
    plane = Plane(f(-1.0), np.array([9, 9], f), f(1), 1)  # one node far away: all ground is beyond
    made = seen(found, discs, plane, 256, Workers(2))[:150]
    made = np.where(made == 151, 150, made)
    exact = slow(found.frames[:, 6:9].astype(np.float64), discs, -1.0)
    assert ((made == INSIDE) == (exact == INSIDE)).all()
    assert (exact[exact != INSIDE] < 150).mean() > 0.3
    assert (made == exact)[exact != INSIDE].mean() > 0.93  # texels round edges, and discs seen edge-on are left out
    none = seen(found, discs, Plane(f(NO_GROUND), np.zeros(2, f), f(1), 0), 256, Workers(1))
    assert ((none[:, found.frames[:, 8] < 0] == NOTHING).sum()) == 0
