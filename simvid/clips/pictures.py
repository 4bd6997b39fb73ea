"""Labels as colours that a person can read. All pictures are uint8 sRGB [H, W, 3]."""

from __future__ import annotations

import math
from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Picture: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.floating[Any]]
UNDEFINED = (30, 32, 36)
"""Colour of pixels without a value."""
GROUND = (112, 112, 108)
"""Colour of the ground among the ids."""
HIDDEN_NEXT, HIDDEN_BEFORE, HIDDEN_BOTH = (255, 140, 26), (41, 150, 255), (222, 60, 200)
LAYERS = np.array([[30, 32, 36], [150, 156, 166], [255, 176, 60], [240, 70, 60]], np.uint8)
"""Colours of pixels that none, one, two, three or more things would cover."""
SCENE_FLOW_KEY = (
    ("right", (255, 128, 128)),
    ("up", (128, 255, 128)),
    ("nearer", (128, 128, 255)),
)
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
BEHIND = 1.8
"""The scale of depth ends at so many times the depth of the things, if the ground goes on behind them."""
LOG_ABOVE = 6.0
"""Depth is shown on a logarithmic scale where far is more than so many times near."""

_TURBO = np.array(
    [
        [0.13572138, 4.61539260, -42.66032258, 132.13108234, -152.94239396, 59.28637943],
        [0.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604],
        [0.10667330, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973],
    ]
)
"""Turbo colour map as polynomials of degree five (A. Mikhailov, R. Ward: Turbo, 2019), constant term first."""


def turbo(value: Floats) -> Picture:
    """Colours of numbers in [0, 1]: blue, green, yellow, red, without Turbo's near-black ends; [..., 3]."""
    x = 0.07 + 0.86 * np.clip(np.asarray(value, dtype=np.float64), 0, 1)
    powers = np.stack([x**k for k in range(6)], axis=-1)
    return np.asarray(np.rint(np.clip(powers @ _TURBO.T, 0, 1) * 255), dtype=np.uint8)


@dataclass(frozen=True)
class DepthScale:
    """Which depths [m] get the first and the last colour. Near is red, far is blue."""

    near_m: float
    far_m: float

    @staticmethod
    def of(depths: Iterable[Floats], solid: Iterable[NDArray[np.bool_]] = ()) -> DepthScale:
        """A scale for some frames; 0 to 1 m where nothing has a depth.

        Args:
            depths: [m], each [H, W].
            solid: pixels of what matters, each [H, W]. Ground far behind it does not stretch the scale.
        """
        pictures = list(depths)
        values = np.concatenate([*(d[np.isfinite(d)] for d in pictures), np.zeros(0)])
        if not len(values):
            return DepthScale(0.0, 1.0)
        near, far = (float(v) for v in np.percentile(values, [0.1, 98]))
        things = np.concatenate([*(d[s & np.isfinite(d)] for d, s in zip(pictures, solid, strict=False)), np.zeros(0)])
        if len(things):
            far = min(far, BEHIND * float(np.percentile(things, 98)))
        return DepthScale(near, max(far, near * 1.01, near + 1e-3))

    @property
    def logarithmic(self) -> bool:
        """Whether equal ratios, rather than equal steps, are equally far apart."""
        return self.near_m > 0 and self.far_m > LOG_ABOVE * self.near_m

    def position(self, depth: Floats) -> NDArray[np.float64]:
        """0 at near, 1 at far, NaN where there is no depth."""
        d = np.where(np.isfinite(depth), depth, np.nan).astype(np.float64)
        if self.logarithmic:
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.asarray(np.log(d / self.near_m) / math.log(self.far_m / self.near_m))
        return (d - self.near_m) / (self.far_m - self.near_m)

    def picture(self, depth: Floats) -> Picture:
        """Depth [m] [H, W] as colours."""
        position = self.position(depth)
        colors = turbo(1 - np.nan_to_num(position, nan=1.0))
        colors[np.isnan(position)] = UNDEFINED
        return colors

    def ticks(self, most: int = 6) -> list[float]:
        """Round depths [m] inside the scale, for a legend."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.near_m)), math.ceil(math.log10(self.far_m)) + 1)
            for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
                found = [s * 10.0**k for k in decades for s in steps if self.near_m <= s * 10.0**k <= self.far_m]
                if len(found) <= most:
                    return found
            return found[:most]
        step = nice_step((self.far_m - self.near_m) / most)
        first = math.ceil(self.near_m / step)
        return [k * step for k in range(first, math.floor(self.far_m / step + 1e-9) + 1)]


def nice_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


def id_colors(count: int, grounds: Set[int] = frozenset()) -> Picture:
    """Colour of each id from 0 to ``count``; id k has the same colour in every clip, [count + 1, 3].

    Hues advance by the golden angle, so that neighbours differ; three lightnesses take turns (Oklch).
    """
    k = np.arange(1, count + 1)
    hue = k * GOLDEN_ANGLE + 0.4
    lightness = np.array([0.72, 0.58, 0.84])[k % 3]
    chroma = np.array([0.17, 0.18, 0.12])[k % 3]
    colors = _from_oklch(lightness, chroma, hue)
    for ground in grounds:
        colors[ground - 1] = GROUND
    return np.concatenate([np.array([UNDEFINED], np.uint8), colors])


def _from_oklch(lightness: Floats, chroma: Floats, hue: Floats) -> Picture:
    """Oklch to sRGB (B. Ottosson: A perceptual color space for image processing, 2020), clipped to the gamut."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack(
        [
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ],
        axis=-1,
    )
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255), dtype=np.uint8)


def ids_picture(ids: NDArray[np.int32], colors: Picture) -> Picture:
    """Part ids [H, W] in the colours of ``id_colors``."""
    return np.asarray(colors[ids])


def normals_picture(normals: Floats) -> Picture:
    """Normals (camera frame) [H, W, 3]: red to the right, green up, blue towards the camera, 128 = 0."""
    turned = np.asarray(normals) * np.array([1, -1, -1])
    colors = np.rint((turned + 1) * 127.5).astype(np.uint8)
    colors[~np.asarray(normals).any(axis=-1)] = UNDEFINED
    return np.asarray(colors)


@cache
def normals_ball(size: int) -> Picture:
    """The legend of ``normals_picture``: a ball seen from the camera, [size, size, 3]."""
    y, x = (np.mgrid[:size, :size] + 0.5) * 2 / size - 1
    inside = x * x + y * y < 1
    z = -np.sqrt(np.maximum(1 - x * x - y * y, 0))
    return normals_picture(np.where(inside[..., None], np.stack([x, y, z], axis=-1), 0))


def flow_picture(flow: Floats, most_px: float) -> Picture:
    """Flow (u right, v down) [H, W, 2]: hue is the direction, saturation the length up to ``most_px``; white is none.

    The colour wheel of Baker et al. 2011 (A Database and Evaluation Methodology for Optical Flow), appendix.
    """
    defined = np.isfinite(flow).all(axis=-1)
    u, v = np.where(defined, flow[..., 0], 0), np.where(defined, flow[..., 1], 0)
    length = np.minimum(np.hypot(u, v) / max(most_px, 1e-6), 1)
    place = (np.arctan2(-v, -u) / np.pi + 1) / 2 * (len(_WHEEL) - 1)
    low = place.astype(np.int64)
    share = (place - low)[..., None]
    hue = (1 - share) * _WHEEL[low] + share * _WHEEL[(low + 1) % len(_WHEEL)]
    colors = np.rint(255 * (1 - length[..., None] * (1 - hue))).astype(np.uint8)
    colors[~defined] = UNDEFINED
    return np.asarray(colors)


def _wheel() -> NDArray[np.float64]:
    """55 hues; between two of red, yellow, green, cyan, blue, magenta as many as the eye can tell apart."""
    corners = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]], dtype=np.float64)
    steps = (15, 6, 4, 11, 13, 6)
    parts = [corners[k] + np.arange(n)[:, None] / n * (corners[k + 1] - corners[k]) for k, n in enumerate(steps)]
    return np.concatenate(parts)


_WHEEL = _wheel()


@cache
def flow_wheel(size: int) -> Picture:
    """The legend of ``flow_picture``: each direction at its place, the full length at the rim, [size, size, 3]."""
    y, x = (np.mgrid[:size, :size] + 0.5) * 2 / size - 1
    inside = x * x + y * y < 1
    return flow_picture(np.where(inside[..., None], np.stack([x, y], axis=-1), np.nan), 1.0)


def flow_reach(flows: Iterable[Floats]) -> float:
    """Length [px] to show in full colour: the 99th percentile of what moves by 0.05 px or more, at least 1 px."""
    lengths = [np.hypot(f[..., 0], f[..., 1]).ravel() for f in flows]
    moving = np.concatenate([*(n[n >= 0.05] for n in lengths), np.zeros(0)])
    return max(1.0, float(np.percentile(moving, 99))) if len(moving) else 1.0


def amodal_picture(amodal: NDArray[np.uint8], width: int) -> Picture:
    """How many of the masks [M, H, ceil(W / 8)] cover each pixel, in the colours of ``LAYERS``; [H, width, 3]."""
    masks = np.unpackbits(amodal, axis=-1, count=width)
    return np.asarray(LAYERS[np.minimum(masks.sum(axis=0, dtype=np.int64), len(LAYERS) - 1)])


def object_coords_picture(coords: Floats) -> Picture:
    """Places in the box of the part [H, W, 3] as red, green and blue."""
    colors = np.rint(np.nan_to_num(coords) * 255).astype(np.uint8)
    colors[np.isnan(coords).any(axis=-1)] = UNDEFINED
    return np.asarray(colors)


def scene_flow_picture(flow: Floats, most_m: float) -> Picture:
    """Scene flow (camera frame) [H, W, 3] up to ``most_m``: red to the right, green up, blue nearer; grey is still."""
    turned = np.nan_to_num(flow) * np.array([1, -1, -1]) / max(most_m, 1e-9)
    colors = np.rint(np.clip(turned + 1, 0, 2) * 127.5).astype(np.uint8)
    colors[np.isnan(flow).any(axis=-1)] = UNDEFINED
    return np.asarray(colors)


def scene_flow_reach(flows: Iterable[Floats]) -> float:
    """Length [m] to show in full colour: the 99th percentile of what moves by 0.1 mm or more, at least 1 mm."""
    lengths = [np.linalg.norm(f, axis=-1).ravel() for f in flows]
    moving = np.concatenate([*(n[n >= 1e-4] for n in lengths), np.zeros(0)])
    return max(1e-3, float(np.percentile(moving, 99))) if len(moving) else 1e-3


def occlusion_picture(rgb: Picture, forward: NDArray[np.bool_], backward: NDArray[np.bool_]) -> Picture:
    """Over a dark grey picture: what hides in the next frame, what hid in the one before, and what did both."""
    grey = (rgb @ np.array([0.2126, 0.7152, 0.0722]) * 0.5 + 20).astype(np.uint8)
    colors = np.repeat(grey[..., None], 3, axis=-1)
    for where, color in (
        (forward & ~backward, HIDDEN_NEXT),
        (backward & ~forward, HIDDEN_BEFORE),
        (forward & backward, HIDDEN_BOTH),
    ):
        colors[where] = color
    return np.asarray(colors)


def alpha_picture(alpha: Floats) -> Picture:
    """Coverage [H, W], black to white."""
    return np.repeat(np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=-1)


def light_picture(values: Floats) -> Picture:
    """Linear light or a share as it would look on a screen: [H, W, 3] in colour, [H, W] in grey; white from 1 on."""
    x = np.clip(np.asarray(values, np.float32), 0, 1)
    if x.ndim == 2:
        return np.asarray(np.rint(np.repeat(x[..., None], 3, axis=2) * 255), np.uint8)
    srgb = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(srgb * 255), np.uint8)
