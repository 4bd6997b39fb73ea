"""What deforms as a viewer draws it: its Gaussians in the world at a frame, posed by the renderer's own code.

Bodies that hold together are carried by their particles (``rendering.splats.deforming``); grains and drops get the skin
around them (``rendering.splats.loose``), as the clip's first camera was given it. Frames are made when they are asked
for, and the last ones are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.assets.color import linear_to_srgb
from simvid.assets.parts import SceneAssets
from simvid.clip import Clip
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.kernels.types import SplatArrays
from simvid.rendering.light.environment import environment_of
from simvid.rendering.light.region import usual_pixel
from simvid.rendering.splats.appearance import Appearance
from simvid.rendering.splats.deforming import torn_captures
from simvid.rendering.splats.loose import LooseSplats
from simvid.rendering.splats.posing import PosedSplats
from simvid.viewing.looks import Floats, covariances_of, daylight

MOST_BENT = 50_000
"""Gaussians of one body: they are sent to the browser at every frame, 32 bytes each."""
KEPT_BYTES = 200_000_000
"""Of frames that are kept; the last one is, however large."""


@dataclass(frozen=True, eq=False)
class BentLook:
    """The Gaussians of one deformable part at one frame, in the world.

    Attributes:
        id: of the part.
        means [m], quats (w, x, y, z), scales [m]: float32 [N, 3], [N, 4], [N, 3].
        colors: display sRGB under sun and sky of that frame, uint8 [N, 3].
        opacities: float32 [N].
    """

    id: int
    means: Floats
    quats: Floats
    scales: Floats
    colors: NDArray[np.uint8]
    opacities: Floats

    def covariances(self) -> Floats:
        """Second moments [m^2], [N, 3, 3]."""
        return covariances_of(self.quats, self.scales)

    @property
    def size_bytes(self) -> int:
        """Of its arrays."""
        arrays = (self.means, self.quats, self.scales, self.colors, self.opacities)
        return sum(array.nbytes for array in arrays)


class BentLooks:
    """The deformable parts of a clip at any frame. Only one thread may call it.

    Attributes:
        ids: of those parts.
    """

    def __init__(self, clip: Clip, assets: SceneAssets, look: Appearance, most: int = MOST_BENT) -> None:
        """``look`` covers ``assets``, which are those of the clip; a body has at most so many Gaussians."""
        self._most = most
        trajectory, parts = clip.trajectory, assets.parts
        self.ids = frozenset(motion.part + 1 for motion in trajectory.particles)
        camera = next(iter(clip.cameras.values()), None)
        loose = []
        for motion in trajectory.particles:
            if motion.form == "loose":
                pixel = 0.0 if camera is None else usual_pixel(camera, trajectory.poses[:, motion.part, :3])
                loose.append(LooseSplats(motion, parts[motion.part], pixel))
        self._posed = PosedSplats(look, trajectory.particles, loose, torn_captures(parts))
        self._still, self._workers = trajectory.poses[0], Workers(1)
        self._environment = environment_of(clip.scene)
        self._kept: OrderedDict[int, tuple[BentLook, ...]] = OrderedDict()

    def at(self, frame: int) -> tuple[BentLook, ...]:
        """All of them at a frame, by id."""
        if frame not in self._kept:
            # rigid parts stay where they are at the start: a viewer moves theirs itself
            self._posed.pose(self._still, self._workers, frame)
            self._kept[frame] = tuple(self._look(id_, self._posed.arrays) for id_ in sorted(self.ids))
            while len(self._kept) > 1 and self._kept_bytes() > KEPT_BYTES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(frame)
        return self._kept[frame]

    def _kept_bytes(self) -> int:
        return sum(look.size_bytes for looks in self._kept.values() for look in looks)

    def _look(self, id_: int, posed: SplatArrays) -> BentLook:
        rows, wider = thinned(np.flatnonzero(posed.owner == id_), self._most)
        scales = posed.scales[rows]
        if wider > 1:
            thinnest = scales.argmin(axis=1)[:, None] == np.arange(3)
            scales = np.where(thinnest, scales, scales * np.float32(wider))
        light = daylight(self._environment, posed.points[rows], posed.normals[rows], posed.gloss[rows, 1:2])
        albedo = posed.albedo[rows]
        lit = np.where(posed.baked[rows, None], albedo, albedo * light * (self._environment.exposure / np.pi))
        return BentLook(
            id_, posed.means[rows], posed.quats[rows], scales,
            np.rint(linear_to_srgb(np.clip(lit, 0, 1)) * 255).astype(np.uint8),
            posed.opacities[rows] * posed.gloss[rows, 6],
        )  # fmt: skip


def thinned(rows: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], float]:
    """At most so many of some rows, evenly, and how much wider along the surface each must be to cover it all."""
    if len(rows) <= most:
        return rows, 1.0
    return rows[np.arange(most) * len(rows) // most], float(np.sqrt(len(rows) / most))
