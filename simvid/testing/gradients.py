"""The rules of ``raster`` in torch, as plain as the formulas: its gradients are what the fast ones are tested against.

Slow, and differentiable by torch's own means. In float64 it is the oracle; in float32 the rival of the benchmark.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch  # noqa: TID253  loaded by tests and benchmarks of the gradients only

from simvid.rendering.raster import ALPHA_MAX, ALPHA_MIN, STOP_TRANSMITTANCE, RasterJob

Tensor = Any


class Splats(NamedTuple):
    """The visible ones of N Gaussians on the picture, front to back.

    means [M, 2] [px], conics (inverse covariances) [M, 2, 2], depths [M] [m], opacities [M], channels [M, D],
    boxes [M, 4]: least x, most x, least y, most y [px] at which alpha can reach ALPHA_MIN.
    """

    means: Tensor
    conics: Tensor
    depths: Tensor
    opacities: Tensor
    channels: Tensor
    boxes: Tensor


class Picture(NamedTuple):
    """features [H, W, D], alpha [H, W], expected depth [H, W], as in ``Raster``."""

    features: Tensor
    alpha: Tensor
    expected_depth: Tensor


def draw(gaussians: dict[str, Tensor], job: RasterJob, *, tile_px: int | None = None) -> Picture:
    """Draw Gaussians given as tensors "means", "quats", "scales", "opacities", "features" and, or not, "sh".

    Args:
        gaussians: tensors of one floating type, with the shapes of ``Rasterizer.rasterize``.
        job: for everything else: camera, size, near, far and eps2d.
        tile_px: side of the tiles that are blended one by one; None: the whole picture at once.
    """
    splats = project(gaussians, job)
    side = tile_px or max(job.width, job.height)
    rows = []
    for top in range(0, job.height, side):
        tiles = [
            _blend(splats, left, top, min(side, job.width - left), min(side, job.height - top))
            for left in range(0, job.width, side)
        ]
        rows.append([torch.cat([tile[k] for tile in tiles], dim=1) for k in range(3)])
    return Picture(*(torch.cat([row[k] for row in rows], dim=0) for k in range(3)))


def project(gaussians: dict[str, Tensor], job: RasterJob) -> Splats:
    """Project Gaussians, keep the visible ones and sort them by depth."""
    kind = gaussians["means"].dtype
    rotation, translation = (torch.tensor(job.viewmat[:3, k], dtype=kind) for k in (slice(3), 3))
    focal, centre = torch.tensor(job.K[[0, 1], [0, 1]], dtype=kind), torch.tensor(job.K[:2, 2], dtype=kind)
    points = gaussians["means"] @ rotation.T + translation
    z = points[:, 2].detach()
    chosen = torch.nonzero((z >= job.near_m) & (z <= job.far_m) & (gaussians["opacities"] >= ALPHA_MIN))[:, 0]
    points, opacities = points[chosen], gaussians["opacities"][chosen]
    covariances = _covariances(gaussians["quats"][chosen], gaussians["scales"][chosen], points, rotation, job)
    means = points[:, :2] / points[:, 2:] * focal + centre
    with torch.no_grad():
        reach = 2 * torch.log(opacities / ALPHA_MIN)[:, None] * torch.diagonal(covariances, dim1=1, dim2=2)
        low, high = means - reach.sqrt(), means + reach.sqrt()
        last = torch.tensor([job.width, job.height], dtype=kind)
        seen = ((high >= 0.5) & (low <= last - 0.5)).all(dim=1) & (torch.linalg.det(covariances) > 0)
        order = torch.nonzero(seen)[:, 0]
        order = order[torch.argsort(points[order, 2].float(), stable=True)]
        boxes = torch.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], dim=1)
    kept = {name: value[chosen][order] for name, value in gaussians.items()}
    conics, channels = torch.linalg.inv(covariances[order]), _channels(kept, rotation, translation)
    return Splats(means[order], conics, points[order, 2], opacities[order], channels, boxes[order])


def _covariances(quats: Tensor, scales: Tensor, points: Tensor, rotation: Tensor, job: RasterJob) -> Tensor:
    """Blurred covariance on the picture [N, 2, 2] (Zwicker et al. 2001, eq. 31)."""
    axes = rotation @ (_rotations(quats) * scales[:, None, :])
    least_x, most_x, least_y, most_y = job.jacobian_limits
    z, zero = points[:, 2], torch.zeros_like(points[:, 2])
    fx, fy = job.K[0, 0] / z, job.K[1, 1] / z
    slope_x = torch.clamp(points[:, 0] / z, least_x, most_x)
    slope_y = torch.clamp(points[:, 1] / z, least_y, most_y)
    rows = [torch.stack([fx, zero, -fx * slope_x], dim=1), torch.stack([zero, fy, -fy * slope_y], dim=1)]
    factors = torch.stack(rows, dim=1) @ axes
    return factors @ factors.transpose(1, 2) + job.eps2d * torch.eye(2, dtype=points.dtype)


def _rotations(quats: Tensor) -> Tensor:
    """Quaternions of any length [N, 4] to matrices [N, 3, 3]."""
    w, x, y, z = torch.unbind(quats / torch.linalg.norm(quats, dim=1, keepdim=True), dim=1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], dim=1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], dim=1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], dim=1),
    ]
    return torch.stack(rows, dim=1)


def _channels(gaussians: dict[str, Tensor], rotation: Tensor, translation: Tensor) -> Tensor:
    """Colour, where there are harmonics, and features [N, D]."""
    if "sh" not in gaussians:
        return gaussians["features"]
    sh = gaussians["sh"]
    directions = gaussians["means"] + translation @ rotation
    directions = directions / torch.linalg.norm(directions, dim=1, keepdim=True)
    values = _basis(directions)[:, : sh.shape[1]]
    colours = torch.clamp(0.5 + torch.einsum("nk,nkc->nc", values, sh), min=0)
    return torch.cat([colours, gaussians["features"]], dim=1)


def _basis(directions: Tensor) -> Tensor:
    """The sixteen harmonics at unit directions [N, 16], as ``spherical_harmonics.basis``."""
    x, y, z = torch.unbind(directions, dim=1)
    bands = [
        0.28209479177387814 * torch.ones_like(x),
        -0.48860251190292 * y, 0.48860251190292 * z, -0.48860251190292 * x,
        1.0925484305920792 * x * y, -1.0925484305920792 * y * z,
        0.31539156525252005 * (2 * z * z - x * x - y * y),
        -1.0925484305920792 * x * z, 0.5462742152960396 * (x * x - y * y),
        -0.5900435899266435 * y * (3 * x * x - y * y), 2.890611442640554 * x * y * z,
        -0.4570457994644658 * y * (4 * z * z - x * x - y * y),
        0.3731763325901154 * z * (2 * z * z - 3 * x * x - 3 * y * y),
        -0.4570457994644658 * x * (4 * z * z - x * x - y * y),
        1.445305721320277 * z * (x * x - y * y), -0.5900435899266435 * x * (x * x - 3 * y * y),
    ]  # fmt: skip
    return torch.stack(bands, dim=1)


def _blend(splats: Splats, left: int, top: int, width: int, height: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features, alpha and expected depth of a part of the picture: every splat at every pixel."""
    boxes = splats.boxes
    touching = (boxes[:, 1] >= left) & (boxes[:, 0] <= left + width) & (boxes[:, 3] >= top)
    m = torch.nonzero(touching & (boxes[:, 2] <= top + height))[:, 0]
    kind = splats.means.dtype
    x = torch.arange(left, left + width, dtype=kind) + 0.5
    y = torch.arange(top, top + height, dtype=kind)[:, None] + 0.5
    dx, dy = x - splats.means[m, 0, None, None], y - splats.means[m, 1, None, None]
    a, b, c = (splats.conics[m, i, j, None, None] for i, j in ((0, 0), (0, 1), (1, 1)))
    alpha = splats.opacities[m, None, None] * torch.exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy))
    alpha = torch.clamp(alpha, max=ALPHA_MAX)
    alpha = torch.where(alpha >= ALPHA_MIN, alpha, torch.zeros_like(alpha))
    after = torch.cumprod(1 - alpha, dim=0)
    before = torch.cat([torch.ones_like(after[:1]), after[:-1]])
    weight = torch.where(after > STOP_TRANSMITTANCE, alpha * before, torch.zeros_like(alpha))
    features = torch.einsum("mhw,md->hwd", weight, splats.channels[m])
    total = weight.sum(dim=0)
    drawn = total >= ALPHA_MIN
    depth = torch.einsum("mhw,m->hw", weight, splats.depths[m]) / torch.where(drawn, total, torch.ones_like(total))
    return features, total, torch.where(drawn, depth, torch.full_like(depth, torch.inf))
