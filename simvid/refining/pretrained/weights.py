"""Folders of pretrained pipelines: found, recognised, weighed and fingerprinted before anything is loaded."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from simvid.errors import AssetError, MissingExtraError, SimvidError

EXTRA = ("torch", "diffusers", "transformers", "accelerate", "ftfy", "sentencepiece", "peft")
"""Packages of the extra ``pretrained``."""
PATTERNS = ("*.json", "*/*.safetensors", "diffusion_pytorch_model*.safetensors", "*.model", "*.txt", "*.jinja")
"""Files that are fetched from a hub: not the same weights in one file."""
INDEXES = ("model_index.json", "modular_model_index.json", "config.json")
_PIECE, _PIECES = 1 << 16, 256


def library(name: str) -> Any:
    """A module of an optional package, which type checkers know nothing of."""
    return import_module(name)


def require_extra(what: str) -> None:
    """Look for the packages, without loading them.

    Raises:
        MissingExtraError: one is not installed.
    """
    for package in EXTRA:
        if find_spec(package) is None:
            raise MissingExtraError(package, "pretrained", what)


@dataclass(frozen=True)
class Weights:
    """A folder as diffusers' ``save_pretrained`` writes it."""

    folder: Path

    @cached_property
    def index(self) -> dict[str, Any]:
        """What it says of itself.

        Raises:
            AssetError: there is no such file, or it is not JSON.
        """
        for name in INDEXES:
            if (self.folder / name).is_file():
                try:
                    found = json.loads((self.folder / name).read_text(encoding="utf-8"))
                    if isinstance(found, dict):
                        return found
                    raise ValueError("it is not a mapping")
                except ValueError as error:
                    raise AssetError(f"model: {self.folder / name} is damaged ({error})") from error
        raise AssetError(f"model: {self.folder}: expected a folder of a diffusers pipeline, with model_index.json; "
                         "there is none (weights in a model's own format must be converted first)")  # fmt: skip

    def _belongs(self, path: Path) -> bool:
        """Whether a file is part of the pipeline, not the same in one file or in half precision beside it."""
        where = path.relative_to(self.folder).parts
        if ".fp16." in path.name and (path.parent / path.name.replace(".fp16.", ".")).is_file():
            return False
        if (self.folder / INDEXES[0]).is_file():
            part = self.index.get(where[0])
            return len(where) > 1 and isinstance(part, list) and part[0] is not None
        return True

    @property
    def family(self) -> str:
        """The pipeline's class."""
        return str(self.index.get("_blocks_class_name") or self.index.get("_class_name"))

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """All weights.

        Raises:
            AssetError: none, or in files that could run code.
        """
        found = tuple(p for p in sorted(self.folder.rglob("*.safetensors")) if self._belongs(p))
        if not found:
            pickled = sorted(p.name for p in self.folder.rglob("*") if p.suffix in {".bin", ".ckpt", ".pt", ".pth"})
            got = f"only {', '.join(pickled)}, which may run code and is refused" if pickled else "no weights"
            raise AssetError(f"model: {self.folder}: expected weights as .safetensors, got {got}")
        return found

    def expect(self, families: Sequence[str], backend: str) -> None:
        """Make sure that an adapter can run it.

        Raises:
            AssetError: it is of another family.
        """
        if self.family not in families:
            raise AssetError(f"model: {self.folder}: the backend {backend!r} runs {' or '.join(families)}, but this "
                             f"folder holds a {self.family}; name the folder of the right model, or the backend "
                             "for this one")  # fmt: skip

    def bytes_as(self, itemsize: int) -> dict[str, int]:
        """Memory of each component if its numbers are held in so many bytes."""
        total: dict[str, int] = {}
        for path in self.files:
            name = path.relative_to(self.folder).parts[0]
            total[name] = total.get(name, 0) + _numbers(path) * itemsize
        return total

    @cached_property
    def digest(self) -> str:
        """SHA-256 over configurations, and over 256 evenly spread pieces of 64 KiB of each weights file and its size.

        Training changes every number, so that pieces tell; all of 30 GB would take minutes each time.
        """
        total = sha256()
        configs = [p for p in self.folder.rglob("*.json") if not p.name.endswith(".index.json")]
        for path in sorted(configs):
            total.update(str(path.relative_to(self.folder)).encode() + _plain(path))
        for path in self.files:
            size = path.stat().st_size
            total.update(f"{path.relative_to(self.folder)} {size}".encode())
            with path.open("rb") as file:
                for start in sorted({max(0, size - _PIECE) * k // (_PIECES - 1) for k in range(_PIECES)}):
                    file.seek(start)
                    total.update(file.read(_PIECE))
        return total.hexdigest()


def find_weights(model: str, *, revision: str | None, local_files_only: bool) -> Weights:
    """The folder of a model: a local one, or one of the Hugging Face hub's cache, fetched if that is allowed.

    Raises:
        AssetError: it is not there, and may not or cannot be fetched.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return Weights(folder)
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise AssetError(f"model: expected a folder, or the id of a model on the Hugging Face hub (owner/name), got "
                         f"{model!r}: there is no folder {folder.absolute()}")  # fmt: skip
    try:
        found = library("huggingface_hub").snapshot_download(
            model,
            revision=revision,
            local_files_only=local_files_only,
            allow_patterns=list(PATTERNS),
            ignore_patterns=["*.fp16.*"],
        )
    except Exception as error:  # the hub's client raises many kinds
        todo = "set local_files_only: false to let simvid fetch it" if local_files_only else "see the reason above"
        raise AssetError(f"model: {model!r} is no folder here and not in the Hugging Face cache ({_first(error)}); "
                         f"give a folder, fetch it with  hf download {model}  or {todo}") from error  # fmt: skip
    return Weights(Path(found))


def check_memory(
    weights: Weights,
    itemsize: int,
    available: int,
    where: str,
    *,
    offload: bool = False,
    others: Sequence[Weights] = (),
) -> None:
    """Make sure that the weights fit, with a fifth more for the work.

    Args:
        weights: of the whole pipeline.
        itemsize: bytes of one number, as loaded.
        available: bytes that are free.
        where: "memory", or the name of a device.
        offload: only one component is there at a time.
        others: loaded beside it.

    Raises:
        SimvidError: they do not.
    """
    sizes = list(weights.bytes_as(itemsize).items())
    sizes += [(other.folder.name, sum(other.bytes_as(itemsize).values())) for other in others]
    needed = int(1.2 * (max if offload else sum)([size for _, size in sizes]))
    if needed > available:
        largest = ", ".join(f"{name} {_gib(size)}" for name, size in sorted(sizes, key=lambda s: -s[1])[:3])
        raise SimvidError(f"model: {weights.folder.name}: needs about {_gib(needed)} of {where} ({largest}, and a "
                          f"fifth for the work), {_gib(available)} are free; take a smaller model, dtype: bfloat16, or "
                          "on a GPU offload: true")  # fmt: skip


def free_memory() -> int:
    """Bytes of main memory that a process can still have."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import os

    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _numbers(path: Path) -> int:
    """How many numbers a safetensors file holds, from its header.

    Raises:
        AssetError: it is not one.
    """
    try:
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            if length > path.stat().st_size:
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
        total = 0
        for name, tensor in header.items():
            if name != "__metadata__":
                count = 1
                for side in tensor["shape"]:
                    count *= side
                total += count
        return total
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise AssetError(f"model: {path} is damaged: it is no safetensors file ({error})") from error


def _plain(path: Path) -> bytes:
    """A configuration without diffusers' own notes."""
    content = path.read_bytes()
    try:
        tree = json.loads(content)
    except ValueError:
        return content
    if isinstance(tree, dict):
        tree = {key: value for key, value in tree.items() if key not in {"_name_or_path", "_diffusers_version"}}
    return json.dumps(tree, sort_keys=True).encode()


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
