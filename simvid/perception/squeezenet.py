"""SqueezeNet v1.1 (Iandola et al. 2016), frozen: features of pictures at seven depths.

With ImageNet's weights when they have been fetched (``simvid.perception.fetch``); with random ones only for tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simvid.errors import AssetError, MissingExtraError
from simvid.perception.caffemodel import read_caffemodel
from simvid.perception.fetch import read_weights

try:
    import torch as _torch
    import torch.nn.functional as _functional
except ImportError as error:
    raise MissingExtraError("torch", "refine", "perceptual features") from error

torch: Any = _torch
nn: Any = _torch.nn
functional: Any = _functional
Tensor = Any
_MEAN_BGR = (104.0, 117.0, 123.0)
"""Of ImageNet's pictures, 0 to 255, as the network was trained with."""
_FIRES = ((2, 64, 16, 64), (3, 128, 16, 64), (4, 128, 32, 128), (5, 256, 32, 128), (6, 256, 48, 192),
          (7, 384, 48, 192), (8, 384, 64, 256), (9, 512, 64, 256))  # fmt: skip
"""Number, channels in, squeezed, and of each half of the expanded."""
_POOLED = (4, 6)
"""Fires that follow a pooling (another lies before fire 2)."""
_TAPS = (3, 5, 6, 7, 8, 9)
"""Fires whose outputs are features, as in LPIPS (Zhang et al. 2018) on this network; the first is conv1's output."""
CHANNELS = (64, 128, 256, 384, 384, 512, 512)
"""Of the seven features; each half as wide as the one before where a pooling lies between."""
LEAST_PX = 17
"""Pictures must be as high and wide, for the last features to be of any size."""


class SqueezeNetFeatures(nn.Module):
    """Pictures to features. Weights do not train, but gradients flow through to the pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2)
        self.fires = nn.ModuleDict({str(k): _Fire(i, s, e) for k, i, s, e in _FIRES})
        self.register_buffer("mean", torch.tensor(_MEAN_BGR).reshape(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Seven features of sRGB pictures in -1 to 1, [N, 3, H, W], finest first."""
        x = (pictures.flip(1) + 1) * 127.5 - self.mean
        x = functional.relu(self.conv1(x))
        found = [x]
        x = _pool(x)
        for name, fire in self.fires.items():
            if int(name) in _POOLED:
                x = _pool(x)
            x = fire(x)
            if int(name) in _TAPS:
                found.append(x)
        return found


class _Fire(nn.Module):
    """Squeeze by 1 x 1, expand by 1 x 1 and 3 x 3 side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.one = nn.Conv2d(squeezed, expanded, 1)
        self.three = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.squeeze(x))
        return torch.cat([functional.relu(self.one(y)), functional.relu(self.three(y))], dim=1)


def imagenet_features() -> SqueezeNetFeatures | None:
    """With ImageNet's weights; None if they have not been fetched.

    Raises:
        AssetError: the file in the cache is damaged.
    """
    content = read_weights()
    return None if content is None else features_of(content)


def features_of(content: bytes) -> SqueezeNetFeatures:
    """From the bytes of Caffe's weights.

    Raises:
        AssetError: a layer is missing or of another shape.
    """
    blobs, net = read_caffemodel(content), SqueezeNetFeatures()
    _load(net.conv1, blobs, "conv1")
    for number, fire in net.fires.items():
        for part, name in (("squeeze", "squeeze1x1"), ("one", "expand1x1"), ("three", "expand3x3")):
            _load(getattr(fire, part), blobs, f"fire{number}/{name}")
    return net


def _load(layer: Any, blobs: dict[str, list[Any]], name: str) -> None:
    wanted = [tuple(layer.weight.shape), tuple(layer.bias.shape)]
    found = [tuple(blob.shape) for blob in blobs.get(name, [])]
    if found != wanted:
        raise AssetError(f"SqueezeNet weights: expected {name} of shapes {wanted}, got {found}")
    for parameter, blob in zip((layer.weight, layer.bias), blobs[name], strict=True):
        parameter.data = torch.from_numpy(np.ascontiguousarray(blob))


def _pool(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, stride=2, ceil_mode=True)


def perceptual_distance(one: list[Tensor], two: list[Tensor]) -> Tensor:
    """LPIPS's distance without its learned weights (Zhang et al. 2018, eq. 1, w = 1), [N].

    Features are made unit length across channels at each place; squared differences are summed over channels, averaged
    over places and summed over depths.
    """
    total = 0
    for a, b in zip(one, two, strict=True):
        total = total + ((_unit(a) - _unit(b)) ** 2).sum(dim=1).mean(dim=(1, 2))
    return total


def pooled(features: list[Tensor]) -> Tensor:
    """Means of the last features over all places, [N, 512], for distances between sets of pictures."""
    return features[-1].mean(dim=(2, 3))


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(dim=1, keepdim=True) + 1e-10).sqrt()
