"""PretrainedPipeline: a folder of weights that is checked at once and loaded when it is needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from simvid.errors import AssetError, SimvidError
from simvid.refining.pretrained.settings import LoraSettings, PretrainedSettings
from simvid.refining.pretrained.weights import Weights, check_memory, find_weights, free_memory, library, require_extra

_NUMBER_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
_UNSHAPING = ("model", "revision", "local_files_only", "offload", "threads")
"""Settings that say where the weights lie, or change no picture."""
_FILES = ("lora", "reference")
"""Settings that name a file."""


class PretrainedPipeline(ABC):
    """A pipeline of diffusers, with all that can be known beforehand checked beforehand."""

    name: ClassVar[str]
    families: ClassVar[tuple[str, ...]]
    """Classes of pipelines that it runs, by their names in model_index.json."""
    version_number: ClassVar[str] = "1"
    places: ClassVar[Mapping[str, Any]] = {}
    """Settings that say where folders beside the model lie, as pydantic's ``exclude``."""

    def __init__(self, settings: PretrainedSettings) -> None:
        require_extra(f"the refiner backend {self.name!r}")
        self._settings = settings
        self.weights: Weights = find_weights(
            settings.model, revision=settings.revision, local_files_only=settings.local_files_only
        )
        self.weights.expect(self.families, self.name)
        self.others: list[Weights] = []
        if isinstance(settings, LoraSettings) and settings.lora is not None:
            _check_lora(Path(settings.lora))

    def beside(self, model: str, family: str, revision: str | None = None) -> Weights:
        """Another folder that the pipeline needs, found and recognised."""
        found = find_weights(model, revision=revision, local_files_only=self._settings.local_files_only)
        found.expect((family,), self.name)
        self.others.append(found)
        return found

    @abstractmethod
    def _loaded(self) -> Any:
        """The pipeline, on no device yet."""

    def _offload(self, pipe: Any) -> None:
        """Keep only the component on the GPU that is at work."""
        pipe.enable_model_cpu_offload()

    def version(self) -> str:
        """Of the method, and the digests of the weights: the model's, and those of folders beside it in their order."""
        digests = [found.digest[:16] for found in (self.weights, *self.others)]
        return " ".join((self.version_number, *digests))

    def settings(self) -> Mapping[str, Any]:
        """All but where folders lie and what does not shape pictures; files and the model by digest.

        Folders beside the model are in ``version``.
        """
        plain = self._settings.model_dump(mode="json", exclude={**dict.fromkeys(_UNSHAPING, True), **self.places})
        named = {name: Path(plain[name]) for name in _FILES if plain.get(name) is not None}
        files = {name: f"{path.name} sha256:{_file_digest(path)}" for name, path in named.items()}
        return {**plain, **files, "weights": f"sha256:{self.weights.digest}"}

    def check_main_memory(self) -> None:
        """Where the weights will lie in main memory, make sure that they fit.

        Raises:
            SimvidError: they do not.
        """
        if self._settings.device == "cpu" or not Path("/dev/nvidiactl").exists():
            check_memory(self.weights, _NUMBER_BYTES[self._settings.dtype], free_memory(), "memory",
                         others=tuple(self.others))  # fmt: skip

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
            check_memory(self.weights, _NUMBER_BYTES[chosen.dtype], free, "the GPU's memory",
                         offload=chosen.offload, others=tuple(self.others))  # fmt: skip
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
            self._offload(pipe)
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


def _check_lora(path: Path) -> None:
    if not path.is_file() or path.suffix != ".safetensors":
        raise AssetError(f"lora: expected a .safetensors file, got {str(path)!r}")


def _file_digest(path: Path) -> str:
    from hashlib import file_digest

    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
