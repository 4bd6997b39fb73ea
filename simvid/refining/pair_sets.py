"""Data sets of training pairs: a folder with one folder per clip."""

from __future__ import annotations

from pathlib import Path

from simvid.errors import ClipError
from simvid.refining.pairs import FILE, PairClip, Split


def pair_folders(folder: Path) -> list[Path]:
    """Folders of all clips of a data set, by name, without those that are being written or were left half-written."""
    return sorted(path.parent for path in folder.glob(f"*/{FILE}") if not path.parent.name.startswith("."))


def open_pairs(folder: Path, split: Split | None = None, otherwise: str | None = None) -> list[PairClip]:
    """All clips of a data set in the order of their names; those of one split, if it is given.

    Args:
        folder: of the data set.
        split: which; by default both.
        otherwise: what to do where there are none, for the error; by default how to make some.

    Raises:
        ClipError: there are none, a clip is damaged, or a family is in both splits.
    """
    clips = [PairClip(path) for path in pair_folders(folder)]
    families = {name: {c.record.family for c in clips if c.record.split == name} for name in ("train", "held_out")}
    if both := families["train"] & families["held_out"]:
        raise ClipError(
            f"{folder}: families {', '.join(sorted(both))} are in both splits; held-out families must be unseen"
        )
    wanted = [clip for clip in clips if split in (None, clip.record.split)]
    if not wanted:
        raise no_pairs(folder, split, otherwise)
    return wanted


def no_pairs(folder: Path, split: Split | None = None, otherwise: str | None = None) -> ClipError:
    """The error of a data set that has none, or none of a split; the arguments are those of ``open_pairs``."""
    said = "expected a folder of training pairs, got a file" if folder.exists() else "no such folder"
    if folder.is_dir():
        said = "holds no training pairs" if split is None else f"holds no pairs of the split {split!r}"
    return ClipError(f"{folder}: {said}; {otherwise or how_to_make(folder)}")


def how_to_make(folder: Path) -> str:
    """The command that makes pairs, for errors."""
    return f"simvid pairs --out {'DIR' if folder.is_file() else folder} --count N --held-out M  makes them"
