"""The weights of probe and comparison on disk: half-precision safetensors; nothing pickled is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from simvid.checking.gate.limits import GateLimits, read_limits
from simvid.checking.probe.net import CompareNet, ProbeNet, torch
from simvid.errors import AssetError, MissingExtraError

FOLDER = Path(__file__).resolve().parent
WEIGHTS, LIMITS = FOLDER / "weights.safetensors", FOLDER / "limits.json"
KINDS: Mapping[str, Any] = {"probe": ProbeNet, "compare": CompareNet}


class Nets(NamedTuple):
    """Probe and comparison, ready to be asked."""

    probe: Any
    compare: Any


def save_nets(path: Path, **nets: Any) -> None:
    """Write the weights of the nets given, by the names of ``KINDS``, in half precision."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"{kind}/{name}": t.detach() for kind, net in nets.items() for name, t in net.state_dict().items()}
    halves = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    save_file({name: t.contiguous() for name, t in halves.items()}, path)


def load_net(kind: str, path: Path) -> Any:
    """One of ``KINDS`` with the weights of a file, in single precision.

    Raises:
        AssetError: the file is missing, damaged, pickled, or of another network.
        MissingExtraError: safetensors is not installed.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load
    except ImportError as error:
        raise MissingExtraError("safetensors", "refine", "the gate on refined video") from error
    try:
        tensors = load(path.read_bytes())
    except (OSError, SafetensorError, ValueError) as error:
        raise AssetError(f"{path}: expected weights as safetensors ({error}); install simvid again") from error
    mine = {name.removeprefix(f"{kind}/"): t for name, t in tensors.items() if name.startswith(f"{kind}/")}
    net = KINDS[kind]()
    wanted = {name: tuple(t.shape) for name, t in net.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in mine.items()}
    if wanted != found:
        wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise AssetError(f"{path}: expected the weights of the {kind}, got others ({wrong[0]} and {len(wrong) - 1} "
                         "more differ); use those of this version")  # fmt: skip
    if not all(bool(torch.isfinite(t.float()).all()) for t in mine.values()):
        raise AssetError(f"{path}: the weights of the {kind} hold NaN or infinite values; install simvid again")
    net.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in mine.items()})
    return net.eval()


def load_nets(path: Path) -> Nets:
    """Both nets of one file. Raises as ``load_net``."""
    return Nets(load_net("probe", path), load_net("compare", path))


def shipped_nets() -> Nets:
    """The nets that come with simvid.

    Raises:
        AssetError: their weights are not those that the limits were calibrated with.
    """
    wanted = shipped_limits().weights_sha256
    found = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() if WEIGHTS.is_file() else "no file"
    if found != wanted:
        raise AssetError(f"{WEIGHTS}: expected weights with SHA-256 {wanted}, got {found}; install simvid again")
    return load_nets(WEIGHTS)


def shipped_limits() -> GateLimits:
    """The limits that come with simvid.

    Raises:
        AssetError: they are missing or damaged.
    """
    return read_limits(LIMITS)
