"""Loose particles as something to look at: their skin at any time, and how light each spot of it is."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.deforming.binding import spacing_of
from simvid.deforming.nets import Net, surface_net
from simvid.trajectory import ParticleMotion

Array: TypeAlias = NDArray[np.float64]
UNEVEN = 0.5
"""Grains differ in lightness by up to half of this share either way."""
KEPT = 3
"""Skins kept."""


class LooseSkin:
    """The skin of one body of loose particles."""

    def __init__(self, motion: ParticleMotion, *, grains: bool) -> None:
        """``grains``: they are told apart by their lightness, as sand is and water is not."""
        self._motion, self._grains = motion, grains
        self._spacing = spacing_of(motion.rest.astype(np.float64), "loose")
        self._kept: list[tuple[float, Net, NDArray[np.float32]]] = []

    def at(self, when: float) -> tuple[Net, NDArray[np.float32]]:
        """The skin at a frame or between two, and the lightness of its vertices beside the plain colour's, [V]."""
        for known, net, light in self._kept:
            if known == when:
                return net, light
        places = self._motion.at(when)[0].astype(np.float64)
        net = surface_net(places, self._spacing)
        light = self._lightness(places, net)
        self._kept = [(when, net, light), *self._kept[: KEPT - 1]]
        return net, light

    def _lightness(self, places: Array, net: Net) -> NDArray[np.float32]:
        """That of the nearest grain, which it keeps; a particle stands for eight, one in each octant about it."""
        if not self._grains:
            return np.ones(len(net.vertices), np.float32)
        from scipy.spatial import cKDTree

        nearest = cKDTree(places).query(net.vertices)[1]
        octant = (net.vertices > places[nearest]) @ np.array([1, 2, 4])
        golden = ((8 * nearest + octant) * 0.6180339887498949) % 1.0  # evenly spread, unlike at neighbours
        return np.asarray(1 + UNEVEN * (golden - 0.5), np.float32)
