"""ReferenceRasterizer: slow, in float64, as plain as the formulas. What the fast rasterizers are tested against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvid.optics import Lens, bend
from simvid.rendering.raster import (
    ALPHA_MAX,
    ALPHA_MIN,
    LEAST_DETERMINANT_PX4,
    MOST_COLOUR,
    MOST_PX2,
    PLAIN,
    QUAT_NORMS,
    STOP_TRANSMITTANCE,
    Raster,
    RasterJob,
    checked_job,
)
from simvid.spherical_harmonics import basis

Array = NDArray[np.float64]


class ReferenceRasterizer:
    """The oracle: one Gaussian after the other, nearest first. See ``Rasterizer`` for the arguments."""

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
        """As ``Rasterizer.rasterize``."""
        job = checked_job(
            means=means, quats=quats, scales=scales, opacities=opacities, features=features, viewmat=viewmat, K=K,
            width=width, height=height, sh=sh, sh_rotations=sh_rotations, owner=owner, near_m=near_m, far_m=far_m,
            eps2d=eps2d, want=want, lens=lens,
        )  # fmt: skip
        splats = project(job)
        colours = _colours(job)
        drawable = np.all(colours <= MOST_COLOUR, axis=1)
        channels = np.concatenate([colours, job.features.astype(np.float64)], axis=1)
        owners = np.zeros(len(job), np.int32) if job.owner is None else job.owner
        canvas = Canvas(job, [int(o) for o in np.unique(owners)] if "ids" in job.want else [])
        for i in splats.order[drawable[splats.order]]:
            canvas.blend(splats, int(i), channels[i], int(owners[i]))
        return canvas.raster(job.want)


@dataclass(frozen=True, eq=False)
class Splats:
    """N Gaussians on the picture: means [px] [N, 2], inverse covariances [N, 2, 2], depths z [m] [N], opacities [N].

    ``boxes`` [N, 4]: first and last column, first and last row of pixels whose alpha can reach ALPHA_MIN.
    ``order``: the visible ones, front to back.
    """

    means: Array
    conics: Array
    depths: Array
    opacities: Array
    boxes: NDArray[np.int64]
    order: NDArray[np.int64]


def project(job: RasterJob) -> Splats:
    """Project all Gaussians and find the visible ones (gsplat's ``fully_fused_projection``)."""
    rotation, translation = job.viewmat[:3, :3], job.viewmat[:3, 3]
    with np.errstate(all="ignore"):  # Gaussians that cannot be seen may give NaN or infinity; they are left out below
        points = job.means.astype(np.float64) @ rotation.T + translation
        depths = points[:, 2]
        means, jacobians = pinhole(job, points) if job.lens.plain else through_lens(job, points)
        covariances = covariances_2d(job, jacobians)
        opacities = job.opacities.astype(np.float64)
        # alpha = opacity exp(-q / 2) reaches ALPHA_MIN where the squared distance q is at most this
        reach = 2 * np.log(opacities / ALPHA_MIN)
        extents = np.sqrt(reach[:, None] * np.diagonal(covariances, axis1=1, axis2=2))
        last = np.array([job.width, job.height])
        low = np.ceil(np.clip(means - extents - 0.5, 0, last))
        high = np.floor(np.clip(means + extents - 0.5, -1, last - 1))
        determinants = np.linalg.det(covariances)
        visible = (depths >= job.near_m) & (depths <= job.far_m) & (opacities >= ALPHA_MIN)
        visible &= (determinants >= LEAST_DETERMINANT_PX4) & (determinants <= MOST_PX2)
        visible &= (covariances <= MOST_PX2).all(axis=(1, 2)) & (low <= high).all(axis=1) & _sound(job)
    conics = np.zeros_like(covariances)
    conics[visible] = np.linalg.inv(covariances[visible])
    boxes = np.zeros((len(job), 4), np.int64)
    boxes[visible] = np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)[visible]
    seen = np.flatnonzero(visible)
    order = seen[np.argsort(depths[seen].astype(np.float32), kind="stable")]
    return Splats(means, conics, depths, opacities, boxes, order)


def _sound(job: RasterJob) -> NDArray[np.bool_]:
    """Which Gaussians have finite numbers and a quaternion of some length."""
    numbers = np.concatenate([job.means, job.quats, job.scales, job.opacities[:, None]], axis=1)
    norms = (job.quats.astype(np.float64) ** 2).sum(axis=1)
    return np.asarray(np.isfinite(numbers).all(axis=1) & (norms >= QUAT_NORMS[0]) & (norms <= QUAT_NORMS[1]))


def pinhole(job: RasterJob, points: Array) -> tuple[Array, Array]:
    """Means [px] [N, 2] of points in camera axes [N, 3], and the Jacobians [N, 2, 3] by which they splat."""
    least_x, most_x, least_y, most_y = job.jacobian_limits
    z = points[:, 2]
    jacobians = np.zeros((len(job), 2, 3))
    jacobians[:, 0, 0] = job.K[0, 0] / z
    jacobians[:, 1, 1] = job.K[1, 1] / z
    jacobians[:, 0, 2] = -job.K[0, 0] / z * np.clip(points[:, 0] / z, least_x, most_x)
    jacobians[:, 1, 2] = -job.K[1, 1] / z * np.clip(points[:, 1] / z, least_y, most_y)
    return points[:, :2] / z[:, None] * job.K[[0, 1], [0, 1]] + job.K[:2, 2], jacobians


def through_lens(job: RasterJob, points: Array) -> tuple[Array, Array]:
    """The same through another lens: its derivative by the slopes times theirs by the point."""
    focal, z = job.K[[0, 1], [0, 1]], points[:, 2]
    slopes_by_point = np.tile(np.eye(2, 3), (len(job), 1, 1))
    if job.lens.kind == "orthographic":
        bent, by_slopes = bend(job.lens, points[:, :2])
    else:
        slopes = points[:, :2] / z[:, None] + job.lens.shift
        size = np.linalg.norm(slopes, axis=1)
        held = slopes * np.minimum(1, job.slope_limit / size)[:, None] if np.isfinite(job.slope_limit) else slopes
        bent, by_slopes = bend(job.lens, held)
        bent = bent + np.einsum("nij,nj->ni", by_slopes, slopes - held)
        slopes_by_point[:, :, 2] = -(held - job.lens.shift)
        slopes_by_point /= z[:, None, None]
    return bent * focal + job.K[:2, 2], focal[:, None] * (by_slopes @ slopes_by_point)


def covariances_2d(job: RasterJob, jacobians: Array) -> Array:
    """Blurred covariance on the picture [N, 2, 2] [px^2]: J W S W^T J^T + eps2d I (Zwicker et al. 2001, eq. 31).

    ``jacobians`` [N, 2, 3] are those of the projection at the means.
    """
    axes = _rotations(job.quats.astype(np.float64)) * job.scales.astype(np.float64)[:, None, :]
    axes = job.viewmat[:3, :3] @ axes
    factors = jacobians @ axes
    return np.asarray(factors @ factors.transpose(0, 2, 1) + job.eps2d * np.eye(2))


def _rotations(quats: Array) -> Array:
    """Quaternions of any length [N, 4] to matrices [N, 3, 3]."""
    w, x, y, z = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.array(rows).transpose(2, 0, 1)


def _colours(job: RasterJob) -> Array:
    """Red, green, blue of every Gaussian [N, 3], or [N, 0] without harmonics."""
    if job.sh is None:
        return np.zeros((len(job), 0))
    centre = -job.viewmat[:3, :3].T @ job.viewmat[:3, 3]
    directions = job.means.astype(np.float64) - centre
    with np.errstate(all="ignore"):  # at the camera centre there is no direction; and numbers may be infinite
        if job.sh_rotations is not None:
            owners = np.zeros(len(job), np.int32) if job.owner is None else job.owner
            directions = np.einsum("nij,ni->nj", job.sh_rotations[owners], directions)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        values = basis(directions, job.sh.shape[1])
        return np.asarray(np.maximum(0.5 + np.einsum("nk,nkc->nc", values, job.sh.astype(np.float64)), 0))


class Canvas:
    """The sums at every pixel while Gaussians are blended in."""

    def __init__(self, job: RasterJob, owners: list[int]) -> None:
        size = (job.height, job.width)
        self.transmittance = np.ones(size)
        self.stopped = np.zeros(size, np.bool_)
        self.features = np.zeros((*size, job.channels))
        self.depth = np.zeros(size)
        self.median = np.full(size, np.inf)
        self.owners = owners
        self.weights = {owner: np.zeros(size) for owner in owners}
        self.nearest = {owner: np.full(size, np.inf) for owner in owners}

    def blend(self, splats: Splats, i: int, channels: Array, owner: int) -> None:
        """Lay Gaussian i behind what is there."""
        x0, x1, y0, y1 = splats.boxes[i]
        window = (slice(y0, y1 + 1), slice(x0, x1 + 1))
        dx = np.arange(x0, x1 + 1) + 0.5 - splats.means[i, 0]
        dy = (np.arange(y0, y1 + 1) + 0.5 - splats.means[i, 1])[:, None]
        (a, b), (_, c) = splats.conics[i]
        alpha = np.minimum(
            splats.opacities[i] * np.exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy)), ALPHA_MAX
        )
        before = self.transmittance[window]
        after = before * (1 - alpha)
        reached = (alpha >= ALPHA_MIN) & ~self.stopped[window]
        self.stopped[window] |= reached & (after <= STOP_TRANSMITTANCE)
        drawn = reached & (after > STOP_TRANSMITTANCE)
        weight = np.where(drawn, alpha * before, 0)
        after = np.where(drawn, after, before)
        self.features[window] += weight[..., None] * channels
        self.depth[window] += weight * splats.depths[i]
        self.median[window][(before >= 0.5) & (after < 0.5)] = splats.depths[i]
        self.transmittance[window] = after
        if self.owners:
            self.weights[owner][window] += weight
            nearest = self.nearest[owner][window]
            nearest[drawn] = np.minimum(nearest[drawn], splats.depths[i])

    def raster(self, want: frozenset[str]) -> Raster:
        """The finished picture."""
        alpha = 1 - self.transmittance
        with np.errstate(divide="ignore", invalid="ignore"):  # empty pixels are set to infinity in the same line
            expected = np.where(alpha >= ALPHA_MIN, self.depth / alpha, np.inf)
        return Raster(
            self.features.astype(np.float32),
            alpha.astype(np.float32),
            expected.astype(np.float32) if "expected_depth" in want else None,
            self.median.astype(np.float32) if "median_depth" in want else None,
            self._dominant(alpha) if "ids" in want else None,
        )

    def _dominant(self, alpha: Array) -> NDArray[np.int32]:
        """Owner of the largest summed weight at each pixel; of equal ones the nearer; 0 where alpha < 0.5."""
        result = np.zeros(alpha.shape, np.int32)
        best, nearest = np.zeros(alpha.shape), np.full(alpha.shape, np.inf)
        for owner in self.owners:
            weight, depth = self.weights[owner], self.nearest[owner]
            better = (weight > best) | ((weight == best) & (weight > 0) & (depth < nearest))
            result[better], best[better], nearest[better] = owner, weight[better], depth[better]
        return np.where(alpha >= 0.5, result, 0).astype(np.int32)
