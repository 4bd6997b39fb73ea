"""Raster: one picture of Gaussians. Rasterizer: what makes it. The rules that all backends follow.

The conventions are gsplat 1.5.3's (Ye et al. 2024, arXiv:2409.06765), in its classic mode: EWA splatting (Zwicker et
al. 2001) with the Jacobian's x/z and y/z held within the field of view widened by 15 % on each side, ``eps2d`` added
to the diagonal of the 2-D covariance, blending front to back by the depth of the means (3DGS, Kerbl et al. 2023).

Other lenses splat in the same way, with the Jacobian of the lens at each mean (gsplat's ``camera_model``). Beyond the
largest slope of the picture, widened by 30 %, or of the lens, it goes on straight, so that nothing folds back.

A Gaussian is left out if its mean, quaternion, scales or opacity hold NaN or infinity, if its colour does, if its
quaternion is as good as zero, or if its covariance on the picture is as good as singular or infinite (limits below).
Opacities above one are opaque: no alpha exceeds ALPHA_MAX.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from simvid.errors import RenderError
from simvid.gaussians import SH_COEFFICIENTS
from simvid.optics import Lens, check_picture, widest_slope

ALPHA_MIN = 1 / 255
"""A Gaussian fainter than this at a pixel is left out there."""

ALPHA_MAX = 0.999
"""No Gaussian covers more than this."""

STOP_TRANSMITTANCE = 1e-4
"""The Gaussian that would bring the transmittance to this or below is left out, with all behind it."""

LEAST_DETERMINANT_PX4 = 1e-30
"""A Gaussian whose 2-D covariance has a determinant below this is left out: only without ``eps2d`` can that be."""

MOST_PX2 = 1e38
"""A Gaussian is left out if a variance [px^2] or the determinant [px^4] of its 2-D covariance exceeds this."""

QUAT_NORMS = (1e-30, 1e30)
"""A Gaussian whose quaternion's squared norm is not between these is left out."""

MOST_COLOUR = 1e30
"""A Gaussian with a colour above this is left out."""

LABELS = frozenset({"expected_depth", "median_depth", "ids"})
"""What ``want`` may hold."""

PLAIN = Lens()
MAX_SIDE_PX = 16384
FOCAL_PX = (1e-6, 1e9)
"""Focal lengths that are taken for such: pixels, or pixels per metre under an orthographic lens."""
MOST_CENTRE_PX = 1e5
"""Farthest that the principal point may lie from 0: beyond, float32 cannot place a mean to a hundredth of a pixel."""
MAX_OWNER = (1 << 20) - 1


@dataclass(frozen=True, eq=False)
class Raster:
    """One picture. w is a Gaussian's weight at a pixel: its alpha times the transmittance in front of it.

    Attributes:
        features: sum of w times the Gaussians' channels, float32 [H, W, D]; no background, not divided by alpha.
        alpha: sum of w, float32 [H, W].
        expected_depth: sum(w z) / sum(w), z of the means in camera axes [m]; +inf where alpha < 1/255; float32 [H, W].
        median_depth: z [m] of the Gaussian at which the transmittance falls below 0.5; +inf where it never does.
        ids: the owner whose summed weight is largest, int32 [H, W]; 0 where alpha < 0.5.
    """

    features: NDArray[np.float32]
    alpha: NDArray[np.float32]
    expected_depth: NDArray[np.float32] | None = None
    median_depth: NDArray[np.float32] | None = None
    ids: NDArray[np.int32] | None = None


@runtime_checkable
class Rasterizer(Protocol):
    """Anything that turns Gaussians into a picture by the rules above."""

    def rasterize(  # noqa: PLR0913  the arguments of gsplat's rasterization(), under its names
        self,
        means: NDArray[np.float32],
        quats: NDArray[np.float32],
        scales: NDArray[np.float32],
        opacities: NDArray[np.float32],
        features: NDArray[np.float32] | None = None,
        *,
        viewmat: NDArray[np.float64],
        K: NDArray[np.float64],
        width: int,
        height: int,
        sh: NDArray[np.float32] | None = None,
        sh_rotations: NDArray[np.float64] | None = None,
        owner: NDArray[np.int32] | None = None,
        near_m: float = 0.01,
        far_m: float = 1e6,
        eps2d: float = 0.3,
        want: frozenset[str] = frozenset(),
        lens: Lens = PLAIN,
    ) -> Raster:
        """Rasterize N Gaussians seen by one camera.

        The channels of the result are, in this order, red, green and blue if ``sh`` is given, then ``features``.

        Args:
            means: centres in the world [m], [N, 3].
            quats: orientations (w, x, y, z), of any length but zero, [N, 4].
            scales: standard deviations [m], [N, 3].
            opacities: 0 to 1, [N].
            features: channels to blend as they are, [N, D] with any D, or None.
            viewmat: camera_from_world, rigid, [4, 4]. Camera axes: +x right, +y down, +z forward.
            K: intrinsics [px], [3, 3], without skew. Pixel centres lie at +0.5.
            width: of the picture [px].
            height: of the picture [px].
            sh: spherical-harmonic colour [N, K, 3], K in 1, 4, 9, 16; colour = max(0, 0.5 + basis @ sh).
            sh_rotations: world_from_sh of each owner [P + 1, 3, 3], for objects that moved: the harmonics are looked
                up at R^T (mean - camera centre), normalised. None: identity for all.
            owner: id of the part each Gaussian belongs to [N], 0 to 1048575. None: 0 for all.
            near_m: Gaussians with z below this are left out [m].
            far_m: Gaussians with z above this are left out [m].
            eps2d: added to the diagonal of the 2-D covariance [px^2].
            want: which of "expected_depth", "median_depth", "ids" to compute.
            lens: what bends the slopes x / z, y / z before K is applied. A rasterizer of plain pinholes alone may do
                without this argument: it is left out for them.

        Raises:
            RenderError: an argument has the wrong shape or a value that cannot be drawn.
        """
        ...


@dataclass(frozen=True, eq=False)
class RasterJob:
    """The arguments of ``rasterize``, checked, contiguous and without None where a default exists."""

    means: NDArray[np.float32]
    quats: NDArray[np.float32]
    scales: NDArray[np.float32]
    opacities: NDArray[np.float32]
    features: NDArray[np.float32]
    viewmat: NDArray[np.float64]
    K: NDArray[np.float64]
    width: int
    height: int
    sh: NDArray[np.float32] | None
    sh_rotations: NDArray[np.float64] | None
    owner: NDArray[np.int32] | None
    near_m: float
    far_m: float
    eps2d: float
    want: frozenset[str]
    lens: Lens = PLAIN

    def __len__(self) -> int:
        return len(self.means)

    @property
    def channels(self) -> int:
        """Channels of the result."""
        return int(self.features.shape[1]) + (0 if self.sh is None else 3)

    @property
    def jacobian_limits(self) -> tuple[float, float, float, float]:
        """Least and most x/z, least and most y/z in the Jacobian of the projection (gsplat's ``persp_proj``)."""
        fx, fy, cx, cy = self.K[0, 0], self.K[1, 1], self.K[0, 2], self.K[1, 2]
        wide, tall = 0.15 * self.width / fx, 0.15 * self.height / fy
        limits = (-cx / fx - wide, (self.width - cx) / fx + wide, -cy / fy - tall, (self.height - cy) / fy + tall)
        return tuple(float(limit) for limit in limits)  # type: ignore[return-value]

    @property
    def slope_limit(self) -> float:
        """Slope radius beyond which a lens other than a plain pinhole goes on straight."""
        return widest_slope(self.lens, self.K, self.width, self.height)


def checked_job(**given: Any) -> RasterJob:
    """Check the arguments of ``rasterize`` and bring them into the form of a ``RasterJob``.

    Raises:
        RenderError: naming the argument, what it is and what is allowed.
    """
    given["means"] = _array("means", given["means"], np.float32, (None, 3))
    n = len(given["means"])
    if given["features"] is None:
        given["features"] = np.zeros((n, 0), np.float32)
    for name, width in {"quats": 4, "scales": 3}.items():
        given[name] = _array(name, given[name], np.float32, (n, width))
    given["opacities"] = _array("opacities", given["opacities"], np.float32, (n,))
    given["features"] = _array("features", given["features"], np.float32, (n, None))
    given["viewmat"] = _array("viewmat", given["viewmat"], np.float64, (4, 4))
    given["K"] = _array("K", given["K"], np.float64, (3, 3))
    optional: tuple[tuple[str, Any, tuple[int | None, ...]], ...] = (
        ("sh", np.float32, (n, None, 3)),
        ("sh_rotations", np.float64, (None, 3, 3)),
        ("owner", np.int32, (n,)),
    )
    for name, dtype, shape in optional:
        if given[name] is not None:
            given[name] = _array(name, given[name], dtype, shape)
    job = RasterJob(**{**given, "want": frozenset(given["want"])})
    _check_camera(job)
    _check_values(job)
    return job


def _array(name: str, value: Any, dtype: Any, shape: tuple[int | None, ...]) -> NDArray[Any]:
    raw = np.asarray(value)
    if raw.dtype.kind not in ("iu" if dtype is np.int32 else "iuf"):
        wanted = "integers" if dtype is np.int32 else "real numbers"
        raise RenderError(f"rasterize: {name}: expected an array of {wanted}, got {raw.dtype}")
    if dtype is np.int32 and raw.dtype in (np.int64, np.uint64, np.uint32):
        raw = np.clip(raw, -1, 2**31 - 1)  # beyond int32 they must not wrap around to what is allowed
    with np.errstate(over="ignore"):  # too large for float32: infinite, and treated as that
        array = np.ascontiguousarray(raw, dtype=dtype)
    if array.ndim != len(shape) or any(w is not None and g != w for g, w in zip(array.shape, shape, strict=True)):
        wanted = "(" + ", ".join("any" if w is None else str(w) for w in shape) + ")"
        raise RenderError(f"rasterize: {name}: expected shape {wanted}, got {array.shape}")
    return array


def _check_camera(job: RasterJob) -> None:
    for name in ("width", "height"):
        side = getattr(job, name)
        if not isinstance(side, int | np.integer) or not 1 <= side <= MAX_SIDE_PX:
            raise RenderError(f"rasterize: {name}: expected a whole number from 1 to {MAX_SIDE_PX} px, got {side}")
    _check_intrinsics(job.K)
    try:
        check_picture(job.lens, job.K, job.width, job.height)
    except ValueError as error:
        raise RenderError(f"rasterize: {error}") from error
    rotation = job.viewmat[:3, :3]
    rigid = np.isfinite(job.viewmat).all() and np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-4
    if not (rigid and np.cross(rotation[0], rotation[1]) @ rotation[2] > 0):
        raise RenderError(
            "rasterize: viewmat: expected a rigid camera_from_world matrix (rotation and translation, no scale, no "
            f"mirror), got {job.viewmat.tolist()}"
        )
    if not 0 < job.near_m < job.far_m:
        raise RenderError(f"rasterize: near_m, far_m: expected 0 < near < far, got {job.near_m}, {job.far_m} m")
    if not 0 <= job.eps2d < np.inf:
        raise RenderError(f"rasterize: eps2d: expected >= 0 px^2, got {job.eps2d}")


def _check_intrinsics(K: NDArray[np.float64]) -> None:
    least, most = FOCAL_PX
    for focal in (K[0, 0], K[1, 1]):
        if not least <= focal <= most:
            raise RenderError(f"rasterize: K: focal lengths must lie in {least:g} to {most:g} px, got {K.tolist()}")
    if not np.abs(K[:2, 2]).max() <= MOST_CENTRE_PX:
        raise RenderError(
            f"rasterize: K: the principal point must lie within {MOST_CENTRE_PX:g} px of 0, got {K.tolist()}"
        )
    if K[0, 1] != 0:
        raise RenderError(f"rasterize: K: skew (K[0, 1]) must be 0, got {K[0, 1]}")
    if K[1, 0] != 0 or K[2].tolist() != [0, 0, 1]:
        raise RenderError(f"rasterize: K: expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], got {K.tolist()}")


def _check_values(job: RasterJob) -> None:
    unknown = job.want - LABELS
    if unknown:
        raise RenderError(f"rasterize: want: unknown {sorted(unknown)}; allowed are {sorted(LABELS)}")
    if job.sh is not None and job.sh.shape[1] not in SH_COEFFICIENTS:
        raise RenderError(f"rasterize: sh: expected {SH_COEFFICIENTS} coefficients, got {job.sh.shape[1]}")
    with np.errstate(all="ignore"):  # a sum that overflows is looked at closely in the next line
        suspicious = not np.isfinite(job.features.sum())
    if suspicious and not np.isfinite(job.features).all():
        raise RenderError("rasterize: features: contain NaN or infinite values; drop those Gaussians first")
    if job.sh_rotations is not None and not np.isfinite(job.sh_rotations).all():
        raise RenderError("rasterize: sh_rotations: contain NaN or infinite values; expected rotations")
    if job.owner is None or not len(job):
        return
    least, most = int(job.owner.min()), int(job.owner.max())
    if least < 0 or most > MAX_OWNER:
        raise RenderError(f"rasterize: owner: ids must lie in 0 to {MAX_OWNER}, got {least if least < 0 else most}")
    if job.sh_rotations is not None and most >= len(job.sh_rotations):
        raise RenderError(f"rasterize: sh_rotations: has {len(job.sh_rotations)} rotations, owner goes up to {most}")
