"""Training pairs on disk: coarse pictures, what is known of them, and the true pictures of the very same frames.

A data set is a folder of clips; a clip is a folder that appears whole, by rename:

    DATA/CLIP/pair.json     what it is: size, split, family, look, light, seeds, licence, the arrays and their codes
    DATA/CLIP/NAME.npy      one array per file, uint8 or float16, [T, H, W, ...], plain .npy that can be mapped

| array | code | what |
|---|---|---|
| coarse, target | uint8 | sRGB |
| depth | float16 | z [m] over the clip's ``depth_scale_m``, +inf for the sky |
| normals | uint8 | 127.5 (n + 1), camera axes; 0 0 0 for none |
| flow_backward | float16 | [px], NaN where unknown |
| visible | uint8 | 1 where the point is seen in the frame before |
| albedo, roughness, metallic, ambient_occlusion | uint8 | 255 sqrt(x) for albedo, 255 x for the others |
| light_diffuse, light_specular | uint8 | 255 ``encode_light(x)`` |
| surface_albedo | uint8 | 255 sqrt(x) |
| surface_normals | uint8 | 127 n + 128 |
| traced | uint8 | sRGB |
| ids | uint8 | part that owns the pixel, 0 for the sky; for the gate, no refiner reads them |

All but coarse and target may be left out. Nothing is pickled. About 38 bytes per pixel with everything. In place of
NAME.npy there may be NAME.webp, see ``simvid.refining.packed_pairs``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from simvid.clips.folders import new_folder
from simvid.errors import ClipError
from simvid.frames import BUFFERS, SURFACES, Frame
from simvid.refining.conditions import (
    Conditions,
    decode_light,
    depth_scale,
    encode_frame,
    encode_light,
    from_beyond,
    stack,
)
from simvid.refining.pair_arrays import PairArrays, unread
from simvid.scene.base import Model
from simvid.scene.rules import Problem, Rule

Array: TypeAlias = NDArray[Any]
Split: TypeAlias = Literal["train", "held_out"]
FILE = "pair.json"
_CODES: Mapping[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "coarse": (np.uint8, (3,)),
    "target": (np.uint8, (3,)),
    "depth": (np.float16, ()),
    "normals": (np.uint8, (3,)),
    "flow_backward": (np.float16, (2,)),
    "visible": (np.uint8, ()),
    "albedo": (np.uint8, (3,)),
    "roughness": (np.uint8, ()),
    "metallic": (np.uint8, ()),
    "light_diffuse": (np.uint8, (3,)),
    "light_specular": (np.uint8, (3,)),
    "ambient_occlusion": (np.uint8, ()),
    "ids": (np.uint8, ()),
    "surface_albedo": (np.uint8, (3,)),
    "surface_normals": (np.uint8, (3,)),
    "traced": (np.uint8, (3,)),
}
_UNIT = ("roughness", "metallic", "ambient_occlusion")
_LIGHT = ("light_diffuse", "light_specular")
_ALBEDO = ("albedo", "surface_albedo")
_PICTURES = ("coarse", "target", "traced")
_COLORED = (*_PICTURES, *_ALBEDO, *_LIGHT)
MOST_PARTS = 255
BETWEEN_LICENCES = "; "
UNKNOWN_LIGHT = (0.0,) * 11


def _known(record: PairRecord) -> Iterator[Problem]:
    if unknown := [name for name in record.arrays if name not in _CODES]:
        yield Problem(("arrays",), f"some of {', '.join(_CODES)}", ", ".join(unknown), "of another version of simvid?")
    if missing := [name for name in ("coarse", "target") if name not in record.arrays]:
        yield Problem(("arrays",), "coarse and target among them", f"none of {', '.join(missing)}")
    if len(record.light) != len(UNKNOWN_LIGHT):
        yield Problem(("light",), f"{len(UNKNOWN_LIGHT)} numbers", str(len(record.light)))


class PairRecord(Model):
    """``pair.json``."""

    simvid_pair: Literal[1] = 1
    name: str
    split: Split = "train"
    family: str = Field(description="Kind of scene; held-out families are never trained on.")
    look: str = "as_rendered"
    light: tuple[float, ...] = UNKNOWN_LIGHT
    """The numbers of ``simvid.refining.model.LIGHT``, for the target's light."""
    coarseness: Mapping[str, float] = {}
    """How the coarse pictures were made worse."""
    frames: int
    height: int
    width: int
    fps: float
    depth_scale_m: float = 1.0
    seeds: Mapping[str, int] = {}
    samples: int | None = None
    """Paths per pixel of the target, where they are known."""
    licence: str = "CC0-1.0"
    """Or several, of the pictures and of all assets that are seen in them."""
    arrays: tuple[str, ...]

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("arrays", "light"), _known),)

    @property
    def licences(self) -> tuple[str, ...]:
        """Each by itself."""
        return tuple(self.licence.split(BETWEEN_LICENCES))


def write_pair(
    folder: Path, coarse: Array, target: Array, labels: Mapping[str, Array], **about: Any
) -> PairRecord:  # fmt: skip
    """Write one clip; a clip of this name that is there already stays.

    Args:
        folder: of the new clip.
        coarse, target: sRGB uint8 [T, H, W, 3].
        labels: arrays of ``Frames`` by name, [T, H, W, ...]: depth, normals, flow_backward with occluded_backward,
            buffers in linear light, traced as the pictures are. What is not listed above is left out.
        about: fields of ``PairRecord``: name, split, family, look, light, fps, seeds, samples, licence.

    Raises:
        ClipError: arrays of other sizes or kinds, or the disk is full.
    """
    arrays: dict[str, Array] = {"coarse": coarse, "target": target}
    scale = depth_scale(labels["depth"][0]) if "depth" in labels else 1.0
    for name in _CODES:
        if name in labels:
            arrays[name] = _coded(name, labels[name], scale)
    if "flow_backward" in labels and "occluded_backward" in labels:
        known = np.isfinite(labels["flow_backward"]).all(axis=-1)
        arrays["visible"] = (known & ~labels["occluded_backward"]).astype(np.uint8)
    else:
        arrays.pop("flow_backward", None)
    t, h, w = coarse.shape[:3]
    for name, array in arrays.items():
        dtype, trail = _CODES[name]
        if array.shape != (t, h, w, *trail) or array.dtype != dtype:
            raise ClipError(f"{folder}: {name}: expected {np.dtype(dtype)} {(t, h, w, *trail)}, got {array.dtype} "
                            f"{array.shape}")  # fmt: skip
    record = PairRecord(frames=t, height=h, width=w, depth_scale_m=scale, arrays=tuple(arrays), **about)
    with new_folder(folder) as work:
        for name, array in arrays.items():
            content = io.BytesIO()  # where it writes to a file itself, NumPy does not say that the disk is full
            np.save(content, np.ascontiguousarray(array), allow_pickle=False)
            (work / f"{name}.npy").write_bytes(content.getbuffer())
        (work / FILE).write_text(json.dumps(record.model_dump(mode="json", exclude_none=True), indent=1) + "\n")
    return record


@dataclass(frozen=True, eq=False)
class Crop:
    """Conditions, the true pictures (float32 [T, 3, H, W], -1 to 1), their light, and the record of their clip."""

    conditions: Conditions
    target: NDArray[np.float32]
    light: tuple[float, ...]
    record: PairRecord


class PairClip:
    """One clip, its arrays mapped from the disk while they are read.

    Raises:
        ClipError: it is no such folder, of another version, or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = read_record(folder)
        size = self.record.frames, self.record.height, self.record.width
        kinds = {name: (_CODES[name][0], (*size, *_CODES[name][1])) for name in self.record.arrays}
        self._arrays = PairArrays(folder, kinds)

    def crop(
        self, frames: slice, rows: slice, columns: slice, *, mirrored: bool = False, gain: float = 1.0,
        colors: tuple[int, ...] = (0, 1, 2),
    ) -> Crop:  # fmt: skip
        """A part of the clip as conditions and target.

        What comes from beyond the part was not visible before, as with a whole picture: there is nothing to follow.

        Args:
            frames, rows, columns: which.
            mirrored: left and right exchanged, with normals and flow.
            gain: factor on all light: of the pictures in linear light, and of the light buffers.
            colors: which of red, green and blue become red, green and blue, in pictures, albedo and light.
        """
        cut = {name: np.array(array[frames, rows, columns]) for name, array in self._arrays.items()}
        if mirrored:
            cut = {name: _mirrored(name, array) for name, array in cut.items()}
        cut |= {name: cut[name][..., colors] for name in _COLORED if name in cut}
        cut |= {name: exposed(cut[name], gain) for name in _PICTURES if name in cut}
        coarse, target = cut.pop("coarse"), cut.pop("target")
        labels = {name: _decoded(name, array) for name, array in cut.items()}
        for name in _LIGHT:
            if name in labels:
                labels[name] = labels[name] * np.float32(gain)
        if "visible" in labels and "flow_backward" in labels:
            labels["occluded_backward"] = (labels.pop("visible") == 0) | from_beyond(labels["flow_backward"])
        each = [
            encode_frame(
                {"rgb": coarse[t], **{k: v[t] for k, v in labels.items()}}, 1.0, where=f"{self.folder} frame {t}"
            )
            for t in range(len(coarse))
        ]
        true = np.moveaxis(target.astype(np.float32) / 127.5 - 1, -1, 1)
        light = _light(self.record.light, mirrored=mirrored, gain=gain, colors=colors)
        return Crop(stack(each), np.ascontiguousarray(true), light, self.record)

    def stored(self, name: str) -> Array:
        """An array as it is on disk, mapped: it keeps its file open. KeyError where there is none of this name."""
        return self._arrays[name]

    def decoded(self, name: str, frames: slice) -> Array:
        """Frames of an array in the units of ``Frame``: depth in metres; pictures as they are."""
        values = _decoded(name, np.array(self._arrays[name][frames]))
        return values * np.float32(self.record.depth_scale_m) if name == "depth" else values

    def whole(self) -> Crop:
        """All of it."""
        return self.crop(slice(None), slice(None), slice(None))

    def pictures(self, name: Literal["coarse", "target"]) -> NDArray[np.uint8]:
        """The coarse or the true pictures, sRGB uint8 [T, H, W, 3]."""
        return np.array(self._arrays[name])

    def labels(self, names: Collection[str] | None = None) -> dict[str, Array]:
        """Arrays of ``Frames`` by name, decoded, depth in metres; those asked for that are there, by default all."""
        found: dict[str, Array] = {}
        for name in self._arrays:
            mine = "occluded_backward" if name == "visible" else name
            if name in ("coarse", "target") or (names is not None and mine not in names):
                continue
            array = np.array(self._arrays[name])
            found[mine] = array == 0 if name == "visible" else _in_frames(name, array)
        if "depth" in found:
            found["depth"] *= np.float32(self.record.depth_scale_m)
        return found

    def frames(self, names: Collection[str] | None = None) -> Iterator[Frame]:
        """The coarse frames with their labels, or with those that are named, as a renderer gives them."""
        labels, coarse = self.labels(names), self._arrays["coarse"]
        for t in range(self.record.frames):
            yield Frame(np.array(coarse[t]), **{name: array[t] for name, array in labels.items()})


def read_record(folder: Path) -> PairRecord:
    """What a clip says of itself.

    Raises:
        ClipError: it is no such folder, or of another version.
    """
    path = folder / FILE
    try:
        return PairRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise unread(path, error, f"expected the record of a training pair ({_said(error)})") from error


def random_crop(clip: PairClip, rng: np.random.Generator, frames: int, size: int) -> Crop:
    """A crop at a random place and time, mirrored half of the time, with a gain of up to 1.4 either way.

    Red, green and blue change places in all six ways equally often, since light treats them alike.

    Raises:
        ClipError: the clip is smaller or shorter.
    """
    return draw_crop(clip, rng, frames, size)()


def draw_crop(clip: PairClip, rng: np.random.Generator, frames: int, size: int) -> Callable[[], Crop]:
    """What ``random_crop`` draws, not read from the disk before it is called for.

    Raises:
        ClipError: the clip is smaller or shorter.
    """
    r = clip.record
    if r.frames < frames or min(r.height, r.width) < size:
        raise ClipError(f"{clip.folder}: expected {frames} frames of {size} px or more, got {r.frames} of {r.width} x "
                        f"{r.height}; choose smaller crops")  # fmt: skip
    t, y, x = (int(rng.integers(0, n + 1)) for n in (r.frames - frames, r.height - size, r.width - size))
    mirrored, gain = bool(rng.integers(2)), float(1.4 ** rng.uniform(-1, 1))
    colors = tuple(int(c) for c in rng.permutation(3))
    where = slice(t, t + frames), slice(y, y + size), slice(x, x + size)
    return lambda: clip.crop(*where, mirrored=mirrored, gain=gain, colors=colors)


def exposed(rgb: Array, gain: float) -> NDArray[np.uint8]:
    """sRGB bytes with so much more light."""
    if gain == 1.0:
        return rgb
    s = np.arange(256) / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4) * gain
    back = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(255 * np.clip(back, 0, 1)), np.uint8)[rgb]


def _said(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return str(error)
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())


def _light(numbers: tuple[float, ...], *, mirrored: bool, gain: float, colors: tuple[int, ...]) -> tuple[float, ...]:
    """The light's numbers with left and right exchanged, with another exposure and other colours."""
    known, x, y, z, *both, exposure = numbers
    if not known:
        return numbers
    rest = (both[start + c] for start in (0, 3) for c in colors)  # of the main light and of the sky
    return (known, -x if mirrored else x, y, z, *rest, exposure + float(np.log2(gain)))


def _coded(name: str, array: Array, scale_m: float) -> Array:
    if name == "depth":
        with np.errstate(over="ignore"):
            return np.asarray(array / scale_m).astype(np.float16)
    if name == "flow_backward":
        return array.astype(np.float16)
    if name == "traced":
        return array
    if name == "normals":
        there = (array != 0).any(axis=-1, keepdims=True)
        return np.where(there, np.round(127.5 * (np.clip(array, -1, 1) + 1)), 0).astype(np.uint8)
    if name == "surface_normals":
        return np.round(127 * np.clip(array.astype(np.float32), -1, 1) + 128).astype(np.uint8)
    if name in _LIGHT:
        return np.asarray(np.round(255 * encode_light(array)), np.uint8)
    if name == "ids":
        if array.max(initial=0) > MOST_PARTS:
            raise ClipError(f"ids: a pair holds {MOST_PARTS} parts at most, got one with {array.max()}")
        return array.astype(np.uint8)
    unit = np.clip(array.astype(np.float32), 0, 1)
    return np.asarray(np.round(255 * (np.sqrt(unit) if name in _ALBEDO else unit)), np.uint8)


def _decoded(name: str, array: Array) -> Array:
    if name in ("depth", "flow_backward"):
        return array.astype(np.float32)
    if name == "normals":
        there = (array != 0).any(axis=-1, keepdims=True)
        return np.where(there, array.astype(np.float32) / 127.5 - 1, 0).astype(np.float32)
    if name in _LIGHT:
        return decode_light(array.astype(np.float32) / 255)
    if name == "surface_normals":
        return (array.astype(np.float32) - 128) / 127
    if name in _ALBEDO:
        return (array.astype(np.float32) / 255) ** 2
    return array.astype(np.float32) / 255 if name in _UNIT else array


def _in_frames(name: str, array: Array) -> Array:
    """Decoded, in the type that ``Frame`` holds."""
    plain = _decoded(name, array)
    if name == "ids":
        return plain.astype(np.int32)
    return plain.astype(np.float16) if name in (*BUFFERS, *SURFACES) else plain


def _mirrored(name: str, array: Array) -> Array:
    """Left and right exchanged; x components change sign."""
    turned = array[:, :, ::-1].copy()
    if name == "flow_backward":
        turned[..., 0] = -turned[..., 0]
    if name == "surface_normals":
        turned[..., 0] = np.uint8(256 - turned[..., 0].astype(np.int32))
    if name == "normals":
        there = (turned != 0).any(axis=-1)
        turned[..., 0] = np.where(there, 255 - turned[..., 0], 0)
    return turned
