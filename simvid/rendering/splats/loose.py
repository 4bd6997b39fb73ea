"""Grains and drops as Gaussians: one flat Gaussian for each vertex of the skin around them, anew at every time."""

from __future__ import annotations

import numpy as np

from simvid.assets.color import srgb_to_linear
from simvid.assets.parts import PartAssets
from simvid.assets.splats import OPACITY
from simvid.deforming.loose import LooseSkin
from simvid.gaussians import SH_C0
from simvid.rendering.kernels.types import Floats, SplatArrays
from simvid.rendering.splats.appearance import dressed, finish
from simvid.rotations import quats_from_normals
from simvid.trajectory import ParticleMotion

WIDTH = 0.55
"""Standard deviation along the surface, in cells of the net."""
THICKNESS = 0.08
INSET = (0.25, 0.9)
"""Depth below the surface, in cells and in pixels: what a Gaussian's own width and the low-pass add to the outline."""
RADIUS = 0.8
"""Of the disc of surface that a Gaussian stands for, in cells."""
BACK = 0.6
"""Cosine from which on a Gaussian is turned away for certain."""


def plain_albedo(part: PartAssets) -> Floats:
    """The plain colour of a part, in linear light, [3]: of its look, else of its mesh, else the mean of its capture."""
    visual = part.visuals[0]
    if visual.capture is not None and visual.look.base_color is None:
        color = np.clip(
            0.5 + SH_C0 * np.average(visual.capture.sh[:, 0], axis=0, weights=visual.capture.opacities), 0, 1
        )
    elif visual.mesh is not None:
        color = np.asarray(dressed(visual.mesh, visual.look).base_color)
    else:
        color = np.asarray(visual.look.base_color)
    return srgb_to_linear(color.astype(np.float64)).astype(np.float32)


class LooseSplats:
    """The Gaussians of one part of loose particles.

    Attributes:
        part: its index.
        sheer: what is behind them is seen through them.
    """

    def __init__(self, motion: ParticleMotion, part: PartAssets, pixel_m: float) -> None:
        """``pixel_m`` is about the size of a pixel at the part."""
        self.part, self._pixel_m = motion.part, pixel_m
        body, look = part.deformable, part.visuals[0].look
        self._skin = LooseSkin(motion, grains=body is not None and body.kind == "granular")
        self._albedo = plain_albedo(part)
        self._gloss = np.array(finish(look), np.float32)
        self.sheer = look.transmission > 0 and body is not None and body.kind == "liquid"

    def at(self, when: float) -> SplatArrays:
        """In the world at a time."""
        net, light = self._skin.at(when)
        n, f = len(net.vertices), np.float32
        normals = net.normals.astype(f)
        inset = INSET[0] * net.cell_m + INSET[1] * self._pixel_m
        scales = np.tile(np.array([WIDTH, WIDTH, THICKNESS], f) * f(net.cell_m), (n, 1))
        return SplatArrays(
            means=(net.vertices - inset * net.normals).astype(f),
            quats=quats_from_normals(net.normals).astype(f),
            normals=normals,
            scales=scales,
            opacities=np.full(n, OPACITY, f),
            owner=np.full(n, self.part + 1, np.int32),
            points=net.vertices.astype(f),
            radius=np.full(n, RADIUS * net.cell_m, f),
            back=np.full(n, BACK, f),
            baked=np.zeros(n, np.bool_),
            albedo=np.clip(light[:, None] * self._albedo, 0, 1).astype(f),
            gloss=np.tile(self._gloss, (n, 1)),
            sheer=np.full(n, self.sheer),
        )
