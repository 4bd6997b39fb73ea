"""BridgeRefiner: the bundled kind of refiner, with the weights of a folder that ``simvid train refiner`` wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simvid import collector
from simvid.errors import SceneError, SimvidError
from simvid.frames import Frame
from simvid.refining.base import ClipContext
from simvid.refining.bridge_weights import BridgeWeights
from simvid.refining.conditions import LAST, Conditions, depth_scale, encode_frame
from simvid.scene.base import Model

AS_RENDERED = "as_rendered"
MOTION = ("depth", "normals", "flow_backward", "occluded_backward")
BUFFERS = ("albedo", "roughness", "metallic", "light_diffuse", "light_specular", "ambient_occlusion", "surface_albedo",
           "surface_normals", "surface_opaque")  # fmt: skip
ANCHORS = ("depth", "ids")
"""What the anchored noise reads."""


class BridgeSettings(Model):
    """What an entry of the ``refiners/`` shelf may set."""

    weights: str
    """Folder of the weights, as ``save_pretrained`` writes it; relative to the entry's own file."""
    steps: int = Field(default=1, ge=1)
    strength: float = Field(default=1.0, gt=0, le=1)
    history: bool = True
    """Show each frame the one refined before it."""
    buffers: bool = True
    """Read the material and light buffers, the meshes' own surfaces and, if the weights do, the traced picture; without
    them the model does what it can."""
    noise: Literal["anchored", "white"] = "anchored"
    """``anchored`` sticks to surfaces (``simvid.refining.noise``): it needs depth, ids and the clip's motion. Frames on
    their own, without a clip, get white noise."""
    bfloat16: bool = True
    threads: int = Field(default=1, ge=1)

    def beside(self, folder: Path) -> Self:
        """The same, with paths that start at a folder."""
        return self.model_copy(update={"weights": str(folder / self.weights)})


class BridgeRefiner:
    """Refines frames one by one, in memory that does not grow with their number."""

    name = "bridge"
    Settings = BridgeSettings

    def __init__(self, settings: BridgeSettings) -> None:
        self._settings, self._weights = settings, BridgeWeights(Path(settings.weights))
        buffers = (*BUFFERS, *((LAST,) if self._weights.traced else ()))
        self._shown = (*MOTION, *(buffers if settings.buffers else ()))
        anchors = ANCHORS if settings.noise == "anchored" else ()
        self.reads: tuple[str, ...] = tuple(dict.fromkeys((*self._shown, *anchors)))
        self._context: ClipContext | None = None
        self._light: tuple[float, ...] | None = None

    def version(self) -> str:
        """Of the method, and the digest of the weights."""
        return f"3 {self._weights.digest[:16]}"

    def settings(self) -> Mapping[str, Any]:
        """All but the number of threads and the folder's place: the weights' digest stands for it."""
        plain = self._settings.model_dump(mode="json", exclude={"threads"})
        return {**plain, "weights": f"sha256:{self._weights.digest}"}

    @property
    def looks_are_light(self) -> bool:
        """Unless the weights were taught looks by name."""
        return not self._weights.looks

    @cached_property
    def looks(self) -> tuple[str, ...]:
        """Looks that the weights know."""
        return (AS_RENDERED, *self._weights.looks)

    def in_clip(self, context: ClipContext) -> BridgeRefiner:
        """The same, told of a clip: its light, and its motion for the noise."""
        found = self.in_light(context.light)
        found._context = context
        return found

    def in_light(self, light: tuple[float, ...] | None) -> BridgeRefiner:
        """The same, told of a light alone."""
        found = copy(self)
        found._light = light
        return found

    def load(self) -> None:
        """Import torch and diffusers.

        Raises:
            MissingExtraError: one of them is not installed.
        """
        with collector.paused():
            import simvid.refining.pipeline  # noqa: F401

    def refine(self, frames: Iterable[Frame], *, look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        """Refined pictures, one for one.

        Raises:
            SceneError: at once, for a look that the weights do not know.
            AssetError: the weights are damaged or of another version.
            SimvidError: a frame lacks a label, is unlike the first, or is too large for the memory.
        """
        if look not in self.looks:
            light = "" if self._weights.looks else "; other looks reach it as light:  simvid refine CLIP --look LOOK"
            name = Path(self._settings.weights).name
            raise SceneError(f"the refiner {name!r} knows {', '.join(self.looks)}; got {look!r}{light}")
        return self._refined(frames, look, seed & (2**63 - 1))

    def _refined(self, frames: Iterable[Frame], look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        self.load()
        from simvid.refining.deep import out_of_memory, torch
        from simvid.refining.pipeline import Sampling

        chosen, context = self._settings, self._context
        torch.set_num_threads(chosen.threads)
        pipe = self._weights.load()
        feed = _Feed(frames, self._shown, context if chosen.noise == "anchored" else None, seed)
        light = None if self._light is None else np.array(self._light, np.float32)
        pictures = pipe.stream(
            feed.conditions(),
            sampling=Sampling(chosen.steps, chosen.strength, chosen.history, autocast=chosen.bfloat16),
            look=look,
            light=light,
            generator=torch.Generator().manual_seed(seed),
            noises=None if feed.context is None else feed.noises(),
        )
        while True:
            try:
                picture = next(pictures)
            except StopIteration:
                return
            except (MemoryError, RuntimeError) as error:
                if out_of_memory(error):
                    raise SimvidError(f"the refiner ran out of memory at frame {feed.index} of {feed.size}; "
                                      "render smaller pictures") from error  # fmt: skip
                raise
            yield feed.kept(picture)


class _Feed:
    """Frames as conditions, one by one, and the noise of the one that was encoded last."""

    def __init__(self, frames: Iterable[Frame], shown: tuple[str, ...], context: ClipContext | None, seed: int) -> None:
        self._frames, self._shown, self.context, self._seed = frames, shown, context, seed
        self._frame: Frame | None = None
        self.index = 0

    @property
    def size(self) -> str:
        """Of the frames, for messages."""
        return "unknown size" if self._frame is None else "{1} x {0}".format(*self._frame.rgb.shape[:2])

    def conditions(self) -> Iterator[Conditions]:
        """Frame after frame. Frames on their own may lack labels: the network is told which.

        Raises:
            SimvidError: a label is not finite; or, in a clip, one is missing, or there are too many frames.
        """
        scale = None
        for index, frame in enumerate(self._frames):
            self.index, self._frame, labels = index, frame, frame.labels
            if self.context is not None:
                self._check_clip(self.context, frame)
            if scale is None:
                scale = depth_scale(frame.depth)
            known: dict[str, NDArray[Any]] = {name: labels[name] for name in self._shown if name in labels}
            yield encode_frame({"rgb": frame.rgb, **known}, scale, where=f"frame {index}")

    def kept(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The refined picture of the frame encoded last; as it came, or, if that is read, as it was traced, where
        it is not opaque.

        No weights were taught these: they were trained on meshes, few of which were of glass. The pixels beside them,
        over which the network sees an outline, stay too.
        """
        frame = self._frame
        if frame is None or frame.surface_opaque is None:
            return picture
        share = _least_around(frame.surface_opaque.astype(np.float32))[..., None]
        came = frame.traced if LAST in self._shown and frame.traced is not None else frame.rgb
        return np.rint(came + share * (picture.astype(np.float32) - came)).astype(np.uint8)

    def noises(self) -> Iterator[Any]:
        """Noise that sticks to the surfaces of the clip, a tensor [3, H, W] for each frame."""
        from simvid.refining import noise, noise_fast
        from simvid.refining.deep import torch

        while (context := self.context) is not None and (frame := self._frame) is not None:
            assert frame.depth is not None and frame.ids is not None, "they are among what is read"  # noqa: PT018
            cells = noise.anchors(context.camera, context.trajectory, self.index, frame.depth, frame.ids)
            yield torch.from_numpy(noise_fast.gaussian(cells, 3, self._seed))

    def _check_clip(self, context: ClipContext, frame: Frame) -> None:
        """The frame must be one of the clip that the refiner was told of."""
        camera = context.camera
        missing = [name for name in dict.fromkeys((*self._shown, *ANCHORS)) if name not in frame.labels]
        if missing:
            raise SimvidError(f"frame {self.index}: the refiner reads {', '.join(missing)}, which the frame does not "
                              "have; ask for the labels that hold them")  # fmt: skip
        if self.index >= len(camera.world_from_camera):
            raise SimvidError(f"frame {self.index}: the clip has {len(camera.world_from_camera)} frames; give no more")
        if frame.rgb.shape[:2] != (camera.height, camera.width):
            raise SimvidError(f"frame {self.index}: expected {camera.width} x {camera.height}, the size of camera "
                              f"{camera.name!r} of the clip, got {self.size}")  # fmt: skip


def _least_around(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The least of each pixel and its eight neighbours, [H, W]."""
    padded = np.pad(values, 1, mode="edge")
    rows = np.minimum(np.minimum(padded[:-2], padded[1:-1]), padded[2:])
    return np.minimum(np.minimum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
