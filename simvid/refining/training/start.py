"""Weights to begin from: those of a saved pipeline, for fine-tuning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simvid.errors import AssetError, SimvidError
from simvid.refining.bridge_weights import check_tensors
from simvid.refining.conditions import reading
from simvid.refining.deep import Tensor, out_of_memory
from simvid.refining.model import HISTORY, RefinerUNet

_CONFIG = "unet/config.json"
ARCHITECTURE = ("widths", "depths", "window")


def architecture(folder: Path) -> dict[str, Any]:
    """Settings of a run that begins from a saved pipeline: widths, depths, window, noise, learn_looks, traced.

    Raises:
        AssetError: it is no such folder.
    """
    net = _config(folder, _CONFIG)
    noise = _config(folder, "scheduler/scheduler_config.json")
    try:
        found = {name: tuple(net[name]) if isinstance(net[name], list) else net[name] for name in ARCHITECTURE}
        traced = net["conditions"] == reading(traced=True)["conditions"]
        return {**found, "noise": noise["noise"], "learn_looks": bool(net["looks"]), "traced": traced}
    except KeyError as error:
        raise AssetError(f"{folder}: its configuration lacks {error}; {_expected()}") from error


def begin(net: RefinerUNet, folder: Path) -> None:
    """Copy the weights of a saved pipeline into a network.

    One that reads the traced picture may begin from one that does not: with zeros for what is new and in its last
    layers, it begins with that one's features and gives the traced picture as it is.

    Raises:
        AssetError: it is no such folder, damaged, incomplete, or of another architecture; the text says what differs.
    """
    config = _config(folder, _CONFIG)
    if config.get("_class_name") != RefinerUNet.__name__:
        raise AssetError(f"{folder}: expected a {RefinerUNet.__name__}, got {config.get('_class_name')}; {_expected()}")
    read = {name: config.get(name) for name in reading(traced=True)}
    grows = net.traced and read == reading(traced=False)
    if read == reading(traced=True) and not net.traced:
        raise AssetError(f"{folder}: those weights read the traced picture; set  traced: true, or begin from others")
    for name in (*ARCHITECTURE, "looks", *(() if grows else read)):
        theirs, mine = _plain(config.get(name)), _plain(net.config[name])
        if theirs != mine:
            raise AssetError(f"{folder}: {name}: this run has {mine}, those weights have {theirs}; a run can only "
                             "begin from weights of its own architecture")  # fmt: skip
    try:
        check_tensors(folder)
        saved = RefinerUNet.from_pretrained(folder / "unet", use_safetensors=True, local_files_only=True,
                                            low_cpu_mem_usage=False)  # fmt: skip
        state = saved.float().state_dict()
        net.load_state_dict(_grown(state, net) if grows else state)
    except AssetError:
        raise
    except Exception as error:  # every library below raises its own kind
        if out_of_memory(error):
            raise SimvidError(f"{folder}: these weights do not fit into memory; close other programs") from error
        raise AssetError(f"{folder}: cannot be loaded as a refiner ({error}); {_expected()}") from error


def _grown(state: dict[str, Tensor], net: RefinerUNet) -> dict[str, Tensor]:
    """Weights with zeros for inputs that they lack, and for all of the layers that make the correction.

    New channels come last, but where pictures enter: there four numbers of each channel of the history come after.
    """
    found = {}
    for name, mine in net.state_dict().items():
        theirs, made = state[name], mine.new_zeros(mine.shape)
        found[name] = made
        if name.partition(".")[0] in ("fine", "leave"):
            continue
        made[tuple(slice(0, n) for n in theirs.shape)] = theirs
        if name == "enter.weight":
            past = 4 * HISTORY
            made[:, -past:] = theirs[:, -past:]
            made[:, theirs.shape[1] - past : -past] = 0
    return found


def _config(folder: Path, name: str) -> dict[str, Any]:
    try:
        tree = json.loads((folder / name).read_text())
    except (OSError, ValueError) as error:
        raise AssetError(f"{folder / name}: missing or damaged ({error}); {_expected()}") from error
    if not isinstance(tree, dict):
        raise AssetError(f"{folder / name}: expected a mapping; {_expected()}")
    return tree


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, list)) else value


def _expected() -> str:
    return "expected the folder  refiner/  of a run of  simvid train refiner"
