"""Per-frame shading of mesh-made Gaussians, one colour each.

Albedo is turned to linear light and lit (``shading``); Gaussians are blended in light. Captures keep the light they
were recorded in: their colours pass through unchanged, also in shadow. They are made to be blended in sRGB; so are all
Gaussians of a scene that has captures, after the tone curve.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import ONE, PI, ZERO, Flags, Floats, Ints, Real, SplatArrays
from simvid.rendering.light.lamps import LampArrays, to_lamp
from simvid.rendering.light.lighting import SET_SIZE, SETS, LightArrays, SkyArrays, SunArrays, sky_share, sun_share
from simvid.rendering.light.nearby import NO_BOUNCES, Bounced, nearby
from simvid.rendering.light.shading import around, burley, reflected, smoothed, surface_of, surface_point
from simvid.rendering.light.veil import Veil, veil_rows
from simvid.rendering.splats.visible import Visible
from simvid.rendering.tone import blendable, srgb_table

AROUND = 7
"""Numbers about the light from all around: irradiance over pi on the matte part, what is mirrored, share of the sky."""
NOT_KEPT = np.zeros((0, AROUND), np.float32)


class _Lit(NamedTuple):
    """Gaussians that light from all around falls on."""

    rows: Ints
    """Which of all are seen, [V]."""
    splats: SplatArrays
    eye: Floats
    share: Floats
    """Of its sky that each sees in its own set of directions, [V]."""
    bounced: Bounced


class Shader:
    """Colours the Gaussians that one camera sees."""

    def __init__(self, light: LightArrays, exposure: float, *, shown: bool = False) -> None:
        """With ``shown``, colours are display colours; else light, see ``tone.blendable``."""
        self._light, self._exposure, self._shown, self._table = light, np.float32(exposure), shown, srgb_table()

    def shade(
        self,
        visible: Visible,
        splats: SplatArrays,
        eye: Floats,
        workers: Workers,
        veil: Veil | None = None,
        bounced: Bounced = NO_BOUNCES,
        kept: Floats = NOT_KEPT,
    ) -> None:
        """Write the colours of mesh-made Gaussians into the first three features; leave captures alone.

        Args:
            visible: the Gaussians to shade.
            splats: all Gaussians in the world.
            eye: camera centre [m], [3].
            workers: threads.
            veil: filled with the opacities at which what is behind sheer Gaussians is seen; their colours are then for
                these.
            bounced: light from bodies and ground.
            kept: filled with the light from all around on each mesh-made Gaussian, if it has room, [V, AROUND].
        """
        suns, sky, lamps, panels = self._light
        rows, n = visible.rows, len(visible.rows)
        share, radiance = np.empty(n, np.float32), np.empty((n, 3), np.float32)
        workers.run(lambda i, j: _sky_shares(rows, splats, eye, sky, share, i, j), n, least=2048)
        lit = _Lit(rows, splats, eye, share, bounced)
        workers.run(lambda i, j: _set_sky(lit, sky, kept, radiance, i, j), n, least=2048)
        for far in (suns, panels):
            if len(far.lights):
                workers.run(partial(_add_suns, rows, splats, eye, far, radiance), n, least=2048)
        if len(lamps.lights):
            workers.run(lambda i, j: _add_lamps(rows, splats, eye, lamps, radiance, i, j), n, least=2048)
        if veil is not None:
            workers.run(partial(veil_rows, rows, splats, eye, sky, radiance, veil), n, least=2048)
        film = (self._exposure, self._shown, self._table)
        develop = (splats.baked, film, visible.features)
        workers.run(lambda i, j: _develop(rows, radiance, *develop, i, j), n, least=2048)


@kernel
def _sky_shares(
    rows: Ints, splats: SplatArrays, eye: Floats, sky: SkyArrays, share: Floats, start: int, stop: int
) -> None:
    """Write the share of its sky that each Gaussian sees, in one set of directions."""
    for slot in range(start, stop):
        i = rows[slot]
        share[slot] = ONE
        if not splats.baked[i]:
            p, n, _, _ = surface_point(i, splats, eye)
            share[slot] = sky_share(p, n, sky, (i % SETS) * SET_SIZE, 1)


@kernel
def _set_sky(lit: _Lit, sky: SkyArrays, kept: Floats, out: Floats, start: int, stop: int) -> None:
    """Write the radiance that is owed to sky, ground and other bodies."""
    splats = lit.splats
    for slot in range(start, stop):
        i = lit.rows[slot]
        if not splats.baked[i]:
            s = surface_of(i, splats, lit.eye)
            share = smoothed(slot, lit.rows, splats, lit.share)
            e, m = around(s, share, nearby(i, s, splats, lit.bounced), sky)
            for k in range(3):
                out[slot, k] = s.matte[k] * PI * e[k] + m[k]
            if len(kept):
                kept[slot, 0], kept[slot, 1], kept[slot, 2] = e
                kept[slot, 3], kept[slot, 4], kept[slot, 5] = m
                kept[slot, 6] = share


@kernel
def _add_suns(
    rows: Ints, splats: SplatArrays, eye: Floats, suns: SunArrays, out: Floats, start: int, stop: int
) -> None:
    """Add the radiance that is owed to suns."""
    for slot in range(start, stop):
        if splats.baked[rows[slot]]:
            continue
        s = surface_of(rows[slot], splats, eye)
        for k in range(len(suns.lights)):
            d = (suns.lights[k, 0], suns.lights[k, 1], suns.lights[k, 2])
            cosine = s.n[0] * d[0] + s.n[1] * d[1] + s.n[2] * d[2]
            if cosine <= ZERO:
                continue
            strength = cosine * sun_share(k, s.p, s.n, suns)
            if strength > ZERO:
                if suns.gleams:
                    r, g, b = reflected(s, d, cosine)
                else:
                    f = burley(s.v, s.nv, d, cosine, s.roughness)
                    r, g, b = s.matte[0] * f, s.matte[1] * f, s.matte[2] * f
                out[slot, 0] += suns.lights[k, 3] * strength * r
                out[slot, 1] += suns.lights[k, 4] * strength * g
                out[slot, 2] += suns.lights[k, 5] * strength * b


@kernel
def _add_lamps(
    rows: Ints, splats: SplatArrays, eye: Floats, lamps: LampArrays, out: Floats, start: int, stop: int
) -> None:
    """Add the radiance that is owed to lamps."""
    for slot in range(start, stop):
        if splats.baked[rows[slot]]:
            continue
        s = surface_of(rows[slot], splats, eye)
        for k in range(len(lamps.lights)):
            d, cosine, fall = to_lamp(k, lamps, s.p, s.n)
            if cosine > ZERO:
                r, g, b = reflected(s, d, cosine)
                out[slot, 0] += lamps.lights[k, 3] * fall * cosine * r
                out[slot, 1] += lamps.lights[k, 4] * fall * cosine * g
                out[slot, 2] += lamps.lights[k, 5] * fall * cosine * b


@kernel
def _develop(
    rows: Ints, light: Floats, baked: Flags, film: tuple[Real, bool, Floats], out: Floats, start: int, stop: int
) -> None:
    """From radiance to what is blended; ``film`` is exposure, whether display colours are wanted, and their table."""
    exposure, shown, table = film
    for slot in range(start, stop):
        if not baked[rows[slot]]:
            r, g, b = light[slot, 0] * exposure, light[slot, 1] * exposure, light[slot, 2] * exposure
            out[slot, 0], out[slot, 1], out[slot, 2] = blendable(r, g, b, shown, table)
