"""The MPM solver: particles, obstacles and fields in a domain, advanced by explicit substeps on one device."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.influences import Place
from simvid.physics.mpm.colliders import MOST_PIECES, Obstacle
from simvid.physics.mpm.domain import Domain, stable_step
from simvid.physics.mpm.fields import Field
from simvid.physics.mpm.outside import Outside
from simvid.physics.mpm.particles import Particles
from simvid.physics.mpm.touches import Touches

Floats = NDArray[np.float64]
CONTACT = 0.5
"""Where a particle touches an obstacle, nodes up to this share of a cell above its surface do."""
MOST_SUBSTEPS = 100_000
"""In one call of ``advance``."""
MAX_SPEED_M_S = 1e4


class LeftDomainError(PhysicsError):
    """Particles left the domain: ``particle`` is one of them, at ``place_m``."""

    def __init__(self, said: str, particle: int, place_m: tuple[float, float, float]) -> None:
        super().__init__(said)
        self.particle, self.place_m = particle, place_m


class Solver:
    """Explicit MLS-MPM. Same input, same bytes, on the processor; on CUDA sums come in any order."""

    def __init__(
        self,
        particles: Particles,
        domain: Domain,
        *,
        obstacles: Sequence[Obstacle] = (),
        gravity_m_s2: Sequence[float] = (0.0, 0.0, -9.81),
        fields: Sequence[Field] = (),
        outside: Outside | None = None,
        step_s: float | None = None,
        device: str = "cpu",
    ) -> None:
        """Prepare; kernels compile once for the machine.

        Args:
            particles: at t = 0.
            domain: where they may be.
            obstacles: rigid things they meet.
            gravity_m_s2: on all particles.
            fields: further forces.
            outside: winds, fields of any form, and grips.
            step_s: of the substeps; None takes the largest stable one, anew in every call of ``advance``.
            device: "cpu" or "cuda:0".

        Raises:
            PhysicsError: particles outside the domain, too large a step, too many pieces, too little memory.
        """
        if not len(particles):
            raise PhysicsError("Solver: expected particles, got none")
        pieces = sum(len(o.pieces) for o in obstacles)
        if pieces > MOST_PIECES:
            raise PhysicsError(
                f"Solver: {pieces} pieces of obstacles, at most {MOST_PIECES} fit: join some into volumes (mesh_volume)"
            )
        domain.check(particles)
        self.particles, self.domain, self.obstacles = particles, domain, tuple(obstacles)
        self.device, self.step_s = device, step_s
        self._gravity = float(np.linalg.norm(gravity_m_s2))
        self.acceleration_m_s2 = self._gravity + sum(float(np.linalg.norm(f.vector)) for f in fields)
        self.outside = outside if outside is not None and outside.some else None
        self._check_step(step_s, float(np.linalg.norm(particles.velocities, axis=1).max()))
        self._set_up(gravity_m_s2, fields)
        self.time_s, self.substeps = 0.0, 0

    def _check_step(self, step_s: float | None, speed_m_s: float) -> None:
        if step_s is None:
            return
        if not (math.isfinite(step_s) and step_s > 0):
            raise PhysicsError(f"Solver.step_s: expected more than 0, got {step_s}")
        largest = stable_step(self.particles, self.domain.spacing_m, speed_m_s)
        if step_s > largest * (1 + 1e-9):
            raise PhysicsError(
                f"Solver.step_s: {step_s:.3g} s is too large for the speed of sound "
                f"({self.particles.sound_speed_m_s():.3g} m/s), particles of up to {speed_m_s:.3g} m/s and a grid of "
                f"{self.domain.spacing_m:.3g} m: take {largest:.3g} s or less"
            )

    def _set_up(self, gravity: Sequence[float], fields: Sequence[Field]) -> None:
        import warp as wp

        wp.config.log_level = wp.LOG_ERROR

        from simvid.physics.mpm import warp_arrays as arrays
        from simvid.physics.mpm import warp_contact as contact
        from simvid.physics.mpm import warp_kernels as kernels
        from simvid.physics.mpm.warp_structs import SUMS

        self._wp, self._k, self._contact, self._arrays = wp, kernels, contact, arrays
        device, origin, bodies = self.device, self.domain.origin, len(self.particles.materials)
        self._origin = origin
        try:
            self._state = arrays.make_state(self.particles, origin, device)
            self._matter = arrays.make_matter(self.particles, device)
            self._grid = arrays.make_grid(self.domain, 64, bodies, device)
        except (RuntimeError, MemoryError) as error:
            raise PhysicsError(
                f"no memory on {device} for {len(self.particles)} particles and a grid of "
                f"{math.prod(self.domain.blocks)} blocks: take fewer particles, or a smaller domain ({error})"
            ) from error
        self._fields = arrays.make_fields(gravity, fields, origin, device)
        self._pieces = arrays.make_pieces(self.obstacles, device)
        self._rigid = arrays.make_obstacles(self.obstacles, origin, device)
        if self.outside is not None:
            self.outside.set_up(len(self.particles), origin, len(self._grid.active), device)
        m = max(len(self.obstacles), 1)
        self._free = arrays.make_free(m, device)
        self._sums = wp.zeros((m, bodies, int(SUMS)), dtype=wp.float32, device=device)
        self._before = wp.zeros((m, 6), dtype=wp.float32, device=device)
        self._dt = wp.zeros(1, dtype=wp.float32, device=device)
        self._graph: Any = None
        self._stretches = len(self._state.total) > 0
        wp.launch(kernels.begin, len(self.particles), [self._state, self._matter], device=device)

    def __len__(self) -> int:
        return len(self.particles)

    def on_device(self) -> tuple[Any, Any]:
        """``State`` and ``Matter``, for kernels that meet the particles there."""
        return self._state, self._matter

    def positions(self) -> Floats:
        """World [m], [N, 3]."""
        return np.asarray(self._state.x.numpy(), np.float64) + self._origin

    def velocities(self) -> NDArray[np.float32]:
        """[m/s], [N, 3]."""
        return np.array(self._state.v.numpy(), np.float32)

    def affine(self) -> NDArray[np.float32]:
        """APIC's velocity gradient [1/s], [N, 3, 3]."""
        return np.array(self._state.C.numpy(), np.float32)

    def elastic_deformation(self) -> NDArray[np.float32]:
        """F without what plastic flow took out of it, [N, 3, 3]; of fluids J^(1/3)."""
        out = np.array(self._state.F.numpy(), np.float32)
        fluid = self._of("fluid")
        size = np.cbrt(self._state.memory.numpy()[fluid])
        out[fluid] = size[:, None, None] * np.eye(3, dtype=np.float32)
        return out

    def deformation(self) -> NDArray[np.float32]:
        """F of the motion, plastic flow of solids and snow included; of sand and fluids the elastic one, [N, 3, 3]."""
        out = self.elastic_deformation()
        if self._stretches:
            kept = self._of("von_mises", "snow")
            out[kept] = self._state.total.numpy()[kept]
        return out

    def stress(self) -> Floats:
        """Cauchy stress [Pa], [N, 3, 3]."""
        volume = self.particles.volumes.astype(np.float64) * np.linalg.det(self.elastic_deformation())
        return np.asarray(self._state.tau.numpy() / volume[:, None, None], np.float64)

    def memory(self) -> NDArray[np.float32]:
        """Plastic strain (von Mises), volume gained (sand) and log J_p (snow), J (fluids), [N]."""
        return np.array(self._state.memory.numpy(), np.float32)

    def _of(self, *models: str) -> NDArray[np.bool_]:
        return np.array([m.model in models for m in self.particles.materials])[self.particles.body]

    def speed_m_s(self) -> float:
        """Of the fastest particle."""
        v = self._state.v.numpy()
        return float(np.sqrt(np.einsum("ij,ij->i", v, v).max()))

    def set_obstacles(self, which: NDArray[np.intp], poses: Floats, velocities: Floats, spins: Floats) -> None:
        """Move obstacles [K] to poses [K, 4, 4]; give their origins velocities, and them spins, to keep, [K, 3]."""
        rows = np.stack([self._arrays.transform(pose, self._origin) for pose in poses])
        for array, values in (
            (self._rigid.pose, rows), (self._rigid.velocity, velocities), (self._rigid.spin, spins)
        ):  # fmt: skip
            all_values = array.numpy()
            all_values[which] = values
            if self.device != "cpu":  # there these are the array's own bytes
                array.assign(all_values)

    def keep(self, kept: Collection[int]) -> None:
        """Let these obstacles move as they are told and no others, though they float: something else holds them."""
        if self.obstacles:
            self._arrays.set_kept(self._rigid, self.obstacles, kept)

    def set_belt(self, k: int, velocity_m_s: Sequence[float] | Floats, place: Place) -> None:
        """Let the surface of obstacle k run with a velocity in its axes, in a place of the world; zero stops it."""
        self._arrays.set_belt(self._rigid, self._origin, k, velocity_m_s, place)

    def obstacle(self, k: int) -> tuple[Floats, Floats, Floats]:
        """Pose (x, y, z, qw, qx, qy, qz), velocity and spin of obstacle k now, world."""
        p = self._rigid.pose.numpy()[k].astype(np.float64)
        pose = np.array([*(p[:3] + self._origin), p[6], *p[3:6]])
        return pose, np.array(self._rigid.velocity.numpy()[k], float), np.array(self._rigid.spin.numpy()[k], float)

    def substeps_needed(self, duration_s: float) -> int:
        """How many equal substeps the next ``duration_s`` take at least.

        Raises:
            PhysicsError: particles run away or are no numbers any more, a fixed step is too large, too many substeps.
        """
        return self._substeps_needed(duration_s, self._speed_within(duration_s))

    def _substeps_needed(self, duration_s: float, speed: float) -> int:
        self._watch(speed)
        self._check_step(self.step_s, speed)
        limit = self.step_s if self.step_s is not None else stable_step(self.particles, self.domain.spacing_m, speed)
        count = max(1, math.ceil(duration_s / limit - 1e-9))
        if count > MOST_SUBSTEPS:
            raise PhysicsError(
                f"Solver.advance: {duration_s:g} s would take {count} substeps of {limit:.3g} s, more than "
                f"{MOST_SUBSTEPS}: take a softer material or a coarser grid, or advance by less at a time"
            )
        return count

    def _speed_within(self, duration_s: float) -> float:
        """That particles may reach [m/s]."""
        speed = self.speed_m_s() + self.acceleration_m_s2 * duration_s
        if self.outside is not None:
            speed = max(speed + self.outside.acceleration_m_s2() * duration_s, self.outside.wind_m_s())
        return speed

    def advance(self, duration_s: float, *, substeps: int = 1, after: Callable[[], None] | None = None) -> int:
        """Go on by ``duration_s`` in equal substeps.

        Args:
            duration_s: how far.
            substeps: at least so many.
            after: is called after each.

        Returns:
            Their number.

        Raises:
            PhysicsError: particles left the domain, are no numbers any more or run away.
        """
        speed = self._speed_within(duration_s)
        count = max(substeps, self._substeps_needed(duration_s, speed))
        step = duration_s / count
        self._dt.fill_(step)
        travel = max(1.5 * speed, 1e-9) * step
        batch = int(max(1, min(count, 0.9 * self.domain.spacing_m / travel)))
        done = 0
        while done < count:
            self._make_blocks()
            for _ in range(min(batch, count - done)):
                self._substep()
                if after is not None:
                    after()
            done += min(batch, count - done)
        self.time_s += duration_s
        self.substeps += count
        self._check_flags()
        return count

    def _watch(self, speed: float) -> None:
        if not math.isfinite(speed) or speed > MAX_SPEED_M_S:
            v = self._state.v.numpy()
            bad = int(np.argmax(np.where(np.isfinite(v).all(axis=1), np.abs(v).max(axis=1), np.inf)))
            raise PhysicsError(
                f"the particles diverged at t = {self.time_s:.4g} s: particle {bad} moves at {v[bad]} m/s; take a "
                "smaller step, and look for bodies that start inside each other or inside obstacles"
            )

    def _make_blocks(self) -> None:
        """Blocks for where the particles are now, and which obstacles are near them."""
        from simvid.physics.mpm import warp_grid

        wp, grid, device = self._wp, self._grid, self.device
        capacity = len(grid.active)
        wp.launch(warp_grid.forget_blocks, min(capacity, max(int(grid.count.numpy()[0]), 1)), [grid], device=device)
        grid.count.zero_()
        wp.launch(warp_grid.mark_blocks, len(self.particles), [self._state.x, grid], device=device)
        self._check_flags()
        count = int(grid.count.numpy()[0])
        if count > capacity:
            grid.slot.fill_(-1)
            grid.count.zero_()
            self._arrays.resize(grid, 2 * count, len(self.particles.materials), device)
            if self.outside is not None:
                self.outside.resize(len(grid.active))
            self._graph = None
            self._make_blocks()
            return
        if self.obstacles:
            margin = CONTACT * self.domain.spacing_m
            wp.launch(
                warp_grid.find_near, count, [grid, self._pieces, self._rigid.pose, margin + self._obstacle_travel()],
                device=device,
            )  # fmt: skip
            grid.touching.zero_()
            wp.launch(self._contact.meet, len(self.obstacles), [self._rigid, self._free], device=device)
            self._launch_approach(0)

    def _obstacle_travel(self) -> float:
        """How far obstacles may come within a batch of substeps [m]: as far as particles."""
        return self.domain.spacing_m

    def _substep(self) -> None:
        wp = self._wp
        if self._graph is None:
            with wp.ScopedCapture(device=self.device) as capture:
                self._launch()
            self._graph = capture.graph
        wp.capture_launch(self._graph)

    def _launch(self) -> None:
        """The kernels of one substep."""
        wp, k, c, device = self._wp, self._k, self._contact, self.device
        n, nodes, bodies = len(self.particles), len(self._grid.node), len(self.particles.materials)
        outside = self.outside
        if not self.obstacles and outside is None:
            bodies = 1  # nobody asks whose mass it is
        state, matter, grid, rigid, free = self._state, self._matter, self._grid, self._rigid, self._free
        margin = CONTACT * self.domain.spacing_m
        wp.launch(k.clear, nodes, [grid, bodies], device=device)
        if outside is not None:
            outside.before_give(state, matter, grid, self._dt, n, nodes)
        wp.launch(k.give, n, [state, matter, grid, self._dt, bodies], device=device)
        wp.launch(k.move, nodes, [grid, self._fields, self._dt], device=device)
        if outside is not None:
            outside.on_nodes(grid, self._dt, nodes, bodies)
        if self.obstacles:
            if any(o.free for o in self.obstacles):
                wp.launch(c.weigh, nodes, [grid, self._pieces, rigid, free, margin], device=device)
            wp.launch(c.meet, len(self.obstacles), [rigid, free], device=device)
            wp.launch(c.touch, nodes, [grid, self._pieces, rigid, free, self._sums, margin, bodies], device=device)
        if outside is not None:
            outside.hold_nodes(grid, self._fields, self._dt, nodes)
        wp.launch(k.take, n, [state, matter, grid, self._dt, int(self._stretches)], device=device)
        if outside is not None:
            outside.after_take(state, matter, self._dt, n)
        if self.obstacles:
            wp.launch(
                c.advance, len(self.obstacles), [rigid, self._fields, self._sums, self._before, self._dt], device=device
            )
            self._launch_approach(1)

    def _launch_approach(self, push: int) -> None:
        state, matter, grid, rigid = self._state, self._matter, self._grid, self._rigid
        inputs = [state, matter, grid, self._pieces, rigid, self._free, self._sums, self._dt, push]
        self._wp.launch(self._contact.approach, len(self.particles), inputs, device=self.device)

    def _check_flags(self) -> None:
        lost, left = self._grid.flags.numpy()
        if lost:
            x = self.positions()
            low, high = np.array(self.domain.low_m), np.array(self.domain.high_m)
            bad = ~((x >= low) & (x <= high)).all(axis=1)
            k = int(np.argmax(bad))
            at = (float(x[k, 0]), float(x[k, 1]), float(x[k, 2]))
            raise LeftDomainError(
                f"{int(lost)} particles left the domain {low.round(4).tolist()} to {high.round(4).tolist()} m by "
                f"t = {self.time_s:.4g} s, such as particle {k} at {[round(c, 4) for c in at]}: take a larger domain, "
                "or put obstacles around them", k, at,
            )  # fmt: skip
        if left:
            raise PhysicsError(
                f"particles moved more than a cell ({self.domain.spacing_m:g} m) within few substeps at "
                f"t = {self.time_s:.4g} s: the simulation diverged; take a smaller step"
            )

    def kick(self, which: NDArray[np.intp], change_m_s: Floats) -> None:
        """Give particles another velocity at once: indices [H], what is added [3]."""
        v = self._state.v.numpy()
        v[which] += change_m_s
        self._state.v.assign(v)

    def touches(self) -> Touches:
        """What happened since this was last called."""
        found = Touches.of(self._sums.numpy()[: len(self.obstacles)], self._origin)
        self._sums.zero_()
        self._before.zero_()
        return found
