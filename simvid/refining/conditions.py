"""What the bundled refiner sees of a frame: labels as channels of about -1 to 1, in a frozen order.

Every encoding needs its own frame alone (and one length of the clip's first frame), so that a stream gets the same
numbers as a clip:

- colours: sRGB bytes to -1..1; albedo as its square root;
- disparity: s / (s + z), 0 for the sky, with s the median z of the first frame, so that the unit of length drops out;
- light: log(1 + 8 x) / log(1 + 8 * 16), clipped at x = 16, which keeps dim light apart and bright light finite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simvid.errors import SimvidError

Array: TypeAlias = NDArray[Any]
GROUPS: Mapping[str, int] = {
    "coarse": 3,
    "disparity": 1,
    "surface": 1,
    "normals": 3,
    "albedo": 3,
    "roughness": 1,
    "metallic": 1,
    "light_diffuse": 3,
    "light_specular": 3,
    "ambient_occlusion": 1,
    "surface_albedo": 3,
    "surface_normals": 3,
    "traced": 3,
}
"""Groups of channels in their order, and how many each has. Trained weights read the first so many of them: groups may
come at the end, but never change places."""
CHANNELS = sum(GROUPS.values())
OPTIONAL = ("depth", "motion", "normals", "albedo", "roughness", "metallic", "light_diffuse", "light_specular",
            "ambient_occlusion", "surface_albedo", "surface_normals", "traced")  # fmt: skip
"""What may be missing; the model is told which of these are there. As with groups, more may come at the end."""
LAST = "traced"
"""Weights read all groups, or all but this one."""
BRIGHTEST = 16.0
_GAIN = 8.0
_WHOLE = np.log1p(_GAIN * BRIGHTEST)
_BUFFERS = OPTIONAL[3:]


@dataclass(frozen=True, eq=False)
class Conditions:
    """Encoded frames.

    Attributes:
        channels: float32 [T, CHANNELS, H, W].
        flow: from each pixel to the same surface point in the frame before [px], 0 where unknown; float32 [T, 2, H, W].
        visible: 1 where that point is seen in the frame before, float32 [T, 1, H, W].
        present: 1 for each of ``OPTIONAL`` that is there, float32 [len(OPTIONAL)].
    """

    channels: NDArray[np.float32]
    flow: NDArray[np.float32]
    visible: NDArray[np.float32]
    present: NDArray[np.float32]

    def __post_init__(self) -> None:
        t, _, h, w = self.channels.shape
        wanted = {"channels": (t, CHANNELS, h, w), "flow": (t, 2, h, w), "visible": (t, 1, h, w)}
        for name, shape in {**wanted, "present": (len(OPTIONAL),)}.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float32:
                raise ValueError(f"Conditions.{name}: expected float32 {shape}, got {array.dtype} {array.shape}")

    def __len__(self) -> int:
        return len(self.channels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width [px]."""
        return self.channels.shape[2], self.channels.shape[3]

    def part(self, start: int, stop: int) -> Conditions:
        """Frames start to stop - 1."""
        return Conditions(
            self.channels[start:stop], self.flow[start:stop], self.visible[start:stop], self.present
        )  # fmt: skip

    def without(self, hidden: Sequence[str]) -> Conditions:
        """As it would be had some of ``OPTIONAL`` not been there."""
        channels, visible, present = self.channels.copy(), self.visible, self.present.copy()
        for name in hidden:
            present[OPTIONAL.index(name)] = 0
            if name == "motion":
                visible = np.zeros_like(visible)
            for group in ("disparity", "surface") if name == "depth" else (name,) if name in GROUPS else ():
                channels[:, channel_slice(group)] = 0
        flow = np.zeros_like(self.flow) if "motion" in hidden else self.flow
        return Conditions(channels, flow, visible, present)


def channel_slice(group: str) -> slice:
    """Where a group lies among the channels."""
    start = 0
    for name, count in GROUPS.items():
        if name == group:
            return slice(start, start + count)
        start += count
    raise KeyError(group)


def reading(*, traced: bool) -> dict[str, int]:
    """How many channels and flags weights read, by their names in a ``RefinerUNet``'s configuration."""
    return {"conditions": CHANNELS - (0 if traced else GROUPS[LAST]), "optional": len(OPTIONAL) - (not traced)}


def depth_scale(depth: Array | None) -> float:
    """The length s [m] of a clip: median z of its first frame; 1 without depth or surface."""
    if depth is None:
        return 1.0
    finite = depth[np.isfinite(depth)]
    return float(np.median(finite)) if finite.size else 1.0


def encode_light(light: Array) -> NDArray[np.float32]:
    """Linear light 0 to ``BRIGHTEST`` to 0 to 1."""
    clipped = np.clip(light.astype(np.float32), 0, BRIGHTEST)
    return np.asarray(np.log1p(np.float32(_GAIN) * clipped) / _WHOLE, np.float32)


def decode_light(code: Array) -> NDArray[np.float32]:
    """Inverse of ``encode_light``."""
    return np.asarray(np.expm1(code.astype(np.float32) * np.float32(_WHOLE)) / _GAIN, np.float32)


def encode_disparity(depth: Array, scale_m: float) -> NDArray[np.float32]:
    """z [m], +inf for the sky, to s / (s + z)."""
    return np.asarray(np.float32(scale_m) / (np.float32(scale_m) + depth.astype(np.float32)), np.float32)


def encode_frame(labels: Mapping[str, Array], scale_m: float, *, where: str = "frame") -> Conditions:
    """One frame as conditions (T = 1).

    Args:
        labels: ``rgb`` and whatever there is of ``depth``, ``normals``, ``flow_backward`` with
            ``occluded_backward``, the material and light buffers, the meshes' own surfaces and the traced picture, as
            in ``Frame``.
        scale_m: s of ``depth_scale`` of the clip's first frame.
        where: what errors call the frame.

    Raises:
        SimvidError: a label that must be finite is not.
    """
    rgb = labels["rgb"]
    height, width = rgb.shape[:2]
    found: dict[str, Array] = {"coarse": _signed(rgb)}
    depth = labels.get("depth")
    if depth is not None:
        if np.isnan(depth).any():
            raise SimvidError(f"{where}: depth has NaN; expected z in metres, +inf for the sky")
        found["disparity"] = encode_disparity(depth, scale_m)
        found["surface"] = np.isfinite(depth).astype(np.float32)
    for name in ("normals", *_BUFFERS):
        if (array := labels.get(name)) is not None:
            if not np.isfinite(array).all():
                raise SimvidError(f"{where}: {name} has values that are not finite; make the clip again")
            found[name] = _encoded(name, array)
    channels = np.zeros((1, CHANNELS, height, width), np.float32)
    for name, array in found.items():
        channels[0, channel_slice(name)] = np.moveaxis(array.reshape(height, width, -1), -1, 0)
    flow, visible, moving = _motion(labels, height, width)
    have = {"depth": depth is not None, "motion": moving, **{name: name in found for name in OPTIONAL[2:]}}
    return Conditions(channels, flow, visible, np.array([have[name] for name in OPTIONAL], np.float32))


def stack(parts: list[Conditions]) -> Conditions:
    """Frames in a row; all with the same labels.

    Raises:
        SimvidError: no frames, or frames that differ in size or labels.
    """
    if not parts:
        raise SimvidError("expected one frame or more, got none")
    first = parts[0]
    for i, part in enumerate(parts):
        check_alike(first, part, i)
    joined = {name: np.concatenate([getattr(p, name) for p in parts]) for name in ("channels", "flow", "visible")}
    return Conditions(**joined, present=first.present)


def check_alike(first: Conditions, other: Conditions, index: int) -> None:
    """All frames of a clip have one size and the same labels.

    Raises:
        SimvidError: frame ``index`` has not what the first one has.
    """
    if other.size != first.size:
        (h, w), (y, x) = first.size, other.size
        raise SimvidError(f"frame {index}: expected {w} x {h} as in frame 0, got {x} x {y}")
    odd = [name for name, a, b in zip(OPTIONAL, first.present, other.present, strict=True) if a != b]
    if odd:
        raise SimvidError(f"frame {index}: expected the labels of frame 0; it differs in {', '.join(odd)}")


def from_beyond(flow: Array) -> NDArray[np.bool_]:
    """Whether a flow [T, H, W, 2] points out of its pictures, or nowhere (NaN), [T, H, W]."""
    height, width = flow.shape[1:3]
    u, v = flow[..., 0] + (np.arange(width) + 0.5), flow[..., 1] + (np.arange(height) + 0.5)[:, None]
    inside: NDArray[np.bool_] = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    return ~inside


def _signed(rgb: Array) -> NDArray[np.float32]:
    """Bytes as -1 to 1."""
    return np.asarray(rgb.astype(np.float32) / 127.5 - 1, np.float32)


def _encoded(name: str, array: Array) -> NDArray[np.float32]:
    if name == "traced":
        return _signed(array)
    if name.startswith("light"):
        return encode_light(array)
    plain = array.astype(np.float32)
    return np.sqrt(np.clip(plain, 0, 1)) if name in ("albedo", "surface_albedo") else plain


def _motion(labels: Mapping[str, Array], height: int, width: int) -> tuple[Array, Array, bool]:
    """Flow to the frame before with 0 for NaN, whether it can be followed, and whether it was there at all."""
    flow, hidden = labels.get("flow_backward"), labels.get("occluded_backward")
    if flow is None or hidden is None:
        return np.zeros((1, 2, height, width), np.float32), np.zeros((1, 1, height, width), np.float32), False
    known: Array = np.asarray(np.isfinite(flow).all(axis=-1))
    plain = np.where(known[..., None], flow, 0).astype(np.float32)
    visible = (known & ~hidden).astype(np.float32)
    return np.moveaxis(plain, -1, 0)[None].copy(), visible[None, None], True
