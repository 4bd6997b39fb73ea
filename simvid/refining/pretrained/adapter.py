"""PretrainedRefiner: what all adapters share. A subclass says which family it runs and how one chunk is made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simvid.errors import AssetError, SceneError, SimvidError
from simvid.frames import CameraPath, Frame, Frames
from simvid.refining.base import ClipContext
from simvid.refining.controls import control_videos, disparity, disparity_span
from simvid.refining.pretrained.prompts import LOOK_WORDS, prompt
from simvid.refining.pretrained.settings import LoraSettings, PretrainedSettings
from simvid.refining.pretrained.shapes import FrameRule, Video, cross_fade, windows
from simvid.refining.pretrained.weights import Weights, check_memory, find_weights, free_memory, library, require_extra

_NUMBER_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
_STRIDE = 0x9E3779B97F4A7C15


@dataclass(frozen=True, eq=False)
class Chunk:
    """What a model is given at once.

    Attributes:
        frames: coarse, not padded.
        first: which frame of the clip they begin with.
        before: refined pictures of the first few of them, by the chunk before, [n, H, W, 3].
        prompt: in words.
        seed: of this chunk.
        clip_seed: of the whole clip.
        span: of disparity, over the clip's beginning.
    """

    frames: Frames
    first: int
    before: Video | None
    prompt: str
    seed: int
    clip_seed: int
    span: tuple[float, float] | None


class PretrainedRefiner(ABC):
    """Refines clips in chunks with a pipeline of diffusers, loaded when the first picture is asked for."""

    name: ClassVar[str]
    families: ClassVar[tuple[str, ...]]
    """Classes of pipelines that it runs, by their names in model_index.json."""
    version_number: ClassVar[str] = "1"
    reads: tuple[str, ...] = ()

    def __init__(self, settings: PretrainedSettings) -> None:
        require_extra(f"the refiner backend {self.name!r}")
        self._settings = settings
        self.weights: Weights = find_weights(
            settings.model, revision=settings.revision, local_files_only=settings.local_files_only
        )
        self.weights.expect(self.families, self.name)
        self.context: ClipContext | None = None
        self.reads = tuple(dict.fromkeys(self._needs()))
        if isinstance(settings, LoraSettings) and settings.lora is not None:
            _check_lora(Path(settings.lora))

    def in_clip(self, context: ClipContext) -> PretrainedRefiner:
        """The same, told of a clip."""
        found = copy(self)
        found.context = context
        return found

    def version(self) -> str:
        """Of the method, and the digest of the weights."""
        return f"{self.version_number} {self.weights.digest[:16]}"

    def settings(self) -> Mapping[str, Any]:
        """All but where the weights lie, which their digest stands for, and what does not shape pictures."""
        plain = self._settings.model_dump(mode="json", exclude={"threads", "offload", "local_files_only"})
        lora = plain.get("lora")
        files = {} if lora is None else {"lora": f"{Path(lora).name} sha256:{_file_digest(Path(lora))}"}
        return {**plain, **files, "weights": f"sha256:{self.weights.digest}"}

    def refine(self, frames: Iterable[Frame], *, look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        """Refined pictures, one for one.

        Raises:
            SceneError: at once, for an unknown look.
            SimvidError: at once, for too little memory.
            AssetError: when loading, weights that are damaged.
        """
        if look not in LOOK_WORDS:
            raise SceneError(f"the refiner {self.name!r} knows {', '.join(LOOK_WORDS)}; got {look!r}")
        if self._settings.device == "cpu" or not Path("/dev/nvidiactl").exists():
            check_memory(self.weights, _NUMBER_BYTES[self._settings.dtype], free_memory(), "memory")
        return self._refined(frames, look, seed)

    def _refined(self, frames: Iterable[Frame], look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        chosen = self._settings
        words = prompt(self.context.caption if self.context else "", look, chosen.prompt)
        tail: Video | None = None
        span: tuple[float, float] | None = None
        first = 0
        for number, (part, last) in enumerate(windows(frames, chosen.chunk, chosen.overlap)):
            stack = Frames.stack(self._camera(part, first), part)
            if span is None and stack.depth is not None:
                span = disparity_span(stack.depth)
            own = (seed + number * _STRIDE) & (2**63 - 1)
            out = self._cropped(Chunk(stack, first, tail, words, own, seed & (2**63 - 1), span))
            if tail is not None and len(tail):
                out[: len(tail)] = cross_fade(tail, out[: len(tail)])
            ready = len(out) if last else chosen.chunk - chosen.overlap
            yield from out[:ready]
            tail, first = out[ready:], first + ready

    def _cropped(self, chunk: Chunk) -> Video:
        """Refined pictures of a chunk without what was added to it.

        Raises:
            SimvidError: the model ran out of memory or gave numbers that are none.
        """
        count, height, width = chunk.frames.rgb.shape[:3]
        try:
            made = np.asarray(self.generate(chunk))
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate" in str(error):
                raise SimvidError(f"{self.name}: out of memory at {count} frames of {width} x {height}; set a smaller "
                                  "chunk, offload: true, or render smaller pictures") from error  # fmt: skip
            raise
        made = made[:count, :height, :width]
        if made.shape != (count, height, width, 3):
            raise SimvidError(f"{self.name}: expected {count} pictures of {width} x {height}, the model gave "
                              f"{list(made.shape)}")  # fmt: skip
        if not np.isfinite(made).all():
            raise SimvidError(f"{self.name}: the model gave numbers that are not finite; try dtype: float32")
        return np.asarray(np.round(np.clip(made, 0, 1) * 255), np.uint8)

    @abstractmethod
    def _needs(self) -> Iterable[str]:
        """Labels that it reads."""

    @abstractmethod
    def _loaded(self) -> Any:
        """The pipeline, on no device yet."""

    @abstractmethod
    def generate(self, chunk: Chunk) -> NDArray[np.floating[Any]]:
        """Refined pictures 0 to 1, at least as many and as large as the chunk's, [T, H, W, 3]."""

    @cached_property
    def pipe(self) -> Any:
        """The pipeline, loaded and on its device.

        Raises:
            AssetError: it cannot be loaded.
            SimvidError: the device is not there or too small.
        """
        from simvid.refining.deep import diffusers_logging, torch

        chosen = self._settings
        diffusers_logging.disable_progress_bar()
        library("transformers.utils.logging").disable_progress_bar()
        if chosen.threads:
            torch.set_num_threads(chosen.threads)
        device = self.device
        if device == "cuda":
            free = torch.cuda.mem_get_info()[0]
            check_memory(self.weights, _NUMBER_BYTES[chosen.dtype], free, "the GPU's memory", offload=chosen.offload)
        try:
            pipe = self._loaded()
            if isinstance(chosen, LoraSettings) and chosen.lora is not None:
                pipe.load_lora_weights(chosen.lora, adapter_name="simvid", local_files_only=True)
                pipe.set_adapters(["simvid"], [chosen.lora_scale])
        except SimvidError:
            raise
        except Exception as error:  # every library below raises its own kind
            raise AssetError(
                f"model: {self.weights.folder}: cannot be loaded as {self.weights.family} ({error})"
            ) from error
        if device == "cuda" and chosen.offload:
            pipe.enable_model_cpu_offload()
        else:
            pipe.to(device)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    @cached_property
    def device(self) -> str:
        """Where it runs.

        Raises:
            SimvidError: cuda was asked for, and there is none.
        """
        from simvid.refining.deep import torch

        there = bool(torch.cuda.is_available())
        if self._settings.device == "cuda" and not there:
            raise SimvidError("device: cuda was asked for, but torch finds no NVIDIA GPU; set device: auto or cpu")
        return "cuda" if there and self._settings.device != "cpu" else "cpu"

    @property
    def dtype(self) -> Any:
        """torch's name of the number type."""
        from simvid.refining.deep import torch

        return getattr(torch, self._settings.dtype)

    @property
    def load_options(self) -> dict[str, Any]:
        """For ``from_pretrained``: no pickles, no network."""
        return {"use_safetensors": True, "local_files_only": True, "dtype": self.dtype}

    def generator(self, seed: int) -> Any:
        """torch's generator of random numbers, the same on every device."""
        from simvid.refining.deep import torch

        return torch.Generator("cpu").manual_seed(seed)

    def control(self, chunk: Chunk, name: str, rule: FrameRule) -> Video:
        """A control video of allowed size."""
        if name == "disparity" and chunk.frames.depth is not None:
            return rule.padded(disparity(chunk.frames.depth, chunk.span))
        return rule.padded(control_videos(chunk.frames, (name,))[name])

    def told(self) -> ClipContext:
        """The clip.

        Raises:
            SceneError: nobody told.
        """
        if self.context is None:
            raise SceneError(f"the refiner {self.name!r} must know the clip for anchored noise and protected parts: "
                             "use simvid refine CLIP, or set noise: drawn and protect: none")  # fmt: skip
        return self.context

    def _camera(self, part: list[Frame], first: int) -> CameraPath:
        """Where it stood in these frames; unknown, a camera at rest."""
        height, width = part[0].rgb.shape[:2]
        if self.context is None:
            K = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
            return CameraPath("unknown", width, height, K, np.repeat(np.eye(4)[None], len(part), axis=0))
        from dataclasses import replace

        path = self.context.camera
        return replace(path, world_from_camera=path.world_from_camera[first : first + len(part)])


def pictures(video: Video) -> list[Any]:
    """As PIL pictures, which all pipelines take."""
    from PIL import Image

    return [Image.fromarray(picture) for picture in video]


def _check_lora(path: Path) -> None:
    if not path.is_file() or path.suffix != ".safetensors":
        raise AssetError(f"lora: expected a .safetensors file, got {str(path)!r}")


def _file_digest(path: Path) -> str:
    from hashlib import file_digest

    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
