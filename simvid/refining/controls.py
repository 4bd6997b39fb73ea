"""Control videos: what pretrained video models are told of the scene, as 8-bit pictures in the forms they were taught.

- ``disparity``: 1 / z, near is white, from the 1st to the 99th percentile of the *clip* (per frame would flicker); the
  sky is black. As in Video Depth Anything (Chen et al. 2025), which the depth models of Cosmos were taught with.
- ``flow``: the colour wheel of Baker et al. 2011 ("A Database and Evaluation Methodology for Optical Flow"): the hue is
  the direction, the saturation the length over the largest of the frame; no motion is white. Forward flow, with the
  first map twice, so that T maps belong to T frames (as WanVACE's own annotator does).
- ``edges``: Canny 1986 on grey pictures.
- ``palette``: one colour for each part, the farthest apart in a fixed list; 0 is black.
- ``blur``: a Gaussian blur of the coarse pictures.
- ``mask``: white where a model may paint, black where it must keep the picture.

All are uint8 [T, H, W, 3].
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SimvidError
from simvid.frames import Frames
from simvid.perception.edges import rgb_edges

Video: TypeAlias = NDArray[np.uint8]
CONTROLS = ("disparity", "flow", "edges", "palette", "blur", "mask")
"""Names for ``control_videos``."""
_WHEEL = (("red", "yellow", 15), ("yellow", "green", 6), ("green", "cyan", 4), ("cyan", "blue", 11),
          ("blue", "magenta", 13), ("magenta", "red", 6))  # fmt: skip
_COLOURS = {"red": (255, 0, 0), "yellow": (255, 255, 0), "green": (0, 255, 0), "cyan": (0, 255, 255),
            "blue": (0, 0, 255), "magenta": (255, 0, 255)}  # fmt: skip


def control_videos(frames: Frames, wanted: Sequence[str], *, protected: Sequence[int] = ()) -> dict[str, Video]:
    """Several controls at once, by name.

    Args:
        frames: with the labels that they need: depth, flow, ids.
        wanted: names out of ``CONTROLS``.
        protected: ids of parts that ``mask`` keeps as they are.

    Raises:
        SimvidError: an unknown name, or a label that is not there; the text says which to ask for.
    """
    unknown = [name for name in wanted if name not in CONTROLS]
    if unknown:
        raise SimvidError(f"controls: expected names out of {', '.join(CONTROLS)}, got {', '.join(unknown)}")
    makers: dict[str, Any] = {
        "disparity": lambda: disparity(_label(frames, "depth", "disparity")),
        "flow": lambda: flow_wheel(_label(frames, "flow_forward", "flow")),
        "edges": lambda: canny_edges(frames.rgb),
        "palette": lambda: palette(_label(frames, "ids", "palette")),
        "blur": lambda: blur(frames.rgb),
        "mask": lambda: keep_mask(_label(frames, "ids", "mask"), protected),
    }
    return {name: makers[name]() for name in wanted}


def disparity_span(depth: NDArray[np.float32]) -> tuple[float, float]:
    """The 1st and 99th percentile of 1 / z [1/m], from z [m], +inf for the sky."""
    near = 1 / depth.astype(np.float64)
    solid = near[near > 0]
    low, high = np.percentile(solid, [1, 99]) if solid.size else (0.0, 1.0)
    return float(low), float(high)


def disparity(depth: NDArray[np.float32], span: tuple[float, float] | None = None) -> Video:
    """From z [m], +inf for the sky, [T, H, W]; from black to white over ``span``, or these frames' own."""
    near = 1 / depth.astype(np.float64)
    low, high = disparity_span(depth) if span is None else span
    level = (near - low) / max(high - low, 1e-12) if high > low else np.ones_like(near)
    return _grey(np.where(near > 0, np.round(255 * np.clip(level, 0, 1)), 0))


def flow_wheel(flow: NDArray[np.float32]) -> Video:
    """From forward flow [px], NaN where unknown (drawn black), [T, H, W, 2]; the last map belongs to no pair."""
    maps = np.stack([_wheel_picture(field) for field in flow[: max(len(flow) - 1, 1)]])
    return np.concatenate([maps[:1], maps])[: len(flow)]


def canny_edges(rgb: Video) -> Video:
    """Edges in white; see ``simvid.perception.edges``."""
    return _grey(np.stack([np.where(rgb_edges(picture), 255, 0) for picture in rgb]))


def palette(ids: NDArray[np.int32]) -> Video:
    """One colour for each part id, the same in every clip, [T, H, W] to [T, H, W, 3]."""
    return _palette_colours(int(ids.max(initial=0)) + 1)[ids]


def blur(rgb: Video, sigma_px: float | None = None) -> Video:
    """Gaussian blur; by default over 1/64 of the height."""
    from scipy.ndimage import gaussian_filter

    sigma = rgb.shape[1] / 64 if sigma_px is None else sigma_px
    soft = [gaussian_filter(picture.astype(np.float32), (sigma, sigma, 0), mode="nearest") for picture in rgb]
    return np.asarray(np.round(np.stack(soft)), np.uint8)


def keep_mask(ids: NDArray[np.int32], protected: Sequence[int]) -> Video:
    """Black on the protected parts, white elsewhere."""
    return _grey(np.where(np.isin(ids, protected), 0, 255))


def _label(frames: Frames, array: str, control: str) -> Any:
    found = getattr(frames, array)
    if found is None:
        name = "flow" if array.startswith("flow") else array
        raise SimvidError(f"controls: {control} needs the label {name!r}, which camera {frames.camera.name!r} does not "
                          "have; ask for it when making the clip")  # fmt: skip
    return found


def _grey(level: NDArray[Any]) -> Video:
    return np.repeat(level.astype(np.uint8)[..., None], 3, axis=-1)


def _wheel_picture(flow: NDArray[np.float32]) -> Video:
    """One map; formulas of Baker et al. 2011, sec. 5.2, as in their published code."""
    known: NDArray[Any] = np.asarray(np.isfinite(flow).all(axis=-1))
    u, v = (np.where(known, flow[..., k], 0).astype(np.float64) for k in (0, 1))
    length = np.hypot(u, v)
    length = length / max(length.max(), 1e-12)
    wheel = _wheel()
    turn = (np.arctan2(-v, -u) / np.pi + 1) / 2 * (len(wheel) - 1)
    low = np.floor(turn).astype(int)
    share = (turn - low)[..., None]
    hue = (1 - share) * wheel[low] + share * wheel[(low + 1) % len(wheel)]
    colour = 1 - length[..., None] * (1 - hue)
    return np.where(known[..., None], np.floor(255 * colour), 0).astype(np.uint8)


@cache
def _wheel() -> NDArray[np.float64]:
    """55 hues, 0 to 1, [55, 3]: the six main colours, with steps of unequal number between them."""
    rows = [
        np.array(_COLOURS[start]) + (np.array(_COLOURS[stop]) - np.array(_COLOURS[start])) * k / count
        for start, stop, count in _WHEEL for k in range(count)
    ]  # fmt: skip
    wheel: NDArray[np.float64] = np.floor(np.stack(rows)) / 255
    wheel.flags.writeable = False
    return wheel


@cache
def _palette_colours(count: int) -> Video:
    """Black, then colours of a low-discrepancy walk through hue, with two levels of brightness and of saturation."""
    from colorsys import hsv_to_rgb

    colours = [
        hsv_to_rgb((0.6180339887498949 * k) % 1, 0.95 if k % 4 < 2 else 0.55, 1.0 if k % 2 else 0.75)
        for k in range(1, count)
    ]
    colours = [(0.0, 0.0, 0.0), *colours]
    found = np.asarray(np.round(255 * np.array(colours)), np.uint8)
    found.flags.writeable = False
    return found
