"""Light that goes from body to body and between bodies and ground, before it reaches the eye.

Surfels and the nodes of a grid on the ground get light of suns, lamps and sky, as Gaussians do. What each of them sees
of the others is found along bundles of parallel rays, and light is passed on between them a few times (radiosity by
gathering: Cohen & Wallace 1993, "Radiosity and realistic image synthesis", ch. 5): with the same share for all of M
directions before a surface, its irradiance is pi sum(L cos) / sum(cos), L the radiance that is seen in each. All
surfaces are matte to it. The sky is no part of it: its light is direct light.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.kernels.jit import inlined, kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import (
    NO_GROUND,
    PI,
    ZERO,
    Array,
    Flags,
    Floats,
    Ints,
    SplatArrays,
    Vec,
)
from simvid.rendering.light.brdf_table import glossy_share
from simvid.rendering.light.bundles import LEAST_COSINE, SIDE, Discs, Plane, bundles, seen
from simvid.rendering.light.environment import Environment
from simvid.rendering.light.lamps import to_lamp
from simvid.rendering.light.lighting import (
    BOUNCE,
    SET_SIZE,
    SETS,
    LightArrays,
    SunArrays,
    open_sky,
    sky_share,
    sun_share,
)
from simvid.rendering.light.nearby import HEIGHTS, LOBE, NO_BOUNCES, Bounced
from simvid.rendering.light.surfels import Sources, Surfels, surfels_of

MOST_KEPT = 0.98
"""Largest share of light that a surface gives back."""
TIMES = 3
"""Bounces that are followed."""
NODES = 40
"""Along a side of the grid on the ground."""
SKY_SETS = 3
"""Sets of directions in which a surfel looks for the sky."""


class Bounces:
    """Finds ``Bounced`` for one frame after the other."""

    def __init__(self, environment: Environment, gloss: Floats, center: Array, radius_m: float) -> None:
        """Over a ball of the world, of centre [m] [3] and radius [m]; ``gloss`` is that of the ground, see ``Air``."""
        self._bundles = bundles(center, radius_m)
        ground = environment.ground_height_m
        f = np.float32
        step = 2 * radius_m / (NODES - 1)
        corner = (center[:2] - radius_m).astype(f)
        self._plane = Plane(f(NO_GROUND if ground is None else ground), corner, f(step), 0 if ground is None else NODES)
        self._toward = _toward(self._bundles.frames[:, 6:9])
        self._albedo = environment.ground_albedo.astype(f) * (1 - gloss[4]) + glossy_share(gloss[1:4], gloss[:1])
        self._fixed: Surfels | None = None
        self.bounced = NO_BOUNCES

    def fix(self, sources: Sources, workers: Workers) -> None:
        """Choose surfels on all Gaussians that are there at every frame."""
        self._fixed = surfels_of(sources, workers)

    def update(self, splats: SplatArrays, loose: Sources | None, light: LightArrays, workers: Workers) -> None:
        """Find the light of a new frame.

        Args:
            splats: all Gaussians in the world; those of loose particles come last.
            loose: these, in the world; None without any.
            light: direct light at this frame.
            workers: threads.
        """
        assert self._fixed is not None, "choose surfels first"
        made = self._fixed
        if loose is not None:
            made = _joined(made, surfels_of(loose, workers, 1000), len(splats.points) - len(loose.points))
        normals = splats.normals[made.rows] * made.side[:, None]
        discs = Discs(splats.points[made.rows], np.ascontiguousarray(normals), made.radii)
        count, nodes, f = len(made.rows), self._plane.side**2, np.float32
        met = seen(self._bundles, discs, self._plane, SIDE, workers)
        points, facing = self._receivers(discs)
        direct = np.empty((count + nodes, 3), f)
        workers.run(lambda i, j: _light(points, facing, light, direct, i, j), len(direct), least=128)
        reflectance = np.concatenate([made.reflectance, np.broadcast_to(self._albedo, (nodes, 3))])
        glow = np.concatenate([made.glow, np.zeros((nodes, 3), f)])
        below = light.sky.colors[BOUNCE] / f(np.pi)
        radiance, arriving = np.empty((count + nodes + 1, 3), f), np.zeros((count + nodes, 3), f)
        directions = np.ascontiguousarray(self._bundles.frames[:, 6:9])
        for _ in range(TIMES):
            radiance[:-1] = glow + reflectance * (direct + arriving) / f(np.pi)
            radiance[-1] = below
            workers.run(lambda i, j: _gather(met, facing, directions, radiance, arriving, i, j), len(met), least=128)
        side = self._plane.side
        self.bounced = Bounced(
            arriving[:count], made.back, made.nearest, made.weights,
            np.ascontiguousarray(arriving[count:].reshape(side, side, 3)), self._plane.corner, self._plane.step,
            met, radiance, directions, self._toward, there=True,
        )  # fmt: skip

    def _receivers(self, discs: Discs) -> tuple[Floats, Floats]:
        """Places and normals of discs and nodes."""
        side, f = self._plane.side, np.float32
        y, x = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
        place = self._plane.corner + self._plane.step * np.stack([x.ravel(), y.ravel()], axis=-1).astype(f)
        nodes = np.concatenate([place, np.full((side * side, 1), self._plane.height)], axis=1).astype(f)
        up = np.tile(np.array([0, 0, 1], f), (side * side, 1))
        return np.concatenate([discs.points, nodes]), np.concatenate([discs.normals, up])


def _joined(fixed: Surfels, loose: Surfels, first: int) -> Surfels:
    """All surfels; ``first`` is the row of the first loose Gaussian."""
    count = len(fixed.rows)
    moved = loose._replace(rows=loose.rows + first, back=loose.back + count, nearest=loose.nearest + count)
    pairs: list[tuple[NDArray[Any], NDArray[Any]]] = list(zip(fixed, moved, strict=True))
    return Surfels(*(np.concatenate(pair) for pair in pairs))


def _toward(directions: Floats) -> Ints:
    """See ``Bounced.toward``."""
    z, azimuth = (np.arange(HEIGHTS) + 0.5) / HEIGHTS * 2 - 1, (np.arange(2 * HEIGHTS) + 0.5) / HEIGHTS * np.pi
    ring = np.sqrt(1 - z * z)[:, None]
    rays = np.stack(
        [ring * np.cos(azimuth), ring * np.sin(azimuth), np.broadcast_to(z[:, None], (HEIGHTS, 2 * HEIGHTS))], -1
    )
    return np.argsort(-(rays @ directions.T), axis=-1, kind="stable")[..., :LOBE].astype(np.int32)


def sources_of(
    splats: SplatArrays, points: Floats, normals: Floats, gives: Flags, glow: Floats, rows: slice
) -> Sources:
    """What surfels are made of, for some rows of all Gaussians.

    Args:
        splats: all.
        points, normals: of these rows, in the frames of their parts.
        gives: which of these rows are in the way of light.
        glow: radiance of captures, of these rows.
        rows: which.
    """
    gloss, baked = splats.gloss[rows], splats.baked[rows]
    plain = 1 - gloss[:, 1]
    kept = np.where(baked, 0, 1 - gloss[:, 3] * plain)[:, None]
    shiny = np.where(baked, 0, glossy_share(gloss[:, 2], gloss[:, 0]) * plain)[:, None]
    reflectance = np.minimum(splats.albedo[rows] * kept + shiny, MOST_KEPT).astype(np.float32)
    return Sources(
        points, normals, np.sort(splats.scales[rows], axis=1)[:, ::-1], splats.owner[rows].astype(np.int64) - 1,
        splats.back[rows] >= 1, gives, reflectance, glow,
    )  # fmt: skip


@kernel
def _light(points: Floats, normals: Floats, light: LightArrays, out: Floats, start: int, stop: int) -> None:
    """Irradiance of sky, suns and lamps at some places."""
    for i in range(start, stop):
        p, n = (points[i, 0], points[i, 1], points[i, 2]), (normals[i, 0], normals[i, 1], normals[i, 2])
        e0, e1, e2 = open_sky(n, light.sky)
        share = sky_share(p, n, light.sky, (i % SETS) // SKY_SETS * SKY_SETS * SET_SIZE, SKY_SETS)
        e0, e1, e2 = e0 * share, e1 * share, e2 * share
        a0, a1, a2 = _of_suns(p, n, light.suns)
        b0, b1, b2 = _of_suns(p, n, light.panels)
        e0, e1, e2 = e0 + a0 + b0, e1 + a1 + b1, e2 + a2 + b2
        for k in range(len(light.lamps.lights)):
            _, cosine, fall = to_lamp(k, light.lamps, p, n)
            if cosine > ZERO:
                e0 += light.lamps.lights[k, 3] * cosine * fall
                e1 += light.lamps.lights[k, 4] * cosine * fall
                e2 += light.lamps.lights[k, 5] * cosine * fall
        out[i, 0], out[i, 1], out[i, 2] = e0, e1, e2


@inlined
def _of_suns(p: Vec, n: Vec, suns: SunArrays) -> Vec:
    e0, e1, e2 = ZERO, ZERO, ZERO
    for k in range(len(suns.lights)):
        cosine = n[0] * suns.lights[k, 0] + n[1] * suns.lights[k, 1] + n[2] * suns.lights[k, 2]
        if cosine > ZERO:
            cosine *= sun_share(k, p, n, suns)
            e0 += suns.lights[k, 3] * cosine
            e1 += suns.lights[k, 4] * cosine
            e2 += suns.lights[k, 5] * cosine
    return e0, e1, e2


@kernel
def _gather(
    met: Ints, normals: Floats, directions: Floats, radiance: Floats, out: Floats, start: int, stop: int
) -> None:
    """Irradiance from what is seen."""
    for i in range(start, stop):
        e0, e1, e2, total = ZERO, ZERO, ZERO, ZERO
        for m in range(len(directions)):
            c = normals[i, 0] * directions[m, 0] + normals[i, 1] * directions[m, 1] + normals[i, 2] * directions[m, 2]
            if c <= LEAST_COSINE:
                continue
            total += c
            j = met[i, m]
            if j >= 0:
                e0, e1, e2 = e0 + c * radiance[j, 0], e1 + c * radiance[j, 1], e2 + c * radiance[j, 2]
        per = PI / max(total, np.float32(1e-6))
        out[i, 0], out[i, 1], out[i, 2] = e0 * per, e1 * per, e2 * per
