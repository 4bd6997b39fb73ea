"""``simvid report``: one HTML page about a clip."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from simvid.clip import Clip
from simvid.viewing.report import write_report


def main(arguments: argparse.Namespace) -> int:
    """Write the page."""
    clip = Clip.open(arguments.clip)
    path = Path(arguments.output) if arguments.output else clip.path.parent / f"{clip.path.name}.html"
    write_report(clip, path)
    print(json.dumps({"report": str(path)}) if arguments.json else path)
    return 0
