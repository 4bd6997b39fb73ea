"""Particles of MPM and thin bodies in one rhythm: substep by substep, first the particles, then cloth, rope and bodies
of elements, which meet the particles where these are by then."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.mpm.solver import Solver as SoftSolver
from simvid.physics.mpm.touches import Touches
from simvid.physics.thin.solver import Solver as ThinSolver

Floats = NDArray[np.float64]
LAYERS = 6
"""Layers of faces that one particle may have round it."""
MOST_COMPANY = 512
"""Faces that one particle may have round it, at most."""
SLACK_M = 2e-4
"""Faces that come so close are looked at besides."""


class Mixture:
    """Two solvers that feel each other. Same input, same bytes, on the processor."""

    def __init__(self, soft: SoftSolver, thin: ThinSolver, friction: Sequence[float]) -> None:
        """Couple them.

        Args:
            soft: of particles.
            thin: of cloth, rope and elements, on the same device; nothing has been advanced.
            friction: of each body of particles; of it and the thin body's the larger counts.

        Raises:
            PhysicsError: solvers on different devices, another number of coefficients.
        """
        if soft.device != thin.device:
            raise PhysicsError(f"Mixture: the particles are on {soft.device}, cloth and rope on {thin.device}")
        if len(friction) != len(soft.particles.materials):
            raise PhysicsError(f"Mixture.friction: expected {len(soft.particles.materials)}, got {len(friction)}")
        self.soft, self.thin = soft, thin
        self._set_up(friction)
        thin.meet_others(self._launch)

    def _set_up(self, friction: Sequence[float]) -> None:
        import warp as wp

        from simvid.physics.mixed import warp_meet as kernels
        from simvid.physics.mpm.warp_arrays import device_array
        from simvid.physics.mpm.warp_structs import SUMS
        from simvid.physics.thin import warp_touch

        self._wp, self._k, self._touch = wp, kernels, warp_touch
        device = self._device = self.soft.device
        p, v = len(self.soft), len(self.thin)
        self._half = float(np.cbrt(self.soft.particles.volumes.min())) / 2
        self._thick = self._half + float(self.thin.thin.radius.min())
        m = self._meeting = kernels.Meeting()
        m.origin = wp.vec3d(*self.soft.domain.origin)
        m.rim = device_array(_rim(self.thin), wp.int32, device)
        m.normal = wp.zeros(v, dtype=wp.vec3d, device=device)
        m.friction = device_array(np.array(friction), wp.float64, device)
        m.count, m.side = (wp.zeros(p, dtype=wp.int32, device=device) for _ in range(2))
        m.found = wp.zeros((p, self._company()), dtype=wp.int32, device=device)
        m.lost = wp.zeros(1, dtype=wp.int32, device=device)
        m.last = wp.full(p, -1, dtype=wp.int32, device=device)
        m.face = wp.full((p, 2), -1, dtype=wp.int32, device=device)
        m.out = wp.zeros((p, 2), dtype=wp.vec3d, device=device)
        m.gap = wp.zeros((p, 2), dtype=wp.float64, device=device)
        m.load = wp.zeros(v, dtype=wp.float64, device=device)
        bodies = (int(self.thin.thin.body.max()) + 1, len(friction))
        self._sums: Any = wp.zeros((*bodies, int(SUMS)), dtype=wp.float32, device=device)
        self._grid = wp.HashGrid(64, 64, 64, device=device)

    def _company(self) -> int:
        """Room for the faces around a particle: ``LAYERS`` layers of them, as far as is looked."""
        thin = self.thin.thin
        x = thin.rest[thin.faces]
        area = np.linalg.norm(np.cross(x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]), axis=1) / 2
        length = np.linalg.norm(x[:, 1] - x[:, 0], axis=1)
        reach = float(np.cbrt(self.soft.particles.volumes.max())) / 2 + float(thin.radius.max()) + self._thick + SLACK_M
        reach += float(thin.deep.max())
        least = float(np.where(area > 0, area, length * 2 * reach).min())
        wide = reach + float(length.max())
        return int(min(MOST_COMPANY, 16 + math.ceil(LAYERS * math.pi * wide * wide / least)))

    def advance(self, duration_s: float) -> int:
        """Go on by ``duration_s`` in equal substeps, as many as the one that needs more of them needs.

        Returns:
            Their number.

        Raises:
            PhysicsError: as the solvers; too many faces round one particle.
        """
        soft, thin = self.soft, self.thin
        count = max(soft.substeps_needed(duration_s), thin.substeps_needed(duration_s))
        speed = soft.speed_m_s() + thin.measure()[0] + 2 * soft.acceleration_m_s2 * duration_s
        travel = max(1.5 * speed, 1e-9) * duration_s / count
        every = max(1, min(count, int(self._thick / travel)))
        thin.begin(duration_s, count)
        self._done = 0

        def both() -> None:
            if self._done % every == 0:
                self._look(travel * every + SLACK_M)
            thin.substep()
            self._done += 1

        soft.advance(duration_s, substeps=count, after=both)
        thin.end(duration_s, count)
        self._check()
        return count

    def _look(self, reach: float) -> None:
        """Who may meet whom until the next look."""
        wp, k, device, m = self._wp, self._k, self._device, self._meeting
        state, matter = self.soft.on_device()
        vertices, crowd, _ = self.thin.on_device()
        m.normal.zero_()
        wp.launch(k.face_up, len(crowd.faces), [vertices, crowd, m], device=device)
        wp.launch(self._touch.measure_faces, len(crowd.faces), [vertices, crowd], device=device)
        far = float(np.cbrt(self.soft.particles.volumes.max())) / 2 + float(self.thin.thin.radius.max()) + reach
        far += float(self.thin.thin.deep.max())
        widest = float(crowd.size.numpy().max()) + far
        self._grid.build(crowd.middle, widest)
        inputs = [state, matter, vertices, crowd, m, self._grid.id, widest, reach]
        wp.launch(k.look, len(self.soft), inputs, device=device)

    def _launch(self, dt: Any) -> None:
        """The kernels of one substep, after the forces within cloth and rope."""
        wp, k, device, m = self._wp, self._k, self._device, self._meeting
        state, matter = self.soft.on_device()
        vertices, crowd, obstacles = self.thin.on_device()
        wp.launch(k.unload, len(self.thin), [m], device=device)
        wp.launch(k.find, len(self.soft), [state, matter, vertices, crowd, m, dt], device=device)
        wp.launch(k.push, len(self.soft), [state, matter, vertices, crowd, obstacles, m, self._sums, dt], device=device)

    def _check(self) -> None:
        if int(self._meeting.lost.numpy()[0]):
            raise PhysicsError(
                f"more than {self._meeting.found.shape[1]} faces of cloth, rope or elements lie round one particle at "
                f"t = {self.thin.time_s:.4g} s: the cloth is crumpled into it, or far finer than the particles; take a "
                "coarser cloth, or finer particles"
            )

    def touches(self) -> Touches:
        """What particles did to thin bodies, as obstacles, since this was last called; depth is beyond touching.

        Moments are about the origin of the particles' domain.
        """
        found = Touches.of(self._sums.numpy(), self.soft.domain.origin)
        self._sums.zero_()
        return found

    def overlaps(self) -> list[tuple[int, int, float, Floats]]:
        """Thin body, body of particles, depth [m], way out of the thin body [3]: the deepest of each pair now."""
        self._look(SLACK_M)
        dt = self._wp.full(1, 1.0, dtype=self._wp.float64, device=self._device)
        state, matter = self.soft.on_device()
        vertices, crowd, _ = self.thin.on_device()
        inputs = [state, matter, vertices, crowd, self._meeting, dt]
        self._meeting.load.zero_()
        self._wp.launch(self._k.find, len(self.soft), inputs, device=self._device)
        self._check()
        m = self._meeting
        face, gap, out = (a.numpy()[:, 0] for a in (m.face, m.gap, m.out))
        deepest: dict[tuple[int, int], tuple[float, Floats]] = {}
        for p in np.flatnonzero((face >= 0) & (gap < 0)):
            pair = (int(self.thin.thin.body[self.thin.thin.faces[face[p], 0]]), int(self.soft.particles.body[p]))
            if pair not in deepest or -gap[p] > deepest[pair][0]:
                deepest[pair] = (float(-gap[p]), np.array(out[p], np.float64))
        return [(*pair, *deepest[pair]) for pair in sorted(deepest)]


def _rim(thin: ThinSolver) -> NDArray[np.int32]:
    """1 of vertices at an edge that has one triangle, and of those of ropes, [V]."""
    t = thin.thin.membrane.corners
    edges = np.sort(np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]]), axis=1)
    found, count = np.unique(edges, axis=0, return_counts=True)
    out = np.zeros(len(thin), np.int32)
    out[found[count == 1].ravel()] = 1
    out[thin.thin.springs.ends.ravel()] = 1
    return out
