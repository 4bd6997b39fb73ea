"""What acts on the particles of a solver from outside, on its device: fields, winds, grips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.influences import AIR, KINDS, Influence

Floats = NDArray[np.float64]
FAR = 1e9
"""Stands for infinity in single precision."""


class Outside:
    """Arrays and launches. Nothing is launched where there are neither influences nor grips."""

    def __init__(self, influences: Sequence[Influence], acts: NDArray[np.bool_], grips: int) -> None:
        """What there will be.

        Args:
            influences: K fields and winds, off until ``set_on``.
            acts: which of them acts on which body, [K, bodies].
            grips: number of frames that may hold particles.
        """
        if acts.shape[:1] != (len(influences),):
            raise PhysicsError(f"Outside.acts: expected {len(influences)} rows, got {acts.shape}")
        self.influences, self.acts, self.count = tuple(influences), acts, grips
        self._airy = any(i.kind in AIR for i in influences)
        self.some = bool(influences) or grips > 0
        self._on = np.zeros(len(influences))

    def acceleration_m_s2(self) -> float:
        """Most that the fields which are on may give."""
        return sum(
            on * (float(np.linalg.norm(i.vector)) if i.kind == "acceleration" else abs(i.strength))
            for i, on in zip(self.influences, self._on, strict=True) if i.kind not in AIR
        )  # fmt: skip

    def wind_m_s(self) -> float:
        """Fastest air that blows now."""
        return max(
            (float(np.linalg.norm(i.vector)) + (abs(i.strength) * i.radius_m if i.kind == "vortex" else 0.0)
             for i, on in zip(self.influences, self._on, strict=True) if i.kind in AIR and on > 0),
            default=0.0,
        )  # fmt: skip

    def set_up(self, particles: int, origin: Floats, capacity: int, device: str) -> None:
        """Make the arrays."""
        import warp as wp

        from simvid.physics.mpm import warp_outside as kernels
        from simvid.physics.mpm.warp_arrays import device_array
        from simvid.physics.mpm.warp_structs import Six, Wrench

        self._wp, self._k, self._device, self._origin = wp, kernels, device, origin
        f, found = kernels.Influences(), self.influences
        f.kind = device_array([KINDS.index(i.kind) for i in found], wp.int32, device)
        f.on = wp.zeros(max(len(found), 1), dtype=wp.float32, device=device)
        for name in ("strength", "radius", "pressure"):
            values = [getattr(i, "radius_m" if name == "radius" else name) for i in found]
            setattr(f, name, device_array(np.minimum(values, FAR), wp.float32, device))
        f.vector, f.axis = (device_array([getattr(i, n) for i in found], wp.vec3, device) for n in ("vector", "axis"))
        places = [i.place for i in found]
        f.center = device_array([np.array(i.center_m) - origin for i in found], wp.vec3, device)
        f.low = device_array([np.maximum(p.low_m, -FAR) - origin for p in places], wp.vec3, device)
        f.high = device_array([np.minimum(p.high_m, FAR) - origin for p in places], wp.vec3, device)
        f.middle = device_array([np.array(p.center_m) - origin for p in places], wp.vec3, device)
        f.reach = device_array([min(p.radius_m, FAR) for p in places], wp.float32, device)
        acts = self.acts.astype(np.int32) if len(found) else np.zeros((1, 1), np.int32)
        f.given = wp.zeros((max(self.acts.shape[1], 1), 4), dtype=wp.float32, device=device)
        f.acts = wp.array(acts, dtype=wp.int32, device=device)
        g = kernels.Grips()
        g.grip = wp.full(particles if self.count else 1, -1, dtype=wp.int32, device=device)
        g.local = wp.zeros(particles if self.count else 1, dtype=wp.vec3, device=device)
        rest = np.tile(np.array([0, 0, 0, 0, 0, 0, 1], np.float32), (max(self.count, 1), 1))
        g.pose = wp.array(rest, dtype=wp.transform, device=device)
        g.velocity, g.spin = (wp.zeros(max(self.count, 1), dtype=wp.vec3, device=device) for _ in range(2))
        g.sums = wp.zeros((max(self.count, 1), 6), dtype=wp.float32, device=device)
        g.mass = wp.zeros(max(self.count, 1), dtype=wp.float32, device=device)
        g.inertia = wp.zeros(max(self.count, 1), dtype=wp.mat33, device=device)
        g.A = wp.zeros(max(self.count, 1), dtype=Six, device=device)
        g.b = wp.zeros(max(self.count, 1), dtype=Wrench, device=device)
        self.fields, self.grips = f, g
        self.resize(capacity)

    def resize(self, capacity: int) -> None:
        """Room for other blocks of the grid."""
        wp, nodes = self._wp, 64 * capacity
        self.fields.filled = wp.zeros(nodes if self._airy else 0, dtype=wp.float32, device=self._device)
        shape = (nodes if self.count else 1, self.count)
        self.grips.held = wp.zeros(shape, dtype=wp.float32, device=self._device)

    def set_on(self, shares: Floats) -> None:
        """Share of the coming time in which each influence acts, [K]."""
        if len(self.influences) and not np.array_equal(shares, self._on):
            self._on = np.array(shares, np.float64)
            self.fields.on.assign(self._on.astype(np.float32))

    def take_hold(
        self, grip: int, which: NDArray[np.intp], places: Floats, pose: Floats, body: tuple[float, Floats] | None = None
    ) -> None:
        """Hold particles where they are in a frame.

        Args:
            grip: its index.
            which: particles, [H].
            places: of all particles, world, [N, 3].
            pose: world_from_grip, [4, 4].
            body: mass and inertia (in the grip's axes, about its origin) of a free body that carries the grip.
        """
        self.weigh(grip, body)
        rows, local = self.grips.grip.numpy(), self.grips.local.numpy()
        rows[which] = grip
        local[which] = (places[which] - pose[:3, 3]) @ pose[:3, :3]
        self.grips.grip.assign(rows)
        self.grips.local.assign(local)
        self.move(grip, pose, np.zeros(3), np.zeros(3))

    def weigh(self, grip: int, body: tuple[float, Floats] | None) -> None:
        """Mass and inertia of a free body that carries a grip, as of ``take_hold``; None where it is not free."""
        mass, inertia = self.grips.mass.numpy(), self.grips.inertia.numpy()
        mass[grip], inertia[grip] = (0.0, np.zeros((3, 3))) if body is None else body
        self.grips.mass.assign(mass)
        self.grips.inertia.assign(inertia)

    def let_go(self, grip: int) -> None:
        """Free the particles of a grip."""
        rows = self.grips.grip.numpy()
        rows[rows == grip] = -1
        self.grips.grip.assign(rows)

    def move(self, grip: int, pose: Floats, velocity_m_s: Floats, spin_rad_s: Floats) -> None:
        """Where a grip is and how it moves from now on."""
        from simvid.physics.mpm.warp_arrays import transform

        for array, value in (
            (self.grips.pose, transform(pose, self._origin)),
            (self.grips.velocity, velocity_m_s),
            (self.grips.spin, spin_rad_s),
        ):
            rows = array.numpy()
            rows[grip] = value
            array.assign(rows)

    def reactions(self) -> Floats:
        """Impulse [N s] on each grip and its moment about the grip's origin [N m s] since last asked, [G, 6]."""
        found = np.array(self.grips.sums.numpy(), np.float64)[: self.count]
        self.grips.sums.zero_()
        return found

    def given(self) -> Floats:
        """Impulse [N s] and work [J] of the influences on each body since last asked, [bodies, 4]."""
        found = np.array(self.fields.given.numpy(), np.float64)
        if found.any():
            self.fields.given.zero_()
        return found

    def before_give(self, state: Any, matter: Any, grid: Any, dt: Any, n: int, nodes: int) -> None:
        """Launch what comes before particles give to the grid."""
        wp, k, device = self._wp, self._k, self._device
        wp.launch(k.clear_outside, nodes, [grid, self.fields, self.grips], device=device)
        if any(i.kind not in AIR for i in self.influences):
            wp.launch(k.accelerate, n, [state, matter, self.fields, dt], device=device)
        if self._airy or self.count:
            wp.launch(k.spread, n, [state, matter, grid, self.fields, self.grips], device=device)

    def on_nodes(self, grid: Any, dt: Any, nodes: int, bodies: int) -> None:
        """Launch the winds, once the grid has velocities."""
        if self._airy:
            self._wp.launch(self._k.blow, nodes, [grid, self.fields, dt, bodies], device=self._device)

    def hold_nodes(self, grid: Any, fields: Any, dt: Any, nodes: int) -> None:
        """Launch what keeps nodes with their grips, after contact."""
        if self.count:
            self._wp.launch(self._k.fall_grips, self.count, [self.grips, fields, dt], device=self._device)
            self._wp.launch(self._k.weigh_grips, nodes, [grid, self.grips], device=self._device)
            self._wp.launch(self._k.meet_grips, self.count, [self.grips], device=self._device)
            self._wp.launch(self._k.hold, nodes, [grid, self.grips], device=self._device)

    def after_take(self, state: Any, matter: Any, dt: Any, n: int) -> None:
        """Launch what keeps particles with their grips."""
        if self.count:
            self._wp.launch(self._k.weigh_held, n, [state, matter, self.grips], device=self._device)
            self._wp.launch(self._k.meet_grips, self.count, [self.grips], device=self._device)
            self._wp.launch(self._k.move_grips, self.count, [self.grips, dt], device=self._device)
            self._wp.launch(self._k.carry, n, [state, matter, self.grips], device=self._device)
