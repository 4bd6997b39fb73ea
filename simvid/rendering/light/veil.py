"""What is behind clear liquids and panes, seen through them.

A surface of which the share t goes straight through shows its own light R, and t times what is behind it. As a splat
it has the opacity a = 1 - t and the colour R / a. Its Gaussians overlap: their opacities are those at which together
they cover a, by the sum of their optical depths. Where R alone is brighter than the rest, as at a glint, the surface
hides what is behind it. A mesh that has but a share of its surface (``cover_of``) covers that much, in its own colour.

What goes through is not bent, and is tinted only as far as it is dimmed. Labels know nothing of this: to them what is
clear is as solid as anything.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simvid.rendering.kernels.jit import kernel
from simvid.rendering.kernels.types import ONE, PI, TWO, Floats, Ints, Real, SplatArrays
from simvid.rendering.light.brdf_table import environment_brdf
from simvid.rendering.light.lighting import SkyArrays
from simvid.rendering.light.shading import surface_of

AREA: Real = np.float32(2.6)
"""Surface for each Gaussian, over the product of its two widths: 2.6 on meshes, 3.3 on skins of liquids."""
LOW_PASS_PX2: Real = np.float32(0.3)
"""Added to the variances of a Gaussian's picture by the rasterizers."""
GLARING: Real = np.float32(3.0)
"""Light of its own, over display white, from which on a surface hides what is behind it."""
LEAST: Real = np.float32(0.02)
"""Of a surface's share that is seen."""


class Veil(NamedTuple):
    """Opacities for one camera."""

    opacities: Floats
    """To be filled, [V]."""
    pixel: Floats
    """Size of a pixel over its distance, and fixed [m], [2]."""
    exposure: Real


@kernel
def veil_rows(
    rows: Ints, splats: SplatArrays, eye: Floats, sky: SkyArrays, radiance: Floats, veil: Veil, start: int, stop: int
) -> None:
    """Write the opacities of all, and make the radiance of those that are sheer one for theirs."""
    for slot in range(start, stop):
        i = rows[slot]
        veil.opacities[slot] = splats.opacities[i]
        if not splats.sheer[i]:
            continue
        s = surface_of(i, splats, eye)
        scale, bias, _ = environment_brdf(s.nv, s.roughness, sky.brdf)
        tint = (splats.albedo[i, 0] + splats.albedo[i, 1] + splats.albedo[i, 2]) / np.float32(3.0)
        clear = splats.gloss[i, 3] * (ONE - splats.gloss[i, 1]) * tint * (ONE - (s.f0[1] * scale + bias))
        bright = max(radiance[slot, 0], radiance[slot, 1], radiance[slot, 2]) * veil.exposure
        share = max(ONE - clear, min(bright / GLARING, ONE), LEAST)
        for k in range(3):
            radiance[slot, k] /= share
        share *= splats.gloss[i, 6]
        dx, dy, dz = eye[0] - s.p[0], eye[1] - s.p[1], eye[2] - s.p[2]
        pixel = veil.pixel[0] * np.sqrt(dx * dx + dy * dy + dz * dz) + veil.pixel[1]
        a, b = splats.scales[i, 0] / pixel, splats.scales[i, 1] / pixel
        wide = np.sqrt((a * a + LOW_PASS_PX2) * (b * b * s.nv * s.nv + LOW_PASS_PX2))
        layers = TWO * PI * wide / (AREA * a * b * s.nv)
        depth = -np.log(max(ONE - share, np.float32(1e-4)))
        each = depth / layers  # the mean of -log(1 - o G) over a Gaussian G is o + o^2 / 4 + ... of its own
        veil.opacities[slot] = min(each - each * each / np.float32(4.0), splats.opacities[i])
