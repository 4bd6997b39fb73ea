"""Building blocks of the refiner's network. All of them see the past only.

Shapes: B clips of T frames with C channels of h x w. Convolutions and norms take the frames as a batch, [B T, C, h, w],
so that no frame touches another; only ``WarpFusion`` and ``TimeAttention`` look back.
"""

from __future__ import annotations

import math

from simvid.refining.deep import Tensor, functional, nn, torch

HEAD_CHANNELS = 32
"""Channels of one attention head."""


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Read a picture where the flow points to, bilinearly; 0 outside. In float32 whatever the pictures are.

    Args:
        picture: [N, C, h, w].
        flow: (u right, v down) [px of this picture], [N, 2, h, w].
    """
    height, width = picture.shape[-2:]
    v = torch.arange(height, dtype=torch.float32, device=picture.device)
    u = torch.arange(width, dtype=torch.float32, device=picture.device)
    x = (u + 0.5 + flow[:, 0].float()) * (2 / width) - 1
    y = (v[:, None] + 0.5 + flow[:, 1].float()) * (2 / height) - 1
    grid = torch.stack([x, y], dim=-1)
    read = functional.grid_sample(picture.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return read.to(picture.dtype)


def channels_last(x: Tensor) -> Tensor:
    """The same numbers [N, C, h, w] with the channels of each pixel side by side, as convolutions on a CPU want them.

    A convolution that is given others orders them itself, which takes it as long as the rest of its work. The plane
    transposition of one picture is torch's fastest way. Strides of single pictures and channels, which may be anything,
    become those by which torch knows the order.
    """
    n, c, h, w = x.shape
    rows = x.permute(0, 2, 3, 1) if c > 1 else x.reshape(n, h, w, 1)
    if not rows.is_contiguous():
        rows = x.reshape(c, h * w).t().contiguous() if n == 1 and x.is_contiguous() else rows.contiguous()
    flat = rows.reshape(n * h * w, c) if c > 1 else rows
    return flat.reshape(n, h, w, c).permute(0, 3, 1, 2)


def computed(x: Tensor) -> Tensor:
    """In the precision that a convolution would round it to, so that it is moved about in half the bytes."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def shrink_motion(flow: Tensor, visible: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """Flow and visibility of pixels that are ``scale`` times as large: means over the visible, and their share."""
    share = functional.avg_pool2d(visible, scale)
    mean = functional.avg_pool2d(flow * visible, scale) / share.clamp(min=1e-3) / scale
    return mean, share


def time_features(timestep: Tensor, count: int) -> Tensor:
    """Sines and cosines of times 0 to 1, [N, count] (Vaswani et al. 2017, sec. 3.5, of a thousand times the time)."""
    half = count // 2
    rates = torch.exp(torch.arange(half, dtype=torch.float32, device=timestep.device) * (-math.log(10000.0) / half))
    angles = timestep.float()[:, None] * 1000.0 * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class ResBlock(nn.Module):
    """Norm, FiLM, SiLU, convolution, SiLU, convolution, and the input added.

    FiLM (Perez et al. 2018): x (1 + a) + b with a, b from the embedding of time, look and light. One norm of groups per
    block: on a CPU its backward pass costs as much as a convolution.
    """

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.film = nn.Linear(embedding, 2 * channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        for layer in (self.film, self.second):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Pictures [N, C, h, w] and embeddings [N, E]."""
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
        y = self.norm(x) * (1 + scale) + shift
        return x + self.second(functional.silu(self.first(functional.silu(y))))


class WarpFusion(nn.Module):
    """Adds what the features of the frame before say, moved along the flow and cut where they are hidden."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * channels + 1, channels, 1)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def forward(self, x: Tensor, flow: Tensor, visible: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features [B, T, C, h, w], motion [B T, 2 or 1, h, w], and the last frame's features [B, C, h, w] if any.

        Returns:
            The new features, and what the next call needs as ``before``.
        """
        b, t, c, h, w = x.shape
        first = torch.zeros_like(x[:, 0]) if before is None else before.to(x.dtype)
        past = torch.cat([first[:, None], x[:, :-1]], dim=1).reshape(b * t, c, h, w)
        seen = visible
        if before is None:
            seen = visible.reshape(b, t, 1, h, w).clone()
            seen[:, 0] = 0
            seen = seen.reshape(b * t, 1, h, w)
        flat, seen = x.reshape(b * t, c, h, w), seen.to(x.dtype)
        known = (flat, warp(past, flow) * seen, seen)
        mixed = flat + self.mix(torch.cat([channels_last(part) for part in known], dim=1))
        return mixed.reshape(b, t, c, h, w), x[:, -1]


class TimeAttention(nn.Module):
    """Each place looks at itself in the last ``window`` frames, its own included (Vaswani et al. 2017).

    A learned bias for each distance in time, as in T5 (Raffel et al. 2020), tells recent frames from old ones.
    """

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.window, self.heads = window, max(channels // HEAD_CHANNELS, 1)
        self.norm = nn.GroupNorm(8, channels)
        self.read = nn.Conv2d(channels, 3 * channels, 1)
        self.write = nn.Conv2d(channels, channels, 1)
        self.bias = nn.Parameter(torch.zeros(self.heads, window))
        nn.init.zeros_(self.write.weight)
        nn.init.zeros_(self.write.bias)

    def forward(self, x: Tensor, cache: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Features [B, T, C, h, w]; keys and values of up to window - 1 frames before, [B h w, heads, K, C / heads]."""
        b, t, c, h, w = x.shape
        flat = x.reshape(b * t, c, h, w)
        rows = self.read(self.norm(flat)).reshape(b, t, 3, self.heads, c // self.heads, h * w)
        query, key, value = rows.permute(2, 0, 5, 3, 1, 4).reshape(3, b * h * w, self.heads, t, -1)
        if cache is not None:
            key, value = (
                torch.cat([old.to(new.dtype), new], dim=2) for old, new in zip(cache, (key, value), strict=True)
            )
        mask = self._mask(t, key.shape[2]).to(query.dtype)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = mixed.reshape(b, h * w, self.heads, t, -1).permute(0, 3, 2, 4, 1).reshape(b * t, c, h, w)
        kept = max(key.shape[2] - (self.window - 1), 0)
        return (flat + self.write(mixed)).reshape(b, t, c, h, w), (key[:, :, kept:], value[:, :, kept:])

    def _mask(self, queries: int, keys: int) -> Tensor:
        """Bias of each distance, and -inf for the future and the too old, [heads, queries, keys]."""
        now = torch.arange(keys - queries, keys, device=self.bias.device)
        distance = now[:, None] - torch.arange(keys, device=self.bias.device)
        allowed = (distance >= 0) & (distance < self.window)
        bias = self.bias[:, distance.clamp(0, self.window - 1)]
        return bias.masked_fill(~allowed, float("-inf"))
