"""``simvid report``: one HTML page about a clip, or about a folder of clips."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from simvid.clip import Clip
from simvid.clips.records import CLIP_FILE
from simvid.viewing.dataset_report import dataset_report
from simvid.viewing.report import write_page, write_report


def main(arguments: argparse.Namespace) -> int:
    """Write the page."""
    source = Path(arguments.clip)
    path = Path(arguments.output) if arguments.output else source.resolve().parent / f"{source.resolve().name}.html"
    if source.is_dir() and not (source / CLIP_FILE).exists():
        write_page(dataset_report(source, arguments.clips), path)
    else:
        write_report(Clip.open(source), path)
    print(json.dumps({"report": str(path)}) if arguments.json else path)
    return 0
