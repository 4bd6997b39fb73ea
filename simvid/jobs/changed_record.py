"""A change of a clip's record, made on the record as it stands: others may have added to the clip meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simvid.clip import Clip
from simvid.clips.folders import alone_with, new_file
from simvid.clips.records import CLIP_FILE, ClipRecord, read_record, write_record


def changed_record(folder: Path, change: Callable[[ClipRecord], ClipRecord]) -> Clip:
    """The clip of a folder with its ``clip.json`` changed, in one step and one process at a time.

    Files that it speaks of may have been replaced already: only the changed record is held against them.

    Raises:
        ClipError: there is no clip, or it cannot be written.
    """
    with alone_with(folder / CLIP_FILE):
        record = change(read_record(folder / CLIP_FILE, ClipRecord))
        with new_file(folder / CLIP_FILE) as path:
            write_record(path, record)
    return Clip.open(folder)
