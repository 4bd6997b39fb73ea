"""RefinerUNet: a causal video U-Net that predicts the refined picture from the noisy one and all that is known.

Saved folders name this module and the class by path (``simvid.refining.model``, ``RefinerUNet``): both are frozen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from simvid.refining.blocks import (
    ResBlock,
    TimeAttention,
    WarpFusion,
    channels_last,
    computed,
    shrink_motion,
    time_features,
)
from simvid.refining.conditions import CHANNELS, LAST, OPTIONAL, channel_slice, reading
from simvid.refining.deep import ConfigMixin, ModelMixin, Tensor, functional, nn, register_to_config, torch

LIGHT = 11
"""Numbers that describe the light: whether they are known, the direction to the main light in the camera's frame (3),
its colour (3), the colour of the sky's light (3), and log2 of the exposure."""
HISTORY = 4
"""Channels of the frame refined before: its colours, moved along the flow, and where they are valid."""
_EMBEDDING = 128
_FINE, _LAST = 16, 24
"""Channels in full resolution: what the U-Net leaves for them, and of the last layer."""
_TERMS = 3 + 3 + 9
"""And its factors there: light, share of the relit picture, and how light goes with the normal (colours x axes)."""
_MIXED = 3 + 3
"""And, where it reads a traced picture, how far it goes from that to the coarse one, and to the frame before."""
_DIM = 0.1
"""Added to sqrt(albedo) where it divides: below it, what splats show is mostly gloss."""


@dataclass
class RefinerState:
    """What a stream keeps of the past: the last features at levels that warp, keys and values at levels that attend."""

    features: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)


class RefinerUNet(ModelMixin, ConfigMixin):
    """Pixels in blocks of 2 x 2, four levels; the two fine ones warp, the two coarse ones attend over time.

    The net adds a correction to the coarse picture, so that an untrained one changes nothing; to the traced one, where
    it reads that and there is one. No frame sees a later one. The same weights run on whole clips at once or frame by
    frame with a ``RefinerState``: the results agree to rounding.

    Args:
        widths: channels of the four levels, multiples of 8, those of the last two multiples of 32.
        depths: blocks of each level on the way down.
        window: frames that attention looks back on, its own included.
        looks: names of the looks that were trained, besides 0, "as rendered".
        conditions: how many of the channels of ``simvid.refining.conditions`` it reads: all, or all but the last group.
        optional: how many flags say which of it is there.
    """

    @register_to_config
    def __init__(
        self,
        widths: tuple[int, ...] = (32, 64, 128, 160),
        depths: tuple[int, ...] = (1, 1, 2, 2),
        window: int = 8,
        looks: tuple[str, ...] = (),
        conditions: int = reading(traced=False)["conditions"],
        optional: int = reading(traced=False)["optional"],
    ) -> None:
        super().__init__()
        read = {"conditions": conditions, "optional": optional}
        if read not in (reading(traced=True), reading(traced=False)):
            fewer, less = reading(traced=False).values()
            raise ValueError(f"RefinerUNet: these weights read {conditions} channels and {optional} flags; expected "
                             f"{CHANNELS} and {len(OPTIONAL)}, or {fewer} and {less} without {LAST!r}: use weights of "
                             "this version")  # fmt: skip
        self.looks, self.traced = tuple(looks), read == reading(traced=True)
        seen, terms = (18 + 3 + HISTORY, _TERMS + _MIXED) if self.traced else (18, _TERMS)
        self.embed_time = nn.Sequential(nn.Linear(64, _EMBEDDING), nn.SiLU(), nn.Linear(_EMBEDDING, _EMBEDDING))
        self.embed_look = nn.Embedding(1 + len(self.looks), _EMBEDDING)
        self.embed_light = nn.Linear(LIGHT + optional, _EMBEDDING)
        self.enter = nn.Conv2d(4 * (3 + conditions + HISTORY), widths[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.encode = nn.ModuleList(
            nn.ModuleList(ResBlock(w, _EMBEDDING) for _ in range(n)) for w, n in zip(widths, depths, strict=True)
        )
        self.join = nn.ModuleList(nn.GroupNorm(8, a + b) for a, b in zip(widths[1:], widths, strict=False))
        self.up = nn.ModuleList(nn.Conv2d(a + b, b, 3, padding=1) for a, b in zip(widths[1:], widths, strict=False))
        self.decode = nn.ModuleList(ResBlock(w, _EMBEDDING) for w in widths[:-1])
        self.look_back = nn.ModuleDict({
            name: WarpFusion(w) if level < 2 else TimeAttention(w, window)
            for level, w in enumerate(widths) for name in self._sites(level, len(widths))
        })  # fmt: skip
        self.even = nn.GroupNorm(8, widths[0])
        self.fine = nn.Conv2d(widths[0], 4 * (_FINE + terms), 3, padding=1)
        self.head = nn.Conv2d(_FINE + seen, _LAST, 3, padding=1)
        self.leave = nn.Conv2d(_LAST, 3, 3, padding=1)
        for layer in (self.leave, self.fine):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    @staticmethod
    def _sites(level: int, levels: int) -> tuple[str, ...]:
        """Where a level looks back: on the way down, and at the warping levels on the way up too."""
        return (f"down{level}", f"up{level}") if level < min(2, levels - 1) else (f"down{level}",)

    def forward(  # noqa: PLR0913  all that is known of a frame
        self,
        sample: Tensor,
        timestep: Tensor,
        conditions: Tensor,
        flow: Tensor,
        visible: Tensor,
        *,
        history: Tensor | None = None,
        look: Tensor | None = None,
        light: Tensor | None = None,
        present: Tensor | None = None,
        state: RefinerState | None = None,
    ) -> tuple[Tensor, RefinerState]:
        """Predict x_0, the refined pictures.

        Args:
            sample: x_t, -1 to 1 and noise, [B, T, 3, H, W]; any size, padded to multiples of 16 within.
            timestep: t of each frame, 0 to 1, [B, T] (its own for each: Diffusion Forcing, Chen et al. 2024).
            conditions: channels of ``Conditions``, [B, T, C, H, W].
            flow, visible: motion to the frame before, [B, T, 2, H, W] and [B, T, 1, H, W].
            history: the frame refined before along the flow, with its mask, [B, T, 4, H, W]; None is none.
            look: index of the look, [B]; None is 0.
            light: [B, LIGHT]; None is unknown.
            present: which conditions are there, [B, len(OPTIONAL)]; None is all.
            state: of the frames before; None starts anew.

        Returns:
            x_0 [B, T, 3, H, W], and the state after these frames.
        """
        b, t, _, height, width = sample.shape
        if history is None:
            history = sample.new_zeros(b, t, HISTORY, height, width)
        conditions = conditions[:, :, : self.config.conditions]
        present = None if present is None else present[:, : self.config.optional]
        pixels = _padded(torch.cat([sample, conditions, history], dim=2).flatten(0, 1))
        motion = _padded(torch.cat([flow, visible], dim=2).flatten(0, 1))
        embedding = self._embedding(timestep, look, light, present)
        moved = {level: shrink_motion(motion[:, :2], motion[:, 2:], 2 ** (level + 1)) for level in (0, 1)}
        old, new = state or RefinerState(), RefinerState()
        x, skips = self.enter(channels_last(functional.pixel_unshuffle(computed(pixels), 2))), []
        for level, blocks in enumerate(self.encode):
            if level:
                x = self.down[level - 1](x)
            for block in blocks:
                x = block(x, embedding)
            x = self._back(f"down{level}", level, x, moved, (b, t), old, new)
            skips.append(x)
        for level in reversed(range(len(self.decode))):
            wide = functional.interpolate(x, scale_factor=2, mode="nearest")
            joined = self.join[level](torch.cat([wide, skips[level]], dim=1))
            x = self.decode[level](self.up[level](joined), embedding)
            if f"up{level}" in self.look_back:
                x = self._back(f"up{level}", level, x, moved, (b, t), old, new)
        fine = functional.pixel_shuffle(self.fine(functional.silu(self.even(x))), 2)[..., :height, :width]
        refined = self._finest(fine, sample.flatten(0, 1), conditions, history, present)
        return refined.reshape(b, t, 3, height, width), new

    def _finest(
        self, fine: Tensor, sample: Tensor, conditions: Tensor, history: Tensor, present: Tensor | None
    ) -> Tensor:
        """The refined picture in full resolution, [B T, 3, H, W].

        Sharp outlines, texture and shading need not pass through the U-Net. Display colours go about as
        sqrt(albedo) sqrt(light), so it says three factors for each pixel: of the albedo that splats lost; of the change
        to the relit picture, which is the coarse one times sqrt(albedo) over what splats made of that; and of the
        normal where it differs from its surroundings, times sqrt(albedo). All this is added to the coarse picture, or,
        where there is one, to the traced picture, from which two more factors lead to the coarse one and to the frame
        refined before, along the flow: what noise it has left is averaged over time (Schied et al. 2017).
        """
        flat = conditions.flatten(0, 1)
        coarse, soft, sharp, facing = (
            flat[:, channel_slice(name)] for name in ("coarse", "albedo", "surface_albedo", "surface_normals")
        )
        lost = (sharp - soft) * self._there(conditions, present, "albedo", "surface_albedo")
        relit = (0.5 * (coarse + 1) * lost / (soft + _DIM)).clamp(-1, 1)
        bent = facing - functional.avg_pool2d(facing, 5, stride=1, padding=2, count_include_pad=False)
        rest, light, share, slope, *mixed = fine.split((_FINE, 3, 3, 9, *((3, 3) if self.traced else ())), dim=1)
        seen = [sample, coarse, soft, sharp, facing, relit]
        base = coarse
        if self.traced:
            traced, there = flat[:, channel_slice(LAST)], self._there(conditions, present, LAST)
            past = history.flatten(0, 1)
            seen += [traced, past]
            base = there * traced + (1 - there) * coarse
            base = base + mixed[0] * (coarse - base)
            base = base + mixed[1] * past[:, 3:] * (past[:, :3] - base)
        turned = (slope.unflatten(1, (3, 3)) * bent[:, None].to(fine.dtype)).sum(dim=2)
        lit = light * lost.to(fine.dtype) + share * relit.to(fine.dtype) + turned * sharp.to(fine.dtype)
        known = channels_last(torch.cat([rest, torch.cat(seen, dim=1).to(fine.dtype)], dim=1))
        change = self.leave(functional.silu(self.head(known)))
        return base.float() + (change + lit).float()

    @staticmethod
    def _there(conditions: Tensor, present: Tensor | None, *names: str) -> Tensor:
        """1 for the frames of clips that have all of some conditions, else 0, [B T, 1, 1, 1]."""
        if present is None:
            return conditions.new_ones(1, 1, 1, 1)
        all_of = present[:, [OPTIONAL.index(name) for name in names]].prod(dim=1)
        return all_of.repeat_interleave(conditions.shape[1])[:, None, None, None]

    def _embedding(self, timestep: Tensor, look: Tensor | None, light: Tensor | None, present: Tensor | None) -> Tensor:
        """One vector per frame, [B T, E]."""
        b, t = timestep.shape
        device = timestep.device
        names = torch.zeros(b, dtype=torch.long, device=device) if look is None else look
        shine = torch.zeros(b, LIGHT, device=device) if light is None else light
        there = torch.ones(b, self.config.optional, device=device) if present is None else present
        whole = self.embed_look(names) + self.embed_light(torch.cat([shine, there], dim=-1))
        each = self.embed_time(time_features(timestep.reshape(-1), 64))
        return functional.silu(each + whole[:, None].expand(b, t, -1).reshape(b * t, -1))

    def _back(
        self, name: str, level: int, x: Tensor, moved: dict[int, Any], lead: tuple[int, int],
        old: RefinerState, new: RefinerState,
    ) -> Tensor:  # fmt: skip
        """Let one level look back."""
        site, frames = self.look_back[name], x.reshape(*lead, *x.shape[1:])
        if isinstance(site, WarpFusion):
            out, new.features[name] = site(frames, *moved[level], old.features.get(name))
        else:
            out, new.memory[name] = site(frames, old.memory.get(name))
        return channels_last(out.flatten(0, 1))


def _padded(x: Tensor) -> Tensor:
    """Repeat the last rows and columns up to multiples of 16."""
    height, width = x.shape[-2:]
    down, right = -height % 16, -width % 16
    return functional.pad(x, (0, right, 0, down), mode="replicate") if down or right else x
