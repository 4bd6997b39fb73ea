"""Checkpoints: folders OUT/checkpoints/STEP that appear whole, hold safetensors and JSON, and no pickle."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from simvid.clips.folders import new_folder, remove, sweep
from simvid.errors import ClipError
from simvid.refining.deep import Tensor

KEPT = 2
"""Checkpoints that stay."""


def save(out: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], about: Mapping[str, Any]) -> Path:
    """Write a checkpoint and remove the old ones.

    Args:
        out: folder of the run.
        step: steps done.
        tensors: named groups of named tensors, one file each.
        about: plain values.
    """
    from safetensors.torch import save_file

    home = out / "checkpoints"
    home.mkdir(parents=True, exist_ok=True)
    sweep(home)
    final = home / f"{step:08d}"
    with new_folder(final) as work:
        for name, group in tensors.items():
            save_file({key: t.detach().contiguous() for key, t in group.items()}, work / f"{name}.safetensors")
        (work / "state.json").write_text(json.dumps({"step": step, **about}, indent=1) + "\n")
    for old in _all(out)[:-KEPT]:
        remove(old)
    return final


def latest(out: Path) -> Path | None:
    """The newest checkpoint; None if there is none."""
    found = _all(out)
    return found[-1] if found else None


def load(folder: Path, groups: Collection[str] = ()) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Tensors and plain values, ``step`` among them.

    Raises:
        ClipError: the folder is damaged, or one of these groups is missing.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        about: dict[str, Any] = json.loads((folder / "state.json").read_text())
        if not isinstance(about, dict) or not isinstance(about.get("step"), int):
            raise ValueError("state.json says no step")
        if missing := [f"{name}.safetensors" for name in groups if not (folder / f"{name}.safetensors").is_file()]:
            raise ValueError(f"{', '.join(missing)}: missing")
        return {path.stem: load_file(path) for path in sorted(folder.glob("*.safetensors"))}, about
    except (OSError, ValueError, SafetensorError) as error:
        raise damaged(folder, error) from error


def damaged(folder: Path, error: Exception) -> ClipError:
    """The error of a checkpoint that cannot be used, with the way out."""
    return ClipError(f"{folder}: damaged checkpoint ({error}); delete it to go on from the one before")


def optimizer_tensors(optimizer: Any, names: list[str]) -> dict[str, Tensor]:
    """AdamW's state as named tensors."""
    found = {}
    for name, parameter in zip(names, optimizer.param_groups[0]["params"], strict=True):
        for key, value in optimizer.state.get(parameter, {}).items():
            found[f"{key}/{name}"] = value
    return found


def restore_optimizer(optimizer: Any, names: list[str], tensors: Mapping[str, Tensor]) -> None:
    """Put the state back."""
    for name, parameter in zip(names, optimizer.param_groups[0]["params"], strict=True):
        mine = {
            key: tensors[f"{key}/{name}"] for key in ("step", "exp_avg", "exp_avg_sq") if f"{key}/{name}" in tensors
        }
        if mine:
            optimizer.state[parameter] = {
                key: value.clone() if key == "step" else value.clone().to(parameter.device)
                for key, value in mine.items()
            }


def _all(out: Path) -> list[Path]:
    home = out / "checkpoints"
    return sorted(p for p in home.glob("[0-9]*") if p.is_dir()) if home.is_dir() else []
