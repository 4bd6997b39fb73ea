"""``rasterize`` for torch: pictures of Gaussians that gradients flow back through, on the processor.

Torch comes with the extras "refine" and "cuda".
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvid.errors import MissingExtraError, RenderError
from simvid.rendering.cpu.backward import Drawn, GradientRasterizer, PictureGradient
from simvid.rendering.cpu.backward_layout import Gradients
from simvid.rendering.raster import Raster, RasterJob, checked_job

try:
    import torch
except ImportError as error:
    raise MissingExtraError("torch", "refine", "simvid.rendering.torch_raster") from error

Tensor = Any
"""A torch tensor, to a type checker: torch is optional."""


class Rendered(NamedTuple):
    """Pictures of B scenes by C cameras; B and C are there if the arguments had them.

    Attributes:
        features: blended channels, float32 [B, C, H, W, D]: red, green, blue if ``sh`` was given, then ``features``.
        alpha: sum of the weights, float32 [B, C, H, W].
        depth: expected depth z [m], +inf where alpha < 1/255, float32 [B, C, H, W]; None if not asked for.
    """

    features: Tensor
    alpha: Tensor
    depth: Tensor | None


@dataclass(frozen=True, eq=False)
class _Views:
    """What a picture needs beside the Gaussians: viewmats [B, C, 4, 4], intrinsics [B, C, 3, 3], the rest for all."""

    viewmats: NDArray[np.float64]
    intrinsics: NDArray[np.float64]
    rest: dict[str, Any]
    threads: int | None


def rasterize(  # noqa: PLR0913  the arguments of gsplat's rasterization(), under its names
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    features: Tensor | None = None,
    *,
    viewmat: Tensor,
    K: Tensor,
    width: int,
    height: int,
    sh: Tensor | None = None,
    depth: bool = False,
    near_m: float = 0.01,
    far_m: float = 1e6,
    eps2d: float = 0.3,
    threads: int | None = None,
) -> Rendered:
    """Rasterize Gaussians by the rules of ``simvid.rendering.raster``; gradients reach every tensor but the cameras'.

    Gradients pass neither through which Gaussians a pixel takes (faintest alpha, stop of the transmittance, near and
    far) nor through their order, as in 3DGS (Kerbl et al. 2023). Equal arguments give equal bits, whatever the
    number of threads. All Gaussians are float32 tensors on the processor; a leading B means that many scenes.

    Args:
        means: centres in the world [m], [N, 3] or [B, N, 3].
        quats: orientations (w, x, y, z), of any length but zero, [N, 4] or [B, N, 4].
        scales: standard deviations [m], [N, 3] or [B, N, 3].
        opacities: 0 to 1, [N] or [B, N].
        features: channels to blend as they are, [N, D] or [B, N, D], or None.
        viewmat: camera_from_world, float32 or float64: one camera [4, 4], C for all scenes [C, 4, 4], or C for each
            scene [B, C, 4, 4]. Camera axes: +x right, +y down, +z forward.
        K: intrinsics [px], without skew: one for all cameras [3, 3], or as many as ``viewmat`` has, in its shape.
        width: of the pictures [px].
        height: of the pictures [px].
        sh: spherical-harmonic colour, [N, K, 3] or [B, N, K, 3], K in 1, 4, 9, 16; gradients also reach the means,
            through the direction of view.
        depth: whether to compute the expected depth.
        near_m: Gaussians with z below this are left out [m].
        far_m: Gaussians with z above this are left out [m].
        eps2d: added to the diagonal of the 2-D covariance [px^2].
        threads: threads to use; None: as many as there are cores.

    Raises:
        RenderError: a tensor has the wrong shape, type or device, a camera wants a gradient, or a value cannot be
            drawn.
    """
    scenes = _checked_scenes(means, {"quats": (quats, 4), "scales": (scales, 3), "opacities": (opacities, None)})
    for name, value, dims in (("features", features, 1), ("sh", sh, 2)):
        if value is not None:
            _check(name, value, (*means.shape[:-1], *[None] * (dims - 1), 3 if name == "sh" else None), _FLOAT32)
    viewmats, intrinsics, cameras = _checked_cameras(viewmat, K, scenes)
    rest = {
        "width": width, "height": height, "near_m": near_m, "far_m": far_m, "eps2d": eps2d, "sh_rotations": None,
        "owner": None, "want": frozenset({"expected_depth"}) if depth else frozenset(),
    }  # fmt: skip
    views = _Views(viewmats, intrinsics, rest, threads)
    given = means, quats, scales, opacities, features, sh
    batched = [value if value is None or means.ndim == 3 else value[None] for value in given]
    pictures = _Rasterize.apply(*batched, views)
    shape = (*scenes, *cameras)
    return Rendered(*(None if p is None else p.reshape(*shape, *p.shape[2:]) for p in pictures))


class _Rasterize(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    """Pictures [B, C, ...] of scenes [B, ...]."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> tuple[Tensor, Tensor, Tensor | None]:
        """Draw every scene by every camera."""
        *tensors, views = given
        jobs = _jobs(tensors, views)
        rasterizer, lock = _rasterizer(views.threads)
        size, first = views.viewmats.shape[:2], jobs[0][0]
        picture = (*size, first.height, first.width)
        features = torch.empty((*picture, first.channels))
        alpha = torch.empty(picture)
        depth = torch.empty(picture) if first.want else None
        numbers = np.zeros(size, np.int64)
        with lock:
            for b, c in np.ndindex(*size):
                drawn = rasterizer.draw(jobs[b][c])
                features[b, c] = torch.from_numpy(drawn.raster.features)
                alpha[b, c] = torch.from_numpy(drawn.raster.alpha)
                if depth is not None:
                    depth[b, c] = torch.from_numpy(drawn.raster.expected_depth)
                numbers[b, c] = drawn.number
        ctx.jobs, ctx.numbers, ctx.threads = jobs, numbers, views.threads
        ctx.save_for_backward(*tensors, features, alpha, depth)
        return features, alpha, depth

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator,unused-ignore]
    def backward(ctx: Any, *given: Any) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Add up the gradients over the cameras, always in the same order, the last one first: it is still listed."""
        *tensors, features, alpha, depth = ctx.saved_tensors  # torch refuses them if they were changed since
        by_features, by_alpha = (g.contiguous().numpy() for g in given[:2])
        by_depth = None if depth is None else given[2].contiguous().numpy()
        sums = [None if t is None else torch.zeros_like(t, memory_format=torch.contiguous_format) for t in tensors]
        rasterizer, lock = _rasterizer(ctx.threads)
        with lock:
            for b, c in reversed(list(np.ndindex(*ctx.numbers.shape))):
                expected = None if depth is None else depth[b, c].numpy()
                raster = Raster(features[b, c].numpy(), alpha[b, c].numpy(), expected)
                drawn = Drawn(ctx.jobs[b][c], raster, int(ctx.numbers[b, c]))
                gradient = PictureGradient(
                    by_features[b, c], by_alpha[b, c], None if by_depth is None else by_depth[b, c]
                )
                rasterizer.backward(drawn, gradient, _flat([None if s is None else s[b].numpy() for s in sums]))
        return (*(s if wanted else None for s, wanted in zip(sums, ctx.needs_input_grad, strict=False)), None)


def _flat(arrays: list[NDArray[np.float32] | None]) -> Gradients:
    """One scene's gradients as the kernels take them; what was not given has none."""
    means, quats, scales, opacities, features, sh = (
        np.empty(0, np.float32) if a is None else a.ravel() for a in arrays
    )
    return Gradients(means=means, quats=quats, scales=scales, opacities=opacities, sh=sh, features=features)


def _jobs(tensors: list[Tensor | None], views: _Views) -> list[list[RasterJob]]:
    """One job per scene and camera; the cameras of a scene share its arrays."""
    names = "means", "quats", "scales", "opacities", "features", "sh"
    jobs = []
    for b in range(len(views.viewmats)):
        arrays = {name: None if t is None else t[b].detach().numpy() for name, t in zip(names, tensors, strict=True)}
        pairs = list(zip(views.viewmats[b], views.intrinsics[b], strict=True))
        first = checked_job(**arrays, viewmat=pairs[0][0], K=pairs[0][1], **views.rest)
        held = {name: getattr(first, name) for name in names}
        jobs.append([checked_job(**held, viewmat=viewmat, K=K, **views.rest) for viewmat, K in pairs])
    return jobs


@cache
def _rasterizer(threads: int | None) -> tuple[GradientRasterizer, Lock]:
    """A rasterizer for all calls with that many threads, and the lock of whoever uses it."""
    return GradientRasterizer(threads), Lock()


os.register_at_fork(after_in_child=_rasterizer.cache_clear)  # a forked process has none of the threads


# ------------------------------------------------------------------------------------------------------------ checks

_FLOAT32 = (torch.float32,)
_FLOATS = (torch.float32, torch.float64)


def _check(name: str, value: Any, shape: tuple[int | None, ...], kinds: tuple[Any, ...]) -> None:
    """Raise unless the value is a tensor of that shape (None: any), of one of these types, on the processor."""
    if not isinstance(value, torch.Tensor):
        raise RenderError(f"rasterize: {name}: expected a torch tensor, got {type(value).__name__}")
    if value.device.type != "cpu":
        raise RenderError(f"rasterize: {name}: expected a tensor on the cpu, got {value.device}; move it with .cpu()")
    if value.dtype not in kinds:
        allowed = " or ".join(str(kind).removeprefix("torch.") for kind in kinds)
        raise RenderError(f"rasterize: {name}: expected {allowed}, got {str(value.dtype).removeprefix('torch.')}")
    got = tuple(value.shape)
    if len(got) != len(shape) or any(w is not None and g != w for g, w in zip(got, shape, strict=True)):
        wanted = "[" + ", ".join("any" if w is None else str(w) for w in shape) + "]"
        raise RenderError(f"rasterize: {name}: expected shape {wanted}, got {list(got)}")


def _checked_scenes(means: Tensor, others: dict[str, tuple[Tensor, int | None]]) -> tuple[int, ...]:
    """The leading dimension of the Gaussians, if there is one: () or (B,)."""
    batched = isinstance(means, torch.Tensor) and means.ndim == 3
    _check("means", means, (None, None, 3) if batched else (None, 3), _FLOAT32)
    for name, (value, width) in others.items():
        _check(name, value, (*means.shape[:-1], *([] if width is None else [width])), _FLOAT32)
    scenes = tuple(means.shape[:-2])
    if scenes == (0,):
        raise RenderError("rasterize: means: expected one scene or more, got shape " + str(list(means.shape)))
    return scenes


def _checked_cameras(
    viewmat: Tensor, K: Tensor, scenes: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, ...]]:
    """Viewmats [B, C, 4, 4], intrinsics [B, C, 3, 3] and () or (C,)."""
    if isinstance(viewmat, torch.Tensor) and not 2 <= viewmat.ndim <= 3 + len(scenes):
        allowed = "[4, 4], [C, 4, 4]" + (" or [B, C, 4, 4]" if scenes else "")
        raise RenderError(f"rasterize: viewmat: expected shape {allowed}, got {list(viewmat.shape)}")
    lead = tuple(viewmat.shape[:-2]) if isinstance(viewmat, torch.Tensor) else ()
    _check("viewmat", viewmat, (*((*scenes, None) if len(lead) == 2 else lead), 4, 4), _FLOATS)
    one = isinstance(K, torch.Tensor) and K.ndim == 2
    _check("K", K, (3, 3) if one else (*lead, 3, 3), _FLOATS)
    if lead and 0 in lead:
        raise RenderError(f"rasterize: viewmat: expected one camera or more, got shape {list(viewmat.shape)}")
    for name, value in (("viewmat", viewmat), ("K", K)):
        if value.requires_grad:
            raise RenderError(f"rasterize: {name}: gradients by cameras are not computed; give {name}.detach()")
    cameras = lead[-1:]
    size = (*(scenes or (1,)), *(cameras or (1,)))
    matrices = np.broadcast_to(viewmat.detach().double().numpy(), (*size, 4, 4))
    return matrices, np.broadcast_to(K.detach().double().numpy(), (*size, 3, 3)), cameras
