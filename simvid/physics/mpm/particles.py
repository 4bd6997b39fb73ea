"""Particles as arrays, checked, and the lattice that fills a shape with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simvid.errors import PhysicsError
from simvid.physics.mpm.materials import MODELS, MpmMaterial

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Particles:
    """N particles at t = 0.

    Attributes:
        positions: [m], [N, 3].
        velocities: [m/s], [N, 3].
        volumes: at rest [m^3], [N].
        body: index of the body that each belongs to, from 0 without gaps, [N].
        materials: of each body.
        affine: APIC's velocity gradient C [1/s], [N, 3, 3].
        deformation: F, [N, 3, 3].
        young_scale: factor on the body's Young's modulus (bulk modulus of a fluid), [N].
    """

    positions: Array
    velocities: Array
    volumes: Array
    body: NDArray[np.int32]
    materials: tuple[MpmMaterial, ...]
    affine: Array
    deformation: Array
    young_scale: Array

    @staticmethod
    def of(
        positions: NDArray[np.floating],
        volume_m3: float | NDArray[np.floating],
        material: MpmMaterial,
        *,
        velocity_m_s: Sequence[float] | NDArray[np.floating] = (0.0, 0.0, 0.0),
        spin_rad_s: Sequence[float] = (0.0, 0.0, 0.0),
        young_scale: float | NDArray[np.floating] = 1.0,
    ) -> Particles:
        """One body, undeformed, that moves rigidly: ``velocity_m_s`` of its centre and ``spin_rad_s`` about it.

        Raises:
            PhysicsError: numbers that are none, volumes or factors that are not positive, wrong shapes.
        """
        x = np.array(positions, np.float32)
        n = len(x)
        if x.shape != (n, 3) or not n:
            raise PhysicsError(f"Particles.positions: expected shape (N, 3) with N > 0, got {x.shape}")
        w = np.array(spin_rad_s, np.float64)
        turning = np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]])
        arm = x.astype(np.float64) - np.average(x.astype(np.float64), axis=0)
        return Particles(
            positions=x,
            velocities=(np.broadcast_to(np.asarray(velocity_m_s, np.float64), (n, 3)) + arm @ turning.T).astype("f4"),
            volumes=np.broadcast_to(np.asarray(volume_m3, np.float32), (n,)).copy(),
            body=np.zeros(n, np.int32),
            materials=(material,),
            affine=np.broadcast_to(turning.astype(np.float32), (n, 3, 3)).copy(),
            deformation=np.broadcast_to(np.eye(3, dtype=np.float32), (n, 3, 3)).copy(),
            young_scale=np.broadcast_to(np.asarray(young_scale, np.float32), (n,)).copy(),
        )

    def __post_init__(self) -> None:
        n = len(self.positions)
        shapes = {
            "positions": (n, 3), "velocities": (n, 3), "volumes": (n,), "body": (n,), "affine": (n, 3, 3),
            "deformation": (n, 3, 3), "young_scale": (n,),
        }  # fmt: skip
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise PhysicsError(f"Particles.{name}: expected shape {shape}, got {array.shape}")
            bad = ~np.isfinite(array).reshape(n, -1).all(axis=1)
            if bad.any():
                raise PhysicsError(f"Particles.{name}: particle {int(np.argmax(bad))} is no number: {array[bad][0]}")
        for name in ("volumes", "young_scale"):
            array = getattr(self, name)
            if (array <= 0).any():
                k = int(np.argmax(array <= 0))
                raise PhysicsError(f"Particles.{name}: expected more than 0, got {array[k]:g} at particle {k}")
        if n and (self.body.min() < 0 or self.body.max() >= len(self.materials)):
            raise PhysicsError(
                f"Particles.body: expected 0 to {len(self.materials) - 1}, got {self.body.min()} to {self.body.max()}"
            )

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def masses(self) -> Array:
        """[kg], [N]."""
        density = np.array([m.density_kg_m3 for m in self.materials], np.float32)
        return self.volumes * density[self.body]

    def per_particle(self) -> tuple[NDArray[np.int32], Array, Array]:
        """Index of the model [N], Lame's mu and lambda [N, 2], the model's own numbers [N, 4]."""
        lame = np.array([m.lame for m in self.materials], np.float32)[self.body] * self.young_scale[:, None]
        give = np.array([m.give for m in self.materials], np.float32)[self.body]
        return np.array([MODELS.index(m.model) for m in self.materials], np.int32)[self.body], lame, give

    def sound_speed_m_s(self) -> float:
        """The fastest."""
        speeds = np.array([m.sound_speed_m_s for m in self.materials])[self.body]
        return float((speeds * np.sqrt(self.young_scale)).max())

    def moved(self, by_m: Sequence[float]) -> Particles:
        """The same elsewhere."""
        return replace(self, positions=self.positions + np.asarray(by_m, np.float32))


def joined(groups: Sequence[Particles]) -> Particles:
    """All bodies of several groups, in their order."""
    firsts = np.cumsum([0, *(len(g.materials) for g in groups)])
    names = ("positions", "velocities", "volumes", "affine", "deformation", "young_scale")
    return Particles(
        body=np.concatenate([g.body + np.int32(f) for g, f in zip(groups, firsts, strict=False)]),
        materials=tuple(m for g in groups for m in g.materials),
        **{name: np.concatenate([getattr(g, name) for g in groups]) for name in names},
    )


def lattice(low_m: Sequence[float], high_m: Sequence[float], spacing_m: float) -> tuple[NDArray[np.float64], float]:
    """Points that fill a box evenly, about ``spacing_m`` apart, [N, 3], and the volume of each [m^3]."""
    low, size = np.asarray(low_m, np.float64), np.asarray(high_m, np.float64) - np.asarray(low_m, np.float64)
    counts = np.maximum(np.round(size / spacing_m), 1).astype(int)
    axes = [low[a] + (np.arange(counts[a]) + 0.5) * size[a] / counts[a] for a in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return points, float(np.prod(size / counts))
