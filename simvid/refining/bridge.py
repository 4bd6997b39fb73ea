"""BridgeRefiner: the bundled kind of refiner, with the weights of a folder that ``simvid train refiner`` wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simvid.errors import AssetError, SceneError
from simvid.frames import Frame
from simvid.refining.conditions import Conditions, depth_scale, encode_frame
from simvid.scene.base import Model

BUFFERS = ("albedo", "roughness", "metallic", "light_diffuse", "light_specular", "ambient_occlusion")
_FILES = ("model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
          "scheduler/scheduler_config.json")  # fmt: skip


class BridgeSettings(Model):
    """What an entry of the ``refiners/`` shelf may set."""

    weights: str
    """Folder of the weights, as ``save_pretrained`` writes it."""
    steps: int = Field(default=1, ge=1)
    strength: float = Field(default=1.0, gt=0, le=1)
    history: bool = True
    """Show each frame the one refined before it."""
    buffers: bool = True
    """Read the material and light buffers; without them the model does what it can."""
    bfloat16: bool = True
    threads: int = Field(default=1, ge=1)


class BridgeRefiner:
    """Refines frames one by one, in memory that does not grow with their number."""

    name = "bridge"
    Settings = BridgeSettings

    def __init__(self, settings: BridgeSettings) -> None:
        self._settings, self._folder = settings, Path(settings.weights)
        motion = ("depth", "normals", "flow_backward", "occluded_backward")
        self.reads: tuple[str, ...] = (*motion, *BUFFERS) if settings.buffers else motion
        missing = [name for name in _FILES if not (self._folder / name).is_file()]
        if missing:
            raise AssetError(f"weights: {self._folder}: expected a folder as  simvid train refiner  writes, with "
                             f"{', '.join(_FILES)}; missing: {', '.join(missing)}")  # fmt: skip

    def version(self) -> str:
        """Of the method, and the digest of the weights."""
        return f"1 {self._digest[:16]}"

    def settings(self) -> Mapping[str, Any]:
        """All but the number of threads and the folder's place: the weights' digest stands for it."""
        plain = self._settings.model_dump(mode="json", exclude={"threads"})
        return {**plain, "weights": f"sha256:{self._digest}"}

    @cached_property
    def looks(self) -> tuple[str, ...]:
        """Looks that the weights know."""
        try:
            config = json.loads((self._folder / "unet" / "config.json").read_text())
            return ("as_rendered", *config["looks"])
        except (ValueError, KeyError, TypeError) as error:
            raise AssetError(f"{self._folder}: unet/config.json is not that of a refiner ({error})") from error

    def refine(self, frames: Iterable[Frame], *, look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        """Refined pictures, one for one.

        Raises:
            SceneError: at once, for a look that the weights do not know.
            AssetError: the weights are damaged or of another version.
        """
        if look not in self.looks:
            raise SceneError(f"the refiner {self._folder.name!r} knows {', '.join(self.looks)}; got {look!r}")
        return self._refined(frames, look, seed)

    def _refined(self, frames: Iterable[Frame], look: str, seed: int) -> Iterator[NDArray[np.uint8]]:
        from simvid.refining.deep import diffusers_logging, torch
        from simvid.refining.pipeline import Sampling, VideoRefinerPipeline

        chosen = self._settings
        torch.set_num_threads(chosen.threads)
        diffusers_logging.disable_progress_bar()
        try:
            options = {"use_safetensors": True, "local_files_only": True, "low_cpu_mem_usage": False}
            pipe = VideoRefinerPipeline.from_pretrained(self._folder, **options)
        except Exception as error:  # every library below raises its own kind
            raise AssetError(f"{self._folder}: cannot be loaded as a refiner ({error})") from error
        sampling = Sampling(chosen.steps, chosen.strength, chosen.history, autocast=chosen.bfloat16)
        draw = torch.Generator().manual_seed(seed & (2**63 - 1))
        yield from pipe.stream(self._encoded(frames), sampling=sampling, look=look, generator=draw)

    def _encoded(self, frames: Iterable[Frame]) -> Iterator[Conditions]:
        scale = None
        for i, frame in enumerate(frames):
            labels = {name: array for name in self.reads if (array := getattr(frame, name)) is not None}
            if scale is None:
                scale = depth_scale(labels.get("depth"))
            yield encode_frame({"rgb": frame.rgb, **labels}, scale, where=f"frame {i}")

    @cached_property
    def _digest(self) -> str:
        """SHA-256 over what makes the result: weights, and configurations without diffusers' own notes."""
        total = sha256()
        for name in _FILES[1:]:
            content = (self._folder / name).read_bytes()
            if name.endswith(".json"):
                tree = {key: value for key, value in json.loads(content).items() if not key.startswith("_")}
                content = json.dumps(tree, sort_keys=True).encode()
            total.update(content)
        return total.hexdigest()
