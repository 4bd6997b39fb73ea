"""BridgeWeights: a folder of trained weights, checked before anything in it is trusted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from simvid.errors import AssetError, SimvidError
from simvid.refining.conditions import CHANNELS

INDEX = "model_index.json"
TENSORS = "unet/diffusion_pytorch_model.safetensors"
FILES = (INDEX, "unet/config.json", TENSORS, "scheduler/scheduler_config.json")
PICKLED = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
"""Endings of files that may run code when they are read."""
_PARTS = {
    "_class_name": "VideoRefinerPipeline",
    "unet": ["simvid.refining.model", "RefinerUNet"],
    "scheduler": ["simvid.refining.scheduler", "BridgeScheduler"],
}
"""What the index must name: diffusers imports what it finds there."""


@dataclass(frozen=True)
class BridgeWeights:
    """The folder that ``simvid train refiner`` writes.

    Raises:
        AssetError: it is no such folder, files are missing, weights are pickled, or it is of another family.
    """

    folder: Path

    def __post_init__(self) -> None:
        if not self.folder.exists():
            raise AssetError(f"weights: expected a folder as  simvid train refiner  writes, got {self.folder}: nothing "
                             "there")  # fmt: skip
        missing = [name for name in FILES if not (self.folder / name).is_file()]
        if missing:
            raise AssetError(f"weights: {self.folder}: expected a folder as  simvid train refiner  writes, with "
                             f"{', '.join(FILES)}; missing: {', '.join(missing)}{self._pickled()}")  # fmt: skip
        index = self._json(INDEX)
        odd = [name for name, value in _PARTS.items() if index.get(name) != value]
        if odd:
            raise AssetError(
                f"weights: {self.folder / INDEX}: expected the index of a simvid refiner, with "
                f"{', '.join(f'{name}: {_PARTS[name]}' for name in odd)}; got "
                f"{', '.join(f'{index.get(name)!r}' for name in odd)}: these weights are of another family"
            )

    @cached_property
    def looks(self) -> tuple[str, ...]:
        """Looks that the weights know by name.

        Raises:
            AssetError: the configuration is not a refiner's.
        """
        looks = self._json("unet/config.json").get("looks")
        if not isinstance(looks, list) or not all(isinstance(name, str) for name in looks):
            raise AssetError(f"{self.folder}: unet/config.json is not that of a refiner: its looks are {looks!r}")
        return tuple(looks)

    @cached_property
    def traced(self) -> bool:
        """Whether they read the traced picture."""
        return self._json("unet/config.json").get("conditions") == CHANNELS

    @cached_property
    def digest(self) -> str:
        """SHA-256 over what makes the result: weights, and configurations without diffusers' own notes."""
        total = sha256()
        for name in FILES[1:]:
            content = (self.folder / name).read_bytes()
            if name.endswith(".json"):
                tree = {key: value for key, value in self._json(name).items() if not key.startswith("_")}
                content = json.dumps(tree, sort_keys=True).encode()
            total.update(content)
        return total.hexdigest()

    def load(self) -> Any:
        """The pipeline, in float32 and laid out for the processor.

        Raises:
            AssetError: the weights are damaged or of another version.
            SimvidError: they do not fit into memory.
            MissingExtraError: torch or diffusers is not installed.
        """
        from simvid.refining.deep import diffusers_logging, out_of_memory, torch
        from simvid.refining.pipeline import VideoRefinerPipeline

        diffusers_logging.disable_progress_bar()
        options = {"use_safetensors": True, "local_files_only": True, "low_cpu_mem_usage": False}
        try:
            check_tensors(self.folder)
            pipe = VideoRefinerPipeline.from_pretrained(self.folder, **options)
        except AssetError:
            raise
        except Exception as error:  # every library below raises its own kind
            if out_of_memory(error):
                said = f"{self.folder}: these weights do not fit into memory; close other programs"
                raise SimvidError(said) from error
            raise AssetError(f"{self.folder}: cannot be loaded as a refiner: its weights are damaged or of another "
                             f"version; copy them again, or train again ({error})") from error  # fmt: skip
        broken = [name for name, weight in pipe.unet.named_parameters() if not bool(torch.isfinite(weight).all())]
        if broken:
            raise AssetError(f"{self.folder}: weights that are not finite, in {', '.join(broken[:3])}; train again")
        pipe.unet.float().to(memory_format=torch.channels_last)
        return pipe

    def _json(self, name: str) -> dict[str, Any]:
        try:
            tree = json.loads((self.folder / name).read_text())
        except (ValueError, OSError) as error:
            raise AssetError(f"{self.folder}: {name} is damaged, or is not that of a refiner ({error})") from error
        if not isinstance(tree, dict):
            raise AssetError(f"{self.folder}: {name} is not that of a refiner: expected a mapping")
        return tree

    def _pickled(self) -> str:
        """A word on pickled weights, where there are some."""
        places = [self.folder] if self.folder.is_file() else [*self.folder.glob("*"), *self.folder.glob("unet/*")]
        found = sorted(path.name for path in places if path.suffix in PICKLED)
        if not found:
            return ""
        return f"; {', '.join(found[:3])}: pickled weights are refused, as they may run code: save them as safetensors"


def check_tensors(folder: Path) -> None:
    """A saved network has the tensors that its configuration asks for, and no others: diffusers fills up with anything.

    Raises:
        AssetError: some are missing, or of no use.
    """
    from safetensors import safe_open

    from simvid.refining.deep import torch
    from simvid.refining.model import RefinerUNet

    with torch.device("meta"):
        net = RefinerUNet.from_config(RefinerUNet.load_config(folder / "unet", local_files_only=True))
    with safe_open(folder / TENSORS, "pt") as file:
        found, wanted = set(file.keys()), set(net.state_dict())
    odd = {"missing": sorted(wanted - found), "unexpected": sorted(found - wanted)}
    if said := "; ".join(f"{what}: {_some(names)}" for what, names in odd.items() if names):
        raise AssetError(f"{folder / TENSORS}: expected the {len(wanted)} tensors of the network in unet/config.json; "
                         f"{said}: copy these weights again, or train again")  # fmt: skip


def _some(names: list[str]) -> str:
    """The first few."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
