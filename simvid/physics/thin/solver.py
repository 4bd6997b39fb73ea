"""The solver of thin bodies: explicit substeps (symplectic Euler) with real stiffness, so that nothing has to converge.

At the stiffnesses of cloth and rope the largest stable substep is about 0.1 ms and costs microseconds, less than the
iterations that an implicit or position-based step would need to be as stiff as it says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.influences import Place
from simvid.physics.mpm.colliders import MOST_PIECES, Obstacle
from simvid.physics.mpm.touches import Touches
from simvid.physics.thin.bodies import Thin
from simvid.physics.thin.solid_touch import SolidTouch, needed
from simvid.physics.thin.stable import stability

Floats = NDArray[np.float64]
MOST_SUBSTEPS = 20_000
"""In one call of ``advance``."""
MAX_SPEED_M_S = 1e3
MAX_STRETCH = 3.0
"""More is no cloth any more."""
COMPANY = 48
"""Faces that one vertex may touch within a step."""


class Solver:
    """Cloth, rope and solids. Same input, same bytes, on the processor; on CUDA sums come in any order."""

    def __init__(
        self,
        thin: Thin,
        *,
        obstacles: Sequence[Obstacle] = (),
        gravity_m_s2: Sequence[float] = (0.0, 0.0, -9.81),
        step_s: float | None = None,
        meet: bool = True,
        device: str = "cpu",
    ) -> None:
        """Prepare; kernels compile once for the machine.

        Args:
            thin: at t = 0.
            obstacles: rigid things they meet.
            gravity_m_s2: on all.
            step_s: of the substeps; None takes the largest stable one, anew in every call of ``advance``.
            meet: whether bodies touch each other, and cloth and rope themselves.
            device: "cpu" or "cuda:0".

        Raises:
            PhysicsError: no vertices, too large a step, too many pieces.
        """
        if not len(thin):
            raise PhysicsError("Solver: expected vertices of thin bodies, got none")
        if sum(len(o.pieces) for o in obstacles) > MOST_PIECES:
            raise PhysicsError(f"Solver: at most {MOST_PIECES} pieces of obstacles fit: join some into volumes")
        self.thin, self.obstacles, self.device = thin, tuple(obstacles), device
        self.step_s, self.stability = step_s, stability(thin)
        self._gravity = np.asarray(gravity_m_s2, np.float64)
        self._check_step(1.0)
        self.time_s, self.substeps, self.lost = 0.0, 0, 0
        self._origin = thin.positions.mean(axis=0)
        self._meet, self._touching = meet and len(thin.shells) > 0, meet and needed(thin)
        self._set_up()

    def _check_step(self, stretch: float) -> None:
        if self.step_s is None:
            return
        if not (math.isfinite(self.step_s) and self.step_s > 0):
            raise PhysicsError(f"Solver.step_s: expected more than 0, got {self.step_s}")
        largest = self.stability.step_s(stretch)
        if self.step_s > largest * (1 + 1e-9):
            raise PhysicsError(
                f"Solver.step_s: {self.step_s:.3g} s is too large for the stiffness and mass of these bodies, "
                f"stretched by up to {stretch - 1:.1%}: take {largest:.3g} s or less"
            )

    def _set_up(self) -> None:
        import warp as wp

        wp.config.log_level = wp.LOG_ERROR

        from simvid.physics.mpm import warp_arrays
        from simvid.physics.mpm.warp_structs import SUMS
        from simvid.physics.thin import warp_arrays as arrays
        from simvid.physics.thin import warp_forces, warp_solids, warp_ties, warp_touch

        self._wp, self._forces, self._touch, self._to = wp, warp_forces, warp_touch, warp_arrays
        self._solid_forces, self._hung = warp_solids.solids, warp_ties
        device, thin = self.device, self.thin
        self._vertices = arrays.make_vertices(thin, self._gravity, device)
        self._elements = arrays.make_elements(thin, self.stability, device)
        self._solids = arrays.make_solids(thin, self.stability, device)
        self._inner, self._inner_lengths = arrays.make_inner_edges(thin, device)
        self._crowd = arrays.make_crowd(thin, thin.shells, COMPANY, device)
        self._skin = arrays.make_crowd(thin, thin.faces, 1, device)
        self._edges, self._lengths, self._edge_shares = arrays.make_edges(thin, device)
        self._edge_near = wp.zeros(len(self._lengths), dtype=wp.uint64, device=device)
        self._pieces = warp_arrays.make_pieces(self.obstacles, device)
        self._bodies = warp_arrays.make_obstacles(self.obstacles, self._origin, device)
        m = max(len(self.obstacles), 1)
        self._rigid = arrays.make_rigid(m, int(thin.body.max()) + 1, device)
        self._sums = wp.zeros((m, int(thin.body.max()) + 1, int(SUMS)), dtype=wp.float32, device=device)
        self._pulls, self._ties = wp.zeros_like(self._sums), False
        self._dt = wp.zeros(1, dtype=wp.float64, device=device)
        self._measures = wp.zeros(2, dtype=wp.float64, device=device)
        self._grid = wp.HashGrid(64, 64, 64, device=device) if self._meet else None
        self._widest = float(arrays.sizes(thin).max()) if self._meet else 0.0
        self._solid_touch: SolidTouch | None = None
        if self._touching:
            self._solid_touch = SolidTouch(thin, self._vertices, self._skin, self._edges.numpy(), device)
        self._graph: Any = None
        self._others: Callable[[Any], None] | None = None

    def __len__(self) -> int:
        return len(self.thin)

    def positions(self) -> Floats:
        """World [m], [V, 3]."""
        return np.array(self._vertices.x.numpy(), np.float64)

    def velocities(self) -> Floats:
        """[m/s], [V, 3]."""
        return np.array(self._vertices.v.numpy(), np.float64)

    def accelerate(self, extra_m_s2: Floats) -> None:
        """Accelerations beside gravity from now on, world, [V, 3]."""
        self._vertices.given.assign(np.asarray(extra_m_s2, np.float64) + self._gravity)

    def kick(self, change_m_s: Floats) -> None:
        """Change velocities at once, world, [V, 3]."""
        self._vertices.v.assign(self.velocities() + change_m_s)

    def hold(self, which: NDArray[np.intp], obstacle: int | None = None) -> None:
        """Hold vertices where they are, in the world or by an obstacle, which feels what they pull.

        While it holds vertices of a body, it does not touch that body.
        """
        held, anchor = self._vertices.held.numpy(), self._vertices.anchor.numpy()
        held[which] = -1 if obstacle is None else obstacle
        places = self.positions()[which]
        if obstacle is not None:
            pose, _, _ = self.obstacle(obstacle)
            places = (places - pose[:3, 3]) @ pose[:3, :3]
        anchor[which] = places
        self._vertices.anchor.assign(anchor)
        self._set_held(held)

    def _set_held(self, held: NDArray[np.int32]) -> None:
        self._vertices.held.assign(held)
        tied = np.zeros(self._rigid.tied.shape, np.int32)
        by = held >= 0
        tied[held[by], self.thin.body[by]] = 1
        self._ties, self._graph = bool(by.any()), None
        self._rigid.tied.assign(tied)

    def let_go(self, which: NDArray[np.intp]) -> None:
        """No longer hold vertices."""
        held = self._vertices.held.numpy()
        held[which] = -2
        self._set_held(held)

    def set_obstacles(self, which: NDArray[np.intp], poses: Floats, velocities: Floats, spins: Floats) -> None:
        """Place obstacles: indices [K], poses [K, 4, 4], velocities of origins and spins, world, [K, 3]."""
        rows = np.stack([self._to.transform(pose, self._origin) for pose in poses])
        bodies = self._bodies
        for array, values in ((bodies.pose, rows), (bodies.velocity, velocities), (bodies.spin, spins)):
            all_values = array.numpy()
            all_values[which] = values
            array.assign(all_values)

    def keep(self, kept: Collection[int]) -> None:
        """Let these obstacles move as they are told and no others, though they float: something else holds them."""
        if self.obstacles:
            self._to.set_kept(self._bodies, self.obstacles, kept)
            self._rigid.share.fill_(1.0)  # of what floats a substep says it anew

    def set_belt(self, k: int, velocity_m_s: Sequence[float] | Floats, place: Place) -> None:
        """Let the surface of obstacle k run with a velocity in its axes, in a place of the world; zero stops it."""
        self._to.set_belt(self._bodies, self._origin, k, velocity_m_s, place)

    def obstacle(self, k: int) -> tuple[Floats, Floats, Floats]:
        """Pose [4, 4], velocity and spin of obstacle k now, world."""
        from simvid.rotations import matrix_from_quat

        p = self._bodies.pose.numpy()[k].astype(np.float64)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = matrix_from_quat(p[[6, 3, 4, 5]]), p[:3] + self._origin
        return pose, np.array(self._bodies.velocity.numpy()[k], float), np.array(self._bodies.spin.numpy()[k], float)

    def overlaps(self) -> list[tuple[int, int, float, Floats]]:
        """Two bodies, depth [m], way of the second out of the first [3]: solids inside each other, or cloth and rope
        inside them, the deepest of each pair now; what is deeper than half a cell is not seen."""
        return self._solid_touch.overlaps() if self._solid_touch is not None else []

    def measure(self) -> tuple[float, float]:
        """Largest speed [m/s] and largest stretch."""
        wp, device, v = self._wp, self.device, self._vertices
        self._measures.zero_()
        wp.launch(self._touch.survey, len(self), [v, self._measures], device=device)
        wp.launch(
            self._touch.survey_edges, len(self._lengths), [v, self._edges, self._lengths, self._measures], device=device
        )
        if len(self._inner):
            inner = [v, self._inner, self._inner_lengths, self._measures]
            wp.launch(self._touch.survey_edges, len(self._inner), inner, device=device)
        square, stretch = self._measures.numpy()
        return math.sqrt(square) if square >= 0 else math.nan, float(stretch)

    def meet_others(self, launch: Callable[[Any], None]) -> None:
        """Let what is not of this solver meet the vertices in each substep, after the forces within the bodies.

        Args:
            launch: launches kernels that add to ``dv``; takes the array that holds the substep [s].
        """
        self._others, self._graph = launch, None

    def on_device(self) -> tuple[Any, Any, Any]:
        """``Vertices``, ``Crowd`` of all faces and ``Obstacles``, for kernels that meet them there."""
        return self._vertices, self._skin, self._bodies

    def substeps_needed(self, duration_s: float) -> int:
        """How many equal substeps the next ``duration_s`` take at least.

        Raises:
            PhysicsError: vertices are no numbers any more, run away or are torn far apart; too many substeps.
        """
        speed, stretch = self.measure()
        self._watch(speed, stretch)
        self._check_step(stretch)
        limit = self.step_s if self.step_s is not None else self.stability.step_s(stretch)
        count = max(1, math.ceil(duration_s / limit - 1e-9))
        if count > MOST_SUBSTEPS:
            raise PhysicsError(
                f"Solver.advance: {duration_s:g} s would take {count} substeps of {limit:.3g} s, more than "
                f"{MOST_SUBSTEPS}: these bodies are too stiff for their mass and spacing; make them "
                f"{(count / MOST_SUBSTEPS) ** 2:.2g} times softer, or their particles fewer"
            )
        return count

    def advance(self, duration_s: float) -> int:
        """Go on by ``duration_s`` in equal substeps.

        Returns:
            Their number.

        Raises:
            PhysicsError: as ``substeps_needed``.
        """
        count = self.substeps_needed(duration_s)
        self.begin(duration_s, count)
        for _ in range(count):
            self.substep()
        self.end(duration_s, count)
        return count

    def begin(self, duration_s: float, count: int) -> None:
        """Prepare ``count`` substeps, at least as many as are needed, which ``substep`` then takes one by one."""
        self._dt.fill_(duration_s / count)
        speed = self.measure()[0]
        self._look(speed, duration_s)
        if self._solid_touch is not None:
            travel = 3 * (speed + float(np.linalg.norm(self._gravity)) * duration_s) * duration_s / count
            self._every = int(np.clip(self._solid_touch.way_m / max(travel, 1e-12), 1, count))
            self._way, self._done = travel * self._every, 0

    def end(self, duration_s: float, count: int) -> None:
        """Say that they are taken."""
        self.time_s += duration_s
        self.substeps += count

    def _watch(self, speed: float, stretch: float) -> None:
        x, v = self.positions(), self.velocities()
        if np.isfinite(x).all() and np.isfinite(v).all() and speed < MAX_SPEED_M_S and stretch < MAX_STRETCH:
            return
        bad = int(np.argmax(np.where(np.isfinite(v).all(axis=1), np.abs(v).max(axis=1), np.inf)))
        raise PhysicsError(
            f"thin bodies diverged at t = {self.time_s:.4g} s: vertex {bad} (of body {self.thin.body[bad]}) moves at "
            f"{v[bad].round(3)} m/s, the largest stretch is {stretch:.3g}: something pulls or presses far harder than "
            "their stiffness can carry; take a stiffer or heavier material, or pull less"
        )

    def _look(self, speed: float, duration_s: float) -> None:
        """Who may touch whom within ``duration_s``."""
        wp, touch, device, v = self._wp, self._touch, self.device, self._vertices
        gain = float(np.linalg.norm(self._gravity)) * duration_s
        reach = 1.5 * (speed + gain) * duration_s + 2e-4
        if self.obstacles:
            world = [self._pieces, self._bodies, self._rigid, wp.vec3d(*self._origin), reach, duration_s]
            edges = [v, self._edges, self._edge_near, *world]
            wp.launch(touch.look_around, len(self), [v, *world], device=device)
            wp.launch(touch.look_around_edges, len(self._edges), edges, device=device)
        if self._grid is not None:
            radius = 1.2 * self._widest + 2 * float(self.thin.radius.max()) + 2 * reach
            wp.launch(touch.measure_faces, len(self._crowd.faces), [v, self._crowd], device=device)
            self._grid.build(self._crowd.middle, radius)
            wp.launch(
                touch.look_for_company, len(self), [v, self._crowd, self._grid.id, radius, 2 * reach], device=device
            )
            self.lost = max(self.lost, int(self._crowd.lost.numpy()[0]))

    def substep(self) -> None:
        """Take one."""
        wp = self._wp
        if self._solid_touch is not None:
            if self._done % self._every == 0:
                self._solid_touch.look(self._way)
            self._done += 1
        if self._graph is None:
            with wp.ScopedCapture(device=self.device) as capture:
                self._launch()
            self._graph = capture.graph
        wp.capture_launch(self._graph)

    def _launch(self) -> None:
        """The kernels of one substep."""
        wp, device, v, e = self._wp, self.device, self._vertices, self._elements
        thin, forces, touch = self.thin, self._forces, self._touch
        for kernel, count in (
            (forces.membrane, len(thin.membrane.corners)), (forces.hinges, len(thin.hinges.corners)),
            (forces.springs, len(thin.springs.ends)), (forces.bends, len(thin.bends.corners)),
        ):  # fmt: skip
            if count:
                wp.launch(kernel, count, [v, e], device=device)
        if len(self._inner):
            wp.launch(self._solid_forces, len(thin.solid.corners), [v, self._solids], device=device)
        wp.launch(touch.kick, len(self), [v, self._dt], device=device)
        if self._others is not None:
            self._others(self._dt)
        if self._meet:
            wp.launch(touch.mingle, len(self), [v, self._crowd, self._dt], device=device)
        if self._solid_touch is not None:
            self._solid_touch.launch(self._bodies, self._dt)
        world = [self._pieces, self._bodies, self._rigid, self._sums, wp.vec3d(*self._origin), self._dt]
        if self.obstacles:
            edges = [v, self._edges, self._edge_shares, self._edge_near, *world]
            wp.launch(touch.span, len(self._edges), edges, device=device)
        if self._ties:
            wp.launch(self._hung.weigh_ties, len(self), [v, self._bodies, self._rigid, self._dt], device=device)
            wp.launch(self._hung.meet_ties, len(self.obstacles), [self._bodies, self._rigid], device=device)
        moved = [v, *world[:4], self._pulls, *world[4:]]
        wp.launch(touch.move, len(self), moved, device=device)
        if self.obstacles:
            gravity = wp.vec3(*self._gravity)
            wp.launch(touch.carry, len(self.obstacles), [self._bodies, self._rigid, gravity, self._dt], device=device)

    def touches(self) -> Touches:
        """What happened between obstacles and bodies since this was last called."""
        found = Touches.of(self._sums.numpy()[: len(self.obstacles)], self._origin)
        self._sums.zero_()
        return found

    def pulls(self) -> Touches:
        """What vertices that obstacles hold did to these since this was last called."""
        found = Touches.of(self._pulls.numpy()[: len(self.obstacles)], self._origin)
        self._pulls.zero_()
        return found

    def energy(self) -> tuple[float, float]:
        """Kinetic energy and elastic energy [J]."""
        from simvid.physics.thin.energy import elastic_energy

        kinetic = float((self.thin.masses[:, None] * self.velocities() ** 2).sum() / 2)
        return kinetic, elastic_energy(self.thin, self.positions())
