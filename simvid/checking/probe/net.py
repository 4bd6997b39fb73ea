"""ProbeNet: one picture to depth, normals and outlines. CompareNet: where two pictures do not show the same.

Both are small: a few ten milliseconds for a picture of 320 x 240 on one core.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

from simvid.errors import MissingExtraError

try:
    import torch as _torch
    import torch.nn.functional as _functional
except ImportError as error:
    raise MissingExtraError("torch", "refine", "the gate on refined video") from error

torch: Any = _torch
nn: Any = _torch.nn
functional: Any = _functional
Tensor = Any
WIDTHS = (24, 48, 80, 96)
"""Channels of the four levels; the first is at half the picture's size."""
AFFINITY_PX = 6
"""How far apart the pixels are of which affinity says whether they belong to one part."""
OUTPUTS = 7
"""log depth (1), normal (3), outline (1), affinity to the right and downwards (2)."""
EVIDENCE = ("depth", "normals", "new_outline", "lost_outline", "new_detail", "lost_detail")
"""What ``evidence`` finds, in the order of its channels."""
MULTIPLE = 16
"""Pictures are padded to multiples of so many pixels."""
NEAR_PX, DETAIL_PX, AREA_PX = 5, 13, 9
"""Edges of windows: outlines may be two pixels off; detail is what differs from the mean; where it is compared."""
_GREY = (0.299, 0.587, 0.114)
_NOISE, _LEAST = 25.0 / 127.5**2, 1e-6
"""Variance of detail under which a difference counts less, and one that is none; of pictures in -1 to 1."""
COMPARE_WIDTH = 32


class Reading(NamedTuple):
    """What the probe reads off pictures [N, 3, H, W].

    ``outputs`` [N, OUTPUTS, H, W]: depth is a logarithm up to a summand; outline and affinity are logits; normals are
    of any length. ``features`` [N, WIDTHS[0], H / 2, W / 2]: what they are made from.
    """

    outputs: Tensor
    features: Tensor


class ProbeNet(nn.Module):
    """A U-Net on blocks of 2 x 2 pixels (Ronneberger et al. 2015), with sums as skips.

    Trained on path-traced pictures with exact labels (``simvid.calibrating.probe_training``). It never sees labels.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.enter = _block(12, widths[0])
        self.encode = nn.ModuleList(_Residual(w) for w in widths)
        self.down = nn.ModuleList(_block(a, b, 2) for a, b in pairwise(widths))
        self.deep = nn.Sequential(_Residual(widths[-1]), _Residual(widths[-1]))
        self.up = nn.ModuleList(_block(b, a, size=1) for a, b in pairwise(widths))
        self.decode = nn.ModuleList(_Residual(w) for w in widths[:-1])
        self.leave = nn.Conv2d(widths[0], 4 * OUTPUTS, 3, padding=1)

    def forward(self, pictures: Tensor) -> Reading:
        """Read sRGB pictures in -1 to 1, [N, 3, H, W] with sides of whole multiples."""
        x, skips = self.enter(functional.pixel_unshuffle(pictures, 2)), []
        for level, block in enumerate(self.encode):
            if level:
                x = self.down[level - 1](x)
            x = block(x)
            skips.append(x)
        x = self.deep(x)
        for level in reversed(range(len(self.decode))):
            wide = functional.interpolate(self.up[level](x), scale_factor=2, mode="nearest")
            x = self.decode[level](wide + skips[level])
        return Reading(functional.pixel_shuffle(self.leave(x), 2), x)


class CompareNet(nn.Module):
    """From what the probe reads off a refined and a coarse picture to where they do not show the same things.

    Trained on path-traced pictures with planted violations, beside the same without (``compare_training``): light,
    shadows, reflections and sharper texture are no difference, things that are elsewhere, gone, new or bent are.
    """

    def __init__(self, features: int = WIDTHS[0], width: int = COMPARE_WIDTH) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(features, affine=False)
        self.layers = nn.Sequential(
            nn.Conv2d(2 * features + len(EVIDENCE) + 1, width, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=2, dilation=2), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=4, dilation=4), nn.ReLU(inplace=True),
            nn.Conv2d(width, 1, 1),
        )  # fmt: skip

    def forward(self, found: Tensor, readings: tuple[Reading, Reading], outline: Tensor) -> Tensor:
        """Logits that something is wrong, [N, H / 2, W / 2].

        Args:
            found: ``evidence``, [N, 6, H, W].
            readings: of the refined and of the coarse picture.
            outline: 1 where the labels have an outline, [N, H, W].
        """
        new, old = (self.norm(reading.features) for reading in readings)
        small = functional.avg_pool2d(found, 2).sqrt()
        edge = functional.max_pool2d(outline[:, None], 2)
        return self.layers(torch.cat([(new - old).abs(), old, small, edge], dim=1))[:, 0]


def evidence(pictures: tuple[Tensor, Tensor], readings: tuple[Reading, Reading]) -> Tensor:
    """How a refined picture differs from the coarse one in what it shows, not in light and colour; [N, 6, H, W].

    - depth: difference of the probe's log depths, less its median.
    - normals: 1 - cosine of the probe's normals.
    - new_outline, lost_outline: the probe sees an outline in one picture, and none within 2 px in the other.
    - new_detail, lost_detail: share of the local variance of detail (grey less its local mean) of one picture that no
      multiple of the other's explains: 1 - correlation squared, damped where there is hardly any. A change of
      contrast is none.

    All are 0 where nothing differs.

    Args:
        pictures: refined and coarse, sRGB in -1 to 1, [N, 3, H, W].
        readings: of the two.
    """
    new, old = (reading.outputs for reading in readings)
    gap = new[:, 0] - old[:, 0]
    depth = (gap - gap.flatten(1).median(dim=1).values[:, None, None]).abs()
    normals = (1 - functional.cosine_similarity(new[:, 1:4], old[:, 1:4], dim=1)).clamp(0, 2)
    edges = new[:, 4:5].sigmoid(), old[:, 4:5].sigmoid()
    beyond = [(a - functional.max_pool2d(b, NEAR_PX, 1, NEAR_PX // 2)).clamp(0, 1)[:, 0]
              for a, b in (edges, edges[::-1])]  # fmt: skip
    return torch.stack([depth, normals, *beyond, *_unexplained(detail(pictures[0]), detail(pictures[1]))], dim=1)


def detail(pictures: Tensor) -> Tensor:
    """Grey less its mean over a window, slightly smoothed, [N, 1, H, W]."""
    weights = torch.tensor(_GREY, dtype=pictures.dtype, device=pictures.device)[None, :, None, None]
    fine = _mean((pictures * weights).sum(dim=1, keepdim=True), 3)
    return fine - _mean(fine, DETAIL_PX)


def _unexplained(new: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
    """New and lost detail."""
    both, of_new, of_old = (_mean(x, AREA_PX)[:, 0] for x in (new * old, new * new, old * old))
    explained = both * both
    appeared = (of_new - explained / of_old.clamp(min=_LEAST)) / (of_new + _NOISE)
    vanished = (of_old - explained / of_new.clamp(min=_LEAST)) / (of_old + _NOISE)
    return appeared.clamp(0, 1), vanished.clamp(0, 1)


def _mean(x: Tensor, size: int) -> Tensor:
    """Over windows, those at the border over what there is."""
    return functional.avg_pool2d(x, size, 1, size // 2, count_include_pad=False)


def outline_of(ids: Tensor) -> Tensor:
    """1 where a neighbour to one of the four sides belongs to another part, float32 [N, H, W]."""
    edge = torch.zeros_like(ids, dtype=torch.bool)
    for k in (1, 2):
        other = ids.diff(dim=k) != 0
        rest = ids.shape[k] - 1
        edge.narrow(k, 0, rest).logical_or_(other)
        edge.narrow(k, 1, rest).logical_or_(other)
    return edge.float()


class _Residual(nn.Module):
    """Two convolutions and what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = _block(width, width)
        self.two = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.two(self.one(x)))


def _block(before: int, after: int, stride: int = 1, size: int = 3) -> Any:
    """Convolution, norm, ReLU."""
    convolution = nn.Conv2d(before, after, size, stride=stride, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


def padded(pictures: Tensor) -> Tensor:
    """Last rows and columns repeated up to whole multiples."""
    height, width = pictures.shape[-2:]
    down, right = -height % MULTIPLE, -width % MULTIPLE
    return functional.pad(pictures, (0, right, 0, down), mode="replicate") if down or right else pictures
