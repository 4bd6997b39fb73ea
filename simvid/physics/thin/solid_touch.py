"""Contact of solids with each other and with cloth and rope: who is near whom, and the kernels of a substep."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.thin.bodies import Thin

Floats = NDArray[np.float64]
LAYERS = 3
"""Layers of faces that one point may have round it."""
MOST_COMPANY = 512
"""Faces that one point may have round it, at most."""
ROUNDS = 4
"""Of impulses in a substep."""
WAY = 1.0
"""Of the depth in which others are looked for in the finest solid: what things may move between two looks."""


def needed(thin: Thin) -> bool:
    """Whether there is a solid and another body."""
    return len(thin.solid.corners) > 0 and int(thin.body.max()) > 0


class SolidTouch:
    """The contacts of the solids of a ``Solver``."""

    def __init__(self, thin: Thin, vertices: Any, crowd: Any, edges: NDArray[np.int32], device: str) -> None:
        """Prepare.

        Args:
            thin: with a solid and another body.
            vertices: ``Vertices`` of it.
            crowd: ``Crowd`` of all its faces.
            edges: of its faces, [E, 2].
            device: of both.
        """
        import warp as wp

        from simvid.physics.mpm.warp_arrays import device_array
        from simvid.physics.thin import warp_solid_touch, warp_touch

        self._wp, self._k, self._touch, self._device = wp, warp_solid_touch, warp_touch, device
        self._thin, self._vertices, self._crowd = thin, vertices, crowd
        deep = thin.deep
        self.way_m = WAY * float(deep[deep > 0].min())
        """What things may move, together, between two looks."""
        ends = np.concatenate([np.repeat(np.unique(thin.faces)[:, None], 2, axis=1), edges]).astype(np.int32)
        count, v = len(ends), len(thin)
        p = self._points = warp_solid_touch.Points()
        p.ends = device_array(ends, wp.vec2i, device)
        p.normal = wp.zeros(v, dtype=wp.vec3d, device=device)
        p.count = wp.zeros(count, dtype=wp.int32, device=device)
        p.found = wp.zeros((count, self._company()), dtype=wp.int32, device=device)
        p.lost = wp.zeros(1, dtype=wp.int32, device=device)
        p.face = wp.full((count, 2), -1, dtype=wp.int32, device=device)
        p.out = wp.zeros((count, 2), dtype=wp.vec3d, device=device)
        p.at, p.slide = (wp.zeros((count, 2), dtype=wp.vec3d, device=device) for _ in range(2))
        p.gap, p.push = (wp.zeros((count, 2), dtype=wp.float64, device=device) for _ in range(2))
        p.load = wp.zeros(v, dtype=wp.float64, device=device)
        self._ends = ends
        self._grid = wp.HashGrid(64, 64, 64, device=device)

    def _company(self) -> int:
        """Room for the faces around a point: ``LAYERS`` layers of them, as far as is looked."""
        thin = self._thin
        x = thin.rest[thin.faces]
        area = np.linalg.norm(np.cross(x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]), axis=1) / 2
        length = np.linalg.norm(x[:, 1] - x[:, 0], axis=1)
        reach = 2 * float(thin.radius.max()) + float(thin.deep.max()) + 2 * self.way_m
        least = float(np.where(area > 0, area, length * 2 * reach).min())
        wide = reach + float(length.max())
        return int(min(MOST_COMPANY, 16 + math.ceil(LAYERS * math.pi * wide * wide / least)))

    def look(self, way_m: float) -> None:
        """Find who may touch whom until they have moved by ``way_m``, together.

        Raises:
            PhysicsError: too many faces round one point.
        """
        wp, k, device = self._wp, self._k, self._device
        v, crowd, points, thin = self._vertices, self._crowd, self._points, self._thin
        points.normal.zero_()
        wp.launch(k.turn_out, len(crowd.faces), [v, crowd, points.normal], device=device)
        wp.launch(self._touch.measure_faces, len(crowd.faces), [v, crowd], device=device)
        reach = way_m + 0.02 * self.way_m
        widest = float(crowd.size.numpy().max()) + 2 * float(thin.radius.max()) + float(thin.deep.max()) + reach
        self._grid.build(crowd.middle, widest)
        wp.launch(k.look, len(self._ends), [v, crowd, points, self._grid.id, widest, reach], device=device)
        if int(points.lost.numpy()[0]):
            raise PhysicsError(
                f"more than {points.found.shape[1]} faces of other bodies lie round one point of a body of elements: "
                "something is crumpled there, or far finer than its cells; take coarser particles there, or finer cells"
            )

    def launch(self, obstacles: Any, dt: Any) -> None:
        """The kernels of one substep; impulses go to ``dv``."""
        wp, k, device, v, points = self._wp, self._k, self._device, self._vertices, self._points
        wp.launch(k.find, len(self._ends), [v, self._crowd, points], device=device)
        for _ in range(ROUNDS):
            points.load.zero_()
            wp.launch(k.weigh, len(self._ends), [v, self._crowd, points, dt], device=device)
            wp.launch(k.press, len(self._ends), [v, self._crowd, obstacles, points], device=device)

    def overlaps(self) -> list[tuple[int, int, float, Floats]]:
        """Body of the face, body of the point, depth [m], way out of the first [3]: the deepest of each pair now."""
        self.look(0.0)
        inputs = [self._vertices, self._crowd, self._points]
        self._wp.launch(self._k.find, len(self._ends), inputs, device=self._device)
        face, gap, out = (a.numpy() for a in (self._points.face, self._points.gap, self._points.out))
        body, faces = self._thin.body, self._thin.faces
        deepest: dict[tuple[int, int], tuple[float, Floats]] = {}
        for p, c in np.argwhere((face >= 0) & (gap < 0)):
            pair = (int(body[faces[face[p, c], 0]]), int(body[self._ends[p, 0]]))
            if pair not in deepest or -gap[p, c] > deepest[pair][0]:
                deepest[pair] = (float(-gap[p, c]), np.array(out[p, c], np.float64))
        return [(*pair, *deepest[pair]) for pair in sorted(deepest)]
