"""``simvid overlay``: labels of a clip as a video."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from simvid.clip import Clip
from simvid.viewing.overlay import Overlay, write_overlay


def main(arguments: argparse.Namespace) -> int:
    """Write the video."""
    clip = Clip.open(arguments.clip)
    labels = [label for label in (arguments.labels or "").split(",") if label]
    overlay = Overlay(clip, labels, arguments.camera, arguments.layout, arguments.share)
    path = Path(arguments.output)
    write_overlay(overlay, clip.fps, path)
    shown = {name: list(chosen) for name, chosen in overlay.shown.items()}
    if arguments.json:
        print(json.dumps({"video": str(path), "frames": clip.frame_count, "labels": shown}))
    elif arguments.quiet:
        print(path)
    else:
        print("\n".join([str(path), *(f"  {name}: {', '.join(chosen)}" for name, chosen in shown.items())]))
    return 0
