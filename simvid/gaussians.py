"""Gaussians: what a thing looks like, as 3-D Gaussian splats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SH_COEFFICIENTS = (1, 4, 9, 16)
SH_C0 = 0.28209479177387814
"""Value of the constant spherical harmonic; colour = 0.5 + SH_C0 * sh[:, 0] + higher bands (3DGS, Kerbl 2023)."""


@dataclass(frozen=True, eq=False)
class Gaussians:
    """N Gaussians in one frame of reference (a part's own frame, or the world after posing).

    Attributes:
        means: centres [m], float32 [N, 3].
        quats: orientations (w, x, y, z), unit, float32 [N, 4].
        scales: standard deviations along the local axes [m], float32 [N, 3], > 0.
        opacities: peak opacity in [0, 1], float32 [N].
        sh: spherical-harmonic colour, float32 [N, K, 3], K in 1, 4, 9, 16; display-referred (sRGB) as captures are.
            Mesh-made Gaussians have K = 1 and hold the unlit albedo, also sRGB.
        owner: id of the part each belongs to (``Trajectory.parts[owner - 1]``), int32 [N]; 0 = scenery.

    Convention for mesh-made Gaussians: the local +z axis is the outward surface normal and ``scales[:, 2]`` the
    smallest scale. For captures the normal is the axis of the smallest scale, turned towards the camera.
    """

    means: NDArray[np.float32]
    quats: NDArray[np.float32]
    scales: NDArray[np.float32]
    opacities: NDArray[np.float32]
    sh: NDArray[np.float32]
    owner: NDArray[np.int32]

    def __post_init__(self) -> None:
        n = len(self.means)
        expected = {"means": (n, 3), "quats": (n, 4), "scales": (n, 3), "opacities": (n,), "owner": (n,)}
        for name, shape in expected.items():
            got = getattr(self, name).shape
            if got != shape:
                raise ValueError(f"Gaussians.{name}: expected shape {shape}, got {got}")
        if self.sh.ndim != 3 or len(self.sh) != n or self.sh.shape[1] not in SH_COEFFICIENTS or self.sh.shape[2] != 3:
            raise ValueError(
                f"Gaussians.sh: expected shape ({n}, K, 3) with K in {SH_COEFFICIENTS}, got {self.sh.shape}"
            )
        for name in ("means", "quats", "scales", "opacities", "sh"):
            array = getattr(self, name)
            if array.dtype != np.float32:
                raise ValueError(f"Gaussians.{name}: expected float32, got {array.dtype}")
            bad = int(np.count_nonzero(~np.isfinite(array)))
            if bad:
                raise ValueError(f"Gaussians.{name}: {bad} values are NaN or infinite; drop those Gaussians first")
        if self.owner.dtype != np.int32:
            raise ValueError(f"Gaussians.owner: expected int32, got {self.owner.dtype}")
        if n and float(self.scales.min()) <= 0:
            raise ValueError(f"Gaussians.scales: must be > 0 m, got {float(self.scales.min())}")
        if n and not (float(self.opacities.min()) >= 0 and float(self.opacities.max()) <= 1):
            raise ValueError(
                f"Gaussians.opacities: must lie in [0, 1], got {self.opacities.min()} to {self.opacities.max()}"
            )

    def _repr_html_(self) -> str:
        """For notebooks: a view from the front, and sizes."""
        from simvid.notebook import gaussians_html

        return gaussians_html(self)

    def __len__(self) -> int:
        return len(self.means)

    def __repr__(self) -> str:
        return f"Gaussians(n={len(self)}, sh_coefficients={self.sh.shape[1]}, owners={len(np.unique(self.owner))})"

    @property
    def sh_degree(self) -> int:
        """Degree of the spherical harmonics, 0 to 3."""
        return SH_COEFFICIENTS.index(self.sh.shape[1])

    @staticmethod
    def empty() -> Gaussians:
        """No Gaussians at all."""
        f = np.float32
        return Gaussians(
            np.zeros((0, 3), f), np.zeros((0, 4), f), np.zeros((0, 3), f), np.zeros(0, f), np.zeros((0, 1, 3), f),
            np.zeros(0, np.int32),
        )  # fmt: skip

    @staticmethod
    def concatenate(groups: Sequence[Gaussians]) -> Gaussians:
        """Join groups; lower SH degrees are padded with zeros to the highest one present."""
        if not groups:
            return Gaussians.empty()
        k = max(g.sh.shape[1] for g in groups)
        padded = [np.pad(g.sh, ((0, 0), (0, k - g.sh.shape[1]), (0, 0))) for g in groups]

        def join(field: str) -> NDArray[np.float32]:
            return np.concatenate([getattr(g, field) for g in groups])

        return Gaussians(
            join("means"), join("quats"), join("scales"), join("opacities"), np.concatenate(padded),
            np.concatenate([g.owner for g in groups]),
        )  # fmt: skip
