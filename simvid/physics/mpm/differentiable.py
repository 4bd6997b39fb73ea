"""Differentiable MPM: positions of elastic bodies over frames, and gradients of any loss of them.

The backward pass keeps the state at each frame and runs the substeps of one frame again before it goes back through
them (checkpointing; Griewank 1992), so memory is that of one frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.mpm.colliders import Obstacle
from simvid.physics.mpm.domain import Domain, stable_step
from simvid.physics.mpm.materials import MpmMaterial
from simvid.physics.mpm.particles import Particles

Floats = NDArray[np.float64]
Given = float | Sequence[float] | NDArray[np.floating]
MOST_PLANES = 6
"""As in ``warp_gradient``."""
MOST_NODES = 20_000_000


@dataclass(frozen=True, eq=False)
class Gradients:
    """Of a loss, with respect to what each particle is made of and how it starts.

    Attributes:
        young: [1/Pa], [N]; the sum is that of a common modulus.
        poisson: [N].
        velocity: [s/m], [N, 3].
    """

    young: Floats
    poisson: Floats
    velocity: Floats


class DifferentiableMpm:
    """Elastic particles (fixed corotated or Neo-Hookean) on planes, for ``frames`` frames of equal substeps."""

    def __init__(  # noqa: PLR0913
        self,
        particles: Particles,
        domain: Domain,
        *,
        frames: int,
        frame_s: float,
        largest_young_pa: float,
        planes: Sequence[Obstacle] = (),
        gravity_m_s2: Sequence[float] = (0.0, 0.0, -9.81),
        speed_m_s: float = 5.0,
        device: str = "cpu",
    ) -> None:
        """Prepare; kernels compile once for the machine.

        Args:
            particles: start; their own moduli and velocities do not count, what ``simulate`` is given does.
            domain: where they may be; its grid is there everywhere, so keep it small.
            frames: after the start.
            frame_s: time between them [s].
            largest_young_pa: which Young's modulus the substep must be stable for, at a Poisson's ratio of 0.45.
            planes: obstacles that stand still, of one plane each.
            gravity_m_s2: on all particles.
            speed_m_s: which the substep must be stable for.
            device: "cpu" or "cuda:0".

        Raises:
            PhysicsError: a model that is not elastic, particles outside, other obstacles, too many nodes.
        """
        domain.check(particles)
        models = {m.model for m in particles.materials}
        if models - {"fixed_corotated", "neo_hookean"}:
            raise PhysicsError(
                f"DifferentiableMpm: expected fixed_corotated and neo_hookean, got {', '.join(sorted(models))}"
            )
        if len(planes) > MOST_PLANES or any([p.kind for p in o.pieces] != ["plane"] for o in planes):
            raise PhysicsError(f"DifferentiableMpm.planes: expected at most {MOST_PLANES} obstacles of one plane each")
        if math.prod(domain.blocks) * 64 > MOST_NODES:
            raise PhysicsError(
                f"DifferentiableMpm: {math.prod(domain.blocks) * 64} nodes are more than {MOST_NODES}: take a smaller "
                f"domain or a spacing_m above {domain.spacing_m:g}"
            )
        self.particles, self.domain, self.frames, self.device = particles, domain, frames, device
        self.largest_young_pa, self.speed_m_s = largest_young_pa, speed_m_s
        limit = stable_step(self._stiffest(), domain.spacing_m, speed_m_s)
        self.substeps = math.ceil(frame_s / limit - 1e-9)
        self.step_s = frame_s / self.substeps
        self._gravity = tuple(float(g) for g in gravity_m_s2)
        self._allocate(planes)
        self._kept: list[list[NDArray[np.float32]]] = []

    def _stiffest(self) -> Particles:
        worst = tuple(
            MpmMaterial(m.model, m.density_kg_m3, young_modulus_pa=self.largest_young_pa, poisson_ratio=0.45)
            for m in self.particles.materials
        )
        p = self.particles
        return Particles(
            p.positions, p.velocities, p.volumes, p.body, worst, p.affine, p.deformation, np.ones_like(p.volumes)
        )

    def _allocate(self, planes: Sequence[Obstacle]) -> None:
        import warp as wp

        wp.config.log_level = wp.LOG_ERROR

        from simvid.physics.mpm import warp_gradient as kernels
        from simvid.physics.mpm.warp_arrays import device_array

        self._wp, self._k = wp, kernels
        p, d, n = self.particles, self.device, len(self.particles)
        self._origin = self.domain.origin
        shape = tuple(4 * b for b in self.domain.blocks)
        kinds = (("x", wp.vec3), ("v", wp.vec3), ("C", wp.mat33), ("F", wp.mat33))
        self._steps, self._nodes = [], []
        for _ in range(self.substeps + 1):
            step = kernels.Step()
            for name, dtype in kinds:
                setattr(step, name, wp.zeros(n, dtype=dtype, device=d, requires_grad=True))
            self._steps.append(step)
        for _ in range(self.substeps):
            nodes = kernels.Nodes()
            nodes.momentum = wp.zeros(shape, dtype=wp.vec3, device=d, requires_grad=True)
            nodes.mass = wp.zeros(shape, dtype=wp.float32, device=d, requires_grad=True)
            nodes.velocity = wp.zeros(shape, dtype=wp.vec3, device=d, requires_grad=True)
            self._nodes.append(nodes)
        stuff = kernels.Stuff()
        stuff.young = wp.zeros(n, dtype=wp.float32, device=d, requires_grad=True)
        stuff.poisson = wp.zeros(n, dtype=wp.float32, device=d, requires_grad=True)
        stuff.mass = device_array(p.masses, wp.float32, d)
        stuff.volume = device_array(p.volumes, wp.float32, d)
        stuff.model = device_array(p.per_particle()[0], wp.int32, d)
        self._stuff = stuff
        pose = [o.pose @ o.pieces[0].pose for o in planes]
        walls = kernels.Planes()
        walls.normal = device_array([m[:3, 2] for m in pose], wp.vec3, d)
        walls.offset = device_array([m[:3, 2] @ (m[:3, 3] - self._origin) for m in pose], wp.float32, d)
        walls.friction = device_array([o.pieces[0].friction for o in planes], wp.float32, d)
        walls.sticky = device_array([int(o.pieces[0].sticky) for o in planes], wp.int32, d)
        self._planes, self._shape = walls, shape
        self._tape: Any = None
        self._graphs: tuple[Any, Any] | None = None

    def _launch_frame(self) -> None:
        """The substeps of one frame, from the first step's arrays to the last one's."""
        wp, k, n, d = self._wp, self._k, len(self.particles), self.device
        h, dt = self.domain.spacing_m, self.step_s
        for i, nodes in enumerate(self._nodes):
            step, after = self._steps[i], self._steps[i + 1]
            wp.launch(k.give, n, [step, self._stuff, nodes, h, dt], device=d)
            wp.launch(k.move, self._shape, [nodes, self._planes, wp.vec3(*self._gravity), h, dt], device=d)
            wp.launch(k.take, n, [step, after, nodes, h, dt], device=d)

    def _clear(self) -> None:
        for nodes in self._nodes:
            for array in (nodes.momentum, nodes.mass, nodes.velocity):
                array.zero_()

    def _clear_gradients(self) -> None:
        """Of all but the last step, whose gradients are what is given."""
        for nodes in self._nodes:
            for array in (nodes.momentum, nodes.mass, nodes.velocity):
                array.grad.zero_()
        for step in self._steps[:-1]:
            for array in (step.x, step.v, step.C, step.F):
                array.grad.zero_()
        self._stuff.young.grad.zero_()
        self._stuff.poisson.grad.zero_()

    def _capture(self) -> tuple[Any, Any]:
        """Graphs of the way forth and of the way back through one frame."""
        if self._graphs is None:
            wp = self._wp
            wp.load_module(self._k, device=self.device)
            with wp.ScopedCapture(device=self.device) as forth:
                self._clear()
                self._launch_frame()
            self._tape = wp.Tape()
            with self._tape:
                self._launch_frame()
            with wp.ScopedCapture(device=self.device) as back:
                self._clear_gradients()
                self._tape.backward()
            self._graphs = forth.graph, back.graph
        return self._graphs

    def simulate(self, young_pa: Given, poisson_ratio: Given, velocity_m_s: Given) -> Floats:
        """Run all frames and keep the state at each.

        Args:
            young_pa: of all particles, or of each [N].
            poisson_ratio: the same.
            velocity_m_s: at the start, of all [3] or of each [N, 3].

        Returns:
            Positions at the frames after the start [m], [frames, N, 3].

        Raises:
            PhysicsError: numbers out of range, particles outside the domain or no numbers any more.
        """
        n, p = len(self.particles), self.particles
        young, poisson = (np.broadcast_to(np.asarray(a, np.float32), (n,)) for a in (young_pa, poisson_ratio))
        if not (young > 0).all() or not (young <= self.largest_young_pa * (1 + 1e-6)).all():
            raise PhysicsError(
                f"DifferentiableMpm: expected Young's moduli above 0 and up to {self.largest_young_pa:g} Pa "
                f"(largest_young_pa), got {young.min():g} to {young.max():g}"
            )
        if not ((poisson >= 0) & (poisson <= 0.45)).all():
            raise PhysicsError(
                f"DifferentiableMpm: expected Poisson's ratios from 0 to 0.45, got {poisson.min():g} to "
                f"{poisson.max():g}"
            )
        self._stuff.young.assign(np.ascontiguousarray(young))
        self._stuff.poisson.assign(np.ascontiguousarray(poisson))
        velocity = np.ascontiguousarray(np.broadcast_to(np.asarray(velocity_m_s, np.float32), (n, 3)))
        start = (p.positions.astype(np.float64) - self._origin).astype(np.float32)
        self._kept = [[start, velocity, p.affine, p.deformation]]
        self._load(self._kept[0])  # recording runs the kernels
        forth, _ = self._capture()
        out = np.empty((self.frames, n, 3))
        for frame in range(self.frames):
            self._load(self._kept[-1])
            self._wp.capture_launch(forth)
            last = self._steps[-1]
            self._kept.append([np.array(a.numpy()) for a in (last.x, last.v, last.C, last.F)])
            out[frame] = self._kept[-1][0] + self._origin
            self._watch(out[frame], frame)
        return out

    def _load(self, arrays: list[NDArray[np.float32]]) -> None:
        first = self._steps[0]
        for array, values in zip((first.x, first.v, first.C, first.F), arrays, strict=True):
            array.assign(values)

    def _watch(self, x: Floats, frame: int) -> None:
        fine = ((x >= np.array(self.domain.low_m)) & (x <= np.array(self.domain.high_m))).all(axis=1)
        if not fine.all():
            k = int(np.argmin(fine))
            raise PhysicsError(
                f"{int((~fine).sum())} particles left the domain in frame {frame + 1}, such as {k} at "
                f"{x[k].round(4).tolist()} m: take a larger domain"
            )

    def gradients(self, cotangents: NDArray[np.floating]) -> Gradients:
        """Gradients of a loss, from its derivatives by the positions that the last ``simulate`` returned.

        Args:
            cotangents: dL / dx, [frames, N, 3].

        Raises:
            PhysicsError: nothing was simulated, or another shape.
        """
        n = len(self.particles)
        if len(self._kept) != self.frames + 1 or np.shape(cotangents) != (self.frames, n, 3):
            raise PhysicsError(
                f"DifferentiableMpm.gradients: simulate first, then give [{self.frames}, {n}, 3], got "
                f"{np.shape(cotangents)}"
            )
        forth, back = self._capture()
        stuff, first, last = self._stuff, self._steps[0], self._steps[-1]
        young, poisson = np.zeros(n), np.zeros(n)
        carried = [np.zeros_like(a) for a in self._kept[0]]
        for frame in reversed(range(self.frames)):
            self._load(self._kept[frame])
            self._wp.capture_launch(forth)
            carried[0] = carried[0] + np.asarray(cotangents[frame], np.float32)
            for array, values in zip((last.x, last.v, last.C, last.F), carried, strict=True):
                array.grad.assign(values)
            self._wp.capture_launch(back)
            carried = [np.array(a.grad.numpy()) for a in (first.x, first.v, first.C, first.F)]
            young += stuff.young.grad.numpy()
            poisson += stuff.poisson.grad.numpy()
        return Gradients(young, poisson, np.asarray(carried[1], np.float64))
